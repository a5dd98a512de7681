/**
 * C12, protocols: InfoNav of `i-agents`, run by the kernel. Eight facts of the other side, two asked a turn, each answered with chance .9; by the
 * plan, and at random. Everything that crosses is looked at for rows that belong to the person and were not asked for. (Embodied teams and
 * the schedules of the Internet of Agents are elsewhere.)
 */
import { boot } from './experiment.ts'
import { iAgents, type PersonProgram } from '../../src/agents/i-agents.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import { mean } from '../figures.ts'
import type { Experiment } from './experiment.ts'

const FACTS = ['when', 'where', 'who', 'why', 'price', 'colour', 'size', 'door']
const SECRET = 'private'

export const c12: Experiment = {
  id: 'C12',
  what: 'i-agents: 8 facts, 2 a turn, answered with .9, 10 turns at most',
  bar: 'by the plan ≤ 5.0 turns, all known in 10 turns; nothing crosses that is not asked for',
  seeds: 500,
  async run(seeds) {
    let [leaks, crossed, seed, answers] = [0, 0, 0, 0]
    const kernel = await boot({
      model: scripted((call) => {
        const prompt = promptText(call.prompt)
        if (prompt.includes(SECRET)) leaks++
        if (prompt.includes('List the facts')) return JSON.stringify({ facts: FACTS })
        return 'done'
      }),
    })
    const bob: PersonProgram = defineProgram('c12/bob', async (_, { facts }) => {
      // Whatever it knows it says now and then too much of: the wall has to hold, not the manners.
      const said = Object.fromEntries(
        facts.filter((_, i) => randomAt(seed, answers, i) < 0.9).map((fact) => [fact, `the ${fact} of bob`]),
      )
      answers++
      crossed += facts.length
      return { ...said, diary: SECRET }
    })
    const ann: PersonProgram = defineProgram('c12/ann', async () => ({}))
    const team = iAgents({ people: { ann, bob } })
    const rows = { unknown: [] as { turns: number; all: boolean }[], random: [] as { turns: number; all: boolean }[] }
    for (seed = 0; seed < seeds; seed++)
      for (const order of ['unknown', 'random'] as const) {
        answers = 0
        const found = await kernel.spawn(team, {
          question: 'What do we know?',
          instructor: 'ann',
          assistant: 'bob',
          order,
          turnsMax: 40,
        }).result
        rows[order].push({
          turns: found.turns,
          all: found.turns <= 10 && found.facts.every(({ value }) => value !== undefined),
        })
        if (JSON.stringify(found).includes(SECRET)) leaks++
      }
    await kernel.close()
    const of = (order: 'unknown' | 'random') => ({
      turns: mean(rows[order].map(({ turns }) => turns)),
      done: mean(rows[order].map(({ all }) => (all ? 1 : 0))),
    })
    const [plan, random] = [of('unknown'), of('random')]
    return {
      measured: `${plan.turns.toFixed(2)} turns, ${(100 * plan.done).toFixed(1)} % in 10; at random ${random.turns.toFixed(1)} turns, ${(100 * random.done).toFixed(0)} % in 10; ${leaks} rows that were not asked for in ${crossed} facts`,
      ok: plan.turns <= 5 && plan.done === 1 && leaks === 0,
    }
  },
}
