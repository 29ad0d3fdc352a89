/** Everything known of one key: value, type, version, author. */
import { useEffect, useState } from 'react'
import type { ReactElement } from 'react'
import { failureOf, readFailureWords } from './failure-words.ts'
import type { KeyReading, NodeApi } from './node-api.ts'
import { shortHex, valueBlock, visible } from './visible-text.ts'

/** A value may have 128 KiB; what is longer than this is read with other tools. */
const valueCharsMax = 20_000

/** The upper 48 of a version's 64 bits are Unix milliseconds (contract §5). */
function writtenAt(version: string): string {
  const ms = Number.parseInt(version.slice(0, 12), 16)
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? 'not known' : date.toLocaleString()
}

interface Props {
  readonly api: NodeApi
  readonly keyText: string
  readonly root: string
  /** The name of an author, where it is known. */
  readonly nameOf: (author: string) => string | undefined
}

/** One key, read anew whenever the root of the node changes. */
export function KeyDetails({ api, keyText, root, nameOf }: Props): ReactElement {
  const [reading, setReading] = useState<KeyReading>()
  const [error, setError] = useState<unknown>()
  useEffect(() => {
    const asking = new AbortController()
    api.key(keyText, asking.signal).then(
      answer => {
        setReading(answer)
        setError(undefined)
      },
      (failure: unknown) => {
        if (!asking.signal.aborted) setError(failure)
      },
    )
    return () => asking.abort()
  }, [api, keyText, root])
  if (error !== undefined) {
    const gone = failureOf(error).code === 'KEY_NOT_FOUND'
    return <p className="lat-banner">{gone ? 'This key has been deleted.' : readFailureWords(error)}</p>
  }
  if (reading === undefined) return <p>Reading the key.</p>
  const author = nameOf(reading.author)
  return (
    <div className="page-details">
      <KeyFacts reading={reading} author={author} />
      <ProofLink api={api} keyText={keyText} />
      <p className="lat-label">Key</p>
      <pre className="page-value" dir="ltr" tabIndex={0} role="group" aria-label="Key">
        {visible(keyText)}
      </pre>
      <p className="lat-label">Value</p>
      <pre className="page-value" dir="ltr" tabIndex={0} role="group" aria-label="Value">
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
        <dt>Type</dt>
        <dd>{visible(reading.type, 40)}</dd>
      </div>
      <div className="lat-fact">
        <dt>Author</dt>
        <dd>
          {author === undefined ? null : <bdi>{visible(author, 64)} </bdi>}
          <code title={visible(reading.author)}>{shortHex(reading.author)}</code>
        </dd>
      </div>
      <div className="lat-fact">
        <dt>Version</dt>
        <dd>
          <code>{visible(reading.version, 40)}</code>
        </dd>
      </div>
      <div className="lat-fact">
        <dt>Written</dt>
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
        Download the proof
      </a>{' '}
      <span className="lat-soft">
        that the signed root holds this. <code>lattice verify-proof FILE</code> checks it offline.
      </span>
    </p>
  )
}
