/**
 * Accounts: ceilings that one process after another draws on, such as all that run on behalf of one API key.
 *
 *     const accounts = createAccounts({ store, journal })
 *     accounts.open('key-7', { tokens: 1_000_000 })        // its ceilings, from now on
 *     accounts.of('key-7')                                 // what a root process is given to pay from, beside its own budget
 *     accounts.settle(process)                             // the root ended: what it used stays used
 *     accounts.keep()                                      // the kernel closes
 *     accounts.wrote('key-7', () => 412)                   // what was journaled for it; read only where that has a ceiling
 *     accounts.page('key-7', 100)                          // the next ones of all that were opened, or that something was ever paid from
 *     spentIn(reader)                                      // the same from a store alone, by name, for who has no kernel
 *
 * Invariants
 *   AC1. What an account has used is what its ended roots used, kept with their last event, and what the others have used
 *        so far: the same after any restart, also when their journals are gone.
 *   AC2. An account that nobody has opened in this life of the kernel has no ceilings, and is counted all the same; its
 *        room stays as it was left, for whoever gives it a `bytesPerDay` again.
 *   AC3. What is written for an account fills its room, which drains evenly within a day. Nothing begins in a full one, so
 *        it is over-filled by no more than what was let in before: in no day is more written than twice its ceiling and that.
 *   AC4. A page costs what is on it, however many accounts there are.
 *   AC5. What is read from a store alone is what a kernel would count if it began with that store now; beside a kernel that
 *        has it open, also while a root ends, which is counted once.
 *   AC6. One that is only looked at takes no place among those that are drawn on.
 */
import type { Put, Store } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Journal } from './journal.ts'
import { compareKeys, merged } from './lists.ts'
import type { Payer, Process } from './process.ts'
import { unused } from './process.ts'
import type { AccountBudget, AccountInfo, Budget, Pid, Usage } from './types.ts'
import type { Counted, OpenProcess } from './usage.ts'
import { addUsage, openIn } from './usage.ts'

/** The accounts of a kernel. */
export interface Accounts {
  /** Gives an account its ceilings, in place of those it had. */
  open(name: string, budget: AccountBudget): void
  of(name: string): Payer
  /** Just before the last event of a root process is appended. */
  settle(process: Process): void
  /** As the kernel closes: what open runs wrote is kept. */
  keep(): void
  /** Something was written for it; `bytes` is asked only where that has a ceiling. */
  wrote(name: string, bytes: () => number): void
  /** Why nothing more may begin that is written for it; undefined while there is room. */
  full(name: string): PolityError | undefined
  info(name: string): AccountInfo
  /** By name, from behind that one on, at most so many. */
  page(after?: string, limit?: number): readonly AccountInfo[]
}

class Account implements Payer {
  readonly label: string
  readonly pid = null
  readonly above = undefined
  readonly name: string
  budget: Budget = NO_BUDGET
  used: Counted
  reservedTokens = 0
  reservedUsd = 0
  line: Payer['line'] = undefined
  /** What its ended roots used. */
  settled: Usage
  bytesPerDay = Infinity
  room: Room

  constructor(name: string, settled: Usage, room: Room) {
    this.name = name
    this.label = `account ${name}`
    this.settled = settled
    this.used = { ...settled }
    this.room = room
  }
}

/** What was written and has not drained yet, as of a time. */
interface Room {
  readonly bytes: number
  readonly at: number
}

const NO_BUDGET: Budget = Object.freeze({})
const EMPTY: Room = Object.freeze({ bytes: 0, at: 0 })
const DAY_MS = 86_400_000
const KEY = 'account/'
/** Behind every key of an account. */
const KEYS_END = 'account0'

function keyOf(name: string): string {
  return `${KEY}${name}`
}

/** The names of the accounts that a root has ever ended for. */
function* namesIn(store: Pick<Store, 'range'>): Generator<string> {
  for (const [key] of store.range('meta', KEY, KEYS_END)) yield key.slice(KEY.length)
}

function keptIn(store: Pick<Store, 'get'>, name: string): Kept {
  const kept = store.get('meta', keyOf(name))
  return kept === undefined ? unused() : keptOf(kept)
}

function keptOf(value: string | Uint8Array): Kept {
  return JSON.parse(String(value)) as Kept
}

export function createAccounts({
  store,
  journal,
  now,
}: {
  readonly store: Store
  readonly journal: Journal
  readonly now: () => number
}): Accounts {
  const accounts = new Map<string, Account>()
  /** Of these, in the order of the store's keys. */
  const names: string[] = []

  function of(name: string): Account {
    let account = accounts.get(name)
    if (account === undefined) {
      accounts.set(name, (account = accountOf(name, keptIn(store, name))))
      names.splice(placeOf(name), 0, name)
    }
    return account
  }

  /** How many names come before it. */
  function placeOf(name: string): number {
    let low = 0
    let high = names.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareKeys(names[middle] as string, name) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  function* opened(after: string | undefined): Generator<Named> {
    for (let at = after === undefined ? 0 : placeOf(`${after}\0`); at < names.length; at++) {
      const name = names[at] as string
      yield { name, account: () => accounts.get(name) as Account }
    }
  }

  function* kept(after: string | undefined, limit: number): Generator<Named> {
    const from = after === undefined ? KEY : `${keyOf(after)}\0`
    for (const [key, value] of store.range('meta', from, KEYS_END, { limit })) {
      const name = key.slice(KEY.length)
      yield { name, account: () => accountOf(name, keptOf(value)) }
    }
  }

  function putOf({ name, settled, room }: Account): Put {
    const kept: Kept = room === EMPTY ? settled : { ...settled, room }
    return { table: 'meta', key: keyOf(name), value: JSON.stringify(kept) }
  }

  /** As it is now. A clock that was set back drains nothing. */
  function roomOf({ bytesPerDay, room }: Account): Room {
    if (bytesPerDay === Infinity) return room
    const { bytes, at } = room
    const time = now()
    return { bytes: Math.max(0, bytes - (Math.max(0, time - at) / DAY_MS) * bytesPerDay), at: time }
  }

  function infoOf(account: Account): AccountInfo {
    const { name, budget, used, reservedTokens, reservedUsd, bytesPerDay } = account
    return {
      name,
      budget,
      used: { ...used },
      reserved: { tokens: reservedTokens, usd: reservedUsd },
      room: bytesPerDay === Infinity ? null : { bytes: Math.round(roomOf(account).bytes), bytesPerDay },
    }
  }

  return {
    open(name, { bytesPerDay = Infinity, ...budget }) {
      const account = of(name)
      account.budget = Object.freeze(budget)
      account.room = roomOf(account)
      account.bytesPerDay = bytesPerDay
    },
    of,
    settle({ start, used }) {
      if (start.account === undefined) return
      const account = of(start.account)
      const settled = { ...account.settled }
      for (const key of Object.keys(settled) as (keyof Usage)[]) settled[key] += used[key]
      account.settled = settled
      journal.put(putOf(account))
    },
    keep() {
      for (const account of accounts.values())
        if (account.bytesPerDay !== Infinity && account.room !== EMPTY) journal.putAlone(putOf(account))
    },
    wrote(name, bytes) {
      const account = accounts.get(name)
      if (account === undefined || account.bytesPerDay === Infinity) return
      const room = roomOf(account)
      account.room = { bytes: room.bytes + bytes(), at: room.at }
    },
    full(name) {
      const account = accounts.get(name)
      if (account === undefined || account.bytesPerDay === Infinity) return undefined
      const { bytesPerDay } = account
      const { bytes } = roomOf(account)
      if (bytes < bytesPerDay) return undefined
      const retryMs = Math.floor((bytes / bytesPerDay - 1) * DAY_MS) + 1
      return new PolityError(
        'LIMIT_EXCEEDED',
        `${account.label} has written ${Math.round(bytes)} bytes into the store within a day; its limit is ${bytesPerDay}, and room comes back evenly over a day: there is some again in ${Math.ceil(retryMs / 1_000)} s`,
        { detail: { account: name, kind: 'bytesPerDay', used: Math.round(bytes), budget: bytesPerDay, retryMs } },
      )
    },
    info: (name) => infoOf(accounts.get(name) ?? accountOf(name, keptIn(store, name))),
    page(after, limit = Infinity) {
      const found: AccountInfo[] = []
      for (const { account } of merged([opened(after), kept(after, limit)], (a, b) => compareKeys(a.name, b.name)))
        if (found.push(infoOf(account())) >= limit) break
      return found
    },
  }
}

/** An account in the store. */
type Kept = Usage & { readonly room?: Room }

/** An account that is made of what is kept only where it is shown. */
interface Named {
  readonly name: string
  account(): Account
}

function accountOf(name: string, { room = EMPTY, ...settled }: Kept): Account {
  return new Account(name, settled, room)
}

// ------------------------------------------------------------------------------------------------- from a store alone

/** What can be read of a store beside the kernel that has it open. */
type Readable = Pick<Store, 'get' | 'range' | 'processes' | 'events'>

/** What every account of a store has used; what is set aside for calls under way counts as used. */
export function spentIn(store: Readable): ReadonlyMap<string, Usage> {
  const roots = [...openIn(store, ({ account }) => account !== undefined).values()].filter(
    ({ start }) => start.parent === null,
  )
  const open = Map.groupBy(roots, ({ start }) => start.account as string)
  const names = new Set([...namesIn(store), ...open.keys()])
  return new Map([...names].map((name) => [name, spentOf(store, name, open.get(name) ?? [])]))
}

/** A root ends with what its account has used in one commit: one that is open after that was read is not in it yet. */
function spentOf(store: Readable, name: string, roots: readonly OpenProcess[]): Usage {
  for (let open = roots; ;) {
    const { room: _, ...spent } = keptIn(store, name)
    const still = open.filter(({ start: { pid } }) => isOpen(store, pid))
    if (still.length === open.length) {
      for (const { used } of open) addUsage(spent, used)
      return spent
    }
    open = still
  }
}

function isOpen(store: Readable, pid: Pid): boolean {
  const [head] = store.processes({ from: pid, to: pid + 1 })
  return head !== undefined && head.end === undefined
}
