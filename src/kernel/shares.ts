/**
 * Shares: files that one process lets another of the same principal see.
 *
 *     const share = shares.give(process, receiver, { path: 'notes/', write: false })     // { id: 17, … }: goes with a message
 *     const view = shares.open(receiver, { share: 17, path: 'notes/a.md' }, 'read')      // whose files those are
 *     shares.end(process, 17)                                                            // taken back, or given up
 *
 * A share is a capability as in a list of descriptors: its id says nothing to a process that it was not given to, so there
 * is nothing to guess. It is kept with the message that brings it, and what it shows is as it is now, not as it was.
 *
 * Invariants
 *   SH1. Only the process that a share was given to, and what descends from that, can open it.
 *   SH2. A share that was made of a share shows no more than that, allows no more, and ends with it.
 *   SH3. A share shows files as they are: no older version, no removed file, and it brings none back.
 *   SH4. What is done through a share is judged by the law with the path at home (paths.ts), and carries labels as ever.
 */
import type { Store } from './drivers.ts'
import type { Listed, Stops } from './file-list.ts'
import { PolityError } from './errors.ts'
import type { Journal } from './journal.ts'
import { isWithin } from './lineage.ts'
import type { Place } from './paths.ts'
import { shownPath } from './paths.ts'
import type { Process } from './process.ts'
import { labelsOf } from './process.ts'
import type { Space } from './spaces.ts'
import type { FileEntry, FileQuota, FileShare } from './types.ts'
import { createUnkept } from './unkept.ts'

/** What somebody was given. */
interface Grant {
  readonly id: number
  readonly path: string
  readonly write: boolean
  readonly space: Space
  readonly quota?: FileQuota
  /** Root of the run that gave it. */
  readonly from: number
  /** Process that it was given to. */
  readonly to: number
  /** The share that it was made of. */
  readonly through?: number
  readonly ended?: true
  /** When it was given; of those of an earlier kernel it is not known. */
  readonly at?: number
  /** Of its giver. */
  readonly labels?: readonly string[]
}

/** Files as a process may use them. */
export interface View {
  readonly space: Space
  readonly quota: FileQuota | undefined
  /** Whether a look into files may look into that one. @default what the share shows, or all */
  readonly shows?: (path: string) => boolean
  /** Of a share: its id, and whether it shows a path. */
  readonly share?: { readonly id: number; readonly path: string; shows(path: string): boolean }
}

/** The shares of a kernel. */
export interface Shares {
  /** Kept with the event that comes next, which has its id. Throws `ACCESS_DENIED`, `NO_SUCH_FILE`. */
  give(giver: Process, receiver: Process, what: Place & { readonly write: boolean }): FileShare
  /** Whose files a place is among; of a prefix, some of it. Throws `ACCESS_DENIED`, `NO_SUCH_FILE`. */
  open(process: Process, place: Place, need: 'read' | 'write' | 'list'): View
  /** Those that its run gave and those that it holds, which are neither taken back nor given up: `/17/notes/`. */
  known(process: Process): Stops<Listed>
  /** Throws `NO_SUCH_FILE`. */
  end(process: Process, id: number): void
}

/** Shares that are remembered after they are kept. */
const RECENT_MAX = 1_024
/** Shares that are looked at before others have a turn. */
const SHARES_A_STEP = 2_048

/** Shares on a store. */
export function createShares({
  store,
  journal,
  now,
}: {
  readonly store: Store
  readonly journal: Journal
  readonly now: () => number
}): Shares {
  const recent = createUnkept<Grant>({ store, journal, rememberedMax: RECENT_MAX })

  function find(id: number): Grant | undefined {
    const found = recent.get(keyOf(id))
    if (found !== undefined) return found
    const kept = store.get('file', keyOf(id))
    return kept === undefined ? undefined : (JSON.parse(kept as string) as Grant)
  }

  function keep(grant: Grant): void {
    journal.put({ table: 'file', key: keyOf(grant.id), value: JSON.stringify(grant) })
    recent.set(keyOf(grant.id), grant)
  }

  function isOver(grant: Grant): boolean {
    for (
      let at: Grant | undefined = grant;
      at !== undefined;
      at = at.through === undefined ? undefined : find(at.through)
    )
      if (at.ended === true) return true
    return false
  }

  function* known(process: Process): Stops<Listed> {
    const entries: FileEntry[] = []
    const labels = new Set<string>()
    let rows = 0
    for (const [key, value] of store.range('file', 'share ', 'share!')) {
      if (++rows % SHARES_A_STEP === 0) yield undefined
      const grant = recent.get(key) ?? (JSON.parse(value as string) as Grant)
      if (!isWithin(process, grant.to) && process.root.pid !== grant.from) continue
      if (isOver(grant)) continue
      entries.push({ path: shownPath(grant.path, grant.id), version: grant.id, bytes: 0, at: grant.at ?? 0 })
      for (const label of grant.labels ?? []) labels.add(label)
    }
    return { entries: entries.toSorted((a, b) => a.version - b.version), labels: [...labels] }
  }

  /** To whoever does not hold it, it is not there. */
  function held(process: Process, id: number): Grant {
    const grant = find(id)
    if (grant === undefined || !isWithin(process, grant.to)) throw noShare(id)
    if (isOver(grant)) throw new PolityError('ACCESS_DENIED', `the share /${id} was taken back or given up`)
    return grant
  }

  function open(process: Process, { share: id, path }: Place, need: 'read' | 'write' | 'list'): View {
    if (id === undefined) return { space: process.files, quota: process.root.start.quota }
    const { path: shown, write, space, quota } = held(process, id)
    const shows = (one: string): boolean => (shown.endsWith('/') ? one.startsWith(shown) : one === shown)
    if (!shows(path) && !(need === 'list' && shown.startsWith(path)))
      throw new PolityError('ACCESS_DENIED', `the share /${id} shows "${shown}" and not "${path}"`)
    if (need === 'write' && !write) throw new PolityError('ACCESS_DENIED', `the share /${id} is for reading only`)
    return { space, quota, share: { id, path: shown, shows } }
  }

  return {
    open,
    known,
    give(giver, receiver, { path, share: through, write }) {
      const { space, quota } = open(
        giver,
        through === undefined ? { path } : { path, share: through },
        write ? 'write' : 'read',
      )
      const id = journal.lastSeq + 1
      const labels = labelsOf(giver) ?? []
      keep({
        id,
        path,
        write,
        space,
        from: giver.root.pid,
        to: receiver.pid,
        at: now(),
        ...(labels.length === 0 ? {} : { labels }),
        ...(quota === undefined ? {} : { quota }),
        ...(through === undefined ? {} : { through }),
      })
      return { id, path, write }
    },
    end(process, id) {
      const grant = find(id)
      if (grant === undefined || (!isWithin(process, grant.to) && process.root.pid !== grant.from)) throw noShare(id)
      keep({ ...grant, ended: true })
    },
  }
}

function noShare(id: number): PolityError {
  return new PolityError('NO_SUCH_FILE', `there is no share /${id} here`)
}

function keyOf(id: number): string {
  return `share ${id}`
}
