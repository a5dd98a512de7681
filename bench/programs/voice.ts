/**
 * What a worker of the crowd is asked, and what it can do about it: the parts of which crowd.ts makes what it says, forms.ts what it says
 * in a form, and leaders.ts what it says as a leader.
 *
 *     const say = (asked: Asked, voice: Voice) => ({ right: voice.judged(asked.question, asked.seen.at(-1)) })
 */
import type { Exam, Question } from './exams.ts'

/** What a worker is asked. */
export interface Asked {
  readonly worker: number
  readonly question: Question
  /** Instructions and all messages. */
  readonly prompt: string
  readonly instructions: string
  /** Answers in view, in their order; what stands there twice is there twice. */
  readonly seen: readonly string[]
  readonly temperature: number
}

/** What a worker can do; each of it is an invariant of crowd.ts. */
export interface Voice {
  readonly exam: Exam
  /** A question of the exam, of either kind; there is one of that number. */
  questionOf(number: number): Question
  /** The next number in [0, 1). */
  draw(question: Question): number
  /** What a worker says by itself (CR1). */
  draft(asked: Asked): string
  /** What a worker says who has read what is in view (CR2). */
  read(asked: Asked): string
  /** Whether an answer is held to be right (CR3). */
  judged(question: Question, answer: string | undefined): boolean
  /** Places of the answers, that which is held to be best first (CR3). */
  order(question: Question, answers: readonly string[]): number[]
  /** Whether a leader judges the newest answer right, which then is what it reports (CR4). */
  accepts(asked: Asked): boolean
  /** The last word of a leader (CR4). */
  reported(asked: Asked): string
}

/** A form of JSON: what is looked at of its schema. */
export interface Form {
  readonly enum?: readonly string[]
  readonly properties?: { readonly [name: string]: Form }
  readonly items?: Form
}

/** What a worker writes beside an answer: with it, as long as a worked answer of GSM8K on average, 290 characters. */
export const REASONING =
  'First I write down what is given and what is asked. Then I go through it in steps, and hold each step against what was given. Nothing that was given contradicts what comes out, and I have looked at the question once more.'

/** The same words for the same answer: who counts texts counts answers. */
export function worded(label: string): string {
  return `${REASONING} Answer: ${label}`
}
