/** NetworkStatus for pages without React: one call puts it into an element. */
import { createRoot } from 'react-dom/client'
import { NetworkStatus } from './network-status.tsx'
import type { NetworkStatusProps } from './network-status.tsx'

/** Draws the component inside `element`; the result takes it away again. */
export function mountNetworkStatus(element: Element, props: NetworkStatusProps = {}): () => void {
  const root = createRoot(element)
  root.render(<NetworkStatus {...props} />)
  return () => root.unmount()
}
