/**
 * The walk: which files under a root are text that may be read, and what was left out and why.
 *
 * Everything the folder tools show passes the same two rules, so that what can be listed can be read and nothing else: `isHiddenPath` (names that begin with a dot, and `node_modules`)
 * and `confine` (a relative path whose real place is under the root).
 *
 * Invariants
 *   W1. No symbolic link is followed while walking: one that leaves the root is counted, one that stays inside would only show a file twice.
 *   W2. `confine` never returns a path whose real place is outside the real root.
 *   W3. An unreadable folder or a file that vanishes is counted and skipped; it never ends the walk.
 */
import { lstat, readdir, realpath } from 'node:fs/promises'
import { isAbsolute, join, sep } from 'node:path'

/** A file as the walk found it. `path` is relative to the root, with `/` between its parts. */
export interface WalkedFile {
  readonly path: string
  /** Size in bytes. */
  readonly size: number
  /** Time of the last change, milliseconds since 1970, with fractions where the file system has them. */
  readonly mtimeMs: number
}

/** What was not indexed, by reason, in files (folders for `hidden` and `unreadable` when a whole folder was left out). */
export interface SkipCounts {
  /** A NUL byte in the first 8 kB. */
  binary: number
  /** Larger than `fileBytesMax`. */
  tooLarge: number
  /** Name begins with a dot, or is `node_modules`. */
  hidden: number
  /** A symbolic link whose target is outside the root, or is missing. */
  linkOutside: number
  /** A symbolic link to a place inside the root, indexed under its own name. */
  linkInside: number
  /** No permission, vanished while being read, or not a plain file (socket, pipe, device). */
  unreadable: number
  /** Beyond `filesMax`. */
  beyondLimit: number
}

export function emptySkips(): SkipCounts {
  return { binary: 0, tooLarge: 0, hidden: 0, linkOutside: 0, linkInside: 0, unreadable: 0, beyondLimit: 0 }
}

/** Files whose state is asked for at the same time. */
const statsAtOnce = 64

export interface WalkOptions {
  /** Larger files are skipped. In bytes. */
  readonly fileBytesMax: number
  /** Files beyond this count are skipped. */
  readonly filesMax: number
  /** Absolute paths that are never listed: the index itself. */
  readonly except: ReadonlySet<string>
  readonly signal?: AbortSignal
}

/** Lists the candidate files under a real root (see `realpath`), sorted by path; binary files are only found on reading. */
export async function walk(root: string, options: WalkOptions): Promise<{ files: WalkedFile[]; skips: SkipCounts }> {
  const skips = emptySkips()
  const files: WalkedFile[] = []
  const folders: string[] = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    options.signal?.throwIfAborted()
    const names: string[] = []
    try {
      for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`
        if (isHiddenName(entry.name)) skips.hidden++
        else if (entry.isSymbolicLink()) skips[(await isInside(root, path)) ? 'linkInside' : 'linkOutside']++
        else if (entry.isDirectory()) folders.push(path)
        else if (entry.isFile()) names.push(path)
        else skips.unreadable++
      }
    } catch (error) {
      if (folder === '') throw new Error(`The folder ${root} cannot be read.`, { cause: error })
      skips.unreadable++
    }
    for (let from = 0; from < names.length; from += statsAtOnce) {
      const batch = names.slice(from, from + statsAtOnce)
      const stats = await Promise.all(batch.map((path) => lstat(join(root, path)).catch(() => undefined)))
      for (const [index, stat] of stats.entries()) {
        const path = batch[index] as string
        if (!stat?.isFile()) skips.unreadable++
        else if (options.except.has(join(root, path))) continue
        else if (stat.size > options.fileBytesMax) skips.tooLarge++
        else files.push({ path, size: stat.size, mtimeMs: stat.mtimeMs })
      }
    }
  }
  files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  if (files.length > options.filesMax) {
    skips.beyondLimit += files.length - options.filesMax
    files.length = options.filesMax
  }
  return { files, skips }
}

/** True for the names the walk leaves out: those that begin with a dot (`.git`, `.env`) and `node_modules`. */
function isHiddenName(name: string): boolean {
  return name.startsWith('.') || name === 'node_modules'
}

/** True when a part of a relative path is left out by the walk. */
export function isHiddenPath(path: string): boolean {
  return path.split('/').some(isHiddenName)
}

async function isInside(root: string, path: string): Promise<boolean> {
  const target = await realpath(join(root, path)).catch(() => undefined)
  return target !== undefined && isUnder(root, target)
}

function isUnder(root: string, target: string): boolean {
  return target === root || target.startsWith(root.endsWith(sep) ? root : root + sep)
}

/**
 * The real absolute path of a file named by a relative path, or a clear error. `root` must be real (see `realpath`).
 * Refused: empty paths, absolute paths, `..`, NUL bytes, hidden names and links that lead out of the root; on Windows also back
 * slashes and drives, which elsewhere are signs of a name like any other.
 * Percent escapes have no meaning here: `%2e%2e` is an ordinary (and missing) file name.
 */
export async function confine(root: string, path: string): Promise<string> {
  const refuse = (why: string): Error => new Error(`The path ${JSON.stringify(path.slice(0, 200))} is refused: ${why}.`)
  if (path === '') throw refuse('it is empty')
  if (path.includes('\0')) throw refuse('it holds a NUL byte')
  const isWindows = sep === '\\'
  if (isAbsolute(path) || (isWindows && /^[a-z]:/i.test(path)))
    throw refuse('it is absolute, and paths are relative to the folder')
  if (isWindows && path.includes('\\')) throw refuse('it holds a back slash, and parts are separated by /')
  const parts = path.split('/').filter((part) => part !== '.' && part !== '')
  if (parts.includes('..')) throw refuse('it leaves the folder with ..')
  if (parts.some(isHiddenName)) throw refuse('hidden files and node_modules are not shown')
  let target: string
  try {
    target = await realpath(join(root, ...parts))
  } catch (error) {
    const hint = path.includes('\\') ? '; the parts of a path are separated by /' : ''
    throw new Error(`There is no file ${JSON.stringify(path.slice(0, 200))} in this folder${hint}.`, { cause: error })
  }
  if (!isUnder(root, target)) throw refuse('it is a link that leads out of the folder')
  const real = target.slice(root.length).split(sep).join('/').replace(/^\//, '')
  if (isHiddenPath(real) && real !== '') throw refuse('it is a link to a hidden file')
  return target
}
