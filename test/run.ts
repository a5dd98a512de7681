/**
 * Runs the tests: those that start and kill processes in processes of their own, all others together in a few (much faster to
 * start, and nothing of ours leans on a fresh process). Three groups at a time, on two cores at least: tests wait as often
 * as they compute.
 *
 *     npm test              everything, in its short form
 *     npm run test:long     the same with POLITY_LONG=1: all seeds, all kills
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const named = (names: string): string[] => names.split(' ').map((name) => `test/${name}.test.ts`)
const commands = named('cli policy-cli docs examples package')
const others = named('sandbox web mcp crash acp agent-store')
const large = named('determinism embodied-teams experiments faults policy-diff soak staged teams-table')
const apart = [...commands, ...others, ...large]
const together = globSync('test/*.test.ts')
  .filter((file) => !apart.includes(file))
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
  { isolation: 'none', files: together.filter((_, i) => i % 2 === 0), later: false },
  { isolation: 'process', files: commands, later: true },
  { isolation: 'process', files: others, later: true },
  { isolation: 'none', files: together.filter((_, i) => i % 2 === 1), later: true },
  { isolation: 'none', files: large, later: true },
]
// All, even if one fails: who mends wants to see it all.
const statuses: number[] = []
async function runNext(): Promise<void> {
  for (let group = groups.shift(); group !== undefined; group = groups.shift()) statuses.push(await run(group))
}
await Promise.all([runNext(), runNext(), runNext()])
for (const text of output) process.stdout.write(text)
process.exitCode = Math.max(...statuses)
