/**
 * Mobile-Agent-v2 (Wang et al. 2024, "Mobile-Agent-v2: mobile device operation assistant with effective navigation via multi-agent
 * collaboration"): a decision from the screen and from what is completed, a memory of what is needed later, a judgement of each
 * action, and a planner that writes down what is completed.
 *
 *     spawnEpisode(kernel, world, task, { program: mobileAgent, input: { back: 'back' } })
 *     // { why, progress: 'The mail is open.', notes, steps: [{ action, summary, verdict: 'A', taken: 1 }] }
 *
 * Four model calls a step that did what was expected, three for any other, and one for the decision that ends it. screen-operator.ts has
 * the screen, orchestrate.ts the loop; mobile-agent-e.ts is its successor.
 */
import { defineProgram } from '../kernel/program.ts'
import { FINISH } from './pieces/acting.ts'
import { orchestrate, type OrchestrationEnd } from './orchestrate.ts'
import {
  historyOf,
  screenOperator,
  type ScreenMove,
  type ScreenOptions,
  type ScreenStep,
} from './pieces/screen-operator.ts'

export interface MobileAgentInput extends ScreenOptions {
  /** Whether what is needed later is written down. @default true */
  readonly memory?: boolean
  /** @default 40 */
  readonly stepsMax?: number
}

export interface MobileAgentOutput {
  readonly why: OrchestrationEnd
  /** What is completed, as the planner wrote it. */
  readonly progress: string
  readonly notes: readonly string[]
  readonly steps: readonly ScreenStep[]
}

const PROGRESS = 'Write down what of the task is completed by now, from the operations. Write only that.'

export const mobileAgent = defineProgram(
  'mobile-agent',
  async (sys, { question, back, memory = true, stepsMax = 40 }: MobileAgentInput): Promise<MobileAgentOutput> => {
    const hand = await screenOperator(sys, { question, back })
    let progress = 'nothing'
    const { why } = await orchestrate<null, ScreenMove, ScreenStep>(
      {
        plan: () => null,
        async decide() {
          if (hand.isOver()) return { end: 'done' }
          const move = await hand.decide([`Completed: ${progress}`])
          if (move === undefined) return { end: 'gave up' }
          return move.action.name === FINISH ? { end: 'done' } : { move }
        },
        async dispatch(move) {
          if (memory) await hand.note()
          const step = await hand.take(move)
          if (step.verdict !== 'A') return step
          const prompt = `Task: ${question}\n\nOperations:\n${historyOf(hand.steps)}\n\nCompleted before: ${progress}`
          progress = (await sys.generate({ instructions: PROGRESS, prompt, temperature: 0 })).text.trim()
          return step
        },
      },
      { stepsMax },
    )
    return { why, progress, notes: hand.notes, steps: hand.steps }
  },
)
