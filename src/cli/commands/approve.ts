/** `polity approve <id>`: lets a call pass that the law asks about, bound to its arguments, or all that its rule asks for a time. */
import { userInfo } from 'node:os'
import { approvalKeyOf } from '../../drivers/store/approval-key.ts'
import type { Scope } from '../../kernel/approvals.ts'
import { isSealed, sign } from '../../kernel/approvals.ts'
import type { Question } from '../../kernel/types.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../options.ts'
import { answerQuestion, questionIdOf } from '../questions.ts'
import { exitCodes } from '../report.ts'
import { oneLine } from '../terminal.ts'

/** How long an approval holds where nobody says, ms: long enough for a restart. */
export const ONCE_MS = 15 * 60_000
const BATCH_MS = 60 * 60_000
const UNITS: { readonly [unit: string]: number } = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export const approve = defineCommand({
  name: 'approve',
  summary: 'let a call pass that the law asks about',
  usage: '<id>',
  positionals: [1, 1],
  options: {
    scope: {
      kind: 'text',
      value: 'scope',
      help: 'once (this call with these arguments), run or principal (all that its rule asks there) (default once)',
    },
    for: { kind: 'text', value: 'time', help: 'how long it holds, such as 90s, 30m, 8h (default 15m; 1h beyond once)' },
  },
  details:
    '`polity inbox` lists the questions. An approval is signed with the key beside the store, and holds for what you were shown and nothing else. Say no with `polity answer <id> deny`; what nobody approves in time is denied.',
  examples: ['polity approve 31', 'polity approve 31 --scope run --for 30m'],
  async run(context, { values, positionals }) {
    const scope = scopeOf(values.scope)
    const ms = values.for === undefined ? (scope === 'once' ? ONCE_MS : BATCH_MS) : timeOf(values.for)
    const { question } = await answerQuestion(context, questionIdOf(positionals[0]), (asked) => ({
      text: 'allow',
      proof: proofOf(context, asked, scope, ms),
    }))
    const { binding, pid, id } = question
    const reach =
      scope === 'once'
        ? 'this call, once'
        : `all that rule ${binding?.rule} asks in ${scope === 'run' ? `run ${binding?.root}` : `the name of ${binding?.principal}`}`
    context.result(
      `approved ${id} of process ${pid}: ${binding?.what} ${oneLine(JSON.stringify(question.detail))} (${reach})`,
      {
        id,
        pid,
        scope,
        forMs: ms,
        binding: binding ?? null,
      },
    )
    return exitCodes.done
  },
})

/** The signed approval of what the question shows. */
export function proofOf(context: Context, question: Question, scope: Scope, ms: number): string {
  const { id, kind, binding } = question
  if (kind !== 'approval' || binding === undefined)
    throw usageError(`question ${id} asks for no approval; answer it: ${context.commandLine(`answer ${id} <text>`)}`)
  const key = approvalKeyOf(context.storePath)
  // The seal is over what is shown and what it allows, both as the kernel put them. That alone can bind one to the other: of a
  // large file what is allowed names the hash, and what is shown is the content.
  if (!isSealed(question, key))
    throw usageError(`question ${id} is not as the kernel of this store asked it; do not approve it`)
  const at = context.clock.now()
  return JSON.stringify(sign({ ...binding, scope, approver: userInfo().username, at, until: at + ms }, key))
}

function scopeOf(given: string | undefined): Scope {
  if (given === undefined || given === 'once') return 'once'
  if (given === 'run' || given === 'principal') return given
  throw usageError(`--scope takes once, run or principal, not ${JSON.stringify(given)}`)
}

function timeOf(given: string): number {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(given) ?? []
  if (count === undefined || unit === undefined)
    throw usageError(`--for takes a time such as 90s, 30m, 8h or 1d, not ${JSON.stringify(given)}`)
  return Number(count) * (UNITS[unit] as number)
}
