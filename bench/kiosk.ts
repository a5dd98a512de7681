/**
 * What a turn of the kiosk takes in a real Chromium, ms, by action: the oracle plays every kind of page twice.
 *
 *     node bench/kiosk.ts
 */
import { kiosk, kioskPages } from '../src/environments/kiosk.ts'
import { kioskWorld } from '../src/evaluation/kiosk.ts'
import { median } from './figures.ts'

const world = kioskWorld()
const window = await world.open()
const times = new Map<string, number[]>()

async function timed<T>(names: readonly string[], work: () => T | Promise<T>): Promise<T> {
  const began = performance.now()
  const value = await work()
  const ms = performance.now() - began
  for (const name of names) times.set(name, [...(times.get(name) ?? []), ms])
  return value
}

for (let seed = 0; seed < 2 * kioskPages.length; seed++) {
  let turn = await timed(['(another page)'], () => window.reset({ params: kiosk.task(seed, 2), seed }))
  while (!turn.done) {
    const [action] = (await world.oracle?.(await window.state())) ?? []
    if (action === undefined) throw new Error(`the oracle is at a loss on page ${seed}`)
    turn = await timed([action.name, '(all actions)'], () => window.step([action]))
  }
  if ((await window.score()) !== 1) throw new Error(`the oracle fails at page ${seed}`)
}
await window.close?.()
console.table(
  [...times].map(([action, ms]) => ({
    action,
    turns: ms.length,
    'p50, ms': Math.round(median(ms)),
    'most, ms': Math.round(Math.max(...ms)),
  })),
)
