/**
 * Who calls a door, what they may do, and what that makes of the processes that run for them.
 *
 *     if (!holds(caller, 'approvals')) …
 *     kernel.spawn(program, input, runOptionsOf(caller))
 *
 * Invariant
 *   CL1. Whatever runs for a caller is its principal's, is paid for by its key's account, and has no higher priority than
 *        its key: every door starts processes with `runOptionsOf`.
 */
import { invalid } from '../kernel/errors.ts'
import type { RunOptions } from '../kernel/types.ts'

/**
 * What a key lets its holder do: call models through the gateways; start, see and end runs of its principal; read and
 * write its principal's notes; its files; answer questions and approve calls of its principal; everything of everybody.
 */
export type Scope = 'models' | 'runs' | 'memory' | 'files' | 'approvals' | 'admin'

/** What a caller needs for something: that scope, or with `any` a key that opens anything at all. */
export type Needed = Scope | 'any'

/** Who calls. */
export interface Caller {
  readonly principal: string
  /** `admin` holds them all. */
  readonly scopes: ReadonlySet<Scope>
  /** Id of the key, which is also the account that pays; null on a loopback server without keys. */
  readonly key: string | null
  /** Of its runs, and the highest that they may ask for. @default any, and 0 */
  readonly priority?: number
}

/** The part of a caller that says what its processes are. */
export type Asker = Pick<Caller, 'principal' | 'priority'> & Partial<Pick<Caller, 'key'>>

/** Whether a caller may do what needs that scope. */
export function holds({ scopes }: Pick<Caller, 'scopes'>, scope: Needed): boolean {
  return scope === 'any' ? scopes.size > 0 : scopes.has(scope) || scopes.has('admin')
}

/** What every process of a caller is started with; `asked` is the priority that it would like. Throws `INVALID_ARGUMENT`. */
export function runOptionsOf({ principal, key, priority: highest }: Asker, asked = highest): RunOptions {
  if (asked !== undefined && !Number.isFinite(asked)) throw invalid('priority', 'a number', asked)
  return {
    principal,
    ...(typeof key === 'string' ? { account: key } : {}),
    ...(asked === undefined ? {} : { priority: Math.min(asked, highest ?? Infinity) }),
  }
}
