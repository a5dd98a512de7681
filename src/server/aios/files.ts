/**
 * Storage queries: an agent's files, versioned, found by their words.
 *
 *     const files = createFiles(kernel)
 *     const { text, error, times } = await files.operate(session, 'write', { file_path: 'a.txt', content: 'x' })
 *
 * Paths are AIOS's: relative to the mounted root, or beginning with it. A write is one version; `rollback` by n goes back n
 * versions, or to a time, and is itself a version, so nothing is ever lost. Versions, steps back and search are the kernel's. What AIOS's file system says of success is said
 * here in the same words.
 *
 * Invariants
 *   AF1. No path leads out of the agent's own files.
 *   AF2. Operations of one agent go one after another.
 *   AF3. `retrieve` finds what was written before it was asked.
 */
import { posix } from 'node:path'
import type { ErrorData } from '../../kernel/errors.ts'
import { PolityError, toErrorData } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { FileEntry, Json, Pid, ToolDescription } from '../../kernel/types.ts'
import { statusTable } from '../status.ts'
import { infoIn } from '../view.ts'
import type { FileCall } from './file-space.ts'
import { fileRequest, openSpace } from './file-space.ts'
import type { Times } from './query.ts'
import type { Session } from './session.ts'
import { runFor } from './session.ts'
import { createTurns } from './turns.ts'

type Params = { readonly [key: string]: Json | undefined }

/** What came of an operation. */
export interface FileAnswer {
  readonly text: string
  readonly error?: ErrorData
  readonly times: readonly Times[]
}

export interface Files {
  /** Never throws what an operation may do wrong: it is told. */
  operate(session: Session, operation: string, params: Params): Promise<FileAnswer>
  /** The content of a version. Throws `NO_SUCH_FILE`. */
  read(session: Session, path: string, version: number): Promise<string>
}

/** The files of one agent, as this door knows them. */
interface Place {
  readonly space: Pid
  /** The mounted root; undefined until it was asked for. */
  root: string | undefined
}

/** One operation under way. */
interface Work {
  readonly place: Place
  readonly params: Params
  readonly origin: string
  readonly agent: string
  call<Value>(call: FileCall['call'], ...args: readonly Json[]): Promise<Value>
}

/** Root where none was mounted: AIOS's default. */
const ROOT_DEFAULT = 'root'
/** Begins the names of files that are ours: the mounted root, and what keeps an empty directory. */
const OWN = '.aios-'
const ROOT_FILE = `${OWN}root`
const DIRECTORY_FILE = `${OWN}directory`
/** Agents whose files are open at once; each has a process that waits. */
const PLACES_MAX = 100_000
/** Places before those of killed spaces are looked for the first time. */
const PLACES_SWEEP = 1_000
/** As much of a file as AIOS shows of one that it found, characters. */
const SUMMARY_CHARS_MAX = 2_000
/** Files that `retrieve` returns when it names no number: AIOS's. */
const RETRIEVE_DEFAULT = 3
const RETRIEVE_MAX = 100
/** Files of our own that a search may find before others. */
const OWN_FILES_FOUND = 8
/** Versions that are looked through for a time. */
const LIST_MAX = 10_000

export function createFiles(kernel: Kernel, { placesMax = PLACES_MAX }: { readonly placesMax?: number } = {}): Files {
  const places = new Map<string, Place>()
  /** Of how many places the killed ones are forgotten: twice as many as were left the last time. */
  let sweepAt = Math.min(PLACES_SWEEP, placesMax)
  const inTurn = createTurns()

  function placeOf({ caller, agent }: Session): Place {
    const key = JSON.stringify([caller.principal, agent])
    const known = places.get(key)
    if (known !== undefined && isRunning(known.space)) return known
    if (places.size >= sweepAt) {
      for (const [other, place] of places) if (!isRunning(place.space)) places.delete(other)
      sweepAt = Math.min(Math.max(PLACES_SWEEP, 2 * places.size), placesMax)
    }
    if (places.size >= placesMax)
      throw new PolityError('LIMIT_EXCEEDED', `the files of ${placesMax} agents are open, the limit`)
    const place: Place = { space: openSpace(kernel, caller, agent), root: undefined }
    places.set(key, place)
    return place
  }

  /** Not one that was killed, be it so long ago that its journal is gone. */
  function isRunning(pid: Pid): boolean {
    return infoIn(kernel, pid)?.state === 'running'
  }

  async function operate(session: Session, operation: string, params: Params): Promise<FileAnswer> {
    const times: Times[] = []
    const perform = Object.hasOwn(operations, operation) ? operations[operation] : undefined
    if (perform === undefined) return { text: `Operation type: ${operation} not supported`, times }
    try {
      const place = placeOf(session)
      const work: Work = { ...workOf(session, place, times), params }
      const text = await inTurn(String(place.space), () => perform(work))
      return { text, times: together(times) }
    } catch (error) {
      if (session.signal.aborted) throw error
      const told = toErrorData(error)
      return { text: `Failed to ${operation}: ${told.message}`, error: told, times: together(times) }
    }
  }

  function workOf(session: Session, place: Place, times: Times[]): Omit<Work, 'params'> {
    const { origin, agent } = session
    const call: Work['call'] = async <Value>(name: FileCall['call'], ...args: readonly Json[]) => {
      const done = await runFor(session, fileRequest, { space: place.space, call: name, args })
      times.push(done.times)
      return done.value as unknown as Value
    }
    return { place, origin, agent, call }
  }

  return {
    operate,
    read: (session, path, version) => workOf(session, placeOf(session), []).call<string>('read', path, { version }),
  }
}

/** AIOS's form of it. */
export function storageResponse({ text, error }: FileAnswer): Json {
  return {
    response_class: 'storage',
    response_message: text,
    finished: true,
    error: error === undefined ? null : error.message,
    status_code: error === undefined ? 200 : statusTable[error.code],
  }
}

/** The steps of one operation are one. */
function together(times: readonly Times[]): readonly Times[] {
  const [first] = times
  const last = times.at(-1)
  return first === undefined || last === undefined ? [] : [{ ...first, endMs: last.endMs }]
}

// --------------------------------------------------------------------------------------------------------- operations

const operations: { readonly [name: string]: (work: Work) => Promise<string> } = {
  async mount({ place, params, call, agent }) {
    const root = params['root_dir'] ?? params['root']
    if (root !== undefined && root !== null) {
      const given = textOf('root_dir', root)
      await call('write', ROOT_FILE, given)
      place.root = given
    }
    return `File system mounted successfully for agent: ${agent}`
  },

  async create_file(work) {
    const { given, path } = await fileOf(work)
    const there = await at(work, path)
    if (there !== undefined) return `File already exists at: ${given}`
    await work.call('write', path, '')
    return `File has been created successfully at: ${given}`
  },

  async create_dir(work) {
    const { given, path } = await pathOf(work, ['dir_path', 'dir_name'])
    if (path === '' || (await below(work, path)).length > 0) return `Directory already exists at: ${given}`
    await work.call('write', `${path}/${DIRECTORY_FILE}`, '')
    return `Directory has been created successfully at: ${given}`
  },

  async write(work) {
    const content = textOf('content', work.params['content'])
    const { given, path } = await fileOf(work)
    await at(work, path)
    await work.call('write', path, content)
    return `Content has been written to file: ${given}`
  },

  async rollback(work) {
    const { params, call } = work
    const { given, path } = await fileOf(work)
    const { time } = params
    const n = count('n', params['n'], 1)
    if (typeof time === 'string') {
      const at = momentOf(time)
      const past = await call<readonly FileEntry[]>('list', path, { versions: true, limit: LIST_MAX })
      if (past.length === 0) throw new PolityError('NO_SUCH_FILE', `there is no file "${given}"`)
      if (!past.some((one) => one.at <= at))
        throw new PolityError('NO_SUCH_FILE', `"${given}" was not there at ${time}`)
      await call('restore', { path, at })
      return `Successfully rolled back the file: ${given} to its version of ${time}`
    }
    const past = await call<readonly FileEntry[]>('list', path, { versions: true, limit: Math.min(LIST_MAX, n + 1) })
    const target = past[n]
    if (past.length === 0) throw new PolityError('NO_SUCH_FILE', `there is no file "${given}"`)
    if (target === undefined)
      throw new PolityError(
        'NO_SUCH_FILE',
        `"${given}" has ${past.length - 1} earlier version${past.length === 2 ? '' : 's'}, not ${n}`,
      )
    await call('restore', { path, version: target.version })
    return `Successfully rolled back the file: ${given} to its previous ${n} version`
  },

  async share(work) {
    const { origin, agent } = work
    const { given, path } = await fileOf(work)
    const entry = await at(work, path)
    if (entry === undefined) return JSON.stringify({ error: `File not found: ${given}` })
    const link = new URLSearchParams({ agent_name: agent, file_path: path, version: String(entry.version) })
    return JSON.stringify({
      file_name: posix.basename(path),
      file_path: given,
      share_link: `${origin}/storage/file?${link.toString()}`,
      expires_in: 'never',
      last_modified: isoOf(entry.at),
    })
  },

  async retrieve({ params, call }) {
    const limit = Math.min(RETRIEVE_MAX, count('n', params['n'] ?? params['k'], RETRIEVE_DEFAULT))
    const keywords = params['keywords'] ?? []
    const search = [textOf('query_text', params['query_text'] ?? params['query']), keywords].flat().join(' ')
    // Our own files are among what is found, and left out.
    const found = (await call<readonly FileEntry[]>('list', '', { search, limit: limit + OWN_FILES_FOUND })).filter(
      (one) => !isOwn(one.path),
    )
    if (found.length === 0) return 'No documents found'
    const documents: Json[] = []
    for (const { path, version, at: writtenMs } of found.slice(0, limit))
      documents.push({
        document_summary: (await call<string>('read', path, { version })).slice(0, SUMMARY_CHARS_MAX),
        metadata: { file_path: path, file_name: posix.basename(path), last_modified: isoOf(writtenMs) },
      })
    return JSON.stringify(documents)
  },

  async delete_file(work) {
    const { given, path } = await fileOf(work)
    await work.call('remove', path)
    return `File has been deleted successfully: ${given}`
  },

  async delete_dir(work) {
    const { given, path } = await pathOf(work, ['dir_path', 'dir_name'])
    const entries = path === '' ? [] : await below(work, path)
    if (entries.length === 0) throw new PolityError('NO_SUCH_FILE', `there is no directory "${given}"`)
    await work.call('remove', `${path}/`)
    return `Directory has been deleted successfully: ${given}`
  },
}

const path = { type: 'string', description: 'Path relative to the root, such as notes/today.md' }
const tool = (name: string, description: string, properties: { readonly [key: string]: Json }): ToolDescription => ({
  name,
  description,
  inputSchema: { type: 'object', properties, required: Object.keys(properties), additionalProperties: false },
})

/** The operations as a model is offered them. */
export const fileTools: readonly ToolDescription[] = [
  tool('create_file', 'Create an empty file.', { file_path: path }),
  tool('create_dir', 'Create a directory.', { dir_path: path }),
  tool('write', 'Write a text to a file, in place of what it has; it is created where it is not there.', {
    file_path: path,
    content: { type: 'string' },
  }),
  tool('retrieve', 'Find files by words that stand in them. Returns the beginning of each.', {
    query_text: { type: 'string' },
    n: { type: 'integer', description: 'How many files at most' },
  }),
  tool('rollback', 'Bring back what a file was so many versions ago.', {
    file_path: path,
    n: { type: 'integer', description: 'How many versions to go back' },
  }),
  tool('share', 'Make a link to a file as it is now.', { file_path: path }),
  tool('delete_file', 'Delete a file. Its versions stay, and rollback brings it back.', { file_path: path }),
  tool('delete_dir', 'Delete a directory with all its files.', { dir_path: path }),
]

// --------------------------------------------------------------------------------------------------------------- paths

/** The path of a file: `file_path`, or `file_name`, or a directory and a name. */
async function fileOf(work: Work): Promise<{ readonly given: string; readonly path: string }> {
  const { file_path: inside, file_name: name } = work.params
  const isBoth = typeof inside === 'string' && typeof name === 'string' && posix.basename(inside) !== name
  const found = isBoth
    ? await pathOf({ ...work, params: { file_path: posix.join(inside, name) } }, ['file_path'])
    : await pathOf(work, ['file_path', 'file_name'])
  if (found.path === '') throw new PolityError('INVALID_ARGUMENT', `"${found.given}" is the root, not a file`)
  return found
}

/** As it was given, and inside the agent's files; '' for the root itself. */
async function pathOf(
  work: Work,
  keys: readonly [string, ...string[]],
): Promise<{ readonly given: string; readonly path: string }> {
  const given = textOf(
    keys[0],
    keys.map((key) => work.params[key]).find((one) => one !== undefined && one !== null),
  )
  const wanted = posix.normalize(given)
  const root = posix.normalize(`${await rootOf(work)}/`)
  const inside = `${wanted}/`.startsWith(root) ? wanted.slice(root.length) : wanted
  const path = inside.replace(/\/$/, '').replace(/^\.$/, '')
  if (path.startsWith('/') || path === '..' || path.startsWith('../'))
    throw new PolityError('INVALID_ARGUMENT', `"${given}" is outside the root ${root.slice(0, -1)}; name a path inside`)
  if (isOwn(path)) throw new PolityError('INVALID_ARGUMENT', `names that begin with ${OWN} are the server's`)
  return { given, path }
}

async function rootOf({ place, call }: Work): Promise<string> {
  if (place.root === undefined) {
    const mounted = await call<readonly FileEntry[]>('list', ROOT_FILE)
    place.root = mounted.length === 0 ? ROOT_DEFAULT : await call<string>('read', ROOT_FILE)
  }
  return place.root
}

/** The file at a path, if there is one. Throws where a directory is. */
async function at(work: Work, path: string): Promise<FileEntry | undefined> {
  const entries = await work.call<readonly FileEntry[]>('list', path)
  if (entries.some((entry) => entry.path.startsWith(`${path}/`)))
    throw new PolityError('INVALID_ARGUMENT', `"${path}" is a directory, not a file`)
  return entries.find((entry) => entry.path === path)
}

/** What stands in a directory. Throws where a file is. */
async function below(work: Work, path: string): Promise<readonly FileEntry[]> {
  const entries = await work.call<readonly FileEntry[]>('list', path)
  if (entries.some((entry) => entry.path === path))
    throw new PolityError('INVALID_ARGUMENT', `"${path}" is a file, not a directory`)
  return entries.filter((entry) => entry.path.startsWith(`${path}/`))
}

function isOwn(path: string): boolean {
  return path.split('/').some((part) => part.startsWith(OWN))
}

// ---------------------------------------------------------------------------------------------------------- parameters

function textOf(name: string, value: Json | undefined): string {
  if (typeof value === 'string' && (value !== '' || name === 'content')) return value
  throw new PolityError(
    'INVALID_ARGUMENT',
    `params.${name} takes a text${name === 'content' ? '' : ' that is not empty'}, not ${JSON.stringify(value ?? null).slice(0, 80)}`,
  )
}

/** A whole number of at least 1. */
function count(name: string, value: Json | undefined, unset: number): number {
  if (value === undefined || value === null) return unset
  const number = Number(value)
  if (Number.isSafeInteger(number) && number >= 1) return number
  throw new PolityError(
    'INVALID_ARGUMENT',
    `params.${name} takes a whole number of at least 1, not ${JSON.stringify(value).slice(0, 80)}`,
  )
}

function momentOf(time: string): number {
  const ms = Date.parse(time)
  if (Number.isNaN(ms))
    throw new PolityError(
      'INVALID_ARGUMENT',
      `params.time takes a time such as 2026-01-31T12:00:00Z, not "${time.slice(0, 80)}"`,
    )
  return ms
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
