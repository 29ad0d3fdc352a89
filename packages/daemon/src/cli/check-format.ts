/** A finding of `lattice check` in the language of the monitor that asked. */
import { visible } from './io.ts'
import type { CheckState, CheckValue, Finding } from './check-rules.ts'

/** The languages. */
export const checkFormats = ['text', 'nagios', 'json', 'prometheus'] as const

/** One of the languages. */
export type CheckFormat = (typeof checkFormats)[number]

/** Exit codes of monitoring plugins (Monitoring Plugins Development Guidelines §2.4). */
export const stateCodes: Readonly<Record<CheckState, number>> = { ok: 0, warning: 1, critical: 2, unknown: 3 }

/** The finding as text that ends with a line feed. */
export function formatCheck(format: CheckFormat, name: string, finding: Finding): string {
  const { state, text, values } = finding
  const line = visible(text)
  switch (format) {
    case 'text':
      return `${state.toUpperCase()}: ${line}\n`
    case 'nagios': {
      // A pipe would begin the performance data.
      const data = values.map(performanceDatum).join(' ')
      return `${state.toUpperCase()} - ${line.replaceAll('|', '/')}${data === '' ? '' : ` | ${data}`}\n`
    }
    case 'json':
      return `${JSON.stringify({ schema: 'lattice.check/v1', check: name, state, text, values })}\n`
    case 'prometheus':
      return prometheus(name, finding)
  }
}

const nagiosUnits: Readonly<Record<string, string>> = { seconds: 's', percent: '%' }

function performanceDatum({ name, value, unit, warn, critical }: CheckValue): string {
  const limits = warn === undefined && critical === undefined ? '' : `;${warn ?? ''};${critical ?? ''}`
  return `${name}=${value}${nagiosUnits[unit ?? ''] ?? ''}${limits}`
}

function prometheus(name: string, { state, values }: Finding): string {
  const gauges: readonly (readonly [metric: string, help: string, value: number])[] = [
    ['lattice_check_state', '0 ok, 1 warning, 2 critical, 3 unknown.', stateCodes[state]],
    ...values.map(({ name: value, unit, value: number }) => {
      const suffix = unit === undefined || value.endsWith(unit) ? '' : `_${unit}`
      return [`lattice_check_${value}${suffix}`, `What the check ${name} measured.`, number] as const
    }),
  ]
  return gauges
    .map(([metric, help, value]) =>
      [`# HELP ${metric} ${help}`, `# TYPE ${metric} gauge`, `${metric}{check="${name}"} ${value}\n`].join(
        '\n',
      ),
    )
    .join('')
}
