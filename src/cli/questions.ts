/** Questions that wait: asked of the kernel that has the store open, or read from the journals of stopped processes. */
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import { PolityError } from '../kernel/errors.ts'
import type { CallStart, Json, Pid, Question } from '../kernel/types.ts'
import type { Context } from './command.ts'
import { wish } from './elsewhere.ts'
import { usageError } from './options.ts'
import { askStatus, ownerOf, readStore } from './store-file.ts'

/** What waits in the kernel that has the store open; undefined when none has. */
export async function waitingQuestions(path: string, reader: StoreReader): Promise<readonly Question[] | undefined> {
  const { isOwned, pid } = ownerOf(path)
  if (!isOwned) return undefined
  const status = await askStatus(path, reader)
  if (status === undefined)
    throw new PolityError(
      'STORE_LOCKED',
      `the kernel in process ${pid ?? 'unknown'} has the store open and does not answer; try again when it has finished what it computes`,
    )
  return status.questions
}

export interface StoppedQuestion {
  readonly pid: Pid
  readonly text: string
}

/** Questions of stopped processes. They have no id until a kernel asks them again. */
export function stoppedQuestions(reader: StoreReader): StoppedQuestion[] {
  const found: StoppedQuestion[] = []
  for (const { start, end } of reader.processes()) {
    if (end !== undefined) continue
    const open = new Map<number, CallStart>()
    for (const event of reader.events(start.pid)) {
      if (event.type === 'call-start' && event.call === 'ask') open.set(event.n, event)
      else if (event.type === 'call-end') open.delete(event.n)
    }
    for (const { args } of open.values())
      found.push({ pid: start.pid, text: String((args as { text?: unknown } | null)?.text ?? '') })
  }
  return found
}

/** The number of a question, as somebody typed it. */
export function questionIdOf(given: string | undefined): number {
  if (given === undefined || !/^\d{1,15}$/.test(given))
    throw usageError(
      `a question has a whole number such as 31, not ${JSON.stringify(given ?? '')}; \`polity inbox\` lists them`,
    )
  return Number(given)
}

/** What somebody says to a question. */
export interface Said {
  readonly text: string
  /** Of a call in doubt that was done: what it returned. */
  readonly value?: Json
  /** Of an approval: signed. */
  readonly proof?: string
}

/** Answers a question of the kernel that has the store open with what `say` makes of it. Throws what the kernel has against it. */
export async function answerQuestion(
  context: Context,
  id: number,
  say: (question: Question) => Said | Promise<Said>,
): Promise<Said & { readonly question: Question }> {
  const path = context.storePath
  const reader = readStore(path)
  try {
    const questions = await waitingQuestions(path, reader)
    if (questions === undefined) {
      const [stopped] = stoppedQuestions(reader)
      throw usageError(
        `no kernel has the store open, so no question waits${stopped === undefined ? '' : `; process ${stopped.pid} is stopped at one: ${context.commandLine(`resume ${stopped.pid}`)}`}`,
      )
    }
    const question = questionOf(questions, id)
    const said = await say(question)
    const { text, value, proof } = said
    if (question.choices !== null && !question.choices.includes(text))
      throw usageError(
        `question ${id} takes ${question.choices.map((choice) => JSON.stringify(choice)).join(', ')}, not ${JSON.stringify(text)}`,
      )
    await wish(context, {
      command: 'answer',
      id,
      text,
      ...(value === undefined ? {} : { value: JSON.stringify(value) }),
      ...(proof === undefined ? {} : { proof }),
    })
    return { ...said, question }
  } finally {
    reader.close()
  }
}

function questionOf(questions: readonly Question[], id: number): Question {
  const question = questions.find((one) => one.id === id)
  if (question === undefined)
    throw usageError(
      `no question ${id} waits; ${questions.length === 0 ? 'none does' : `waiting: ${questions.map((one) => one.id).join(', ')}`}`,
    )
  return question
}
