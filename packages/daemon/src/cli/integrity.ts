/** `lattice integrity`: whether what lies on the disk of a node is what was written, and what is being mended. */
import type { Client } from '@lattice/api'
import type { Command } from 'commander'

import { exitCodes } from './exit.ts'
import type { ExitCode } from './exit.ts'
import { print, printJson, span, visible } from './io.ts'
import type { Paint } from './io.ts'
import { ago } from './peer-rows.ts'
import type { Register } from './register.ts'
import { calling, openSession, withRemote } from './session.ts'
import { counted } from '../counted.ts'

type Report = Awaited<ReturnType<Client['getIntegrity']>>

/** Adds the command. */
export const registerIntegrity: Register = (program, { io, run }) => {
  const command = withRemote(program.command('integrity'), 'integrity')
    .description('whether the store of this node is sound: last check, damage, what was mended')
    .addHelpText(
      'after',
      '\nA check runs every 6 hours, and now if the last one is older than a minute.' +
        '\n\nExit codes: 0 sound, 1 something damaged is not mended, 2 no check has ended yet.' +
        '\n\nExample:\n  $ lattice integrity',
    )
  command.action(
    run(async (_options: unknown, self: Command) => {
      const session = openSession(self, io)
      const report = await calling(session, client => client.getIntegrity())
      if (session.json) printJson(io, { schema: 'lattice.integrity/v1', ...report })
      else print(io, ...integrityLines(report, session.paint, Date.now()))
      return exitOf(report)
    }),
  )
}

function exitOf({ status, checked }: Report): ExitCode {
  if (status === 'corrupt') return exitCodes.failed
  return checked ? exitCodes.ok : exitCodes.warning
}

function integrityLines(report: Report, paint: Paint, nowWall: number): readonly string[] {
  const { status, reason, quarantined, quarantined_here_only: hereOnly, healed } = report
  const sign = status === 'healthy' ? paint('green', '✓') : paint('red', '✗')
  const lines = [`${sign} ${status}: ${visible(reason)}`, checkLine(report, nowWall)]
  if (quarantined + healed > 0) lines.push(`Waiting ${quarantined}, mended ${healed} since the start.`)
  if (quarantined > 0) lines.push(`Damaged: ${report.quarantined_keys.map(visible).join(', ')}`)
  if (hereOnly > 0)
    lines.push(
      `No other node is known to hold ${hereOnly} of them. If they do not come back: restore a backup, or`,
      `  lattice delete KEY    and write it anew`,
    )
  return lines
}

function checkLine(report: Report, nowWall: number): string {
  const running = report.running ? ' A check is under way.' : ''
  if (!report.checked) return `No check has ended yet.${running}`
  const took = span((report.duration_seconds ?? 0) * 1000)
  const found = report.rows_corrupt === 0 ? 'no damage' : `${report.rows_corrupt} damaged`
  return `Checked ${counted(report.rows_checked, 'row')} ${ago(report.checked_at, nowWall)} ago in ${took}: ${found}.${running}`
}
