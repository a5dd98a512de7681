/**
 * Metrics: from the trials of a log to what is said of each solver at each task.
 *
 *     resultsOf({ tasks, solvers, trials, epochs })
 *     reduce([1, 0, 1], 'mean')
 *
 * A score is of one try; a reducer makes one number of the tries of a sample; an estimate is of all samples, clustered.
 */
import type { Log, Result, Trial } from './log.ts'
import { estimate, paretoFront, passAtK, passHatK } from './statistics.ts'

/** What makes one number of several tries; `at least k` and `pass` count a try that scores 1. */
export type Reducer =
  | 'mean'
  | 'median'
  | 'max'
  | 'min'
  | 'mode'
  | `at least ${number}`
  | `pass@${number}`
  | `pass^${number}`

/** One number of several tries; null where it is not defined. */
export function reduce(values: readonly number[], reducer: Reducer = 'mean'): number | null {
  const n = values.length
  if (n === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const passed = values.filter((value) => value >= 1).length
  const k = Number(/\d+$/.exec(reducer)?.[0])
  if (reducer === 'mean') return values.reduce((sum, value) => sum + value, 0) / n
  if (reducer === 'median') return ((sorted[(n - 1) >> 1] as number) + (sorted[n >> 1] as number)) / 2
  if (reducer === 'max') return sorted.at(-1) ?? null
  if (reducer === 'min') return sorted[0] ?? null
  if (reducer === 'mode') {
    const counts = new Map<number, number>()
    for (const value of sorted) counts.set(value, (counts.get(value) ?? 0) + 1)
    return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0]
  }
  if (reducer.startsWith('at least')) return Number(passed >= k)
  return reducer.startsWith('pass@') ? passAtK(n, passed, k) : passHatK(n, passed, k)
}

/** The tries of one sample. */
export interface Tries {
  readonly sample: string
  readonly cluster: string
  readonly values: readonly number[]
}

/** What a solver scored at a task, sample by sample, in the order of the samples; tries without a score are left out. */
export function triesOf(
  trials: readonly Trial[],
  { task, solver, scorer }: { readonly task: string; readonly solver: string; readonly scorer: string },
): readonly Tries[] {
  const found = new Map<string, { readonly cluster: string; readonly values: number[] }>()
  for (const trial of trials) {
    if (trial.task !== task || trial.solver !== solver) continue
    let tries = found.get(trial.sample)
    if (tries === undefined) found.set(trial.sample, (tries = { cluster: trial.cluster, values: [] }))
    const value = trial.scores[scorer]?.value
    if (typeof value === 'number') tries.values.push(value)
  }
  return [...found].map(([sample, tries]) => ({ sample, ...tries }))
}

/** What is said of every solver at every task by every scorer. */
export function resultsOf({
  tasks,
  solvers,
  trials,
  epochs,
}: Pick<Log, 'tasks' | 'solvers' | 'trials' | 'epochs'>): readonly Result[] {
  return tasks.flatMap((task) =>
    task.scorers.flatMap((scorer) => {
      const results = solvers.map((solver) =>
        resultOf(trials, epochs, {
          task: task.name,
          solver: solver.name,
          scorer: scorer.name,
          isJudge: scorer.isJudge,
        }),
      )
      const front = paretoFront(
        results
          // What failed each time has no cost that could be compared.
          .filter((result) => result.mean !== null && !hasFailed(trials, result))
          .map((result) => ({ solver: result.solver, cost: result.cost.tokens, score: result.mean as number })),
      )
      return results.map((result) => {
        const point = front.find((one) => one.solver === result.solver)
        return { ...result, isOnFront: point !== undefined, isOnHull: point?.isOnHull === true }
      })
    }),
  )
}

/** Whether every try of a solver at a task ended with an error; to use up the budget is an end. */
function hasFailed(trials: readonly Trial[], of: Pick<Result, 'task' | 'solver'>): boolean {
  return trials.every(
    ({ task, solver, error }) =>
      task !== of.task || solver !== of.solver || (error !== undefined && error.code !== 'BUDGET_EXCEEDED'),
  )
}

function resultOf(
  trials: readonly Trial[],
  epochs: number,
  of: Pick<Result, 'task' | 'solver' | 'scorer' | 'isJudge'>,
): Omit<Result, 'isOnFront' | 'isOnHull'> {
  const own = trials.filter((trial) => trial.task === of.task && trial.solver === of.solver)
  const tries = triesOf(own, of)
  const scored = tries.filter(({ values }) => values.length > 0)
  const { mean, stderr, interval, clusters } = estimate(
    scored.map(({ values }) => reduce(values) as number),
    { clusters: scored.map(({ cluster }) => cluster) },
  )
  const overK = (reducer: 'pass@' | 'pass^'): { [k: string]: number | null } =>
    Object.fromEntries(
      ksUpTo(epochs).map((k) => {
        const each = tries
          .map(({ values }) => reduce(values, `${reducer}${k}` as Reducer))
          .filter((one) => one !== null)
        return [k, each.length === 0 ? null : each.reduce((a, b) => a + b, 0) / each.length]
      }),
    )
  const perTrial = (of: (trial: Trial) => number): number =>
    own.length === 0 ? 0 : own.reduce((sum, trial) => sum + of(trial), 0) / own.length
  return {
    ...of,
    samples: tries.length,
    epochs,
    unscored: own.filter((trial) => typeof trial.scores[of.scorer]?.value !== 'number').length,
    mean,
    stderr,
    // A score lies between 0 and 1, and so does its mean.
    interval: interval === null ? null : [Math.max(0, interval[0]), Math.min(1, interval[1])],
    clusters,
    passAt: overK('pass@'),
    passHat: overK('pass^'),
    cost: {
      tokens: perTrial(({ usage }) => usage.inputTokens + usage.outputTokens),
      inputTokens: perTrial(({ usage }) => usage.inputTokens),
      cachedTokens: perTrial(({ usage }) => usage.cachedTokens),
      outputTokens: perTrial(({ usage }) => usage.outputTokens),
      usd: perTrial(({ usage }) => usage.usd),
      steps: perTrial(({ usage }) => usage.steps),
      calls: perTrial(({ usage }) => usage.calls),
      ms: perTrial(({ ms }) => ms),
    },
  }
}

/** 1, 2, 4, 8 … up to n, and n. */
function ksUpTo(n: number): readonly number[] {
  const ks: number[] = []
  for (let k = 1; k < n; k *= 2) ks.push(k)
  return [...ks, n]
}
