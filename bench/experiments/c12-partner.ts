/**
 * C12-PARTNER, belief about a partner: `pro-agent`, run by the kernel, beside one of four kinds of partners, which does what its kind does
 * with chance .6 and else any of the other three. Its simulated mind expects what its memory has most of, ties drawn, and does
 * the same itself; that is right where it is what the partner's kind does. After k turns that is a plurality of k votes, whose
 * exact accuracy is that of experiment C1. Then the partner becomes another kind after 15 turns: with the memory corrected by what it
 * did, and with a memory of what was expected.
 */
import { proAgent } from '../../src/agents/pro-agent.ts'
import { boot } from './experiment.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import type { Rules } from '../../src/environments/environment.ts'
import { spawnEpisode } from '../../src/evaluation/episode.ts'
import { teamWorld } from '../../src/evaluation/team-world.ts'
import { worldOf } from '../../src/evaluation/world.ts'
import type { Json } from '../../src/kernel/types.ts'
import { exactVote } from './c1.ts'
import type { Experiment } from './experiment.ts'
import { keyed } from './population.ts'

const KINDS = ['fetch', 'cook', 'plate', 'serve']
const INFORMATIVE = 0.6
/** After so many turns of the partner, the right expectation as the reference has it. */
const TABLE = [
  [1, 0.602],
  [3, 0.717],
  [5, 0.809],
  [10, 0.935],
  [15, 0.976],
] as const
const SWITCH = 15

interface PartnerTask {
  readonly seed: number
  readonly turns: number
  readonly [key: string]: Json
}
interface PartnerState {
  readonly task: PartnerTask
  readonly turn: number
  /** Of every turn, whether the player did what the partner's kind does. */
  readonly right: readonly boolean[]
  readonly [key: string]: Json
}

const kindAt = ({ task: { seed }, turn }: PartnerState): number => {
  const kind = Math.floor(keyed(seed, 1) * KINDS.length)
  return turn < SWITCH + 1 ? kind : (kind + 1 + Math.floor(keyed(seed, 2) * (KINDS.length - 1))) % KINDS.length
}
const actions = KINDS.map((name) => ({
  name,
  description: `Work that is called ${name}.`,
  input: { type: 'object', properties: {} },
  effect: 'write' as const,
}))

const rules: Rules<PartnerTask, PartnerState> = {
  id: 'planted-partner',
  version: '1',
  description: 'Do what your partner is there for.',
  stepsMax: 100,
  task: (seed) => ({ seed, turns: SWITCH + 1 }),
  start: (task) => ({ task, turn: 0, right: [] }),
  toAct: ({ task, turn }) => (turn < task.turns ? ['me', 'mate'] : []),
  view: () => ({ text: 'Both of you work.', actions }),
  step: (state, given) => ({
    state: {
      ...state,
      turn: state.turn + 1,
      right: [...state.right, given.find(({ agent }) => agent === 'me')?.name === KINDS[kindAt(state)]],
    },
  }),
  score: ({ task, right }) => right.filter(Boolean).length / task.turns,
  metrics: ({ right }) => Object.fromEntries(right.map((one, i) => [`turn ${i}`, one ? 1 : 0])),
  oracle: (state) => [{ agent: 'me', name: KINDS[kindAt(state)] as string }],
}

/** What that partner does. */
function partner(kept: Json): { readonly name: string } {
  const { state } = kept as unknown as { readonly state: PartnerState }
  const kind = kindAt(state)
  const draw = keyed(state.task.seed, 3, state.turn)
  const other = Math.floor(keyed(state.task.seed, 4, state.turn) * (KINDS.length - 1))
  return { name: KINDS[draw < INFORMATIVE ? kind : (kind + 1 + other) % KINDS.length] as string }
}

/** The share of runs in which each turn was right. */
export async function rightByTurn(seeds: number, turns: number, correct: boolean): Promise<number[]> {
  let [seed, calls] = [0, 0]
  const model = scripted((call) => {
    const counts = [...promptText(call.prompt).matchAll(/(fetch|cook|plate|serve) (\d+)/g)]
    const most = Math.max(...counts.map(([, , count]) => Number(count)))
    const best = counts.filter(([, , count]) => Number(count) === most).map(([, name]) => name as string)
    const among = best.length === 0 ? KINDS : best
    const expects = among[Math.floor(keyed(seed, 5, calls++) * among.length)] as string
    return JSON.stringify({ expected: { mate: expects }, action: { name: expects } })
  })
  const kernel = await boot({ model, limits: { processesEndedMax: 1_000 } })
  const world = teamWorld(worldOf(rules), { others: { name: 'planted', play: { mate: partner } } })
  const right = Array.from({ length: turns }, () => 0)
  for (seed = 0; seed < seeds; seed++) {
    calls = 0
    const run = await spawnEpisode(
      kernel,
      world,
      { params: { seed, turns }, seed },
      { program: proAgent, input: { history: 'none', correct } },
    )
    const { metrics, players } = await run.result
    if ('error' in (players['team'] ?? {})) throw new Error(`seed ${seed}: ${JSON.stringify(players['team'])}`)
    for (const turn of right.keys()) right[turn] = (right[turn] as number) + (metrics[`turn ${turn}`] as number) / seeds
  }
  await kernel.close()
  return right
}

export const c12Partner: Experiment = {
  id: 'C12-PARTNER',
  what: 'pro-agent beside four kinds of partners that show their kind with .6',
  bar: 'the kind expected after 1, 3, 5, 10, 15 turns within .015 of .602, .717, .809, .935, .976, and of the exact plurality; after it changed, corrected ≥ uncorrected + .3',
  seeds: 3_000,
  async run(seeds) {
    const right = await rightByTurn(seeds, SWITCH + 1, true)
    const found = TABLE.map(([turn, table]) => {
      const measured = right[turn] as number
      return {
        measured,
        off: Math.abs(measured - table),
        offExact: Math.abs(measured - exactVote(turn, INFORMATIVE, 3)),
      }
    })
    const late = Math.ceil(seeds / 10)
    const [on, off] = [await rightByTurn(late, 2 * SWITCH + 1, true), await rightByTurn(late, 2 * SWITCH + 1, false)]
    const [corrected, not] = [on.at(-1) as number, off.at(-1) as number]
    return {
      measured: `${found.map(({ measured }) => measured.toFixed(3)).join(', ')}; furthest off ${Math.max(...found.map((one) => one.off)).toFixed(3)}, off the exact ${Math.max(...found.map((one) => one.offExact)).toFixed(3)}; 15 turns after the change ${corrected.toFixed(3)} corrected, ${not.toFixed(3)} not`,
      ok: found.every((one) => one.off <= 0.015 && one.offExact <= 0.015) && corrected >= not + 0.3,
    }
  },
}
