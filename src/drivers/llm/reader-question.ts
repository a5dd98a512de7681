/**
 * The reader's understanding of a question: what it asks for, its key terms and their weights, its parts, and whether it is arithmetic.
 *
 *     const question = parseQuestion('How many miles of post roads were there in 1823?')
 *     question.asks          // 'number'
 *     question.terms         // mile, post, road, 1823, each with a weight
 *
 * Invariants
 *   RQ1. Everything follows from the text given; nothing is remembered.
 *   RQ2. A question has at least one term unless it holds no word at all.
 *   RQ3. A question without a seam between two questions stays one.
 */
import { stopWords } from '../folder/words.ts'
import { stem } from '../../kernel/stem.ts'
import { framingWords, wordsIn } from './reader-words.ts'

/** What kind of answer fits: it decides which sentences count as an answer. */
export type Asks = 'name' | 'place' | 'time' | 'occasion' | 'number' | 'reason' | 'definition' | 'which' | 'thing'

export interface Term {
  /** As written in the question. */
  readonly raw: string
  readonly stem: string
  /** What the term matters before its rarity is known: 1 for an ordinary word. */
  readonly weight: number
  /** A name or a number: it has no synonyms, and an answer without it answers something else. */
  readonly isName: boolean
}

export interface Question {
  readonly text: string
  readonly asks: Asks
  readonly terms: readonly Term[]
  /** Pairs of neighbouring key terms, as stems. */
  readonly pairs: readonly (readonly [string, string])[]
  /** For «what is X»: the words of X. */
  readonly subject: string
  /** Stems of what the question turns on: what is counted, who acts how, whose what. An answer without any of them answers something else. */
  readonly head: readonly string[]
}

const termsMax = 24
/** A longer word is none that anyone searches for. */
const termCharsMax = 64
/** The words before a noun that tell whether it names the kind of answer. */
const kindCharsMax = 120

/** Reads a question. */
export function parseQuestion(text: string): Question {
  const clean = text.trim().replaceAll(/\s+/g, ' ')
  const asks = asksOf(clean)
  const words = wordsIn(clean)
  const terms: Term[] = []
  const seen = new Set<string>()
  const pairs: [string, string][] = []
  let before: { stem: string; end: number } | undefined
  for (const [index, word] of words.entries()) {
    const lower = word.raw.toLowerCase()
    if (
      (stopWords.has(lower) && !isShouted(word.raw)) ||
      (lower.length === 1 && !/\p{N}/u.test(lower)) ||
      questionNouns.has(lower) ||
      lower.length > termCharsMax
    )
      continue
    if (before !== undefined && word.at - before.end <= 12) pairs.push([before.stem, word.stem])
    before = { stem: word.stem, end: word.at + word.raw.length }
    if (seen.has(word.stem)) continue
    seen.add(word.stem)
    const isName =
      /\p{N}/u.test(word.raw) ||
      isCode(word.raw) ||
      (/^\p{Lu}/u.test(word.raw) &&
        index > 0 &&
        !/[.?!:]["'”)]*\s*$/.test(clean.slice(Math.max(0, word.at - 20), word.at)))
    const weight = isName ? 1.35 : framingWords.has(word.stem) || isKindNoun(clean, word.at) ? 0.4 : 1
    terms.push({ raw: word.raw, stem: word.stem, weight, isName })
  }
  if (terms.length === 0)
    for (const word of words.slice(0, 4)) terms.push({ raw: word.raw, stem: word.stem, weight: 1, isName: false })
  const subject = /^(?:what|who)(?:'s| is| are| was| were)\s+(?:an?\s+|the\s+)?(.+?)[?.!]*$/i.exec(clean)?.[1] ?? ''
  return { text: clean, asks, terms: terms.slice(0, termsMax), pairs, subject, head: headOf(clean, terms) }
}

/** How a measure is asked for, and the words one of which an answer to it holds. */
const measures: readonly (readonly [RegExp, string])[] = [
  [/\bhow old\b/i, 'year age old month'],
  [
    /\bhow (?:tall|high|long|far|deep|wide|thick|large|big)\b/i,
    'foot inch mile yard fathom meter metre kilometer acre length long height high tall depth deep width wide thick thickness size hour minute second day week month year',
  ],
  [/\bhow heavy\b/i, 'pound ton kilo gram weight weigh'],
]

function headOf(text: string, terms: readonly Term[]): string[] {
  for (const [asked, words] of measures) if (asked.test(text)) return words.split(' ').map(stem)
  const owned = /\p{L}['’]s\s+(?:\p{L}+\s+)?([\p{L}-]+)/u.exec(text)?.[1]
  const counted = /\bhow (?:many|much)\s+(.*)/i.exec(text)?.[1]
  const acted =
    /^(?:and |but )?(?:to |from |by |with )?(?:who|whom|whose)\s+(?:(?:is|are|was|were|did|does|has|had)\s+)?(.*)/i.exec(
      text,
    )?.[1]
  const named = /\bnames? of (.*)/i.exec(text)?.[1]
  const words: string[] = []
  for (const word of (counted ?? acted ?? named ?? owned ?? '').match(/[\p{L}\p{N}-]+/gu) ?? []) {
    const lower = word.toLowerCase()
    if (/^(?:the|an?|of|its|his|her)$/.test(lower) && words.length === 0) continue
    const term = terms.find((each) => each.raw.toLowerCase() === lower)
    if (term === undefined || term.isName || stopWords.has(lower) || words.length >= 2) break
    words.push(term.stem)
  }
  return words
}

/** Nouns that say what kind of answer is wanted, and are seldom part of it. */
const questionNouns = new Set(['much', 'many'])

/** True for the noun after «which» or «what» («which island …»): it names the kind of answer, and seldom stands in it. */
function isKindNoun(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - kindCharsMax), at)
  return (
    /\b(?:which|what)\s+(?:[\p{Ll}]+\s+)?$/iu.test(before) &&
    !/\b(?:which|what)\s+(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|must|should|happens?|happened|became|causes?)\s+$/i.test(
      before,
    )
  )
}

function isShouted(word: string): boolean {
  return word.length > 1 && word === word.toUpperCase() && /\p{L}/u.test(word)
}

function isCode(word: string): boolean {
  return /\p{Ll}\p{Lu}/u.test(word) || word.includes('_')
}

function asksOf(text: string): Asks {
  const lower = text.toLowerCase()
  if (
    /\bhow (?:many|much|long|far|old|tall|high|deep|thick|wide|large|big|often|fast|heavy)\b|\bwhat (?:percentage|number|amount|sum|share|temperature|price|size|age|length|height|weight|port|duty)\b|\b(?:amount to|by how)\b|\b(?:on|at|under) which port\b|\bworth\b/.test(
      lower,
    )
  )
    return 'number'
  if (/^(?:and |but )?when (?:is|are|does|do|should|can|will|would|must)\b/.test(lower)) return 'occasion'
  if (/^(?:and |but |so )?(?:when|since when)\b|\b(?:what|which) (?:year|date|day|month|century)\b/.test(lower))
    return 'time'
  if (
    /\b(?:who|whom|whose)\b(?!\s+(?:is|are|was|were)?\s*\w+ing\b)/.test(lower) &&
    /^(?:and |but )?(?:(?:to|from|by|with|for|of|after|under) )?who/.test(lower)
  )
    return 'name'
  if (
    /\bname of\b|\bcalled\?|\b(?:which|what) (?:[\w-]+ ){0,2}(?:person|man|woman|king|queen|president|general|officer|captain|author|judge|architect|minister|explorers?|leader|doctor|sailor|ship|vessel|nation|tribe|company)\b/.test(
      lower,
    )
  )
    return 'name'
  if (
    /^(?:and |but )?where\b|\b(?:which|what) (?:[\w-]+ )?(?:city|town|country|island|state|place|port|river|mountain|county|village|continent)\b|\bbirthplace\b/.test(
      lower,
    )
  )
    return 'place'
  if (/^(?:and |but )?why\b|\bwhat (?:causes?|is the (?:reason|cause))\b|\bhow come\b/.test(lower)) return 'reason'
  if (
    /^what(?:'s| is| are) (?:an? |the )?[\w' -]{1,60}\??$|^what does [\w'-]+ (?:do|mean)\b|\b(?:defined?|definition|meaning)\b|^what is [\w'-]+ for\b/.test(
      lower,
    )
  )
    return 'definition'
  if (/\b(?:which|what) (?!is\b|are\b|was\b|were\b|do\b|does\b|did\b|has\b|have\b|happen|became\b)[a-z]/.test(lower))
    return 'which'
  return 'thing'
}

// ---- parts -----------------------------------------------------------------------------------------------------

const questionWord =
  '(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|should|has|have|will)'
const partsMax = 8

/** The independent questions in a text: several question marks, «… and who …», «compare A and B». One question stays one. */
export function subQuestions(text: string): string[] {
  const clean = text.trim().replaceAll(/\s+/g, ' ')
  if (clean === '') return []
  const compared =
    /^(?:please )?(?:compare|contrast|(?:what|tell me|explain|describe)[^?]*\b(?:difference|differences|compare)\b(?: between)?)\s+(.+?)\s+(?:and|with|to|versus|vs\.?)\s+(.+?)[?.!]*$/i.exec(
      clean,
    )
  if (compared) return [`What is ${compared[1]}?`, `What is ${compared[2]}?`]
  const parts = clean
    .split(
      /(?<=[?])\s+|(?<!\b(?:Mr|Mrs|Ms|Messrs|Dr|Gen|Capt|Col|Lieut|St|Hon|Rev|vs|etc)\.)(?<=[.!;])\s+(?=["'“(]?[A-Z])/,
    )
    .flatMap((part) =>
      part.split(new RegExp(`[,;]?\\s+(?:and|but|also|and also|as well as)\\s+(?=${questionWord}\\b)`, 'i')),
    )
    .map((part) =>
      part
        .replace(/^(?:and|but|also|then)\s+/i, '')
        .replace(/[;,]$/, '')
        .trim(),
    )
    .filter((part) => part !== '')
  const questions = parts.filter(
    (part) =>
      part.endsWith('?') ||
      new RegExp(`^(?:(?:in|on|at|by|from|to|for|of|under|after|before)\\s+)?${questionWord}\\b`, 'i').test(part),
  )
  if (questions.length < 2) return [clean]
  return questions.slice(0, partsMax).map((part, index) => {
    const whole = index > 0 ? withNames(part, questions[index - 1] as string) : part
    const capital = whole.charAt(0).toUpperCase() + whole.slice(1)
    return /[?]$/.test(capital) ? capital : `${capital.replace(/[.!]$/, '')}?`
  })
}

/** «…and when did he die» stands for a name in the question before it; the last name there is put in its place. */
function withNames(part: string, before: string): string {
  const names = [...before.matchAll(/(?<=\S\s)(?:[A-Z][\w'-]*)(?:\s+(?:of\s+|the\s+)?[A-Z][\w'-]*)*/g)].map(
    (match) => match[0],
  )
  const name = names.at(-1)
  if (name === undefined) return part
  return part
    .replace(/\b(?:he|she|it|they|him|them)\b/i, name)
    .replace(/\b(?:his|her|its|their)\b(?=\s+\p{L})/iu, `${name}'s`)
}

// ---- arithmetic ------------------------------------------------------------------------------------------------

const spoken: readonly [RegExp, string][] = [
  [/\bto the power of\b/gi, '^'],
  [/\bsquared\b/gi, '^2'],
  [/\bcubed\b/gi, '^3'],
  [/\bdivided by\b|\bover\b/gi, '/'],
  [/\bmultiplied by\b|\btimes\b/gi, '*'],
  [/(?<=\d)\s*x\s*(?=\d)/gi, '*'],
  [/\bplus\b/gi, '+'],
  [/\bminus\b|\bless\b/gi, '-'],
  [/\bper ?cent\b/gi, '%'],
  [/\bmodulo\b/gi, 'mod'],
]

/** The arithmetic expression a question asks to compute, or undefined when it asks for something else. */
export function arithmeticIn(text: string): string | undefined {
  let expression = text
    .trim()
    .replace(/[?!.=\s]+$/, '')
    .replace(
      /^(?:please\s+)?(?:hey[,\s]+)?(?:(?:can|could) you\s+)?(?:what(?:'s| is| are| does)|how much (?:is|are|does|do)|compute|calculate|evaluate|work out|tell me|solve)\s*/i,
      '',
    )
    .replace(/^(?:the )?(?:value|result|sum|product) of\s+/i, '')
    .replace(/\s*(?:make|equal|equals|come to|be)$/i, '')
  for (const [words, sign] of spoken) expression = expression.replaceAll(words, sign)
  expression = expression.trim()
  const isArithmetic = /^[\d\s.,_()+\-*/^%×÷·−–]*(?:\b(?:of|mod)\b[\d\s.,_()+\-*/^%×÷·−–]*)*$/i.test(expression)
  const hasOperation =
    /\d\s*%?\)*\s*(?:[-+*/^%×÷·−–]|of\b|mod\b)\s*[-(.\d]/i.test(expression) || /^\(*\d[\d.,]*\s*%$/.test(expression)
  return isArithmetic && hasOperation ? expression : undefined
}

/** The stem of each word of a phrase, joined; for comparing a subject with a heading. */
export function stemmed(phrase: string): string {
  return wordsIn(phrase)
    .map((word) => stem(word.raw))
    .join(' ')
}
