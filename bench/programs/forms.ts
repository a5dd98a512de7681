/**
 * What a worker of the crowd says where it is asked for JSON: a table from what the form holds to what is said.
 *
 *     inForm(asked, voice, schema)     // { properties: { right: {} } } gives { right: true } or { right: false }
 *
 * The first property of the table that the form has decides; which programs ask in it is said where the name does not. What leaders are
 * asked is in leaders.ts.
 */
import { suited } from './cards.ts'
import type { LearnQuestion, Question } from './exams.ts'
import { LEADERS, ledInWords } from './leaders.ts'
import { REASONING, worded, type Asked, type Form, type Voice } from './voice.ts'

/** What is said in a form, given its properties. */
export type Saying = (asked: Asked, voice: Voice, properties: { readonly [name: string]: Form }) => unknown

/** Questions that a skill is tried with. */
const QUERIES = 3

const FORMS: readonly (readonly [property: string, say: Saying])[] = [
  ['ballot', (asked, voice) => ({ ballot: ballotOf(asked, voice) })],
  [
    'ratings',
    (asked, voice) => {
      const { question, seen } = asked
      const ratings = seen.map((one) => (voice.judged(question, one) ? 4 : 1) + Math.round(voice.draw(question)))
      return { reasoning: REASONING, answer: voice.read(asked), ratings }
    },
  ],
  ['best', ({ question, seen }, voice) => ({ best: voice.order(question, seen).map((place) => place + 1) })],
  [
    'scores',
    ({ question, seen }, voice) => ({
      scores: seen.map((one) => (voice.judged(question, one) ? 6 : 1) + 4 * voice.draw(question)),
    }),
  ],
  [
    'agree',
    (asked, voice) => {
      const newest = /Newest solution: [^]*\b(q\d+-[a-z])\b/.exec(asked.prompt)?.[1]
      const own = voice.read(asked)
      const agree = own === newest
      return { agree, solution: agree ? null : own, text: REASONING }
    },
  ],
  ['reasoning', (asked, voice) => ({ reasoning: REASONING, answer: voice.read(asked) })],
  ['right', (asked, voice) => ({ right: isRight(asked, voice) })],
  [
    'skills',
    ({ question }, voice, { skills }) => {
      // Who names skills to buy for adds questions to try them with; a tag has 20 characters at most.
      const isBought = skills?.items?.properties?.['queries'] !== undefined
      if (isBought) return { skills: [{ name: question.topic, weight: 1, queries: queriesOn(question, voice) }] }
      return { skills: [question.topic.slice(0, 20)] }
    },
  ],
  ['helpful', ({ prompt }, voice) => ({ helpful: isHelpful(prompt, voice) })],
  // A store or a router: one of those whose cards are shown.
  ['agent', (asked, _, { agent }) => ({ agent: suited(asked)[0]?.name ?? agent?.enum?.[0] })],
  // The manager of a store, whose plan has agents; that of a leader has none.
  [
    'plan',
    (asked, _, { plan }) =>
      plan?.items?.properties?.['agent'] === undefined
        ? { plan: ['One after another answers the question.'] }
        : { plan: [{ agent: suited(asked)[0]?.name ?? '', task: asked.question.text }] },
  ],
  // A network: the aggregation that came to most before, else the first.
  ['aggregation', ({ prompt }, _, { aggregation }) => ({ aggregation: bestBefore(prompt) ?? aggregation?.enum?.[0] })],
  // A thought of a graph, with how sure of it who had it is.
  [
    'content',
    (asked, voice) => {
      const own = voice.draft(asked)
      return { content: worded(own), score: voice.judged(asked.question, own) ? 0.95 : 0.3 }
    },
  ],
  // A plan and its verdict, a draft and its critic.
  ['constraints', () => ({ constraints: ['The answer is the one that follows from what is given.'] })],
  [
    'feedback',
    (asked, voice, { ok: isVerdict }) => {
      const ok = isRight(asked, voice)
      if (isVerdict !== undefined) return { ok, feedback: ok ? [] : ['The answer does not follow.'] }
      return { score: ok ? 100 : -50, feedback: ok ? '' : 'The answer does not follow.' }
    },
  ],
  // A court: no lawyer has anything to look up.
  ['cases', () => ({ experience: null, cases: null, law: null })],
  [
    'winner',
    ({ question, seen }, voice) => {
      const [side] = voice.order(question, seen.slice(0, 2))
      return { winner: side === 0 ? 'plaintiff' : 'defendant', judgement: REASONING }
    },
  ],
  // HALO: one subtask, which is the question, until it was solved; three roles.
  ['stop', ({ question, prompt }) => (prompt.includes('(success)') ? { stop: true } : { subtask: question.text })],
  [
    'roles',
    () => ({ roles: ['solver', 'checker', 'critic'].map((name) => ({ name, prompt: `You are the ${name}.` })) }),
  ],
  [
    'verdict',
    (asked, voice) =>
      isRight(asked, voice) ? { verdict: 'success', score: 0.9 } : { verdict: 'continue', score: 0.2 },
  ],
  ['text', ({ question }) => ({ text: question.text })],
  ...LEADERS,
]

/** What a worker says in a form. @throws an Error where nobody here answers in it */
export function inForm(asked: Asked, voice: Voice, { properties = {} }: Form): unknown {
  const [, say] = FORMS.find(([name]) => properties[name] !== undefined) ?? []
  const said = say === undefined ? byInstructions(asked, voice) : say(asked, voice, properties)
  if (said !== undefined) return said
  throw new Error(`nobody here answers in the form { ${Object.keys(properties).join(', ')} }: ${asked.instructions}`)
}

/** Forms that are told in words alone: of a router that is asked of each candidate, and of who leads the Internet of Agents. */
function byInstructions(asked: Asked, voice: Voice): unknown {
  if (asked.instructions.includes('how likely each of the candidates'))
    return Object.fromEntries(suited(asked).map(({ name, share }) => [name, share]))
  return ledInWords(asked, voice)
}

/** What is done to a graph of thoughts: there is nothing to split, so the whole is solved, and bettered until it is held to be right. */
export function moveIn(prompt: string): { readonly do: string; readonly nodes: readonly number[] } {
  return { do: /^0 \[open/m.test(prompt) ? 'solve' : 'refine', nodes: [0] }
}

function isRight({ question, seen }: Asked, voice: Voice): boolean {
  return voice.judged(question, seen.at(-1))
}

function ballotOf({ question, seen, instructions }: Asked, voice: Voice): number[] {
  const best = voice.order(question, seen)
  if (instructions.includes('Rank')) return best.map((place) => place + 1)
  if (instructions.includes('Vote for one')) return [(best[0] as number) + 1]
  const approved = seen.map((one) => voice.judged(question, one))
  if (instructions.includes('every solution')) return approved.flatMap((is, i) => (is ? [i + 1] : []))
  // Ten points: shared by those that are approved of, else all on the one that seems best.
  const share = approved.filter(Boolean).length
  return seen.map((_, i) => (share === 0 ? (i === best[0] ? 10 : 0) : approved[i] === true ? 10 / share : 0))
}

/** Questions on a subject by which it shows who has it: of those that are known, some. */
function queriesOn(question: Question, { exam: { learn }, draw }: Voice): string[] {
  const same = learn.filter(({ topic }) => topic === question.topic)
  const among = same.length === 0 ? learn : same
  return Array.from({ length: QUERIES }, () => (among[Math.floor(draw(question) * among.length)] as LearnQuestion).text)
}

/** A candidate helps where most of its answers are held to be right. */
function isHelpful(prompt: string, { judged, questionOf }: Voice): boolean {
  const answers = [...prompt.matchAll(/\bq(\d+)-[a-z]\b/g)]
  const held = answers.filter(([label, number]) => judged(questionOf(Number(number)), label))
  return 2 * held.length > answers.length
}

/** Of aggregations whose earlier passes stand in a prompt, that with the best mean. */
function bestBefore(prompt: string): string | undefined {
  const means = [...prompt.matchAll(/^- ([\w-]+) on "[^"]*": ([\d.]+) in \d+ passes$/gm)]
  return means.toSorted(([, , a], [, , b]) => Number(b) - Number(a))[0]?.[1]
}
