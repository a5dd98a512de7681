/** `polity top --team` on a team of hundreds: what is looked at again is read on from where it was, and a screen holds the picture. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { teamPicture, teamsOf, type TeamInfo } from '../src/cli/commands/top-team.ts'
import type { Channel } from '../src/cli/terminal.ts'
import { readSqliteStore } from '../src/drivers/store/sqlite-reader.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { teamOf } from '../src/evaluation/team.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Pid } from '../src/kernel/types.ts'

const MEMBERS = 200
/** Looks at 5 ms each until it has to be there. */
const TRIES_MAX = 1_000

let folder = ''
before(() => void (folder = mkdtempSync(join(tmpdir(), 'polity-top-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

function channel(rows: number, columns = 100): Channel {
  return { isTerminal: true, rows, columns, paint: (_, text) => text, write() {}, line() {} }
}

test('a team of two hundred is read once and then on, as if from the beginning, and fits on a screen', async () => {
  const path = join(folder, 'team.db')
  const kernel = createKernel({ store: openSqliteStore(path) })
  /** Passes on what it hears, and ends where there is nothing to pass on. */
  const member = defineProgram('member', async (sys, _: { readonly seat: number }) => {
    for (;;) {
      const { left, next } = (await sys.receive()).body as { readonly left: number; readonly next: readonly Pid[] }
      const [to, ...behind] = next
      if (to === undefined) return 'last'
      await sys.send(to, { left: left - 1, next: behind })
    }
  })
  const leader = defineProgram('leader', async (sys, count: number) => {
    const pids: Pid[] = []
    for (let seat = 0; seat < count; seat++) pids.push(await sys.spawn(member, { seat }))
    told(pids)
    await sys.receive()
    await sys.wait(await sys.spawn(member, { seat: count }, { name: 'late' })).catch(() => {})
    return null
  })
  const { promise, resolve: told } = Promise.withResolvers<readonly Pid[]>()
  const run = kernel.spawn(leader, MEMBERS)
  const pids = await promise
  const reader = readSqliteStore(path)
  /** The same from events that are all read. */
  const whole = (): unknown => {
    const all = [...reader.processes()].flatMap(({ start }) => reader.events(start.pid))
    const { seats, lines, waits } = teamOf(all.toSorted((a, b) => a.seq - b.seq))
    return [seats, lines, waits]
  }
  const plain = (teams: readonly TeamInfo[]): unknown[] => teams.map(({ seats, lines, waits }) => [seats, lines, waits])
  const chain = (from: number, length: number): void =>
    kernel.send(pids[from] as Pid, { left: length, next: pids.slice(from + 1, from + length) })
  /** Looks until the file has what was done, and what was read on is what is read from the beginning. */
  const until = async (is: (teams: readonly TeamInfo[]) => boolean): Promise<readonly TeamInfo[]> => {
    for (let tries = 0; ; tries++) {
      const teams = look({ all: true, isOwned: true })
      const isThere = is(teams)
      if (isThere && isDeepStrictEqual(plain(teams), [whole()])) return teams
      if (tries === TRIES_MAX) assert.deepEqual(isThere ? plain(teams) : 'not there', [whole()])
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const heard = (teams: readonly TeamInfo[]): number =>
    (teams[0]?.lines ?? []).reduce((sum, { kind, messages }) => sum + (kind === 'mail' ? messages : 0), 0)
  const look = teamsOf(reader)
  try {
    await until((teams) => (teams[0]?.seats.length ?? 0) > MEMBERS)
    // Mail, the ends of processes, and one that begins while it is looked at.
    chain(0, 150)
    await until((teams) => heard(teams) === 150)
    chain(150, 50)
    kernel.send(run.pid, 'go on')
    const teams = await until((now) => heard(now) === 201 && now[0]?.seats.some(({ name }) => name === 'late') === true)
    assert.deepEqual(look({ all: true, isOwned: true }), teams, 'nothing is heard twice')
    const picture = teamPicture(teams, channel(50))
    assert.ok(picture.length < 50, `${picture.length} lines`)
    assert.match(picture.join('\n'), /^1 leader /m)
    assert.match(picture.join('\n'), /^and 184 seats more: [\d,]+ messages, [\d.k]+ tokens$/m)
    assert.match(picture.join('\n'), /^and [\d,]+ lines more: /m)
    const piped = teamPicture(teams, { ...channel(50), isTerminal: false })
    assert.ok(piped.length > 2 * MEMBERS, 'whatever else reads it gets all of it')
  } finally {
    run.kill()
    await run.result.catch(() => {})
    await kernel.close()
    reader.close()
  }
  assert.deepEqual(
    teamsOf(readSqliteStore(path))({ all: false, isOwned: true }),
    [],
    'a team that has ended is not at work',
  )
})
