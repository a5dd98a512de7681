/**
 * Files: versioned, confined, one space a process tree.
 *
 * A write makes a version; nothing is overwritten. A fork reads its origin's files as they were and writes its own.
 * Contents are kept once by their hash, so a copy, a move and a step back cost no content. What is read: file-tree.ts;
 * lists: file-list.ts; search: file-search.ts; files of other processes: shares.ts; what may go: file-collection.ts.
 *
 * Invariants
 *   F1. Paths stay inside the space: relative, no `.` or `..`, no NUL, no backslash; they name keys, never the disk.
 *   F2. A version is the `seq` of the event that reported the write, so `before` names one state of all files at once.
 *   F3. Nothing reads what was not committed, and a write is reported only when it is (the gate waits; syscalls.ts).
 *   F4. What one call does to many files is kept in one batch: all of it or nothing.
 *   F5. Who writes beyond a quota is refused before anything is put. A quota binds all that have the space, and all trees of
 *       a principal together; it counts what is kept, not what is new. A principal has the files that each of its spaces
 *       wrote and did not remove: a fork takes nothing off what its base has.
 *   F6. What reaches several files, or another one than its path says (a copy, a folder, a line search), is asked of the law
 *       for each file, as the plain call on it would be.
 */
import { unifiedDiff } from './diff.ts'
import { sha256 } from './digest.ts'
import type { Store } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Listed, Listing, Stops, Turns } from './file-list.ts'
import { decoded, entryOf, listFiles } from './file-list.ts'
import type { Meaning } from './file-search.ts'
import { createFileSearch } from './file-search.ts'
import type { FileTotals, FileTree, Version } from './file-tree.ts'
import { LATEST, collectedKey, createFileTree, ownerKey, pointKey, seen, versionPuts } from './file-tree.ts'
import type { Collected } from './file-collection.ts'
import { collectFiles } from './file-collection.ts'
import type { Journal } from './journal.ts'
import type { Limits } from './limits.ts'
import { union } from './lists.ts'
import type { Place } from './paths.ts'
import { checkPath, shownPath } from './paths.ts'
import type { Process } from './process.ts'
import { labelsOf } from './process.ts'
import type { Shares, View } from './shares.ts'
import { createShares } from './shares.ts'
import type { Space } from './spaces.ts'
import type { FileEntry, FileVersion, ReadOptions } from './types.ts'
import { createUnkept } from './unkept.ts'

/** Which files a restore brings back, and from when. */
export interface Point extends Place {
  readonly version?: number
  readonly at?: number
  readonly snapshot?: string
}

/** A file or folder that is copied. */
export interface Source extends Place {
  readonly version?: number
  readonly at?: number
  readonly move?: boolean
}

/** What came of a call, and the labels of what it tells. */
export interface Told<Value> {
  readonly value: Value
  readonly labels: readonly string[]
}

/** Versioned files of process trees. */
export interface Storage {
  read(process: Process, place: Place, options: ReadOptions): Told<string>
  /** `hash` where it is known. */
  write(process: Process, place: Place, content: string | Uint8Array, hash?: string): FileEntry
  copy(process: Process, place: Place, source: Source): Told<FileEntry>
  /** `meaning` is what a search asks for vectors, where there is somebody to ask. */
  list(
    process: Process,
    place: Place,
    listing: Omit<Listing, 'prefix'> & { readonly search?: string },
    meaning?: Meaning,
  ): Stops<Listed>
  remove(process: Process, place: Place): null
  /** The files as they were, as versions of their own. Whoever owns the process is not asked by its law. */
  restore(process: Process, point: Point, isOwner?: boolean): Told<FileEntry>
  /** A snapshot was made, by the event that comes next. */
  mark(process: Process, id: string): void
  /** Undoes what was written from that event on by those that `isOwn` names: what was there without it is written again. */
  rollBack(process: Process, before: number, isOwn: (pid: number) => boolean): void
  readonly shares: Shares
  /** The files of a process for its owner: no law is asked, nobody learns anything, and the journal has nothing of it. */
  filesOf(process: Process): Files
  /** Removes versions and contents that nobody can see any more. One at a time; others have their turns meanwhile. */
  collect(turns: Pick<Turns, 'pause' | 'isOpen'>): Promise<Collected>
}

/** The files of a process, as it would find them now. */
export interface Files {
  /** The last version of each file that begins so, by path; with `removed`, also of those that were removed. */
  list(prefix?: string, options?: FilesListOptions): readonly FileVersion[]
  /** Every version of a file, the newest first, removals among them; only those before that version. Throws `INVALID_ARGUMENT`. */
  versions(path: string, before?: number): Iterable<FileVersion>
  /** A version with its content, which is base64 where it is not UTF-8. @default the last one. Throws `NO_SUCH_FILE`, `INVALID_ARGUMENT` */
  read(path: string, version?: number): FileVersion & { readonly content: string; readonly encoding: 'utf8' | 'base64' }
  /** A unified diff from one version to another. @default to the last one */
  diff(path: string, from: number, to?: number): string
}

/** Which of them a list returns. */
export interface FilesListOptions {
  readonly removed?: boolean
  /** Only those behind this path. */
  readonly after?: string
  /** At most so many. */
  readonly limit?: number
}

/** Where files are kept. */
export interface StorageOptions {
  readonly store: Store
  readonly journal: Journal
  readonly limits: Limits
  readonly now: () => number
  /** Whether the law lets the process do that to the one file; false also where a person would have to be asked. */
  readonly may: (process: Process, call: 'read' | 'write' | 'remove', place: Place) => boolean
}

/** A version that is to be made. */
interface Item {
  readonly path: string
  /** null: a removal. */
  readonly content: { readonly hash: string; readonly bytes: number } | null
  readonly labels: readonly string[] | undefined
}

/** The files of a kernel. */
export function createStorage({ store, journal, limits, now, may }: StorageOptions): Storage {
  const tree = createFileTree(store)
  const shares = createShares({ store, journal, now })
  const search = createFileSearch({ store, tree, journal })
  // What was put and is not committed yet is counted too; it is found here, since nothing else writes.
  const totals = createUnkept<FileTotals>({ store, journal, rememberedMax: limits.filesCachedMax })
  /** Bytes that were collected of what a space itself wrote: its `writes` still count them (file-tree.ts). */
  const collected = createUnkept<number>({ store, journal, rememberedMax: limits.filesCachedMax })
  /** Of what the space itself wrote or removed: a fork has what its base has until then. */
  const present = createUnkept<boolean>({ store, journal, rememberedMax: limits.filesCachedMax })
  /** While a collection is under way: contents that versions were made of, and those that are about to go. */
  let used: Set<string> | undefined
  let doomed: ReadonlySet<string> | undefined

  function totalsOf(space: Space): FileTotals {
    return totals.get(space.id) ?? tree.totals(space)
  }

  function collectedOf(space: Space): number {
    const known = collected.get(space.id)
    if (known !== undefined) return known
    const kept = Number(store.get('file', collectedKey(space)) ?? 0)
    collected.set(space.id, kept)
    return kept
  }

  function totalsOfPrincipal(principal: string): FileTotals {
    const kept = totals.get(principalKey(principal)) ?? store.get('file', principalKey(principal))
    return typeof kept === 'string' ? (JSON.parse(kept) as FileTotals) : ((kept as FileTotals | undefined) ?? NOTHING)
  }

  /** Makes versions, all with the event that comes next. Throws `LIMIT_EXCEEDED` before it puts any. */
  function put(process: Process, { space, quota }: View, items: readonly Item[], isBound = true): number {
    const version = journal.lastSeq + 1
    const at = now()
    let files = 0
    /** What the principal has more: a file of the base stays there, whatever a fork does to it. */
    let ownFiles = 0
    let bytes = 0
    const sums = items.map(({ path, content }) => {
      const known = present.get(`${space.id}\0${path}`)
      const was = known ?? isFile(tree.newest(space, path))
      const wasOwn = space.base === undefined ? was : (known ?? isFile(tree.newest({ id: space.id }, path)))
      if (was !== (content !== null)) files += was ? -1 : 1
      if (wasOwn !== (content !== null)) ownFiles += wasOwn ? -1 : 1
      bytes += content?.bytes ?? 0
      return { files, bytes }
    })
    const before = totalsOf(space)
    const { principal } = process
    const beforeAll = totalsOfPrincipal(principal)
    if (isBound) {
      check(
        before,
        { files, bytes },
        { files: quota?.files ?? limits.treeFilesMax, bytes: quota?.bytes ?? limits.treeBytesMax },
        `the files of this run (${space.id})`,
      )
      check(
        beforeAll,
        { files: ownFiles, bytes },
        { files: limits.principalFilesMax, bytes: limits.principalBytesMax },
        `the files of ${principal}`,
      )
    }
    if (totals.get(space.id) === undefined && store.get('file', ownerKey(space)) === undefined)
      journal.put({ table: 'file', key: ownerKey(space), value: principal })
    const ever = plus(before, { files: 0, bytes: collectedOf(space) })
    for (const [i, { path, content, labels }] of items.entries()) {
      if (content !== null) used?.add(content.hash)
      const made: Version = {
        version,
        pid: process.pid,
        hash: content?.hash ?? null,
        bytes: content?.bytes ?? 0,
        at,
        ...(labels === undefined || labels.length === 0 ? {} : { labels }),
      }
      for (const one of versionPuts(space, path, made, plus(ever, sums[i] as FileTotals))) journal.put(one)
      present.set(`${space.id}\0${path}`, content !== null)
    }
    if (items.length > 0) {
      totals.set(space.id, plus(before, { files, bytes }))
      const all = plus(beforeAll, { files: ownFiles, bytes })
      totals.set(principalKey(principal), all)
      journal.put({ table: 'file', key: principalKey(principal), value: JSON.stringify(all) })
    }
    return version
  }

  // ------------------------------------------------------------------------------------------------------------- reading

  /** The event before which the files are meant. Throws `NO_SUCH_SNAPSHOT`. */
  function beforeOf({ space }: View, { path, version, at, snapshot }: Point): number {
    if (version !== undefined) {
      if (version > journal.lastSeq)
        throw new PolityError('NO_SUCH_FILE', `there is no version ${version}: the last event is ${journal.lastSeq}`)
      return version + 1
    }
    if (snapshot !== undefined) {
      const seq = tree.point(space, snapshot)
      if (seq === undefined) throw new PolityError('NO_SUCH_SNAPSHOT', `these files have no snapshot "${snapshot}"`)
      return seq
    }
    if (at === undefined) return LATEST
    if (path !== '' && !path.endsWith('/')) {
      for (const one of tree.versions(space, path)) if (one.at <= at) return one.version + 1
      return 0
    }
    for (const change of tree.changes(space, 0, { base: true })) if (change.at <= at) return change.seq + 1
    return 0
  }

  /** Throws `NO_SUCH_FILE`. */
  function find(view: View, { path, version, at }: Source): Version & { readonly hash: string } {
    const found = tree.newest(
      view.space,
      path,
      beforeOf(view, { path, ...(version === undefined ? {} : { version }), ...(at === undefined ? {} : { at }) }),
    )
    if (found === undefined || found.hash === null || (version !== undefined && found.version !== version)) {
      const shown = shownPath(path, view.share?.id)
      throw new PolityError(
        'NO_SUCH_FILE',
        version !== undefined
          ? `"${shown}" has no version ${version}`
          : at === undefined
            ? `there is no file "${shown}"`
            : `there was no file "${shown}" at ${timeText(at)}`,
      )
    }
    return found as Version & { hash: string }
  }

  function contentOf(view: View, source: Source): { readonly found: Version; readonly content: string | Uint8Array } {
    const found = find(view, source)
    return { found, content: tree.content(found.hash, source.path) }
  }

  function read(process: Process, place: Place, options: ReadOptions): Told<string> {
    const { encoding = 'utf8', range, diff, ...which } = options
    const view = shares.open(process, place, 'read')
    if (diff !== undefined || which.version !== undefined || which.at !== undefined) onlyNow(view)
    const { path } = place
    const { found, content } = contentOf(view, { path, ...which })
    if (diff !== undefined) {
      const old = contentOf(view, { path, version: diff })
      const value = unifiedDiff(textOf(old.content, path), textOf(content, path))
      return { value, labels: union(found.labels, old.found.labels) }
    }
    const labels = found.labels ?? []
    if (encoding === 'base64') return { value: bytesOf(content, range).toString('base64'), labels }
    if (range === undefined) return { value: textOf(content, path), labels }
    return { value: textOf(wholeCharacters(bytesOf(content), range), path), labels }
  }

  // ------------------------------------------------------------------------------------------------------------- writing

  function write(process: Process, place: Place, content: string | Uint8Array, known?: string): FileEntry {
    const view = shares.open(process, place, 'write')
    const { path } = place
    const bytes = Buffer.byteLength(content)
    if (bytes > limits.fileBytesMax)
      throw new PolityError(
        'TOO_LARGE',
        `"${path}" would have ${bytes} bytes; the limit fileBytesMax is ${limits.fileBytesMax}`,
      )
    const hash = known ?? sha256(content)
    const version = put(process, view, [{ path, content: { hash, bytes }, labels: labelsOf(process) }])
    if (doomed?.has(hash) === true || !tree.hasContent(hash)) journal.put({ table: 'blob', key: hash, value: content })
    return { path: shownPath(path, view.share?.id), version, bytes, at: now() }
  }

  function copy(process: Process, place: Place, source: Source): Told<FileEntry> {
    const from = shares.open(process, source, source.move === true ? 'write' : 'read')
    if (source.version !== undefined || source.at !== undefined) onlyNow(from)
    const to = shares.open(process, place, 'write')
    const own = labelsOf(process)
    const isFolder = source.path.endsWith('/')
    if (isFolder !== place.path.endsWith('/'))
      throw new PolityError(
        'INVALID_ARGUMENT',
        `write: a folder is copied to a folder and a file to a file: end both paths with "/", or neither`,
      )
    const isSame = from.space.id === to.space.id
    if (
      source.move === true &&
      isSame &&
      (place.path.startsWith(source.path) || source.path.startsWith(place.path)) &&
      (isFolder || place.path === source.path)
    )
      throw new PolityError(
        'INVALID_ARGUMENT',
        `write: "${source.path}" cannot be moved to "${place.path}", which is or holds it`,
      )
    const found = isFolder ? standingIn(from, source) : [[source.path, find(from, source)] as const]
    const items = found.map(([path, { hash, bytes, labels }]) => ({
      path: place.path + path.slice(source.path.length),
      content: { hash, bytes },
      labels: union(own, labels),
    }))
    for (const { path } of items) checkPath(path, limits)
    for (const [path] of found) {
      permit(process, from, 'read', path)
      if (source.move === true) permit(process, from, 'remove', path)
    }
    if (isFolder) for (const { path } of items) permit(process, to, 'write', path)
    const gone = source.move === true ? found.map(([path]) => ({ path, content: null, labels: undefined })) : []
    const version = isSame ? put(process, to, [...items, ...gone]) : put(process, to, items)
    if (!isSame && gone.length > 0) put(process, from, gone)
    const labels = union(...found.map(([, one]) => one.labels))
    return { value: madeOf(to, place.path, version, items, isFolder), labels }
  }

  /** What a call does to a file that the law was not asked about with the call itself. Throws `ACCESS_DENIED`. */
  function permit(process: Process, { share }: View, call: 'read' | 'write' | 'remove', path: string): void {
    if (!may(process, call, share === undefined ? { path } : { path, share: share.id }))
      throw new PolityError(
        'ACCESS_DENIED',
        `${call} of "${shownPath(path, share?.id)}" is denied, or a person has to be asked about it by itself: go file by file`,
      )
  }

  /** Files of which the law does not let the process read are as if they were not there for a look into files. */
  function readable(process: Process, view: View): View {
    const shows = (path: string): boolean =>
      view.share?.shows(path) !== false &&
      may(process, 'read', view.share === undefined ? { path } : { path, share: view.share.id })
    return { ...view, shows }
  }

  /** The files of a folder, now or then. Throws `NO_SUCH_FILE`, `LIMIT_EXCEEDED`. */
  function standingIn(view: View, source: Source): (readonly [string, Version & { readonly hash: string }])[] {
    const found: (readonly [string, Version & { hash: string }])[] = []
    for (const [path, version] of tree.entries(view.space, source.path, { before: beforeOf(view, source) })) {
      if (version.hash === null || view.share?.shows(path) === false) continue
      found.push([path, version as Version & { hash: string }])
      if (found.length > limits.listPathsMax)
        throw new PolityError(
          'LIMIT_EXCEEDED',
          `"${source.path}" holds more than ${limits.listPathsMax} files, the limit listPathsMax; go folder by folder`,
        )
    }
    if (found.length > 0) return found
    throw new PolityError('NO_SUCH_FILE', `there is no folder "${shownPath(source.path, view.share?.id)}"`)
  }

  function madeOf(view: View, path: string, version: number, items: readonly Item[], isFolder: boolean): FileEntry {
    const bytes = items.reduce((sum, { content }) => sum + (content?.bytes ?? 0), 0)
    const entry: FileEntry = { path: shownPath(path, view.share?.id), version, bytes, at: now() }
    if (isFolder) {
      const isGone = items.length > 0 && items.every(({ content }) => content === null)
      return { ...entry, files: items.length, ...(isGone ? { removed: true } : {}) }
    }
    return items[0]?.content === null ? { ...entry, removed: true } : entry
  }

  function remove(process: Process, place: Place): null {
    const view = shares.open(process, place, 'write')
    const { path } = place
    const paths = path.endsWith('/') ? standingIn(view, { path }).map(([one]) => one) : [path]
    if (!path.endsWith('/')) find(view, { path })
    else for (const one of paths) permit(process, view, 'remove', one)
    put(
      process,
      view,
      paths.map((one) => ({ path: one, content: null, labels: undefined })),
      false,
    )
    return null
  }

  function restore(process: Process, point: Point, isOwner = false): Told<FileEntry> {
    const view = shares.open(process, point, 'write')
    onlyNow(view)
    if (point.at !== undefined && point.at > now())
      throw new PolityError('INVALID_ARGUMENT', `restore: at takes a time that has come; ${timeText(point.at)} has not`)
    const before = beforeOf(view, point)
    const { path } = point
    const own = labelsOf(process)
    const isFolder = path === '' || path.endsWith('/')
    const paths = new Set<string>()
    if (isFolder) {
      for (const change of tree.changes(view.space, before, { base: true }))
        if (change.path.startsWith(path) && view.share?.shows(change.path) !== false) paths.add(change.path)
    } else paths.add(path)
    const items: Item[] = []
    const told: Version[] = []
    for (const one of [...paths].toSorted()) {
      const is = tree.newest(view.space, one)
      const was = tree.newest(view.space, one, before)
      if (!isFolder && is === undefined) find(view, { path })
      if ((is?.hash ?? null) === (was?.hash ?? null)) continue
      const item = back(one, was, own)
      if (!isOwner) permit(process, view, item.content === null ? 'remove' : 'write', one)
      items.push(item)
      if (was !== undefined) told.push(was)
    }
    const labels = union(...told.map((one) => one.labels))
    const newest = isFolder || items.length > 0 ? undefined : tree.newest(view.space, path)
    if (newest !== undefined) return { value: entryOf(view, path, newest), labels: newest.labels ?? [] }
    const version = put(process, view, items)
    return { value: madeOf(view, path, version, items, isFolder), labels }
  }

  function rollBack(process: Process, before: number, isOwn: (pid: number) => boolean): void {
    const { files: space } = process
    const paths = new Set<string>()
    for (const { path } of tree.changes(space, before)) paths.add(path)
    const items: Item[] = []
    for (const path of [...paths].toSorted()) {
      const newest = tree.newest({ id: space.id }, path)
      if (newest === undefined || newest.version < before || !isOwn(newest.pid)) continue
      const was = tree.last(space, path, LATEST, (version) => version.version < before || !isOwn(version.pid))
      if ((was?.hash ?? null) !== newest.hash) items.push(back(path, was, undefined))
    }
    put(process, { space, quota: undefined }, items, false)
  }

  function filesOf({ files: space }: Process): Files {
    return filesIn(tree, space, limits)
  }

  return {
    read,
    write,
    copy,
    list(process, place, { search: query, ...listing }, meaning) {
      if (place.share === undefined && place.path === '/') return shares.known(process)
      const view = shares.open(process, place, 'list')
      if (listing.versions === true || listing.removed === true) onlyNow(view)
      const { path } = place
      if (query === undefined)
        return listFiles(
          tree,
          listing.grep === undefined ? view : readable(process, view),
          { ...listing, prefix: path },
          limits,
        )
      const prefix = view.share === undefined || path.length > view.share.path.length ? path : view.share.path
      return search.find(readable(process, view), prefix, query, listing.limit ?? SEARCH_DEFAULT, meaning)
    },
    remove,
    restore,
    mark(process, id) {
      journal.put({ table: 'file', key: pointKey(process.files, id), value: String(journal.lastSeq + 1) })
    },
    rollBack,
    shares,
    filesOf,
    async collect(turns) {
      if (used !== undefined)
        throw new PolityError('LIMIT_EXCEEDED', 'old versions of files are being collected already')
      const made = new Set<string>()
      used = made
      try {
        return await collectFiles({
          store,
          journal,
          turns,
          isUsed: (hash) => made.has(hash),
          gone({ space, principal, files, bytes, isWhole }) {
            const left = plus(totalsOf(space), { files: -files, bytes: -bytes })
            if (isWhole) {
              totals.set(space.id, NOTHING)
              collected.set(space.id, 0)
            } else {
              totals.set(space.id, left)
              const sum = collectedOf(space) + bytes
              collected.set(space.id, sum)
              journal.putAlone({ table: 'file', key: collectedKey(space), value: String(sum) })
            }
            if (principal === undefined) return
            // The books of an earlier version may hold too little: what is below nothing would be room that nobody gave.
            const rest = plus(totalsOfPrincipal(principal), { files: -files, bytes: -bytes })
            const all = { files: Math.max(0, rest.files), bytes: Math.max(0, rest.bytes) }
            totals.set(principalKey(principal), all)
            journal.putAlone({ table: 'file', key: principalKey(principal), value: JSON.stringify(all) })
          },
          doom: (hashes) => void (doomed = hashes),
        })
      } finally {
        used = undefined
        doomed = undefined
      }
    },
  }
}

/** Files that `search` returns when it names no limit. */
const SEARCH_DEFAULT = 10
const NOTHING: FileTotals = Object.freeze({ files: 0, bytes: 0 })

/** A share shows files as they are. Throws `ACCESS_DENIED`. */
function onlyNow({ share }: View): void {
  if (share !== undefined)
    throw new PolityError(
      'ACCESS_DENIED',
      `the share /${share.id} shows files as they are, and no older versions; ask its giver for a copy of what stood there`,
    )
}

/** A space as its owner may look at it, also where only its store is at hand. */
export function filesIn(tree: FileTree, space: Space, limits: Limits): Files {
  const at = (path: string, version?: number): { readonly found: Version; readonly content: string | Uint8Array } => {
    const found = tree.newest(space, checkPath(path, limits), version === undefined ? LATEST : version + 1)
    if (found === undefined || found.hash === null || (version !== undefined && found.version !== version))
      throw new PolityError(
        'NO_SUCH_FILE',
        version === undefined ? `there is no file "${path}"` : `"${path}" has no version ${version}`,
      )
    return { found, content: tree.content(found.hash, path) }
  }
  return {
    list(prefix = '', { removed = false, after, limit = Infinity } = {}) {
      const found: FileVersion[] = []
      for (const [path, version] of tree.entries(space, prefix, { after })) {
        if (version.hash === null && !removed) continue
        if (found.length >= limit) break
        found.push(seen(path, version))
      }
      return found
    },
    versions: (path, before = LATEST) => versionsOf(tree, space, checkPath(path, limits), before),
    read(path, version) {
      const { found, content } = at(path, version)
      const text = decoded(content)
      if (text !== undefined) return { ...seen(path, found), content: text, encoding: 'utf8' }
      return {
        ...seen(path, found),
        content: Buffer.from(content as Uint8Array).toString('base64'),
        encoding: 'base64',
      }
    },
    diff: (path, from, to) => unifiedDiff(textOf(at(path, from).content, path), textOf(at(path, to).content, path)),
  }
}

function* versionsOf(tree: FileTree, space: Space, path: string, before: number): Generator<FileVersion> {
  for (const version of tree.versions(space, path, before)) yield seen(path, version)
}

// -------------------------------------------------------------------------------------------------------------- totals

function isFile(version: Version | undefined): boolean {
  return version !== undefined && version.hash !== null
}

function back(path: string, was: Version | undefined, own: readonly string[] | undefined): Item {
  const content = was === undefined || was.hash === null ? null : { hash: was.hash, bytes: was.bytes }
  return { path, content, labels: union(own, was?.labels) }
}

function plus(a: FileTotals, b: FileTotals): FileTotals {
  return { files: a.files + b.files, bytes: a.bytes + b.bytes }
}

function check(is: FileTotals, more: FileTotals, most: FileTotals, whose: string): void {
  if (more.files > 0 && is.files + more.files > most.files)
    throw new PolityError(
      'LIMIT_EXCEEDED',
      `${whose} would be ${is.files + more.files}; the quota is ${most.files}: remove some, or ask for more`,
      { detail: { files: is.files, quota: most.files } },
    )
  if (more.bytes > 0 && is.bytes + more.bytes > most.bytes)
    throw new PolityError(
      'LIMIT_EXCEEDED',
      `${whose} would take ${is.bytes + more.bytes} bytes with all their versions; the quota is ${most.bytes}: old versions go with \`polity gc\`, or ask for more`,
      { detail: { bytes: is.bytes, quota: most.bytes } },
    )
}

function principalKey(principal: string): string {
  return `principal ${principal}`
}

// ------------------------------------------------------------------------------------------------------------ contents

function bytesOf(content: string | Uint8Array, range?: readonly [number, number]): Buffer {
  const all =
    typeof content === 'string'
      ? Buffer.from(content)
      : Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  return range === undefined ? all : all.subarray(...range)
}

/** Without the characters of which only a part lies in the range. */
function wholeCharacters(all: Buffer, [from, to]: readonly [number, number]): Buffer {
  const isInside = (at: number): boolean => at > 0 && at < all.length && ((all[at] as number) & 0xc0) === 0x80
  let start = Math.min(from, all.length)
  let end = Math.min(to, all.length)
  while (isInside(start)) start++
  while (isInside(end)) end--
  return all.subarray(start, Math.max(start, end))
}

function textOf(content: string | Uint8Array, path: string): string {
  const text = decoded(content)
  if (text !== undefined) return text
  throw new PolityError('INVALID_ARGUMENT', `"${path}" is not text in UTF-8; read it with { encoding: 'base64' }`)
}

/** Milliseconds beyond what a date can hold stay a number (ECMAScript, "Time Values and Time Range"). */
function timeText(at: number): string {
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at)
}
