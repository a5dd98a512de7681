/**
 * What `polity evaluate` prints of a log, of a comparison and of replayed actions: tables as wide as is asked for.
 *
 *     context.result(resultsText(log, out.columns), log)
 *     for (const line of troubleOf(log)) context.note(line)
 *
 * The columns are the same whatever was measured; only a terminal that is too narrow leaves some out.
 */
import type { Replayed } from '../evaluation/actions.ts'
import type { Comparison } from '../evaluation/compare.ts'
import type { Log, Trial } from '../evaluation/log.ts'
import { table, wrap } from './table.ts'
import { oneLine } from './terminal.ts'

/** A row for each solver at each task by each scorer. */
export function resultsText(log: Log, width: number): string {
  const k = String(log.epochs)
  const lines = table(
    [
      { title: 'TASK', widthMin: 12 },
      { title: 'SOLVER', widthMin: 10 },
      { title: 'SCORER', rank: 3 },
      { title: 'MEAN', align: 'right' },
      { title: '95 % INTERVAL', align: 'right', rank: 0 },
      { title: `PASS@${k}`, align: 'right', rank: 6 },
      { title: `PASS^${k}`, align: 'right', rank: 6 },
      { title: 'SCORED', align: 'right', rank: 2 },
      { title: 'TOKENS', align: 'right' },
      { title: 'USD', align: 'right', rank: 4 },
      { title: 'CALLS', align: 'right', rank: 5 },
      { title: 'PARETO', rank: 1 },
    ],
    log.results.map((one) => {
      const tries = log.trials.filter(({ task, solver }) => task === one.task && solver === one.solver).length
      return [
        one.task,
        one.solver,
        scorerText(one.scorer, one.isJudge),
        shareOf(one.mean),
        one.interval === null ? '–' : `${one.interval[0].toFixed(3)} to ${one.interval[1].toFixed(3)}`,
        shareOf(one.passAt[k]),
        shareOf(one.passHat[k]),
        `${tries - one.unscored}/${tries}`,
        String(Math.round(one.cost.tokens)),
        one.cost.usd.toFixed(4),
        one.cost.steps.toFixed(1),
        one.isOnHull ? 'hull' : one.isOnFront ? 'front' : '–',
      ]
    }),
    width,
  )
  return lines.join('\n')
}

/** Characters of an error that a line has. */
const ERROR_CHARS_MAX = 200

/**
 * What a table does not tell, a line each: tries that ended with an error, calls of tools in the log that failed, such as a turn
 * after which the state of the world would have been larger than the kernel keeps, and costs that are not known.
 */
export function troubleOf({ tasks, solvers, trials }: Log): string[] {
  return tasks.flatMap(({ name: task }) =>
    solvers.flatMap(({ name: solver }) => {
      const own = trials.filter((trial) => trial.task === task && trial.solver === solver)
      const calls = own.flatMap((trial) => trial.calls).filter(({ call }) => call === 'call')
      return [
        ...counted(
          own.flatMap(({ error }) => error ?? []),
          `of ${own.length} tries of ${solver} at ${task} ended with`,
        ),
        ...counted(
          calls.flatMap(({ failed, end = '' }) => (failed === true ? [errorIn(end)] : [])),
          `calls of tools by ${solver} at ${task} failed with`,
        ),
        ...unsettledText(own, `${solver} at ${task}`),
      ]
    }),
  )
}

function unsettledText(trials: readonly Trial[], who: string): string[] {
  const found = trials.flatMap(({ unsettled }) => unsettled ?? [])
  const tokens = found.reduce((sum, one) => sum + one.tokens, 0)
  return found.length === 0
    ? []
    : [
        `${found.length} of ${trials.length} tries of ${who} count ${tokens} tokens that were set aside for calls of which a crash, a time-out or a kill left the cost unknown`,
      ]
}

/** By code, with the first message of each. */
function counted(errors: readonly { readonly code: string; readonly message: string }[], what: string): string[] {
  const byCode = Map.groupBy(errors, ({ code }) => code)
  return [...byCode].map(([code, [first, ...more]]) => {
    const message = oneLine(first?.message ?? '').slice(0, ERROR_CHARS_MAX)
    return `${more.length + 1} ${what} ${code}: ${message}`
  })
}

/** The error in the end of a call, which may have been cut. */
function errorIn(end: string): { readonly code: string; readonly message: string } {
  try {
    return JSON.parse(end) as { readonly code: string; readonly message: string }
  } catch {
    return { code: /"code":"(\w+)"/.exec(end)?.[1] ?? 'an error', message: end }
  }
}

/** A row for each task and scorer: the second solver minus the first. */
export function comparisonText(rows: readonly Comparison[], width: number): string {
  const [row] = rows
  const lines = table(
    [
      { title: 'TASK', widthMin: 12 },
      { title: 'SCORER', rank: 4 },
      { title: 'FIRST', align: 'right', rank: 2 },
      { title: 'SECOND', align: 'right', rank: 2 },
      { title: 'DIFFERENCE', align: 'right' },
      { title: '95 % INTERVAL', align: 'right' },
      { title: 'P (HOLM)', align: 'right', rank: 1 },
      { title: 'BETTER/WORSE/EQUAL', align: 'right', rank: 5 },
      { title: 'TOKENS', align: 'right', rank: 3 },
    ],
    rows.map((one) => [
      one.task,
      scorerText(one.scorer, one.isJudge),
      shareOf(one.first.mean),
      shareOf(one.second.mean),
      signed(one.mean),
      one.interval === null ? '–' : `${signed(one.interval[0])} to ${signed(one.interval[1])}`,
      one.corrected === null ? '–' : one.corrected.toFixed(4),
      `${one.better}/${one.worse}/${one.equal}`,
      `${Math.round(one.first.tokens)} → ${Math.round(one.second.tokens)}`,
    ]),
    width,
  )
  const leftOut = rows
    .filter(({ unpaired }) => unpaired > 0)
    .map(
      ({ task, scorer, n, unpaired }) =>
        `${task}, ${scorer}: ${unpaired} of ${n + unpaired} samples left out, not scored for both`,
    )
  const title = `second (${row?.second.solver}) minus first (${row?.first.solver}), on the same samples`
  return [wrap(title, width), ...lines, ...leftOut.map((line) => wrap(line, width))].join('\n')
}

/** A row for each recorded episode. */
export function replayedText(rows: readonly Replayed[], width: number): string {
  const lines = table(
    [
      { title: 'EPISODE', widthMin: 8 },
      { title: 'SCORE', align: 'right' },
      { title: 'TURNS', align: 'right' },
      { title: 'END' },
      { title: 'ERRORS', align: 'right' },
      { title: 'STATE', rank: 1 },
    ],
    rows.map((row) => [
      row.id,
      shareOf(row.score),
      String(row.steps),
      row.failure !== undefined ? 'failed' : row.done ? 'done' : 'not over',
      String(row.errors.length),
      row.stateHash.slice(0, 16),
    ]),
    width,
  )
  return lines.join('\n')
}

function scorerText(scorer: string, isJudge: boolean): string {
  return isJudge ? `${scorer} (a model judges)` : scorer
}

function shareOf(value: number | null | undefined): string {
  return typeof value === 'number' ? value.toFixed(3) : '–'
}

function signed(value: number | null): string {
  return value === null ? '–' : `${value > 0 ? '+' : ''}${value.toFixed(3)}`
}
