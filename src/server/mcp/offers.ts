/**
 * What the kernel offers over MCP: its tools, the notes of the caller, and its programs, each as a tool with a schema.
 *
 *     const offers = offersOf({ tools, programs })
 *     const run = offer.start(kernel, input, { principal: 'ada' })
 *
 * Each call is a process of the caller, so it stands under the law and the budgets like anybody else's.
 *
 * Invariants
 *   OF1. What a client sends to a tool is never its user's own words: such a process has no input, and no value of a call
 *        has the origin `request`. What is given to a program is its input, as with any run.
 *   OF2. No two offers have one name.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import { inputOf } from '../../kernel/input-form.ts'
import type { Kernel, Run } from '../../kernel/kernel.ts'
import { defineProgram } from '../../kernel/program.ts'
import { describeTool } from '../../kernel/tools.ts'
import type { Json, NoteInput, Program, RecallOptions, RunOptions, Sys, Tool, ToolSchema } from '../../kernel/types.ts'
import type { Scope } from '../caller.ts'
import type { TaskSupport } from './task-wire.ts'

type Schema = { readonly [key: string]: Json | undefined }

/** A tool as a client sees it, and how a call of it begins. */
export interface Offer {
  readonly name: string
  readonly description: string
  readonly inputSchema: Schema
  /** Of the structured content of its results. */
  readonly outputSchema?: Schema
  readonly annotations: { readonly [hint: string]: boolean }
  /** What the caller has to hold. */
  readonly scope: Scope
  /** Whether a call of it may go on as a task. */
  readonly taskSupport: TaskSupport
  start(kernel: Kernel, input: Json, options: RunOptions): Run
}

/** A program that clients may run, as the tool `run_<name>`. */
export interface OfferedProgram {
  readonly program: Program
  /** Its name as a tool. @default `run_<name>` */
  readonly as?: string
  readonly description?: string
  /** Of its input: an object. @default `{ input }`, and the program is given what stands there */
  readonly inputSchema?: ToolSchema<unknown>
}

export interface OffersOptions {
  /** Those that are offered; the kernel need not hold them. @default none */
  readonly tools?: readonly Tool[]
  /** @default none */
  readonly programs?: readonly (Program | OfferedProgram)[]
  /**
   * Which calls may go on as tasks, by the name that is offered: of one that is `required`, only as a task, and clients that
   * know none are refused; of one that is `forbidden`, never. @default 'optional', and 'forbidden' for notes
   */
  readonly taskSupport?: { readonly [offer: string]: TaskSupport }
}

/** The program of calls that clients make. */
export const CLIENT = 'mcp-client'

/** Throws `CONFIG_INVALID`. */
export function offersOf({ tools = [], programs = [], taskSupport = {} }: OffersOptions): readonly Offer[] {
  const offers = [...tools.map(toolOffer), ...noteOffers, ...programs.map(programOffer)].map((offer) => ({
    ...offer,
    taskSupport: supportIn(taskSupport, offer.name) ?? offer.taskSupport,
  }))
  const names = new Set<string>()
  for (const { name } of offers) {
    if (!NAME.test(name))
      throw wrong(`MCP takes names of 1 to 128 letters, digits, "_", "-", "." or "/", not ${JSON.stringify(name)}`)
    if (names.has(name)) throw wrong(`two tools would be offered over MCP as ${name}; give one of them another name`)
    names.add(name)
  }
  const unknown = Object.keys(taskSupport).find((name) => !names.has(name))
  if (unknown !== undefined)
    throw wrong(
      `taskSupport names ${JSON.stringify(unknown)}, which is not offered; there are ${[...names].join(', ')}`,
    )
  return offers
}

function supportIn(given: NonNullable<OffersOptions['taskSupport']>, name: string): TaskSupport | undefined {
  const support = Object.hasOwn(given, name) ? given[name] : undefined
  if (support !== undefined && !['required', 'optional', 'forbidden'].includes(support))
    throw wrong(`taskSupport of ${name} takes required, optional or forbidden, not ${JSON.stringify(support)}`)
  return support
}

const NAME = /^[A-Za-z0-9_.\-/]{1,128}$/

function toolOffer(tool: Tool): Offer {
  const { name, description, inputSchema } = describeTool(tool)
  const outputSchema = tool.outputSchema?.['~standard'].jsonSchema?.output({ target: 'draft-2020-12' }) as
    | Schema
    | undefined
  const { effect = 'once', outbound } = tool
  return {
    name,
    description,
    inputSchema: { type: 'object', ...inputSchema },
    // Structured content is an object.
    ...(outputSchema?.['type'] === 'object' ? { outputSchema } : {}),
    annotations: {
      readOnlyHint: effect === 'read',
      idempotentHint: effect !== 'once',
      ...(outbound === undefined ? {} : { openWorldHint: outbound }),
    },
    scope: 'runs',
    taskSupport: 'optional',
    start: (kernel, input, options) =>
      byClient(kernel, (sys) => sys.call(name, input), { ...options, tools: [name] }, [tool]),
  }
}

function programOffer(given: Program | OfferedProgram): Offer {
  const offered = ('program' in given ? given : { program: given }) as OfferedProgram
  const { program, description, inputSchema, as = `run_${program.name}` } = offered
  const shape = inputSchema?.['~standard']
  if (shape !== undefined && shape.jsonSchema === undefined)
    throw wrong(`the input schema of program ${program.name} cannot describe itself as JSON Schema`)
  return {
    name: as,
    description: description ?? `Runs the program ${program.name} to its end and returns its output.`,
    inputSchema: (shape?.jsonSchema?.input({ target: 'draft-2020-12' }) as Schema | undefined) ?? inputDefault,
    annotations: { readOnlyHint: false },
    scope: 'runs',
    taskSupport: 'optional',
    start(kernel, input, options) {
      if (inputSchema === undefined)
        return kernel.spawn(program, (input as { readonly input?: Json }).input, options) as Run
      return kernel.spawn(program, inputOf(as, inputSchema, input) as Json, options) as Run
    },
  }
}

const inputDefault: Schema = {
  type: 'object',
  properties: { input: { description: 'What the program is given: text, or JSON' } },
}

const text = z.string().min(1)
const noteKind = z.enum(['note', 'fact', 'summary'])
const noteOffers: readonly Offer[] = [
  noteOffer(
    'remember',
    'Keeps a note for later.',
    z.object({
      text: text.describe('What is to be remembered'),
      tags: z.array(text).optional(),
      source: text.optional().describe('Where it was learned: a path, a URL'),
      kind: noteKind.optional().describe('Something observed, a statement drawn from notes, or their gist'),
      keywords: z.array(text).optional().describe('Words that it shall also be found by'),
      context: text.optional().describe('What it stands in'),
      session: text.optional().describe('The conversation that it belongs to'),
      parents: z.array(text).optional().describe('Ids of the notes it was drawn from'),
      links: z.array(text).optional().describe('Ids of notes that belong to it'),
      id: text.optional().describe('Of a note whose place it takes'),
    }),
    { readOnlyHint: false, idempotentHint: false, openWorldHint: false },
    async (sys, note) => ({ id: await sys.remember(note as NoteInput) }),
  ),
  noteOffer(
    'recall',
    'Finds notes by what they say.',
    z.object({
      query: text,
      limit: z.number().int().min(1).max(100).optional(),
      tag: text.optional().describe('Only notes with this tag'),
      kinds: z.array(noteKind).min(1).optional().describe('Only notes of these kinds'),
      session: text.optional().describe('Only notes of this session'),
      source: text.optional().describe('Only notes of this source'),
      trust: z.enum(['request', 'trusted', 'untrusted']).optional().describe('Only notes at least so far trusted'),
    }),
    { readOnlyHint: true, openWorldHint: false },
    async (sys, { query, ...options }) => ({
      notes: (await sys.recall(query, options as RecallOptions)) as unknown as Json,
    }),
  ),
  noteOffer(
    'forget',
    'Removes a note.',
    z.object({ id: text.describe('As `remember` or `recall` gave it') }),
    { readOnlyHint: false, idempotentHint: false, destructiveHint: true, openWorldHint: false },
    async (sys, { id }) => {
      await sys.forget(id)
      return { id }
    },
  ),
]

function noteOffer<Input>(
  name: string,
  description: string,
  schema: z.ZodType<Input>,
  annotations: Offer['annotations'],
  run: (sys: Sys, input: Input) => Promise<Json>,
): Offer {
  return {
    name,
    description,
    inputSchema: z.toJSONSchema(schema, { io: 'input' }) as Schema,
    annotations,
    scope: 'memory',
    taskSupport: 'forbidden',
    start(kernel, given, options) {
      const data = inputOf(name, schema, given)
      return byClient(kernel, (sys) => run(sys, data), { ...options, tools: [] })
    },
  }
}

/** A process that makes one call. What it is to do is not its input (OF1), so it cannot be resumed: its client is gone then, too. */
function byClient(
  kernel: Kernel,
  run: (sys: Sys) => Promise<Json>,
  options: RunOptions,
  tools: readonly Tool[] = [],
): Run {
  return kernel.spawn(defineProgram<null, Json>(CLIENT, run, { tools }), null, options)
}

function wrong(message: string): PolityError {
  return new PolityError('CONFIG_INVALID', message)
}
