/** What may be spent, and what was: the account of the key, to an admin those of all keys, and the runs with a budget of their own. */
import type { Account, Budget, Budgets as BudgetsRead, Client, Usage } from '../../../src/client.ts'
import { bytes, count, duration, percent, usd } from '../format.ts'
import { runHash } from '../route.ts'
import { Empty, Failure, Waiting, usePolled, useSession } from '../ui.tsx'

const SHOWN_MAX = 500
/** Accounts of a page, and pages that are read at most: as many keys as a store may have. */
const PAGE = 1_000
const PAGES_MAX = 10
/** Of so many accounts, the room in the store is shown where so much of it is filled. */
const ROOM_SHOWN = 0.05
const REFRESH_MS = 2_000

export function Budgets() {
  const { client, live } = useSession()
  const { value, error, again } = usePolled((signal) => readAll(client, signal), REFRESH_MS)
  if (value === undefined)
    return error === undefined ? <Waiting what="the budgets" /> : <Failure error={error} again={again} />
  const { account, accounts, items } = value
  const isAlone = accounts.every(({ name }) => name === account?.name)
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
            <code>{account.name}</code> <span className="muted">{spentOf(account)}</span>
          </p>
          <Parts parts={ceilingsOf(account)} />
          <p className="muted">
            {Object.keys(account.budget).length === 0 &&
              (account.room === null ? 'It has no ceiling.' : 'What it may spend has no ceiling. ')}
            {account.room !== null &&
              'What its runs write into the store fills its room, which empties evenly within a day.'}
          </p>
        </div>
      )}
      {!isAlone && <Accounts accounts={accounts} />}
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

/** Those of all keys: first those that are open, of these the one that is nearest to a ceiling. */
function Accounts({ accounts }: { readonly accounts: readonly Account[] }) {
  const sorted = accounts
    .map((account) => ({ account, parts: ceilingsOf(account), isShut: account.holder?.isOpen === false }))
    .sort((a, b) => Number(a.isShut) - Number(b.isShut) || mostOf(b.parts) - mostOf(a.parts))
    .map((one) => ({ ...one, parts: one.parts.filter((part) => part.name !== 'room' || shareOf(part) >= ROOM_SHOWN) }))
  return (
    <>
      <h2 className="title">All accounts, the nearest to a ceiling first</h2>
      <div className="scroll">
        <table className="budgets accounts">
          <thead>
            <tr>
              <th>Whose</th>
              <th>Spent</th>
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, SHOWN_MAX).map(({ account, parts, isShut }) => (
              <tr key={account.name} className={isShut ? 'shut' : ''}>
                <th scope="row">
                  {account.holder !== null && <span className="holder">{account.holder.principal}</span>}{' '}
                  <code>{account.name}</code>{' '}
                  {account.holder !== null && account.holder.label !== '' && (
                    <span className="muted label">{account.holder.label}</span>
                  )}
                  {isShut && <span className="muted label">revoked or expired</span>}
                </th>
                <td className="whole">
                  <Parts parts={parts} />
                  {!isToldByCeilings(account) && (
                    <p className="muted">
                      {spentOf(account)}
                      {Object.keys(account.budget).length === 0 && '; no ceiling'}
                    </p>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {sorted.length > SHOWN_MAX && (
          <p className="hint">{count(sorted.length - SHOWN_MAX)} more are left out; they are the farthest from one.</p>
        )}
      </div>
    </>
  )
}

/** All pages: which of them is near its ceiling, none of them knows alone. */
async function readAll(client: Client, signal: AbortSignal): Promise<BudgetsRead> {
  const first = await client.budgets({ limit: PAGE }, { signal })
  const accounts = [...first.accounts]
  let { next } = first
  for (let pages = 1; next !== null && pages < PAGES_MAX; pages++) {
    const page: BudgetsRead = await client.budgets({ limit: PAGE, cursor: next }, { signal })
    accounts.push(...page.accounts)
    next = page.next
  }
  return { ...first, accounts }
}

/** Whether the bars say all that was spent. */
function isToldByCeilings({ budget, used, reserved }: Account): boolean {
  return (
    Object.keys(budget).length > 0 &&
    (budget.usd !== undefined || used.usd === 0) &&
    (budget.tokens !== undefined || used.inputTokens + used.outputTokens === 0) &&
    reserved.tokens === 0 &&
    reserved.usd === 0
  )
}

function spentOf({ used, reserved }: Account): string {
  const aside = reserved.tokens === 0 && reserved.usd === 0
  return `spent ${amount(used.usd, used.inputTokens + used.outputTokens)}${aside ? '' : `; set aside for calls under way: ${amount(reserved.usd, reserved.tokens)}`}`
}

function ceilingsOf(account: Account): Part[] {
  return [...partsOf(account.budget, account.used, undefined), ...roomOf(account)]
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
  return Math.max(0, ...parts.map(shareOf))
}

function shareOf({ used, of }: Part): number {
  return of === 0 ? 1 : used / of
}

function Parts({ parts }: { readonly parts: readonly Part[] }) {
  return (
    <div className="parts">
      {parts.map((part) => {
        const { name, used, of, write, every = '' } = part
        const share = Math.min(1, shareOf(part))
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
