/** `kitchen`: what hands, feet and fire do, whoever cooks, and the collaboration score. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  drawAt,
  environmentOf,
  idle,
  oracleOf,
  pick,
  play,
  type Action,
  type Policy,
} from '../src/environments/environment.ts'
import {
  atInterval,
  collaborationScore,
  INTERVALS,
  kitchen,
  kitchenTask,
  piecesIn,
} from '../src/environments/kitchen.ts'
import { piecesOf, type KitchenState, type KitchenTask } from '../src/environments/kitchen-world.ts'

const LONG = process.env['POLITY_LONG'] === '1'
const soup = { name: 'onion soup', parts: ['onion', 'onion', 'onion'], cookTicks: 20 }
/** One room, all within reach; the cramped room of Overcooked in our own words. */
const room = ['XXPXX', 'O   O', 'X   X', 'XDXSX']

const atRandom =
  (seed: number): Policy<KitchenState> =>
  ({ toAct, views, steps }) => {
    const draw = drawAt(seed, steps)
    // Hands are used as often as all else together, so that something happens.
    return toAct.map((agent) => ({
      agent,
      name: draw() < 0.5 ? 'interact' : pick(draw, views[agent]?.actions ?? []).name,
    }))
  }

/** Plays an episode and looks at the state before and after every tick. */
function watched(
  task: KitchenTask,
  policy: Policy<KitchenState>,
  look: (before: KitchenState, after: KitchenState) => void,
) {
  const environment = environmentOf(kitchen)
  let turn = environment.reset({ params: task, seed: 1 })
  while (!turn.done) {
    const before = environment.state().state
    turn = environment.step(policy(turn, before))
    look(before, environment.state().state)
  }
  return environment
}

describe('kitchen, whoever cooks', () => {
  const policies: readonly [string, (seed: number) => Policy<KitchenState>][] = [
    ['the crew', () => oracleOf(kitchen)],
    ['anybody', atRandom],
    [
      'the crew with hands that slip',
      (seed) => (turn, state) => (drawAt(seed, turn.steps)() < 0.3 ? atRandom(seed) : oracleOf(kitchen))(turn, state),
    ],
  ]
  for (const [who, policyOf] of policies)
    test(`${who}: no piece comes from nowhere or is lost, and nobody walks through anybody`, () => {
      let isServed = false
      for (let seed = 0; seed < (LONG ? 60 : 4); seed++) {
        const task = kitchen.task(seed, 1 + (seed % 5))
        watched(task, policyOf(seed), (before, after) => {
          const served = after.served.reduce<number>(
            (sum, at, i) => sum + (at === null ? 0 : piecesOf(task.orders[i]?.dish ?? null, task.book)),
            0,
          )
          assert.equal(
            after.piecesTaken,
            piecesIn(after) + served + after.piecesThrown,
            `seed ${seed}, tick ${after.tick}`,
          )
          isServed ||= served > 0
          const cells = after.cooks.map(({ at }) => at)
          assert.equal(new Set(cells).size, cells.length)
          for (const [i, { at }] of after.cooks.entries())
            for (const [j, other] of after.cooks.entries())
              assert.ok(
                i === j || at === before.cooks[i]?.at || at !== before.cooks[j]?.at || other.at !== before.cooks[i]?.at,
                'two changed places',
              )
          after.served.forEach((at, i) => {
            const { from, due } = task.orders[i] as (typeof task.orders)[number]
            assert.ok(at === null || (at > from && at <= due))
          })
        })
      }
      assert.ok(isServed || who === 'anybody')
    })

  test('a soup takes what the recipe says: three onions, twenty ticks, a dish', () => {
    const task = kitchenTask({ layout: room, starts: [[1, 1]], book: [soup], dishes: ['onion soup'] })
    const log: string[] = []
    let cooking = 0
    const environment = watched(task, oracleOf(kitchen), (before, after) => {
      const [was, is] = [before.cooks[0]?.holds, after.cooks[0]?.holds]
      if (was !== is) log.push(`${was} to ${is}`)
      if (Object.values(before.pots).some(({ left }) => left !== null && left > 0)) cooking++
    })
    const fetched = ['null to onion', 'onion to null']
    assert.deepEqual(log, [
      ...fetched,
      ...fetched,
      ...fetched,
      'null to dish',
      'dish to onion soup',
      'onion soup to null',
    ])
    assert.equal(cooking, 20)
    assert.equal(environment.score(), 1)
  })

  test('hands, pots and hatches refuse what cannot be, and say why', () => {
    const task = kitchenTask({
      layout: room,
      starts: [
        [1, 1],
        [2, 3],
      ],
      book: [soup],
      dishes: ['onion soup'],
    })
    const environment = environmentOf(kitchen)
    environment.reset({ params: task, seed: 1 })
    const said = (name: string, agent = 'cook 1') =>
      environment.step([{ agent, name }]).errors.map(({ message }) => message)
    assert.deepEqual(said('interact'), ['nothing lies there'])
    assert.deepEqual(said('west'), [])
    assert.deepEqual(said('interact'), [])
    assert.deepEqual(said('interact'), ['your hands are full: onion'])
    assert.deepEqual(said('south', 'cook 2'), [])
    assert.deepEqual(said('interact', 'cook 2'), ['your hands are empty'])
    assert.deepEqual(said('dance'), ['there is no action "dance" now: north, south, west, east, interact, stay'])
  })

  test('what is between two rooms goes over the counter, and one cook alone cannot do it', () => {
    const layout = ['XXXXX', 'O X P', 'D X S', 'XXXXX']
    const terms = { layout, book: [soup], dishes: ['onion soup', 'onion soup'] }
    const task = kitchenTask({
      ...terms,
      starts: [
        [1, 1],
        [2, 3],
      ],
    })
    assert.equal(play(kitchen, { params: task, seed: 1 }, oracleOf(kitchen)).score, 1)
    const alone: Policy<KitchenState> = (turn, state) =>
      oracleOf(kitchen)(turn, state).filter(({ agent }) => agent === 'cook 1')
    assert.equal(play(kitchen, { params: task, seed: 1 }, alone).score, 0)
    assert.throws(() => kitchenTask({ ...terms, starts: [[1, 1]] }), /does not serve these orders within 2000 ticks/)
  })

  test('a kitchen that is none is refused', () => {
    const terms = { layout: room, starts: [[1, 1]] as [number, number][], book: [soup], dishes: ['onion soup'] }
    const refused = (change: Partial<typeof terms>, message: RegExp) =>
      assert.throws(() => kitchenTask({ ...terms, ...change }), message)
    assert.throws(
      () => environmentOf(kitchen).reset({ params: {} as never, seed: 1 }),
      /a task of kitchen is \{ layout,/,
    )
    refused({ layout: ['XXX', 'X X', 'XX'] }, /row 3 of the layout has 2 cells; expected 3/)
    refused({ layout: ['XX?', 'X X', 'XXX'] }, /row 1, column 3 of the layout is "\?"/)
    refused({ starts: [] }, /there are 0 cooks; expected 1 to 4/)
    refused(
      {
        starts: [
          [1, 1],
          [1, 1],
        ],
      },
      /cook 2 begins at row 1, column 1; expected a free floor cell/,
    )
    refused({ dishes: [] }, /nothing is ordered; expected a dish or more/)
    refused({ dishes: ['pizza'] }, /the order of pizza from 0 to Infinity is none/)
    refused({ book: [soup, { ...soup, name: 'thin soup', parts: ['onion'] }] }, /thin soup is a part of onion soup/)
  })
})

describe('the collaboration score', () => {
  test('is the mean over intervals of what was completed, of all that was ordered until then', () => {
    const task = kitchenTask({
      layout: room,
      starts: [
        [1, 1],
        [2, 3],
      ],
      book: [soup],
      dishes: ['onion soup', 'onion soup', 'onion soup'],
    })
    const environment = environmentOf(kitchen)
    let turn = environment.reset({ params: atInterval(task, 1), seed: 1 })
    assert.deepEqual(environment.metrics(), { ticks: 0, completed: 0, failed: 0, pending: 1, cooperation: 0 })
    const lazy: Policy<KitchenState> = (now, state) =>
      state.served.includes(null) && servedIn(state) === 0 ? oracleOf(kitchen)(now, state) : []
    while (!turn.done) turn = environment.step(lazy(turn, environment.state().state))
    const { completed, failed, pending, cooperation } = environment.metrics()
    assert.deepEqual([completed, failed, pending, cooperation], [1, 2, 0, 1 / 3])
    assert.equal(collaborationScore([1 / 3, 1, 0.5, 0.5, 1]).toFixed(4), '0.6667')
  })

  test('rises with the interval, and with every pair of hands that is needed', () => {
    const tasks = Array.from({ length: LONG ? 12 : 3 }, (_, seed) => kitchen.task(seed, 3))
    const rate = (policy: Policy<KitchenState>, alpha: number): number => {
      const all = tasks.map((task) => watched(atInterval(task, alpha), policy, () => {}).metrics()['cooperation'] ?? 0)
      return all.reduce((sum, one) => sum + one, 0) / all.length
    }
    const crew = INTERVALS.map((alpha) => rate(oracleOf(kitchen), alpha))
    for (let i = 1; i < crew.length; i++) assert.ok((crew[i] ?? 0) >= (crew[i - 1] ?? 0), crew.join(' '))
    const alone = rate((turn, state) => oracleOf(kitchen)(turn, state).filter(({ agent }) => agent === 'cook 1'), 2)
    assert.ok(collaborationScore(crew) > 0.8 && (crew[2] ?? 0) > alone + 0.3, `${crew.join(' ')}, alone ${alone}`)
    assert.equal(rate(idle as Policy<KitchenState>, 2), 0)
  })
})

function servedIn({ served }: KitchenState): number {
  return served.filter((at) => at !== null).length
}

test('steps that would collide are not made; one that follows is', () => {
  const task = {
    ...kitchenTask({ layout: ['XXXXXX', 'O    P', 'XDXXSX'], starts: [[1, 1]], book: [soup], dishes: ['onion soup'] }),
  }
  const moved = (starts: [number, number][], names: string[]) => {
    const environment = environmentOf(kitchen)
    environment.reset({ params: { ...task, starts }, seed: 1 })
    environment.step(names.map((name, i): Action => ({ agent: `cook ${i + 1}`, name })))
    return environment.state().state.cooks.map(({ at }) => at - 6)
  }
  assert.deepEqual(
    moved(
      [
        [1, 1],
        [1, 3],
      ],
      ['east', 'west'],
    ),
    [1, 3],
    'to one cell',
  )
  assert.deepEqual(
    moved(
      [
        [1, 1],
        [1, 2],
      ],
      ['east', 'west'],
    ),
    [1, 2],
    'to change places',
  )
  assert.deepEqual(
    moved(
      [
        [1, 1],
        [1, 2],
      ],
      ['east', 'east'],
    ),
    [2, 3],
    'one after another',
  )
  assert.deepEqual(
    moved(
      [
        [1, 1],
        [1, 2],
        [1, 3],
      ],
      ['east', 'east', 'stay'],
    ),
    [1, 2, 3],
    'onto who stays',
  )
})
