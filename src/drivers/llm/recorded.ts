/**
 * Recorded models: real traffic written to a file once, answered from that file ever after.
 *
 *     const model = record(openai('gpt-…'), 'test/fixtures/clerk.ndjson')      // appends every call
 *     const model = replay('test/fixtures/clerk.ndjson')                      // needs no key, no network, no time
 *
 * A fixture is NDJSON: a header, then one line for each call in the order in which they ended. A call is found again by
 * its place in the journal (`providerOptions.polity`, which the kernel passes: process and number of the call), so that
 * concurrent processes get their own answers in any interleaving; tries of one call are told apart by their order. A call
 * without a place is found by the hash of its request, equal requests in their order.
 *
 * Invariants
 *   R1. A line is written before the recorded call ends for its caller: what the caller saw is in the file.
 *   R2. Request headers, and response headers other than those of rate limits, are never written; keys are replaced by
 *       `[secret]` wherever they stand (see `scrub`). A key that a model spells out over several deltas is not recognised.
 *   R3. A request that differs from the recorded one is an error that names the first difference (`strict`).
 *   R4. A last line that is torn is left out with a warning, and cut off before recording goes on; any other damage is an error.
 *       A line that could not be written whole (a full disk) is cut off at once; its call ends with that error and is not in the file.
 *   R5. A recorded answer is given at most once.
 *
 * A call that its caller aborted is recorded as far as it came. In replay it comes as far, and then waits for the abort.
 */
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
} from 'node:fs'
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
} from '@ai-sdk/provider'
import type { LanguageModel, ModelCapabilities } from '../../kernel/drivers.ts'
import { messageOf, PolityError, type ErrorCode } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import { callError, foldParts, streamOf, toParts } from './scripted.ts'

const formatVersion = 1
/** Bytes of a provider's error text that are kept. */
const errorBodyCharsMax = 4_096

/** One line of a fixture. Values that JSON does not have are tagged, see `encode`. */
interface Entry {
  /** Process and number of the call in its journal; null when the call came without. */
  readonly at: { readonly pid: number; readonly n: number } | null
  /** Of the request, see `hashOf`. */
  readonly hash: string
  readonly provider: string
  readonly modelId: string
  readonly capabilities?: ModelCapabilities
  readonly request: Json
  /** One of: the result of `doGenerate`; the parts of `doStream`; the error that either ended with. */
  readonly result?: Json
  readonly parts?: readonly Json[]
  readonly error?: Json
  /** The caller gave the call up; `parts` is what had come. */
  readonly aborted?: true
  /** Rate limit headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>
}

// ------------------------------------------------------------------------------------------------------------ record

export interface RecordOptions {
  /** Texts that must not reach the file, beside keys of a known form. @default values of environment variables named like a key, token, secret or password */
  readonly secrets?: readonly string[]
}

/** The model as it is, with every call appended to `file`. The file is made when missing. */
export function record(model: LanguageModel, file: string, options: RecordOptions = {}): LanguageModel {
  const secrets = toReplace(options.secrets)
  openFixture(file)

  function begin(
    call: LanguageModelV4CallOptions,
  ): (end: Pick<Entry, 'result' | 'parts' | 'error' | 'aborted' | 'headers'>) => void {
    const request = toRequest(call, secrets)
    const head = { at: placeOf(call), hash: hashOf(request), provider: model.provider, modelId: model.modelId }
    const capabilities = model.capabilities === undefined ? {} : { capabilities: model.capabilities }
    return (end) => {
      const entry: Entry = { ...head, ...capabilities, request, ...end }
      appendLine(file, JSON.stringify(entry))
    }
  }
  const fail = (error: unknown, call: LanguageModelV4CallOptions) =>
    call.abortSignal?.aborted ? ({ aborted: true } as const) : { error: scrub(encode(error), secrets) }

  return {
    specificationVersion: 'v4',
    provider: model.provider,
    modelId: model.modelId,
    get supportedUrls() {
      return model.supportedUrls
    },
    ...(model.capabilities === undefined ? {} : { capabilities: model.capabilities }),
    ...(model.forgetState === undefined ? {} : { forgetState: (state) => model.forgetState?.(state) }),
    async doGenerate(call) {
      const write = begin(call)
      let result: LanguageModelV4GenerateResult
      try {
        result = await model.doGenerate(call)
      } catch (error) {
        write(fail(error, call))
        throw error
      }
      write({ result: scrub(encode(toKept(result)), secrets), ...keptHeaders(result.response?.headers) })
      return result
    },
    async doStream(call) {
      const write = begin(call)
      let opened: LanguageModelV4StreamResult
      try {
        opened = await model.doStream(call)
      } catch (error) {
        write(fail(error, call))
        throw error
      }
      const headers = keptHeaders(opened.response?.headers)
      const stream = tap(opened.stream, (parts, ending) =>
        write({
          parts: parts.map((part) => scrub(encode(part), secrets)),
          ...headers,
          ...('error' in ending ? fail(ending.error, call) : ending),
        }),
      )
      return { ...opened, stream }
    },
  }
}

/** The same stream; `onEnd` hears once what went through it, before its reader sees the end. `finish` is the end, as the port says. */
function tap(
  stream: ReadableStream<LanguageModelV4StreamPart>,
  onEnd: (parts: readonly LanguageModelV4StreamPart[], ending: { aborted?: true } | { error: unknown }) => void,
): ReadableStream<LanguageModelV4StreamPart> {
  const parts: LanguageModelV4StreamPart[] = []
  const reader = stream.getReader()
  let ended = false
  const end = (ending: { aborted?: true } | { error: unknown }): void => {
    if (ended) return
    ended = true
    onEnd(parts, ending)
  }
  return new ReadableStream<LanguageModelV4StreamPart>(
    {
      async pull(controller) {
        const next = await reader.read().catch((error: unknown) => {
          end({ error })
          throw error
        })
        if (next.done) {
          end({})
          controller.close()
          return
        }
        parts.push(next.value)
        if (next.value.type === 'finish') end({})
        controller.enqueue(next.value)
      },
      async cancel(reason) {
        try {
          end({ aborted: true })
        } finally {
          await reader.cancel(reason)
        }
      },
    },
    { highWaterMark: 0 },
  )
}

/** Makes the file ready to append to: with a header, and without a torn last line. */
function openFixture(file: string): void {
  const isEmpty = !existsSync(file) || cutTornLine(file) === 0
  if (isEmpty) appendLine(file, JSON.stringify({ polity: 'recorded-model', version: formatVersion }))
}

/** Appends a line whole or not at all: what a full disk took of one would tear the next, and all of the file with it. */
function appendLine(file: string, line: string): void {
  try {
    appendFileSync(file, `${line}\n`)
  } catch (error) {
    cutTornLine(file)
    throw error
  }
}

/** Cuts off what stands after the last line end. Returns the bytes that are left. */
function cutTornLine(file: string): number {
  const handle = openSync(file, 'r+')
  try {
    const { size } = fstatSync(handle)
    const chunk = Buffer.alloc(65_536)
    for (let end = size; end > 0;) {
      const start = Math.max(0, end - chunk.length)
      const read = readSync(handle, chunk, 0, end - start, start)
      const place = chunk.subarray(0, read).lastIndexOf(0x0a)
      if (place >= 0) {
        const kept = start + place + 1
        if (kept < size) ftruncateSync(handle, kept)
        return kept
      }
      end = start
    }
    ftruncateSync(handle, 0)
    return 0
  } finally {
    closeSync(handle)
  }
}

// ------------------------------------------------------------------------------------------------------------ replay

export interface ReplayOptions {
  /** False: a request may differ from the recorded one; each difference becomes a warning. @default true */
  readonly strict?: boolean
  /** Which model's calls to answer, as `provider/modelId`, in a file that holds several. @default the only one */
  readonly model?: string
  /** Texts that were replaced when the file was made, and so are replaced in requests before they are compared. @default as in `record` */
  readonly secrets?: readonly string[]
}

export interface ReplayModel extends LanguageModel {
  /** What was not as recorded, but let through: a torn last line, and drift with `strict: false`. */
  readonly warnings: readonly string[]
  /** Recorded answers that were not asked for. */
  readonly remaining: number
  /** Throws unless every recorded answer was asked for. */
  assertComplete(): void
}

export function replay(file: string, options: ReplayOptions = {}): ReplayModel {
  const strict = options.strict ?? true
  const secrets = toReplace(options.secrets)
  const warnings: string[] = []
  const entries = readFixture(file, warnings)
  const names = [...new Set(entries.map((entry) => `${entry.provider}/${entry.modelId}`))]
  const name = options.model ?? names[0]
  if (options.model === undefined && names.length > 1) {
    throw new PolityError(
      'CONFIG_INVALID',
      `${file} holds calls of ${names.join(', ')}; say which to answer: replay(file, { model: '${names[0]}' })`,
    )
  }
  const mine = entries.filter((entry) => `${entry.provider}/${entry.modelId}` === name)
  if (mine.length === 0)
    throw new PolityError(
      'CONFIG_INVALID',
      `${file} holds no calls${options.model === undefined ? '' : ` of ${options.model}; it has ${names.join(', ') || 'none'}`}`,
    )
  const byPlace = groupBy(mine, (entry) => (entry.at === null ? undefined : placeKey(entry.at)))
  const byHash = groupBy(mine, (entry) => entry.hash)
  const unplacedByHash = groupBy(mine, (entry) => (entry.at === null ? entry.hash : undefined))
  const hasPlaces = byPlace.size > 0
  const used = new Set<Entry>()
  const next = (queue: readonly Entry[] | undefined): Entry | undefined => queue?.find((entry) => !used.has(entry))

  /** The recorded call that this is, in the order of certainty: same place, same request, and without `strict` any at hand. */
  function find(call: LanguageModelV4CallOptions): Entry {
    const request = toRequest(call, secrets)
    const hash = hashOf(request)
    const place = placeOf(call)
    const who = place === null ? 'this call' : `call ${place.n} of process ${place.pid}`
    let found =
      place === null ? next(byHash.get(hash)) : (next(byPlace.get(placeKey(place))) ?? next(unplacedByHash.get(hash)))
    if (found === undefined && !strict) found = next(byHash.get(hash)) ?? mine.find((entry) => !used.has(entry))
    if (found === undefined) throw mismatch(notFound(who, place, request))
    used.add(found)
    if (found.hash === hash) return found
    const difference = firstDifference(found.request, request) ?? 'the requests differ in what JSON does not keep'
    if (strict) throw mismatch(`${who} differs from the recorded one at ${difference}`)
    warnings.push(`${who} differs from the recorded one at ${difference}`)
    return found
  }

  function notFound(who: string, place: { pid: number; n: number } | null, request: Json): string {
    if (place !== null && hasPlaces) {
      const tries = byPlace.has(placeKey(place))
      return tries ? `${who} was tried more often than in the recording` : `${who} is not in the recording`
    }
    const nearest = mine.find((entry) => !used.has(entry))
    if (nearest === undefined) return `${who} was not expected: all ${mine.length} recorded answers are used`
    return `${who} is not in the recording; the next recorded one differs at ${firstDifference(nearest.request, request) ?? 'its hash'}`
  }

  const mismatch = (message: string): PolityError =>
    new PolityError(
      'REPLAY_MISMATCH',
      `${message} (${file}${strict ? '; replay(file, { strict: false }) allows drift' : ''})`,
    )

  const first = mine[0] as Entry
  return {
    specificationVersion: 'v4',
    provider: first.provider,
    modelId: first.modelId,
    supportedUrls: {},
    // What is answered from a file can be neither stopped nor taken up again.
    ...(first.capabilities === undefined ? {} : { capabilities: { ...first.capabilities, preempt: 'none' as const } }),
    warnings,
    get remaining() {
      return mine.length - used.size
    },
    assertComplete() {
      if (used.size === mine.length) return
      const left = mine
        .filter((entry) => !used.has(entry))
        .map((entry) => (entry.at === null ? entry.hash : `${entry.at.pid}:${entry.at.n}`))
      throw mismatch(`${left.length} of ${mine.length} recorded answers were never asked for: ${left.join(', ')}`)
    },
    async doGenerate(call) {
      call.abortSignal?.throwIfAborted()
      const entry = find(call)
      if (entry.error !== undefined && entry.parts === undefined) throw decode(entry.error)
      if (entry.aborted) await untilAbort(call)
      if (entry.error !== undefined) throw decode(entry.error)
      if (entry.parts === undefined)
        return withHeaders(decode(entry.result as Json) as LanguageModelV4GenerateResult, entry)
      return withHeaders(foldParts(entry.parts.map(decode) as LanguageModelV4StreamPart[]), entry)
    },
    async doStream(call): Promise<LanguageModelV4StreamResult> {
      call.abortSignal?.throwIfAborted()
      const entry = find(call)
      if (entry.error !== undefined && entry.parts === undefined) throw decode(entry.error)
      if (entry.aborted && entry.parts === undefined) await untilAbort(call)
      const response = entry.headers === undefined ? {} : { response: { headers: { ...entry.headers } } }
      const parts =
        entry.parts === undefined
          ? toParts(decode(entry.result as Json) as LanguageModelV4GenerateResult)
          : (entry.parts.map(decode) as LanguageModelV4StreamPart[])
      if (!entry.aborted && entry.error === undefined) return { stream: streamOf(parts), ...response }
      return {
        stream: brokenStream(parts, () =>
          entry.error === undefined ? untilAbort(call) : Promise.reject(decode(entry.error)),
        ),
        ...response,
      }
    },
  }
}

/** The parts, one a pull, then the failure: a stream that errors at once would lose what it still holds. */
function brokenStream(
  parts: readonly LanguageModelV4StreamPart[],
  end: () => Promise<never>,
): ReadableStream<LanguageModelV4StreamPart> {
  let sent = 0
  return new ReadableStream<LanguageModelV4StreamPart>(
    {
      pull(controller) {
        const part = parts[sent++]
        if (part === undefined) return end()
        controller.enqueue(part)
        return undefined
      },
    },
    { highWaterMark: 0 },
  )
}

function untilAbort({ abortSignal: signal }: LanguageModelV4CallOptions): Promise<never> {
  return new Promise((_, reject) => {
    if (signal === undefined)
      reject(
        new PolityError('REPLAY_MISMATCH', 'the recorded call was aborted by its caller; this call has no abortSignal'),
      )
    else if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

function withHeaders(result: LanguageModelV4GenerateResult, { headers }: Entry): LanguageModelV4GenerateResult {
  return headers === undefined ? result : { ...result, response: { ...result.response, headers: { ...headers } } }
}

function readFixture(file: string, warnings: string[]): Entry[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new PolityError(
      'CONFIG_INVALID',
      `the recording ${file} cannot be read: ${messageOf(cause)}; make it with record(model, file)`,
      { cause },
    )
  }
  const lines = text.split('\n')
  const torn = lines.pop() as string // '' after a last line that is whole
  if (torn !== '')
    warnings.push(`the last line of ${file} is torn (${torn.length} characters without a line end) and was left out`)
  const values = lines.map((line, i) => {
    try {
      return JSON.parse(line) as unknown
    } catch (cause) {
      throw new PolityError(
        'STORE_INVALID',
        `line ${i + 1} of the recording ${file} is not JSON: ${messageOf(cause)}`,
        { cause },
      )
    }
  })
  const header = values.shift() as { polity?: unknown; version?: unknown } | null | undefined
  if (header === undefined && torn !== '') return []
  if (header?.polity !== 'recorded-model' || header.version !== formatVersion) {
    throw new PolityError(
      'STORE_INVALID',
      `${file} is not a recording of version ${formatVersion}: it begins ${JSON.stringify(header)?.slice(0, 100)}`,
    )
  }
  for (const [i, value] of values.entries()) {
    const entry = value as Partial<Entry> | null
    const ends =
      entry?.result !== undefined || entry?.parts !== undefined || entry?.error !== undefined || entry?.aborted === true
    if (typeof entry?.hash !== 'string' || !ends)
      throw new PolityError('STORE_INVALID', `line ${i + 2} of the recording ${file} is not a recorded call`)
  }
  return values as Entry[]
}

function groupBy(entries: readonly Entry[], keyOf: (entry: Entry) => string | undefined): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>()
  for (const entry of entries) {
    const key = keyOf(entry)
    if (key === undefined) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [entry])
    else group.push(entry)
  }
  return groups
}

// ----------------------------------------------------------------------------------------------------------- requests

function placeOf(call: LanguageModelV4CallOptions): { pid: number; n: number } | null {
  const place = call.providerOptions?.['polity']
  return typeof place?.['pid'] === 'number' && typeof place['n'] === 'number'
    ? { pid: place['pid'], n: place['n'] }
    : null
}

function placeKey({ pid, n }: { pid: number; n: number }): string {
  return `${pid}:${n}`
}

/** What of a call makes it the same call: all but signal, headers and place. */
function toRequest(call: LanguageModelV4CallOptions, secrets: readonly string[]): Json {
  const { abortSignal: _, headers: __, providerOptions, ...rest } = call
  const others = Object.entries(providerOptions ?? {}).filter(([provider]) => provider !== 'polity')
  return scrub(
    encode(others.length === 0 ? rest : { ...rest, providerOptions: scrubKeys(encode(Object.fromEntries(others))) }),
    secrets,
  )
}

/** SHA-256 of the request with its keys sorted, first 64 bits. */
function hashOf(request: Json): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(request)))
    .digest('hex')
    .slice(0, 16)
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const record = value as { readonly [key: string]: Json | undefined }
  return Object.fromEntries(
    Object.keys(record)
      .toSorted()
      .map((key) => [key, sorted(record[key] ?? null)]),
  )
}

/** Where two requests first differ, and what stands there: `prompt[2].content[0].text: recorded "…", now "…"`. */
function firstDifference(recorded: Json | undefined, now: Json | undefined, path = ''): string | undefined {
  if (recorded === now) return undefined
  const bothObjects = typeof recorded === 'object' && typeof now === 'object' && recorded !== null && now !== null
  if (bothObjects && Array.isArray(recorded) === Array.isArray(now)) {
    const [a, b] = [recorded, now] as [Record<string, Json>, Record<string, Json>]
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const inner = Array.isArray(recorded) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`
      const difference = firstDifference(a[key], b[key], inner)
      if (difference !== undefined) return difference
    }
    return undefined
  }
  const from =
    typeof recorded === 'string' && typeof now === 'string' ? Math.max(0, commonLength(recorded, now) - 20) : 0
  return `${path}: recorded ${excerpt(recorded, from)}, now ${excerpt(now, from)}`
}

function commonLength(a: string, b: string): number {
  let i = 0
  while (i < a.length && a.charCodeAt(i) === b.charCodeAt(i)) i++
  return i
}

function excerpt(value: Json | undefined, from: number): string {
  if (value === undefined) return 'nothing'
  const shown =
    typeof value === 'string'
      ? `${from > 0 ? '…' : ''}${value.slice(from, from + 80)}${value.length > from + 80 ? '…' : ''}`
      : value
  const text = JSON.stringify(shown)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

// -------------------------------------------------------------------------------------------------------------- JSON

/** What of a result is kept: not the raw request and response, which say the same again and carry headers. */
function toKept(result: LanguageModelV4GenerateResult): object {
  const { request: _, response, ...rest } = result
  if (response === undefined) return rest
  const { headers: __, body: ___, ...metadata } = response
  return Object.keys(metadata).length === 0 ? rest : { ...rest, response: metadata }
}

const keptHeader = /^(retry-after(-ms)?|x-ratelimit-.*|anthropic-ratelimit-.*)$/i

function keptHeaders(headers: Readonly<Record<string, string | undefined>> | undefined): {
  headers?: Record<string, string>
} {
  const kept = Object.entries(headers ?? {}).filter(
    (pair): pair is [string, string] => keptHeader.test(pair[0]) && pair[1] !== undefined,
  )
  return kept.length === 0 ? {} : { headers: Object.fromEntries(kept) }
}

/** A value as JSON. Bytes, dates, URLs and errors become objects with one tag; what JSON cannot say at all is left out. */
function encode(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object') return null
  if (value instanceof Uint8Array)
    return { '$polity:bytes': Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') }
  if (value instanceof Date) return { '$polity:date': value.getTime() }
  if (value instanceof URL) return { '$polity:url': value.href }
  if (value instanceof Error) return { '$polity:error': encodeError(value) }
  if (Array.isArray(value)) return value.map(encode)
  const encoded: Record<string, Json> = {}
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined && typeof item !== 'function') encoded[key] = encode(item)
  }
  return encoded
}

function decode(value: Json): unknown {
  if (Array.isArray(value)) return value.map(decode)
  if (typeof value !== 'object' || value === null) return value
  const record = value as { readonly [key: string]: Json | undefined }
  const { '$polity:bytes': bytes, '$polity:date': date, '$polity:url': url, '$polity:error': error } = record
  if (typeof bytes === 'string') return new Uint8Array(Buffer.from(bytes, 'base64'))
  if (typeof date === 'number') return new Date(date)
  if (typeof url === 'string') return new URL(url)
  if (error !== undefined) return decodeError(error as unknown as EncodedError)
  return Object.fromEntries(Object.entries(record).map(([key, item]) => [key, decode(item as Json)]))
}

interface EncodedError {
  readonly name: string
  readonly message: string
  /** Of a `PolityError`. */
  readonly code?: ErrorCode
  readonly statusCode?: number
  readonly isRetryable?: boolean
  readonly url?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

function encodeError(error: Error): Json {
  const { name, message } = error
  if (PolityError.isInstance(error))
    return { name, message, code: error.code, ...(error.detail === undefined ? {} : { detail: error.detail }) }
  const { statusCode, isRetryable, url, responseHeaders, responseBody } = error as Partial<ReturnType<typeof callError>>
  return {
    name,
    message,
    ...(typeof statusCode === 'number' ? { statusCode } : {}),
    ...(typeof isRetryable === 'boolean' ? { isRetryable } : {}),
    // Some providers take their key in the query.
    ...(typeof url === 'string' ? { url: url.replace(/[?#].*$/s, '') } : {}),
    ...(typeof responseBody === 'string' ? { body: responseBody.slice(0, errorBodyCharsMax) } : {}),
    ...keptHeaders(responseHeaders),
  }
}

function decodeError(error: EncodedError): Error {
  if (error.code !== undefined)
    return new PolityError(error.code, error.message, { detail: (error as { detail?: Json }).detail })
  if (error.statusCode !== undefined || error.isRetryable !== undefined) return callError(error)
  return Object.assign(new Error(error.message), { name: error.name })
}

// ----------------------------------------------------------------------------------------------------------- secrets

/** Forms of keys that are known by sight: OpenAI and kin, Google, GitHub, Slack, AWS, bearer tokens. */
const secretForms =
  /\b(sk-[\w-]{16,}|AIza[\w-]{30,}|gsk_\w{16,}|xai-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abprs]-[\w-]{10,}|A[KS]IA[A-Z0-9]{16})|(?<=\bBearer )[\w.~+/=-]{8,}/g

const secretKey =
  /^(authorization|proxy-authorization|cookie|api[-_]?key|x-(goog-)?api-key|(access|refresh|session|auth|id)[-_]?token|bearer|(client[-_]?|secret[-_]?access[-_]?|access[-_]?)?(secret|key)|password|credentials?)$/i

/** Replaces keys in all strings: those given, and those of a known form. */
function scrub(value: Json, secrets: readonly string[]): Json {
  if (typeof value === 'string') {
    let text = value
    for (const secret of secrets) text = text.replaceAll(secret, '[secret]')
    return text.replace(secretForms, '[secret]')
  }
  if (Array.isArray(value)) return value.map((item) => scrub(item, secrets))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, scrub(item as Json, secrets)]))
}

/** Replaces the values of fields that are named like a key. For provider options, where nothing else is called so. */
function scrubKeys(value: Json): Json {
  if (Array.isArray(value)) return value.map(scrubKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, secretKey.test(key) ? '[secret]' : scrubKeys(item as Json)]),
  )
}

/** What `scrub` replaces: an empty text is none, and one that goes on with another goes first, or its rest would stay. */
function toReplace(given: readonly string[] | undefined): readonly string[] {
  const secrets = (given ?? secretsOf(process.env)).filter(Boolean)
  // Arguments of a tool call are JSON within a text: a key of several lines stands there with its line ends as escapes.
  const written = new Set(secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]))
  return [...written].toSorted((a, b) => b.length - a.length)
}

/** Shorter values are more likely a word of the text than a key; values that begin with a slash are paths to one. */
const secretCharsMin = 12

function secretsOf(environment: Readonly<Record<string, string | undefined>>): string[] {
  const named = Object.entries(environment).filter(([name]) => /(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$/i.test(name))
  return named.flatMap(([, value]) =>
    value !== undefined && value.length >= secretCharsMin && !value.startsWith('/') ? [value] : [],
  )
}
