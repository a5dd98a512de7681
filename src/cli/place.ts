/**
 * Places: files as a person can open them from where they stand, and where in their own code an error was thrown.
 *
 *     placeOf(error)      // 'clerk.ts:12:9'
 */
import { readFileSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fieldOf } from '../kernel/errors.ts'

/** An absolute path as one would type it here. */
export function fromHere(path: string): string {
  const near = relative(process.cwd(), path)
  if (near === '') return '.'
  const isFar = near.split(sep).filter((part) => part === '..').length > 2
  return isFar ? path : near
}

/** Where Polity's own code lies, of the copy that runs: what a person looks for is not there. */
const own = fileURLToPath(new URL('..', import.meta.url))
/** `at load (file:///srv/clerk.ts:12:9)`, `at async /srv/clerk.js:3:1`. */
const FRAME = /^\s+at (?:.*\(|async )?((?:file:|\/|[A-Za-z]:[\\/])[^()]+):(\d+):(\d+)\)?$/
/** How the stack of a module that does not parse begins. */
const UNPARSED = /^((?:file:|\/|[A-Za-z]:[\\/]).+):(\d+)$/
const LINES_MAX = 200

/** The first line of an error's stack that lies neither in Polity, nor in a package, nor in Node; undefined if none does. */
export function placeOf(error: unknown): string | undefined {
  const stack = fieldOf(error, 'stack')
  if (typeof stack !== 'string') return undefined
  for (const [row, line] of stack.split('\n', LINES_MAX).entries()) {
    const [, file, at, column] = (row === 0 ? UNPARSED : FRAME).exec(line) ?? []
    const path = file === undefined ? undefined : pathOf(file)
    if (path === undefined || isOwn(path) || path.includes(`${sep}node_modules${sep}`)) continue
    return `${fromHere(path)}:${at}${column === undefined ? '' : `:${column}`}`
  }
  return undefined
}

/** Also of another copy: a checkout that is linked into a project lies in no `node_modules`, and what runs may be its source. */
function isOwn(path: string): boolean {
  if (path.startsWith(own)) return true
  const parts = path.split(sep)
  return parts.some(
    (part, at) => (part === 'src' || part === 'dist') && nameOfPackage(parts.slice(0, at).join(sep)) === 'polity',
  )
}

function nameOfPackage(folder: string): unknown {
  try {
    return fieldOf(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')), 'name')
  } catch {
    return undefined
  }
}

function pathOf(file: string): string | undefined {
  try {
    return file.startsWith('file:') ? fileURLToPath(new URL(file.replace(/[?#].*$/, ''))) : resolve(file)
  } catch {
    return undefined
  }
}
