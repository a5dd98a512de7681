/**
 * Measures one contestant in a process of its own; run.ts starts it and reads what it sends.
 *
 * Arguments: contestant file, 'serial' or 'concurrent', runs, model latency in ms.
 *
 * Nothing is imported before the contestant except node: modules, so that `importMs` is honest.
 * Final texts are kept and checked after the clock has stopped.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contestant } from './work.ts'

export interface Measured {
  readonly name: string
  readonly version: string
  readonly figures: Readonly<Record<string, number>>
}

type Run = (i: number) => Promise<string>

const warmUpRuns = 500
const warmUpConcurrentRuns = 100
const loopDelayResolutionMs = 1

if (process.argv[2] !== undefined) await main(process.argv.slice(2))

async function main([file, mode, runs, latencyMs]: string[]): Promise<void> {
  const startedAt = performance.now()
  const { contestant }: { contestant: Contestant } = await import(`./${file}.ts`)
  const importMs = performance.now() - startedAt
  const importRssMb = process.memoryUsage().rss / 1e6

  const { bench, answer } = await import('./work.ts')
  bench.modelLatencyMs = Number(latencyMs)
  const run = await contestant.prepare()
  const checked = async (measure: (run: Run) => Promise<string[]>): Promise<void> => {
    bench.toolCalls = 0
    const texts = await measure(run)
    if (bench.toolCalls !== texts.length) throw new Error(`${texts.length} runs, but ${bench.toolCalls} tool calls`)
    const wrong = texts.findIndex((text, i) => text !== answer(i))
    if (wrong >= 0) throw new Error(`run ${wrong} answered ${JSON.stringify(texts[wrong])}, not ${answer(wrong)}`)
  }

  let figures: Record<string, number> = {}
  globalThis.gc?.() // before the warm-up: a full collection also throws away some of what the JIT has learned
  if (mode === 'serial') {
    await checked(async (run) => (await serial(run, warmUpRuns)).texts)
    await checked(async (run) => {
      const done = await serial(run, Number(runs))
      figures = done.figures
      return done.texts
    })
    globalThis.gc?.()
    figures = { ...figures, rssMb: process.memoryUsage().rss / 1e6 }
  } else {
    await checked((run) => all(run, warmUpConcurrentRuns))
    await checked(async (run) => {
      const done = await concurrent(run, Number(runs))
      figures = done.figures
      return done.texts
    })
  }
  const { name, version } = contestant
  const measured: Measured = { name, version, figures: { ...figures, importMs, importRssMb } }
  process.send!(measured, () => process.exit(0))
}

/** Runs one after another, timing each. */
async function serial(run: Run, runs: number): Promise<{ texts: string[]; figures: Record<string, number> }> {
  const texts = Array<string>(runs)
  const times = new Float64Array(runs)
  const cpu = process.cpuUsage()
  for (let i = 0; i < runs; i++) {
    const startedAt = performance.now()
    texts[i] = await run(i)
    times[i] = performance.now() - startedAt
  }
  const cpuMicros = spent(cpu)
  times.sort()
  const figures = {
    p50Us: times[Math.floor(runs * 0.5)]! * 1e3,
    p99Ms: times[Math.floor(runs * 0.99)]!,
    cpuUsPerRun: cpuMicros / runs,
  }
  return { texts, figures }
}

/** Starts every run at once and waits for the last. */
async function concurrent(run: Run, runs: number): Promise<{ texts: string[]; figures: Record<string, number> }> {
  const delay = monitorEventLoopDelay({ resolution: loopDelayResolutionMs })
  delay.enable()
  await sleep(50) // the monitor measures from its own first tick on
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  const texts = await all(run, runs)
  const wallMs = performance.now() - startedAt
  const cpuMicros = spent(cpu)
  await sleep(50) // a stall that ends with the last run is recorded on the next tick
  delay.disable()
  const figures = {
    wallS: wallMs / 1e3,
    cpuS: cpuMicros / 1e6,
    stallMs: delay.max / 1e6 - loopDelayResolutionMs,
    peakRssMb: process.resourceUsage().maxRSS / 1e3,
  }
  return { texts, figures }
}

function all(run: Run, runs: number): Promise<string[]> {
  return Promise.all(Array.from({ length: runs }, (_, i) => run(i)))
}

function spent(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return user + system
}
