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
 *   TS1. A state is kept if and only if the call that kept it ended with a value.
 *   TS2. A fork sees what was kept before the call that forked it, and ends of calls it had open as the origin kept them.
 *   TS3. Whoever reads a state reads the last one that any call of the space kept, committed or not: the journal keeps a
 *        prefix, so what was read is never lost alone.
 */
import type { Store } from './drivers.ts'
import type { Journal } from './journal.ts'
import type { Call, Process } from './process.ts'
import type { Space } from './spaces.ts'
import type { Json, Pid } from './types.ts'

/** States of tools, by space and name. */
export interface ToolStates {
  /** As whoever is in the space has it now; undefined where nothing was kept, or null. */
  get(space: Space, name: string): Json | undefined
  /** Others of the space read it from now on; the call has kept it once it has ended with a value. */
  hold(call: Call, name: string, state: Json): void
  /** Puts what the call held, with the event that comes next: its end. */
  put(call: Call): void
  /** What a call of the origin kept with its end becomes the process's own, with the event that comes next. */
  take(process: Process, name: string, origin: Space, end: number): void
  /** Undoes what was kept from that event on by those that `isOwn` names. */
  rollBack(process: Process, before: number, isOwn: (pid: Pid) => boolean): void
}

interface Version {
  readonly seq: number
  readonly pid: Pid
  readonly state: Json
}

/** States remembered beside those that the store does not have yet. */
const REMEMBERED_MAX = 4_096
/** Digits of a version in a key, as in file-tree.ts. */
const VERSION_DIGITS = 16
const LATEST = Number.MAX_SAFE_INTEGER

/** The states that a store has. */
export function createToolStates(
  store: Pick<Store, 'range' | 'lastSeq'>,
  journal: Pick<Journal, 'put' | 'lastSeq'>,
): ToolStates {
  /** The last version that a space sees of a state, the longest unread first. */
  const lately = new Map<string, Version>()
  /** Calls that hold a state and have not ended. */
  const holders = new Map<string, Call>()

  function remember(key: string, version: Version): void {
    lately.delete(key)
    lately.set(key, version)
    if (lately.size <= REMEMBERED_MAX) return
    const kept = store.lastSeq()
    for (const [oldest, { seq }] of lately) {
      if (seq > kept || lately.size <= REMEMBERED_MAX / 2) break
      lately.delete(oldest)
    }
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

  function write(process: Process, name: string, state: Json): void {
    const key = stateKey(process.files, name)
    const version: Version = { seq: journal.lastSeq + 1, pid: process.pid, state }
    const value = JSON.stringify([version.pid, state])
    journal.put({ table: 'file', key: versionKey(key, version.seq), value })
    remember(key, version)
  }

  function get(space: Space, name: string): Json | undefined {
    const key = stateKey(space, name)
    const holder = holders.get(key)
    if (holder?.open === true && holder.held !== undefined) return holder.held.state
    const version = versionBefore(space, name, LATEST)
    if (version !== undefined && !lately.has(key)) remember(key, version)
    return version?.state ?? undefined
  }

  return {
    get,
    hold(call, name, state) {
      call.held = { name, state }
      holders.set(stateKey(call.process.files, name), call)
    },
    put(call) {
      const { process, held } = call
      if (held === undefined) return
      const key = stateKey(process.files, held.name)
      if (holders.get(key) === call) holders.delete(key)
      // What several calls keep together, such as the players of one turn, is kept with the first that ends.
      if (versionBefore(process.files, held.name, LATEST)?.state !== held.state) write(process, held.name, held.state)
    },
    take(process, name, origin, end) {
      const key = versionKey(stateKey(origin, name), end)
      for (const [at, value] of store.range('file', key, `${key}\0`)) write(process, name, versionOf(at, value).state)
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
        write(process, name, was?.state ?? null)
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
  const [pid, state] = JSON.parse(value as string) as readonly [Pid, Json]
  return { seq: Number(key.slice(-VERSION_DIGITS)), pid, state }
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
