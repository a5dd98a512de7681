/**
 * A session with the server: the client with its key, whether the line is there, the process table, the questions that
 * wait, and what was counted of the traffic.
 *
 *     const session = openSession(key)
 *     session.state()                  // { line: 'live', isLoaded: true, questions: […], … }
 *     session.close()
 *
 * Invariants
 *   SN1. There is one event stream. While the page is hidden for HIDDEN_MS it is given up, and goes on where it was when
 *        the page is seen again: browsers allow six connections to a server, all tabs together.
 *   SN2. Nothing is asked for again sooner than a second after the last time.
 *   SN3. What ended for another reason than the key is asked for again by itself.
 *   SN4. The key lives in sessionStorage and in this object, and nowhere else.
 */
import { ApiError, createClient } from '../../src/client.ts'
import type { Client, Question, RunEvent } from '../../src/client.ts'
import type { Live } from './live.ts'
import { createLive } from './live.ts'
import type { Rates } from './rates.ts'
import { createRates } from './rates.ts'

/** `locked`: the server wants a key. `refused`: the key may not do this. `paused`: nobody looks. */
export type Line = 'connecting' | 'live' | 'lost' | 'paused' | 'locked' | 'refused'

export interface SessionState {
  readonly line: Line
  /** Why it is not live, where the server said so. */
  readonly why: string
  /** The table has been read whole once. */
  readonly isLoaded: boolean
  /** Rows that were left out since there are more than PROCESSES_MAX. */
  readonly isCut: boolean
  /** Whether the journal has runs that ended earlier than those in the table. */
  readonly older: 'unknown' | 'some' | 'reading' | 'none'
  readonly questions: readonly Question[]
  /** Why questions cannot be shown. */
  readonly questionsError: Error | undefined
}

export interface Session {
  readonly client: Client
  readonly live: Live
  readonly rates: Rates
  state(): SessionState
  subscribe(hear: () => void): () => void
  /** Connects again and reads the table, now. */
  tryNow(): void
  /** Reads some of the runs that ended earlier, the youngest of them first. */
  readOlder(): Promise<void>
  refreshQuestions(): void
  /** A question that was answered here is gone at once. */
  dropQuestion(id: number): void
  close(): void
}

const KEY = 'polity.key'
const PAGE = 1_000
const PROCESSES_MAX = 50_000
/** Runs of the journal that are read at once. */
const OLDER_PAGE = 200
const OLDER_PAGES_MAX = 20
const HIDDEN_MS = 30_000
/** How often usage is set right while something happens. */
const RECONCILE_MS = 20_000
/** Questions expire without an event. */
const QUESTIONS_MS = 30_000
const SOONEST_MS = 1_000
const RETRY_MS = 3_000

type JournalType = Exclude<RunEvent['type'], 'text-delta'>
/** All but what models say as they say it: a run that is open reads that itself. */
const journalTypes = Object.keys({
  'process-start': true,
  'call-start': true,
  'call-reserve': true,
  'call-wait': true,
  'call-sent': true,
  'call-end': true,
  'mail-sent': true,
  'process-rewind': true,
  'files-restored': true,
  'process-end': true,
} satisfies { readonly [Type in JournalType]: true }) as JournalType[]

export function keptKey(): string | undefined {
  return sessionStorage.getItem(KEY) ?? undefined
}

export function keepKey(key: string | undefined): void {
  if (key === undefined) sessionStorage.removeItem(KEY)
  else sessionStorage.setItem(KEY, key)
}

export function openSession(key: string | undefined): Session {
  const listeners = new Set<() => void>()
  const live = createLive()
  const rates = createRates(live)
  let state: SessionState = {
    line: 'connecting',
    why: '',
    isLoaded: false,
    isCut: false,
    older: 'unknown',
    questions: [],
    questionsError: undefined,
  }
  let isClosed = false
  let stream = new AbortController()
  let last: number | undefined
  let isStreaming = false
  let isDirty = false

  function set(change: Partial<SessionState>): void {
    if (isClosed) return
    state = { ...state, ...change }
    for (const hear of listeners) hear()
  }

  const client = createClient({
    url: location.origin,
    ...(key === undefined ? {} : { key }),
    async fetch(input, init) {
      const isStream = new URL(String(input)).pathname === '/api/v1/events'
      if (isStream && state.line === 'live') set({ line: 'lost', why: '' })
      let response: Response
      try {
        response = await globalThis.fetch(input, { ...init, credentials: 'omit', redirect: 'error' })
      } catch (error) {
        if (isStream && init?.signal?.aborted !== true) set({ line: 'lost', why: '' })
        throw error
      }
      if (response.status === 401) {
        set({ line: 'locked', why: await reasonOf(response.clone()) })
      } else if (isStream) {
        if (response.ok) {
          set({ line: 'live', why: '' })
          // Only now: what happens after the table is read must be heard.
          if (last === undefined || !state.isLoaded) void refreshAnew()
        } else set({ line: response.status === 403 ? 'refused' : 'lost', why: await reasonOf(response.clone()) })
      }
      return response
    },
  })

  // ------------------------------------------------------------------------------------------------------- the stream

  let following: ReturnType<typeof setTimeout> | undefined
  async function follow(): Promise<void> {
    if (isStreaming || isClosed) return
    clearTimeout(following)
    isStreaming = true
    const { signal } = stream
    try {
      const events = client.events({
        signal,
        types: journalTypes,
        // Whoever opens a run in the middle of an answer reads on from there.
        text: true,
        ...(last === undefined ? {} : { after: last }),
      })
      for await (const event of events) {
        if (event.type === 'reset') {
          live.missed()
          void refreshAnew()
          refreshQuestions()
          continue
        }
        live.hear(event)
        isDirty = true
        if (event.type !== 'text-delta') last = event.seq
        if (event.type === 'call-wait' && event.core === null) refreshQuestions()
        else if (event.type === 'call-start' && event.call === 'ask') refreshQuestions()
        else if ((event.type === 'call-end' || event.type === 'process-end') && hasQuestionOf(event.pid))
          refreshQuestions()
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      // What refused the request was told where it came in; this is of a stream that was open.
      const line = error.status === 401 ? 'locked' : error.status === 403 ? 'refused' : 'lost'
      if (state.line === 'live' || state.line === 'connecting') set({ line, why: error.message })
      if (!isOfKey(error)) following = setTimeout(() => void follow(), RETRY_MS)
    } finally {
      isStreaming = false
      // It was seen again before it had ended.
      if (signal.aborted && state.line !== 'paused') void follow()
    }
  }

  function tryNow(): void {
    // What waits to connect again does not wait any longer.
    stream.abort()
    stream = new AbortController()
    void follow()
    void refresh()
  }

  let hiddenTimer: ReturnType<typeof setTimeout> | undefined
  function onVisibility(): void {
    clearTimeout(hiddenTimer)
    if (document.visibilityState === 'hidden') {
      hiddenTimer = setTimeout(() => {
        if (state.line !== 'live') return
        set({ line: 'paused' })
        stream.abort()
        stream = new AbortController()
      }, HIDDEN_MS)
    } else if (state.line === 'paused') {
      set({ line: 'connecting' })
      void follow()
      void refresh()
    }
  }
  document.addEventListener('visibilitychange', onVisibility)

  // -------------------------------------------------------------------------------------------------------- the table

  let refreshing: Promise<void> | undefined
  let retrying: ReturnType<typeof setTimeout> | undefined
  function refresh(): Promise<void> {
    return (refreshing ??= readTable({}).finally(() => (refreshing = undefined)))
  }

  /** From its beginning, whatever is being read already. */
  async function refreshAnew(): Promise<void> {
    await refreshing
    await refresh()
  }

  async function readTable(query: { readonly state?: readonly ('running' | 'stopped')[] }): Promise<void> {
    clearTimeout(retrying)
    const sinceBeginning = live.track()
    const listed = new Set<number>()
    try {
      let cursor: string | undefined
      while (!isClosed) {
        const sinceAsked = live.track()
        const page = await client.processes
          .list({ ...query, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
          .finally(sinceAsked)
        const moving = sinceAsked()
        for (const process of page.items) {
          listed.add(process.pid)
          live.adopt(process, moving)
        }
        if (page.next === null || listed.size >= PROCESSES_MAX) {
          if (page.next === null) live.keepOnly(listed, sinceBeginning())
          // After a restart of the server the table is all but empty; what was done last is what one looks for.
          // Where that fails, its button stays.
          if (state.older === 'unknown') await readOlder().catch(() => {})
          set({ isLoaded: true, isCut: page.next !== null })
          return
        }
        cursor = page.next
      }
    } catch (error) {
      if (!(error instanceof ApiError) || !isOfKey(error)) retrying = setTimeout(() => void refresh(), RETRY_MS)
      else if (state.line !== 'locked') set({ line: 'refused', why: error.message })
    } finally {
      sinceBeginning()
    }
  }

  let olderFrom: string | undefined
  async function readOlder(): Promise<void> {
    if (state.older === 'reading') return
    const before = state.older
    set({ older: 'reading' })
    try {
      // Pages of what the table has already lead on to the next.
      for (let isNew = false, pages = 0; !isNew && pages < OLDER_PAGES_MAX && !isClosed; pages++) {
        const { items, next } = await client.processes.list({
          all: true,
          limit: OLDER_PAGE,
          ...(olderFrom === undefined ? {} : { cursor: olderFrom }),
        })
        for (const process of items) {
          // What runs is told by the table and the stream.
          if (process.endedAt === null || live.rows.has(process.pid)) continue
          live.adopt(process)
          isNew = true
        }
        olderFrom = next ?? undefined
        if (next === null) return set({ older: 'none' })
      }
      set({ older: 'some' })
    } catch (error) {
      set({ older: before })
      throw error
    }
  }

  const reconciling = setInterval(() => {
    if (!isDirty || state.line !== 'live' || document.visibilityState === 'hidden' || refreshing !== undefined) return
    isDirty = false
    refreshing = readTable({ state: ['running', 'stopped'] }).finally(() => (refreshing = undefined))
  }, RECONCILE_MS)

  // ------------------------------------------------------------------------------------------------------ the questions

  const hasQuestionOf = (pid: number): boolean => state.questions.some((one) => one.pid === pid)
  let questionsAt = -Infinity
  let questionsTimer: ReturnType<typeof setTimeout> | undefined
  const answered = new Set<number>()

  function refreshQuestions(): void {
    if (isClosed || questionsTimer !== undefined) return
    const inMs = Math.max(60, questionsAt + SOONEST_MS - performance.now())
    questionsTimer = setTimeout(() => {
      questionsTimer = undefined
      questionsAt = performance.now()
      client.questions.list().then(
        ({ items }) => {
          const questions = items.filter(({ id }) => !answered.has(id))
          live.setAsking(new Set(questions.map(({ pid }) => pid)))
          set({ questions, questionsError: undefined })
        },
        (error: Error) => set({ questionsError: error }),
      )
    }, inMs)
  }
  const asking = setInterval(
    () => document.visibilityState !== 'hidden' && state.line === 'live' && refreshQuestions(),
    QUESTIONS_MS,
  )

  void follow()
  refreshQuestions()

  return {
    client,
    live,
    rates,
    state: () => state,
    subscribe(hear) {
      listeners.add(hear)
      return () => listeners.delete(hear)
    },
    tryNow,
    readOlder,
    refreshQuestions,
    dropQuestion(id) {
      answered.add(id)
      set({ questions: state.questions.filter((one) => one.id !== id) })
    },
    close() {
      isClosed = true
      stream.abort()
      clearInterval(reconciling)
      clearInterval(asking)
      clearTimeout(hiddenTimer)
      clearTimeout(questionsTimer)
      clearTimeout(retrying)
      clearTimeout(following)
      document.removeEventListener('visibilitychange', onVisibility)
      rates.stop()
      live.stop()
    },
  }
}

/** Whether it is for whoever has the key to mend: asking again would not. */
function isOfKey({ status }: ApiError): boolean {
  return status === 401 || status === 403
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const { error } = (await response.json()) as { error?: { message?: unknown } }
    return typeof error?.message === 'string' ? error.message : ''
  } catch {
    return ''
  }
}
