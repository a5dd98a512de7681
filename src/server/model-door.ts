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
import { dropOldest } from '../kernel/drop-oldest.ts'
import type { ErrorData } from '../kernel/errors.ts'
import { PolityError, messageOf, toErrorData } from '../kernel/errors.ts'
import type { Kernel, Run } from '../kernel/kernel.ts'
import { defineTool, describeTool } from '../kernel/tools.ts'
import { sumOf } from '../kernel/turns.ts'
import type {
  Budget,
  Generation,
  GenerateRequest,
  Json,
  Message,
  Pid,
  Program,
  RunEvent,
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
import type { RunStanding } from './runs.ts'
import { createNamedRuns } from './runs.ts'

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
   * ended, also where the journal of that is gone. The names are the principal's own, and this door's; what the law knows
   * of them is remembered until the door is made anew (runs.ts). @default a run of its own
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
/** Lists of tools that are kept as the kernel has them, and the longest, characters of JSON: 32 kinds of agents, a coding agent's 50,000 twice over. */
const TOOL_LISTS_MAX = 32
const TOOL_LIST_CHARS_MAX = 131_072
const NO_TOOLS: readonly Tool[] = Object.freeze([])

export function createModelDoor(kernel: Kernel, { tools = {} }: ModelDoorOptions = {}): ModelDoor {
  const known = foreignToolsOf(tools)
  const runs = createNamedRuns()
  /** By the text of a list of tools as models see it: agents send the same list with each request, and a hundred of them the same. */
  const toolLists = new Map<string, readonly Tool[]>()
  endLeftOvers(kernel, [GATEWAY])

  /**
   * The tools of a request, as the kernel has them; of equal lists one is kept. Throws `INVALID_ARGUMENT`, `TOO_LARGE`.
   *
   * Looked up by what was checked: the text of what was given is that of others too (`1e999` and `null`), and one client's
   * tools would be another's.
   */
  function toolsOf(given: readonly ToolDescription[] = []): readonly Tool[] {
    if (given.length === 0) return NO_TOOLS
    const made = Object.freeze(given.map((tool) => foreign(tool, known(tool.name))))
    const text = JSON.stringify(made.map(describeTool))
    const found = toolLists.get(text)
    if (found !== undefined) return found
    if (text.length > TOOL_LIST_CHARS_MAX) return made
    if (toolLists.size >= TOOL_LISTS_MAX) dropOldest(toolLists)
    toolLists.set(text, made)
    return made
  }

  function generate(request: ModelRequest, listener: Listener = {}): Promise<ModelReply> {
    if (request.run !== undefined) return inOrder(request, request.run, listener)
    try {
      return ask(request, undefined, listener).reply
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  function ask(
    request: ModelRequest,
    behind: RunStanding | undefined,
    { signal, onText }: Listener,
  ): { readonly run: Run<null>; readonly reply: Promise<ModelReply> } {
    const served: Served = { request, said: undefined }
    const program: Program<Json, null> = {
      name: GATEWAY,
      version: '1',
      tools: toolsOf(request.tools),
      ownToolsOnly: true,
      model: undefined,
      run: (sys) => serve(sys, served),
    }
    const labels = labelsOf(request.messages, known)
    const run = kernel.spawn(
      program,
      { asked: wordsOf(request.messages) },
      {
        ...optionsOf(request),
        ...(labels.length === 0 ? {} : { labels }),
        ...behind?.options(),
      },
    )
    const { pid } = run
    return { run, reply: ended(run, signal, onText).then(() => ({ ...(served.said as Said), pid })) }
  }

  /** What a run has done is known once it has ended: who comes next waits for that. */
  async function inOrder(request: ModelRequest, name: string, listener: Listener): Promise<ModelReply> {
    const mine = runs.enter(request.caller.principal, name)
    try {
      return await mine.inTurn(() => {
        if (listener.signal?.aborted === true) throw whyAborted(listener.signal)
        const { run, reply } = ask(request, mine, listener)
        return reply.finally(() => mine.ended(run.standing))
      })
    } finally {
      mine.left()
    }
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

interface Listener {
  /** Aborted: nobody waits for the answer any more, and the process is killed for the reason of the signal. */
  readonly signal?: AbortSignal
  /** Hears the text as it comes. */
  readonly onText?: (delta: string) => void
}

type Said = Omit<ModelReply, 'pid'>

/** A request, and what the client may hear, once it is known. */
interface Served {
  readonly request: ModelRequest
  said: Said | undefined
}

/** The program of one request: answers until there is something that the client may hear. No frame waits for what nearly all answers are. */
function serve(sys: Sys, served: Served): Promise<null> {
  const { request } = served
  return answerTo(sys, request, request.messages).then(async (generation) => {
    served.said =
      generation.toolCalls.length === 0
        ? { generation, toolCalls: [], denied: [] }
        : await letThrough(sys, request, generation)
    return null
  })
}

function answerTo(
  sys: Sys,
  { model, tools = [], settings, deadlineMs }: ModelRequest,
  messages: readonly Message[],
): Promise<Generation> {
  return sys.generate({
    ...settings,
    ...(model === undefined ? {} : { model }),
    messages,
    tools: tools.map(({ name }) => name),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  })
}

/** The calls of an answer that the law lets through; where it lets none, those of the next. */
async function letThrough(sys: Sys, request: ModelRequest, first: Generation): Promise<Said> {
  const denied: DeniedCall[] = []
  const conversation = [...request.messages]
  let answer = first
  let text = answer.text
  let usage = answer.usage
  for (let round = 0; ; round++) {
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
    answer = await answerTo(sys, request, conversation)
    text += answer.text
    usage = sumOf(usage, answer.usage)
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
function ended(run: Run<null>, signal: AbortSignal | undefined, onText: Listener['onText']): Promise<null> {
  return resultFor(run, signal, onText === undefined ? undefined : hear(run, onText)).catch((error: unknown) => {
    // Nobody hears it any more; where the process has ended, this does nothing.
    run.kill('its client could not be told')
    throw error
  })
}

/** Resolves once all was heard. By hand and not by `for await`: that would keep two frames for each answer that comes. */
function hear(run: Run<null>, onText: (delta: string) => void): Promise<void> {
  const events = run.events[Symbol.asyncIterator]()
  return new Promise((resolve, reject) => {
    const next = (): void => void events.next().then(take, reject)
    const take = ({ done, value }: IteratorResult<RunEvent, unknown>): void => {
      if (done === true) return resolve()
      try {
        if (value.type === 'text-delta') onText(value.delta)
      } catch (error) {
        void events.return?.()
        return reject(error as Error)
      }
      next()
    }
    next()
  })
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
      execute: nothing,
    })
  } catch (error) {
    throw new PolityError('INVALID_ARGUMENT', messageOf(error), { cause: error })
  }
}

/** The client makes the call. */
function nothing(): null {
  return null
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
