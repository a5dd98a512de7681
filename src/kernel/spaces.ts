/**
 * Spaces: which branch of files and of notes is whose, by what the journals say.
 *
 *     spacesOf(start, (pid) => startIn(store, pid))          // of any process, also where only its store is at hand
 *     rootSpaces(start) · forkSpaces(start, origin)          // the two ways in which spaces come to be
 *     { id: `${PRINCIPAL}${principal}` }                     // the notes of a principal
 *
 * Pure: a space is a name and what it branched off; what stands in it lies in the store under that name.
 *
 * Invariants
 *   SP1. A process has the spaces of its parent; a fork has its own, over what its origin had at the cut.
 *   SP2. Where no journal of an origin or a parent is left, the process stands as a root: its own files, its principal's notes.
 */
import type { Pid, ProcessStart } from './types.ts'

/** A branch of versioned things: what was before `base.before` in another branch, and what was done here since. */
export interface Space {
  readonly id: string
  readonly base?: { readonly space: Space; readonly before: number }
}

/** What a process works in: one space of files a process tree, one of notes a principal, a branch of both for a fork. */
export interface Spaces {
  readonly files: Space
  readonly notes: Space
}

/** How the ids of spaces begin: files of a process tree, notes of a principal, either of a fork. */
export const TREE = 'tree '
export const PRINCIPAL = 'principal '
export const FORK = 'fork '

/** Of a process that has nobody's but its own. */
export function rootSpaces({ pid, principal }: Pick<ProcessStart, 'pid' | 'principal'>): Spaces {
  return { files: { id: `${TREE}${pid}` }, notes: { id: `${PRINCIPAL}${principal}` } }
}

/** Of a fork, made before the event `seq` of its origin. */
export function forkSpaces(pid: Pid, { files, notes }: Spaces, seq: number): Spaces {
  const id = `${FORK}${pid}`
  return { files: { id, base: { space: files, before: seq } }, notes: { id, base: { space: notes, before: seq } } }
}

/** Of a process, by its start and those of the processes that it comes from. */
export function spacesOf(start: ProcessStart, find: (pid: Pid) => ProcessStart | undefined): Spaces {
  const { pid, parent, forkOf } = start
  const origin = forkOf === null ? undefined : find(forkOf.pid)
  if (forkOf !== null && origin !== undefined) return forkSpaces(pid, spacesOf(origin, find), forkOf.seq)
  const above = parent === null ? undefined : find(parent)
  return above === undefined ? rootSpaces(start) : spacesOf(above, find)
}

/** The fork that a branch belongs to. */
export function forkIn({ id }: Space): Pid {
  return Number(id.slice(FORK.length))
}
