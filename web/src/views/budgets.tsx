/** What may be spent, and what was: the account of the key, and the runs that have a budget of their own. */
import type { Account, Budget, Usage } from '../../../src/client.ts'
import { bytes, count, duration, percent, usd } from '../format.ts'
import { runHash } from '../route.ts'
import { Empty, Failure, Waiting, usePolled, useSession } from '../ui.tsx'

const SHOWN_MAX = 500
const REFRESH_MS = 2_000

export function Budgets() {
  const { client, live } = useSession()
  const { value, error, again } = usePolled((signal) => client.budgets({ signal }), REFRESH_MS)
  if (value === undefined)
    return error === undefined ? <Waiting what="the budgets" /> : <Failure error={error} again={again} />
  const { account, items } = value
  const ageOf = (pid: number): number | undefined => {
    const started = live.rows.get(pid)?.process.startedAt
    return started === undefined ? undefined : live.now() - started
  }
  const shown = items
    .map((item) => ({ item, parts: partsOf(item.budget, item.used, ageOf(item.pid)) }))
    .sort((a, b) => mostOf(b.parts) - mostOf(a.parts))
    .slice(0, SHOWN_MAX)
  return (
    <section className="page wide">
      <h2 className="title">The account of this key</h2>
      {account === null ? (
        <p className="muted">
          No key, no account. With <code>polity key create … --budget-usd 5</code> a key has one.
        </p>
      ) : (
        <div className="note">
          <p>
            <code>{account.name}</code>{' '}
            <span className="muted">
              spent {amount(account.used.usd, account.used.inputTokens + account.used.outputTokens)}; set aside for
              calls under way: {amount(account.reserved.usd, account.reserved.tokens)}
            </span>
          </p>
          <Parts parts={[...partsOf(account.budget, account.used, undefined), ...roomOf(account)]} />
          <p className="muted">
            {Object.keys(account.budget).length === 0 &&
              (account.room === null ? 'It has no ceiling.' : 'What it may spend has no ceiling. ')}
            {account.room !== null &&
              'What its runs write into the store fills its room, which empties evenly within a day.'}
          </p>
        </div>
      )}
      <h2 className="title">Runs with a budget</h2>
      {items.length === 0 ? (
        <Empty title="No run has a budget of its own">
          <p>
            One is given when a run starts: <code>{'"budget": { "usd": 0.5 }'}</code>
          </p>
        </Empty>
      ) : (
        <div className="scroll">
          <table className="budgets">
            <thead>
              <tr>
                <th className="number">Pid</th>
                <th>Program</th>
                <th className="c-principal">Principal</th>
                <th>Used</th>
              </tr>
            </thead>
            <tbody>
              {shown.map(({ item: { pid, program, name, principal }, parts }) => (
                <tr key={pid}>
                  <th scope="row" className="number">
                    <a href={runHash(pid)}>{pid}</a>
                  </th>
                  <td>
                    {program} {name !== null && <span className="muted">{name}</span>}
                  </td>
                  <td className="c-principal">{principal}</td>
                  <td className="whole">
                    <Parts parts={parts} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {items.length > SHOWN_MAX && (
            <p className="hint">{count(items.length - SHOWN_MAX)} more are left out; those that used most are shown.</p>
          )}
        </div>
      )}
    </section>
  )
}

function amount(dollars: number, tokens: number): string {
  if (dollars === 0 && tokens === 0) return 'nothing'
  return `${dollars === 0 ? '' : `${usd(dollars)} and `}${count(tokens)} tokens`
}

interface Part {
  readonly name: string
  readonly used: number
  readonly of: number
  readonly write: (n: number) => string
  /** Behind the ceiling. */
  readonly every?: string
}

function partsOf(budget: Budget, used: Usage, ageMs: number | undefined): Part[] {
  const all: (Omit<Part, 'of'> & { readonly of: number | undefined })[] = [
    { name: 'money', used: used.usd, of: budget.usd, write: usd },
    { name: 'tokens', used: used.inputTokens + used.outputTokens, of: budget.tokens, write: count },
    { name: 'model calls', used: used.steps, of: budget.steps, write: count },
    { name: 'children', used: used.children, of: budget.children, write: count },
    { name: 'time', used: ageMs ?? 0, of: budget.wallMs, write: duration },
  ]
  return all.filter((part): part is Part => part.of !== undefined)
}

function roomOf({ room }: Account): Part[] {
  if (room === null) return []
  return [{ name: 'room', used: room.bytes, of: room.bytesPerDay, write: bytes, every: ' a day' }]
}

function mostOf(parts: readonly Part[]): number {
  return Math.max(0, ...parts.map(({ used, of }) => (of === 0 ? 1 : used / of)))
}

function Parts({ parts }: { readonly parts: readonly Part[] }) {
  return (
    <div className="parts">
      {parts.map(({ name, used, of, write, every = '' }) => {
        const share = of === 0 ? 1 : Math.min(1, used / of)
        return (
          <div key={name} className={share >= 0.9 ? 'near' : ''}>
            <span className="muted">{name}</span>
            <span
              className="meter"
              role="meter"
              aria-label={name}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={Math.round(share * 100)}
            >
              <i style={{ inlineSize: percent(share) }} />
            </span>
            <span className="number">
              {used === 0 ? 0 : write(used)} of {write(of)}
              {every}
            </span>
          </div>
        )
      })}
    </div>
  )
}
