/**
 * Every experiment of bench/experiments runs, with few seeds, and prints numbers; those whose bar few seeds are enough to tell
 * reach it. The bars with all seeds are for `npm run experiments`. What takes more than a few seconds runs with the long tests.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Experiment } from '../bench/experiments/experiment.ts'

const folder = join(import.meta.dirname, '../bench/experiments')
const files = readdirSync(folder).filter((name) => /^[a-z]\d+.*\.ts$/.test(name))

/** Of a file, what it exports under its own name: `c12Teams` of c12-teams.ts. */
async function experimentOf(file: string): Promise<Experiment> {
  const name = file.replace('.ts', '').replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  const found = ((await import(join(folder, file))) as { [name: string]: Experiment | undefined })[name]
  assert.ok(found, `${file} exports no ${name}`)
  return found
}
const experiments = await Promise.all(files.map(experimentOf))

/** Seeds with which a bar is reached. */
const ENOUGH: { readonly [id: string]: number } = {
  'C8-RECRUITING': 2,
  C10: 1,
  C12: 50,
  'C12-KITCHEN': 1,
  'C12-MINDS': 1,
  C13: 1,
  C14: 1,
  'C15-ANN': 2,
  'C15-ORCHESTRATORS': 5,
  'C15-SCIENCE': 3,
  P1: 3,
  P4: 200,
  P5: 30,
  P6: 1,
  P7: 5,
  P8: 4,
  P9: 1,
  P10: 1,
  P11: 10,
  P12: 5,
  R1: 2,
  T1: 1,
  T2: 1,
  T3: 10,
  T4: 20,
  T6: 1,
}
/** Seeds of the others; two where none are named. */
const FEW: { readonly [id: string]: number } = { C1: 50, C2: 50, C4: 200, 'C12-PARTNER': 20, 'C12-TEAMS': 5 }
/** Seconds, or a browser. */
const LONG = new Set(['C5', 'C8B', 'C12-KITCHEN', 'C15-ANN', 'C15-MEDIA', 'C15-PIPELINES', 'P10', 'T1', 'T2', 'T5'])

test('every file of an experiment exports one, and no two have one id', () => {
  assert.ok(experiments.length >= 39)
  assert.equal(new Set(experiments.map(({ id }) => id)).size, experiments.length)
  const ids = new Set(experiments.map(({ id }) => id))
  for (const id of [...Object.keys(ENOUGH), ...Object.keys(FEW), ...LONG]) assert.ok(ids.has(id), `${id} is none`)
})

describe('experiments', () => {
  for (const { id, seeds, run } of experiments) {
    const few = ENOUGH[id] ?? Math.min(FEW[id] ?? 2, seeds)
    const skip = LONG.has(id) && process.env['POLITY_LONG'] !== '1' && 'one of the long tests: POLITY_LONG=1'
    test(`${id} runs with ${few} of its ${seeds} seeds`, { skip }, async () => {
      const { measured, ok } = await run(few)
      assert.doesNotMatch(measured, /NaN|undefined|Infinity/)
      if (ENOUGH[id] !== undefined) assert.ok(ok, measured)
    })
  }
})
