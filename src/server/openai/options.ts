/**
 * What a request asks of the model beside its messages, in the kernel's words: tools, the choice among them, the form of
 * the answer, sampling. Both of OpenAI's ways to ask are first brought into the plain forms of this file.
 *
 * What the kernel has no word for, and a provider may know (how hard to think, how much to say, one call at a time), goes to
 * the driver as OpenAI's provider options; a driver of another vendor passes it over.
 */
import type { GenerateRequest, Json, ToolDescription } from '../../kernel/types.ts'
import type { ModelRequest } from '../model-door.ts'
import { badField } from './errors.ts'

/** A function that the client can run. */
interface FunctionTool {
  readonly name: string
  readonly description?: string | null
  readonly parameters?: { readonly [key: string]: Json | undefined } | null
}

/** Which functions the model may or must call. */
export type FunctionChoice =
  | 'auto'
  | 'none'
  | 'required'
  | { readonly name: string }
  | { readonly mode: 'auto' | 'required'; readonly names: readonly string[] }

/** What both of OpenAI's ways to ask say by the same fields. */
interface SharedBody {
  readonly model?: string | null
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly parallel_tool_calls?: boolean | null
  readonly stream?: boolean | null
  readonly stream_options?: object | null
}

/** What a request asks of the model door, but for the messages. Throws `INVALID_ARGUMENT`. */
export function requestOf(
  { model, temperature, top_p: topP, parallel_tool_calls: parallelToolCalls, stream, stream_options }: SharedBody,
  tools: readonly FunctionTool[],
  choice: FunctionChoice | undefined,
  options: Omit<AnswerOptions, 'temperature' | 'topP' | 'parallelToolCalls'>,
): Pick<ModelRequest, 'model' | 'tools' | 'settings'> {
  const { tools: offered, toolChoice } = toolsOf(tools, choice)
  const settings = settingsOf({ temperature, topP, parallelToolCalls, ...options })
  if (toolChoice !== undefined) settings.toolChoice = toolChoice
  if (stream !== true && stream_options !== undefined && stream_options !== null)
    throw badField('stream_options', "'stream_options' is only allowed when 'stream' is true.")
  return { model: typeof model === 'string' ? model : undefined, tools: offered, settings }
}

/** The tools of a request and the choice among them. Throws `INVALID_ARGUMENT`. */
function toolsOf(
  tools: readonly FunctionTool[],
  choice: FunctionChoice | undefined,
): { readonly tools?: readonly ToolDescription[]; readonly toolChoice?: GenerateRequest['toolChoice'] } {
  const names = new Set<string>()
  for (const [i, { name }] of tools.entries()) {
    if (names.has(name)) throw badField(`tools[${i}]`, `Two tools are named '${name}'; names must differ.`)
    names.add(name)
  }
  if (tools.length === 0) {
    if (choice === undefined || choice === 'none' || choice === 'auto') return {}
    throw badField('tool_choice', "'tool_choice' is only allowed when 'tools' are given.")
  }
  let offered = tools
  let toolChoice: GenerateRequest['toolChoice']
  if (typeof choice === 'string') toolChoice = { type: choice }
  else if (choice !== undefined) {
    const chosen = 'name' in choice ? [choice.name] : choice.names
    const missing = chosen.find((name) => !names.has(name))
    if (missing !== undefined) throw badField('tool_choice', `Tool choice '${missing}' is not among the 'tools'.`)
    if ('name' in choice) toolChoice = { type: 'tool', toolName: choice.name }
    else {
      toolChoice = { type: choice.mode }
      offered = tools.filter(({ name }) => chosen.includes(name))
    }
  }
  return { tools: offered.map(describedTool), ...(toolChoice === undefined ? {} : { toolChoice }) }
}

/** A function as the kernel has it. */
export function describedTool({ name, description, parameters }: FunctionTool): ToolDescription {
  return { name, description: description ?? '', inputSchema: parameters ?? { type: 'object', properties: {} } }
}

/** What the answer should look like. */
export type AnswerFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | {
      readonly type: 'json_schema'
      readonly schema: { readonly [key: string]: Json | undefined }
      readonly strict?: boolean | null
    }

/** What a request may say of how the model answers; null and undefined both mean nothing. */
interface AnswerOptions {
  readonly temperature?: number | null
  readonly topP?: number | null
  readonly seed?: number | null
  readonly maxOutputTokens?: number | null
  readonly stop?: readonly string[] | null
  readonly format?: AnswerFormat
  readonly parallelToolCalls?: boolean | null
  readonly reasoningEffort?: string | null
  readonly verbosity?: string | null
}

type Settings = {
  -readonly [Key in keyof NonNullable<ModelRequest['settings']>]: NonNullable<ModelRequest['settings']>[Key]
}

/** The settings of the model call. */
export function settingsOf(options: AnswerOptions): Settings {
  const settings: Settings = {}
  const forProvider: { [key: string]: Json } = {}
  const { temperature, topP, seed, maxOutputTokens, stop, format } = options
  if (typeof temperature === 'number') settings.temperature = temperature
  if (typeof topP === 'number') settings.topP = topP
  if (typeof seed === 'number') settings.seed = seed
  if (typeof maxOutputTokens === 'number') settings.maxOutputTokens = maxOutputTokens
  if (stop !== undefined && stop !== null && stop.length > 0) settings.stopSequences = stop
  if (format?.type === 'json_schema') {
    settings.schema = format.schema
    forProvider['strictJsonSchema'] = format.strict ?? false
  } else if (format?.type === 'json_object') {
    // Any object: the kernel has no word for JSON without a schema, and no provider can be strict about this one.
    settings.schema = { type: 'object' }
    forProvider['strictJsonSchema'] = false
  }
  if (typeof options.parallelToolCalls === 'boolean') forProvider['parallelToolCalls'] = options.parallelToolCalls
  if (typeof options.reasoningEffort === 'string') forProvider['reasoningEffort'] = options.reasoningEffort
  if (typeof options.verbosity === 'string') forProvider['textVerbosity'] = options.verbosity
  if (Object.keys(forProvider).length > 0) settings.providerOptions = { openai: forProvider }
  return settings
}
