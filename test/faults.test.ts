/**
 * The whole kernel in simulated time, from one seed: everything around it fails, and it keeps its seven promises.
 *
 *     npm run test:faults                        500 worlds; 20,000 with POLITY_LONG=1
 *     SEED=123 npm run test:faults               one world, told in full
 *     SEEDS=5000 FROM=100000 npm run test:faults
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { promises } from './faults/promises.ts'
import type { World, WorldOptions } from './faults/world.ts'
import { runWorld } from './faults/world.ts'

const LONG = process.env['POLITY_LONG'] === '1'
const SEED = process.env['SEED']
const SEEDS = SEED === undefined ? Number(process.env['SEEDS'] ?? (LONG ? 20_000 : 500)) : 1
const FROM = Number(SEED ?? process.env['FROM'] ?? 0)
/** One world in so many is run twice. */
const TWICE_EVERY = 10

interface Broken {
  readonly seed: number
  readonly promise: number
  readonly error: unknown
}

function brokenPromises(world: World): Broken[] {
  const broken: Broken[] = []
  for (const { number, check } of promises) {
    try {
      check(world)
    } catch (error) {
      broken.push({ seed: world.seed, promise: number, error })
    }
  }
  return broken
}

/** The journal, byte for byte, and what was done and paid. */
function textOf({ journal, deeds, bills }: World): string {
  return JSON.stringify([journal, deeds, bills])
}

async function check(seed: number, options?: WorldOptions): Promise<{ broken: Broken[]; world: World | undefined }> {
  let world: World
  try {
    world = await runWorld(seed, options)
  } catch (error) {
    return { broken: [{ seed, promise: 1, error }], world: undefined }
  }
  const broken = brokenPromises(world)
  if (seed % TWICE_EVERY === 0 && textOf(world) !== textOf(await runWorld(seed, options)))
    broken.push({ seed, promise: 5, error: new Error('the same seed gives another journal') })
  return { broken, world }
}

function tell({ seed, promise, error }: Broken): string {
  const { text } = promises[promise - 1] as { text: string }
  return `SEED=${seed} npm run test:faults\n  promise ${promise}: ${text}\n  ${error instanceof Error ? (SEED === undefined ? error.message : error.stack) : String(error)}`
}

test(`${SEEDS} worlds from seed ${FROM} keep the seven promises`, async (t) => {
  const broken: Broken[] = []
  let events = 0
  let crashes = 0
  let deeds = 0
  let hours = 0
  for (let seed = FROM; seed < FROM + SEEDS && broken.length < 20; seed++) {
    const result = await check(seed)
    broken.push(...result.broken)
    const { world } = result
    if (world === undefined) continue
    events += world.journal.length
    crashes += world.crashes
    deeds += world.deeds.length
    hours += world.ms / 3_600_000
    if (SEED !== undefined) for (const event of world.journal) console.log(JSON.stringify(event))
  }
  t.diagnostic(`${events} events, ${deeds} effects, ${crashes} crashes, ${Math.round(hours)} simulated hours`)
  assert.equal(broken.length, 0, `\n${broken.map(tell).join('\n')}`)
})
