/**
 * A team as its journal shows it: who spoke to whom, how much, who waits for whom, and what the ledger of a leader says.
 *
 *     const team = teamOf(events)                   // of a process and its descendants, in the order of `seq`
 *     team.lines                                    // [{ from: '12 Ann', to: '12 Bob', kind: 'said', messages: 3, tokens: 140 }, …]
 *     const reader = openTeam()                     // event by event, for whoever follows a run
 *     reader.hear(event), reader.team()
 *
 * A team is a process tree. Its seats are the processes, and the members that one process speaks for (src/agents/pieces/speaker.ts).
 * They speak in four ways: `task`, a process is begun with an input; `answer`, it ends with a value for who began it; `mail`; and
 * `said`, a member's words, for those that they are meant for. The two ledgers of Magentic-One are known by the form of their
 * answers. What is measured of a team stands in team-measures.ts.
 *
 * Invariants
 *   TE1. Pure, and without a library: the dashboard draws with it in the browser.
 *   TE2. What was said is counted once for who said it, and once for each who heard it on the line between them: whether it was
 *        told so when it was said or when it was read, and however often it was read.
 *   TE3. What a restore undid was said all the same, and counts.
 */
import { jsonIn } from '../agents/pieces/json-text.ts'
import { speakerIn, type Speaker } from '../agents/pieces/speaker.ts'
import type { CallEnd, CallStart, JournalEvent, Json, Pid, ProcessState } from '../kernel/types.ts'

/** Who speaks and is spoken to. */
export interface Seat {
  /** `12` is process 12, `12 Ann` a member that it speaks for, `0` whoever is outside. */
  readonly id: string
  readonly pid: Pid
  readonly name: string
  readonly kind: 'process' | 'model' | 'person' | 'outside'
  /** The seat that it belongs under: who began the process, or the process that speaks for it; null at the top. */
  readonly parent: string | null
  /** Of a process. */
  readonly state: ProcessState | null
  /** Mail and words of its own, each once, however many heard it. */
  readonly messages: number
  /** In them: as the model's provider counted them, else a token for three bytes, as the kernel estimates. */
  readonly tokens: number
  /** Input and output of its model calls; of a process those that no member spoke by. */
  readonly modelTokens: number
}

/** What went from one seat to another. */
export interface Line {
  readonly from: string
  readonly to: string
  readonly kind: 'task' | 'answer' | 'mail' | 'said'
  readonly messages: number
  readonly tokens: number
}

/** What a member said. */
export interface Spoken {
  /** Where its call ended in the journal. */
  readonly seq: number
  readonly at: number
  /** The process that speaks for the member. */
  readonly pid: Pid
  readonly seat: string
  readonly to: readonly string[]
  /** From 1; null where the program counts none. */
  readonly turn: number | null
  readonly text: string
  readonly tokens: number
  /** `default`: a person who did not answer in time. */
  readonly by: 'model' | 'person' | 'default'
}

/** What a leader wrote into its ledgers. */
export type LedgerEntry = { readonly seq: number; readonly at: number; readonly pid: Pid } & (
  | {
      readonly kind: 'facts'
      readonly given: readonly string[]
      readonly lookUp: readonly string[]
      readonly derive: readonly string[]
      readonly guesses: readonly string[]
    }
  | { readonly kind: 'plan'; readonly plan: readonly string[] }
  | {
      readonly kind: 'progress'
      readonly isSatisfied: boolean
      readonly isInLoop: boolean
      readonly isProgress: boolean
      readonly speaker: string
      readonly instruction: string
    }
)

export interface Team {
  /** In the order in which they appeared. */
  readonly seats: readonly Seat[]
  readonly lines: readonly Line[]
  /** Who waits for whose end, now. */
  readonly waits: readonly { readonly from: string; readonly to: string }[]
  readonly said: readonly Spoken[]
  readonly ledger: readonly LedgerEntry[]
}

export interface TeamReader {
  /** The next event. Events of one process come in the order of `seq`. */
  hear(event: JournalEvent): void
  /** As it stands. */
  team(): Team
}

/** The team of events that are all there. */
export function teamOf(events: Iterable<JournalEvent>): Team {
  const reader = openTeam()
  for (const event of events) reader.hear(event)
  return reader.team()
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

export function openTeam(): TeamReader {
  const seats = new Map<string, Mutable<Seat>>()
  const lines = new Map<string, Mutable<Line>>()
  /** By process and number of the call, as `open`. */
  const waits = new Map<Pid, Map<number, Team['waits'][number]>>()
  const said: Spoken[] = []
  /** By seat and turn, the place in `said` of the last words. */
  const wordsAt = new Map<string, number>()
  const ledger: LedgerEntry[] = []
  /** Calls whose end matters. */
  const open = new Map<Pid, Map<number, CallStart>>()
  /** Where snapshots were taken, by process and number of the call. */
  const snapshots = new Map<string, number>()
  /** Of each leader, the number of the call by which it wrote its last entry. */
  const written = new Map<Pid, number>()

  function seatOf(pid: Pid, member?: string): Mutable<Seat> {
    const id = member === undefined ? String(pid) : `${pid} ${member}`
    let seat = seats.get(id)
    if (seat !== undefined) return seat
    const isOutside = pid === 0
    seat = {
      id,
      pid,
      name: member ?? (isOutside ? 'outside' : `process ${pid}`),
      kind: member !== undefined ? 'model' : isOutside ? 'outside' : 'process',
      parent: member === undefined ? null : seatOf(pid).id,
      state: member !== undefined || isOutside ? null : 'running',
      messages: 0,
      tokens: 0,
      modelTokens: 0,
    }
    seats.set(id, seat)
    return seat
  }

  function tell(from: string, to: string, kind: Line['kind'], tokens: number): void {
    const key = `${from}\0${to}\0${kind}`
    const line = lines.get(key)
    if (line === undefined) return void lines.set(key, { from, to, kind, messages: 1, tokens })
    line.messages++
    line.tokens += tokens
  }

  function speak(seat: Mutable<Seat>, hearers: readonly string[], kind: 'mail' | 'said', tokens: number): void {
    seat.messages++
    seat.tokens += tokens
    for (const hearer of hearers) tell(seat.id, hearer, kind, tokens)
  }

  function ended(start: CallStart, end: CallEnd): void {
    const speaker = speakerIn(start)
    const { usage } = end
    if (usage !== undefined && start.call === 'generate')
      seatOf(end.pid, speaker?.name).modelTokens += usage.inputTokens + usage.outputTokens
    const text = end.error === undefined ? textOf(start, end.value) : undefined
    if (text === undefined) return
    if (start.call === 'generate') note(end, start, text)
    if (speaker !== undefined) hearMember(speaker, start, end, text)
  }

  function hearMember(speaker: Speaker, start: CallStart, end: CallEnd, text: string): void {
    const { pid, seq, at, usage } = end
    const seat = seatOf(pid, speaker.name)
    if (start.call === 'ask') seat.kind = 'person'
    // Words for nobody in particular are for the program.
    const to = speaker.to === undefined ? [seatOf(pid).id] : speaker.to.map((name) => seatOf(pid, name).id)
    const tokens = usage?.outputTokens ?? estimate(text)
    speak(seat, to, 'said', tokens)
    wordsAt.set(`${seat.id}\0${speaker.turn}`, said.length)
    said.push({
      seq,
      at,
      pid,
      seat: seat.id,
      to,
      turn: speaker.turn ?? null,
      text,
      tokens,
      by: whoAnswered(start, end),
    })
  }

  /** Those whose words stand in what a member is asked are heard by it. */
  function listen(start: CallStart): void {
    const { pid } = start
    const reader = speakerIn(start)
    for (const { name, turn } of reader?.heard ?? []) {
      const place = wordsAt.get(`${pid} ${name}\0${turn}`)
      const words = place === undefined ? undefined : said[place]
      const { id } = seatOf(pid, reader?.name)
      if (words === undefined || words.to.includes(id)) continue
      said[place as number] = { ...words, to: [...words.to, id] }
      tell(words.seat, id, 'said', words.tokens)
    }
  }

  function note({ pid, seq, at }: CallEnd, { n }: CallStart, text: string): void {
    const entry = text.includes('{') ? entryIn(jsonIn(text)) : undefined
    if (entry === undefined) return
    const hasFacts = entry.kind !== 'plan' || ledger.some((one) => one.pid === pid && one.kind === 'facts')
    if (!hasFacts) return
    // Asked again with nothing done in between: the answer before was not of the form.
    const last = ledger.at(-1)
    if (last?.pid === pid && last.kind === entry.kind && written.get(pid) === n - 1) ledger.pop()
    written.set(pid, n)
    ledger.push({ seq, at, pid, ...entry })
  }

  function forget(pid: Pid, n: number): void {
    open.get(pid)?.delete(n)
    waits.get(pid)?.delete(n)
  }

  function hear(event: JournalEvent): void {
    const { pid } = event
    switch (event.type) {
      case 'process-start': {
        const { parent, program, name, input, forkOf } = event
        const seat = seatOf(pid)
        seat.name = name ?? program
        if (parent === null) return
        seat.parent = seatOf(parent).id
        // A fork goes on from where its origin stood: nobody told it anything.
        if (forkOf === null) tell(seat.parent, seat.id, 'task', estimate(input))
        return
      }
      case 'mail-sent':
        return speak(seatOf(event.mail.from), [seatOf(pid).id], 'mail', estimate(event.mail.body))
      case 'call-start': {
        forget(pid, event.n)
        if (!HEARD.has(event.call)) return
        put(open, pid, event.n, event)
        listen(event)
        if (event.call === 'wait') {
          const awaited = (event.args as { readonly pid?: unknown } | null)?.pid
          if (typeof awaited === 'number') put(waits, pid, event.n, { from: String(pid), to: seatOf(awaited).id })
        }
        return
      }
      case 'call-end': {
        const start = open.get(pid)?.get(event.n)
        if (start === undefined) return
        forget(pid, event.n)
        if (start.call === 'snapshot') snapshots.set(`${pid} ${event.n}`, event.seq)
        if (start.call === 'generate' || start.call === 'ask') ended(start, event)
        return
      }
      case 'process-rewind': {
        // A call that was open when the snapshot was taken goes on, and ends under its number. A fork's own come after its origin's.
        const cut = snapshots.get(`${pid} ${event.n}`) ?? 0
        for (const [n, start] of open.get(pid) ?? []) if (start.seq > cut) forget(pid, n)
        written.delete(pid)
        return
      }
      case 'process-end': {
        const seat = seatOf(pid)
        seat.state = event.state
        open.delete(pid)
        waits.delete(pid)
        if (event.state === 'done' && seat.parent !== null) tell(seat.id, seat.parent, 'answer', estimate(event.value))
        return
      }
      default:
    }
  }

  return {
    hear,
    team: () => ({
      seats: [...seats.values()].map((seat) => ({ ...seat })),
      lines: [...lines.values()].map((line) => ({ ...line })),
      waits: [...waits.values()].flatMap((own) => [...own.values()]),
      said: [...said],
      ledger: [...ledger],
    }),
  }
}

const HEARD: ReadonlySet<CallStart['call']> = new Set(['generate', 'ask', 'wait', 'snapshot'])

/** What was said by a call that may be a member's. */
function textOf({ call }: CallStart, value: Json | undefined): string | undefined {
  const text = call === 'ask' ? value : (value as { readonly text?: unknown } | null | undefined)?.text
  return typeof text === 'string' ? text : undefined
}

function whoAnswered({ call, args, at }: CallStart, end: CallEnd): Spoken['by'] {
  if (call !== 'ask') return 'model'
  const { default: fallback, timeoutMs } = args as { readonly default?: Json; readonly timeoutMs?: number }
  return end.value === fallback && end.at - at >= (timeoutMs ?? Infinity) ? 'default' : 'person'
}

const bytes = new TextEncoder()
const BYTES_A_TOKEN = 3

function estimate(value: Json | undefined): number {
  if (value === undefined || value === null) return 0
  return Math.ceil(bytesOf(typeof value === 'string' ? value : JSON.stringify(value)) / BYTES_A_TOKEN)
}

/** In UTF-8. What is short and plain, as most mail is, is counted without a copy. */
function bytesOf(text: string): number {
  if (text.length > SHORT) return bytes.encode(text).length
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return bytes.encode(text).length
  return text.length
}

const SHORT = 200

function put<T>(into: Map<Pid, Map<number, T>>, pid: Pid, n: number, value: T): void {
  const own = into.get(pid)
  if (own === undefined) into.set(pid, new Map([[n, value]]))
  else own.set(n, value)
}

type Entry = LedgerEntry extends infer One ? (One extends LedgerEntry ? Omit<One, 'seq' | 'at' | 'pid'> : never) : never

/** An answer as an entry of a ledger, by the keys that Magentic-One's questions ask for; answers with or without their reasons. */
function entryIn(json: unknown): Entry | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const said = json as { readonly [key: string]: unknown }
  const lists = ['given', 'look_up', 'derive', 'guesses'].map((key) => textsIn(said[key]))
  const [given, lookUp, derive, guesses] = lists
  if (given !== undefined && lookUp !== undefined && derive !== undefined && guesses !== undefined)
    return { kind: 'facts', given, lookUp, derive, guesses }
  const plan = textsIn(said['plan'])
  if (plan !== undefined) return { kind: 'plan', plan }
  const [isSatisfied, isInLoop, isProgress] = [
    answerOf(said['is_request_satisfied']),
    answerOf(said['is_in_loop']),
    answerOf(said['is_progress_being_made']),
  ]
  if (typeof isSatisfied !== 'boolean' || typeof isInLoop !== 'boolean' || typeof isProgress !== 'boolean')
    return undefined
  const [speaker, instruction] = [answerOf(said['next_speaker']), answerOf(said['instruction_or_question'])]
  return {
    kind: 'progress',
    isSatisfied,
    isInLoop,
    isProgress,
    speaker: typeof speaker === 'string' ? speaker : '',
    instruction: typeof instruction === 'string' ? instruction : '',
  }
}

function answerOf(said: unknown): unknown {
  return typeof said === 'object' && said !== null && 'answer' in said ? said.answer : said
}

function textsIn(list: unknown): readonly string[] | undefined {
  return Array.isArray(list) && list.every((one) => typeof one === 'string') ? list : undefined
}
