/**
 * The joint step: one program for teams that act in a world together. In every turn somebody drafts what all do, players may talk
 * about it, what cannot be done is mended or left out, and all act at once. Who drafts, how they talk and what is remembered tells
 * the published teams apart; each is a file of settings: hmas.ts, mind-agent.ts, pro-agent.ts,
 * hierarchical-language-agent.ts, compass.ts.
 *
 *     spawnEpisode(kernel, teamWorld(worldOf(kitchen)), task, { program: hmas2 })
 *     const mine = jointProgram('mine', { draft: 'each', talk: 'turns', roundsMax: 1 })
 *
 * Model calls of a turn, where nothing has to be mended: a central draft 1; a draft by each, one for every player who is to act; talk in
 * turns, one for each speech; feedback, for each round one for every player who has an action, and 1 for a revision.
 *
 * Invariants
 *   JS1. A plan that is carried out names players who are to act, each once, with actions that they have.
 *   JS2. With `sees: 'own'` a player is shown what it sees, did and is told itself, what was said to all, and what strangers did.
 *   JS3. What could not be done, and what of a plan was left out, is told in the next turn's prompts, where there is a history: to the
 *        player whose it was, with `sees: 'own'` to nobody else, and what is of the whole plan to all.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { inputOf } from '../kernel/input-form.ts'
import { defineProgram } from '../kernel/program.ts'
import type { ModelChoice, Program, Sys } from '../kernel/types.ts'
import { act, canLook, look, type TaskInput } from './pieces/acting.ts'
import { byEach, drafted, plainMind, type Agreed, type Mind, type Run } from './pieces/joint-draft.ts'
import { faultsSaid, noTeam, sceneOf, type JointStep, type Scene } from './pieces/joint-plan.ts'
import { inTurns, withFeedback } from './pieces/joint-talk.ts'

export interface JointSettings {
  /** Who writes a plan before anybody talks: one mind for all, every player its own action, or nobody. */
  readonly draft: 'central' | 'each' | 'none'
  /** `turns`: players speak one after another, what each drafted first, until one says the plan to carry out. `feedback`: who has an action agrees or objects, and the planner revises. @default 'none' */
  readonly talk?: 'none' | 'turns' | 'feedback'
  /** Rounds of talk. Minimum 1. @default 3 */
  readonly roundsMax?: number
  /** New tries after a plan that cannot be carried out; then its faulty actions are left out. @default 2 */
  readonly retriesMax?: number
  /** What of earlier turns is shown: nothing, what was done, or also what was said. @default 'actions' */
  readonly history?: 'none' | 'actions' | 'dialogue'
  /** Turns that a history has, the newest. @default 3 */
  readonly historySteps?: number
  /** Whether a player is shown what the others see. @default 'all' */
  readonly sees?: 'all' | 'own'
  /** What all are told beside the task. @default nothing */
  readonly instructions?: string
  /** For `draft: 'each'`: how a player decides, made anew for every run. @default one call that asks for an action */
  readonly mind?: (options: JointInput) => Mind
}

export interface JointInput extends TaskInput, Partial<Omit<JointSettings, 'mind'>> {
  /** Models by player, and `central` for the planner. @default the program's */
  readonly models?: { readonly [player: string]: ModelChoice }
}

/** Answers that were asked for, by who gave them; one that was not of the form and was asked for once more counts once. */
export interface JointCalls {
  central: number
  local: number
  /** Of these, new tries. */
  retried: number
}

export interface Jointed {
  readonly steps: readonly JointStep[]
  readonly calls: JointCalls
  /** The episode came to its end. */
  readonly done: boolean
}

/** A team of these settings, as a program; what its input names comes before them. */
export function jointProgram(name: string, settings: JointSettings): Program<JointInput, Jointed> {
  return defineProgram(name, (sys, input: JointInput) => jointSteps(sys, { ...settings, ...input }))
}

export type JointOptions = JointSettings & JointInput

/** A form for each option but `mind`, and for nothing else. */
type OptionForms = { readonly [Key in Exclude<keyof JointOptions, 'mind'>]-?: z.ZodType<JointOptions[Key]> }

/** Of the options what comes as JSON; what else is in it is another's. */
const optionsForm = z.object({
  question: z.string(),
  instructions: z.string().optional(),
  stepsMax: z.number().optional(),
  draft: z.enum(['central', 'each', 'none']),
  talk: z.enum(['none', 'turns', 'feedback']).optional(),
  roundsMax: z.number().optional(),
  retriesMax: z.number().min(0).optional(),
  history: z.enum(['none', 'actions', 'dialogue']).optional(),
  historySteps: z.number().min(1).optional(),
  sees: z.enum(['all', 'own']).optional(),
  models: z.record(z.string(), z.union([z.string(), z.array(z.string()).readonly()])).optional(),
} satisfies OptionForms)

/** A run of a team. Throws `INVALID_ARGUMENT` for options of another form, for settings that have no meaning together, and outside a team's world. */
export async function jointSteps(sys: Sys, options: JointOptions): Promise<Jointed> {
  // By the compiler too: an option that takes more than its form is none of this type.
  const given: z.input<typeof optionsForm> = options
  inputOf('the input of a team', optionsForm, given)
  const { stepsMax = 1_000, talk = 'none', draft, roundsMax = 3 } = options
  if (draft === 'none' && talk !== 'turns')
    throw new PolityError('INVALID_ARGUMENT', `a team without a draft talks in turns, not "${talk}"`)
  if (talk === 'feedback' && draft !== 'central')
    throw new PolityError('INVALID_ARGUMENT', `a planner revises by feedback, and with draft "${draft}" there is none`)
  if (!(roundsMax >= 1)) throw new PolityError('INVALID_ARGUMENT', `roundsMax is 1 or more, not ${roundsMax}`)
  if (!canLook(sys)) throw noTeam()
  const steps: JointStep[] = []
  let seen = await look(sys)
  // What the whole team saw at first is no part of the task: whoever is to know it is shown it.
  const settled = { ...options, question: withoutEnd(options.question, seen.text) }
  const run: Run = {
    sys,
    options: settled,
    steps,
    calls: { central: 0, local: 0, retried: 0 },
    mind: options.mind?.(settled) ?? plainMind,
  }
  let earned = 0
  while (!seen.done && steps.length < stepsMax) {
    const scene = sceneOf(seen)
    run.mind.saw?.(scene, earned)
    const { plan, faults = [], dialogue } = scene.players.length === 0 ? { plan: [] } : await agreed(run, scene)
    const told = await act(sys, { name: 'act', args: { actions: plan.map((move) => ({ ...move })) } })
    earned = told.reward
    const failed = [...faults, ...faultsSaid(told.error?.message ?? '', plan)]
    steps.push({
      plan,
      ...(failed.length === 0 ? {} : { failed }),
      ...(dialogue === undefined ? {} : { dialogue }),
    })
    seen = await look(sys)
  }
  return { steps, calls: run.calls, done: seen.done }
}

function withoutEnd(text: string, end: string): string {
  return text.endsWith(end) ? text.slice(0, text.length - end.length).trimEnd() : text
}

async function agreed(run: Run, scene: Scene): Promise<Agreed> {
  const { draft, talk = 'none' } = run.options
  const first =
    draft === 'central' ? await drafted(run, scene) : draft === 'each' ? await byEach(run, scene) : undefined
  if (talk === 'turns') return inTurns(run, scene, first)
  if (talk === 'feedback') return withFeedback(run, scene, first as Agreed)
  return first as Agreed
}
