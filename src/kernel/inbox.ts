/**
 * The inbox: questions that only a person can answer. `ask` calls, approvals that the law wants, effects in doubt.
 *
 * Invariants
 *   Q1. A question ends once: by an answer, by its time limit, or with the call that asked.
 *   Q2. Silence is never consent: an approval that runs out is a denial, a doubt that runs out stays a doubt.
 *   Q3. A doubt has its question however many wait: to refuse it would say of what may have happened that it has not. There
 *       are no more doubts than calls that were open when the kernel before this one went.
 *   Q4. An answer that does not fit is refused where it is given, and its question stays open.
 *   Q5. A number is of one question for as long as there is a store: what a person saw before a crash answers nothing else
 *       behind it.
 */
import type { Approval } from './approvals.ts'
import type { Clock } from './clock.ts'
import { PolityError, messageOf } from './errors.ts'
import type { Limits } from './limits.ts'
import type { Call } from './process.ts'
import type { Binding, Json, Question } from './types.ts'

/** What a person said. */
export interface Answer {
  readonly text: string
  /** For a doubt answered `done`: what the effect returned, if the person knows. */
  readonly value?: Json
  /** For an approval from another operating-system process: it is signed. */
  readonly approval?: Approval
}

/** A question before it has its number. */
export interface QuestionInput {
  readonly kind: Question['kind']
  readonly text: string
  readonly choices: readonly string[] | null
  readonly detail: Json
  readonly timeoutMs: number
  readonly binding?: Binding
  /** An answer among the choices, as it counts. Throws `INVALID_ARGUMENT` for one that does not fit. @default none takes a value */
  readonly check?: (answer: Answer) => Answer
}

/** Questions that wait for people. */
export interface Inbox {
  readonly questions: readonly Question[]
  /** The answer; undefined when the time ran out. */
  ask(call: Call, input: QuestionInput): Promise<Answer | undefined>
  answer(id: number, text: string, more?: Omit<Answer, 'text'>): void
}

/** Where numbers go on. */
export interface InboxOptions {
  readonly clock: Clock
  readonly limits: Limits
  /** The last number that was given. */
  readonly lastId: number
  /** Hears which number is given: it is to be kept before anybody is told of the question. */
  readonly onId: (id: number) => void
}

/** An inbox that is empty. */
export function createInbox({ clock, limits, lastId: before, onId }: InboxOptions): Inbox {
  const open = new Map<number, { question: Question; end: (answer: Answer | undefined) => void; check: Check }>()
  let lastId = before

  function ask(call: Call, { timeoutMs, check = withoutValue, ...input }: QuestionInput): Promise<Answer | undefined> {
    if (input.kind !== 'in-doubt' && open.size >= limits.inboxMax)
      throw new PolityError(
        'LIMIT_EXCEEDED',
        `${open.size} questions wait for people; the limit inboxMax is ${limits.inboxMax}`,
      )
    const id = ++lastId
    onId(id)
    const askedAt = clock.now()
    return new Promise((resolve) => {
      const timer = clock.after(timeoutMs, () => end(undefined))
      function end(answer: Answer | undefined): void {
        timer.cancel()
        open.delete(id)
        resolve(answer)
      }
      call.onAbort({ aborted: () => end(undefined) })
      open.set(id, {
        question: { id, pid: call.process.pid, ...input, askedAt, expiresAt: askedAt + timeoutMs },
        end,
        check,
      })
    })
  }

  function answer(id: number, text: string, more?: Omit<Answer, 'text'>): void {
    const entry = open.get(id)
    if (entry === undefined)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `no question ${messageOf(id).slice(0, 80)} waits; waiting: ${[...open.keys()].join(', ') || 'none'}`,
      )
    const { choices } = entry.question
    if (typeof text !== 'string' || (choices !== null && !choices.includes(text))) {
      throw new PolityError(
        'INVALID_ARGUMENT',
        `question ${id} takes ${choices === null ? 'a text' : choices.join(', ')}, not ${JSON.stringify(text)}`,
      )
    }
    entry.end(entry.check({ text, ...more }))
  }

  return {
    get questions() {
      return [...open.values()].map((entry) => entry.question)
    },
    ask,
    answer,
  }
}

type Check = NonNullable<QuestionInput['check']>

/** Of a question whose answer is its text. */
function withoutValue(answer: Answer): Answer {
  if (answer.value === undefined) return answer
  throw new PolityError('INVALID_ARGUMENT', 'a value goes with done, the answer to a call in doubt, and with no other')
}
