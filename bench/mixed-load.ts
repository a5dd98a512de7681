/**
 * Mixed load on a real `polity serve`, with clients that leave: is every request answered, does every run end, and does anything grow?
 *
 *     node bench/mixed-load.ts [--minutes 1] [--rate 30] [--cut 0.2] [--seed 1] [--json]
 *
 * The server is a process of its own: HTTP on loopback, a store in SQLite, a law under which payments wait for a person, and
 * a model that takes its time and has bad moments (mixed-programs.ts). The clients (mixed-clients.ts) are in this process:
 * `rate` of them begin each second, each makes one to some twenty requests, and the share `cut` of the requests is left at a
 * random moment.
 *
 * Afterwards nothing more is sent, and what is asked is answered. Checked then:
 *   1. every request was answered in full, or cut by us; none with 500; nothing stands on stderr;
 *   2. in time nothing runs but the files of AIOS's agents, which live on by design, and the upstream has no call left;
 *   3. SIGTERM ends the server with its documented code; `polity doctor` and `polity audit verify` find nothing wrong;
 *   4. by the journal, every process has ended once, those that clients were told of as they were told; who followed one got each
 *      of its events once; no payment was made twice;
 *   5. the last fifth has no more memory, sockets and files than the second fifth, within `GROWTH_MAX`. The heap is looked at after
 *      a full collection. Not checked below `MINUTES_MIN`: nothing is warm then.
 *
 * What the server keeps by design has bounds. They are set so low (`BOUNDS`) that all of it is full within the first fifth: what
 * grows then is a leak, and beside the heap stands what it comes to for each process that began in between. Journals go too, so
 * they are read while the load runs (mixed-reading.ts). SIGUSR2 makes the server write a heap snapshot into the folder of the bench.
 *
 * Ends with 1 where one of them fails.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { randomAt } from '../src/kernel/clock.ts'
import type { Clients, Counts } from './mixed-clients.ts'
import { createClients } from './mixed-clients.ts'
import { law } from './mixed-programs.ts'
import { readJournals } from './mixed-reading.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    rate: { type: 'string', default: '30' },
    cut: { type: 'string', default: '0.2' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean' },
  },
})
const minutes = Number(values.minutes)
const rate = Number(values.rate)

const SAMPLE_MS = 2_000
/** A full collection each so many samples. */
const GAUGE_EVERY = 5
/** What may run on when the load is over: the longest answer of the upstream, tried three times, and questions that run out. */
const GRACE_MS = 150_000
/** The last fifth against the second. */
const GROWTH_MAX = 1.1
const MINUTES_MIN = 15
/**
 * What `polity serve` is given so that what it keeps is full early: at some 40 processes a second 2,000 journals are there after
 * a minute. bench/README.md says what the default bounds let grow.
 */
const BOUNDS = [
  '--limit=processesKeptMax=2000',
  '--limit=filesCachedMax=512',
  '--limit=responsesKeptMax=200',
  '--limit=streamEventsKeptMax=2000',
  '--limit=mcpSessionsPerPrincipalMax=64',
  '--cache=1',
]
/** Words that the embedder and the stemmer have heard before the load begins: as many as they keep (hashing.ts, stem.ts). */
const WORDS = 16_384
const WORDS_A_NOTE = 1_024
/** How often the journals are read, ms: much sooner than they go. */
const READ_MS = 2_000
/** Clients that begin no more while so many requests are under way. */
const UNDER_WAY_MAX = 400

const repository = join(import.meta.dirname, '..')
const polity = join(repository, 'bin', 'polity.js')

// -------------------------------------------------------------------------------------------------------------- server

interface Served {
  readonly child: ChildProcess
  readonly url: string
  readonly ended: Promise<number | string | null>
  /** What it wrote on stderr since it was ready. */
  readonly errors: string[]
}

/** A folder with the law, and the package that the model is loaded from. */
function prepare(): string {
  const folder = mkdtempSync(join(tmpdir(), 'polity-mixed-load-'))
  const at = join(folder, 'node_modules', '@ai-sdk', 'bench')
  mkdirSync(at, { recursive: true })
  const programs = pathToFileURL(join(import.meta.dirname, 'mixed-programs.ts')).href
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name: '@ai-sdk/bench', type: 'module', main: 'index.js' }))
  writeFileSync(join(at, 'index.js'), `export { bench } from ${JSON.stringify(programs)}\n`)
  writeFileSync(join(folder, 'law.json'), JSON.stringify(law))
  return folder
}

function serve(folder: string): Promise<Served> {
  const child = spawn(
    process.execPath,
    [
      '--expose-gc',
      '--heapsnapshot-signal=SIGUSR2',
      polity,
      'serve',
      join(import.meta.dirname, 'mixed-programs.ts'),
      '--model',
      'bench/model',
      '--port',
      '0',
      '--law',
      join(folder, 'law.json'),
      '--store',
      join(folder, 'polity.db'),
      ...BOUNDS,
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const errors: string[] = []
  const ended = new Promise<number | string | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal))
  })
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (text: string) => errors.push(text))
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (text: string) => {
      said += text
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0]
      if (url !== undefined) resolve({ child, url, ended, errors })
    })
    void ended.then((code) => reject(new Error(`polity serve ended with ${code}: ${errors.join('')}`)))
  })
}

// ------------------------------------------------------------------------------------------------------------- samples

interface Sample {
  /** Share of the load that is over. */
  readonly at: number
  readonly rssMb: number
  readonly files: number
  readonly heapMb?: number
  readonly externalMb?: number
}

interface Gauge {
  readonly heapUsed: number
  readonly external: number
  readonly upstream: number
  readonly paidTwice: number
  readonly resources: { readonly [name: string]: number }
}

const MB = 2 ** 20

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

async function gaugeOf(url: string): Promise<Gauge> {
  const headers = { 'content-type': 'application/json' }
  const begun = await fetch(`${url}/api/v1/processes`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ program: 'gauge' }),
  })
  const { pid } = (await begun.json()) as { pid: number }
  const ended = await fetch(`${url}/api/v1/processes/${pid}/result?wait=30`)
  return ((await ended.json()) as { value: Gauge }).value
}

async function sampleOf({ child, url }: Served, at: number, withGauge: boolean): Promise<Sample> {
  const pid = child.pid as number
  const gauge = withGauge ? await gaugeOf(url) : undefined
  return {
    at,
    rssMb: residentMb(pid),
    files: readdirSync(`/proc/${pid}/fd`).length,
    ...(gauge === undefined ? {} : { heapMb: gauge.heapUsed / MB, externalMb: gauge.external / MB }),
  }
}

/** From the middle of the second fifth to the middle of the last, as a share of the whole time. */
const BETWEEN_FIFTHS = 0.6

/** Mean of a fifth of the time; the first is 1. */
function meanOf(samples: readonly Sample[], fifth: number, what: keyof Sample): number {
  const taken = samples.filter(({ at }) => at >= (fifth - 1) / 5 && at < fifth / 5).flatMap((one) => one[what] ?? [])
  return taken.reduce((sum, one) => sum + one, 0) / taken.length
}

// ---------------------------------------------------------------------------------------------------------------- load

/** Begins clients at the rate, with the pauses of chance between them, until the time is over. */
async function load(clients: Clients, served: Served, random: () => number): Promise<Sample[]> {
  const began = performance.now()
  const lasts = minutes * 60_000
  const samples: Sample[] = []
  const acting = new Set<Promise<void>>()
  let count = 0
  let isOver = false
  const sampling = (async () => {
    while (!isOver) {
      const at = (performance.now() - began) / lasts
      if (at < 1) samples.push(await sampleOf(served, at, count++ % GAUGE_EVERY === 0))
      await pause(SAMPLE_MS)
    }
  })()
  for (let due = began; due < began + lasts; due += (-Math.log(1 - random()) * 1_000) / rate) {
    await pause(Math.max(0, due - performance.now()))
    if (clients.underWay >= UNDER_WAY_MAX || served.child.exitCode !== null) continue
    const acted = clients.act().catch((error: unknown) => clients.fault(`a client failed: ${String(error)}`))
    acting.add(acted)
    void acted.finally(() => acting.delete(acted))
  }
  isOver = true
  await sampling
  // Some wait for an answer that waits for a person.
  while (acting.size > 0) {
    await clients.answerAll()
    await pause(500)
  }
  return samples
}

/** Answers what is asked and mails what is parked, until nothing runs. Returns what still runs when its time is over. */
async function settle(clients: Clients, { url }: Served): Promise<readonly string[]> {
  const until = performance.now() + GRACE_MS
  for (;;) {
    await clients.answerAll()
    const page = await fetch(`${url}/api/v1/processes?state=running,stopped&limit=1000`)
    const { items } = (await page.json()) as { items: { pid: number; program: string; waiting: string | null }[] }
    const left = items.filter(({ program }) => program !== 'aios-files')
    if (left.length === 0) return []
    if (performance.now() > until) return left.map(({ pid, program, waiting }) => `${pid} ${program} ${waiting}`)
    const headers = { 'content-type': 'application/json' }
    for (const { pid, program } of left)
      if (program === 'parked')
        await fetch(`${url}/api/v1/processes/${pid}/send`, { method: 'POST', headers, body: '{"body":"done"}' })
    await pause(500)
  }
}

// ------------------------------------------------------------------------------------------------------------- commands

function command(folder: string, ...args: string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [polity, ...args, '--store', join(folder, 'polity.db')],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  )
  return { status, said: `${stdout}${stderr}`.trim() }
}

// ---------------------------------------------------------------------------------------------------------------- main

const EXIT_OF_SIGTERM = 143
let drawn = 0
const random = (): number => randomAt(Number(values.seed), 0, drawn++)

const folder = prepare()
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const served = await serve(folder)
process.on('exit', () => served.child.kill('SIGKILL'))
const clients = createClients({ url: served.url, random, cutShare: Number(values.cut) })
const { fault } = clients
try {
  const parked = await Promise.all(Array.from({ length: 50 }, () => startParked(served.url)))
  await tellWords(served.url)
  const reading = readJournals(join(folder, 'polity.db'), { everyMs: READ_MS, fault })
  // Its first words are no errors.
  await pause(200)
  served.errors.length = 0
  const samples = await load(clients, served, random)
  const left = await settle(clients, served)
  for (const one of left) fault(`still running ${GRACE_MS / 1000} s after the load: ${one}`)
  const last = await gaugeOf(served.url)
  if (last.upstream > 0) fault(`the upstream still works on ${last.upstream} calls`)
  if (last.paidTwice > 0) fault(`${last.paidTwice} payments were made twice`)
  if (served.errors.length > 0) fault(`stderr: ${served.errors.join('').slice(0, 2_000)}`)
  served.child.kill('SIGTERM')
  const code = await Promise.race([served.ended, pause(15_000, 'not in 15 s')])
  if (code !== EXIT_OF_SIGTERM) fault(`SIGTERM: the server ended with ${code}`)
  const storeMb = statSync(join(folder, 'polity.db')).size / MB
  const journal = reading.end(clients.ledger)
  const doctor = command(folder, 'doctor')
  if (doctor.status !== 0) fault(`polity doctor: ${doctor.said}`)
  const audit = command(folder, 'audit', 'verify')
  if (audit.status !== 0) fault(`polity audit verify: ${audit.said}`)
  const growth = growthOf(samples)
  const heapBytesAProcess = Math.round(
    ((meanOf(samples, 5, 'heapMb') - meanOf(samples, 2, 'heapMb')) * MB) / (journal.processes * BETWEEN_FIFTHS),
  )
  if (minutes >= MINUTES_MIN)
    for (const row of growth)
      if (!(row.ratio <= GROWTH_MAX)) fault(`${row.what} grew: ${row['second fifth']} to ${row['last fifth']}`)
  report({
    minutes,
    rate,
    requests: sumOf((one) => one.sent),
    answered: sumOf((one) => one.answered),
    cut: sumOf((one) => one.cut),
    ...journal,
    ...(minutes >= MINUTES_MIN && { heapBytesAProcess }),
    parked: parked.length,
    followed: clients.ledger.followed.size,
    storeMb: Math.round(storeMb),
    audit: audit.said,
    growth,
    samples,
    tally: clients.tally,
    faults: clients.faults,
  })
} finally {
  clients.close()
  served.child.kill('SIGKILL')
}
if (clients.faults.length > 0) process.exitCode = 1

/** Notes of words that nobody said before, each taken back. */
async function tellWords(url: string): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  for (let from = 0; from < WORDS; from += WORDS_A_NOTE) {
    const text = Array.from({ length: WORDS_A_NOTE }, (_, i) => `w${from + i}`).join(' ')
    const kept = await fetch(`${url}/api/v1/notes`, { method: 'POST', headers, body: JSON.stringify({ text }) })
    const { id } = (await kept.json()) as { id: string }
    await fetch(`${url}/api/v1/notes/${id}`, { method: 'DELETE' })
  }
}

async function startParked(url: string): Promise<number> {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ program: 'parked', name: 'parked' })
  const begun = await fetch(`${url}/api/v1/processes`, { method: 'POST', headers, body })
  return ((await begun.json()) as { pid: number }).pid
}

interface Growth {
  readonly what: string
  readonly 'second fifth': number
  readonly 'last fifth': number
  readonly ratio: number
}

function growthOf(samples: readonly Sample[]): Growth[] {
  const tenth = (value: number): number => Math.round(value * 10) / 10
  return (['rssMb', 'heapMb', 'externalMb', 'files'] as const).map((what) => {
    const [second, last] = [meanOf(samples, 2, what), meanOf(samples, 5, what)]
    return {
      what,
      'second fifth': tenth(second),
      'last fifth': tenth(last),
      ratio: Math.round((last / second) * 1_000) / 1_000,
    }
  })
}

function sumOf(what: (counts: Counts) => number): number {
  return Object.values(clients.tally).reduce((sum, one) => sum + what(one), 0)
}

interface Report {
  readonly [name: string]: unknown
  readonly growth: readonly Growth[]
  readonly tally: Clients['tally']
  readonly faults: readonly string[]
}

function report(figures: Report): void {
  if (values.json === true) return console.log(JSON.stringify(figures))
  const { growth, tally, faults, samples: _, ...rest } = figures
  console.table(
    Object.entries(tally).map(([kind, { sent, answered, cut, statuses }]) => ({
      kind,
      sent,
      answered,
      cut,
      statuses: Object.entries(statuses)
        .map(([status, count]) => `${status}: ${count}`)
        .join(', '),
    })),
  )
  console.table(growth)
  console.log(rest)
  for (const one of faults) console.log(`FAULT ${one}`)
}
