/**
 * Checks the training questions; run by hand after changing them.
 *
 *     node test/quality/training/check.ts
 *
 * Every expected phrase stands in one line of its corpus (or runs on into the next), ids and questions are unique, and the
 * shares are those aimed at: 70 % answerable, of these half plain and half paraphrased.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareTrainingCorpus, trainingCorpusNames } from './corpora.ts'

/** A question of test/quality/training/questions. Without `answers` it must be refused. */
interface TrainingQuestion {
  readonly id: string
  /** `plain`: as a user asks who half remembers the subject. `paraphrased`: avoids the words of the source. */
  readonly style: 'plain' | 'paraphrased'
  readonly question: string
  readonly answers: readonly string[]
}

const answerableShare = [0.66, 0.74] as const
const plainShare = [0.4, 0.6] as const

/** Endings that the folder index reads; answers elsewhere do not count. */
const readable = /\.(md|txt)$/

const isWithin = (value: number, [least, most]: readonly [number, number]): boolean => value >= least && value <= most

const parent = await mkdtemp(join(tmpdir(), 'reader-training-'))
try {
  const faults: string[] = []
  const seen = new Set<string>()
  let total = 0
  for (const name of trainingCorpusNames) {
    const folder = await prepareTrainingCorpus(name, parent)
    const paths = (await readdir(folder, { recursive: true })).filter((path) => readable.test(path)).toSorted()
    // A window of two lines, as the measure looks at a citation.
    const texts = await Promise.all(
      paths.map(async (path) => {
        const lines = (await readFile(join(folder, path), 'utf8')).split('\n')
        return { path, windows: lines.map((line, i) => `${line}\n${lines[i + 1] ?? ''}`) }
      }),
    )
    const questions = JSON.parse(
      await readFile(join(import.meta.dirname, 'questions', `${name}.json`), 'utf8'),
    ) as TrainingQuestion[]
    for (const { id, style, question, answers } of questions) {
      for (const key of [id, question]) {
        if (seen.has(key)) faults.push(`${id} stands twice: ${key}`)
        seen.add(key)
      }
      if (!id.startsWith(`${name}-`)) faults.push(`${id} should start with ${name}-`)
      if (style !== 'plain' && style !== 'paraphrased') faults.push(`${id} has the style ${String(style)}`)
      if (!question.endsWith('?')) faults.push(`${id} does not end with a question mark`)
      for (const answer of answers) {
        if (!texts.some(({ windows }) => windows.some((window) => window.includes(answer))))
          faults.push(`${id} expects ${JSON.stringify(answer)}, which is not in ${name}`)
        const places = texts.flatMap(({ windows }) => windows.filter((window) => window.includes(answer))).length
        if (places > 60)
          faults.push(`${id} expects ${JSON.stringify(answer)}, which stands in too many lines (${places})`)
      }
    }
    const answerable = questions.filter(({ answers }) => answers.length > 0)
    const plain = answerable.filter(({ style }) => style === 'plain')
    if (!isWithin(answerable.length / questions.length, answerableShare))
      faults.push(`${name} has ${answerable.length} answerable of ${questions.length}, aimed at is 70 %`)
    if (!isWithin(plain.length / answerable.length, plainShare))
      faults.push(`${name} has ${plain.length} plain of ${answerable.length} answerable, aimed at is half`)
    total += questions.length
    console.log(
      `${name.padEnd(16)} ${questions.length} questions: ${answerable.length} answerable (${plain.length} plain, ${answerable.length - plain.length} paraphrased), ${questions.length - answerable.length} unanswerable`,
    )
  }
  assert.equal(faults.length, 0, `${faults.length} faults:\n  ${faults.join('\n  ')}`)
  console.log(`All ${total} are in order.`)
} finally {
  await rm(parent, { recursive: true, force: true })
}
