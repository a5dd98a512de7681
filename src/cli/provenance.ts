/**
 * Provenance: where the parts of contexts, the arguments of calls and the texts of notes came from, read from a journal.
 *
 *     const parts = provenanceIn(reader.events(pid))
 *     parts.get(start)    // [{ path: 'messages[2].content[0]', from: [{ call: 1, what: 'tool read_web', … }] }]
 *
 * Each text that a process gave away (to a model, a tool, its memory, a file, a child, another process) is compared with
 * what it had learned before: its input, and the values of its calls. What it holds, or stands in, as a whole word is one of
 * its sources. A text without a source is the program's own.
 *
 * Invariants
 *   PR1. It is a function of the journal: of what was journaled, nothing is guessed but which text came from which.
 *   PR2. Of a context, each part is told once: with the model call that first had it.
 */
import type { CallEnd, CallName, CallStart, JournalEvent, Json, Mail, ProcessStart } from '../kernel/types.ts'
import { holds, searchable, textsOf } from '../policy/values.ts'

/** Something that the process had learned. */
export interface PartSource {
  /** The call whose value it is; null for the input of the process. */
  readonly call: number | null
  /** Such as `input`, `tool read_web`, `model`, `mail from 4`, `note n17`, `file a.txt`, `process 5`. */
  readonly what: string
  readonly principal: string
  readonly labels: readonly string[]
  /** `request`: the user's own words. `trusted`: of a tool that is declared so. All else is not. */
  readonly trust: 'request' | 'trusted' | 'untrusted'
}

/** A text that the process gave away. */
export interface Part {
  /** Its place in the arguments of the call. */
  readonly path: string
  readonly from: readonly PartSource[]
}

interface Learned {
  readonly source: PartSource
  readonly texts: readonly string[]
}

/** Parts of calls, by their start; the events of one process, in their order. */
export function provenanceIn(events: readonly JournalEvent[]): ReadonlyMap<CallStart, readonly Part[]> {
  const found = new Map<CallStart, readonly Part[]>()
  const learned: Learned[] = []
  const open = new Map<number, CallStart>()
  let start: ProcessStart | undefined
  for (const event of events) {
    if (event.type === 'process-start') {
      // A fork begins with the journal of its origin, and its own start.
      start ??= event
      learned.push(inputOf(event))
    } else if (event.type === 'call-start') {
      open.set(event.n, event)
      const parts = partsOf(event)
      if (parts.length > 0)
        found.set(
          event,
          parts.map(([path, text]) => ({ path, from: sourcesOf(text, learned) })),
        )
    } else if (event.type === 'call-end') {
      const call = open.get(event.n)
      if (call !== undefined && start !== undefined) learned.push(...valueOf(call, event, start.principal))
    }
  }
  return found
}

// ------------------------------------------------------------------------------------------------------------- learned

function inputOf({ input, principal, parent, standing }: ProcessStart): Learned {
  const trust = parent === null ? 'request' : 'untrusted'
  return {
    source: { call: null, what: 'input', principal, labels: standing?.labels ?? [], trust },
    texts: readable(input),
  }
}

/** Calls whose value was made elsewhere. */
function valueOf({ n, call, args }: CallStart, end: CallEnd, principal: string): Learned[] {
  const given = (args ?? {}) as { readonly [name: string]: Json }
  const value = end.error === undefined ? (end.value ?? null) : end.error.message
  const learned = (what: string, said: Json, labels = end.labels): Learned => ({
    source: { call: n, what, principal, labels: labels ?? [], trust: end.trusted === true ? 'trusted' : 'untrusted' },
    texts: readable(said),
  })
  switch (call) {
    case 'call':
      return end.refused === true ? [] : [learned(`tool ${String(given['tool'])}`, value)]
    case 'generate':
      return [learned('model', modelTexts(value))]
    case 'receive':
      return [learned(`mail from ${String((value as Partial<Mail> | null)?.from ?? 'nobody')}`, value)]
    case 'recall':
      return (Array.isArray(value) ? (value as readonly { id: string; text: string; labels?: string[] }[]) : []).map(
        ({ id, text, labels }) => learned(`note ${id}`, text, labels),
      )
    case 'read':
      return [learned(`file ${String(given['path'])}`, value)]
    case 'wait':
      return [learned(`process ${String(given['pid'])}`, value)]
    case 'ask':
      return [learned('a person', value)]
    default:
      return []
  }
}

/** What a model said, without what the kernel says of its answer. */
function modelTexts(value: Json): Json {
  const { text, toolCalls } = (value ?? {}) as {
    readonly text?: string
    readonly toolCalls?: readonly { input: Json }[]
  }
  return [text ?? '', ...(toolCalls ?? []).map(({ input }) => input)]
}

/** As it may stand in a prompt: each text in it, and all of it as JSON. */
function readable(value: Json | undefined): string[] {
  if (value === undefined || value === null) return []
  const texts = textsOf(value)
  if (typeof value === 'object') texts.push(JSON.stringify(value))
  return [...new Set(texts.map(searchable))].filter((text) => text !== '')
}

// --------------------------------------------------------------------------------------------------------- given away

const givenAway: ReadonlySet<CallName> = new Set(['generate', 'call', 'remember', 'write', 'send', 'spawn', 'ask'])

function partsOf({ call, args }: CallStart): (readonly [path: string, text: string])[] {
  if (!givenAway.has(call)) return []
  const given = (args ?? {}) as { readonly [name: string]: Json }
  if (call === 'generate') {
    const { keep = 0, add = [] } = (given['messages'] ?? {}) as {
      readonly keep?: number
      readonly add?: readonly { readonly content: Json }[]
    }
    return add.flatMap(({ content }, i) => leavesOf(content, `messages[${keep + i}].content`))
  }
  if (call === 'call') return leavesOf(given['input'] ?? null, '')
  if (call === 'spawn') return leavesOf(given['input'] ?? null, 'input')
  return leavesOf(given, '')
}

/** Keys under which a message says what it is, and not what is said. */
const formal: ReadonlySet<string> = new Set(['type', 'toolCallId', 'toolName', 'mediaType', 'providerOptions'])

function leavesOf(value: Json, path: string): (readonly [path: string, text: string])[] {
  if (value === null) return []
  if (typeof value !== 'object') return [[path === '' ? 'input' : path, String(value)]]
  if (Array.isArray(value)) return value.flatMap((item: Json, i) => leavesOf(item, `${path}[${i}]`))
  return Object.entries(value as { readonly [key: string]: Json | undefined }).flatMap(([key, item]) =>
    item === undefined || formal.has(key) ? [] : leavesOf(item, path === '' ? key : `${path}.${key}`),
  )
}

function sourcesOf(text: string, learned: readonly Learned[]): PartSource[] {
  const part = searchable(text)
  if (part === '') return []
  return learned
    .filter(({ texts }) => texts.some((one) => one === part || holds(one, part) || holds(part, one)))
    .map(({ source }) => source)
}
