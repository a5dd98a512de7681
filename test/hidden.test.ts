/** Everybody knows a part: what can be known by how many messages, and that nobody sees more. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { environmentOf, oracleOf, play } from '../src/environments/environment.ts'
import {
  answerOf,
  compatible,
  fewestMessages,
  freeSpans,
  hidden,
  type Activity,
  type HiddenTask,
} from '../src/environments/hidden.ts'

const SEEDS = process.env['POLITY_LONG'] === '1' ? 1_000 : 60
const RUNS = process.env['POLITY_LONG'] === '1' ? 2_000 : 200

const activity = fc
  .tuple(fc.integer({ min: 0, max: 46 }), fc.integer({ min: 1, max: 8 }))
  .map(([start, length]): Activity => ({ name: 'busy', start, end: Math.min(48, start + length) }))
const days = fc.array(activity, { maxLength: 9 })

const task = (contacts: HiddenTask['contacts'], about: readonly string[]): HiddenTask => {
  const people = Object.keys(contacts)
  const own = Object.fromEntries(people.map((who) => [who, []]))
  return { question: 'free', people, about, days: own, contacts, messagesMax: 40 }
}

describe('hidden', () => {
  test('what can stay without an overlap is the most of all choices', () => {
    fc.assert(
      fc.property(days, (all) => {
        let most = 0
        for (let chosen = 0; chosen < 2 ** all.length; chosen++) {
          const some = all.filter((_, i) => (chosen >> i) & 1)
          const isFree = some.every((a, i) => some.every((b, j) => i >= j || a.end <= b.start || b.end <= a.start))
          if (isFree) most = Math.max(most, some.length)
        }
        assert.equal(compatible(all), most)
      }),
      { numRuns: RUNS },
    )
  })

  test('free spans are the half-hours in which nothing is, and no two touch', () => {
    fc.assert(
      fc.property(days, (all) => {
        const spans = freeSpans(all)
        for (let half = 0; half < 48; half++) {
          const isBusy = all.some(({ start, end }) => start <= half && half < end)
          assert.equal(
            spans.some(([start, end]) => start <= half && half < end),
            !isBusy,
          )
        }
        for (let i = 1; i < spans.length; i++)
          assert.ok((spans[i - 1] as [number, number])[1] < (spans[i] as [number, number])[0])
      }),
      { numRuns: RUNS },
    )
  })

  test('the fewest messages: along a line, around a star, past somebody who need not be asked', () => {
    const line = { A: ['B'], B: ['A', 'C'], C: ['B', 'D'], D: ['C'] }
    assert.equal(fewestMessages(task(line, ['A', 'D'])), 3)
    assert.equal(fewestMessages(task(line, ['A', 'B'])), 1)
    const star = { A: ['M'], B: ['M'], C: ['M'], M: ['A', 'B', 'C'] }
    assert.equal(fewestMessages(task(star, ['A', 'B', 'C'])), 3)
    const round = { A: ['B', 'D'], B: ['A', 'C'], C: ['B', 'D'], D: ['A', 'C'] }
    assert.equal(fewestMessages(task(round, ['A', 'C'])), 2)
  })

  test('with the fewest messages, and not with one less, the days that count have reached the one who answers', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const params = hidden.task(seed, 1 + (seed % 3))
      const { actions } = play(hidden, { params, seed }, oracleOf(hidden))
      const messages = actions.flat().filter(({ name }) => name === 'send')
      assert.equal(messages.length, fewestMessages(params))
      const asked = params.people[0] as string
      const heard = messages.filter(({ args }) => args?.['to'] === asked).map(({ args }) => args?.['text'] as string)
      for (const who of params.about)
        if (who !== asked)
          for (const { name } of params.days[who] ?? []) assert.ok(heard.join().includes(name), `seed ${seed}: ${name}`)
    }
  })

  test('nobody sees of another’s day what was not written to them', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const params = hidden.task(seed, 3)
      const { views } = environmentOf(hidden).reset({ params, seed })
      for (const [who, view] of Object.entries(views))
        for (const other of params.people)
          for (const { name } of params.days[other] ?? [])
            assert.equal(JSON.stringify(view).includes(name), who === other, `seed ${seed}: ${who} and ${name}`)
    }
  })

  test('a right answer is right in any letter case, also of activities that have capitals', () => {
    const drawn = hidden.task(5, 2)
    const days = Object.fromEntries(
      Object.entries(drawn.days).map(([who, day]) => [
        who,
        day.map((one) => ({ ...one, name: one.name.replace(/^./, (letter) => letter.toUpperCase()) })),
      ]),
    )
    assert.equal(play(hidden, { params: { ...drawn, days }, seed: 5 }, oracleOf(hidden)).score, 1)
  })

  test('a right answer without the messages that it takes is a guess; more messages than it takes cost', () => {
    const params = hidden.task(5, 2)
    const asked = params.people[0] as string
    const answer = { agent: asked, name: 'answer', args: { value: answerOf(params) } }
    const score = (idle: number): number => {
      const environment = environmentOf(hidden)
      environment.reset({ params, seed: 5 })
      const to = params.contacts[asked]?.[0] as string
      for (let i = 0; i < idle; i++) environment.step([{ agent: asked, name: 'send', args: { to, text: 'hello' } }])
      environment.step([answer])
      return environment.score()
    }
    const fewest = fewestMessages(params)
    assert.deepEqual([score(0), score(fewest - 1), score(2 * fewest)], [0, 0, 0.5])
  })

  test('an answer is read as people write it', () => {
    const environment = environmentOf(hidden)
    for (const [seed, level] of [
      [1, 2],
      [2, 3],
    ] as const) {
      const params = hidden.task(seed, level)
      let turn = environment.reset({ params, seed })
      for (; !turn.done;) {
        const actions = hidden.oracle(environment.state().state)
        turn = environment.step(
          actions.map((action) =>
            action.name === 'answer'
              ? {
                  ...action,
                  args: {
                    value: answerOf(params)
                      .split(', ')
                      .toReversed()
                      .join(' ,  ')
                      .replace(/^0(\d:)/, '$1')
                      .toUpperCase(),
                  },
                }
              : action,
          ),
        )
      }
      assert.equal(environment.score(), 1, answerOf(params))
    }
  })
})
