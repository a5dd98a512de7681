/**
 * Revoking a source: which notes came from it, by themselves or through others, in every memory of a store.
 *
 *     for (const { id, principal, through } of revocable(store, 'https://evil.example', {})) …
 *
 * A note comes from a source if any version of it ever named that source, or if it was ever drawn (`parents`) from a note
 * that comes from it, from then on: a fork from before sees what the note was then. Reads only: the kernel revokes what is found here (`kernel.revokeSource`), and `polity memory revoke
 * --dry-run` shows it.
 *
 * Invariants
 *   RV1. All that comes from the source is found, in the branches of forks too, and nothing else.
 *   RV2. What was revoked once is not found again.
 */
import type { Store } from './drivers.ts'
import type { NoteReader } from './note-reader.ts'
import { createNoteReader, liveKey } from './note-reader.ts'
import type { NoteVersion } from './note.ts'
import { idOf } from './note.ts'
import { startIn } from './past.ts'
import type { Space } from './spaces.ts'
import { PRINCIPAL, forkIn, spacesOf } from './spaces.ts'
import type { Pid, ProcessStart } from './types.ts'

/** A note that comes from a source. */
export interface RevocableNote {
  readonly principal: string
  /** The fork in whose own branch it stands; null for the memory of the principal. */
  readonly fork: Pid | null
  readonly id: string
  /** '' where it was forgotten, and only earlier branches could still see it. */
  readonly text: string
  readonly source: string | null
  /** The note it was drawn from; null where it is of the source itself. */
  readonly through: string | null
  readonly isForgotten: boolean
  readonly space: Space
  readonly seq: number
  /** The event since which it comes from there. */
  readonly since: number
}

/** Whose notes. */
export interface RevokeOptions {
  /** @default of all principals */
  readonly principal?: string
}

/** What was revoked, or would be. */
export interface Revocation {
  /** Notes that processes saw until then. */
  readonly notes: number
  /** Notes that were forgotten before, and that only forks from before saw. */
  readonly forgotten: number
  /** The first ones, without those that were forgotten. */
  readonly first: readonly RevokedNote[]
}

/** A revoked note. */
export type RevokedNote = Omit<RevocableNote, 'space' | 'seq' | 'since' | 'isForgotten'>

/** Notes of a revocation that are told one by one. */
const FIRST_MAX = 100
/** Characters of their texts. */
const FIRST_CHARS_MAX = 200

/** Tells what was found. */
export function revocationOf(found: readonly RevocableNote[]): Revocation {
  const seen = found.filter(({ isForgotten }) => !isForgotten)
  return {
    notes: seen.length,
    forgotten: found.length - seen.length,
    first: seen.slice(0, FIRST_MAX).map(({ principal, fork, id, text, source, through }) => ({
      principal,
      fork,
      id,
      text: text.length > FIRST_CHARS_MAX ? `${text.slice(0, FIRST_CHARS_MAX).toWellFormed()}…` : text,
      source,
      through,
    })),
  }
}

/** What of a store can be read to find them. */
export type Readable = Pick<Store, 'get' | 'range' | 'processes'>

/** All notes of a store that come from a source. */
export function* revocable(store: Readable, source: string, { principal }: RevokeOptions): Generator<RevocableNote> {
  const notes = createNoteReader(store)
  const known = new Map<string, ReadonlyMap<number, Origin>>()
  const foundIn = (space: Space): ReadonlyMap<number, Origin> => {
    let found = known.get(space.id)
    if (found === undefined) known.set(space.id, (found = comesFrom(notes, space, source)))
    return found
  }
  for (const id of notes.spaces()) {
    const space = branchIn(store, id)
    // A branch of which no journal is left is seen by nobody.
    if (space === undefined) continue
    const owner = principalOf(space)
    if (principal !== undefined && owner !== principal) continue
    for (const [seq, { through, since }] of foundIn(space)) {
      const stands = standsIn(notes, space, seq, foundIn)
      if (stands === undefined) continue
      yield {
        principal: owner,
        fork: space.base === undefined ? null : forkIn(space),
        id: idOf(seq),
        text: stands.text,
        source: stands.source,
        through: through === null ? null : idOf(through),
        isForgotten: stands.gone !== undefined,
        space,
        seq,
        since,
      }
    }
  }
}

/** What is to be revoked in this very space; undefined where there is nothing, or its origin takes care of it. */
function standsIn(
  notes: NoteReader,
  space: Space,
  seq: number,
  foundIn: (space: Space) => ReadonlyMap<number, Origin>,
): NoteVersion | undefined {
  const own = notes.read(liveKey(space.id, seq))
  if (own !== undefined) return own.gone === 'revoked' ? undefined : own
  const { base } = space
  if (base === undefined) return undefined
  // Only in this branch does it come from there, through a note that was changed here.
  const version = notes.find(space, seq)?.version
  if (version === undefined || version.gone !== undefined) return undefined
  const since = foundIn(base.space).get(seq)?.since
  return since !== undefined && since < base.before ? undefined : version
}

interface Origin {
  /** The note that it was drawn from. */
  readonly through: number | null
  readonly since: number
}

/** Each note with what makes it one of the source the earliest. */
function comesFrom(notes: NoteReader, space: Space, source: string): ReadonlyMap<number, Origin> {
  const found = new Map<number, Origin>()
  const add = (seq: number, origin: Origin): boolean => {
    const isEarlier = origin.since < (found.get(seq)?.since ?? Infinity)
    if (isEarlier) found.set(seq, origin)
    return isEarlier
  }
  const next: number[] = []
  for (const { seq, since } of notes.ofSource(space, source)) if (add(seq, { through: null, since })) next.push(seq)
  for (let seq = next.pop(); seq !== undefined; seq = next.pop()) {
    const parent = found.get(seq) as Origin
    for (const { seq: drawn, since } of notes.drawnFrom(space, seq))
      if (add(drawn, { through: seq, since: Math.max(since, parent.since) })) next.push(drawn)
  }
  return found
}

// ------------------------------------------------------------------------------------------------------------- spaces

/** The space of notes with this id; undefined where no process has it any more. */
function branchIn(store: Readable, id: string): Space | undefined {
  if (id.startsWith(PRINCIPAL)) return { id }
  const find = (pid: Pid): ProcessStart | undefined => startIn(store, pid)
  const start = find(forkIn({ id }))
  const notes = start === undefined ? undefined : spacesOf(start, find).notes
  return notes?.id === id ? notes : undefined
}

function principalOf(space: Space): string {
  let at = space
  while (at.base !== undefined) at = at.base.space
  return at.id.slice(PRINCIPAL.length)
}
