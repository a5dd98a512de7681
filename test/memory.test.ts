/**
 * Memory: notes with what belongs to them, filters however rare the match, versions that forks and snapshots see, vectors
 * that never cost a note, neighbours and parents, revoking a source, and what is collected.
 */
// oxlint-disable unicorn/consistent-function-scoping -- a test reads best with its parts beside it
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { allNotes } from '../src/agents/pieces/notes.ts'
import type { Embedder, Store } from '../src/kernel/drivers.ts'
import type { Json, Note, Pid, RecallOptions, Sys } from '../src/kernel/types.ts'
import type { World } from './world.ts'
import { codeOf, createWorld, cutStore, endOf, recordingStore } from './world.ts'

const lived = <Output>(world: World, body: (sys: Sys) => Promise<Output>, options = {}): Promise<Output> =>
  world.settled(
    world.kernel.spawn(body as unknown as (sys: Sys) => Promise<Json>, null, options).result,
  ) as Promise<Output>
const textsOf = (notes: readonly Note[]): string[] => notes.map(({ text }) => text)

describe('a note', () => {
  test('comes back as it was kept, with what follows from how it came about', async () => {
    const world = createWorld()
    const note = await lived(world, async (sys) => {
      const parent = await sys.remember('The harbour froze on Monday.')
      const id = await sys.remember({
        text: 'Ann saw the harbour freeze.',
        kind: 'fact',
        keywords: ['ice', 'winter'],
        context: 'A talk about the weather.',
        session: 'monday',
        validFrom: 5,
        validTo: 9,
        parents: [parent],
        links: [parent],
        data: { strength: [1, null] },
        tags: ['weather'],
        source: 'log 12',
      })
      const [found] = await sys.recall('', { ids: [id] })
      return { ...found, id: found?.id === id, at: found?.at === sys.now(), parents: found?.parents[0] === parent }
    })
    assert.deepEqual(note, {
      id: true,
      text: 'Ann saw the harbour freeze.',
      tags: ['weather'],
      source: 'log 12',
      pid: 1,
      at: true,
      labels: [],
      tools: [],
      trust: 'untrusted',
      kind: 'fact',
      keywords: ['ice', 'winter'],
      context: 'A talk about the weather.',
      session: 'monday',
      validFrom: 5,
      validTo: 9,
      parents: true,
      links: ['n3'],
      data: { strength: [1, null] },
      score: 0,
      why: [],
    })
  })

  test('is found by its keywords and its context, and says that its words are why', async () => {
    const world = createWorld()
    const found = await lived(world, async (sys) => {
      await sys.remember({ text: 'It was closed.', keywords: ['harbour'], context: 'Talk about January.' })
      await sys.remember('Something else.')
      return [await sys.recall('harbour'), await sys.recall('january')]
    })
    for (const [note, ...more] of found) {
      assert.deepEqual([note?.text, more], ['It was closed.', []])
      assert.equal(note?.why[0]?.by, 'lexical')
      const sum = note?.why.reduce((total, { score }) => total + score, 0) ?? 0
      assert.ok(Math.abs(sum - (note?.score ?? 0)) < 1e-9)
    }
  })

  test('what a recall gave can be given back, changed', async () => {
    const world = createWorld()
    const note = await lived(world, async (sys) => {
      const parent = await sys.remember('one')
      const id = await sys.remember({ text: 'two', parents: [parent], session: 's', data: 7 })
      const [{ text, tags, source, kind, keywords, context, session, validTo, parents, links, data } = fail()] =
        await sys.recall('', { ids: [id] })
      const more = {
        tags,
        source: source ?? 'me',
        kind,
        keywords,
        context,
        session: session ?? '',
        parents,
        links,
        data,
      }
      assert.equal(validTo, null)
      assert.equal(await sys.remember({ ...more, text: `${text}, again`, id }), id)
      return (await sys.recall('', { ids: [id] }))[0]
    })
    assert.deepEqual([note?.text, note?.session, note?.data], ['two, again', 's', 7])
  })

  for (const [what, given, message] of [
    ['no text', { text: ' ' }, /text that is not empty/],
    ['a kind that there is not', { text: 't', kind: 'dream' }, /kind takes one of note, fact, summary, not dream/],
    ['keywords that are none', { text: 't', keywords: [1] }, /keywords are a list of texts/],
    ['a session without a name', { text: 't', session: '' }, /session takes a text that is not empty/],
    ['an end before the beginning', { text: 't', validFrom: 5, validTo: 4 }, /validTo takes a time/],
    ['a time that is none', { text: 't', validFrom: 'May' }, /validFrom takes a time in ms/],
    ['parents that are no ids', { text: 't', parents: ['7'] }, /parents are a list of ids of notes/],
    ['an id that is none', { text: 't', id: 'x' }, /the id of a note, such as "n17"/],
    ['an id in another spelling', { text: 't', id: 'n03' }, /the id of a note, such as "n17"/],
    ['a link in another spelling', { text: 't', links: ['n03'] }, /links are a list of ids of notes/],
    ['an empty source', { text: 't', source: '' }, /source takes well-formed text that is not empty/],
    ['a source with a line break', { text: 't', source: 'a\nb' }, /source takes well-formed text/],
    ['a source with half a character', { text: 't', source: 'a\ud800' }, /source takes well-formed text/],
    ['what it does not take', { text: 't', colour: 'red' }, /a note takes text, .*not colour/],
  ] as const)
    test(`${what} is refused`, async () => {
      const end = await lived(createWorld(), (sys) => endOf(sys.remember(given as never)))
      assert.equal(codeOf(end), 'INVALID_ARGUMENT')
      assert.match((end as { message: string }).message, message)
    })

  test('a parent or a note to take the place of that is not there is refused', async () => {
    const ends = await lived(createWorld(), async (sys) => [
      await endOf(sys.remember({ text: 't', parents: ['n999'] })),
      await endOf(sys.remember({ text: 't', id: 'n999' })),
    ])
    assert.deepEqual(ends.map(codeOf), ['NO_SUCH_NOTE', 'NO_SUCH_NOTE'])
  })

  test('more of anything than there may be is refused', async () => {
    const world = createWorld({ limits: { noteItemsMax: 2, noteBytesMax: 10 } })
    const ends = await lived(world, async (sys) => [
      await endOf(sys.remember({ text: 't', tags: ['a', 'b', 'c'] })),
      await endOf(sys.remember({ text: 't', keywords: ['ten bytes!'] })),
      await endOf(sys.remember({ text: 't', data: { ten: 'bytes' } })),
      await endOf(sys.remember({ text: 'ten bytes!' })),
    ])
    assert.deepEqual(ends.map(codeOf), ['TOO_LARGE', 'TOO_LARGE', 'TOO_LARGE', 'ok'])
  })
})

function fail(): never {
  throw new Error('there is no note')
}

describe('what a note was drawn from', () => {
  const asked = 'The user said this.'

  test('bounds its trust, and gives it its tools and labels, also where it was forgotten since', async () => {
    const world = createWorld()
    const run = world.kernel.spawn(async (sys: Sys, input: Json) => {
      const own = await sys.remember(String(input))
      const heard = await sys.remember('Somebody said that.')
      await sys.forget(heard)
      // The user's own words, drawn from what somebody said.
      const drawn = await sys.remember({ text: String(input), parents: [own, heard] })
      return (await sys.recall('', { ids: [own, drawn] })).map(({ trust }) => trust)
    }, asked)
    assert.deepEqual(await world.settled(run.result), ['request', 'untrusted'])
  })

  test('passes its labels on to who recalls it', async () => {
    const world = createWorld()
    const labelled = await lived(world, (sys) => sys.remember('secret'), { labels: ['private'] })
    const drawn = await lived(world, async (sys) => {
      const id = await sys.remember({ text: 'harmless', parents: [labelled] })
      return (await sys.recall('', { ids: [id] }))[0]?.labels
    })
    assert.deepEqual(drawn, ['private'])
  })
})

describe('filters', () => {
  test('hold for what comes back, with and without a query, however rare the match', async () => {
    const world = createWorld()
    const rare: RecallOptions[] = [
      { tag: 'rare' },
      { kinds: ['fact'] },
      { kinds: ['fact', 'summary'] },
      { session: 'rare' },
      { source: 'rare' },
      { validAt: 50 },
      { learnedBefore: 1_700_000_000_001 },
      { trust: 'trusted' },
    ]
    const found = await world.settled(
      world.kernel.spawn(async (sys: Sys, input: Json) => {
        const only = await sys.remember({
          text: String(input),
          tags: ['rare'],
          kind: 'fact',
          session: 'rare',
          source: 'rare',
          validFrom: 10,
          validTo: 60,
        })
        await sys.sleep(10)
        const id = await sys.remember('word of the note that was forgotten')
        await sys.forget(id)
        for (let i = 0; i < 500; i++) await sys.remember(`word word word number ${i}`)
        const seen: Json[] = []
        for (const options of [...rare, { ids: [only] }])
          for (const query of ['word', ''])
            seen.push((await sys.recall(query, { ...options, limit: 100 })).map((note) => note.id === only))
        return seen
      }, 'a long text in which the one word stands among very many others that mean nothing').result,
    )
    assert.deepEqual(
      found,
      Array.from({ length: 18 }, () => [true]),
    )
  })

  const isLong = process.env['POLITY_LONG'] === '1'
  const fillers = isLong ? 20_000 : 450

  test('one tag among very many notes is found by words and by meaning', async () => {
    const embed: Embedder['embed'] = (texts) =>
      Promise.resolve(texts.map((text) => (text.includes('common') ? [1, 0, 0.1] : [1, 0.3, 0])))
    const limits = { recallLooksMax: 400, callsOpenMax: 100_000 }
    const world = createWorld({ limits, embedder: { name: 'two', embed } })
    const found = await lived(world, async (sys) => {
      await sys.remember({ text: 'common, and long beside what holds nothing but that word', tags: ['mine'] })
      await sys.remember({ text: 'another', tags: ['mine'] })
      for (let i = 0; i < fillers; i++) await sys.remember(`common ${i % 7}`)
      return [await sys.recall('common', { tag: 'mine' }), await sys.recall('common', { tag: 'nobody’s' })]
    })
    assert.deepEqual(
      found.map((notes) => notes.map(({ text, why }) => [text.slice(0, 7), why.map(({ by }) => by)])),
      [
        [
          ['common,', ['lexical', 'vector']],
          ['another', ['vector']],
        ],
        [],
      ],
    )
  })

  test('without an index, as many notes are looked at as recallLooksMax says', async () => {
    const limits = { recallLooksMax: 500 }
    const counts = async (fillers: number): Promise<readonly (number | string)[]> =>
      lived(createWorld({ limits }), async (sys) => {
        await sys.remember({ text: 'word of a long text that stands behind the short ones', validFrom: 1, validTo: 3 })
        for (let i = 0; i < fillers; i++) await sys.remember('word')
        const ends = [await endOf(sys.recall('word', { validAt: 2 })), await endOf(sys.recall('', { validAt: 2 }))]
        let found = 0
        for await (const _ of allNotes(sys, { validAt: 2 })) found++
        return [...ends.map((end) => ('value' in end ? (end.value as readonly unknown[]).length : codeOf(end))), found]
      })
    assert.deepEqual(await counts(450), [1, 1, 1])
    // Nothing is never said of notes that were not looked at; who goes on from where it stopped finds them.
    assert.deepEqual(await counts(600), ['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED', 1])
  })

  test('a query larger than a value may be is refused', async () => {
    const ends = await lived(createWorld({ limits: { valueBytesMax: 1_000 } }), async (sys) => [
      await endOf(sys.recall('é'.repeat(501))),
      await endOf(sys.recall('é'.repeat(500))),
    ])
    assert.deepEqual(ends.map(codeOf), ['TOO_LARGE', 'ok'])
  })

  test('a note has one spelling of its id, also for what is forgotten', async () => {
    const ends = await lived(createWorld(), async (sys) => {
      const id = await sys.remember('kept')
      const other = `n0${id.slice(1)}`
      return [
        await endOf(sys.forget(other)),
        await endOf(sys.recall('', { ids: [other] })),
        await endOf(sys.forget(id)),
      ]
    })
    assert.deepEqual(ends.map(codeOf), ['NO_SUCH_NOTE', 'INVALID_ARGUMENT', 'ok'])
  })

  test('the empty query with ids has their order, and without those that are not there', async () => {
    const found = await lived(createWorld(), async (sys) => {
      const ids = [await sys.remember('a'), await sys.remember('b'), await sys.remember('c')]
      await sys.forget(ids[1] as string)
      return textsOf(await sys.recall('', { ids: [ids[2] as string, 'n9999', ids[1] as string, ids[0] as string] }))
    })
    assert.deepEqual(found, ['c', 'a'])
  })

  test('a filter that is none is refused', async () => {
    const ends = await lived(createWorld(), async (sys) =>
      Promise.all(
        [
          { kinds: ['dream'] },
          { kinds: [] },
          { ids: ['x'] },
          { trust: 'much' },
          { validAt: 'now' },
          { session: 7 },
          { colour: 'red' },
          { ids: [], before: 'n1' },
        ].map((options) => endOf(sys.recall('', options as never))),
      ),
    )
    assert.deepEqual(
      ends.map(codeOf),
      Array.from({ length: 8 }, () => 'INVALID_ARGUMENT'),
    )
  })

  test('many long notes are as many as one value holds, with a query too', async () => {
    const counts = await lived(createWorld(), async (sys) => {
      for (let i = 0; i < 12; i++) await sys.remember(`harbour ${i} ${'x'.repeat(60_000)}`)
      return [(await sys.recall('harbour', { limit: 100 })).length, (await sys.recall('', { limit: 100 })).length]
    })
    assert.deepEqual(counts, [8, 8])
  })
})

describe('what stands beside a note', () => {
  test('comes back with it: its neighbours in the session, its parents, what was drawn from it, and its links', async () => {
    const why = await lived(createWorld(), async (sys) => {
      await sys.remember({ text: 'Bob: What did you do?', session: 'a' })
      await sys.remember({ text: 'Ann: I repaired the zither.', session: 'a' })
      await sys.remember({ text: 'Bob: That took long.', session: 'a' })
      await sys.remember({ text: 'Bob: Elsewhere.', session: 'b' })
      const from = await sys.remember('Unlike any other.')
      const linked = await sys.remember('Linked with it.')
      await sys.remember({ text: 'The zither is mended.', kind: 'fact', parents: [from], links: [linked] })
      for (let i = 0; i < 20; i++) await sys.remember(`Nothing ${i}.`)
      return Object.fromEntries(
        (await sys.recall('zither', { limit: 20 })).map(({ text, why }) => [text, why.map(({ by }) => by)]),
      )
    })
    assert.equal(why['Ann: I repaired the zither.']?.[0], 'lexical')
    for (const beside of ['Bob: What did you do?', 'Bob: That took long.'])
      assert.ok(why[beside]?.includes('neighbour'), `${beside}: ${String(why[beside])}`)
    assert.equal(why['Bob: Elsewhere.'], undefined)
  })

  test('of very many links the first few lead to others', async () => {
    const found = await lived(createWorld(), async (sys) => {
      const links: string[] = []
      for (let i = 0; i < 20; i++) links.push(await sys.remember(`other ${i}`))
      await sys.remember({ text: 'harbour', links })
      return textsOf(await sys.recall('harbour', { limit: 100 }))
    })
    assert.deepEqual(found.toSorted(), ['harbour', ...Array.from({ length: 8 }, (_, i) => `other ${i}`)])
  })

  test('a forgotten neighbour does not come back, nor does it stand between others', async () => {
    const found = await lived(createWorld(), async (sys) => {
      await sys.remember({ text: 'before', session: 'a' })
      const gone = await sys.remember({ text: 'gone', session: 'a' })
      await sys.remember({ text: 'the zither', session: 'a' })
      await sys.forget(gone)
      return textsOf(await sys.recall('zither')).toSorted()
    })
    assert.ok(!found.includes('gone'))
  })
})

describe('a note that takes another’s place', () => {
  test('has its id and its own words; the old ones find nothing', async () => {
    const seen = await lived(createWorld(), async (sys) => {
      const id = await sys.remember({ text: 'the old words', tags: ['old'] })
      await sys.sleep(5)
      const [before] = await sys.recall('', {})
      await sys.remember({ text: 'the new text', id })
      const [now, ...more] = await sys.recall('', {})
      return {
        ids: [before?.id === id, now?.id === id, more.length],
        later: (now?.at ?? 0) - (before?.at ?? 0),
        found: [
          textsOf(await sys.recall('words')),
          textsOf(await sys.recall('text')),
          textsOf(await sys.recall('', { tag: 'old' })),
        ],
      }
    })
    assert.deepEqual(seen, { ids: [true, true, 0], later: 5, found: [[], ['the new text'], []] })
  })

  test('keeps its trust and its labels where the text stays, whoever gives it back', async () => {
    const world = createWorld()
    const asked = 'The user said this.'
    const run = world.kernel.spawn((sys: Sys, input: Json) => sys.remember(String(input)), asked, { labels: ['own'] })
    const id = await world.settled(run.result)
    const [same, linked, changed] = await lived(world, async (sys) => {
      const other = await sys.remember('Somebody else said that.')
      const look = async (): Promise<Json> => {
        const [note] = await sys.recall('', { ids: [id] })
        return [note?.trust ?? null, note?.labels ?? null] as Json
      }
      const all: Json[] = []
      for (const more of [{ text: asked, links: [other] }, { text: asked, parents: [other] }, { text: 'Not this.' }]) {
        await sys.remember({ ...more, id })
        all.push(await look())
      }
      return all
    })
    assert.deepEqual(same, ['request', ['own']])
    assert.deepEqual(linked, ['untrusted', ['own']])
    assert.equal((changed as Json[])[0], 'untrusted')
  })

  test('two that take it at once both do, and a snapshot between them is not lost', async () => {
    const world = createWorld()
    const texts = await lived(world, async (sys) => {
      const id = await sys.remember('one')
      const { restored } = await sys.snapshot().then(async (snapshot) => {
        if (snapshot.restored > 0) return snapshot
        await Promise.all([sys.remember({ text: 'two', id }), sys.remember({ text: 'three', id })])
        assert.deepEqual(textsOf(await sys.recall('', {})), ['three'])
        return sys.restore(snapshot.id)
      })
      return [restored, ...textsOf(await sys.recall('', {})), (await sys.recall('one')).length]
    })
    assert.deepEqual(texts, [1, 'one', 1])
  })

  test('stays what it was for a fork made before, which finds it by its old words', async () => {
    const world = createWorld()
    const seen = await lived(world, async (sys) => {
      const id = await sys.remember('alpha')
      const gone = await sys.remember('beta')
      const pid = await sys.fork()
      const self = pid === 0
      if (self) await sys.sleep(10)
      else {
        await sys.remember({ text: 'gamma', id })
        await sys.forget(gone)
      }
      const mine = [
        await sys.recall('alpha'),
        await sys.recall('gamma'),
        await sys.recall('beta'),
        await sys.recall(''),
      ]
      const texts = mine.map(textsOf)
      if (self) {
        await sys.remember({ text: 'delta', id })
        await sys.forget(gone)
        return [...texts, textsOf(await sys.recall('delta beta')), textsOf(await sys.recall('alpha'))]
      }
      const child = await sys.wait<string[][]>(pid)
      return [texts, child, textsOf(await sys.recall('', {}))] as unknown as string[][]
    })
    assert.deepEqual(seen, [
      [[], ['gamma'], [], ['gamma']],
      [['alpha'], [], ['beta'], ['beta', 'alpha'], ['delta'], []],
      ['gamma'],
    ] as unknown as string[][])
  })

  test('a restore in a fork gives back what the fork saw of its origin', async () => {
    const world = createWorld()
    const seen = await lived(world, async (sys) => {
      const id = await sys.remember('alpha')
      const gone = await sys.remember('beta')
      const pid = await sys.fork()
      if (pid !== 0) return sys.wait<string[]>(pid)
      const { id: snapshot, restored } = await sys.snapshot()
      if (restored === 0) {
        await sys.remember({ text: 'delta', id })
        await sys.forget(gone)
        await sys.restore(snapshot)
      }
      return [
        ...textsOf(await sys.recall('')),
        ...textsOf(await sys.recall('alpha')),
        ...textsOf(await sys.recall('delta')),
      ]
    })
    assert.deepEqual(seen, ['beta', 'alpha', 'alpha'])
  })
})

describe('vectors of notes', () => {
  /** Texts about the same thing have the same direction. */
  const topics = ['harbour', 'garden', 'music']
  const meanings: { readonly [word: string]: string } = {
    quay: 'harbour',
    rose: 'garden',
    zither: 'music',
    ship: 'harbour',
  }
  const embedder = (over: Partial<Embedder> & { calls?: string[][] } = {}): Embedder => ({
    name: 'topics',
    embed(texts) {
      over.calls?.push([...texts])
      return Promise.resolve(
        texts.map((text) =>
          topics.map((topic) => (text.split(/\W+/).some((word) => (meanings[word] ?? word) === topic) ? 1 : 0.01)),
        ),
      )
    },
    ...over,
  })

  test('find a note by another word for the same, and say so', async () => {
    const found = await lived(createWorld({ embedder: embedder() }), async (sys) => {
      await sys.remember('a rose')
      await sys.remember('at the quay')
      await sys.remember('the zither')
      return sys.recall('ship', { limit: 1 })
    })
    assert.deepEqual([found[0]?.text, found[0]?.why[0]?.by], ['at the quay', 'vector'])
  })

  test('are asked for together, charged as tokens, and not at all by a replay', async () => {
    const calls: string[][] = []
    const world = createWorld({ embedder: embedder({ calls }) })
    const run = world.kernel.spawn(async (sys: Sys) => {
      await Promise.all(['a rose', 'the quay', 'a zither'].map((text) => sys.remember(text)))
      return textsOf(await sys.recall('ship', { limit: 1 }))
    }, null)
    assert.deepEqual(await world.settled(run.result), ['the quay'])
    assert.deepEqual(calls, [['a rose', 'the quay', 'a zither'], ['ship']])
    assert.ok(run.usage.inputTokens > 0)
    assert.equal(run.usage.steps, 0)
    assert.equal((await world.settled(world.kernel.replay(run.pid))).same, true)
    assert.equal(calls.length, 2)
  })

  for (const [what, embed] of [
    ['throws', () => Promise.reject(new Error('down'))],
    [
      'throws at once',
      () => {
        throw new Error('down')
      },
    ],
    ['never answers', () => new Promise<never>(() => {})],
    ['gives nonsense', () => Promise.resolve([[Number.NaN]])],
    ['gives no direction', () => Promise.resolve([[0, 0, 0]])],
  ] as [string, Embedder['embed']][])
    test(`an embedder that ${what} costs no note`, async () => {
      const world = createWorld({ embedder: embedder({ embed }) })
      const [found, ms] = await lived(world, async (sys) => {
        const before = sys.now()
        for (let i = 0; i < 10; i++) await sys.remember(`note ${i}`)
        return [textsOf(await sys.recall('note', { limit: 100 })), sys.now() - before]
      })
      assert.equal(found.length, 10)
      // After some failures it is left alone for a while.
      assert.ok(ms <= 40_000, `${ms} ms`)
    })

  test('that an outage kept from notes come with later recalls, a bounded number with each, also after a restart', async () => {
    let isDown = true
    const calls: string[][] = []
    const sane = embedder({ calls })
    const flaky = embedder({
      async embed(texts, options) {
        if (isDown) throw new Error('down')
        const vectors = await sane.embed(texts, options)
        return vectors.map((vector, i) => (texts[i] === '...' ? Array.from(vector, () => 0) : vector))
      },
    })
    const world = createWorld({ embedder: flaky })
    await lived(world, async (sys) => {
      for (let i = 0; i < 40; i++) await sys.remember(`entry ${i}: at the quay`)
      await sys.remember({ id: (await sys.remember('entry 40: a rose'))!, text: 'entry 40: at the quay' })
      await sys.remember('...')
    })
    await world.kernel.close()
    isDown = false
    const again = createWorld({ embedder: flaky, store: cutStore(world.store.batches, Infinity) })
    const found = (): Promise<string[]> =>
      lived(again, async (sys) =>
        textsOf(await sys.recall('ship', { limit: 100 })).filter((text) => text.includes('quay')),
      )
    assert.equal((await found()).length, 32)
    assert.deepEqual((await found()).length, 41)
    assert.deepEqual(
      calls.map((texts) => texts.length),
      [33, 11],
    )
    // What has no direction is not asked for again, and what has its vector neither.
    assert.equal((await found()).length, 41)
    assert.deepEqual(calls.at(-1), ['ship'])
    await again.kernel.close()
  })

  test('are asked for in two requests at a time; one that hangs is not waited for, and how many do is bounded', async () => {
    for (const hangs of [false, true]) {
      const world = createWorld({
        limits: { noteVectorMs: 100, breakerFailuresMax: 5, breakerOpenMs: 60_000 },
        embedder: embedder({
          async embed(texts) {
            most = Math.max(most, ++asked)
            await (hangs
              ? new Promise(() => {})
              : new Promise((answered) => world.clock.after(10, () => answered(null))))
            asked--
            return texts.map(() => [1])
          },
        }),
      })
      let asked = 0
      let most = 0
      await lived(world, async (sys) => {
        for (let round = 0; round < 6; round++)
          await Promise.all(Array.from({ length: 200 }, (_, i) => sys.remember(`entry ${round} ${i}`)))
      })
      // After as many failures in a row the embedder is left alone; one more may have been sent beside the last of them.
      if (hangs) assert.ok(most > 2 && most <= 5 + 1, `${most} hang`)
      else assert.equal(most, 2)
    }
  })

  test('cost no note where the budget has nothing left for them', async () => {
    const calls: string[][] = []
    const world = createWorld({ embedder: embedder({ calls }) })
    const found = await lived(
      world,
      async (sys) => (await sys.remember('a long note about the garden'), textsOf(await sys.recall('garden'))),
      { budget: { tokens: 2 } },
    )
    assert.deepEqual([found, calls], [['a long note about the garden'], [['garden']]])
  })

  test('leave with the note, and come back with it', async () => {
    const world = createWorld({ embedder: embedder() })
    const seen = await lived(world, async (sys) => {
      const id = await sys.remember('at the quay')
      const { id: snapshot, restored } = await sys.snapshot()
      if (restored > 0) {
        await sys.sleep(1)
        return textsOf(await sys.recall('ship'))
      }
      await sys.forget(id)
      assert.deepEqual(await sys.recall('ship'), [])
      return sys.restore(snapshot)
    })
    assert.deepEqual(seen, ['at the quay'])
  })
})

describe('versions of notes, against a plain model', () => {
  interface Op {
    readonly who: 'own' | 'child' | 'other'
    readonly do: 'new' | 'replace' | 'forget'
    readonly at: number
  }
  const op: fc.Arbitrary<Op> = fc.record({
    who: fc.constantFrom('own' as const, 'own' as const, 'child' as const, 'other' as const),
    do: fc.constantFrom('new' as const, 'replace' as const, 'forget' as const),
    at: fc.nat(30),
  })
  interface Done {
    readonly who: Op['who']
    readonly id: string
    /** null: forgotten. */
    readonly text: string | null
  }

  /** Makes one change; tells what came of it, or that there was nothing to change. */
  async function perform(sys: Sys, { do: what, at }: Op, ids: readonly string[], text: string): Promise<string | null> {
    const id = ids[at % Math.max(1, ids.length)]
    if (what === 'new' || id === undefined) return sys.remember(text)
    const end = await endOf(what === 'forget' ? sys.forget(id) : sys.remember({ text, id }))
    return codeOf(end) === 'ok' ? id : null
  }

  const sight = async (sys: Sys): Promise<{ readonly [id: string]: string }> =>
    Object.fromEntries((await sys.recall('', { limit: 100 })).map(({ id, text }) => [id, text]))

  /** What stands after some changes, without those that were undone. */
  function stands(log: readonly Done[], isUndone: (at: number) => boolean): { readonly [id: string]: string } {
    const state = new Map<string, string | null>()
    for (const [at, { id, text }] of log.entries()) if (!isUndone(at)) state.set(id, text)
    return Object.fromEntries([...state].filter(([, text]) => text !== null)) as { [id: string]: string }
  }

  test('a restore undoes what its tree did and nothing else; a fork sees what was; words find what stands', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(op, { maxLength: 10 }),
        fc.array(op, { maxLength: 14, size: 'max' }),
        async (before, after) => {
          const world = createWorld()
          // Made by whoever comes first: after a restore the program goes through its past again.
          const log: (Done | null)[] = []
          let atFork: unknown
          const words = [...before, ...after].map((_, at) => `word${at}`)
          const other = world.kernel.spawn(async (sys: Sys) => {
            for (;;) {
              const { from, body } = await sys.receive()
              const { op, ids, text } = body as unknown as { op: Op; ids: string[]; text: string }
              await sys.send(from, await perform(sys, op, ids, text))
            }
          }, null)
          const main = world.kernel.spawn(async (sys: Sys) => {
            const ids: string[] = []
            const play = async (ops: readonly Op[], offset: number): Promise<void> => {
              for (const [at, op] of ops.entries()) {
                const text = `word${offset + at}`
                let id: string | null
                if (op.who === 'own') id = await perform(sys, op, ids, text)
                else if (op.who === 'other') {
                  await sys.send(other.pid, { op, ids, text } as unknown as Json)
                  id = (await sys.receive({ from: other.pid })).body as string | null
                } else {
                  const child = await sys.spawn<Json, string | null>(
                    ((inner: Sys) => perform(inner, op, ids, text)) as never,
                    null,
                  )
                  id = await sys.wait<string | null>(child)
                }
                if (id !== null && !ids.includes(id)) ids.push(id)
                const isNew = op.do === 'new' || ids.length === 1
                log[offset + at] =
                  id === null ? null : { who: op.who, id, text: op.do === 'forget' && !isNew ? null : text }
                // What made a new note because there was none to change.
                if (id !== null && op.do === 'forget')
                  log[offset + at] = { who: op.who, id, text: (await sight(sys))[id] ?? null }
              }
            }
            const found = async (inner: Sys): Promise<string[]> => {
              const texts: string[] = []
              for (const word of words) texts.push(...textsOf(await inner.recall(word, { limit: 100 })))
              return texts.toSorted()
            }
            await play(before, 0)
            const pid: Pid = await sys.fork()
            if (pid === 0) {
              await sys.receive()
              return { sight: await sight(sys), found: await found(sys) }
            }
            const { id, restored } = await sys.snapshot()
            if (restored === 0) {
              await play(after, before.length)
              await sys.send(pid, null)
              atFork = await sys.wait(pid)
              await sys.restore(id)
            }
            return { sight: await sight(sys), found: await found(sys) }
          }, null)
          const now = await world.settled(main.result)
          other.kill()
          const done = log.map((one) => one ?? { who: 'other' as const, id: 'none', text: null })
          const forked = stands(done, (at) => at >= before.length)
          const restored = stands(done, (at) => at >= before.length && done[at]?.who !== 'other')
          const told = (state: { readonly [id: string]: string }) => ({
            sight: state,
            found: Object.values(state).toSorted(),
          })
          assert.deepEqual(atFork, told(forked))
          assert.deepEqual(now, told(restored))
        },
      ),
      { numRuns: process.env['POLITY_LONG'] === '1' ? 500 : 20 },
    )
  })
})

describe('revoking a source', () => {
  interface Planned {
    readonly source: 'evil' | 'good' | null
    readonly parents: readonly number[]
    /** Takes the place of that note. */
    readonly of: number | null
    readonly who: 'ann' | 'bob' | 'fork'
    readonly isForgotten: boolean
  }
  const planned: fc.Arbitrary<Planned> = fc.record({
    source: fc.constantFrom('evil' as const, 'good' as const, null, null),
    parents: fc.array(fc.nat(20), { maxLength: 2 }),
    of: fc.option(fc.nat(20), { freq: 3 }),
    who: fc.constantFrom('ann' as const, 'ann' as const, 'bob' as const, 'fork' as const),
    isForgotten: fc.boolean(),
  })

  test('takes all that comes from it, through whatever it was drawn from, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(planned, { minLength: 3, maxLength: 25, size: 'max' }),
        fc.boolean(),
        async (plan, isForAll) => {
          const world = createWorld()
          const { kernel } = world
          /** Of each memory: its notes in order, what they were drawn from, and whether they were ever of the source. */
          const books = { ann: new Map<string, Book>(), bob: new Map<string, Book>(), fork: new Map<string, Book>() }
          interface Book {
            readonly parents: Set<string>
            isEvil: boolean
            isForgotten: boolean
          }
          /** Does as it is told, and forks when it is told that. */
          const actor = async (sys: Sys): Promise<null> => {
            for (;;) {
              const { body } = await sys.receive({ from: 0 })
              const asked = body as unknown as { note?: object; forget?: string; fork?: true; see?: true }
              if (asked.note !== undefined) await sys.send(0, await sys.remember(asked.note as never))
              if (asked.forget !== undefined) await sys.send(0, await sys.forget(asked.forget).then(() => null))
              if (asked.fork === true) await sys.send(0, await sys.fork())
              if (asked.see === true)
                await sys.send(
                  0,
                  (await sys.recall('', { limit: 100 })).map(({ id }) => id),
                )
            }
          }
          const heard = new Map<Pid, (value: Json) => void>()
          kernel.watch((event) => {
            if (event.type !== 'call-start' || event.call !== 'send') return
            const { to, body } = event.args as { to: number; body: Json }
            if (to === 0) heard.get(event.pid)?.(body)
          })
          const tell = (pid: Pid, body: object): Promise<Json> =>
            world.settled(
              new Promise<Json>((resolve) => {
                heard.set(pid, resolve)
                kernel.send(pid, body as Json)
              }),
            )
          const pids: { [who: string]: Pid } = {}
          for (const who of ['ann', 'bob'] as const) pids[who] = kernel.spawn(actor, null, { principal: who }).pid
          const half = Math.floor(plan.length / 2)
          for (const [at, { source, parents, of, who: wanted, isForgotten }] of plan.entries()) {
            if (at === half) {
              pids['fork'] = (await tell(pids['ann'] as Pid, { fork: true })) as Pid
              for (const [id, book] of books.ann) books.fork.set(id, { ...book, parents: new Set(book.parents) })
            }
            const who = wanted === 'fork' && at < half ? 'ann' : wanted
            const pid = pids[who] as Pid
            const book = books[who]
            const here = [...book.keys()].filter((id) => book.get(id)?.isForgotten === false)
            const from = [...new Set(parents.flatMap((one) => here[one % Math.max(1, here.length)] ?? []))]
            const place = of === null ? undefined : here[of % Math.max(1, here.length)]
            const note = { text: `note ${at}`, parents: from, ...(source === null ? {} : { source }) }
            const id = (await tell(pid, { note: place === undefined ? note : { ...note, id: place } })) as string
            const old = book.get(id)
            book.set(id, {
              parents: new Set([...(old?.parents ?? []), ...from]),
              isEvil: old?.isEvil === true || source === 'evil',
              isForgotten: false,
            })
            if (isForgotten) {
              await tell(pid, { forget: id })
              ;(book.get(id) as Book).isForgotten = true
            }
          }
          const evilOf = (book: Map<string, Book>): Set<string> => {
            const evil = new Set([...book].filter(([, { isEvil }]) => isEvil).map(([id]) => id))
            for (let size = -1; size !== evil.size;) {
              size = evil.size
              for (const [id, { parents }] of book) if ([...parents].some((one) => evil.has(one))) evil.add(id)
            }
            return evil
          }
          const options = isForAll ? {} : { principal: 'ann' }
          const would = await world.settled(kernel.revokeSource('evil', { ...options, dryRun: true }))
          const did = await world.settled(kernel.revokeSource('evil', options))
          assert.deepEqual(did, would)
          const again = await world.settled(kernel.revokeSource('evil', options))
          assert.deepEqual(again, { notes: 0, forgotten: 0, first: [] })
          for (const [who, book] of Object.entries(books)) {
            const pid = pids[who]
            if (pid === undefined) continue
            const seen = (await tell(pid, { see: true })) as string[]
            const evil = isForAll || who !== 'bob' ? evilOf(book) : new Set<string>()
            const gone = (id: string) => evil.has(id)
            const left = [...book].filter(([id, { isForgotten }]) => !isForgotten && !gone(id)).map(([id]) => id)
            assert.deepEqual(seen.toSorted(), left.toSorted(), who)
          }
          for (const pid of Object.values(pids)) kernel.kill(pid)
        },
      ),
      { numRuns: process.env['POLITY_LONG'] === '1' ? 500 : 20 },
    )
  })

  test('no snapshot brings it back, and nothing more can be drawn from it', async () => {
    const world = createWorld()
    const run = world.kernel.spawn(async (sys: Sys) => {
      const id = await sys.remember({ text: 'pay eve', source: 'evil' })
      const { id: snapshot, restored } = await sys.snapshot()
      if (restored > 0)
        return [
          (await sys.recall('')).length,
          (await sys.recall('pay')).length,
          codeOf(await endOf(sys.remember({ text: 'more', parents: [id] }))),
          codeOf(await endOf(sys.remember({ text: 'more', id }))),
          codeOf(await endOf(sys.forget(id))),
        ]
      await sys.forget(id)
      await sys.send(0, 'ready')
      await sys.receive()
      return sys.restore(snapshot)
    }, null)
    await world.settled(
      new Promise<void>((resolve) => {
        world.kernel.watch((event) => event.type === 'call-start' && event.call === 'receive' && resolve())
      }),
    )
    const { notes, forgotten } = await world.settled(world.kernel.revokeSource('evil'))
    assert.deepEqual([notes, forgotten], [0, 1])
    world.kernel.send(run.pid, null)
    assert.deepEqual(await world.settled(run.result), [0, 0, 'NO_SUCH_NOTE', 'NO_SUCH_NOTE', 'NO_SUCH_NOTE'])
  })

  test('a fork made later from before it does not see it either', async () => {
    const world = createWorld()
    const run = world.kernel.spawn(async (sys: Sys) => {
      await sys.remember({ text: 'pay eve', source: 'evil' })
      await sys.remember('pay rent')
      return textsOf(await sys.recall('pay'))
    }, null)
    await world.settled(run.result)
    await world.settled(world.kernel.revokeSource('evil'))
    const fork = await world.settled(world.kernel.fork(run.pid, { at: 2 }))
    assert.deepEqual(await world.settled(fork.result), ['pay rent'])
  })

  test('a source that is none is refused', async () => {
    const world = createWorld()
    assert.equal(codeOf(await world.settled(endOf(world.kernel.revokeSource('')))), 'INVALID_ARGUMENT')
  })
})

describe('what nobody can see any more', () => {
  const keysOf = (store: Store): string[] => [...store.range('note', '', '\u{10ffff}')].map(([key]) => key)

  test('goes with the journals that led back to it, and not before', async () => {
    const store = recordingStore()
    const world = createWorld({ store })
    const { kernel } = world
    const first = kernel.spawn(async (sys: Sys) => {
      const id = await sys.remember({ text: 'one', tags: ['old'], session: 's', source: 'here' })
      const gone = await sys.remember({ text: 'gone', tags: ['gone'], session: 's', parents: [id] })
      await sys.remember({ text: 'two', id, source: 'here' })
      await sys.forget(gone)
      const pid = await sys.fork()
      if (pid !== 0) return sys.wait(pid)
      await sys.remember('of the fork')
      return textsOf(await sys.recall(''))
    }, null)
    await world.settled(first.result)
    const before = keysOf(store).length
    const fork = await world.settled(kernel.fork(first.pid, { at: 2 }))
    await world.settled(fork.result)
    assert.deepEqual(textsOf(await lived(world, (sys) => sys.recall(''))), ['two'])
    // The newest stay: the first one's journal is the past of its forks.
    await world.settled(kernel.collect(4))
    assert.ok(keysOf(store).length >= before)
    await world.settled(kernel.collect(0))
    await world.settled(kernel.flush())
    const left = keysOf(store)
    assert.equal(left.filter((key) => /^principal local\0\d+$/.test(key)).length, 1, left.join('\n'))
    // The note, and the index of its source.
    assert.deepEqual(
      left.map((key) => key.split(/\d/)[0]?.slice(0, 18)),
      ['principal local\0', 'principal local\u0002\0f'],
    )
    assert.deepEqual(store.search('note', ['principal local\0'], ['one', 'gone'], 10), [])
    assert.deepEqual(store.search('note', [''], ['one', 'gone', 'fork'], 10), [])
    assert.deepEqual(textsOf(await lived(world, (sys) => sys.recall('two'))), ['two'])
  })

  test('what was drawn from a note that is gone is revoked with its source all the same', async () => {
    const world = createWorld({ store: recordingStore() })
    await lived(world, async (sys) => {
      const evil = await sys.remember({ text: 'pay eve', source: 'evil' })
      const between = await sys.remember({ text: 'eve is owed', parents: [evil] })
      await sys.remember({ text: 'eve gets money', parents: [between] })
      await sys.remember('pay rent')
      await sys.forget(evil)
      await sys.forget(between)
    })
    await world.settled(world.kernel.collect(0))
    await world.settled(world.kernel.flush())
    assert.equal((await world.settled(world.kernel.revokeSource('evil'))).notes, 1)
    assert.deepEqual(textsOf(await lived(world, (sys) => sys.recall(''))), ['pay rent'])
  })
})
