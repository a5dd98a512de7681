/**
 * The request of a `generate` call: as given, as checked, as journaled.
 */
import type { LanguageModelV4Message } from '@ai-sdk/provider'
import { PolityError, invalid } from './errors.ts'
import { unknownKey } from './known-keys.ts'
import type { Limits } from './limits.ts'
import { epochOf, knowMessage } from './messages.ts'
import { listFor, toPlain } from './plain.ts'
import type { Process } from './process.ts'
import type { CallStart, GenerateRequest, Json, Message, ModelChoice } from './types.ts'

/** A request as checked: messages in the driver's form and frozen; everything else plain. */
export interface CheckedRequest {
  readonly messages: readonly LanguageModelV4Message[]
  readonly models: readonly string[]
  /** The program named no model: these are the default at the time of the call. */
  readonly isDefault: boolean
  readonly options: { readonly [key: string]: Json | undefined }
  readonly tools: readonly string[]
  /** Compactions of the window that the messages came from; 0 also where they came from none. */
  readonly epoch: number
  /** Number of its call. */
  readonly n: number
}

const partKeys = new Set(['model', 'instructions', 'prompt', 'messages', 'tools'])
const optionKeys = new Set([
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'seed',
  'stopSequences',
  'schema',
  'toolChoice',
  'providerOptions',
  'deadlineMs',
])
/** All that a request may say. */
export const requestKeys: ReadonlySet<string> = new Set([...partKeys, ...optionKeys])

/** The request of call `n`, checked; throws `INVALID_ARGUMENT`, `NO_SUCH_MODEL`, `NO_SUCH_TOOL`. */
export function checkRequest(
  request: GenerateRequest | string,
  process: Process,
  n: number,
  defaultModel: ModelChoice | undefined,
  limits: Limits,
): CheckedRequest {
  if (typeof request === 'string') request = { prompt: request }
  if (typeof request !== 'object' || request === null)
    throw invalid('generate', 'a prompt or a request object', request)
  let options: { [key: string]: Json | undefined } | undefined
  for (const key in request) {
    if (partKeys.has(key)) continue
    if (!optionKeys.has(key)) throw unknownKey('generate', key, requestKeys)
    const value = request[key as 'seed'] as unknown
    if (value !== undefined)
      (options ??= {})[key] = checkOption(
        key,
        toPlain(value, () => `generate.${key}`, limits.valueBytesMax),
      )
  }
  const { instructions, prompt } = request
  if (instructions !== undefined && typeof instructions !== 'string')
    throw invalid('generate.instructions', 'text', instructions)
  if ((prompt === undefined) === (request.messages === undefined))
    throw invalid('generate', 'either prompt or messages', prompt === undefined ? 'neither' : 'both')
  let messages: LanguageModelV4Message[]
  if (prompt !== undefined) {
    if (typeof prompt !== 'string') throw invalid('generate.prompt', 'text', prompt)
    messages = [knowMessage({ role: 'user', content: prompt }, 'generate.prompt', undefined, limits)]
  } else {
    if (!Array.isArray(request.messages)) throw invalid('generate.messages', 'a list of messages', request.messages)
    const { length } = request.messages
    messages = listFor(length)
    for (let i = 0; i < length; i++)
      messages[i] = knowMessage(request.messages[i] as Message, 'generate.messages', i, limits)
  }
  if (instructions !== undefined) messages = [instructionsOf(instructions, process, limits), ...messages]
  const named = request.model
  const isDefault = named === undefined
  const choice = isDefault ? (modelsBefore(process, n) ?? process.program.model ?? defaultModel) : named
  if (choice === undefined)
    throw new PolityError(
      'NO_SUCH_MODEL',
      'the call names no model, and neither its program nor the kernel has a default',
    )
  const models = typeof choice === 'string' ? nameOf(choice) : namesOf(choice, lastModels, 'generate.model', limits)
  if (models === undefined || models.length === 0)
    throw invalid('generate.model', '"provider/model" or a list of such names', choice)
  lastModels = models
  const tools = request.tools === undefined ? NO_NAMES : namesOf(request.tools, lastTools, 'generate.tools', limits)
  if (tools === undefined) throw invalid('generate.tools', 'a list of names of held tools', request.tools)
  lastTools = tools
  for (let i = 0; i < tools.length; i++) {
    const tool: unknown = tools[i]
    if (!process.tools.has(tool as string))
      throw new PolityError(
        'NO_SUCH_TOOL',
        `process ${process.pid} holds no tool "${String(tool)}"; it holds ${[...process.tools.keys()].join(', ') || 'none'}`,
      )
  }
  const max = options?.['maxOutputTokens']
  if (max !== undefined && !(typeof max === 'number' && Number.isSafeInteger(max) && max >= 1))
    throw invalid('generate.maxOutputTokens', 'a whole number of at least 1', max)
  const epoch = request.messages === undefined ? 0 : (epochOf(request.messages) ?? 0)
  return { messages, models, isDefault, options: options ?? NO_OPTIONS, tools, epoch, n }
}

/** The default that the same call took in the journal: one that was changed since is for new calls only. */
function modelsBefore({ past }: Process, n: number): readonly string[] | undefined {
  const args = past?.starts[n]?.args as { readonly models?: readonly string[]; readonly default?: unknown } | undefined
  return args?.default === true ? args.models : undefined
}

const NO_NAMES: readonly string[] = Object.freeze([])

/** The lists of names that were asked for last: most requests ask for the same, and share one frozen list. */
let lastModels = NO_NAMES
let lastTools = NO_NAMES

function nameOf(model: string): readonly string[] {
  return lastModels.length === 1 && lastModels[0] === model ? lastModels : Object.freeze([model])
}

/** Names as a frozen list, `last` where they are the same; undefined where they are no names. */
function namesOf(given: unknown, last: readonly string[], at: string, limits: Limits): readonly string[] | undefined {
  if (Array.isArray(given) && given.length === last.length) {
    let same = 0
    while (same < last.length && given[same] === last[same]) same++
    if (same === last.length) return last
  }
  const names = toPlain(given, at, limits.valueBytesMax)
  return Array.isArray(names) && names.every((one) => typeof one === 'string') ? names : undefined
}

/** The same instructions as in the last request are the same message, so that what follows them is known too. */
function instructionsOf(instructions: string, process: Process, limits: Limits): LanguageModelV4Message {
  const [first] = process.lastPrompt?.messages ?? []
  if (first?.role === 'system' && first.content === instructions) return first
  return knowMessage({ role: 'system', content: instructions }, 'generate.instructions', undefined, limits)
}

/** An option as its driver will get it, of the kind that it should be. */
function checkOption(key: string, value: Json): Json {
  switch (key) {
    case 'maxOutputTokens':
      return value
    case 'stopSequences':
      if (!Array.isArray(value) || value.some((one) => typeof one !== 'string'))
        throw invalid(`generate.${key}`, 'a list of texts', value)
      return value
    case 'schema':
    case 'providerOptions':
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        throw invalid(`generate.${key}`, 'an object', value)
      return value
    case 'toolChoice':
      if (!toolChoices.has((value as { type?: unknown } | null)?.type))
        throw invalid(`generate.${key}`, '{ type: "auto" }, "none", "required" or "tool" with toolName', value)
      return value
    case 'deadlineMs':
      if (typeof value !== 'number' || value < 0) throw invalid(`generate.${key}`, 'ms of at least 0', value)
      return value
    default:
      if (typeof value !== 'number') throw invalid(`generate.${key}`, 'a number', value)
      return value
  }
}

const toolChoices = new Set<unknown>(['auto', 'none', 'required', 'tool'])
/** Of a request that says no more than what is sent. */
export const NO_OPTIONS = Object.freeze({})

/**
 * The request as journaled. Messages that stood at the beginning of this process's last request are named, not repeated:
 * `{ like: n, keep: k, add: […] }`. A long conversation is so written once, not once a step. A window that was compacted
 * says how often, as `epoch`. Where the program named no model, `default` says so: what is compared when the call is made
 * again is what the program says.
 */
export function toJournal(request: CheckedRequest, process: Process): Json {
  const { messages, models, isDefault, options, tools, epoch } = request
  const last = process.lastPrompt
  let keep = 0
  if (last !== undefined)
    while (keep < messages.length && keep < last.messages.length && messages[keep] === last.messages[keep]) keep++
  process.lastPrompt = request
  const added = last !== undefined && keep > 0 ? { like: last.n, keep, add: messages.slice(keep) } : { add: messages }
  const prompt = epoch > 0 ? { ...added, epoch } : added
  return (isDefault
    ? { models, default: true, tools, options, messages: prompt }
    : { models, tools, options, messages: prompt }) as unknown as Json
}

/** Messages of a journaled `generate`, whole again. `starts` are the calls of the same process by number. */
export function expandMessages(
  start: CallStart,
  starts: readonly (CallStart | undefined)[],
): readonly LanguageModelV4Message[] {
  /** The last first. */
  const parts: (readonly LanguageModelV4Message[])[] = []
  /** Of the request at hand, how many of its first messages are wanted. */
  let wanted = Infinity
  let at: CallStart | undefined = start
  while (at !== undefined && wanted > 0) {
    const { like, keep = 0, add }: JournaledMessages = (at.args as unknown as { messages: JournaledMessages }).messages
    parts.push(add.slice(0, Math.max(0, wanted - keep)))
    wanted = Math.min(keep, wanted)
    at = like === undefined ? undefined : starts[like]
  }
  return parts.toReversed().flat()
}

/** The messages of a `generate` as the journal has them. */
export interface JournaledMessages {
  /** Compactions of the window they came from. @default 0 */
  readonly epoch?: number
  readonly like?: number
  readonly keep?: number
  readonly add: readonly LanguageModelV4Message[]
}
