/**
 * Comparisons: two solvers on the same samples, pair by pair. The samples are what differs most, and pairing takes that out.
 *
 *     const rows = compare(logA, logB)                            // the only solver of each
 *     const rows = compare(log, log, { first: 'react', second: 'reflexion' })
 */
import { PolityError } from '../kernel/errors.ts'
import { canonical } from '../policy/canonical.ts'
import type { Log } from './log.ts'
import { reduce, triesOf } from './metrics.ts'
import type { Difference } from './statistics.ts'
import { holm, pairedDifference } from './statistics.ts'

/** How the second solver differs from the first, at one task by one scorer. */
export interface Comparison extends Difference {
  readonly task: string
  readonly scorer: string
  readonly isJudge: boolean
  readonly first: {
    readonly solver: string
    readonly mean: number | null
    readonly tokens: number
    readonly usd: number
  }
  readonly second: Comparison['first']
  /** `p`, corrected for the number of rows (Holm 1979); a judge's rows are corrected by themselves. */
  readonly corrected: number | null
  /** Samples that only one of them has a score for: they are left out. */
  readonly unpaired: number
}

/** By task and scorer: second minus first. Throws `INVALID_ARGUMENT` where nothing can be paired, or a sample is not the same in both. */
export function compare(
  a: Log,
  b: Log,
  names: { readonly first?: string | undefined; readonly second?: string | undefined } = {},
): readonly Comparison[] {
  const first = solverOf(a, names.first, a === b ? 0 : undefined)
  const second = solverOf(b, names.second, a === b ? 1 : undefined)
  const rows = a.tasks.flatMap((task) => {
    const other = b.tasks.find((one) => one.name === task.name)
    if (other === undefined) return []
    if (other.version !== task.version)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `the logs have ${task.name} in versions ${task.version} and ${other.version}, which are not to be compared`,
      )
    checkSame(a, b, task.name)
    return task.scorers
      .filter((scorer) => other.scorers.some((one) => one.name === scorer.name))
      .map(({ name: scorer, isJudge }) => {
        const ofFirst = triesOf(a.trials, { task: task.name, solver: first, scorer })
        const ofSecond = new Map(
          triesOf(b.trials, { task: task.name, solver: second, scorer }).map((one) => [one.sample, one]),
        )
        const pairs = ofFirst.flatMap((one) => {
          const two = ofSecond.get(one.sample)
          const values = [reduce(one.values), two === undefined ? null : reduce(two.values)]
          return values.includes(null) ? [] : [{ cluster: one.cluster, values: values as [number, number] }]
        })
        const difference = pairedDifference(
          pairs.map(({ values }) => values[1]),
          pairs.map(({ values }) => values[0]),
          { clusters: pairs.map(({ cluster }) => cluster) },
        )
        const all = new Set([...ofFirst.map(({ sample }) => sample), ...ofSecond.keys()]).size
        const at = { task: task.name, scorer }
        return {
          ...at,
          isJudge,
          ...difference,
          first: sideOf(a, first, at),
          second: sideOf(b, second, at),
          unpaired: all - pairs.length,
        }
      })
  })
  if (rows.every(({ n }) => n === 0))
    throw new PolityError(
      'INVALID_ARGUMENT',
      `the logs have no sample that both ${first} and ${second} have a score for`,
    )
  const corrected = new Map<(typeof rows)[number], number>()
  for (const judged of [true, false]) {
    const tested = rows.filter(({ isJudge, p }) => isJudge === judged && p !== null)
    for (const [i, p] of holm(tested.map((row) => row.p as number)).entries())
      corrected.set(tested[i] as (typeof rows)[number], p)
  }
  return rows.map((row) => ({ ...row, corrected: corrected.get(row) ?? null }))
}

/** Questions of one name are one question: samples that are named by their line may be others in another file. */
function checkSame(a: Log, b: Log, task: string): void {
  const asked = (log: Log): Map<string, string> =>
    new Map(
      log.trials
        .filter((one) => one.task === task && one.episode === undefined)
        .map(({ sample, input, target = null }) => [sample, canonical([input, target])]),
    )
  const second = asked(b)
  for (const [sample, what] of asked(a))
    if ((second.get(sample) ?? what) !== what)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `the logs ask different things as sample ${sample} of ${task}; compare logs of the same data`,
      )
}

function solverOf(log: Log, name: string | undefined, place: number | undefined): string {
  const names = log.solvers.map((one) => one.name)
  const found = name ?? (place === undefined ? (names.length === 1 ? names[0] : undefined) : names[place])
  if (found !== undefined && names.includes(found)) return found
  throw new PolityError(
    'INVALID_ARGUMENT',
    name === undefined
      ? `name the solver that is meant: the log has ${names.join(', ')}`
      : `the log has no solver "${name}"; it has ${names.join(', ')}`,
  )
}

function sideOf(
  log: Log,
  solver: string,
  { task, scorer }: { readonly task: string; readonly scorer: string },
): Comparison['first'] {
  const result = log.results.find((one) => one.task === task && one.solver === solver && one.scorer === scorer)
  return { solver, mean: result?.mean ?? null, tokens: result?.cost.tokens ?? 0, usd: result?.cost.usd ?? 0 }
}
