/**
 * File trees, as they are kept: which versions a space has, which is the newest of each path, and what changed since when.
 *
 *     const tree = createFileTree(store)
 *     tree.newest(space, 'notes/today.md')               // as the space sees it, or as it was before an event
 *     for (const [path, version] of tree.entries(space, 'notes/')) …
 *     for (const { path } of tree.changes(space, before)) …
 *
 * It reads what a store has and writes nothing, so that it also serves who looks at a store that a kernel has open.
 * A version lies in the table `file` three times (`versionPuts`): in the history of its path, as the newest of its path,
 * and among the writes of its space, so that neither a list nor a restore goes through histories. Its content lies in the
 * table `blob` under its SHA-256, once.
 *
 * Invariants
 *   FT1. A space sees its own versions, and those of its base from before it branched off; the nearer goes first.
 *   FT2. What is asked with `before` is what could be seen when that event was not there yet.
 *   FT3. `entries` come in the order of their paths' UTF-8 bytes.
 */
import type { Put, Store } from './drivers.ts'
import { PolityError } from './errors.ts'
import { merged } from './lists.ts'
import type { Space } from './spaces.ts'
import type { FileVersion } from './types.ts'

/** A version of a file, as it is kept. */
export interface Version {
  /** `seq` of the event that reported it. */
  readonly version: number
  /** Who wrote it. */
  readonly pid: number
  /** null: removed. */
  readonly hash: string | null
  readonly bytes: number
  readonly at: number
  /** Of what its writer had learned, and of the file that it was copied from. */
  readonly labels?: readonly string[]
}

/** A write of a space. */
export interface Change {
  readonly seq: number
  readonly path: string
  readonly at: number
}

/** What a space has come to: files that are there, and bytes of all versions. */
export interface FileTotals {
  readonly files: number
  readonly bytes: number
}

/** What can be read of file trees. */
export interface FileTree {
  /** The last version of a path, before an event; a removal is one. */
  newest(space: Space, path: string, before?: number): Version | undefined
  /** The last version before an event that counts. */
  last(space: Space, path: string, before: number, counts: (version: Version) => boolean): Version | undefined
  /** Every version before an event, the newest first: of the space, then of what it branched off. */
  versions(space: Space, path: string, before?: number): Iterable<Version>
  /** Newest versions by path, removals among them, of paths that begin so and stand behind `after`. */
  entries(space: Space, prefix: string, options?: EntryOptions): Iterable<readonly [path: string, version: Version]>
  /** What the space itself wrote from one event on, the last first; with `base`, also what could be seen of its base. */
  changes(space: Space, from: number, options?: { readonly base?: boolean }): Iterable<Change>
  /** What the space had come to before an event, with its base. */
  totals(space: Space, before?: number): FileTotals
  /** A content; throws `STORE_INVALID` where it is missing. */
  content(hash: string, path: string): string | Uint8Array
  hasContent(hash: string): boolean
  /** The event of a snapshot of a process that has this space, or undefined. */
  point(space: Space, id: string): number | undefined
}

/** Where entries begin, and before which event. */
export interface EntryOptions {
  readonly after?: string | undefined
  readonly before?: number
}

/** Later than any event. */
export const LATEST = Number.MAX_SAFE_INTEGER
/** Digits of a version in a key: sorts as it counts, up to 2^53. */
const VERSION_DIGITS = 16

/** The trees of a store. */
export function createFileTree(store: Pick<Store, 'get' | 'range'>): FileTree {
  function newest(space: Space, path: string, before = LATEST): Version | undefined {
    const own = store.get('file', newestKey(space, path))
    if (own !== undefined) {
      const version = JSON.parse(own as string) as Version
      if (version.version < before) return version
      for (const older of ownVersions(space, path, before)) return older
    }
    return space.base === undefined ? undefined : newest(space.base.space, path, Math.min(before, space.base.before))
  }

  function* ownVersions(space: Space, path: string, before: number): Generator<Version> {
    for (const [, value] of store.range('file', versionKey(space, path, 0), versionKey(space, path, before), {
      reverse: true,
    }))
      yield JSON.parse(value as string) as Version
  }

  function* versions(space: Space, path: string, before = LATEST): Generator<Version> {
    yield* ownVersions(space, path, before)
    if (space.base !== undefined) yield* versions(space.base.space, path, Math.min(before, space.base.before))
  }

  function* own(
    space: Space,
    prefix: string,
    before: number,
    after: string | undefined,
  ): Generator<readonly [string, Version]> {
    const begin = newestKey(space, '')
    const from = begin + (after === undefined || after < prefix ? prefix : `${after}\0`)
    for (const [name, value] of store.range('file', from, `${begin}${prefix}\u{10ffff}`)) {
      const path = name.slice(begin.length)
      const version = JSON.parse(value as string) as Version
      if (version.version < before) yield [path, version]
      else for (const older of first(ownVersions(space, path, before))) yield [path, older]
    }
  }

  function entries(
    space: Space,
    prefix: string,
    { after, before = LATEST }: EntryOptions = {},
  ): Iterable<readonly [string, Version]> {
    const mine = own(space, prefix, before, after)
    if (space.base === undefined) return mine
    const options = { after, before: Math.min(before, space.base.before) }
    return merged([mine, entries(space.base.space, prefix, options)], ([a], [b]) => compare(a, b))
  }

  function* changes(space: Space, from: number, { base = false } = {}): Generator<Change> {
    yield* changesBetween(space, from, LATEST)
    let to = LATEST
    for (let under = base ? space.base : undefined; under !== undefined; under = under.space.base) {
      to = Math.min(to, under.before)
      yield* changesBetween(under.space, from, to)
    }
  }

  function* changesBetween(space: Space, from: number, to: number): Generator<Change> {
    if (from >= to) return
    const end = writeKey(space, 0).length
    for (const [key, value] of store.range('file', writeKey(space, from), writeKey(space, to), { reverse: true })) {
      const { at } = JSON.parse(value as string) as Write
      yield { seq: Number(key.slice(end - VERSION_DIGITS, end)), path: key.slice(end + 1), at }
    }
  }

  function totals(space: Space, before = LATEST): FileTotals {
    for (const [, value] of store.range('file', writeKey(space, 0), writeKey(space, before), {
      limit: 1,
      reverse: true,
    })) {
      const { files, bytes } = JSON.parse(value as string) as Write
      const gone = store.get('file', collectedKey(space))
      // Books of an earlier version may have it off already.
      return { files, bytes: Math.max(0, bytes - (gone === undefined ? 0 : Number(gone))) }
    }
    return space.base === undefined ? EMPTY : totals(space.base.space, Math.min(before, space.base.before))
  }

  function content(hash: string, path: string): string | Uint8Array {
    const blob = store.get('blob', hash)
    if (blob === undefined)
      throw new PolityError('STORE_INVALID', `the content of "${path}" (${hash}) is missing from the store`)
    return blob
  }

  return {
    newest,
    last(space, path, before, counts) {
      for (const version of versions(space, path, before)) if (counts(version)) return version
      return undefined
    },
    versions,
    entries,
    changes,
    totals,
    content,
    hasContent: (hash) => store.get('blob', hash) !== undefined,
    point(space, id) {
      for (let at: Space | undefined = space; at !== undefined; at = at.base?.space) {
        const seq = store.get('file', pointKey(at, id))
        if (seq !== undefined) return Number(seq)
      }
      return undefined
    },
  }
}

const EMPTY: FileTotals = Object.freeze({ files: 0, bytes: 0 })

/** With what the space came to then; `bytes` counts what was collected before and since, which is taken off when it is read. */
interface Write extends FileTotals {
  readonly at: number
}

// ---------------------------------------------------------------------------------------------------------------- keys

// Spaces are named `tree 12` and `fork 34`, so nothing else in the table begins as one of their histories does.

/** In the history of a path. */
export function versionKey(space: Space, path: string, version: number): string {
  return `${space.id}\0${path}\0${digits(version)}`
}

export function newestKey(space: Space, path: string): string {
  return `newest ${space.id}\0${path}`
}

/** More than one write can have one event: those of a folder. */
function writeKey(space: Space, seq: number, path?: string): string {
  return `writes ${space.id}\0${digits(seq)}${path === undefined ? '' : `\0${path}`}`
}

/** Where a snapshot stands: the same for all that share the space. */
export function pointKey(space: Space, id: string): string {
  return `points ${space.id}\0${id}`
}

/** Bytes of versions of a space that were collected. */
export function collectedKey(space: Space): string {
  return `collected ${space.id}`
}

/** A content that a version had that went, with its bytes: until it is known whether another one has it. */
export function looseKey(hash: string): string {
  return `loose ${hash}`
}

/** The principal whose quota a space counts for. */
export function ownerKey(space: Space): string {
  return `owner ${space.id}`
}

/**
 * Where everything begins that a space has; two ends of each range of keys. Taken away in this order, by what is left of it
 * it is found again: versions before what they are counted by, and the writes last.
 */
export function rangesOf(space: Space): readonly (readonly [from: string, to: string])[] {
  const within = (begin: string): readonly [string, string] => [`${begin}${space.id}\0`, `${begin}${space.id}\u0001`]
  const single = (begin: string): readonly [string, string] => [`${begin}${space.id}`, `${begin}${space.id}\0`]
  return [
    within(''),
    within('newest '),
    within('passage '),
    within('bare '),
    single('collected '),
    single('owner '),
    single('passages-of '),
    within('points '),
    within('state '),
    within('writes '),
  ]
}

function digits(version: number): string {
  return String(version).padStart(VERSION_DIGITS, '0')
}

/** The path in the key of a history, and the version. */
export function readVersionKey(key: string): {
  readonly space: string
  readonly path: string
  readonly version: number
} {
  const end = key.indexOf('\0')
  return {
    space: key.slice(0, end),
    path: key.slice(end + 1, key.length - VERSION_DIGITS - 1),
    version: Number(key.slice(-VERSION_DIGITS)),
  }
}

/** Everything that a new version is kept as, but for its content. `totals` are those with it. */
export function versionPuts(
  space: Space,
  path: string,
  version: Version,
  { files, bytes }: FileTotals,
): readonly Put[] {
  const value = JSON.stringify(version)
  const write: Write = { at: version.at, files, bytes }
  return [
    { table: 'file', key: versionKey(space, path, version.version), value },
    { table: 'file', key: newestKey(space, path), value },
    { table: 'file', key: writeKey(space, version.version, path), value: JSON.stringify(write) },
  ]
}

/** A version as its owner sees it. */
export function seen(path: string, { version, pid, hash, bytes, at, labels = [] }: Version): FileVersion {
  return { path, version, bytes, at, pid, removed: hash === null, labels }
}

// --------------------------------------------------------------------------------------------------------------- order

function* first<T>(items: Iterable<T>): Generator<T> {
  for (const item of items) {
    yield item
    return
  }
}

/** As the store orders keys. */
function compare(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
}
