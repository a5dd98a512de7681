/**
 * Facts between entities as notes (Zep and Graphiti, Rasmussen et al. 2025): since when and until when each held, in which episodes
 * it was said, and an end where a later one contradicts it.
 *
 *     const { addFact, sayAgain, factsOf } = factNotes('my-graph:fact', entityOf)
 *     await addFact(sys, { subject: 'Ann', relation: 'lives in', object: 'Rome', validFrom: june, exclusive: true })
 *     await factsOf(sys, ann.id, 'lives in')             // the oldest first
 *
 * Which intervals end which is the rule of temporal-facts.ts. Marks among the tags find the facts of an entity, of a relation and of an
 * object, however many there are.
 */
import { PolityError } from '../../kernel/errors.ts'
import type { Json, RecalledNote, Sys } from '../../kernel/types.ts'
import { changedNote } from './changed-note.ts'
import { plainName } from './entity-names.ts'
import { allNotes, noteInput, readNotes } from './notes.ts'
import type { Interval, TemporalFact } from './temporal-facts.ts'
import { admit } from './temporal-facts.ts'
import { markOf } from './text-hash.ts'

/** A fact as it is given. */
export interface FactInput {
  readonly subject: string
  readonly relation: string
  readonly object: string
  /** @default subject, relation and object */
  readonly text?: string
  /** ms since 1970. @default now */
  readonly validFrom?: number
  /** ms since 1970, itself not included. @default it still holds */
  readonly validTo?: number
  /** Of this subject and relation, one object at a time: it contradicts the others. @default false */
  readonly exclusive?: boolean
  /** Ids of further facts that it contradicts. @default none */
  readonly contradicts?: readonly string[]
  /** Id of the note that says so. */
  readonly episode?: string
  readonly source?: string
  readonly session?: string
}

/** What a fact's note keeps. Since when and until when it holds is the note's own. */
export interface Fact extends Omit<TemporalFact, keyof Interval> {
  readonly subject: string
  readonly relation: string
  readonly object: string
  readonly episodes: readonly string[]
}

export interface FactNotesOptions {
  /** What is said again while it holds is no new fact. @default true, as in Graphiti */
  readonly mergeRestated?: boolean
  /** Known defects of the release, see temporal-facts.ts. @default false */
  readonly asPublished?: boolean
}

/** Episodes that a fact remembers to have been said in, the last ones. */
const EPISODES_MAX = 50
/** Notes that a fact is drawn from at most when it comes. */
const PARENTS_MAX = 50

/** The facts whose notes carry this tag. @param entityOf the note of an entity, by its name */
export function factNotes(
  tag: string,
  entityOf: (sys: Sys, name: string) => Promise<RecalledNote>,
  { mergeRestated = true, asPublished = false }: FactNotesOptions = {},
) {
  /** Facts of a subject, or those by relation, or by relation and object; the oldest first. Since when they hold is the note's own. */
  async function factsOf(sys: Sys, subject: string, ...more: readonly string[]): Promise<readonly RecalledNote[]> {
    const facts: RecalledNote[] = []
    for await (const note of allNotes(sys, { tag: markOfFacts(subject, ...more) }))
      if (factIn(note).subject === subject) facts.push(note)
    return facts.toReversed()
  }

  /** The same was said in another episode. */
  async function sayAgain(sys: Sys, note: RecalledNote, episode: string): Promise<void> {
    const fact = factIn(note)
    const episodes = [...new Set([...fact.episodes, episode])].slice(-EPISODES_MAX)
    await sys.remember({ ...noteInput(note), data: { ...fact, episodes } as unknown as Json })
  }

  /** Returns the id of the fact, or of the one that says the same already. */
  async function addFact(sys: Sys, given: FactInput): Promise<string> {
    const { subject, relation, object, validFrom = sys.now(), validTo = null } = given
    if (validTo !== null && validTo <= validFrom)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `a fact ends after it begins: validTo ${validTo}, validFrom ${validFrom}`,
      )
    const from = await entityOf(sys, subject)
    const to = await entityOf(sys, object)
    const key = plainName(relation)
    const said = mergeRestated && validTo === null ? await factsOf(sys, from.id, key, to.id) : []
    const again = said.find((one) => holdsNow(one, validFrom))
    if (again !== undefined) {
      if (given.episode !== undefined) await sayAgain(sys, again, given.episode)
      return again.id
    }
    const rivals =
      given.exclusive === true ? (await factsOf(sys, from.id, key)).filter((one) => factIn(one).object !== to.id) : []
    const named = (given.contradicts ?? []).filter((id) => rivals.every((one) => one.id !== id))
    const contradicted = [...rivals, ...(await readNotes(sys, named))]
    const { fact, ended } = admit({ validFrom, validTo }, contradicted.map(timesOf), sys.now(), { asPublished })
    const { learnedAt, earlierEnds } = fact
    const cutBy = contradicted.filter((one) => fact.validTo !== validTo && one.validFrom === fact.validTo)
    const data: Fact = {
      subject: from.id,
      relation: key,
      object: to.id,
      learnedAt,
      earlierEnds,
      episodes: given.episode === undefined ? [] : [given.episode],
    }
    const id = await sys.remember({
      text: given.text ?? `${subject} ${relation} ${object}`,
      kind: 'fact',
      tags: [
        tag,
        ...new Set([[from.id], [to.id], [from.id, key], [from.id, key, to.id]].map((parts) => markOfFacts(...parts))),
      ],
      validFrom,
      ...(fact.validTo === null ? {} : { validTo: fact.validTo }),
      links: [from.id, to.id],
      parents: [
        ...new Set([...(given.episode === undefined ? [] : [given.episode]), ...cutBy.map((one) => one.id)]),
      ].slice(0, PARENTS_MAX),
      data: data as unknown as Json,
      ...(given.source === undefined ? {} : { source: given.source }),
      ...(given.session === undefined ? {} : { session: given.session }),
    })
    for (const [i, one] of contradicted.entries())
      if (ended[i] !== undefined) await sys.remember(retimed(one, ended[i], id))
    return id
  }

  return { addFact, sayAgain, factsOf }
}

/**
 * What stands among the tags of the facts about an entity; with a relation, of those of which it is the subject; with an
 * object too, of those that say the same.
 */
export function markOfFacts(...parts: readonly string[]): string {
  return markOf(JSON.stringify(['facts of', ...parts]))
}

export function factIn(note: RecalledNote): Fact {
  return note.data as unknown as Fact
}

export function timesOf(note: RecalledNote): TemporalFact {
  const { learnedAt, earlierEnds } = factIn(note)
  return { validFrom: note.validFrom, validTo: note.validTo, learnedAt, earlierEnds }
}

/** A fact that ends because of another one is drawn from that one too. */
function retimed(
  note: RecalledNote,
  { validTo, earlierEnds }: TemporalFact,
  by: string,
): ReturnType<typeof changedNote> {
  const data = { ...factIn(note), earlierEnds } as unknown as Json
  return { ...changedNote(note, by), data, ...(validTo === null ? {} : { validTo }) }
}

export function holdsNow({ validFrom, validTo }: Interval, at: number): boolean {
  return validFrom <= at && at < (validTo ?? Infinity)
}
