/**
 * The experiments behind docs/papers.md: planted worlds with known answers, scripted models, no network.
 *
 *     npm run experiments                       all of them, a few minutes
 *     node bench/experiments.ts P4 P7           only these
 *     node bench/experiments.ts --help          the options, and what there is
 *
 * Prints `id | bar | measured | seeds | ok` or `falls short`, a row each, and exits with 1 where one falls short. Which one
 * runs is said on stderr. An experiment is a file of bench/experiments/ that exports its `Experiment`; they show that the
 * programs do what they say, and nothing of how good a real model is.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Experiment } from './experiments/experiment.ts'

const USAGE = `usage: node bench/experiments.ts [--times] [id …]

  --times   each row with the seconds it took
  --help    this`

function given() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { times: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
  } catch (error) {
    return refuse(`${(error as Error).message}\n${USAGE}`)
  }
}
const { values, positionals } = given()

/** Of a file, what it exports under its own name: `p4` of p4.ts, `c8Choosers` of c8-choosers.ts. */
async function experimentOf(file: string): Promise<Experiment> {
  const name = file.replace(/\.ts$/, '').replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  const exported = (await import(join(import.meta.dirname, 'experiments', file))) as { [name: string]: unknown }
  const found = exported[name] as Experiment | undefined
  if (found === undefined) throw new Error(`bench/experiments/${file} exports no experiment "${name}"`)
  return found
}

function refuse(why: string): never {
  console.error(why)
  process.exit(2)
}

const files = readdirSync(join(import.meta.dirname, 'experiments')).filter((name) => /^[a-z]\d+.*\.ts$/.test(name))
const all = (await Promise.all(files.map(experimentOf))).sort((a, b) =>
  a.id.localeCompare(b.id, 'en', { numeric: true }),
)
if (values.help === true) {
  console.log(`${USAGE}\n\n${all.map(({ id, what }) => `${id.padEnd(15)}${what}`).join('\n')}`)
  process.exit(0)
}
const wanted = positionals.map((id) => id.toUpperCase())
const unknown = wanted.filter((id) => !all.some((one) => one.id === id))
if (unknown.length > 0)
  refuse(`no experiment is called ${unknown.join(', ')}; there are ${all.map(({ id }) => id).join(', ')}`)
const chosen = all.filter(({ id }) => wanted.length === 0 || wanted.includes(id))

console.log('id | bar | measured | seeds | ok')
console.log('--- | --- | --- | --- | ---')
for (const [i, { id, what, bar, seeds, run }] of chosen.entries()) {
  console.error(`${i + 1} of ${chosen.length}: ${id}, ${what}`)
  const started = performance.now()
  const { measured, ok } = await run(seeds)
  const time = values.times === true ? ` (${((performance.now() - started) / 1_000).toFixed(1)} s)` : ''
  console.log(`${id} | ${what}: ${bar} | ${measured}${time} | ${seeds} | ${ok ? 'ok' : 'falls short'}`)
  if (!ok) process.exitCode = 1
}
