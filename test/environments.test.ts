/** Every world keeps what an environment promises; then what is special to each. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { persuasion } from '../src/environments/advice.ts'
import { division, equilibrium } from '../src/environments/division.ts'
import { commons } from '../src/environments/commons.ts'
import { craft, depthsOf, materialsOf, recipesOf, taskOf } from '../src/environments/craft.ts'
import {
  drawAt,
  environmentOf,
  idle,
  oracleOf,
  pick,
  play,
  stateHash,
  type Action,
  type Policy,
  type Turn,
} from '../src/environments/environment.ts'
import { worlds } from '../src/environments/worlds.ts'
import type { Json } from '../src/kernel/types.ts'

const LONG = process.env['POLITY_LONG'] === '1'
const SEEDS = LONG ? 1_000 : 60
const LEVELS = 3

/** Draws any action there is, with arguments that may be none. */
function clumsy(seed: number): Policy<Json> {
  return (turn) => {
    const draw = drawAt(seed, turn.steps)
    return turn.toAct.map((agent): Action => {
      const view = turn.views[agent]
      const { name, input } = pick(draw, view?.actions ?? [])
      const words = view?.text.match(/[a-z]+ [a-z]+|\d+/g) ?? ['1']
      const properties = Object.entries((input['properties'] ?? {}) as { [name: string]: { type?: string } })
      const args = properties.map(([key, { type }]) => {
        const word = pick(draw, words)
        return [key, type === 'integer' || type === 'number' ? Number(word) || Math.floor(draw() * 20) : word]
      })
      return {
        agent,
        name: draw() < 0.05 ? 'nonsense' : name,
        args: Object.fromEntries(args) as { [name: string]: Json },
      }
    })
  }
}

for (const [id, rules] of worlds) {
  describe(id, () => {
    const taskOfSeed = (seed: number) => ({ params: rules.task(seed, 1 + (seed % LEVELS)), seed })

    test(`its oracle scores 1, and doing nothing its floor, on ${SEEDS} tasks`, () => {
      for (let seed = 0; seed < SEEDS; seed++) {
        const task = taskOfSeed(seed)
        assert.equal(play(rules, task, oracleOf(rules)).score, 1, `the oracle of seed ${seed}`)
        assert.equal(play(rules, task, idle).score, rules.floor?.(task.params) ?? 0, `doing nothing, seed ${seed}`)
      }
    })

    test('a state brought back in another place goes on as the first time', () => {
      for (let seed = 0; seed < SEEDS / 4; seed++) {
        const [first, second] = [environmentOf(rules), environmentOf(rules)]
        const policy = seed % 2 === 0 ? clumsy(seed) : oracleOf(rules)
        const told: Turn[] = [first.reset(taskOfSeed(seed))]
        const saved: string[] = [JSON.stringify(first.state())]
        for (let turn = told[0] as Turn; !turn.done && told.length < 60;) {
          turn = first.step(policy(turn, first.state().state))
          told.push(turn)
          saved.push(JSON.stringify(first.state()))
        }
        // In the first two episodes before every step, in the others once.
        const from = seed < 2 ? 0 : Math.floor(told.length / 2)
        let turn = told[from] as Turn
        for (let at = from + 1; at < told.length; at++) {
          if (seed < 2 || at === from + 1) {
            turn = second.restore(JSON.parse(saved[at - 1] as string) as never)
            assert.deepEqual(turn.views, told[at - 1]?.views)
          }
          turn = second.step(policy(turn, second.state().state))
          assert.deepEqual(turn, told[at])
          assert.equal(stateHash(second.state()), stateHash(JSON.parse(saved[at] as string) as never))
        }
      }
    })

    test('an action that cannot be done says why and changes nothing', () => {
      for (let seed = 0; seed < 10; seed++) {
        const environment = environmentOf(rules)
        const turn = environment.reset(taskOfSeed(seed))
        const before = environment.state()
        const agent = turn.toAct[0] as string
        const [nonsense, stranger] = [
          { agent, name: 'fly away' },
          { agent: 'nobody', name: 'pass' },
        ]
        const after = environment.step([nonsense, stranger])
        assert.deepEqual(
          after.errors.map((error) => [error.agent, error.code]).toSorted(),
          [
            [agent, 'UNKNOWN_ACTION'],
            ['nobody', 'NOT_YOUR_TURN'],
          ].toSorted(),
        )
        for (const { message } of after.errors) assert.match(message, /\w{3}/)
        const alone = environmentOf(rules)
        alone.restore(before as never)
        alone.step([])
        const unchanged = [{ ...before, steps: 1 }, alone.state()].map((saved) => stateHash(saved as never))
        assert.ok(
          unchanged.includes(stateHash(environment.state())),
          'it is as before, or as if nothing had been tried',
        )
      }
    })

    test('no action, however clumsy, throws or scores above 1', () => {
      for (let seed = 0; seed < SEEDS / 3; seed++) {
        const { score } = play(rules, taskOfSeed(seed), clumsy(seed))
        assert.ok(score >= 0 && score <= 1, `seed ${seed} scores ${score}`)
      }
    })

    test('the same seed is the same task', () => {
      assert.deepEqual(rules.task(5, 2), rules.task(5, 2))
      assert.notDeepEqual(rules.task(5, 2), rules.task(6, 2))
    })
  })
}

describe('craft.dag with the recipes of TextCraft', () => {
  const file = join(import.meta.dirname, '../../shared/data/textcraft-recipes.json')
  const skip = existsSync(file) ? false : 'its recipes are not here'

  test('every thing that can be made is made, of exactly the materials that were reckoned', { skip }, () => {
    const book = recipesOf(JSON.parse(readFileSync(file, 'utf8')) as never)
    const { depth } = depthsOf(book)
    assert.ok(depth.size > 500)
    for (const item of depth.keys()) {
      const task = { params: taskOf(book, item), seed: 1 }
      const { score, actions } = play(craft, task, oracleOf(craft))
      assert.equal(score, 1, item)
      const got: { [thing: string]: number } = {}
      for (const { name, args } of actions.flat())
        if (name === 'get')
          got[args?.['item'] as string] = (got[args?.['item'] as string] ?? 0) + (args?.['count'] as number)
      assert.deepEqual(got, materialsOf(book, item, 1), item)
    }
  })
})

describe('commons, by GovSim’s numbers', () => {
  const always = (amount: (stock: number) => number) => {
    const environment = environmentOf(commons)
    let turn = environment.reset({ params: commons.task(1), seed: 1 })
    while (!turn.done) {
      const { state } = environment.state()
      turn = environment.step(
        state.speaking >= 0
          ? []
          : turn.toAct.map((agent) => ({ agent, name: 'harvest', args: { amount: amount(state.stock) } })),
      )
    }
    return environment.metrics()
  }

  test('ten each month live on: 120 each, efficiency 1', () => {
    const { survived, gain, efficiency, equality } = always(() => 10)
    assert.deepEqual([survived, gain, efficiency, equality], [1, 120, 1, 1])
  })

  test('who grabs all has 20 and no second month: efficiency 0.1667', () => {
    const { months, survived, gain, efficiency, overusage } = always((stock) => stock)
    assert.deepEqual([months, survived, gain, overusage], [1, 0, 20, 1])
    assert.equal(efficiency?.toFixed(4), '0.1667')
  })

  test('what is harvested and left adds up to what was there and grew', () => {
    for (let seed = 0; seed < 50; seed++) {
      const environment = environmentOf(commons)
      let turn = environment.reset({ params: commons.task(seed), seed })
      let there = 100
      while (!turn.done) {
        const before = environment.state().state
        turn = environment.step(clumsy(seed)(turn, null))
        const { state } = environment.state()
        if (before.speaking >= 0) continue
        const taken = Object.values(state.harvest).reduce((sum, n) => sum + n, 0)
        assert.ok(taken <= there)
        there = state.stock
        assert.ok(there === before.stock - taken || there === Math.min(100, 2 * (before.stock - taken)))
      }
    }
  })
})

describe('bargain, by what theory says', () => {
  const sum = 10 ** 12 // so that whole units do not show in four places
  for (const [patience, long, short] of [
    [[0.9, 0.9], 0.5263, 0.3777],
    [[0.95, 0.8], 0.8333, 0.6728],
    [[0.8, 0.95], 0.2083, 0.1682],
  ] as const) {
    test(`who is patient as ${patience[0]} against ${patience[1]} keeps ${long}, with twelve rounds ${short}`, () => {
      const share = (roundsMax: number): string => (equilibrium({ sum, patience, roundsMax }, 0) / sum).toFixed(4)
      assert.deepEqual([share(99), share(12)], [String(long), String(short)])
    })
  }

  test('an offer of one unit more than the equilibrium is refused, and what was refused shrinks', () => {
    const task = { sum: 100, patience: [0.9, 0.8] as const, roundsMax: 12 }
    const environment = environmentOf(division)
    environment.reset({ params: task, seed: 1 })
    const keep = equilibrium(task, 0)
    environment.step([{ agent: 'Alice', name: 'offer', args: { keep: keep + 1 } }])
    assert.equal(division.oracle(environment.state().state)[0]?.name, 'reject')
    environment.step([{ agent: 'Bob', name: 'reject' }])
    let turn = environment.step([{ agent: 'Bob', name: 'offer', args: { keep: 50 } }])
    turn = environment.step([{ agent: 'Alice', name: 'accept' }])
    assert.deepEqual(turn.reward, { Alice: 45, Bob: 40 })
    assert.equal(environment.score(), 0.85)
  })

  test('a seller who can commit lies as often as the buyer will bear', () => {
    const { lies, sales } = persuasion({ good: 1 / 3, value: 2 })
    assert.deepEqual([lies.toFixed(3), sales.toFixed(3)], ['0.500', '0.667'])
  })
})
