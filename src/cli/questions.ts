/** Questions that wait: asked of the kernel that has the store open, or read from the journals of stopped processes. */
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import { sendCommand } from '../drivers/store/sqlite-reader.ts'
import { PolityError } from '../kernel/errors.ts'
import type { CallStart, Pid, Question } from '../kernel/types.ts'
import type { Context } from './command.ts'
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

/** Answers a question of the kernel that has the store open, and waits until it was taken. `proofOf` signs what needs it. */
export async function answerQuestion(
  context: Context,
  id: number,
  text: string,
  proofOf?: (question: Question) => string | undefined,
): Promise<Question> {
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
    if (question.choices !== null && !question.choices.includes(text))
      throw usageError(
        `question ${id} takes ${question.choices.map((choice) => JSON.stringify(choice)).join(', ')}, not ${JSON.stringify(text)}`,
      )
    const proof = proofOf?.(question)
    sendCommand(path, { command: 'answer', id, text, ...(proof === undefined ? {} : { proof }) })
    for (let tries = 0; tries < OBEY_TRIES_MAX; tries++) {
      const left = await waitingQuestions(path, reader).catch(() => undefined)
      if (left === undefined || !left.some((one) => one.id === id)) return question
    }
    throw new PolityError(
      'STORE_LOCKED',
      `the kernel that has the store open did not take the answer to question ${id}; try again`,
    )
  } finally {
    reader.close()
  }
}

const OBEY_TRIES_MAX = 5

function questionOf(questions: readonly Question[], id: number): Question {
  const question = questions.find((one) => one.id === id)
  if (question === undefined)
    throw usageError(
      `no question ${id} waits; ${questions.length === 0 ? 'none does' : `waiting: ${questions.map((one) => one.id).join(', ')}`}`,
    )
  return question
}
