/**
 * States of tools: what a tool keeps from one call to the next, for each process tree by itself.
 *
 *     defineTool({ …, state: 'episode', execute(input, context) { context.keep(next(context.state)); return … } })
 *
 * A state is a value with versions, as a file is, that only tools see. A version is the `seq` of the end of the call that kept
 * it and lies in one batch with it, so a state follows its process: a fork has it as it was at the fork and goes on by
 * itself, a restore brings back what was there, a resumed process finds it where its journal ends, and a replay, which
 * executes no tool, needs none.
 *
 * Invariants
 *   TS1. Of a call that ended with a value, the state is kept, unless a call that kept after it ended before it: nothing
 *        older is ever put over that. Of any other call it is not; what another call made of it meanwhile stays.
 *   TS2. A fork sees what was kept before the call that forked it, and ends of calls it had open as the origin kept them.
 *   TS3. Whoever reads a state reads the last one that any call of the space kept, committed or not, but not of a call
 *        that failed.
 *   TS4. A state carries the labels of whoever made it, and a call that reads it has them too: with its end, the process
 *        has learned them (access.ts).
 *   TS5. A fork whose journal went while a process that it descends from still runs is found by that: what it saw last stays,
 *        and says whom it descends from.
 */
import type { Store } from './drivers.ts'
import type { Journal } from './journal.ts'
import { union } from './lists.ts'
import type { Call, Process } from './process.ts'
import { labelsOf } from './process.ts'
import type { Space } from './spaces.ts'
import { FORK } from './spaces.ts'
import type { Json, Pid } from './types.ts'

/** States of tools, by space and name. */
export interface ToolStates {
  /** As whoever is in the space has it now, read by the call, with its labels; undefined where nothing was kept, or null. */
  get(call: Call, space: Space, name: string): Json | undefined
  /** Others of the space read it from now on; the call has kept it once it has ended with a value. */
  hold(call: Call, name: string, state: Json): void
  /** Puts what the call held, with the event that comes next: its end. */
  put(call: Call): void
  /** The call ended without a value: nobody reads what it held. */
  drop(call: Call): void
  /** What a call of the origin kept with its end becomes the process's own, with the event that comes next. */
  take(process: Process, name: string, origin: Space, end: number): void
  /** The journal of a fork is about to go: its states stand by themselves from then on, for those it descends from. */
  outlive(fork: Space, above: readonly Pid[]): void
  /** What is left of such a fork, read by the call: the state as it saw it last, and whom it descends from. */
  left(call: Call, fork: Pid, name: string): { readonly state: Json; readonly above: readonly Pid[] } | undefined
  /** Undoes what was kept from that event on by those that `isOwn` names. */
  rollBack(process: Process, before: number, isOwn: (pid: Pid) => boolean): void
}

interface Version {
  readonly seq: number
  readonly pid: Pid
  readonly state: Json
  readonly labels: readonly string[]
  /** Whom its space descends from, where no journal says it any more. */
  readonly above: readonly Pid[] | undefined
  /** Of its text. */
  readonly chars: number
}

/** States remembered beside those that the store does not have yet, and the characters of their texts. */
const REMEMBERED_MAX = 4_096
const REMEMBERED_CHARS_MAX = 16 * 1024 * 1024
/** Digits of a version in a key, as in file-tree.ts. */
const VERSION_DIGITS = 16
const LATEST = Number.MAX_SAFE_INTEGER

/** The states that a store has. */
export function createToolStates(
  store: Pick<Store, 'range' | 'lastSeq'>,
  journal: Pick<Journal, 'put' | 'putAlone' | 'lastSeq'>,
): ToolStates {
  /** The last version that a space sees of a state, the longest unread first. */
  const lately = new Map<string, Version>()
  let chars = 0
  /** Calls that hold a state and have not ended; the last one of a list has what is read. */
  const holders = new Map<string, Call[]>()

  function remember(key: string, version: Version): void {
    forget(key)
    lately.set(key, version)
    chars += version.chars
    if (lately.size <= REMEMBERED_MAX && chars <= REMEMBERED_CHARS_MAX) return
    const kept = store.lastSeq()
    for (const [oldest, { seq }] of lately) {
      if (seq > kept || (lately.size <= REMEMBERED_MAX / 2 && chars <= REMEMBERED_CHARS_MAX / 2)) break
      forget(oldest)
    }
  }

  function forget(key: string): void {
    chars -= lately.get(key)?.chars ?? 0
    lately.delete(key)
  }

  /** The call holds nothing any more. Returns those that held before it and still do. */
  function release(key: string, call: Call): readonly Call[] {
    const calls = holders.get(key) ?? []
    const at = calls.indexOf(call)
    if (at < 0) return []
    calls.splice(at, 1)
    if (calls.length === 0) holders.delete(key)
    return calls.slice(0, at)
  }

  function versionBefore(space: Space, name: string, before: number): Version | undefined {
    const key = stateKey(space, name)
    const known = lately.get(key)
    if (known !== undefined && known.seq < before) return known
    for (const [at, value] of store.range('file', versionKey(key, 0), versionKey(key, before), RANGE_LAST))
      return versionOf(at, value)
    return space.base === undefined
      ? undefined
      : versionBefore(space.base.space, name, Math.min(before, space.base.before))
  }

  function write(process: Process, name: string, state: Json, labels: readonly string[]): void {
    const key = stateKey(process.files, name)
    const value = JSON.stringify(labels.length === 0 ? [process.pid, state] : [process.pid, state, labels])
    const version: Version = {
      seq: journal.lastSeq + 1,
      pid: process.pid,
      state,
      labels,
      above: undefined,
      chars: value.length,
    }
    journal.put({ table: 'file', key: versionKey(key, version.seq), value })
    remember(key, version)
  }

  function newestIn(space: Space, name: string): Pick<Version, 'state' | 'labels'> | undefined {
    const key = stateKey(space, name)
    const held = holders.get(key)?.at(-1)?.held
    if (held !== undefined) return held
    const version = versionBefore(space, name, LATEST)
    if (version !== undefined && !lately.has(key)) remember(key, version)
    return version
  }

  return {
    get(call, space, name) {
      const found = newestIn(space, name)
      if (found !== undefined && found.labels.length > 0) call.labels = union(call.labels, found.labels)
      return found?.state ?? undefined
    },
    hold(call, name, state) {
      const key = stateKey(call.process.files, name)
      release(key, call)
      // Made of what its process has learned, of what it has read and of what the tool itself may tell.
      call.held = { name, state, labels: union(labelsOf(call.process), call.labels) }
      const calls = holders.get(key)
      if (calls === undefined) holders.set(key, [call])
      else calls.push(call)
    },
    put(call) {
      const { process, held } = call
      if (held === undefined) return
      const { name, state } = held
      // What was held before is older than what is kept now, and is not put over it.
      for (const older of release(stateKey(process.files, name), call)) {
        if (older.held === undefined || older.held.state === state) continue
        release(stateKey(process.files, name), older)
        older.held = undefined
      }
      const newest = versionBefore(process.files, name, LATEST)
      // What several calls keep together, such as the players of one turn, is kept with the first that ends.
      if (newest?.state !== state) write(process, name, state, held.labels)
      else if (held.labels.some((label) => !newest.labels.includes(label)))
        write(process, name, state, union(newest.labels, held.labels))
    },
    drop(call) {
      if (call.held !== undefined) release(stateKey(call.process.files, call.held.name), call)
      call.held = undefined
    },
    take(process, name, origin, end) {
      const key = versionKey(stateKey(origin, name), end)
      for (const [at, value] of store.range('file', key, `${key}\0`)) {
        const { state, labels } = versionOf(at, value)
        write(process, name, state, labels)
      }
    },
    outlive(fork, above) {
      const names = new Set<string>()
      for (let at: Space | undefined = fork; at !== undefined; at = at.base?.space)
        for (const name of namesIn(store, at)) names.add(name)
      for (const name of names) {
        const version = versionBefore(fork, name, LATEST)
        if (version === undefined) continue
        const { seq, pid, state, labels } = version
        const key = versionKey(stateKey(fork, name), seq)
        journal.putAlone({ table: 'file', key, value: JSON.stringify([pid, state, labels, above]) })
      }
    },
    left(call, fork, name) {
      const key = stateKey({ id: `${FORK}${fork}` }, name)
      for (const [at, value] of store.range('file', versionKey(key, 0), versionKey(key, LATEST), RANGE_LAST)) {
        const { state, labels, above } = versionOf(at, value)
        if (above === undefined) break
        call.labels = union(call.labels, labels)
        return { state, above }
      }
      return undefined
    },
    rollBack(process, before, isOwn) {
      const { files: space } = process
      for (const name of namesIn(store, space)) {
        const key = stateKey(space, name)
        const [newest] = versions(store, key, LATEST)
        if (newest === undefined || newest.seq < before || !isOwn(newest.pid)) continue
        let was: Version | undefined
        for (const one of versions(store, key, LATEST)) {
          if (one.seq >= before && isOwn(one.pid)) continue
          was = one
          break
        }
        was ??= space.base && versionBefore(space.base.space, name, space.base.before)
        write(process, name, was?.state ?? null, was?.labels ?? [])
      }
    },
  }
}

const RANGE_LAST = Object.freeze({ limit: 1, reverse: true })

function stateKey({ id }: Space, name: string): string {
  return `state ${id}\0${name}\0`
}

function versionKey(key: string, seq: number): string {
  return key + String(seq).padStart(VERSION_DIGITS, '0')
}

function versionOf(key: string, value: string | Uint8Array): Version {
  const [pid, state, labels = [], above] = JSON.parse(value as string) as readonly [
    Pid,
    Json,
    (readonly string[])?,
    (readonly Pid[])?,
  ]
  return { seq: Number(key.slice(-VERSION_DIGITS)), pid, state, labels, above, chars: value.length }
}

/** Of one space, the newest first. */
function* versions(store: Pick<Store, 'range'>, key: string, before: number): Generator<Version> {
  for (const [at, value] of store.range('file', versionKey(key, 0), versionKey(key, before), { reverse: true }))
    yield versionOf(at, value)
}

/** Names of the states that were kept in a space itself. */
function* namesIn(store: Pick<Store, 'range'>, { id }: Space): Generator<string> {
  const begin = `state ${id}\0`
  for (let from = begin; ;) {
    let name: string | undefined
    for (const [key] of store.range('file', from, `state ${id}\u0001`, { limit: 1 }))
      name = key.slice(begin.length, -VERSION_DIGITS - 1)
    if (name === undefined) return
    yield name
    from = `${begin}${name}\u0001`
  }
}
