/** The table of docs/programs.md: the scripted policy behind it, the form of its answers, and that no program is forgotten. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { WORLDS, entries } from '../bench/programs/entries.ts'
import { filled } from '../bench/programs/filled.ts'
import { createPolicy } from '../bench/programs/policy.ts'
import { tableOf } from '../bench/programs/table.ts'
import { actionShape } from '../src/agents/pieces/acting.ts'
import { react } from '../src/agents/react.ts'
import { reflexion } from '../src/agents/reflexion.ts'
import { boot } from '../src/boot.ts'
import { worlds } from '../src/environments/worlds.ts'
import { evaluate } from '../src/evaluation/evaluate.ts'
import type { Log } from '../src/evaluation/log.ts'
import { worldTask, type Solver } from '../src/evaluation/task.ts'
import { worldOf } from '../src/evaluation/world.ts'
import type { Json } from '../src/kernel/types.ts'

const solvers: readonly Solver[] = [
  { name: 'react', program: react },
  { name: 'reflexion', program: reflexion, search: true },
]

/** Both programs in a world, by a policy that errs so often. */
async function run([id, level]: (typeof WORLDS)[number], errs: number, seeds: number, tokens = 60_000): Promise<Log> {
  const rules = worlds.get(id)
  assert.ok(rules !== undefined)
  const policy = createPolicy({ errs })
  const kernel = await boot({ model: policy.model })
  try {
    return await evaluate(kernel, {
      tasks: [
        worldTask(policy.watched(worldOf(rules)), {
          seeds,
          level,
          tellScore: true,
          params: (seed, at) => rules.task(seed, at),
        }),
      ],
      solvers,
      budget: { tokens },
      concurrency: 1,
    })
  } finally {
    await kernel.close()
  }
}

test('a policy that does not err is the oracle, whether it is asked by tools or by JSON', async () => {
  for (const world of WORLDS) {
    const { results } = await run(world, 0, 2)
    assert.deepEqual(
      results.map(({ solver, mean }) => [solver, mean]),
      [
        ['react', 1],
        // In a fork of one of two players the other does nothing, and reflexion tries in forks.
        ['reflexion', world[0] === 'forage' ? 0 : 1],
      ],
      world[0],
    )
  }
})

test('one that errs does worse, by its seed alone, and a budget is the same for all', async () => {
  const retail = WORLDS.find(([id]) => id === 'desk.retail')
  assert.ok(retail !== undefined)
  const [often, again, short] = [await run(retail, 0.5, 2), await run(retail, 0.5, 2), await run(retail, 0, 2, 3_000)]
  assert.ok(often.results.every(({ mean }) => mean !== null && mean < 1))
  const said = ({ trials }: Log): Json =>
    trials.map(({ scores, usage, episode }) => [scores, usage, episode]) as unknown as Json
  assert.deepEqual(said(again), said(often))
  assert.ok(short.trials.every(({ usage }) => usage.inputTokens + usage.outputTokens <= 3_000))
  const table = tableOf(
    [{ model: 'scripted', world: 'desk.retail', log: short, refused: new Set(short.trials.map(({ pid }) => pid)) }],
    solvers.map((solver) => ({ solver })),
    { tokens: 3_000, seeds: 2, errs: 0, left: [], without: [] },
  )
  assert.match(table, /^\| `react` \| 0\.00 ± 0\.00 \| .* \| 2 of 2 \| 0 of 2 \|$/m)
})

test('what it says has the form that it was asked for', () => {
  const shapes = {
    action: z.object({ thought: z.string().optional(), action: actionShape }),
    plan: z.object({ plan: z.array(z.object({ skill: z.enum(['code', 'search']), action: z.string() })).min(1) }),
    list: z.object({ situation: z.string(), actions: z.array(actionShape).min(1) }),
    judged: z.object({ status: z.enum(['success', 'failure']), onTrack: z.boolean() }),
    numbers: z.object({ reward: z.number().min(0).max(1), confidence: z.number().min(0).max(10) }),
    way: z.object({ way: z.number().int().min(1) }),
    answer: z.object({ step: z.string(), answer: z.string().nullable() }),
    names: z.object({ calls: z.array(z.string()).max(100) }),
    graph: z.object({
      tasks: z.array(
        z.object({ id: z.string().min(1), goal: z.string().min(1), after: z.array(z.string()).default([]) }),
      ),
    }),
    filling: z.object({ args: z.record(z.string(), z.json()) }),
  }
  const move = fc.record({ name: fc.constantFrom('get', 'craft'), args: fc.constant({ item: 'oak' }) })
  fc.assert(
    fc.property(
      fc.option(move, { nil: undefined }),
      fc.array(move),
      fc.double({ min: 0, max: 1 }),
      (next, more, value) => {
        for (const [name, shape] of Object.entries(shapes)) {
          const known = {
            next,
            plan: next === undefined ? [] : [next, ...more],
            value: Number.isNaN(value) ? 0 : value,
            isOver: next === undefined,
          }
          const said = filled(z.toJSONSchema(shape) as Json, known)
          assert.ok(shape.safeParse(said).success, `${name}: ${JSON.stringify(said)}`)
        }
      },
    ),
    { numRuns: 50 },
  )
  const known = { next: { name: 'get', args: { item: 'oak' } }, plan: [], value: 0.4, isOver: false }
  assert.deepEqual(filled(z.toJSONSchema(shapes.action) as Json, known), { thought: 'get oak', action: known.next })
})

test('every program of src/agents/ is in the table, or it is said why not', async () => {
  assert.deepEqual((await entries()).without, [], 'say of each in bench/programs/entries.ts how it acts, or why not')
})
