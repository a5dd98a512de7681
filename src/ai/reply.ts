/**
 * What the model door answered, as the AI SDK hears it: whole, or as a stream. Pure but for the stream.
 *
 *     const result = resultOf(await ask(call.abortSignal), warnings)
 *     const { stream } = await streamOf(ask, call.abortSignal, warnings, modelId)
 *
 * Invariants
 *   AR1. What a stream said, in the order in which it said it, is the beginning of the answer; where it is not, because
 *        the model began anew in the middle, the stream ends with an error.
 *   AR2. A call that fails before it said anything fails as a call, not as a stream, so that it can be tried again.
 *   AR3. Who cancels the stream, or aborts, ends what it streams.
 */
import type {
  LanguageModelV4Content,
  LanguageModelV4GenerateResult,
  LanguageModelV4Message,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  SharedV4ProviderMetadata,
  SharedV4Warning,
} from '@ai-sdk/provider'
import { PolityError } from '../kernel/errors.ts'
import type { ModelReply } from '../server/model-door.ts'
import { callError } from './errors.ts'
import { LEADS } from './request.ts'

/** What an answer says in `providerMetadata.polity`. */
export type PolityMetadata = Pick<ModelReply, 'pid' | 'denied'> & {
  /** US dollars by the price table; 0 without a price. */
  readonly usd: number
}

type Content = Extract<LanguageModelV4Content, { type: 'text' | 'reasoning' | 'tool-call' }>

export function resultOf(reply: ModelReply, warnings: SharedV4Warning[]): LanguageModelV4GenerateResult {
  const { said, content } = contentOf(reply)
  const result = { content, response: metadataOf(reply), warnings, ...endOf(reply) }
  if (said === '') return result
  // What the model said before it was denied is no part of a structured answer.
  const structuredOutputText = reply.generation.text.slice(said.length)
  return { ...result, content: [{ type: 'text', text: said }, ...content], structuredOutputText }
}

/** The last answer, without the calls that were not let through; `said` is the text of those before it. */
function contentOf({ generation, toolCalls }: ModelReply): { readonly said: string; readonly content: Content[] } {
  const ids = new Set(toolCalls.map(({ id }) => id))
  const content: Content[] = []
  let length = 0
  for (const part of generation.message.content as Extract<LanguageModelV4Message, { role: 'assistant' }>['content']) {
    // What the provider wants back with the part.
    const { providerOptions: providerMetadata } = part
    if (part.type === 'text' || part.type === 'reasoning') {
      content.push({ type: part.type, text: part.text, providerMetadata })
      if (part.type === 'text') length += part.text.length
    } else if (part.type === 'tool-call' && ids.has(part.toolCallId)) {
      const { type, toolCallId, toolName, input } = part
      // A text is what the model wrote in place of JSON: the program may know how to mend it.
      const json = typeof input === 'string' ? input : JSON.stringify(input)
      content.push({ type, toolCallId, toolName, input: json, providerMetadata })
    }
  }
  return { said: generation.text.slice(0, generation.text.length - length), content }
}

function metadataOf({ pid, generation }: ModelReply): { id: string; modelId: string } {
  return { id: `polity-${pid}`, modelId: generation.model }
}

function endOf({
  pid,
  denied,
  toolCalls,
  generation,
}: ModelReply): Pick<LanguageModelV4GenerateResult, 'finishReason' | 'usage' | 'providerMetadata'> {
  const { finishReason: raw, usage } = generation
  const { inputTokens: total, cachedTokens: cacheRead, outputTokens, usd } = usage
  const polity: PolityMetadata = { pid, usd, denied }
  return {
    // A program that hears of no call has none to make, whatever the model asked for.
    finishReason: { unified: raw === 'tool-calls' && toolCalls.length === 0 ? 'stop' : raw, raw },
    usage: {
      inputTokens: { total, noCache: total - cacheRead, cacheRead, cacheWrite: undefined },
      outputTokens: { total: outputTokens, text: undefined, reasoning: undefined },
    },
    providerMetadata: { polity } as unknown as SharedV4ProviderMetadata,
  }
}

// -------------------------------------------------------------------------------------------------------------- stream

/** Makes the call. Rejects with what the AI SDK understands. */
export type Ask = (signal: AbortSignal, onText: (delta: string) => void) => Promise<ModelReply>

/** The stream, once there is something to say. Text is told as it comes, everything else at the end. */
export function streamOf(
  ask: Ask,
  abortSignal: AbortSignal | undefined,
  warnings: SharedV4Warning[],
  modelId: string,
): Promise<LanguageModelV4StreamResult> {
  const left = new AbortController()
  const signal = abortSignal === undefined ? left.signal : AbortSignal.any([abortSignal, left.signal])
  let out!: ReadableStreamDefaultController<LanguageModelV4StreamPart>
  const stream = new ReadableStream<LanguageModelV4StreamPart>({
    start: (controller) => void (out = controller),
    cancel: (reason) => left.abort(reason),
  })
  const send = (part: LanguageModelV4StreamPart): void => void (signal.aborted || out.enqueue(part))
  let isOpen = false
  let text = ''
  return new Promise((resolve, reject) => {
    const open = (): void => {
      if (isOpen) return
      isOpen = true
      send({ type: 'stream-start', warnings })
      resolve({ stream })
    }
    const onText = (delta: string): void => {
      if (delta === '') return
      open()
      if (text === '') send({ type: 'text-start', id: TEXT })
      text += delta
      send({ type: 'text-delta', id: TEXT, delta })
    }
    const onReply = (reply: ModelReply): void => {
      const { generation } = reply
      signal.throwIfAborted()
      if (!generation.text.startsWith(text)) {
        const anew = `${generation.model} was interrupted and began its answer anew; what was streamed does not belong to it`
        throw callError(new PolityError('DRIVER_FAILED', anew), modelId)
      }
      onText(generation.text.slice(text.length))
      open()
      for (const part of restOf(reply)) send(part)
      out.close()
    }
    const onError = (error: unknown): void => {
      if (!isOpen) return reject(error)
      if (left.signal.aborted) return
      if (signal.aborted) return out.error(error)
      send({ type: 'error', error })
      out.close()
    }
    ask(signal, onText).then(onReply).catch(onError)
  })
}

/** Id of the one block of text. */
const TEXT = 'text'

/** What follows the deltas of the text. */
function* restOf(reply: ModelReply): Generator<LanguageModelV4StreamPart> {
  const { said, content } = contentOf(reply)
  const texts = content.filter(({ type }) => type === 'text')
  if (reply.generation.text !== '') {
    // What belongs to one text does not belong to all of them together.
    const [only] = said === '' && texts.length === 1 ? texts : []
    yield { type: 'text-end', id: TEXT, providerMetadata: only?.providerMetadata }
  }
  const firstText = content.findIndex(({ type }) => type === 'text')
  for (const [i, part] of content.entries()) {
    if (part.type === 'reasoning') {
      const id = `reasoning-${i}`
      const providerMetadata = i < firstText ? { ...part.providerMetadata, ...LEADS } : part.providerMetadata
      yield { type: 'reasoning-start', id, providerMetadata }
      yield { type: 'reasoning-delta', id, delta: part.text }
      yield { type: 'reasoning-end', id, providerMetadata }
    } else if (part.type === 'tool-call') {
      const { toolCallId: id, toolName, input } = part
      yield { type: 'tool-input-start', id, toolName }
      yield { type: 'tool-input-delta', id, delta: input }
      yield { type: 'tool-input-end', id }
      yield part
    }
  }
  yield { type: 'response-metadata', ...metadataOf(reply) }
  yield { type: 'finish', ...endOf(reply) }
}
