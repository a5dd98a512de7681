/**
 * Accounts: ceilings that one process after another draws on, such as all that run on behalf of one API key.
 *
 *     const accounts = createAccounts({ store, journal })
 *     accounts.open('key-7', { tokens: 1_000_000 })        // its ceilings, from now on
 *     accounts.of('key-7')                                 // what a root process is given to pay from, beside its own budget
 *     accounts.settle(process)                             // the root ended: what it used stays used
 *     accounts.keep()                                      // the kernel closes
 *     accounts.wrote('key-7', () => 412)                   // what was journaled for it; read only where that has a ceiling
 *
 * Invariants
 *   AC1. What an account has used is what its ended roots used, kept with their last event, and what the others have used
 *        so far: the same after any restart, also when their journals are gone.
 *   AC2. An account that nobody has opened in this life of the kernel has no ceilings, and is counted all the same; its
 *        room stays as it was left, for whoever gives it a `bytesPerDay` again.
 *   AC3. What is written for an account fills its room, which drains evenly within a day. Nothing begins in a full one, so
 *        it is over-filled by no more than what was let in before: in no day is more written than twice its ceiling and that.
 */
import type { Put, Store } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Journal } from './journal.ts'
import type { Payer, Process } from './process.ts'
import { unused } from './process.ts'
import type { AccountBudget, AccountInfo, Budget, Usage } from './types.ts'

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
}

class Account implements Payer {
  readonly label: string
  readonly pid = null
  readonly above = undefined
  readonly name: string
  budget: Budget = NO_BUDGET
  used: { -readonly [K in keyof Usage]: Usage[K] }
  reservedTokens = 0
  reservedUsd = 0
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
  const keyOf = (name: string): string => `account/${name}`

  function of(name: string): Account {
    let account = accounts.get(name)
    if (account === undefined) {
      const kept = store.get('meta', keyOf(name))
      const { room = EMPTY, ...settled } = (kept === undefined ? unused() : JSON.parse(String(kept))) as Kept
      account = new Account(name, settled, room)
      accounts.set(name, account)
    }
    return account
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
      const account = of(name)
      if (account.bytesPerDay === Infinity) return
      const room = roomOf(account)
      account.room = { bytes: room.bytes + bytes(), at: room.at }
    },
    full(name) {
      const account = of(name)
      const { bytesPerDay } = account
      if (bytesPerDay === Infinity) return undefined
      const { bytes } = roomOf(account)
      if (bytes < bytesPerDay) return undefined
      const retryMs = Math.floor((bytes / bytesPerDay - 1) * DAY_MS) + 1
      return new PolityError(
        'LIMIT_EXCEEDED',
        `${account.label} has written ${Math.round(bytes)} bytes into the store within a day; its limit is ${bytesPerDay}, and room comes back evenly over a day: there is some again in ${Math.ceil(retryMs / 1_000)} s`,
        { detail: { account: name, kind: 'bytesPerDay', used: Math.round(bytes), budget: bytesPerDay, retryMs } },
      )
    },
    info(name) {
      const account = of(name)
      const { budget, used, reservedTokens, reservedUsd, bytesPerDay } = account
      return {
        name,
        budget,
        used: { ...used },
        reserved: { tokens: reservedTokens, usd: reservedUsd },
        room: bytesPerDay === Infinity ? null : { bytes: Math.round(roomOf(account).bytes), bytesPerDay },
      }
    },
  }
}

/** An account in the store. */
type Kept = Usage & { readonly room?: Room }
