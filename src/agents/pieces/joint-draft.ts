/**
 * Drafts of a joint plan (joint-step.ts): by one mind for all, or by every player for itself; what a plan has wrong is mended or left
 * out here, and what each is shown is written here.
 *
 * Invariants: JS1 and JS2 of joint-step.ts.
 */
import { z } from 'zod'
import type { ModelChoice, Sys } from '../../kernel/types.ts'
import {
  faultsIn,
  faultsText,
  moveShape,
  PLAN_FORM,
  planShape,
  planText,
  sceneText,
  stepsText,
  withoutFaulty,
  type Fault,
  type JointStep,
  type Move,
  type Plan,
  type Player,
  type Said,
  type Scene,
} from './joint-plan.ts'
import type { JointCalls, JointOptions } from '../joint-step.ts'
import { askJson } from './json-answer.ts'

/** How the players of a run decide, and what they remember. */
export interface Mind {
  /** What that player does; undefined: nothing. */
  decide(sys: Sys, asked: Asked): Promise<Move | undefined>
  /** Told of every turn before anybody decides, with what everybody did last and what the team earned by it. @default not told */
  saw?(scene: Scene, earned: number): void
}

/** A player that is to decide. */
export interface Asked {
  readonly player: Player
  /** Task, history and what the player sees. */
  readonly prompt: string
  /** Asks it with that prompt, and `more` behind it; where its last proposal in this turn was wrong, it is told so. */
  ask<Shape extends z.ZodType>(
    form: string,
    more: string,
    shape: Shape,
    model?: ModelChoice,
  ): Promise<z.infer<Shape> | undefined>
}

/** A run, as its parts share it. */
export interface Run {
  readonly sys: Sys
  readonly options: JointOptions
  readonly steps: readonly JointStep[]
  readonly calls: JointCalls
  readonly mind: Mind
}

/** What was agreed on, and what of it was left out. */
export interface Agreed {
  readonly plan: Plan
  readonly faults?: readonly Fault[]
  readonly dialogue?: readonly Said[]
}

const CENTRAL = `You plan for a team: say what each agent does now, so that the task is done soon and nobody is in another's way.\n${PLAN_FORM}`

/** One mind for all. */
export function drafted(run: Run, scene: Scene, objections = ''): Promise<Agreed> {
  return mended(run, scene, async (wrong) => {
    run.calls.central++
    const prompt = promptFor(run, scene, undefined, objections + wrong)
    const said = await askJson(
      run.sys,
      { instructions: toldBy(run, CENTRAL), prompt, ...modelOf(run, 'central') },
      planShape,
    )
    return said?.plan
  })
}

/** Every player its own action, all at the same time. */
export async function byEach(run: Run, scene: Scene): Promise<Agreed> {
  const all = await Promise.all(
    scene.players.map((player) =>
      mended(run, scene, async (wrong) => {
        run.calls.local++
        const prompt = promptFor(run, scene, player, '')
        const move = await run.mind.decide(run.sys, {
          player,
          prompt,
          ask: (form, more, shape, model) =>
            askJson(
              run.sys,
              {
                instructions: toldBy(run, `You are ${player.name}. ${form}`),
                prompt: prompt + more + wrong,
                ...(model === undefined ? modelOf(run, player.name) : { model }),
              },
              shape,
            ),
        })
        return move === undefined ? [] : [move]
      }).then(({ plan, faults = [] }) => ({
        plan,
        // Of its own plan, all is its own.
        faults: faults.map(({ agent = player.name, message }) => ({ agent, message })),
      })),
    ),
  )
  return { plan: all.flatMap(({ plan }) => plan), faults: all.flatMap(({ faults }) => faults) }
}

/** A plan that can be carried out: written again with what is wrong, in the end without its faulty moves. */
async function mended(
  { sys, options: { retriesMax = 2 }, calls }: Run,
  scene: Scene,
  write: (wrong: string) => Promise<Plan | undefined>,
): Promise<Agreed> {
  let wrong = ''
  for (let tries = 0; ; tries++) {
    const plan = await write(wrong)
    const faults = plan === undefined ? [{ message: 'no plan was said' }] : await faultsIn(sys, scene, plan)
    if (plan !== undefined && faults.length === 0) return { plan }
    if (tries >= retriesMax) return { plan: withoutFaulty(plan ?? [], faults), faults }
    calls.retried++
    wrong = wrongText(faults)
  }
}

/** What is said to who has said something that cannot be carried out. */
export const wrongText = (faults: readonly Fault[]): string =>
  `\n\nWhat you said last cannot be carried out:\n${faultsText(faults)}`

const OWN = `You are one of a team and say what you do now.
Answer with JSON: {"thought": "why", "action": {"name": "…", "args": {…}}}.`
const ownShape = z.object({ thought: z.string().default(''), action: moveShape.omit({ agent: true }) })

/** Asks for an action, and remembers nothing. */
export const plainMind: Mind = {
  async decide(_, { player, ask }) {
    const said = await ask(OWN, '', ownShape)
    return said === undefined ? undefined : { ...said.action, agent: player.name }
  },
}

// ------------------------------------------------------------------------------------------------------------ prompts

/** What is told before a call: the task, the turns before and what there is to see now. @param player whose call it is; undefined: the planner's */
export function promptFor(
  { options, steps }: Run,
  { players, last }: Scene,
  player: Player | undefined,
  more: string,
): string {
  const { question, history = 'actions', historySteps = 3, sees = 'all' } = options
  const isAlone = player !== undefined && sees === 'own'
  const isShown = (agent: string): boolean => !isAlone || agent === player.name
  const before = history === 'none' ? [] : steps.slice(-historySteps)
  const turns = before.map(({ plan, failed, dialogue }): JointStep => {
    const faults = failed?.filter(({ agent }) => agent === undefined || isShown(agent)) ?? []
    return {
      plan: plan.filter(({ agent }) => isShown(agent)),
      ...(faults.length === 0 ? {} : { failed: faults }),
      ...(history === 'dialogue' && dialogue !== undefined ? { dialogue } : {}),
    }
  })
  // Who is not of the team is not in its plans: what they did is seen by all.
  const own = new Set(steps.at(-1)?.plan.map(({ agent }) => agent))
  const others = last.filter(({ agent }) => !own.has(agent))
  const shown =
    player === undefined ? players : isAlone ? [player] : [player, ...players.filter((one) => one !== player)]
  return [
    `Task: ${question}`,
    ...(turns.length === 0 ? [] : [`Turns before:\n${stepsText(turns)}`]),
    ...(others.length === 0 ? [] : [`Others did:\n${planText(others)}`]),
    `Now:\n${sceneText(shown)}${more}`,
  ].join('\n\n')
}

export function toldBy({ options: { instructions } }: Run, form: string): string {
  return instructions === undefined ? form : `${instructions}\n\n${form}`
}

export function modelOf({ options: { models } }: Run, who: string): { readonly model?: ModelChoice } {
  const model = models?.[who]
  return model === undefined ? {} : { model }
}
