/**
 * The tables of teams in docs/programs.md, from what came of their runs: scores with their costs, and each team beside one agent at
 * the same tokens.
 *
 * The one agent was asked 1, 3, 5 … times. Between two of these it is mixed: of its tries so many are with the more calls that the mean
 * of its tokens is the team's, and its score on a question is the mean of both in that share.
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
  /** How often a judgement is right, and the deviation of what is hard for one worker alone (exams.ts). */
  readonly judged: number
  readonly alike: number
  /** Programs that were not asked, with why. @default none */
  readonly left?: { readonly [name: string]: string }
}

/** Exams that are shown together. */
const GROUPS = [
  ['apart', (id: string) => id.endsWith('-apart') && !hasSubjects(id)],
  ['together', (id: string) => id.endsWith('-together') && !hasSubjects(id)],
  ['apart, alike', (id: string) => id.endsWith('-apart-alike') && !hasSubjects(id)],
  ['together, alike', (id: string) => id.endsWith('-together-alike') && !hasSubjects(id)],
  ['subjects', (id: string) => hasSubjects(id) && !id.endsWith('-alike')],
  ['subjects, alike', (id: string) => hasSubjects(id) && id.endsWith('-alike')],
  ['recorded', isRecorded],
] as const
const SIGNIFICANT = 0.05

function hasSubjects(id: string): boolean {
  return id.startsWith('subjects-')
}

function isRecorded(id: string): boolean {
  return !id.includes('-')
}

/** A team beside one agent, over some exams. */
export interface Beside extends Difference {
  readonly name: string
  /** Corrected for the number of teams. */
  readonly corrected: number | null
  /** Of a try, over these exams: the team's, and the one agent's. */
  readonly tokens: readonly [team: number, one: number]
}

export function teamTable(runs: readonly TeamRun[], facts: TeamTableFacts): string {
  const { tokens, a, b, judged, alike, left = {} } = facts
  const columns = GROUPS.map(([title, isOf]) => ({ title, of: runs.filter(({ exam }) => isOf(exam.id)) })).filter(
    ({ of }) => of.length > 0,
  )
  const found = columns.map(({ title, of }) => ({ title, of, besides: besideOne(of) }))
  const planted = found.filter(({ of }) => of.some(({ exam }) => !isRecorded(exam.id)))
  const teams = namesOf(runs).map((name) => ({ name, spent: meanTokens(pairsOf(runs, name)) }))
  const questions = runs.map(({ exam }) => `${exam.id} ${exam.questions.length} (${exam.what})`)
  return [
    `Questions: ${questions.join('; ')}. The budget of a try is ${tokens.toLocaleString('en')} tokens; who reads is swayed to the right answer by ${a}·k/n and away from it by ${b}·(1 - k/n); a judgement is right in ${judged} of all cases; where workers repeat themselves, a question is hard for one of them alone by a deviation of ${alike}. Scores are shares of right answers with their standard errors, a question being a cluster; tokens and calls, of models and of an embedder, are means of a try over all exams. *On the front*: on how many exams nobody else scored as much for as few tokens.`,
    scores(runs),
    'Each team less one agent at the tokens that the team spent on that exam, question by question; in bold where that is no chance (p < .05 by sign flips, after Holm over the teams of the column). The one agent is a mixture of the two numbers of calls between whose tokens the team’s lie; the tokens of both are means of a try over all exams, and differ where a team spends less than one call or more than the most.',
    markdown(
      ['team', 'its tokens', 'of one agent', ...found.map(({ title }) => title)],
      teams.map(({ name, spent }) => [
        `\`${name}\``,
        ...spent.map(wholeText),
        ...found.map(({ besides }) => differenceText(besides.find((one) => one.name === name))),
      ]),
    ),
    ...found.map(({ title, besides }) => inWords(title, besides)),
    ...(planted.length < 2 ? [] : [throughout(planted.map(({ besides }) => besides))]),
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
  const rows = namesOf(runs).map((name) => {
    const pairs = pairsOf(runs, name)
    const difference = pairedDifference(
      pairs.map(({ values }) => values[0]),
      pairs.map(({ values }) => values[1]),
      { clusters: pairs.map(({ cluster }) => cluster) },
    )
    return { name, tokens: meanTokens(pairs), ...difference }
  })
  const corrected = holm(rows.map(({ p }) => p ?? 1))
  return rows.map((row, i) => ({ ...row, corrected: row.p === null ? null : (corrected[i] as number) }))
}

function namesOf(runs: readonly TeamRun[]): readonly string[] {
  return (runs[0]?.teams ?? []).map(({ name }) => name)
}

/** A question, with what the team and the one agent scored on it and spent. */
interface Pair {
  readonly cluster: string
  readonly values: readonly [team: number, one: number]
  readonly tokens: readonly [team: number, one: number]
}

function pairsOf(runs: readonly TeamRun[], name: string): readonly Pair[] {
  return runs.flatMap(({ teams, one }) => {
    const team = teams.find((each) => each.name === name) as Outcome
    const other = sameTokens(team, one)
    return team.trials.map((trial) => ({
      cluster: trial.cluster,
      values: [valueOf(trial), other.valueOn(trial.sample)] as const,
      tokens: [spentBy(trial), other.tokens] as const,
    }))
  })
}

function meanTokens(pairs: readonly Pair[]): Beside['tokens'] {
  const mean = (side: 0 | 1): number =>
    pairs.reduce((sum, { tokens }) => sum + tokens[side], 0) / Math.max(1, pairs.length)
  return [mean(0), mean(1)]
}

/** The one agent at the tokens of a team. */
export interface Mixed {
  /** Its names with the fewer and the more calls; the same where the team spends less than a single call, or more than the most. */
  readonly names: readonly [few: string, many: string]
  /** How many of its tries are with the more calls. */
  readonly share: number
  /** Of a try, on the mean. */
  readonly tokens: number
  /** Its score on a question. */
  valueOn(sample: string): number
}

/** The one agent mixed of the two numbers of calls between whose tokens the team's lie, so that it spends as many. @param one by calls */
export function sameTokens(team: Outcome, one: readonly Outcome[]): Mixed {
  const spent = tokensOf(team)
  const place = one.findIndex((each) => tokensOf(each) >= spent)
  const many = one.at(place)
  if (many === undefined) throw new Error('there is no one agent to hold a team against')
  const few = place > 0 ? (one[place - 1] as Outcome) : many
  const [low, high] = [tokensOf(few), tokensOf(many)]
  const share = high === low ? 1 : (spent - low) / (high - low)
  const [less, more] = [few, many].map(({ trials }) => new Map(trials.map((trial) => [trial.sample, valueOf(trial)])))
  return {
    names: [few.name, many.name],
    share,
    tokens: low + share * (high - low),
    valueOn: (sample) => (1 - share) * (less?.get(sample) ?? 0) + share * (more?.get(sample) ?? 0),
  }
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
        wholeText(mean(spentBy)),
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

/** Which teams lose, or win, in all of these columns, and which do both. */
function throughout(columns: readonly (readonly Beside[])[]): string {
  const signs = (name: string): readonly number[] =>
    columns.map((besides) => {
      const one = besides.find((each) => each.name === name)
      return one !== undefined && isSure(one) ? Math.sign(one.mean ?? 0) : 0
    })
  const named = (is: (signs: readonly number[]) => boolean): string =>
    (columns[0] ?? []).flatMap(({ name }) => (is(signs(name)) ? [`\`${name}\``] : [])).join(', ') || 'none'
  const lose = named((of) => of.every((sign) => sign < 0))
  const win = named((of) => of.every((sign) => sign > 0))
  const both = named((of) => of.includes(-1) && of.includes(1))
  return `*All columns of simulated workers*. Lose in each: ${lose}. Win in each: ${win}. Lose in one and win in another: ${both}.`
}

function valueOf({ scores: { right } }: Outcome['trials'][number]): number {
  return right?.value ?? 0
}

function tokensOf({ trials }: Outcome): number {
  return trials.reduce((sum, trial) => sum + spentBy(trial), 0) / Math.max(1, trials.length)
}

function spentBy({ usage }: Outcome['trials'][number]): number {
  return usage.inputTokens + usage.outputTokens
}

function wholeText(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
