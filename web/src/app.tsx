/** The frame: where one can go, whether the line is there, the key, the keys. */
import type { ReactNode } from 'react'
import { Component, Suspense, lazy, useEffect, useMemo, useRef, useState } from 'react'
import { keyTable, useKeys } from './keys.ts'
import type { Place } from './route.ts'
import { goTo, places, useRoute } from './route.ts'
import type { Line } from './session.ts'
import { keepKey, keptKey, openSession } from './session.ts'
import { turnTheme, useTheme } from './theme.ts'
import { Dialog, Empty, Said, SessionProvider, Waiting, useSession, useSessionState } from './ui.tsx'
import { Budgets } from './views/budgets.tsx'
import { Inbox } from './views/inbox.tsx'
import { Memory } from './views/memory.tsx'
import { Policy } from './views/policy.tsx'
import { Processes } from './views/processes.tsx'
import { Run } from './views/run.tsx'

const Cores = lazy(() => import('./views/cores.tsx'))

const titles: { readonly [Name in Place]: string } = {
  processes: 'Processes',
  cores: 'Cores',
  inbox: 'Inbox',
  memory: 'Memory',
  policy: 'Policy',
  budgets: 'Budgets',
}

export function App() {
  const [key, setKey] = useState(keptKey)
  const session = useMemo(() => openSession(key), [key])
  useEffect(() => () => session.close(), [session])
  return (
    <SessionProvider value={session}>
      <Frame
        // What one key was shown goes with it.
        key={key ?? ''}
        hasKey={key !== undefined}
        onKey={(given) => {
          keepKey(given)
          setKey(given)
        }}
      />
    </SessionProvider>
  )
}

function Frame({ hasKey, onKey }: { readonly hasKey: boolean; readonly onKey: (key: string | undefined) => void }) {
  const route = useRoute()
  const { line, why, questions } = useSessionState()
  const { theme } = useTheme()
  const [showsKeys, setShowsKeys] = useState(false)
  useKeys({
    ...Object.fromEntries(places.map((place, i) => [String(i + 1), () => goTo(`#/${place}`)])),
    '?': () => setShowsKeys(true),
    T: turnTheme,
    Escape: () => route.place === 'run' && goTo('#/processes'),
  })
  const here = route.place === 'run' ? 'processes' : route.place
  const title = route.place === 'run' ? `Run ${route.pid}` : titles[route.place]
  useEffect(() => {
    document.title = `${questions.length > 0 ? `(${questions.length}) ` : ''}${title} · Polity`
  }, [title, questions.length])
  const views = useRef<HTMLElement>(null)
  // Where they do not all fit, the one that is open is in sight.
  useEffect(() => {
    views.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' })
  }, [here])
  return (
    <>
      <header className="bar">
        <a className="brand" href="#/processes">
          polity
        </a>
        <nav aria-label="Views" ref={views}>
          {places.map((place) => (
            <a key={place} href={`#/${place}`} aria-current={place === here ? 'page' : undefined}>
              {titles[place]}
              {place === 'inbox' && questions.length > 0 && (
                <span className="badge" aria-label={`${questions.length} waiting`}>
                  {questions.length > 99 ? '99+' : questions.length}
                </span>
              )}
            </a>
          ))}
        </nav>
        <div className="bar-end">
          <LineMark line={line} />
          {hasKey && (
            <button type="button" className="quiet" onClick={() => onKey(undefined)}>
              Forget key
            </button>
          )}
          <button type="button" className="quiet" onClick={turnTheme} title="Dark, light, or as the system says (T)">
            {theme === 'system' ? 'Auto' : theme === 'dark' ? 'Dark' : 'Light'}
          </button>
          <button type="button" className="quiet" onClick={() => setShowsKeys(true)} title="Keys (?)" aria-label="Keys">
            ?
          </button>
        </div>
      </header>
      <Trouble line={line} why={why} />
      <main>
        <h1 className="unseen">{title}</h1>
        <Guard key={route.place === 'run' ? `run ${route.pid}` : route.place}>
          <Suspense fallback={<Waiting what="the view" />}>
            {route.place === 'processes' && <Processes />}
            {route.place === 'run' && <Run key={route.pid} pid={route.pid} tab={route.tab} call={route.call} />}
            {route.place === 'cores' && <Cores />}
            {route.place === 'inbox' && <Inbox />}
            {route.place === 'memory' && <Memory />}
            {route.place === 'policy' && <Policy />}
            {route.place === 'budgets' && <Budgets />}
          </Suspense>
        </Guard>
      </main>
      <Said />
      {line === 'locked' && <KeyPrompt hadKey={hasKey} why={why} onKey={onKey} />}
      {showsKeys && (
        <Dialog title="Keys" onClose={() => setShowsKeys(false)}>
          <dl className="keys">
            {keyTable.map(([keys, does]) => (
              <div key={keys}>
                <dt>
                  <kbd>{keys}</kbd>
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
          <div className="actions">
            <button type="button" autoFocus onClick={() => setShowsKeys(false)}>
              Close
            </button>
          </div>
        </Dialog>
      )}
    </>
  )
}

const lineWords: { readonly [Name in Line]: string } = {
  connecting: 'connecting',
  live: 'live',
  lost: 'no connection',
  paused: 'paused',
  locked: 'locked',
  refused: 'refused',
}

function LineMark({ line }: { readonly line: Line }) {
  return (
    <span className={`line-mark ${line}`} role="status">
      <i aria-hidden="true" />
      {lineWords[line]}
    </span>
  )
}

function Trouble({ line, why }: { readonly line: Line; readonly why: string }) {
  const session = useSession()
  const [isLong, setLong] = useState(false)
  const isTrouble = line === 'lost' || line === 'refused'
  useEffect(() => {
    setLong(false)
    if (!isTrouble) return undefined
    // A line that is back at once is nothing to speak of.
    const timer = setTimeout(() => setLong(true), 1_000)
    return () => clearTimeout(timer)
  }, [isTrouble])
  if (!isLong || !isTrouble) return null
  return (
    <div className="trouble" role="alert">
      <span>
        {line === 'refused'
          ? `The server refused: ${why}.`
          : `No connection to the server; what is shown may be old. ${why === '' ? 'Look whether polity serve still runs.' : `${why}.`} It is tried again by itself.`}
      </span>
      <button type="button" onClick={session.tryNow}>
        Try now
      </button>
    </div>
  )
}

function KeyPrompt({
  hadKey,
  why,
  onKey,
}: {
  readonly hadKey: boolean
  readonly why: string
  readonly onKey: (key: string) => void
}) {
  const [text, setText] = useState('')
  return (
    <Dialog title="This server needs a key" onClose={() => {}}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (text.trim() !== '') onKey(text.trim())
        }}
      >
        {hadKey && <p role="alert">{why || 'The key was not taken.'}</p>}
        <p>
          The owner of the server makes one with <code>polity key create</code>. It is kept in this tab only, until the
          tab is closed.
        </p>
        <label>
          Key
          <input
            type="password"
            name="key"
            autoComplete="off"
            spellCheck={false}
            placeholder="polity_…"
            // What no header can hold is no key.
            pattern="\s*[!-~]+\s*"
            title="A key has no space and no special character, also not …"
            value={text}
            onChange={(event) => setText(event.target.value)}
            autoFocus
          />
        </label>
        <div className="actions">
          <button type="submit" className="primary" disabled={text.trim() === ''}>
            Use this key
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** What breaks in a view breaks that view alone. React knows no other way to catch it than a class. */
class Guard extends Component<{ readonly children: ReactNode }, { readonly error: Error | undefined }> {
  override state: { error: Error | undefined } = { error: undefined }

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error }
  }

  override render(): ReactNode {
    const { error } = this.state
    if (error === undefined) return this.props.children
    return (
      <Empty title="This view broke">
        <p>{error.message}</p>
        <p>If the server was updated meanwhile, load the page again.</p>
        <button type="button" onClick={() => location.reload()}>
          Load again
        </button>
      </Empty>
    )
  }
}
