/**
 * HTML without scripts: the documentation page, a page for nodes that carry no dashboard, and their frame.
 */
import { createOpenapiDocument, problemStatus, routes } from '@lattice/api'
import type { JsonObject, ProblemCode, Route } from '@lattice/api'
import { errorCatalog } from '@lattice/core'
import type { NodeStatus, Warning } from '@lattice/core'
import type { HttpInfo } from './options.ts'
import { moment, statusText } from './shapes.ts'
import { counted } from '../counted.ts'

/** Path of the style sheet of all of them. */
export const stylePath = '/lattice.css'

/** The style sheet: system fonts, both colour schemes, readable from 320 px on. */
export const styleSheet = `:root{color-scheme:light dark;
--line:light-dark(#c9d1d9,#3d4652);--soft:light-dark(#f4f6f8,#1a232e)}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;
background:light-dark(#fff,#0f1720);color:light-dark(#1b2430,#e6ebf1)}
a{color:light-dark(#0a5ba8,#79b8ff)}code,pre{font:.875rem/1.5 ui-monospace,monospace}
code{overflow-wrap:anywhere}
pre{background:var(--soft);border:1px solid var(--line);padding:.75rem;overflow-x:auto}
table{border-collapse:collapse;width:100%}th,td{text-align:left;
vertical-align:top;border-bottom:1px solid var(--line);
padding:.375rem .75rem .375rem 0;overflow-wrap:anywhere}section{margin-top:2rem}
summary{cursor:pointer;min-height:1.5rem}:focus-visible{outline:3px solid currentColor;outline-offset:2px}
.soft{font-size:.875rem;color:light-dark(#505a66,#a9b2bd)}.mark{font-weight:600;white-space:nowrap}
.up{--ink:light-dark(#0b6e4f,#4cd7a5)}.degraded{--ink:light-dark(#8a5a00,#f2b84b)}
.down{--ink:light-dark(#b3261e,#ff8a80)}.asleep{--ink:light-dark(#5e4b8b,#c3b1f5)}
.blank{--ink:var(--line)}.mark{color:var(--ink)}.ribbon rect{fill:var(--ink)}
.verdict{font-size:1.125rem;padding:.875rem 1rem;border:2px solid var(--ink);border-radius:.5rem;
background:var(--soft)}.node{margin-top:1.5rem}.node h2{display:flex;flex-wrap:wrap;gap:.25rem 1rem;
justify-content:space-between;font-size:1.125rem;margin:0 0 .375rem;overflow-wrap:anywhere}
.ribbon{display:block;width:100%;height:2.25rem}.ends{display:flex;justify-content:space-between;
gap:0 1rem;margin:.25rem 0 0;flex-wrap:wrap}details{margin-top:2rem}.scroll{overflow:auto;max-height:24rem}
`

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text as HTML text or attribute value. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, character => escapes[character] ?? character)
}

/** A page without scripts; `head` is markup of ours. */
export function htmlPage(title: string, body: string, head = ''): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(title)}</title><link rel="icon" href="data:,"><link rel="stylesheet" href="${stylePath}">${head}</head>
<body>${body}</body></html>
`
}

/** The page a browser gets at `/` when no dashboard is installed. */
export function statusPage(info: HttpInfo, status: NodeStatus, warned: readonly Warning[]): string {
  const warnings = warned
    .map(
      ({ title, text, sinceWall }) =>
        `<li><strong>${escapeHtml(title)}</strong>: ${escapeHtml(text)} (since ${moment(sinceWall)})</li>`,
    )
    .join('')
  const peers = status.peers
    .map(
      ({ name, nodeId, path, why, sinceWall }) =>
        `<tr><th scope="row">${escapeHtml(name ?? nodeId.slice(0, 8))}</th><td>${path}</td>` +
        `<td>${escapeHtml(why)}</td><td>${moment(sinceWall)}</td></tr>`,
    )
    .join('')
  const links = (Object.values(routes) as Route[])
    .filter(({ method, path }) => method === 'GET' && !path.includes('{') && path !== '/')
    .map(({ path, summary }) => `<li><a href="${path}"><code>${path}</code></a> ${escapeHtml(summary)}</li>`)
    .join('')
  return htmlPage(
    `${info.name} - Lattice`,
    `<header><h1>Lattice: ${escapeHtml(info.name)}</h1></header><main>
<p role="status">${escapeHtml(`${statusText(status)}: ${status.reason}`)}</p>
<p>Version ${escapeHtml(info.version)}, role ${escapeHtml(info.role)}, ${counted(status.keyCount, 'key')},
root <code>${status.root}</code></p>
<section><h2>Nodes</h2><table><thead><tr><th scope="col">Node</th><th scope="col">Path</th>
<th scope="col">Why</th><th scope="col">Since</th></tr></thead><tbody>${peers}</tbody></table></section>
<section><h2>Warnings</h2>${warnings === '' ? '<p>None.</p>' : `<ul>${warnings}</ul>`}</section>
<section><h2>Interfaces</h2><ul>${links}</ul></section></main>`,
  )
}

interface Operation {
  readonly summary: string
  readonly parameters: readonly { name: string; in: string; required: boolean; description?: string }[]
  readonly responses: Readonly<Record<string, { description: string }>>
  readonly security?: unknown
  readonly requestBody?: { content: Readonly<Record<string, { schema: JsonObject }>> }
}

function exampleOf(method: string, path: string, operation: Operation): string {
  const verb = method === 'GET' ? '' : ` -X ${method}`
  const token = operation.security === undefined ? '' : ' -H "X-Lattice-Token: $TOKEN"'
  const body = operation.requestBody === undefined ? '' : " -H 'Content-Type: application/json' -d @body.json"
  return `curl${verb}${token}${body} "$URL${path.replace('{key}', 'demo%2Fhello')}"`
}

function operationHtml(method: string, path: string, operation: Operation): string {
  const parameters = operation.parameters
    .map(
      ({ name, in: place, required, description }) =>
        `<tr><th scope="row"><code>${escapeHtml(name)}</code></th><td>${place}${required ? ', required' : ''}</td>` +
        `<td>${escapeHtml(description ?? '')}</td></tr>`,
    )
    .join('')
  const answers = Object.entries(operation.responses)
    .map(
      ([status, { description }]) =>
        `<tr><th scope="row">${status}</th><td>${escapeHtml(description)}</td></tr>`,
    )
    .join('')
  const body = operation.requestBody?.content['application/json']?.schema
  const shape =
    body === undefined
      ? ''
      : `<details><summary>Body schema</summary><pre>${escapeHtml(JSON.stringify(body, null, 2))}</pre></details>`
  const access = operation.security === undefined ? 'Open.' : 'Needs the admin token.'
  return `<section><h3><code>${method} ${escapeHtml(path)}</code></h3>
<p>${escapeHtml(operation.summary)}. ${access}</p>
<pre>${escapeHtml(exampleOf(method, path, operation))}</pre>${parameters === '' ? '' : `<table>${parameters}</table>`}
<table>${answers}</table>${shape}</section>`
}

function errorsHtml(): string {
  const rows = Object.entries(errorCatalog).map(
    ([code, [cause, next]]) =>
      `<tr id="${code}"><th scope="row"><code>${code}</code></th><td>${problemStatus[code as ProblemCode]}</td>` +
      `<td>${escapeHtml(cause)}</td><td>${escapeHtml(next)}</td></tr>`,
  )
  return `<table><thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Cause</th>
<th scope="col">Next step</th></tr></thead><tbody>${rows.join('')}
<tr id="INTERNAL"><th scope="row"><code>INTERNAL</code></th><td>500</td><td>a bug of ours</td>
<td>look for the instance id in the log, and report it</td></tr></tbody></table>`
}

/** The documentation page: every route and every error code, from the tables that the server runs on. */
export function docsPage(version: string): string {
  const document = createOpenapiDocument({ version })
  const paths = document['paths'] as Readonly<Record<string, Readonly<Record<string, Operation>>>>
  const sections = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      operationHtml(method.toUpperCase(), path, operation),
    ),
  )
  return htmlPage(
    'Lattice API',
    `<header><h1>Lattice API ${escapeHtml(version)}</h1>
<p>Also as <a href="/openapi.json">OpenAPI 3.1</a>. Reads are open. Writes need <code>Authorization: Bearer</code> or
<code>X-Lattice-Token</code>, unless a program on the same
machine calls a listener that is bound to loopback.</p></header>
<main><h2>Routes</h2>${sections.join('')}<section><h2>Errors</h2>${errorsHtml()}</section></main>`,
  )
}
