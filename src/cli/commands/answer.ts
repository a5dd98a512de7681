/** `polity answer <id> <text>`: answers a question that waits. */
import { sendCommand } from '../../drivers/store/sqlite-reader.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Question } from '../../kernel/types.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../options.ts'
import { stoppedQuestions, waitingQuestions } from '../questions.ts'
import { exitCodes } from '../report.ts'
import { readStore } from '../store-file.ts'
import { oneLine } from '../terminal.ts'

const OBEY_TRIES_MAX = 5

export const answer = defineCommand({
  name: 'answer',
  summary: 'answer a question that waits',
  usage: '<id> <text>',
  positionals: [2, Infinity],
  options: {},
  details:
    '`polity inbox` lists the questions with their ids and what they take. An approval takes allow or deny; a call in doubt takes done, retry or fail.',
  examples: ['polity answer 31 allow', 'polity answer 12 "the blue one"'],
  async run(context, { positionals: [id = '', ...words] }) {
    if (!/^\d{1,15}$/.test(id))
      throw usageError(
        `a question has a whole number such as 31, not ${JSON.stringify(id)}; \`polity inbox\` lists them`,
      )
    const text = words.join(' ')
    const reader = readStore(context.storePath)
    try {
      const questions = await waitingQuestions(context.storePath, reader)
      if (questions === undefined) {
        const [stopped] = stoppedQuestions(reader)
        throw usageError(
          `no kernel has the store open, so no question waits${stopped === undefined ? '' : `; process ${stopped.pid} is stopped at one: ${context.commandLine(`resume ${stopped.pid}`)}`}`,
        )
      }
      const question = questionOf(questions, Number(id))
      if (question.choices !== null && !question.choices.includes(text))
        throw usageError(
          `question ${id} takes ${question.choices.map((choice) => JSON.stringify(choice)).join(', ')}, not ${JSON.stringify(text)}`,
        )
      sendCommand(context.storePath, { command: 'answer', id: question.id, text })
      for (let tries = 0; tries < OBEY_TRIES_MAX; tries++) {
        const left = await waitingQuestions(context.storePath, reader).catch(() => undefined)
        if (left === undefined || !left.some((one) => one.id === question.id)) {
          context.result(`answered ${id} of process ${question.pid}: ${oneLine(text)}`, {
            id: question.id,
            pid: question.pid,
            text,
          })
          return exitCodes.done
        }
      }
      throw new PolityError(
        'STORE_LOCKED',
        `the kernel that has the store open did not take the answer to question ${id}; try again`,
      )
    } finally {
      reader.close()
    }
  },
})

function questionOf(questions: readonly Question[], id: number): Question {
  const question = questions.find((one) => one.id === id)
  if (question === undefined)
    throw usageError(
      `no question ${id} waits; ${questions.length === 0 ? 'none does' : `waiting: ${questions.map((one) => one.id).join(', ')}`}`,
    )
  return question
}
