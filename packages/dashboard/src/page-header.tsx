/** The top of the page: which node this is, how fresh the page is, the theme, and where to read on. */
import type { ReactElement } from 'react'
import { Freshness } from './freshness.tsx'
import type { Reading } from './poller.ts'
import type { Snapshot } from './snapshot.ts'
import type { Theme } from './theme.ts'
import { visible } from './visible-text.ts'

interface Props {
  readonly name: string
  readonly reading: Reading<Snapshot> & { readonly refresh: () => void }
  /** Whether news arrive by events; otherwise by polling only. */
  readonly live: boolean
  readonly theme: Theme
  readonly chooseTheme: (text: string) => void
}

/** Name, freshness, theme, links. */
export function PageHeader({ name, reading, live, theme, chooseTheme }: Props): ReactElement {
  const health = reading.data?.health
  return (
    <header className="page-header">
      <h1>
        Lattice <bdi className="page-name">{name}</bdi>
      </h1>
      {health === undefined ? null : (
        <p className="lat-soft">
          {visible(health.role, 64)}, version {visible(health.version, 32)}
        </p>
      )}
      <div className="page-tools">
        <Freshness {...reading} />
        <span className="lat-soft" data-live={live}>
          {reading.stale ? '' : live ? 'live' : 'every 5 s'}
        </span>
        <label className="page-theme">
          Theme{' '}
          <select value={theme} onChange={event => chooseTheme(event.target.value)}>
            <option value="auto">System</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </label>
        <nav aria-label="Documentation">
          <a href="docs" target="_blank" rel="noopener">
            API docs
          </a>{' '}
          <a href="openapi.json" target="_blank" rel="noopener">
            OpenAPI
          </a>
        </nav>
      </div>
    </header>
  )
}
