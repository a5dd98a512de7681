/**
 * The kinds of thing a question may ask for (a number, a time, a name, a place …), and whether a sentence holds one.
 *
 *     fitOf(sentence, asked)   // 1 when it holds what is asked for, -1 when it does not, 0 when that cannot be told
 *
 * Invariant: what the question itself says is not its answer; a name or a number counts only when the question does not hold it.
 */
import type { Question, Term } from './reader-question.ts'
import type { Sentence } from './reader-sentences.ts'
import { monthPattern, numberWordPattern } from './reader-words.ts'

/** What is wanted. */
interface Wanted {
  readonly question: Question
  readonly terms: readonly Term[]
  /** The words of the question, lower case. */
  readonly own: ReadonlySet<string>
}

const reasonPattern =
  /\b(?:because|since|due to|so that|in order|reason|owing to|therefore|thus|for security|caused? by|causes?|occurs? when|happens? (?:when|because)|to (?:prevent|avoid|protect|ensure))\b/i

/** 1 when the sentence holds the kind of thing asked for beyond what the question names itself, -1 when it does not, 0 when that cannot be told. */
export function fitOf(sentence: Sentence, { question, own }: Wanted): number {
  const text = sentence.text
  switch (question.asks) {
    case 'number': {
      if (
        sentence.words.some(
          (word) => /^\p{N}/u.test(word.raw) && !own.has(word.raw.toLowerCase()) && !/^1[5-9]\d\d$/.test(word.raw),
        )
      )
        return 1
      return numberWordPattern.test(text.replaceAll(/\b(?:no|none|one|half|once|single|first|second|third)\b/gi, ''))
        ? 0.8
        : -1
    }
    case 'time': {
      const years = text.match(/\b1[5-9]\d\d\b|\b20\d\d\b/g)?.filter((year) => !own.has(year)) ?? []
      if (/\b(?:date|day)\b/i.test(question.text))
        return /\d(?:st|nd|rd|th|d)?\s+(?:day\s+)?(?:of\s+)?[A-Z]|[a-z]\s+\d{1,2}(?:st|nd|rd|th)?\b/.test(text) &&
          monthPattern.test(text)
          ? 1
          : years.length > 0
            ? 0.4
            : -1
      if (years.length > 0 || monthPattern.test(text)) return 1
      return /\b(?:day|night|morning|century|ago|yesterday|today|o'clock|when|after|before|if)\b/i.test(text)
        ? -0.3
        : -1
    }
    case 'name':
      return namesIn(sentence, own).length > 0 ? 1 : -0.6
    case 'place':
      return /\b(?:in|at|from|of|to|near|off|on|for|upon)\s+(?:the\s+)?\p{Lu}\p{L}+/u.test(text) &&
        namesIn(sentence, own).length > 0
        ? 1
        : -0.6
    case 'occasion':
      return /\b(?:when|if|whenever|once|after|before)\b/i.test(text) ? 1 : -0.5
    case 'which':
      return namesIn(sentence, own).length > 0 || codeIn(text, own) ? 0.6 : -0.2
    case 'reason':
      return reasonPattern.test(text) ? 1 : 0
    default:
      return 0
  }
}

/** 0 to 1: how close the kind of thing asked for stands to a term of the question. */
export function fitCloseness(sentence: Sentence, { question, terms, own }: Wanted): number {
  if (question.asks === 'reason' || question.asks === 'occasion' || question.asks === 'which') return 0
  const wanted = new Set(terms.map((term) => term.stem))
  const names = question.asks === 'name' || question.asks === 'place' ? new Set(namesIn(sentence, own)) : undefined
  let nearest = Infinity
  const termPlaces = sentence.words.flatMap((word, place) => (wanted.has(word.stem) ? [place] : []))
  for (const [place, word] of sentence.words.entries()) {
    const isKind = names
      ? names.has(word.raw)
      : (/^\p{N}/u.test(word.raw) ||
          monthPattern.test(word.raw) ||
          (question.asks === 'number' && numberWordPattern.test(word.raw))) &&
        !own.has(word.raw.toLowerCase())
    if (isKind) for (const other of termPlaces) nearest = Math.min(nearest, Math.abs(place - other))
  }
  return nearest === Infinity ? 0 : 1 / (1 + nearest / 3)
}

/** True when a text names something in code quotes that the question does not. */
function codeIn(text: string, own: ReadonlySet<string>): boolean {
  return [...text.matchAll(/`([^`\s]+)`/g)].some((match) => !own.has((match[1] ?? '').toLowerCase()))
}

/** Capitalised words inside a sentence that the question does not hold. */
export function namesIn(sentence: Sentence, own: ReadonlySet<string>): string[] {
  return sentence.words
    .filter(
      (word) =>
        /^\p{Lu}[\p{L}'-]+/u.test(word.raw) &&
        word.at > 0 &&
        !own.has(word.raw.toLowerCase()) &&
        !/[.?!]["'”)]*\s*$/.test(sentence.text.slice(0, word.at)),
    )
    .map((word) => word.raw)
}
