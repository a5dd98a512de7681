/**
 * Temporal graph (Zep and Graphiti, Rasmussen et al. 2025): episodes as they came, entities, and facts between entities that
 * know since when and until when they held. A fact that contradicts an older one ends it and does not erase it.
 *
 *     const graph = temporalGraph()
 *     await graph.add(sys, { text: 'Ann: I moved to Oslo.', at: may })           // a model finds entities and facts
 *     await graph.addFact(sys, { subject: 'Ann', relation: 'lives in', object: 'Rome', validFrom: june, exclusive: true })
 *     await graph.recall(sys, 'Where does Ann live?')
 *     await graph.factsAt(sys, { subject: 'Ann', relation: 'lives in', at: may })
 *
 * An episode costs one model call, one more where names have to be told apart, one more where facts may meet older ones.
 * Entities are told apart by entity-names.ts first, facts end one another by temporal-facts.ts: a model says only which
 * names and which facts meet. An episode that the model makes nothing of stays, and is found, as it is.
 *
 * Communities, attributes of entities and the second look for missed entities of the release are not here.
 *
 * Invariants
 *   TG1. What `factsAt` returns is what an ordered list of the facts and their intervals would.
 *   TG2. A fact's parent is the episode that said it first; those that said it again are counted in `data.episodes`, so that
 *        revoking one of them takes nothing that others said. A fact whose end another one set has that one as a parent too:
 *        no end stays whose source was revoked.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { Json, RecalledNote, Sys } from '../kernel/types.ts'
import { changedNote } from './changed-note.ts'
import { plainName } from './entity-names.ts'
import type { Entity } from './entity-notes.ts'
import { entityIn, entityNotes } from './entity-notes.ts'
import { askJson } from './json-answer.ts'
import type { LongTermMemory, MemoryItem, MemoryOptions } from './long-term-memory.ts'
import { checkedMemory } from './memory-arguments.ts'
import { noteInput, readNote, readNotes } from './notes.ts'
import { fuseRanks, rankByMargin } from './rank-fusion.ts'
import type { Interval, TemporalFact } from './temporal-facts.ts'
import { admit, holds, overlap } from './temporal-facts.ts'

export interface TemporalGraphOptions extends MemoryOptions {
  /** What is said again while it holds is no new fact. @default true, as in Graphiti */
  readonly mergeRestated?: boolean
  /** The order of a recall after fusion: as fused; with novelty (needs an embedder); by how often episodes said it. @default 'rrf' */
  readonly order?: 'rrf' | 'mmr' | 'mentions'
  /** Facts this many steps from those found come back too. 0: none. @default 1 */
  readonly hops?: number
  /** Known defects of the release, see temporal-facts.ts. @default false */
  readonly asPublished?: boolean
}

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

export interface FactQuery {
  readonly subject: string
  /** @default all of the subject's */
  readonly relation?: string
  readonly at: number
  /** As it was known then, ms since 1970. @default as it is known now */
  readonly knownAt?: number
}

export interface TemporalGraph extends LongTermMemory {
  /** Returns the id of the fact, or of the one that says the same already. */
  addFact(sys: Sys, fact: FactInput): Promise<string>
  factsAt(sys: Sys, query: FactQuery): Promise<readonly RecalledNote[]>
}

interface Fact extends Omit<TemporalFact, keyof Interval> {
  readonly subject: string
  readonly relation: string
  readonly object: string
  readonly episodes: readonly string[]
}

const EXTRACT = `Find what a text says: the entities in it, and the facts between two of them. Answer with JSON:
{"entities": ["name", …], "facts": [{"subject": "name", "relation": "two or three words", "object": "name", "fact": "a sentence",
"valid_from": since when it holds as an ISO 8601 time, or null, "valid_to": until when it held, or null}]}
Take names as they stand, pronouns resolved. Times that are relative are relative to the time of the text. Invent nothing.`

const SAME = `Which of the new names is another name of an entity that is known? Answer with JSON, one entry for each new name:
{"same": [{"name": "the new name", "entity": number of the known entity, or null}]}`

const MEET = `New facts meet facts that are known. Answer with JSON, one entry for each new fact:
{"facts": [{"fact": its number, "same_as": number of the known fact that says the same, or null, "contradicts": numbers of the known facts that cannot hold beside it}]}`

const extracted = z.object({
  entities: z.array(z.string()),
  facts: z.array(
    z.object({
      subject: z.string(),
      relation: z.string(),
      object: z.string(),
      fact: z.string(),
      valid_from: z.string().nullish(),
      valid_to: z.string().nullish(),
    }),
  ),
})
const same = z.object({ same: z.array(z.object({ name: z.string(), entity: z.number().int().nullable() })) })
const meeting = z.object({
  facts: z.array(
    z.object({ fact: z.number().int(), same_as: z.number().int().nullish(), contradicts: z.array(z.number().int()) }),
  ),
})

/** Known facts that a new one is held against by a model. */
const MEETING_MAX = 20
/** Facts that an entity knows to be the object of, the last ones. */
const OBJECT_OF_MAX = 100
/** Episodes that a fact remembers to have been said in, the last ones. */
const EPISODES_MAX = 50
/** Facts and episodes that a search for a recall brings. */
const FOUND_MAX = 100
/** Facts that one hop brings. */
const HOP_MAX = 200
/** Notes that a fact is drawn from at most when it comes. */
const PARENTS_MAX = 50

export function temporalGraph({
  space = 'temporal-graph',
  model,
  mergeRestated = true,
  order = 'rrf',
  hops = 1,
  asPublished = false,
  ...others
}: TemporalGraphOptions = {}): TemporalGraph {
  const tags = { episode: `${space}:episode`, entity: `${space}:entity`, fact: `${space}:fact` }
  const asked = model === undefined ? {} : { model }
  const { lookUp, keepEntity, entityOf } = entityNotes(tags.entity)

  /** Facts of a subject, by relation or all; ends and all that is known of them in `data` and the note's own interval. */
  async function factsOf(sys: Sys, entity: RecalledNote, relation?: string): Promise<readonly RecalledNote[]> {
    const { facts } = entityIn(entity)
    return readNotes(sys, relation === undefined ? Object.values(facts).flat() : idsOf(facts, plainName(relation)))
  }

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
    const others = await factsOf(sys, from, relation)
    const again = others.find((one) => factIn(one).object === to.id && holdsNow(one, validFrom))
    if (mergeRestated && validTo === null && again !== undefined) {
      const fact = factIn(again)
      const episodes = [...new Set([...fact.episodes, ...(given.episode === undefined ? [] : [given.episode])])]
      await sys.remember({
        ...noteInput(again),
        data: { ...fact, episodes: episodes.slice(-EPISODES_MAX) } as unknown as Json,
      })
      return again.id
    }
    const named = new Set(given.contradicts)
    const contradicted = [
      ...others.filter((one) => named.has(one.id) || (given.exclusive === true && factIn(one).object !== to.id)),
      ...(await readNotes(
        sys,
        [...named].filter((id) => others.every((one) => one.id !== id)),
      )),
    ]
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
      tags: [tags.fact],
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
    const own = entityIn(from)
    const facts = { ...own.facts, [key]: [...idsOf(own.facts, key), id] }
    const isItself = from.id === to.id
    const objectOf = (entity: Entity): readonly string[] => [...entity.objectOf, id].slice(-OBJECT_OF_MAX)
    await keepEntity(sys, { ...own, facts, ...(isItself ? { objectOf: objectOf(own) } : {}) }, from)
    if (!isItself) await keepEntity(sys, { ...entityIn(to), objectOf: objectOf(entityIn(to)) }, to)
    return id
  }

  /** Names that no rule tells apart from known ones: a model does, once for all of them. Others become entities. */
  async function resolve(sys: Sys, names: readonly string[]): Promise<void> {
    const open: { readonly name: string; readonly likely: readonly RecalledNote[] }[] = []
    for (const name of new Set(names)) {
      const { entity, likely } = await lookUp(sys, name)
      if (entity === undefined && likely.length > 0) open.push({ name, likely })
    }
    if (open.length === 0) return
    const known = [...new Map(open.flatMap(({ likely }) => likely).map((note) => [note.id, note])).values()]
    const prompt = `Known:\n${known.map(({ text }, i) => `${i}: ${text}`).join('\n')}\n\nNew: ${open.map(({ name }) => JSON.stringify(name)).join(', ')}`
    const said = await askJson(sys, { ...asked, instructions: SAME, prompt }, same)
    for (const { name, entity } of said?.same ?? []) {
      const before = entity === null ? undefined : known[entity]
      if (before === undefined || open.every((one) => one.name !== name)) continue
      const now = (await readNote(sys, before.id)) ?? before
      await keepEntity(sys, { ...entityIn(now), names: [...entityIn(now).names, name] }, now)
    }
  }

  /** Which known facts each of the new ones repeats or contradicts, as a model says. */
  async function meet(sys: Sys, facts: readonly (FactInput & { text: string })[]) {
    const known: RecalledNote[] = []
    for (const { subject, text } of facts) {
      const { entity } = await lookUp(sys, subject)
      if (entity === undefined) continue
      for (const one of await sys.recall(text, { tag: tags.fact, limit: MEETING_MAX }))
        if (one.links.includes(entity.id) && known.every(({ id }) => id !== one.id)) known.push(one)
    }
    if (known.length === 0) return new Map<number, { same: string | undefined; contradicts: readonly string[] }>()
    const list = (lines: readonly { readonly text: string }[]): string =>
      lines.map(({ text }, i) => `${i}: ${text}`).join('\n')
    const prompt = `Known:\n${list(known)}\n\nNew:\n${list(facts)}`
    const said = await askJson(sys, { ...asked, instructions: MEET, prompt }, meeting)
    return new Map(
      (said?.facts ?? []).map(({ fact, same_as, contradicts }) => [
        fact,
        { same: known[same_as ?? -1]?.id, contradicts: contradicts.flatMap((place) => known[place]?.id ?? []) },
      ]),
    )
  }

  async function add(sys: Sys, { text, at = sys.now(), session, source }: MemoryItem): Promise<string> {
    const where = { ...(session === undefined ? {} : { session }), ...(source === undefined ? {} : { source }) }
    const episode = await sys.remember({ text, tags: [tags.episode], validFrom: at, ...where })
    const prompt = `Time of the text: ${new Date(at).toISOString()}\n\n${text}`
    const found = await askJson(sys, { ...asked, instructions: EXTRACT, prompt }, extracted)
    const whole = (found?.facts ?? []).filter((one) =>
      [one.subject, one.relation, one.object, one.fact].every((part) => part.trim() !== ''),
    )
    if (whole.length === 0) return episode
    await resolve(
      sys,
      whole.flatMap(({ subject, object }) => [subject, object]),
    )
    const facts = whole.map(({ fact, valid_from, valid_to, ...triple }) => {
      const validFrom = timeOf(valid_from) ?? at
      const end = timeOf(valid_to)
      return { ...triple, text: fact, validFrom, ...(end === undefined || end <= validFrom ? {} : { validTo: end }) }
    })
    const met = await meet(sys, facts)
    for (const [i, fact] of facts.entries()) {
      const known = met.get(i)?.same === undefined ? undefined : await readNote(sys, met.get(i)?.same as string)
      if (known !== undefined && overlap(known, { validFrom: fact.validFrom, validTo: fact.validTo ?? null })) {
        const was = factIn(known)
        await sys.remember({
          ...noteInput(known),
          data: { ...was, episodes: [...was.episodes, episode].slice(-EPISODES_MAX) } as unknown as Json,
        })
      } else await addFact(sys, { ...fact, ...where, episode, contradicts: met.get(i)?.contradicts ?? [] })
    }
    return episode
  }

  /** Facts that share an entity with those given, the nearest first. */
  async function around(sys: Sys, facts: readonly RecalledNote[]): Promise<readonly RecalledNote[]> {
    const seen = new Map(facts.map((note) => [note.id, note]))
    let edge = facts
    for (let hop = 0; hop < hops; hop++) {
      const entities = await readNotes(
        sys,
        edge.flatMap(({ links }) => links),
      )
      const ids = entities.flatMap((note) => [
        ...Object.values(entityIn(note).facts).flat(),
        ...entityIn(note).objectOf,
      ])
      edge = (await readNotes(sys, ids.slice(0, HOP_MAX))).filter(({ id }) => !seen.has(id))
      for (const note of edge) seen.set(note.id, note)
    }
    return [...seen.values()].slice(facts.length)
  }

  return checkedMemory(others, {
    name: 'temporal-graph',
    add,
    addFact,

    async factsAt(sys, { subject, relation, at, knownAt }) {
      const { entity } = await lookUp(sys, subject)
      if (entity === undefined) return []
      const when = { at, ...(knownAt === undefined ? {} : { knownAt }) }
      return (await factsOf(sys, entity, relation)).filter((note) => holds(timesOf(note), when))
    },

    async recall(sys, query, { limit = 10, at } = {}) {
      const when = at === undefined ? {} : { validAt: at }
      const width = Math.min(FOUND_MAX, 2 * limit)
      const facts = await sys.recall(query, { tag: tags.fact, limit: width, ...when })
      const episodes = await sys.recall(query, { tag: tags.episode, limit: width })
      const near = (await around(sys, facts)).filter((note) => at === undefined || holdsNow(note, at))
      const notes = new Map([...facts, ...episodes, ...near].map((note) => [note.id, note]))
      const lists = [facts, episodes, near].map((list) => list.map(({ id }) => id))
      let ranked = fuseRanks(lists)
      if (order === 'mentions') {
        const mentions = (id: string): number => (factIn(notes.get(id) as RecalledNote)?.episodes ?? []).length
        ranked = ranked.toSorted((a, b) => mentions(b[0]) - mentions(a[0]))
      } else if (order === 'mmr') {
        const ids = ranked.map(([id]) => id)
        const [asked = [], ...vectors] = (await sys.embed([query, ...ids.map((id) => notes.get(id)?.text ?? '')])).map(
          toUnit,
        )
        const against = asPublished ? ('all' as const) : ('chosen' as const)
        ranked = rankByMargin(
          asked,
          ids.map((id, i) => ({ id, vector: vectors[i] ?? [] })),
          { against, limit },
        )
      }
      return ranked.slice(0, limit).map(([id, score]) => ({ ...(notes.get(id) as RecalledNote), score }))
    },
  })
}

/** A relation may be called like something that every object has. */
function idsOf(facts: Entity['facts'], relation: string): readonly string[] {
  return Object.hasOwn(facts, relation) ? (facts[relation] as readonly string[]) : []
}

function factIn(note: RecalledNote): Fact {
  return note.data as unknown as Fact
}

function timesOf(note: RecalledNote): TemporalFact {
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

function holdsNow({ validFrom, validTo }: Interval, at: number): boolean {
  return validFrom <= at && at < (validTo ?? Infinity)
}

/** A time as a model writes it; one without a zone is UTC, on every machine. */
function timeOf(text: string | null | undefined): number | undefined {
  const given = text?.trim() ?? ''
  const time = Date.parse(/T\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(given) ? `${given}Z` : given)
  return Number.isNaN(time) ? undefined : time
}

function toUnit(vector: readonly number[]): readonly number[] {
  const length = Math.hypot(...vector)
  return length === 0 ? vector : vector.map((one) => one / length)
}
