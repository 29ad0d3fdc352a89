/** Where the charts go: they are fetched once the rest of the page stands. */
import { lazy, Suspense } from 'react'
import type { ReactElement } from 'react'
import type { NodeApi } from './node-api.ts'
import { texts } from './texts.ts'

const Charts = lazy(() =>
  import('./history-charts.tsx').then(
    ({ HistoryCharts }) => ({ default: HistoryCharts }),
    () => ({ default: Missing }),
  ),
)

/** A node that was upgraded meanwhile no longer has the files of this page. */
function Missing(): ReactElement {
  return <p>{texts.history.missing}</p>
}

/** The charts, or the wait for them. */
export function HistorySection(props: {
  readonly api: NodeApi
  readonly renewedWall: number
  readonly theme: string
}): ReactElement {
  return (
    <Suspense fallback={<p className="chart-waiting">{texts.history.loading}</p>}>
      <Charts {...props} />
    </Suspense>
  )
}
