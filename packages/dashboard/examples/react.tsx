/** NetworkStatus inside an existing React front end: its look, its part, one line. */
import '@lattice/dashboard/style.css'
import { NetworkStatus } from '@lattice/dashboard'
import type { ReactElement } from 'react'
import { createRoot } from 'react-dom/client'

function ExistingPage(): ReactElement {
  const baseUrl = new URLSearchParams(location.search).get('node') ?? 'http://127.0.0.1:8000'
  return (
    <main>
      <h1>An existing React front end</h1>
      <NetworkStatus baseUrl={baseUrl} />
    </main>
  )
}

const place = document.querySelector('#app')
if (place !== null) createRoot(place).render(<ExistingPage />)
