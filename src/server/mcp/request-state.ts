/**
 * State that a server leaves with its client while the client is asked (`requestState` of revision 2026-07-28): signed, so
 * that only what was given comes back, and only from the caller that it was given to.
 *
 *     const states = createRequestStates(sdk)
 *     const options = { requestState: { verify: states.verifyFor(caller) } }        // of the SDK's server
 *     const requestState = await states.mintFor(caller)(17)
 *
 * Invariants
 *   RS1. A state that was changed, is older than STATE_MS, or was given to another principal or key is refused by the SDK,
 *        with -32602, before a handler sees it. So is every one from before the server was started.
 *   RS2. It is signed and not encrypted: the client can read it.
 */
import { randomBytes } from 'node:crypto'
import type { ServerContext } from '@modelcontextprotocol/server'
import type { Json } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import type { ServerSdk } from './sdk.ts'

/** How long a client may take to come back with an answer, ms: as long as the SDK waits for one. */
export const STATE_MS = 600_000

/** Makes what a handler returns as `requestState`; its `mcpReq.requestState()` is the payload when the client is back. */
export type MintState = (payload: Json) => Promise<string>

export interface RequestStates {
  mintFor(caller: Caller): MintState
  /** Resolves with the payload; rejects where the state is not the caller's. */
  verifyFor(caller: Caller): (state: string, context: ServerContext) => Promise<Json>
}

interface Sealed {
  readonly of: readonly [principal: string, key: string | null]
  readonly payload: Json
}

export function createRequestStates({ server: { createRequestStateCodec } }: ServerSdk): RequestStates {
  const codec = createRequestStateCodec<Sealed>({ key: randomBytes(32), ttlSeconds: STATE_MS / 1_000 })
  return {
    mintFor:
      ({ principal, key }) =>
      (payload) =>
        codec.mint({ of: [principal, key], payload }),
    verifyFor:
      ({ principal, key }) =>
      async (state, context) => {
        const { of, payload } = await codec.verify(state, context)
        if (of[0] !== principal || of[1] !== key) throw new Error('it was given to another caller')
        return payload
      },
  }
}
