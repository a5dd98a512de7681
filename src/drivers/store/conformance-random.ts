/**
 * Random operations on a store, compared step by step with a store of a few lines that cannot be wrong.
 *
 *     await randomSequence(seed, 17, open, reopen)      // throws where the two differ, and says after what
 *
 * The same seed and sequence number give the same operations.
 */
import assert from 'node:assert/strict'
import { randomAt } from '../../kernel/clock.ts'
import type { Batch, Put, Store, Table } from '../../kernel/drivers.ts'
import type { JournalEvent, Pid } from '../../kernel/types.ts'
import { callEnd, end, start } from './conformance-events.ts'

const nothing: Batch = { events: [], puts: [] }

/** Does the same random things to a store and to a model of one, and compares them after each. */
export async function randomSequence(
  seed: number,
  sequence: number,
  open: () => Store | Promise<Store>,
  reopen: ((store: Store) => Store | Promise<Store>) | undefined,
): Promise<void> {
  let draws = 0
  const below = (n: number): number => Math.floor(randomAt(seed, sequence, draws++) * n)
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T
  const some = <T>(most: number, make: () => T): T[] => Array.from({ length: below(most + 1) }, make)
  const parts = ['', 'a', 'b', '/', '\0', '\uffff', '😀', 'é']
  const key = (): string => pick(parts) + pick(parts) + pick(parts)
  const word = (): string => `w${below(6)}`
  const vector = (): Float32Array => Float32Array.from({ length: pick([3, 5]) }, () => below(9) - 4)
  const table = (): Table => pick(['blob', 'file', 'note', 'meta'])
  let seq = 0
  let nextPid = 1
  const live: Pid[] = []
  const ended: Pid[] = []
  function event(): JournalEvent {
    if (live.length === 0 || below(4) === 0) {
      live.push(nextPid)
      return start(seq++, nextPid++)
    }
    const pid = pick(live)
    if (below(4) > 0) return callEnd(seq++, pid, word())
    live.splice(live.indexOf(pid), 1)
    ended.push(pid)
    return end(seq++, pid)
  }
  function put(): Put {
    const value = pick([null, 'text', Uint8Array.of(below(256)), 'more text'])
    return {
      table: table(),
      key: key(),
      value,
      ...(below(2) === 0 ? { text: some(3, word).join(' ') } : {}),
      ...(below(3) === 0 ? { vector: vector() } : {}),
    }
  }

  const naive = naiveStore()
  let store = await open()
  let batch = nothing
  const steps: string[] = []
  try {
    for (let step = 0; step < 20; step++) {
      const choice = below(10)
      if (choice < 5) {
        // Now and then what was committed last comes again, alone or with more after it.
        const again = below(5) === 0 ? batch : nothing
        batch = { events: [...again.events, ...some(6, event)], puts: [...again.puts, ...some(4, put)] }
        steps.push(`commit ${batch.events.length} ${batch.puts.length}`)
        await store.commit(batch)
        naive.commit(batch)
      } else if (choice === 5 && ended.length > 0) {
        const pids = ended.splice(0, 1 + below(ended.length))
        steps.push(`drop ${pids.join(' ')}`)
        store.drop(pids)
        naive.drop(pids)
        batch = nothing
      } else if (choice === 6 && reopen !== undefined && below(4) === 0) {
        steps.push('reopen')
        store = await reopen(store)
      }
      const where = table()
      const [from, to] = [key(), key()]
      const options = { ...(below(2) === 0 ? { limit: below(5) } : {}), reverse: below(2) === 0 }
      const [prefixes, words] = [some(2, key), some(3, word)]
      const pid = 1 + below(nextPid)
      assert.deepEqual([...store.range(where, from, to, options)], naive.range(where, from, to, options))
      assert.deepEqual(store.get(where, from), naive.get(where, from))
      assert.deepEqual(
        store
          .search(where, prefixes, words, 1_000)
          .map((hit) => hit.key)
          .toSorted(),
        naive.search(where, prefixes, words),
      )
      const wanted = vector()
      const near = store.nearest(where, prefixes, wanted, 1_000)
      const expected = naive.nearest(where, prefixes, wanted)
      assert.deepEqual(near.map((hit) => hit.key).toSorted(), [...expected.keys()].toSorted())
      for (const [i, { key, score }] of near.entries()) {
        assert(Math.abs(score - (expected.get(key) as number)) < 0.02, `${key}: ${score}, not ${expected.get(key)}`)
        assert(i === 0 || score <= (near[i - 1]?.score as number))
      }
      assert.deepEqual(store.events(pid), naive.events(pid))
      assert.equal(store.lastSeq(), naive.lastSeq())
      assert.deepEqual([...store.processes()], naive.processes())
    }
  } catch (error) {
    throw new Error(`Sequence ${sequence} of seed ${seed} differs after: ${steps.join(', ')}`, { cause: error })
  } finally {
    store.close()
  }
}

const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** The port in the plainest words, for stores to be compared with. */
function naiveStore() {
  const journal: JournalEvent[] = []
  interface Entry {
    readonly table: Table
    readonly key: string
    readonly value: string | Uint8Array
    readonly text: string
    readonly vector: Float32Array | undefined
  }
  const entries = new Map<string, Entry>()
  const under = (table: Table, prefixes: readonly string[]): Entry[] =>
    [...entries.values()].filter(
      (entry) => entry.table === table && prefixes.some((prefix) => entry.key.startsWith(prefix)),
    )
  let lastSeq = -1
  return {
    commit({ events, puts }: Batch): void {
      for (const event of events) if (event.seq > lastSeq) journal.push(event)
      lastSeq = Math.max(lastSeq, ...events.map((event) => event.seq))
      for (const { table, key, value, text = '', vector } of puts) {
        entries.delete(`${table} ${key}`)
        if (value !== null) entries.set(`${table} ${key}`, { table, key, value, text, vector })
      }
    },
    lastSeq: () => lastSeq,
    events: (pid: Pid) => journal.filter((event) => event.pid === pid),
    processes() {
      const pids = [...new Set(journal.map((event) => event.pid))].toSorted((a, b) => a - b)
      return pids.map((pid) => {
        const start = this.events(pid)[0]
        const end = this.events(pid).at(-1)
        return end?.type === 'process-end' ? { start, end } : { start }
      })
    },
    drop(pids: readonly Pid[]): void {
      journal.splice(0, journal.length, ...journal.filter((event) => !pids.includes(event.pid)))
    },
    get: (table: Table, key: string) => entries.get(`${table} ${key}`)?.value,
    range(
      table: Table,
      from: string,
      to: string,
      { limit = Infinity, reverse = false }: { limit?: number; reverse?: boolean },
    ) {
      const found = [...entries.values()].filter(
        (entry) => entry.table === table && order(entry.key, from) >= 0 && order(entry.key, to) < 0,
      )
      found.sort((a, b) => (reverse ? order(b.key, a.key) : order(a.key, b.key)))
      return found.slice(0, limit).map((entry) => [entry.key, entry.value])
    },
    search: (table: Table, prefixes: readonly string[], words: readonly string[]) =>
      under(table, prefixes)
        .filter(({ text }) => words.some((word) => text.split(' ').includes(word)))
        .map((entry) => entry.key)
        .toSorted(),
    nearest: (table: Table, prefixes: readonly string[], vector: Float32Array) =>
      new Map(
        under(table, prefixes).flatMap((entry) =>
          entry.vector?.length === vector.length ? [[entry.key, cosine(entry.vector, vector)] as const] : [],
        ),
      ),
  }
}

/** 0 where one has no direction. */
function cosine(a: Float32Array, b: Float32Array): number {
  const product = (x: Float32Array, y: Float32Array): number =>
    x.reduce((sum, one, i) => sum + one * (y[i] as number), 0)
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b)) || 0
}
