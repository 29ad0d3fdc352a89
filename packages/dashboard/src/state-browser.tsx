/** The replicated state, page by page: search by prefix, and everything known of one key on demand. */
import { useEffect, useId, useState } from 'react'
import type { ReactElement } from 'react'
import { readFailureWords } from './failure-words.ts'
import { KeyDetails } from './key-details.tsx'
import type { NodeApi, Peer, StatePage } from './node-api.ts'
import { texts } from './texts.ts'
import { shortHex, valueLine, visible } from './visible-text.ts'

/** Keys on one page: about a screen. */
const pageKeys = 20

/** A pause in typing; each letter need not ask the node. */
const typingMs = 250

/** A key has at most 512 bytes; this is what fits on a few lines. */
const keyCharsMax = 160
const valueCharsMax = 120

/** Damaged keys named beside a page: more would hide it. */
const damagedMax = 5

interface Props {
  readonly api: NodeApi
  /** Merkle root of the node: another root means another state. */
  readonly root: string
  readonly ownName: string
  readonly peers: readonly Peer[]
}

/** Text as it was `ms` ago, once it has rested. */
function useRested(text: string, ms: number): string {
  const [rested, setRested] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setRested(text), ms)
    return () => clearTimeout(timer)
  }, [text, ms])
  return rested
}

interface Loaded {
  readonly page: StatePage | undefined
  readonly error: unknown
}

function usePage(api: NodeApi, prefix: string, cursor: string | undefined, root: string): Loaded {
  const [loaded, setLoaded] = useState<Loaded>({ page: undefined, error: undefined })
  useEffect(() => {
    const asking = new AbortController()
    api.page({ prefix, cursor, limit: pageKeys }, asking.signal).then(
      page => setLoaded({ page, error: undefined }),
      (error: unknown) => {
        if (!asking.signal.aborted) setLoaded(({ page }) => ({ page, error }))
      },
    )
    return () => asking.abort()
  }, [api, prefix, cursor, root])
  return loaded
}

/** Search, table, paging. */
export function StateBrowser({ api, root, ownName, peers }: Props): ReactElement {
  const id = useId()
  const [typed, setTyped] = useState('')
  const [cursors, setCursors] = useState<readonly string[]>([])
  const [open, setOpen] = useState<string>()
  const prefix = useRested(typed, typingMs)
  const { page, error } = usePage(api, prefix, cursors.at(-1), root)
  const nextCursor = page?.nextCursor
  return (
    <div>
      <div className="page-state-head">
        <p className="lat-field">
          <label htmlFor={id}>{texts.state.prefix}</label>
          <input
            id={id}
            type="search"
            value={typed}
            autoComplete="off"
            spellCheck={false}
            onChange={event => {
              setTyped(event.target.value)
              setCursors([])
            }}
          />
        </p>
        <p className="lat-soft">
          {page === undefined ? '' : texts.state.count(page.keyCount)}
          {texts.state.root} <code title={root}>{shortHex(root)}</code>
        </p>
      </div>
      {error === undefined ? null : <p className="lat-banner">{readFailureWords(error)}</p>}
      <DamagedKeys keys={page?.damagedKeys ?? []} />
      {page === undefined ? null : (
        <KeyTable
          page={page}
          open={open}
          onToggle={key => setOpen(key === open ? undefined : key)}
          details={key => (
            <KeyDetails api={api} keyText={key} root={root} nameOf={namesOf(page, ownName, peers)} />
          )}
        />
      )}
      <Paging
        number={cursors.length + 1}
        onPrevious={cursors.length === 0 ? undefined : () => setCursors(cursors.slice(0, -1))}
        onNext={nextCursor === undefined ? undefined : () => setCursors([...cursors, nextCursor])}
      />
    </div>
  )
}

function DamagedKeys({ keys }: { readonly keys: readonly string[] }): ReactElement | null {
  if (keys.length === 0) return null
  const names = keys.slice(0, damagedMax).map(key => visible(key, keyCharsMax))
  const more = keys.length > damagedMax ? [texts.state.more(keys.length - damagedMax)] : []
  return <p className="lat-banner">{texts.state.damaged([...names, ...more].join(', '))}</p>
}

function Paging(props: {
  readonly number: number
  readonly onPrevious: (() => void) | undefined
  readonly onNext: (() => void) | undefined
}): ReactElement {
  const { number, onPrevious, onNext } = props
  return (
    <p className="lat-row page-paging">
      <button type="button" className="lat-button" disabled={onPrevious === undefined} onClick={onPrevious}>
        {texts.state.previous}
      </button>
      <button type="button" className="lat-button" disabled={onNext === undefined} onClick={onNext}>
        {texts.state.next}
      </button>
      <span className="lat-soft">{texts.state.page(number)}</span>
    </p>
  )
}

function namesOf(
  page: StatePage,
  ownName: string,
  peers: readonly Peer[],
): (author: string) => string | undefined {
  return author =>
    author === page.nodeId ? ownName : (peers.find(peer => peer.node_id === author)?.name ?? undefined)
}

function KeyTable(props: {
  readonly page: StatePage
  readonly open: string | undefined
  readonly onToggle: (key: string) => void
  readonly details: (key: string) => ReactElement
}): ReactElement | null {
  const { page, open, onToggle, details } = props
  if (page.entries.length === 0) return page.damagedKeys.length > 0 ? null : <p>{texts.state.none}</p>
  return (
    <table role="table" className="page-table page-keys">
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">
            {texts.state.key}
          </th>
          <th role="columnheader" scope="col">
            {texts.state.value}
          </th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {page.entries.map(([key, value]) => (
          <KeyRow
            key={key}
            keyText={key}
            value={value}
            open={open === key}
            onToggle={onToggle}
            details={details}
          />
        ))}
      </tbody>
    </table>
  )
}

function KeyRow(props: {
  readonly keyText: string
  readonly value: unknown
  readonly open: boolean
  readonly onToggle: (key: string) => void
  readonly details: (key: string) => ReactElement
}): ReactElement {
  const { keyText, value, open, onToggle, details } = props
  return (
    <>
      <tr role="row">
        <th role="rowheader" scope="row">
          <button type="button" className="page-key" aria-expanded={open} onClick={() => onToggle(keyText)}>
            <bdi>{visible(keyText, keyCharsMax)}</bdi>
          </button>
        </th>
        <td role="cell">
          <bdi>
            <code>{valueLine(value, valueCharsMax)}</code>
          </bdi>
        </td>
      </tr>
      {open ? (
        <tr role="row">
          <td role="cell" colSpan={2}>
            {details(keyText)}
          </td>
        </tr>
      ) : null}
    </>
  )
}
