/** The top of the page: which node this is, how fresh the page is, the theme, and where to read on. */
import type { ReactElement } from 'react'
import { Freshness } from './freshness.tsx'
import type { Reading } from './poller.ts'
import type { Snapshot } from './snapshot.ts'
import { texts } from './texts.ts'
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
        {texts.product} <bdi className="page-name">{name}</bdi>
      </h1>
      {health === undefined ? null : (
        <p className="lat-soft">{texts.page.about(visible(health.role, 64), visible(health.version, 32))}</p>
      )}
      <div className="page-tools">
        <Freshness {...reading} />
        <span className="lat-soft" data-live={live}>
          {reading.stale ? '' : live ? texts.page.live : texts.page.polling}
        </span>
        <label className="page-theme">
          {texts.page.theme}{' '}
          <select value={theme} onChange={event => chooseTheme(event.target.value)}>
            <option value="auto">{texts.page.themes.auto}</option>
            <option value="light">{texts.page.themes.light}</option>
            <option value="dark">{texts.page.themes.dark}</option>
          </select>
        </label>
        <nav aria-label={texts.page.docs}>
          <a href="docs" target="_blank" rel="noopener">
            {texts.page.apiDocs}
          </a>{' '}
          <a href="openapi.json" target="_blank" rel="noopener">
            {texts.page.openApi}
          </a>
        </nav>
      </div>
    </header>
  )
}
