/**
 * Talk about a joint plan (joint-step.ts): in turns until one says the plan, or by agreement with what a planner said.
 */
import { z } from 'zod'
import { drafted, modelOf, promptFor, toldBy, wrongText, type Agreed, type Run } from './joint-draft.ts'
import {
  dialogueText,
  faultsIn,
  moveShape,
  moveText,
  planText,
  withoutFaulty,
  type Said,
  type Scene,
} from './joint-plan.ts'
import { askJson } from './json-answer.ts'

const TURN = `You are one of a team who speak in turn about what each does now. Say what you would do and what is wrong with what others said.
Where all have said what they do and nothing is wrong with it, also say the plan to carry out, which ends the talk. Answer with JSON:
{"say": "…", "execute": [{"agent": "…", "name": "…", "args": {…}}] or null}.`
const LAST = '\nYours is the last word: say the plan to carry out.'
const turnShape = z.object({ say: z.string().default(''), execute: z.array(moveShape).nullish() })

/** Players speak one after another, each hearing the draft and all before, until one says the plan. What each drafted for itself, it has said. */
export async function inTurns(run: Run, scene: Scene, first: Agreed | undefined): Promise<Agreed> {
  const { roundsMax = 3, retriesMax = 2, draft } = run.options
  const drafts = first?.plan ?? []
  const dialogue: Said[] =
    draft === 'central'
      ? [{ by: 'planner', text: planText(drafts) }]
      : drafts.map((move) => ({ by: move.agent, text: moveText(move) }))
  const speeches = Array.from({ length: roundsMax }, () => scene.players).flat()
  for (const [i, player] of speeches.entries()) {
    const instructions = toldBy(run, `You are ${player.name}. ${TURN}${i === speeches.length - 1 ? LAST : ''}`)
    let wrong = ''
    for (let tries = 0; ; tries++) {
      run.calls.local++
      const heard = `\n\nSaid in this turn:\n${dialogueText(dialogue)}${wrong}`
      const prompt = promptFor(run, scene, player, heard)
      const said = await askJson(run.sys, { instructions, prompt, ...modelOf(run, player.name) }, turnShape)
      const plan = said?.execute ?? undefined
      const faults = plan === undefined ? [] : await faultsIn(run.sys, scene, plan)
      if (faults.length > 0 && tries < retriesMax) {
        run.calls.retried++
        wrong = wrongText(faults)
        continue
      }
      if (said !== undefined) dialogue.push({ by: player.name, text: said.say })
      if (plan !== undefined) return { plan: withoutFaulty(plan, faults), faults, dialogue }
      break
    }
  }
  // Nobody said a plan: the draft it is, if there was one.
  return { plan: [], ...first, dialogue }
}

const FEEDBACK = `You are one of a team. A planner says what each does now. Agree, or say what is wrong with your part of it.
Answer with JSON: {"agree": true or false, "feedback": "…"}.`
const feedbackShape = z.object({ agree: z.boolean(), feedback: z.string().default('') })

/** Who has an action agrees or objects, all at the same time; the planner revises until all agree. */
export async function withFeedback(run: Run, scene: Scene, first: Agreed): Promise<Agreed> {
  const { roundsMax = 3 } = run.options
  const dialogue: Said[] = []
  let now = first
  for (let round = 0; round < roundsMax; round++) {
    const { plan } = now
    dialogue.push({ by: 'planner', text: planText(plan) })
    const active = scene.players.filter(({ name }) => plan.some(({ agent }) => agent === name))
    const replies = await Promise.all(
      active.map(async (player) => {
        run.calls.local++
        const shown = `\n\nThe plan:\n${planText(plan)}`
        const prompt = promptFor(run, scene, player, shown)
        const instructions = toldBy(run, `You are ${player.name}. ${FEEDBACK}`)
        const said = await askJson(run.sys, { instructions, prompt, ...modelOf(run, player.name) }, feedbackShape)
        // Who does not answer in the form does not hold the others up.
        return { by: player.name, agree: said?.agree ?? true, text: said?.feedback ?? '' }
      }),
    )
    const objections = replies.filter(({ agree }) => !agree)
    dialogue.push(...replies.map(({ by, agree, text }) => ({ by, text: agree ? 'I agree.' : text })))
    if (objections.length === 0) break
    now = await drafted(
      run,
      scene,
      `\n\nYour plan:\n${planText(plan)}\n\nWhat the agents say of it:\n${dialogueText(objections)}`,
    )
  }
  return { ...now, dialogue }
}
