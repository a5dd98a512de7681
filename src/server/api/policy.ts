/**
 * Operations on the law: what is in force, what it says of a call and why, and what it has decided.
 */
import { z } from 'zod'
import type { AuditEntry } from '../../kernel/audit.ts'
import { PolityError, messageOf } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import { parseCases, readCall, runCases } from '../../policy/cases.ts'
import type { Decision as LawDecision, Law } from '../../policy/law.ts'
import { holdersLaw, parseLaw } from '../../policy/law.ts'
import { explain } from '../../policy/explain.ts'
import type { Caller } from '../caller.ts'
import type { Api } from './door.ts'
import type { Operation } from './operation.ts'
import { operation } from './operation.ts'
import { cursorOf, pageQuery, PAGE_DEFAULT, readPlace } from './paging.ts'
import type { Decision, WrittenCall } from './policy-schemas.ts'
import * as schemas from './policy-schemas.ts'

export function policyOperations({ law, audit }: Api): readonly Operation[] {
  const operations = [
    operation({
      id: 'getPolicy',
      method: 'GET',
      path: '/policy',
      scope: 'admin',
      summary: 'The law in force',
      reply: schemas.Policy,
      run: () => ({ law: (law ?? null) as { [key: string]: Json } | null }),
    }),
    operation({
      id: 'explainPolicy',
      method: 'POST',
      path: '/policy/explain',
      scope: 'runs',
      summary: 'What the law says of a call, and why',
      description: 'Rule by rule, up to the one that decides. Nothing is called.',
      body: schemas.ExplainRequest,
      reply: schemas.Explanation,
      run({ caller, body }) {
        const { decision, steps } = read(() =>
          explain(lawFor(caller, body.law, law), readCall(callOf(caller, body.call), 'call')),
        )
        return { decision: decisionOf(decision), steps: steps.map((step) => ({ ...step, because: [...step.because] })) }
      },
    }),
    operation({
      id: 'testPolicy',
      method: 'POST',
      path: '/policy/test',
      scope: 'runs',
      summary: 'Whether the law decides as expected',
      body: schemas.TestRequest,
      reply: schemas.TestReport,
      run({ caller, body }) {
        const cases = body.cases.map((one) => ({
          ...one,
          call: callOf(caller, one.call),
          ...(one.after === undefined ? {} : { after: one.after.map((call) => callOf(caller, call)) }),
        }))
        const results = read(() => runCases(lawFor(caller, body.law, law), parseCases(cases)))
        const passed = results.filter(({ isAsExpected }) => isAsExpected).length
        return {
          passed,
          failed: results.length - passed,
          items: results.map(({ case: { name = null }, decision, isAsExpected }) => ({
            name,
            decision: decisionOf(decision),
            isAsExpected,
          })),
        }
      },
    }),
  ]
  if (audit === undefined) return operations
  return [
    ...operations,
    operation({
      id: 'listAudit',
      method: 'GET',
      path: '/audit',
      scope: 'admin',
      summary: 'What the law decided',
      description: 'Each entry names the one before it by its hash; `polity audit verify` follows the chain.',
      query: z.strictObject({
        sort: z
          .enum(['number', '-number'])
          .optional()
          .describe('`-` for downwards, the newest first. Default number, the oldest first'),
        ...pageQuery,
      }),
      reply: schemas.AuditPage,
      run({ query: { cursor, sort, limit = PAGE_DEFAULT } }) {
        const reverse = sort === '-number'
        const after = cursor === undefined ? undefined : readPlace(cursor)
        const range = after === undefined ? {} : reverse ? { to: after } : { from: after + 1 }
        const items: AuditEntry[] = []
        for (const entry of audit({ ...range, reverse })) {
          if (entry === undefined) continue
          if (items.length === limit) return { items, next: cursorOf([(items.at(-1) as AuditEntry).number]) }
          items.push(entry)
        }
        return { items, next: null }
      },
    }),
  ]
}

/** A law of the caller's own costs time to read, and only who owns the machine may spend it. */
function lawFor({ scopes }: Caller, given: { [key: string]: Json } | undefined, inForce: Law | undefined): Law {
  if (given === undefined) return inForce ?? holdersLaw
  if (!scopes.has('admin'))
    throw new PolityError(
      'ACCESS_DENIED',
      'a law of one’s own is read for an admin only; leave it out to ask the law in force, or use `polity policy`',
    )
  return parseLaw(given)
}

/** Everybody but an admin asks for themselves. */
function callOf({ principal, scopes }: Caller, call: WrittenCall): WrittenCall {
  return scopes.has('admin') ? { principal, ...call } : { ...call, principal }
}

/** The law's own errors are TypeErrors with a place and what was expected. */
function read<T>(what: () => T): T {
  try {
    return what()
  } catch (error) {
    if (PolityError.isInstance(error)) throw error
    throw new PolityError('INVALID_ARGUMENT', messageOf(error), { cause: error })
  }
}

function decisionOf({ effect, rule, reason, ends, isTemporal }: LawDecision): Decision {
  return {
    effect,
    rule,
    reason,
    ...(ends === undefined ? {} : { ends }),
    ...(isTemporal === undefined ? {} : { isTemporal }),
  }
}
