/**
 * Bodies of requests: checked by zod schemas, whose faults become errors in OpenAI's form.
 *
 *     const body = parseBody(chatBody, await exchange.json())
 *
 * Invariants
 *   OB1. Nothing that a client asks for is passed over in silence: a field is read, or refused, or one of those that
 *        change nothing of the answer (`harmless`, listed in docs/server-openai.md).
 */
import { z } from 'zod'
import type { PolityError } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import { valueAt } from '../fields.ts'
import { badField } from './errors.ts'

/** The body, as the schema reads it. Throws `INVALID_ARGUMENT` with the path of the first fault. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: Json): z.output<Schema> {
  const read = schema.safeParse(body)
  if (read.success) return read.data
  throw fault(read.error.issues[0] as Issue, body, [])
}

/** An item that stands at `path` of the body. */
export function parseAt<Schema extends z.ZodType>(schema: Schema, value: unknown, path: string): z.output<Schema> {
  const read = schema.safeParse(value)
  if (read.success) return read.data
  throw fault(read.error.issues[0] as Issue, value as Json, [path])
}

type Issue = z.core.$ZodIssue

function fault(issue: Issue, body: Json, before: readonly PropertyKey[]): PolityError {
  const deepest = issue.code === 'invalid_union' ? deepestOf(issue) : undefined
  const at = [...before, ...issue.path]
  if (deepest !== undefined) return fault(deepest, valueAt(body, issue.path) as Json, at)
  if (issue.code === 'unrecognized_keys') {
    const param = pathOf([...at, issue.keys[0] as string])
    return badField(param, `Unknown parameter: '${param}'.`, 'unknown_parameter')
  }
  const param = pathOf(at)
  if (issue.code === 'custom' && typeof issue.params?.['code'] === 'string')
    return badField(param, `'${param}' ${issue.message}`, issue.params['code'])
  if (at.length === 0) return badField(null, 'The body must be a JSON object.', 'invalid_type')
  if (valueAt(body, issue.path) === undefined)
    return badField(param, `Missing required parameter: '${param}'.`, 'missing_required_parameter')
  return badField(
    param,
    `Invalid '${param}': ${issue.code === 'invalid_union' ? unionMessage(issue) : issue.message}.`,
    issue.code === 'invalid_type' ? 'invalid_type' : 'invalid_value',
  )
}

/**
 * Of the ways in which a value is none of a union, the one that came the furthest: that is what its writer meant. Where all
 * stop at the value itself, it is the one whose type it has.
 */
function deepestOf(issue: z.core.$ZodIssueInvalidUnion): Issue | undefined {
  let deepest: Issue | undefined
  for (const [first] of issue.errors) {
    if (first === undefined) continue
    if (first.path.length === 0 && (first.code === 'invalid_type' || first.code === 'invalid_value')) continue
    if (deepest === undefined || first.path.length > deepest.path.length) deepest = first
  }
  return deepest
}

/** What a union takes, where the value is none of it. One whose kinds a field tells apart says that by itself: `errors` is empty. */
function unionMessage({ errors, message }: z.core.$ZodIssueInvalidUnion): string {
  const expected = errors.flatMap(([first]) => /expected .*?(?=, received|$)/.exec(first?.message ?? '') ?? [])
  if (expected.length === 0) return message
  return `Invalid input: expected ${expected.map((one) => one.slice('expected '.length)).join(' or ')}`
}

function pathOf(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) text += typeof key === 'number' ? `[${key}]` : text === '' ? String(key) : `.${String(key)}`
  return text
}

// ------------------------------------------------------------------------------------------------------------- fields

/** A field that changes nothing of the answer. */
export const harmless = z.unknown().optional()

/** A field that the gateway does not support; `nothing` are values by which nothing is asked for. */
export function unsupported(what: string, ...nothing: readonly Json[]) {
  const nothings = new Set(nothing.map((one) => JSON.stringify(one)))
  return (
    z
      .unknown()
      .refine((value) => value === null || nothings.has(JSON.stringify(value)), {
        error: what === '' ? 'is not supported by this server.' : `is not supported by this server: ${what}.`,
        params: { code: 'unsupported_parameter' },
      })
      // Last: a field that is not there, as most are not, is not checked.
      .optional()
  )
}

/** An object that is passed on as it is. */
export const anyObject = z.record(z.string(), z.unknown()) as unknown as z.ZodType<{
  readonly [key: string]: Json | undefined
}>

/** Fields that both of OpenAI's ways to ask a model share. */
export const sharedFields = {
  model: z.string().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  stream: z.boolean().nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  top_logprobs: unsupported('no model here tells its probabilities', 0),
  moderation: unsupported('what is asked and answered is not moderated'),
  // Of these nothing depends here.
  metadata: z.record(z.string(), z.string()).nullish(),
  user: z.string().nullish(),
  safety_identifier: harmless,
  prompt_cache_key: harmless,
  prompt_cache_options: harmless,
  prompt_cache_retention: harmless,
  service_tier: harmless,
} as const

// What both share of tools, the choice among them and the form of the answer: Chat Completions wraps each in an object of
// its own, the Responses API has it beside the type.

/** Names as OpenAI allows them. */
const wireName = z.string().regex(/^[\w-]{1,64}$/, 'expected 1 to 64 letters, digits, _ or -')

/** A function that the client can run. */
export const functionFields = {
  name: wireName,
  description: z.string().nullish(),
  parameters: anyObject.nullish(),
  strict: harmless,
} as const

export const choiceMode = z.enum(['none', 'auto', 'required'])

/** A choice among some of the tools; `named` is how a function is named. */
export function allowedFields<Named extends z.ZodType>(named: Named) {
  return { mode: z.enum(['auto', 'required']), tools: z.array(named).min(1) } as const
}

export const textFormat = z.strictObject({ type: z.literal('text') })
export const objectFormat = z.strictObject({ type: z.literal('json_object') })

/** An answer that fits a JSON schema. */
export function schemaFields<Schema extends z.ZodType>(schema: Schema) {
  return { name: wireName, schema, strict: z.boolean().nullish(), description: harmless } as const
}

export const imageDetail = z.enum(['auto', 'low', 'high']).nullish()
export const verbosity = z.enum(['low', 'medium', 'high']).nullish()

/** What a model said in place of an answer, as clients send it back. */
export const refusalPart = z.object({ type: z.literal('refusal'), refusal: z.string() })
