/** The part of the dashboard that other front ends embed. */
export { NetworkStatus } from './network-status.tsx'
export type { NetworkStatusProps } from './network-status.tsx'
