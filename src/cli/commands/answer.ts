/** `polity answer <id> <text>`: answers a question that waits. */
import { answerOf } from '../answer-text.ts'
import { defineCommand } from '../command.ts'
import { answerQuestion, questionIdOf } from '../questions.ts'
import { exitCodes } from '../report.ts'
import { readInput } from '../stdin.ts'
import { oneLine } from '../terminal.ts'
import { ONCE_MS, proofOf } from './approve.ts'

export const answer = defineCommand({
  name: 'answer',
  summary: 'answer a question that waits',
  usage: '<id> <text>',
  positionals: [2, Infinity],
  options: {},
  details:
    '`polity inbox` lists the questions with their ids and what they take. An approval takes allow (which is `polity approve`) or deny. ' +
    'A call in doubt takes done, retry or fail. done: it happened; what it returned goes with it, JSON or text, `-` reads it from stdin, and without it the program is given null. ' +
    'retry: it did not happen, and is done now. fail: the call fails with IN_DOUBT, which the program can catch. ' +
    'An answer that does not fit is refused, and the question stays open.',
  examples: ['polity answer 31 deny', 'polity answer 12 "the blue one"', `polity answer 5 done '{"receipt": "r-17"}'`],
  async run(context, { positionals: [given, ...words] }) {
    const id = questionIdOf(given)
    const { question, text, value } = await answerQuestion(context, id, async (asked) => {
      const said = answerOf(asked, words.join(' '))
      const read = await readInput(context, said.value)
      return {
        text: said.text,
        ...(read === undefined ? {} : { value: read }),
        ...(asked.kind === 'approval' && said.text === 'allow'
          ? { proof: proofOf(context, asked, 'once', ONCE_MS) }
          : {}),
      }
    })
    const { pid } = question
    const shown = value === undefined ? text : `${text} ${JSON.stringify(value)}`
    context.result(`answered ${id} of process ${pid}: ${oneLine(shown)}`, {
      id,
      pid,
      text,
      ...(value === undefined ? {} : { value }),
    })
    return exitCodes.done
  },
})
