/**
 * Eviction policies on the same traces: which share of uses finds its key in memory.
 *
 *     node bench/eviction.ts
 *
 * The traces are those of traces.ts, and one that is recorded: the notes that recalls read, of 20 principals with 500 notes
 * each, asked by Zipf's law about notes by Zipf's law, while every fiftieth recall lists all notes of a principal. Beside the policies, the
 * best there can be, which knows the future. For the scan the reference's own figures, of its own trace (cognition.md, 2.4:
 * measured on the published code), are LRU .230, .276, .284; LRU-2 .294, .429, .440; Belady .384, .463, .491.
 */
import { memoryStore } from '../src/drivers/store/memory.ts'
import { randomAt } from '../src/kernel/clock.ts'
import { readProse } from './prose.ts'
import { belady, hitRate, loopTrace, scanTrace, sessionTrace, shiftingTrace, zipfTrace, type Trace } from './traces.ts'

const NAMES = ['lru', 'lru-2', 'lru-2-lists', '2q', 'arc'] as const
const PRINCIPALS = 20
const NOTES = 500
const RECALLS = 2_000

/** Which notes are read, by what a store finds. */
function recordedTrace(): Trace {
  const prose = readProse()
  const store = memoryStore()
  const notes = Array.from({ length: PRINCIPALS * NOTES }, (_, i) => prose.note(i))
  const keyOf = (note: number): string => `p${note % PRINCIPALS}\0n${note}`
  store.commit({
    events: [],
    puts: notes.map(({ text }, i) => ({ table: 'note', key: keyOf(i), value: text, text })),
  })
  const trace: number[] = []
  for (let i = 0; i < RECALLS; i++) {
    const principal = Math.floor(PRINCIPALS ** randomAt(3, i, 0)) - 1
    if (i % 50 === 49) {
      for (const [key] of store.range('note', `p${principal}\0`, `p${principal}\u0001`))
        trace.push(Number(key.split('\0n')[1]))
      continue
    }
    const note = principal + PRINCIPALS * (Math.floor(NOTES ** randomAt(3, i, 1)) - 1)
    const words = prose
      .question(notes[note] as (typeof notes)[number], i % 200, false)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu)
    for (const { key } of store.search('note', [`p${principal}\0`], words ?? [], 10))
      trace.push(Number(key.split('\0n')[1]))
  }
  store.close()
  return trace
}

const traces: readonly (readonly [name: string, trace: Trace, capacities: readonly number[]])[] = [
  ['scan: 40 hot, 2,000 cold', scanTrace(1), [20, 40, 60]],
  ['Zipf, 1,000 keys', zipfTrace(1), [20, 100, 300]],
  ['loop of 60', loopTrace(), [30, 59, 60]],
  ['shifting, 40 at a time', shiftingTrace(1), [10, 20, 40]],
  ['sessions and scans', sessionTrace(1), [50, 200, 800]],
  ['recorded recalls', recordedTrace(), [100, 500, 2_000]],
]

console.log(
  `${'trace'.padEnd(26)}${'room'.padStart(6)}${[...NAMES, 'Belady'].map((name) => name.padStart(13)).join('')}`,
)
for (const [name, trace, capacities] of traces) {
  for (const capacity of capacities) {
    const rates = [...NAMES.map((policy) => hitRate(policy, trace, capacity)), belady(trace, capacity)]
    const cells = rates.map((rate) => rate.toFixed(3).padStart(13)).join('')
    console.log(`${name.padEnd(26)}${String(capacity).padStart(6)}${cells}`)
  }
}
