/**
 * A crowd of workers as models: each answers the questions of an exam (exams.ts) as well as its skill, or its record, lets it, and
 * reads what others said as it is told to, whatever program asks.
 *
 *     const crowd = createCrowd(exam, { a: 0.4, b: 0.2 })
 *     const kernel = await boot({ models: crowd.models, model: workerName(0) })
 *     crowd.begin()                                  // before each try: whoever is asked anew has said nothing yet
 *
 * Which question is meant, and which answers of others are in view, it takes from the prompt; in which form it has to say
 * something from the schema, or from the instructions. It knows nothing else, and no more than its skill of what is right. What a question is
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
 */
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { scripted, type ScriptedModel } from '../../src/drivers/llm/scripted.ts'
import { keyed } from '../experiments/population.ts'
import type { Exam, LearnQuestion, Question } from './exams.ts'

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

/** How a worker is called where it has a card. */
export function cardName(worker: number): string {
  return `Worker-${worker + 1}`
}

/** What a worker writes beside an answer: with it, as long as a worked answer of GSM8K on average, 290 characters. */
const REASONING =
  'First I write down what is given and what is asked. Then I go through it in steps, and hold each step against what was given. Nothing that was given contradicts what comes out, and I have looked at the question once more.'
/** Of a worker whose words could not be read: an answer of its own, which nobody else gives and which is never right. */
const UNREADABLE = 'nopqrstuvwxyz'

interface Said {
  samples: number
  readonly byPrompt: Map<string, number>
  last: string | undefined
}

/** What a worker is asked. */
interface Asked {
  readonly worker: number
  readonly question: Question
  /** Instructions and all messages. */
  readonly prompt: string
  /** Answers in view, in their order; what stands there twice is there twice. */
  readonly seen: readonly string[]
  readonly temperature: number
}

interface Schema {
  readonly enum?: readonly string[]
  readonly properties?: { readonly [name: string]: Schema }
  readonly items?: Schema
}

/** What a card says of who has it (learned.ts). */
interface Card {
  readonly name: string
  readonly share: number
  readonly subjects: { readonly [subject: string]: number }
}

/** Questions that a skill is tried with. */
const QUERIES = 3

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
    if (own === undefined) said.set(key, (own = { samples: 0, byPrompt: new Map(), last: undefined }))
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
    const schema = call.responseFormat?.type === 'json' ? ((call.responseFormat.schema ?? {}) as Schema) : undefined
    if (schema?.properties?.['do'] !== undefined) return JSON.stringify(moveIn(prompt))
    // Who is shown a solution alone knows by its label what it answers.
    const number = (/\bQuestion q(\d+):/.exec(prompt) ?? /\bq(\d+)-[a-z]\b/.exec(prompt))?.[1]
    const question = questions.get(Number(number))
    if (question === undefined) throw new Error(`no question of ${exam.id} stands in: ${prompt.slice(0, 200)}`)
    const seen = prompt.match(new RegExp(`\\bq${question.number}-[a-z]\\b`, 'g')) ?? []
    const asked: Asked = { worker, question, prompt, seen, temperature: call.temperature ?? 0 }
    return schema === undefined ? inWords(asked, instructions) : JSON.stringify(inForm(asked, instructions, schema))
  }

  // ------------------------------------------------------------------------------------------------------ what is said

  function inWords(asked: Asked, instructions: string): string {
    const { prompt, seen } = asked
    // A judge who only names the points at issue gives no answer; a lawyer speaks for the side that is his.
    if (instructions.includes('what the two sides have to argue about')) return REASONING
    const side = /^Your side: (plaintiff|defendant)$/m.exec(prompt)?.[1]
    if (side !== undefined) return worded(seen[side === 'plaintiff' ? 0 : 1] as string)
    // Who is told that the answer before was wrong works it out anew.
    const isAnew = instructions.includes('mend what is wrong') || instructions.includes('Write a complete plan')
    return worded(isAnew ? draft(asked) : read(asked))
  }

  /** Whoever has a card in the prompt, by what it says of the question's subject, the best first. */
  function suited({ question, prompt }: Asked): readonly { readonly name: string; readonly share: number }[] {
    const fit = ({ subjects, share }: Card): number => subjects[question.topic] ?? share
    return cardsIn(prompt)
      .map((card) => ({ name: card.name, share: fit(card) }))
      .toSorted((a, b) => b.share - a.share)
  }

  /** Questions on a subject by which it shows who has it: of those that are known, some. */
  function queriesOn(question: Question): string[] {
    const same = exam.learn.filter(({ topic }) => topic === question.topic)
    const among = same.length === 0 ? exam.learn : same
    return Array.from(
      { length: QUERIES },
      () => (among[Math.floor(draw(question) * among.length)] as LearnQuestion).text,
    )
  }

  /** A candidate helps where most of its answers are held to be right. */
  function isHelpful(prompt: string): boolean {
    const answers = [...prompt.matchAll(/\bq(\d+)-[a-z]\b/g)]
    const held = answers.filter(([label, number]) => judged(questions.get(Number(number)) as Question, label))
    return 2 * held.length > answers.length
  }

  function inForm(asked: Asked, instructions: string, { properties = {} }: Schema): unknown {
    const { question, prompt, seen } = asked
    const has = (name: string): boolean => properties[name] !== undefined
    const isRight = (): boolean => judged(question, seen.at(-1))
    if (has('ballot')) return { ballot: ballotOf(asked, instructions) }
    if (has('ratings')) {
      const ratings = seen.map((one) => (judged(question, one) ? 4 : 1) + Math.round(draw(question)))
      return { reasoning: REASONING, answer: read(asked), ratings }
    }
    if (has('best')) return { best: order(question, seen).map((place) => place + 1) }
    if (has('scores')) return { scores: seen.map((one) => (judged(question, one) ? 6 : 1) + 4 * draw(question)) }
    if (has('agree')) {
      const newest = /Newest solution: [^]*\b(q\d+-[a-z])\b/.exec(prompt)?.[1]
      const own = read(asked)
      const agree = own === newest
      return { agree, solution: agree ? null : own, text: REASONING }
    }
    if (has('reasoning')) return { reasoning: REASONING, answer: read(asked) }
    if (has('right')) return { right: isRight() }
    if (has('skills')) {
      // Who names skills to buy for adds questions to try them with; a tag has 20 characters at most.
      const isBought = properties['skills']?.items?.properties?.['queries'] !== undefined
      if (isBought) return { skills: [{ name: question.topic, weight: 1, queries: queriesOn(question) }] }
      return { skills: [question.topic.slice(0, 20)] }
    }
    if (has('helpful')) return { helpful: isHelpful(prompt) }
    // A store or a router: one of those whose cards are shown.
    if (has('agent')) return { agent: suited(asked)[0]?.name ?? properties['agent']?.enum?.[0] }
    if (properties['plan']?.items?.properties?.['agent'] !== undefined)
      return { plan: [{ agent: suited(asked)[0]?.name ?? '', task: question.text }] }
    if (instructions.includes('how likely each of the candidates'))
      return Object.fromEntries(suited(asked).map(({ name, share }) => [name, share]))
    // A network: the aggregation that came to most before, else the first.
    if (has('aggregation')) return { aggregation: bestBefore(prompt) ?? properties['aggregation']?.enum?.[0] }
    // A thought of a graph, with how sure of it who had it is.
    if (has('content')) {
      const own = draft(asked)
      return { content: worded(own), score: judged(question, own) ? 0.95 : 0.3 }
    }
    // A plan and its verdict, a draft and its critic.
    if (has('constraints')) return { constraints: ['The answer is the one that follows from what is given.'] }
    if (has('feedback')) {
      const ok = isRight()
      if (has('ok')) return { ok, feedback: ok ? [] : ['The answer does not follow.'] }
      return { score: ok ? 100 : -50, feedback: ok ? '' : 'The answer does not follow.' }
    }
    // A court: no lawyer has anything to look up.
    if (has('cases')) return { experience: null, cases: null, law: null }
    if (has('winner')) {
      const [side] = order(question, seen.slice(0, 2))
      return { winner: side === 0 ? 'plaintiff' : 'defendant', judgement: REASONING }
    }
    // HALO: one subtask, which is the question, until it was solved; three roles.
    if (has('stop')) return prompt.includes('(success)') ? { stop: true } : { subtask: question.text }
    if (has('roles'))
      return { roles: ['solver', 'checker', 'critic'].map((name) => ({ name, prompt: `You are the ${name}.` })) }
    if (has('verdict')) return isRight() ? { verdict: 'success', score: 0.9 } : { verdict: 'continue', score: 0.2 }
    if (has('text')) return { text: question.text }
    return ledOn(asked, instructions, properties)
  }

  function ballotOf({ question, seen }: Asked, instructions: string): number[] {
    const best = order(question, seen)
    if (instructions.includes('Rank')) return best.map((place) => place + 1)
    if (instructions.includes('Vote for one')) return [(best[0] as number) + 1]
    const approved = seen.map((one) => judged(question, one))
    if (instructions.includes('every solution')) return approved.flatMap((is, i) => (is ? [i + 1] : []))
    // Ten points: shared by those that are approved of, else all on the one that seems best.
    const share = approved.filter(Boolean).length
    return seen.map((_, i) => (share === 0 ? (i === best[0] ? 10 : 0) : approved[i] === true ? 10 / share : 0))
  }

  /** Who leads others asks one after another until an answer is held to be right, or all have answered. */
  function ledOn(asked: Asked, instructions: string, properties: { readonly [name: string]: Schema }): unknown {
    const { question, prompt, seen } = asked
    const has = (name: string): boolean => properties[name] !== undefined
    const isOver = (): boolean => seen.length > 0 && (judged(question, seen.at(-1)) || seen.length >= exam.workers)
    /** Whose turn it is: the best suited first. */
    const inTurn = (names: readonly string[]): string | undefined => {
      const best = suited(asked).map(({ name }) => name)
      const those = best.length === 0 ? names : best
      return those[seen.length % those.length]
    }
    if (has('look_up')) return { given: ['The question.'], look_up: [], derive: ['The answer.'], guesses: [] }
    if (has('plan')) return { plan: ['One after another answers the question.'] }
    const reason = 'So it stands.'
    if (has('is_request_satisfied')) {
      const names = properties['next_speaker']?.properties?.['answer']?.enum ?? []
      return {
        is_request_satisfied: { reason, answer: isOver() },
        is_in_loop: { reason, answer: false },
        is_progress_being_made: { reason, answer: true },
        next_speaker: { reason, answer: inTurn(names) },
        instruction_or_question: { reason, answer: 'Answer the question.' },
      }
    }
    if (has('action'))
      return isOver()
        ? { action: { name: 'final_answer', args: { answer: read(asked) } } }
        : { action: { name: inTurn([]), args: { task: question.text } } }
    const cards = [...new Set(prompt.match(/\bWorker-\d+\b/g) ?? [])]
    if (instructions.includes('You form the team'))
      return cards.length === 0 ? { search: `answers questions of ${question.topic}` } : { launch: cards }
    if (instructions.includes('You lead the conversation'))
      return seen.length === 0
        ? { type: 'sync_task', tasks: [{ task: question.text, assignees: cards }] }
        : { type: 'conclude', content: read(asked) }
    throw new Error(`nobody here answers in the form { ${Object.keys(properties).join(', ')} }: ${instructions}`)
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

/** The cards that stand in a prompt, each once, in their order: `Worker-3: Answers questions. Right on 46 % of others: law 86 %, music 52 %.` */
function cardsIn(prompt: string): readonly Card[] {
  const found = prompt.matchAll(/\b(Worker-\d+)\W+Answers questions\. Right on (\d+) % of others: ([^.]*)\./g)
  const cards = [...found].map(([, name = '', share, named = '']): Card => ({
    name,
    share: Number(share) / 100,
    subjects: Object.fromEntries(
      [...named.matchAll(/(\S[^,]*?) (\d+) %/g)].map(([, subject = '', at]) => [subject, Number(at) / 100]),
    ),
  }))
  return [...new Map(cards.map((card) => [card.name, card])).values()]
}

/** Of aggregations whose earlier passes stand in a prompt, that with the best mean. */
function bestBefore(prompt: string): string | undefined {
  const means = [...prompt.matchAll(/^- ([\w-]+) on "[^"]*": ([\d.]+) in \d+ passes$/gm)]
  return means.toSorted(([, , a], [, , b]) => Number(b) - Number(a))[0]?.[1]
}

/** What is done to a graph of thoughts: there is nothing to split, so the whole is solved, and bettered until it is held to be right. */
function moveIn(prompt: string): { readonly do: string; readonly nodes: readonly number[] } {
  return { do: /^0 \[open/m.test(prompt) ? 'solve' : 'refine', nodes: [0] }
}

/** The same words for the same answer: who counts texts counts answers. */
function worded(label: string): string {
  return `${REASONING} Answer: ${label}`
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
