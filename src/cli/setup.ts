/**
 * Setups: what a run was started with, beside its input. Kept in the store, so that `polity resume 17` needs nothing but
 * the pid, and that it goes on nowhere with something else unless somebody says so.
 *
 *     setupOf(reader, start)            // of the run that a process belongs to
 *     differenceOf(own, theirs)         // 'law': what another kernel has otherwise; undefined where it can go on there
 *
 * Invariant
 *   SU1. A law is what it says, not where it lies: it is known by its hash (hashOfLaw). The path is for words, and for laws
 *        that were noted before there was a hash.
 */
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import { sha256 } from '../kernel/digest.ts'
import { startOf } from '../kernel/past.ts'
import type { Pid, Price, ProcessStart } from '../kernel/types.ts'
import { canonical } from '../policy/canonical.ts'
import type { Law } from '../policy/law.ts'

export const modelDefault = 'offline/reader'

/** Needs no model and no network, and finds notes by other forms of their words too. */
export const embedderDefault = 'hashing'

/** Plain JSON, with absolute paths. */
export interface Setup {
  /** File of the program. @default the research team of `polity ask` */
  readonly program?: string | undefined
  /** @default the program's own, else offline/reader */
  readonly model?: string | undefined
  /** What makes vectors of notes. @default hashing */
  readonly embedder?: string | undefined
  /** What the model costs. @default nothing is known of it, and 0 dollars are counted */
  readonly price?: Price | undefined
  /** File of the law. */
  readonly law?: string | undefined
  /** What that law says. @default not known: noted by an earlier version */
  readonly lawHash?: string | undefined
  /** Folders and files that it reads. */
  readonly in?: readonly string[] | undefined
}

/** The setup that was noted for the run that a process belongs to. */
export function setupOf(reader: StoreReader, start: ProcessStart): Setup | undefined {
  return setupAt(reader, rootOf(reader, start))
}

/** The setup that was noted for a run that began at that time. */
export function setupAt(
  reader: Pick<StoreReader, 'get'>,
  root: { readonly pid: Pid; readonly at: number },
): Setup | undefined {
  const text = reader.get('meta', setupKey(root.pid))
  if (typeof text !== 'string') return undefined
  const { setup, at } = JSON.parse(text) as { setup: Setup; at?: number }
  // A pid that a crash took back before anything was kept can be given again.
  return at === undefined || at === root.at ? setup : undefined
}

/** What is kept beside a run that began at that time. */
export function setupEntry(
  root: { readonly pid: Pid; readonly at: number },
  setup: Setup,
): { readonly key: string; readonly value: string } {
  return { key: setupKey(root.pid), value: JSON.stringify({ setup, at: root.at }) }
}

/** By what the setups of a server are known: a program of one version. */
export function nameOf({ name, version }: { readonly name: string; readonly version: string }): string {
  return `${name}@${version}`
}

/** One hash for laws that say the same, however their files are formatted. */
export function hashOfLaw(law: Law): string {
  return sha256(canonical(law))
}

/** What of a run another kernel has otherwise than it was begun with, in words; undefined where it can go on there. */
export function differenceOf(own: Setup, theirs: Setup): string | undefined {
  // Of one that was noted by an earlier version only the path is known.
  const isHashed = own.lawHash !== undefined && theirs.lawHash !== undefined
  const isSame: { readonly [words: string]: boolean } = {
    'program file': own.program === theirs.program,
    // A program with a model of its own is begun without one.
    model: own.model === undefined || own.model === theirs.model,
    embedder: (own.embedder ?? embedderDefault) === (theirs.embedder ?? embedderDefault),
    price: canonical(own.price) === canonical(theirs.price),
    law: isHashed ? own.lawHash === theirs.lawHash : own.law === theirs.law,
    'set of folders': canonical(own.in) === canonical(theirs.in),
  }
  return Object.keys(isSame).find((words) => isSame[words] === false)
}

/** The embedder of the latest run of the store whose setup was noted; undefined where none was. */
export function embedderIn(reader: StoreReader): string | undefined {
  let latest: { readonly pid: Pid; readonly setup: Setup } | undefined
  for (const [key, value] of reader.range('meta', 'setup/', 'setup0')) {
    const pid = pidOfSetup(key)
    if (latest === undefined || pid > latest.pid)
      latest = { pid, setup: (JSON.parse(String(value)) as { setup: Setup }).setup }
  }
  return latest === undefined ? undefined : (latest.setup.embedder ?? embedderDefault)
}

export function rootOf(reader: StoreReader, start: ProcessStart): ProcessStart {
  let root = start
  while (root.parent !== null) root = startOf(reader, root.parent)
  return root
}

/** Under what the setup of a run is kept: it goes with the journal of its root. */
export function setupKey(pid: Pid): string {
  return `setup/${pid}`
}

export function pidOfSetup(key: string): Pid {
  return Number(key.slice('setup/'.length))
}
