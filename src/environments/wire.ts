/**
 * The form in which environments are spoken to from outside, and spoken to outside: one JSON message, one JSON answer.
 *
 *     const answer = answering(craft)
 *     answer({ id: 1, op: 'reset', task: { params: craft.task(7), seed: 7 } })      // { id: 1, ok: { toAct, views, … } }
 *     answer({ id: 2, op: 'step', actions: [{ agent: 'crafter', name: 'get', args: { item: 'oak_log', count: 1 } }] })
 *
 * Over stdin and stdout each message and each answer is a line; over HTTP they are the bodies of a request and its answer.
 * What each message means stands in docs/environments.md. Both sides are here: `answering` makes ours speak it, and
 * `readTurn` and the other readers check what a foreign one says.
 *
 * Invariants
 *   WI1. Every message gets one answer, with the message's `id`, whatever the message is.
 *   WI2. A message that is refused changes nothing.
 */
import { z } from 'zod'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import { fields, firstIssue } from './define.ts'
import type { ActionError, Rules, Saved, Turn } from './environment.ts'
import { environmentOf } from './environment.ts'

const json = z.json() as z.ZodType<Json>
const seed = z.int().min(0)
const task = fields({
  /** @default drawn by the seed */
  params: json.optional(),
  seed: seed.default(0),
  level: z.int().min(1).optional(),
})
const action = fields({
  agent: z.string(),
  name: z.string(),
  args: z.record(z.string(), json).optional(),
})

const id = z.union([z.number(), z.string(), z.null()]).default(null)
const message = z.discriminatedUnion('op', [
  fields({ id, op: z.literal('describe'), task: task.optional() }),
  fields({ id, op: z.literal('reset'), task: task.default({ seed: 0 }) }),
  fields({ id, op: z.literal('step'), actions: z.array(action) }),
  fields({ id, op: z.literal('state') }),
  fields({
    id,
    op: z.literal('restore'),
    state: fields({ seed, steps: z.int().min(0), state: json }),
  }),
  fields({ id, op: z.literal('score') }),
  fields({ id, op: z.literal('metrics') }),
  fields({ id, op: z.literal('close') }),
])

/** What an environment is asked. */
export type Message = z.input<typeof message>
/** What it answers. */
export type Answer = { readonly id: string | number | null } & (
  | { readonly ok: Json }
  | { readonly error: { readonly code: string; readonly message: string } }
)

/** Why an action could not be done, as it is told in a turn. */
export const actionErrorCodes = [
  'UNKNOWN_ACTION',
  'BAD_ARGUMENTS',
  'NOT_POSSIBLE',
  'NOT_YOUR_TURN',
] as const satisfies readonly ActionError['code'][]

const described = z.object({
  id: z.string().min(1),
  version: z.string().default('0'),
  description: z.string().default(''),
  /** All actions that may be offered. @default those that the first turn offers */
  actions: z.array(z.lazy(() => offered)).optional(),
  /** @default those who are to act first */
  agents: z.array(z.string()).optional(),
  /** Whether it knows `state` and `restore`. Where not, an episode is brought back by taking its actions again. */
  saves: z.boolean().default(false),
})
const offered = z.object({
  name: z.string().regex(/^[\w-]{1,64}$/),
  description: z.string().default(''),
  input: z.record(z.string(), json).default({ type: 'object', properties: {} }),
  effect: z.enum(['read', 'tell', 'write', 'terminal']).default('write'),
})
const turn = z.object({
  toAct: z.array(z.string()),
  views: z.record(
    z.string(),
    z.object({ text: z.string(), data: json.optional(), actions: z.array(offered).default([]) }),
  ),
  reward: z.record(z.string(), z.number()).default({}),
  done: z.boolean(),
  truncated: z.literal('steps').optional(),
  errors: z
    .array(
      z.object({
        agent: z.string(),
        code: z.enum(actionErrorCodes),
        message: z.string(),
      }),
    )
    .default([]),
  steps: z.int().min(0),
})

/** What a foreign environment says of itself. */
export type Described = z.output<typeof described>

/** Checks what a foreign environment said. Throws `DRIVER_INVALID`. */
export const readDescription = (value: unknown): Described => read(described, value, 'describe')
export function readTurn(value: unknown): Turn {
  const told = read(turn, value, 'a turn') as Turn
  const unseen = told.toAct.find((agent) => !Object.hasOwn(told.views, agent))
  if (unseen === undefined) return told
  throw new PolityError(
    'DRIVER_INVALID',
    `the environment answered a turn in which "${unseen}" is to act and has no view`,
  )
}
export const readScore = (value: unknown): number => read(z.number().min(0).max(1), value, 'score')
export const readMetrics = (value: unknown): { [name: string]: number } =>
  read(z.record(z.string(), z.number()), value, 'metrics')

function read<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const { success, data, error } = schema.safeParse(value)
  if (success) return data
  throw new PolityError('DRIVER_INVALID', `the environment answered ${what} with something else: ${firstIssue(error)}`)
}

/** An episode of these rules that answers messages. */
export function answering(rules: Rules<Json, Json>): (given: unknown) => Answer {
  const environment = environmentOf(rules)

  function does(asked: z.output<typeof message>): Json | Turn | Described | Saved<Json> {
    switch (asked.op) {
      case 'describe': {
        const { id: name, version, description } = rules
        const params = asked.task?.params ?? rules.task(asked.task?.seed ?? 0, asked.task?.level)
        return {
          id: name,
          version,
          description,
          ...(rules.actions === undefined ? {} : { actions: [...rules.actions(params)] as Described['actions'] }),
          ...(rules.agents === undefined ? {} : { agents: [...rules.agents(params)] }),
          saves: true,
        }
      }
      case 'reset': {
        const { params = rules.task(asked.task.seed, asked.task.level), seed: own } = asked.task
        return environment.reset({ params, seed: own })
      }
      case 'step':
        return environment.step(asked.actions as Parameters<typeof environment.step>[0])
      case 'state':
        return environment.state()
      case 'restore':
        return environment.restore(asked.state)
      case 'score':
        return environment.score()
      case 'metrics':
        return { ...environment.metrics() }
      case 'close':
        return null
    }
  }

  return (given) => {
    const checked = message.safeParse(given)
    const asked = (given ?? {}) as { id?: unknown }
    const own = typeof asked.id === 'number' || typeof asked.id === 'string' ? asked.id : null
    if (!checked.success) return { id: own, error: { code: 'INVALID_ARGUMENT', message: firstIssue(checked.error) } }
    try {
      return { id: own, ok: does(checked.data) as Json }
    } catch (error) {
      // A state or a task that is none of this world may fail anywhere in its rules.
      const code = PolityError.isInstance(error) ? error.code : 'INVALID_ARGUMENT'
      return { id: own, error: { code, message: messageOf(error) } }
    }
  }
}
