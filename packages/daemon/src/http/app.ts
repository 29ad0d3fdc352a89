/**
 * The REST layer as an express app: order of concerns, nothing else. It listens nowhere; `createHttpServer`
 * does that.
 *
 * Emitting `drain` on the app makes it say "not ready", ends its event streams, and asks clients to reconnect
 * elsewhere.
 */
import type { EventEmitter } from 'node:events'
import { routes } from '@lattice/api'
import type { Route } from '@lattice/api'
import express from 'express'
import type { Express, Request } from 'express'
import helmet from 'helmet'
import { createAuthority, type Authority } from './auth.ts'
import { callerAddress, isLoopbackHost, type CallerOf } from './caller.ts'
import { createCors } from './cors.ts'
import { mountEvents } from './events.ts'
import type { EventHub } from './events.ts'
import { mountFront } from './front.ts'
import { mountHistory } from './history.ts'
import { mountHealth, mountProbes, readinessChecks } from './health.ts'
import { mountLinks } from './links.ts'
import { parseQuery } from './query.ts'
import { createRequestLimit, createTokenThrottle } from './limits.ts'
import { createMetrics } from './metrics.ts'
import { createMount, refuseOtherMethods } from './mount.ts'
import type { HttpAppOptions, HttpConfig } from './options.ts'
import { mountP2p } from './p2p.ts'
import { mountPeerSync } from './peer-sync.ts'
import { createProblemHandler, HttpProblem } from './problems.ts'
import { mountExport } from './export.ts'
import { createStandingHeaders, headersOf } from './standing-headers.ts'
import { createSnapshots } from './state-snapshot.ts'
import { mountState } from './state.ts'
import { mountStatusPage } from './status-page.ts'
import { mountSwitch, refuseUnknownMode } from './switch.ts'
import { mountTransactions } from './transactions.ts'
import { UntakenAnswers } from './untaken.ts'
import { createWarnings } from './warnings.ts'
import { mountWhole } from './whole-state.ts'

/** Requests per minute and address: twenty a second, far above what dashboards and scripts need. */
const requestsPerMinuteDefault = 1200

/** The app, and the source of its event stream. */
export interface HttpApp extends Express {
  /** Publishes to the event stream, e.g. alerts. */
  readonly events: Pick<EventHub, 'publish'>
}

function securityHeaders(config: HttpConfig): express.RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: config.frameAncestors.length > 0 ? [...config.frameAncestors] : ["'self'"],
      },
    },
    // frame-ancestors says who may embed; the older header knows only one answer for all.
    xFrameOptions: false,
    // TLS ends at the proxy in front, and so does the promise to use it.
    strictTransportSecurity: false,
  })
}

function configure(app: Express): void {
  app.disable('x-powered-by')
  app.disable('etag')
  app.enable('strict routing')
  app.enable('case sensitive routing')
  app.set('query parser', parseQuery)
}

/**
 * Whom the limit on requests does not concern: programs on this machine, health checks, administrators whose
 * token nobody can guess. With another it would tell right tokens from wrong ones.
 */
function sparedBy(callerOf: CallerOf, authority: Authority): (request: Request) => boolean {
  return request =>
    request.path === routes.getHealth.path ||
    isLoopbackHost(callerOf(request)) ||
    authority.isSurelyAdmin(request)
}

/** Builds the app. Starts nothing but the ping timer of the event stream, which `drain` stops. */
export function createHttpApp(given: HttpAppOptions): HttpApp {
  const { node, config, info, log } = given
  const options = { ...given, warnings: given.warnings ?? createWarnings(given) }
  const app = express()
  configure(app)
  let draining = false

  const metrics = createMetrics(options)
  app.use(metrics.observe)
  app.use((_request, response, next) => {
    if (draining) response.set('Connection', 'close')
    next()
  })
  mountPeerSync(app, options.syncHandler)

  const standing = [...headersOf(securityHeaders(config)), ['cache-control', 'no-store'] as const]
  app.use(createStandingHeaders(app, standing))
  app.use(createCors(config.corsOrigins))

  const callerOf: CallerOf = request => callerAddress(request, config.trustedProxyHops)
  const authority = createAuthority({ config, ...createTokenThrottle(callerOf) })
  const mount = createMount(app, authority.requireAdmin)
  mountProbes(mount, info.started.wall, () =>
    readinessChecks(options, draining, options.syncHandler !== undefined),
  )
  const perMinute = options.requestsPerMinute ?? requestsPerMinuteDefault
  app.use(createRequestLimit(perMinute, callerOf, sparedBy(callerOf, authority)))

  const untaken = new UntakenAnswers()
  // First what is asked most often: routes are tried in order.
  const snapshots = createSnapshots(node)
  const whole = mountWhole(mount, options)
  mountState(whole, { ...options, snapshots, callerOf, untaken })
  mountHealth(mount, options)
  mountHistory(mount, { ...options, callerOf, untaken })
  mountStatusPage(mount, options)
  mountExport(whole, { snapshots, callerOf })
  mountTransactions(whole, node)
  mountP2p(mount, options)
  mountLinks(mount, options)
  app.post(routes.switchMode.path, authority.requireAdmin, refuseUnknownMode)
  mountSwitch(mount, node, callerOf, log)
  const hub = mountEvents(mount, { ...options, callerOf })
  metrics.mountMetrics(mount)
  mountFront(app, mount, options)
  refuseOtherMethods(app, Object.values(routes) as Route[])
  if (options.dashboard) app.use(options.dashboard)
  app.use(request => {
    throw new HttpProblem('NOT_FOUND', `there is no ${request.method} ${request.path.slice(0, 200)}`)
  })
  app.use(createProblemHandler(log))

  const signals: EventEmitter = app
  signals.on('drain', () => {
    draining = true
    hub.close()
    metrics.close()
  })
  return Object.assign(app, { events: { publish: hub.publish } })
}
