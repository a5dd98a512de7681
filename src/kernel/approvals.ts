/**
 * Approvals: a person's word for one call, or for all calls that one rule asks about in one run or of one principal, for a
 * time. Signed, so that nothing else makes one: not the text of a model, not the answer of a tool, not a row that somebody
 * writes into the store.
 *
 *     const approval = approvals.find(binding)                     // one that was given before, and still holds
 *     approvals.take(binding, { approver: 'ada', until })          // for this call, from who holds the kernel itself
 *     approvals.takeSigned(binding, proof)                         // from another operating-system process
 *
 * The signature is an HMAC-SHA256 over everything that the approval says (RFC 2104), with a key that lies beside the store
 * and not in it.
 *
 * Invariants
 *   AP1. An approval holds for the one call with the arguments (by their hash) that the person was shown: not for a fork,
 *        not once more after a restore. A batch holds for one rule in the stated scope.
 *   AP2. It ends at its time. What is not approved is denied.
 *   AP3. It is kept with its signature and looked at again each time: one that was changed in the store holds no more.
 *   AP4. A question that is read from the store carries a signature over all that a person is shown of it: who approves
 *        sees what the kernel asked, and not what somebody wrote there.
 *   AP5. Those of one call or one run go with the journal that they are of.
 */
import type { Clock } from './clock.ts'
import type { Store } from './drivers.ts'
import { canonical } from '../policy/canonical.ts'
import { hmacSha256, isSameDigest, sha256 } from './digest.ts'
import { PolityError } from './errors.ts'
import type { Journal } from './journal.ts'
import type { Call } from './process.ts'
import type { Binding, Json, Pid, Question } from './types.ts'
import { createUnkept } from './unkept.ts'

/** How far a person's word reaches. */
export type Scope = 'once' | 'run' | 'principal'

/** What is signed. */
export interface Claim extends Binding {
  readonly scope: Scope
  readonly approver: string
  /** ms since 1970. */
  readonly at: number
  /** When it ends, ms since 1970. */
  readonly until: number
}

export interface Approval extends Claim {
  readonly mac: string
}

export interface Word {
  readonly approver: string
  readonly until: number
}

export interface Approvals {
  /** An approval that was given before and holds for this call now. */
  find(binding: Binding): Approval | undefined
  /** A word from who holds the kernel, for this one call. */
  take(binding: Binding, word: Word): Approval
  /** A signed approval from elsewhere, as JSON. Throws `ACCESS_DENIED` that says what is wrong with it. */
  takeSigned(binding: Binding, proof: string): Approval
  /** The journal of that process has gone: nothing that was allowed in it is asked about again. */
  forget(pid: Pid): void
  /** Questions as they are put into the store: those that ask for an approval sealed, where there is a key. */
  sealed(questions: readonly Question[]): readonly Question[]
}

export interface ApprovalsOptions {
  readonly store: Store
  readonly journal: Journal
  readonly clock: Clock
  /** Asked for when first needed. @default none: nothing from elsewhere can be signed, and an approval is for the one call at hand */
  readonly key?: (() => string) | undefined
}

export function createApprovals({ store, journal, clock, key }: ApprovalsOptions): Approvals {
  const given = createUnkept<Approval>({ store, journal })
  /** Most stores never hold any, and are not searched for them. */
  let hasAny: boolean | undefined

  function holds(approval: Approval, binding: Binding): boolean {
    return isSigned(approval, key?.()) && reaches(approval, binding) && approval.until > clock.now()
  }

  function keep(approval: Approval): Approval {
    hasAny = true
    given.set(keyOf(approval), approval)
    journal.put({ table: 'meta', key: keyOf(approval), value: JSON.stringify(approval) })
    return approval
  }

  function keptAt(at: string): Approval | undefined {
    const kept = store.get('meta', at)
    return kept === undefined ? undefined : readApproval(kept as string)
  }

  return {
    find(binding) {
      for (const scope of key === undefined ? [] : SCOPES) {
        const at = keyOf({ ...binding, scope })
        const approval = given.get(at) ?? keptAt(at)
        if (approval !== undefined && holds(approval, binding)) return approval
      }
      return undefined
    },
    take(binding, { approver, until }) {
      const claim: Claim = { ...binding, scope: 'once', approver, at: clock.now(), until }
      return key === undefined ? { ...claim, mac: '' } : keep(sign(claim, key()))
    },
    takeSigned(binding, proof) {
      const refuse = (what: string) =>
        new PolityError('ACCESS_DENIED', `the approval of call ${binding.n} of process ${binding.pid} ${what}`)
      const approval = readApproval(proof)
      if (approval === undefined) throw refuse('is none; approve with `polity approve`')
      if (!isSigned(approval, key?.())) throw refuse('is not signed with the key of this store')
      if (!reaches(approval, binding)) throw refuse('was given for another call, or for other arguments')
      if (approval.until <= clock.now()) throw refuse('has ended')
      return keep(approval)
    },
    forget(pid) {
      hasAny ??= [...store.range('meta', 'approval ', 'approval!', { limit: 1 })].length > 0
      if (!hasAny) return
      // A sign after the last one of each, which `!` and `/` are, ends it.
      for (const [from, to] of [
        [`approval once ${pid}.`, `approval once ${pid}/`],
        [`approval run ${pid} `, `approval run ${pid}!`],
      ] as const)
        for (const [key] of store.range('meta', from, to)) journal.putAlone({ table: 'meta', key, value: null })
    },
    sealed(questions) {
      if (key === undefined || questions.every(({ binding }) => binding === undefined)) return questions
      let own: string
      try {
        own = key()
      } catch {
        // A key that cannot be read takes no approval either; who reads the questions is told that they have no seal.
        return questions
      }
      return questions.map((one) => (one.binding === undefined ? one : { ...one, seal: sealOf(one, own) }))
    },
  }
}

const SCOPES: readonly Scope[] = ['once', 'run', 'principal']

/** What a person is asked about, as an approval names it. `rule` is the rule that asks. */
export function bindingOf({ process, n, name, args, startSeq }: Call, rule: string | null): Binding {
  return {
    pid: process.pid,
    root: process.root.pid,
    principal: process.principal,
    n,
    seq: startSeq,
    rule,
    what: name === 'call' ? `tool ${(args as { tool: string }).tool}` : name,
    argsHash: hashOf(args),
  }
}

/** SHA-256 of the arguments as they are journaled, keys in order. */
export function hashOf(args: Json): string {
  return sha256(canonical(args))
}

export function sign(claim: Claim, key: string): Approval {
  return { ...claim, mac: macOf(claim, key) }
}

function macOf(claim: Claim, key: string): string {
  const { pid, root, principal, n, seq, rule, what, argsHash, scope, approver, at, until } = claim
  const said = ['polity approval 1', pid, root, principal, n, seq, rule, what, argsHash, scope, approver, at, until]
  return hmacSha256(JSON.stringify(said), key)
}

function sealOf({ seal: _, ...question }: Question, key: string): string {
  return hmacSha256(`polity question 1 ${canonical(question)}`, key)
}

/** Whether the kernel that has the key put this question, word by word. */
export function isSealed(question: Question, key: string): boolean {
  return question.seal !== undefined && isSameDigest(question.seal, sealOf(question, key))
}

function isSigned({ mac, ...claim }: Approval, key: string | undefined): boolean {
  return key !== undefined && isSameDigest(mac, macOf(claim, key))
}

function reaches(approval: Approval, binding: Binding): boolean {
  switch (approval.scope) {
    case 'once':
      return (
        approval.pid === binding.pid &&
        approval.n === binding.n &&
        approval.seq === binding.seq &&
        approval.rule === binding.rule &&
        approval.what === binding.what &&
        approval.argsHash === binding.argsHash
      )
    case 'run':
      return approval.rule !== null && approval.rule === binding.rule && approval.root === binding.root
    case 'principal':
      return approval.rule !== null && approval.rule === binding.rule && approval.principal === binding.principal
  }
}

function keyOf({ scope, pid, n, root, principal, rule }: { readonly scope: Scope } & Binding): string {
  switch (scope) {
    case 'once':
      return `approval once ${pid}.${n}`
    case 'run':
      return `approval run ${root} ${rule ?? ''}`
    case 'principal':
      return `approval principal ${principal} ${rule ?? ''}`
  }
}

function readApproval(text: string): Approval | undefined {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof given !== 'object' || given === null) return undefined
  const { pid, root, principal, n, seq, rule, what, argsHash, scope, approver, at, until, mac } = given as Approval
  const numbers: readonly unknown[] = [pid, root, n, seq, at, until]
  const texts: readonly unknown[] = [principal, what, argsHash, approver, mac]
  const isApproval =
    numbers.every((one) => typeof one === 'number') &&
    texts.every((one) => typeof one === 'string') &&
    (rule === null || typeof rule === 'string') &&
    SCOPES.includes(scope)
  return isApproval
    ? { pid, root, principal, n, seq, rule, what, argsHash, scope, approver, at, until, mac }
    : undefined
}
