/**
 * KwaiAgents (Pan et al. 2023, "KwaiAgents: generalized information-seeking agent system with large language models"): one model in two
 * prompts. The planner says one task at a time with the command that does it; the concluder writes the answer from what was observed.
 *
 *     kernel.spawn(kwaiAgents, { question, persona: 'You help travellers.' })      →   { answer, stop: 'finish', tasks: [{ task, … }] }
 *
 * The planner reads who it is, its goal, the tasks so far with what came of them, the tools, and what the memory has that is near the question
 * (earlier questions with their answers, notes of any kind), each trimmed to a budget of tokens; of an earlier conversation the last three turns. It
 * stops by one of four ways: it says finish, it says a task without a command, it names a tool that there is not, or after `stepsMax` tasks. An answer
 * of no form is asked for again, then that is a stop too. Then the concluder is asked, once, whatever was done; where the budget does not have that,
 * the answer is what was observed last. orchestrate.ts has the loop.
 *
 * Invariants
 *   KW1. The answer is made from what was observed and remembered, never from the planner's words: the concluder is not shown them.
 *   KW2. What is trimmed keeps its newest tasks, and the notes that are nearest.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import { act, actionTools, keyOf, type Action } from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { orchestrate } from './orchestrate.ts'
import { tailOf, cutTo } from './pieces/text-chunks.ts'

export interface KwaiInput {
  readonly question: string
  /** Who the agent is, and what it is for. @default nothing */
  readonly persona?: string
  /** What was said before, the newest last; the last three turns are read. @default nothing */
  readonly conversation?: readonly string[]
  /** Tasks. @default 10 */
  readonly stepsMax?: number
  /** What the tasks so far may take of a prompt, tokens. @default 4,000 */
  readonly taskTokens?: number
  /** What the memory may take, tokens. @default 1,000; 0: nothing is recalled */
  readonly memoryTokens?: number
  /** Whether question and answer are remembered. @default true */
  readonly learn?: boolean
}

export interface KwaiTask {
  readonly task: string
  readonly command: Action
  readonly observation: string
}

export type KwaiStop = 'finish' | 'no command' | 'no such tool' | 'no form' | 'steps' | 'budget'

export interface KwaiAnswer {
  readonly answer: string
  readonly stop: KwaiStop
  readonly tasks: readonly KwaiTask[]
}

const FINISH = 'finish'
const PLAN = `You plan: say the one task that is next, and the command that does it. Do not say a task again that was done. When what was observed answers the question, the command is "${FINISH}". Answer with JSON: {"task_name": "…", "command": {"name": "a tool of the list", "args": {…}}}.`
const CONCLUDE =
  'Answer the question from what was observed and remembered, and from nothing else. Say what is not known. Write only the answer.'
const TURNS_SHOWN = 3
/** Notes that are looked for. */
const NOTES_MAX = 10
const TAG = 'kwai-agents'

const planned = z.object({
  task_name: z.string(),
  command: z.object({ name: z.string(), args: z.record(z.string(), z.json()).default({}) }).nullish(),
})

export const kwaiAgents = defineProgram('kwai-agents', async (sys, input: KwaiInput): Promise<KwaiAnswer> => {
  const { question, persona, conversation = [], stepsMax = 10, taskTokens = 4_000, memoryTokens = 1_000 } = input
  const tools = actionTools(sys)
  const notes = memoryTokens > 0 ? await sys.recall(question, { limit: NOTES_MAX }) : []
  const remembered = cutTo(notes.map(({ text }) => `- ${text}`).join('\n'), memoryTokens)
  const before = conversation.slice(-TURNS_SHOWN).join('\n')
  const known = [
    ...(before === '' ? [] : [`Said before:\n${before}`]),
    ...(remembered === '' ? [] : [`Remembered:\n${remembered}`]),
  ]
  const list = tools.map(
    ({ name, description, inputSchema }) => `- ${name}: ${description} Args: ${JSON.stringify(inputSchema)}`,
  )
  let stop: KwaiStop = 'steps'

  const found = await orchestrate<null, Pick<KwaiTask, 'task' | 'command'>, string>(
    {
      plan: () => null,
      async decide({ all }) {
        const done = all.map(
          ({ move, outcome }) => `Task: ${move.task}\nCommand: ${keyOf(move.command)}\nObserved: ${outcome}`,
        )
        const said = await askJson(
          sys,
          {
            instructions: [...(persona === undefined ? [] : [persona]), PLAN, `Tools:\n${list.join('\n')}`].join(
              '\n\n',
            ),
            prompt: [
              `Question: ${question}`,
              `Time: ${new Date(sys.now()).toISOString()}`,
              ...known,
              `Tasks so far:\n${tailOf(done.join('\n\n'), taskTokens) || 'none'}`,
            ].join('\n\n'),
          },
          planned,
        )
        const command = said?.command
        stop = said === undefined ? 'no form' : stopOf(command?.name ?? '', tools)
        return command == null || said === undefined || stop !== 'steps'
          ? { end: stop === 'finish' ? 'done' : 'gave up' }
          : { move: { task: said.task_name, command } }
      },
      dispatch: async ({ command }) => (await act(sys, command)).text,
      async conclude({ all }) {
        const observed = tailOf(
          all.map(({ move, outcome }) => `${keyOf(move.command)}: ${outcome}`).join('\n\n'),
          taskTokens,
        )
        const prompt = [`Question: ${question}`, ...known, `Observed:\n${observed || 'nothing'}`].join('\n\n')
        const instructions = [...(persona === undefined ? [] : [persona]), CONCLUDE].join('\n\n')
        return (await sys.generate({ instructions, prompt, temperature: 0 })).text
      },
      soFar: ({ all }) => all.at(-1)?.outcome ?? '',
    },
    { stepsMax },
  )
  const answer = found.answer as string
  if (input.learn !== false)
    await sys.remember({
      text: `Question: ${question}\nAnswer: ${answer}`,
      tags: [TAG],
      // What was remembered is in the answer: it is trusted no more than that.
      parents: notes.map(({ id }) => id),
    })
  if (found.why === 'budget') stop = 'budget'
  return { answer, stop, tasks: found.all.map(({ move, outcome }) => ({ ...move, observation: outcome })) }
})

/** Why a command ends it; 'steps': it does not. */
function stopOf(command: string, tools: readonly { readonly name: string }[]): KwaiStop {
  if (command.toLowerCase() === FINISH) return 'finish'
  if (command === '') return 'no command'
  return tools.some(({ name }) => name === command) ? 'steps' : 'no such tool'
}
