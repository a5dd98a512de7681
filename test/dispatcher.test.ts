import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedClock } from '../src/kernel/clock.ts'
import type { Dispatchable } from '../src/kernel/dispatcher.ts'
import { createDispatcher } from '../src/kernel/dispatcher.ts'
import { defaultLimits } from '../src/kernel/limits.ts'

const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

function createRounds() {
  const dispatcher = createDispatcher(simulatedClock(), defaultLimits)
  const wake = (learn: () => boolean): void => dispatcher.wake({ queued: false, learn } satisfies Dispatchable)
  return { dispatcher, wake }
}

test('few learn in the order in which they were woken, one thing in a round', async () => {
  const { dispatcher, wake } = createRounds()
  const learned: string[] = []
  for (const name of ['a', 'b', 'c']) {
    let things = 2
    wake(() => (learned.push(name), --things > 0))
  }
  await turnOfTheLoop()
  assert.deepEqual(learned, ['a', 'b', 'c', 'a', 'b', 'c'])
  assert.equal(dispatcher.length, 0)
})

test('in a crowd those who have begun go on before the next ones begin', async () => {
  const { dispatcher, wake } = createRounds()
  let underWay = 0
  let most = 0
  let ended = 0
  for (let i = 0; i < 10_000; i++) {
    let things = 3
    wake(() => {
      if (things === 3) most = Math.max(most, ++underWay)
      if (--things > 0) return true
      underWay--
      ended++
      return false
    })
  }
  while (dispatcher.length > 0) await turnOfTheLoop()
  assert.equal(ended, 10_000)
  // Not all of them hold at once what is made on the way.
  assert.ok(most <= 2 * defaultLimits.roundDeliveriesMax, `${most} were under way at once`)
})

test('who waits has its turn although others go on for ever', async () => {
  const { dispatcher, wake } = createRounds()
  let isHeard = false
  let deliveries = 0
  for (let i = 0; i < 2 * defaultLimits.roundDeliveriesMax; i++) wake(() => ++deliveries < 100_000 && !isHeard)
  wake(() => {
    isHeard = true
    return false
  })
  while (dispatcher.length > 0) await turnOfTheLoop()
  assert.ok(isHeard)
  assert.ok(deliveries < 10_000, `${deliveries} deliveries before its own`)
})
