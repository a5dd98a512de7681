/** The experiments of bench/experiments run, with a few seeds; their bars are for `npm run experiments`. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Experiment } from '../bench/experiments/experiment.ts'
import { p1 } from '../bench/experiments/p1.ts'
import { p5 } from '../bench/experiments/p5.ts'
import { p8 } from '../bench/experiments/p8.ts'
import { p9 } from '../bench/experiments/p9.ts'

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
] as const)
  test(`${experiment.id} reaches its bar with ${seeds} seeds`, async () => {
    const { measured, ok } = await experiment.run(seeds)
    assert.ok(ok, measured)
  })
