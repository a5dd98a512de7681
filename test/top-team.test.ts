/** `polity top --team` on a team of hundreds: what is looked at again is read on from where it was, and a screen holds the picture. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { teamPicture, teamsOf, type TeamInfo } from '../src/cli/commands/top-team.ts'
import type { Channel } from '../src/cli/terminal.ts'
import { start } from '../src/drivers/store/conformance-events.ts'
import { readSqliteStore } from '../src/drivers/store/sqlite-reader.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { teamOf } from '../src/evaluation/team.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { JournalEvent, Pid } from '../src/kernel/types.ts'

const MEMBERS = 200
/** More than a store removes at once. */
const ROWS_DROPPED = 1_000
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

const began = (seq: number, pid: Pid, parent: Pid | null): JournalEvent => ({
  ...start(seq, pid),
  parent,
  parentCall: parent === null ? null : 0,
})
const mailed = (seq: number, pid: Pid): JournalEvent => ({
  type: 'mail-sent',
  seq,
  at: seq,
  pid,
  mail: { id: seq, from: 1, body: 'go' },
})

test('what is written while it is looked at is heard once, and what is dropped not at all', () => {
  const path = join(folder, 'looked-at.db')
  const store = openSqliteStore(path)
  const reader = readSqliteStore(path)
  let seq = 0
  const write = (...events: JournalEvent[]): void => void store.commit({ events, puts: [] })
  const mail = (pid: Pid): void => write(mailed(++seq, pid))
  let meanwhile = (): void => {}
  const look = teamsOf({
    ...reader,
    processes(range) {
      meanwhile()
      return reader.processes(range)
    },
  })
  const heard = (): number[] =>
    look({ all: true, isOwned: true }).map(({ lines }) =>
      lines.reduce((sum, { kind, messages }) => sum + (kind === 'mail' ? messages : 0), 0),
    )
  try {
    write(began(++seq, 1, null), began(++seq, 2, 1), began(++seq, 3, 1))
    mail(2)
    assert.deepEqual(heard(), [1])
    mail(3)
    meanwhile = () => mail(2)
    assert.deepEqual(heard(), [2], 'what comes during a look belongs to the next one')
    assert.deepEqual(heard(), [3])
    meanwhile = () => {}
    assert.deepEqual(heard(), [4])
    assert.deepEqual(heard(), [4])

    // Rows of some events each: those that are known are not given again.
    write(mailed(++seq, 2), mailed(++seq, 3), mailed(++seq, 2), mailed(++seq, 3))
    const given = reader.since(seq - 3).map((event) => event.seq)
    assert.deepEqual(
      given.toSorted((a, b) => a - b),
      [seq - 2, seq - 1, seq],
    )
    assert.deepEqual(heard(), [8])

    // More rows than are removed at once, so that most of them are still there.
    for (let i = 0; i < ROWS_DROPPED; i++) mail(3)
    mail(2)
    store.drop([3])
    assert.deepEqual(heard(), [9])
    assert.deepEqual(
      reader.since(0).filter(({ pid }) => pid === 3),
      [],
    )
  } finally {
    reader.close()
    void store.close()
  }
})
