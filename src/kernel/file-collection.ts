/**
 * Collection of files: versions that nobody can see any more, and contents that no version has.
 *
 * A space can be seen by processes that have a journal, by forks of those, and through shares; when the last of them has no
 * journal any more, all of it goes. In a space that stays, a version that another one followed goes when the journal of its
 * writer is gone and no process with a journal could see it: none began a call, took a snapshot, ended or was forked
 * between it and its follower. So every fork, restore and replay that is possible before is possible after, and finds the same.
 *
 * Invariants
 *   FC1. The newest version of a path stays, and so does what a call, a snapshot, a fork or a share of a process with a
 *        journal can see.
 *   FC2. A content goes after the last version that has it, never one that a write has taken up meanwhile.
 *   FC3. A crash in between leaves something that the next collection finds: a version goes before its content.
 */
import type { ProcessHead, Store } from './drivers.ts'
import type { Turns } from './file-list.ts'
import type { Version } from './file-tree.ts'
import { createFileTree, ownerKey, rangesOf, readVersionKey, spaceOf } from './file-tree.ts'
import type { Journal } from './journal.ts'
import type { Space } from './process.ts'
import type { Pid } from './types.ts'

/** What a collection removed. */
export interface Collected {
  readonly versions: number
  readonly contents: number
  /** Of these contents. */
  readonly bytes: number
}

/** What went of a space. */
export interface Gone {
  readonly space: Space
  readonly principal: string | undefined
  readonly files: number
  readonly bytes: number
  /** Nothing is left of it. */
  readonly isWhole: boolean
}

/** Where files are collected, and who is told. */
export interface CollectionOptions {
  readonly store: Store
  readonly journal: Journal
  readonly turns: Pick<Turns, 'pause' | 'isOpen'>
  /** Whether a version was made of that content since the collection began. */
  readonly isUsed: (hash: string) => boolean
  readonly gone: (gone: Gone) => void
  /** These contents are about to go: whoever writes one of them puts it again. */
  readonly doom: (hashes: ReadonlySet<string>) => void
}

/** Rows that are looked at before others have a turn. */
const ROWS_A_STEP = 1_024

/** Removes what nobody can see. */
export async function collectFiles({
  store,
  journal,
  turns,
  isUsed,
  gone,
  doom,
}: CollectionOptions): Promise<Collected> {
  await journal.flush()
  const sights = sightsOf(store)
  const tree = createFileTree(store)
  /** Contents of versions that went, with their bytes. */
  const loose = new Map<string, number>()
  let versions = 0
  let rows = 0
  const step = async (): Promise<void> => {
    if (++rows % ROWS_A_STEP === 0) await turns.pause()
  }
  /** Spaces that nobody can see, with what they had come to. */
  const dead = new Map<string, { files: number; bytes: number }>()
  let current:
    | { readonly space: string; readonly path: string; readonly key: string; readonly version: Version }
    | undefined
  let sum = { space: '', bytes: 0 }
  const settle = (): void => {
    if (sum.bytes > 0)
      gone({ space: { id: sum.space }, principal: ownerOf(sum.space), files: 0, bytes: sum.bytes, isWhole: false })
  }
  const ownerOf = (space: string): string | undefined =>
    store.get('file', ownerKey({ id: space })) as string | undefined

  for (const begin of ['fork ', 'tree ']) {
    for (const [key, value] of store.range('file', begin, `${begin.trimEnd()}!`)) {
      await step()
      if (!turns.isOpen()) return { versions, contents: 0, bytes: 0 }
      const { space, path } = readVersionKey(key)
      const version = JSON.parse(value as string) as Version
      const seers = sights.get(space)
      if (seers === undefined) {
        const lost = dead.get(space) ?? { files: 0, bytes: 0 }
        lost.bytes += version.bytes
        dead.set(space, lost)
        versions++
        if (version.hash !== null) loose.set(version.hash, version.bytes)
        continue
      }
      const before = current
      current = { space, path, key, version }
      if (before === undefined || before.space !== space || before.path !== path) continue
      if (seers.has(before.version.pid) || seers.sees(before.version.version, version.version)) continue
      if (sum.space !== space) {
        settle()
        sum = { space, bytes: 0 }
      }
      sum.bytes += before.version.bytes
      versions++
      journal.putAlone({ table: 'file', key: before.key, value: null })
      if (before.version.hash !== null) loose.set(before.version.hash, before.version.bytes)
    }
  }
  settle()
  for (const space of deadSpaces(store, sights)) {
    const lost = dead.get(space) ?? { files: 0, bytes: 0 }
    for (const [, { hash }] of tree.entries({ id: space }, '')) if (hash !== null) lost.files++
    gone({ space: { id: space }, principal: ownerOf(space), ...lost, isWhole: true })
    for (const [from, to] of rangesOf({ id: space }))
      for (const [key] of store.range('file', from, to)) {
        journal.putAlone({ table: 'file', key, value: null })
        await step()
      }
  }
  await journal.flush()
  if (loose.size === 0) return { versions, contents: 0, bytes: 0 }
  for (const begin of ['fork ', 'tree ']) {
    for (const [, value] of store.range('file', begin, `${begin.trimEnd()}!`)) {
      const { hash } = JSON.parse(value as string) as Version
      if (hash !== null) loose.delete(hash)
      await step()
    }
  }
  if (!turns.isOpen()) return { versions, contents: 0, bytes: 0 }
  // From here to the puts nobody else has a turn.
  for (const hash of loose.keys()) if (isUsed(hash)) loose.delete(hash)
  doom(new Set(loose.keys()))
  let bytes = 0
  for (const [hash, size] of loose) {
    journal.putAlone({ table: 'blob', key: hash, value: null })
    bytes += size
  }
  await journal.flush()
  return { versions, contents: loose.size, bytes }
}

/** Who can see a space, and when they looked. */
interface Sight {
  /** Whether a process of that pid has a journal. */
  has(pid: Pid): boolean
  /** Whether somebody could see the version before the one that followed it came. */
  sees(version: number, follower: number): boolean
}

function sightsOf(store: Store): Map<string, Sight> {
  const heads = new Map<Pid, ProcessHead>()
  for (const head of store.processes()) heads.set(head.start.pid, head)
  const users = new Map<string, { readonly pids: Pid[]; readonly cuts: number[] }>()
  const use = (space: Space): { readonly pids: Pid[]; readonly cuts: number[] } => {
    let found = users.get(space.id)
    if (found === undefined) users.set(space.id, (found = { pids: [], cuts: [] }))
    // What is seen through several branches is seen as it was at the earliest.
    let before = Infinity
    for (let at: Space['base'] = space.base; at !== undefined; at = at.space.base) {
      before = Math.min(before, at.before)
      let base = users.get(at.space.id)
      if (base === undefined) users.set(at.space.id, (base = { pids: [], cuts: [] }))
      base.cuts.push(before)
    }
    return found
  }
  for (const { start, end } of heads.values()) {
    const found = use(spaceOf(start, (pid) => heads.get(pid)?.start))
    found.pids.push(start.pid)
    if (end !== undefined) found.cuts.push(end.seq)
  }
  for (const [, value] of store.range('file', 'share ', 'share!')) {
    const grant = JSON.parse(value as string) as { readonly space: Space; readonly to: Pid; readonly ended?: true }
    if (grant.ended !== true && heads.has(grant.to)) use(grant.space)
  }
  const sights = new Map<string, Sight>()
  for (const [space, { pids, cuts }] of users) sights.set(space, sightOf(store, space, pids, cuts, heads))
  return sights
}

function sightOf(
  store: Store,
  space: string,
  pids: readonly Pid[],
  cuts: readonly number[],
  heads: ReadonlyMap<Pid, unknown>,
): Sight {
  /** Places in the journal at which somebody looked or may look, ascending; gathered when they are first asked for. */
  let looks: number[] | undefined
  const gather = (): number[] => {
    const found = [...cuts]
    for (const [, seq] of store.range('file', `points ${space}\0`, `points ${space}\u0001`)) found.push(Number(seq))
    for (const pid of pids)
      for (const event of store.events(pid)) if (event.type === 'call-start') found.push(event.seq)
    return found.sort((a, b) => a - b)
  }
  return {
    has: (pid) => heads.has(pid),
    sees(version, follower) {
      looks ??= gather()
      let low = 0
      let high = looks.length
      while (low < high) {
        const middle = (low + high) >> 1
        if ((looks[middle] as number) <= version) low = middle + 1
        else high = middle
      }
      return low < looks.length && (looks[low] as number) <= follower
    },
  }
}

/** Spaces that have something and that nobody can see. */
function* deadSpaces(store: Store, sights: ReadonlyMap<string, Sight>): Generator<string> {
  for (const begin of ['writes ', 'points ']) {
    for (let from = begin; ;) {
      let found: string | undefined
      for (const [key] of store.range('file', from, `${begin.trimEnd()}!`, { limit: 1 }))
        found = key.slice(begin.length, key.indexOf('\0'))
      if (found === undefined) break
      if (!sights.has(found)) yield found
      from = `${begin}${found}\u0001`
    }
  }
}
