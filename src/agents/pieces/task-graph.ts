/**
 * A hierarchical task graph, carried out: tasks that wait for others, each of which may turn out to be a graph of its own.
 *
 *     const root = await carryOutGraph('Write the report', { plan, execute, combine, replan, check })
 *     root.status, root.result, root.below           // 'done', the result, the tasks that it was split into
 *
 * A task is planned when its turn comes and not before; those whose dependencies are done run side by side. Where tasks of a
 * level fail, what is pending in that level is planned anew, and only that.
 *
 * Invariants
 *   G1. A task begins after all tasks that it waits for are done.
 *   G2. A task that is done stays as it is, whatever is planned anew.
 *   G3. A failure goes up one level only when its own has been planned anew `replansMax` times.
 *   G4. A plan that is none (an unknown or repeated id, a circle) is refused with what is wrong, and counts as a failure.
 */

/** A task as a planner says it. */
export interface PlannedTask {
  readonly id: string
  readonly goal: string
  /** Ids of tasks of the same level that come before. */
  readonly after: readonly string[]
}

export interface TaskNode<Result> extends PlannedTask {
  readonly level: number
  status: 'pending' | 'running' | 'done' | 'failed'
  result?: Result
  error?: string
  /** Tasks that it was split into, those of earlier plans left out unless they are done. */
  below?: TaskNode<Result>[]
  /** How often what is below was planned anew. */
  replans: number
}

/** What was found by the tasks that a task waits for, by id. */
export type Inputs<Result> = ReadonlyMap<string, Result>

export type Executed<Result> = { readonly result: Result } | { readonly error: string } | { readonly split: true }

export interface GraphRules<Result> {
  /** The tasks that it is split into; none: it is carried out as it is. `why`: it was tried, and is too large. */
  plan(task: TaskNode<Result>, inputs: Inputs<Result>, why?: 'too large'): Promise<readonly PlannedTask[]>
  /** Carries out a task that is not split. */
  execute(task: TaskNode<Result>, inputs: Inputs<Result>): Promise<Executed<Result>>
  /** One result of those of a level. */
  combine(task: TaskNode<Result>, results: Inputs<Result>): Promise<Result>
  /** What replaces all that is not done in the level below `task`; may wait for what is done. */
  replan(
    task: TaskNode<Result>,
    done: readonly TaskNode<Result>[],
    failed: readonly TaskNode<Result>[],
  ): Promise<readonly PlannedTask[]>
  /** What is wrong with a result; nothing where it may be used. @default nothing is checked */
  check?(task: TaskNode<Result>, result: Result): Promise<string | undefined>
}

export interface GraphLimits {
  /** Levels below the root; a task of the lowest is not split. @default 3 */
  readonly levelsMax?: number
  /** New plans for one level. @default 2 */
  readonly replansMax?: number
  /** Tasks begun altogether. @default 100 */
  readonly tasksMax?: number
}

/** The root with all that was done for it. */
export async function carryOutGraph<Result>(
  goal: string,
  rules: GraphRules<Result>,
  { levelsMax = 3, replansMax = 2, tasksMax = 100 }: GraphLimits = {},
): Promise<TaskNode<Result>> {
  let begun = 0

  async function carryOut(task: TaskNode<Result>, inputs: Inputs<Result>): Promise<void> {
    task.status = 'running'
    if (++begun > tasksMax) return fail(task, `there are more than ${tasksMax} tasks`)
    const maySplit = task.level < levelsMax
    let tasks = maySplit ? await rules.plan(task, inputs) : []
    if (tasks.length === 0) {
      const executed = await rules.execute(task, inputs)
      if ('error' in executed) return fail(task, executed.error)
      if ('result' in executed) return end(task, executed.result)
      if (!maySplit) return fail(task, 'it is too large, and may not be split further')
      tasks = await rules.plan(task, inputs, 'too large')
      if (tasks.length === 0) return fail(task, 'it is too large, and no plan splits it')
    }
    await carryOutLevel(task, tasks, inputs)
  }

  async function carryOutLevel(
    task: TaskNode<Result>,
    first: readonly PlannedTask[],
    outer: Inputs<Result>,
  ): Promise<void> {
    let wrong = faultOf(first, [])
    let below: TaskNode<Result>[] = wrong === undefined ? first.map((one) => nodeOf(one, task.level + 1)) : []
    for (;;) {
      task.below = below
      if (wrong === undefined) await runReady(below, outer)
      const done = below.filter(({ status }) => status === 'done')
      const failed = below.filter(({ status }) => status === 'failed')
      if (wrong === undefined && failed.length === 0)
        return end(task, await rules.combine(task, new Map(done.map((one) => [one.id, one.result as Result]))))
      if (task.replans >= replansMax)
        return fail(task, wrong ?? failed.map(({ id, error }) => `${id}: ${error}`).join('; '))
      task.replans++
      const planned = await rules.replan(task, done, failed)
      wrong = faultOf(planned, done)
      below = wrong === undefined ? [...done, ...planned.map((one) => nodeOf<Result>(one, task.level + 1))] : done
    }
  }

  /** Until nothing more can begin. What depends on a failed task stays pending. */
  async function runReady(level: readonly TaskNode<Result>[], outer: Inputs<Result>): Promise<void> {
    const running = new Map<string, Promise<string>>()
    for (;;) {
      for (const task of readyOf(level)) {
        const before = task.after.map((id) => [id, level.find((one) => one.id === id)?.result as Result] as const)
        running.set(
          task.id,
          carryOut(task, new Map([...outer, ...before])).then(() => task.id),
        )
      }
      if (running.size === 0) return
      running.delete(await Promise.race(running.values()))
    }
  }

  async function end(task: TaskNode<Result>, result: Result): Promise<void> {
    const wrong = await rules.check?.(task, result)
    if (wrong !== undefined) return fail(task, wrong)
    task.result = result
    task.status = 'done'
  }

  const root = nodeOf<Result>({ id: 'root', goal, after: [] }, 0)
  await carryOut(root, new Map())
  return root
}

/** Tasks that wait for nothing any more and have not begun. */
export function readyOf<Result>(level: readonly TaskNode<Result>[]): TaskNode<Result>[] {
  const done = new Set(level.filter(({ status }) => status === 'done').map(({ id }) => id))
  return level.filter(({ status, after }) => status === 'pending' && after.every((id) => done.has(id)))
}

/** What is wrong with a plan that stands beside tasks which are done; undefined where nothing is. */
export function faultOf(planned: readonly PlannedTask[], done: readonly PlannedTask[]): string | undefined {
  if (planned.length === 0 && done.length === 0) return 'the plan has no task'
  const known = new Set(done.map(({ id }) => id))
  for (const { id } of planned) {
    if (known.has(id)) return `two tasks are called "${id}"`
    known.add(id)
  }
  for (const { id, after } of planned)
    for (const other of after) if (!known.has(other)) return `"${id}" waits for "${other}", which there is not`
  const left = new Map(planned.map((one) => [one.id, one.after.filter((id) => planned.some((task) => task.id === id))]))
  for (;;) {
    const free = [...left].filter(([, after]) => after.every((id) => !left.has(id)))
    if (left.size === 0) return undefined
    if (free.length === 0) return `${[...left.keys()].join(', ')} wait for each other`
    for (const [id] of free) left.delete(id)
  }
}

function nodeOf<Result>({ id, goal, after }: PlannedTask, level: number): TaskNode<Result> {
  return { id, goal, after, level, status: 'pending', replans: 0 }
}

function fail<Result>(task: TaskNode<Result>, error: string): void {
  task.status = 'failed'
  task.error = error
}
