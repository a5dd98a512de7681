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
import { fuseRanks } from '../kernel/rank-fusion.ts'
import type { RecalledNote, Sys } from '../kernel/types.ts'
import { plainName } from './pieces/entity-names.ts'
import { entityIn, entityNotes } from './pieces/entity-notes.ts'
import {
  factIn,
  factNotes,
  holdsNow,
  markOfFacts,
  timesOf,
  type FactInput,
  type FactNotesOptions,
} from './pieces/fact-notes.ts'
import type { Meeting, ReadFact } from './pieces/graph-reading.ts'
import { factsIn, meetings, sameNames } from './pieces/graph-reading.ts'
import type { LongTermMemory, MemoryItem, MemoryOptions } from './long-term-memory.ts'
import { rankByMargin } from './pieces/marginal-relevance.ts'
import { checkedMemory } from './pieces/memory-arguments.ts'
import { unit } from './pieces/nearest.ts'
import { readNote } from './pieces/notes.ts'
import { holds, overlap } from './pieces/temporal-facts.ts'

export interface TemporalGraphOptions extends MemoryOptions, FactNotesOptions {
  /** The order of a recall after fusion: as fused; with novelty (needs an embedder); by how often episodes said it. @default 'rrf' */
  readonly order?: 'rrf' | 'mmr' | 'mentions'
  /** Facts this many steps from those found come back too. 0: none. @default 1 */
  readonly hops?: number
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

/** Known facts that a new one is held against by a model. */
const MEETING_MAX = 20
/** Facts and episodes that a search for a recall brings. */
const FOUND_MAX = 100
/** Facts that one hop brings, the newest of each entity. */
const HOP_MAX = 200
/** Of these, of one entity: no more than limits.recallNotesMax. */
const PAGE_MAX = 100

export function temporalGraph({
  space = 'temporal-graph',
  model,
  mergeRestated,
  order = 'rrf',
  hops = 1,
  asPublished = false,
  ...others
}: TemporalGraphOptions = {}): TemporalGraph {
  const tags = { episode: `${space}:episode`, entity: `${space}:entity`, fact: `${space}:fact` }
  const asked = model === undefined ? {} : { model }
  const { lookUp, keepEntity, entityOf } = entityNotes(tags.entity)
  const { addFact, sayAgain, factsOf } = factNotes(tags.fact, entityOf, {
    asPublished,
    ...(mergeRestated === undefined ? {} : { mergeRestated }),
  })

  /** Names that no rule tells apart from known ones: a model does, once for all of them. Others become entities. */
  async function resolve(sys: Sys, names: readonly string[]): Promise<void> {
    const open: { readonly name: string; readonly likely: readonly RecalledNote[] }[] = []
    for (const name of new Set(names)) {
      const { entity, likely } = await lookUp(sys, name)
      if (entity === undefined && likely.length > 0) open.push({ name, likely })
    }
    if (open.length === 0) return
    const known = [...new Map(open.flatMap(({ likely }) => likely).map((note) => [note.id, note])).values()]
    const found = await sameNames(
      sys,
      open.map(({ name }) => name),
      known,
      asked,
    )
    for (const [name, id] of found) {
      const entity = await readNote(sys, id)
      if (entity !== undefined) await keepEntity(sys, { names: [...entityIn(entity).names, name] }, entity)
    }
  }

  /** Which known facts each of the new ones repeats or contradicts, as a model says. */
  async function meet(sys: Sys, facts: readonly ReadFact[]): Promise<ReadonlyMap<number, Meeting>> {
    const known: RecalledNote[] = []
    for (const { subject, text } of facts) {
      const { entity } = await lookUp(sys, subject)
      if (entity === undefined) continue
      for (const one of await sys.recall(text, { tag: tags.fact, limit: MEETING_MAX }))
        if (one.links.includes(entity.id) && known.every(({ id }) => id !== one.id)) known.push(one)
    }
    return known.length === 0 ? new Map() : meetings(sys, facts, known, asked)
  }

  async function add(sys: Sys, { text, at = sys.now(), session, source }: MemoryItem): Promise<string> {
    const where = { ...(session === undefined ? {} : { session }), ...(source === undefined ? {} : { source }) }
    const episode = await sys.remember({ text, tags: [tags.episode], validFrom: at, ...where })
    const facts = await factsIn(sys, text, { ...asked, at })
    if (facts.length === 0) return episode
    await resolve(
      sys,
      facts.flatMap(({ subject, object }) => [subject, object]),
    )
    const met = await meet(sys, facts)
    for (const [i, fact] of facts.entries()) {
      const known = met.get(i)?.same === undefined ? undefined : await readNote(sys, met.get(i)?.same as string)
      if (known !== undefined && overlap(known, { validFrom: fact.validFrom, validTo: fact.validTo ?? null }))
        await sayAgain(sys, known, episode)
      else await addFact(sys, { ...fact, ...where, episode, contradicts: met.get(i)?.contradicts ?? [] })
    }
    return episode
  }

  /** Facts that share an entity with those given, the nearest first. */
  async function around(sys: Sys, facts: readonly RecalledNote[]): Promise<readonly RecalledNote[]> {
    const seen = new Map(facts.map((note) => [note.id, note]))
    let edge = facts
    for (let hop = 0; hop < hops; hop++) {
      const entities = [...new Set(edge.flatMap(({ links }) => links))]
      const limit = Math.min(PAGE_MAX, Math.floor(HOP_MAX / entities.length) || 1)
      const found = await Promise.all(entities.map((id) => sys.recall('', { tag: markOfFacts(id), limit })))
      edge = [...new Map(found.flat().map((note) => [note.id, note])).values()].filter(({ id }) => !seen.has(id))
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
      const by = relation === undefined ? [] : [plainName(relation)]
      return (await factsOf(sys, entity.id, ...by)).filter((note) => holds(timesOf(note), when))
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
          unit,
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
