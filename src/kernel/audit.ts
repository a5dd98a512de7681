/**
 * The audit: every decision of the law, in an append-only log in which each entry names the one before it by its hash.
 *
 *     const audit = createAudit({ store, journal, clock })
 *     audit.note({ pid, n, what, argsHash, effect: 'deny', rule: 'no-leak', by: null })
 *     verifyAudit(readAudit(store))     // { entries, head } or where the chain is broken
 *
 * Who changes, drops or inserts an entry has to make all later hashes anew; who has kept a head (`polity audit verify`
 * prints it) sees that too.
 *
 * Invariants
 *   AU1. An entry is kept in one batch with what follows from its decision (the start of the call, its wait for a person's
 *        word, or its end).
 *   AU2. Entries outlive the journals of their processes: they are never collected.
 */
import type { Clock } from './clock.ts'
import { sha256 } from './digest.ts'
import type { Store } from './drivers.ts'
import type { Journal } from './journal.ts'
import type { Pid } from './types.ts'

export interface Decided {
  readonly pid: Pid
  /** The n-th call of its process. */
  readonly n: number
  /** The system call, or `tool` and its name. */
  readonly what: string
  readonly argsHash: string
  readonly effect: 'allow' | 'deny' | 'ask'
  /** Id of the rule that decided; null where none matched. */
  readonly rule: string | null
  /** Who approved or denied it, where a person did. */
  readonly by: string | null
}

export interface AuditEntry extends Decided {
  /** From 1, without gaps. */
  readonly number: number
  /** ms since 1970. */
  readonly at: number
  /** Hash of the entry before; 64 zeros for the first. */
  readonly before: string
  readonly hash: string
}

export interface Audit {
  note(decided: Decided): void
}

const FIRST = '0'.repeat(64)
const PREFIX = 'audit '
/** Digits of a number in a key: sorts as it counts. */
const DIGITS = 16

export function createAudit({
  store,
  journal,
  clock,
}: {
  readonly store: Store
  readonly journal: Journal
  readonly clock: Clock
}): Audit {
  const [last] = [...store.range('meta', PREFIX, `${PREFIX}~`, { limit: 1, reverse: true })]
  let { number, hash } = last === undefined ? { number: 0, hash: FIRST } : (JSON.parse(last[1] as string) as AuditEntry)
  return {
    note(decided) {
      const entry = { number: ++number, at: clock.now(), ...decided, before: hash }
      hash = hashOf(entry)
      journal.put({
        table: 'meta',
        key: keyOf(number),
        value: JSON.stringify({ ...entry, hash }),
      })
    },
  }
}

/** Which entries, and from which end. */
export interface AuditRange {
  /** The first number. @default 1 */
  readonly from?: number
  /** The first number that is none of them any more. @default behind the last */
  readonly to?: number
  /** From the last to the first. @default false */
  readonly reverse?: boolean
}

/** The entries as they are kept; what cannot be read is undefined. Read as they are gone through. @default all, the oldest first */
export function* readAudit(
  store: Pick<Store, 'range'>,
  { from, to, reverse = false }: AuditRange = {},
): Generator<AuditEntry | undefined> {
  const [first, end] = [from === undefined ? PREFIX : keyOf(from), to === undefined ? `${PREFIX}~` : keyOf(to)]
  for (const [, value] of store.range('meta', first, end, { reverse })) {
    try {
      yield JSON.parse(value as string) as AuditEntry
    } catch {
      yield undefined
    }
  }
}

function keyOf(number: number): string {
  return `${PREFIX}${String(number).padStart(DIGITS, '0')}`
}

export type AuditReport =
  | { readonly isWhole: true; readonly entries: number; readonly head: string }
  | { readonly isWhole: false; readonly entries: number; readonly broken: number; readonly why: string }

/** Follows the chain. `head`, where given, is one that was printed before: it must be in the chain. */
export function verifyAudit(entries: Iterable<AuditEntry | undefined>, head?: string): AuditReport {
  let count = 0
  let before = FIRST
  let isHeadFound = head === undefined || head === FIRST
  const broken = (why: string): AuditReport => ({ isWhole: false, entries: count, broken: count + 1, why })
  for (const entry of entries) {
    if (typeof entry !== 'object' || entry === null) return broken('it cannot be read')
    const { hash, ...rest } = entry
    if (entry.number !== count + 1) return broken(`entry ${count + 1} is missing`)
    if (entry.before !== before) return broken('it does not follow from the entry before it')
    if (hashOf(rest) !== hash) return broken('it was changed')
    before = hash
    if (hash === head) isHeadFound = true
    count++
  }
  return isHeadFound
    ? { isWhole: true, entries: count, head: before }
    : {
        isWhole: false,
        entries: count,
        broken: count + 1,
        why: 'the chain does not hold the head that was given: its end was cut off, or all of it made anew',
      }
}

function hashOf({ number, at, pid, n, what, argsHash, effect, rule, by, before }: Omit<AuditEntry, 'hash'>): string {
  const said = ['polity audit 1', number, at, pid, n, what, argsHash, effect, rule, by, before]
  return sha256(JSON.stringify(said))
}
