/** `polity answer <id> <text>`: answers a question that waits. */
import { defineCommand } from '../command.ts'
import { answerQuestion, questionIdOf } from '../questions.ts'
import { exitCodes } from '../report.ts'
import { oneLine } from '../terminal.ts'
import { ONCE_MS, proofOf } from './approve.ts'

export const answer = defineCommand({
  name: 'answer',
  summary: 'answer a question that waits',
  usage: '<id> <text>',
  positionals: [2, Infinity],
  options: {},
  details:
    '`polity inbox` lists the questions with their ids and what they take. An approval takes allow (which is `polity approve`) or deny; a call in doubt takes done, retry or fail.',
  examples: ['polity answer 31 deny', 'polity answer 12 "the blue one"'],
  async run(context, { positionals: [given, ...words] }) {
    const id = questionIdOf(given)
    const text = words.join(' ')
    const { pid } = await answerQuestion(context, id, text, (question) =>
      question.kind === 'approval' && text === 'allow' ? proofOf(context, question, 'once', ONCE_MS) : undefined,
    )
    context.result(`answered ${id} of process ${pid}: ${oneLine(text)}`, { id, pid, text })
    return exitCodes.done
  },
})
