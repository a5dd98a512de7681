/**
 * Cases: what a law should decide, written down beside it.
 *
 *     runCases(law, parseCases([{ call: { tool: 'send', args: { to: 'eve' } }, expect: 'deny' }]))
 *
 * A case is one call, or with `after` the calls that were let through before it.
 */
import { isRecord } from './conditions.ts'
import type { Decision, Effect, Law } from './law.ts'
import { freshState, judge } from './law.ts'
import type { Request, Source } from './match.ts'
import { isTexts } from './match.ts'

/** A call as people write it down: `call` is a tool call where nothing else is said, `originOf` and `seen` are lists. */
export interface WrittenCall {
  readonly call?: string
  readonly tool?: string
  readonly args?: unknown
  readonly principal?: string
  readonly program?: string
  readonly ancestors?: readonly string[]
  readonly outbound?: boolean
  readonly asked?: string
  readonly seen?: readonly string[]
  /** Values whose origin is the request, and values that come from a trusted source. Others are untrusted. */
  readonly fromRequest?: readonly (string | number | boolean)[]
  readonly fromTrusted?: readonly (string | number | boolean)[]
  /** Answers of tools, with the values that stand in them. Without `labels`, the tool does not say. */
  readonly answers?: readonly (Omit<Source, 'labels'> &
    Partial<Source> & { readonly values: readonly (string | number | boolean)[] })[]
  /** Arguments of the tool that steer what it does. */
  readonly control?: readonly string[]
}

export interface Case {
  readonly name?: string
  readonly after?: readonly WrittenCall[]
  readonly call: WrittenCall
  readonly expect: Effect
  /** The rule that should decide. */
  readonly rule?: string
}

export interface CaseResult {
  readonly case: Case
  readonly decision: Decision
  readonly isAsExpected: boolean
}

const callKeys = new Set([
  'call',
  'tool',
  'args',
  'principal',
  'program',
  'ancestors',
  'outbound',
  'asked',
  'seen',
  'fromRequest',
  'fromTrusted',
  'answers',
  'control',
])
const caseKeys = new Set(['name', 'after', 'call', 'expect', 'rule'])

const isScalar = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value)
const text = { is: (value: unknown): boolean => typeof value === 'string', what: 'a text' }
const texts = { is: isTexts, what: 'a list of texts' }
const scalars = {
  is: (value: unknown): boolean => Array.isArray(value) && value.every(isScalar),
  what: 'a list of texts, numbers and truth values',
}

const isAnswer = (value: unknown): boolean =>
  isRecord(value) &&
  typeof value['tool'] === 'string' &&
  scalars.is(value['values']) &&
  (value['labels'] === undefined || isTexts(value['labels'])) &&
  Object.keys(value).every((key) => ['tool', 'values', 'labels'].includes(key))

/** What each key of a call has to be; `args` may be anything. */
const kinds: { readonly [key: string]: { is(value: unknown): boolean; readonly what: string } } = {
  call: text,
  tool: text,
  principal: text,
  program: text,
  asked: text,
  ancestors: texts,
  seen: texts,
  outbound: { is: (value) => typeof value === 'boolean', what: 'true or false' },
  fromRequest: scalars,
  fromTrusted: scalars,
  answers: {
    is: (value) => Array.isArray(value) && value.every(isAnswer),
    what: 'a list of answers such as { "tool": "contacts", "labels": [], "values": ["ann@acme.com"] }',
  },
  control: texts,
}

/** Reads a call. Throws a TypeError that says where, and what was expected. */
export function readCall(given: unknown, at: string): Request {
  if (!isRecord(given)) throw new TypeError(`${at} must be a call such as { "tool": "send", "args": { "to": "ann" } }`)
  for (const key of Object.keys(given))
    if (!callKeys.has(key)) throw new TypeError(`${at} has an unknown key "${key}"; known: ${[...callKeys].join(', ')}`)
  for (const [key, { is, what }] of Object.entries(kinds))
    if (given[key] !== undefined && !is(given[key])) throw new TypeError(`${at}.${key} must be ${what}`)
  const {
    call = 'call',
    args = {},
    principal = 'local',
    program = 'any',
    seen,
    fromRequest,
    fromTrusted,
    answers = [],
    ...more
  } = given as WrittenCall
  if (call === 'call' && typeof more.tool !== 'string') throw new TypeError(`${at}.tool must be the name of a tool`)
  const origins = new Map([
    ...(fromTrusted ?? []).map((value) => [value, 'trusted'] as const),
    ...(fromRequest ?? []).map((value) => [value, 'request'] as const),
  ])
  return {
    call,
    args,
    principal,
    program,
    ...more,
    ...(seen === undefined ? {} : { seen: new Set(seen) }),
    originOf: (value) => origins.get(value) ?? 'untrusted',
    sourcesOf: (value) =>
      answers.filter(({ values }) => values.includes(value)).map(({ tool, labels }) => ({ tool, labels })),
  }
}

/** Reads a list of cases. Throws a TypeError that says where, and what was expected. */
export function parseCases(json: unknown): readonly Case[] {
  if (!Array.isArray(json)) throw new TypeError('cases are a list [{ "call": { … }, "expect": "allow" }, …]')
  for (const [i, one] of json.entries()) {
    if (!isRecord(one)) throw new TypeError(`[${i}] must be an object { "call": { … }, "expect": "allow" }`)
    for (const key of Object.keys(one))
      if (!caseKeys.has(key))
        throw new TypeError(`[${i}] has an unknown key "${key}"; known: ${[...caseKeys].join(', ')}`)
    if (!['allow', 'deny', 'ask'].includes(one['expect'] as string))
      throw new TypeError(`[${i}].expect must be "allow", "deny" or "ask"`)
    readCall(one['call'], `[${i}].call`)
    if (one['after'] !== undefined && !Array.isArray(one['after']))
      throw new TypeError(`[${i}].after must be a list of calls`)
    for (const [k, before] of ((one['after'] as unknown[] | undefined) ?? []).entries())
      readCall(before, `[${i}].after[${k}]`)
  }
  return json as readonly Case[]
}

export function runCases(law: Law, cases: readonly Case[]): CaseResult[] {
  const ready = judge(law)
  return cases.map((one) => {
    let state = freshState
    for (const before of one.after ?? []) {
      const request = readCall(before, 'after')
      const decision = ready.decide(request, state)
      if (decision.effect !== 'deny') state = ready.after(request, decision, state)
    }
    const decision = ready.decide(readCall(one.call, 'call'), state)
    return {
      case: one,
      decision,
      isAsExpected: decision.effect === one.expect && (one.rule === undefined || one.rule === decision.rule),
    }
  })
}
