/**
 * What a run costs before any model is paid: Polity and its peers, side by side in one run.
 *
 *   node run.ts                                      3,000 serial runs each, the model answers at once
 *   node run.ts --concurrent 10000 --latency 50      10,000 runs started together, 50 ms per model call
 *   node run.ts --only polity,bare --rounds 5 --json
 *
 * What is measured: the framework's own work in one run of two model turns with one tool call between
 * (work.ts), the agent object built once and shared. Each contestant runs alone in a fresh process,
 * contestants interleaved over the rounds, and a cell is the median over rounds with min–max. Every
 * run's final text and the number of tool executions are checked.
 *
 * What is not measured: network, providers, streaming, memory, persistence, vendor tracing (all off or
 * absent), and what the features do for you: a loop that does more may well cost more. With a real
 * model (0.5–30 s a call) these microseconds are invisible to one user; they are CPU per server, memory
 * per agent, and the time during which every other agent in the process stands still.
 *
 * Serial:      p50 and p99 of a run, CPU per run (all threads: GC and JIT are in it), RSS after the runs
 *              and a forced gc, time to import the contestant (files warm in the page cache).
 * Concurrent:  wall time of all runs, peak RSS of the process, the longest gap between two ticks of the
 *              event loop, CPU of all threads.
 */
import { fork } from 'node:child_process'
import os from 'node:os'
import { parseArgs } from 'node:util'
import type { Measured } from './measure.ts'

interface Column {
  readonly figure: string
  readonly title: string
  readonly digits: number
}

/** A contestant's rounds, or the reason why it has none. */
interface Row {
  readonly contestant: string
  readonly rounds: Measured[]
  failure?: string
}

const contestants = ['bare', 'polity', 'ai-sdk', 'openai-agents', 'langgraph', 'mastra']

const serialColumns: Column[] = [
  { figure: 'p50Us', title: 'p50 µs', digits: 1 },
  { figure: 'p99Ms', title: 'p99 ms', digits: 3 },
  { figure: 'cpuUsPerRun', title: 'CPU µs/run', digits: 1 },
  { figure: 'rssMb', title: 'RSS MB', digits: 0 },
  { figure: 'importMs', title: 'import ms', digits: 0 },
]
const concurrentColumns: Column[] = [
  { figure: 'wallS', title: 'wall s', digits: 2 },
  { figure: 'peakRssMb', title: 'peak RSS MB', digits: 0 },
  { figure: 'stallMs', title: 'worst stall ms', digits: 0 },
  { figure: 'cpuS', title: 'CPU s', digits: 2 },
]

const nodeFlags = ['--expose-gc', '--max-old-space-size=12000']
const childTimeoutMs = 10 * 60_000

/**
 * The caller's environment without switches that turn a vendor's telemetry on. They are removed, not set
 * to `false`: LangChain takes any value of LANGCHAIN_TRACING for yes, and a run then costs a third more.
 */
const quietEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(LANGSMITH|LANGCHAIN|OTEL|NODE_OPTIONS)/.test(name)),
  ),
  MASTRA_TELEMETRY_DISABLED: '1',
}

await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      runs: { type: 'string', default: '3000' },
      concurrent: { type: 'string' },
      latency: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const rounds = count('rounds', values.rounds)
  const mode = values.concurrent === undefined ? 'serial' : 'concurrent'
  const runs = mode === 'serial' ? count('runs', values.runs) : count('concurrent', values.concurrent!)
  const latencyMs = values.latency === undefined ? (mode === 'serial' ? 0 : 50) : count('latency', values.latency, 0)
  const rows: Row[] = chosen(values.only).map((contestant) => ({ contestant, rounds: [] }))

  for (let round = 1; round <= rounds; round++) {
    for (const row of rows) {
      if (row.failure !== undefined) continue
      try {
        row.rounds.push(await measure([row.contestant, mode, String(runs), String(latencyMs)]))
      } catch (error) {
        row.failure = (error as Error).message
        process.stderr.write(`${row.contestant} failed: ${row.failure}\n`)
        continue
      }
      process.stderr.write(`round ${round}/${rounds}: ${row.contestant}\n`)
    }
  }

  const machine = `${os.availableParallelism()} × ${os.cpus()[0]?.model ?? 'unknown CPU'}`
  const setting = {
    machine,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    mode,
    runs,
    latencyMs,
    rounds,
    loadAtEnd: os.loadavg()[0]!.toFixed(1), // our own share is about 1; more means that others were working
  }
  if (values.json) console.log(JSON.stringify({ ...setting, rows }, null, 2))
  else console.log(table(setting, rows, mode === 'serial' ? serialColumns : concurrentColumns))
  if (rows.every((row) => row.failure !== undefined)) process.exitCode = 1
}

/** Runs one contestant in a process of its own, and takes its figures or the first line of its error. */
function measure(args: string[]): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = fork(new URL('./measure.ts', import.meta.url), args, {
      execArgv: nodeFlags,
      env: quietEnv,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      timeout: childTimeoutMs,
    })
    let measured: Measured | undefined
    let complaint = ''
    child.on('message', (message) => (measured = message as Measured))
    child.on('error', reject)
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (complaint += text))
    child.on('close', (code, signal) => {
      if (measured !== undefined) return resolve(measured)
      reject(
        new Error(
          /^\w*Error\b[^:]*: (.*)$/m.exec(complaint)?.[1] ?? `the process ended with ${signal ?? code} and no result`,
        ),
      )
    })
  })
}

function table(setting: object, rows: Row[], columns: Column[]): string {
  const cells = (row: Row): string[] =>
    row.rounds.length > 0 && row.failure === undefined
      ? [row.rounds[0]!.name, row.rounds[0]!.version, ...columns.map((column) => cell(row.rounds, column))]
      : [row.contestant, '', `failed: ${row.failure}`, ...columns.slice(1).map(() => '')]
  const lines = [['contestant', 'version', ...columns.map((column) => column.title)], ...rows.map(cells)]
  const rule = `|---|---|${columns.map(() => '---:|').join('')}`
  const [head, ...body] = lines.map((line) => `| ${line.join(' | ')} |`)
  const caption = Object.entries(setting).map(([key, value]) => `${key} ${value}`)
  return [caption.join(', '), '', head, rule, ...body].join('\n')
}

/** `median (min–max)` of one figure over the rounds. */
function cell(rounds: readonly Measured[], { figure, digits }: Column): string {
  const sorted = rounds.map(({ figures }) => figures[figure]!).toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  const print = (value: number): string =>
    value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })
  return sorted.length === 1 ? print(median) : `${print(median)} (${print(sorted[0]!)}–${print(sorted.at(-1)!)})`
}

function chosen(only: string | undefined): string[] {
  if (only === undefined) return contestants
  const names = only.split(',').map((name) => name.trim())
  const stranger = names.find((name) => !contestants.includes(name))
  if (stranger !== undefined) throw new TypeError(`--only knows ${contestants.join(', ')}; it got ${stranger}`)
  return names
}

function count(option: string, text: string, minimum = 1): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < minimum) {
    throw new TypeError(`--${option} takes a whole number from ${minimum}; it got ${text}`)
  }
  return value
}
