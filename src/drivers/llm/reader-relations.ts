/**
 * The reader's word relations: which words may stand for a word, and how well, from the senses of WordNet 3.1.
 *
 *     relatedTo('officer').get('commodor')   // 0.5 or so: a commodore is a kind of officer
 *
 * How well is a number between 0 and 1: Lin's measure (D. Lin, «An information-theoretic definition of similarity», 1998) along kinds, where a sense tells the more the fewer kinds are below it;
 * less for the rarer senses of either word, and for derived and opposite words. The table is made by scripts/build-reader-relations.ts and read once, at the first question (about half a second).
 *
 * Invariants
 *   RN1. A word never relates to its own stem, and every likeness is at least `likenessMin` and below 1.
 *   RN2. The table is general English; nothing in it comes from a corpus or from its questions.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { dropOldest } from '../../kernel/drop-oldest.ts'
import { stem } from '../../kernel/stem.ts'

interface Sense {
  readonly words: readonly { readonly word: string; readonly rank: number }[]
  readonly wider: readonly number[]
  readonly like: readonly number[]
  readonly narrower: number[]
  /** How much it tells, 0 for the widest to 1 for one without kinds. */
  tells: number
}

interface Table {
  readonly senses: readonly Sense[]
  /** Senses of a word, with their ranks. */
  readonly sensesOf: ReadonlyMap<string, readonly { readonly sense: number; readonly rank: number }[]>
  readonly derived: ReadonlyMap<string, readonly string[]>
  readonly opposite: ReadonlyMap<string, readonly string[]>
}

const likenessMin = 0.15
const relatedMax = 400
const stepsDown = 4
const worthOfDerived = 0.9
const worthOfOpposite = 0.5
const worthOfLike = 0.6
const worthOfBeside = 0.6

const none: ReadonlyMap<string, number> = new Map()
const known = new Map<string, ReadonlyMap<string, number>>()
const knownMax = 2_000
let table: Table | undefined

/** The stems related to a word, each with its likeness. */
export function relatedTo(word: string): ReadonlyMap<string, number> {
  const lower = word.toLowerCase()
  if (!/^[a-z]{3,}$/.test(lower)) return none
  const before = known.get(lower)
  if (before !== undefined) return before
  table ??= load()
  const found = new Map<string, number>()
  for (const base of basesOf(lower, table)) addRelated(base, table, found)
  found.delete(stem(lower))
  const best = new Map([...found].toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, relatedMax))
  if (known.size >= knownMax) dropOldest(known)
  known.set(lower, best)
  return best
}

function addRelated(base: string, { senses, sensesOf, derived, opposite }: Table, found: Map<string, number>): void {
  const add = (word: string, likeness: number): void => {
    if (likeness < likenessMin || word === base) return
    const key = stem(word)
    found.set(key, Math.max(found.get(key) ?? 0, Math.min(0.99, likeness)))
  }
  const addSense = (id: number, likeness: number): void => {
    for (const { word, rank } of (senses[id] as Sense).words) add(word, likeness * worthOfRank(rank))
  }
  const spread = (word: string, worth: number): void => {
    for (const { sense: id, rank } of sensesOf.get(word) ?? []) {
      const sense = senses[id] as Sense
      const here = worth * worthOfRank(rank)
      addSense(id, here)
      for (const other of sense.like) addSense(other, here * worthOfLike)
      for (const above of sense.wider) {
        const { tells, narrower } = senses[above] as Sense
        addSense(above, here * lin(tells, sense.tells, tells))
        for (const beside of narrower)
          if (beside !== id)
            addSense(beside, here * worthOfBeside * lin(tells, sense.tells, (senses[beside] as Sense).tells))
        for (const further of (senses[above] as Sense).wider)
          addSense(further, here * lin((senses[further] as Sense).tells, sense.tells, (senses[further] as Sense).tells))
      }
      const below = (from: Sense, steps: number): void => {
        for (const each of from.narrower) {
          addSense(each, here * lin(sense.tells, sense.tells, (senses[each] as Sense).tells))
          if (steps > 1) below(senses[each] as Sense, steps - 1)
        }
      }
      if (here * lin(sense.tells, sense.tells, 1) >= likenessMin) below(sense, stepsDown)
    }
  }
  spread(base, 1)
  for (const other of derived.get(base) ?? []) {
    add(other, worthOfDerived)
    spread(other, worthOfDerived)
  }
  for (const other of opposite.get(base) ?? []) add(other, worthOfOpposite)
}

function lin(shared: number, a: number, b: number): number {
  return a + b === 0 ? 0 : (2 * shared) / (a + b)
}

/** What a word's sense of a rank is worth: the first in full, the second less. */
function worthOfRank(rank: number): number {
  return 1 / rank ** 0.5
}

/** The dictionary forms of a word: itself, and what it may be an inflection of. */
function basesOf(word: string, { sensesOf }: Table): string[] {
  const forms = [
    word,
    stem(word),
    word.replace(/ies$/, 'y'),
    word.replace(/(?<!s)s$/, ''),
    word.replace(/es$/, ''),
    word.replace(/ied$/, 'y'),
    word.replace(/(?:ed|ing|er)$/, ''),
    word.replace(/(?:ed|ing)$/, 'e'),
    word.replace(/([bdgklmnprt])\1(?:ed|ing)$/, '$1'),
  ]
  return [...new Set(forms)].filter((form) => form.length >= 2 && sensesOf.has(form))
}

function load(): Table {
  const text = readFileSync(join(import.meta.dirname, 'reader-relations.txt'), 'latin1')
  const first = text.indexOf('\n---\n') + 5
  const second = text.indexOf('\n---\n', first)
  const sensesOf = new Map<string, { sense: number; rank: number }[]>()
  const senses: Sense[] = []
  for (const row of text.slice(first, second).split('\n')) {
    const tab = row.indexOf('\t')
    const words: { word: string; rank: number }[] = []
    for (const each of tab === 0 ? [] : row.slice(0, tab).split(' ')) {
      const colon = each.indexOf(':')
      const word = colon === -1 ? each : each.slice(0, colon)
      const rank = colon === -1 ? 1 : Number(each.slice(colon + 1))
      words.push({ word, rank })
      const own = sensesOf.get(word)
      if (own === undefined) sensesOf.set(word, [{ sense: senses.length, rank }])
      else own.push({ sense: senses.length, rank })
    }
    const wider: number[] = []
    const like: number[] = []
    for (const link of tab === row.length - 1 ? [] : row.slice(tab + 1).split(' '))
      if (link.startsWith('-')) like.push(Number(link.slice(1)))
      else wider.push(Number(link))
    senses.push({ words, wider, like, narrower: [], tells: 1 })
  }
  for (const [id, sense] of senses.entries()) for (const above of sense.wider) senses[above]?.narrower.push(id)
  tellAll(senses)
  const derived = new Map<string, string[]>()
  const opposite = new Map<string, string[]>()
  for (const row of text
    .slice(second + 5)
    .trimEnd()
    .split('\n')) {
    const isOpposite = row.includes('!')
    const [a = '', b = ''] = row.split(isOpposite ? '!' : ' ')
    addPair(isOpposite ? opposite : derived, a, b)
    addPair(isOpposite ? opposite : derived, b, a)
  }
  return { senses, sensesOf, derived, opposite }
}

function addPair(into: Map<string, string[]>, from: string, to: string): void {
  const own = into.get(from)
  if (own === undefined) into.set(from, [to])
  else own.push(to)
}

/** Seco's measure (N. Seco, T. Veale, J. Hayes, 2004): the more kinds below a sense, the less it tells. */
function tellAll(senses: readonly Sense[]): void {
  const counts = new Map<Sense, number>()
  const count = (sense: Sense): number => {
    const before = counts.get(sense)
    if (before !== undefined) return before
    counts.set(sense, 0) // a loop in the data ends here
    const below = sense.narrower.reduce((sum, each) => sum + 1 + count(senses[each] as Sense), 0)
    counts.set(sense, below)
    return below
  }
  const most = Math.log(Math.max(2, senses.length))
  for (const sense of senses) sense.tells = Math.max(0, 1 - Math.log(1 + count(sense)) / most)
}
