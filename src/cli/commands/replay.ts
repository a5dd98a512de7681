/** `polity replay <pid>`: runs an ended process again against its journal, without any effect, and says where it differs. */
import type { ReplayReport } from '../../kernel/kernel.ts'
import { PolityError } from '../../kernel/errors.ts'
import { startOf } from '../../kernel/past.ts'
import type { Pid } from '../../kernel/types.ts'
import { counted } from '../amounts.ts'
import { bootToRead } from '../booted.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { pidOf } from '../options.ts'
import { exitCodeOfSignal, exitCodes } from '../report.ts'
import { rootOf } from '../setup.ts'
import { readStore } from '../store-file.ts'
import { oneLine } from '../terminal.ts'

export const replay = defineCommand({
  name: 'replay',
  summary: 'check that a program still makes the calls of its journal',
  usage: '<pid>',
  positionals: [1, 1],
  options: {
    program: { kind: 'text', value: 'file.ts', help: 'the file of its program, where the store does not know it' },
    model: {
      kind: 'text',
      value: 'provider/model',
      help: 'the model that was the default then, where the store does not know it',
    },
    law: {
      kind: 'text',
      value: 'file',
      help: 'the file of its law, where that has moved',
    },
  },
  details:
    'No model, tool or file is touched and no law is asked: every answer comes from the journal, which is only read, so it works beside a server that has the store open. Exit code 0 when it is the same, 1 when it differs.',
  examples: ['polity replay 17', 'polity replay 17 --program clerk.ts'],
  async run(context, { values, positionals }) {
    const pid = pidOf(positionals[0])
    const booted = await bootToRead(context, pid, {
      program: values.program,
      model: values.model,
      law: values.law,
    })
    const { setup, isLawChanged } = booted
    try {
      const interrupted = new Promise<undefined>((resolve) =>
        context.interrupted.addEventListener('abort', () => resolve(undefined), { once: true }),
      )
      const replayed = booted.kernel.replay(pid).catch((error: unknown) => {
        throw ofChild(context, pid, error)
      })
      const report: ReplayReport | undefined = await Promise.race([replayed, interrupted])
      if (report === undefined) return exitCodeOfSignal(context.interrupted.reason)
      const { out } = context
      const text = report.same
        ? `${out.paint('green', 'same')}: process ${pid} made its ${counted(report.calls, 'call')} as the journal has them`
        : `${out.paint('red', 'differs')}: process ${pid}, after ${counted(report.calls, 'call')}: ${oneLine(report.difference ?? '')}`
      context.result(text, { pid, ...report, ...(isLawChanged ? { isLawChanged } : {}) })
      if (isLawChanged)
        context.warn(
          `polity: process ${pid} was begun with another law than ${setup.law} has now. A replay takes what the law said from the journal; what it would say now is for: ${context.commandLine('policy explain')}`,
        )
      return report.same ? exitCodes.done : exitCodes.failed
    } finally {
      await booted.close()
    }
  },
})

/** A child is replayed with the programs of all above it, and the file of its run may have the child's from another. */
function ofChild({ storePath, commandLine }: Context, pid: Pid, error: unknown): unknown {
  if (!PolityError.isInstance(error) || error.code !== 'NO_SUCH_PROGRAM') return error
  const reader = readStore(storePath)
  try {
    const start = startOf(reader, pid)
    const root = rootOf(reader, start).pid
    if (root === pid) return error
    return new PolityError(
      'NO_SUCH_PROGRAM',
      `process ${pid} is a child of ${root}, and to replay it alone one file has to export its program ${start.program} and that of the run; replay the run instead: ${commandLine(`replay ${root}`)}`,
      { cause: error },
    )
  } finally {
    reader.close()
  }
}
