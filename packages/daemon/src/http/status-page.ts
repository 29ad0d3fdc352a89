/**
 * `/status`: the public page, where the operator wants one. No scripts: any browser, any proxy, and nothing to
 * attack. Drawn at most once in a quarter of a minute, however many look.
 */
import { routes } from '@lattice/api'
import { judge } from './health.ts'
import type { HealthOptions } from './health.ts'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { escapeHtml, htmlPage } from './pages.ts'
import { HttpProblem } from './problems.ts'
import { daysShown, firstDay, publicStatus } from './public-status.ts'
import type { Day, PublicNode, PublicState, PublicStatus } from './public-status.ts'
import { counted } from '../counted.ts'

const signs: Readonly<Record<PublicState, readonly [sign: string, word: string]>> = {
  up: ['✓', 'Up'],
  degraded: ['!', 'Degraded'],
  down: ['✕', 'Down'],
  asleep: ['☾', 'Asleep'],
}

/** From this share of a day on it counts as up: 86 s a day may be a restart. */
const upShare = 0.999

/** Below this share of a day it counts as down. */
const downShare = 0.9

/** Height of a bar: the worse a day, the shorter it is, so that colour is not alone in saying so. */
const barUnits = 24

function classOf(share: number): PublicState {
  return share >= upShare ? 'up' : share >= downShare ? 'degraded' : 'down'
}

function shareText(share: number): string {
  // Rounded down: 99.996 % is not all.
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`
}

function mark(state: PublicState): string {
  const [sign, word] = signs[state]
  return `<span class="mark ${state}"><span aria-hidden="true">${sign}</span> ${word}</span>`
}

function dayText({ at, share }: Day): string {
  return `${new Date(at).toISOString().slice(0, 10)}: ${share === undefined ? 'not recorded' : shareText(share)}`
}

function ribbon({ name, days }: PublicNode): string {
  const known = days.flatMap(({ share }) => share ?? [])
  if (known.length === 0) return '<p class="soft">Nothing was recorded yet.</p>'
  const mean = known.reduce((sum, share) => sum + share, 0) / known.length
  const text = `up ${shareText(mean)} of ${counted(known.length, 'recorded day')}`
  const bars = days.map((day, index) => {
    const share = day.share
    const height = share === undefined ? 2 : Math.max(4, Math.round(barUnits * share))
    const kind = share === undefined ? 'blank' : classOf(share)
    return (
      `<rect class="${kind}" x="${index * 4}" y="${barUnits - height}" width="3" height="${height}">` +
      `<title>${dayText(day)}</title></rect>`
    )
  })
  return (
    `<svg class="ribbon" role="img" aria-label="${escapeHtml(name)}: ${text}" preserveAspectRatio="none" ` +
    `viewBox="0 0 ${daysShown * 4} ${barUnits}">${bars.join('')}</svg>` +
    `<p class="soft ends"><span>${daysShown} days ago</span><span>${text}</span><span>today</span></p>`
  )
}

function table(nodes: readonly PublicNode[]): string {
  const heads = nodes.map(({ name }) => `<th scope="col">${escapeHtml(name)}</th>`).join('')
  const days = nodes[0]?.days ?? []
  const rows = days
    .map((day, index) => {
      const cells = nodes.map(({ days: own }) => own[index]?.share)
      if (cells.every(share => share === undefined)) return ''
      const texts = cells.map(share => `<td>${share === undefined ? '–' : shareText(share)}</td>`)
      return `<tr><th scope="row">${dayText(day).slice(0, 10)}</th>${texts.join('')}</tr>`
    })
    .reverse()
    .join('')
  if (rows === '') return ''
  return `<details><summary>The days as a table</summary><div class="scroll" role="region" tabindex="0"
aria-label="The days as a table"><table><thead><tr><th scope="col">Day (UTC)</th>${heads}</tr></thead>
<tbody>${rows}</tbody></table></div></details>`
}

/** The page as HTML. `now` in Unix milliseconds. */
export function statusPageHtml({ state, sentence, nodes }: PublicStatus, now: number): string {
  const parts = nodes.map(
    node =>
      `<section class="node"><h2>${escapeHtml(node.name)} ${mark(node.state)}</h2>${ribbon(node)}</section>`,
  )
  return htmlPage(
    `Status: ${signs[state][1]}`,
    `<header><h1>Status</h1></header><main>
<p class="verdict ${state}" role="status">${mark(state)} <strong>${escapeHtml(sentence)}</strong></p>
${parts.join('\n')}
${table(nodes)}
<p class="soft">As seen from ${escapeHtml(nodes[0]?.name ?? '')} at
<time datetime="${new Date(now).toISOString()}">${new Date(now).toISOString().slice(0, 19).replace('T', ' ')} UTC</time>;
load the page again for news.</p></main>`,
    '<meta name="robots" content="noindex">',
  )
}

/** How long a drawn page serves everybody who asks. */
const freshMs = 15_000

type StatusOptions = HealthOptions & Pick<HttpAppOptions, 'history'>

async function draw(options: StatusOptions): Promise<string> {
  const { node, info, clock, history } = options
  const { wall } = clock.now()
  const reading = await history
    ?.read({ families: ['availability'], from: firstDay(wall), to: wall, stepMs: 86_400_000 })
    .catch(() => undefined)
  const own = { name: info.name, serves: judge(options).overall !== 'unhealthy' }
  return statusPageHtml(publicStatus(own, node.status(), reading, wall), wall)
}

/** Adds the page; without the operator's wish it does not exist. */
export function mountStatusPage(mount: Mount, options: StatusOptions): void {
  let drawn: { readonly mono: number; readonly html: Promise<string> } | undefined
  mount(routes.getStatusPage, async (_input, _request, response) => {
    if (options.config.statusPage !== true)
      throw new HttpProblem(
        'NOT_FOUND',
        'the public status page is off; LATTICE_STATUS_PAGE=true turns it on',
      )
    const { mono } = options.clock.now()
    if (drawn === undefined || mono - drawn.mono >= freshMs) drawn = { mono, html: draw(options) }
    response
      .type('html')
      .set('Cache-Control', 'public, max-age=15')
      .send(await drawn.html)
  })
}
