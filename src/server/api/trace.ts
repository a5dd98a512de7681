/**
 * Traces: the journal of a process as spans, one a system call, and the model calls among them as conversations.
 *
 *     const lives = await livesOf(pid, view.events)      // its own journal, and those that it was forked from
 *     spansOf(lives)
 *     modelCallsOf(lives)
 *
 * Pure but for `livesOf`, which reads.
 *
 * Invariants
 *   TC1. Every call that was made is a span, also what a restore undid: it was made all the same.
 *   TC2. Spans are in the order in which their calls started.
 */
import type { JournalEvent, CallEnd, CallStart, Generation, Json, Pid } from '../../kernel/types.ts'
import { expandMessages } from '../../kernel/request.ts'
import type { Message, ModelCall, Span } from './trace-schemas.ts'

/** A part of the past of a process: the events of one journal, and where a fork of it left. The oldest first. */
export interface Life {
  readonly events: readonly JournalEvent[]
  /** Where the next one was forked off; absent for the last. */
  readonly until?: { readonly seq: number; readonly call: number | null }
}

/** The journals that make up the past of a process. What was removed from the store is left out. */
export async function livesOf(
  pid: Pid,
  eventsOf: (pid: Pid) => Promise<readonly JournalEvent[]>,
): Promise<readonly Life[]> {
  const lives: Life[] = [{ events: await eventsOf(pid) }]
  for (let oldest = lives[0] as Life; ; oldest = lives[0] as Life) {
    const [head] = oldest.events
    if (head?.type !== 'process-start' || head.forkOf === null) return lives
    const events = await eventsOf(head.forkOf.pid)
    if (events.length === 0) return lives
    lives.unshift({ events, until: head.forkOf })
  }
}

/** A call on its way through the journal. */
interface Made {
  readonly start: CallStart
  end: CallEnd | undefined
  /** Of a call of `snapshot` that was gone back to: what it returned last. */
  restored: Json | undefined
  readonly inherited: boolean
  undone: boolean
  /** Time in queues of cores, and waiting for people, ms. */
  waitedMs: number
  askedMs: number
  waitsSince: { readonly at: number; readonly core: string | null } | undefined
  core: string | null
}

/** Every call that was made, by its start, and those in force by their number. */
function callsOf(lives: readonly Life[]): {
  readonly all: readonly Made[]
  readonly inForce: ReadonlyMap<number, Made>
} {
  const all: Made[] = []
  let inForce = new Map<number, Made>()
  for (const { events, until } of lives) {
    for (const event of events) {
      if (until !== undefined && event.seq >= until.seq) break
      hear(event, until !== undefined)
    }
    // The fork call itself belongs to both: in the fork it returned 0.
    const forking = until?.call === null ? undefined : events.find(({ seq }) => seq === until?.seq)
    if (forking?.type !== 'call-start') continue
    hear(forking, true)
    hear({ type: 'call-end', seq: forking.seq, at: forking.at, pid: forking.pid, n: forking.n, value: 0 }, true)
  }
  return { all, inForce }

  function hear(event: JournalEvent, inherited: boolean): void {
    const made = 'n' in event ? inForce.get(event.n) : undefined
    switch (event.type) {
      case 'call-start': {
        const one: Made = {
          start: event,
          end: undefined,
          restored: undefined,
          inherited,
          undone: false,
          waitedMs: 0,
          askedMs: 0,
          waitsSince: undefined,
          core: null,
        }
        all.push(one)
        inForce.set(event.n, one)
        return
      }
      case 'call-wait':
        if (made === undefined) return
        made.waitsSince = event
        if (event.core !== null) made.core = event.core
        return
      case 'call-sent':
        if (made !== undefined) endWait(made, event.at)
        return
      case 'call-end':
        if (made === undefined) return
        endWait(made, event.at)
        made.end = event
        return
      case 'process-rewind': {
        const cut = made?.end?.seq
        if (made === undefined || cut === undefined) return
        made.restored = event.value
        for (const one of all) if (one.start.seq > cut) one.undone = true
        inForce = new Map([...inForce].filter(([, one]) => !one.undone))
      }
    }
  }
}

function endWait(made: Made, at: number): void {
  const { waitsSince } = made
  if (waitsSince === undefined) return
  if (waitsSince.core === null) made.askedMs += at - waitsSince.at
  else made.waitedMs += at - waitsSince.at
  made.waitsSince = undefined
}

/** The calls of a process; with arguments and values whole those whose start has one of the places in `full`. */
export function spansOf(lives: readonly Life[], full: ReadonlySet<number> = NONE): Span[] {
  const { all, inForce } = callsOf(lives)
  return all.map((made) => spanOf(made, full.has(made.start.seq) ? inForce : undefined))
}

const NONE: ReadonlySet<number> = new Set()

/** One call in force, whole; undefined where there is none of that number. */
export function wholeSpan(lives: readonly Life[], n: number): Span | undefined {
  const { inForce } = callsOf(lives)
  const made = inForce.get(n)
  return made === undefined ? undefined : spanOf(made, inForce)
}

function spanOf(made: Made, whole: ReadonlyMap<number, Made> | undefined): Span {
  const { start, end } = made
  const { call, args } = start
  const value = made.restored ?? end?.value
  const error = end?.error ?? null
  const isModelCall = call === 'generate'
  const refused = end?.refused === true
  const span: Span = {
    n: start.n,
    seq: start.seq,
    pid: start.pid,
    call,
    tool: call === 'call' ? textOf(args, 'tool') : null,
    args: isModelCall ? lastSaid(args) : brief(call === 'call' ? (fieldOf(args, 'input') ?? null) : args),
    value: value === undefined ? null : isModelCall ? said(value) : brief(value),
    startedAt: start.at,
    endedAt: end?.at ?? null,
    waitedMs: Math.max(made.waitedMs, end?.waitedMs ?? 0),
    askedMs: made.askedMs,
    core: isModelCall ? (textOf(value, 'model') ?? made.core) : made.core,
    usage: end?.usage ?? null,
    error,
    refused,
    rule: refused ? textOf(error?.detail, 'rule') : null,
    child: (call === 'spawn' || call === 'fork') && typeof value === 'number' && value > 0 ? value : null,
    inherited: made.inherited,
    undone: made.undone,
  }
  if (whole !== undefined) {
    span.given = isModelCall ? wholeRequest(made, whole) : args
    if (value !== undefined) span.returned = value
  }
  return span
}

/** The request with its messages whole again; of a call that was undone, as it stands in the journal. */
function wholeRequest({ start, undone }: Made, inForce: ReadonlyMap<number, Made>): Json {
  if (undone || typeof start.args !== 'object' || start.args === null) return start.args
  return { ...start.args, messages: messagesOf(start, inForce) as unknown as Json }
}

function messagesOf(start: CallStart, inForce: ReadonlyMap<number, Made>): readonly Message[] {
  const starts: CallStart[] = []
  for (const [n, made] of inForce) starts[n] = made.start
  return expandMessages(start, starts) as unknown as readonly Message[]
}

// ------------------------------------------------------------------------------------------------------- conversations

/** Model calls in force, by number. Each is made when it is asked for: whole conversations are long. */
export function modelCallsOf(lives: readonly Life[]): readonly { readonly n: number; whole(): ModelCall }[] {
  const { inForce } = callsOf(lives)
  return [...inForce.values()]
    .filter(({ start }) => start.call === 'generate' && start.args !== null)
    .map((made) => ({ n: made.start.n, whole: () => modelCallOf(made, inForce) }))
    .toSorted((a, b) => a.n - b.n)
}

function modelCallOf({ start, end }: Made, inForce: ReadonlyMap<number, Made>): ModelCall {
  const {
    models = [],
    tools = [],
    options = {},
  } = start.args as {
    readonly models?: string[]
    readonly tools?: string[]
    readonly options?: { [key: string]: Json }
  }
  const answer = end?.error === undefined ? (end?.value as unknown as Generation | undefined) : undefined
  return {
    n: start.n,
    pid: start.pid,
    models: [...models],
    tools: [...tools],
    options: { ...options },
    messages: [...messagesOf(start, inForce)],
    answer: (answer?.message as unknown as Message | undefined) ?? null,
    finishReason: answer?.finishReason ?? null,
    model: answer?.model ?? null,
    usage: end?.usage ?? null,
    error: end?.error ?? null,
    startedAt: start.at,
    endedAt: end?.at ?? null,
  }
}

// ----------------------------------------------------------------------------------------------------------- summaries

/** Characters of a summary. */
const BRIEF_CHARS = 200

/** The beginning of a value as JSON. Stops writing where nobody would read on: values may be a megabyte. */
export function brief(value: Json): string {
  let text = ''
  const isFull = (): boolean => text.length > BRIEF_CHARS
  const write = (one: Json): void => {
    if (typeof one === 'string') text += JSON.stringify(one.slice(0, BRIEF_CHARS + 1))
    else if (typeof one !== 'object' || one === null) text += JSON.stringify(one)
    else if (Array.isArray(one)) {
      text += '['
      for (const [i, part] of one.entries()) {
        if (isFull()) return
        if (i > 0) text += ','
        write(part)
      }
      text += ']'
    } else {
      text += '{'
      let isFirst = true
      for (const [key, part] of Object.entries(one)) {
        if (isFull()) return
        if (part === undefined) continue
        text += `${isFirst ? '' : ','}${JSON.stringify(key)}:`
        isFirst = false
        write(part)
      }
      text += '}'
    }
  }
  write(value)
  return cut(text)
}

function cut(text: string): string {
  return text.length <= BRIEF_CHARS ? text : `${text.slice(0, BRIEF_CHARS - 1)}…`
}

/** The last thing that a model was told. */
function lastSaid(args: Json): string {
  const { add = [] } = (fieldOf(args, 'messages') ?? {}) as { readonly add?: readonly { readonly content?: Json }[] }
  const content = add.at(-1)?.content
  if (!Array.isArray(content)) return brief(content ?? null)
  const texts = content.flatMap((part: Json) => textOf(part, 'text') ?? [])
  return texts.length > 0 ? cut(texts.join('\n').slice(0, BRIEF_CHARS + 1)) : brief(content)
}

/** What a model said, or asked for. */
function said(value: Json): string {
  const { text, toolCalls } = value as unknown as Generation
  return text === '' && toolCalls.length > 0
    ? cut(toolCalls.map(({ name, input }) => `${name}(${brief(input)})`).join(', '))
    : cut(text.slice(0, BRIEF_CHARS + 1))
}

function fieldOf(value: Json | undefined, key: string): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: Json | undefined })[key]
    : undefined
}

function textOf(value: Json | undefined, key: string): string | null {
  const text = fieldOf(value, key)
  return typeof text === 'string' ? text : null
}
