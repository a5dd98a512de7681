/**
 * Who operates a screen, as Mobile-Agent does it (Wang et al. 2024 and 2025): decides an action from what the screen shows, takes it,
 * and judges it by the screen before and after.
 *
 *     const hand = await screenOperator(sys, { question, back: 'back' })
 *     const move = await hand.decide([`Plan: ${plan}`], shortcuts)          // undefined: nothing that can be read
 *     const step = await hand.take(move, shortcuts)                         // { action, summary, verdict: 'A', taken: 1 }
 *
 * Perception is what the tools of the process tell: text. A verdict is A (as expected), B (a wrong screen: `back` is taken) or C (nothing
 * changed). The release reads it by whether an answer has a capital A in it; here it is one of three values, and an answer that is
 * none of them is a C.
 *
 * Invariants
 *   SO1. `historyOf` tells the steps with verdict A, and no other: what did not work never passes for progress.
 *   SO2. A shortcut is offered, and taken, only where its precondition stands on the screen.
 */
import { z } from 'zod'
import type { Sys } from '../../kernel/types.ts'
import {
  act,
  actionShape,
  actionTools,
  actionsText,
  canLook,
  keyOf,
  look,
  shortened,
  type Action,
  type Told,
} from './acting.ts'
import { askJson } from './json-answer.ts'
import { shortcutsOn, takeShortcut, type Shortcut } from './shortcuts.ts'

export type Verdict = 'A' | 'B' | 'C'

export interface ScreenStep {
  readonly action: Action
  /** What the action was to do. */
  readonly summary: string
  readonly verdict: Verdict
  /** Actions taken: those of a shortcut, else 1. */
  readonly taken: number
}

export interface ScreenMove {
  readonly action: Action
  readonly summary: string
}

export interface ScreenOptions {
  readonly question: string
  /** The action that goes back from a wrong screen. @default none is taken */
  readonly back?: string | undefined
}

const DECIDE = `You operate a screen. Decide the next action from the screen, what was done and what is planned; where the task is done, "finish". Answer with JSON: {"thought": "…", "action": {"name": "…", "args": {…}}, "summary": "what the action is to do, in a few words"}.`
const REFLECT = `Compare the screens before and after the action. A: it did what was expected. B: it led to a wrong screen. C: nothing changed. Answer with JSON: {"verdict": "A", "B" or "C"}.`
const NOTE = 'Is there content on the screen that is needed later? Write it, or "None".'

const decided = z.object({ thought: z.string().optional(), action: actionShape, summary: z.string().default('') })
const judged = z.object({ verdict: z.enum(['A', 'B', 'C']) })

export async function screenOperator(sys: Sys, { question, back }: ScreenOptions) {
  const notes: string[] = []
  const steps: ScreenStep[] = []
  let screen: Told = canLook(sys) ? await look(sys) : { text: 'nothing was seen yet', reward: 0, done: false }
  /** The task, what else is to be told, notes and screen: what everybody reads. */
  const told = (lines: readonly string[]): string =>
    [`Task: ${question}`, ...lines, `Notes:\n${notes.join('\n') || 'none'}`, `Screen:\n${shortened(screen.text)}`].join(
      '\n\n',
    )

  return {
    notes,
    steps,
    told,
    isOver: (): boolean => screen.done,

    /** Undefined where the model says nothing that can be read. */
    async decide(lines: readonly string[], shortcuts: readonly Shortcut[] = []): Promise<ScreenMove | undefined> {
      const offered = shortcutsOn(shortcuts, screen.text).map(
        ({ name, description, actions }) => `- ${name}: ${description} A shortcut for ${JSON.stringify(actions)}`,
      )
      const failed =
        (steps.at(-1)?.verdict ?? 'A') === 'A'
          ? []
          : ['The last operation did not do what was expected: choose another.']
      const instructions = [DECIDE, actionsText(actionTools(sys)), ...offered].join('\n')
      const prompt = told([...lines, `Operations:\n${historyOf(steps)}`, ...failed])
      return askJson(sys, { instructions, prompt }, decided)
    },

    async take({ action, summary }: ScreenMove, shortcuts: readonly Shortcut[] = []): Promise<ScreenStep> {
      const before = screen.text
      const shortcut = shortcutsOn(shortcuts, before).find(({ name }) => name === action.name)
      const done =
        shortcut === undefined
          ? { told: await act(sys, action), taken: 1 }
          : await takeShortcut(sys, shortcut, action.args ?? {})
      screen = done.told
      const prompt = `Operation: ${summary}: ${keyOf(action)}\n\nBefore:\n${shortened(before)}\n\nAfter:\n${shortened(screen.text)}`
      const verdict = (await askJson(sys, { instructions: REFLECT, prompt }, judged))?.verdict ?? 'C'
      if (verdict === 'B' && back !== undefined && !screen.done) screen = await act(sys, { name: back })
      const step = { action, summary, verdict, taken: done.taken }
      steps.push(step)
      return step
    },

    /** Keeps what is on the screen and needed later; what is there already, once. */
    async note(): Promise<void> {
      const said = (await sys.generate({ instructions: NOTE, prompt: told([]), temperature: 0 })).text.trim()
      if (said !== '' && !/^none\W*$/i.test(said) && !notes.includes(said)) notes.push(said)
    },
  }
}

/** The steps that did what was expected, a line each. */
export function historyOf(steps: readonly ScreenStep[]): string {
  const right = steps.filter(({ verdict }) => verdict === 'A')
  return right.map(({ summary, action }, i) => `${i + 1}. ${summary}: ${keyOf(action)}`).join('\n') || 'none'
}
