/**
 * How much of a provider key several operating-system processes use that share its limits, and whether they are ever
 * refused; and what an update of the lease file takes.
 *
 *     node bench/leases.ts
 *
 * The provider is an HTTP server on loopback that counts requests, tokens and slots of the key in sliding windows of two seconds.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLeaseFile } from '../src/drivers/store/lease-file.ts'
import { fleet } from '../test/leases/fleet.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-leases-'))
const WINDOWS = 8
const UPDATES = 2_000

const rows = []
for (const [i, { members, killed }] of [
  { members: 1, killed: 0 },
  { members: 2, killed: 0 },
  { members: 2, killed: 1 },
  { members: 8, killed: 0 },
  { members: 8, killed: 3 },
].entries()) {
  const outcome = await fleet({ path: join(folder, `${i}.db`), members, windowMs: 2_000, windows: WINDOWS, killed })
  rows.push({
    processes: members,
    'killed -9': killed,
    refused: outcome.refused.length,
    'later than allowed for': outcome.late,
    'most at once': outcome.mostInFlight,
    'of the requests, %': Number((100 * outcome.utilisation).toFixed(1)),
    'calls of each': outcome.served.join(' '),
  })
}
console.table(rows)

const store = openLeaseFile(join(folder, 'one.db'))
const value = JSON.stringify({ used: Array.from({ length: 100 }, (_, i) => [1_700_000_000_000 + i, 1, 100]) })
const startedAt = performance.now()
for (let i = 0; i < UPDATES; i++) store.update('key', () => value)
console.log(`${((1_000 * (performance.now() - startedAt)) / UPDATES).toFixed(0)} µs an update, alone`)
store.close()
rmSync(folder, { recursive: true, force: true })
