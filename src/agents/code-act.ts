/**
 * CodeAct (Wang et al. 2024, "Executable code actions elicit better LLM agents"): the model acts by writing code, which
 * runs in a sandbox with the tools as functions; what it prints is the next observation, until the model answers without code.
 *
 *     const clerk = defineProgram('clerk', (sys, question: string) => codeLoop(sys, openContext({ instructions: codeInstructions(sys) }), question), …)
 *     kernel.spawn(codeAct, { question: 'How much did we spend in spring?' })
 *
 * One block of code replaces many tool calls: loops, filters and sums happen inside, and only what is printed is read by
 * the model. Each call that the code makes is still a call of the process (code-action.ts).
 */
import type { Context } from '../kernel/context.ts'
import { openContext } from '../kernel/context.ts'
import { PolityError, toErrorData } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import type { CodeLanguage, CodeResult } from './pieces/code-action.ts'
import { codeAction, isCodeTool } from './pieces/code-action.ts'
import type { CompactionName } from './compactions.ts'
import { compactionOf } from './compactions.ts'

export interface CodeLoopOptions {
  /** @default 'javascript' */
  readonly language?: CodeLanguage
  /** Names of held tools that the code may call. @default all held but those that run code */
  readonly tools?: readonly string[]
  /** Model calls before the model has to answer. Minimum 1. @default 10 */
  readonly stepsMax?: number
}

export interface CodeActInput extends CodeLoopOptions {
  readonly question: string
  readonly instructions?: string
  /** Size of the context window, tokens. @default 100,000 */
  readonly contextTokens?: number
  /** What becomes of a full window. @default 'recent' */
  readonly compaction?: CompactionName
}

export const codeAct = defineProgram(
  'code-act',
  async (sys, { question, instructions, contextTokens, compaction = 'recent', ...loop }: CodeActInput) => {
    const context = openContext({
      instructions: codeInstructions(sys, { ...loop, ...(instructions === undefined ? {} : { instructions }) }),
      compaction: compactionOf(sys, compaction),
      ...(contextTokens === undefined ? {} : { tokensMax: contextTokens }),
    })
    await context.append({ role: 'user', content: question })
    return codeLoop(sys, context, loop)
  },
)

/** The loop itself, for programs that need it inside: goes on in the given context until the model answers; returns its text. */
export async function codeLoop(
  sys: Sys,
  context: Context,
  { language = 'javascript', tools, stepsMax = 10 }: CodeLoopOptions = {},
): Promise<string> {
  for (let step = 1; ; step++) {
    const answer = await sys.generate({ messages: context.messages })
    await context.append(answer)
    const code = codeOf(answer.text)
    if (code === undefined || step >= stepsMax) return answer.text
    const observation = await act(sys, { code, language, ...(tools === undefined ? {} : { tools }) })
    const last = step === stepsMax - 1 ? '\nAnswer now, without code.' : ''
    await context.append({ role: 'user', content: observation + last })
  }
}

/** The first block of code in a text. */
export function codeOf(text: string): string | undefined {
  return /^```[\w-]*[ \t]*\n([\s\S]*?)^```[ \t]*$/m.exec(text)?.[1]
}

async function act(
  sys: Sys,
  action: { code: string; language: CodeLanguage; tools?: readonly string[] },
): Promise<string> {
  try {
    return observationOf(await codeAction(sys, action))
  } catch (error) {
    // The end of the process is not an observation of it.
    if (PolityError.isInstance(error) && error.code === 'KILLED') throw error
    const { code, message } = toErrorData(error)
    return `Error: ${code}: ${message}`
  }
}

/** What came of code, as a model reads it. */
export function observationOf({ output, isCut, value, error }: CodeResult): string {
  const lines: string[] = []
  if (output !== '') lines.push(`Output:\n${output.trimEnd()}${isCut ? '\n(cut here)' : ''}`)
  if (value !== undefined) lines.push(`Value: ${JSON.stringify(value)}`)
  if (error !== undefined) lines.push(`Error: ${error.code}: ${error.message}`)
  return lines.join('\n') || 'The code ran and printed nothing.'
}

const manners: { readonly [language in CodeLanguage]: string } = {
  javascript:
    'JavaScript. Call a tool with `await tools.name(input)`; print with `console.log`. Top-level await is allowed.',
  python: 'Python. Call a tool with `tools.name(key=value)`; print with `print`. Only the standard library is there.',
  shell: 'bash. Call a tool with `tool name \'{"key": …}\'`, which prints its answer.',
}

/** What the model is told: how to act, and with which tools. */
export function codeInstructions(
  sys: Sys,
  { instructions, language = 'javascript', tools }: CodeLoopOptions & { readonly instructions?: string } = {},
): string {
  const held = sys.tools.filter(({ name }) => !isCodeTool(name) && (tools === undefined || tools.includes(name)))
  const list = held.map(
    ({ name, description, inputSchema }) => `- ${name}: ${description} Input: ${JSON.stringify(inputSchema)}`,
  )
  return [
    ...(instructions === undefined ? [] : [instructions, '']),
    `To act, write one block of code between \`\`\` fences, in ${manners[language]}`,
    'It runs alone, without network and without memory of earlier blocks; you are shown what it prints. To answer, write no code.',
    ...(list.length === 0 ? [] : ['', 'Tools:', ...list]),
  ].join('\n')
}
