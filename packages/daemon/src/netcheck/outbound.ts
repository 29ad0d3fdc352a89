/**
 * Whether connections to the usual ports leave this machine: some hosts let 80, 443 and 8080 out and nothing
 * else. Asked are the hosts of the other nodes and nobody beside them, so a port says something only where
 * one of them answers: an open port and a refusal both came back from there.
 */
import { once } from 'node:events'
import { connect } from 'node:net'

import { isPrivate } from '../host/addresses.ts'
import type { Outcome } from './steps.ts'

/** What a Space may reach (Hugging Face: "Networking"), and the port of P2P as configured by default. */
export const outboundPorts: readonly number[] = [443, 80, 8080, 9000]
/** Each port of each is one connection. */
const hostsMax = 3

/** What is known of one port. */
export interface Outbound {
  readonly port: number
  readonly outcome: Outcome
  readonly text: string
}

/** Tries `ports` on hosts beyond this machine's own network; without any, nothing was tested. */
export async function tryOutbound(
  hosts: readonly string[],
  ports: readonly number[],
  msMax: number,
): Promise<readonly Outbound[]> {
  const asked = [...new Set(hosts)].filter(host => !isPrivate(host)).slice(0, hostsMax)
  return Promise.all(
    ports.map(async port => {
      if (asked.length === 0)
        return { port, outcome: 'not tested' as const, text: 'no other node beyond this network' }
      const said = await Promise.all(asked.map(host => answers(host, port, msMax)))
      const heard = asked.filter((_host, index) => said[index])
      if (heard.length > 0) return { port, outcome: 'ok' as const, text: `${heard.join(', ')} answered` }
      const text = `nothing came back from ${asked.join(', ')}: blocked here, or dropped there`
      return { port, outcome: 'warning' as const, text }
    }),
  )
}

/** Whether anything came back: an open port, or a refusal. */
export async function answers(host: string, port: number, msMax: number): Promise<boolean> {
  const socket = connect({ host, port, signal: AbortSignal.timeout(msMax), autoSelectFamily: true })
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    return Error.isError(error) && 'code' in error && error.code === 'ECONNREFUSED'
  } finally {
    socket.destroy()
  }
}
