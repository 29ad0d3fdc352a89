/** The REST layer: an express app and the server around it. */
export { createHttpApp } from './app.ts'
export type { HttpApp } from './app.ts'
export { createDashboard } from './dashboard.ts'
export { judge } from './health.ts'
export { createWarnings } from './warnings.ts'
export { createHttpServer } from './server.ts'
export type { HttpServer, UpgradeHandler } from './server.ts'
export type * from './options.ts'
