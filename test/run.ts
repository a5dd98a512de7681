/**
 * Runs the tests: those that kill processes in processes of their own, all others together in one (much faster to
 * start, and nothing of ours leans on a fresh process).
 *
 *     npm test              everything, in its short form
 *     npm run test:long     the same with POLITY_LONG=1: all seeds, all kills
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'

const apart = [
  'test/cli.test.ts',
  'test/policy-cli.test.ts',
  'test/crash.test.ts',
  'test/examples.test.ts',
  'test/docs.test.ts',
]
const together = globSync('test/*.test.ts')
  .filter((file) => !apart.includes(file))
  .toSorted()

function run(isolation: 'none' | 'process', files: readonly string[]): number {
  const { status } = spawnSync(
    process.execPath,
    ['--test', `--test-isolation=${isolation}`, '--test-concurrency=2', ...files],
    { stdio: 'inherit' },
  )
  return status ?? 1
}

// Both, even if the first fails: who mends wants to see it all.
process.exitCode = Math.max(run('none', together), run('process', apart))
