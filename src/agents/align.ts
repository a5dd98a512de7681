/**
 * ALIGN (Yang et al. 2025, "ALIGN: aligning interfaces for LLM agents"): finds where a world misunderstands an agent, and mends the
 * interface between them instead of either.
 *
 *     spawnEpisode(kernel, world, task, { program: align, search: true, input: { turns: 8 } })
 *     // → { face, success, turns }; face for wrapWorld(world, face) of evaluation/wrapped-world.ts, for any agent
 *
 * A turn: an agent tries the task in a fork, through the interface as it is; an analyst (a model) reads the log of a failure and says
 * repairs; each is tried in forks, by the same way up to the action that failed; the optimiser writes the rules anew
 * from what held. Eight turns at most, as in the paper. There the analyst experiments in a tool loop of up to 20 steps; here the program
 * makes the experiments, one for each repair that is said.
 *
 * Invariant
 *   AL1. A repair is kept only where the same action, behind the same way, no longer gave the observation that it is for.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Pid, Sys } from '../kernel/types.ts'
import {
  ADOPT,
  act,
  actionTools,
  actionsText,
  actLoop,
  decideByModel,
  earnedBy,
  historyText,
  holds,
  type Acted,
  type Action,
  type Step,
  type TaskInput,
  type Told,
} from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import {
  bareInterface,
  firstOf,
  interfaceShape,
  repairOf,
  repairShape,
  type Repair,
  type StepInterface,
} from './pieces/step-interface.ts'

export interface AlignInput extends TaskInput {
  /** @default 8, as in the paper */
  readonly turns?: number
  /** To go on from. @default the bare one */
  readonly face?: StepInterface
}

export interface Aligned {
  readonly face: StepInterface
  readonly success: boolean
  readonly turns: number
  /** Repairs that were said, and those of them that held. */
  readonly said: number
  readonly held: number
}

const ANALYSE = `You are shown how an agent failed at a task. Look for actions that were understandable and that the world misunderstood, such as one that
silently does nothing unless something was done before. Say repairs, with JSON: {"repairs": [{"action": "name of the action",
"seen": "pattern of the observation that shows it", "first": [{"name": "…", "args": {"…": "$argument of the action"}}], "say": "what the agent should be told"}]}.`
const OPTIMISE = `Write what an agent has to be told before this task, from the repairs that were found to hold: how this world wants to be treated, in short sentences. Answer with JSON: {"rules": "…"}.`

const analysed = z.object({ repairs: z.array(repairShape).max(10) })
const optimised = interfaceShape.pick({ rules: true })

export const align = defineProgram('align', async (sys, input: AlignInput): Promise<Aligned> => {
  const { question, turns: turnsMax = 8 } = input
  let face = input.face ?? bareInterface
  let [turns, said, held] = [0, 0, 0]
  let last: Pid | undefined
  let success = false
  while (turns < turnsMax) {
    turns++
    last = await sys.fork()
    if (last === 0) return (await trial(sys, input, face)) as never
    const { steps } = (await sys.wait<Json>(last)) as unknown as Acted
    success = earnedBy(steps) >= 1
    if (success) break
    const instructions = `${ANALYSE}\n\n${actionsText(actionTools(sys))}`
    const found = await askJson(sys, { instructions, prompt: `Task: ${question}\n\n${historyText(steps)}` }, analysed)
    const repairs: Repair[] = []
    for (const repair of found?.repairs ?? []) {
      if (face.repairs.some((one) => one.action === repair.action && one.seen === repair.seen)) continue
      said++
      const failed = steps.findIndex(({ action, told }) => repairOf(only(repair), action, told.text) !== undefined)
      if (failed < 0) continue
      // A repair that only says something changes nothing that an experiment could show.
      if (repair.first === undefined) {
        if (repair.say !== undefined) repairs.push(repair)
        continue
      }
      const pid = await sys.fork()
      if (pid === 0) return (await experiment(sys, face, repair, steps.slice(0, failed + 1))) as never
      if (await sys.wait<boolean>(pid)) repairs.push(repair)
    }
    held += repairs.length
    if (repairs.length === 0) continue
    face = { ...face, repairs: [...face.repairs, ...repairs] }
    const written = await askJson(
      sys,
      { instructions: OPTIMISE, prompt: `Task: ${question}\n\nRepairs: ${JSON.stringify(face.repairs)}` },
      optimised,
    )
    face = { ...face, rules: written?.rules ?? face.rules }
  }
  if (last !== undefined && holds(sys, ADOPT)) await sys.call(ADOPT, { pid: last })
  return { face, success, turns, said, held }
})

/** An agent that knows nothing of repairs tries the task through an interface. */
async function trial(sys: Sys, input: AlignInput, face: StepInterface): Promise<Acted> {
  return actLoop(sys, (steps) => decideByModel(sys, { ...input, extra: face.rules, steps }), {
    ...(input.stepsMax === undefined ? {} : { stepsMax: input.stepsMax }),
    perform: (action) => actThrough(sys, face, action),
  })
}

/** One action through an interface, as `wrapWorld` does it. */
export async function actThrough(sys: Sys, face: StepInterface, action: Action): Promise<Told> {
  let told = await act(sys, action)
  const repair = repairOf(face, action, told.text)
  if (repair === undefined || told.done) return told
  if (repair.first !== undefined) {
    let reward = told.reward
    for (const first of [...firstOf(repair, action), action]) {
      told = await act(sys, first)
      reward += told.reward
      if (told.done) break
    }
    told = { ...told, reward }
  }
  return repair.say === undefined ? told : { ...told, text: `${told.text}\n${repair.say}` }
}

const only = (repair: Repair): StepInterface => ({ rules: '', repairs: [repair] })

/** Whether a repair mends the last step of a log, behind the same way through the interface as it was. */
async function experiment(sys: Sys, face: StepInterface, said: Repair, steps: readonly Step[]): Promise<boolean> {
  const { say: _, ...repair } = said
  const failed = steps.at(-1) as Step
  for (const { action } of steps.slice(0, -1)) await actThrough(sys, face, action)
  const { text, error } = await actThrough(sys, only(repair), failed.action)
  return error === undefined && repairOf(only(repair), failed.action, text) === undefined
}
