/**
 * Mobile-Agent-E (Wang et al. 2025, "Mobile-Agent-E: self-evolving mobile assistant for complex tasks"): a manager that plans anew after
 * every step, an operator, a reflector, a notetaker; and what one task teaches, tips and shortcuts, goes on to the next.
 *
 *     const first = await wait(spawnEpisode(kernel, world, task, { program: mobileAgentE, input: { back: 'back' } }))
 *     // { why, steps, notes, tips, shortcuts }                give `tips` and `shortcuts` to the next task
 *
 * The manager sees the errors once two steps in a row were no success. The operator takes an action or a shortcut, which runs without a
 * model. It ends where the operator says so, after three failures in a row, before a fourth equal action (but `exempt`), or after 40
 * steps; then tips and shortcuts are written. screen-operator.ts has the screen, orchestrate.ts the loop.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import { FINISH, keyOf } from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { orchestrate, type OrchestrationEnd } from './orchestrate.ts'
import {
  historyOf,
  screenOperator,
  type ScreenMove,
  type ScreenOptions,
  type ScreenStep,
} from './pieces/screen-operator.ts'
import { learnShortcuts, type Shortcut } from './pieces/shortcuts.ts'
import { inARow } from './pieces/stall-counter.ts'
import { whileItLasts } from './pieces/while-it-lasts.ts'

export interface MobileAgentEInput extends ScreenOptions {
  /** Actions that may be taken again and again, such as a swipe. @default `back` */
  readonly exempt?: readonly string[]
  /** @default 40 */
  readonly stepsMax?: number
  /** What was learned before. @default nothing */
  readonly tips?: string
  readonly shortcuts?: readonly Shortcut[]
  /** Whether tips and shortcuts are written at the end. @default true */
  readonly learn?: boolean
}

export interface MobileAgentEOutput {
  readonly why: OrchestrationEnd
  readonly notes: readonly string[]
  readonly steps: readonly ScreenStep[]
  readonly tips: string
  readonly shortcuts: readonly Shortcut[]
}

const MANAGE = `You manage an operator. Write the plan for what is left of the task, and the subgoal that is next. Answer with JSON: {"plan": "…", "subgoal": "…"}.`
const TIPS =
  'Write general tips for such tasks, in a few lines, from how this one went and from the tips so far. Write only the tips.'
const managed = z.object({ plan: z.string(), subgoal: z.string() })
type Plan = z.infer<typeof managed>

/** Failures in a row that end it, equal actions in a row that do, and failures from which the manager sees the errors. */
const [FAILURES_MAX, EQUAL_MAX, ERRORS_FROM] = [3, 3, 2]

export const mobileAgentE = defineProgram(
  'mobile-agent-e',
  async (sys, input: MobileAgentEInput): Promise<MobileAgentEOutput> => {
    const { question, back, exempt = back === undefined ? [] : [back], stepsMax = 40 } = input
    const { tips = '', shortcuts: known = [], learn = true } = input
    const hand = await screenOperator(sys, { question, back })
    const advice = tips === '' ? [] : [`Tips:\n${tips}`]

    const { why } = await orchestrate<Plan, ScreenMove, ScreenStep>(
      {
        async plan(last) {
          const lines = [`Last plan: ${last?.plan.plan ?? 'none'}`, `Done:\n${historyOf(hand.steps)}`]
          const prompt = hand.told([...lines, ...errorsOf(hand.steps), ...advice])
          const plan = await askJson(sys, { instructions: MANAGE, prompt }, managed)
          return plan ?? last?.plan ?? { plan: '', subgoal: question }
        },
        async decide({ plan }) {
          if (hand.isOver()) return { end: 'done' }
          const isEqual = inARow(hand.steps.map(({ action }) => keyOf(action))) >= EQUAL_MAX
          if (isEqual && !exempt.includes(hand.steps.at(-1)?.action.name ?? '')) return { end: 'gave up' }
          const move = await hand.decide([`Plan: ${plan.plan}\nSubgoal: ${plan.subgoal}`, ...advice], known)
          if (move === undefined) return { end: 'gave up' }
          return move.action.name === FINISH ? { end: 'done' } : { move }
        },
        async dispatch(move) {
          const step = await hand.take(move, known)
          if (step.verdict === 'A') await hand.note()
          return step
        },
        isProgress: ({ outcome }) => outcome.verdict === 'A',
      },
      { stepsMax, stallsMax: FAILURES_MAX, relief: 'all', renew: 'step' },
    )
    const { notes, steps } = hand
    const unlearned = { why, notes, steps, tips, shortcuts: known }
    if (!learn || steps.length === 0) return unlearned
    const lines = steps.map(({ verdict, action, summary }) => `${verdict} ${keyOf(action)}: ${summary}`)
    const log = `Task: ${question}\nEnded: ${why}\n\n${lines.join('\n')}`
    const prompt = `${log}\n\nTips so far:\n${tips || 'none'}`
    const learned = await whileItLasts(async () => {
      const better = (await sys.generate({ instructions: TIPS, prompt, temperature: 0 })).text.trim()
      return { tips: better, shortcuts: await learnShortcuts(sys, known, log) }
    })
    return { ...unlearned, ...learned }
  },
)

/** The last steps, where so many in a row were no success. */
function errorsOf(steps: readonly ScreenStep[]): string[] {
  const last = steps.slice(-ERRORS_FROM)
  if (last.length < ERRORS_FROM || last.some(({ verdict }) => verdict === 'A')) return []
  const lines = last.map(
    ({ action, verdict }) => `${keyOf(action)}: ${verdict === 'B' ? 'led to a wrong screen' : 'changed nothing'}`,
  )
  return [`Errors, one after another:\n${lines.join('\n')}`]
}
