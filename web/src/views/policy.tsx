/** The law: what it decided, rule by rule; what it says of a call that nobody makes. */
import { useEffect, useState } from 'react'
import type { AuditEntry, Client, Explanation } from '../../../src/client.ts'
import type { Law } from '../../../src/policy/law.ts'
import { clock, count, moment } from '../format.ts'
import { List } from '../list.tsx'
import { goTo, runHash } from '../route.ts'
import { Empty, Failure, Waiting, useAsked, useSession } from '../ui.tsx'
import { LawInForce } from './law.tsx'

/** Decisions that are read at once, the newest first. */
const PAGE = 500

export function Policy() {
  const { client } = useSession()
  const policy = useAsked(() => client.policy.get(), ['policy'])
  const audit = useDecisions(client)
  const [effect, setEffect] = useState<'all' | 'allow' | 'ask' | 'deny'>('all')
  const [chosen, setChosen] = useState(-1)
  const law = policy.value?.law as Law | null | undefined
  const entries = (audit.entries ?? []).filter((entry) => effect === 'all' || entry.effect === effect)
  const choose = (next: typeof effect): void => {
    setEffect(next)
    setChosen(-1)
  }
  return (
    <section className="page wide policy">
      <div className="columns">
        <div>
          <h2 className="title">The law in force</h2>
          {policy.error !== undefined ? (
            <Failure error={policy.error} />
          ) : policy.value === undefined ? (
            <Waiting what="the law" />
          ) : law === null || law === undefined ? (
            <Empty title="There is no law">
              <p>Whoever holds a tool may call it. Start the server with one:</p>
              <pre>polity serve --law law.json</pre>
            </Empty>
          ) : (
            <LawInForce law={law} />
          )}
        </div>
        <Explain />
      </div>
      <div className="tools">
        <h2 className="title">Decisions</h2>
        <div className="chips" role="group" aria-label="Effect">
          {(['all', 'allow', 'ask', 'deny'] as const).map((one) => (
            <button key={one} type="button" aria-pressed={effect === one} onClick={() => choose(one)}>
              {one}
            </button>
          ))}
        </div>
        <button type="button" disabled={audit.isReading} onClick={audit.again}>
          Read again
        </button>
        {audit.hasMore && (
          <>
            <button type="button" disabled={audit.isReading} onClick={audit.more}>
              Older decisions
            </button>
            <span className="muted">the last {count(audit.entries?.length ?? 0)} are here</span>
          </>
        )}
      </div>
      {audit.error !== undefined ? (
        <Failure error={audit.error} again={audit.again} />
      ) : audit.entries === undefined ? (
        <Waiting what="the decisions" />
      ) : entries.length === 0 ? (
        audit.entries.length === 0 ? (
          <Empty title="Nothing was decided">
            <p>Each call that the law decides about leaves a line here.</p>
          </Empty>
        ) : (
          <Empty title={`None of ${audit.hasMore ? 'the last ' : 'the '}${count(audit.entries.length)} is ${effect}`}>
            <button type="button" onClick={() => choose('all')}>
              Show all
            </button>
          </Empty>
        )
      ) : (
        <List
          id="decision"
          className="decisions"
          role="grid"
          label="Decisions"
          count={entries.length}
          rowHeight={26}
          chosen={chosen}
          onChoose={setChosen}
          onOpen={(i) => goTo(runHash(entries[i]?.pid as number, 'timeline', entries[i]?.n))}
          head={
            <div className="head decision-row" role="row" aria-rowindex={1}>
              <div role="columnheader" className="number">
                #
              </div>
              <div role="columnheader">Time</div>
              <div role="columnheader">Decision</div>
              <div role="columnheader">Call</div>
              <div role="columnheader">Rule</div>
              <div role="columnheader">By</div>
              <div role="columnheader" className="number">
                Run
              </div>
            </div>
          }
          row={(i) => {
            const { number, at, effect: decided, what, rule, by, pid, n } = entries[i] as AuditEntry
            return (
              <div
                key={number}
                id={`decision-${i}`}
                role="row"
                aria-rowindex={i + 2}
                aria-selected={i === chosen}
                className="decision-row"
                onClick={() => setChosen(i)}
              >
                <div role="gridcell" className="number muted">
                  {number}
                </div>
                <div role="gridcell">
                  <span className="date">{moment(at).slice(0, 10)} </span>
                  {clock(at)}
                </div>
                <div role="gridcell">
                  <span className={`effect ${decided}`}>{decided}</span>
                </div>
                <div role="gridcell">{what}</div>
                <div role="gridcell">{rule ?? <span className="muted">{undecided[decided]}</span>}</div>
                <div role="gridcell">{by ?? ''}</div>
                <div role="gridcell" className="number">
                  <a href={runHash(pid, 'timeline', n)} tabIndex={-1}>
                    {pid}, call {n}
                  </a>
                </div>
              </div>
            )
          }}
        />
      )}
    </section>
  )
}

/** Of a call that no rule decided. */
const undecided: { readonly [Effect in AuditEntry['effect']]: string } = {
  allow: 'no rule speaks of it',
  ask: 'no rule',
  deny: 'no rule allows it',
}

interface Decisions {
  /** The newest first; undefined until there is an answer. */
  readonly entries: readonly AuditEntry[] | undefined
  readonly error: Error | undefined
  readonly hasMore: boolean
  readonly isReading: boolean
  readonly again: () => void
  readonly more: () => void
}

function useDecisions(client: Client): Decisions {
  const [read, setRead] = useState<{ readonly entries: readonly AuditEntry[]; readonly next: string | null }>()
  const [page, setPage] = useState<{ readonly cursor?: string }>({})
  const [error, setError] = useState<Error>()
  const [isReading, setReading] = useState(false)
  useEffect(() => {
    const gone = new AbortController()
    const { cursor } = page
    setReading(true)
    client
      .audit({ sort: '-number', limit: PAGE, ...(cursor === undefined ? {} : { cursor }) }, { signal: gone.signal })
      .then(
        ({ items, next }) => {
          if (gone.signal.aborted) return
          setRead((before) => ({
            entries: cursor === undefined ? items : [...(before?.entries ?? []), ...items],
            next,
          }))
          setError(undefined)
        },
        (reason: Error) => gone.signal.aborted || setError(reason),
      )
      .finally(() => gone.signal.aborted || setReading(false))
    return () => gone.abort()
  }, [client, page])
  return {
    entries: read?.entries,
    error,
    hasMore: read !== undefined && read.next !== null,
    isReading,
    again: () => setPage({}),
    more: () => typeof read?.next === 'string' && setPage({ cursor: read.next }),
  }
}

function Explain() {
  const { client } = useSession()
  const [tool, setTool] = useState('')
  const [args, setArgs] = useState('{}')
  const [answer, setAnswer] = useState<Explanation>()
  const [error, setError] = useState<Error>()
  const tools = useAsked((signal) => client.tools({ signal }), ['tools'])
  return (
    <div>
      <h2 className="title">What would it say?</h2>
      <form
        className="explain"
        onSubmit={(event) => {
          event.preventDefault()
          setError(undefined)
          let given: never
          try {
            given = JSON.parse(args === '' ? '{}' : args) as never
          } catch {
            setAnswer(undefined)
            setError(new SyntaxError('The arguments are not JSON; expected something such as {"to": "ada"}.'))
            return
          }
          client.policy.explain({ tool, args: given }).then(setAnswer, (reason: Error) => {
            setAnswer(undefined)
            setError(reason)
          })
        }}
      >
        <label>
          Tool
          <input
            list="tools"
            value={tool}
            onChange={(event) => setTool(event.target.value)}
            required
            autoComplete="off"
          />
          <datalist id="tools">
            {[...new Set(tools.value?.items.map(({ name }) => name))].map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </label>
        <label>
          Arguments, as JSON
          <textarea rows={3} value={args} spellCheck={false} onChange={(event) => setArgs(event.target.value)} />
        </label>
        <button type="submit">Ask the law</button>
      </form>
      {error !== undefined &&
        (error instanceof SyntaxError ? (
          <p className="failure" role="alert">
            {error.message}
          </p>
        ) : (
          <Failure error={error} />
        ))}
      {answer !== undefined && (
        <div className={`decision ${answer.decision.effect}`} role="status">
          <p>
            <span className={`effect ${answer.decision.effect}`}>{answer.decision.effect}</span>{' '}
            {answer.decision.rule === null ? '' : <code>{answer.decision.rule}</code>} {answer.decision.reason}
          </p>
          <ol className="steps">
            {answer.steps.map(({ rule, matches, because }) => (
              <li key={rule}>
                <code>{rule}</code>{' '}
                {matches === true
                  ? 'fits'
                  : matches === false
                    ? `does not fit: ${because.join(', ')}`
                    : 'may fit; nobody knows'}
              </li>
            ))}
          </ol>
        </div>
      )}
    </div>
  )
}
