/**
 * The tables of teams in docs/programs.md, from what came of their runs: scores with their costs, and each team beside the one agent that
 * spends as many tokens.
 *
 * Scores are of questions, each a cluster of its own; differences are paired by question (Miller 2024), with Holm's correction over
 * the teams of a column.
 */
import { resultsOf } from '../../src/evaluation/metrics.ts'
import { holm, pairedDifference, type Difference } from '../../src/evaluation/statistics.ts'
import type { Outcome, TeamRun } from './team-runs.ts'

export interface TeamTableFacts {
  readonly tokens: number
  readonly a: number
  readonly b: number
  /** Programs that were not asked, with why. @default none */
  readonly left?: { readonly [name: string]: string }
}

/** Exams that are shown together. */
const GROUPS = [
  ['err apart', (id: string) => id.endsWith('-apart')],
  ['err together', (id: string) => id.endsWith('-together')],
  ['recorded', (id: string) => !id.includes('-')],
] as const
const SIGNIFICANT = 0.05

/** A team beside one agent, over some exams. */
export interface Beside extends Difference {
  readonly name: string
  /** Corrected for the number of teams. */
  readonly corrected: number | null
}

export function teamTable(runs: readonly TeamRun[], { tokens, a, b, left = {} }: TeamTableFacts): string {
  const columns = GROUPS.map(([title, isOf]) => ({ title, of: runs.filter(({ exam }) => isOf(exam.id)) })).filter(
    ({ of }) => of.length > 0,
  )
  const found = columns.map(({ title, of }) => ({ title, besides: besideOne(of) }))
  const questions = runs.map(({ exam }) => `${exam.id} ${exam.questions.length} (${exam.what})`)
  return [
    `Questions: ${questions.join('; ')}. The budget of a try is ${tokens.toLocaleString('en')} tokens; who reads is swayed to the right answer by ${a}·k/n and away from it by ${b}·(1 - k/n). Scores are shares of right answers with their standard errors, a question being a cluster; tokens and model calls are means of a try over all exams. *On the front*: on how many exams nobody else scored as much for as few tokens.`,
    scores(runs),
    'Each team less the one agent that is asked as often as the tokens that the team spent there allow, question by question; in bold where that is no chance (p < .05 by sign flips, after Holm over the teams of the column).',
    markdown(
      ['team', ...found.map(({ title }) => title)],
      (found[0]?.besides ?? []).map(({ name }) => [
        `\`${name}\``,
        ...found.map(({ besides }) => differenceText(besides.find((one) => one.name === name))),
      ]),
    ),
    ...found.map(({ title, besides }) => inWords(title, besides)),
    ...leftText(left),
  ].join('\n\n')
}

function leftText(left: { readonly [name: string]: string }): string[] {
  const reasons = Map.groupBy(Object.entries(left), ([, why]) => why)
  const lines = [...reasons].map(([why, those]) => `- ${those.map(([name]) => `\`${name}\``).join(', ')}: ${why}.`)
  return lines.length === 0 ? [] : [`Not asked:\n\n${lines.join('\n')}`]
}

/** How each team does beside the one agent at its tokens, over these exams. */
export function besideOne(runs: readonly TeamRun[]): readonly Beside[] {
  const names = (runs[0]?.teams ?? []).map(({ name }) => name)
  const rows = names.map((name) => {
    const pairs = runs.flatMap(({ teams, one }) => {
      const team = teams.find((each) => each.name === name) as Outcome
      const other = new Map(sameTokens(team, one).trials.map((trial) => [trial.sample, valueOf(trial)]))
      return team.trials.map((trial) => [trial.cluster, valueOf(trial), other.get(trial.sample) ?? 0] as const)
    })
    const difference = pairedDifference(
      pairs.map(([, first]) => first),
      pairs.map(([, , second]) => second),
      { clusters: pairs.map(([cluster]) => cluster) },
    )
    return { name, ...difference }
  })
  const corrected = holm(rows.map(({ p }) => p ?? 1))
  return rows.map((row, i) => ({ ...row, corrected: row.p === null ? null : (corrected[i] as number) }))
}

/** The one agent with the most calls that spends no more than the team; a single call where even that is more. */
export function sameTokens(team: Outcome, one: readonly Outcome[]): Outcome {
  const spent = tokensOf(team)
  const first = one[0]
  if (first === undefined) throw new Error('there is no one agent to hold a team against')
  return one.findLast((each) => tokensOf(each) <= spent) ?? first
}

function scores(runs: readonly TeamRun[]): string {
  const outcomes = (run: TeamRun): readonly Outcome[] => [...run.one, ...run.teams]
  const results = runs.map((run) => {
    const all = outcomes(run)
    const [first] = all
    return first === undefined
      ? []
      : resultsOf({
          epochs: 1,
          tasks: [first.task],
          solvers: all.map(({ name }) => ({ name, programs: [], model: '' })),
          trials: all.flatMap(({ trials }) => trials),
        })
  })
  const names = runs[0] === undefined ? [] : outcomes(runs[0]).map(({ name }) => name)
  return markdown(
    ['program', ...runs.map(({ exam }) => exam.id), 'tokens', 'calls', 'on the front', 'out of tokens', 'failed'],
    names.map((name) => {
      const own = results.map((of) => of.find(({ solver }) => solver === name))
      const ran = runs.flatMap((run) => outcomes(run).filter((one) => one.name === name))
      const trials = ran.flatMap((one) => one.trials)
      const mean = (of: (trial: (typeof trials)[number]) => number): number =>
        trials.reduce((sum, one) => sum + of(one), 0) / Math.max(1, trials.length)
      const failed = trials.filter(({ error }) => error !== undefined && error.code !== 'BUDGET_EXCEEDED')
      return [
        `\`${name}\``,
        ...own.map((one) => (one?.mean == null ? '–' : `${one.mean.toFixed(2)} ± ${one.stderr?.toFixed(2) ?? '–'}`)),
        Math.round(mean(({ usage }) => usage.inputTokens + usage.outputTokens)).toLocaleString('en'),
        mean(({ usage }) => usage.steps).toFixed(1),
        `${own.filter((one) => one?.isOnFront === true).length} of ${own.length}`,
        `${ran.reduce((sum, { refused }) => sum + refused, 0)} of ${trials.length}`,
        String(failed.length),
      ]
    }),
  )
}

function differenceText(one: Beside | undefined): string {
  if (one?.mean == null) return '–'
  const text = `${one.mean < 0 ? '−' : '+'}${Math.abs(one.mean).toFixed(3)} ± ${one.stderr?.toFixed(3) ?? '–'}`
  return isSure(one) ? `**${text}**` : text
}

function isSure({ corrected }: Beside): boolean {
  return corrected !== null && corrected < SIGNIFICANT
}

/** Who loses and who wins, said. */
function inWords(title: string, besides: readonly Beside[]): string {
  const named = (is: (one: Beside) => boolean): string =>
    besides
      .filter(is)
      .map(({ name }) => `\`${name}\``)
      .join(', ') || 'none'
  const loses = named((one) => isSure(one) && (one.mean ?? 0) < 0)
  const wins = named((one) => isSure(one) && (one.mean ?? 0) > 0)
  const level = named((one) => !isSure(one))
  return `*${title}*. Lose to one agent at the same tokens: ${loses}. Win: ${wins}. Cannot be told apart: ${level}.`
}

function valueOf({ scores: { right } }: Outcome['trials'][number]): number {
  return right?.value ?? 0
}

function tokensOf({ trials }: Outcome): number {
  return trials.reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0) / Math.max(1, trials.length)
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
