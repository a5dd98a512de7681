/** Facts in time, held against plain lists of intervals; names of entities; orders made of orders. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { entropyOf, isTelling, minHash, sameName } from '../src/agents/pieces/entity-names.ts'
import { readNote } from '../src/agents/pieces/notes.ts'
import { rankByMargin } from '../src/agents/pieces/marginal-relevance.ts'
import { fuseRanks } from '../src/kernel/rank-fusion.ts'
import type { Interval, TemporalFact } from '../src/agents/pieces/temporal-facts.ts'
import { admit, holds } from '../src/agents/pieces/temporal-facts.ts'
import { temporalGraph } from '../src/agents/temporal-graph.ts'
import type { Script } from '../src/drivers/llm/scripted.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Sys } from '../src/kernel/types.ts'
import { LONG, inProcess, nonsense } from './memory-world.ts'
import { createWorld, endOf } from './world.ts'

describe('orders made of orders', () => {
  test('reciprocal rank fusion: goldens', () => {
    assert.deepEqual(
      fuseRanks([
        ['a', 'b', 'c'],
        ['b', 'd'],
      ]),
      [
        ['b', 1.5],
        ['a', 1],
        ['d', 0.5],
        ['c', 1 / 3],
      ],
    )
    assert.deepEqual(fuseRanks([['a'], ['b']], 61), [
      ['a', 1 / 61],
      ['b', 1 / 61],
    ])
    assert.deepEqual(fuseRanks([]), [])
  })

  test('maximal marginal relevance: against what was chosen, and against all as published', () => {
    // Two alike and near to the query, one less near and of its own kind.
    const candidates = [
      { id: 'twin 1', vector: [1, 0, 0] },
      { id: 'twin 2', vector: [1, 0, 0] },
      { id: 'other', vector: [0, 1, 0] },
    ]
    const query = [0.8, 0.6, 0]
    const rounded = (order: readonly (readonly [string, number])[]) =>
      order.map(([id, score]) => [id, Math.round(score * 100) / 100])
    assert.deepEqual(rounded(rankByMargin(query, candidates)), [
      ['twin 1', 0.4],
      ['other', 0.3],
      ['twin 2', -0.1],
    ])
    assert.deepEqual(rounded(rankByMargin(query, candidates, { against: 'all' })), [
      ['other', 0.3],
      ['twin 1', -0.1],
      ['twin 2', -0.1],
    ])
    assert.deepEqual(rounded(rankByMargin(query, candidates, { lambda: 1, limit: 2 })), [
      ['twin 1', 0.8],
      ['twin 2', 0.8],
    ])
  })
})

describe('names of entities', () => {
  test('case and space do not part names; likeness joins long ones only', () => {
    assert.equal(sameName('  ANN   lee ', ['Bob', 'Ann Lee']), 1)
    assert.equal(sameName('Bo', ['bo']), 0, 'equal names are the same however short')
    assert.equal(sameName('Bob', ['Rob']), undefined)
    assert.equal(
      sameName('International Business Machines Corporation', ['International Business Machines Corporations']),
      0,
    )
    assert.equal(sameName('International Business Machines', ['International Business Meetings']), undefined)
    assert.equal(sameName('aaaaaaaaaaaa', ['aaaaaaaaaaab']), undefined, 'monotonous')
    assert.equal(
      sameName('Федеральная служба государственной статистики', ['Федеральная служба государственной статистикы']),
      0,
    )
    assert.equal(sameName('東京', ['大阪']), undefined, 'names that the release takes for equal')
  })

  test('the measures behind it', () => {
    assert.equal(entropyOf('aabb'), 1)
    assert.equal(isTelling('Anna'), false)
    assert.equal(isTelling('An Li'), true)
    assert.equal(minHash('Ann Lee').length, 32)
    assert.deepEqual(minHash('Ann Lee'), minHash('ann  LEE'))
  })
})

interface Said {
  readonly object: string
  readonly validFrom: number
  readonly validTo: number | null
}

/** What held at a time of facts that exclude one another, by no rule but: a fact holds until another one begins, or it ends. */
function heldAt(said: readonly Said[], at: number): string[] {
  const held = said.filter(({ object, validFrom, validTo }) => {
    const ends = said
      .filter((other) => other.object !== object && other.validFrom > validFrom)
      .map((other) => other.validFrom)
    return validFrom <= at && at < Math.min(validTo ?? Infinity, ...ends)
  })
  return [...new Set(held.map(({ object }) => object))].sort()
}

const saidArbitrary = (objects: number) =>
  fc
    .record({
      object: fc.integer({ min: 0, max: objects - 1 }).map((i) => `place${i}`),
      validFrom: fc.integer({ min: 0, max: 400 }),
      length: fc.option(fc.integer({ min: 1, max: 200 }), { nil: null }),
    })
    .map(({ object, validFrom, length }): Said => ({
      object,
      validFrom,
      validTo: length === null ? null : validFrom + length,
    }))

describe('temporal facts', () => {
  const fact = (validFrom: number, validTo: number | null = null): TemporalFact => ({
    validFrom,
    validTo,
    learnedAt: 0,
    earlierEnds: [],
  })

  test('the rule, case by case', () => {
    const after = (given: Interval, known: TemporalFact, asPublished = false) => {
      const { fact, ended } = admit(given, [known], 9, { asPublished })
      return [fact.validTo, ended[0] === undefined ? 'stays' : ended[0].validTo]
    }
    assert.deepEqual(after({ validFrom: 20, validTo: null }, fact(0)), [null, 20])
    assert.deepEqual(after({ validFrom: 20, validTo: null }, fact(0, 10)), [null, 'stays'], 'apart')
    assert.deepEqual(after({ validFrom: 10, validTo: null }, fact(0, 10)), [null, 'stays'], 'an end is not part of it')
    assert.deepEqual(after({ validFrom: 0, validTo: null }, fact(20)), [20, 'stays'], 'it came late')
    assert.deepEqual(after({ validFrom: 5, validTo: null }, fact(5)), [null, 'stays'], 'both at once')
    assert.deepEqual(after({ validFrom: 0, validTo: 30 }, fact(20)), [20, 'stays'])
    assert.deepEqual(after({ validFrom: 0, validTo: 30 }, fact(20), true), [30, 'stays'], 'as published, both hold')
  })

  test('what was known at a time can be asked for, also after it was corrected twice', () => {
    const first = admit({ validFrom: 0, validTo: null }, [], 100).fact
    const [second] = admit({ validFrom: 50, validTo: null }, [first], 200).ended as [TemporalFact]
    const [third] = admit({ validFrom: 30, validTo: null }, [second], 300).ended as [TemporalFact]
    const known = (knownAt: number) => [10, 40, 60].map((at) => holds(third, { at, knownAt }))
    assert.deepEqual(known(99), [false, false, false])
    assert.deepEqual(known(199), [true, true, true])
    assert.deepEqual(known(200), [true, true, false])
    assert.deepEqual(known(300), [true, false, false])
  })

  test('in whatever order facts come, what held at any time is what a plain list of intervals says', () => {
    // 10,000 facts with POLITY_LONG=1.
    const streams = LONG ? 200 : 20
    let facts = 0
    fc.assert(
      fc.property(fc.array(saidArbitrary(8), { minLength: 50, maxLength: 50 }), (said) => {
        facts += said.length
        const known: { object: string; fact: TemporalFact }[] = []
        for (const [i, one] of said.entries()) {
          const others = known.filter(({ object }) => object !== one.object)
          const { fact, ended } = admit(
            one,
            others.map((other) => other.fact),
            i,
          )
          for (const [j, other] of others.entries()) other.fact = ended[j] ?? other.fact
          known.push({ object: one.object, fact })
        }
        for (let at = 0; at < 620; at += 7) {
          const held = known.filter(({ fact }) => holds(fact, { at })).map(({ object }) => object)
          assert.deepEqual([...new Set(held)].sort(), heldAt(said, at))
        }
        // And what was known half-way is what the first half alone says.
        for (let at = 0; at < 620; at += 31) {
          const held = known.filter(({ fact }) => holds(fact, { at, knownAt: 24 })).map(({ object }) => object)
          assert.deepEqual([...new Set(held)].sort(), heldAt(said.slice(0, 25), at))
        }
      }),
      { numRuns: streams, endOnFailure: true },
    )
    assert.ok(facts >= streams * 50)
  })
})

describe('temporal graph', () => {
  test('a fact ends the one that it contradicts; as of a time, and as known at a time', async () => {
    const seen = await inProcess(async (sys) => {
      const graph = temporalGraph()
      const lives = (object: string, validFrom: number) =>
        graph.addFact(sys, { subject: 'Ann', relation: 'lives in', object, validFrom, exclusive: true })
      await lives('Rome', 100)
      await sys.sleep(1_000)
      const before = sys.now()
      await sys.sleep(1_000)
      await lives('Oslo', 200)
      await graph.addFact(sys, { subject: 'ann', relation: 'Lives  In', object: 'oslo', validFrom: 250 })
      await graph.addFact(sys, { subject: 'Ann', relation: 'likes', object: 'Rome', validFrom: 150 })
      const at = async (time: number, knownAt?: number) =>
        (
          await graph.factsAt(sys, {
            subject: 'ANN',
            relation: 'lives in',
            at: time,
            ...(knownAt === undefined ? {} : { knownAt }),
          })
        ).map(({ text }) => text)
      return {
        early: await at(150),
        late: await at(250),
        then: await at(250, before),
        all: (await graph.factsAt(sys, { subject: 'Ann', at: 300 })).length,
      }
    })
    assert.deepEqual(seen, {
      early: ['Ann lives in Rome'],
      late: ['Ann lives in Oslo'],
      then: ['Ann lives in Rome'],
      all: 2,
    })
  })

  test('an episode becomes entities and facts; a changed fact is told apart from one said again', async () => {
    const model: Script = ({ prompt }) => {
      const text = promptText(prompt)
      const fact = (subject: string, relation: string, object: string, more: object = {}) => ({
        subject,
        relation,
        object,
        fact: `${subject} ${relation} ${object}.`,
        ...more,
      })
      const found = (...facts: ReturnType<typeof fact>[]) =>
        JSON.stringify({ entities: facts.flatMap((one) => [one.subject, one.object]), facts })
      if (text.includes('Find what a text says')) {
        if (text.includes('Bergen')) return found(fact('Ann', 'works in', 'Bergen'))
        if (text.includes('Oslo')) return found(fact('Ann', 'works in', 'Oslo', { valid_from: '2020-01-01T00:00:00Z' }))
        return 'nothing to find'
      }
      if (text.includes('New facts meet')) {
        const known = [...text.matchAll(/^(\d+): (.*)$/gm)]
        const isChange = text.includes('Bergen')
        const oslo = known.find(([, , line]) => line?.includes('Oslo'))?.[1]
        return JSON.stringify({
          facts: [{ fact: 0, same_as: isChange ? null : Number(oslo), contradicts: isChange ? [Number(oslo)] : [] }],
        })
      }
      return JSON.stringify({ same: [] })
    }
    const seen = await inProcess(
      async (sys) => {
        const graph = temporalGraph()
        const [y2020, y2021, y2022] = [2020, 2021, 2022].map((year) => Date.UTC(year, 5, 1)) as [number, number, number]
        const first = await graph.add(sys, { text: 'Ann: I started in Oslo in January 2020.', at: y2020, source: 't1' })
        await graph.add(sys, { text: 'Bob: Ann is still in Oslo.', at: y2021, source: 't2' })
        await graph.add(sys, { text: 'Ann: I work in Bergen now.', at: y2022, source: 't3' })
        const thanks = await graph.add(sys, { text: 'Bob: Congratulations!', at: y2022, source: 't4' })
        const facts = (await graph.recall(sys, 'where does Ann work?', { limit: 10 })).filter(
          ({ kind }) => kind === 'fact',
        )
        const now = await graph.recall(sys, 'where does Ann work?', { limit: 10, at: y2022 + 1 })
        return {
          facts: facts.map(({ text, validFrom, validTo, source }) => [text, validFrom, validTo, source]).sort(),
          parents: facts.find(({ source }) => source === 't1')?.parents,
          first: [first, facts.find(({ source }) => source === 't3')?.id],
          episodes: facts.flatMap(({ source, data }) =>
            source === 't1' ? (data as { episodes: string[] }).episodes : [],
          ).length,
          now: now.filter(({ kind }) => kind === 'fact').map(({ text }) => text),
          thanks: (await readNote(sys, thanks))?.text,
        }
      },
      { model },
    )
    assert.deepEqual(seen.facts, [
      ['Ann works in Bergen.', Date.UTC(2022, 5, 1), null, 't3'],
      ['Ann works in Oslo.', Date.UTC(2020, 0, 1), Date.UTC(2022, 5, 1), 't1'],
    ])
    assert.deepEqual(seen.parents, seen.first, 'what said it, and what ended it')
    assert.equal(seen.episodes, 2, 'said twice, kept once')
    assert.deepEqual(seen.now, ['Ann works in Bergen.'])
    assert.equal(seen.thanks, 'Bob: Congratulations!')
  })

  test('a relation may be called like what every object has, and a fact with a hole in it is none', async () => {
    const facts = await inProcess(
      async (sys) => {
        const graph = temporalGraph()
        for (const relation of ['constructor', '__proto__', 'toString'])
          await graph.addFact(sys, { subject: 'Ann', relation, object: 'x' })
        await graph.add(sys, { text: 'Ann hums.' })
        return (await graph.factsAt(sys, { subject: 'Ann', at: sys.now() })).map(({ text }) => text)
      },
      {
        model: () =>
          JSON.stringify({
            entities: [],
            facts: [{ subject: 'Ann', relation: 'hums', object: ' ', fact: 'Ann hums.' }],
          }),
      },
    )
    assert.deepEqual(facts, ['Ann constructor x', 'Ann __proto__ x', 'Ann toString x'])
  })

  test('a name that no rule tells apart is another name of an entity if the model says so', async () => {
    const model: Script = ({ prompt }) => {
      const text = promptText(prompt)
      if (text.includes('Find what a text says'))
        return JSON.stringify({
          entities: [],
          facts: [{ subject: 'Lizzy Bennet', relation: 'reads', object: 'letters', fact: 'Lizzy reads.' }],
        })
      return text.includes('another name') ? JSON.stringify({ same: [{ name: 'Lizzy Bennet', entity: 0 }] }) : '{}'
    }
    const facts = await inProcess(
      async (sys) => {
        const graph = temporalGraph()
        await graph.addFact(sys, { subject: 'Elizabeth Bennet', relation: 'walks to', object: 'Meryton' })
        await graph.add(sys, { text: 'Lizzy reads letters.' })
        return (await graph.factsAt(sys, { subject: 'Elizabeth Bennet', at: sys.now() })).map(({ text }) => text)
      },
      { model },
    )
    assert.deepEqual(facts, ['Elizabeth Bennet walks to Meryton', 'Lizzy reads.'])
  })

  test('hops bring facts of what was found; novelty puts what repeats itself last', async () => {
    const w = createWorld({
      models: { main: scripted(nonsense) },
      embedder: {
        name: 'words',
        embed: async (texts: readonly string[]) =>
          texts.map((text) => ['amber', 'cat', 'dog', 'Oslo'].map((word) => text.split(word).length - 1)),
      },
    })
    const run = w.kernel.spawn(
      defineProgram('test', async (sys) => {
        const graph = temporalGraph({ space: 'hops' })
        await graph.addFact(sys, { subject: 'Ann', relation: 'owns', object: 'the amber ring' })
        await graph.addFact(sys, { subject: 'Ann', relation: 'was born in', object: 'Oslo' })
        await graph.addFact(sys, { subject: 'Bob', relation: 'was born in', object: 'Kyiv' })
        const hops = await graph.recall(sys, 'amber')
        const none = await temporalGraph({ space: 'hops', hops: 0 }).recall(sys, 'amber')
        const novel = temporalGraph({ space: 'novel', order: 'mmr', hops: 0 })
        for (const object of ['cat', 'cat too', 'dog'])
          await novel.addFact(sys, { subject: object, relation: 'is a', object: `${object} amber` })
        const order = await novel.recall(sys, 'amber cat cat dog')
        return { hops: hops.map(({ text }) => text), none: none.length, order: order.map(({ text }) => text) }
      }),
      undefined,
    )
    const end = await w.settled(endOf(run.result))
    await w.kernel.close()
    assert.ok('value' in end, JSON.stringify(end))
    const { hops, none, order } = end.value as { hops: string[]; none: number; order: string[] }
    assert.ok(hops.includes('Ann was born in Oslo') && !hops.includes('Bob was born in Kyiv'), hops.join())
    assert.ok(none <= hops.length - 1)
    assert.deepEqual(
      order.map((text) => text.split(' ')[0]),
      ['cat', 'dog', 'cat'],
    )
  })

  const edges = LONG ? 10_000 : 50
  test(`as-of queries after ${edges} random facts equal a plain list of intervals`, async () => {
    const people = Math.ceil(edges / 50)
    const [streams = []] = fc.sample(
      fc.array(fc.array(saidArbitrary(6), { minLength: 50, maxLength: 50 }), { minLength: people, maxLength: people }),
      { numRuns: 1, seed: 5 },
    )
    const wrong = await inProcess(
      async (sys) => {
        const graph = temporalGraph({ mergeRestated: false })
        // Facts of all come mixed.
        for (let i = 0; i < 50; i++)
          for (const [person, stream] of streams.entries()) {
            const { object, validFrom, validTo } = stream[i] as Said
            await graph.addFact(sys, {
              subject: `person${person}`,
              relation: 'lives in',
              object,
              validFrom,
              exclusive: true,
              ...(validTo === null ? {} : { validTo }),
            })
          }
        let wrong = 0
        for (const [person, stream] of streams.entries())
          for (let at = 0; at < 620; at += 31) {
            const facts = await graph.factsAt(sys, { subject: `person${person}`, relation: 'lives in', at })
            const held = [...new Set(facts.map(({ text }) => text.split(' ').at(-1)))].sort()
            if (JSON.stringify(held) !== JSON.stringify(heldAt(stream, at))) wrong++
          }
        return wrong
      },
      { replays: false },
    )
    assert.equal(wrong, 0)
  })
})

test('a fact that a source ended, or that it cut when it came, goes when the source is revoked', async () => {
  const w = createWorld()
  const graph = temporalGraph()
  const run = w.kernel.spawn(async (sys: Sys) => {
    const lives = { relation: 'lives in', exclusive: true }
    await graph.addFact(sys, { ...lives, subject: 'Ann', object: 'Oslo', validFrom: 10, source: 'user' })
    await graph.addFact(sys, { ...lives, subject: 'Ann', object: 'Rome', validFrom: 20, source: 'evil' })
    await graph.addFact(sys, { ...lives, subject: 'Ann', object: 'Bonn', validFrom: 15, source: 'user' })
    await graph.addFact(sys, { ...lives, subject: 'Bob', object: 'Kiel', validFrom: 10, source: 'user' })
  }, null)
  await w.settled(run.result)
  await w.settled(w.kernel.revokeSource('evil'))
  const after = w.kernel.spawn(
    async (sys: Sys) => (await graph.recall(sys, 'lives in')).map(({ text, validTo }) => [text, validTo]),
    null,
  )
  assert.deepEqual(await w.settled(after.result), [['Bob lives in Kiel', null]])
  await w.kernel.close()
})

test('what is written and read for a fact does not grow with the facts that are there', async () => {
  const w = createWorld()
  const graph = temporalGraph()
  const bytes = (): number => JSON.stringify(w.store.batches).length
  const run = w.kernel.spawn(async (sys: Sys) => {
    const at: number[] = []
    for (let i = 0; i < 100; i++) {
      if (i % 25 === 0) at.push(bytes())
      await graph.addFact(sys, { subject: 'Ann', relation: 'met', object: `guest ${i * 7919}` })
    }
    return [...at, bytes()]
  }, null)
  const [, from = 0, half = 0, , to = 0] = await w.settled(run.result)
  const [early, late] = [half - from, (to - half) / 2]
  assert.ok(late < 1.2 * early, `${early} bytes for 25 facts, later ${late}`)
  await w.kernel.close()
})
