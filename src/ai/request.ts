/**
 * What the AI SDK asks of a model, in the words of the model door, and what of it is not passed on. Pure.
 *
 *     door.generate({ ...requestOf(call), caller })
 *     const warnings = warningsOf(call)
 *
 * Invariants
 *   AQ1. What the caller gave is neither changed nor frozen: the kernel freezes the messages that it is given, so it is
 *        given copies.
 *   AQ2. A setting that is not passed on has a warning.
 */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  LanguageModelV4Message,
  SharedV4Warning,
} from '@ai-sdk/provider'
import type { ToolDescription } from '../kernel/types.ts'
import type { ModelRequest } from '../server/model-door.ts'

type Settings = NonNullable<ModelRequest['settings']>

export function requestOf(call: LanguageModelV4CallOptions): Pick<ModelRequest, 'messages' | 'tools' | 'settings'> {
  const { maxOutputTokens, temperature, topP, topK, seed, stopSequences, toolChoice } = call
  const tools = (call.tools ?? []).filter((tool) => tool.type === 'function')
  return {
    messages: call.prompt.map(messageOf),
    tools: tools.map(({ name, description = '', inputSchema }) => ({
      name,
      description,
      inputSchema: plain(inputSchema) as ToolDescription['inputSchema'],
    })),
    settings: {
      maxOutputTokens,
      temperature,
      topP,
      topK,
      seed,
      stopSequences,
      toolChoice: tools.length === 0 ? undefined : toolChoice,
      ...formatOf(call),
    },
  }
}

/** The form of the answer, and what goes to the providers as it is. */
function formatOf({
  responseFormat,
  providerOptions,
}: LanguageModelV4CallOptions): Pick<Settings, 'schema' | 'providerOptions'> {
  const { polity: _, ...others } = plain(providerOptions ?? {}) as NonNullable<Settings['providerOptions']>
  if (responseFormat?.type !== 'json') return { providerOptions: others }
  const { schema, name: title, description } = responseFormat
  if (schema !== undefined)
    return { schema: { title, description, ...(plain(schema) as Settings['schema']) }, providerOptions: others }
  // Any object: the kernel has no word for JSON without a schema, and no provider can be strict about this one.
  return {
    schema: { type: 'object', title, description },
    providerOptions: { ...others, openai: { strictJsonSchema: false, ...others['openai'] } },
  }
}

/** The message as plain data of our own, with the reasoning that a stream sent late in its place. */
function messageOf(message: LanguageModelV4Message): LanguageModelV4Message {
  const copy = plain(message) as LanguageModelV4Message
  if (copy.role !== 'assistant') return copy
  const leads = copy.content.filter(
    (part) => part.type === 'reasoning' && part.providerOptions?.['polity']?.['leads'] === true,
  )
  if (leads.length === 0) return copy
  for (const { providerOptions } of leads) delete providerOptions?.['polity']
  return { ...copy, content: [...leads, ...copy.content.filter((part) => !leads.includes(part))] }
}

/** Marks a reasoning that a stream sent after the text that it came before: providers want it back in its place. */
export const LEADS = { polity: { leads: true } }

/** Bytes as base64 and addresses as text, as providers write them out anyway; everything else as it is. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (value instanceof URL) return value.href
  if (Array.isArray(value)) return value.map(plain)
  const prototype: unknown = Object.getPrototypeOf(value)
  // No plain data: the kernel says what is wrong with it, and where it stands.
  if (prototype !== Object.prototype && prototype !== null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

// ------------------------------------------------------------------------------------------------------------ warnings

export function warningsOf(call: LanguageModelV4CallOptions): SharedV4Warning[] {
  const warnings: SharedV4Warning[] = []
  const warn = (isAsked: boolean, feature: string, details: string) =>
    void (isAsked && warnings.push(unsupported(feature, details)))
  const { presencePenalty, frequencyPenalty, reasoning = 'provider-default', includeRawChunks = false } = call
  warn(presencePenalty !== undefined, 'presencePenalty', 'The kernel has no word for it.')
  warn(frequencyPenalty !== undefined, 'frequencyPenalty', 'The kernel has no word for it.')
  warn(reasoning !== 'provider-default', 'reasoning', 'Say it in the providerOptions of the provider.')
  warn(includeRawChunks, 'includeRawChunks', 'The kernel keeps no raw chunks.')
  // The AI SDK says its own name with every call.
  const headers = Object.keys(call.headers ?? {}).filter(
    (name) => call.headers?.[name] !== undefined && name.toLowerCase() !== 'user-agent',
  )
  warn(headers.length > 0, 'headers', `Not sent: ${headers.join(', ')}.`)
  for (const tool of call.tools ?? []) {
    if (tool.type !== 'function') warn(true, `provider tool ${tool.id}`, 'The model is not told of it.')
    else
      for (const key of TOOL_EXTRAS)
        warn(tool[key] !== undefined, `${key} of the tool ${tool.name}`, 'The model is not told of it.')
  }
  return warnings
}

/** What a tool may say that is not passed on. */
const TOOL_EXTRAS = [
  'strict',
  'inputExamples',
  'providerOptions',
] as const satisfies (keyof LanguageModelV4FunctionTool)[]

export function unsupported(feature: string, details: string): SharedV4Warning {
  return { type: 'unsupported', feature, details }
}
