/**
 * What the journal costs: appends by durability and group size, recovery of a long journal, size on disk, dropping.
 *
 *     node bench/journal.ts                    # a table; medians of 3 runs
 *     node bench/journal.ts --json             # the same as JSON
 *     node bench/journal.ts --events 200000 --runs 1
 *
 * Each run uses new files in a new folder of the current one, because the folder for temporary files may be in memory.
 * An event is a `call-end` of about 200 bytes as JSON. Groups are spread over 1,000 running processes. The long journal
 * has 10 events a process, 1,000 processes running at any time, and the last 1,000 have not ended.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import type { Store } from '../src/kernel/drivers.ts'
import type { JournalEvent } from '../src/kernel/types.ts'

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    events: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
  },
})
const EVENTS = Number(options.events)
const RUNNING = 1_000
const EVENTS_A_PROCESS = 10

/** What is measured, in which unit, and the bar it has to meet, where there is one. */
const figures = {
  memoryCommitUs: 'commit of 2 events, memory, p50 µs (< 1)',
  relaxedCommitUs: 'commit of 1 event, relaxed, p50 µs (<= 9)',
  relaxedCommitMeanUs: 'the same, mean µs, checkpoints included',
  strictCommitUs: 'commit of 1 event, strict, p50 µs',
  strict50: 'strict, groups of 50, events/s (>= 30,000)',
  strict500: 'strict, groups of 500, events/s (>= 30,000)',
  strict1000: 'strict, groups of 1,000, events/s (>= 30,000)',
  relaxed500: 'relaxed, groups of 500, events/s',
  openMs: 'long journal: open, ms',
  headsMs: 'long journal: first and last event of every process, ms',
  unfinishedMs: 'long journal: all events of the last 1,000 processes, ms',
  recoveryMs: 'long journal: all three, ms (< 5,000)',
  bytesPerEvent: 'long journal: bytes of the file an event',
  jsonBytesPerEvent: 'long journal: bytes of the JSON of an event',
  dropPauseMs: 'dropping all but the last 1,000: longest pause, ms (< 50)',
  dropMs: 'dropping all but the last 1,000: until done, ms',
} as const
type Figures = { [figure in keyof typeof figures]: number }

function event(seq: number, pid: number, place: number): JournalEvent {
  const base = { seq, at: 1_700_000_000_000.125 + seq, pid }
  const usage = { inputTokens: 812, cachedTokens: 640, outputTokens: 41, usd: 0.00123, estimated: false }
  if (place === 0) {
    return {
      ...base,
      type: 'process-start',
      parent: null,
      parentCall: null,
      program: 'clerk',
      version: '1',
      input: { question: `What is due on day ${seq}?` },
      name: null,
      principal: 'local',
      priority: 0,
      budget: { usd: 0.5 },
      tools: ['read', 'pay'],
      seed: seq,
      forkOf: null,
    }
  }
  if (place === EVENTS_A_PROCESS - 1) {
    return {
      ...base,
      type: 'process-end',
      state: 'done',
      value: 'paid',
      usage: { ...usage, steps: 4, calls: 8, children: 0 },
    }
  }
  return {
    ...base,
    type: 'call-end',
    n: place,
    value: { text: 'The invoice of May is due on the third.' },
    usage,
    waitedMs: 12.5,
  }
}

async function single(store: Store, commits: number): Promise<{ p50: number; mean: number }> {
  const times = new Float64Array(commits)
  for (let i = 0; i < commits; i++) {
    const batch = { events: [event(i, 1 + ((i * 7) % RUNNING), 1)], puts: [] }
    if (i % 100 === 0) await nextTurn() // as a kernel does between commits: the store's second thread answers then
    const before = performance.now()
    await store.commit(batch)
    times[i] = (performance.now() - before) * 1_000
  }
  const mean = times.reduce((sum, time) => sum + time, 0) / commits
  return { p50: times.toSorted()[commits >> 1] as number, mean }
}

async function grouped(store: Store, group: number, events: number): Promise<number> {
  let spentMs = 0
  for (let seq = 0; seq < events; seq += group) {
    const batch = {
      events: Array.from({ length: group }, (_, i) => event(seq + i, 1 + (((seq + i) * 7) % RUNNING), 1)),
      puts: [],
    }
    await nextTurn()
    const before = performance.now()
    await store.commit(batch)
    spentMs += performance.now() - before
  }
  return (events / spentMs) * 1_000
}

/** Process after process in waves of `RUNNING`; the last wave does not end. Returns the bytes of the events as JSON. */
async function writeLongJournal(store: Store): Promise<number> {
  let bytes = 0
  const wave = RUNNING * EVENTS_A_PROCESS
  for (let first = 0; first < EVENTS; first += 500) {
    const events = Array.from({ length: 500 }, (_, i) => {
      const seq = first + i
      const place = Math.floor((seq % wave) / RUNNING)
      const isLast = seq >= EVENTS - wave
      return event(
        seq,
        1 + Math.floor(seq / wave) * RUNNING + (seq % RUNNING),
        isLast && place === EVENTS_A_PROCESS - 1 ? 1 : place,
      )
    })
    bytes += JSON.stringify(events).length
    await store.commit({ events, puts: [] })
  }
  return bytes
}

async function run(folder: string): Promise<Figures> {
  const using = async <T>(
    name: string,
    durability: 'relaxed' | 'strict',
    work: (store: Store) => Promise<T>,
  ): Promise<T> => {
    const store = openSqliteStore(join(folder, name), { durability })
    try {
      return await work(store)
    } finally {
      store.close()
    }
  }
  const memory = memoryStore()
  const batches = Array.from({ length: 200_000 }, (_, i) => ({
    events: [event(2 * i, 1 + (i % RUNNING), 1), event(2 * i + 1, 1 + (i % RUNNING), 1)],
    puts: [],
  }))
  // One commit is shorter than the clock's grain; a hundred are not.
  const memoryTimes = Array.from({ length: batches.length / 100 }, (_, i) => {
    const before = performance.now()
    for (let k = 0; k < 100; k++) void memory.commit(batches[i * 100 + k] as (typeof batches)[number])
    return (performance.now() - before) * 10
  })
  const relaxed = await using('relaxed.db', 'relaxed', (store) => single(store, 30_000))
  const strict = await using('strict.db', 'strict', (store) => single(store, 3_000))
  const ofGroup = (group: number): Promise<number> =>
    using(`g${group}.db`, 'strict', (store) => grouped(store, group, 100_000))
  const [strict50, strict500, strict1000] = [await ofGroup(50), await ofGroup(500), await ofGroup(1_000)]
  const relaxed500 = await using('r500.db', 'relaxed', (store) => grouped(store, 500, 100_000))

  const path = join(folder, 'long.db')
  const jsonBytes = await using('long.db', 'relaxed', writeLongJournal)
  const bytes = statSync(path).size
  const t0 = performance.now()
  const store = openSqliteStore(path)
  const t1 = performance.now()
  const unfinished: number[] = []
  const ended: number[] = []
  for (const head of store.processes()) (head.end === undefined ? unfinished : ended).push(head.start.pid)
  const t2 = performance.now()
  const count = unfinished.reduce((sum, pid) => sum + store.events(pid).length, 0)
  const t3 = performance.now()
  if (unfinished.length !== RUNNING || count !== RUNNING * EVENTS_A_PROCESS)
    throw new Error(`read ${count} events of ${unfinished.length} processes`)

  const t4 = performance.now()
  store.drop(ended)
  let pause = performance.now() - t4
  for (let last = performance.now(), quiet = 0; quiet < 20;) {
    await nextTurn()
    const now = performance.now()
    pause = Math.max(pause, now - last)
    quiet = now - last < 0.2 ? quiet + 1 : 0
    last = now
  }
  const dropMs = performance.now() - t4
  store.close()
  return {
    memoryCommitUs: median(memoryTimes),
    relaxedCommitUs: relaxed.p50,
    relaxedCommitMeanUs: relaxed.mean,
    strictCommitUs: strict.p50,
    strict50,
    strict500,
    strict1000,
    relaxed500,
    openMs: t1 - t0,
    headsMs: t2 - t1,
    unfinishedMs: t3 - t2,
    recoveryMs: t3 - t0,
    bytesPerEvent: bytes / EVENTS,
    jsonBytesPerEvent: jsonBytes / EVENTS,
    dropPauseMs: pause,
    dropMs,
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number
}

function show(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)
}

const runs: Figures[] = []
for (let i = 0; i < Number(options.runs); i++) {
  const folder = mkdtempSync('.bench-journal-')
  try {
    runs.push(await run(folder))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
const names = Object.keys(figures) as (keyof Figures)[]
const results = names.map((name) => ({
  name,
  median: median(runs.map((run) => run[name])),
  runs: runs.map((run) => run[name]),
}))
if (options.json) console.log(JSON.stringify({ events: EVENTS, results }))
else {
  for (const { name, median, runs } of results)
    console.log(`${figures[name].padEnd(66)} ${show(median).padStart(9)}   (${runs.map(show).join(' ')})`)
}
