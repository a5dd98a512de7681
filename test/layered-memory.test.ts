/** The layered memory, held against the tables of its formulas. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Layer, Standing } from '../src/agents/pieces/layer-decay.ts'
import {
  begin,
  credit,
  dayPasses,
  drawImportance,
  layers,
  rankFaded,
  weightOf,
} from '../src/agents/pieces/layer-decay.ts'
import { layeredMemory } from '../src/agents/layered-memory.ts'
import { readNote } from '../src/agents/pieces/notes.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { DAY, inProcess, nonsense } from './memory-world.ts'
import { createWorld, endOf } from './world.ts'

describe('layered memory', () => {
  /** The day on which a note of that layer is gone, by one threshold alone and without jumps. */
  function goneOn(layer: Layer, importance: number, by: 'recency' | 'importance'): number {
    const none = { recency: -1, importance: -1 }
    const below = { ...none, [by]: by === 'recency' ? 0.05 : 5 }
    for (let day = 1, now: Standing | undefined = begin(layer, importance); ; day++) {
      now = dayPasses(now as Standing, below)
      if (now === undefined) return day
      // What the layer alone does: jumps are undone.
      now = { ...now, layer, days: day }
    }
  }

  test('a note fades on the day that the formulas say', () => {
    const by = (how: 'recency' | 'importance') =>
      (['short', 'mid', 'long'] as const).map((layer) => goneOn(layer, 50, how))
    assert.deepEqual(by('recency'), [9, 270, 1_094])
    assert.deepEqual(by('importance'), [28, 69, 191])
    assert.equal(goneOn('reflection', 50, 'recency'), 1_094)
  })

  test('jumps: what a day does to a note of each layer and importance', () => {
    const after = (layer: Layer, importance: number): string => {
      // The importance is that after the day's fading.
      const now = dayPasses({ layer, importance: importance / layers[layer].importanceKept, days: 7, credits: 0 })
      return now === undefined ? 'gone' : `${now.layer} ${now.days}`
    }
    const table: readonly (readonly [Layer, number, string])[] = [
      ['short', 59.9, 'short 8'],
      ['short', 60.1, 'mid 0'],
      ['short', 80.1, 'long 0'],
      ['mid', 59.9, 'short 8'],
      ['mid', 60.1, 'mid 8'],
      ['mid', 79.9, 'mid 8'],
      ['mid', 80.1, 'long 0'],
      ['long', 80.1, 'long 8'],
      ['long', 79.9, 'mid 8'],
      ['long', 59.9, 'short 8'],
      ['reflection', 99, 'reflection 8'],
      ['reflection', 30, 'reflection 8'],
      ['short', 4.9, 'gone'],
    ]
    for (const [layer, importance, expected] of table)
      assert.equal(after(layer, importance), expected, `${layer} ${importance}`)
  })

  test('credit adds five times the whole count, so it grows with its square', () => {
    let now = begin('mid', 60)
    const seen = [1, 1, 1, -1].map((outcome) => (now = credit(now, outcome as 1 | -1)).importance)
    assert.deepEqual(seen, [65, 75, 90, 100])
  })

  test('new notes are as important as often as the layers say, within one percent', async () => {
    const draws = 40_000
    const drawn = await inProcess(
      async (sys) =>
        (Object.keys(layers) as Layer[]).map((layer) => {
          const counts = new Map<number, number>()
          for (let i = 0; i < draws; i++) {
            const value = drawImportance(layer, sys.random())
            counts.set(value, (counts.get(value) ?? 0) + 1)
          }
          return { layer, counts: [...counts] }
        }),
      { replays: false },
    )
    for (const { layer, counts } of drawn)
      for (const [value, probability] of layers[layer].importance) {
        const share = (new Map(counts).get(value) ?? 0) / draws
        assert.ok(Math.abs(share - probability) < 0.01, `${layer} ${value}: ${share}`)
      }
  })

  test('the order of a recall, and the release’s', () => {
    const candidates = [
      { id: 'a', similarity: 0.9, weight: 0.2 },
      { id: 'b', similarity: 0.8, weight: 1.9 },
      { id: 'c', similarity: 0.1, weight: 1.95 },
      { id: 'd', similarity: 0.3, weight: 0.1 },
      { id: 'e', similarity: 0.5, weight: 1.0 },
    ]
    const order = (options: Parameters<typeof rankFaded>[1]) => rankFaded(candidates, options).map(({ id }) => id)
    assert.deepEqual(order({ limit: 2 }), ['b', 'c'])
    assert.deepEqual(order({ limit: 3 }), ['b', 'c', 'e'])
    assert.deepEqual(order({ limit: 2, asPublished: true }), ['a', 'b'], 'the weightiest are never looked at')
    assert.deepEqual(order({ limit: 3, asPublished: true }), ['b', 'e'], 'a note in both lists takes two places; by id')
    assert.deepEqual(
      order({ limit: 2, asPublished: true, queryLength: 10 }),
      ['a', 'b'],
      'a long query vector drowns the weights',
    )
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.record({
            id: fc.string(),
            similarity: fc.double({ min: -1, max: 1, noNaN: true }),
            weight: fc.double({ min: 0, max: 2, noNaN: true }),
          }),
          { selector: ({ id }) => id },
        ),
        fc.integer({ min: 1, max: 10 }),
        (all, limit) => {
          const ranked = rankFaded(all, { limit })
          assert.equal(ranked.length, Math.min(limit, all.length))
          // Nobody outside beats somebody inside in both similarity and weight.
          for (const out of all.filter((one) => !ranked.includes(one)))
            for (const one of ranked)
              assert.ok(!(out.similarity > one.similarity && out.weight > one.weight) || ranked.length === 0)
        },
      ),
    )
  })

  test('days pass without a call; what faded is not found, and upkeep forgets it', async () => {
    const [early, late, left, weight] = await inProcess(async (sys) => {
      const memory = layeredMemory()
      const start = sys.now()
      const id = await memory.add(sys, { text: 'fresh bread today', importance: 50 })
      const kept = await memory.add(sys, { text: 'the bread recipe', layer: 'mid', importance: 60 })
      const find = async (day: number) =>
        (await memory.recall(sys, 'bread', { at: start + day * DAY })).map((note) => note.id)
      const early = (await find(8)).length
      const late = await find(9)
      assert.deepEqual(late, [], 'the recipe sank to the short layer on its first day, aged as it was')
      for (let i = 0; i < 3; i++) await memory.credit(sys, [kept], 1)
      const credited = await find(9)
      assert.deepEqual(credited, [kept])
      await memory.upkeep?.(sys, { at: start + 9 * DAY })
      const note = await readNote(sys, kept)
      const standing = note === undefined ? undefined : memory.standing(note, start)
      return [
        early,
        credited.length,
        (await readNote(sys, id)) === undefined,
        standing === undefined ? 0 : weightOf(standing),
      ]
    })
    assert.deepEqual([early, late, left], [2, 1, true])
    assert.equal(weight, 1 + 0.9)
  })

  test('with an embedder, similarity is the cosine', async () => {
    const embedder = {
      name: 'letters',
      embed: async (texts: readonly string[]) =>
        texts.map((text) => [...'abcdefgh'].map((letter) => text.split(letter).length - 1)),
    }
    const w = createWorld({
      models: { main: scripted(nonsense) },
      embedder,
      clock: simulatedClock({ seed: 1, startMs: 1_000 * DAY }),
    })
    const run = w.kernel.spawn(
      defineProgram('test', async (sys) => {
        const memory = layeredMemory({ similarity: 'cosine' })
        for (const text of ['aaa', 'ab', 'bbb']) await memory.add(sys, { text, importance: 50 })
        return (await memory.recall(sys, 'a', { limit: 2 })).map(({ text, score }) => [
          text,
          Math.round(score * 100) / 100,
        ])
      }),
      undefined,
    )
    const end = await w.settled(endOf(run.result))
    await w.kernel.close()
    assert.deepEqual(end, {
      value: [
        ['aaa', 2.5],
        ['ab', 2.21],
      ],
    })
  })
})
