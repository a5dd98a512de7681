/**
 * The body of `POST /query`, as AIOS's SDK sends it, checked; and the envelope of its answers.
 *
 *     const query = parseQuery(await exchange.json())       // { query_type, agent_name, query_data }
 *     exchange.reply(200, envelope(response, times))
 *
 * AIOS is a FastAPI server, so a body that does not fit is answered as FastAPI does: 422 with `{ detail: [{ type, loc, msg,
 * input }] }`. Fields that are not known are passed over, as AIOS does: its clients add some with every release.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import { valueAt } from '../fields.ts'

/** An LLM as AIOS's clients name it: those of its SDK say `backend`, its own server says `provider`. */
export const llmChoice = z.looseObject({
  name: z.string(),
  backend: z.string().nullish(),
  provider: z.string().nullish(),
  temperature: z.number().nullish(),
  max_new_tokens: z.int().min(1).nullish(),
})
export type LlmChoice = z.output<typeof llmChoice>

const openaiTool = z.looseObject({
  function: z.looseObject({
    name: z.string().min(1),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.json()).nullish(),
  }),
})

const llmQuery = z.object({
  llms: z.array(llmChoice).nullish(),
  messages: z.array(z.looseObject({ role: z.string() })).min(1),
  tools: z.array(openaiTool).nullish(),
  action_type: z
    .enum(['chat', 'chat_with_json_output', 'chat_with_tool_call_output', 'call_tool', 'operate_file'])
    .default('chat'),
  temperature: z.number().nullish(),
  max_new_tokens: z.int().min(1).nullish(),
  message_return_type: z.enum(['text', 'json']).default('text'),
  response_format: z.looseObject({ type: z.string() }).nullish(),
})
export type LlmQuery = z.output<typeof llmQuery>

const toolQuery = z.object({
  tool_calls: z.array(z.looseObject({ name: z.string().min(1), parameters: z.record(z.string(), z.json()).nullish() })),
})

const params = z.record(z.string(), z.json())

const storageQuery = z.object({ params, operation_type: z.string().default('text') })

const memoryQuery = z.object({ operation_type: z.string(), params: params.default({}) })
export type MemoryQuery = z.output<typeof memoryQuery>

/** Longest name of an agent, characters: it becomes a part of the names of processes. */
const AGENT_CHARS_MAX = 150
const agent_name = z.string().min(1).max(AGENT_CHARS_MAX)

const query = z.discriminatedUnion('query_type', [
  z.object({ query_type: z.literal('llm'), agent_name, query_data: llmQuery }),
  z.object({ query_type: z.literal('memory'), agent_name, query_data: memoryQuery }),
  z.object({ query_type: z.literal('storage'), agent_name, query_data: storageQuery }),
  z.object({ query_type: z.literal('tool'), agent_name, query_data: toolQuery }),
])
export type Query = z.output<typeof query>

/** Throws `INVALID_ARGUMENT` with what FastAPI would say in its detail. */
export function parseQuery(body: Json): Query {
  return parseBody(query, body)
}

/** A body of another route. Throws `INVALID_ARGUMENT`. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: Json): z.output<Schema> {
  const read = schema.safeParse(body)
  if (read.success) return read.data
  const detail = read.error.issues.map((issue) => faultOf(issue, body))
  const said = detail.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ')
  throw new PolityError('INVALID_ARGUMENT', said, { detail })
}

interface Fault {
  readonly [key: string]: Json
  readonly type: string
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly input: Json
}

/** An issue in the words of FastAPI's validator. */
function faultOf(issue: z.core.$ZodIssue, body: Json): Fault {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
  const loc = ['body', ...path]
  const input = valueAt(body, path)
  if (input === undefined && path.length > 0)
    return { type: 'missing', loc, msg: 'Field required', input: valueAt(body, path.slice(0, -1)) ?? null }
  const expected = expectedOf(issue)
  if (expected !== undefined)
    return { type: 'literal_error', loc, msg: `Input should be ${expected}`, input: input ?? null, ctx: { expected } }
  if (issue.code === 'invalid_type')
    return {
      type: `${issue.expected}_type`,
      loc,
      msg: `Input should be a valid ${issue.expected}`,
      input: input ?? null,
    }
  return { type: 'value_error', loc, msg: issue.message, input: input ?? null }
}

/** The values that were to choose from. */
function expectedOf(issue: z.core.$ZodIssue): string | undefined {
  const values =
    issue.code === 'invalid_value'
      ? issue.values
      : issue.code === 'invalid_union' && issue.discriminator === 'query_type'
        ? ['llm', 'memory', 'storage', 'tool']
        : undefined
  if (values === undefined) return undefined
  const quoted = values.map((value) => `'${String(value)}'`)
  return quoted.length === 1 ? quoted[0] : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
}

// ------------------------------------------------------------------------------------------------------------ answers

/** When one step of a query ran, ms since 1970. */
export interface Times {
  /** It was there to be done. */
  readonly createdMs: number
  /** It began: its turn had come. */
  readonly startMs: number
  readonly endMs: number
}

/** AIOS's answer to a query; its times are seconds, as Python counts them, one of each for each step. */
export function envelope(response: Json, times: readonly Times[]): Json {
  return {
    response,
    start_times: times.map(({ startMs }) => startMs / 1000),
    end_times: times.map(({ endMs }) => endMs / 1000),
    waiting_times: times.map(({ createdMs, startMs }) => seconds(startMs - createdMs)),
    turnaround_times: times.map(({ createdMs, endMs }) => seconds(endMs - createdMs)),
  }
}

/** Without the noise that the difference of two large numbers has. */
function seconds(ms: number): number {
  return Math.round(ms * 1000) / 1_000_000
}
