/**
 * What of its prompts a process sent again unchanged: the part that a provider's prompt cache can pay for (promise 7).
 *
 *     cachedPrefix(await kernel.events(pid))         // { share: 0.83, cachedShare: 0.8, compactions: 1, changes: [] … }
 *     assertPrefixesKept(await kernel.events(pid))   // in a test: throws where a byte that was sent has changed
 *
 * Read from the journal, prompt by prompt. A prompt is held against the last one of its window: the last that began with the
 * same instructions and the same first message. Two windows of one process that begin alike are taken for one.
 */
import type { LanguageModelV4Message } from '@ai-sdk/provider'
import { PolityError } from './errors.ts'
import type { JournaledMessages } from './request.ts'
import { expandMessages } from './request.ts'
import type { CallStart, JournalEvent } from './types.ts'

/** The prompts of a process, added up. */
export interface CachedPrefix {
  /** Model calls. */
  readonly prompts: number
  /** UTF-8 bytes of all messages that were sent, as JSON. */
  readonly bytes: number
  /** Of these, those at the beginning of a prompt that a prompt before it began with too. */
  readonly keptBytes: number
  /** `keptBytes` of `bytes`, 0 to 1: what a cache that forgets nothing could serve. */
  readonly share: number
  /** Tokens of inputs as the provider counted them; where it says nothing, ours. */
  readonly inputTokens: number
  /** Of these, those that the provider says it took from its cache. */
  readonly cachedTokens: number
  /** `cachedTokens` of `inputTokens`, 0 to 1. */
  readonly cachedShare: number
  readonly compactions: number
  /** Where a window changed what it had sent, without a compaction. */
  readonly changes: readonly PrefixChange[]
}

/** A change of what was sent. */
export interface PrefixChange {
  /** The call that sent something else, and the one before it. */
  readonly n: number
  readonly before: number
  /** Place of the first message that changed; -1: the list of tools did, which stands before all messages. */
  readonly message: number
  readonly was: string
  readonly is: string
}

interface Prompt {
  readonly n: number
  readonly tools: string
  readonly texts: readonly string[]
  readonly epoch: number
}

/** Adds up the prompts of one process. `events` are those of its journal. */
export function cachedPrefix(events: readonly JournalEvent[]): CachedPrefix {
  const starts: (CallStart | undefined)[] = []
  const windows = new Map<string, Prompt>()
  /** What each message is in bytes: the same object stands in many prompts. */
  const written = new Map<LanguageModelV4Message, string>()
  const changes: PrefixChange[] = []
  let last: Prompt | undefined
  let [prompts, bytes, keptBytes, inputTokens, cachedTokens, compactions] = [0, 0, 0, 0, 0, 0]

  function textOf(message: LanguageModelV4Message): string {
    const known = written.get(message)
    if (known !== undefined) return known
    const text = JSON.stringify(message)
    written.set(message, text)
    return text
  }

  function sent(start: CallStart): void {
    const { tools, messages } = start.args as unknown as { tools: readonly string[]; messages: JournaledMessages }
    const texts = expandMessages(start, starts).map(textOf)
    const prompt: Prompt = { n: start.n, tools: JSON.stringify(tools), texts, epoch: messages.epoch ?? 0 }
    const window = texts.slice(0, texts.findIndex((text) => !text.includes('"role":"system"')) + 1).join('\n')
    const before = windows.get(window)
    const kept = before ?? last
    const same = kept === undefined ? 0 : sameAtStart(kept, prompt)
    prompts++
    for (const [i, text] of texts.entries()) {
      const size = Buffer.byteLength(text)
      bytes += size
      if (i < same) keptBytes += size
    }
    if (before !== undefined) {
      if (prompt.epoch > before.epoch) compactions += prompt.epoch - before.epoch
      else if (prompt.epoch === before.epoch) {
        if (prompt.tools !== before.tools)
          changes.push({ n: prompt.n, before: before.n, message: -1, was: before.tools, is: prompt.tools })
        else if (same < before.texts.length)
          changes.push({
            n: prompt.n,
            before: before.n,
            message: same,
            was: before.texts[same] as string,
            is: texts[same] ?? 'nothing',
          })
      }
    }
    windows.set(window, prompt)
    last = prompt
  }

  for (const event of events) {
    if (event.type === 'call-start') {
      starts[event.n] = event
      if (event.call === 'generate') sent(event)
    } else if (event.type === 'call-end' && event.usage !== undefined) {
      inputTokens += event.usage.inputTokens
      cachedTokens += event.usage.cachedTokens
    } else if (event.type === 'process-rewind') {
      // What came after has not been: windows may begin anew from before it.
      windows.clear()
      last = undefined
    }
  }
  return {
    prompts,
    bytes,
    keptBytes,
    share: bytes === 0 ? 0 : keptBytes / bytes,
    inputTokens,
    cachedTokens,
    cachedShare: inputTokens === 0 ? 0 : cachedTokens / inputTokens,
    compactions,
    changes,
  }
}

/** Messages at the beginning that two prompts have alike; none where their tools differ, which stand before them. */
function sameAtStart(a: Prompt, b: Prompt): number {
  if (a.tools !== b.tools) return 0
  let same = 0
  while (same < a.texts.length && a.texts[same] === b.texts[same]) same++
  return same
}

/** Throws `INVALID_ARGUMENT` with the first change where a process changed what it had sent between two compactions. */
export function assertPrefixesKept(events: readonly JournalEvent[]): void {
  const [change] = cachedPrefix(events).changes
  if (change === undefined) return
  const { n, before, message, was, is } = change
  let at = 0
  while (at < was.length && was[at] === is[at]) at++
  const place = message < 0 ? 'the list of tools' : `message ${message}`
  throw new PolityError(
    'INVALID_ARGUMENT',
    `call #${n} changes what call #${before} had sent: ${place} differs from character ${at} on, ${JSON.stringify(is.slice(Math.max(0, at - 20), at + 40))} instead of ${JSON.stringify(was.slice(Math.max(0, at - 20), at + 40))}; append to a window, and change it by a compaction only`,
  )
}
