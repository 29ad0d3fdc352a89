/** What needs a look: for each a title, a text, since when, and one thing to do (experience U10). */
import { useState } from 'react'
import type { ReactElement } from 'react'
import { Moment } from './moment.tsx'
import type { Warning } from './node-api.ts'
import { safeUrl } from './safe-url.ts'
import { StateMark } from './state-mark.tsx'
import { texts } from './texts.ts'
import type { StateName } from './texts.ts'
import { visible } from './visible-text.ts'

const severityMarks: Readonly<Record<Warning['severity'], readonly [StateName, string]>> = {
  high: ['down', texts.warnings.severity.high],
  medium: ['degraded', texts.warnings.severity.medium],
  low: ['unknown', texts.warnings.severity.low],
}

/** Longest text of a warning: more is no warning. */
const textCharsMax = 600

/** The list, or the good news, where they are news. */
export function WarningList(props: {
  readonly warnings: readonly Warning[]
  readonly stale: boolean
}): ReactElement {
  const { warnings, stale } = props
  if (warnings.length === 0) return <p>{stale ? texts.warnings.unknown : texts.warnings.none}</p>
  return (
    <ul className="page-warnings">
      {warnings.map((warning, index) => {
        const [state, word] = severityMarks[warning.severity] ?? severityMarks.medium
        return (
          <li key={`${warning.code} ${index}`} data-warning={warning.code}>
            <h3>
              <StateMark state={state} word={word} /> {visible(warning.title, textCharsMax)}
            </h3>
            <p>{visible(warning.text, textCharsMax)}</p>
            <p className="lat-soft">
              {texts.warnings.since} <Moment at={warning.since} />
            </p>
            <Action action={warning.primaryAction} />
          </li>
        )
      })}
    </ul>
  )
}

function Action({ action }: { readonly action: Warning['primaryAction'] }): ReactElement {
  const url = safeUrl(action.url ?? null)
  const label = visible(action.label, textCharsMax)
  return (
    <p className="page-action">
      {url === undefined ? (
        label
      ) : (
        <a href={url} target="_blank" rel="noopener noreferrer">
          {label}
        </a>
      )}
      {action.command === undefined || url !== undefined ? null : <Command text={action.command} />}
    </p>
  )
}

function Command({ text }: { readonly text: string }): ReactElement {
  const [said, setSaid] = useState('')
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text)
      setSaid(texts.warnings.copied)
    } catch {
      // Pages without TLS, and embedded ones, may not reach the clipboard.
      setSaid(texts.warnings.select)
    }
  }
  return (
    <>
      {texts.warnings.before}
      <code className="page-command">{visible(text, textCharsMax)}</code>{' '}
      <button type="button" className="lat-button" onClick={() => void copy()}>
        {texts.warnings.copy}
      </button>{' '}
      <span role="status">{said}</span>
    </>
  )
}
