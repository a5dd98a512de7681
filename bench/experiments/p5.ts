/**
 * P5, hierarchical task graphs: random graphs of one to three levels, each task failing one time in ten until it is planned
 * anew. A task's number is computed from its own and from those it waits for; the oracle computes the same one after another,
 * without failures. Order, scope of a new plan and the final number are held against it.
 */
import { carryOutGraph, type PlannedTask, type TaskNode } from '../../src/agents/pieces/task-graph.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Experiment } from './experiment.ts'

const FAILS = 0.1
const MODULUS = 1_000_003

/** The planted truth: what each goal is split into, and its own number. Goals are paths such as `r.2.0`. */
function plant(seed: number) {
  const below = new Map<string, PlannedTask[]>()
  const own = new Map<string, number>()
  let drawn = 0
  const draw = () => randomAt(seed, 0, drawn++)
  const grow = (goal: string, level: number): void => {
    own.set(goal, Math.floor(draw() * MODULUS))
    if (level >= 3 || (level > 0 && draw() < 0.6)) return
    const count = 2 + Math.floor(draw() * 4)
    const tasks = Array.from({ length: count }, (_, i): PlannedTask => {
      const after = Array.from({ length: i }, (_, j) => String(j)).filter(() => draw() < 0.4)
      return { id: String(i), goal: `${goal}.${i}`, after }
    })
    below.set(goal, tasks)
    for (const task of tasks) grow(task.goal, level + 1)
  }
  grow('r', 0)
  return { below, own }
}

const mixed = (own: number, others: Iterable<number>): number => {
  let sum = own
  for (const other of others) sum = (sum * 31 + other) % MODULUS
  return sum
}

async function measure(seed: number) {
  const { below, own } = plant(seed)
  // Alone, in order, without failures.
  const alone = (goal: string, inputs: readonly number[]): number => {
    const results = new Map<string, number>()
    for (const { id, goal: child, after } of below.get(goal) ?? [])
      results.set(
        id,
        alone(
          child,
          after.map((one) => results.get(one) as number),
        ),
      )
    return mixed(own.get(goal) as number, below.has(goal) ? results.values() : inputs)
  }

  const ended = new Set<string>()
  const attempts = new Map<string, number>()
  let [violations, failures, replans, strayed] = [0, 0, 0, 0]
  const fails = (goal: string): boolean => {
    const attempt = attempts.get(goal) ?? 0
    attempts.set(goal, attempt + 1)
    return attempt === 0 && randomAt(seed, 1, own.get(goal) as number) < FAILS
  }
  const inOrder = (task: TaskNode<number>, inputs: ReadonlyMap<string, number>) =>
    task.after.map((id) => {
      const result = inputs.get(id)
      if (result === undefined || !ended.has(`${task.goal.slice(0, task.goal.lastIndexOf('.'))}.${id}`)) violations++
      return result as number
    })

  const root = await carryOutGraph<number>(
    'r',
    {
      plan: async ({ goal }) => below.get(goal) ?? [],
      async execute(task, inputs) {
        const numbers = inOrder(task, inputs)
        // Some are slower than others.
        for (let turns = Math.floor(randomAt(seed, 2, own.get(task.goal) as number) * 5); turns > 0; turns--)
          await Promise.resolve()
        if (fails(task.goal)) {
          failures++
          return { error: 'planted' }
        }
        ended.add(task.goal)
        return { result: mixed(own.get(task.goal) as number, numbers) }
      },
      async combine(task, results) {
        ended.add(task.goal)
        const order = (below.get(task.goal) ?? []).map(({ id }) => results.get(id) as number)
        return mixed(own.get(task.goal) as number, order)
      },
      async replan(task, done, failed) {
        replans++
        const kept = new Set(done.map(({ id }) => id))
        if (failed.length === 0) strayed++
        // What is done has to be what it was: the same number as before.
        return (below.get(task.goal) ?? []).filter(({ id }) => !kept.has(id))
      },
    },
    { tasksMax: 10_000, replansMax: 20 },
  )
  // Every task that was done once ran no second time: attempts are one, or two where it failed.
  const again = [...attempts.values()].reduce((sum, count) => sum + count - 1, 0)
  return {
    isEqual: root.status === 'done' && root.result === alone('r', []),
    violations,
    failures,
    replans,
    strayed: strayed + (again - failures),
  }
}

export const p5: Experiment = {
  id: 'P5',
  what: 'hierarchical task graphs, a task in ten fails',
  bar: 'no order violated; only the failed level planned anew; the sequential oracle’s result always',
  seeds: 500,
  async run(seeds) {
    const runs: Awaited<ReturnType<typeof measure>>[] = []
    for (let seed = 0; seed < seeds; seed++) runs.push(await measure(seed))
    const total = (of: (run: (typeof runs)[number]) => number) => runs.reduce((sum, run) => sum + of(run), 0)
    const [equal, violations, strayed] = [
      total(({ isEqual }) => (isEqual ? 1 : 0)),
      total((run) => run.violations),
      total((run) => run.strayed),
    ]
    return {
      measured: `${equal} of ${seeds} equal, ${violations} violations, ${total((run) => run.failures)} failures, ${total((run) => run.replans)} new plans, ${strayed} outside the failed level`,
      ok: equal === seeds && violations === 0 && strayed === 0,
    }
  },
}
