/**
 * Serving many agents: Polity beside what one would write without it, on a simulated server, in simulated time.
 *
 *     npm run bench:serving                       # all of it; writes bench/README.md and plots/, exits 1 if a bar is missed
 *     npm run bench:serving -- --agents 250       # one size, a minute; writes nothing
 *     npm run bench:serving -- --agents 250,1000,10000 --all --write
 *
 * The server is `a10` (serving/server.ts): continuous batching of 12 sequences, 429 with `retry-after: 1` beyond 14 calls.
 * Contestants: serving/contestants.ts. Workloads: serving/workloads.ts. The lower bound of each row is proven in
 * serving/bound.ts. All do the same calls with the same answers, which is checked. At 10,000 agents the baselines run ReAct
 * alone unless `--all` is given, and `unlimited` not at all: it is refused some millions of times. A table of all contestants
 * is printed for each workload and size; bench/README.md has the one of ReAct at the largest, and the plots.
 *
 * Bars, at every size, each checked here:
 *   B1. Makespan at least 2.1 times shorter than serial, and than AIOS's loop with the threads that it has on 2 cores.
 *   B2. Never longer than that of the best baseline; on a key with rates, where nothing is to be kept warm, with `fifo`.
 *   B3. At most 1.05 times the lower bound.
 *   B4. Time an agent at the largest size at most 1.05 times that at 250.
 *   B5. 95th percentile of people's turnaround beside a batch flood at most 1.5 times what it is without.
 *   B6. Experts: as many loads as experts, at least 3 times faster than a least-recently-used loader.
 *   B7. A provider key with rates: no call refused; as one setting for all, from 1,000 agents on, where the bound has more than a few of its whole
 *       minutes, makespan at most 1.05 times the bound.
 */
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { windowBoundMs } from './serving/bound.ts'
import type { Key, Outcome, Summary } from './serving/contest.ts'
import { contend } from './serving/contest.ts'
import { contestants, polityFifo } from './serving/contestants.ts'
import { expertTrace, serveExperts } from './serving/experts.ts'
import type { Alone } from './serving/plots.ts'
import { drawPlots } from './serving/plots.ts'
import type { Workload } from './serving/workloads.ts'
import { workloads } from './serving/workloads.ts'
import { mean, percentile, today } from './figures.ts'
import { writePart } from './page-part.ts'

const { values } = parseArgs({
  options: {
    agents: { type: 'string' },
    all: { type: 'boolean' },
    write: { type: 'boolean' },
    workload: { type: 'string' },
  },
})
const sizes = (values.agents ?? '250,1000,10000').split(',').map(Number)
const isWriting = values.write ?? (values.agents === undefined && values.workload === undefined)
const LARGE = 5_000

const lines: string[] = []
const missed: string[] = []
const say = (line = ''): void => {
  lines.push(line)
  console.log(line)
}
const bar = (isMet: boolean, what: string): void => {
  if (!isMet) missed.push(what)
}
const seconds = (ms: number): string => {
  const s = ms / 1_000
  return s >= 100 ? Math.round(s).toLocaleString('en') : s.toFixed(s >= 10 ? 1 : 2)
}
const share = (value: number): string => value.toFixed(2)
const spreadOf = (sorted: readonly number[]): string =>
  sorted.length === 0
    ? ''
    : [mean(sorted), ...[0.5, 0.9, 0.99].map((at) => percentile(sorted, at))].map(seconds).join(', ')

// ------------------------------------------------------------------------------------------------------------ machine

function runsAt(contestant: string, workload: Workload, count: number): boolean {
  if (count < LARGE || contestant === 'Polity') return true
  return contestant !== 'unlimited' && (values.all === true || workload.name === 'ReAct')
}

async function contest(workload: Workload, count: number): Promise<Summary> {
  const by = new Map<string, Outcome>()
  for (const one of contestants) {
    if (!runsAt(one.name, workload, count)) continue
    by.set(one.name, await contend(workload.agents(count), one))
    const outcome = by.get(one.name) as Outcome
    console.error(
      `${workload.name}, ${count}, ${one.name}: ${seconds(outcome.makespanMs)} s, took ${Math.round(outcome.tookS)} s`,
    )
  }
  const polity = by.get('Polity') as Outcome
  for (const { contestant, calls, inputTokens, outputTokens } of by.values())
    if (calls !== polity.calls || inputTokens !== polity.inputTokens || outputTokens !== polity.outputTokens)
      throw new Error(`${contestant} did other work than Polity in ${workload.name}: ${calls} calls, ${polity.calls}`)
  const boundMs = Math.max(polity.workMs, by.get('serial')?.longestMs ?? 0)
  return { workload: workload.name, agents: count, polityMs: polity.makespanMs, boundMs, by }
}

function judge({ workload, agents, polityMs, boundMs, by }: Summary): void {
  const at = `${workload}, ${agents} agents`
  for (const [name, { makespanMs }] of by) {
    if (name === 'Polity') continue
    bar(polityMs <= makespanMs, `B2 ${at}: ${name} takes ${seconds(makespanMs)} s, Polity ${seconds(polityMs)}`)
    if (name === 'serial' || name === 'AIOS-like, 6')
      bar(makespanMs >= 2.1 * polityMs, `B1 ${at}: ${share(makespanMs / polityMs)} times faster than ${name}`)
  }
  bar(polityMs <= 1.05 * boundMs, `B3 ${at}: ${(polityMs / boundMs).toFixed(3)} times the lower bound`)
}

/** All contestants of one workload and size, given to `say` line by line. */
function table({ workload, agents, boundMs, by }: Summary, say: (line?: string) => void): void {
  const { calls, outputTokens } = by.get('Polity') as Outcome
  say()
  say(
    `**${workload}, ${agents.toLocaleString('en')} agents**: ${calls.toLocaleString('en')} calls, ${outputTokens.toLocaleString('en')} tokens written; lower bound ${seconds(boundMs)} s.`,
  )
  say()
  const hasPeople = (by.get('Polity') as Outcome).people.length > 0
  say(
    `| | makespan s | to the bound | tokens/s | a call waits s: mean, p50, p90, p99 | an agent takes s: mean, p50, p90, p99 |${hasPeople ? ' a person s: mean, p50, p90, p99 |' : ''} refused | computed twice | cached | Jain |`,
  )
  say(`|---|---:|---:|---:|---:|---:|${hasPeople ? '---:|' : ''}---:|---:|---:|---:|`)
  for (const [name, one] of by) {
    const cells = [
      name === 'Polity' ? '**Polity**' : name,
      seconds(one.makespanMs),
      `${name === 'Polity' ? '**' : ''}${(one.makespanMs / boundMs).toFixed(3)}${name === 'Polity' ? '**' : ''}`,
      Math.round((one.outputTokens * 1_000) / one.makespanMs),
      spreadOf(one.waits),
      spreadOf(one.turnarounds),
      ...(hasPeople ? [spreadOf(one.people)] : []),
      one.refused.toLocaleString('en'),
      one.wastedTokens.toLocaleString('en'),
      share(one.cachedShare),
      share(one.jain),
    ]
    say(`| ${cells.join(' | ')} |`)
  }
}

// ---------------------------------------------------------------------------------------------------------------- run

const chosen = workloads.filter(({ name }) => values.workload === undefined || name === values.workload)
if (chosen.length === 0) throw new Error(`--workload takes one of ${workloads.map(({ name }) => name).join(', ')}`)
const summaries: Summary[] = []
for (const workload of chosen) for (const count of sizes) summaries.push(await contest(workload, count))

say(
  `Printed by \`npm run bench:serving\`, ${today()}, Node ${process.versions.node}, ${cpus().length} cores; all times are simulated, so the machine does not matter.`,
)
say()
say(
  '| workload | agents | bound s | Polity s | to the bound | serial | AIOS-like, 6 threads | 32 threads | best baseline | s an agent |',
)
say('|---|---:|---:|---:|---:|---:|---:|---:|---|---:|')
for (const one of summaries) {
  judge(one)
  const times = (name: string): string => {
    const other = one.by.get(name)
    return other === undefined ? '' : `${share(other.makespanMs / one.polityMs)} ×`
  }
  const [best] = [...one.by.values()]
    .filter(({ contestant }) => contestant !== 'Polity')
    .toSorted((a, b) => a.makespanMs - b.makespanMs)
  say(
    `| ${one.workload} | ${one.agents.toLocaleString('en')} | ${seconds(one.boundMs)} | ${seconds(one.polityMs)} | **${(one.polityMs / one.boundMs).toFixed(3)}** | ${times('serial')} | ${times('AIOS-like, 6')} | ${times('AIOS-like, 32')} | ${best === undefined ? '' : `${best.contestant}, ${times(best.contestant)}`} | ${share(one.polityMs / one.agents / 1_000)} |`,
  )
}
for (const { name } of chosen) {
  const of = summaries.filter(({ workload }) => workload === name)
  const [small, large] = [of[0] as Summary, of.at(-1) as Summary]
  const growth = large.polityMs / large.agents / (small.polityMs / small.agents)
  bar(growth <= 1.05, `B4 ${name}: ${share(growth)} times the time an agent from ${small.agents} to ${large.agents}`)
}

// ------------------------------------------------------------------------------------------------------------- people

const aloneOf: Alone[] = []
const mixed = summaries.filter(({ workload }) => workload === 'mixed')
if (mixed.length > 0) {
  say()
  say('People beside a batch flood, their turnaround in seconds, and alone on the same machine:')
  say()
  say('| agents | people | alone: p50, p95 | beside the flood: p50, p95 | p95 to alone | best baseline p95 |')
  say('|---:|---:|---:|---:|---:|---|')
  const [workload] = workloads.filter(({ name }) => name === 'mixed') as [Workload]
  const [polity] = contestants.filter(({ name }) => name === 'Polity') as [(typeof contestants)[0]]
  for (const { agents, by } of mixed) {
    const alone = await contend(
      workload.agents(agents).filter(({ kind }) => kind === 'interactive'),
      polity,
    )
    aloneOf.push({ agents, people: alone.people })
    const beside = by.get('Polity') as Outcome
    const ratio = percentile(beside.people, 0.95) / percentile(alone.people, 0.95)
    const [best] = [...by.values()]
      .filter(({ contestant }) => contestant !== 'Polity')
      .toSorted((a, b) => percentile(a.people, 0.95) - percentile(b.people, 0.95))
    const two = (of: readonly number[]): string => [0.5, 0.95].map((at) => seconds(percentile(of, at))).join(', ')
    say(
      `| ${agents.toLocaleString('en')} | ${alone.people.length.toLocaleString('en')} | ${two(alone.people)} | ${two(beside.people)} | **${share(ratio)}** | ${best === undefined ? '' : `${best.contestant}, ${seconds(percentile(best.people, 0.95))}`} |`,
    )
    bar(ratio <= 1.5, `B5 ${agents} agents: people's p95 ${share(ratio)} times what it is alone`)
  }
}

// -------------------------------------------------------------------------------------------------------------- a key

if (values.workload === undefined) {
  const key: Key = {
    slots: 64,
    prefillTokensPerSecond: 5_000,
    decodeTokensPerSecond: 80,
    latencyMs: 300,
    requestsPerMinute: 500,
    tokensPerMinute: 1_000_000,
  }
  say()
  say(
    `A provider key instead of the machine (${key.slots} calls at once, each at its own speed; ${key.requestsPerMinute} requests and ${key.tokensPerMinute.toLocaleString('en')} tokens in any minute; speeds and rates invented), ReAct:`,
  )
  say()
  say('| agents | contestant | makespan s | to the bound | refused | an agent takes s: mean, p50, p90, p99 |')
  say('|---:|---|---:|---:|---:|---:|')
  const [react] = workloads as [Workload]
  for (const count of sizes.filter((size) => size < LARGE)) {
    const outcomes: Outcome[] = []
    const keyed = contestants.filter(({ name }) => ['unlimited', 'calls', 'agents', 'Polity'].includes(name))
    for (const one of [...keyed, polityFifo]) outcomes.push(await contend(react.agents(count), one, key))
    const [polity, fifo] = outcomes.slice(-2) as [Outcome, Outcome]
    // The last call takes at least its latency and a token of each kind.
    const leastMs = key.latencyMs + 1_000 / key.prefillTokensPerSecond + 1_000 / key.decodeTokensPerSecond
    const boundMs = leastMs + windowBoundMs(polity.calls, key.requestsPerMinute)
    for (const one of outcomes)
      say(
        `| ${count.toLocaleString('en')} | ${one.contestant} | ${seconds(one.makespanMs)} | ${(one.makespanMs / boundMs).toFixed(3)} | ${one.refused.toLocaleString('en')} | ${spreadOf(one.turnarounds)} |`,
      )
    for (const { contestant, refused, makespanMs } of outcomes) {
      if (contestant.startsWith('Polity'))
        bar(refused === 0, `B7 ${count} agents, ${contestant}: ${refused} calls refused by the key`)
      bar(fifo.makespanMs <= makespanMs, `B2 key, ${count} agents: ${contestant} ends before Polity with fifo`)
    }
    bar(
      count < 1_000 || polity.makespanMs <= 1.05 * boundMs,
      `B7 ${count} agents: ${(polity.makespanMs / boundMs).toFixed(3)} times the bound of the key`,
    )
  }

  // ---------------------------------------------------------------------------------------------------------- experts

  const traces = Array.from({ length: 30 }, (_, i) => expertTrace(i + 1))
  const trace = traces[0] as (typeof traces)[0]
  say()
  say(
    `Experts: 16 models on one machine, 3,000 calls of 1,000 questions. Over 30 traces ${mean(traces.map(({ experts }) => experts)).toFixed(1)} experts are used, and the model changes ${Math.round(mean(traces.map(({ changes }) => changes))).toLocaleString('en')} times in the order of the questions (calibrated on 12.4 and 2,217). Served is the first: ${trace.experts} experts, ${trace.changes.toLocaleString('en')} changes.`,
  )
  say()
  say(
    '| room for | loader with one queue: loads, s | Polity, turns of a minute: loads, s | of an hour: loads, s | times faster |',
  )
  say('|---:|---:|---:|---:|---:|')
  for (const room of [1, 2, 4]) {
    const loader = await serveExperts(trace, room, undefined)
    const minute = await serveExperts(trace, room, 60_000)
    const hour = await serveExperts(trace, room, 3_600_000)
    const cell = ({ loads, makespanMs }: typeof loader): string =>
      `${loads.toLocaleString('en')}, ${seconds(makespanMs)}`
    const times = [minute, hour].map(({ makespanMs }) => loader.makespanMs / makespanMs)
    say(`| ${room} | ${cell(loader)} | ${cell(minute)} | ${cell(hour)} | ${times.map(share).join(', ')} |`)
    if (room > 1) continue
    bar(hour.loads === trace.experts, `B6: ${hour.loads} loads for ${trace.experts} experts`)
    bar(Math.min(...times) >= 3, `B6: ${share(Math.min(...times))} times faster than the loader`)
  }
}

const [first] = chosen as [Workload]
const shown = summaries.findLast(({ workload }) => workload === first.name)
for (const one of summaries) table(one, one === shown ? say : (line = '') => console.log(line))

if (isWriting) {
  const drawn = await drawPlots(summaries, aloneOf, join(import.meta.dirname, 'plots'))
  const images = drawn.map(({ file, title }) => `![${title}](plots/${file})`)
  writePart(join(import.meta.dirname, 'README.md'), 'serving', `${lines.join('\n')}\n\n${images.join('\n\n')}`)
}
console.log(missed.length === 0 ? '\nAll bars are met.' : `\nMissed:\n  ${missed.join('\n  ')}`)
if (missed.length > 0) process.exitCode = 1
