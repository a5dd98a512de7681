/**
 * The offline reader's quality may not fall. The bars we want are in `bars`; the reader does not reach them yet, and `floors`
 * says how far it is: what it reached when they were last set, less the two or three questions by which a harmless change may
 * move it. Raise a floor when the reader gets better; never lower one, and never change a question to reach a bar.
 *
 *     POLITY_LONG=1 …                                     all questions, half a minute; without, the held-out ones of one corpus
 *     node test/quality/reader-quality.ts --failures      (the same figures, with what went wrong)
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { corpusNames } from './quality/corpora.ts'
import {
  figuresOf,
  measure,
  questionsOf,
  type Figures,
  type Outcome,
  type QualityQuestion,
} from './quality/reader-quality.ts'

/** What a reader without a neural network should reach one day: shares of all questions. */
export const bars = { first: 0.88, top3: 0.95, refused: 0.85 }
const floors = { first: 0.66, top3: 0.79, refused: 0.88 }

const isLong = process.env['POLITY_LONG'] === '1'
let parent = ''
const outcomes: Outcome[] = []

before(async () => {
  parent = await mkdtemp(join(tmpdir(), 'reader-quality-test-'))
  if (isLong) for (const corpus of corpusNames) outcomes.push(...(await measure(corpus, parent)))
  else {
    const wanted = ({ half }: QualityQuestion): boolean => half === 'held-out'
    outcomes.push(...(await measure('addresses', parent, 'paraphrased', { wanted })))
  }
})
after(() => rm(parent, { recursive: true, force: true }))

const shares = (figures: Figures): typeof bars => ({
  first: figures.first / figures.answerable,
  top3: figures.top3 / figures.answerable,
  refused: figures.refused / figures.unanswerable,
})

for (const name of ['first', 'top3', 'refused'] as const)
  test(
    `${name}: at least ${floors[name] * 100} % (the bar is ${bars[name] * 100} %)`,
    { skip: !isLong && 'all questions take half a minute: POLITY_LONG=1' },
    (context) => {
      const share = shares(figuresOf(outcomes))[name]
      context.diagnostic(`${name} ${(share * 100).toFixed(1)} %, bar ${bars[name] * 100} %`)
      assert.ok(share >= floors[name], `${name} fell to ${(share * 100).toFixed(1)} %`)
    },
  )

test('most first citations are right', () => {
  const { first } = shares(figuresOf(outcomes))
  assert.ok(first >= 0.5, `${(first * 100).toFixed(1)} %`)
})

test('no answer cites what it does not quote, and no refusal cites anything', () => {
  for (const outcome of outcomes) {
    if (outcome.isRefused) assert.deepEqual(outcome.citations, [], outcome.question.id)
    else assert.ok(outcome.citations.length >= 1, outcome.question.id)
    assert.ok(outcome.rounds <= 3, outcome.question.id)
  }
})

test('every corpus has its questions, a third of them held out', async () => {
  for (const corpus of corpusNames) {
    const questions = await questionsOf(corpus)
    const heldOut = questions.filter((question) => question.half === 'held-out').length
    assert.ok(questions.filter((question) => question.answers.length > 0).length >= 30, corpus)
    assert.ok(questions.filter((question) => question.answers.length === 0).length >= 10, corpus)
    assert.ok(Math.abs(heldOut / questions.length - 1 / 3) < 0.05, corpus)
    assert.equal(new Set(questions.map((question) => question.id)).size, questions.length)
  }
})
