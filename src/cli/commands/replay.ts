/** `polity replay <pid>`: runs an ended process again against its journal, without any effect, and says where it differs. */
import type { ReplayReport } from '../../kernel/kernel.ts'
import { counted } from '../amounts.ts'
import { bootToRead } from '../booted.ts'
import { defineCommand } from '../command.ts'
import { ofChild } from '../of-child.ts'
import { pidOf } from '../options.ts'
import { exitCodeOfSignal, exitCodes } from '../report.ts'
import { oneLine } from '../terminal.ts'

export const replay = defineCommand({
  name: 'replay',
  summary: 'check that a program still makes the calls of its journal',
  usage: '<pid>',
  positionals: [1, 1],
  options: {
    program: { kind: 'text', value: 'file.ts', help: 'the file of its program, where the store does not know it' },
  },
  details:
    'No model, tool or file is touched and no law is asked, so they may have changed or gone: every answer comes from the journal, which is only read, so it works beside a server that has the store open. Exit code 0 when it is the same, 1 when it differs.',
  examples: ['polity replay 17', 'polity replay 17 --program clerk.ts'],
  async run(context, { values, positionals }) {
    const pid = pidOf(positionals[0])
    const kernel = await bootToRead(context, pid, { program: values.program })
    try {
      const interrupted = new Promise<undefined>((resolve) =>
        context.interrupted.addEventListener('abort', () => resolve(undefined), { once: true }),
      )
      const replayed = kernel.replay(pid).catch((error: unknown) => {
        throw ofChild(context, 'replay', pid, error)
      })
      const report: ReplayReport | undefined = await Promise.race([replayed, interrupted])
      if (report === undefined) return exitCodeOfSignal(context.interrupted.reason)
      const { out } = context
      const text = report.same
        ? `${out.paint('green', 'same')}: process ${pid} made its ${counted(report.calls, 'call')} as the journal has them`
        : `${out.paint('red', 'differs')}: process ${pid}, after ${counted(report.calls, 'call')}: ${oneLine(report.difference ?? '')}`
      context.result(text, { pid, ...report })
      return report.same ? exitCodes.done : exitCodes.failed
    } finally {
      await kernel.close()
    }
  },
})
