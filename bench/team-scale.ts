/**
 * A team of a thousand: what a message between two of its members costs, and what a member that waits for one holds.
 *
 *     node --expose-gc bench/team-scale.ts [--members 1000 --members 10000] [--rounds 20] [--batches 7] [--json]
 *     node --expose-gc bench/team-scale.ts --kernel memory --pattern ring --members 1000     one contestant, in this process
 *
 * A leader begins the members, so that they are one process tree; each is a real process that waits with `sys.receive` and speaks with
 * `sys.send`, as the programs do that talk by mail (src/agents/pieces/peer-messages.ts). A message is one delivery: its send, its
 * receive, and what the journal keeps of both. Two patterns:
 *
 *     ring     every member tells the next one, and waits for the one before it
 *     tables   members sit at tables of ten; every member tells its table by its name, and hears all ten, itself too
 *
 * Contestants: a plain queue with promises (no kernel), a kernel in memory, one with an SQLite file (relaxed), and both with somebody who
 * reads the team's ledger from every event (src/evaluation/team.ts). Each is a process of its own. Measured: processor time of a message,
 * all threads, as the median of batches with the least and the most; the first batch warms up and is not counted. Heap and resident set
 * of a member: after it began and before it heard anything, and when all has been said, with its journal in memory or in the file.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openTeam } from '../src/evaluation/team.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Pid } from '../src/kernel/types.ts'
import { median, spread } from './figures.ts'

const KERNELS = ['plain', 'memory', 'memory, read', 'sqlite', 'sqlite, read'] as const
const PATTERNS = ['ring', 'tables'] as const
const TABLE = 10
const WARM_ROUNDS = 500

type KernelName = (typeof KERNELS)[number]
type Pattern = (typeof PATTERNS)[number]

const { values } = parseArgs({
  options: {
    members: { type: 'string', multiple: true, default: ['100', '1000', '10000'] },
    rounds: { type: 'string', default: '20' },
    batches: { type: 'string', default: '7' },
    kernel: { type: 'string' },
    pattern: { type: 'string', default: 'ring' },
    json: { type: 'boolean', default: false },
  },
})
const collect = globalThis.gc
if (collect === undefined) throw new Error('run with --expose-gc')

/** What one contestant came to. */
interface Figures {
  readonly kernel: KernelName
  readonly pattern: Pattern
  readonly members: number
  /** Of a message, by batch. */
  readonly cpuUs: readonly number[]
  readonly wallUs: readonly number[]
  /** Of a member that has heard nothing yet; of one when all has been said. */
  readonly heapBytes: readonly [before: number, after: number]
  readonly residentBytes: readonly [before: number, after: number]
}

const rounds = whole(values.rounds, 'rounds')
const batches = whole(values.batches, 'batches')
if (values.kernel !== undefined) {
  const [kernel, pattern] = [values.kernel as KernelName, values.pattern as Pattern]
  if (!KERNELS.includes(kernel)) throw new Error(`--kernel is one of ${KERNELS.join('; ')}, not "${kernel}"`)
  if (!PATTERNS.includes(pattern)) throw new Error(`--pattern is one of ${PATTERNS.join('; ')}, not "${pattern}"`)
  const members = whole(values.members.at(-1), 'members')
  console.log(JSON.stringify(await measured(kernel, pattern, members)))
} else {
  const found = values.members.flatMap((members) =>
    PATTERNS.flatMap((pattern) => KERNELS.map((kernel) => elsewhere(kernel, pattern, whole(members, 'members')))),
  )
  if (values.json) console.log(JSON.stringify(found))
  else console.table(found.map(row))
}

function whole(text: string | undefined, name: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1, not ${text}`)
  return value
}

/** In a process of its own, so that nobody runs on what another left behind. */
function elsewhere(kernel: KernelName, pattern: Pattern, members: number): Figures {
  const options = ['--kernel', kernel, '--pattern', pattern, '--members', String(members)]
  const more = ['--rounds', String(rounds), '--batches', String(batches)]
  const said = execFileSync(process.execPath, ['--expose-gc', import.meta.filename, ...options, ...more], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(said) as Figures
}

function row({ kernel, pattern, members, cpuUs, wallUs, heapBytes, residentBytes }: Figures) {
  const kilo = ([before, after]: readonly [number, number]): string =>
    `${(before / 1_000).toFixed(1)}, ${(after / 1_000).toFixed(1)}`
  return {
    members,
    pattern,
    kernel,
    'CPU µs a message': spread(cpuUs),
    'wall µs': median(wallUs),
    'heap kB a member, idle, after': kilo(heapBytes),
    'resident kB': kilo(residentBytes),
  }
}

/** A team that can be let talk. */
interface Team {
  /** Every member talks for so many rounds; ends when all have. */
  talk(rounds: number): Promise<void>
  close(): Promise<void>
}

function openTeamOf(kernel: KernelName, pattern: Pattern, members: number): Promise<Team> {
  return kernel === 'plain' ? plainTeam(pattern, members) : kernelTeam(kernel, pattern, members)
}

async function measured(kernel: KernelName, pattern: Pattern, members: number): Promise<Figures> {
  if (members % TABLE !== 0) throw new Error(`--members takes a multiple of ${TABLE}, not ${members}`)
  const heard = pattern === 'ring' ? 1 : TABLE
  const messages = members * heard
  const perBatch = Math.max(1, Math.round(rounds / heard))
  // What a first team makes once is no member's: compiled code, room for young objects, threads of a store.
  const first = await openTeamOf(kernel, pattern, TABLE)
  await first.talk(WARM_ROUNDS)
  await first.close()
  const start = weighed()
  const team = await openTeamOf(kernel, pattern, members)
  const idle = weighed()
  const [cpuUs, wallUs]: [number[], number[]] = [[], []]
  for (let batch = 0; batch <= batches; batch++) {
    const [cpu, wall] = [process.cpuUsage(), performance.now()]
    await team.talk(perBatch)
    const spent = process.cpuUsage(cpu)
    if (batch === 0) continue
    cpuUs.push((spent.user + spent.system) / (messages * perBatch))
    wallUs.push(((performance.now() - wall) * 1_000) / (messages * perBatch))
  }
  const after = weighed()
  await team.close()
  const each = (from: number, to: number): number => Math.round((to - from) / members)
  return {
    kernel,
    pattern,
    members,
    cpuUs,
    wallUs,
    heapBytes: [each(start.heapUsed, idle.heapUsed), each(start.heapUsed, after.heapUsed)],
    residentBytes: [each(start.rss, idle.rss), each(start.rss, after.rss)],
  }
}

function weighed(): NodeJS.MemoryUsage {
  collect?.()
  collect?.()
  return process.memoryUsage()
}

/** Counts members until all have come, again and again. */
function createGathering(members: number) {
  let [left, ring]: [number, () => void] = [members, () => {}]
  return {
    come(): void {
      if (--left === 0) ring()
    },
    all(): Promise<void> {
      left = members
      return new Promise((resolve) => (ring = resolve))
    },
  }
}

// ------------------------------------------------------------------------------------------------------------ with a kernel

async function kernelTeam(name: KernelName, pattern: Pattern, members: number): Promise<Team> {
  const folder = mkdtempSync(join(tmpdir(), 'polity-team-'))
  const store = name.startsWith('sqlite') ? openSqliteStore(join(folder, 'team.db')) : memoryStore()
  const kernel = createKernel({ store })
  const reader = openTeam()
  const stop = name.endsWith('read')
    ? kernel.watch((event) => (event.type === 'text-delta' ? undefined : reader.hear(event)), { text: false })
    : undefined
  const gathering = createGathering(members)
  const here = gathering.all()
  const tableOf = (seat: number): string => `table ${Math.floor(seat / TABLE)}`

  /** Waits for a word from outside, talks as long as it says, and waits again. */
  const member = defineProgram('member', async (sys, { seat }: { readonly seat: number }) => {
    gathering.come()
    for (;;) {
      const { rounds: times, next } = (await sys.receive({ from: 0 })).body as {
        readonly rounds: number
        readonly next: Pid
      }
      if (times === 0) return seat
      for (let round = 0; round < times; round++) {
        await sys.send(pattern === 'ring' ? next : tableOf(seat), { round })
        for (let heard = 0; heard < (pattern === 'ring' ? 1 : TABLE); heard++) await sys.receive()
      }
      gathering.come()
    }
  })
  const leader = defineProgram('leader', async (sys, count: number): Promise<Pid[]> => {
    const pids: Pid[] = []
    for (let seat = 0; seat < count; seat++)
      pids.push(await sys.spawn(member, { seat }, pattern === 'ring' ? {} : { name: tableOf(seat) }))
    told(pids)
    for (const pid of pids) await sys.wait(pid)
    return pids
  })
  const { promise, resolve: told } = Promise.withResolvers<readonly Pid[]>()
  const run = kernel.spawn(leader, members)
  const pids = await promise
  await here
  const say = (times: number): void => {
    for (const [seat, pid] of pids.entries())
      kernel.send(pid, { rounds: times, next: pids[(seat + 1) % pids.length] as Pid })
  }
  return {
    async talk(times) {
      const done = gathering.all()
      say(times)
      await done
    },
    async close() {
      say(0)
      await run.result
      stop?.()
      await kernel.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

// ---------------------------------------------------------------------------------------------------------------- without

/** The same with an array and a promise a member, and nothing kept. */
async function plainTeam(pattern: Pattern, members: number): Promise<Team> {
  const gathering = createGathering(members)
  const boxes = Array.from({ length: members }, () => ({
    mail: [] as unknown[],
    wake: undefined as (() => void) | undefined,
  }))
  const put = (seat: number, body: unknown): void => {
    const box = boxes[seat] as (typeof boxes)[number]
    box.mail.push(body)
    box.wake?.()
  }
  const take = async (seat: number): Promise<unknown> => {
    const box = boxes[seat] as (typeof boxes)[number]
    while (box.mail.length === 0) await new Promise<void>((resolve) => (box.wake = resolve))
    return box.mail.shift()
  }
  async function member(seat: number, times: number): Promise<void> {
    const first = seat - (seat % TABLE)
    for (let round = 0; round < times; round++) {
      if (pattern === 'ring') put((seat + 1) % members, { round })
      else for (let other = 0; other < TABLE; other++) put(first + other, { round })
      for (let heard = 0; heard < (pattern === 'ring' ? 1 : TABLE); heard++) await take(seat)
    }
    gathering.come()
  }
  return {
    async talk(times) {
      const done = gathering.all()
      for (let seat = 0; seat < members; seat++) void member(seat, times)
      await done
    },
    close: () => Promise.resolve(),
  }
}
