/** The last resort: a bug in drawing shows words and a way on, never an empty page. */
import { Component } from 'react'
import type { ReactNode } from 'react'
import { texts } from './texts.ts'

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
        <h1>{texts.page.broken}</h1>
        <p>{texts.page.brokenHelp}</p>
        <p>
          <a href="api/lattice/p2p/status">{texts.page.statusJson}</a> · <a href="docs">{texts.page.docs}</a>
        </p>
      </main>
    )
  }
}
