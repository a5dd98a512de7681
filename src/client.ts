/**
 * The client of the native API (docs/server-api.md), for browsers and Node: `fetch` and nothing else.
 *
 *     const polity = createClient({ url: 'http://127.0.0.1:7070', key: 'polity_…' })
 *     const { pid } = await polity.processes.start({ program: 'clerk', input: 'Pay the invoices.' })
 *     for await (const event of polity.processes.events(pid)) console.log(event.type)
 *     console.log(await polity.processes.result(pid))
 *
 * Event streams connect again by themselves and go on where they were. Types come from the schemas that the server checks
 * with; no schema library is loaded.
 *
 * Invariants
 *   CL1. A stream gives each journal event once, in order. Where the server no longer has all that was missed, it gives
 *        `{ type: 'reset' }` first: whoever keeps a picture fetches it anew.
 *   CL2. What the server refuses is an `ApiError` with a code of the table of errors, which says whether trying again may
 *        help; so is why a stream ends before its process does. What a method does not take is a `PolityError`, and so is
 *        that no answer came (`DRIVER_UNAVAILABLE`, with what `fetch` threw as its cause); a stream tries again. What the
 *        caller aborts is thrown as `fetch` throws it.
 *   CL3. An option that a method does not take is refused before anything is sent (client-options.ts).
 */
import type { Kinds } from './client-options.ts'
import {
  checkKind,
  checkOptions,
  duration,
  flag,
  number,
  onceKey,
  oneOrMore,
  signal,
  text,
  texts,
  whole,
  words,
} from './client-options.ts'
import { PolityError, errorTable, fieldOf, messageOf } from './kernel/errors.ts'
import type { KeysOf } from './kernel/known-keys.ts'
import { checkKeys } from './kernel/known-keys.ts'
import type { Json } from './kernel/types.ts'
import type { RunEvent } from './server/api/event-schemas.ts'
import type { FileContent, FilePage, FileVersion } from './server/api/file-schemas.ts'
import type { Budgets, Cores, Limits, Programs, Questions, Tools } from './server/api/machine-schemas.ts'
import type {
  Memories,
  Note,
  NoteKept,
  NoteRequest,
  Notes,
  Revocation,
  RevokeRequest,
} from './server/api/note-schemas.ts'
import type {
  AuditPage,
  Explanation,
  Policy,
  TestReport,
  TestRequest,
  WrittenCall,
} from './server/api/policy-schemas.ts'
import type {
  Done,
  ForkRequest,
  Process,
  ProcessPage,
  ProcessSort,
  ProcessState,
  ProcessTree,
  ReplayReport,
  Result,
  Resumed,
  StartRequest,
} from './server/api/process-schemas.ts'
import type { Failure } from './server/api/schema.ts'
import type { ModelCallPage, Span, SpanPage } from './server/api/trace-schemas.ts'
import { WAIT_S_MAX } from './server/api/wait.ts'

export type { Document } from './server/api/openapi.ts'
export type * from './server/api/process-schemas.ts'
export type * from './server/api/trace-schemas.ts'
export type * from './server/api/event-schemas.ts'
export type * from './server/api/file-schemas.ts'
export type * from './server/api/note-schemas.ts'
export type * from './server/api/machine-schemas.ts'
export type * from './server/api/policy-schemas.ts'
export type { Failure } from './server/api/schema.ts'
// What is thrown of options that do not fit, and what a code in a result or an event means: the same as of 'polity'.
export { PolityError, errorTable } from './kernel/errors.ts'
// What the events of a run say of its team: the same as `polity top --team`.
export { openTeam, teamOf } from './evaluation/team.ts'
export type { LedgerEntry, Line, Seat, Spoken, Team as TeamView, TeamReader } from './evaluation/team.ts'
export { drift, driftOf, monopoly, stalling } from './evaluation/team-measures.ts'
export type { Drift, Monopoly, Stalling } from './evaluation/team-measures.ts'

export interface ClientOptions {
  /** Where the server is, such as `http://127.0.0.1:7070`; below a path where a proxy has it there. */
  readonly url: string
  /** API key. @default none, which a loopback server without keys takes */
  readonly key?: string
  /** @default the platform's */
  readonly fetch?: typeof fetch
}

const optionKeys: KeysOf<ClientOptions> = { url: true, key: true, fetch: true }

/** Which processes, in which order. */
export interface ProcessQuery extends PageQuery {
  readonly state?: ProcessState | readonly ProcessState[]
  readonly program?: string
  readonly name?: string
  /** Only an admin sees others than its own. */
  readonly principal?: string
  readonly parent?: number
  /** The process at the top of the tree. */
  readonly root?: number
  /** Also those that ended long ago, or before the server was started last; sorted by pid only. @default false */
  readonly all?: boolean
  /** `-` for downwards. @default '-pid', the youngest first */
  readonly sort?: ProcessSort
}

/** Which files. */
export interface FilesQuery extends PageQuery {
  /** Only paths that begin so. @default all */
  readonly prefix?: string
  /** Those that were removed too. @default false */
  readonly removed?: boolean
}

/** Which notes. At most 100 a page; 10 where `limit` is not said. */
export interface NotesQuery extends PageQuery {
  /** Whose; only an admin names another than its own. */
  readonly principal?: string
  readonly tag?: string
  readonly kind?: Note['kind']
  readonly session?: string
  readonly source?: string
  /** At least so far trusted. */
  readonly trust?: Note['trust']
  /** That held at that time, ms since 1970. */
  readonly validAt?: number
  /** That were learned before that time, ms since 1970. */
  readonly learnedBefore?: number
}

export interface PageQuery {
  /** `next` of the page before. @default the first page */
  readonly cursor?: string
  readonly limit?: number
}

/** A page of budgets. */
export interface BudgetsQuery extends PageQuery {
  /** Leaves the others out. @default both */
  readonly only?: 'accounts' | 'runs'
}

export interface EventsOptions {
  /** Ends the stream, without an error. */
  readonly signal?: AbortSignal
  /** Only events after this place in the journal; 0 with a process: from its beginning. @default from now on */
  readonly after?: number
  /** @default all */
  readonly types?: readonly RunEvent['type'][]
  /** Whether models are to stream for this listener. @default where `types` has text-delta */
  readonly text?: boolean
  /**
   * Longest pause that the server may ask for (`retry-after`) before the stream connects again, ms: where it asks for more,
   * the stream ends with what it was refused with. @default 60_000
   */
  readonly retryAfterMsMax?: number
}

export interface ResultOptions extends RequestOptions {
  /** Longest wait for its end, ms; 0: what is known at once. @default until it ends */
  readonly waitMs?: number
}

export interface TraceQuery extends PageQuery {
  /** Arguments and values whole. @default summaries */
  readonly full?: boolean
}

/** What an event stream gives. `reset`: events were missed that the server no longer has. */
export type StreamedEvent = RunEvent | { readonly type: 'reset' }

export interface RequestOptions {
  readonly signal?: AbortSignal
}

export interface OnceOptions extends RequestOptions {
  /** Several tries with one key start one process, and all are answered with it. @default each starts its own */
  readonly idempotencyKey?: string
}

/** The server refused, or could not be understood. */
export class ApiError extends Error {
  /** HTTP status. */
  readonly status: number
  /** Of the table of errors, or `HTTP` where the answer was none of the API. */
  readonly code: Failure['code'] | 'HTTP'
  /** What can be done about it. */
  readonly todo: string | undefined
  /** Whether the same request may succeed later without a change. Of an answer that is none of the API: by its status. */
  readonly retryable: boolean
  readonly detail: unknown
  /** When the server says to come again, ms. */
  readonly retryAfterMs: number | undefined

  constructor(
    status: number,
    failure: { code: ApiError['code']; message: string; todo?: string; retryable?: boolean; detail?: unknown },
    retryAfterMs?: number,
  ) {
    super(failure.message)
    this.name = 'ApiError'
    this.status = status
    this.code = failure.code
    this.todo = failure.todo
    this.retryable = failure.retryable ?? isPassing(status, failure.code)
    this.detail = failure.detail
    this.retryAfterMs = retryAfterMs
  }
}

export type Client = ReturnType<typeof createClient>

/** Throws `CONFIG_INVALID` for an option that is none, or that is not what it should be. */
export function createClient(options: ClientOptions) {
  const { root, authorization } = checkClientOptions(options)
  const send = options.fetch ?? globalThis.fetch.bind(globalThis)

  function open(method: string, path: string, { query = {}, body, headers = {}, signal }: Asking): Promise<Response> {
    const url = new URL(root + path)
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined) continue
      url.searchParams.set(name, Array.isArray(value) ? value.join(',') : String(value))
    }
    return send(url.href, {
      method,
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
  }

  async function ask<Answer>(method: string, path: string, asking: Asking): Promise<Answer> {
    const sent = open(method, path, asking)
    let response: Response
    let text: string
    try {
      response = await sent
      text = await response.text()
    } catch (error) {
      // Who aborts knows why.
      if (asking.signal?.aborted === true || PolityError.isInstance(error)) throw error
      throw unanswered(method, root + path, error)
    }
    if (!response.ok) throw errorIn(response, text)
    try {
      return JSON.parse(text) as Answer
    } catch {
      throw strange(response, text)
    }
  }

  /** `at` is the method as it is written, for what is said of its arguments. */
  async function get<Answer, Query extends object = object>(
    at: string,
    place: Place,
    asking: RequestOptions | undefined,
    query = {} as Query,
    kinds = {} as Kinds<Query>,
  ): Promise<Answer> {
    checkOptions(at, query, kinds)
    if (asking !== undefined) checkOptions(at, asking, requestKinds)
    return ask('GET', pathOf(at, place), { ...asking, query: query as Asking['query'] })
  }

  async function post<Answer>(
    at: string,
    place: Place,
    body: unknown,
    asking: OnceOptions = {},
    kinds: Kinds<OnceOptions> | Kinds<RequestOptions> = requestKinds,
  ): Promise<Answer> {
    checkOptions<object>(at, asking, kinds)
    const { idempotencyKey, ...rest } = asking
    const headers = idempotencyKey === undefined ? {} : { headers: { 'idempotency-key': idempotencyKey } }
    return ask('POST', pathOf(at, place), { ...rest, ...headers, body })
  }

  /** Pages one after another. */
  async function* items<Item, Query extends PageQuery>(
    page: (query: Query) => Promise<{ readonly items: readonly Item[]; readonly next: string | null }>,
    query: Query,
  ): AsyncGenerator<Item> {
    for (let at = query; ;) {
      const { items, next } = await page(at)
      yield* items
      if (next === null) return
      at = { ...at, cursor: next }
    }
  }

  function stream(at: string, place: Place, eventsOptions: EventsOptions): AsyncGenerator<StreamedEvent> {
    checkOptions(at, eventsOptions, eventsKinds)
    return follow(pathOf(at, place), eventsOptions)
  }

  /** A stream that connects again until its process ended, its signal aborts, or the server refuses for good. */
  async function* follow(
    path: string,
    { signal, after, types, text, retryAfterMsMax = RETRY_AFTER_MS_MAX }: EventsOptions,
  ): AsyncGenerator<StreamedEvent> {
    let last: string | undefined
    let pauseMs = PAUSE_MS
    let wasOpen = false
    const isOver = (): boolean => signal?.aborted === true
    while (!isOver()) {
      const connection = new AbortController()
      const stop = (): void => connection.abort()
      signal?.addEventListener('abort', stop, { once: true })
      try {
        const response = await open('GET', path, {
          query: { types, text, ...(last === undefined && after !== undefined ? { after } : {}) },
          headers: { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) },
          signal: connection.signal,
        })
        if (!response.ok) {
          const error = errorIn(response, await response.text())
          const afterMs = error.retryAfterMs ?? 0
          if (isFinal(error) || afterMs > retryAfterMsMax) throw error
          pauseMs = Math.max(pauseMs, afterMs)
        } else {
          // It was cut before it brought an id: nobody knows what there was in between.
          if (wasOpen && last === undefined && after === undefined) yield { type: 'reset' }
          wasOpen = true
          for await (const { event, data, id } of eventsIn(response, stop)) {
            pauseMs = PAUSE_MS
            if (event === 'end') return
            if (event === 'failure') {
              const { status, ...failure } = JSON.parse(data) as { status: number } & Told
              const error = new ApiError(status, failure)
              if (!error.retryable) throw error
              break
            }
            if (id !== undefined) last = id
            if (event === 'reset') yield { type: 'reset' }
            else if (data !== '') yield JSON.parse(data) as RunEvent
          }
        }
      } catch (error) {
        if (isOver()) return
        if (error instanceof ApiError) throw error
        // The line is gone or silent; what else `fetch` throws is no different from here.
      } finally {
        signal?.removeEventListener('abort', stop)
        stop()
      }
      await pause(pauseMs, signal)
      pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2)
    }
  }

  const processes = {
    list: (query?: ProcessQuery, asking?: RequestOptions) =>
      get<ProcessPage, ProcessQuery>('processes.list', ['/processes'], asking, query, processKinds),
    /** All pages of the list. */
    each: (query: ProcessQuery = {}, asking?: RequestOptions) =>
      items<Process, ProcessQuery>((at) => processes.list(at, asking), query),
    get: (pid: number, asking?: RequestOptions) => get<Process>('processes.get', ['/processes/', { pid }], asking),
    start: (request: StartRequest, asking?: OnceOptions) =>
      post<Process>('processes.start', ['/processes'], request, asking, onceKinds),
    kill: (pid: number, reason?: string, asking?: RequestOptions) =>
      post<Process>('processes.kill', ['/processes/', { pid }, '/kill'], { reason }, asking),
    fork: (pid: number, request: ForkRequest = {}, asking?: OnceOptions) =>
      post<Process>('processes.fork', ['/processes/', { pid }, '/fork'], request, asking, onceKinds),
    /** Goes on with a process that was stopped, and with its descendants. */
    resume: (pid: number, asking?: RequestOptions) =>
      post<Resumed>('processes.resume', ['/processes/', { pid }, '/resume'], {}, asking),
    replay: (pid: number, asking?: RequestOptions) =>
      post<ReplayReport>('processes.replay', ['/processes/', { pid }, '/replay'], {}, asking),
    send: (pid: number, body: Json, asking?: RequestOptions) =>
      post<Done>('processes.send', ['/processes/', { pid }, '/send'], { body }, asking),
    tree: (pid: number, asking?: RequestOptions) =>
      get<ProcessTree>('processes.tree', ['/processes/', { pid }, '/tree'], asking),
    /** How it ended, once it has. With `waitMs` what is known after that time at the latest; 0: at once. */
    async result(pid: number, resultOptions: ResultOptions = {}): Promise<Result> {
      checkOptions('processes.result', resultOptions, resultKinds)
      const { waitMs = Infinity, signal } = resultOptions
      const path = pathOf('processes.result', ['/processes/', { pid }, '/result'])
      for (let left = waitMs; ; left -= WAIT_S_MAX * 1000) {
        const wait = Math.max(0, Math.min(WAIT_S_MAX, left / 1000))
        const result = await ask<Result>('GET', path, { query: { wait }, signal })
        if (result.state !== 'running' || left <= WAIT_S_MAX * 1000) return result
      }
    },
    /** Its system calls. With `full`, arguments and values whole. */
    trace: (pid: number, query?: TraceQuery, asking?: RequestOptions) =>
      get<SpanPage, TraceQuery>('processes.trace', ['/processes/', { pid }, '/trace'], asking, query, traceKinds),
    /** One of its system calls, whole. */
    call: (pid: number, n: number, asking?: RequestOptions) =>
      get<Span>('processes.call', ['/processes/', { pid }, '/trace/', { n }], asking),
    /** What its model calls were sent and answered; the last one first with `sort: '-n'`. */
    conversation: (pid: number, query?: SortedQuery<'n'>, asking?: RequestOptions) =>
      get<ModelCallPage, SortedQuery<'n'>>(
        'processes.conversation',
        ['/processes/', { pid }, '/conversation'],
        asking,
        query,
        sortedKinds,
      ),
    /** The files of its tree, as it sees them, by path. */
    files: (pid: number, query?: FilesQuery, asking?: RequestOptions) =>
      get<FilePage, FilesQuery>('processes.files', ['/processes/', { pid }, '/files'], asking, query, filesKinds),
    /** All pages of them. */
    eachFile: (pid: number, query: FilesQuery = {}, asking?: RequestOptions) =>
      items<FileVersion, FilesQuery>((at) => processes.files(pid, at, asking), query),
    /** One file with its content. `version` is that of a `FileVersion`. @default its last version */
    file: (pid: number, path: string, version?: number, asking?: RequestOptions) =>
      get<FileContent, FileQuery>(
        'processes.file',
        ['/processes/', { pid }, '/file'],
        asking,
        { path, version },
        fileKinds,
      ),
    /** Every version of a file, the newest first. */
    fileVersions: (pid: number, path: string, query: PageQuery = {}, asking?: RequestOptions) =>
      get<FilePage, PageQuery & Pick<FileQuery, 'path'>>(
        'processes.fileVersions',
        ['/processes/', { pid }, '/file/versions'],
        asking,
        { ...query, path },
        { ...pageKinds, path: words },
      ),
    /** What happens to it and its descendants, until it ends. */
    events: (pid: number, eventsOptions: EventsOptions = {}) =>
      stream('processes.events', ['/processes/', { pid }, '/events'], eventsOptions),
  }

  const notes = {
    /** All of them, the newest first. */
    list: (query?: NotesQuery, asking?: RequestOptions) =>
      get<Notes, NotesQuery>('notes.list', ['/notes'], asking, query, notesKinds),
    each: (query: NotesQuery = {}, asking?: RequestOptions) =>
      items<Note, NotesQuery>((at) => notes.list(at, asking), query),
    /** Those that the words find, the best first. */
    search: (query: string, more: Omit<NotesQuery, 'cursor'> = {}, asking?: RequestOptions) =>
      get<Notes, Searching>('notes.search', ['/notes'], asking, { ...more, query }, searchKinds),
    remember: (note: NoteRequest, asking?: RequestOptions) =>
      post<NoteKept>('notes.remember', ['/notes'], note, asking),
    /** Takes back all that comes from a source; for keys with the scope admin. */
    revoke: (asked: RevokeRequest, asking?: RequestOptions) =>
      post<Revocation>('notes.revoke', ['/revocations'], asked, asking),
    /** `principal`: whose it is; only an admin names another than its own. */
    async forget(id: string, principal?: string, asking: RequestOptions = {}): Promise<Done> {
      checkKind('notes.forget: id', id, words)
      if (principal !== undefined) checkKind('notes.forget: principal', principal, text)
      checkOptions('notes.forget', asking, requestKinds)
      return ask('DELETE', `/notes/${encodeURIComponent(id)}`, { ...asking, query: { principal } })
    },
    /** The principals that have notes; for keys with the scope admin. */
    memories: (query?: PageQuery, asking?: RequestOptions) =>
      get<Memories, PageQuery>('notes.memories', ['/memories'], asking, query, pageKinds),
  }

  return {
    processes,
    /** What happens to all processes of the caller; for an admin, to all. Never ends by itself. */
    events: (eventsOptions: EventsOptions = {}) => stream('events', ['/events'], eventsOptions),
    notes,
    questions: {
      list: (asking?: RequestOptions) => get<Questions>('questions.list', ['/questions'], asking),
      answer: (id: number, text: string, value?: Json, asking?: RequestOptions) =>
        post<Done>('questions.answer', ['/questions/', { id }, '/answer'], { text, value }, asking),
    },
    policy: {
      get: (asking?: RequestOptions) => get<Policy>('policy.get', ['/policy'], asking),
      explain: (call: WrittenCall, law?: { [key: string]: Json }, asking?: RequestOptions) =>
        post<Explanation>('policy.explain', ['/policy/explain'], { call, law }, asking),
      test: (cases: TestRequest['cases'], law?: { [key: string]: Json }, asking?: RequestOptions) =>
        post<TestReport>('policy.test', ['/policy/test'], { cases, law }, asking),
    },
    /** What the law decided; the newest first with `sort: '-number'`. */
    audit: (query?: SortedQuery<'number'>, asking?: RequestOptions) =>
      get<AuditPage, SortedQuery<'number'>>('audit', ['/audit'], asking, query, sortedKinds),
    tools: (asking?: RequestOptions) => get<Tools>('tools', ['/tools'], asking),
    programs: (asking?: RequestOptions) => get<Programs>('programs', ['/programs'], asking),
    cores: (asking?: RequestOptions) => get<Cores>('cores', ['/cores'], asking),
    limits: (asking?: RequestOptions) => get<Limits>('limits', ['/limits'], asking),
    /** A page of accounts, an admin's of all, and one of the processes with a budget. */
    budgets: (query?: BudgetsQuery, asking?: RequestOptions) =>
      get<Budgets, BudgetsQuery>('budgets', ['/budgets'], asking, query, budgetsKinds),
    openapi: (asking?: RequestOptions) => get<{ [key: string]: Json }>('openapi', ['/openapi.json'], asking),
  }
}

interface Asking extends RequestOptions {
  readonly query?: { readonly [name: string]: string | number | boolean | readonly string[] | undefined } | undefined
  readonly body?: unknown
  readonly headers?: { readonly [name: string]: string }
}

/** An error as the API tells it. */
type Told = ConstructorParameters<typeof ApiError>[1]

/** A path below the API's: its words, and the numbers between them by their names. */
type Place = readonly (string | { readonly [name: string]: number })[]

/** Throws `INVALID_ARGUMENT` for what is no number: `..` would lead elsewhere. */
function pathOf(at: string, place: Place): string {
  return place
    .map((part) => {
      if (typeof part === 'string') return part
      const [name = '', value] = Object.entries(part)[0] ?? []
      checkKind(`${at}: ${name}`, value, whole)
      return String(value)
    })
    .join('')
}

/** What is sent of the options: where the API is, and the key as a header has it. Both without the blanks around them. */
function checkClientOptions(options: ClientOptions): {
  readonly root: string
  readonly authorization: string | undefined
} {
  checkKeys('createClient', options, optionKeys)
  const { url, key, fetch } = options as { readonly [Name in keyof ClientOptions]?: unknown }
  const refuse = (name: string, takes: string, got: unknown): never => {
    throw new PolityError(
      'CONFIG_INVALID',
      `createClient: ${name} takes ${takes}, not ${messageOf(got).slice(0, 80) || '""'}`,
    )
  }
  const server = typeof url === 'string' ? serverAt(url) : undefined
  if (server === undefined)
    return refuse('url', 'where the server is, such as http://127.0.0.1:7070, without /api/v1', url)
  // What no header can hold would fail at each request, and a stream would try it for ever.
  const sent = typeof key === 'string' ? key.trim() : undefined
  if (key !== undefined && (sent === undefined || !/^[\x21-\x7e]+$/.test(sent)))
    refuse('key', 'a key of `polity key create`', typeof key === 'string' ? 'text with other characters' : key)
  if (fetch !== undefined && typeof fetch !== 'function') refuse('fetch', 'a function like `fetch`', fetch)
  return { root: `${server}/api/v1`, authorization: sent === undefined ? undefined : `Bearer ${sent}` }
}

/**
 * Origin and path of a server's address; undefined where it is none. `fetch` takes no name and password in it, and behind `?`
 * or `#`, be it empty, the path of a request would be lost.
 */
function serverAt(text: string): string | undefined {
  if (!URL.canParse(text) || /[?#]/.test(text)) return undefined
  const { protocol, username, password, origin, pathname } = new URL(text)
  const isServer = /^https?:$/.test(protocol) && username + password === '' && !/\/api\/v1\/*$/.test(pathname)
  return isServer ? origin + pathname.replace(/\/+$/, '') : undefined
}

// ---------------------------------------------------------------------------------------------------- what methods take

type SortedQuery<Key extends string> = PageQuery & { readonly sort?: Key | `-${Key}` }
type FileQuery = { readonly path: string; readonly version?: number | undefined }
type Searching = Omit<NotesQuery, 'cursor'> & { readonly query: string }

const requestKinds: Kinds<RequestOptions> = { signal }
const onceKinds: Kinds<OnceOptions> = { signal, idempotencyKey: onceKey }
const resultKinds: Kinds<ResultOptions> = { signal, waitMs: duration }
const eventsKinds: Kinds<EventsOptions> = {
  signal,
  after: whole,
  types: texts,
  text: flag,
  retryAfterMsMax: duration,
}
const pageKinds: Kinds<PageQuery> = { cursor: text, limit: number }
const budgetsKinds: Kinds<BudgetsQuery> = { ...pageKinds, only: text }
const sortedKinds: Kinds<SortedQuery<string>> = { ...pageKinds, sort: text }
const traceKinds: Kinds<TraceQuery> = { ...pageKinds, full: flag }
const filesKinds: Kinds<FilesQuery> = { ...pageKinds, prefix: text, removed: flag }
const fileKinds: Kinds<FileQuery> = { path: words, version: whole }
const processKinds: Kinds<ProcessQuery> = {
  ...pageKinds,
  state: oneOrMore,
  program: text,
  name: text,
  principal: text,
  parent: whole,
  root: whole,
  all: flag,
  sort: text,
}
const { cursor, ...filterKinds }: Kinds<NotesQuery> = {
  ...pageKinds,
  principal: text,
  tag: text,
  kind: text,
  session: text,
  source: text,
  trust: text,
  validAt: number,
  learnedBefore: number,
}
const notesKinds: Kinds<NotesQuery> = { cursor, ...filterKinds }
const searchKinds: Kinds<Searching> = { query: words, ...filterKinds }

// ------------------------------------------------------------------------------------------------------------ the line

/** First and longest pause before a stream connects again, ms. */
const PAUSE_MS = 250
const PAUSE_MS_MAX = 5_000
/** Longest pause that a server may ask for: the clients of OpenAI and Anthropic wait no longer either. */
const RETRY_AFTER_MS_MAX = 60_000
/** Longest that a timer runs, ms. */
const TIMER_MS_MAX = 2 ** 31 - 1
/** A stream that brings nothing for so long is dead, ms: three heartbeats of the server. */
const SILENCE_MS = 45_000

/** Where the server does not say whether to come again: an earlier version, or a proxy before it. */
function isPassing(status: number, code: ApiError['code']): boolean {
  if (code !== 'HTTP' && Object.hasOwn(errorTable, code)) return errorTable[code].retry
  return status === 408 || status === 429 || status >= 500
}

/** Whether a stream ends with this refusal. That there is no room for one more passes, and so does a server that fails. */
function isFinal({ status, retryable }: ApiError): boolean {
  return !retryable && status < 500 && status !== 408 && status !== 429
}

/** What a refusal says; `text` is its body. */
function errorIn(response: Response, text: string): ApiError {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown; message?: unknown } }
    if (typeof error?.code === 'string' && typeof error.message === 'string')
      return new ApiError(response.status, error as Told, retryAfterMsOf(response))
  } catch {
    // No answer of the API.
  }
  return strange(response, text)
}

/** An answer that is none of the API: a proxy's page, or another server. */
function strange(response: Response, text: string): ApiError {
  const message = `the server answered ${response.status}: ${text.slice(0, 200)}`
  return new ApiError(response.status, { code: 'HTTP', message }, retryAfterMsOf(response))
}

function retryAfterMsOf({ headers }: Response): number | undefined {
  const after = Number(headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(after) ? after * 1000 : undefined
}

/** No answer came, or not all of it. */
function unanswered(method: string, url: string, error: unknown): PolityError {
  const { origin, pathname } = new URL(url)
  // "fetch failed" alone says little, and of several addresses there is only a code.
  const cause = fieldOf(error, 'cause')
  const why = [fieldOf(cause, 'message'), fieldOf(cause, 'code')].find(
    (said) => typeof said === 'string' && said !== '',
  )
  return new PolityError(
    'DRIVER_UNAVAILABLE',
    `no answer from ${origin} to ${method} ${pathname} (${messageOf(why ?? error)}); look whether the server runs there (\`polity serve\`), and try again`,
    { cause: error },
  )
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, Math.min(ms, TIMER_MS_MAX))
    signal?.addEventListener('abort', end, { once: true })
    if (signal?.aborted === true) end()
  })
}

interface SentEvent {
  readonly event: string
  readonly data: string
  readonly id: string | undefined
}

/** The server-sent events of a response (WHATWG HTML, section 9.2). `stop` ends the connection: it is called where the line is silent. */
async function* eventsIn(response: Response, stop: () => void): AsyncGenerator<SentEvent> {
  if (response.body === null) return
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let event = ''
  let id: string | undefined
  let data: string[] = []
  try {
    for (;;) {
      const silent = setTimeout(stop, SILENCE_MS)
      let chunk: Awaited<ReturnType<typeof reader.read>>
      try {
        chunk = await reader.read()
      } finally {
        clearTimeout(silent)
      }
      if (chunk.done) return
      text += decoder.decode(chunk.value as Uint8Array, { stream: true })
      // A CR at the end may be half of a line end.
      const lines = text.split(/\r\n|\n|\r(?=[^])/)
      text = lines.pop() as string
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0 || event !== '') yield { event, data: data.join('\n'), id }
          event = ''
          data = []
          id = undefined
          continue
        }
        const colon = line.indexOf(':')
        if (colon === 0) continue
        const field = colon < 0 ? line : line.slice(0, colon)
        const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
        if (field === 'event') event = value
        else if (field === 'data') data.push(value)
        else if (field === 'id' && !value.includes('\0')) id = value
      }
    }
  } finally {
    // Whoever leaves the loop closes the connection.
    await reader.cancel().catch(() => {})
  }
}
