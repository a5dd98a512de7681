/**
 * Replay: an ended run is lived again against its journal, without any effect. A program that would act otherwise today
 * is told where it leaves the journal. This is how a change to a program is tested on yesterday's runs.
 */
// prints: the journal has generate there
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scripted } from '../src/drivers/llm/scripted.ts'
import type { Sys } from '../src/index.ts'
import { boot, defineProgram } from '../src/index.ts'

using folder = mkdtempDisposableSync(join(tmpdir(), 'polity-replay-'))
const store = join(folder.path, 'runs.db')

const guess = defineProgram('guess', async (sys: Sys, max: number) => {
  const secret = 1 + Math.floor(sys.random() * max)
  await sys.write('secret.txt', String(secret))
  const { text } = await sys.generate(`Guess a number from 1 to ${max}.`)
  return { secret, guess: Number(text), at: sys.now() }
})

const kernel = await boot({ store, model: scripted(['7']), programs: [guess] })
const run = kernel.spawn(guess, 10)
console.log('lived:   ', await run.result)
console.log('replayed:', await kernel.replay(run.pid))
await kernel.close()

// The same name and version, but it looks for an old secret first: another call in the place of the model's.
const changed = defineProgram('guess', async (sys: Sys, max: number) => {
  await sys.write('secret.txt', String(1 + Math.floor(sys.random() * max)))
  return (await sys.list()).length
})
const later = await boot({ store, model: scripted([]), programs: [changed] })
console.log('changed: ', await later.replay(run.pid))
await later.close()
