/**
 * The table of docs/papers.md: a row for each experiment, in the order of their ids, each with the day on which it was run.
 *
 *     rowOf(experiment, measured, '2026-11-22')   // '| P4 | algorithm choice, … | 0.658, … | 1000 | ok | 2026-11-22 |'
 *     tableWith(part, experiments, [row])         // the table with this row; the others stay as they are
 *
 * Invariants
 *   T1. A row of an experiment that there no longer is goes with the next that is written.
 */
import type { Experiment, Measured } from './experiment.ts'

const HEAD = ['| id | bar | measured | seeds | | run on |', '| --- | --- | --- | --- | --- | --- |']

/** What is printed of a run, and stands in its row: id, what is planted and the bar, what was measured, seeds, how it ended. */
export function cellsOf({ id, what, bar, seeds }: Experiment, { measured, ok }: Measured): readonly string[] {
  return [id, `${what}: ${bar}`, measured, String(seeds), ok ? 'ok' : 'falls short'].map((cell) =>
    cell.replaceAll('|', String.raw`\|`).replaceAll(/\s+/g, ' '),
  )
}

/** @param day year-month-day */
export function rowOf(experiment: Experiment, measured: Measured, day: string): string {
  return `| ${[...cellsOf(experiment, measured), day].join(' | ')} |`
}

/** The rows of a table by their ids. @throws where two have one id */
export function rowsIn(text: string): ReadonlyMap<string, string> {
  const rows = new Map<string, string>()
  for (const line of text.split('\n').filter((one) => one.startsWith('| ') && !HEAD.includes(one))) {
    const id = cellsIn(line)[0] as string
    if (rows.has(id)) throw new Error(`two rows of ${id}`)
    rows.set(id, line)
  }
  return rows
}

/** The cells of a row as they were before they were written. */
export function cellsIn(row: string): readonly string[] {
  return row
    .slice(2, -2)
    .split(' | ')
    .map((cell) => cell.replaceAll(String.raw`\|`, '|'))
}

/** The table of a text that holds one, with these rows in the place of those with their ids. */
export function tableWith(text: string, experiments: readonly Experiment[], rows: readonly string[]): string {
  const all = new Map([...rowsIn(text), ...rowsIn(rows.join('\n'))])
  return [...HEAD, ...experiments.flatMap(({ id }) => all.get(id) ?? [])].join('\n')
}
