/**
 * Ten thousand agents at once: each makes two model calls of 50 ms and one tool call. The model has room for all of them,
 * so what is measured is the kernel: wall time, memory, and how long the event loop stood still.
 *
 *     node bench/concurrent.ts [--runs 10000] [--only "bare loop,memory,relaxed"] [--rounds 5] [--form sources] [--json]
 *
 * Contestants, each in a process of its own, one after another in every round: a loop written by hand, the kernel in memory,
 * and with its journal in SQLite (relaxed). The kernel is that of the package as npm packs it; `sources` takes that of
 * `src/`, whose types Node strips in the same process. Flags of Node are passed on to each. The peak of the resident set is that of the whole process.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Figures } from './concurrent-child.ts'
import { median, spread } from './figures.ts'
import { publishedIn } from './published.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    only: { type: 'string', default: 'bare loop,memory,relaxed' },
    rounds: { type: 'string', default: '5' },
    form: { type: 'string', default: 'published' },
    json: { type: 'boolean' },
  },
})
const runs = Number(values.runs)

const folder = mkdtempSync(join(tmpdir(), 'polity-concurrent-'))
try {
  await compare()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function compare(): Promise<void> {
  const child = join(import.meta.dirname, 'concurrent-child.ts')
  const program = values.form === 'sources' ? child : await publishedIn(folder, child)
  const measured = new Map(values.only.split(',').map((name) => [name, [] as Figures[]]))
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [name, figures] of measured) figures.push(inProcess(program, name))
  const table = [...measured].map(([contestant, rounds]) => ({
    contestant,
    runs,
    'wall ms': spread(rounds.map((one) => one.wallMs)),
    'cpu ms': median(rounds.map((one) => one.cpuMs)),
    'worst stall ms': spread(rounds.map((one) => one.stallMs)),
    'peak RSS MB': spread(rounds.map((one) => one.rssMb)),
  }))
  if (values.json === true) console.log(JSON.stringify(table))
  else console.table(table)
}

function inProcess(program: string, name: string): Figures {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...process.execArgv, program, name, String(runs)], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Figures
}
