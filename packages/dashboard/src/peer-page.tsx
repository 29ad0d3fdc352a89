/** The way to another node's own page, where its address is one that a browser may open. */
import type { ReactElement, ReactNode } from 'react'
import type { Peer } from './node-api.ts'
import { safeUrl } from './safe-url.ts'

/** Its children as a link to the page of `peer`, or as they are where there is none. */
export function PeerPage(props: { readonly peer: Peer; readonly children: ReactNode }): ReactElement {
  const url = safeUrl(props.peer.url)
  if (url === undefined) return <>{props.children}</>
  return (
    <a href={url} target="_blank" rel="noopener noreferrer">
      {props.children}
    </a>
  )
}
