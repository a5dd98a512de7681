/**
 * The reader's measures: what can be said of a sentence with respect to a question, in plain numbers, before any judgement.
 *
 *     const { measured } = measureSentences(question, evidence, wordScores)
 *     measured[0].features.here     // the share of the question's terms that stand in the sentence, weighted by their rarity
 *
 * Invariants
 *   RF1. Every feature is between 0 and 1, except `long` and the masses of reader-meaning.ts, and depends on the question and the evidence only.
 *   RF2. Each term of the question counts once, where it is met best; so `here` to `passage` add up to 1 at most.
 */
import { dropOldest } from '../../kernel/drop-oldest.ts'
import type { Evidence } from './reader-evidence.ts'
import { stemmed, type Question, type Term } from './reader-question.ts'
import { toPassage, type Passage, type Sentence } from './reader-sentences.ts'
import { stopWords } from '../folder/words.ts'
import { fitCloseness, fitOf, namesIn } from './reader-kinds.ts'
import { meaningsFor, type Meaning } from './reader-meaning.ts'
import { relatedTo } from './reader-relations.ts'
import { surroundingsOf, type Surroundings } from './reader-surroundings.ts'
import { isAkin, kinOf, wordsIn } from './reader-words.ts'

/** What is measured of a sentence. Shares are of the question's terms, weighted by rarity; each term counts once, where it is met best. */
export interface Features extends Meaning, Surroundings {
  /** Share of terms in the sentence itself. */
  here: number
  /** Share met by a kindred word in it. */
  kin: number
  /** Share in the sentence before or after. */
  near: number
  /** Share in the headings above. */
  heading: number
  /** Share in the path. */
  path: number
  /** Share elsewhere in the passage. */
  passage: number
  /** Share met at all, squared: the last missing term weighs more than the first. */
  cover: number
  /** Weight of the heaviest term that is not met, as a share. */
  lostMost: number
  /** Share of names and numbers found nowhere around. */
  lostName: number
  /** Share of names and numbers in the sentence itself. */
  nameHere: number
  /** Of the terms that are no names alone, the share met: a sentence that only holds the name asked about says something else of it. */
  plainMet: number
  /** Share of terms that no file holds at all, as far as searches for single words told. */
  absent: number
  /** 1 when nothing of what the question turns on is in the sentence, 0.5 when it is only near it. */
  headLost: number
  /** 1 when a name stands in apposition to the role asked for («Flask, the third mate»), 0.4 when only close by. */
  beside: number
  /** How close together the terms stand, 0 to 1. */
  close: number
  /** Share of neighbouring terms that are neighbours here too. */
  pairs: number
  /** 1 for a defining form. */
  defining: number
  /** Share of the last heading, or of the file name, that the question says too. */
  headed: number
  /** The kind of thing asked for is here: 0 to 1. */
  fits: number
  /** It is, and a reason or an occasion was asked for. */
  explains: number
  /** It is not here: 0 to 1. */
  unfit: number
  /** The kind of thing asked for stands close to the terms: 0 to 1. */
  fitsClose: number
  /** 1 when what is counted stands right behind a number, or a number stands before a unit of the measure asked for. */
  counted: number
  /** 0 to 1: how well a word beside a name is of the kind asked for («which officer»: Commodore Perry). */
  typed: number
  /** 1 for the first of the search results, less for later ones. */
  rank: number
  asking: number
  title: number
  code: number
  table: number
  short: number
  /** Words beyond 40, in hundreds. */
  long: number
}

/** Every feature, in the order of `Features`. */
export const featureNames = [
  'here',
  'kin',
  'near',
  'heading',
  'path',
  'passage',
  'cover',
  'lostMost',
  'lostName',
  'nameHere',
  'plainMet',
  'absent',
  'headLost',
  'beside',
  'close',
  'pairs',
  'defining',
  'headed',
  'fits',
  'explains',
  'unfit',
  'fitsClose',
  'counted',
  'typed',
  'rank',
  'asking',
  'title',
  'code',
  'table',
  'short',
  'long',
  'alikeNear',
  'alikePassage',
  'alikePlain',
  'gist',
  'gistNear',
  'toThePoint',
  'kindAlike',
  'held',
  'heldNear',
  'lost',
  'lostHeaviest',
  'asked',
  'found',
  'defaults',
  'about',
  'fitsNext',
  'item',
  'opens',
  'year',
  'remedy',
] as const satisfies readonly (keyof Features)[]

/** The features of every sentence, before any weight; what the tuner works on. */
export function measureSentences(
  question: Question,
  evidence: readonly Evidence[],
  wordScores: ReadonlyMap<string, number>,
): { asked: Asked; measured: { sentence: Sentence; features: Features }[] } {
  const passages = evidence.map(toPassage)
  const terms = question.terms.map((term) => ({ ...term, weight: term.weight * rarity(term, passages, wordScores) }))
  const total = terms.reduce((sum, term) => sum + term.weight, 0)
  const own = new Set(wordsIn(question.text).map((word) => word.raw.toLowerCase()))
  const asked: Asked = {
    question,
    terms,
    total,
    subject: stemmed(question.subject),
    own,
    wordScores,
    rarityOf: raritiesIn(passages),
    meaningOf: meaningsFor(question, terms),
    likenesses: new Map(terms.map((term) => [term.stem, new Map<string, number>()])),
  }
  return {
    asked,
    measured: mostAlike(passages, asked).map((sentence) => ({ sentence, features: featuresOf(sentence, asked) })),
  }
}

/** Of the sentences of the evidence, those that have most to do with the question; only they are measured in full. */
function mostAlike(passages: readonly Passage[], asked: Asked): readonly Sentence[] {
  const sentences = passages.flatMap((passage) => passage.sentences)
  if (sentences.length <= measuredMax) return sentences
  const order = sentences.map((sentence, index) => {
    const { alikeNear, gist, gistNear } = asked.meaningOf(sentence)
    return { sentence, index, alike: alikeNear + gistNear + gist / 2 + sentence.passage.evidence.worth / 2 }
  })
  return order
    .toSorted((a, b) => b.alike - a.alike || a.index - b.index)
    .slice(0, measuredMax)
    .map(({ sentence }) => sentence)
}

const measuredMax = 260

export interface Asked {
  readonly question: Question
  readonly terms: readonly Term[]
  /** Sum of the weights of the terms. */
  readonly total: number
  /** Stems of the subject of a definition. */
  readonly subject: string
  /** The words of the question, lower case: what it already says is not its answer. */
  readonly own: ReadonlySet<string>
  readonly wordScores: ReadonlyMap<string, number>
  /** How rare a stem is among the passages, 0.2 to 1. */
  readonly rarityOf: (stem: string) => number
  /** How much of the question a sentence says in other words. */
  readonly meaningOf: (sentence: Sentence) => Meaning
  /** How well a stem stands for a term, 0 to 1, remembered. */
  readonly likenesses: ReadonlyMap<string, Map<string, number>>
}

/**
 * How rare a term is, 0.12 to 1. Best known from the scores of searches for single words, where the rarest counts 1; else from how many of the passages found hold it.
 * A word that is nowhere counts in full when it is a name, and less when another word may stand for it.
 */
function rarity(term: Term, passages: readonly Passage[], wordScores: ReadonlyMap<string, number>): number {
  const score = wordScores.get(term.raw.toLowerCase())
  if (score !== undefined) {
    const rarest = Math.max(...wordScores.values())
    if (score === 0) return term.isName ? 1 : 0.7
    return Math.max(0.12, (score / rarest) ** 1.3)
  }
  const count = passages.length
  if (count < 4) return 1
  const holding = passages.filter(
    (passage) => passage.stems.has(term.stem) || passage.headingStems.has(term.stem),
  ).length
  if (holding === 0) return term.isName ? 1 : 0.7
  return Math.max(0.2, Math.log((count + 1) / (holding + 0.5)) / Math.log(count + 1))
}

function featuresOf(sentence: Sentence, asked: Asked): Features {
  const { question, terms, total } = asked
  const features: Features = {
    here: 0,
    kin: 0,
    near: 0,
    heading: 0,
    path: 0,
    passage: 0,
    cover: 0,
    lostMost: 0,
    lostName: 0,
    nameHere: 0,
    plainMet: 0,
    absent: 0,
    headLost: 0,
    beside: 0,
    close: 0,
    pairs: 0,
    defining: 0,
    headed: 0,
    fits: 0,
    explains: 0,
    unfit: 0,
    fitsClose: 0,
    counted: 0,
    typed: 0,
    rank: 1 / (1 + 0.4 * sentence.passage.evidence.rank),
    asking: sentence.text.endsWith('?') ? 1 : 0,
    title: sentence.form === 'heading' ? 1 : 0,
    code: sentence.form === 'code' ? 1 : 0,
    table: sentence.form === 'table' ? 1 : 0,
    short: sentence.words.length < 4 ? 1 : 0,
    long: Math.max(0, sentence.words.length - 40) / 100,
    ...asked.meaningOf(sentence),
    ...surroundingsOf(sentence, asked),
  }
  let plain = 0
  let plainMet = 0
  let met = 0
  for (const term of terms) {
    const share = total === 0 ? 0 : term.weight / total
    const { place, worth } = meet(term, sentence, asked)
    if (place !== undefined) {
      features[place] += share * worth
      met += share * worth * plainWorth[place]
    } else features.lostMost = Math.max(features.lostMost, share)
    if (term.isName && place === undefined) features.lostName += share
    if (term.isName && place === 'here') features.nameHere += share
    if (!term.isName) {
      plain += term.weight
      if (place !== undefined) plainMet += term.weight * plainWorth[place] * worth
    }
    if (asked.wordScores.get(term.raw.toLowerCase()) === 0) features.absent += share
  }
  features.cover = met ** 2
  features.plainMet = plain === 0 ? 1 : plainMet / plain
  features.headLost = headLost(sentence, asked)
  features.beside = question.asks === 'name' ? beside(sentence, asked) : 0
  features.close = closeness(sentence, terms)
  features.pairs = pairsKept(sentence, question)
  features.defining = definingForm(sentence, question, asked.subject)
  features.headed = Math.max(
    sharedTitle(sentence.passage.evidence.heading.split(' > ').at(-1) ?? '', asked),
    sharedTitle(sentence.path.split('/').at(-1) ?? '', asked),
  )
  features.counted = counted(sentence, asked)
  features.typed = typed(sentence, asked)
  const fit = fitOf(sentence, asked)
  if (fit > 0) {
    features.fits = fit
    if (question.asks === 'reason' || question.asks === 'occasion') features.explains = 1
    features.fitsClose = fitCloseness(sentence, asked)
  } else features.unfit = -fit
  return features
}

type Place = 'here' | 'kin' | 'near' | 'heading' | 'path' | 'passage'

const plainWorth: Readonly<Record<Place, number>> = {
  here: 1,
  kin: 0.9,
  near: 0.6,
  heading: 0.8,
  path: 0.6,
  passage: 0.3,
}

/** Where a term is met best and how well; kindred words are worth their likeness. No place when it is not met. */
export function meet(term: Term, sentence: Sentence, asked: Asked): { place: Place | undefined; worth: number } {
  const { passage, index } = sentence
  if (sentence.stems.has(term.stem)) return { place: 'here', worth: 1 }
  let best: { place: Place | undefined; worth: number } = { place: undefined, worth: 0 }
  let most = 0
  const offer = (place: Place, worth: number): void => {
    if (worth * plainWorth[place] <= most) return
    most = worth * plainWorth[place]
    best = { place, worth }
  }
  const kin = (stems: ReadonlySet<string> | undefined): number =>
    stems === undefined || term.isName ? 0 : likenessIn(term, stems, asked)
  offer('kin', kin(sentence.stems))
  if (passage.headingStems.has(term.stem)) offer('heading', 1)
  if (passage.pathStems.has(term.stem)) offer('path', 1)
  const [before, after, earlier] = [
    passage.sentences[index - 1],
    passage.sentences[index + 1],
    passage.sentences[index - 2],
  ]
  if (before?.stems.has(term.stem) || after?.stems.has(term.stem) || earlier?.stems.has(term.stem)) offer('near', 1)
  if (passage.stems.has(term.stem)) offer('passage', 1)
  else if (most < plainWorth.passage)
    offer('passage', Math.max(kin(before?.stems), kin(after?.stems), kin(passage.headingStems)))
  return best
}

/** How well the best of some stems stands for a term: its likeness, less where it is a common word. */
function likenessIn(term: Term, stems: ReadonlySet<string>, asked: Asked): number {
  const remembered = asked.likenesses.get(term.stem) as Map<string, number>
  let best = 0
  for (const each of stems) {
    let likeness = remembered.get(each)
    if (likeness === undefined) {
      likeness = likenessOf(term, each) * (0.4 + 0.6 * asked.rarityOf(each))
      remembered.set(each, likeness)
    }
    if (likeness > best) best = likeness
  }
  return best
}

function likenessOf(term: Term, other: string): number {
  if (kinOf(term.stem).has(other) || isAkin(other, term.stem)) return 0.9
  return relatedTo(term.raw).get(other) ?? 0
}

function raritiesIn(passages: readonly Passage[]): (stem: string) => number {
  const counts = new Map<string, number>()
  for (const { stems } of passages) for (const each of stems) counts.set(each, (counts.get(each) ?? 0) + 1)
  const most = Math.log(passages.length + 1)
  return (each) =>
    passages.length < 4 ? 1 : Math.max(0.2, Math.log((passages.length + 1) / ((counts.get(each) ?? 0) + 0.5)) / most)
}

/** 0 to 1: the share of a title (a heading, a file name) that the question says too; 0 for titles of numbers only. */
function sharedTitle(title: string, { question }: Asked): number {
  const words = stemsOfTitle(title)
  if (words.length === 0) return 0
  const said = new Set(wordsIn(question.text).map((word) => word.stem))
  return words.filter((word) => said.has(word)).length / Math.max(2, words.length)
}

const titles = new Map<string, readonly string[]>()
const titlesMax = 10_000

function stemsOfTitle(title: string): readonly string[] {
  const known = titles.get(title)
  if (known !== undefined) return known
  const found = wordsIn(title.replace(/\.\w{1,5}$/, '').replaceAll(/[-_.]/g, ' '))
    .map((word) => word.stem)
    .filter((word) => !/^\d+$/.test(word))
  if (titles.size >= titlesMax) dropOldest(titles)
  titles.set(title, found)
  return found
}

function headLost(sentence: Sentence, asked: Asked): number {
  const { head } = asked.question
  if (head.length === 0) return 0
  const held = (stems: ReadonlySet<string> | undefined): number =>
    stems === undefined
      ? 0
      : Math.max(
          ...head.map((each) => {
            if (stems.has(each)) return 1
            const term = asked.terms.find((other) => other.stem === each)
            if (term !== undefined) return Math.min(1, likenessIn(term, stems, asked) / 0.7)
            return [...kinOf(each)].some((kin) => stems.has(kin)) || [...stems].some((other) => isAkin(other, each))
              ? 1
              : 0
          }),
        )
  const { passage, index } = sentence
  const near = Math.max(
    held(passage.sentences[index - 1]?.stems),
    held(passage.sentences[index + 1]?.stems),
    held(passage.headingStems),
  )
  return 1 - Math.max(held(sentence.stems), near / 2)
}

/** 1 when a new name stands in apposition to what the question turns on («Perth, the old blacksmith», «Captain Mayhew», «the third mate was Flask»), 0.4 when it only stands close by. */
function beside(sentence: Sentence, asked: Asked): number {
  const { question, own } = asked
  const role = question.head.at(-1)
  if (role === undefined) return 0
  const term = asked.terms.find((each) => each.stem === role)
  const names = new Set(namesIn(sentence, own))
  const first = sentence.words[0]
  if (
    first !== undefined &&
    /^\p{Lu}\p{Ll}/u.test(first.raw) &&
    !own.has(first.raw.toLowerCase()) &&
    !stopWords.has(first.raw.toLowerCase())
  )
    names.add(first.raw)
  let best = 0
  for (const [place, word] of sentence.words.entries()) {
    if (word.stem !== role && (term === undefined || likenessIn(term, new Set([word.stem]), asked) < 0.6)) continue
    for (let other = Math.max(0, place - 7); other <= place + 4; other++) {
      const name = sentence.words[other]
      if (name === undefined || !names.has(name.raw)) continue
      const isBefore = other < place
      const between = isBefore
        ? sentence.text.slice(name.at + name.raw.length, word.at)
        : sentence.text.slice(word.at + word.raw.length, name.at)
      const isApposed = isBefore
        ? /^,? (?:(?:is|was|are|were|became|as) )?(?:the|an?|our|his|her|their|its|my)(?: [\p{Ll}-]+,?){0,4} $/u.test(
            between,
          )
        : /^(?:,| is| was| named| called|,? by name|,? whose name (?:is|was)|['’]s name (?:is|was))? ?(?:Mr\. |Mrs\. |one )?$/.test(
            between,
          )
      best = Math.max(best, isApposed ? 1 : Math.abs(other - place) <= 4 ? 0.4 : 0)
    }
  }
  return best
}

/** 0 to 1: how close together the terms of the question stand in a sentence. */
function closeness(sentence: Sentence, terms: readonly Term[]): number {
  const wanted = new Set(terms.map((term) => term.stem))
  const places: { place: number; stem: string }[] = []
  for (const [place, word] of sentence.words.entries())
    if (wanted.has(word.stem)) places.push({ place, stem: word.stem })
  const distinct = new Set(places.map((each) => each.stem)).size
  if (distinct < 2) return 0
  let shortest = Infinity
  for (let from = 0; from < places.length; from++) {
    const seen = new Set<string>()
    for (let to = from; to < places.length; to++) {
      seen.add((places[to] as { stem: string }).stem)
      if (seen.size === distinct) {
        shortest = Math.min(
          shortest,
          (places[to] as { place: number }).place - (places[from] as { place: number }).place + 1,
        )
        break
      }
    }
  }
  return (distinct / Math.max(distinct, shortest)) * Math.min(1, distinct / 3)
}

/** 0 to 1: the share of neighbouring terms of the question that are neighbours in the sentence too. */
function pairsKept(sentence: Sentence, question: Question): number {
  if (question.pairs.length === 0) return 0
  if (!question.pairs.some(([a, b]) => sentence.stems.has(a) && sentence.stems.has(b))) return 0
  const follows = new Set<string>()
  for (let place = 0; place < sentence.words.length; place++)
    for (let next = place + 1; next <= place + 3 && next < sentence.words.length; next++)
      follows.add(`${sentence.words[place]?.stem} ${sentence.words[next]?.stem}`)
  return (
    question.pairs.filter(([a, b]) => follows.has(`${a} ${b}`) || follows.has(`${b} ${a}`)).length /
    question.pairs.length
  )
}

/** 1 when a sentence has the form of a definition of the subject («X is a …», «X. NOUN — …»), 0 otherwise. */
function definingForm(sentence: Sentence, question: Question, subject: string): number {
  if (
    sentence.form === 'heading' ||
    sentence.form === 'code' ||
    (question.asks !== 'definition' && !(question.asks === 'name' && subject !== ''))
  )
    return 0
  const doing = /^what (?:does|do) (.+?) (?:do|mean)\b|^what is (.+?) (?:used )?for\b/i.exec(question.text)
  const wanted = doing ? stemmed(doing[1] ?? doing[2] ?? '') : subject
  if (wanted === '' || wanted.split(' ').length > 6) return 0
  const plain = sentence.text.replaceAll(/[`*_"“”]/g, '').replace(/^[-•\s]+/, '')
  const lead =
    /^(?:(?:an?|the)\s+)?(.+?)(?:\s*\([^)]*\))?[,.]?\s*(?:\b(?:is|are|was|were|means|refers to|stands for|calculates?|creates?|computes?|returns?|lets?|allows?|helps?|represents?)\b|—|:|\bnoun\b)/i.exec(
      plain,
    )
  if (lead === null) return 0
  const said = stemmed(lead[1] ?? '')
  return said === wanted
    ? 1
    : said.endsWith(` ${wanted}`) && said.split(' ').length <= wanted.split(' ').length + 2
      ? 0.6
      : 0
}

const lengthUnit =
  /^(?:f(?:oo|ee)t|inch(?:es)?|miles?|yards?|fathoms?|leagues?|acres?|met(?:er|re)s?|kilomet(?:er|re)s?)$/i
const timeUnit = /^(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|ms|milliseconds?)$/i
const numberLike =
  /^(?:\p{N}[\p{N}.,]*|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|thirds|million)$/iu

/** 1 when a number that the question does not hold stands before what is counted, before a fitting unit, or behind a currency sign where money is asked for. */
function counted(sentence: Sentence, asked: Asked): number {
  const { question, own } = asked
  if (question.asks !== 'number') return 0
  const text = question.text
  if (/\bhow much\b|\b(?:cost|spent|paid|pay|price|debt|worth|amount)\b/i.test(text) && !/\bhow many\b/i.test(text)) {
    const sums = sentence.text.match(/[$£€]\s?\d[\d,.]*|\b[\w-]+ (?:dollars?|pounds|cents)\b/gi) ?? []
    return sums.some((each) => !text.includes(each)) ? 1 : 0
  }
  const isLength = /\bhow (?:tall|high|long|far|deep|wide|thick|large|big)\b/i.test(text)
  const isTime = /\bhow (?:long|old|often)\b/i.test(text)
  const thing =
    question.head.length > 0 && !isLength ? asked.terms.find((term) => term.stem === question.head.at(-1)) : undefined
  for (const [place, word] of sentence.words.entries()) {
    if (!numberLike.test(word.raw) || own.has(word.raw.toLowerCase())) continue
    for (let next = place + 1; next <= place + 3 && next < sentence.words.length; next++) {
      const { raw, stem } = sentence.words[next] as { raw: string; stem: string }
      if ((isLength && lengthUnit.test(raw)) || (isTime && timeUnit.test(raw))) return 1
      if (thing !== undefined && (stem === thing.stem || likenessIn(thing, new Set([stem]), asked) > 0.4)) return 1
    }
  }
  return 0
}

/** 0 to 1: how well a word beside a new name is of the kind asked for («which officer»: «Commodore Perry»). */
function typed(sentence: Sentence, asked: Asked): number {
  const { question, own } = asked
  const noun =
    /\b(?:which|what)\s+(?:[\p{L}-]+\s+)??([\p{L}]{3,})\s+(?:is|are|was|were|did|does|do|has|have|had|can|could|[\p{Ll}]+(?:ed|s|t|ew|ave)?)\b/iu.exec(
      question.text,
    )?.[1]
  const kind = noun === undefined ? undefined : asked.terms.find((term) => term.raw === noun && !term.isName)
  if (kind === undefined) return 0
  const names = new Set(namesIn(sentence, own))
  if (names.size === 0) return 0
  let best = 0
  for (const [place, word] of sentence.words.entries()) {
    const likeness = word.stem === kind.stem ? 1 : likenessIn(kind, new Set([word.stem]), asked)
    if (likeness <= best) continue
    for (let other = Math.max(0, place - 3); other <= place + 3; other++)
      if (names.has(sentence.words[other]?.raw ?? '')) best = likeness
  }
  return best
}
