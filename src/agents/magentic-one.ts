/**
 * Magentic-One (Fourney et al. 2024, "Magentic-One: a generalist multi-agent system for solving complex tasks"): an orchestrator
 * with two ledgers leads a team. The outer loop writes down facts and a plan; the inner one asks before each step how it stands, and
 * lets one of the team speak; where it stalls, facts and plan are written anew and the talk begins again.
 *
 *     const team = magenticOne({ team: [...magenticTeam(), { name: 'WebSurfer', description, program }] })
 *     spawn(team, { task: 'How many lines has the longest of my notes?' })       →   { answer, why, ledger, progress, thread, replans }
 *
 * Who speaks is a process of its own, which is told the talk since the last plan and its instruction, and holds its own tools
 * alone. In the paper members have a memory that is emptied with a new plan; here they have none but the talk. One that fails is a
 * message like any other. ledger.ts has the questions, orchestrate.ts the loop, magentic-team.ts a team on files and code.
 *
 * Invariants
 *   MO1. Behind a new plan nobody is told what was said before it, but for what the ledger keeps of it.
 *   MO2. It ends with a final answer, also after `stepsMax`; only a model that keeps to no form is an error.
 */
import { defineProgram } from '../kernel/program.ts'
import type { ModelChoice, Program } from '../kernel/types.ts'
import { shortened } from './pieces/acting.ts'
import { crewOf, crewText, reportOf, toolsOf, type Worker } from './pieces/workers.ts'
import { ledgerText, progressLedger, taskLedger, type ProgressLedger, type TaskLedger } from './pieces/ledger.ts'
import { orchestrate, type OrchestrationEnd } from './orchestrate.ts'
import type { StallOptions } from './pieces/stall-counter.ts'

export interface MagenticOneOptions {
  /** Names are unique, and so are the names of the tools that they bring. */
  readonly team: readonly Worker[]
  /** The model of the orchestrator. @default the kernel's */
  readonly model?: ModelChoice
  /** @default 'magentic-one' */
  readonly name?: string
}

export interface MagenticOneInput extends Pick<StallOptions, 'stallsMax' | 'resets'> {
  readonly task: string
  /** Progress ledgers, which are steps and new plans. @default 20 */
  readonly stepsMax?: number
  /** Answers that are asked for until one is of the form. @default 10 */
  readonly triesMax?: number
  /** New plans; 0: a stall ends it. @default no limit but `stepsMax` */
  readonly replansMax?: number
}

export interface ThreadMessage {
  readonly from: string
  readonly text: string
}

export interface MagenticOneOutput {
  readonly answer: string
  readonly why: OrchestrationEnd
  /** The last task ledger. */
  readonly ledger: TaskLedger
  readonly progress: readonly ProgressLedger[]
  /** All that was said, also before a new plan. */
  readonly thread: readonly ThreadMessage[]
  readonly replans: number
}

const LEADER = 'Orchestrator'
const FINAL =
  'Answer the request from what was said and from nothing else. Where it is not known, say the best guess and that it is one. Write only the answer.'

export function magenticOne({
  team,
  model,
  name = 'magentic-one',
}: MagenticOneOptions): Program<MagenticOneInput, MagenticOneOutput> {
  const members = crewOf(`${name}: team`, team)
  return defineProgram(
    name,
    async (sys, { task, triesMax = 10, ...limits }: MagenticOneInput): Promise<MagenticOneOutput> => {
      const thread: ThreadMessage[] = []
      const progress: ProgressLedger[] = []
      /** Where the talk since the last plan begins. */
      let begins = 0
      const say = (from: string, text: string): void => void thread.push({ from, text: shortened(text) })
      const said = (): string =>
        thread
          .slice(begins)
          .map(({ from, text }) => `${from}:\n${text}`)
          .join('\n\n')

      const found = await orchestrate<TaskLedger, ProgressLedger, string>(
        {
          async plan(last) {
            const ledger = await taskLedger(sys, {
              task,
              team,
              triesMax,
              ...(last === undefined ? {} : { last: last.plan, thread: said() }),
            })
            begins = thread.length
            say(LEADER, `We work on this request:\n${task}\n\nTeam:\n${crewText(team)}\n\n${ledgerText(ledger)}`)
            return ledger
          },
          async decide() {
            const next = await progressLedger(sys, { task, team, thread: said(), triesMax })
            progress.push(next)
            return next.isSatisfied ? { end: 'done' } : { move: next, isProgress: next.isProgress && !next.isInLoop }
          },
          async dispatch({ speaker, instruction }) {
            say(LEADER, `${speaker}, ${instruction}`)
            const reply = await reportOf(sys, members.get(speaker) as Worker, said())
            say(speaker, reply)
            return reply
          },
          async conclude() {
            const prompt = `Request: ${task}\n\nWhat was said:\n${said()}`
            return (await sys.generate({ instructions: FINAL, prompt, temperature: 0 })).text
          },
          soFar: ({ all }) => all.at(-1)?.outcome ?? '',
        },
        limits,
      )
      const { answer, why, plan: ledger, replans } = found
      return { answer: answer as string, why, ledger, progress, thread, replans }
    },
    { tools: toolsOf(team), ...(model === undefined ? {} : { model }) },
  )
}
