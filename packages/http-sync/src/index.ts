/** The HTTP lung: frames between nodes as signed requests (docs/protocol.md). */
export { createHttpSyncTransport, type HttpSyncOptions, type HttpSyncTransport } from './transport.ts'
export { SyncHandler, type SyncHandlerOptions, type SyncRequest, type SyncResponse } from './handler.ts'
export type { Connections, HttpAnswer, HttpRequest } from './http.ts'
export type { VerifySignature } from './signatures.ts'
export { syncPath, identityPath, type Headers, type Log } from './frames.ts'
export { retryAfterMs } from './translate.ts'
