/**
 * Every experiment of bench/experiments runs, with few seeds, and prints numbers; those whose bar few seeds are enough to tell
 * reach it. The bars with all seeds are for `npm run experiments`. What takes more than a few seconds runs with the long tests.
 * Whatever runs says the same words as its row of docs/papers.md: with few seeds the numbers are others, the text is not.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { experiments as all } from '../bench/experiments/all.ts'
import { budgetsFor } from '../bench/experiments/c11.ts'
import { solved, SWAYED, teamOf } from '../bench/experiments/c3.ts'
import { eliminated, exactCalls, exactOf } from '../bench/experiments/c4.ts'
import { exactGate } from '../bench/experiments/c6.ts'
import { cellsIn, cellsOf, rowsIn } from '../bench/experiments/table.ts'
import { areSearchesAbove, compare, settings } from '../bench/experiments/s1.ts'
import { partOf } from '../bench/page-part.ts'

const experiments = await all()
const rows = rowsIn(partOf(join(import.meta.dirname, '../docs/papers.md'), 'experiments'))

/** Seeds with which a bar is reached. */
const ENOUGH: { readonly [id: string]: number } = {
  C5: 1,
  C6: 5,
  'C8-RECRUITING': 2,
  C10: 1,
  C11: 5,
  C12: 50,
  'C12-KITCHEN': 1,
  'C12-MINDS': 1,
  C13: 1,
  C14: 1,
  'C15-ANN': 2,
  'C15-ORCHESTRATORS': 5,
  'C15-SCIENCE': 3,
  P1: 3,
  P4: 200,
  P5: 30,
  P6: 1,
  P7: 5,
  P8: 4,
  P9: 1,
  P10: 1,
  P11: 10,
  P12: 5,
  R1: 2,
  T1: 1,
  T2: 1,
  T3: 10,
  T4: 20,
  T6: 1,
}
/** Seeds of the others; two where none are named. */
const FEW: { readonly [id: string]: number } = { C1: 50, C2: 50, C4: 200, 'C12-PARTNER': 20, 'C12-TEAMS': 5 }
/** Seconds, or a browser. */
const LONG = new Set([
  'C5',
  'C6',
  'C8B',
  'C12-KITCHEN',
  'C15-ANN',
  'C15-MEDIA',
  'C15-PIPELINES',
  'P10',
  'T1',
  'T2',
  'T5',
])

test('every file of an experiment exports one, and no two have one id', () => {
  assert.ok(experiments.length >= 39)
  assert.equal(new Set(experiments.map(({ id }) => id)).size, experiments.length)
  const ids = new Set(experiments.map(({ id }) => id))
  for (const id of [...Object.keys(ENOUGH), ...Object.keys(FEW), ...LONG]) assert.ok(ids.has(id), `${id} is none`)
})

describe('what bars of many seeds rest on', () => {
  test('C3: whoever is swayed takes an answer that was read, as far as was inferred', async () => {
    assert.deepEqual(SWAYED, { a: 0.5, b: 0.2 })
    assert.deepEqual(await teamOf({}, 50), await teamOf({ sway: SWAYED }, 50))
    let read = 0
    for (let seed = 0; seed < 200; seed++) {
      const { layers } = await solved(seed)
      for (const [at, layer] of layers.entries()) {
        const before = new Set(layers[at - 1]?.map(({ reply }) => reply.answer))
        for (const { reply } of at === 0 ? [] : layer) {
          assert.ok(reply.answer === '0' || before.has(reply.answer), `${reply.answer} of ${[...before].join()}`)
          read++
        }
      }
    }
    assert.ok(read > 500, String(read))
    // Where all agree nobody is swayed.
    assert.equal((await teamOf({ skills: [1, 1, 1] }, 20)).accuracy, 1)
    assert.equal((await teamOf({ skills: [0, 0, 0] }, 20)).accuracy, 0)
  })

  test('C4: the net makes the calls and has the accuracy that were calculated', async () => {
    // By hand: .648 agree on right, .206222 split.
    assert.deepEqual(
      [exactOf(0), exactOf(1)].map((one) => one.toFixed(4)),
      ['0.7222', '0.8212'],
    )
    assert.equal(exactCalls().toFixed(4), '4.3941')
    const { accuracy, calls } = await eliminated(2_000, 0.75)
    assert.ok(Math.abs(calls - exactCalls()) < 0.15, String(calls))
    assert.ok(Math.abs(accuracy - exactOf(0.75)) < 0.03, String(accuracy))
  })

  test('C6: the gate has its chance, by what is taken where no code passes it', () => {
    // By hand: two codes, and two tests of which both have to be valid and passed.
    const two = { p: 0.5, codes: 2, tests: 2, valid: 0.5, exact: [] }
    assert.deepEqual(
      (['first', 'none', 'most'] as const).map((otherwise) => exactGate(two, otherwise)),
      [0.546875, 0.171875, 0.609375],
    )
    // Three of five are enough.
    const sure = { p: 0.5, codes: 1, tests: 5, valid: 1, exact: [] }
    assert.equal(exactGate({ ...sure, codes: 2 }, 'none'), (0.5 / 0.75) * (1 - 0.25 ** 2))
  })

  test('C11: the length of a stream gives the share that it was found from', () => {
    for (const length of [1, 1.5, 3.54, 10])
      assert.ok(Math.abs(budgetsFor(19 / length / (20 * (1 - 20 ** (-1 / length)))) - length) < 1e-6, String(length))
  })

  test('S1: whoever only goes on arrives, unless the world ends before', async () => {
    const [crafting] = settings
    assert.ok(crafting !== undefined)
    const [open, ended] = [await compare(crafting, 2, Infinity, 6), await compare(crafting, 2, 3, 6)]
    assert.equal(open.won['greedy'], 1)
    assert.ok((ended.won['greedy'] ?? 1) < 0.5, JSON.stringify(ended))
    assert.ok(areSearchesAbove(ended.won), JSON.stringify(ended))
    assert.equal(areSearchesAbove({ greedy: 0.5, 'tree-search': 0.5, armap: 1 }), false)
    assert.equal(areSearchesAbove({ greedy: 0.5, 'tree-search': 1, armap: 0.5 }), false)
    // Greedy asks for none; a search of 20 values begins anew until it arrives.
    assert.equal(open.asked['greedy'], 0)
    for (const method of ['tree-search', 'armap']) assert.ok((open.asked[method] ?? 0) > 20, JSON.stringify(open))
  })
})

/** A text with every number as #. */
const wordsOf = (text: string): string => text.replaceAll(/-?\d+(,\d{3})*(\.\d+)?(e-?\d+)?|\B\.\d+/g, '#')

describe('experiments', () => {
  test('numbers are told from words', () => {
    assert.equal(
      wordsOf('worst -0.2 of 1,200, .5 (1e-15); 4 + 2F at p = .4, 97 %'),
      'worst # of #, # (#); # + #F at p = #, # %',
    )
  })

  for (const experiment of experiments) {
    const { id, seeds, run } = experiment
    const few = ENOUGH[id] ?? Math.min(FEW[id] ?? 2, seeds)
    const skip = LONG.has(id) && process.env['POLITY_LONG'] !== '1' && 'one of the long tests: POLITY_LONG=1'
    test(`${id} runs with ${few} of its ${seeds} seeds`, { skip }, async (t) => {
      const result = await run(few)
      const { measured, ok, lacks } = result
      assert.doesNotMatch(measured, /NaN|undefined|Infinity/)
      if (ENOUGH[id] !== undefined) assert.ok(ok, measured)
      if (lacks !== undefined) return t.diagnostic(`not held against its row: ${lacks}`)
      const [now, page] = [cellsOf(experiment, result)[2], cellsIn(rows.get(id) ?? '')[2]].map((cell) =>
        wordsOf(cell ?? ''),
      )
      assert.equal(now, page, `node bench/experiments.ts --write ${id}`)
    })
  }
})
