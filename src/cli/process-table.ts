/** Processes as a table, for `ps` and `top`. Children stand under their parent, indented. A pipe gets every column whole. */
import type { Pid, ProcessInfo } from '../kernel/types.ts'
import { duration, tokens, usd } from './amounts.ts'
import type { Column } from './table.ts'
import { table } from './table.ts'
import type { Channel, Style } from './terminal.ts'
import { oneLine, roomOf } from './terminal.ts'

const columns: readonly Column[] = [
  { title: 'PID', align: 'right' },
  { title: 'PROGRAM', widthMin: 18 },
  { title: 'STATE' },
  { title: 'WAITING ON', widthMin: 14 },
  { title: 'CORE', widthMin: 14, rank: 4 },
  { title: 'QUEUE', rank: 5 },
  { title: 'CALLS', align: 'right', rank: 6 },
  { title: 'TOKENS', align: 'right', rank: 2 },
  { title: 'USD', align: 'right', rank: 3 },
  { title: 'AGE', align: 'right', rank: 1 },
]

const STATE_COLUMN = 2

const stateStyles: Readonly<Record<ProcessInfo['state'], Style>> = {
  running: 'green',
  stopped: 'yellow',
  done: 'dim',
  failed: 'red',
  killed: 'red',
}

export function processTable(processes: readonly ProcessInfo[], channel: Channel, now: number): string[] {
  const depths = depthsOf(processes)
  const rows = processes.map((info) => [
    String(info.pid),
    `${'  '.repeat(Math.min(8, depths.get(info.pid) ?? 0))}${oneLine(info.program)}${info.name === null ? '' : ` (${oneLine(info.name)})`}`,
    info.state,
    info.waiting === null
      ? info.state === 'failed' || info.state === 'killed'
        ? (info.error?.code ?? '-')
        : '-'
      : oneLine(info.waiting),
    info.core === null ? '-' : oneLine(info.core),
    info.queued ? 'waits' : '-',
    String(info.usage.calls),
    tokens(info.usage.inputTokens + info.usage.outputTokens),
    usd(info.usage.usd),
    duration((info.endedAt ?? now) - info.startedAt),
  ])
  return table(columns, rows, roomOf(channel), (text, row, column) => {
    if (row < 0) return channel.paint('bold', text)
    return column === STATE_COLUMN ? channel.paint(stateStyles[(processes[row] as ProcessInfo).state], text) : text
  })
}

function depthsOf(processes: readonly ProcessInfo[]): Map<Pid, number> {
  const depths = new Map<Pid, number>()
  for (const { pid, parent } of processes) depths.set(pid, parent === null ? 0 : (depths.get(parent) ?? -1) + 1)
  return depths
}
