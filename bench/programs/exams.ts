/**
 * The questions that the answering programs are compared on, and what each worker says to them: simulated crews and two sets of recorded
 * answers.
 *
 *     const exam = exams({ questions: 240 })[0]
 *     exam.draft(exam.questions[0], 2, 0)       // what worker 2 says when it is asked for the first time
 *
 * Simulated workers are those of ../experiments/population.ts: a skill, a difficulty of the question, three wrong options of which one
 * is popular. `apart` is sigma 0, workers err independently; `together` is sigma 2, where they correlate as recorded models do.
 * Of `subjects-…` each worker has a subject of its own, in which it is good, and there are as many questions on each: on all of them
 * together nobody is better than another.
 * How far answers of one worker to one question go together was not recorded, so both ends are there: what a worker says when it is
 * asked again is drawn afresh, or (`alike`) each question has a difficulty for each worker alone too, so that it tends to repeat itself.
 * Recorded workers say what four models said to GSM8K and what DyLAN's seven roles said to MMLU before they saw each other:
 * asked again they say the same, as nothing else was recorded.
 *
 * Every exam has questions to learn from that are not asked (`learn`): by them workers are ranked, the best first, and profiled.
 *
 * A question says in words what it is about. Answers are labels (`q17-c`) that stand in no question, so that whoever reads a prompt can tell
 * which answers are in it.
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

/** A question to learn from: never asked, and it is known who was right. */
export interface LearnQuestion extends Question {
  /** By worker, whether its first answer was right; undefined where it was not asked. */
  readonly right: readonly (boolean | undefined)[]
}

export interface Exam {
  readonly id: string
  /** One sentence: whose answers these are. */
  readonly what: string
  /** How many there are; the first did best on the questions to learn from. */
  readonly workers: number
  /** By worker, the share that it answered right of those questions to learn from that it was asked. */
  readonly shares: readonly number[]
  readonly profiles: readonly SkillProfile[]
  readonly questions: readonly Question[]
  /** Numbered on from those that are asked. */
  readonly learn: readonly LearnQuestion[]
  /** What a worker says by itself when it is asked for the `sample`-th time, from 0; undefined: nothing that could be read. Of either kind of question. */
  draft(question: Question, worker: number, sample: number): string | undefined
  /** The chance that a judgement of an answer to the question is right. */
  judging(question: Question): number
}

/** Wrong options of a simulated question; the chance of the popular one, as measured of recorded models (.08 to .21). */
const [WRONG, POPULAR] = [3, 0.15]
/** How often a judgement is right, over all questions, and the deviation of a difficulty that is one worker's own. */
export const DEFAULTS = { judged: 0.8, alike: 1.5 } as const
/** Questions to learn from of a simulated exam. */
const LEARN = 200
const LETTERS = 'abcdefgh'

/** What questions are about where nothing else is said. */
const RECKONING = ['reckoning'] as const
/** Of `subjects-…`: as many as workers. */
const SUBJECTS = ['geometry', 'chemistry', 'history', 'grammar', 'medicine', 'law', 'music'] as const

/** By the names of their exams: seven of .6, three of .8 and four of .4, and seven who are good each at another subject. */
const CREWS: { readonly [name: string]: Pick<Simulated, 'skills' | 'subjects' | 'elsewhere' | 'what'> } = {
  even: { skills: [0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], what: 'seven workers of skill .6' },
  uneven: { skills: [0.4, 0.8, 0.4, 0.8, 0.4, 0.8, 0.4], what: 'three workers of skill .8 and four of .4' },
  subjects: {
    skills: SUBJECTS.map(() => 0.85),
    subjects: SUBJECTS,
    elsewhere: 0.4,
    what: 'seven workers, each of skill .85 in a subject of its own and of .4 in the six others,',
  },
}
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
  'subjects-apart',
  'subjects-together',
  'even-apart-alike',
  'even-together-alike',
  'uneven-apart-alike',
  'uneven-together-alike',
  'subjects-apart-alike',
  'subjects-together-alike',
  'gsm8k',
  'mmlu',
] as const

export interface ExamsOptions {
  /** At most so many of each exam. */
  readonly questions: number
  /** Of those where answers of one worker go together, and of those with subjects. @default `questions` */
  readonly questionsFew?: number
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
  questionsFew = questions,
  judged = DEFAULTS.judged,
  alike = DEFAULTS.alike,
  seed = 1,
}: ExamsOptions): readonly Exam[] {
  const crews = (also: Pick<Simulated, 'alike'>, suffix: string, more: string): Exam[] =>
    Object.entries(CREWS).flatMap(([name, { what, ...crew }], i) =>
      Object.entries(REGIMES).map(([regime, { sigma, what: how }], j) =>
        simulated({
          id: `${name}-${regime}${suffix}`,
          what: `${what} ${how}${more}`,
          ...crew,
          ...also,
          sigma,
          judged,
          seed: seed * 100 + 2 * i + j,
          questions: suffix !== '' || crew.subjects !== undefined ? questionsFew : questions,
        }),
      ),
    )
  return [
    ...crews({}, '', ''),
    ...crews({ alike }, '-alike', ' and repeat themselves'),
    gsm8k(questions, judged),
    mmlu(questions, judged),
  ]
}

export interface Simulated {
  readonly id: string
  readonly what: string
  /** Chance of each worker to be right: over all questions, or over those on its own subject. */
  readonly skills: readonly number[]
  /** What questions are about, in turn; the first is the first worker's own, and so on. @default all on one, in which all have their skill */
  readonly subjects?: readonly string[]
  /** Chance of each to be right on a subject of another one. @default its skill */
  readonly elsewhere?: number
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
  const { id, what, skills, sigma, alike = 0, judged = DEFAULTS.judged, questions, seed } = options
  const { subjects = RECKONING, elsewhere } = options
  // Two normal difficulties are one of their common deviation.
  const thetaOf = (p: number): number => skillOf(p, Math.hypot(sigma, alike))
  const own = skills.map(thetaOf)
  const other = elsewhere === undefined ? undefined : thetaOf(elsewhere)
  const subjectOf = (number: number): number => number % subjects.length
  const theta = (worker: number, number: number): number =>
    (subjectOf(number) === worker ? own[worker] : (other ?? own[worker])) as number
  const judge = skillOf(judged, sigma)
  const ownDifficulty = (number: number, worker: number): number =>
    alike === 0 ? 0 : alike * normal(keyed(seed, number, worker, 7), keyed(seed, number, worker, 8))
  const says = (number: number, worker: number, sample: number): number =>
    answered(
      chance(theta(worker, number), difficulty(seed, number, sigma) + ownDifficulty(number, worker)),
      WRONG,
      keyed(seed, number, worker, sample, 3),
      keyed(seed, number, worker, sample, 4),
      POPULAR,
    )
  const all = range(questions + LEARN).map((number) =>
    questionOf(
      number,
      subjects[subjectOf(number)] as string,
      labelsOf(number, WRONG + 1, (key) => keyed(seed, number, 5, key)),
    ),
  )
  const [asked, learn] = [all.slice(0, questions), all.slice(questions)]
  const { order, ...known } = ranked(
    learn,
    learn.map(({ number }) => skills.map((_, worker) => says(number, worker, 0) === 0)),
  )
  return {
    id,
    what,
    ...known,
    questions: asked,
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
  /** By worker, undefined where it was not asked. */
  readonly right: readonly (boolean | undefined)[]
}

/** Four models of unequal skill (MIT, OpenAI): the first half to learn from, the second to be asked. */
function gsm8k(questions: number, judged: number): Exam {
  const { items } = read<{ items: { a: (string | null)[]; ok: number[] }[] }>('gsm8k/recorded-answers.json')
  const all = items.map(({ a, ok }): Recorded => ({
    topic: RECKONING[0],
    answers: a,
    right: ok.map((one) => one === 1),
  }))
  const half = all.length / 2
  const asked = all.slice(half, half + questions)
  return recordedExam('gsm8k', 'four recorded models on GSM8K', judged, all.slice(0, half), asked)
}

/**
 * Seven roles of one model (MIT, SALT-NLP). Asked are questions whose right answer is known and to which all seven gave a first answer:
 * DyLAN ends early where most agree, so these are the harder ones. The others, where fewer were asked, are learned from: of a role that
 * was not asked, nothing is.
 */
function mmlu(questions: number, judged: number): Exam {
  const { items } = read<{ items: { s: string; ans: (string | null | 0)[][]; gold: string | null }[] }>(
    'dylan/mmlu.json',
  )
  const known = items.flatMap(({ s, ans: [first = []], gold }) => (gold === null ? [] : [{ s, first, gold }]))
  const recorded = ({ s, first, gold }: (typeof known)[number]): Recorded => ({
    topic: subjectNamed(s),
    answers: first.map((one) => (one === 0 ? null : one)),
    right: first.map((one) => (one === 0 ? undefined : one === gold)),
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

/** A test of MMLU by its subject: `high_school_psychology_test_100` is psychology. */
function subjectNamed(test: string): string {
  return test
    .replace(/_test.*$/, '')
    .replace(/^(college|high_school)_/, '')
    .replaceAll('_', ' ')
}

function recordedExam(
  id: string,
  what: string,
  judged: number,
  learn: readonly Recorded[],
  asked: readonly Recorded[],
): Exam {
  const all = [...asked, ...learn]
  // By question: the wrong answers that were given, each with its label.
  const wrongs = all.map(({ answers, right }) => [
    ...new Set(answers.filter((one, worker) => one !== null && right[worker] !== true)),
  ])
  // How hard a question is stands in how many were wrong.
  const hardness = all.map(({ right }) => {
    const those = right.filter((one) => one !== undefined)
    const share = (those.filter(Boolean).length + 0.5) / (those.length + 1)
    return -Math.log(share / (1 - share))
  })
  const judge = meeting(judged, hardness.slice(0, asked.length))
  const questions = all.map(({ topic }, number) =>
    questionOf(
      number,
      topic,
      labelsOf(number, 1 + (wrongs[number]?.length ?? 0), (key) => keyed(1, number, key)),
    ),
  )
  const { order, ...known } = ranked(
    questions.slice(asked.length),
    learn.map(({ right }) => right),
  )
  return {
    id,
    what,
    ...known,
    questions: questions.slice(0, asked.length),
    draft({ number, labels }, worker) {
      const { answers, right } = all[number] as Recorded
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

/** Workers by the share that they got right of what they were asked, the best first, of equal ones the first. @param right by question and worker, as they were planted or recorded */
function ranked(
  learn: readonly Question[],
  right: LearnQuestion['right'][],
): Pick<Exam, 'workers' | 'shares' | 'profiles' | 'learn'> & { readonly order: readonly number[] } {
  const workers = right[0]?.length ?? 0
  const shares = range(workers).map((worker) => {
    const asked = right.map((one) => one[worker]).filter((one) => one !== undefined)
    return asked.filter(Boolean).length / Math.max(1, asked.length)
  })
  const order = range(workers).toSorted((a, b) => (shares[b] as number) - (shares[a] as number) || a - b)
  const profileOf = (worker: number): SkillProfile => {
    const results = learn.flatMap(({ topic }, i) => {
      const was = right[i]?.[worker]
      return was === undefined ? [] : [{ skills: [topic], right: [was] }]
    })
    return profilesOf(results)[0] ?? {}
  }
  return {
    order,
    workers,
    shares: order.map((worker) => shares[worker] as number),
    profiles: order.map(profileOf),
    learn: learn.map((question, i) => ({ ...question, right: order.map((worker) => right[i]?.[worker]) })),
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
  const text = `Question q${number}: On ${topic}. ${FILLED.repeat(3)}`.slice(0, 240).trimEnd()
  return { number, topic, labels, text }
}

/** What a question says that it is about. */
export function topicIn(text: string): string {
  return /: On ([^.]*)\./.exec(text)?.[1] ?? ''
}

function read<Data>(name: string): Data {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../data', name), 'utf8')) as Data
}
