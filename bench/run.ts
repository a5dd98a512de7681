/**
 * All benches, one after another: what the table in bench/README.md is made of.
 *
 *     npm run build && npm run bench            all of it
 *     node bench/run.ts --quick                 fewer rounds, a shorter soak
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine, today } from './figures.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean' } } })
const quick = values.quick === true

const benches: readonly (readonly [file: string, ...args: string[]])[] = [
  ['per-run.ts', '--rounds', quick ? '2' : '5'],
  ['concurrent.ts', '--rounds', quick ? '2' : '5'],
  ['allocated.ts'],
  ['contention.ts'],
  ['serving.ts', '--agents', quick ? '250' : '250,1000'],
  ['parked.ts'],
  ['team-scale.ts', '--members', '1000', ...(quick ? ['--batches', '3'] : [])],
  ['journal.ts'],
  ['soak.ts', '--runs', quick ? '50000' : '1000000'],
  ['day.ts', ...(quick ? ['--hours', '12', '--runs', '100'] : [])],
  ['mixed-load.ts', '--minutes', quick ? '1' : '15'],
  ['import.ts', '--rounds', quick ? '5' : '15'],
  ['folder-index.ts'],
  ['memory-scale.ts', '--notes', quick ? '20000' : '1000000'],
  ['memory-scale.ts', '--notes', quick ? '20000' : '1000000', '--principals', quick ? '20' : '1000'],
  ['eviction.ts'],
  ['law-time.ts'],
  ['gateway.ts'],
  ['gateway-allocated.ts'],
  ['aios.ts'],
  ['temporal.ts'],
  ['context.ts'],
  ['sandbox.ts', '--form', 'published'],
]

console.log(`${machine()}, ${today()}`)
for (const [file, ...args] of benches) {
  console.log(`\nnode bench/${file} ${args.join(' ')}`)
  const { status } = spawnSync(process.execPath, ['--expose-gc', join(import.meta.dirname, file), ...args], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exitCode = 1
}
