/**
 * Runs the tests: those that start and kill processes in processes of their own, all others together in one (much faster
 * to start, and nothing of ours leans on a fresh process), the largest properties in another. Two of these groups at a
 * time: there are two cores at least.
 *
 *     npm test              everything, in its short form
 *     npm run test:long     the same with POLITY_LONG=1: all seeds, all kills
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const apart = [
  'test/cli.test.ts',
  'test/policy-cli.test.ts',
  'test/sandbox.test.ts',
  'test/crash.test.ts',
  'test/examples.test.ts',
  'test/docs.test.ts',
  'test/web.test.ts',
  'test/mcp.test.ts',
  'test/acp.test.ts',
  'test/agent-store.test.ts',
  'test/package.test.ts',
]
const large = ['determinism', 'embodied-teams', 'experiments', 'faults', 'policy-diff', 'soak', 'staged'].map(
  (name) => `test/${name}.test.ts`,
)
const together = globSync('test/*.test.ts')
  .filter((file) => !apart.includes(file) && !large.includes(file))
  .toSorted()

/** What Node compiled, for the hundreds of processes that the tests start: each begins in a third of the time. */
const compiled = join(tmpdir(), 'polity-compile-cache')

/** What is printed comes at once, or at the end with `later`. */
interface Group {
  readonly isolation: 'none' | 'process'
  readonly files: readonly string[]
  readonly later: boolean
}

/** Resolves to the exit status. */
function run({ isolation, files, later }: Group): Promise<number> {
  const child = spawn(process.execPath, ['--test', `--test-isolation=${isolation}`, '--test-concurrency=1', ...files], {
    env: { NODE_COMPILE_CACHE: compiled, ...process.env },
    stdio: ['ignore', later ? 'pipe' : 'inherit', later ? 'pipe' : 'inherit'],
  })
  const printed: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => void printed.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => void printed.push(chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => {
      output.push(Buffer.concat(printed))
      resolve(status ?? 1)
    })
  })
}

const output: Buffer[] = []
const groups: Group[] = [
  { isolation: 'none', files: together, later: false },
  { isolation: 'process', files: apart, later: true },
  { isolation: 'none', files: large, later: true },
]
// All, even if one fails: who mends wants to see it all.
const statuses: number[] = []
async function runNext(): Promise<void> {
  for (let group = groups.shift(); group !== undefined; group = groups.shift()) statuses.push(await run(group))
}
await Promise.all([runNext(), runNext()])
for (const text of output) process.stdout.write(text)
process.exitCode = Math.max(...statuses)
