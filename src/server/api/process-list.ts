/**
 * Processes as the API shows them: one, a page of those in the table, a page of all that have a journal, a tree.
 *
 *     processAt(view, 17)
 *     await listOf(view, { all: 'true', limit: 50 }, signal)
 *
 * Invariants
 *   PL1. What has a journal is read from one end of it, up to what a page holds; no journal is read whole.
 *   PL2. Nothing is read on for a client that is gone: with the signal, what was found so far is all.
 */
import { z } from 'zod'
import { PolityError, noSuchProcess } from '../../kernel/errors.ts'
import type { Pid, ProcessInfo } from '../../kernel/types.ts'
import type { View } from '../view.ts'
import { flag, severalOf } from './operation.ts'
import { cursorOf, PAGE_DEFAULT, pageOf, pageQuery, readPlace } from './paging.ts'
import type { Process, ProcessPage, ProcessTree } from './process-schemas.ts'
import * as schemas from './process-schemas.ts'
import { principalName } from './schema.ts'

/** What the list takes. */
export const listQuery = z.strictObject({
  state: severalOf(schemas.ProcessState.options),
  program: z.string().optional(),
  name: z.string().optional(),
  principal: principalName.optional().describe('Others than the caller are seen by an admin only'),
  parent: z.coerce.number().int().min(1).optional(),
  root: z.coerce.number().int().min(1).optional().describe('The process at the top of the tree'),
  all: flag.describe(
    'Also those that ended long ago, or before the server was started last: every process that has a journal. By pid only. Default false',
  ),
  sort: schemas.ProcessSort.optional().describe('`-` for downwards. Default -pid, the youngest first'),
  ...pageQuery,
})
type ListQuery = z.output<typeof listQuery>

/** A page of the processes in the table, or with `all` of those that have a journal. */
export async function listOf(view: View, query: ListQuery, signal: AbortSignal): Promise<ProcessPage> {
  if (query.all === 'true') return historyOf(view, query, signal)
  const all = view.ps()
  const byPid = new Map(all.map((one) => [one.pid, one]))
  const isWanted = wantedBy(query)
  const found = all.filter((one) => isWanted(one) && (query.root === undefined || rootOf(one, byPid) === query.root))
  const sort = query.sort ?? '-pid'
  const key = sort.replace('-', '') as 'pid' | 'program' | 'priority'
  const page = pageOf(found, query, (one) => (key === 'pid' ? [one.pid] : [one[key], one.pid]), sort.startsWith('-'))
  return { items: page.items.map((one) => processOf(one, rootOf(one, byPid))), next: page.next }
}

/** What the filters of a list leave, but for `root`. */
function wantedBy({ state, program, name, principal, parent }: ListQuery): (one: ProcessInfo) => boolean {
  const states = new Set(state?.split(','))
  return (one) =>
    (state === undefined || states.has(one.state)) &&
    (program === undefined || one.program === program) &&
    (name === undefined || one.name === name) &&
    (principal === undefined || one.principal === principal) &&
    (parent === undefined || one.parent === parent)
}

/** A page of all that have a journal. Read from one end, up to what the page holds and one more. */
async function historyOf(view: View, query: ListQuery, signal: AbortSignal): Promise<ProcessPage> {
  const { sort = '-pid', cursor, limit = PAGE_DEFAULT } = query
  if (sort !== 'pid' && sort !== '-pid')
    throw new PolityError('INVALID_ARGUMENT', `query: all=true is sorted by pid or -pid, not by ${sort}`)
  const after = cursor === undefined ? undefined : readPlace(cursor)
  const isUp = sort === 'pid'
  const isWanted = wantedBy(query)
  const rootOfOld = rootsOf(view, signal)
  const items: Process[] = []
  const range = {
    reverse: !isUp,
    ...(query.principal === undefined ? {} : { principal: query.principal }),
    // A child is younger than its root.
    ...(query.root === undefined ? {} : { from: query.root }),
    ...(after === undefined ? {} : isUp ? { from: Math.max(after + 1, query.root ?? 0) } : { to: after }),
  }
  for await (const one of view.history(range, signal)) {
    if (!isWanted(one)) continue
    const root = await rootOfOld(one)
    if (query.root !== undefined && root !== query.root) continue
    if (items.length === limit) return { items, next: cursorOf([(items.at(-1) as Process).pid]) }
    items.push(processOf(one, root))
  }
  return { items, next: null }
}

/** The roots of processes of which perhaps only journals are left; each ancestor is looked up once. */
function rootsOf(view: View, signal: AbortSignal): (one: ProcessInfo) => Promise<Pid> {
  const known = new Map<Pid, ProcessInfo | undefined>(view.ps().map((one) => [one.pid, one]))

  async function find(pid: Pid): Promise<ProcessInfo | undefined> {
    if (known.has(pid)) return known.get(pid)
    let found: ProcessInfo | undefined
    for await (const one of view.history({ from: pid, to: pid + 1 }, signal)) found = one
    known.set(pid, found)
    return found
  }

  return async (one) => {
    let root = one
    for (let parent = root.parent; parent !== null; parent = root.parent) {
      const above = await find(parent)
      if (above === undefined) return parent
      root = above
    }
    return root.pid
  }
}

/** A process as the API shows it. */
export function processAt(view: View, pid: Pid): Process {
  const info = view.info(pid)
  let root = info
  try {
    while (root.parent !== null) root = view.info(root.parent)
  } catch (error) {
    // The journal of an ancestor was removed: what is left begins here.
    if (!PolityError.isInstance(error) || error.code !== 'NO_SUCH_PROCESS') throw error
  }
  return processOf(info, root.pid)
}

function processOf(info: ProcessInfo, root: Pid): Process {
  const { pid, parent, forkOf, program, version, name, principal, priority, state, waiting, core, queued } = info
  const { startedAt, endedAt, usage, budget, error } = info
  return {
    pid,
    parent,
    root,
    forkOf,
    program,
    version,
    name,
    principal,
    priority,
    state,
    waiting,
    core,
    queued,
    startedAt,
    endedAt,
    usage,
    budget,
    error,
  }
}

function rootOf(info: ProcessInfo, byPid: ReadonlyMap<Pid, ProcessInfo>): Pid {
  let root = info
  for (let next = byPid.get(root.parent ?? 0); next !== undefined; next = byPid.get(root.parent ?? 0)) root = next
  return root.parent ?? root.pid
}

/** From the journal, since what ended is not long in RAM: a child has its parent's principal, is younger, and begins before that ends. */
export async function treeOf(view: View, pid: Pid, signal: AbortSignal): Promise<ProcessTree> {
  const { root, endedAt, principal } = processAt(view, pid)
  const found = new Map<Pid, ProcessTree>()
  for await (const one of view.history({ from: pid, principal }, signal)) {
    if (endedAt !== null && one.startedAt > endedAt) break
    const parent = found.get(one.parent ?? 0)
    if (parent === undefined && one.pid !== pid) continue
    const here = { ...processOf(one, root), children: [] }
    found.set(one.pid, here)
    parent?.children.push(here)
  }
  const tree = found.get(pid)
  if (tree === undefined) throw noSuchProcess(pid)
  return tree
}
