/** What every chart has around it: title, meaning, summary in words, and its figures as a table. */
import { useId, useState } from 'react'
import type { ReactElement, ReactNode } from 'react'
import { pointWords } from './chart-words.ts'
import type { Lines } from './history-lines.ts'
import { texts } from './texts.ts'

interface Props {
  readonly title: string
  readonly help: string
  readonly summary: string
  readonly data: Lines
  /** Name of each line, in their order. */
  readonly names: readonly string[]
  readonly figure: (value: number) => string
  readonly children: ReactNode
}

/** A chart with everything that says it without a picture. */
export function ChartFigure(props: Props): ReactElement {
  const { title, help, summary, children } = props
  const [open, setOpen] = useState(false)
  const id = useId()
  return (
    <figure className="chart" aria-labelledby={`${id}-title`} data-chart={title}>
      <figcaption className="chart-caption">
        <h3 id={`${id}-title`}>{title}</h3>
        <span className="lat-help">{help}</span>
        <button
          type="button"
          className="lat-button lat-quiet"
          aria-expanded={open}
          aria-controls={`${id}-table`}
          onClick={() => setOpen(!open)}
        >
          {open ? texts.history.hideTable : texts.history.showTable}
        </button>
      </figcaption>
      {children}
      <p className="lat-help chart-summary">{summary}</p>
      <div id={`${id}-table`}>{open ? <FigureTable {...props} /> : null}</div>
    </figure>
  )
}

/** Newest first; a row for each point with anything recorded. */
function FigureTable({ title, data, names, figure }: Props): ReactElement {
  const rows = data.times
    .map((at, index) => ({ at, points: data.lines.map(line => line.points[index]) }))
    .filter(({ points }) => points.some(point => point !== undefined))
    .reverse()
  if (rows.length === 0) return <p>{texts.history.nothing}</p>
  return (
    <div
      className="page-scroll chart-table"
      role="region"
      aria-label={texts.history.table(title)}
      tabIndex={0}
    >
      <table className="page-table">
        <thead>
          <tr>
            <th scope="col">{texts.history.from}</th>
            {names.map(name => (
              <th key={name} scope="col">
                <bdi>{name}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ at, points }) => (
            <tr key={at}>
              <th scope="row">{pointWords(at, data.stepSeconds)}</th>
              {points.map((point, index) => (
                <td key={names[index]}>
                  {point === undefined
                    ? texts.none
                    : point.max === point.mean
                      ? figure(point.mean)
                      : texts.history.atMost(figure(point.mean), figure(point.max))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
