/**
 * The lines a starting daemon shows: who it is, where it is reached, where its data lies, what to do next.
 */
import { styleText } from 'node:util'

/** What the banner tells. */
export interface BannerFacts {
  readonly version: string
  readonly nodeName: string
  readonly nodeRole: string
  readonly peerId: string
  /** Sentence on the sync mode, such as `AUTO, no path proven yet`. */
  readonly mode: string
  /** Base URLs where REST and dashboard answer; the first is used in the next command. */
  readonly urls: readonly string[]
  readonly p2pAddresses: readonly string[]
  readonly stateDir: string
  /** Where settings came from (config/configSources). */
  readonly sources: string
  /** One sentence each; the first two are shown. */
  readonly warnings: readonly string[]
}

// More would push what matters off a small terminal (experience F3).
const warningLinesMax = 2

/** At most 12 lines, without a final line feed. */
export function banner(facts: BannerFacts, colour: boolean): string {
  const bold = (text: string): string => (colour ? styleText('bold', text, { validateStream: false }) : text)
  const row = (name: string, value: string): string => `  ${name.padEnd(9)} ${value}`
  const [url = ''] = facts.urls
  const more = facts.warnings.length - warningLinesMax
  return [
    bold(`Lattice ${facts.version} · ${facts.nodeName} (${facts.nodeRole})`),
    row('peer id', facts.peerId),
    row('mode', facts.mode),
    row('API', facts.urls.join('  ')),
    row('P2P', facts.p2pAddresses.length > 0 ? facts.p2pAddresses.join('  ') : 'off'),
    row('data', facts.stateDir),
    row('settings', facts.sources),
    ...facts.warnings.slice(0, warningLinesMax).map(text => row('warning', text)),
    ...(more > 0 ? [row('', `and ${more} more: lattice config`)] : []),
    row('next', `lattice status --url ${url}`),
  ].join('\n')
}
