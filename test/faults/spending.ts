/**
 * Promise 3 from the journal alone: what each tree had used and set aside after every event, added up by hand.
 *
 * It does not use the kernel's own sums. Where a life of the kernel ended, what was set aside is spent, since nobody knows
 * better; but not for a call that only waited for a core, since its sending would have been kept before it.
 */
import assert from 'node:assert/strict'
import type { Pid, ProcessStart, Reservation } from '../../src/kernel/types.ts'
import type { World } from './world.ts'

interface Account {
  readonly start: ProcessStart
  tokens: number
  usd: number
  steps: number
  children: number
  reservedTokens: number
  reservedUsd: number
  /** Calls with something set aside, by number. */
  readonly open: Map<number, Reservation>
  /** Calls that wait for a core: whatever happens now, they were not sent. */
  readonly waiting: Set<number>
  /** Calls that were counted as a step. */
  readonly counted: Set<number>
}

export function spending({ journal, lives }: World): void {
  const accounts = new Map<Pid, Account>()
  let life = 0

  function up(pid: Pid, change: (account: Account) => void): void {
    for (let at: Pid | null = pid; at !== null;) {
      const account: Account = accounts.get(at) as Account
      change(account)
      at = account.start.parent
    }
  }

  function reserve(pid: Pid, { tokens, usd }: Reservation, sign: 1 | -1): void {
    up(pid, (account) => {
      account.reservedTokens += sign * tokens
      account.reservedUsd += sign * usd
    })
  }

  function spend(pid: Pid, tokens: number, usd: number): void {
    up(pid, (account) => {
      account.tokens += tokens
      account.usd += usd
    })
  }

  function spendReserved(pid: Pid, n: number): void {
    const { open, waiting } = accounts.get(pid) as Account
    const reserved = open.get(n)
    const isUnsent = waiting.delete(n)
    if (reserved === undefined) return
    open.delete(n)
    reserve(pid, reserved, -1)
    if (!isUnsent) spend(pid, reserved.tokens, reserved.usd)
  }

  function check(pid: Pid, seq: number): void {
    up(pid, ({ start: { pid: at, budget }, tokens, usd, steps, children, reservedTokens, reservedUsd }) => {
      const told = `event ${seq}: process ${at} has`
      if (budget.tokens !== undefined)
        assert(
          tokens + reservedTokens <= budget.tokens,
          `${told} ${tokens} tokens used and ${reservedTokens} set aside of ${budget.tokens}`,
        )
      if (budget.usd !== undefined)
        assert(
          usd + reservedUsd <= budget.usd + 1e-9,
          `${told} ${usd} dollars used and ${reservedUsd} set aside of ${budget.usd}`,
        )
      if (budget.steps !== undefined) assert(steps <= budget.steps, `${told} ${steps} steps of ${budget.steps}`)
      if (budget.children !== undefined)
        assert(children <= budget.children, `${told} ${children} children of ${budget.children}`)
    })
  }

  for (const event of journal) {
    const { pid, seq } = event
    while (life + 1 < lives.length && seq > (lives[life + 1] as { firstSeq: number }).firstSeq) {
      life++
      for (const [one, { open }] of accounts) for (const n of open.keys()) spendReserved(one, n)
    }
    switch (event.type) {
      case 'process-start':
        accounts.set(pid, {
          start: event,
          tokens: 0,
          usd: 0,
          steps: 0,
          children: 0,
          reservedTokens: 0,
          reservedUsd: 0,
          open: new Map(),
          waiting: new Set(),
          counted: new Set(),
        })
        if (event.parent !== null) up(event.parent, (account) => void account.children++)
        break
      case 'call-wait':
        ;(accounts.get(pid) as Account).waiting.add(event.n)
        break
      case 'call-sent':
        ;(accounts.get(pid) as Account).waiting.delete(event.n)
        break
      case 'call-start':
      case 'call-reserve':
        if (event.type === 'call-start') (accounts.get(pid) as Account).counted.delete(event.n)
        if (event.reserved === undefined) break
        // Set aside again: what was set aside before is spent.
        spendReserved(pid, event.n)
        ;(accounts.get(pid) as Account).open.set(event.n, event.reserved)
        reserve(pid, event.reserved, 1)
        // A step is a call, however often it is tried.
        if (event.type === 'call-start' || !(accounts.get(pid) as Account).counted.has(event.n))
          up(pid, (account) => void account.steps++)
        ;(accounts.get(pid) as Account).counted.add(event.n)
        break
      case 'call-end': {
        const account = accounts.get(pid) as Account
        const reserved = account.open.get(event.n)
        if (reserved !== undefined) {
          account.open.delete(event.n)
          reserve(pid, reserved, -1)
        }
        if (event.usage !== undefined) spend(pid, event.usage.inputTokens + event.usage.outputTokens, event.usage.usd)
        break
      }
      case 'process-rewind':
      case 'process-end': {
        // What was open is cancelled: charged as the event says, at least nothing and at most what was set aside.
        const account = accounts.get(pid) as Account
        let most = 0
        for (const [n, reserved] of account.open) {
          account.open.delete(n)
          most += reserved.tokens
          reserve(pid, reserved, -1)
        }
        const charged =
          event.type === 'process-rewind'
            ? (event.charged ?? { tokens: 0, usd: 0 })
            : {
                tokens: event.usage.inputTokens + event.usage.outputTokens - account.tokens,
                usd: event.usage.usd - account.usd,
              }
        assert(
          charged.tokens >= 0 && charged.tokens <= most,
          `event ${seq}: process ${pid} had ${most} tokens open and is charged ${charged.tokens}`,
        )
        spend(pid, charged.tokens, charged.usd)
        break
      }
      case 'mail-sent':
    }
    check(pid, seq)
  }
}
