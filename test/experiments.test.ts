/** The experiments of bench/experiments run, with a few seeds; their bars are for `npm run experiments`. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Experiment } from '../bench/experiments/experiment.ts'
import { c13 } from '../bench/experiments/c13.ts'
import { c14 } from '../bench/experiments/c14.ts'
import { p1 } from '../bench/experiments/p1.ts'
import { p5 } from '../bench/experiments/p5.ts'
import { p8 } from '../bench/experiments/p8.ts'
import { p9 } from '../bench/experiments/p9.ts'
import { r1 } from '../bench/experiments/r1.ts'
import { t3 } from '../bench/experiments/t3.ts'
import { t4 } from '../bench/experiments/t4.ts'

test('every file of an experiment exports one, under its own id', async () => {
  const folder = join(import.meta.dirname, '../bench/experiments')
  const files = readdirSync(folder).filter((name) => /^[a-z]\d+\.ts$/.test(name))
  for (const file of files) {
    const name = file.replace('.ts', '')
    const found = ((await import(join(folder, file))) as { [name: string]: Experiment | undefined })[name]
    assert.equal(found?.id.toLowerCase(), name)
  }
  assert.ok(files.length >= 13)
})

for (const [experiment, seeds] of [
  [p1, 3],
  [p5, 30],
  [p8, 4],
  [p9, 1],
  [r1, 2],
  [t3, 10],
  [t4, 20],
  [c13, 1],
  [c14, 1],
] as const)
  test(`${experiment.id} reaches its bar with ${seeds} seeds`, async () => {
    const { measured, ok } = await experiment.run(seeds)
    assert.ok(ok, measured)
  })
