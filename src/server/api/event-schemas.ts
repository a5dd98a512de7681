/**
 * What happens to processes, as the native API streams it (events.ts).
 */
import { z } from 'zod'
import { Budget, Usage } from './process-schemas.ts'
import { Failure, json, named, pid, time, whole } from './schema.ts'
import { CallUsage } from './trace-schemas.ts'

const placed = { seq: whole.describe('Place in the journal: the id of the event'), at: time, pid: z.int().min(0) }
/** What is set aside for a call before it is sent. */
export const reserved = z.object({ tokens: z.number(), usd: z.number() })

export const RunEvent = named(
  'RunEvent',
  'Something that happened to a process: an event of its journal, or a piece of what a model is saying (text-delta, never journaled, without an id). The name of the server-sent event is its type',
  z.discriminatedUnion('type', [
    z.looseObject({
      type: z.literal('process-start'),
      ...placed,
      parent: pid.nullable(),
      program: z.string(),
      version: z.string(),
      name: z.string().nullable(),
      principal: z.string(),
      priority: z.number(),
      budget: Budget,
      tools: z.array(z.string()),
      input: json.optional(),
      account: z.string().optional().describe('The key that pays, by its id'),
      forkOf: z
        .looseObject({ pid, seq: whole, call: whole.nullable() })
        .nullable()
        .describe('Of a fork: whose past it has, up to which event, and to which call'),
    }),
    z.looseObject({
      type: z.literal('call-start'),
      ...placed,
      n: whole,
      call: z.string(),
      args: json,
      reserved: reserved.optional(),
    }),
    z.looseObject({ type: z.literal('call-reserve'), ...placed, n: whole, reserved }),
    z.looseObject({
      type: z.literal('call-wait'),
      ...placed,
      n: whole,
      core: z.string().nullable().describe('null: for a person'),
      turn: z
        .looseObject({ content: z.array(json), usage: CallUsage, state: z.string().optional() })
        .optional()
        .describe('What its answer came to in the turn that has just ended, in which it made room for another call'),
    }),
    z.looseObject({ type: z.literal('call-sent'), ...placed, n: whole }),
    z.looseObject({
      type: z.literal('call-end'),
      ...placed,
      n: whole,
      value: json.optional(),
      error: Failure.optional(),
      refused: z.literal(true).optional(),
      trusted: z.literal(true).optional().describe('Of a tool call: the tool is declared trusted'),
      usage: CallUsage.optional(),
      waitedMs: z.number().optional(),
      labels: z.array(z.string()).optional().describe('Of the value: whoever learns it has seen them'),
    }),
    z.looseObject({
      type: z.literal('mail-sent'),
      ...placed,
      mail: z.looseObject({ id: whole, from: whole, body: json }),
    }),
    z.looseObject({ type: z.literal('process-rewind'), ...placed, n: whole, value: json }),
    z.looseObject({ type: z.literal('files-restored'), ...placed, value: json, once: z.string().optional() }),
    z.looseObject({
      type: z.literal('process-end'),
      ...placed,
      state: z.enum(['done', 'failed', 'killed']),
      value: json.optional(),
      error: Failure.optional(),
      usage: Usage,
      labels: z.array(z.string()).optional().describe('Of what it had learned, and so of the value'),
    }),
    z.looseObject({ type: z.literal('text-delta'), pid, n: whole, delta: z.string() }),
  ]),
)
export type RunEvent = Written<z.infer<typeof RunEvent>>

/** What is written above, each event by itself: what later versions may add is let through, but a misspelt field does not compile. */
type Written<Event> = Event extends unknown
  ? { [Key in keyof Event as string extends Key ? never : Key]: Event[Key] }
  : never
