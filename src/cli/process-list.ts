/**
 * The processes of a store as `ps`, `top` and `kill` see them: from the journal, with what a live kernel adds to it.
 *
 * The journal knows who began, who ended and what it cost; only the kernel knows what a process waits for right now.
 * Where no kernel has the store open, a process without an end is stopped.
 */
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import type { CoreInfo } from '../kernel/kernel.ts'
import { ownUsage } from '../kernel/past.ts'
import { headInfo } from '../kernel/process.ts'
import type { Pid, ProcessInfo, Question, Usage } from '../kernel/types.ts'
import { askStatus, ownerOf } from './store-file.ts'

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
  /** What all runs of the store took, also those left out. */
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
  const status = isOwned ? await askStatus(path, reader, waitMs) : undefined
  const live = new Map(status?.processes.map((one) => [one.pid, one]))
  const usage = new Map<Pid, Counted>()
  const found = new Map<Pid, ProcessInfo>()
  const endedChildren: { parent: Pid; usage: Usage }[] = []
  const total = { tokens: 0, usd: 0 }
  let endedLeftOut = 0
  for (const head of reader.processes()) {
    const { start, end } = head
    if (end !== undefined && start.parent !== null) endedChildren.push({ parent: start.parent, usage: end.usage })
    if (end !== undefined && start.parent === null) addCost(total, end.usage)
    if (end !== undefined && !all) {
      endedLeftOut++
      continue
    }
    const now = end === undefined ? live.get(start.pid) : undefined
    if (end === undefined && now === undefined) usage.set(start.pid, ownUsage(reader.events(start.pid)))
    found.set(start.pid, now ?? headInfo(head, isOwned ? 'running' : 'stopped'))
  }
  // A kernel counts what descendants took with their ancestors; so does the journal's view, from the youngest up.
  for (const { parent, usage: used } of endedChildren) addTo(usage.get(parent), used)
  for (const pid of [...usage.keys()].toReversed()) {
    const parent = found.get(pid)?.parent
    if (parent !== null && parent !== undefined) addTo(usage.get(parent), usage.get(pid) as Usage)
  }
  const processes = [...found.values()].map((info) => {
    const counted = usage.get(info.pid)
    return counted === undefined ? info : Object.assign(info, { usage: counted })
  })
  for (const info of processes) if (info.parent === null && info.endedAt === null) addCost(total, info.usage)
  return {
    store: path,
    isOwned,
    owner: owner ?? null,
    isAnswered: !isOwned || status !== undefined,
    processes: byTree(processes),
    endedLeftOut,
    total,
    cores: status?.cores ?? [],
    questions: status?.questions ?? [],
  }
}

function addCost(total: { tokens: number; usd: number }, { inputTokens, outputTokens, usd }: Usage): void {
  total.tokens += inputTokens + outputTokens
  total.usd += usd
}

type Counted = { -readonly [Key in keyof Usage]: Usage[Key] }

function addTo(sum: Counted | undefined, more: Usage): void {
  if (sum === undefined) return
  sum.inputTokens += more.inputTokens
  sum.cachedTokens += more.cachedTokens
  sum.outputTokens += more.outputTokens
  sum.usd += more.usd
  sum.steps += more.steps
  sum.calls += more.calls
  sum.children += more.children + 1
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
