/**
 * What every store must do: a suite that the makers of a store run on theirs, in any test framework.
 *
 *     import { test } from 'node:test'
 *     storeConformance({ open: () => memoryStore(), test })
 *     storeConformance({ open: () => openSqliteStore(fresh()), reopen: (store) => (store.close(), openSqliteStore(last)), test })
 *
 * Each test says in its name which rule it checks; K1 to K4 are those of the port (kernel/drivers.ts). The last one runs
 * random operations against a store of a few lines that cannot be wrong (conformance-random.ts), from a seed that failures name.
 *
 * Not checked here, because no interface can: what a crash or a power loss leaves (K3).
 */
import assert from 'node:assert/strict'
import type { Batch, ProcessRange, Put, Store } from '../../kernel/drivers.ts'
import type { JournalEvent, ProcessStart } from '../../kernel/types.ts'
import { callEnd, end, start } from './conformance-events.ts'
import { randomSequence } from './conformance-random.ts'

/** How the suite opens a store, and what it should survive. */
export interface StoreConformanceOptions {
  /** A new, empty store. */
  readonly open: () => Store | Promise<Store>
  /** Closes the store and opens it again, with what it held. @default none: what needs it is skipped */
  readonly reopen?: (store: Store) => Store | Promise<Store>
  /** The framework's own: takes a name and a function. */
  readonly test: (name: string, fn: () => Promise<void>) => unknown
  /** Goes in front of the names. @default 'store' */
  readonly name?: string
  /** Random sequences of operations, about 20 each. @default 500 */
  readonly sequences?: number
  /** @default 1 */
  readonly seed?: number
}

/** Declares the tests of the suite, with the `test` that it is given. */
export function storeConformance(options: StoreConformanceOptions): void {
  const { open, reopen, test, name = 'store', sequences = 500, seed = 1 } = options
  const check = (what: string, fn: (store: Store) => void | Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const store = await open()
      try {
        await fn(store)
      } finally {
        store.close()
      }
    })
  }
  journalChecks(check)
  tableChecks(check)
  searchChecks(check)
  vectorChecks(check)
  if (reopen !== undefined) reopenCheck(test, name, open, reopen)
  test(`${name}: ${sequences} random sequences of operations answer as the naive store does (seed ${seed})`, async () => {
    for (let i = 0; i < sequences; i++) await randomSequence(seed, i, open, reopen)
  })
}

type Check = (what: string, fn: (store: Store) => void | Promise<void>) => void

const events = (...list: readonly JournalEvent[]): Batch => ({ events: list, puts: [] })
const puts = (...list: readonly Put[]): Batch => ({ events: [], puts: list })
const seqs = (list: readonly JournalEvent[]): number[] => list.map((event) => event.seq)
const key = (i: number): string => `k${String(i).padStart(4, '0')}`
const note = (key: string, text: string): Put => ({ table: 'note', key, value: '{}', text })
const found = (store: Store, prefixes: readonly string[], words: readonly string[], limit = 100): string[] =>
  store.search('note', prefixes, words, limit).map((hit) => hit.key)

// ------------------------------------------------------------------------------------------------------------ checks

function journalChecks(check: Check): void {
  check('an empty store holds nothing', (store) => {
    assert.equal(store.lastSeq(), -1)
    assert.deepEqual([...store.processes()], [])
    assert.deepEqual([...store.events(1)], [])
    assert.equal(store.get('meta', 'x'), undefined)
    assert.deepEqual([...store.range('meta', '', '\u{10ffff}')], [])
    assert.deepEqual([...store.search('note', [''], ['x'], 10)], [])
    assert.deepEqual(store.takeCommands?.() ?? [], [])
  })

  check('K4: events come back whole, per process, in order of seq', async (store) => {
    const all = [start(0, 7), start(1, 3), callEnd(2, 7), callEnd(3, 3), callEnd(4, 7), end(5, 3)]
    await store.commit(events(...all.slice(0, 4)))
    await store.commit(events(...all.slice(4)))
    assert.deepEqual(store.events(7), [all[0], all[2], all[4]])
    assert.deepEqual(store.events(3), [all[1], all[3], all[5]])
    assert.deepEqual(store.events(4), [])
    assert.deepEqual([...store.processes()], [{ start: all[1], end: all[5] }, { start: all[0] }])
    assert.equal(store.lastSeq(), 5)
  })

  check('K4: processes come from either end, and only those of the range', async (store) => {
    const pids = Array.from({ length: 700 }, (_, i) => 10 + 3 * i)
    for (const [seq, pid] of pids.entries()) await store.commit(events(start(seq, pid)))
    const found = (range: ProcessRange): number[] => [...store.processes(range)].map((head) => head.start.pid)
    assert.deepEqual(found({ reverse: true }), pids.toReversed())
    assert.deepEqual(found({ from: 13, to: 19 }), [13, 16])
    assert.deepEqual(found({ from: 14, to: 20, reverse: true }), [19, 16])
    assert.deepEqual(found({ from: 20, to: 20 }), [])
    assert.deepEqual(found({ from: 1_000, reverse: true }), pids.filter((pid) => pid >= 1_000).toReversed())
    assert.deepEqual(
      found({ to: 1_000 }),
      pids.filter((pid) => pid < 1_000),
    )
  })

  check('K4: a read after each of many small commits sees all of them', async (store) => {
    await store.commit(events(start(0, 1)))
    for (let seq = 1; seq < 3_000; seq++) {
      await store.commit(
        events(seq % 100 === 0 ? start(seq, 1 + seq / 100) : callEnd(seq, 1 + Math.floor(seq / 100), 'x')),
      )
      if (seq % 401 === 0) assert.equal(store.lastSeq(), seq)
    }
    assert.deepEqual(
      seqs(store.events(30)),
      Array.from({ length: 100 }, (_, i) => 2_900 + i),
    )
    assert.deepEqual(
      [...store.processes()].map((head) => head.start.pid),
      Array.from({ length: 30 }, (_, i) => i + 1),
    )
  })

  check('what `events` returned does not change with later commits', async (store) => {
    await store.commit(events(start(0, 1)))
    const before = store.events(1)
    await store.commit(events(callEnd(1, 1)))
    assert.equal(before.length, 1)
    assert.equal(store.events(1).length, 2)
  })

  check('K2: committing a batch again changes nothing', async (store) => {
    const first: Batch = {
      events: [start(0, 1), start(1, 2), callEnd(2, 1)],
      puts: [{ table: 'meta', key: 'k', value: 'v', text: 'word' }],
    }
    await store.commit(first)
    await store.commit(first)
    assert.deepEqual(seqs(store.events(1)), [0, 2])
    assert.deepEqual(seqs(store.events(2)), [1])
    assert.deepEqual([...store.range('meta', '', 'z')], [['k', 'v']])
    assert.equal(store.search('meta', [''], ['word'], 10).length, 1)
    assert.equal(store.lastSeq(), 2)
  })

  check('K2: of a batch with known and unknown events, the unknown are added', async (store) => {
    await store.commit(events(start(0, 1), callEnd(1, 1)))
    await store.commit({
      events: [start(0, 1), callEnd(1, 1), callEnd(2, 1), start(3, 2)],
      puts: [{ table: 'meta', key: 'k', value: 'new' }],
    })
    assert.deepEqual(seqs(store.events(1)), [0, 1, 2])
    assert.deepEqual(seqs(store.events(2)), [3])
    assert.equal(store.get('meta', 'k'), 'new')
  })

  check('a value of 1 MB, and a batch of 4,096 events', async (store) => {
    const large = 'ü'.repeat(524_288)
    await store.commit(events(start(0, 1, large), callEnd(1, 1, large)))
    assert.equal((store.events(1)[0] as ProcessStart).input, large)
    assert.equal([...store.processes()][0]?.start.input, large)
    const many = Array.from({ length: 4_096 }, (_, i) =>
      i < 64 ? start(2 + i, 2 + i) : callEnd(2 + i, 2 + (i % 64), 'x'),
    )
    await store.commit(events(...many))
    assert.equal(store.events(5).length, 64)
    assert.equal(store.lastSeq(), 4_097)
  })

  check('pids and seqs beyond 32 bits', async (store) => {
    const pid = 2 ** 40
    const seq = 2 ** 50
    await store.commit(events(start(seq, pid), start(seq + 1, 5), callEnd(seq + 2, pid)))
    assert.deepEqual(seqs(store.events(pid)), [seq, seq + 2])
    assert.deepEqual(
      [...store.processes()].map((head) => head.start.pid),
      [5, pid],
    )
    assert.equal(store.lastSeq(), seq + 2)
  })

  check('`drop` removes processes, and `lastSeq` stays', async (store) => {
    await store.commit(events(start(0, 1), start(1, 2), end(2, 1), start(3, 3), end(4, 3)))
    store.drop([1, 3, 99])
    assert.deepEqual(store.events(1), [])
    assert.deepEqual([...store.processes()], [{ start: start(1, 2) }])
    assert.equal(store.lastSeq(), 4)
    store.drop([2])
    store.drop([])
    assert.deepEqual([...store.processes()], [])
    assert.equal(store.lastSeq(), 4)
    await store.commit(events(start(5, 4)))
    assert.deepEqual([...store.processes()], [{ start: start(5, 4) }])
  })

  check('`drop` of 20,000 events at once is seen at once', async (store) => {
    for (let i = 0; i < 20; i++) {
      await store.commit(
        events(
          ...Array.from({ length: 1_000 }, (_, k) =>
            k < 100 ? start(i * 1_000 + k, i * 100 + k) : callEnd(i * 1_000 + k, i * 100 + (k % 100), 'x'),
          ),
        ),
      )
    }
    store.drop(Array.from({ length: 1_999 }, (_, pid) => pid))
    assert.deepEqual(
      [...store.processes()].map((head) => head.start.pid),
      [1_999],
    )
    assert.deepEqual(store.events(5), [])
    assert.equal(store.events(1_999).length, 10)
    assert.equal(store.lastSeq(), 19_999)
    await store.commit(events(start(20_000, 5_000)))
    assert.deepEqual(
      [...store.processes()].map((head) => head.start.pid),
      [1_999, 5_000],
    )
  })

  check('`close` is safe twice, and nothing works after it', async (store) => {
    await store.commit(events(start(0, 1)))
    store.close()
    store.close()
    await assert.rejects(async () => store.commit(events(start(1, 2))), { code: 'KERNEL_CLOSED' })
    assert.throws(() => store.events(1), { code: 'KERNEL_CLOSED' })
    assert.throws(() => [...store.processes()], { code: 'KERNEL_CLOSED' })
    assert.throws(() => store.get('meta', 'k'), { code: 'KERNEL_CLOSED' })
  })
}

function tableChecks(check: Check): void {
  check('text stays text and bytes stay bytes, up to 1 MB', async (store) => {
    const bytes = Uint8Array.from({ length: 1_048_576 }, (_, i) => (i * 31) & 255)
    const text = '\0 "ü😀\n'.repeat(100_000)
    await store.commit(
      puts(
        { table: 'blob', key: 'b', value: bytes },
        { table: 'blob', key: 't', value: text },
        { table: 'blob', key: '0', value: '' },
        { table: 'blob', key: '1', value: new Uint8Array(0) },
      ),
    )
    assert.deepEqual(Buffer.from(store.get('blob', 'b') as Uint8Array), Buffer.from(bytes))
    assert.equal(store.get('blob', 't'), text)
    assert.equal(store.get('blob', '0'), '')
    assert.deepEqual(store.get('blob', '1'), new Uint8Array(0))
    assert.equal(store.get('file', 't'), undefined)
  })

  check('bytes given or returned are not shared', async (store) => {
    const bytes = Uint8Array.of(1, 2, 3)
    await store.commit(puts({ table: 'blob', key: 'b', value: bytes }))
    bytes[0] = 9
    ;(store.get('blob', 'b') as Uint8Array)[1] = 9
    assert.deepEqual([...(store.get('blob', 'b') as Uint8Array)], [1, 2, 3])
  })

  check('the last put of a key holds, also within a batch; null removes', async (store) => {
    await store.commit(
      puts(
        { table: 'meta', key: 'a', value: '1' },
        { table: 'meta', key: 'a', value: '2' },
        { table: 'meta', key: 'b', value: '1' },
      ),
    )
    assert.equal(store.get('meta', 'a'), '2')
    await store.commit(puts({ table: 'meta', key: 'a', value: null }, { table: 'meta', key: 'never', value: null }))
    assert.equal(store.get('meta', 'a'), undefined)
    await store.commit(
      puts({ table: 'meta', key: 'b', value: null }, { table: 'meta', key: 'b', value: Uint8Array.of(7) }),
    )
    assert.deepEqual(
      [...store.range('meta', '', 'z')].map(([key]) => key),
      ['b'],
    )
  })

  check('a range runs by the UTF-8 bytes of its keys, from its first to before its last', async (store) => {
    const keys = [
      '',
      '\0',
      'A',
      'a',
      'a\0',
      'a/',
      'a/1',
      'a/10',
      'a/2',
      'ab',
      'b',
      'é',
      'ﬁ',
      '\uffff',
      '😀',
      '\u{10ffff}',
    ]
    const byBytes = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (const key of keys.toReversed()) await store.commit(puts({ table: 'file', key, value: `v${key}` }))
    const list = (...args: Parameters<Store['range']> extends [unknown, ...infer Rest] ? Rest : never): string[] =>
      [...store.range('file', ...args)].map(([key]) => key)
    const below = byBytes.slice(0, -1)
    assert.deepEqual(list('', '\u{10ffff}'), below)
    assert.deepEqual(list('', '\u{10ffff}', { reverse: true }), below.toReversed())
    assert.deepEqual(list('a/', 'a0'), ['a/', 'a/1', 'a/10', 'a/2'])
    assert.deepEqual(list('a/', 'a0', { limit: 2 }), ['a/', 'a/1'])
    assert.deepEqual(list('a/', 'a0', { limit: 2, reverse: true }), ['a/2', 'a/10'])
    assert.deepEqual(list('a/', 'a0', { limit: 0 }), [])
    assert.deepEqual(list('a', 'a'), [])
    assert.deepEqual(list('b', 'a'), [])
    assert.deepEqual(list('\uffff', '\u{10ffff}'), ['\uffff', '😀'])
    assert.deepEqual([...store.range('file', '😀', '😁')], [['😀', 'v😀']])
  })

  check('a long range is complete in both directions, while entries are written', async (store) => {
    await store.commit(
      puts(...Array.from({ length: 1_000 }, (_, i) => ({ table: 'note', key: key(i), value: String(i) }) as const)),
    )
    const seen: string[] = []
    for (const [name] of store.range('note', '', 'z')) {
      seen.push(name)
      await store.commit(puts({ table: 'note', key: name, value: 'seen' }))
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 1_000 }, (_, i) => key(i)),
    )
    assert.equal([...store.range('note', '', 'z', { reverse: true, limit: 999 })].at(-1)?.[0], key(1))
  })

  check('K1: a batch with events and entries is there as a whole', async (store) => {
    await store.commit({ events: [start(0, 1)], puts: [{ table: 'meta', key: 'k', value: 'v' }] })
    assert.deepEqual(seqs(store.events(1)), [0])
    assert.equal(store.get('meta', 'k'), 'v')
  })
}

function searchChecks(check: Check): void {
  check('search finds any of the words, the better match first', async (store) => {
    await store.commit(
      puts(
        note('1', 'apples and pears'),
        note('2', 'apple apple apple'),
        note('3', 'plums'),
        { table: 'file', key: '4', value: 'apple', text: 'apple' },
        { table: 'note', key: '5', value: 'apple' },
      ),
    )
    assert.deepEqual(found(store, [''], ['apple']), ['2', '1'])
    assert.deepEqual(found(store, [''], ['plums', 'pears']).toSorted(), ['1', '3'])
    assert.deepEqual(found(store, [''], ['apple'], 1), ['2'])
    assert.deepEqual(found(store, [''], ['apple'], 0), [])
    const scores = store.search('note', [''], ['apple', 'pears'], 10).map((hit) => hit.score)
    assert.deepEqual(
      scores,
      scores.toSorted((a, b) => b - a),
    )
  })

  check('search folds case, accents and English endings', async (store) => {
    await store.commit(puts(note('1', 'Die Übergröße RUNS naïvely'), note('2', 'привет мир')))
    for (const word of ['uBergroße', 'run', 'running', 'NAIVELY'])
      assert.deepEqual(found(store, [''], [word]), ['1'], word)
    assert.deepEqual(found(store, [''], ['ПРИВЕТ']), ['2'])
  })

  check('search stays under its prefixes', async (store) => {
    const keys = ['a', 'a/1', 'A/1', 'ab', 'ab/1', 'a%', 'a_/1', 'a*', 'b/1', 'ä/1', 'a/\u{10ffff}', '😀/1', '😁']
    await store.commit(puts(...keys.map((key) => note(key, 'secret'))))
    for (const prefixes of [
      ['a'],
      ['a/'],
      ['ab'],
      ['a%'],
      ['a_'],
      ['a*'],
      ['A'],
      ['ä'],
      ['😀'],
      ['a/\u{10ffff}'],
      ['\u{10ffff}'],
      [''],
      ['a/', 'b/'],
      ['a', 'a/'],
      ['zz'],
      ['%'],
      ["' OR 1=1 --"],
    ]) {
      const expected = keys.filter((key) => prefixes.some((prefix) => key.startsWith(prefix)))
      assert.deepEqual(found(store, prefixes, ['secret']).toSorted(), expected.toSorted(), JSON.stringify(prefixes))
    }
    assert.deepEqual(found(store, [], ['secret']), [])
  })

  check('words are data, whatever they hold', async (store) => {
    await store.commit(puts(note('1', 'nothing of note'), note('2', 'a cat OR a dog NEAR the text: column')))
    const hostile = [
      '"',
      '""',
      '*',
      '" OR *',
      'NEAR(a b)',
      'a* OR b',
      '^x',
      'text:',
      '{text}:',
      '- +',
      '(',
      ')',
      '\0',
      "'",
      "'; DROP TABLE words; --",
      '\\',
      '😀',
      '\ud800',
      '',
      ' ',
      'x'.repeat(10_000),
      'AND',
      'NOT',
    ]
    for (const word of hostile) {
      assert.doesNotThrow(() => found(store, [''], [word]), JSON.stringify(word))
      assert.ok(found(store, [''], [word, 'nothing']).includes('1'), JSON.stringify(word))
    }
    assert.deepEqual(found(store, [''], ['nothing" OR "cat']), [])
    assert.deepEqual(found(store, [''], ['no*']), [])
    assert.deepEqual(found(store, [''], ['OR']), ['2'])
    assert.deepEqual(found(store, [''], ['NEAR']), ['2'])
    assert.deepEqual(found(store, [''], []), [])
    assert.deepEqual(found(store, [''], [...hostile, ...Array.from({ length: 1_000 }, (_, i) => `w${i}`), 'cat']), [
      '2',
    ])
  })

  check('an entry written again or removed is not found by its old words', async (store) => {
    await store.commit(puts(note('1', 'old words'), note('2', 'old words'), note('3', 'old words'), note('4', 'old')))
    await store.commit(
      puts(
        note('1', 'new'),
        { table: 'note', key: '2', value: null },
        { table: 'note', key: '3', value: 'without text' },
      ),
    )
    assert.deepEqual(found(store, [''], ['old', 'words']), ['4'])
    assert.deepEqual(found(store, [''], ['new']), ['1'])
    await store.commit(puts(note('2', 'back again'), note('2', 'back for good')))
    assert.deepEqual(found(store, [''], ['back', 'again', 'good']), ['2'])
    assert.deepEqual(found(store, [''], ['again']), [])
  })

  check('equal matches come by key', async (store) => {
    const keys = Array.from({ length: 50 }, (_, i) => `k${(i * 37) % 50}`)
    await store.commit(puts(...keys.map((key) => note(key, 'same text'))))
    assert.deepEqual(found(store, [''], ['same']), keys.toSorted())
  })
}

function vectorChecks(check: Check): void {
  const put = (key: string, ...numbers: number[]): Put => ({
    table: 'note',
    key,
    value: '{}',
    vector: Float32Array.from(numbers),
  })
  const near = (store: Store, prefixes: readonly string[], numbers: readonly number[], limit = 100): string[] =>
    store.nearest('note', prefixes, Float32Array.from(numbers), limit).map((hit) => hit.key)

  check('the nearest come by their direction, the best first', async (store) => {
    await store.commit(
      puts(put('1', 1, 0, 0), put('2', 3, 4, 0), put('3', 0, 0, 7), put('4', -1, 0, 0), {
        table: 'note',
        key: '5',
        value: '',
      }),
    )
    assert.deepEqual(near(store, [''], [2, 0, 0]), ['1', '2', '3', '4'])
    assert.deepEqual(near(store, [''], [0, 0.1, 0], 1), ['2'])
    assert.deepEqual(near(store, [''], [1, 0, 0], 0), [])
    const scores = store.nearest('note', [''], Float32Array.of(1, 0, 0), 10).map((hit) => hit.score)
    for (const [i, score] of [1, 0.6, 0, -1].entries())
      assert(Math.abs((scores[i] as number) - score) < 0.01, `${scores}`)
  })

  check('only vectors with as many dimensions are compared, and only those under the prefixes', async (store) => {
    await store.commit(
      puts(put('a\u00001', 1, 0), put('a\u00002', 0, 1), put('b\u00001', 1, 0), put('a\u00003', 1, 0, 0)),
    )
    await store.commit(puts({ ...put('a\u00001', 1, 0), table: 'file' }))
    assert.deepEqual(near(store, ['a\0'], [1, 0]), ['a\u00001', 'a\u00002'])
    assert.deepEqual(near(store, ['a\0', 'b\u00001'], [1, 0]).toSorted(), ['a\u00001', 'a\u00002', 'b\u00001'])
    assert.deepEqual(near(store, ['a\u00002'], [1, 0]), ['a\u00002'])
    assert.deepEqual(near(store, ['a\0'], [0, 0, 1]), ['a\u00003'])
    assert.deepEqual(near(store, [], [1, 0]), [])
    assert.deepEqual(near(store, [''], []), [])
  })

  check('an entry written again or removed is not found by its old vector', async (store) => {
    await store.commit(puts(put('1', 1, 0), put('2', 1, 0), { ...put('3', 1, 0), text: 'word' }))
    await store.commit(puts(put('1', 0, 1), { table: 'note', key: '2', value: null }, note('3', 'word')))
    assert.deepEqual(near(store, [''], [1, 0]), ['1'])
    assert(Math.abs(store.nearest('note', [''], Float32Array.of(1, 0), 1)[0]?.score as number) < 0.01)
    assert.deepEqual(found(store, [''], ['word']), ['3'])
  })

  check('vectors without a direction, or with numbers that are none, do no harm', async (store) => {
    await store.commit(puts(put('1', 0, 0), put('2', NaN, 1), put('3', Infinity, 1), put('4', 1, 1), put('5')))
    for (const numbers of [
      [0, 0],
      [NaN, NaN],
      [Infinity, 0],
      [1, 1],
    ]) {
      const hits = store.nearest('note', [''], Float32Array.from(numbers), 10)
      assert.deepEqual(hits.map((hit) => hit.key).toSorted(), ['1', '2', '3', '4'])
      for (const { score } of hits) assert(score >= -1.001 && score <= 1.001, `${score}`)
    }
    assert.equal(near(store, [''], [1, 1])[0], '4')
  })
}

function reopenCheck(
  test: StoreConformanceOptions['test'],
  name: string,
  open: StoreConformanceOptions['open'],
  reopen: NonNullable<StoreConformanceOptions['reopen']>,
): void {
  test(`${name}: a store opened again holds what was committed`, async () => {
    let store = await open()
    try {
      await store.commit({
        events: [start(0, 1), start(1, 2), end(2, 2), start(3, 3)],
        puts: [{ table: 'note', key: 'n', value: Uint8Array.of(1), text: 'word', vector: Float32Array.of(3, 4) }],
      })
      store.drop([3])
      store = await reopen(store)
      assert.deepEqual([...store.processes()], [{ start: start(0, 1) }, { start: start(1, 2), end: end(2, 2) }])
      assert.equal(store.lastSeq(), 3)
      assert.deepEqual(store.get('note', 'n'), Uint8Array.of(1))
      assert.deepEqual(
        store.search('note', ['n'], ['word'], 1).map((hit) => hit.key),
        ['n'],
      )
      assert(Math.abs((store.nearest('note', [''], Float32Array.of(3, 4), 1)[0]?.score as number) - 1) < 0.01)
      await store.commit(events(callEnd(4, 1)))
      store = await reopen(store)
      assert.deepEqual(seqs(store.events(1)), [0, 4])
    } finally {
      store.close()
    }
  })
}
