/**
 * Processes as a table, for `ps` and `top`. Children stand under their parent, indented. Whose they are is shown where they
 * are not all of one principal. A pipe gets every column whole.
 */
import type { Pid, ProcessInfo } from '../kernel/types.ts'
import { duration, tokens, usd } from './amounts.ts'
import type { Column } from './table.ts'
import { table } from './table.ts'
import type { Channel, Style } from './terminal.ts'
import { oneLine, roomOf } from './terminal.ts'

const principalColumn: Column = { title: 'PRINCIPAL', widthMin: 9, rank: 4 }

const columns: readonly Column[] = [
  { title: 'PID', align: 'right' },
  { title: 'PROGRAM', widthMin: 18 },
  principalColumn,
  { title: 'STATE' },
  { title: 'WAITING ON', widthMin: 14 },
  { title: 'CORE', widthMin: 14, rank: 5 },
  { title: 'QUEUE', rank: 6 },
  { title: 'CALLS', align: 'right', rank: 7 },
  { title: 'TOKENS', align: 'right', rank: 2 },
  { title: 'USD', align: 'right', rank: 3 },
  { title: 'AGE', align: 'right', rank: 1 },
]

const stateStyles: Readonly<Record<ProcessInfo['state'], Style>> = {
  running: 'green',
  stopped: 'yellow',
  done: 'dim',
  failed: 'red',
  killed: 'red',
}

export function processTable(processes: readonly ProcessInfo[], channel: Channel, now: number): string[] {
  const depths = depthsOf(processes)
  const isOfOne = new Set(processes.map(({ principal }) => principal)).size < 2
  const shown = isOfOne ? columns.filter((column) => column !== principalColumn) : columns
  const stateColumn = shown.findIndex(({ title }) => title === 'STATE')
  const rows = processes.map((info) => [
    String(info.pid),
    `${'  '.repeat(Math.min(8, depths.get(info.pid) ?? 0))}${oneLine(info.program)}${info.name === null ? '' : ` (${oneLine(info.name)})`}`,
    ...(isOfOne ? [] : [oneLine(info.principal)]),
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
  return table(shown, rows, roomOf(channel), (text, row, column) => {
    if (row < 0) return channel.paint('bold', text)
    return column === stateColumn ? channel.paint(stateStyles[(processes[row] as ProcessInfo).state], text) : text
  })
}

function depthsOf(processes: readonly ProcessInfo[]): Map<Pid, number> {
  const depths = new Map<Pid, number>()
  for (const { pid, parent } of processes) depths.set(pid, parent === null ? 0 : (depths.get(parent) ?? -1) + 1)
  return depths
}
