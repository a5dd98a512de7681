/** `polity ps`: the processes of a store. */
import type { ProcessInfo } from '../../kernel/types.ts'
import { counted } from '../amounts.ts'
import { defineCommand } from '../command.ts'
import type { ProcessList } from '../process-list.ts'
import { listProcesses } from '../process-list.ts'
import { processTable } from '../process-table.ts'
import { refusalText } from '../refusals.ts'
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
      for (const line of refusals(list, now)) context.note(context.err.paint('yellow', line))
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

/** Of the cores that something waits for, those that refuse. */
function refusals({ cores, processes }: ProcessList, now: number): string[] {
  return cores.flatMap((core) => {
    const pids = processes.filter((one) => one.state === 'running' && one.core === core.id).map(({ pid }) => pid)
    const text = pids.length === 0 ? undefined : refusalText(core, now)
    if (text === undefined) return []
    const more = pids.length > 1 ? ` and ${pids.length - 1} more` : ''
    return [`process ${pids[0]}${more} ${more === '' ? 'waits' : 'wait'} for a core that refuses: ${text}`]
  })
}

function remarks(processes: readonly ProcessInfo[], endedLeftOut: number): string[] {
  const lines: string[] = []
  if (processes.length === 0) lines.push('no process runs or is stopped')
  if (endedLeftOut > 0) lines.push(`${counted(endedLeftOut, 'process', 'processes')} ended; --all shows them`)
  return lines
}
