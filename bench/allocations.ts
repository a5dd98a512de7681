/**
 * What this process allocates, kept or not, by function: samples of V8's heap profiler, which what is collected stays in.
 *
 *     const allocations = await sampleAllocations()
 *     await work()
 *     const { bytes, places } = await allocations.end()      // places: ['serve src/server/model-door.ts:12', 51200], the most first
 */
import { Session, type HeapProfiler } from 'node:inspector/promises'

export interface Allocations {
  readonly bytes: number
  /** Bytes by the function that allocated them, the most first. */
  readonly places: readonly (readonly [place: string, bytes: number])[]
}

/** Begins to sample, on the mean once in so many bytes. */
export async function sampleAllocations(intervalBytes = 512): Promise<{ end(): Promise<Allocations> }> {
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: intervalBytes,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  })
  return {
    async end() {
      const { profile } = await session.post('HeapProfiler.stopSampling')
      session.disconnect()
      const places = new Map<string, number>()
      add(profile.head, places)
      const sorted = [...places].toSorted((a, b) => b[1] - a[1])
      return { bytes: sorted.reduce((sum, [, bytes]) => sum + bytes, 0), places: sorted }
    },
  }
}

function add(
  { callFrame, selfSize, children }: HeapProfiler.SamplingHeapProfileNode,
  places: Map<string, number>,
): void {
  const { functionName, url, lineNumber } = callFrame
  const place = `${functionName || '(anonymous)'} ${url.replace(/^.*\/(?=(src|node_modules)\/)/, '')}:${lineNumber + 1}`
  places.set(place, (places.get(place) ?? 0) + selfSize)
  for (const child of children) add(child, places)
}
