/**
 * P8, refinement: planted journeys in the form of TravelPlanner's data, held against its thirteen rules (travel-plan.ts), each
 * broken alone by a planted fault; then `refine` with the rules as its tool and a simulated planner that mends what it is told of, and
 * breaks something else one time in five. The labels of the release's own example plans need its database, which is not part of
 * this repository: agreement with them is not measured.
 */
import { z } from 'zod'
import { refine, type Refined } from '../../src/agents/refine.ts'
import { boot } from './experiment.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { defineTool } from '../../src/kernel/tools.ts'
import type { Tool } from '../../src/kernel/types.ts'
import type { Experiment } from './experiment.ts'
import { breaks, brokenBy, journeyOf } from './journeys.ts'
import type { TravelDay } from './travel-plan.ts'

const ROUNDS = 8

type Plan = readonly TravelDay[]

export const p8: Experiment = {
  id: 'P8',
  what: 'thirteen rules on planted journeys, refinement by them',
  bar: 'each fault breaks exactly its rule; refined plans pass ≥ 95 % (agreement with the release’s labels: not measured)',
  seeds: 200,
  async run(seeds) {
    let [flips, tried, clean] = [0, 0, 0]
    for (let seed = 0; seed < seeds; seed++) {
      const journey = journeyOf(seed)
      if (brokenBy(journey, journey.good).length === 0) clean++
      for (const [rule, breaking] of Object.entries(breaks)) {
        const broken = breaking(journey.good, journey)
        if (broken === undefined) continue
        tried++
        const faults = brokenBy(journey, broken)
        if (faults.length === 1 && faults[0]?.name === rule) flips++
      }
    }

    // The planner: three faults at first; of those it is told it mends one a round, and makes another one time in five.
    let seed = 0
    let drawn = 0
    let plan: Plan = []
    const draw = () => randomAt(seed, 5, drawn++)
    const names = Object.keys(breaks)
    const faulty = (before: Plan, rule: string): Plan => breaks[rule]?.(before, journeyOf(seed)) ?? before
    const any = (): string => names[Math.floor(draw() * names.length)] as string
    const model = scripted((call) => {
      const { good } = journeyOf(seed)
      const wrong = [...promptText(call.prompt).matchAll(/^- (.+?): /gm)].map(([, rule]) => rule as string)
      // What is still wrong once the first is mended.
      plan = (wrong.length === 0 ? [any(), any(), any()] : wrong.slice(1)).reduce(faulty, good)
      if (wrong.length > 0 && draw() < 0.2) plan = faulty(plan, any())
      return JSON.stringify(plan)
    })
    const checker = defineTool({
      name: 'check_plan',
      description: 'Holds a journey against its rules.',
      effect: 'read',
      inputSchema: z.object({ plan: z.string() }),
      execute(input) {
        const broken = brokenBy(journeyOf(seed), JSON.parse(input.plan) as Plan)
        return { ok: broken.length === 0, feedback: broken.map(({ name, fault }) => `${name}: ${fault}`) }
      },
    }) as Tool
    const kernel = await boot({ model, tools: [checker] })
    let [passed, first, rounds] = [0, 0, 0]
    for (seed = 0; seed < seeds; seed++) {
      drawn = 0
      const found: Refined = await kernel.spawn(refine, {
        question: `Journey ${seed}`,
        checker: 'check_plan',
        rounds: ROUNDS,
      }).result
      if (found.ok && brokenBy(journeyOf(seed), JSON.parse(found.plan) as Plan).length === 0) passed++
      if (found.plans === 1) first++
      rounds += found.plans - 1
    }
    await kernel.close()
    return {
      measured: `${flips} of ${tried} faults break their rule alone, ${clean} of ${seeds} plans clean; ${passed} of ${seeds} pass after ${(rounds / seeds).toFixed(1)} rounds, ${first} before`,
      ok: flips === tried && clean === seeds && passed >= 0.95 * seeds,
    }
  },
}
