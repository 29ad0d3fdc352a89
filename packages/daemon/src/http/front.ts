/** `/`, `/docs`, `/openapi.json`: how people and programs find their way. */
import { createOpenapiDocument, routes } from '@lattice/api'
import type { Express } from 'express'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import type { Warnings } from './warnings.ts'
import { docsPage, statusPage, stylePath, styleSheet } from './pages.ts'

/** The calls a newcomer needs, under the names that deployed clients know. */
const endpoints = {
  health: routes.getHealth.path,
  status: routes.getStatus.path,
  lattice_health: routes.getHealthReport.path,
  state: routes.getState.path,
  transactions: routes.transact.path,
  events: routes.getEvents.path,
  nodes: routes.getNodes.path,
  peers: routes.getPeers.path,
  links: routes.getLinks.path,
  p2p_status: routes.getP2pStatus.path,
  p2p_identity: routes.getIdentity.path,
  sync_switch: routes.switchMode.path,
  transitions: routes.getTransitions.path,
  integrity: routes.getIntegrity.path,
  metrics: routes.getMetrics.path,
  history: routes.getHistory.path,
  openapi: routes.getOpenapi.path,
  docs: routes.getDocs.path,
}

/** The pages change only with the program: a browser may keep them for an hour. */
const pageCache = 'public, max-age=3600'

/** Adds the front doors. */
export function mountFront(
  app: Express,
  mount: Mount,
  options: HttpAppOptions & { readonly warnings: Warnings },
): void {
  const { info, node, dashboard, warnings } = options
  const openapi = JSON.stringify(createOpenapiDocument({ version: info.version }))
  const docs = docsPage(info.version)

  app.get(routes.getRoot.path, (request, response, next) => {
    response.vary('Accept')
    if (request.accepts(['application/json', 'text/html']) !== 'text/html') return next()
    response.locals['route'] = '/'
    if (dashboard) return void dashboard(request, response, next)
    return void response.type('html').send(statusPage(info, node.status(), warnings()))
  })
  mount(routes.getRoot, (_input, _request, response) => {
    response.json({ name: 'Lattice', version: info.version, status: 'operational', endpoints })
  })
  mount(routes.getOpenapi, (_input, _request, response) => {
    response.type('json').set('Cache-Control', pageCache).send(openapi)
  })
  mount(routes.getDocs, (_input, _request, response) => {
    response.type('html').set('Cache-Control', pageCache).send(docs)
  })
  app.get(stylePath, (_request, response) => {
    response.type('css').set('Cache-Control', pageCache).send(styleSheet)
  })
}
