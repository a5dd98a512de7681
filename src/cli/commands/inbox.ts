/** `polity inbox`: questions that wait for a person. */
import { approvalKeyOf } from '../../drivers/store/approval-key.ts'
import { isSealed } from '../../kernel/approvals.ts'
import type { Json, Question } from '../../kernel/types.ts'
import { duration } from '../amounts.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../report.ts'
import { stoppedQuestions, waitingQuestions } from '../questions.ts'
import { readStore } from '../store-file.ts'
import { table, widthOf } from '../table.ts'
import { oneLine, roomOf } from '../terminal.ts'

export const inbox = defineCommand({
  name: 'inbox',
  summary: 'the questions that wait for a person',
  usage: '',
  positionals: [0, 0],
  options: {},
  details:
    'Questions are asked by programs (`sys.ask`), by a law that wants an approval, and about calls that a crash left in doubt. Nobody who does not answer has agreed.',
  examples: ['polity inbox', 'polity inbox --json'],
  async run(context) {
    const reader = readStore(context.storePath)
    try {
      const questions = await waitingQuestions(context.storePath, reader)
      const stopped = questions === undefined ? stoppedQuestions(reader) : []
      const forged = forgedOf(context.storePath, questions ?? [])
      const rows = (questions ?? []).map(({ id, pid, kind, text, choices, detail, askedAt }) => [
        String(id),
        String(pid),
        forged.has(id) ? 'NOT ASKED' : kind,
        // What is allowed are these arguments, and no others: they are shown.
        detail === null ? oneLine(text) : `${oneLine(text)} ${oneLine(JSON.stringify(argumentsIn(detail)))}`,
        choices === null ? 'any text' : choices.map(oneLine).join(', '),
        duration(context.clock.now() - askedAt),
      ])
      const columns = [
        { title: 'ID', align: 'right' as const },
        { title: 'PID', align: 'right' as const },
        { title: 'KIND' },
        { title: 'QUESTION', widthMin: 20 },
        { title: 'TAKES', widthMin: 8 },
        { title: 'WAITS', align: 'right' as const },
      ]
      if (rows.length > 0 || context.isJson) {
        context.result(
          table(columns, rows, roomOf(context.out), (text, row) =>
            row < 0 ? context.out.paint('bold', text) : text,
          ).join('\n'),
          { questions: questions ?? [], stopped },
        )
      } else if (stopped.length === 0) context.note('no question waits')
      if (forged.size > 0)
        context.note(
          `${[...forged].join(', ')}: not as the kernel asked; somebody changed the store. Do not approve it`,
        )
      if (context.isJson) return exitCodes.done
      if (rows.length > 0) {
        const kinds = new Set(questions?.map((one) => one.kind))
        if (kinds.has('approval'))
          context.note(context.err.paint('dim', typed(context, 'let a call pass with:', 'approve <id>')))
        context.note(context.err.paint('dim', typed(context, 'answer with:', 'answer <id> <text>')))
      }
      for (const { pid, text } of stopped)
        context.note(
          `process ${pid} is stopped at a question (${oneLine(text)}); it asks again after: ${context.commandLine(`resume ${pid}`)}`,
        )
      return exitCodes.done
    } finally {
      reader.close()
    }
  },
})

/** What to type: below what it is for, where a line has no room for both. Never broken: it is copied. */
function typed({ err, commandLine }: Context, what: string, command: string): string {
  const line = `${what} ${commandLine(command)}`
  return widthOf(line) > roomOf(err) ? `${what}\n${commandLine(command)}` : line
}

/** Approvals that the kernel did not ask for in these words. Who may not read the key cannot approve either, and is not told. */
export function forgedOf(storePath: string, questions: readonly Question[]): ReadonlySet<number> {
  const approvals = questions.filter(({ kind }) => kind === 'approval')
  if (approvals.length === 0) return new Set()
  let key: string
  try {
    key = approvalKeyOf(storePath)
  } catch {
    return new Set()
  }
  return new Set(approvals.filter((question) => !isSealed(question, key)).map(({ id }) => id))
}

/** Of a tool call, its input: the tool is in the question. Of any other call, all of it. */
function argumentsIn(detail: Json): Json {
  return typeof detail === 'object' && detail !== null && 'tool' in detail && 'input' in detail
    ? (detail as { input: Json }).input
    : detail
}
