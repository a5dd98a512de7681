/** The attacks, in the order in which a report shows them. One a file, under attacks/. */
import type { Attack } from './attack.ts'
import { approvalFlood } from './attacks/approval-flood.ts'
import { approvalForgery } from './attacks/approval-forgery.ts'
import { backdoorObservation } from './attacks/backdoor-observation.ts'
import { backdoorQuery } from './attacks/backdoor-query.ts'
import { backdoorThought } from './attacks/backdoor-thought.ts'
import { infiniteLoop } from './attacks/infinite-loop.ts'
import { injectedResult } from './attacks/injected-result.ts'
import { keyRequest } from './attacks/key-request.ts'
import { poisonedMemory } from './attacks/poisoned-memory.ts'
import { rugPull } from './attacks/rug-pull.ts'
import { selfReplication } from './attacks/self-replication.ts'
import { spawnBomb } from './attacks/spawn-bomb.ts'
import { toolShadow } from './attacks/tool-shadow.ts'
import { weakerDelegate } from './attacks/weaker-delegate.ts'

export const attacks: readonly Attack[] = [
  injectedResult,
  poisonedMemory,
  backdoorQuery,
  backdoorObservation,
  backdoorThought,
  infiniteLoop,
  spawnBomb,
  selfReplication,
  keyRequest,
  rugPull,
  toolShadow,
  approvalForgery,
  approvalFlood,
  weakerDelegate,
]
