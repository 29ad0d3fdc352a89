/** A switch of the sync mode on its way: busy, refused, done, and how to take it back. */
import { useContext, useEffect, useState } from 'react'
import { wantsToken } from './failure-words.ts'
import type { Mode, NodeApi, SyncStatus } from './node-api.ts'
import { ClockAhead } from './node-clock.ts'

/** How long a switch can be taken back by one press (experience U4). */
const undoMs = 10_000

/** What can be done about the mode, and how it goes. */
export interface Switch {
  /** Asks the node. Does nothing while another switch is on its way, and neither does `takeBack`. */
  readonly to: (mode: Mode, forText: string | undefined) => void
  /** The mode that is being asked for. */
  readonly busy: Mode | undefined
  /** Why the last one was refused. */
  readonly error: unknown
  readonly forgetError: () => void
  /** Takes the last switch back; undefined once the time for that is over. */
  readonly takeBack: (() => void) | undefined
  readonly hasToken: boolean
  /** The node has asked for a token: from then on one can be typed. */
  readonly asksToken: boolean
  /** The token as typed by the viewer; lives in memory only. */
  readonly typedToken: string
  readonly typeToken: (text: string) => void
}

interface Target {
  readonly mode: Mode
  readonly forText: string | undefined
}

/** What a switch back has to ask for, at the moment of the switch: `now` at the node. */
function targetOf(status: SyncStatus, now: number): Target {
  const leftMs = status.forced_until === null ? Number.NaN : Date.parse(status.forced_until) - now
  const limited = status.mode !== 'auto' && !Number.isNaN(leftMs)
  return { mode: status.mode, forText: limited ? `${Math.max(1, Math.round(leftMs / 1000))}s` : undefined }
}

/** Switches of one node. `onDone` is called with the mode once the viewer's own choice is in force. */
export function useSwitch(options: {
  readonly api: NodeApi
  readonly status: SyncStatus
  readonly token?: string | undefined
  readonly onSwitched: () => void
  readonly onDone: (mode: Mode) => void
}): Switch {
  const { api, status, onSwitched, onDone } = options
  const aheadMs = useContext(ClockAhead)
  const [busy, setBusy] = useState<Mode>()
  const [error, setError] = useState<unknown>()
  const [asksToken, setAsksToken] = useState(false)
  const [typedToken, typeToken] = useState('')
  const [back, setBack] = useState<Target>()
  const token = typedToken === '' ? options.token : typedToken

  useEffect(() => {
    if (back === undefined) return undefined
    const timer = setTimeout(() => setBack(undefined), undoMs)
    return () => clearTimeout(timer)
  }, [back])

  const ask = async (target: Target, nextBack: Target | undefined): Promise<void> => {
    if (busy !== undefined) return
    setBusy(target.mode)
    setError(undefined)
    try {
      await api.switchMode(target.mode, target.forText, token)
      setBack(nextBack)
      onDone(target.mode)
      onSwitched()
    } catch (failure) {
      setError(failure)
      if (wantsToken(failure)) setAsksToken(true)
    } finally {
      setBusy(undefined)
    }
  }
  return {
    to: (mode, forText) => void ask({ mode, forText }, targetOf(status, Date.now() + aheadMs)),
    busy,
    error,
    forgetError: () => setError(undefined),
    takeBack: back === undefined ? undefined : () => void ask(back, undefined),
    hasToken: token !== undefined,
    asksToken,
    typedToken,
    typeToken,
  }
}
