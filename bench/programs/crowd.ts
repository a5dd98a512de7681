/**
 * A crowd of workers as models: each answers the questions of an exam (exams.ts) as well as its skill, or its record, lets it, and
 * reads what others said as it is told to, whatever program asks.
 *
 *     const crowd = createCrowd(exam, { a: 0.4, b: 0.2 })
 *     const kernel = await boot({ models: crowd.models, model: workerName(0) })
 *     crowd.begin()                                  // before each try: whoever is asked anew has said nothing yet
 *
 * Which question is meant, and which answers of others are in view, it takes from the prompt; in which form it has to say
 * something from the schema, or from the instructions (forms.ts, leaders.ts). It knows nothing else, and no more than its skill of what is right. What a question is
 * about everybody can tell; who is good at that, only by the cards that stand in the prompt.
 *
 * Invariants
 *   CR1. A draft is what the exam says: the first of a worker is the same for every program, and what it is asked again at temperature 0
 *        in the same words it says again.
 *   CR2. Who reads n answers, its own or a draft of its own among them, of which k are right: if it was wrong it turns right with
 *        a·k/n, if it was right it turns wrong with b·(1 - k/n), to one of the wrong answers that it read. Where nobody in view is right,
 *        nobody turns right.
 *   CR3. A judgement of one answer is right with the exam's chance for the question; of several, the right one is found with that
 *        chance where it is among them.
 *   CR4. A leader that judged an answer right, and ends for it, passes that answer on. One that accepted none reads (CR2).
 */
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { scripted, type ScriptedModel } from '../../src/drivers/llm/scripted.ts'
import { keyed } from '../experiments/population.ts'
import type { Exam, Question } from './exams.ts'
import { inForm, moveIn } from './forms.ts'
import { REASONING, worded, type Asked, type Form, type Voice } from './voice.ts'

export interface CrowdOptions {
  /** How far who is wrong is swayed by those who are right. @default 0.4 */
  readonly a?: number
  /** How far who is right is swayed by those who are wrong. @default 0.2 */
  readonly b?: number
  readonly seed?: number
}

export interface Crowd {
  /** By name, a model for each worker. */
  readonly models: { readonly [name: string]: ScriptedModel }
  /** Forgets what was said in the last try. */
  begin(): void
}

/** The model of a worker, the best first. */
export function workerName(worker: number): string {
  return `crowd/${worker + 1}`
}

/** Of a worker whose words could not be read: an answer of its own, which nobody else gives and which is never right. */
const UNREADABLE = 'nopqrstuvwxyz'

interface Said {
  samples: number
  readonly byPrompt: Map<string, number>
  last: string | undefined
  /** The answer for which it ended as a leader. */
  accepted: string | undefined
}

export function createCrowd(exam: Exam, { a = 0.4, b = 0.2, seed = 1 }: CrowdOptions = {}): Crowd {
  /** By worker and question. */
  const said = new Map<string, Said>()
  const questions = new Map<number, Question>([...exam.questions, ...exam.learn].map((one) => [one.number, one]))
  let drawn = 0
  const draw = (question: Question): number => keyed(seed, question.number, 6, drawn++)

  function begin(): void {
    said.clear()
    drawn = 0
  }

  function saidOf({ worker, question }: Asked): Said {
    const key = `${worker} ${question.number}`
    let own = said.get(key)
    if (own === undefined)
      said.set(key, (own = { samples: 0, byPrompt: new Map(), last: undefined, accepted: undefined }))
    return own
  }

  /** What a worker says by itself. */
  function draft(asked: Asked): string {
    const { worker, question, prompt, temperature } = asked
    const own = saidOf(asked)
    const again = temperature > 0 ? undefined : own.byPrompt.get(prompt)
    const sample = again ?? own.samples++
    if (temperature === 0) own.byPrompt.set(prompt, sample)
    return (own.last = exam.draft(question, worker, sample) ?? `q${question.number}-${UNREADABLE[worker]}`)
  }

  /** What a worker says who has read what is in view (CR2). */
  function read(asked: Asked): string {
    const { question, seen } = asked
    if (seen.length === 0) return draft(asked)
    const own = saidOf(asked)
    const isInView = own.last !== undefined && seen.includes(own.last)
    const before = isInView ? (own.last as string) : draft(asked)
    const answers = isInView ? seen : [...seen, before]
    const [right] = question.labels
    const share = answers.filter((one) => one === right).length / answers.length
    if (before !== right) return (own.last = draw(question) < a * share ? (right as string) : before)
    const wrong = answers.filter((one) => one !== right)
    const isTurned = draw(question) < b * (1 - share)
    return (own.last = isTurned ? (wrong[Math.floor(draw(question) * wrong.length)] as string) : before)
  }

  /** Whether an answer is held to be right (CR3). */
  function judged(question: Question, answer: string | undefined): boolean {
    const isRight = answer === question.labels[0]
    return draw(question) < exam.judging(question) ? isRight : !isRight
  }

  /** Whether a leader judges the newest answer right, which then is what it reports (CR4). */
  function accepts(asked: Asked): boolean {
    const newest = asked.seen.at(-1)
    const is = judged(asked.question, newest)
    if (is) saidOf(asked).accepted = newest
    return is
  }

  /** The last word of a leader (CR4). */
  function reported(asked: Asked): string {
    return saidOf(asked).accepted ?? read(asked)
  }

  /** Places of the answers, that which is held to be best first. */
  function order(question: Question, answers: readonly string[]): number[] {
    const [right] = question.labels
    const isFound = draw(question) < exam.judging(question)
    const others = answers.flatMap((one, place) => ((one === right) === isFound ? [] : [{ place, at: draw(question) }]))
    const best = answers.flatMap((one, place) => ((one === right) === isFound ? [{ place, at: draw(question) }] : []))
    const mixed = (list: typeof best): number[] => list.toSorted((x, y) => x.at - y.at).map(({ place }) => place)
    return [...mixed(best), ...mixed(others)]
  }

  function answer(worker: number, call: LanguageModelV4CallOptions): string {
    const { prompt, instructions } = wordsOf(call)
    const schema = call.responseFormat?.type === 'json' ? ((call.responseFormat.schema ?? {}) as Form) : undefined
    if (schema?.properties?.['do'] !== undefined) return JSON.stringify(moveIn(prompt))
    // Who is shown a solution alone knows by its label what it answers.
    const number = (/\bQuestion q(\d+):/.exec(prompt) ?? /\bq(\d+)-[a-z]\b/.exec(prompt))?.[1]
    const question = questions.get(Number(number))
    if (question === undefined) throw new Error(`no question of ${exam.id} stands in: ${prompt.slice(0, 200)}`)
    const seen = prompt.match(new RegExp(`\\bq${question.number}-[a-z]\\b`, 'g')) ?? []
    const asked: Asked = { worker, question, prompt, instructions, seen, temperature: call.temperature ?? 0 }
    return schema === undefined ? inWords(asked) : JSON.stringify(inForm(asked, voice, schema))
  }

  const questionOf = (number: number): Question => questions.get(number) as Question
  const voice: Voice = { exam, questionOf, draw, draft, read, judged, order, accepts, reported }

  function inWords(asked: Asked): string {
    const { prompt, instructions, seen } = asked
    // A judge who only names the points at issue gives no answer; a lawyer speaks for the side that is his.
    if (instructions.includes('what the two sides have to argue about')) return REASONING
    const side = /^Your side: (plaintiff|defendant)$/m.exec(prompt)?.[1]
    if (side !== undefined) return worded(seen[side === 'plaintiff' ? 0 : 1] as string)
    // Who is told that the answer before was wrong works it out anew.
    const isAnew = instructions.includes('mend what is wrong') || instructions.includes('Write a complete plan')
    if (instructions.includes('from what was said and from nothing else')) return worded(reported(asked))
    return worded(isAnew ? draft(asked) : read(asked))
  }

  return {
    models: Object.fromEntries(
      Array.from({ length: exam.workers }, (_, worker) => [
        workerName(worker),
        scripted((call) => answer(worker, call), {
          provider: 'crowd',
          modelId: String(worker + 1),
          callsKeptMax: 0,
        }),
      ]),
    ),
    begin,
  }
}

function wordsOf({ prompt }: LanguageModelV4CallOptions): { readonly prompt: string; readonly instructions: string } {
  const texts = prompt.map(({ role, content }) => ({
    role,
    text:
      typeof content === 'string'
        ? content
        : content.flatMap((part) => (part.type === 'text' ? part.text : [])).join('\n'),
  }))
  const of = (isSystem: boolean): string =>
    texts.flatMap(({ role, text }) => ((role === 'system') === isSystem ? [text] : [])).join('\n')
  return { prompt: texts.map(({ text }) => text).join('\n'), instructions: of(true) }
}
