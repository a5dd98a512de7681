/**
 * What processes took, added up; and what those of a store that have not ended took so far, for who has no kernel.
 *
 *     addChild(sum, end.usage)                    // what a child took, itself counted, into the sum of its parent
 *     openIn(reader)                              // by pid: each that has no end, with what it and its descendants took
 *     openIn(reader, ({ account }) => …)          // only of those, and what is below them
 *
 * Invariants
 *   US1. A child counts for its parent once: by its end while that is in the store, else by what was noted of it before its
 *        journal went (retention.ts); also where it goes while the store is read.
 *   US2. It is what a kernel would count that began with the store now: what is set aside for calls under way counts as used.
 */
import type { Store } from './drivers.ts'
import { ownUsage } from './past.ts'
import type { Pid, ProcessStart, Usage } from './types.ts'

/** A sum that grows. */
export type Counted = { -readonly [Key in keyof Usage]: Usage[Key] }

/** Adds to a sum, and returns it. */
export function addUsage(sum: Counted, more: Usage): Counted {
  for (const key of Object.keys(sum) as (keyof Usage)[]) sum[key] += more[key]
  return sum
}

/** Adds what a child took, and the child, to the sum of its parent; returns that. */
export function addChild(sum: Counted, child: Usage): Counted {
  addUsage(sum, child)
  sum.children++
  return sum
}

/** A process that has not ended, and what it and its descendants took so far. */
export interface OpenProcess {
  readonly start: ProcessStart
  readonly used: Usage
}

type Readable = Pick<Store, 'range' | 'processes' | 'events'>

/** Those of a store that have not ended, by pid: with all below it each that `isWanted` says yes to. Of others no event is read. */
export function openIn(
  store: Readable,
  isWanted: (start: ProcessStart) => boolean = () => true,
): ReadonlyMap<Pid, OpenProcess> {
  for (let tries = 1, notes = notesIn(store); ; tries++) {
    const open = walk(store, notes, isWanted)
    const now = notesIn(store)
    const isStill = now.size === notes.size && [...now].every(([key, note]) => notes.get(key) === note)
    if (isStill || tries === TRIES_MAX) return open
    notes = now
  }
}

/** Where children go while a store is read, it is read again: they are in a note then that was not there, or was another. */
const TRIES_MAX = 4

interface Open extends OpenProcess {
  readonly used: Counted
  readonly above: Open | undefined
  /** Children that are in `used` by a note. */
  readonly noted: ReadonlySet<Pid>
}

function walk(store: Readable, notes: Notes, isWanted: (start: ProcessStart) => boolean): ReadonlyMap<Pid, Open> {
  const open = new Map<Pid, Open>()
  // By pid, so that whoever is above another comes before it.
  for (const { start, end } of store.processes()) {
    const { pid, parent } = start
    const above = parent === null ? undefined : open.get(parent)
    if (end !== undefined) {
      if (above?.noted.has(pid) === false) addChild(above.used, end.usage)
    } else if (above !== undefined || isWanted(start)) {
      const { usage, pids = [] } = readNote(notes.get(removedKey(pid)))
      const used = ownUsage(store.events(pid))
      if (usage !== undefined) addUsage(used, usage)
      open.set(pid, { start, used, above, noted: new Set(pids) })
    }
  }
  for (const { used, above } of [...open.values()].toReversed()) if (above !== undefined) addChild(above.used, used)
  return open
}

// ------------------------------------------------------------------------------------------- children that were removed

/** What is noted of the children of a process whose journals were removed, or were to be. */
export interface Removed {
  /** What they took, themselves counted. */
  readonly usage?: Usage
  /** Those of them that may still be in the store. */
  readonly pids?: readonly Pid[]
}

type Note = string | Uint8Array
type Notes = ReadonlyMap<string, Note>

export function removedOf(store: Pick<Store, 'get'>, parent: Pid): Removed {
  return readNote(store.get('meta', removedKey(parent)))
}

function readNote(note: Note | undefined): Removed {
  return note === undefined ? {} : (JSON.parse(note as string) as Removed)
}

function notesIn(store: Pick<Store, 'range'>): Notes {
  return new Map(store.range('meta', KEY, KEYS_END))
}

const KEY = 'removed '
/** Behind every key of a note. */
const KEYS_END = 'removed!'

/** Where that stands in the store. */
export function removedKey(parent: Pid): string {
  return `${KEY}${parent}`
}

/** What a parent that goes on is noted to have taken by children whose journals go, and whose they are. */
export function removedNote(usage: Usage, pids: Iterable<Pid>): string {
  return JSON.stringify({ usage, pids: [...pids] } satisfies Removed)
}
