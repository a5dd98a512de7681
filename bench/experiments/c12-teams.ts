/**
 * C12-TEAMS, where plans are made: the four teams of hmas.ts, run by the kernel, on a line of 8 cells with 6 boxes (line-world.ts).
 * Simulated minds: who writes an action for a cell gets it wrong with chance e, and pushes the box the wrong way; whose cell it is
 * sees that in a plan that stands written with chance .9, and in what was only spoken of with .6 (ours: the reference calls its own
 * an assumption). What is written anew is wrong with e again. In `decentral` all say their own action first, and look at it again
 * in a second round.
 *
 * The calls of a turn are held against their identities, with n players who are to act: 1; 2 n; 1 + n; 1 + all who had an action in any
 * round + the revisions.
 */
import { central, decentral, hmas1, hmas2 } from '../../src/agents/hmas.ts'
import type { Jointed } from '../../src/agents/joint-step.ts'
import { boot } from './experiment.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { spawnEpisode } from '../../src/evaluation/episode.ts'
import { teamWorld } from '../../src/evaluation/team-world.ts'
import { worldOf } from '../../src/evaluation/world.ts'
import { mean } from '../figures.ts'
import type { Experiment } from './experiment.ts'
import { lineWorld } from './line-world.ts'
import { keyed } from './population.ts'

const [WRITTEN, SPOKEN] = [0.9, 0.6]
const RATES = [0.05, 0.15, 0.3]
/** From the one that needs the most turns. */
const TEAMS = { CMAS: central, DMAS: decentral, 'HMAS-1': hmas1, 'HMAS-2': hmas2 } as const
type TeamName = keyof typeof TEAMS
const CELLS = 8

interface Push {
  readonly agent: string
  readonly box: number
  readonly way: string
}

/** What is right for each cell that a prompt shows: its first box, towards where that belongs. */
function rightIn(prompt: string): Push[] {
  const now = prompt.slice(prompt.indexOf('Now:'))
  return [...now.matchAll(/^\[cell (\d)\]\nHere: box (\d) to cell (\d)/gm)].map(([, cell, box, to]) => ({
    agent: `cell ${cell}`,
    box: Number(box),
    way: Number(to) < Number(cell) ? 'left' : 'right',
  }))
}
/** Pushes that stand in a text, the last of each agent. */
const pushesIn = (text: string): Map<string, Push> =>
  new Map(
    [...text.matchAll(/(cell \d): push \{"box":(\d),"way":"(\w+)"\}/g)].map(([, agent, box, way]) => [
      agent as string,
      { agent: agent as string, box: Number(box), way: way as string },
    ]),
  )
const asMove = ({ agent, box, way }: Push) => ({ agent, name: 'push', args: { box, way } })
const asText = ({ agent, box, way }: Push): string => `${agent}: push ${JSON.stringify({ box, way })}`

/** The minds of one episode after another. */
function minds() {
  let [rate, seed, drawn] = [0, 0, 0]
  let calls = 0
  const draw = (): number => keyed(seed, drawn++)
  /** The right push, or with chance e the other way; at an end of the line there is none. */
  const written = (right: Push): Push => {
    const isEnd = right.agent === 'cell 0' || right.agent === `cell ${CELLS - 1}`
    return draw() < rate && !isEnd ? { ...right, way: right.way === 'left' ? 'right' : 'left' } : right
  }
  const isWrong = (push: Push | undefined, right: Push): boolean => push?.way !== right.way
  const answer = (prompt: string): unknown => {
    const right = rightIn(prompt)
    const own = right[0] as Push
    if (prompt.includes('You plan for a team')) {
      const before = pushesIn(prompt.slice(prompt.indexOf('Your plan:')))
      const said = /What the agents say of it:\n([\s\S]*)/.exec(prompt)?.[1] ?? ''
      const plan = right.map((one) =>
        said !== '' && !said.includes(`${one.agent}:`) ? (before.get(one.agent) as Push) : written(one),
      )
      return { plan: plan.map(asMove) }
    }
    if (prompt.includes('A planner says what each does now')) {
      const planned = pushesIn(prompt.slice(prompt.indexOf('The plan:'))).get(own.agent)
      const objects = isWrong(planned, own) && draw() < WRITTEN
      return { agree: !objects, feedback: objects ? 'that is the wrong way' : '' }
    }
    const heard = prompt.slice(prompt.indexOf('Said in this turn:'))
    const said = pushesIn(heard)
    const isPlanned = heard.includes('planner:')
    const mine = said.get(own.agent)
    const sees = mine !== undefined && isWrong(mine, own) && draw() < (isPlanned ? WRITTEN : SPOKEN)
    const push = mine === undefined || sees ? written(own) : mine
    said.set(own.agent, push)
    const speakers = [...heard.matchAll(/^(cell \d): cell/gm)].map(([, name]) => name)
    const isLast = speakers.length + 1 === (isPlanned ? 1 : 2) * right.length
    return { say: asText(push), execute: isLast ? [...said.values()].map(asMove) : null }
  }
  return {
    model: scripted((call) => {
      calls++
      return JSON.stringify(answer(promptText(call.prompt)))
    }),
    begin(error: number, episode: number) {
      ;[rate, seed, drawn, calls] = [error, episode, 0, 0]
    },
    calls: () => calls,
  }
}

/** The calls that a turn of this team takes, by what was planned and said in it. @param acting players who were to act */
function callsOf(team: TeamName, acting: number, { dialogue = [] }: Jointed['steps'][number]): number {
  if (team === 'CMAS') return 1
  if (team === 'DMAS') return 2 * acting
  if (team === 'HMAS-1') return 1 + acting
  const rounds = dialogue.filter(({ by }) => by === 'planner').length
  const last = dialogue.slice(dialogue.findLastIndex(({ by }) => by === 'planner') + 1)
  const revisions = rounds - 1 + (last.some(({ text }) => text !== 'I agree.') ? 1 : 0)
  return 1 + (dialogue.length - rounds) + revisions
}

export async function teams(seeds: number, rate: number, mind = minds()) {
  const kernel = await boot({ model: mind.model, limits: { processesEndedMax: 1_000 } })
  const world = teamWorld(worldOf(lineWorld))
  const rows: { [team: string]: { steps: number; calls: number; success: number } } = {}
  let [turns, exact] = [0, 0]
  for (const [team, program] of Object.entries(TEAMS)) {
    const runs: { steps: number; calls: number; success: number }[] = []
    for (let seed = 0; seed < seeds; seed++) {
      mind.begin(rate, seed)
      const params = lineWorld.task(seed)
      const run = await spawnEpisode(kernel, world, { params, seed }, { program, input: { stepsMax: 30 } })
      const { score, steps, players } = await run.result
      const player = players['team']
      if (player === undefined || 'error' in player) throw new Error(`${team}, seed ${seed}: ${JSON.stringify(player)}`)
      const { steps: taken } = player.output as unknown as Jointed
      // The episode again, to count who was to act in each turn.
      let state = lineWorld.start(params, () => 0)
      let expected = 0
      for (const one of taken) {
        expected += callsOf(team as TeamName, lineWorld.toAct(state).length, one)
        ;({ state } = lineWorld.step(state, one.plan as never, () => 0))
      }
      turns++
      if (expected === mind.calls()) exact++
      runs.push({ steps, calls: mind.calls(), success: score === 1 ? 1 : 0 })
    }
    const of = (key: 'steps' | 'calls' | 'success') => mean(runs.map((run) => run[key]))
    rows[team] = { steps: of('steps'), calls: of('calls'), success: of('success') }
  }
  await kernel.close()
  return { rows: rows as { [team in TeamName]: { steps: number; calls: number; success: number } }, turns, exact }
}

export const c12Teams: Experiment = {
  id: 'C12-TEAMS',
  what: 'four teams by where plans are made, 8 cells, 6 boxes, errors of .05, .15 and .30',
  bar: 'turns HMAS-2 < HMAS-1 < DMAS < CMAS at every error; calls of every episode by their identities',
  seeds: 200,
  async run(seeds) {
    const parts: string[] = []
    let [ok, turns, exact] = [true, 0, 0]
    for (const rate of RATES) {
      const found = await teams(seeds, rate)
      const order = Object.values(found.rows).map(({ steps }) => steps)
      ok &&= order.every((steps, i) => i === 0 || steps < (order[i - 1] as number))
      turns += found.turns
      exact += found.exact
      parts.push(
        `e = ${rate}: ${Object.entries(found.rows)
          .map(
            ([name, { steps, calls, success }]) =>
              `${name} ${steps.toFixed(2)} turns, ${calls.toFixed(0)} calls, ${success.toFixed(2)}`,
          )
          .join('; ')}`,
      )
    }
    return {
      measured: `${parts.join('. ')}. Calls as they have to be in ${exact} of ${turns} episodes`,
      ok: ok && exact === turns,
    }
  },
}
