/**
 * The installed agents of a store: copies that are named by their hash, and which copy a name stands for.
 *
 *     agents/<hash>/installed.json     what it is, what was granted, the hash of each file
 *     agents/<hash>/agent/…            its files; node_modules/… what it needs
 *     agents/names/<author>/<name>/<n>.json      the n-th installation of that name, and from where; the last one counts
 *
 * The folder lies beside the store, as the indexes do.
 *
 * Invariants
 *   IN1. A copy is there whole or not at all: it is written elsewhere and takes its place in one step.
 *   IN2. A copy is what its name says: `openInstallation` reads every file of it and refuses what differs, is missing or
 *        was added. Who can write the folder can also write a new copy with a right name; that is no signature.
 *   IN3. Of two who install one name at once, one is first, and the other is told.
 *   IN4. Copies of earlier versions stay until the name is uninstalled, so that their runs can be resumed.
 *   IN5. The hash is of contents, relative paths and the grant: the same agent has it wherever its folder lies.
 */
import {
  linkSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { makeFolder } from '../../drivers/make-folder.ts'
import { sha256 } from '../../kernel/digest.ts'
import { PolityError, fieldOf, messageOf } from '../../kernel/errors.ts'
import type { Budget } from '../../kernel/types.ts'
import { canonical } from '../../policy/canonical.ts'
import type { Files } from './folder.ts'
import { hashesOf, readFolder } from './folder.ts'
import type { Manifest } from './manifest.ts'
import { manifestFile, parseManifest } from './manifest.ts'
import type { Origin } from './source.ts'

/** What the user gave of what was asked for. */
export interface Granted {
  /** Names of tools. */
  readonly tools: readonly string[]
  readonly budget: Budget
}

export interface AgentRecord {
  readonly kind: 'agent'
  readonly name: string
  readonly version: string
  readonly origin: Origin
  readonly granted: Granted
  /** SHA-256 of each file. */
  readonly files: { readonly [path: string]: string }
}

/** Several agents with a router before them. */
export interface TeamRecord {
  readonly kind: 'team'
  /** Hashes of installations, sorted. */
  readonly members: readonly string[]
  readonly files: { readonly [path: string]: string }
}

/** One installation that was found to be what its name says. */
export interface Installation {
  readonly folder: string
  readonly hash: string
  readonly record: AgentRecord
  /** Where it came from, with what only its name knows of that. */
  readonly origin: Origin
  readonly manifest: Manifest
}

/** What a name stands for. */
export interface Named {
  readonly name: string
  /** The n-th installation of the name. */
  readonly n: number
  readonly hash: string
  /** ms since 1970. */
  readonly at: number
  /** Folder that it was installed from, where it was one. */
  readonly of?: string
}

const RECORD = 'installed.json'
const HASH = /^[0-9a-f]{64}$/
const STAGING = /^staging-(\d+)-/

/** Where the agents of a store lie. */
export function agentsFolder(storePath: string): string {
  return join(dirname(resolve(storePath)), 'agents')
}

/** Whether a path is that of an installation: then it is a program, also for `polity resume`. */
export function isInstallation(path: string): boolean {
  const folder = resolve(path)
  return HASH.test(basename(folder)) && basename(dirname(folder)) === 'agents'
}

export function recordHash(record: AgentRecord | TeamRecord): string {
  return sha256(canonical(record))
}

// -------------------------------------------------------------------------------------------------------------- reading

/** All names, sorted, with what they stand for. */
export function listNames(agents: string): readonly Named[] {
  const names = namesIn(join(agents, 'names')).flatMap((author) =>
    namesIn(join(agents, 'names', author)).map((name) => `${author}/${name}`),
  )
  return names.toSorted().flatMap((name) => currentOf(agents, name) ?? [])
}

/** What the name stands for now; undefined where nothing of that name is installed. */
export function currentOf(agents: string, name: string): Named | undefined {
  const folder = join(agents, 'names', name)
  const last = Math.max(0, ...namesIn(folder).map((file) => Number(/^(\d+)\.json$/.exec(file)?.[1] ?? 0)))
  if (last === 0) return undefined
  const { hash, at, of } = JSON.parse(readFileSync(join(folder, `${last}.json`), 'utf8')) as Omit<Named, 'name' | 'n'>
  if (!HASH.test(hash))
    throw wrong(`${join(folder, `${last}.json`)} names no copy; remove ${folder}, and install ${name} again`)
  return { name, n: last, hash, at, ...(of === undefined ? {} : { of }) }
}

/** The name as somebody typed it: whole, or without the author where that is enough. Throws `CONFIG_INVALID`. */
export function findName(agents: string, given: string): Named {
  const all = listNames(agents)
  const found = all.filter(({ name }) => name === given || (!given.includes('/') && name.endsWith(`/${given}`)))
  const [one] = found
  if (one !== undefined && found.length === 1) return one
  throw new PolityError(
    'CONFIG_INVALID',
    one !== undefined
      ? `${given} may be ${found.map(({ name }) => name).join(' or ')}; name it whole`
      : `no agent ${JSON.stringify(given.slice(0, 100))} is installed; there ${all.length === 0 ? 'is none: polity install <folder>' : `are ${all.map(({ name }) => name).join(', ')}`}`,
  )
}

/** The record of an installation, if every file is what it was. Throws `CONFIG_INVALID`, which says what is not. */
export function readRecord(folder: string): AgentRecord | TeamRecord {
  const hash = basename(folder)
  let record: AgentRecord | TeamRecord
  try {
    record = JSON.parse(readFileSync(join(folder, RECORD), 'utf8')) as AgentRecord | TeamRecord
  } catch (error) {
    throw wrong(
      fieldOf(error, 'code') === 'ENOENT'
        ? `the installation ${hash.slice(0, 12)} is not there any more; its agent was uninstalled`
        : `the installation ${hash.slice(0, 12)} cannot be read: ${messageOf(error)}`,
      error,
    )
  }
  const name = record.kind === 'agent' ? record.name : 'the team'
  const changed = recordHash(record) === hash ? differenceIn(folder, record.files) : RECORD
  if (changed !== undefined)
    throw wrong(
      `${name} was changed after it was installed (${changed}), and is not run; install it again with --replace`,
    )
  return record
}

function differenceIn(folder: string, expected: AgentRecord['files']): string | undefined {
  let found: AgentRecord['files']
  try {
    found = hashesOf(readFolder(folder, { hidden: true, except: [RECORD] }))
  } catch (error) {
    return messageOf(error)
  }
  const paths = [...new Set([...Object.keys(expected), ...Object.keys(found)])].toSorted()
  const path = paths.find((one) => expected[one] !== found[one])
  if (path === undefined) return undefined
  return `${path} ${found[path] === undefined ? 'is missing' : expected[path] === undefined ? 'was added' : 'is another file'}`
}

/** With the folder that its name says it is of. Throws `CONFIG_INVALID`. */
export function openInstallation(given: string, of?: string): Installation {
  const folder = realpathOf(given)
  const record = readRecord(folder)
  if (record.kind !== 'agent') throw wrong(`the installation ${basename(folder).slice(0, 12)} is a team and no agent`)
  const manifest = parseManifest(JSON.parse(readFileSync(join(folder, 'agent', manifestFile), 'utf8')))
  const origin = of === undefined ? record.origin : { ...record.origin, of }
  return { folder, hash: basename(folder), record, origin, manifest }
}

function realpathOf(folder: string): string {
  try {
    return realpathSync(folder)
  } catch {
    return folder
  }
}

// -------------------------------------------------------------------------------------------------------------- writing

/** Writes a copy, if it is not there yet, and returns its folder. */
export function writeCopy(agents: string, record: AgentRecord | TeamRecord, files: Files): string {
  const folder = join(agents, recordHash(record))
  makeFolder(agents)
  sweep(agents)
  const staging = mkdtempSync(join(agents, `staging-${process.pid}-`))
  try {
    const made = join(staging, 'made')
    for (const [path, content] of files) {
      makeFolder(dirname(join(made, path)))
      writeFileSync(join(made, path), content, { flag: 'wx' })
    }
    makeFolder(made)
    writeFileSync(join(made, RECORD), canonical(record), { flag: 'wx' })
    for (let tries = 1; ; tries++) {
      try {
        renameSync(made, folder)
        return folder
      } catch (error) {
        if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(String(fieldOf(error, 'code'))) || tries > 2) throw error
      }
      // Somebody was first; what is there stays if it is what its name says.
      try {
        readRecord(folder)
        return folder
      } catch {
        renameSync(folder, join(staging, `broken-${tries}`))
      }
    }
  } catch (error) {
    if (PolityError.isInstance(error)) throw error
    throw wrong(`the copy cannot be written into ${agents}: ${messageOf(error)}`, error)
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** Lets the name stand for a copy, if it still stands for what it did before. */
export function setName(agents: string, { name, ...stands }: Omit<Named, 'n'>, before: Named | undefined): void {
  const folder = join(agents, 'names', name)
  makeFolder(folder)
  const staging = mkdtempSync(join(agents, `staging-${process.pid}-`))
  try {
    writeFileSync(join(staging, 'name'), JSON.stringify(stands))
    linkSync(join(staging, 'name'), join(folder, `${(before?.n ?? 0) + 1}.json`))
  } catch (error) {
    if (!['EEXIST', 'ENOENT'].includes(String(fieldOf(error, 'code')))) throw error
    if (currentOf(agents, name)?.hash !== stands.hash)
      throw wrong(
        `somebody else installed or uninstalled ${name} at the same moment; look at what is there, and try again`,
        error,
      )
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** Removes a name, its copies and the teams that they are in. Returns how many copies went. */
export function removeName(agents: string, name: string): number {
  const staging = mkdtempSync(join(agents, `staging-${process.pid}-`))
  try {
    // From here on nothing is installed under that name.
    renameSync(join(agents, 'names', name), join(staging, 'names'))
    const mine = new Set(
      namesIn(join(staging, 'names')).map(
        (file) => (JSON.parse(readFileSync(join(staging, 'names', file), 'utf8')) as { hash: string }).hash,
      ),
    )
    const teams = namesIn(agents).filter(
      (one) => HASH.test(one) && membersOf(join(agents, one)).some((hash) => mine.has(hash)),
    )
    const gone = [...mine, ...teams].filter((hash) => HASH.test(hash) && namesIn(join(agents, hash)).length > 0)
    for (const hash of gone) renameSync(join(agents, hash), join(staging, hash))
    return gone.length - teams.length
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

function membersOf(folder: string): readonly string[] {
  try {
    const record = JSON.parse(readFileSync(join(folder, RECORD), 'utf8')) as AgentRecord | TeamRecord
    return record.kind === 'team' ? record.members : []
  } catch {
    return []
  }
}

/** What processes that are gone left half written. */
function sweep(agents: string): void {
  for (const name of namesIn(agents)) {
    const pid = STAGING.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(agents, name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return fieldOf(error, 'code') !== 'ESRCH'
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(String(fieldOf(error, 'code')))) return []
    throw wrong(`${folder} cannot be read: ${messageOf(error)}`, error)
  }
}

function wrong(message: string, cause?: unknown): PolityError {
  return new PolityError('CONFIG_INVALID', message, cause === undefined ? {} : { cause })
}
