/** Everything known of one key: value, type, version, author. */
import { useCallback } from 'react'
import type { ReactElement } from 'react'
import { failureOf, readFailureWords } from './failure-words.ts'
import type { KeyReading, NodeApi } from './node-api.ts'
import { texts } from './texts.ts'
import { useAnswer } from './use-answer.ts'
import type { Answered } from './use-answer.ts'
import { shortHex, valueBlock, visible, visibleName } from './visible-text.ts'

/** A value may have 128 KiB; what is longer than this is read with other tools. */
const valueCharsMax = 20_000

/** The upper 48 of a version's 64 bits are Unix milliseconds (contract §5). */
function writtenAt(version: string): string {
  const ms = Number.parseInt(version.slice(0, 12), 16)
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? texts.notKnown : date.toLocaleString()
}

/** What checks a proof that was downloaded. */
const proofCommand = 'lattice verify-proof FILE'

interface Props {
  readonly api: NodeApi
  readonly keyText: string
  readonly root: string
  /** When the page was last renewed: what failed is asked again then. */
  readonly renewedWall: number
  /** The name of an author, where it is known. */
  readonly nameOf: (author: string) => string | undefined
}

const isGone = (error: unknown): boolean => failureOf(error).code === 'KEY_NOT_FOUND'

/** A key that is gone comes back with another root only. */
const mayPass = ({ error }: Answered<KeyReading>): boolean => error !== undefined && !isGone(error)

/** One key, read anew whenever the root of the node changes. */
export function KeyDetails({ api, keyText, root, renewedWall, nameOf }: Props): ReactElement {
  const ask = useCallback(
    (signal: AbortSignal) => api.key(keyText, signal),
    // Another root is another state.
    [api, keyText, root],
  )
  const { answer: reading, error } = useAnswer(ask, renewedWall, mayPass)
  if (error !== undefined)
    return <p className="lat-banner">{isGone(error) ? texts.state.deleted : readFailureWords(error)}</p>
  if (reading === undefined) return <p>{texts.state.reading}</p>
  const author = nameOf(reading.author)
  return (
    <div className="page-details">
      <KeyFacts reading={reading} author={author} />
      <ProofLink api={api} keyText={keyText} />
      <p className="lat-label">{texts.state.key}</p>
      <pre className="page-value" dir="ltr" tabIndex={0} role="group" aria-label={texts.state.key}>
        {visibleName(keyText)}
      </pre>
      <p className="lat-label">{texts.state.value}</p>
      <pre className="page-value" dir="ltr" tabIndex={0} role="group" aria-label={texts.state.value}>
        {valueBlock(reading.value, valueCharsMax)}
      </pre>
    </div>
  )
}

function KeyFacts(props: {
  readonly reading: KeyReading
  readonly author: string | undefined
}): ReactElement {
  const { reading, author } = props
  return (
    <dl className="lat-facts">
      <div className="lat-fact">
        <dt>{texts.state.type}</dt>
        <dd>{visible(reading.type, 40)}</dd>
      </div>
      <div className="lat-fact">
        <dt>{texts.state.author}</dt>
        <dd>
          {author === undefined ? null : <bdi>{visible(author, 64)} </bdi>}
          <code title={visible(reading.author)}>{shortHex(reading.author)}</code>
        </dd>
      </div>
      <div className="lat-fact">
        <dt>{texts.state.version}</dt>
        <dd>
          <code>{visible(reading.version, 40)}</code>
        </dd>
      </div>
      <div className="lat-fact">
        <dt>{texts.state.written}</dt>
        <dd>{writtenAt(reading.version)}</dd>
      </div>
    </dl>
  )
}

/** The answer of the node with its proof, as a file: the link works without any script. */
function ProofLink({ api, keyText }: Pick<Props, 'api' | 'keyText'>): ReactElement {
  return (
    <p className="page-proof">
      <a
        href={api.proofUrl(keyText)}
        download={`proof-${keyText.replace(/[^\w.-]+/g, '_').slice(0, 60)}.json`}
      >
        {texts.state.proof}
      </a>{' '}
      <span className="lat-soft">
        {texts.state.proofBefore} <code>{proofCommand}</code> {texts.state.proofAfter}
      </span>
    </p>
  )
}
