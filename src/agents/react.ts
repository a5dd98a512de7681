/**
 * ReAct (Yao et al. 2023, "ReAct: synergizing reasoning and acting in language models"): the model thinks and asks for
 * tools, the tools answer, until the model answers without asking for one.
 *
 *     const clerk = defineAgent({ name: 'clerk', instructions: 'Pay what is due.', tools: [transfer] })
 *
 * A failed tool call is an observation, not the end of the run; its error goes to the model. So is a result that the window
 * has no room for: the model reads how large it is, and asks for less. When `stepsMax` is reached, the model is asked once
 * more without tools, so a run ends with an answer and not in the middle.
 */
import type { Context } from '../kernel/context.ts'
import { CONTEXT_TOKENS_MIN, openContext } from '../kernel/context.ts'
import { PolityError, invalid, toErrorData } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import { defineProgram } from '../kernel/program.ts'
import { boundTokens } from '../kernel/token-bound.ts'
import type { Json, Message, ModelChoice, Program, Sys, Tool, ToolCall } from '../kernel/types.ts'
import type { CompactionChoice, CompactionName } from './compactions.ts'
import { compactionNames, compactionOf, isCompactionName } from './compactions.ts'

export interface LoopOptions {
  /** Names of held tools. @default all held */
  readonly tools?: readonly string[]
  /** Model calls before the model has to answer without tools. Minimum 1. @default 20 */
  readonly stepsMax?: number
  readonly temperature?: number
}

/** The loop itself, for programs that need it inside: goes on in the given context until the model answers; returns its text. */
export async function toolLoop(
  sys: Sys,
  context: Context,
  { tools = sys.tools.map((tool) => tool.name), stepsMax = 20, temperature }: LoopOptions = {},
): Promise<string> {
  for (let step = 1; ; step++) {
    const mayCall = step < stepsMax && tools.length > 0
    const answer = await sys.generate({
      messages: context.messages,
      ...(tools.length > 0 ? { tools } : {}),
      ...(mayCall || tools.length === 0 ? {} : { toolChoice: { type: 'none' } as const }),
      ...(temperature === undefined ? {} : { temperature }),
    })
    await context.append(answer)
    if (answer.toolCalls.length === 0 || !mayCall) return answer.text
    await context.append(await observe(sys, answer.toolCalls, context.room))
  }
}

/**
 * Runs tool calls side by side and makes one message of what came back, in the order in which they were asked. `tokensMax`
 * is what they may take together; a result that is larger than its share is an error that says so. @default no limit
 */
export async function observe(sys: Sys, calls: readonly ToolCall[], tokensMax = Infinity): Promise<Message> {
  const share = Math.floor(tokensMax / calls.length)
  const outputs = await Promise.all(calls.map((call) => outputOf(sys, call, share)))
  const content = calls.map(({ id, name }, i) => ({
    type: 'tool-result' as const,
    toolCallId: id,
    toolName: name,
    output: outputs[i],
  }))
  return { role: 'tool', content } as unknown as Message
}

/** What the model reads of one call. */
async function outputOf(sys: Sys, { name, input }: ToolCall, tokensMax: number): Promise<object> {
  try {
    const output = await sys.call(name, input)
    const tokens = tokensMax === Infinity ? 0 : tokensOf(output)
    if (tokens > tokensMax)
      throw new PolityError(
        'TOO_LARGE',
        `the result takes about ${tokens} tokens, and the context window has room for ${tokensMax}; ask for less at once`,
      )
    return typeof output === 'string' ? { type: 'text', value: output } : { type: 'json', value: output }
  } catch (error) {
    // The end of the process is not an observation of it.
    if (PolityError.isInstance(error) && error.code === 'KILLED') throw error
    const { code, message } = toErrorData(error)
    return { type: 'error-text', value: `${code}: ${message}` }
  }
}

function tokensOf(output: Json): number {
  return Math.ceil(boundTokens(typeof output === 'string' ? output : JSON.stringify(output)))
}

export interface ReactInput extends LoopOptions {
  readonly question: string
  readonly instructions?: string
  /** Size of the context window, tokens. @default 100,000 */
  readonly contextTokens?: number
  /** What becomes of a full window. @default 'recent' */
  readonly compaction?: CompactionName
}

export const react = defineProgram(
  'react',
  async (sys, { question, instructions, contextTokens, compaction = 'recent', ...loop }: ReactInput) => {
    const context = openContext({
      ...(instructions === undefined ? {} : { instructions }),
      ...(contextTokens === undefined ? {} : { tokensMax: contextTokens }),
      compaction: compactionOf(sys, compaction),
    })
    await context.append({ role: 'user', content: question })
    return toolLoop(sys, context, loop)
  },
)

export interface AgentDefinition extends LoopOptions {
  readonly name: string
  readonly version?: string
  readonly instructions: string
  readonly model?: ModelChoice
  /** Size of the context window, tokens. @default 100,000 */
  readonly contextTokens?: number
  /** What becomes of a full window. @default 'recent' */
  readonly compaction?: CompactionChoice
}

/** An agent as a program that says what it was made of; `polity lint` reads that. */
export interface Agent extends Program<Json, string> {
  readonly definition: AgentDefinition
}

const agentKeys: KeysOf<AgentDefinition> = {
  name: true,
  version: true,
  instructions: true,
  tools: true,
  model: true,
  contextTokens: true,
  compaction: true,
  stepsMax: true,
  temperature: true,
}

/**
 * An agent: ReAct with its own instructions, tools and model. Its input is a text or any JSON; its output is a text. Throws
 * `CONFIG_INVALID`.
 */
export function defineAgent(agent: Omit<AgentDefinition, 'tools'> & { readonly tools?: readonly Tool[] }): Agent {
  checkKeys('defineAgent', agent, agentKeys)
  checkAgent(agent)
  const { name, version, instructions, tools, model, contextTokens, compaction, ...loop } = agent
  const program = defineProgram(
    name,
    async (sys, input: Json) => {
      const context = openContext({
        instructions,
        ...(contextTokens === undefined ? {} : { tokensMax: contextTokens }),
        compaction: compactionOf(sys, compaction ?? 'recent'),
      })
      await context.append({ role: 'user', content: typeof input === 'string' ? input : JSON.stringify(input) })
      return toolLoop(sys, context, loop)
    },
    {
      ...(version === undefined ? {} : { version }),
      ...(tools === undefined ? {} : { tools }),
      ...(model === undefined ? {} : { model }),
    },
  )
  const definition = {
    name,
    instructions,
    ...loop,
    ...(compaction === undefined ? {} : { compaction }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(version === undefined ? {} : { version }),
    ...(model === undefined ? {} : { model }),
    tools: program.tools.map((tool) => tool.name),
  }
  return Object.freeze({ ...program, definition: Object.freeze(definition) })
}

/** What would fail, or do something else, only once the agent runs. */
function checkAgent({
  name,
  instructions,
  contextTokens,
  compaction,
  stepsMax,
  temperature,
}: { readonly [K in keyof AgentDefinition]?: unknown }): void {
  const wrong = (what: string, expected: string, value: unknown): PolityError =>
    new PolityError(
      'CONFIG_INVALID',
      invalid(`agent ${JSON.stringify(name ?? null)}: ${what}`, expected, value).message,
    )
  if (typeof instructions !== 'string') throw wrong('instructions', 'a text', instructions)
  if (stepsMax !== undefined && !(Number.isSafeInteger(stepsMax) && (stepsMax as number) >= 1))
    throw wrong('stepsMax', 'a whole number of at least 1', stepsMax)
  if (contextTokens !== undefined && !(typeof contextTokens === 'number' && contextTokens >= CONTEXT_TOKENS_MIN))
    throw wrong('contextTokens', `a number of at least ${CONTEXT_TOKENS_MIN}`, contextTokens)
  if (temperature !== undefined && !Number.isFinite(temperature)) throw wrong('temperature', 'a number', temperature)
  if (compaction !== undefined && typeof compaction !== 'function' && !isCompactionName(compaction))
    throw wrong('compaction', `a function, or one of ${compactionNames.join(', ')}`, compaction)
}
