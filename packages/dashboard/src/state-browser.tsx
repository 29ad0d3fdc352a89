/** The replicated state, page by page: search by prefix, and everything known of one key on demand. */
import { useCallback, useEffect, useId, useState } from 'react'
import type { ReactElement } from 'react'
import { readFailureWords } from './failure-words.ts'
import { KeyDetails } from './key-details.tsx'
import type { NodeApi, Peer, StatePage } from './node-api.ts'
import { texts } from './texts.ts'
import { useAnswer } from './use-answer.ts'
import type { Answered } from './use-answer.ts'
import { shortHex, valueLine, visibleName } from './visible-text.ts'

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
  /** When the page was last renewed: what failed is asked again then. */
  readonly renewedWall: number
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

/** What a page was asked for. */
interface Place {
  readonly prefix: string
  /** Of this page and those before it, but for the first, which needs none. */
  readonly cursors: readonly string[]
}

interface PlacedPage extends StatePage {
  readonly place: Place
}

/** Damage may be mended without another root. */
const mayPass = ({ answer, error }: Answered<PlacedPage>): boolean =>
  error !== undefined || (answer?.damagedKeys ?? []).length > 0

/** The page at `place`, and whether it is this one that has come, not yet one asked for before. */
function usePage(
  { api, root, renewedWall }: Props,
  place: Place,
): { readonly page: PlacedPage | undefined; readonly isThere: boolean; readonly error: unknown } {
  const { prefix, cursors } = place
  const ask = useCallback(
    async (signal: AbortSignal) => {
      const page = await api.page({ prefix, cursor: cursors.at(-1), limit: pageKeys }, signal)
      return { ...page, place: { prefix, cursors } }
    },
    // Another root is another state.
    [api, prefix, cursors, root],
  )
  const { answer, error } = useAnswer(ask, renewedWall, mayPass)
  const isThere = answer?.place.prefix === prefix && answer.place.cursors.length === cursors.length
  // While a page is on its way the one before it stays; where it does not come, that one is no answer.
  return { page: isThere || error === undefined ? answer : undefined, isThere, error }
}

const firstPage: readonly string[] = []

interface Pages extends PagingProps {
  readonly page: PlacedPage | undefined
  readonly error: unknown
}

/** The pages of one search, one at a time. */
function usePages(props: Props, prefix: string): Pages {
  const [turned, turnTo] = useState<Place>({ prefix, cursors: firstPage })
  const place = turned.prefix === prefix ? turned : { prefix, cursors: firstPage }
  if (place !== turned) turnTo(place)
  const { cursors } = place
  const { page, isThere, error } = usePage(props, place)
  const nextCursor = page?.nextCursor
  const goOn = (cursor: string): void => {
    // The page that is shown knows the next one, but not the one after a page on its way.
    if (isThere) turnTo({ prefix, cursors: [...cursors, cursor] })
  }
  return {
    page,
    error,
    number: (page?.place.cursors ?? cursors).length + 1,
    onPrevious: cursors.length === 0 ? undefined : () => turnTo({ prefix, cursors: cursors.slice(0, -1) }),
    onNext: nextCursor === undefined ? undefined : () => goOn(nextCursor),
  }
}

/** Search, table, paging. */
export function StateBrowser(props: Props): ReactElement {
  const { api, root, renewedWall, ownName, peers } = props
  const id = useId()
  const [typed, setTyped] = useState('')
  const [open, setOpen] = useState<string>()
  const prefix = useRested(typed, typingMs)
  const { page, error, ...paging } = usePages(props, prefix)
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
            onChange={event => setTyped(event.target.value)}
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
            <KeyDetails
              api={api}
              keyText={key}
              root={root}
              renewedWall={renewedWall}
              nameOf={namesOf(page, ownName, peers)}
            />
          )}
        />
      )}
      <Paging {...paging} />
    </div>
  )
}

function DamagedKeys({ keys }: { readonly keys: readonly string[] }): ReactElement | null {
  if (keys.length === 0) return null
  const names = keys.slice(0, damagedMax).map(key => visibleName(key, keyCharsMax))
  const more = keys.length > damagedMax ? [texts.state.more(keys.length - damagedMax)] : []
  return <p className="lat-banner">{texts.state.damaged([...names, ...more].join(', '))}</p>
}

interface PagingProps {
  readonly number: number
  readonly onPrevious: (() => void) | undefined
  readonly onNext: (() => void) | undefined
}

function Paging({ number, onPrevious, onNext }: PagingProps): ReactElement {
  return (
    <p className="lat-row page-paging">
      <TurnButton label={texts.state.previous} onTurn={onPrevious} />
      <TurnButton label={texts.state.next} onTurn={onNext} />
      <span className="lat-soft">{texts.state.page(number)}</span>
    </p>
  )
}

/** Where it leads nowhere it is marked so, not disabled: that would take the focus from it. */
function TurnButton(props: {
  readonly label: string
  readonly onTurn: (() => void) | undefined
}): ReactElement {
  const { label, onTurn } = props
  return (
    <button type="button" className="lat-button" aria-disabled={onTurn === undefined} onClick={onTurn}>
      {label}
    </button>
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
  readonly page: PlacedPage
  readonly open: string | undefined
  readonly onToggle: (key: string) => void
  readonly details: (key: string) => ReactElement
}): ReactElement | null {
  const { page, open, onToggle, details } = props
  if (page.entries.length === 0) {
    const { none: never, noneLeft, noneYet } = texts.state
    const none = page.nextCursor !== undefined ? noneYet : page.place.cursors.length > 0 ? noneLeft : never
    return page.damagedKeys.length > 0 ? null : <p>{none}</p>
  }
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
            <bdi>{visibleName(keyText, keyCharsMax)}</bdi>
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
