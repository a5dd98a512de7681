/**
 * Whether the serving machine predicts what a real model takes: makespans of a local model on this machine, beside those
 * that the simulator foretells with costs that were fitted on other mixes.
 *
 *     node bench/serving/validate.ts [--batching together] [--sequences 4] [--rounds 5] [--width 256] [--layers 6]
 *
 * The model is a GGUF file with random weights, generated here (test/tiny-gguf.ts): real shapes, real runtime, nonsense.
 * Calibration: equal calls, 1 to `sequences` at a time, of several lengths; the four costs of the machine and one for each
 * call are fitted to their makespans by least squares of the relative error, none below 0. Judged: six mixes of other sizes,
 * with calls that come later, calls that follow each other with pauses, and more calls than sequences. Both are run in
 * turns, and the fastest of the rounds counts: what disturbs a run only slows it. Bar: each within 15 %; exits 1 otherwise.
 * Run it where nothing else runs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LlamaModel } from '../../src/drivers/llm/llama.ts'
import { llama } from '../../src/drivers/llm/llama.ts'
import type { MachineOptions } from '../../src/drivers/llm/serving-machine.ts'
import { servingMachine } from '../../src/drivers/llm/serving-machine.ts'
import { randomAt, simulatedClock } from '../../src/kernel/clock.ts'
import { tinyGguf } from '../../test/tiny-gguf.ts'

const { values } = parseArgs({
  options: {
    batching: { type: 'string', default: 'together' },
    sequences: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    width: { type: 'string', default: '256' },
    layers: { type: 'string', default: '6' },
  },
})
const batching = values.batching === 'alone' ? 'alone' : 'together'
const sequencesMax = Number(values.sequences)
const CONTEXT = 1_024
const CHUNK = batching === 'alone' ? 64 : 512

/** Calls that follow each other, each after a pause; chains run beside each other. */
interface Chain {
  /** ms after the start. */
  readonly at: number
  readonly pauseMs: number
  readonly calls: readonly { readonly prompt: number; readonly output: number }[]
}
interface Mix {
  readonly name: string
  readonly chains: readonly Chain[]
}

const equal = (count: number, prompt: number, output: number): Mix => ({
  name: `${count} x ${prompt} + ${output}`,
  chains: Array.from({ length: count }, () => ({ at: 0, pauseMs: 0, calls: [{ prompt, output }] })),
})
const between = (mix: number, i: number, least: number, most: number): number =>
  Math.round(least + randomAt(5, mix, i) * (most - least))
const various = (mix: number, count: number, everyMs: number, steps = 1, pauseMs = 0): readonly Chain[] =>
  Array.from({ length: count }, (_, i) => ({
    at: i * everyMs,
    pauseMs,
    calls: Array.from({ length: steps }, (__, s) => ({
      prompt: between(mix, 2 * (i * steps + s), 40, 500),
      output: between(mix, 2 * (i * steps + s) + 1, 10, 120),
    })),
  }))

const calibration: readonly Mix[] = [
  equal(1, 100, 2),
  equal(1, 600, 2),
  equal(1, 60, 100),
  equal(1, 600, 100),
  equal(Math.ceil(sequencesMax / 2), 60, 100),
  equal(sequencesMax, 60, 100),
  equal(sequencesMax, 600, 60),
  equal(sequencesMax, 300, 2),
]
const judged: readonly Mix[] = [
  { name: 'various, at once', chains: various(1, 3 * sequencesMax, 0) },
  { name: 'various, one after the other', chains: various(2, 3 * sequencesMax, 120) },
  { name: 'agents of four steps with pauses', chains: various(3, sequencesMax, 50, 4, 150) },
  equal(3 * sequencesMax, 450, 12),
  equal(3 * sequencesMax, 30, 150),
  {
    name: 'two waves',
    chains: [
      ...various(4, sequencesMax, 0),
      ...various(5, 2 * sequencesMax, 30).map((one) => ({ ...one, at: one.at + 400 })),
    ],
  },
]

/** What a call took, as the driver counted it. */
interface Size {
  readonly prompt: number
  readonly cached: number
  readonly output: number
}

let asked = 0

/** Runs a mix on the model; times by the machine's clock, ms, and the sizes of each chain's calls. */
async function measure(model: LlamaModel, { chains }: Mix): Promise<{ ms: number; sizes: Size[][] }> {
  const started = performance.now()
  const sizes = await Promise.all(
    chains.map(async ({ at, pauseMs, calls }) => {
      if (at > 0) await new Promise((resolve) => setTimeout(resolve, at))
      const took: Size[] = []
      for (const [i, { prompt, output }] of calls.entries()) {
        if (i > 0 && pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
        // The number first: no two prompts begin alike, so nothing is read from a cache but the frame of the message.
        const text = `${++asked} ${'the quick brown fox jumps over the lazy dog. '.repeat(20)}`.slice(0, prompt)
        const { usage } = await model.doGenerate({
          prompt: [{ role: 'user', content: [{ type: 'text', text }] }],
          maxOutputTokens: output,
          temperature: 0,
        })
        took.push({
          prompt: usage.inputTokens.total ?? prompt,
          cached: usage.inputTokens.cacheRead ?? 0,
          output: usage.outputTokens.total ?? output,
        })
      }
      return took
    }),
  )
  return { ms: performance.now() - started, sizes }
}

type Costs = readonly [
  iterationMs: number,
  prefillTokenMs: number,
  decodeSequenceMs: number,
  contextTokenMs: number,
  callMs: number,
]

/** What the simulator says that the same calls take. */
async function predict(mix: Mix, sizes: readonly (readonly Size[])[], costs: Costs): Promise<number> {
  const clock = simulatedClock({ seed: 1, startMs: 0 })
  const [iterationMs, prefillTokenMs, decodeSequenceMs, contextTokenMs, callMs] = costs
  const options: MachineOptions = {
    clock,
    sequencesMax,
    batchTokensMax: Math.max(CHUNK, sequencesMax),
    iterationMs,
    prefillTokenMs,
    decodeSequenceMs,
    contextTokenMs,
    kvTokens: sequencesMax * CONTEXT,
    prefixCache: false,
  }
  const machine = servingMachine(options)
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve))
  let endMs = 0
  await Promise.all(
    mix.chains.map(async ({ at, pauseMs }, c) => {
      await pause(at)
      for (const [i, { prompt, cached, output }] of (sizes[c] as readonly Size[]).entries()) {
        if (i > 0) await pause(pauseMs)
        await pause(callMs)
        await new Promise<void>((resolve) => {
          machine.submit({
            model: 'm',
            promptTokens: Math.max(1, prompt - cached),
            outputTokens: output,
            blocks: [],
            onDone: () => resolve(),
          })
        })
        endMs = Math.max(endMs, clock.now())
      }
    }),
  )
  return endMs
}

/** Sum of squares of the relative errors. */
async function errorOf(runs: readonly Run[], costs: Costs): Promise<number> {
  let sum = 0
  for (const { mix, sizes, ms } of runs) sum += ((await predict(mix, sizes, costs)) / ms - 1) ** 2
  return sum
}

interface Run {
  readonly mix: Mix
  readonly sizes: readonly (readonly Size[])[]
  readonly ms: number
}

/** Pattern search (Hooke and Jeeves 1961): each cost in turn up or down, by less where nothing helps any more. */
async function fit(runs: readonly Run[]): Promise<Costs> {
  let costs: Costs = [1, 0.1, 1, 0.0005, 1]
  let best = await errorOf(runs, costs)
  for (let step = 2; step > 1.002;) {
    let isBetter = false
    for (let i = 0; i < costs.length; i++)
      for (const factor of [step, 1 / step]) {
        const tried = costs.map((cost, j) => (j === i ? cost * factor : cost)) as unknown as Costs
        const error = await errorOf(runs, tried)
        if (error >= best) continue
        best = error
        costs = tried
        isBetter = true
      }
    if (!isBetter) step = Math.sqrt(step)
  }
  return costs
}

const folder = mkdtempSync(join(tmpdir(), 'polity-validate-'))
const path = tinyGguf(folder, {
  width: Number(values.width),
  layers: Number(values.layers),
  heads: 4,
  contextTokens: CONTEXT,
})
const model = await llama(path, {
  sequences: sequencesMax,
  batching,
  contextTokens: CONTEXT,
  gpu: false,
  batchTokens: CHUNK,
})
try {
  await measure(model, equal(sequencesMax, 60, 20))
  const taken = new Map<Mix, { ms: number; sizes: Size[][] }[]>()
  for (let round = 0; round < Number(values.rounds); round++)
    for (const mix of [...calibration, ...judged])
      taken.set(mix, [...(taken.get(mix) ?? []), await measure(model, mix)])
  const runOf = (mix: Mix): Run => {
    const rounds = taken.get(mix) as { ms: number; sizes: Size[][] }[]
    return { mix, sizes: (rounds[0] as { sizes: Size[][] }).sizes, ms: Math.min(...rounds.map(({ ms }) => ms)) }
  }
  const costs = await fit(calibration.map(runOf))
  console.log(
    `${cpus().length} cores, ${batching}, ${sequencesMax} sequences; iteration ${costs[0].toFixed(3)} ms, token read ${costs[1].toFixed(4)}, sequence that writes ${costs[2].toFixed(3)}, token of context ${costs[3].toFixed(6)}, call ${costs[4].toFixed(2)}`,
  )
  const rows = []
  for (const mix of [...calibration, ...judged]) {
    const run = runOf(mix)
    const predicted = await predict(mix, run.sizes, costs)
    const error = predicted / run.ms - 1
    const isJudged = judged.includes(mix)
    const all = (taken.get(mix) as { ms: number }[]).map(({ ms }) => Math.round(ms))
    rows.push({
      mix: mix.name,
      used: isJudged ? 'judged' : 'fitted',
      'measured ms': Math.round(run.ms),
      rounds: all.join(' '),
      'predicted ms': Math.round(predicted),
      'error %': Math.round(error * 1_000) / 10,
    })
    if (isJudged && Math.abs(error) > 0.15) process.exitCode = 1
  }
  console.table(rows)
} finally {
  await model.close()
  rmSync(folder, { recursive: true })
}
