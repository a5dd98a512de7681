/**
 * A-MEM (Xu et al. 2025, "A-MEM: agentic memory for LLM agents"): a model describes each note, links it with notes that are
 * there, and lets those evolve in the light of the new one.
 *
 *     const memory = aMem()                       // or longTermMemory('a-mem')
 *     const id = await memory.add(sys, { text: 'Ann bakes bread on Sundays.' })
 *     await memory.recall(sys, 'What does Ann like to eat?', { limit: 10 })
 *
 * Adding costs two model calls (one for the first note), recalling one. An answer of the model that is none leaves the note
 * as it is: added, not described, not linked.
 *
 * Where the two published releases differ from the paper, the paper's form is the default, and the flags of `asPublished`
 * bring back what they do. (A third, `alpha` weighting words instead of meaning, has no counterpart: ranking is the kernel's.)
 *
 * Invariants
 *   AM1. A link is the id of a note: what is forgotten takes nothing else with it.
 *   AM2. A recall returns no more notes than `limit`, hits and linked ones together, each once.
 *   AM3. An evolution changes tags and context of neighbours that the model was shown, and of no other note. The new note is
 *        then among their parents, so revoking its source takes them too.
 */
import type { Json, NoteInput, RecalledNote, Sys } from '../kernel/types.ts'
import { changedNote } from './pieces/changed-note.ts'
import { expand } from './pieces/link-expansion.ts'
import type { LongTermMemory, MemoryOptions } from './long-term-memory.ts'
import { checkedMemory } from './pieces/memory-arguments.ts'
import type { Evolution } from './pieces/note-reading.ts'
import { clip, described, evolved, few, keywordsOf } from './pieces/note-reading.ts'
import { allNotes, markedNote, noteInput, readNotes } from './pieces/notes.ts'
import { markOf } from './pieces/text-hash.ts'

export interface AMemOptions extends MemoryOptions {
  /** Neighbours that the model is shown when a note is added. Minimum 1. @default 5, as in the paper */
  readonly neighbours?: number
  /** A link also leads back. @default true; one way only in both releases */
  readonly symmetricLinks?: boolean
  /** Share of a recall's limit that linked notes may take from hits, 0 to 1. @default 0.1; the paper's k hits and k linked are 0.5, which costs recall where links say no more than the search (bench/memory-programs.ts) */
  readonly linkedShare?: number
  /** A model turns the question into keywords before the search. @default true, as in the paper */
  readonly keywordQueries?: boolean
  /** Evolutions after which what evolved is searchable. Minimum 1. @default 1: at once; 100 in the releases (evo_threshold) */
  readonly rebuildEvery?: number
  /** Defects of the releases, all or one by one. @default none */
  readonly asPublished?: boolean | AMemDefects
}

export interface AMemDefects {
  /** What the model says of its i-th neighbour changes the i-th note of the whole memory (agiresearch/A-mem). */
  readonly evolvesByPlace?: boolean
  /** Links are places in the list of notes, and lead elsewhere once a note is gone (AgenticMemory). */
  readonly linksByPlace?: boolean
  /** Linked notes are counted over all hits and after they were added: k + 1 beside k hits (AgenticMemory). */
  readonly expandsByOneMore?: boolean
  /** What evolved is not searchable before the 100th evolution (both). */
  readonly lateIndex?: boolean
}

/** Links of one note, the newest: others that lead back to it count as theirs. */
const LINKS_MAX = 100
/** Notes that evolve per rebuild of the index in the releases. */
const EVO_THRESHOLD = 100

/** What the memory keeps with a note: how often it evolved, what is not yet searchable, links by place. */
interface Kept {
  readonly evolved: number
  readonly waiting?: { readonly context: string; readonly tags: readonly string[] }
  readonly places?: readonly number[]
}

export function aMem({
  space = 'a-mem',
  model,
  neighbours: shown = 5,
  symmetricLinks = true,
  linkedShare = 0.1,
  keywordQueries = true,
  rebuildEvery: given = 1,
  asPublished = false,
  ...others
}: AMemOptions = {}): LongTermMemory {
  const defects: AMemDefects =
    asPublished === true
      ? { evolvesByPlace: true, linksByPlace: true, expandsByOneMore: true, lateIndex: true }
      : asPublished || {}
  const rebuildEvery = defects.lateIndex ? EVO_THRESHOLD : given
  const counter = markOf(`${space}:evolutions`)
  const asked = model === undefined ? {} : { model }

  /** Notes of this memory, the oldest first. */
  async function inOrder(sys: Sys): Promise<RecalledNote[]> {
    const notes: RecalledNote[] = []
    for await (const note of allNotes(sys, { tag: space })) notes.push(note)
    return notes.toReversed()
  }

  /** A note as it is now, searchable or not. */
  function current(note: RecalledNote): RecalledNote {
    const { waiting } = keptIn(note)
    return waiting === undefined ? note : { ...note, context: waiting.context, tags: [space, ...waiting.tags] }
  }

  /** A neighbour in the light of a new note, from which it is drawn too from then on. */
  async function change(
    sys: Sys,
    note: RecalledNote,
    by: string,
    context: string,
    tags: readonly string[],
  ): Promise<void> {
    const kept = { ...keptIn(note), evolved: keptIn(note).evolved + 1 }
    if (rebuildEvery > 1)
      await sys.remember({ ...changedNote(note, by), data: json({ ...kept, waiting: { context, tags } }) })
    else await sys.remember({ ...changedNote(note, by), context, tags: [space, ...tags], data: json(kept) })
  }

  /** What becomes of the new note. `all`: the notes by their places, where a defect goes by them. */
  function strengthen(
    said: Evolution,
    near: readonly RecalledNote[],
    all: readonly RecalledNote[],
  ): Partial<NoteInput> {
    const changed: { links?: string[]; tags?: string[]; places?: number[] } = {}
    if (said.actions.includes('strengthen')) {
      const linked = said.suggested_connections.flatMap((number) => near[number] ?? [])
      changed.links = [...new Set(linked.map(({ id }) => id))]
      changed.places = linked.map(({ id }) => all.findIndex((one) => one.id === id))
      if (said.tags_to_update.length > 0) changed.tags = [space, ...few(said.tags_to_update)]
    }
    const { places, ...input } = changed
    if (!defects.linksByPlace) return input
    return { ...input, links: [], data: json({ evolved: 0, places: places ?? [] }) }
  }

  /** What becomes of the neighbours. */
  async function updateNeighbours(
    sys: Sys,
    said: Evolution,
    near: readonly RecalledNote[],
    all: readonly RecalledNote[],
    by: string,
  ): Promise<void> {
    if (!said.actions.includes('update_neighbor')) return
    for (const [i, tags] of said.new_tags_neighborhood.slice(0, near.length).entries()) {
      const note = defects.evolvesByPlace ? all[i] : near[i]
      if (note !== undefined)
        await change(sys, note, by, clip(said.new_context_neighborhood[i] ?? current(note).context), few(tags))
    }
  }

  /** Counts an evolution; at every `rebuildEvery`th, what evolved takes the place of what is searched. */
  async function count(sys: Sys): Promise<void> {
    if (rebuildEvery <= 1) return
    const state = await markedNote(sys, counter)
    const evolutions = ((state?.data as { evolutions?: number } | undefined)?.evolutions ?? 0) + 1
    const data = { evolutions }
    await sys.remember({
      text: `evolutions of ${space}`,
      tags: [counter],
      data,
      ...(state === undefined ? {} : { id: state.id }),
    })
    if (evolutions % rebuildEvery !== 0) return
    for (const note of await inOrder(sys)) {
      const { waiting, ...kept } = keptIn(note)
      if (waiting !== undefined) await sys.remember({ ...noteInput(current(note)), data: json(kept) })
    }
  }

  async function linkedWith(sys: Sys, hits: readonly RecalledNote[]): Promise<ReadonlyMap<string, RecalledNote[]>> {
    const byPlace = defects.linksByPlace ? await inOrder(sys) : []
    const idsOf = (note: RecalledNote): readonly string[] =>
      defects.linksByPlace ? (keptIn(note).places ?? []).flatMap((place) => byPlace[place]?.id ?? []) : note.links
    const notes = await readNotes(sys, hits.flatMap(idsOf))
    const byId = new Map(notes.map((note) => [note.id, note]))
    return new Map(hits.map((hit) => [hit.id, idsOf(hit).flatMap((id) => byId.get(id) ?? [])]))
  }

  return checkedMemory(others, {
    name: 'a-mem',
    async add(sys, { text, at, session, source }) {
      const about = await described(sys, text, asked)
      const near = await sys.recall(text, { tag: space, limit: shown })
      const { keywords, context, tags } = about
      let input: NoteInput = {
        text,
        keywords,
        context,
        tags: [space, ...tags],
        data: { evolved: 0 },
        validFrom: at ?? sys.now(),
        ...(session === undefined ? {} : { session }),
        ...(source === undefined ? {} : { source }),
      }
      const said = await evolved(sys, { ...about, text }, near.map(current), asked)
      const all = said !== undefined && (defects.evolvesByPlace || defects.linksByPlace) ? await inOrder(sys) : []
      if (said !== undefined) input = { ...input, ...strengthen(said, near, all) }
      const id = await sys.remember(input)
      if (said !== undefined) await updateNeighbours(sys, said, near, all, id)
      if (symmetricLinks && !defects.linksByPlace) {
        for (const one of await readNotes(sys, input.links ?? []))
          await sys.remember({ ...noteInput(one), links: [...new Set([...one.links, id])].slice(-LINKS_MAX) })
      }
      if (said !== undefined) await count(sys)
      return id
    },

    async recall(sys, query, { limit = 10 } = {}) {
      const words = keywordQueries ? await keywordsOf(sys, query, asked) : []
      const hits = await sys.recall([query, ...words].join(' '), { tag: space, limit })
      return expand(hits, await linkedWith(sys, hits), { limit, linkedShare, ...defects }).map(current)
    },
  })
}

function keptIn(note: RecalledNote): Kept {
  return (note.data ?? { evolved: 0 }) as unknown as Kept
}

function json(kept: Kept): Json {
  return kept as unknown as Json
}
