/**
 * Memory queries: an agent's notes, kept as notes of its principal.
 *
 *     const body = await answerMemory(session, { operation_type: 'add_memory', params: { content: 'The sky is blue.' } }, inTurn)
 *
 * A note is the kernel's: its text is the content, so every other door shows it as it is. Its tags are the client's tags,
 * keywords and category, so they are searched, and two marks: one of the agent, one of the note, by which it is found
 * again. Marks are single words that nobody writes. Its source, which is not searched, says what is to be told again:
 * agent, id and metadata, as `aios:` and JSON.
 *
 * Invariants
 *   AM1. An agent reaches the notes that it made itself, of its own principal.
 *   AM2. A note keeps its id through updates. An update remembers before it forgets: a crash in between loses nothing, and
 *        the newer one counts.
 *   AM3. Changes of an agent's notes go one after another, so none is lost to another.
 */
import { createHash } from 'node:crypto'
import { PolityError } from '../../kernel/errors.ts'
import { defineProgram } from '../../kernel/program.ts'
import type { Json, RecalledNote, Sys } from '../../kernel/types.ts'
import type { MemoryQuery, Times } from './query.ts'
import { envelope } from './query.ts'
import type { Session } from './session.ts'
import { runFor } from './session.ts'
import type { InTurn } from './turns.ts'

type Params = { readonly [key: string]: Json | undefined }

/** What is known of a note beside its text; other fields are the client's, and come back as they came. */
interface Metadata {
  readonly keywords: readonly string[]
  readonly tags: readonly string[]
  readonly category: string
  /** Year to minute, UTC: `YYYYMMDDHHMM`. */
  readonly timestamp: string
  readonly [key: string]: Json
}

interface Answer {
  readonly memory_id?: string
  readonly content?: string
  readonly metadata?: Json
  readonly search_results?: Json
  readonly error?: string
}

/** AIOS's, where a note has none. */
const CATEGORY_DEFAULT = 'Uncategorized'
/** AIOS's. */
const K_DEFAULT = 5
const NOT_FOUND = 'Memory not found'
/** Operations that look and then change. */
const changes: ReadonlySet<string> = new Set(['update_memory', 'remove_memory'])

/** The body of the answer. */
export async function answerMemory(
  session: Session,
  { operation_type, params }: MemoryQuery,
  inTurn: InTurn,
): Promise<Json> {
  // As AIOS answers it.
  if (operation_type === 'retrieve_memory_raw') return null
  const times: Times[] = []
  let answer: Answer
  try {
    const before = operation_type === 'add_agentic_memory' ? await analysed(session, params) : params
    const operation = operation_type === 'add_agentic_memory' ? 'add_memory' : operation_type
    const asked = { operation, agent: session.agent, params: before as Json }
    const run = (): ReturnType<typeof runFor<Json>> => runFor(session, memoryOperation, asked)
    const done = changes.has(operation)
      ? await inTurn(JSON.stringify([session.caller.principal, session.agent]), run)
      : await run()
    times.push(done.times)
    answer = done.value as Answer
  } catch (error) {
    if (!PolityError.isInstance(error) || session.signal.aborted) throw error
    answer = { error: error.message }
  }
  return envelope(memoryResponse(answer), times)
}

function memoryResponse({ memory_id, content, metadata, search_results, error }: Answer): Json {
  return {
    response_class: 'memory',
    memory_id: memory_id ?? null,
    content: content ?? null,
    metadata: metadata ?? null,
    search_results: search_results ?? null,
    success: error === undefined,
    error: error ?? null,
  }
}

// ------------------------------------------------------------------------------------------------------------- program

/** One operation on the notes of an agent, which comes by mail (session.ts). */
export const memoryOperation = defineProgram('aios-memory', async (sys): Promise<Json> => {
  const { body } = await sys.receive()
  const { operation, agent, params } = body as unknown as { operation: string; agent: string; params: Params }
  const answer = Object.hasOwn(operations, operation)
    ? await operations[operation]?.(sys, agent, params)
    : { error: `Operation type: ${operation} not supported` }
  return answer as Json
})

const operations: {
  readonly [name: string]: (sys: Sys, agent: string, params: Params) => Promise<Answer>
} = {
  async add_memory(sys, agent, params) {
    const id = uuid(sys)
    await keep(sys, agent, id, contentOf(params), metadataOf(params, { timestamp: stamp(sys.now()) }))
    return { memory_id: id }
  },

  async get_memory(sys, agent, params) {
    const id = idOf('get_memory', params)
    const [note] = await find(sys, agent, id)
    if (note === undefined) return { memory_id: id, error: NOT_FOUND }
    return { memory_id: id, content: note.text, metadata: knownOf(note).metadata }
  },

  async update_memory(sys, agent, params) {
    const id = idOf('update_memory', params)
    const old = await find(sys, agent, id)
    const [note] = old
    if (note === undefined) return { memory_id: id, error: NOT_FOUND }
    const { content } = params
    const text = content === undefined || content === null || content === '' ? note.text : contentOf(params)
    await keep(sys, agent, id, text, metadataOf(params, knownOf(note).metadata))
    for (const one of old) await sys.forget(one.id)
    return { memory_id: id }
  },

  async remove_memory(sys, agent, params) {
    const id = idOf('remove_memory', params)
    const notes = await find(sys, agent, id)
    for (const note of notes) await sys.forget(note.id)
    return notes.length === 0 ? { memory_id: id, error: NOT_FOUND } : { memory_id: id }
  },

  async retrieve_memory(sys, agent, params) {
    const query = params['content'] ?? params['query']
    if (typeof query !== 'string')
      throw new PolityError('INVALID_ARGUMENT', 'retrieve_memory takes params.content, a text')
    const k = params['k'] ?? params['n'] ?? K_DEFAULT
    if (typeof k !== 'number' || !Number.isSafeInteger(k) || k < 1)
      throw new PolityError('INVALID_ARGUMENT', 'retrieve_memory takes params.k, a whole number of at least 1')
    const notes = await sys.recall(query, { limit: Math.min(k, K_MAX), tag: agentMark(agent) })
    return {
      search_results: notes.filter(isOurs).map((note) => {
        const { id, metadata } = knownOf(note)
        const { keywords, tags, category, timestamp } = metadata
        return { content: note.text, keywords, tags, category, timestamp, memory_id: id, score: note.score }
      }),
    }
  },
}

/** Notes that one query returns: the kernel's limit `recallNotesMax` where nobody changed it. */
const K_MAX = 100

function keep(sys: Sys, agent: string, id: string, text: string, metadata: Metadata): Promise<string> {
  const { tags, keywords, category } = metadata
  const words = category === CATEGORY_DEFAULT ? [...tags, ...keywords] : [...tags, ...keywords, category]
  return sys.remember({
    text,
    tags: [...new Set([agentMark(agent), noteMark(id), ...words])],
    source: `${SOURCE}${JSON.stringify({ agent, id, metadata })}`,
  })
}

const SOURCE = 'aios:'

/** Others of the same principal may write notes with our marks. */
function isOurs({ source }: RecalledNote): boolean {
  return source?.startsWith(SOURCE) === true
}

function knownOf({ source }: RecalledNote): { readonly id: string; readonly metadata: Metadata } {
  return JSON.parse((source as string).slice(SOURCE.length)) as { id: string; metadata: Metadata }
}

/** The notes with an id, the newest first: one, but for a crash amid an update. */
async function find(sys: Sys, agent: string, id: string): Promise<readonly RecalledNote[]> {
  if (!UUID.test(id)) return []
  const mark = noteMark(id)
  const notes = await sys.recall(mark, { limit: FOUND_MAX, tag: mark })
  return notes.filter((note) => isOurs(note) && note.tags.includes(agentMark(agent))).toSorted((a, b) => b.at - a.at)
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** Crashes amid updates of one note, and one. */
const FOUND_MAX = 10

/** A single word for a search, and for nobody else. */
function agentMark(agent: string): string {
  return `a${createHash('sha256').update(agent).digest('hex').slice(0, 24)}`
}

function noteMark(id: string): string {
  return `m${id.replaceAll('-', '')}`
}

/** A version 4 UUID of the process's own random numbers. */
function uuid(sys: Sys): string {
  const digits = (bits: number): string =>
    Math.floor(sys.random() * 2 ** bits)
      .toString(16)
      .padStart(bits / 4, '0')
  const variant = '89ab'.charAt(Math.floor(sys.random() * 4))
  return `${digits(32)}-${digits(16)}-4${digits(12)}-${variant}${digits(12)}-${digits(48)}`
}

// ---------------------------------------------------------------------------------------------------------- parameters

function idOf(operation: string, { memory_id: id }: Params): string {
  if (typeof id === 'string' && id !== '') return id
  throw new PolityError('INVALID_ARGUMENT', `${operation} takes params.memory_id, the id of a memory`)
}

function contentOf({ content }: Params): string {
  if (typeof content === 'string' && content.trim() !== '') return content
  throw new PolityError('INVALID_ARGUMENT', 'a memory takes params.content, a text that is not empty')
}

/** What a query says of a note, over what is known of it; its own fields go before those of its `metadata`. */
function metadataOf(params: Params, known: { readonly [key: string]: Json }): Metadata {
  const said = params['metadata'] ?? {}
  if (typeof said !== 'object' || said === null || Array.isArray(said))
    throw new PolityError('INVALID_ARGUMENT', 'params.metadata takes an object')
  const all: { [key: string]: Json | undefined } = { ...(said as Params) }
  for (const key of ['keywords', 'tags', 'category', 'timestamp']) if (params[key] != null) all[key] = params[key]
  // What is empty says nothing: AIOS's clients send all fields always.
  const merged: { [key: string]: Json } = { ...known }
  for (const [key, value] of Object.entries(all))
    if (value != null && value !== '' && !isEmpty(value)) merged[key] = value
  const { keywords, tags, category, timestamp, ...rest } = merged
  return {
    keywords: textsOf('keywords', keywords),
    tags: textsOf('tags', tags),
    category: typeof category === 'string' ? category : CATEGORY_DEFAULT,
    timestamp: String(timestamp),
    ...rest,
  }
}

function isEmpty(value: Json): boolean {
  return Array.isArray(value) && value.length === 0
}

function textsOf(name: string, value: Json | undefined): readonly string[] {
  const texts = typeof value === 'string' ? [value] : (value ?? [])
  if (Array.isArray(texts) && texts.every((one) => typeof one === 'string')) return texts as readonly string[]
  throw new PolityError('INVALID_ARGUMENT', `${name} of a memory are a list of texts`)
}

function stamp(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/\D/g, '').slice(0, 12)
}

// ------------------------------------------------------------------------------------------------------------- analysis

const ANALYSIS =
  'Describe the text for a memory that is searched by words. Answer with JSON: keywords (its most telling words), context (one sentence on what it is about), tags (broad categories).'
const analysisSchema = {
  type: 'object',
  properties: {
    keywords: { type: 'array', items: { type: 'string' } },
    context: { type: 'string' },
    tags: { type: 'array', items: { type: 'string' } },
  },
  required: ['keywords', 'context', 'tags'],
  additionalProperties: false,
}

/** What a model says of the content, under what the client says of it. Where the model gives no such JSON, nothing. */
async function analysed(session: Session, params: Params): Promise<Params> {
  const request = {
    caller: session.caller,
    messages: [
      { role: 'system', content: ANALYSIS },
      { role: 'user', content: contentOf(params) },
    ] as const,
    settings: { schema: analysisSchema },
  }
  const { generation } = await session.models.generate(request, { signal: session.signal })
  let said: Params
  try {
    said = JSON.parse(generation.text) as Params
  } catch {
    // A model that cannot write JSON: the note is kept as it is.
    return params
  }
  const texts = (value: Json | undefined): Json =>
    Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
  return {
    ...params,
    metadata: {
      keywords: texts(said?.['keywords']),
      tags: texts(said?.['tags']),
      ...(typeof said?.['context'] === 'string' ? { context: said['context'] } : {}),
      ...(params['metadata'] as Params | undefined),
    } as Json,
  }
}
