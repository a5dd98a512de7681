/**
 * What it costs to be told what thousands of principals have spent: `GET /api/v1/budgets`, which the dashboard of an admin
 * asks again and again.
 *
 *     node bench/accounts.ts [--accounts 10000] [--rounds 5] [--json]
 *
 * A server on a SQLite store: half of the accounts have keys, and were drawn on in this life of the kernel, the others in an
 * earlier one. Measured: processor time of the whole process, the client's part included, a page of 100 and all pages
 * of 1,000; and `kernel.accounts` without the server.
 */
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createClient } from '../src/client.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { realClock } from '../src/kernel/clock.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { KeyEntry } from '../src/server/keys.ts'
import { doorsOf, serve } from '../src/server/serve.ts'

const { values } = parseArgs({
  options: {
    accounts: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean' },
  },
})
const count = Number(values.accounts)
const rounds = Number(values.rounds)

using folder = mkdtempDisposableSync(join(tmpdir(), 'polity-accounts-'))
const path = join(folder.path, 'accounts.db')
const nothing = defineProgram('nothing', async (_sys, _input: null) => null)
const names = Array.from({ length: count }, (_, i) => `key-${String(i).padStart(6, '0')}`)
const isNow = (_: unknown, i: number): boolean => i % 2 === 1
const entries: readonly KeyEntry[] = names.filter(isNow).map((id, i) => ({
  id,
  hash: '',
  principal: `team-${i}`,
  scopes: ['models'],
  budget: { tokens: 1_000_000 },
  priority: 0,
  label: '',
  createdAt: 0,
  expiresAt: null,
  revokedAt: null,
}))

async function draw(kernel: ReturnType<typeof createKernel>, on: readonly string[]): Promise<void> {
  for (let at = 0; at < on.length; at += 500)
    await Promise.all(on.slice(at, at + 500).map((account) => kernel.spawn(nothing, null, { account }).result))
}

const earlier = createKernel({ store: openSqliteStore(path) })
await draw(
  earlier,
  names.filter((_, i) => !isNow(_, i)),
)
await earlier.close()
const kernel = createKernel({ store: openSqliteStore(path) })
await draw(kernel, names.filter(isNow))

const doors = doorsOf({ kernel, programs: [], keys: () => entries })
const server = await serve({ kernel, doors, store: path, port: 0, clock: realClock(), limits: { drainMs: 100 } })
const client = createClient({ url: server.url })

async function allPages(): Promise<number> {
  let seen = 0
  for (let cursor: string | undefined | null; cursor !== null;) {
    const page: Awaited<ReturnType<typeof client.budgets>> = await client.budgets({
      limit: 1_000,
      ...(cursor === undefined ? {} : { cursor }),
    })
    seen += page.accounts.length
    cursor = page.next
  }
  return seen
}

/** Processor ms, the least of all rounds. */
async function leastOf(work: () => unknown): Promise<number> {
  let least = Infinity
  for (let round = 0; round < rounds; round++) {
    const from = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(from)
    least = Math.min(least, (user + system) / 1_000)
  }
  return Number(least.toFixed(1))
}

if ((await allPages()) !== count) throw new Error('not all accounts are told')
const figures = {
  accounts: count,
  'a page of 100, ms': await leastOf(() => client.budgets({ limit: 100 })),
  'all pages of 1,000, ms': await leastOf(allPages),
  'kernel.accounts, 100, ms': await leastOf(() => kernel.accounts(undefined, 100)),
}
if (values.json === true) console.log(JSON.stringify(figures))
else console.table([figures])
await server.close()
await kernel.close()
