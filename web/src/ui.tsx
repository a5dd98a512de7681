/** The few pieces that all views are made of. */
import type { ReactNode } from 'react'
import { createContext, useContext, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { ApiError } from '../../src/client.ts'
import type { ProcessState } from '../../src/client.ts'
import type { Session, SessionState } from './session.ts'

const Current = createContext<Session | undefined>(undefined)
export const SessionProvider = Current.Provider

export function useSession(): Session {
  return useContext(Current) as Session
}

export function useSessionState(): SessionState {
  const session = useSession()
  return useSyncExternalStore(session.subscribe, session.state)
}

/** Renders again with each frame in which something changed. */
export function useLiveVersion(): number {
  const { live } = useSession()
  return useSyncExternalStore(live.subscribe, () => live.version)
}

export function useOrderVersion(): number {
  const { live } = useSession()
  return useSyncExternalStore(live.subscribeOrder, () => live.orderVersion)
}

/** A number that grows so often. */
export function useTick(ms: number): number {
  const [tick, setTick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState !== 'hidden' && setTick((n) => n + 1), ms)
    return () => clearInterval(timer)
  }, [ms])
  return tick
}

/** The value, but not newer more often than that: what it is asked for by is not asked all the time. */
export function usePaced<T>(value: T, ms: number): T {
  const [paced, setPaced] = useState(value)
  const at = useRef(-Infinity)
  useEffect(() => {
    if (value === paced) return undefined
    const timer = setTimeout(
      () => {
        at.current = performance.now()
        setPaced(value)
      },
      Math.max(0, at.current + ms - performance.now()),
    )
    return () => clearTimeout(timer)
  }, [value, paced, ms])
  return paced
}

export type Asked<T> = { readonly value: T | undefined; readonly error: Error | undefined; readonly again: () => void }

/** Asks when one of `on` changes, and keeps the last answer until the next one is there. */
export function useAsked<T>(ask: (signal: AbortSignal) => Promise<T>, on: readonly unknown[]): Asked<T> {
  const [answer, setAnswer] = useState<{ value: T | undefined; error: Error | undefined; key: string }>()
  const [round, setRound] = useState(0)
  // The last one counts as the place: what changes more often keeps the old answer.
  const key = String(on[0])
  useEffect(() => {
    const gone = new AbortController()
    ask(gone.signal).then(
      (value) => gone.signal.aborted || setAnswer({ value, error: undefined, key }),
      (error: Error) =>
        gone.signal.aborted ||
        setAnswer((before) => ({ value: before?.key === key ? before.value : undefined, error, key })),
    )
    return () => gone.abort()
  }, [...on, round])
  const mine = answer?.key === key ? answer : undefined
  return { value: mine?.value, error: mine?.error, again: () => setRound((n) => n + 1) }
}

/** Of the time, what may go on with asking: much takes long, and need not be as new. */
const ASK_SHARE = 0.1
const ASK_WAIT_MS_MAX = 30_000

/** Asks again so long after each answer; longer after one that took long. A slow server is waited for. */
export function usePolled<T>(ask: (signal: AbortSignal) => Promise<T>, ms: number): Asked<T> {
  const [answer, setAnswer] = useState<{ value: T | undefined; error: Error | undefined }>()
  const [round, setRound] = useState(0)
  const latest = useRef(ask)
  latest.current = ask
  useEffect(() => {
    const gone = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const poll = async (): Promise<void> => {
      let waitMs = ms
      if (document.visibilityState !== 'hidden') {
        const startedAt = performance.now()
        const next = await latest.current(gone.signal).then(
          (value) => ({ value, error: undefined }),
          (error: Error) => ({ error }),
        )
        if (gone.signal.aborted) return
        setAnswer((before) => ({ value: before?.value, ...next }))
        waitMs = Math.max(ms, Math.min(ASK_WAIT_MS_MAX, (performance.now() - startedAt) / ASK_SHARE))
      }
      timer = setTimeout(() => void poll(), waitMs)
    }
    void poll()
    return () => {
      gone.abort()
      clearTimeout(timer)
    }
  }, [ms, round])
  return { value: answer?.value, error: answer?.error, again: () => setRound((n) => n + 1) }
}

// -------------------------------------------------------------------------------------------------------------- states

export function State({ state, asks }: { readonly state: ProcessState; readonly asks?: boolean }) {
  return (
    <span className={`state ${asks === true ? 'asks' : state}`}>
      <i aria-hidden="true" />
      {asks === true ? 'asks you' : state}
    </span>
  )
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  )
}

/** Shown after a moment only: what comes at once should not flicker. */
export function Waiting({ what }: { readonly what: string }) {
  const [step, setStep] = useState(0)
  useEffect(() => {
    const timers = [setTimeout(() => setStep(1), 250), setTimeout(() => setStep(2), 4_000)]
    return () => timers.forEach(clearTimeout)
  }, [])
  return (
    <div className="empty" role="status">
      {step > 0 && <p>Reading {what}…</p>}
      {step > 1 && <p>The server is slow to answer. It may be busy; this page goes on by itself when it has.</p>}
    </div>
  )
}

/** What the server says between backticks is code. */
function marked(text: string): ReactNode[] {
  return text.split('`').map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))
}

export function Failure({ error, again }: { readonly error: Error; readonly again?: () => void }) {
  const api = error instanceof ApiError ? error : undefined
  const isGone = api === undefined
  return (
    <div className="failure" role="alert">
      <p>
        {api !== undefined && api.code !== 'HTTP' && <code>{api.code}</code>}{' '}
        {isGone ? 'The server does not answer.' : error.message}
      </p>
      <p className="muted">
        {isGone
          ? marked('Look whether `polity serve` still runs, then try again.')
          : api.status === 403
            ? 'This key may not see it. Ask the owner of the server for one with the scope named above.'
            : marked(api.todo ?? '')}
      </p>
      {again !== undefined && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  )
}

// -------------------------------------------------------------------------------------------------------------- dialog

export function Dialog({
  title,
  onClose,
  children,
  className = '',
}: {
  readonly title: string
  readonly onClose: () => void
  readonly children: ReactNode
  readonly className?: string
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const element = dialog.current as HTMLDialogElement
    const before = document.activeElement as HTMLElement | null
    element.showModal()
    return () => {
      element.close()
      before?.focus()
    }
  }, [])
  return (
    <dialog
      ref={dialog}
      className={className}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <h2>{title}</h2>
      {children}
    </dialog>
  )
}

/** A deed with its name on the button: nothing that cannot be taken back happens at one key press. */
export function Confirm({
  title,
  children,
  action,
  danger = false,
  run,
  onClose,
}: {
  readonly title: string
  readonly children?: ReactNode
  readonly action: string
  readonly danger?: boolean
  readonly run: (form: FormData) => Promise<unknown>
  readonly onClose: () => void
}) {
  const [error, setError] = useState<Error>()
  const [isBusy, setBusy] = useState(false)
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          setBusy(true)
          run(new FormData(event.currentTarget)).then(onClose, (reason: Error) => {
            setError(reason)
            setBusy(false)
          })
        }}
      >
        {children}
        {error !== undefined && <Failure error={error} />}
        <div className="actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className={danger ? 'danger' : 'primary'} disabled={isBusy} autoFocus>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

// --------------------------------------------------------------------------------------------------------------- notes

/** Short words about what was done, read out to who does not see them. */
const saidListeners = new Set<(said: { readonly text: string; readonly id: number }) => void>()
let saidCount = 0

export function say(text: string): void {
  const said = { text, id: ++saidCount }
  for (const hear of saidListeners) hear(said)
}

export function Said() {
  const [said, setSaid] = useState<{ readonly text: string; readonly id: number }>()
  useEffect(() => {
    saidListeners.add(setSaid)
    return () => void saidListeners.delete(setSaid)
  }, [])
  useEffect(() => {
    const timer = setTimeout(() => setSaid(undefined), 6_000)
    return () => clearTimeout(timer)
  }, [said])
  return (
    <div className="said" role="status" aria-live="polite">
      {said !== undefined && <p key={said.id}>{said.text}</p>}
    </div>
  )
}
