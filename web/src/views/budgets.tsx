/** What may be spent, and what was: the account of the key, to an admin those of all keys, and the runs with a budget of their own. */
import { useMemo, useState } from 'react'
import type { Account, Budget, Budgets as BudgetsRead, Client, Process, Usage } from '../../../src/client.ts'
import { bytes, count, duration, percent, usd } from '../format.ts'
import { runHash } from '../route.ts'
import { Search, wordsIn } from '../search.tsx'
import { Empty, Failure, Waiting, usePolled, useSession, useSessionState, useTick } from '../ui.tsx'

/** Rows of a table at first, and with each wish for more: what stands below it is not far. */
const SHOWN_STEP = 50
const SHOWN_MAX = 500
/** Accounts of a page, and pages that are read at most: as many keys as a store may have. */
const PAGE = 1_000
const PAGES_MAX = 10
/** Of so many accounts, the room in the store is shown where so much of it is filled. */
const ROOM_SHOWN = 0.05
const REFRESH_MS = 2_000

export function Budgets() {
  const { client } = useSession()
  const { value, error, again } = usePolled((signal) => readAll(client, signal), REFRESH_MS)
  if (value === undefined)
    return error === undefined ? <Waiting what="the budgets" /> : <Failure error={error} again={again} />
  const { account, accounts } = value
  const isAlone = accounts.every(({ name }) => name === account?.name)
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
      <Runs />
    </section>
  )
}

/** Those that run, of the table that the page keeps: the one that is nearest to a ceiling first. */
function Runs() {
  const { live } = useSession()
  const { isLoaded, line } = useSessionState()
  useTick(REFRESH_MS)
  const [shown, setShown] = useState(SHOWN_STEP)
  const now = live.now()
  const all: { readonly process: Process; readonly parts: readonly Part[]; readonly most: number }[] = []
  for (const { process } of live.rows.values()) {
    if (process.endedAt !== null || Object.keys(process.budget).length === 0) continue
    const parts = partsOf(process.budget, process.usage, now - process.startedAt)
    all.push({ process, parts, most: mostOf(parts) })
  }
  all.sort((a, b) => b.most - a.most)
  return (
    <>
      <h2 className="title">Runs with a budget</h2>
      {all.length === 0 && !isLoaded && line !== 'refused' ? (
        <Waiting what="the runs" />
      ) : all.length === 0 ? (
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
              {all.slice(0, shown).map(({ process: { pid, program, name, principal }, parts }) => (
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
          <More all={all.length} shown={shown} onMore={setShown} />
        </div>
      )}
    </>
  )
}

/** Those of all keys: first those that are open, of these the one that is nearest to a ceiling. */
function Accounts({ accounts }: { readonly accounts: readonly Account[] }) {
  const [query, setQuery] = useState('')
  const [shown, setShown] = useState(SHOWN_STEP)
  const nearest = useMemo(
    () =>
      accounts
        .map((account) => ({ account, most: mostOf(ceilingsOf(account)), isShut: account.holder?.isOpen === false }))
        .sort((a, b) => Number(a.isShut) - Number(b.isShut) || b.most - a.most || moreSpent(a.account, b.account)),
    [accounts],
  )
  const words = wordsIn(query)
  const found =
    words.length === 0
      ? nearest
      : nearest.filter(({ account }) => words.every((word) => wordsOf(account).includes(word)))
  return (
    <>
      <h2 className="title">All accounts, the nearest to a ceiling first</h2>
      <div className="tools">
        <Search of="accounts" value={query} onChange={setQuery} />
        <span className="muted">
          {words.length > 0 && `${count(found.length)} of `}
          {count(accounts.length)} accounts
        </span>
      </div>
      <div className="scroll">
        <table className="budgets accounts">
          <thead>
            <tr>
              <th>Whose</th>
              <th>Spent</th>
            </tr>
          </thead>
          <tbody>
            {found.slice(0, shown).map(({ account, isShut }) => (
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
                  <Parts
                    parts={ceilingsOf(account).filter((part) => part.name !== 'room' || shareOf(part) >= ROOM_SHOWN)}
                  />
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
        <More all={found.length} shown={shown} onMore={setShown} />
      </div>
    </>
  )
}

/** What a table leaves out, and how to see more of it. */
function More({
  all,
  shown,
  onMore,
}: {
  readonly all: number
  readonly shown: number
  readonly onMore: (shown: number) => void
}) {
  if (all <= shown) return null
  return (
    <p className="foot">
      <span className="muted">{count(all - shown)} more are farther from a ceiling.</span>{' '}
      {shown < SHOWN_MAX && (
        <button type="button" onClick={() => onMore(Math.min(SHOWN_MAX, shown + SHOWN_STEP * 3))}>
          Show more
        </button>
      )}
    </p>
  )
}

function wordsOf({ name, holder }: Account): string {
  return `${name} ${holder?.principal ?? ''} ${holder?.label ?? ''}`.toLowerCase()
}

/** Of two that are as near to a ceiling. */
function moreSpent(a: Account, b: Account): number {
  return b.used.usd - a.used.usd || tokensOf(b.used) - tokensOf(a.used)
}

function tokensOf({ inputTokens, outputTokens }: Usage): number {
  return inputTokens + outputTokens
}

/** All pages: which of them is near its ceiling, none of them knows alone. */
async function readAll(client: Client, signal: AbortSignal): Promise<BudgetsRead> {
  const first = await client.budgets({ only: 'accounts', limit: PAGE }, { signal })
  const accounts = [...first.accounts]
  let { next } = first
  for (let pages = 1; next !== null && pages < PAGES_MAX; pages++) {
    const page: BudgetsRead = await client.budgets({ only: 'accounts', limit: PAGE, cursor: next }, { signal })
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
    (budget.tokens !== undefined || tokensOf(used) === 0) &&
    reserved.tokens === 0 &&
    reserved.usd === 0
  )
}

function spentOf({ used, reserved }: Account): string {
  const aside = reserved.tokens === 0 && reserved.usd === 0
  return `spent ${amount(used.usd, tokensOf(used))}${aside ? '' : `; set aside for calls under way: ${amount(reserved.usd, reserved.tokens)}`}`
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
    { name: 'tokens', used: tokensOf(used), of: budget.tokens, write: count },
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

/** How near it is to a ceiling; one of nothing, of which nothing was spent, is nobody's to come near. */
function mostOf(parts: readonly Part[]): number {
  return Math.max(0, ...parts.map((part) => (part.of === 0 && part.used === 0 ? 0 : shareOf(part))))
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
              {used === 0 ? 0 : write(used)} of {of === 0 ? 0 : write(of)}
              {every}
            </span>
          </div>
        )
      })}
    </div>
  )
}
