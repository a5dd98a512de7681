/**
 * L2MAC (Holt et al. 2024, "L2MAC: large language model automatic computer for extensive code generation"): a processor (the
 * model) with a window, a registry of instructions, a store of files, and a control unit, which is ordinary code: output of
 * many windows, none of which is ever exceeded.
 *
 *     spawn(l2mac, { task: 'Write a library for …', check: 'run_tests' })      →   { files, instructions, finished }
 *
 * Each instruction runs in a window of its own: the task, the instruction, a hand-over of two sentences and the names of the
 * files. The model answers with one action at a time: look at a file, write one whole, remove one, add an instruction, or
 * end this one. The files are those of the process (`sys.write`), so a crash, a fork or a restore loses none.
 * `check` names a held tool that takes `{ files: [{ path, text }] }` and answers `{ ok, report }`; it runs after each change.
 *
 * It is a loop of its own and no pipeline of staged.ts: what an instruction makes are files that later ones change and no document that
 * a stage could see or make anew, one that is added goes to the end of the registry, and what the check finds goes back into the window.
 *
 * Invariants
 *   LM1. No prompt, with the room for its answer, is larger than `windowTokens` by `boundTokens`.
 *   LM2. An instruction does not end while the check fails; what it reported is the next thing that the model reads.
 *   LM3. The same answer twice in a row is asked for anew at a higher temperature; `stepsMax` answers end an instruction, and the run.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Message, Sys } from '../kernel/types.ts'
import { FILE_ACTIONS, FILE_ACTION_SCHEMA, carryOut, fileAction, pathsIn } from './pieces/file-actions.ts'
import { askJson, jsonIn } from './pieces/json-answer.ts'
import { tokensOf } from './pieces/paging-queue.ts'
import { cutTo } from './pieces/text-chunks.ts'

export interface L2macInput {
  readonly task: string
  /** Name of a held tool that checks the files. @default nothing is checked */
  readonly check?: string
  /** Folder of the process for the files. @default 'l2mac/' */
  readonly folder?: string
  /** Tokens of a prompt with its answer. Minimum 1,000. @default 32,000 */
  readonly windowTokens?: number
  /** Answers for one instruction. @default 30, as in the release */
  readonly stepsMax?: number
}

/** What became of an instruction. */
interface Carried {
  readonly text: string
  done: boolean
  /** Answers of the model. */
  steps: number
  /** Windows that it took. */
  windows: number
}

export interface L2macOutput {
  readonly files: readonly string[]
  readonly instructions: readonly Readonly<Carried>[]
  /** Whether all instructions were done. */
  readonly finished: boolean
}

/** Instructions of a registry, as in the paper; what is added counts too, so that a run ends. */
const INSTRUCTIONS_MAX = 10
const PLAN = `Turn the task into at most ${INSTRUCTIONS_MAX} instructions that are carried out in order, each by somebody who sees the files and not what was said before. Answer with JSON: {"instructions": ["…"]}.`
const ACT = `You carry out one instruction of a larger task. What you write is kept in files; you remember nothing else. Answer with one JSON object:
${FILE_ACTIONS}`
const SUMMARY = 'Say in two sentences what was done so far for this instruction and what is left.'

const plan = z.object({ instructions: z.array(z.string().min(1)).min(1).max(INSTRUCTIONS_MAX) })
export const l2mac = defineProgram('l2mac', async (sys, input: L2macInput): Promise<L2macOutput> => {
  const { task, folder = 'l2mac/', windowTokens = 32_000, stepsMax = 30 } = input
  if (!(windowTokens >= 1_000)) throw new PolityError('INVALID_ARGUMENT', 'l2mac: windowTokens takes at least 1,000')
  const answerTokens = Math.floor(windowTokens / 4)
  const first = await askJson(sys, { instructions: PLAN, prompt: task, maxOutputTokens: answerTokens }, plan)
  const registry = [...(first?.instructions ?? [task])]
  const done: Carried[] = []
  let handOver = ''

  for (let at = 0; at < registry.length; at++) {
    const state: Carried = { text: registry[at] as string, done: false, steps: 0, windows: 1 }
    done.push(state)
    const open = async (progress: string): Promise<Message[]> => {
      const files = (await pathsIn(sys, folder)).join(', ')
      const parts = [
        `Task: ${task}`,
        `Instruction: ${state.text}`,
        `From before: ${progress || 'nothing'}`,
        `Files: ${files || 'none'}`,
      ]
      return [
        { role: 'system', content: ACT },
        { role: 'user', content: cutTo(parts.join('\n\n'), windowTokens / 3) },
      ]
    }
    let messages = await open(handOver)
    let temperature = 0
    let last = ''
    while (!state.done && state.steps < stepsMax) {
      if (tokensOf(messages) + answerTokens > windowTokens) {
        messages = await open(await progressOf(sys, messages, windowTokens - answerTokens))
        state.windows++
      }
      const { text } = await sys.generate({
        messages,
        temperature,
        maxOutputTokens: answerTokens,
        schema: FILE_ACTION_SCHEMA,
      })
      state.steps++
      temperature = text === last ? Math.min(1, temperature + 0.4) : Math.max(0, temperature - 0.1)
      last = text
      const wanted = fileAction.safeParse(jsonIn(text))
      let outcome: string
      if (!wanted.success) outcome = `That was no action: ${z.prettifyError(wanted.error)}`
      else if (wanted.data.action === 'instruct') {
        outcome = registry.length < INSTRUCTIONS_MAX ? 'added' : `there are ${INSTRUCTIONS_MAX} already`
        if (registry.length < INSTRUCTIONS_MAX) registry.push(wanted.data.text)
      } else {
        const { said, mayEnd } = await carryOut(sys, wanted.data, { ...input, folder })
        outcome = said
        state.done = mayEnd
        if (state.done && 'text' in wanted.data) handOver = wanted.data.text
      }
      messages.push({ role: 'assistant', content: [{ type: 'text', text }] })
      messages.push({ role: 'user', content: cutTo(outcome, windowTokens / 8) })
    }
    if (!state.done) break
  }
  const finished = done.length === registry.length && done.every((one) => one.done)
  return { files: await pathsIn(sys, folder), instructions: done, finished }
})

/** Two sentences of the model on what it did, from the newest messages that fit behind the first two. */
async function progressOf(sys: Sys, messages: readonly Message[], tokensMax: number): Promise<string> {
  const ask: Message = { role: 'user', content: SUMMARY }
  let rest = messages.slice(2)
  while (rest.length > 0 && tokensOf([...messages.slice(0, 2), ...rest, ask]) > tokensMax) rest = rest.slice(1)
  const { text } = await sys.generate({ messages: [...messages.slice(0, 2), ...rest, ask], maxOutputTokens: 200 })
  return text
}
