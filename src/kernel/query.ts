/**
 * Reading a query: the words that say what it is about, the speakers it names, the times it speaks of.
 *
 *     const read = readQuery("When did Melanie's race take place in May 2023?", new Set(['Melanie', 'Caroline']), now)
 *     read.stems       // ['race', 'take', 'place']: without the name, the date, and what only shapes a question
 *     read.speaker     // 'Melanie'
 *     read.isThen(at)  // whether that time is in May 2023
 *     read.asks        // 'time': the answer tells one
 *
 * Pure. Words that say nothing are English; words of other languages all count. Times are read in English and in UTC.
 *
 * Invariants
 *   Q1. A query that holds a word has a stem: where nothing else is left, names and words that say little are kept.
 *   Q2. `isThen` is undefined where the query speaks of no time, so that no note is preferred for its time.
 *   Q3. `asks` is undefined where the query asks neither for a time nor for a number.
 */
import { stem } from './stem.ts'
import { wordsIn } from './words.ts'

/** What a query asks for. */
export interface ReadQuery {
  /** Stems of the words that say what it is about, without repetition, in their order. */
  readonly stems: readonly string[]
  /** The speaker it names, where it names exactly one. */
  readonly speaker: string | undefined
  /** Whether a time, ms since 1970, is one that it speaks of. */
  readonly isThen: ((at: number) => boolean) | undefined
  /** What its answer tells: "when", "how long" and the like ask for a time, "how many" and the like for a number. */
  readonly asks: 'time' | 'number' | undefined
}

/** Reads a query. `speakers` are the names known, with their capitals; `now` is ms since 1970, for "yesterday" and "last week". */
export function readQuery(query: string, speakers: ReadonlySet<string>, now: number | undefined): ReadQuery {
  const named = new Set<string>()
  const names = new Set<string>()
  const written = new Set(query.normalize('NFKC').match(WORD))
  for (const word of [...written].slice(0, NAMING_WORDS_MAX)) {
    for (const speaker of speakers) {
      if (!isNameOf(word, speaker)) continue
      named.add(speaker)
      names.add(word.toLowerCase())
    }
  }
  const time = timeOf(query, now)
  const all = wordsIn(query)
  // A date with its year is when something was told, and no word of it.
  const topical = wordsIn(time?.date === undefined ? query : query.replace(time.date, ' ')).filter(
    (word) => !STOP_WORDS.has(word) && !names.has(word),
  )
  const rest = all.filter((word) => !STOP_WORDS.has(word))
  const words = topical.length > 0 ? topical : rest.length > 0 ? rest : all
  const [speaker] = named
  return {
    stems: [...new Set(words.map(stem))].slice(0, QUERY_WORDS_MAX),
    speaker: named.size === 1 ? speaker : undefined,
    isThen: time?.isThen,
    asks: ASKS_TIME.test(query) ? 'time' : ASKS_NUMBER.test(query) ? 'number' : undefined,
  }
}

/** Whether a text tells what is asked for: some time ("last Friday", "two years"), or some number, in figures or in words. */
export function tells(text: string, asked: 'time' | 'number'): boolean {
  return (asked === 'time' ? TELLS_TIME : TELLS_NUMBER).test(text)
}

/** The words to ask a full text for: lower case, without repetition, in their order; without those that say little, where others are left. */
export function searchWords(query: string): string[] {
  const all = [...new Set(wordsIn(query))]
  const words = all.filter((word) => !STOP_WORDS.has(word))
  return (words.length > 0 ? words : all).slice(0, QUERY_WORDS_MAX)
}

const WORD = /[\p{L}\p{N}\p{M}]+/gu

/** "Mel" and "melanie" name Melanie, "me" and "Melting" do not. Short forms take a capital, as they may be words too. */
function isNameOf(written: string, speaker: string): boolean {
  return speaker.split(' ').some((part) => {
    if (written.toLowerCase() === part.toLowerCase()) return true
    return written.length >= SHORT_NAME_MIN && /^\p{Lu}/u.test(written) && part.startsWith(written)
  })
}

/** Letters that a short form of a name has at least. */
const SHORT_NAME_MIN = 3
/** Words of a query beyond this add nothing to its meaning. */
export const QUERY_WORDS_MAX = 64
/** Different words of a query among which names are looked for. */
const NAMING_WORDS_MAX = 256

/** English words that shape a sentence or a question and say nothing of its subject. */
const STOP_WORDS: ReadonlySet<string> = new Set(
  (
    'a about after again all also am an and any are aren as at be because been before being between both but by can could couldn did didn do does doesn doing don done down during each few for from ' +
    'get got had hadn has hasn have haven having he her hers him his how i if in into is isn it its just like may me might mine more most must my no nor not of off on once only or other our ours ' +
    'out over own same shall she should shouldn so some such than that the their theirs them then there these they this those through to too under until up us very was wasn we were weren what ' +
    'when where which while who whom whose why will with would wouldn you your yours'
  ).split(' '),
)

// -------------------------------------------------------------------------------------------------------------- times

const MONTHS = 'january february march april may june july august september october november december'.split(' ')
const WEEKDAYS = 'sunday monday tuesday wednesday thursday friday saturday'.split(' ')
const NUMBERS = 'one two three four five six seven eight nine ten eleven twelve'.split(' ')
const DAY = 86_400_000

const MONTH = `(?<month>${MONTHS.map((name) => `${name.slice(0, 3)}(?:${name.slice(3)})?`).join('|')}|sept)\\.?`
const ISO = /\b(\d{4})-(\d\d)-(\d\d)\b/
/** "8 May 2023", "8th of May"; "May 8, 2023", "May 2023"; "in May", as the bare word may be another. */
const DATES = [
  new RegExp(`\\b(?<day>\\d{1,2})(?:st|nd|rd|th)?(?: of)? ${MONTH}(?:,? (?<year>\\d{4}))?\\b`, 'i'),
  new RegExp(`\\b${MONTH} (?<day>\\d{1,2})(?:st|nd|rd|th)?\\b(?:,? (?<year>\\d{4}))?`, 'i'),
  new RegExp(`\\b${MONTH},? (?<year>\\d{4})\\b`, 'i'),
  new RegExp(`\\b(?:in|of|since|during|by|last|this|early|late|mid) ${MONTH}(?!\\p{L})`, 'iu'),
  /\b(?<year>(?:19|20)\d\d)\b/,
]
const AGO = new RegExp(`\\b(\\d{1,3}|an?|${NUMBERS.join('|')}) (day|week|month|year)s? ago\\b`, 'i')
const LAST = new RegExp(`\\b(last|this|past) (week|month|year|${WEEKDAYS.join('|')})\\b`, 'i')

const ASKS_TIME =
  /^\s*(?:since |until )?when(?:['’]s| (?:am|are|can|could|did|do|does|had|has|have|is|may|might|must|shall|should|was|were|will|would))\b|\bhow long\b|\b(?:what|which) (?:date|day|month|season|time|week|year)\b/i
const ASKS_NUMBER = /\bhow (?:many|much|old|far|big|tall|often)\b/i
const UNITS =
  'minute|hour|day|week|weekend|month|season|year|decade|morning|noon|evening|night|midnight|spring|summer|autumn|winter'
/** These two are verbs as well: they are months beside a number, or after what leads to one. */
const VERBS = ['may', 'march']
const NAMED_MONTHS = MONTHS.filter((name) => !VERBS.includes(name)).map(
  (name) => `${name.slice(0, 3)}(?:t|${name.slice(3)})?`,
)
const TELLS_TIME = new RegExp(
  `\\d|\\b(?:yesterday|today|tonight|tomorrow|ago|since|last|next|(?:${UNITS}|${WEEKDAYS.join('|')})s?|${NAMED_MONTHS.join('|')}|` +
    `(?:by|during|early|in|late|mid|of|since|this|until) (?:${VERBS.join('|')}))\\b`,
  'i',
)
/** "One" is said of persons and things oftener than it counts. */
const COUNTING = NUMBERS.filter((name) => name !== 'one')
const TELLS_NUMBER = new RegExp(
  `\\d|\\b(?:${COUNTING.join('|')}|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|dozen|hundred|thousand|half|couple|once|twice)\\b`,
  'i',
)

/** The time that a query speaks of. */
interface Time {
  readonly isThen: (at: number) => boolean
  /** As it is written, where it is a date with its year. */
  readonly date?: string
}

/** The time that the query speaks of, if any. */
function timeOf(query: string, now: number | undefined): Time | undefined {
  const iso = ISO.exec(query)
  if (iso !== null)
    return { isThen: within(Date.UTC(Number(iso[1]), Number(iso[2]) - 1, Number(iso[3])), DAY), date: iso[0] }
  for (const pattern of DATES) {
    const found = pattern.exec(query)
    const { day, month, year } = found?.groups ?? {}
    if (day === undefined && month === undefined && year === undefined) continue
    // Alone and without a capital these two are verbs.
    if (day === undefined && year === undefined && /^(?:may|march)$/.test(month ?? '')) continue
    const place =
      month === undefined ? -1 : MONTHS.findIndex((name) => name.startsWith(month.slice(0, 3).toLowerCase()))
    const isThen = (at: number): boolean => {
      const date = new Date(at)
      return (
        (year === undefined || date.getUTCFullYear() === Number(year)) &&
        (place === -1 || date.getUTCMonth() === place) &&
        (day === undefined || Math.abs(date.getUTCDate() - Number(day)) <= DAYS_LATER_MAX)
      )
    }
    return year === undefined || month === undefined ? { isThen } : { isThen, date: found![0] }
  }
  const isThen = now === undefined ? undefined : relativeTo(query, now)
  return isThen === undefined ? undefined : { isThen }
}

/** What happened on a day is told on that day or soon after; nothing is told before. In days. */
const DAYS_LATER_MAX = 1

function relativeTo(query: string, now: number): ((at: number) => boolean) | undefined {
  const today = Math.floor(now / DAY) * DAY
  const plain = /\b(today|tonight|yesterday)\b/i.exec(query)
  if (plain !== null) return within(plain[1]!.toLowerCase() === 'yesterday' ? today - DAY : today, DAY)
  const ago = AGO.exec(query)
  if (ago !== null) {
    const written = ago[1]!.toLowerCase()
    const count = written.startsWith('a') ? 1 : NUMBERS.indexOf(written) + 1 || Number(written)
    const unit = daysOf(ago[2]!)
    // "Two months ago" is said of anything between one and a half and two and a half of them.
    return within(today - Math.round((count + 0.5) * unit - 0.5) * DAY, Math.max(unit, 1) * DAY)
  }
  const last = LAST.exec(query)
  if (last === null) return undefined
  const [, which = '', unit = ''] = last.map((part) => part.toLowerCase())
  const weekday = WEEKDAYS.indexOf(unit)
  const date = new Date(today)
  if (weekday !== -1) return within(today - ((date.getUTCDay() - weekday + 7) % 7 || 7) * DAY, DAY)
  const back = which === 'last' ? 1 : 0
  // A month and a year are those of the calendar, a week is not: on a Monday "this week" is told of Sunday too.
  if (unit === 'week' || which === 'past')
    return within(today - (back + 1) * daysOf(unit) * DAY, (daysOf(unit) + 1) * DAY)
  const from =
    unit === 'year'
      ? Date.UTC(date.getUTCFullYear() - back, 0)
      : Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - back)
  const first = new Date(from)
  const to =
    unit === 'year'
      ? Date.UTC(first.getUTCFullYear() + 1, 0)
      : Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1)
  return within(from, to - from)
}

function daysOf(unit: string): number {
  return { day: 1, week: 7, month: 30, year: 365 }[unit.toLowerCase()] ?? 1
}

function within(from: number, lengthMs: number): (at: number) => boolean {
  return (at) => at >= from && at < from + lengthMs
}
