/**
 * Paths of files: what a path may be, what stands for a folder or a share, and globs over them.
 *
 *     checkPath('notes/today.md', limits)              // as it is, or INVALID_ARGUMENT
 *     parsePlace('/17/notes/', limits)                 // { share: 17, path: 'notes/' }: what process 17's share shows there
 *     pathGlob('docs/**\/*.md')('docs/a/b.md')         // true
 *
 * Invariants
 *   PA1. A path is relative, without `.`, `..`, control characters or backslash; it names a key, never the disk.
 *   PA2. What begins with `/` goes through a share, and through nothing else.
 *   PA3. A glob is matched in time linear in the path (automaton.ts), whoever wrote it.
 */
import { createAutomaton } from '../policy/automaton.ts'
import { parseRegex } from '../policy/regex.ts'
import { PolityError, messageOf } from './errors.ts'
import type { Limits } from './limits.ts'

/** Where a path leads: into the files of the process itself, or through a share. */
export interface Place {
  /** '' for all files; with `/` at its end a folder, else a file or the beginning of paths. */
  readonly path: string
  /** Its id; left out for the process's own files. */
  readonly share?: number
}

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

/** A file, and where \`folders\` are taken also a folder, whose path ends in `/`; throws `INVALID_ARGUMENT`. */
export function parsePlace(given: unknown, limits: Limits, { folders = false } = {}): Place {
  const share = typeof given === 'string' ? SHARED.exec(given) : null
  const path = share === null ? given : (share[2] as string)
  const isFolder = folders && typeof path === 'string' && path.length > 1 && path.endsWith('/')
  if (isFolder) checkPath(path.slice(0, -1), limits)
  else checkPath(path, limits)
  return placeOf(share, path as string)
}

/** The beginning of paths, which may be empty; throws `INVALID_ARGUMENT`. */
export function parsePrefix(given: unknown): Place {
  if (given === undefined) return { path: '' }
  if (typeof given !== 'string') throw new PolityError('INVALID_ARGUMENT', 'list: prefix takes a text')
  const share = SHARED.exec(given)
  return placeOf(share, share === null ? given : (share[2] as string))
}

function placeOf(share: RegExpExecArray | null, path: string): Place {
  return share === null ? { path } : { path, share: Number(share[1]) }
}

const SHARED = /^\/(\d{1,15})\/(.*)$/su

/** The id of a share that is named as a whole, as in `/17`; undefined for anything else. */
export function shareIn(path: unknown): number | undefined {
  const found = typeof path === 'string' ? /^\/(\d{1,15})\/?$/u.exec(path) : null
  return found === null ? undefined : Number(found[1])
}

/** A path as the process writes it that has it through a share. */
export function shownPath(path: string, share: number | undefined): string {
  return share === undefined ? path : `/${share}/${path}`
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

/** Which paths a glob means: `*` anything but `/`, `**` anything, `?` one character but `/`, `{a,b}` either. Throws `INVALID_ARGUMENT`. */
export function pathGlob(glob: string): (path: string) => boolean {
  try {
    return createAutomaton(parseRegex(regexOf(glob), 'glob'), 'glob').accepts
  } catch (error) {
    throw new PolityError('INVALID_ARGUMENT', `list: ${messageOf(error)}; expected a glob such as "notes/**/*.md"`, {
      cause: error,
    })
  }
}

/** `**` with a `/` behind it also stands for no folder at all. */
function regexOf(glob: string): string {
  let depth = 0
  const source = glob.replaceAll(/\*\*\/|\*\*|[*?{},]|[^\p{L}\p{N}]/gu, (part) => {
    switch (part) {
      case '**/':
        return '(?:[^]*/)?'
      case '**':
        return '[^]*'
      case '*':
        return '[^/]*'
      case '?':
        return '[^/]'
      case '{':
        depth++
        return '(?:'
      case '}':
        if (depth-- === 0) throw new TypeError('a glob has a } without a {')
        return ')'
      case ',':
        return depth > 0 ? '|' : ','
      default:
        return /[-_ "'<>=!~`@#%&;:/]/.test(part) || (part.codePointAt(0) as number) > 0x7f ? part : `\\${part}`
    }
  })
  if (depth > 0) throw new TypeError('a glob has a { without a }')
  return source
}
