/**
 * The process table in the browser: pages of the list, and on top of them one stream of events.
 *
 *     const live = createLive()
 *     live.adopt(process)          // of a page
 *     live.hear(event)             // of the stream
 *     live.subscribe(hear)         // told once an animation frame, however much came in
 *
 * Invariants
 *   LV1. What ended stays as it ended: an older page takes nothing back.
 *   LV2. Whoever subscribes is told at most once a frame, and of the order of rows at most ORDER_MS apart.
 *   LV3. At most ENDED_MAX ended processes are kept; the oldest go first.
 *   LV4. Usage is added up from events, and set right by each page (an event may be told by both), and by the end.
 */
import type { Process, RunEvent, Usage } from '../../src/client.ts'

interface OpenCall {
  readonly n: number
  readonly text: string
  core: string | null
  queued: boolean
  asks: boolean
  /** It counts as a model call: from when something was set aside for it. */
  counted: boolean
}

export interface Row {
  process: Process
  /** Waits for a person. */
  asks: boolean
  /** Grows with each change. */
  revision: number
  /** In lower case: what a search looks at. */
  words: string
  open: OpenCall[]
}

/** A model call that ended. */
export interface Finished {
  readonly at: number
  readonly principal: string
  readonly core: string
  readonly tokens: number
  readonly usd: number
  readonly waitedMs: number
  readonly failed: boolean
}

/** A message between processes. */
export interface MailSent {
  readonly from: number
  readonly to: number
}

export interface Live {
  readonly rows: ReadonlyMap<number, Row>
  /** Grows with each change that was told. */
  readonly version: number
  /** Grows with what may change which rows there are and their order. */
  readonly orderVersion: number
  /** Time of the server, as near as it is known, ms since 1970. */
  now(): number
  adopt(process: Process, touched?: ReadonlySet<number>): void
  hear(event: RunEvent): void
  /** Events were missed: which calls are under way is what is heard from now on, and before that what a page says. */
  missed(): void
  /** Forgets what runs by what was heard, and neither the server's whole list nor an event since knows. */
  keepOnly(listed: ReadonlySet<number>, touched: ReadonlySet<number>): void
  /** Every pid that an event named since the returned function was made; calling it ends the list. */
  track(): () => ReadonlySet<number>
  subscribe(hear: () => void): () => void
  subscribeOrder(hear: () => void): () => void
  /** The processes whose questions wait for a person, as the inbox has them. */
  setAsking(pids: ReadonlySet<number>): void
  /** Told at once. */
  onFinished(hear: (call: Finished) => void): () => void
  stop(): void
}

const ENDED_MAX = 20_000
/** Rows that jump more often cannot be read. */
const ORDER_MS = 250

export function createLive(): Live {
  const rows = new Map<number, Row>()
  const listeners = new Set<() => void>()
  const orderListeners = new Set<() => void>()
  const finishedListeners = new Set<(call: Finished) => void>()
  const trackers = new Set<Set<number>>()
  let version = 0
  let orderVersion = 0
  let frame = 0
  let orderTimer: ReturnType<typeof setTimeout> | undefined
  let skewMs = -Infinity
  let ended = 0

  function changed(row: Row): void {
    row.revision++
    if (frame === 0) frame = requestAnimationFrame(tell)
    orderTimer ??= setTimeout(tellOrder, ORDER_MS)
  }

  function tell(): void {
    frame = 0
    version++
    for (const hear of listeners) hear()
  }

  function tellOrder(): void {
    orderTimer = undefined
    orderVersion++
    if (ended > ENDED_MAX) forget()
    for (const hear of orderListeners) hear()
  }

  function forget(): void {
    const pids = [...rows.values()].flatMap(({ process: { pid, endedAt } }) => (endedAt === null ? [] : [pid]))
    for (const pid of pids.toSorted((a, b) => a - b).slice(0, ended - Math.floor(ENDED_MAX * 0.9))) {
      rows.delete(pid)
      ended--
    }
  }

  function add(process: Process): Row {
    const row: Row = { process, asks: process.waiting?.startsWith('ask') === true, revision: 0, words: '', open: [] }
    row.words = wordsOf(process)
    rows.set(process.pid, row)
    if (process.endedAt !== null) ended++
    return row
  }

  function adopt(process: Process, touched?: ReadonlySet<number>): void {
    const row = rows.get(process.pid)
    if (row === undefined) return changed(add(process))
    const before = row.process
    if (before.endedAt !== null) {
      if (process.endedAt !== null) row.process = process
      return
    }
    if (process.endedAt !== null) ended++
    const isMoving = touched?.has(process.pid) === true
    row.process = isMoving
      ? { ...process, usage: most(before.usage, process.usage), ...waitOf(before) }
      : { ...process, usage: process.usage }
    if (!isMoving) {
      row.asks ||= process.waiting?.startsWith('ask') === true
      if (process.waiting === null) row.open = []
    }
    if (process.state !== 'running') row.open = []
    changed(row)
  }

  function hear(event: RunEvent): void {
    if (event.type === 'text-delta') return
    const { pid, at } = event
    if (at - Date.now() > skewMs) skewMs = at - Date.now()
    for (const tracker of trackers) tracker.add(pid)
    if (event.type === 'process-start') {
      if (rows.has(pid)) return
      const root = event.parent === null ? pid : (rows.get(event.parent)?.process.root ?? event.parent)
      changed(
        add({
          pid,
          parent: event.parent,
          root,
          forkOf: event.forkOf?.pid ?? null,
          program: event.program,
          version: event.version,
          name: event.name,
          principal: event.principal,
          priority: event.priority,
          state: 'running',
          waiting: null,
          core: null,
          queued: false,
          startedAt: at,
          endedAt: null,
          usage: { inputTokens: 0, cachedTokens: 0, outputTokens: 0, usd: 0, steps: 0, calls: 0, children: 0 },
          budget: event.budget,
          error: null,
        }),
      )
      for (const above of ancestors(event.parent))
        above.process.usage = { ...above.process.usage, children: above.process.usage.children + 1 }
      return
    }
    const row = rows.get(pid)
    if (row === undefined) return
    const { process } = row
    if (process.endedAt !== null) return
    switch (event.type) {
      case 'call-start': {
        const counted = event.reserved !== undefined
        row.open.push({
          n: event.n,
          text: callText(event.call, event.args),
          core: coreOf(event.call, event.args),
          queued: false,
          asks: event.call === 'ask',
          counted,
        })
        count(row, { calls: 1, steps: counted ? 1 : 0 })
        break
      }
      case 'call-reserve': {
        const call = row.open.find(({ n }) => n === event.n)
        if (call === undefined || call.counted) return
        call.counted = true
        count(row, { calls: 0, steps: 1 })
        break
      }
      case 'call-wait': {
        const call = row.open.find(({ n }) => n === event.n)
        if (call === undefined) {
          process.core = event.core
          process.queued = event.core !== null
          row.asks ||= event.core === null
        } else if (event.core === null) call.asks = true
        else {
          call.core = event.core
          call.queued = true
        }
        break
      }
      case 'call-sent': {
        const call = row.open.find(({ n }) => n === event.n)
        if (call !== undefined) {
          call.queued = false
          call.asks = call.text === 'ask'
        } else process.queued = false
        break
      }
      case 'call-end': {
        const index = row.open.findIndex(({ n }) => n === event.n)
        const call = row.open[index]
        if (index >= 0) row.open.splice(index, 1)
        const { usage } = event
        if (usage !== undefined) {
          for (const one of [row, ...ancestors(process.parent)]) {
            const sum = one.process.usage
            one.process.usage = {
              ...sum,
              inputTokens: sum.inputTokens + usage.inputTokens,
              cachedTokens: sum.cachedTokens + usage.cachedTokens,
              outputTokens: sum.outputTokens + usage.outputTokens,
              usd: sum.usd + usage.usd,
            }
            if (one !== row) changed(one)
          }
          const model = (event.value as { readonly model?: unknown } | null | undefined)?.model
          const finished: Finished = {
            at,
            principal: process.principal,
            core: typeof model === 'string' ? model : (call?.core ?? process.core ?? '?'),
            tokens: usage.inputTokens + usage.outputTokens,
            usd: usage.usd,
            waitedMs: event.waitedMs ?? 0,
            failed: event.error !== undefined,
          }
          for (const tellFinished of finishedListeners) tellFinished(finished)
        }
        break
      }
      case 'process-rewind':
        row.open = row.open.filter(({ n }) => n <= event.n)
        break
      case 'process-end':
        row.open = []
        ended++
        row.process = {
          ...process,
          state: event.state,
          endedAt: at,
          usage: event.usage,
          error: event.error ?? null,
          waiting: null,
          core: null,
          queued: false,
        }
        row.asks = false
        changed(row)
        return
      default:
        return
    }
    // Of a call that began before the page was opened, what the list says of it stands.
    if (row.open.length > 0 || (event.type !== 'call-wait' && event.type !== 'call-sent')) {
      const first = row.open[0]
      const more = row.open.length > 1 ? ` +${row.open.length - 1}` : ''
      process.waiting = first === undefined ? null : first.text + more
      process.core = first?.core ?? null
      process.queued = first?.queued ?? false
      row.asks = row.open.some(({ asks }) => asks)
    }
    changed(row)
  }

  /** For the process and all above it. */
  function count(row: Row, { calls, steps }: Pick<Usage, 'calls' | 'steps'>): void {
    for (const one of [row, ...ancestors(row.process.parent)]) {
      const { usage } = one.process
      one.process.usage = { ...usage, calls: usage.calls + calls, steps: usage.steps + steps }
      if (one !== row) changed(one)
    }
  }

  function ancestors(pid: number | null): Row[] {
    const found: Row[] = []
    for (let at = pid; at !== null && found.length < 64;) {
      const row = rows.get(at)
      if (row === undefined) break
      found.push(row)
      at = row.process.parent
    }
    return found
  }

  return {
    rows,
    get version() {
      return version
    },
    get orderVersion() {
      return orderVersion
    },
    // A server whose clock is ahead shows no negative ages; one that is behind is left as it is: its events may be late.
    now: () => Date.now() + Math.max(0, skewMs),
    adopt,
    hear,
    missed() {
      for (const row of rows.values()) row.open = []
    },
    keepOnly(listed, touched) {
      for (const [pid, row] of rows) {
        if (row.process.endedAt !== null || listed.has(pid) || touched.has(pid)) continue
        rows.delete(pid)
        changed(row)
      }
    },
    track() {
      const pids = new Set<number>()
      trackers.add(pids)
      return () => {
        trackers.delete(pids)
        return pids
      }
    },
    subscribe: (hear) => subscribeTo(listeners, hear),
    subscribeOrder: (hear) => subscribeTo(orderListeners, hear),
    setAsking(pids) {
      for (const row of rows.values()) {
        const asks = pids.has(row.process.pid)
        if (row.asks === asks) continue
        row.asks = asks
        changed(row)
      }
    },
    onFinished: (hear) => subscribeTo(finishedListeners, hear),
    stop() {
      cancelAnimationFrame(frame)
      clearTimeout(orderTimer)
    },
  }
}

function subscribeTo<Listener>(listeners: Set<Listener>, hear: Listener): () => void {
  listeners.add(hear)
  return () => listeners.delete(hear)
}

function wordsOf({ pid, program, name, principal }: Process): string {
  return `${pid} ${program} ${name ?? ''} ${principal}`.toLowerCase()
}

function waitOf({ waiting, core, queued }: Process): Pick<Process, 'waiting' | 'core' | 'queued'> {
  return { waiting, core, queued }
}

function most(a: Usage, b: Usage): Usage {
  return {
    inputTokens: Math.max(a.inputTokens, b.inputTokens),
    cachedTokens: Math.max(a.cachedTokens, b.cachedTokens),
    outputTokens: Math.max(a.outputTokens, b.outputTokens),
    usd: Math.max(a.usd, b.usd),
    steps: Math.max(a.steps, b.steps),
    calls: Math.max(a.calls, b.calls),
    children: Math.max(a.children, b.children),
  }
}

/** As the server writes it: `wait(17)`, `call(search)`. */
function callText(call: string, args: unknown): string {
  const { tool, pid } = (args ?? {}) as { readonly tool?: unknown; readonly pid?: unknown }
  if (call === 'call') return `call(${typeof tool === 'string' ? tool : ''})`
  return call === 'wait' ? `wait(${typeof pid === 'number' ? pid : ''})` : call
}

/** The core that a model call names first, until the one is known that takes it. */
function coreOf(call: string, args: unknown): string | null {
  if (call !== 'generate') return null
  const { models } = (args ?? {}) as { readonly models?: readonly unknown[] }
  return typeof models?.[0] === 'string' ? models[0] : null
}
