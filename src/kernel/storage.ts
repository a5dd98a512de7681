/**
 * Files: versioned, confined, one space a process tree.
 *
 * A write makes a version; nothing is overwritten. A fork reads its origin's files as they were and writes its own.
 * Contents are kept once by their hash.
 *
 * Invariants
 *   F1. Paths stay inside the space: relative, no `.` or `..`, no NUL, no backslash; they name keys, never the disk.
 *   F2. A version is the `seq` of the event that reported the write, so `before` names one state of all files at once.
 *   F3. Nothing reads what was not committed, and a write is reported only when it is (the gate waits; syscalls.ts).
 */
import { sha256 } from './digest.ts'
import type { Store } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Journal } from './journal.ts'
import type { Limits } from './limits.ts'
import type { Process, Space } from './process.ts'
import { labelsOf } from './process.ts'
import type { FileEntry, FileVersion } from './types.ts'

interface Version {
  readonly version: number
  /** Who wrote it. */
  readonly pid: number
  /** null: removed. */
  readonly hash: string | null
  readonly bytes: number
  readonly at: number
  /** Of what its writer had learned. */
  readonly labels?: readonly string[]
}

/** Versioned files of process trees. */
export interface Storage {
  read(
    process: Process,
    path: string,
    version: number | undefined,
  ): { readonly content: string; readonly labels: readonly string[] | undefined }
  write(process: Process, path: string, content: string): FileEntry
  list(process: Process, prefix: string): { readonly entries: readonly FileEntry[]; readonly labels: readonly string[] }
  remove(process: Process, path: string): null
  /** Undoes what was written from that event on by those that `isOwn` names: what was there without it is written again. */
  rollBack(process: Process, before: number, isOwn: (pid: number) => boolean): void
  /** The files of a process for its owner: no law is asked, nobody learns anything, and the journal has nothing of it. */
  filesOf(process: Process): Files
}

/** The files of a process, as it would find them now. */
export interface Files {
  /** The last version of each file that begins so, by path; with `removed`, also of those that were removed. */
  list(prefix?: string, options?: { readonly removed?: boolean }): readonly FileVersion[]
  /** Every version of a file, the newest first, removals among them; only those before that version. Throws `INVALID_ARGUMENT`. */
  versions(path: string, before?: number): Iterable<FileVersion>
  /** A version with its content. @default the last one. Throws `NO_SUCH_FILE`, `INVALID_ARGUMENT` */
  read(path: string, version?: number): FileVersion & { readonly content: string }
}

/** Where files are kept. */
export interface StorageOptions {
  readonly store: Store
  readonly journal: Journal
  readonly limits: Limits
  readonly now: () => number
}

/** Digits of a version in a key: sorts as it counts, up to 2^53. */
const VERSION_DIGITS = 16

/** The files of a kernel. */
export function createStorage({ store, journal, limits, now }: StorageOptions): Storage {
  function key(space: Space, path: string, version: number): string {
    return `${space.id}\0${path}\0${String(version).padStart(VERSION_DIGITS, '0')}`
  }

  /** The last version before an event, looking through the branches; with `counts`, the last that does. */
  function lastVersion(
    space: Space,
    path: string,
    before: number,
    counts?: (version: Version) => boolean,
  ): Version | undefined {
    const limit = counts === undefined ? 1 : undefined
    for (const [, value] of store.range('file', key(space, path, 0), key(space, path, before), {
      limit,
      reverse: true,
    })) {
      const version = JSON.parse(value as string) as Version
      if (counts === undefined || counts(version)) return version
    }
    return space.base === undefined
      ? undefined
      : lastVersion(space.base.space, path, Math.min(before, space.base.before), counts)
  }

  function put(
    { pid, files: space }: Process,
    path: string,
    hash: string | null,
    bytes: number,
    labels: readonly string[] | undefined,
  ): Version {
    const version: Version = { version: journal.lastSeq + 1, pid, hash, bytes, at: now() }
    const value = JSON.stringify(labels === undefined ? version : { ...version, labels })
    journal.put({ table: 'file', key: key(space, path, version.version), value })
    return version
  }

  function read(process: Process, path: string, version: number | undefined): ReturnType<Storage['read']> {
    const { found, content } = contentOf(process.files, path, version)
    return { content, labels: found.labels }
  }

  function contentOf(
    space: Space,
    path: string,
    version: number | undefined,
  ): { readonly found: Version; readonly content: string } {
    const found = lastVersion(space, path, version === undefined ? LATEST : version + 1)
    if (found === undefined || found.hash === null || (version !== undefined && found.version !== version)) {
      throw new PolityError(
        'NO_SUCH_FILE',
        version === undefined ? `there is no file "${path}"` : `"${path}" has no version ${version}`,
      )
    }
    const blob = store.get('blob', found.hash)
    if (blob === undefined)
      throw new PolityError('STORE_INVALID', `the content of "${path}" (${found.hash}) is missing from the store`)
    return { found, content: typeof blob === 'string' ? blob : Buffer.from(blob).toString('utf8') }
  }

  function write(process: Process, path: string, content: string): FileEntry {
    const bytes = Buffer.byteLength(content)
    if (bytes > limits.fileBytesMax)
      throw new PolityError(
        'TOO_LARGE',
        `"${path}" would have ${bytes} bytes; the limit fileBytesMax is ${limits.fileBytesMax}`,
      )
    const hash = sha256(content)
    journal.put({ table: 'blob', key: hash, value: content })
    const { version, at } = put(process, path, hash, bytes, labelsOf(process))
    return { path, version, bytes, at }
  }

  /** Newest versions by path, of one branch after another: the nearer branch wins. */
  function newestVersions(
    space: Space,
    prefix: string,
    before: number,
    found = new Map<string, Version>(),
  ): Map<string, Version> {
    const own = new Map<string, Version>()
    const from = `${space.id}\0${prefix}`
    for (const [name, value] of store.range('file', from, `${from}\u{10ffff}`)) {
      const path = name.slice(space.id.length + 1, name.length - VERSION_DIGITS - 1)
      const version = JSON.parse(value as string) as Version
      if (version.version < before) own.set(path, version)
    }
    for (const [path, version] of own) if (!found.has(path)) found.set(path, version)
    return space.base === undefined
      ? found
      : newestVersions(space.base.space, prefix, Math.min(before, space.base.before), found)
  }

  function list(process: Process, prefix: string): ReturnType<Storage['list']> {
    const entries: FileEntry[] = []
    const labels = new Set<string>()
    for (const [path, { hash, version, bytes, at, labels: own = [] }] of newestVersions(
      process.files,
      prefix,
      LATEST,
    )) {
      if (hash === null) continue
      entries.push({ path, version, bytes, at })
      for (const label of own) labels.add(label)
    }
    entries.sort((a, b) => (a.path < b.path ? -1 : 1))
    if (entries.length > limits.listPathsMax) {
      throw new PolityError(
        'LIMIT_EXCEEDED',
        `${entries.length} files begin with "${prefix}"; the limit listPathsMax is ${limits.listPathsMax}: name a longer prefix`,
      )
    }
    return { entries, labels: [...labels] }
  }

  function remove(process: Process, path: string): null {
    const found = lastVersion(process.files, path, LATEST)
    if (found === undefined || found.hash === null) throw new PolityError('NO_SUCH_FILE', `there is no file "${path}"`)
    put(process, path, null, 0, undefined)
    return null
  }

  function rollBack(process: Process, before: number, isOwn: (pid: number) => boolean): void {
    const { files } = process
    for (const [path, newest] of newestVersions({ id: files.id }, '', LATEST)) {
      if (newest.version < before || !isOwn(newest.pid)) continue
      const was = lastVersion(files, path, LATEST, (version) => version.version < before || !isOwn(version.pid))
      if ((was?.hash ?? null) !== newest.hash) put(process, path, was?.hash ?? null, was?.bytes ?? 0, was?.labels)
    }
  }

  /** Every version before an event, the newest first: of this branch, then of what it branched off. */
  function* versionsOf(space: Space, path: string, before: number): Generator<FileVersion> {
    for (const [, value] of store.range('file', key(space, path, 0), key(space, path, before), { reverse: true }))
      yield seen(path, JSON.parse(value as string) as Version)
    if (space.base !== undefined) yield* versionsOf(space.base.space, path, Math.min(before, space.base.before))
  }

  function filesOf({ files }: Process): Files {
    return {
      list: (prefix = '', { removed = false } = {}) =>
        [...newestVersions(files, prefix, LATEST)]
          .flatMap(([path, version]) => (version.hash === null && !removed ? [] : [seen(path, version)]))
          .toSorted((a, b) => (a.path < b.path ? -1 : 1)),
      versions: (path, before = LATEST) => versionsOf(files, checkPath(path, limits), before),
      read(path, version) {
        const { found, content } = contentOf(files, checkPath(path, limits), version)
        return { ...seen(path, found), content }
      },
    }
  }

  return { read, write, list, remove, rollBack, filesOf }
}

function seen(path: string, { version, pid, hash, bytes, at, labels = [] }: Version): FileVersion {
  return { path, version, bytes, at, pid, removed: hash === null, labels }
}

const LATEST = Number.MAX_SAFE_INTEGER

/** A path as given, checked; throws `INVALID_ARGUMENT`. */
export function checkPath(path: unknown, limits: Limits): string {
  if (typeof path !== 'string' || path === '')
    throw new PolityError('INVALID_ARGUMENT', 'a path is a non-empty text such as "notes/today.md"')
  const fault = pathFault(path, limits)
  if (fault !== undefined)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `the path ${JSON.stringify(path.slice(0, 120))} ${fault}; expected a relative path such as "notes/today.md"`,
    )
  return path
}

function pathFault(path: string, limits: Limits): string | undefined {
  if (Buffer.byteLength(path) > limits.pathBytesMax) return `is longer than ${limits.pathBytesMax} bytes`
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f\\]/.test(path)) return 'has a control character or a backslash'
  if (!path.isWellFormed()) return 'is not well-formed Unicode'
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'is absolute'
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..') return `has the part "${part}"`
  }
  return undefined
}
