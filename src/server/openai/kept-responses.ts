/**
 * Responses of the last hour, kept for those who asked: to be read again, and gone on from by `previous_response_id`.
 *
 * In memory, and bounded: a principal keeps no more than `responsesMax` and about BYTES_MAX, all together ALL_BYTES_MAX;
 * the oldest go first.
 *
 * Invariants
 *   KR1. A response is found by its own principal alone; for others it is not there.
 */
import type { Clock } from '../../kernel/clock.ts'
import type { Json, Message } from '../../kernel/types.ts'

const KEPT_MS = 3_600_000
const BYTES_MAX = 32_000_000
const ALL_BYTES_MAX = 256_000_000

/** A response and the conversation up to it, without instructions. */
export interface KeptResponse {
  readonly response: { readonly id: string; readonly [key: string]: Json }
  readonly messages: readonly Message[]
}

export interface KeptResponses {
  keep(principal: string, kept: KeptResponse): void
  find(principal: string, id: string): KeptResponse | undefined
}

interface Entry extends KeptResponse {
  readonly principal: string
  readonly bytes: number
  readonly until: number
}

export function createKeptResponses(clock: Clock, responsesMax: number): KeptResponses {
  /** By id, the oldest first. */
  const entries = new Map<string, Entry>()
  /** By principal: its ids, the oldest first, and what they take. */
  const owners = new Map<string, { readonly ids: Set<string>; bytes: number }>()
  let allBytes = 0

  function forget(entry: Entry): void {
    const { id } = entry.response
    entries.delete(id)
    allBytes -= entry.bytes
    const owner = owners.get(entry.principal)
    if (owner === undefined) return
    owner.ids.delete(id)
    owner.bytes -= entry.bytes
    if (owner.ids.size === 0) owners.delete(entry.principal)
  }

  function forgetOldest(ids: Iterable<string>): void {
    for (const id of ids) return forget(entries.get(id) as Entry)
  }

  function forgetOld(): void {
    for (const entry of entries.values()) {
      if (entry.until > clock.now()) return
      forget(entry)
    }
  }

  return {
    keep(principal, { response, messages }) {
      forgetOld()
      // What it shares with the response before it counts for both: what is held is never more than what is counted.
      const bytes = JSON.stringify(response).length + JSON.stringify(messages).length
      const owner = owners.get(principal) ?? { ids: new Set(), bytes: 0 }
      owners.set(principal, owner)
      entries.set(response.id, { principal, response, messages, bytes, until: clock.now() + KEPT_MS })
      owner.ids.add(response.id)
      owner.bytes += bytes
      allBytes += bytes
      while (owner.ids.size > responsesMax || (owner.bytes > BYTES_MAX && owner.ids.size > 1)) forgetOldest(owner.ids)
      while (allBytes > ALL_BYTES_MAX && entries.size > 1) forgetOldest(entries.keys())
    },
    find(principal, id) {
      forgetOld()
      const entry = entries.get(id)
      return entry?.principal === principal ? entry : undefined
    },
  }
}
