/**
 * Fits the weights of the offline reader and writes them to src/drivers/llm/reader-weights.ts.
 *
 *     npm ci --prefix test/quality/training --ignore-scripts
 *     node scripts/fit-reader.ts                  figures by cross-validation only
 *     node scripts/fit-reader.ts --write          and the weights
 *     node scripts/fit-reader.ts --without kin    the same without some features, comma separated: an ablation
 *     node scripts/fit-reader.ts --evidence x     keeps what was retrieved in the file x, or takes it from there
 *
 * It learns from the training questions (test/quality/training) and from the tuning part of the paraphrased questions (test/quality/questions). Held-out questions are dropped before anything is
 * asked, and the plain ones are never read.
 *
 * The score is a log-linear model over the sentences retrieved for a question: its weights make the right sentences likely (the sum of their shares under a softmax), with a penalty on large weights
 * and a sign that each weight may not leave. The support is a logistic regression over the best sentences that models fitted without their own corpus chose.
 *
 * Figures are crossed by corpus: the questions of a folder are judged by weights that never saw a question about it, as a user's folder is. The threshold below which it refuses is the one that
 * refuses `refusedShare` of the unanswerable questions of the tuning part with the final weights.
 *
 * Everything is deterministic, but what is retrieved depends a little on the weights in place: from other weights, run it twice.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LanguageModelV4 } from '@ai-sdk/provider'
import { openFolderIndex } from '../src/drivers/folder/folder-index.ts'
import { folderTools } from '../src/drivers/folder/tools.ts'
import { readPrompt, type Evidence } from '../src/drivers/llm/reader-evidence.ts'
import { featureNames, measureSentences, type Features } from '../src/drivers/llm/reader-features.ts'
import { parseQuestion } from '../src/drivers/llm/reader-question.ts'
import { reader } from '../src/drivers/llm/reader.ts'
import { corpusNames, prepareCorpus } from '../test/quality/corpora.ts'
import { ask, questionsOf } from '../test/quality/reader-quality.ts'
import { prepareTrainingCorpus, trainingCorpusNames } from '../test/quality/training/corpora.ts'

/** What was retrieved for one question, and the lines of it that are right. */
interface Retrieved {
  readonly id: string
  readonly corpus: string
  readonly question: string
  readonly isAnswerable: boolean
  readonly evidence: readonly Evidence[]
  readonly wordScores: readonly (readonly [string, number])[]
  /** `path:line` of every line at which a citation would be right. */
  readonly right: readonly string[]
}

/** A sentence as numbers. */
interface Row {
  readonly values: Float64Array
  readonly source: string
  readonly isRight: boolean
}

interface Case {
  readonly id: string
  readonly corpus: string
  readonly isAnswerable: boolean
  readonly rows: readonly Row[]
}

const rounds = 200
const stepSize = 0.1
/** Of the sentences of a question, as many as these that hold most of it are compared. */
const rowsMax = 120
const penalty = 0.001
const supportPenalty = 0.0002
/** Of each question, as many of the best sentences teach the support. */
const supportRows = 10
const supportRounds = 500
/** Of the unanswerable questions of the tuning part, the share that the threshold must refuse. */
const refusedShare = 0.9
/** The same of all unanswerable questions fitted on, for the figures; those of the training set are the harder ones. */
const refusedShareCrossed = 0.8
/** What a wrong sentence for an answerable question counts in the support, where one for an unanswerable question counts 1. */
const wrongShare = 0.1
type Sign = -1 | 0 | 1

const negative = new Set([
  'lostMost',
  'lostName',
  'absent',
  'headLost',
  'unfit',
  'asking',
  'title',
  'code',
  'table',
  'short',
  'long',
])
const holding: readonly (keyof Features)[] = [
  'here',
  'kin',
  'near',
  'heading',
  'path',
  'fits',
  'defining',
  'alikeNear',
  'gist',
]
/** What the score leaves to the support: these say more of the question than of the sentence. */
const supportOnly: ReadonlySet<string> = new Set(['held', 'heldNear', 'lost', 'lostHeaviest', 'asked'])
const signOf = (name: string): Sign => (negative.has(name) ? -1 : 1)
const anySign = (): Sign => 0

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      write: { type: 'boolean', default: false },
      without: { type: 'string', default: '' },
      evidence: { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  })
  const retrieved = await retrieve(values.evidence)
  const without = new Set(values.without.split(',').filter((each) => each !== ''))
  const names = featureNames.filter((name) => !without.has(name))
  const cases = retrieved.map((each) => toCase(each, names))
  const answerable = cases.filter((each) => each.isAnswerable)
  const scored = names.map((name) => !supportOnly.has(name))
  const fitScore = (train: readonly Case[]): Float64Array =>
    fitSoftmax(
      train.filter((each) => each.isAnswerable && each.rows.some((row) => row.isRight)),
      names.map((name, index) => (scored[index] ? signOf(name) : undefined)),
    )

  const corpora = [...new Set(cases.map((each) => each.corpus))]
  const modelWithout = new Map(
    corpora.map((corpus) => [corpus, fitScore(cases.filter((each) => each.corpus !== corpus))]),
  )
  const judged = cases.map((each) => {
    const top = best(each.rows, modelWithout.get(each.corpus) as Float64Array, supportRows)
    return {
      ...each,
      top,
      isRight: top[0]?.isRight === true,
      any: top.slice(0, 3).some((row) => row.isRight),
    }
  })
  const ranks = judged.filter((each) => each.isAnswerable)
  const all = fitScore(cases)
  const fitted = answerable.map((each) => best(each.rows, all))
  const supportSet = judged.flatMap(({ corpus, top, isAnswerable }) =>
    top.map((row, place) => ({
      corpus,
      values: row.values,
      isAnswerable,
      isRight: row.isRight,
      share: 1 / (1 + place),
    })),
  )
  const supportWithout = new Map(
    corpora.map((corpus) => [
      corpus,
      fitLogistic(
        supportSet.filter((each) => each.corpus !== corpus),
        names,
      ),
    ]),
  )
  const supports = judged.map((each) => ({
    ...each,
    support: supportOf(each.top, supportWithout.get(each.corpus) as Float64Array),
  }))
  const threshold = thresholdOf(supports, refusedShareCrossed)
  const kept = supports.filter((each) => each.support >= threshold)
  const count = (list: readonly unknown[]): string => `${list.length}/${answerable.length}`
  console.log(
    `reach ${count(answerable.filter((each) => each.rows.some((row) => row.isRight)))}`,
    `| ranking, crossed: first ${count(ranks.filter((each) => each.isRight))} top3 ${count(ranks.filter((each) => each.any))}`,
    `| fitted: first ${count(fitted.filter((top) => top[0]?.isRight))} top3 ${count(fitted.filter((top) => top.some((row) => row.isRight)))}`,
    `| with refusal, crossed: first ${count(kept.filter((each) => each.isRight))} top3 ${count(kept.filter((each) => each.any))} refused ${supports.filter((each) => !each.isAnswerable && each.support < threshold).length}/${cases.length - answerable.length}`,
    without.size > 0 ? `| without ${[...without].join(',')}` : '',
  )
  const at = (share: number): string => {
    const limit = thresholdOf(supports, share)
    const left = supports.filter((each) => each.support >= limit)
    return `${left.filter((each) => each.isRight).length}/${left.filter((each) => each.any).length}`
  }
  console.log(
    '  first/top3 at refusals of',
    [0.75, 0.8, 0.85, 0.9, 0.93].map((share) => `${share}: ${at(share)}`).join('  '),
  )
  for (const corpus of corpora) {
    const own = supports.filter((each) => each.corpus === corpus)
    const asked = own.filter((each) => each.isAnswerable)
    const answered = asked.filter((each) => each.support >= threshold)
    const none = own.filter((each) => !each.isAnswerable)
    console.log(
      `  ${corpus.padEnd(16)} ranking ${asked.filter((each) => each.isRight).length}/${asked.filter((each) => each.any).length} with refusal ${answered.filter((each) => each.isRight).length}/${answered.filter((each) => each.any).length} of ${asked.length}, refused ${none.filter((each) => each.support < threshold).length}/${none.length}`,
    )
  }
  if (values.verbose) {
    for (const each of ranks) if (!each.isRight) console.log(each.id, each.any ? '(top 3)' : '')
    for (const each of supports)
      if (each.isAnswerable ? each.isRight && each.support < threshold : each.support >= threshold)
        console.log('support', each.id, each.support.toFixed(2), threshold.toFixed(2))
  }
  if (values.verbose || values.write) {
    const support = fitLogistic(supportSet, names)
    const isMeasured = (corpus: string): boolean => (corpusNames as readonly string[]).includes(corpus)
    const deployed = cases
      .filter((each) => isMeasured(each.corpus))
      .map((each) => ({ isAnswerable: each.isAnswerable, support: supportOf(best(each.rows, all), support) }))
    const text = weightsText(names, all, support, thresholdOf(deployed, refusedShare))
    if (values.write)
      await writeFile(join(import.meta.dirname, '..', 'src', 'drivers', 'llm', 'reader-weights.ts'), text)
    else console.log(text)
  }
}

// ---- what is retrieved -----------------------------------------------------------------------------------------

async function retrieve(keptIn: string | undefined): Promise<Retrieved[]> {
  if (keptIn !== undefined) {
    const text = await readFile(keptIn, 'utf8').catch(() => undefined)
    if (text !== undefined) return JSON.parse(text) as Retrieved[]
  }
  const parent = await mkdtemp(join(tmpdir(), 'fit-reader-'))
  const found: Retrieved[] = []
  for (const { corpus, folder, questions } of await sources(parent)) {
    const index = await openFolderIndex(folder, { indexPath: join(parent, `${corpus}.index`) })
    const tools = folderTools(index) as readonly unknown[] as Parameters<typeof ask>[1]
    for (const question of questions) {
      let last: Parameters<LanguageModelV4['doGenerate']>[0] | undefined
      const model = reader({ supportMin: 0 })
      await ask(
        { ...model, doGenerate: (call) => model.doGenerate((last = structuredClone(call))) },
        tools,
        question.question,
      )
      const { evidence, wordScores } = readPrompt(last?.prompt ?? [])
      const right: string[] = []
      for (const path of new Set(evidence.map((each) => each.path))) {
        const lines = (await readFile(join(folder, path), 'utf8')).split('\n')
        for (const line of lines.keys())
          if (
            question.answers.some((answer) =>
              lines
                .slice(line, line + 2)
                .join('\n')
                .includes(answer),
            )
          )
            right.push(`${path}:${line + 1}`)
      }
      found.push({
        id: question.id,
        corpus,
        question: question.question,
        isAnswerable: question.answers.length > 0,
        evidence,
        wordScores: [...wordScores],
        right,
      })
    }
    index.close()
  }
  await rm(parent, { recursive: true, force: true })
  if (keptIn !== undefined) await writeFile(keptIn, JSON.stringify(found))
  return found
}

interface Source {
  readonly corpus: string
  readonly folder: string
  readonly questions: readonly { readonly id: string; readonly question: string; readonly answers: readonly string[] }[]
}

async function sources(parent: string): Promise<Source[]> {
  const found: Source[] = []
  for (const corpus of corpusNames)
    found.push({
      corpus,
      folder: await prepareCorpus(corpus, parent),
      questions: (await questionsOf(corpus)).filter((each) => each.half === 'tuning'),
    })
  for (const corpus of trainingCorpusNames) {
    const file = join(import.meta.dirname, '..', 'test', 'quality', 'training', 'questions', `${corpus}.json`)
    found.push({
      corpus,
      folder: await prepareTrainingCorpus(corpus, parent),
      questions: JSON.parse(await readFile(file, 'utf8')) as Source['questions'],
    })
  }
  return found
}

function toCase(retrieved: Retrieved, names: readonly (keyof Features)[]): Case {
  const right = new Set(retrieved.right)
  const { measured } = measureSentences(
    parseQuestion(retrieved.question),
    retrieved.evidence,
    new Map(retrieved.wordScores),
  )
  const rows = measured.map(({ sentence, features }) => {
    const source = `${sentence.path}:${sentence.line}`
    return { values: Float64Array.from(names, (name) => features[name]), source, isRight: right.has(source) }
  })
  const held = (row: Row): number => holding.reduce((sum, name) => sum + (row.values[names.indexOf(name)] ?? 0), 0)
  const most = rows.map((row) => ({ row, share: held(row) })).toSorted((a, b) => b.share - a.share)
  return {
    id: retrieved.id,
    corpus: retrieved.corpus,
    isAnswerable: retrieved.isAnswerable,
    rows: most.filter(({ row }, place) => place < rowsMax || row.isRight).map(({ row }) => row),
  }
}

// ---- models ----------------------------------------------------------------------------------------------------

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let index = 0; index < b.length; index++) sum += (a[index] as number) * (b[index] as number)
  return sum
}

/** The best sentences at different places. */
function best(rows: readonly Row[], weights: Float64Array, count = 3): Row[] {
  const found = rows.map((row) => ({ row, score: dot(weights, row.values) })).toSorted((a, b) => b.score - a.score)
  const places = new Set<string>()
  return found
    .filter(({ row }) => (places.has(row.source) ? false : places.add(row.source)))
    .slice(0, count)
    .map(({ row }) => row)
}

/** Steps of Adam (D. Kingma, J. Ba, 2015) from zero; after each, a weight on the wrong side of zero is put back to zero. */
function descend(
  size: number,
  times: number,
  signs: readonly Sign[],
  gradientAt: (weights: Float64Array) => Float64Array,
): Float64Array {
  const weights = new Float64Array(size)
  const mean = new Float64Array(size)
  const square = new Float64Array(size)
  for (let round = 1; round <= times; round++) {
    const gradient = gradientAt(weights)
    for (let index = 0; index < size; index++) {
      const slope = gradient[index] as number
      mean[index] = 0.9 * (mean[index] as number) + 0.1 * slope
      square[index] = 0.999 * (square[index] as number) + 0.001 * slope * slope
      const step =
        (mean[index] as number) /
        (1 - 0.9 ** round) /
        (Math.sqrt((square[index] as number) / (1 - 0.999 ** round)) + 1e-8)
      const next = (weights[index] as number) - stepSize * step
      weights[index] = (signs[index] ?? 0) * next < 0 ? 0 : next
    }
  }
  return weights
}

/** A weight without a sign stays zero. */
function fitSoftmax(cases: readonly Case[], signs: readonly (Sign | undefined)[]): Float64Array {
  return descend(
    signs.length,
    rounds,
    signs.map((sign) => sign ?? 0),
    (weights) => {
      const gradient = Float64Array.from(weights, (weight) => 2 * penalty * weight)
      for (const { rows } of cases) {
        const scores = rows.map((row) => dot(weights, row.values))
        const most = Math.max(...scores)
        const shares = scores.map((score) => Math.exp(score - most))
        let total = 0
        let right = 0
        for (const [index, share] of shares.entries()) {
          total += share
          if (rows[index]?.isRight) right += share
        }
        for (let index = 0; index < rows.length; index++) {
          const { values, isRight } = rows[index] as Row
          const share = shares[index] as number
          const slope = (share / total - (isRight ? share / Math.max(right, 1e-12) : 0)) / cases.length
          if (Math.abs(slope) < 1e-7) continue
          for (let at = 0; at < weights.length; at++)
            gradient[at] = (gradient[at] as number) + slope * (values[at] as number)
        }
      }
      for (const [at, sign] of signs.entries()) if (sign === undefined) gradient[at] = 0
      return gradient
    },
  )
}

interface Judged {
  readonly values: Float64Array
  readonly isAnswerable: boolean
  readonly isRight: boolean
  /** What the sentence counts: a later one less. */
  readonly share: number
}

/** The weights and, last, the constant. */
function fitLogistic(set: readonly Judged[], names: readonly string[]): Float64Array {
  const signs = [...names.map(anySign), 0 as const]
  return descend(names.length + 1, supportRounds, signs, (weights) => {
    const gradient = Float64Array.from(weights, (weight, index) =>
      index === names.length ? 0 : 2 * supportPenalty * weight,
    )
    for (const { values, isAnswerable, isRight, share } of set) {
      const slope =
        ((logistic(weights, values) - (isRight ? 1 : 0)) * (isAnswerable && !isRight ? wrongShare : 1) * share) /
        set.length
      for (let at = 0; at < names.length; at++) gradient[at] = (gradient[at] as number) + slope * (values[at] as number)
      gradient[names.length] = (gradient[names.length] as number) + slope
    }
    return gradient
  })
}

function logistic(weights: Float64Array, values: Float64Array): number {
  return 1 / (1 + Math.exp(-(dot(weights, values) + (weights.at(-1) as number))))
}

/** Support of a question: of the best supported among the sentences that would be quoted. */
function supportOf(top: readonly Row[], weights: Float64Array): number {
  return Math.max(0, ...top.slice(0, 3).map((row) => logistic(weights, row.values)))
}

/** The lowest threshold that refuses `refusedShare` of the unanswerable questions. */
function thresholdOf(
  supports: readonly { readonly support: number; readonly isAnswerable: boolean }[],
  share: number,
): number {
  const unanswerable = supports
    .filter((each) => !each.isAnswerable)
    .map((each) => each.support)
    .toSorted((a, b) => a - b)
  const place = Math.ceil(share * unanswerable.length)
  return ((unanswerable[place - 1] ?? 0) + (unanswerable[place] ?? 1)) / 2
}

function weightsText(names: readonly string[], score: Float64Array, support: Float64Array, threshold: number): string {
  const table = (weights: Float64Array): string =>
    featureNames
      .map((name) => `  ${name}: ${round(names.includes(name) ? (weights[names.indexOf(name)] as number) : 0)},`)
      .join('\n')
  return `/**
 * The reader's weights, as scripts/fit-reader.ts fitted them on the training questions and on the tuning part of the paraphrased ones. Do not edit: change the features or the script, and fit again.
 */
import type { Features } from './reader-features.ts'

/* oxlint-disable approx-constant -- a weight may come near a constant by chance */
/** Weights of the score, by which sentences are ordered. */
export const scoreWeights: Readonly<Features> = {
${table(score)}
}

/** Weights of the support, a logistic regression, with its constant. */
export const supportWeights: Readonly<Features> & { readonly constant: number } = {
${table(support)}
  constant: ${round(support.at(-1) as number)},
}

/** Support below this is a refusal: it refuses ${refusedShare * 100} % of the unanswerable questions of the tuning part. */
export const supportMin = ${round(threshold)}
`
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000 || 0
}

await main()
