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
 *   FC3. Ended at any moment, it leaves what the next collection goes on with: a version goes in one batch with the note that
 *        its content may go (`loose`) and with what its quota gets back.
 *   FC4. What is written while it goes on, and by whoever begins meanwhile, is left to the next.
 */
import type { ProcessHead, Store } from './drivers.ts'
import type { Turns } from './file-list.ts'
import type { Version } from './file-tree.ts'
import { looseKey, ownerKey, rangesOf, readVersionKey } from './file-tree.ts'
import type { Journal } from './journal.ts'
import type { Space } from './spaces.ts'
import { FORK, TREE, spacesOf } from './spaces.ts'
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
  /** Nobody can see the space, and all of it goes. */
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
  if (!turns.isOpen()) return { versions: 0, contents: 0, bytes: 0 }
  // Who can see what is found out once, and last: whoever wrote one of these has a journal by then, if they ever had one.
  const spaces = spacesIn(store)
  const asOf = store.lastSeq()
  const sights = sightsOf(store)
  let versions = 0
  let rows = 0
  /** What went of a space since others had a turn: told before they have one, so that it is kept in the same batch. */
  let pending: { space: string; files: number; bytes: number; isWhole: boolean } | undefined
  const settle = (): void => {
    if (pending === undefined) return
    const { space: id, ...more } = pending
    gone({ space: { id }, principal: store.get('file', ownerKey({ id })) as string | undefined, ...more })
    pending = undefined
  }
  const take = (space: string, isWhole: boolean, files: number, bytes: number): void => {
    if (pending?.space !== space) settle()
    pending ??= { space, files: 0, bytes: 0, isWhole }
    pending.files += files
    pending.bytes += bytes
  }
  const takeVersion = (space: string, isWhole: boolean, key: string, { hash, bytes }: Version): void => {
    versions++
    take(space, isWhole, 0, bytes)
    journal.putAlone({ table: 'file', key, value: null })
    if (hash !== null) journal.putAlone({ table: 'file', key: looseKey(hash), value: String(bytes) })
  }
  /** Whether somebody still waits for it. */
  const goOn = async (): Promise<boolean> => {
    if (++rows % ROWS_A_STEP !== 0) return true
    settle()
    await turns.pause()
    return turns.isOpen()
  }

  let before:
    | { readonly space: string; readonly path: string; readonly key: string; readonly version: Version }
    | undefined
  for (const begin of [FORK, TREE]) {
    for (const [key, value] of store.range('file', begin, `${begin.trimEnd()}!`)) {
      if (!(await goOn())) return { versions, contents: 0, bytes: 0 }
      const { space, path } = readVersionKey(key)
      const seers = sights.get(space)
      if (seers === undefined) continue
      const last = before
      const version = JSON.parse(value as string) as Version
      before = { space, path, key, version }
      if (last === undefined || last.space !== space || last.path !== path) continue
      // Whoever began since may have looked, or may be asked to look again.
      if (version.version > asOf) continue
      if (seers.has(last.version.pid) || seers.sees(last.version.version, version.version)) continue
      takeVersion(space, false, last.key, last.version)
    }
  }
  for (const space of spaces) {
    if (sights.has(space)) continue
    for (const [place, [from, to]] of rangesOf({ id: space }).entries()) {
      for (const [key, value] of store.range('file', from, to)) {
        if (!(await goOn())) return { versions, contents: 0, bytes: 0 }
        if (place === 0) {
          takeVersion(space, true, key, JSON.parse(value as string) as Version)
          continue
        }
        if (place === 1 && (JSON.parse(value as string) as Version).hash !== null) take(space, true, 1, 0)
        journal.putAlone({ table: 'file', key, value: null })
      }
    }
  }
  settle()
  await journal.flush()
  if (!turns.isOpen()) return { versions, contents: 0, bytes: 0 }
  /** Contents of versions that went, now or before a collection was interrupted, with their bytes. */
  const loose = new Map<string, number>()
  const begin = looseKey('')
  for (const [key, value] of store.range('file', begin, `${begin.trimEnd()}!`))
    loose.set(key.slice(begin.length), Number(value))
  if (loose.size === 0) return { versions, contents: 0, bytes: 0 }
  const noted = [...loose.keys()]
  for (const kind of [FORK, TREE]) {
    for (const [, value] of store.range('file', kind, `${kind.trimEnd()}!`)) {
      const { hash } = JSON.parse(value as string) as Version
      if (hash !== null) loose.delete(hash)
      if (!(await goOn())) return { versions, contents: 0, bytes: 0 }
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
  for (const hash of noted) journal.putAlone({ table: 'file', key: looseKey(hash), value: null })
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
    const found = use(spacesOf(start, (pid) => heads.get(pid)?.start).files)
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

/** Spaces that have something. */
function spacesIn(store: Store): ReadonlySet<string> {
  const spaces = new Set<string>()
  for (const begin of ['writes ', 'points ', 'passage ', 'passages-of ', 'state ']) {
    for (let from = begin; ;) {
      let found: string | undefined
      for (const [key] of store.range('file', from, `${begin.trimEnd()}!`, { limit: 1 }))
        found = /^[^\0]*/.exec(key.slice(begin.length))?.[0]
      if (found === undefined) break
      spaces.add(found)
      from = `${begin}${found}\u0001`
    }
  }
  return spaces
}
