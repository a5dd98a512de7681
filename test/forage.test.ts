/** `forage`: what is lifted, what it earns, who is in the way, and how near the oracle is to the fewest ticks. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { drawAt, environmentOf, oracleOf, pick, play, type Policy } from '../src/environments/environment.ts'
import { forage, type ForageState, type ForageTask } from '../src/environments/forage.ts'

const LONG = process.env['POLITY_LONG'] === '1'

/** Five rows and columns, a food in the middle. */
function field(
  players: readonly (readonly [at: number, level: number])[],
  level: number,
  more: Partial<ForageTask> = {},
): ForageTask {
  const named = players.map(([at, own], i) => ({ name: `player ${i + 1}`, at, level: own }))
  return { size: 5, players: named, foods: [{ at: 12, level }], sight: 5, penalty: 0, ticks: 50, ...more }
}

function after(task: ForageTask, ...turns: readonly (readonly string[])[]) {
  const environment = environmentOf(forage)
  let turn = environment.reset({ params: task, seed: 1 })
  for (const names of turns) turn = environment.step(names.map((name, i) => ({ agent: `player ${i + 1}`, name })))
  return { turn, environment, state: environment.state().state }
}

describe('forage, by the rules of LBF', () => {
  test('a food is lifted by levels that together are its own, and shared by level', () => {
    const task = field(
      [
        [7, 1],
        [11, 2],
        [0, 3],
      ],
      3,
    )
    const { turn, environment } = after(task, ['load', 'load', 'none'])
    assert.deepEqual(turn.reward, { 'player 1': 1 / 3, 'player 2': 2 / 3 })
    assert.deepEqual([turn.done, environment.score()], [true, 1])
  })

  test('who is too weak alone lifts nothing, and pays where there is a penalty', () => {
    const task = field(
      [
        [7, 1],
        [11, 2],
      ],
      3,
      { penalty: 0.1 },
    )
    const { turn, state } = after(task, ['load', 'none'])
    assert.deepEqual(turn.reward, { 'player 1': -0.1 })
    assert.deepEqual(state.gathered, [false])
  })

  test('what cannot be done is said: no food there, food in the way, the end of the field', () => {
    const { turn, state } = after(
      field(
        [
          [0, 1],
          [7, 1],
          [24, 1],
        ],
        1,
      ),
      ['north', 'south', 'load'],
    )
    assert.deepEqual(
      turn.errors.map(({ message }) => message),
      ['the field ends north of you', 'food lies there; load it from beside', 'there is no food beside you'],
    )
    assert.deepEqual(state.at, [0, 7, 24])
  })

  test('where two would be on one cell, nobody goes; nobody walks onto who had to stay', () => {
    assert.deepEqual(
      after(
        field(
          [
            [0, 1],
            [2, 1],
          ],
          1,
        ),
        ['east', 'west'],
      ).state.at,
      [0, 2],
    )
    // Player 3 wants the cell that player 2 cannot leave.
    assert.deepEqual(
      after(
        field(
          [
            [0, 1],
            [2, 1],
            [3, 1],
          ],
          1,
        ),
        ['east', 'west', 'west'],
      ).state.at,
      [0, 2, 3],
    )
    assert.deepEqual(
      after(
        field(
          [
            [0, 1],
            [1, 1],
          ],
          1,
        ),
        ['east', 'east'],
      ).state.at,
      [1, 2],
    )
  })

  test('two may change places', () => {
    const { state } = after(
      field(
        [
          [0, 1],
          [1, 1],
        ],
        1,
      ),
      ['east', 'west'],
    )
    assert.deepEqual(state.at, [1, 0])
  })

  test('a player sees as far as their sight', () => {
    const { turn } = after(
      field(
        [
          [0, 1],
          [24, 2],
        ],
        1,
        { sight: 2 },
      ),
    )
    assert.match(turn.views['player 1']?.text ?? '', /Food: level 1 at \(2, 2\)\.\nOthers: nobody in sight\./)
    const near = after(
      field(
        [
          [0, 1],
          [24, 2],
        ],
        1,
        { sight: 1 },
      ),
    ).turn
    assert.match(near.views['player 1']?.text ?? '', /Food: none in sight\./)
  })

  test('a field that is none is refused', () => {
    assert.throws(() => environmentOf(forage).reset({ params: {} as never, seed: 1 }), /a task of forage is \{ size,/)
    assert.throws(() => after(field([[12, 1]], 1)), /cell 12 is taken twice or not on the field/)
    assert.throws(
      () =>
        after(
          field([[0, 1]], 1, {
            foods: [
              { at: 6, level: 1 },
              { at: 12, level: 1 },
            ],
          }),
        ),
      /food at cell 6 is near another/,
    )
  })
})

test('rewards add up to what was gathered, players and food keep cells of their own, whoever plays', () => {
  const anybody =
    (seed: number): Policy<ForageState> =>
    ({ toAct, views, steps }) => {
      const draw = drawAt(seed, steps)
      return toAct.map((agent) => ({
        agent,
        name: draw() < 0.4 ? 'load' : pick(draw, views[agent]?.actions ?? []).name,
      }))
    }
  for (let seed = 0; seed < (LONG ? 300 : 40); seed++) {
    const environment = environmentOf(forage)
    let turn = environment.reset({ params: forage.task(seed, 1 + (seed % 6)), seed })
    let sum = 0
    while (!turn.done) {
      const { state } = environment.state()
      turn = environment.step((seed % 2 === 0 ? anybody(seed) : oracleOf(forage))(turn, state))
      sum += Object.values(turn.reward).reduce((total, one) => total + one, 0)
      const { at, gathered, task } = environment.state().state
      const taken = [...at, ...task.foods.filter((_, i) => gathered[i] !== true).map((food) => food.at)]
      assert.equal(new Set(taken).size, taken.length)
      assert.ok(Math.abs(sum - environment.score()) < 1e-9)
    }
  }
})

test('with one food the oracle takes the fewest ticks there can be, or one more where two ways cross', () => {
  let more = 0
  const fields = LONG ? 60 : 5
  for (let seed = 0; seed < fields; seed++) {
    const drawn = forage.task(seed, 1)
    const players = drawn.players.slice(0, 2)
    const strength = players.reduce((sum, { level }) => sum + level, 0)
    const foods = drawn.foods.map((food) => ({ ...food, level: Math.min(food.level, strength) }))
    const task = { ...drawn, players, foods }
    const over = play(forage, { params: task, seed }, oracleOf(forage)).steps - fewestTicks(task)
    assert.ok(over === 0 || over === 1, `${over} ticks more on seed ${seed}`)
    more += over
  }
  assert.ok(more <= fields / 20, `one more on ${more} of ${fields} fields`)
})

test('with two foods the oracle takes at most a quarter more ticks than the fewest, over all fields together', () => {
  let [taken, fewest, fields] = [0, 0, 0]
  for (let seed = 0; fields < (LONG ? 20 : 5); seed++) {
    const task = forage.task(seed, 2)
    if (task.players.length > 2 || task.size > 6) continue
    fields++
    taken += play(forage, { params: task, seed }, oracleOf(forage)).steps
    fewest += fewestTicks(task)
  }
  assert.ok(taken >= fewest && taken <= 1.25 * fewest, `${taken} ticks, and ${fewest} would do`)
})

function fewestTicks(task: ForageTask): number {
  const names = ['north', 'south', 'west', 'east', 'load', 'none']
  const keyOf = ({ at, gathered }: ForageState): string => `${at.join()} ${gathered.join()}`
  const first = forage.start(task, () => 0)
  const met = new Set([keyOf(first)])
  for (let layer = [first], ticks = 0; layer.length > 0; ticks++) {
    const next: ForageState[] = []
    for (const state of layer) {
      if (forage.score(state) === 1) return ticks
      for (const one of names)
        for (const other of task.players.length > 1 ? names : ['none']) {
          const chosen = [one, other]
            .slice(0, task.players.length)
            .map((name, i) => ({ agent: `player ${i + 1}`, name }))
          const then = forage.step(state, chosen, () => 0).state
          if (met.has(keyOf(then))) continue
          met.add(keyOf(then))
          next.push(then)
        }
    }
    layer = next
  }
  return NaN
}
