/**
 * Promise 2 on a real machine: kill -9 anywhere, then resume. A process of its own runs agents on an SQLite store, says
 * what it acknowledges, and is killed at random moments and at the worst ones, until it is done.
 *
 *     npm run test:crash                    16 kills
 *     POLITY_LONG=1 KILLS=500 SEED=9 npm run test:crash
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { randomAt } from '../src/kernel/clock.ts'
import type { JournalEvent } from '../src/kernel/types.ts'
import { readEffects } from './crash/programs.ts'
import type { Line, Place, VictimOptions } from './crash/victim.ts'

// Killing a process loses nothing that it gave to the operating system, so a folder in memory tests the same.
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'polity-crash-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const LONG = process.env['POLITY_LONG'] === '1'
const KILLS = Number(process.env['KILLS'] ?? (LONG ? 220 : 16))
const SEED = Number(process.env['SEED'] ?? (LONG ? Date.now() % 1_000_000 : 1))
/** Lives of one run; a run that needs more makes no progress. */
const LIVES_MAX = 200
/** A victim that is not done by then hangs. */
const LIFE_MS_MAX = 20_000

interface Life {
  readonly lines: Line[]
  readonly killed: boolean
  readonly ms: number
}

function start(options: VictimOptions): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, 'crash/victim.ts'), JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'polity-compile-cache') },
  })
}

/** Runs a victim until it ends or is killed: `killMs` after it has opened its store. */
async function live(options: VictimOptions, killMs?: number, fromStart = false): Promise<Life> {
  const child = start(options)
  const began = performance.now()
  const hung = setTimeout(() => child.kill('SIGKILL'), LIFE_MS_MAX)
  let text = ''
  let timer: NodeJS.Timeout | undefined
  const arm = (): void => {
    if (killMs !== undefined) timer ??= setTimeout(() => child.kill('SIGKILL'), killMs)
  }
  if (fromStart) arm()
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    arm()
  })
  const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  clearTimeout(hung)
  const ms = performance.now() - began
  assert(ms < LIFE_MS_MAX, 'the victim hangs')
  // What was not written to its end was not said.
  const said = text.slice(0, text.lastIndexOf('\n') + 1)
  const lines = said
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
  return { lines, killed: signal === 'SIGKILL', ms }
}

function resultsOf(lines: readonly Line[]): string[] {
  return lines
    .filter((line) => line.type === 'result')
    .map((line) => JSON.stringify(line.value))
    .toSorted()
}

/** Whole journal of a store, in order; and that its file is sound. */
function journalOf(path: string): JournalEvent[] {
  const store = openSqliteStore(path)
  const events = [...store.processes()]
    .flatMap(({ start }) => store.events(start.pid))
    .toSorted((a, b) => a.seq - b.seq)
  store.close()
  const database = new DatabaseSync(path, { readOnly: true })
  assert.deepEqual(
    database
      .prepare('PRAGMA integrity_check')
      .all()
      .map((row) => row['integrity_check']),
    ['ok'],
  )
  database.close()
  return events
}

const places: readonly Place[] = ['before-effect', 'after-effect', 'before-commit', 'after-commit']

test('a kernel that is killed at any moment and resumed loses nothing, repeats nothing, and ends as if nothing had been', async (t) => {
  const fresh = (name: string): VictimOptions => ({
    store: join(folder, `${name}.db`),
    effects: join(folder, `${name}.effects`),
  })
  const calmOptions = fresh('calm')
  const calm = await live(calmOptions)
  const expected = resultsOf(calm.lines)
  assert.equal(expected.length, 4, JSON.stringify(calm.lines.slice(-3)))
  const expectedEffects = readEffects(calmOptions.effects)
    .map((one) => one.what)
    .toSorted()
  const ready = await live(calmOptions)
  const lifeMs = calm.ms - ready.ms

  let kills = 0
  let questions = 0
  let drawn = 0
  const random = (): number => randomAt(SEED, 0, drawn++)
  for (let run = 0; kills < KILLS; run++) {
    const options = fresh(`run-${run}`)
    const told = `SEED=${SEED}, run ${run}`
    const lines: Line[] = []
    for (let lives = 0; ; lives++) {
      assert(lives < LIVES_MAX, `${told}: no end after ${lives} lives`)
      // A third dies at a place of its choice, the others at a moment of ours: most of them in their work, some while they start.
      const place = random() < 0.35 && kills < KILLS ? places[Math.floor(random() * places.length)] : undefined
      const suicide =
        place === undefined
          ? undefined
          : { place, times: 1 + Math.floor(random() * (place.endsWith('commit') ? 60 : 12)) }
      const fromStart = random() < 0.2
      const killMs = suicide === undefined && kills < KILLS ? 5 + random() * (fromStart ? calm.ms : lifeMs) : undefined
      const life = await live(suicide === undefined ? options : { ...options, suicide }, killMs, fromStart)
      lines.push(...life.lines)
      const failed = life.lines.find((line) => line.type === 'error')
      assert.equal(failed, undefined, `${told}: ${JSON.stringify(failed)}`)
      if (!life.killed) break
      kills++
    }

    const journal = journalOf(options.store)
    const bySeq = new Map(journal.map((event) => [event.seq, JSON.stringify(event)]))
    for (const line of lines)
      if (line.type === 'event')
        assert.equal(
          bySeq.get((line.event as JournalEvent).seq),
          JSON.stringify(line.event),
          `${told}: an acknowledged event is lost`,
        )
    const ends = new Map(
      journal.filter((event) => event.type === 'process-end').map((event) => [event.pid, event.value]),
    )
    for (const line of lines)
      if (line.type === 'result')
        assert.deepEqual(line.value, ends.get(line.pid), `${told}: an acknowledged result is lost`)
    const roots = journal.filter((event) => event.type === 'process-start' && event.parent === null)
    assert.deepEqual(
      roots.map(({ pid }) => JSON.stringify(ends.get(pid))).toSorted(),
      expected,
      `${told}: other answers than an undisturbed run's`,
    )

    const effects = readEffects(options.effects)
    const paid = effects.filter((one) => one.what.startsWith('pay '))
    assert.deepEqual(
      paid.map((one) => one.key),
      [...new Set(paid.map((one) => one.key))],
      `${told}: a key paid twice`,
    )
    assert.deepEqual(
      paid.map((one) => one.what).toSorted(),
      expectedEffects.filter((what) => what.startsWith('pay ')),
      `${told}: not every payment once`,
    )
    const keys = new Map<string, string>()
    for (const { what, key } of effects)
      assert.equal(keys.get(what) ?? key, (keys.set(what, key), key), `${told}: "${what}" under two keys`)
    questions += lines.filter((line) => line.type === 'question').length
  }
  t.diagnostic(
    `${kills} kills, ${questions} in-doubt questions, ${Math.round(lifeMs)} ms of work in ${Math.round(calm.ms)} ms of life, seed ${SEED}`,
  )
})

test('a second kernel on the same store is told at once who has it', async () => {
  const options = { store: join(folder, 'held.db'), effects: join(folder, 'held.effects') }
  await live(options)
  const owner = start({ ...options, hold: true })
  await once(owner.stdout as NonNullable<typeof owner.stdout>, 'data')
  const second = await live(options)
  const [said] = second.lines
  assert(said?.type === 'error', JSON.stringify(said))
  const { code, message, detail } = said.error as { code: string; message: string; detail: { pid: number } }
  assert.equal(code, 'STORE_LOCKED')
  assert.equal(detail.pid, owner.pid)
  assert.match(message, new RegExp(`\\b${owner.pid}\\b`))
  assert(said.ms < 1_000, `it took ${said.ms} ms`)
  owner.kill('SIGKILL')
  await once(owner, 'close')
  assert.equal((await live(options)).lines[0]?.type, 'ready')
})
