/** `polity ps`: the processes of a store. */
import type { ProcessInfo } from '../../kernel/types.ts'
import { counted } from '../amounts.ts'
import { defineCommand } from '../command.ts'
import { listProcesses } from '../process-list.ts'
import { processTable } from '../process-table.ts'
import { exitCodes } from '../report.ts'
import { readStore } from '../store-file.ts'

export const ps = defineCommand({
  name: 'ps',
  summary: 'the processes that run or are stopped',
  usage: '',
  positionals: [0, 0],
  options: { all: { kind: 'flag', short: 'a', help: 'those that have ended too' } },
  details:
    'A process is running while a kernel has the store open; stopped when it has no end and no kernel (resume it); else done, failed or killed.',
  examples: ['polity ps', 'polity ps --all --json'],
  async run(context, { values }) {
    const reader = readStore(context.storePath)
    try {
      const list = await listProcesses(context.storePath, reader, { all: values.all })
      const now = context.clock.now()
      context.result(list.processes.length === 0 ? '' : processTable(list.processes, context.out, now).join('\n'), list)
      for (const line of remarks(list.processes, list.endedLeftOut)) context.note(context.err.paint('dim', line))
      if (!list.isAnswered)
        context.warn(
          `polity: the kernel in process ${list.owner ?? 'unknown'} does not answer; this is what its journal says.`,
        )
      return exitCodes.done
    } finally {
      reader.close()
    }
  },
})

function remarks(processes: readonly ProcessInfo[], endedLeftOut: number): string[] {
  const lines: string[] = []
  if (processes.length === 0) lines.push('no process runs or is stopped')
  if (endedLeftOut > 0) lines.push(`${counted(endedLeftOut, 'process', 'processes')} ended; --all shows them`)
  return lines
}
