/**
 * The experiments behind docs/papers.md: planted worlds with known answers, scripted models, no network.
 *
 *     npm run experiments                       all of them, a few minutes
 *     node bench/experiments.ts P4 P7           only these
 *
 * Prints `id | bar | measured | seeds | ok` or `falls short`, a row each, and exits with 1 where one falls short. An experiment
 * is a file of bench/experiments/ that exports its `Experiment`; they show that the programs do what they say, and nothing of
 * how good a real model is.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Experiment } from './experiments/experiment.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { times: { type: 'boolean', default: false } },
})

/** Of a file, what it exports under its own name: `p4` of p4.ts. */
async function experimentOf(file: string): Promise<Experiment | undefined> {
  const name = file.replace(/\.ts$/, '').replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  const exported = (await import(join(import.meta.dirname, 'experiments', file))) as { [name: string]: unknown }
  return exported[name] as Experiment | undefined
}

const files = readdirSync(join(import.meta.dirname, 'experiments')).filter((name) => /^[a-z]\d+.*\.ts$/.test(name))
const all = (await Promise.all(files.map(experimentOf))).filter((one) => one !== undefined)
const wanted = positionals.map((id) => id.toUpperCase())
const chosen = all
  .filter(({ id }) => wanted.length === 0 || wanted.includes(id))
  .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
if (chosen.length === 0) {
  console.error(`no experiment is called ${positionals.join(', ')}; there are ${all.map(({ id }) => id).join(', ')}`)
  process.exit(1)
}

console.log('id | bar | measured | seeds | ok')
console.log('--- | --- | --- | --- | ---')
for (const { id, what, bar, seeds, run } of chosen) {
  const started = performance.now()
  const { measured, ok } = await run(seeds)
  const time = values.times ? ` (${((performance.now() - started) / 1_000).toFixed(1)} s)` : ''
  console.log(`${id} | ${what}: ${bar} | ${measured}${time} | ${seeds} | ${ok ? 'ok' : 'falls short'}`)
  if (!ok) process.exitCode = 1
}
