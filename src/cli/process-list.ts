/**
 * The processes of a store as `ps`, `top` and `kill` see them: from the journal, with what a live kernel adds to it.
 *
 * The journal knows who began, who ended and what it cost; only the kernel knows what a process waits for right now.
 * Where no kernel has the store open, a process without an end is stopped, and has used what a kernel would count that began
 * with the store now.
 */
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import type { CoreInfo } from '../kernel/kernel.ts'
import { headInfo } from '../kernel/process.ts'
import type { Pid, ProcessInfo, Question, Usage } from '../kernel/types.ts'
import { openIn } from '../kernel/usage.ts'
import { askProcesses, askStatus, ownerOf } from './store-file.ts'

export interface ProcessList {
  readonly store: string
  /** Whether a kernel has the store open, and its operating-system process. */
  readonly isOwned: boolean
  readonly owner: number | null
  /** False when the owner did not answer: then what is not in the journal is missing. */
  readonly isAnswered: boolean
  /** By tree: each process is followed by its descendants. */
  readonly processes: readonly ProcessInfo[]
  /** How many ended processes were left out. */
  readonly endedLeftOut: number
  /** What all runs took that have a journal, also those left out. */
  readonly total: { readonly tokens: number; readonly usd: number }
  readonly cores: readonly CoreInfo[]
  readonly questions: readonly Question[]
}

export interface ListOptions {
  /** Ended processes too. @default false */
  readonly all?: boolean
  /** How long the owner may take to answer, ms. */
  readonly waitMs?: number
}

export async function listProcesses(
  path: string,
  reader: StoreReader,
  { all = false, waitMs }: ListOptions = {},
): Promise<ProcessList> {
  const { isOwned, pid: owner } = ownerOf(path)
  const found: ProcessInfo[] = []
  const total = { tokens: 0, usd: 0 }
  let endedLeftOut = 0

  function add(parent: Pid | null, used: Usage, isOpen: boolean, info: () => ProcessInfo): void {
    if (parent === null) addCost(total, used)
    if (isOpen || all) found.push(info())
    else endedLeftOut++
  }

  const open: ProcessInfo[] = []
  for (const head of reader.processes()) {
    const info = (): ProcessInfo => headInfo(head, isOwned ? 'running' : 'stopped')
    if (head.end === undefined) open.push(info())
    else add(head.start.parent, head.end.usage, false, info)
  }
  // After the heads are read: what is asked about has begun.
  const status = isOwned ? await askStatus(path, reader, waitMs) : undefined
  const pids = open.map(({ pid }) => pid)
  const live = status && (await askProcesses(path, reader, status, pids, waitMs))
  const used = live === undefined && open.length > 0 ? openIn(reader) : undefined
  for (const began of open) {
    const taken = used?.get(began.pid)?.used
    const info = live?.get(began.pid) ?? (taken === undefined ? headNow(reader, began) : { ...began, usage: taken })
    if (info !== undefined) add(info.parent, info.usage, info.endedAt === null, () => info)
  }
  return {
    store: path,
    isOwned,
    owner: owner ?? null,
    isAnswered: !isOwned || live !== undefined,
    processes: byTree(found),
    endedLeftOut,
    total,
    cores: status?.cores ?? [],
    questions: status?.questions ?? [],
  }
}

/** Of a process that had not ended when it was read first: it has since, or its journal has gone too. */
function headNow(reader: StoreReader, { pid, state }: ProcessInfo): ProcessInfo | undefined {
  const [head] = reader.processes({ from: pid, to: pid + 1 })
  return head && headInfo(head, state as 'running' | 'stopped')
}

function addCost(total: { tokens: number; usd: number }, { inputTokens, outputTokens, usd }: Usage): void {
  total.tokens += inputTokens + outputTokens
  total.usd += usd
}

/** Roots by pid, each with its descendants behind it. */
function byTree(processes: readonly ProcessInfo[]): ProcessInfo[] {
  const children = new Map<Pid, ProcessInfo[]>()
  const known = new Set(processes.map(({ pid }) => pid))
  const roots: ProcessInfo[] = []
  for (const info of processes.toSorted((a, b) => a.pid - b.pid)) {
    if (info.parent === null || !known.has(info.parent)) roots.push(info)
    else children.set(info.parent, [...(children.get(info.parent) ?? []), info])
  }
  const sorted: ProcessInfo[] = []
  const waiting = roots.toReversed()
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    sorted.push(next)
    waiting.push(...(children.get(next.pid) ?? []).toReversed())
  }
  return sorted
}
