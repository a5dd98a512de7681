/**
 * Time limits that are almost never reached: thousands of them, set and cleared at random in simulated time, held against
 * what a timer for each would do.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { randomAt, simulatedClock } from '../src/kernel/clock.ts'
import { createDeadlines } from '../src/kernel/deadlines.ts'

const isLong = process.env['POLITY_LONG'] === '1'

test('property: each limit is told once, within a millisecond of its end, unless it was cleared; and then never', () =>
  fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 200 }), async (seed, lengths) => {
      const clock = simulatedClock({ seed: 1, startMs: 0 })
      const deadlines = createDeadlines(clock)
      const count = isLong ? 5_000 : 500
      const told = new Map<number, number>()
      const due = new Map<number, number>()
      let ended = 0
      for (let i = 0; i < count; i++) {
        const random = (index: number): number => randomAt(seed, i, index)
        clock.after(random(0) * 10_000, () => {
          const ms = 1 + Math.floor(random(1) * lengths) * 37
          const at = clock.now() + ms
          const limit = deadlines.set(ms, {
            late() {
              assert.ok(!told.has(i), 'told twice')
              told.set(i, clock.now())
            },
          })
          const clearedAfter = random(2) < 0.7 ? random(3) * 2 * ms : Infinity
          if (clearedAfter < ms) clock.after(clearedAfter, () => limit.cancel())
          else due.set(i, at)
          // Cleared when it is over: nothing happens.
          if (clearedAfter >= ms && clearedAfter !== Infinity) clock.after(clearedAfter + 2, () => limit.cancel())
          ended++
        })
      }
      await new Promise<void>((resolve) => void clock.after(40_000, resolve))
      assert.equal(ended, count)
      assert.deepEqual([...told.keys()].toSorted(), [...due.keys()].toSorted())
      for (const [i, at] of due) {
        const when = told.get(i) as number
        assert.ok(when >= at - 1e-6 && when <= at + 1, `due at ${at}, told at ${when}`)
      }
    }),
    { numRuns: isLong ? 20 : 5 },
  ))
