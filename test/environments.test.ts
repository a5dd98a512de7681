/** Every world keeps what an environment promises; then what is special to each. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { textcraftAt } from '../bench/experiments/p6.ts'
import { boot } from '../src/boot.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { advice, persuasion } from '../src/environments/advice.ts'
import { auction } from '../src/environments/auction.ts'
import { division, equilibrium } from '../src/environments/division.ts'
import { commons } from '../src/environments/commons.ts'
import { craft, depthsOf, materialsOf, recipesOf, taskOf } from '../src/environments/craft.ts'
import {
  drawAt,
  environmentOf,
  oracleOf,
  pick,
  play,
  stateHash,
  type Action,
  type Policy,
  type Turn,
} from '../src/environments/environment.ts'
import { answering } from '../src/environments/wire.ts'
import { worlds } from '../src/environments/worlds.ts'
import { worldTask } from '../src/evaluation/task.ts'
import { verify } from '../src/evaluation/verify.ts'
import { worldOf } from '../src/evaluation/world.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import type { Json } from '../src/kernel/types.ts'

const LONG = process.env['POLITY_LONG'] === '1'
const SEEDS = LONG ? 1_000 : 24
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

/** Every object of a task, each in a copy of the whole, with where it stands. */
function objectsIn(
  task: Json,
): { readonly path: string; readonly whole: Json; readonly object: { [key: string]: Json } }[] {
  const paths: (readonly (string | number)[])[] = []
  const walk = (at: Json, path: readonly (string | number)[]): void => {
    if (typeof at !== 'object' || at === null) return
    if (!Array.isArray(at)) paths.push(path)
    for (const [key, value] of Object.entries(at)) walk(value as Json, [...path, key])
  }
  walk(task, [])
  return paths.map((path) => {
    const whole = structuredClone(task)
    let object = whole as { [key: string]: Json }
    for (const key of path) object = object[key] as { [key: string]: Json }
    return { path: path.join('.'), whole, object }
  })
}

let kernel: Kernel
before(async () => void (kernel = await boot({ model: scripted([]) })))
after(() => kernel.close())

for (const [id, rules] of worlds) {
  describe(id, () => {
    const hardest = rules.levelMax as number
    const levelOf = (seed: number): number => 1 + (seed % Math.min(LEVELS, hardest))
    const taskOfSeed = (seed: number) => ({ params: rules.task(seed, levelOf(seed)), seed })

    test(`measures what it says: the oracle scores 1, doing nothing its floor, all but the last write less than 1, on ${SEEDS} tasks`, async () => {
      const task = worldTask(worldOf(rules), { seeds: SEEDS, params: (seed) => taskOfSeed(seed).params })
      const { samples } = await verify(kernel, task)
      assert.deepEqual(
        samples.flatMap(({ sample, faults }) => faults.map((fault) => `${sample}: ${fault}`)),
        [],
      )
      assert.equal(samples.length, SEEDS)
      samples.forEach(({ sample, scores }, i) => {
        assert.equal(scores.oracle, 1, sample)
        assert.equal(scores['no-op'], rules.floor?.(task.samples[i]?.episode?.params as Json) ?? 0, sample)
        assert.ok((scores['oracle minus last write'] ?? 1) < 1, sample)
      })
    })

    test(`has levels 1 to ${hardest}: its oracle scores 1 at every one, and another is refused by name`, () => {
      for (let level = 1; level <= hardest; level++)
        for (let seed = level; seed < level + (LONG ? 20 : 1); seed++)
          assert.equal(
            play(rules, { params: rules.task(seed, level), seed }, oracleOf(rules)).score,
            1,
            `level ${level}, seed ${seed}`,
          )
      const known = hardest === 1 ? 'is level 1 only' : `are levels 1 to ${hardest}`
      for (const level of [0, -1, 1.5, NaN, hardest + 1])
        assert.throws(() => rules.task(1, level), {
          code: 'INVALID_ARGUMENT',
          message: `there is no level ${level} of ${id}; there ${known}`,
        })
      const said = answering(rules)({ op: 'reset', task: { seed: 1, level: hardest + 1 } })
      assert.ok('error' in said && said.error.message.includes(known), JSON.stringify(said))
      const misspelt = answering(rules)({ op: 'reset', task: { seed: 1, levle: 1 } })
      assert.ok(
        'error' in misspelt && misspelt.error.message === 'task: there is no "levle"; there are params, seed, level',
      )
    })

    test('a task is of its form at every level, as it comes over a wire; what is not is refused by name, at any depth', () => {
      const reset = (params: Json) => environmentOf(rules).reset({ params, seed: 3 })
      const fields = Object.keys(rules.params?.shape ?? {})
      for (let level = 1; level <= hardest; level++) {
        const task = JSON.parse(JSON.stringify(rules.task(3, level))) as { [field: string]: Json }
        assert.ok(reset(task).toAct.length > 0)
        for (const { path, whole, object } of objectsIn(task)) {
          // What a tool takes is open: the shop says what it cannot use.
          if (path.endsWith('deed.args')) continue
          object['gaol'] = null
          assert.throws(
            () => reset(whole),
            new RegExp(`^PolityError: a task of ${id} is \\{ ${fields.join(', ')} \\}: .*(gaol|expected \\{ amount)`),
            path,
          )
        }
        const { [fields[0] as string]: _, ...rest } = task
        for (const wrong of [rest, null, 7, [task], { ...task, [fields[0] as string]: undefined as never }])
          assert.throws(() => reset(wrong), { code: 'INVALID_ARGUMENT' })
        assert.throws(
          () => reset({ ...task, gaol: 1 }),
          new RegExp(`there is no "gaol"; there are ${fields.join(', ')}$`),
        )
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
      const level = Math.min(2, hardest)
      assert.deepEqual(rules.task(5, level), rules.task(5, level))
      assert.notDeepEqual(rules.task(5, level), rules.task(6, level))
    })
  })
}

describe('craft.dag with the recipes of TextCraft', () => {
  const path = process.env['TEXTCRAFT'] ?? ''

  /** Makes every thing of the recipes that can be made; how many there are. */
  function makeAll(recipes: Parameters<typeof recipesOf>[0]): number {
    const book = recipesOf(recipes)
    const { depth } = depthsOf(book)
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
    return depth.size
  }

  test('recipes in the form of its release are read; smelting, and unpacking what is packed, are left out', () => {
    const shaped = (result: Json, pattern: readonly string[], item: string): Json => ({
      type: 'minecraft:crafting_shaped',
      pattern: [...pattern],
      key: { '#': { item: `minecraft:${item}` } },
      result,
    })
    const shapeless = (result: Json, ...ingredients: Json[]): Json => ({
      type: 'minecraft:crafting_shapeless',
      ingredients,
      result,
    })
    const recipes = {
      oak_planks: shapeless({ item: 'minecraft:oak_planks', count: 4 }, { tag: 'minecraft:oak_logs' }),
      oak_boat: shaped({ item: 'minecraft:oak_boat' }, ['# #', '###'], 'oak_planks'),
      coal_block: shaped({ item: 'minecraft:coal_block' }, ['###', '###', '###'], 'coal'),
      coal: shapeless({ item: 'minecraft:coal', count: 9 }, { item: 'minecraft:coal_block' }),
      glass: { type: 'minecraft:smelting', ingredient: { item: 'minecraft:sand' }, result: 'minecraft:glass' },
    }
    assert.deepEqual(recipesOf({ recipes }), [
      { item: 'oak planks', count: 4, ingredients: { 'oak logs': 1 } },
      { item: 'oak boat', count: 1, ingredients: { 'oak planks': 5 } },
      { item: 'coal block', count: 1, ingredients: { coal: 9 } },
    ])
    assert.equal(makeAll({ recipes }), 3)
  })

  test(
    'every thing of the release that can be made is made, of exactly the materials that were reckoned',
    { skip: path === '' && 'its recipes are not part of this repository: TEXTCRAFT=<its folder of recipes>' },
    () => assert.ok(makeAll(textcraftAt(path)) > 500),
  )
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

test('a day of your own on which nothing can be won is 1 for whoever loses nothing, and its floor says so', () => {
  const lots = [{ name: 'opal', start: 100, worth: 50 }]
  const params = { lots, rivals: [], budget: 1_000, optimism: 1.1, discountsMax: 0 }
  assert.equal(auction.floor?.(params), 1)
  assert.equal(play(auction, { params, seed: 1 }, () => []).score, 1)
  assert.equal(play(auction, { params, seed: 1 }, oracleOf(auction)).score, 1)
  const buyer: Policy<unknown> = ({ toAct: [agent] }) => [{ agent: agent as string, name: 'bid' }]
  assert.equal(play(auction, { params, seed: 1 }, buyer).score, 0)
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

  test('of what is advised some is good and some is not, so who always does the same scores 0', () => {
    for (const good of [0, 0.5, 1])
      for (const buy of ['buy', 'leave']) {
        const params = { rounds: 2, price: 100, good, value: 2 }
        const always: Policy<Json> = ({ toAct: [agent] }) => (agent === 'Bob' ? [{ agent, name: buy }] : [])
        assert.equal(play(advice, { params, seed: 1 }, always as never).score, 0, `${buy}, ${good} good`)
        assert.equal(play(advice, { params, seed: 1 }, oracleOf(advice)).score, 1)
      }
  })

  test('an advice that is left has the share of its rounds, and none before its first', () => {
    const environment = environmentOf(advice)
    environment.reset({ params: advice.task(1), seed: 1 })
    assert.equal(environment.score(), 0)
    for (let rounds = 1; rounds <= 25; rounds++) {
      for (let both = 0; both < 2; both++) environment.step(advice.oracle(environment.state().state))
      assert.equal(environment.score(), rounds / 25)
    }
  })

  test('a seller who can commit lies as often as the buyer will bear', () => {
    const { lies, sales } = persuasion({ good: 1 / 3, value: 2 })
    assert.deepEqual([lies.toFixed(3), sales.toFixed(3)], ['0.500', '0.667'])
  })
})
