/**
 * The reader's measures of where a sentence stands: in which section and list item, before what, found by which search.
 *
 *     surroundingsOf(sentence, asked).item   // the share of the question's terms in the first sentence of the list item
 *
 * Invariant RU1. Every measure is between 0 and 1.
 */
import { fitOf } from './reader-kinds.ts'
import type { Question, Term } from './reader-question.ts'
import type { Sentence } from './reader-sentences.ts'

export interface Surroundings {
  /** The relevance of its passage in the first search, as a share of the best. */
  found: number
  /** A default is asked for and given: 1 with a value, 0.5 without. */
  defaults: number
  /** 1 when the path or the last heading is a name of the question however it is written («no-such-tool-error.md» for NoSuchToolError), 0.7 for two neighbouring words of it. */
  about: number
  /** The sentence after it holds the kind of thing asked for. */
  fitsNext: number
  /** Share of terms in the first sentence of its list item. */
  item: number
  /** 1 when it is the first sentence under a heading or of a passage. */
  opens: number
  /** Share of the years of the question that stand in it. */
  year: number
  /** 1 when a reason is asked for and its section is called a cause or a solution. */
  remedy: number
}

interface Wanted {
  readonly question: Question
  readonly terms: readonly Term[]
  /** Sum of the weights of the terms. */
  readonly total: number
  readonly own: ReadonlySet<string>
}

const wantsDefault =
  /\bdefaults?\b|\b(?:unless|if) (?:told|set|I|you|not|nothing|no)\b|\b(?:leave|left) (?:it|them) alone\b|\bset nothing\b|\bno (?:cap|limit|value)\b|\bnever set\b/i
const givesDefault =
  /\bdefaults?\b(?:\*\*)?(?: (?:to|is|are|value)\b|:|=|\s*\()|\bby default\b|\bdefault:|\bif (?:not|none|no)\b/i
const remedyPattern = /\b(?:solution|cause|reason|background|why|explanation|fix|workaround)\b/i
const itemPattern = /^\s*(?:[-*+•]|\d+[.)])\s/
const yearPattern = /^1[5-9]\d\d$|^20\d\d$/
/** A list item is looked for in so many sentences before. */
const itemSentencesMax = 5

export function surroundingsOf(sentence: Sentence, asked: Wanted): Surroundings {
  const { question, terms } = asked
  const { passage, index, text } = sentence
  const { sentences, evidence } = passage
  const heading = evidence.heading.split(' > ').at(-1) ?? ''
  const before = sentences[index - 1]
  const after = sentences[index + 1]
  const years = terms.filter((term) => yearPattern.test(term.raw))
  return {
    found: evidence.worth,
    defaults: wantsDefault.test(question.text) && givesDefault.test(text) ? (/`[^`]+`|\d/.test(text) ? 1 : 0.5) : 0,
    about: aboutOf(`${sentence.path} ${heading}`, asked),
    fitsNext: after?.index === index + 1 ? Math.max(0, fitOf(after, asked)) : 0,
    item: itemShare(sentence, asked),
    opens: sentence.form === 'prose' && (before === undefined || before.form === 'heading') ? 1 : 0,
    year: years.length === 0 ? 0 : years.filter((term) => sentence.stems.has(term.stem)).length / years.length,
    remedy: question.asks === 'reason' && remedyPattern.test(heading) ? 1 : 0,
  }
}

function aboutOf(place: string, { question, terms }: Wanted): number {
  const squeezed = squeeze(place)
  const isName = terms.some(
    ({ raw }) => raw.length >= 6 && /\p{Ll}\p{Lu}|_|\d/u.test(raw) && squeezed.includes(squeeze(raw)),
  )
  if (isName) return 1
  const rawOf = (stem: string): string => terms.find((term) => term.stem === stem)?.raw ?? ''
  const isPair = question.pairs.some(([a, b]) => {
    const [first, second] = [rawOf(a), rawOf(b)]
    return first !== '' && second !== '' && (first + second).length >= 8 && squeezed.includes(squeeze(first + second))
  })
  return isPair ? 0.7 : 0
}

function squeeze(text: string): string {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '')
}

function itemShare({ passage: { sentences }, index }: Sentence, { terms, total }: Wanted): number {
  for (let at = index - 1; at >= 0 && index - at <= itemSentencesMax; at--) {
    const earlier = sentences[at] as Sentence
    if (earlier.form !== 'prose' || itemPattern.test((sentences[at + 1] as Sentence).text)) return 0
    if (itemPattern.test(earlier.text))
      return total === 0
        ? 0
        : terms.reduce((sum, term) => sum + (earlier.stems.has(term.stem) ? term.weight : 0), 0) / total
  }
  return 0
}
