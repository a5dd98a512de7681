/**
 * Accounts: ceilings that one process after another draws on, such as all that run on behalf of one API key.
 *
 *     const accounts = createAccounts({ store, journal })
 *     accounts.open('key-7', { tokens: 1_000_000 })        // its ceilings, from now on
 *     accounts.of('key-7')                                 // what a root process is given to pay from, beside its own budget
 *     accounts.settle(process)                             // the root ended: what it used stays used
 *
 * Invariants
 *   AC1. What an account has used is what its ended roots used, kept with their last event, and what the others have used
 *        so far: the same after any restart, also when their journals are gone.
 *   AC2. An account that nobody has opened in this life of the kernel has no ceilings, and is counted all the same.
 */
import type { Store } from './drivers.ts'
import type { Journal } from './journal.ts'
import type { Payer, Process } from './process.ts'
import { unused } from './process.ts'
import type { AccountInfo, Budget, Usage } from './types.ts'

/** The accounts of a kernel. */
export interface Accounts {
  /** Gives an account its ceilings, in place of those it had. */
  open(name: string, budget: Budget): void
  of(name: string): Payer
  /** Just before the last event of a root process is appended. */
  settle(process: Process): void
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

  constructor(name: string, settled: Usage) {
    this.name = name
    this.label = `account ${name}`
    this.settled = settled
    this.used = { ...settled }
  }
}

const NO_BUDGET: Budget = Object.freeze({})

export function createAccounts({ store, journal }: { readonly store: Store; readonly journal: Journal }): Accounts {
  const accounts = new Map<string, Account>()
  const keyOf = (name: string): string => `account/${name}`

  function of(name: string): Account {
    let account = accounts.get(name)
    if (account === undefined) {
      const kept = store.get('meta', keyOf(name))
      account = new Account(name, kept === undefined ? unused() : (JSON.parse(String(kept)) as Usage))
      accounts.set(name, account)
    }
    return account
  }

  return {
    open: (name, budget) => void (of(name).budget = Object.freeze({ ...budget })),
    of,
    settle({ start, used }) {
      if (start.account === undefined) return
      const account = of(start.account)
      const settled = { ...account.settled }
      for (const key of Object.keys(settled) as (keyof Usage)[]) settled[key] += used[key]
      account.settled = settled
      journal.put({ table: 'meta', key: keyOf(account.name), value: JSON.stringify(settled) })
    },
    info(name) {
      const { budget, used, reservedTokens, reservedUsd } = of(name)
      return { name, budget, used: { ...used }, reserved: { tokens: reservedTokens, usd: reservedUsd } }
    },
  }
}
