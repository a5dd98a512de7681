/**
 * For your tests: models that say what you wrote, time that you hold in your hand, and the suites that our own drivers
 * pass, to be run on yours.
 *
 *     import { scripted, simulatedClock, storeConformance } from 'polity/testing'
 */
export { embedderConformance } from './drivers/embedder/conformance.ts'
export { answering, type Says } from './drivers/llm/answering.ts'
export { modelConformance } from './drivers/llm/conformance.ts'
export { record, replay } from './drivers/llm/recorded.ts'
export { scripted } from './drivers/llm/scripted.ts'
export { simulated } from './drivers/llm/simulated.ts'
export { leaseConformance } from './drivers/store/conformance-leases.ts'
export { storeConformance } from './drivers/store/conformance.ts'
export { memoryStore } from './drivers/store/memory.ts'
export { leaseMemory } from './drivers/store/lease-memory.ts'
export { simulatedClock } from './kernel/clock.ts'
export { assertPrefixesKept, cachedPrefix } from './kernel/cached-prefix.ts'
