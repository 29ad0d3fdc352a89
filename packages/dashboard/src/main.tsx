/** Starts the page that the daemon serves at `/`. */
import './network-status.css'
import './page.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Page } from './page.tsx'
import { PageGuard } from './page-guard.tsx'

const place = document.querySelector('#page')
if (place !== null) {
  // Relative to the page, so that it also works below a path of a proxy.
  const baseUrl = new URL('.', document.location.href).href
  createRoot(place).render(
    <StrictMode>
      <PageGuard>
        <Page baseUrl={baseUrl} />
      </PageGuard>
    </StrictMode>,
  )
}
