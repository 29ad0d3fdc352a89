/**
 * Choosing the sync mode by hand. Arrow keys move through a radio group, so choosing and switching are two
 * steps: passing over a mode must not put it in force. Whoever uses the keyboard never loses the place: what
 * has the focus stays enabled meanwhile, and what goes away hands it back to the group.
 */
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'react'
import type { FormEvent, ReactElement, RefObject } from 'react'
import { switchFailureWords } from './failure-words.ts'
import type { Mode, NodeApi, SyncStatus } from './node-api.ts'
import { forcedSpans, modeCost, modeHelp, modeNames, texts } from './texts.ts'
import { useSwitch } from './use-switch.ts'
import type { Switch } from './use-switch.ts'

const modes: readonly Mode[] = ['auto', 'p2p', 'http']

interface Props {
  readonly api: NodeApi
  readonly status: SyncStatus
  /** The admin token at first; what is typed in stays in memory and goes with the page. */
  readonly token?: string | undefined
  /** Called after the node has accepted a switch. */
  readonly onSwitched: () => void
}

/** The group for a ref, and what gives the focus to one of its modes once that is drawn. */
function useGroupFocus(): readonly [RefObject<HTMLDivElement | null>, (mode: Mode) => void] {
  const group = useRef<HTMLDivElement>(null)
  const [next, setNext] = useState<Mode>()
  useEffect(() => {
    if (next === undefined) return
    group.current?.querySelector<HTMLInputElement>(`[value=${next}]`)?.focus({ preventScroll: true })
    setNext(undefined)
  }, [next])
  return [group, setNext]
}

/** The three modes, what each means, and the way to put one in force. */
export function ModeControl(props: Props): ReactElement {
  const { status } = props
  const id = useId()
  const [chosen, setChosen] = useState<Mode>()
  const [group, giveFocus] = useGroupFocus()
  const end = (mode: Mode): void => {
    setChosen(undefined)
    change.forgetError()
    giveFocus(mode)
  }
  const change = useSwitch({ ...props, onDone: end })
  const busy = change.busy !== undefined
  return (
    <div className="lat-modes" aria-busy={busy}>
      <div role="radiogroup" aria-labelledby={`${id}-label`} ref={group}>
        <p id={`${id}-label`} className="lat-label">
          {texts.mode.choose}
        </p>
        {modes.map(mode => {
          const off = mode === 'p2p' && !status.enabled
          return (
            <ModeChoice
              key={mode}
              id={`${id}-${mode}`}
              group={`${id}-mode`}
              mode={mode}
              checked={(chosen ?? status.mode) === mode}
              current={status.mode === mode}
              disabled={busy || off}
              help={off ? texts.mode.off : modeHelp[mode]}
              onChoose={() => {
                setChosen(mode)
                change.forgetError()
              }}
            />
          )
        })}
      </div>
      {chosen === undefined ? null : (
        <Confirm
          id={id}
          mode={chosen}
          current={status.mode}
          change={change}
          onCancel={() => end(status.mode)}
        />
      )}
      <div role="alert" className="lat-alert">
        {change.error === undefined ? null : <p>{switchFailureWords(change.error, change.hasToken)}</p>}
      </div>
      <div role="status" className="lat-done">
        {change.takeBack === undefined ? null : <Undo takeBack={change.takeBack} />}
      </div>
    </div>
  )
}

function Undo({ takeBack }: { readonly takeBack: () => void }): ReactElement {
  const button = useRef<HTMLButtonElement>(null)
  useLayoutEffect(() => {
    const own = button.current
    return () => {
      // It goes when its time is over, whether somebody is there or not.
      if (own === null || document.activeElement !== own) return
      const checked = own.closest('.lat-modes')?.querySelector<HTMLInputElement>('input:checked')
      checked?.focus({ preventScroll: true })
    }
  }, [])
  return (
    <p>
      {texts.mode.switched}{' '}
      <button type="button" className="lat-button" ref={button} onClick={takeBack}>
        {texts.mode.undo}
      </button>
    </p>
  )
}

/** What will happen, for how long, with which token; and the button that does it. */
function Confirm(props: {
  readonly id: string
  readonly mode: Mode
  readonly current: Mode
  readonly change: Switch
  readonly onCancel: () => void
}): ReactElement {
  const { id, mode, current, change, onCancel } = props
  const [forText, setForText] = useState('')
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    change.to(mode, mode === 'auto' || forText === '' ? undefined : forText)
  }
  return (
    <form onSubmit={submit}>
      <fieldset className="lat-confirm">
        <legend className="lat-hidden">{texts.mode.to(modeNames[mode])}</legend>
        {current === mode ? null : <p>{modeCost[mode]}</p>}
        {mode === 'auto' ? null : <SpanChoice id={`${id}-for`} value={forText} onChange={setForText} />}
        {change.asksToken ? (
          <TokenField id={`${id}-token`} value={change.typedToken} onChange={change.typeToken} />
        ) : null}
        <p className="lat-row">
          <button type="submit" className="lat-button lat-primary">
            {change.busy === undefined
              ? texts.mode.to(modeNames[mode])
              : texts.mode.switching(modeNames[change.busy])}
          </button>
          <button type="button" className="lat-button" onClick={onCancel}>
            {texts.mode.cancel}
          </button>
        </p>
      </fieldset>
    </form>
  )
}

function ModeChoice(props: {
  readonly id: string
  readonly group: string
  readonly mode: Mode
  readonly checked: boolean
  readonly current: boolean
  readonly disabled: boolean
  readonly help: string
  readonly onChoose: () => void
}): ReactElement {
  const { id, group, mode, checked, current, disabled, help, onChoose } = props
  return (
    <div className="lat-mode" data-current={current}>
      <input
        type="radio"
        id={id}
        name={group}
        value={mode}
        checked={checked}
        disabled={disabled}
        aria-describedby={`${id}-help`}
        onChange={onChoose}
      />
      <label htmlFor={id}>
        {modeNames[mode]}
        {current ? <span className="lat-current">{texts.mode.inForce}</span> : null}
      </label>
      <p id={`${id}-help`} className="lat-help">
        {help}
      </p>
    </div>
  )
}

interface FieldProps {
  readonly id: string
  readonly value: string
  readonly onChange: (value: string) => void
}

function SpanChoice({ id, value, onChange }: FieldProps): ReactElement {
  return (
    <p className="lat-field">
      <label htmlFor={id}>{texts.mode.howLong}</label>
      <select id={id} value={value} onChange={event => onChange(event.target.value)}>
        {forcedSpans.map(([text, label]) => (
          <option key={text} value={text}>
            {label}
          </option>
        ))}
      </select>
    </p>
  )
}

function TokenField({ id, value, onChange }: FieldProps): ReactElement {
  return (
    <p className="lat-field">
      <label htmlFor={id}>{texts.mode.token}</label>
      <input
        id={id}
        type="password"
        autoComplete="off"
        spellCheck={false}
        value={value}
        aria-describedby={`${id}-help`}
        onChange={event => onChange(event.target.value.trim())}
      />
      <span id={`${id}-help`} className="lat-help">
        {texts.mode.tokenHelp}
      </span>
    </p>
  )
}
