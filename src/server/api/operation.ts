/**
 * An operation: a route of the native API with the schemas of what it takes and answers. The door serves it, openapi.ts
 * writes it into the document: there is no third place.
 *
 *     operation({
 *       id: 'killProcess', method: 'POST', path: '/processes/:pid/kill', scope: 'runs', summary: 'Kill a process',
 *       body: KillRequest, reply: Process, errors: ['NO_SUCH_PROCESS'],
 *       run: ({ view, params, body }) => { … },
 *     })
 *
 * Invariants
 *   OP1. `run` sees only what its schemas let through. What they do not let through is `INVALID_ARGUMENT`, with the place,
 *        what was expected and what there is.
 *   OP2. What `run` returns has the type of `reply`; tests hold the answers of every route against the schema itself.
 *   OP3. A question that was cut short is answered with why, never with what was found until then.
 */
import { z } from 'zod'
import type { ErrorCode } from '../../kernel/errors.ts'
import { PolityError } from '../../kernel/errors.ts'
import { sha256 } from '../../kernel/digest.ts'
import type { Json, Once } from '../../kernel/types.ts'
import { canonical } from '../../policy/canonical.ts'
import type { Caller, Needed } from '../caller.ts'
import { valueAt } from '../fields.ts'
import type { Exchange, Route } from '../route.ts'

/** Where the native API lives. */
export const API_PATH = '/api/v1'

/** Parts of a path that are text; all others are whole numbers. */
const textParams: ReadonlySet<string> = new Set(['note'])

type NamesIn<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | NamesIn<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never

type ParamsOf<Path extends string> = { readonly [Name in NamesIn<Path>]: Name extends 'note' ? string : number }

/** A parameter that is true or false. */
export const flag = z.enum(['true', 'false']).optional()

/** A parameter that takes one of the names, or several with commas between. */
export function severalOf(names: readonly string[]) {
  const [name, all] = [`(?:${names.join('|')})`, names.join(', ')]
  return z
    .string()
    .regex(new RegExp(`^${name}(?:,${name})*$`), `takes ${all}, with commas between several`)
    .optional()
    .describe(`Of ${all}; several with commas between. Default all`)
}

/** What an operation is asked. */
export interface Asked<Params, Query, Body> {
  readonly caller: Caller
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** Of an operation that is `once`: what the header Idempotency-Key says, with a digest of the request. */
  readonly once: Once | undefined
  readonly signal: AbortSignal
  readonly exchange: Exchange
}

/** What stands in the document. */
export interface Described {
  readonly id: string
  readonly method: Route['method']
  /** Below `API_PATH`, parts that vary as `:name`. */
  readonly path: string
  readonly scope: Needed | null
  /** A few words. */
  readonly summary: string
  /** What else its user should know. */
  readonly description?: string
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  /** @default 200 */
  readonly status?: 200 | 201
  /** An answer in JSON, or events, each with data of this schema. */
  readonly reply: z.ZodType
  readonly isStream?: true
  /** It takes the header Idempotency-Key: several tries with one key do it once. */
  readonly isOnce?: true
  /** Errors of its own, beside those of every operation. */
  readonly errors?: readonly ErrorCode[]
}

/** A route and its description. */
export interface Operation extends Described {
  readonly route: Route
}

interface Spec<
  Path extends string,
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Reply extends z.ZodType,
> extends Described {
  readonly path: Path
  readonly query?: Query
  readonly body?: Body
  readonly reply: Reply
  /** Returns the answer; of a stream, resolves once that is over. */
  run(
    asked: Asked<ParamsOf<Path>, z.output<Query>, z.output<Body>>,
  ): Awaitable<Reply extends z.ZodType<infer Answer> ? Answer : never> | Promise<void>
}

type Awaitable<T> = T | Promise<T>

export function operation<
  const Path extends string,
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Reply extends z.ZodType,
>(spec: Spec<Path, Query, Body, Reply>): Operation {
  const { run, ...described } = spec
  const { query, status = 200, isStream } = described
  return {
    ...described,
    route: {
      method: spec.method,
      path: API_PATH + spec.path,
      scope: spec.scope,
      async handle(exchange) {
        const key = readKey(exchange, described)
        const params = readParams(exchange.params) as ParamsOf<Path>
        const asked = readQuery(query, exchange.query) as z.output<Query>
        const given = (await readBody(exchange, described)) as z.output<Body>
        const answer = await run({
          caller: exchange.caller,
          params,
          query: asked,
          body: given,
          once: key === undefined ? undefined : { key, digest: sha256(canonical([spec.id, params, given])) },
          signal: exchange.signal,
          exchange,
        })
        if (isStream === true) return
        // What was looked at until the server closed is not all there is: a page would be the last, a run would still run.
        if (spec.method === 'GET') exchange.signal.throwIfAborted()
        exchange.reply(status, answer as Json)
      },
    },
  }
}

/** A header that is not heeded would be a false promise, so it is refused where it is not taken. */
function readKey({ headers, request }: Exchange, { method, isOnce }: Described): string | undefined {
  const key = headers['idempotency-key']
  if (key === undefined || method === 'GET') return undefined
  if (isOnce !== true)
    throw new PolityError('INVALID_ARGUMENT', 'the header Idempotency-Key is not taken here; the document says where')
  // Node joins them with a comma, which would be one key.
  if ((request.headersDistinct['idempotency-key']?.length ?? 0) > 1)
    throw new PolityError('INVALID_ARGUMENT', 'the header Idempotency-Key is there twice; give it once')
  if (typeof key === 'string' && /^[\x20-\x7e]{1,200}$/.test(key)) return key
  throw new PolityError('INVALID_ARGUMENT', 'the header Idempotency-Key takes 1 to 200 printable ASCII characters')
}

function readParams(given: Exchange['params']): { readonly [name: string]: string | number } {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      if (textParams.has(name)) return [name, value]
      if (!/^\d{1,15}$/.test(value))
        throw new PolityError(
          'INVALID_ARGUMENT',
          `:${name} in the path takes a whole number, not ${JSON.stringify(value.slice(0, 80))}`,
        )
      return [name, Number(value)]
    }),
  )
}

function readQuery(schema: z.ZodObject | undefined, given: URLSearchParams): unknown {
  const values: { [name: string]: string } = {}
  for (const [name, value] of given) {
    if (Object.hasOwn(values, name))
      throw new PolityError('INVALID_ARGUMENT', `query: ${name.slice(0, 80)} is there twice; give it once`)
    if (value === '')
      throw new PolityError(
        'INVALID_ARGUMENT',
        `query: ${name.slice(0, 80)} is empty; ${isNeeded(schema, name) ? 'it takes a value, and cannot be left out' : 'leave it out'}`,
      )
    // By definition, since `__proto__` is a name like any other.
    Object.defineProperty(values, name, { value, enumerable: true })
  }
  if (schema !== undefined) return check(schema, values, 'query')
  const [extra] = Object.keys(values)
  if (extra !== undefined)
    throw new PolityError('INVALID_ARGUMENT', `query: ${extra.slice(0, 80)} is not taken here; nothing is`)
  return undefined
}

function isNeeded(schema: z.ZodObject | undefined, name: string): boolean {
  const shape: { readonly [name: string]: unknown } = schema?.shape ?? {}
  return Object.hasOwn(shape, name) && !(shape[name] as z.ZodType).safeParse(undefined).success
}

/**
 * An absent body, and `null`, is an empty object where all that it may say may be left out. What takes none refuses one that
 * says something; that of a GET means nothing by HTTP, and is not read.
 */
async function readBody(exchange: Exchange, { method, body: schema }: Described): Promise<unknown> {
  if (schema === undefined && method === 'GET') return undefined
  const body = await exchange.json()
  const takes = schema ?? Nothing
  const given = check(takes, body === null && takes.safeParse({}).success ? {} : body, 'the body')
  return schema === undefined ? undefined : given
}

const Nothing = z.strictObject({})

/** Issues that an error names: the others show when these are mended. */
const ISSUES_MAX = 5

function check(schema: z.ZodType, value: unknown, at: string): unknown {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const said = result.error.issues.slice(0, ISSUES_MAX).map((issue) => {
    const { code, path, message } = issue
    const place = path.length === 0 ? '' : `${path.map(String).join('.')}: `
    if (code === 'invalid_type') {
      const given = valueAt(value, path)
      if (given === undefined && path.length > 0)
        return `${path.map(String).join('.')} is missing (expected ${issue.expected})`
      // Of a query: text that was to be read as a number.
      if (typeof given === 'string') return place + message.replace(/NaN$/, () => JSON.stringify(given.slice(0, 80)))
    }
    return `${place}${message}${code === 'unrecognized_keys' ? `; there are ${keysAt(schema, path).join(', ') || 'none'}` : ''}`
  })
  throw new PolityError('INVALID_ARGUMENT', `${at}: ${said.join('; ').slice(0, MESSAGE_CHARS_MAX)}`)
}

const MESSAGE_CHARS_MAX = 1_000

/** Keys of the object schema at a place. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema
  for (const step of path) at = typeof step === 'number' ? inner(at, 'element') : shapeOf(inner(at))[String(step)]
  return Object.keys(shapeOf(inner(at)))
}

/** Without `optional` and the like; of a list, with `element`, its items. */
function inner(schema: unknown, element?: 'element'): unknown {
  let at = schema as { unwrap?: () => unknown; element?: unknown } | undefined
  while (typeof at?.unwrap === 'function') at = at.unwrap() as typeof at
  return element === undefined ? at : at?.element
}

function shapeOf(schema: unknown): { readonly [key: string]: unknown } {
  return (schema as { shape?: { readonly [key: string]: unknown } } | undefined)?.shape ?? {}
}
