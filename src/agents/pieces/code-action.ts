/**
 * Code actions: runs code that a model wrote, and makes the calls it asks for as calls of this process.
 *
 *     const { output, value, error } = await codeAction(sys, { code: 'const bill = await tools.look_up({ month: 3 })' })
 *
 * The process has to hold the pair of tools `code.start` and `code.resume` (src/drivers/sandbox/tools.ts, or another pair
 * that speaks the same way). Whatever the code does with the world it does by `sys.call`, here: past the same law, out of
 * the same budgets, into the same journal as every other call. On a replay all of it comes from the journal, and no code runs.
 *
 * Invariants
 *   A1. Code reaches only the tools that `tools` names and the process holds; never the pair itself.
 *   A2. An action that lost its sandbox (a crash, a fork, a long wait) is started anew with the answers that it had: no
 *       call is made twice.
 */
import { PolityError, toErrorData } from '../../kernel/errors.ts'
import type { Json, Sys } from '../../kernel/types.ts'

/** The pair of tools that runs code. */
export const codeToolNames = { start: 'code.start', resume: 'code.resume' } as const

/** Whether a tool is of the pair, which code never calls and no model is offered. */
export function isCodeTool(name: string): boolean {
  return name === codeToolNames.start || name === codeToolNames.resume
}

export type CodeLanguage = 'javascript' | 'python' | 'shell'

export interface CodeActionOptions {
  readonly code: string
  /** @default 'javascript' */
  readonly language?: CodeLanguage
  /** Names of held tools that the code may call. @default all held but those that run code */
  readonly tools?: readonly string[]
}

export interface CodeResult {
  /** What the code printed. */
  readonly output: string
  /** Whether it printed more. */
  readonly isCut: boolean
  /** The last expression of JavaScript or Python, or what JavaScript returned. */
  readonly value?: Json
  /** Why it did not end well: its own error, or the limit that it met. */
  readonly error?: { readonly code: string; readonly message: string }
}

interface Asked {
  readonly tool: string
  readonly input: Json
}

type Answered = { readonly value: Json } | { readonly error: { readonly code: string; readonly message: string } }

/** What the pair of tools returns. */
type Step =
  | {
      readonly state: 'calls'
      readonly session: string
      readonly round: number
      readonly calls: readonly Asked[]
      readonly output: string
    }
  | ({ readonly state: 'done' } & CodeResult)

/** Times that one action is started anew before it is given up. */
const RESTARTS_MAX = 3
/** Three quarters of what the kernel takes as the arguments of a call. */
const ANSWERS_CHARS_MAX = 786_432

export async function codeAction(
  sys: Sys,
  { code, language = 'javascript', tools }: CodeActionOptions,
): Promise<CodeResult> {
  const names = sys.tools.map(({ name }) => name).filter((name) => !isCodeTool(name))
  const held = new Set(names.filter((name) => tools === undefined || tools.includes(name)))
  const answered: { calls: readonly Asked[]; answers: readonly Answered[] }[] = []
  const now = sys.now()
  const seed = Math.floor(sys.random() * 2 ** 31)
  const start = (): Promise<Step> =>
    sys
      .call<Json>(codeToolNames.start, { language, code, tools: [...held], now, seed, answered: plain(answered) })
      .then(stepOf)

  let output = ''
  let restarts = 0
  let step = await start()
  for (;;) {
    output += step.output
    if (step.state === 'done') return { ...resultOf(step), output }
    const { session, round, calls } = step
    const answers = fitting(await Promise.all(calls.map((call) => broker(sys, held, call))))
    answered.push({ calls, answers })
    try {
      step = stepOf(await sys.call<Json>(codeToolNames.resume, { session, round, answers: plain(answers) }))
    } catch (error) {
      if (!isGone(error) || restarts++ >= RESTARTS_MAX) throw error
      // From its first line: what it prints then, it printed before.
      output = ''
      step = await start()
    }
  }
}

/** Makes one call of the code a call of the process. A failure is an answer; the end of the process is not. */
async function broker(sys: Sys, held: ReadonlySet<string>, { tool, input }: Asked): Promise<Answered> {
  if (!held.has(tool)) {
    const known = [...held].join(', ') || 'none'
    return { error: { code: 'NO_SUCH_TOOL', message: `the code may call no tool "${tool}"; it may call ${known}` } }
  }
  try {
    return { value: await sys.call(tool, input) }
  } catch (error) {
    if (PolityError.isInstance(error) && error.code === 'KILLED') throw error
    const { code, message } = toErrorData(error)
    return { error: { code, message } }
  }
}

/** Answers travel together, as the arguments of one call: those that do not fit fail inside, where the code can ask for less. */
function fitting(answers: readonly Answered[]): Answered[] {
  let chars = 0
  return answers.map((answer) => {
    const size = JSON.stringify(answer).length
    if (chars + size <= ANSWERS_CHARS_MAX) {
      chars += size
      return answer
    }
    const message = `the answers of one round are larger than ${ANSWERS_CHARS_MAX} characters; ask for less at once`
    return { error: { code: 'TOO_LARGE', message } }
  })
}

function isGone(error: unknown): boolean {
  if (!PolityError.isInstance(error) || error.code !== 'TOOL_FAILED') return false
  return (error.detail as { readonly session?: Json } | undefined)?.session === 'gone'
}

function stepOf(value: Json): Step {
  return value as unknown as Step
}

function resultOf({ isCut, value, error }: CodeResult): Omit<CodeResult, 'output'> {
  return { isCut, ...(value === undefined ? {} : { value }), ...(error === undefined ? {} : { error }) }
}

/** Our own lists, which hold nothing but JSON. */
function plain(value: unknown): Json {
  return value as Json
}
