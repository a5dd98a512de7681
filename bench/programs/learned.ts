/**
 * What the teams of the table learn before they are asked, each in its own form and all from the same questions, which are never asked
 * (`learn` of exams.ts).
 *
 *     const { cards, rows, scorer } = await learnedFor(exam, crew)
 *
 * Nobody pays for it: what is learned once is the same for one question and for a million. What a program reads of it, asks or tries in a
 * try is paid like any other token: a card in a prompt, past questions that a router has embedded, a trial of a candidate.
 *
 * Invariant
 *   LE1. No question that is asked, and nothing that was said to one, is in it.
 */
import { annForward, type AnnPast } from '../../src/agents/ann-forward.ts'
import { dylan } from '../../src/agents/dylan.ts'
import { mostImportant } from '../../src/agents/pieces/agent-importance.ts'
import { tokensOf, type AgentTokens } from '../../src/agents/pieces/agent-tokens.ts'
import { AGGREGATIONS, type Aggregation } from '../../src/agents/pieces/aggregations.ts'
import { trainPruner, worthOf, type Pruner } from '../../src/agents/pieces/graph-pruning.ts'
import { trainAssignment, type AssignmentScorer } from '../../src/agents/pieces/joint-assignment.ts'
import type { Member } from '../../src/agents/pieces/team.ts'
import { plurality } from '../../src/agents/pieces/vote.ts'
import { boot } from '../../src/boot.ts'
import { hashingEmbedder } from '../../src/drivers/embedder/hashing.ts'
import { realClock } from '../../src/kernel/clock.ts'
import { keyed, range } from '../experiments/population.ts'
import { createCrowd, workerName, type CrowdOptions } from './crowd.ts'
import type { Exam, LearnQuestion } from './exams.ts'

export interface Learned {
  /** By worker, what its card says: how often it was right, and on which subjects most often. */
  readonly cards: readonly string[]
  /** By worker, questions that it answered right, without their numbers. */
  readonly demos: readonly (readonly string[])[]
  /** Of AgentStore, from all questions that each answered right. */
  readonly rows: AgentTokens
  /** Of M3, for one task that each of the crew can do. */
  readonly scorer: AssignmentScorer
  /** Of a router: past questions with how good each of the crew was. */
  readonly history: readonly { readonly question: string; readonly route: string; readonly quality: number }[]
  /** Of AGP, from teams that were tried by a vote. */
  readonly pruner: Pruner
  /** Of a network: how often the crew was right by each aggregation. */
  readonly past: readonly AnnPast[]
  /** By subject, the three who mattered most in DyLAN's nets. */
  readonly teams: { readonly [subject: string]: readonly Member[] }
}

/** What the crew is asked in a layer of a network. */
export const SUBTASK = 'Answer the question.'
/** Subjects that a card names, of those with so many questions at least. */
const [NAMED, ENOUGH] = [2, 10]
/** Questions of a document. */
const DEMOS = 3
/** Past questions that a router is given: four of each of seven subjects. */
export const PAST = 28
/** Teams that are tried on a question; passes of a network with each aggregation; nets over all subjects. */
const [TEAMS, PASSES, NETS] = [20, 30, 70]

export interface LearnedOptions extends CrowdOptions {
  /** Past questions that a router is given. @default PAST */
  readonly past?: number
}

/** What is learned of an exam. The other options are of the crowd that programs learn with. */
export async function learnedFor(
  exam: Exam,
  crew: readonly Member[],
  { past = PAST, ...readers }: LearnedOptions = {},
): Promise<Learned> {
  const { learn } = exam
  const names = crew.map(({ name }) => name)
  const vectors = await hashingEmbedder().embed(
    learn.map(({ text }) => text),
    { signal: new AbortController().signal },
  )
  const rightOf = (worker: number): readonly number[] =>
    range(learn.length).filter((i) => learn[i]?.right[worker] === true)
  const queries = learn.map(({ right }, i) => ({ query: vectors[i] as readonly number[], worked: right }))
  return {
    cards: names.map((_, worker) => cardOf(exam, worker)),
    demos: names.map((_, worker) =>
      rightOf(worker)
        .slice(0, DEMOS)
        .map((i) => (learn[i] as LearnQuestion).text.replace(/^Question q\d+: /, '')),
    ),
    rows: tokensOf(
      Object.fromEntries(
        names.map((name, worker) => [name, rightOf(worker).map((i) => vectors[i] as readonly number[])]),
      ),
    ),
    scorer: trainAssignment({ candidates: [names], edges: [] }, queries),
    history: learn.slice(0, past).flatMap(({ text, right }) =>
      names.flatMap((route, worker) => {
        const was = right[worker]
        return was === undefined ? [] : [{ question: text, route, quality: Number(was) }]
      }),
    ),
    pruner: trainPruner(queries.map(({ query }, i) => ({ query, worth: worthIn(exam, learn[i] as LearnQuestion) }))),
    ...(await tried(exam, crew, readers)),
  }
}

/** "Answers questions. Right on 46 % of others: geometry 86 %, law 52 %." */
function cardOf({ learn, shares }: Exam, worker: number): string {
  const asked = learn.filter(({ right }) => right[worker] !== undefined)
  const subjects = [...Map.groupBy(asked, ({ topic }) => topic)]
    .filter(([, those]) => those.length >= ENOUGH)
    .map(([name, those]) => ({
      name,
      share: those.filter(({ right }) => right[worker] === true).length / those.length,
    }))
    .toSorted((a, b) => b.share - a.share)
    .slice(0, NAMED)
  const named = subjects.map(({ name, share }) => `${name} ${percent(share)}`)
  return `Answers questions. Right on ${percent(shares[worker] as number)} of others: ${named.join(', ')}.`
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}

/** What each of the crew is worth to a vote on a question, from teams that are drawn of those who were asked; 0 of others. */
function worthIn(exam: Exam, question: LearnQuestion): readonly number[] {
  const isAsked = question.right.map((was) => was !== undefined)
  const answers = range(exam.workers).map((worker) => exam.draft(question, worker, 0))
  const teams = range(TEAMS).map((team) => {
    const members = isAsked.map((is, worker) => is && keyed(1, question.number, team, worker) < 0.5)
    const most = plurality(answers.filter((_, worker) => members[worker]))
    return { members, utility: Number(most === question.labels[0]) }
  })
  return worthOf(teams).map((worth, worker) => (isAsked[worker] === true ? worth : 0))
}

/** Programs that learn from their own runs have them here, on questions to learn from, each with those of the crew who were asked. */
async function tried(
  exam: Exam,
  crew: readonly Member[],
  readers: CrowdOptions,
): Promise<Pick<Learned, 'past' | 'teams'>> {
  const crowd = createCrowd(exam, readers)
  const kernel = await boot({ models: crowd.models, model: workerName(0), clock: realClock({ seed: 2 }) })
  try {
    const past: AnnPast[] = []
    for (const aggregation of Object.keys(AGGREGATIONS) as Aggregation[])
      for (const { text, labels, right } of exam.learn.slice(0, PASSES)) {
        crowd.begin()
        const layers = [{ subtask: SUBTASK, team: crew.filter((_, i) => right[i] !== undefined), aggregation }]
        const { answer } = await kernel.spawn(annForward, { question: text, layers }).result
        past.push({ subtask: SUBTASK, aggregation, score: Number(answer.includes(labels[0] as string)) })
      }
    const subjects = [...Map.groupBy(exam.learn, ({ topic }) => topic)]
    const teams: { [subject: string]: readonly Member[] } = {}
    for (const [subject, those] of subjects) {
      // By worker, its importance in each net that it was in.
      const found = crew.map((): number[] => [])
      for (const { text, right } of those.slice(0, Math.ceil(NETS / subjects.length))) {
        crowd.begin()
        const asked = range(crew.length).filter((worker) => right[worker] !== undefined)
        const members = asked.map((worker) => crew[worker] as Member)
        const { importance } = await kernel.spawn(dylan, { question: text, members }).result
        for (const [i, worker] of asked.entries()) found[worker]?.push(importance[i] as number)
      }
      const means = found.map((own) => own.reduce((sum, one) => sum + one, 0) / Math.max(1, own.length))
      teams[subject] = mostImportant([means], 3).map((worker) => crew[worker] as Member)
    }
    return { past, teams }
  } finally {
    await kernel.close()
  }
}
