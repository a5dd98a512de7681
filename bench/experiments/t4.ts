/**
 * T4, an interface: a planted household in which something can be taken from or put into a place only by who stands there, and
 * elsewhere nothing happens, without a word. An agent that draws its next action among those that make sense (take what is somewhere, put
 * what it has where it belongs, go) lives in it, bare and through the interface that `align` found on other tasks with a simulated analyst that
 * also says three repairs that are wrong. Neither the agent nor the world is changed.
 */
import { align, type Aligned } from '../../src/agents/align.ts'
import { look, act, type Action } from '../../src/agents/pieces/acting.ts'
import { interfaceShape } from '../../src/agents/pieces/step-interface.ts'
import { boot } from './experiment.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import type { Rules } from '../../src/environments/environment.ts'
import { spawnEpisode } from '../../src/evaluation/episode.ts'
import { worldOf } from '../../src/evaluation/world.ts'
import { wrapWorld } from '../../src/evaluation/wrapped-world.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Json } from '../../src/kernel/types.ts'
import type { Experiment } from './experiment.ts'

const PLACES = ['shelf', 'table', 'drawer', 'fridge', 'sink', 'bed']
const STEPS = 10

interface HouseTask {
  readonly from: string
  readonly to: string
  readonly [key: string]: Json
}
interface HouseState {
  readonly task: HouseTask
  readonly at: string
  /** Where the cup is; `hand` where it is carried. */
  readonly cup: string
  readonly seen: string
  readonly [key: string]: Json
}

const place = (name: string) => ({
  type: 'object',
  properties: { [name]: { type: 'string', enum: PLACES } },
  required: [name],
})
const actions = [
  { name: 'go', description: 'Go to a place.', input: place('to'), effect: 'write' as const },
  { name: 'take', description: 'Take the cup from a place.', input: place('from'), effect: 'write' as const },
  { name: 'put', description: 'Put the cup into a place.', input: place('into'), effect: 'write' as const },
]

export const house: Rules<HouseTask, HouseState> = {
  id: 'planted-house',
  version: '1',
  description: 'Bring the cup to where it belongs.',
  stepsMax: STEPS,
  task(seed) {
    const from = PLACES[Math.floor(randomAt(seed, 0, 0) * PLACES.length)] as string
    const rest = PLACES.filter((one) => one !== from)
    return { from, to: rest[Math.floor(randomAt(seed, 0, 1) * rest.length)] as string }
  },
  start: (task) => ({
    task,
    at: 'door',
    cup: task.from,
    seen: `The cup is at the ${task.from}; it belongs to the ${task.to}.`,
  }),
  actions: () => actions,
  toAct: ({ cup, task }) => (cup === task.to ? [] : ['maid']),
  view: ({ seen, task, cup }) => ({ text: seen, data: { ...task, cup }, actions }),
  step(state, [action]) {
    if (action === undefined) return { state }
    const { at, cup } = state
    const nothing = { state: { ...state, seen: 'Nothing happens.' } }
    const [where] = Object.values(action.args ?? {}) as string[]
    if (action.name === 'go') return { state: { ...state, at: where as string, seen: `You are at the ${where}.` } }
    if (where !== at) return nothing
    if (action.name === 'take')
      return cup === at ? { state: { ...state, cup: 'hand', seen: 'You have the cup.' } } : nothing
    if (cup !== 'hand') return nothing
    const done = at === state.task.to
    return { state: { ...state, cup: at, seen: `The cup is at the ${at}.` }, ...(done ? { reward: { maid: 1 } } : {}) }
  },
  score: ({ cup, task }) => (cup === task.to ? 1 : 0),
  oracle({ task, cup, at }) {
    const next = (name: string, args: { [name: string]: Json }) => [{ agent: 'maid', name, args }]
    if (cup === 'hand') return at === task.to ? next('put', { into: task.to }) : next('go', { to: task.to })
    return at === cup ? next('take', { from: cup }) : next('go', { to: cup })
  },
}

/** Draws among what makes sense: takes what it wants, puts what it has where it belongs, or goes anywhere. */
const drawing = defineProgram('t4/drawing', async (sys, _: { question: string }) => {
  for (let step = 0; step < STEPS; step++) {
    const { data } = await look(sys)
    const { to, cup } = data as { from: string; to: string; cup: string }
    const anywhere = PLACES[Math.floor(sys.random() * PLACES.length)] as string
    const wanted: Action = cup === 'hand' ? { name: 'put', args: { into: to } } : { name: 'take', args: { from: cup } }
    const told = await act(sys, sys.random() < 0.5 ? wanted : { name: 'go', args: { to: anywhere } })
    if (told.done) return told.reward
  }
  return 0
})

/** The agent that fails, the analyst and the optimiser of `align`, as a model that reads its prompt. */
const says = (prompt: string): unknown => {
  if (prompt.includes('Say repairs'))
    return {
      repairs: [
        { action: 'take', seen: 'Nothing happens', first: [{ name: 'put', args: { into: '$from' } }] },
        { action: 'take', seen: 'Nothing happens', first: [{ name: 'go', args: { to: 'bed' } }] },
        { action: 'go', seen: 'Nothing happens', first: [{ name: 'go', args: { to: '$to' } }] },
        {
          action: 'take',
          seen: '^Nothing happens',
          first: [{ name: 'go', args: { to: '$from' } }],
          say: 'You went there first.',
        },
        {
          action: 'put',
          seen: '^Nothing happens',
          first: [{ name: 'go', args: { to: '$into' } }],
          say: 'You went there first.',
        },
      ],
    }
  if (prompt.includes('has to be told before'))
    return { rules: 'Go to a place before you take or put something there.' }
  const [, from, to] = /The cup is at the (\w+); it belongs to the (\w+)/.exec(prompt) ?? []
  const has = prompt.includes('You have the cup')
  return { action: has ? { name: 'put', args: { into: to } } : { name: 'take', args: { from } } }
}

export const t4: Experiment = {
  id: 'T4',
  what: 'a world that ignores who stands elsewhere, an agent that draws its actions',
  bar: 'success × ≥ 2 through the interface that align found; nothing changed where the oracle acts; the interface survives JSON',
  seeds: 200,
  async run(seeds) {
    const kernel = await boot({
      model: scripted((call) => JSON.stringify(says(promptText(call.prompt)))),
      limits: { processesEndedMax: 10_000 },
    })
    const bare = worldOf(house)
    const training = { params: house.task(seeds + 1), seed: seeds + 1 }
    const learned = await (
      await spawnEpisode(kernel, bare, training, { program: align, search: true, input: {} })
    ).result
    const player = learned.players['maid']
    if (player === undefined || !('output' in player)) throw new Error(`align failed: ${JSON.stringify(player)}`)
    const found = player.output as unknown as Aligned
    const face = interfaceShape.parse(JSON.parse(JSON.stringify(found.face)))
    const wrapped = wrapWorld(bare, face)
    let [plain, through, same] = [0, 0, 0]
    for (let seed = 0; seed < seeds; seed++) {
      const task = { params: house.task(seed), seed }
      const [one, two] = await Promise.all(
        [bare, wrapped].map(async (world) => (await spawnEpisode(kernel, world, task, { program: drawing })).result),
      )
      plain += one?.score ?? 0
      through += two?.score ?? 0
      // The oracle acts in both, turn by turn.
      const [a, b] = [await bare.open(), await wrapped.open()]
      let [left, right] = [await a.reset(task), await b.reset(task)]
      let equal = JSON.stringify(left) === JSON.stringify(right)
      while (!left.done && equal) {
        const next = (await bare.oracle?.(await a.state())) ?? []
        ;[left, right] = [await a.step(next), await b.step(next)]
        equal = JSON.stringify([left, await a.state()]) === JSON.stringify([right, await b.state()])
      }
      if (equal && left.done && (await b.score()) === 1) same++
    }
    await kernel.close()
    return {
      measured: `success ${(plain / seeds).toFixed(3)} bare, ${(through / seeds).toFixed(3)} through it (× ${(through / plain).toFixed(1)}); ${same} of ${seeds} oracle paths unchanged; found in ${found.turns} turns, ${found.held} of ${found.said} repairs held`,
      ok: through >= 2 * plain && same === seeds && found.success && face.repairs.length === found.held,
    }
  },
}
