/** The last resort: a bug in drawing shows words and a way on, never an empty page. */
import { Component } from 'react'
import type { ReactNode } from 'react'

/** Draws its children, or says that they could not be drawn. */
export class PageGuard extends Component<{ readonly children: ReactNode }, { readonly broken: boolean }> {
  override state = { broken: false }

  /** React calls this when a child throws while drawing. */
  static getDerivedStateFromError(): { readonly broken: boolean } {
    return { broken: true }
  }

  override render(): ReactNode {
    if (!this.state.broken) return this.props.children
    return (
      <main className="page-main" role="alert">
        <h1>This page has a fault</h1>
        <p>The node itself is not touched by it. Load the page again; if it stays, report it.</p>
        <p>
          <a href="api/lattice/p2p/status">The status as JSON</a> · <a href="docs">Documentation</a>
        </p>
      </main>
    )
  }
}
