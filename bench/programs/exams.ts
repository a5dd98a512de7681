/**
 * The questions that the answering programs are compared on, and what each worker says to them: simulated crews and two sets of recorded
 * answers.
 *
 *     const exam = exams({ questions: 240 })[0]
 *     exam.draft(exam.questions[0], 2, 0)       // what worker 2 says when it is asked for the first time
 *
 * Simulated workers are those of ../experiments/population.ts: a skill, a difficulty of the question, three wrong options of which one
 * is popular. `apart` is sigma 0, workers err independently; `together` is sigma 2, where they correlate as recorded models do.
 * How far answers of one worker to one question go together was not recorded, so both ends are there: what a worker says when it is
 * asked again is drawn afresh, or (`alike`) each question has a difficulty for each worker alone too, so that it tends to repeat itself.
 * Recorded workers say what four models said to GSM8K and what DyLAN's seven roles said to MMLU before they saw each other:
 * asked again they say the same, as nothing else was recorded.
 *
 * Every exam has questions to learn from that are not asked: by them workers are ranked, the best first, and profiled.
 *
 * Answers are labels (`q17-c`) that stand in no question, so that whoever reads a prompt can tell which answers are in it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { shuffled } from '../../src/agents/layered-net.ts'
import { profilesOf, type SkillProfile } from '../../src/agents/pieces/skill-recruiting.ts'
import { normal } from '../experiments/experiment.ts'
import { answered, chance, difficulty, keyed, range, skillOf, whereReached } from '../experiments/population.ts'

export interface Question {
  readonly number: number
  readonly text: string
  /** What it is about. */
  readonly topic: string
  /** All answers that are given to it, the right one first. */
  readonly labels: readonly string[]
}

export interface Exam {
  readonly id: string
  /** One sentence: whose answers these are. */
  readonly what: string
  /** How many there are; the first did best on the questions to learn from. */
  readonly workers: number
  /** By worker, the share of the questions to learn from that it answered right. */
  readonly learned: readonly number[]
  readonly profiles: readonly SkillProfile[]
  readonly questions: readonly Question[]
  /** What a worker says by itself when it is asked for the `sample`-th time, from 0; undefined: nothing that could be read. */
  draft(question: Question, worker: number, sample: number): string | undefined
  /** The chance that a judgement of an answer to the question is right. */
  judging(question: Question): number
}

/** Wrong options of a simulated question; the chance of the popular one, as measured of recorded models (.08 to .21). */
const [WRONG, POPULAR] = [3, 0.15]
/** How often a judgement is right, over all questions, and the deviation of a difficulty that is one worker's own. */
export const PLANTED = { judged: 0.8, alike: 1.5 } as const
/** Questions to learn from of a simulated exam. */
const LEARN = 200
const LETTERS = 'abcdefgh'

/** Three workers of .8 and four of .4, and seven of .6; by the names of their exams. */
const CREWS = {
  even: { skills: [0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], what: 'seven workers of skill .6' },
  uneven: { skills: [0.4, 0.8, 0.4, 0.8, 0.4, 0.8, 0.4], what: 'three workers of skill .8 and four of .4' },
} as const
const REGIMES = {
  apart: { sigma: 0, what: 'who err apart' },
  together: { sigma: 2, what: 'who err together' },
} as const

/** The ids of all exams. */
export const EXAMS = [
  'even-apart',
  'even-together',
  'uneven-apart',
  'uneven-together',
  'even-apart-alike',
  'even-together-alike',
  'uneven-apart-alike',
  'uneven-together-alike',
  'gsm8k',
  'mmlu',
] as const

export interface ExamsOptions {
  /** At most so many of each exam. */
  readonly questions: number
  /** Of those where answers of one worker go together. @default `questions` */
  readonly questionsAlike?: number
  /** How often a judgement is right, over all questions. @default 0.8 */
  readonly judged?: number
  /** Deviation of the difficulty that a question of `…-alike` has for one worker alone. @default 1.5 */
  readonly alike?: number
  /** Of the simulated ones. @default 1 */
  readonly seed?: number
}

/** All of them, in the order of EXAMS. */
export function exams({
  questions,
  questionsAlike = questions,
  judged = PLANTED.judged,
  alike = PLANTED.alike,
  seed = 1,
}: ExamsOptions): readonly Exam[] {
  const crews = (end: Pick<Simulated, 'questions' | 'alike'>, suffix: string, also: string): Exam[] =>
    Object.entries(CREWS).flatMap(([crew, { skills, what }], i) =>
      Object.entries(REGIMES).map(([regime, { sigma, what: how }], j) =>
        simulated({
          id: `${crew}-${regime}${suffix}`,
          what: `${what} ${how}${also}`,
          skills,
          sigma,
          judged,
          seed: seed * 100 + 2 * i + j,
          ...end,
        }),
      ),
    )
  return [
    ...crews({ questions }, '', ''),
    ...crews({ questions: questionsAlike, alike }, '-alike', ' and repeat themselves'),
    gsm8k(questions, judged),
    mmlu(questions, judged),
  ]
}

export interface Simulated {
  readonly id: string
  readonly what: string
  /** Chance of each worker to be right, over all questions. */
  readonly skills: readonly number[]
  /** Deviation of the difficulty that a question has for all. */
  readonly sigma: number
  /** Deviation of the difficulty that it has for one worker alone, besides. @default 0 */
  readonly alike?: number
  /** How often a judgement is right; judges fail where questions are hard for all. @default 0.8 */
  readonly judged?: number
  readonly questions: number
  readonly seed: number
}

export function simulated(options: Simulated): Exam {
  const { id, what, skills, sigma, alike = 0, judged = PLANTED.judged, questions, seed } = options
  // Two normal difficulties are one of their common deviation.
  const thetas = skills.map((p) => skillOf(p, Math.hypot(sigma, alike)))
  const judge = skillOf(judged, sigma)
  const own = (number: number, worker: number): number =>
    alike === 0 ? 0 : alike * normal(keyed(seed, number, worker, 7), keyed(seed, number, worker, 8))
  const says = (number: number, worker: number, sample: number): number =>
    answered(
      chance(thetas[worker] as number, difficulty(seed, number, sigma) + own(number, worker)),
      WRONG,
      keyed(seed, number, worker, sample, 3),
      keyed(seed, number, worker, sample, 4),
      POPULAR,
    )
  const learned = skills.map((_, worker) => range(LEARN).map((i) => says(questions + i, worker, 0) === 0))
  const order = ranked(learned)
  return {
    id,
    what,
    ...learnedOf(order, learned, () => 'reckoning'),
    questions: range(questions).map((number) =>
      questionOf(
        number,
        'reckoning',
        labelsOf(number, WRONG + 1, (key) => keyed(seed, number, 5, key)),
      ),
    ),
    draft: ({ number, labels }, worker, sample) => labels[says(number, order[worker] as number, sample)],
    judging: ({ number }) => chance(judge, difficulty(seed, number, sigma)),
  }
}

// ------------------------------------------------------------------------------------------------------------ recorded

/** One question as it was recorded. */
interface Recorded {
  readonly topic: string
  /** By worker, null for nothing that could be read. */
  readonly answers: readonly (string | null)[]
  readonly right: readonly boolean[]
}

/** Four models of unequal skill (MIT, OpenAI): the first half to learn from, the second to be asked. */
function gsm8k(questions: number, judged: number): Exam {
  const { items } = read<{ items: { a: (string | null)[]; ok: number[] }[] }>('gsm8k/recorded-answers.json')
  const all = items.map(({ a, ok }): Recorded => ({
    topic: 'reckoning',
    answers: a,
    right: ok.map((one) => one === 1),
  }))
  const half = all.length / 2
  const asked = all.slice(half, half + questions)
  return recordedExam('gsm8k', 'four recorded models on GSM8K', judged, all.slice(0, half), asked)
}

/**
 * Seven roles of one model (MIT, SALT-NLP). Asked are questions whose right answer is known and to which all seven gave a first answer:
 * DyLAN ends early where most agree, so these are the harder ones. The others, where fewer were asked, are learned from.
 */
function mmlu(questions: number, judged: number): Exam {
  const { items } = read<{ items: { s: string; ans: (string | null | 0)[][]; gold: string | null }[] }>(
    'dylan/mmlu.json',
  )
  const known = items.flatMap(({ s, ans: [first = []], gold }) => (gold === null ? [] : [{ s, first, gold }]))
  const recorded = ({ s, first, gold }: (typeof known)[number]): Recorded => ({
    topic: s,
    answers: first.map((one) => (one === 0 ? null : one)),
    right: first.map((one) => one === gold),
  })
  const isWhole = ({ first }: (typeof known)[number]): boolean => !first.includes(0)
  return recordedExam(
    'mmlu',
    'seven recorded roles on MMLU',
    judged,
    known.filter((one) => !isWhole(one)).map(recorded),
    known.filter(isWhole).map(recorded).slice(0, questions),
  )
}

function recordedExam(
  id: string,
  what: string,
  judged: number,
  learn: readonly Recorded[],
  asked: readonly Recorded[],
): Exam {
  const learned = range(learn[0]?.right.length ?? 0).map((worker) => learn.map(({ right }) => right[worker] === true))
  const order = ranked(learned)
  // By question: the wrong answers that were given, each with its label.
  const wrongs = asked.map(({ answers, right }) => [
    ...new Set(answers.filter((one, worker) => one !== null && right[worker] !== true)),
  ])
  // How hard a question is stands in how many were wrong.
  const hardness = asked.map(({ right }) => {
    const share = (right.filter(Boolean).length + 0.5) / (right.length + 1)
    return -Math.log(share / (1 - share))
  })
  const judge = meeting(judged, hardness)
  return {
    id,
    what,
    ...learnedOf(order, learned, (i) => (learn[i] as Recorded).topic),
    questions: asked.map(({ topic }, number) =>
      questionOf(
        number,
        topic,
        labelsOf(number, 1 + (wrongs[number]?.length ?? 0), (key) => keyed(1, number, key)),
      ),
    ),
    draft({ number, labels }, worker) {
      const { answers, right } = asked[number] as Recorded
      const [place, said] = [order[worker] as number, answers[order[worker] as number]]
      if (said === null || said === undefined) return undefined
      return right[place] === true ? labels[0] : labels[1 + (wrongs[number]?.indexOf(said) ?? 0)]
    },
    judging: ({ number }) => chance(judge, hardness[number] as number),
  }
}

/** The skill whose mean chance over these difficulties is p. */
function meeting(p: number, difficulties: readonly number[]): number {
  const mean = (theta: number): number =>
    difficulties.reduce((sum, d) => sum + chance(theta, d), 0) / difficulties.length
  return whereReached(mean, p, [-20, 20])
}

// -------------------------------------------------------------------------------------------------------------- of both

/** Workers by what they got right, the best first; of equal ones the first. @param learned by worker and question */
function ranked(learned: readonly (readonly boolean[])[]): readonly number[] {
  return range(learned.length).toSorted((a, b) => rightOf(learned[b]) - rightOf(learned[a]) || a - b)
}

function rightOf(answers: readonly boolean[] | undefined): number {
  return answers?.filter(Boolean).length ?? 0
}

function learnedOf(
  order: readonly number[],
  learned: readonly (readonly boolean[])[],
  topicOf: (place: number) => string,
): Pick<Exam, 'workers' | 'learned' | 'profiles'> {
  const mine = order.map((worker) => learned[worker] as readonly boolean[])
  const [first = []] = mine
  return {
    workers: mine.length,
    learned: mine.map((answers) => rightOf(answers) / Math.max(1, answers.length)),
    profiles: profilesOf(
      first.map((_, i) => ({ skills: [topicOf(i)], right: mine.map((answers) => answers[i] === true) })),
    ),
  }
}

/** Labels in an order that says nothing of which is right. */
function labelsOf(number: number, count: number, draw: (key: number) => number): string[] {
  let key = 0
  return shuffled([...LETTERS].slice(0, count), () => draw(key++)).map((letter) => `q${number}-${letter}`)
}

/** As long as a question of GSM8K is on average, 240 characters. */
const FILLED =
  'Read what is given, work out what is asked in as many steps as it takes, and say the one answer that is right. '

function questionOf(number: number, topic: string, labels: readonly string[]): Question {
  return { number, topic, labels, text: `Question q${number}: ${FILLED.repeat(3)}`.slice(0, 240).trimEnd() }
}

function read<Data>(name: string): Data {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../data', name), 'utf8')) as Data
}
