/**
 * The way of foreign agents to a model: each request becomes a process of the caller, so it waits its turn, draws on the
 * budgets, stands under the law and is journaled like anybody else's; the tools that the client will execute itself are
 * let through by the law one by one before the client hears of them.
 *
 *     const models = createModelDoor(kernel)
 *     const { generation, toolCalls, denied } = await models.generate({ caller, model, messages, tools }, { signal, onText })
 *
 * Used by every door that speaks a model's language: OpenAI's (openai/), AIOS's (aios/), the AI SDK's (ai.ts).
 *
 * Invariants
 *   MD1. A client hears of no tool call that the law did not let through. Where none of an answer's calls was, the model is
 *        told why and asked again, DENIED_ROUNDS_MAX times.
 *   MD2. What the user asked for, as the law sees it, is the text of the user messages: what tools gave is nobody's wish.
 *   MD3. Who goes away, or is no longer let in, stops costing: the process is killed, and its model call with it.
 */
import type { LanguageModelV4ToolResultPart } from '@ai-sdk/provider'
import { anything } from '../kernel/anything.ts'
import type { ErrorData } from '../kernel/errors.ts'
import { PolityError, messageOf, toErrorData } from '../kernel/errors.ts'
import type { Kernel, Run } from '../kernel/kernel.ts'
import { defineTool } from '../kernel/tools.ts'
import { sumOf } from '../kernel/turns.ts'
import type {
  Budget,
  CallUsage,
  Generation,
  GenerateRequest,
  Json,
  Message,
  Pid,
  Program,
  RunOptions,
  Sys,
  Tool,
  ToolCall,
  ToolDescription,
} from '../kernel/types.ts'
import type { Asker } from './caller.ts'
import { runOptionsOf } from './caller.ts'
import type { ForeignTool, ForeignTools } from './foreign-tools.ts'
import { foreignToolsOf } from './foreign-tools.ts'
import { endLeftOvers, resultFor, whyAborted } from './request-run.ts'

export interface ModelDoorOptions {
  /** What calls of clients' tools mean. @default nothing is known of them */
  readonly tools?: ForeignTools
}

export interface ModelRequest {
  readonly caller: Asker
  /** Name of a core, or a chain of them. @default the kernel's */
  readonly model?: string | readonly string[]
  readonly messages: readonly Message[]
  /** Tools that the client executes. @default none */
  readonly tools?: readonly ToolDescription[]
  readonly settings?: Omit<GenerateRequest, 'model' | 'instructions' | 'prompt' | 'messages' | 'tools' | 'deadlineMs'>
  /**
   * Requests of one run follow each other: they go one after another, and each stands before the law where the last one
   * ended. The names are the principal's own; they are remembered until the door is made anew. @default a run of its own
   */
  readonly run?: string
  readonly priority?: number
  readonly deadlineMs?: number
  /** Ceilings of this request alone. */
  readonly budget?: Budget
}

/** A call of a client's tool that the client does not hear of, and why. */
export interface DeniedCall {
  readonly call: ToolCall
  readonly error: ErrorData
}

export interface ModelReply {
  readonly pid: Pid
  /** The last answer; its text is all that was said, and its usage all that was used. */
  readonly generation: Generation
  /** Calls of the client's tools that the law let through. */
  readonly toolCalls: readonly ToolCall[]
  readonly denied: readonly DeniedCall[]
}

export interface Embedded {
  readonly vectors: readonly (readonly number[])[]
  readonly inputTokens: number
  readonly model: string
}

export interface ModelDoor {
  /** Names of the cores. */
  readonly models: readonly string[]
  /** Name of the model that embeds; null where there is none. */
  readonly embedder: string | null
  /** Throws a `PolityError`. */
  generate(request: ModelRequest, listener?: Listener): Promise<ModelReply>
  embed(
    request: Pick<ModelRequest, 'caller' | 'priority' | 'budget'> & {
      readonly model?: string
      readonly texts: readonly string[]
    },
    listener?: Pick<Listener, 'signal'>,
  ): Promise<Embedded>
}

/** Name of the programs that serve requests. */
export const GATEWAY = 'gateway'

/** Answers of which no call was let through, after each of which the model is asked again. */
const DENIED_ROUNDS_MAX = 2
/** Runs of one principal that the law knows something of; beyond, new ones are refused: forgetting one would undo it. */
const RUNS_MAX = 10_000

export function createModelDoor(kernel: Kernel, { tools = {} }: ModelDoorOptions = {}): ModelDoor {
  const known = foreignToolsOf(tools)
  /** By principal and name: runs that are under way, and those of which the law knows something. */
  const runs = new Map<string, Map<string, RunInOrder>>()
  endLeftOvers(kernel, [GATEWAY])

  async function generate(request: ModelRequest, { signal, onText }: Listener = {}): Promise<ModelReply> {
    const reply: { said?: Said } = {}
    const program: Program<Json, null> = {
      name: GATEWAY,
      version: '1',
      tools: (request.tools ?? []).map((tool) => foreign(tool, known(tool.name))),
      ownToolsOnly: true,
      model: undefined,
      async run(sys) {
        reply.said = await serve(sys, request)
        return null
      },
    }
    const labels = labelsOf(request.messages, known)
    const pid = await inOrder(request, signal, async (after, begun) => {
      const run = kernel.spawn(
        program,
        { asked: wordsOf(request.messages) },
        {
          ...optionsOf(request),
          ...(labels.length === 0 ? {} : { labels }),
          ...(after === undefined ? {} : { after }),
        },
      )
      begun(run.pid)
      await ended(run, signal, onText)
      return run.pid
    })
    return { ...(reply.said as Said), pid }
  }

  /** What a run has done is known once it has ended: who comes next waits for that. */
  async function inOrder(
    { run, caller }: ModelRequest,
    signal: AbortSignal | undefined,
    serveAfter: (after: Pid | undefined, begun: (pid: Pid) => void) => Promise<Pid>,
  ): Promise<Pid> {
    if (run === undefined) return serveAfter(undefined, () => {})
    const { principal } = caller
    const own = runs.get(principal) ?? new Map<string, RunInOrder>()
    const mine = own.get(run) ?? { last: undefined, end: Promise.resolve(), waiting: 0 }
    if (!own.has(run) && own.size >= RUNS_MAX)
      throw new PolityError(
        'LIMIT_EXCEEDED',
        `the server remembers ${RUNS_MAX} runs of ${principal}, its limit; go on with a known one`,
      )
    runs.set(principal, own.set(run, mine))
    mine.waiting++
    const served = mine.end
      .then(() => {
        if (signal?.aborted === true) throw whyAborted(signal)
        return serveAfter(mine.last, (pid) => (mine.last = pid))
      })
      .finally(async () => {
        mine.waiting--
        if (mine.waiting > 0 || !(await isForgotten(mine.last)) || mine.waiting > 0) return
        own.delete(run)
        if (own.size === 0) runs.delete(principal)
      })
    mine.end = served.catch(() => {})
    return served
  }

  /** Whether the law knows nothing of a run that ended with that process. */
  async function isForgotten(last: Pid | undefined): Promise<boolean> {
    if (last === undefined) return true
    const end = (await kernel.events(last)).findLast((event) => event.type === 'process-end')
    return end?.type === 'process-end' && end.standing === undefined
  }

  return {
    get models() {
      return kernel.cores.map(({ id }) => id)
    },
    embedder: kernel.embedder,
    generate,
    async embed({ model, texts, ...asked }, { signal } = {}) {
      let vectors: Embedded['vectors'] = []
      const program: Program<null, null> = {
        name: GATEWAY,
        version: '1',
        tools: [],
        ownToolsOnly: true,
        model: undefined,
        async run(sys) {
          vectors = await sys.embed(texts, model === undefined ? {} : { model })
          return null
        },
      }
      const run = kernel.spawn(program, null, optionsOf(asked))
      await ended(run, signal, undefined)
      return { vectors, inputTokens: run.usage.inputTokens, model: kernel.embedder as string }
    },
  }
}

interface RunInOrder {
  /** Its last process. */
  last: Pid | undefined
  /** Settles when that has ended. */
  end: Promise<unknown>
  /** Requests that are served or wait for their turn. */
  waiting: number
}

interface Listener {
  /** Aborted: nobody waits for the answer any more, and the process is killed for the reason of the signal. */
  readonly signal?: AbortSignal
  /** Hears the text as it comes. */
  readonly onText?: (delta: string) => void
}

type Said = Omit<ModelReply, 'pid'>

/** The program of one request: answers until there is something that the client may hear. */
async function serve(sys: Sys, { model, messages, tools = [], settings, deadlineMs }: ModelRequest): Promise<Said> {
  const denied: DeniedCall[] = []
  const conversation = [...messages]
  let text = ''
  let usage: CallUsage | undefined
  for (let round = 0; ; round++) {
    const answer = await sys.generate({
      ...settings,
      ...(model === undefined ? {} : { model }),
      messages: conversation,
      tools: tools.map(({ name }) => name),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    })
    text += answer.text
    usage = usage === undefined ? answer.usage : sumOf(usage, answer.usage)
    const toolCalls: ToolCall[] = []
    const errors: DeniedCall[] = []
    // One after another: whether one may be made can depend on those before it.
    for (const call of answer.toolCalls) {
      try {
        await sys.call(call.name, call.input)
        toolCalls.push(call)
      } catch (error) {
        errors.push({ call, error: toErrorData(error) })
      }
    }
    denied.push(...errors)
    if (errors.length === 0 || toolCalls.length > 0 || round === DENIED_ROUNDS_MAX)
      return { generation: { ...answer, text, usage }, toolCalls, denied }
    conversation.push(answer.message, { role: 'tool', content: errors.map(resultOf) })
  }
}

/** What the model is told of a call that was not let through. */
function resultOf({ call, error }: DeniedCall): LanguageModelV4ToolResultPart {
  return {
    type: 'tool-result',
    toolCallId: call.id,
    toolName: call.name,
    output: { type: 'error-text', value: `${error.code}: ${error.message}` },
  }
}

/** Resolves when the process has ended and all its text was heard; rejects with its error. */
async function ended(run: Run<null>, signal: AbortSignal | undefined, onText: Listener['onText']): Promise<void> {
  try {
    if (onText === undefined) await resultFor(run, signal)
    else await Promise.all([resultFor(run, signal), hear(run, onText)])
  } catch (error) {
    // Nobody hears it any more; where the process has ended, this does nothing.
    run.kill('its client could not be told')
    throw error
  }
}

async function hear(run: Run<null>, onText: (delta: string) => void): Promise<void> {
  for await (const event of run.events) if (event.type === 'text-delta') onText(event.delta)
}

function optionsOf({ caller, priority, budget }: Pick<ModelRequest, 'caller' | 'priority' | 'budget'>): RunOptions {
  return { ...runOptionsOf(caller, priority), ...(budget === undefined ? {} : { budget }) }
}

/** A tool whose calls are let through here and made by the client. Its arguments are the client's to check. */
function foreign({ name, description, inputSchema }: ToolDescription, known: ForeignTool = {}): Tool {
  try {
    return defineTool({
      ...known,
      name,
      description,
      effect: 'read',
      inputSchema: anything(inputSchema),
      execute: () => null,
    })
  } catch (error) {
    throw new PolityError('INVALID_ARGUMENT', messageOf(error), { cause: error })
  }
}

/** The words of the user. */
function wordsOf(messages: readonly Message[]): string[] {
  return messages.flatMap(({ role, content }) => {
    if (role !== 'user') return []
    if (typeof content === 'string') return [content]
    return content.flatMap((part) => (part.type === 'text' ? [part.text] : []))
  })
}

/** Labels of what the tools gave whose results stand in the conversation. */
function labelsOf(messages: readonly Message[], known: (name: string) => ForeignTool | undefined): string[] {
  const labels = new Set<string>()
  for (const { role, content } of messages) {
    if (role !== 'tool' || typeof content === 'string') continue
    for (const part of content)
      if (part.type === 'tool-result') for (const label of known(part.toolName)?.labels ?? []) labels.add(label)
  }
  return [...labels]
}
