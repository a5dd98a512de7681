/**
 * The tables of docs/programs.md, from the logs of their runs: with the scripted policy a row for each program and a column for each
 * world; with the offline model one score over all worlds.
 */
import type { Log, Result, Trial } from '../../src/evaluation/log.ts'
import { estimate } from '../../src/evaluation/statistics.ts'
import type { Acting } from './entries.ts'

/** What all programs did in one world with one model. */
export interface Ran {
  readonly model: 'offline' | 'scripted'
  readonly world: string
  readonly log: Log
  /** Pids of the tries in which a model call was refused because the tokens were used up. */
  readonly refused: ReadonlySet<number>
}

export interface TableFacts {
  readonly tokens: number
  readonly seeds: number
  readonly errs: number
  readonly left: readonly { readonly name: string; readonly why: string }[]
  readonly without: readonly string[]
}

type Row = Pick<Acting, 'solver'>

export function tableOf(runs: readonly Ran[], acting: readonly Row[], facts: TableFacts): string {
  const { tokens, seeds, errs, left, without } = facts
  const [scripted, offline] = (['scripted', 'offline'] as const).map((model) =>
    runs.filter((one) => one.model === model),
  ) as [Ran[], Ran[]]
  const settings = acting.flatMap(({ solver: { name, input } }) =>
    input === undefined ? [] : [`\`${name}\` \`${JSON.stringify(input)}\``],
  )
  const reasons = Map.groupBy(left, ({ why }) => why)
  const parts = [
    `Scores are means of ${seeds} seeds with their standard errors. Tokens, model calls and turns are means of a try over all worlds; then in how many tries the ${tokens.toLocaleString('en')} tokens were used up, and in how many something else failed. Every program is told its score in the end (\`tellScore\`). The tokens and the number of seeds were chosen after shorter runs, in which some programs ran out.`,
    scripted.length === 0
      ? ''
      : `**A scripted policy that errs in ${Math.round(errs * 100)} % of its actions**\n\n${byWorld(scripted, acting)}`,
    offline.length === 0 ? '' : `**The offline reader**\n\n${overall(offline, acting)}`,
    'What goes on from forks of itself plays `forage` alone: in a fork of one of two players the other does nothing.',
    `Settings that are not a program’s own: ${settings.join('; ') || 'none'}.`,
    left.length === 0
      ? ''
      : `Not in the table:\n\n${[...reasons].map(([why, those]) => `- ${named(those.map(({ name }) => name))}: ${why}.`).join('\n')}`,
    without.length === 0 ? '' : `Nothing is said yet of ${named(without)}.`,
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

const COSTS = ['tokens', 'calls', 'turns', 'out of tokens', 'failed']

function byWorld(runs: readonly Ran[], acting: readonly Row[]): string {
  return markdown(
    ['program', ...runs.map(({ world }) => world), ...COSTS],
    acting.map(({ solver: { name } }) => [
      `\`${name}\``,
      ...runs.map(({ log }) => scoreText(log.results.find(({ solver }) => solver === name))),
      ...costs(runs, name),
    ]),
  )
}

function overall(runs: readonly Ran[], acting: readonly Row[]): string {
  return markdown(
    ['program', 'all worlds', ...COSTS],
    acting.map(({ solver: { name } }) => [
      `\`${name}\``,
      scoreText(estimate(triesOf(runs, name).flatMap(({ scores }) => scores['episode']?.value ?? []))),
      ...costs(runs, name),
    ]),
  )
}

function triesOf(runs: readonly Ran[], name: string): readonly Trial[] {
  return runs.flatMap(({ log }) => log.trials.filter(({ solver }) => solver === name))
}

function costs(runs: readonly Ran[], name: string): readonly string[] {
  const trials = triesOf(runs, name)
  const mean = (of: (trial: Trial) => number): number =>
    trials.length === 0 ? 0 : trials.reduce((sum, one) => sum + of(one), 0) / trials.length
  const isOut = runs.flatMap(({ log, refused }) =>
    log.trials.filter(({ solver, pid }) => solver === name && refused.has(pid)),
  )
  const failed = trials.filter(({ error }) => error !== undefined && error.code !== 'BUDGET_EXCEEDED')
  return [
    Math.round(mean(({ usage }) => usage.inputTokens + usage.outputTokens)).toLocaleString('en'),
    mean(({ usage }) => usage.steps).toFixed(1),
    mean(({ episode }) => episode?.steps ?? 0).toFixed(1),
    `${isOut.length} of ${trials.length}`,
    `${failed.length} of ${trials.length}`,
  ]
}

function scoreText(score: Pick<Result, 'mean' | 'stderr'> | undefined): string {
  if (score?.mean === null || score?.mean === undefined) return '–'
  return `${score.mean.toFixed(2)} ± ${score.stderr === null ? '–' : score.stderr.toFixed(2)}`
}

function named(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ')
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
