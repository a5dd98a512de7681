/**
 * Setups: what a run was started with, beside its input. Kept in the store, so that `polity resume 17` needs nothing but
 * the pid.
 */
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import { startOf } from '../kernel/past.ts'
import type { Pid, Price, ProcessStart } from '../kernel/types.ts'

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
  /** Folders and files that it reads. */
  readonly in?: readonly string[] | undefined
}

/** The setup that was noted for the run that a process belongs to. */
export function setupOf(reader: StoreReader, start: ProcessStart): Setup | undefined {
  const root = rootOf(reader, start)
  const text = reader.get('meta', setupKey(root.pid))
  if (typeof text !== 'string') return undefined
  const { setup, at } = JSON.parse(text) as { setup: Setup; at?: number }
  // A pid that a crash took back before anything was kept can be given again.
  return at === undefined || at === root.at ? setup : undefined
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

export function setupKey(pid: Pid): string {
  return `setup/${pid}`
}

export function pidOfSetup(key: string): Pid {
  return Number(key.slice('setup/'.length))
}
