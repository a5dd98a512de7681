/**
 * Layered memory (FinMem, Yu et al. 2023): notes of a short, a middle, a long layer and one of reflections fade at different
 * speeds, rise when they prove important, sink when they do not, and are forgotten in the end.
 *
 *     const memory = layeredMemory()
 *     const id = await memory.add(sys, { text: 'The quarter was weak.', layer: 'mid' })
 *     const notes = await memory.recall(sys, 'how was the quarter?')
 *     await memory.credit(sys, [id], 1)            // acting on it paid
 *     await memory.upkeep(sys)                     // forgets what has faded, about once a day
 *
 * A note keeps where it stood on a day; where it stands now is computed (layer-decay.ts). So a day without a call costs
 * nothing, and a note that has faded is not found, whether `upkeep` has forgotten it yet or not.
 *
 * Similarity is the kernel's score as a share of the best one, or the cosine of `sys.embed` with `similarity: 'cosine'`.
 * The weightiest notes are looked for among the newest `scanMax`: a list that is complete would cost a read of everything.
 */
import type { Json, NoteInput, RecalledNote, Sys } from '../kernel/types.ts'
import type { Layer, Standing } from './pieces/layer-decay.ts'
import { begin, credit, daysPass, drawImportance, rankFaded, weightOf } from './pieces/layer-decay.ts'
import type { LongTermMemory, MemoryItem, MemoryOptions } from './long-term-memory.ts'
import { checkedMemory } from './pieces/memory-arguments.ts'
import { allNotes, noteInput, readNotes } from './pieces/notes.ts'

export interface LayeredOptions extends MemoryOptions {
  /** @default 'recall' */
  readonly similarity?: 'recall' | 'cosine'
  /** Notes among which the weightiest are looked for, the newest first. @default 1,000 */
  readonly scanMax?: number
  /** The order of the release, with its defects: see `rankFaded`. @default false */
  readonly asPublished?: boolean
}

export interface LayeredItem extends MemoryItem {
  /** @default 'short' */
  readonly layer?: Layer
  /** 0 to 100. @default drawn as the layer says */
  readonly importance?: number
}

export interface LayeredMemory extends LongTermMemory {
  add(sys: Sys, item: LayeredItem): Promise<string>
  /** Something good (1) or bad (-1) came of these notes. */
  credit(sys: Sys, ids: readonly string[], outcome: 1 | -1, options?: { readonly at?: number }): Promise<void>
  /** Where a note of this memory stands at a time; undefined once it is gone. */
  standing(note: RecalledNote, at: number): Standing | undefined
}

const DAY_MS = 86_400_000
/** Hits of the search that are weighed: the formula may bring up what the search had further down. */
const HITS = 100

export function layeredMemory({
  space = 'layered-memory',
  similarity = 'recall',
  scanMax = 1_000,
  asPublished = false,
  ...others
}: LayeredOptions = {}): LayeredMemory {
  function standing(note: RecalledNote, at: number): Standing | undefined {
    const { day, ...before } = note.data as unknown as Standing & { readonly day: number }
    return daysPass(before, dayOf(at) - day)
  }

  function kept(now: Standing, at: number): Json {
    return { ...now, day: dayOf(at) }
  }

  return checkedMemory(others, {
    name: 'layered',
    standing,

    add(sys, { text, at = sys.now(), session, source, layer = 'short', importance }) {
      const now = begin(layer, importance ?? drawImportance(layer, sys.random()))
      const input: NoteInput = { text, tags: [space], validFrom: at, data: kept(now, at) }
      return sys.remember({
        ...input,
        ...(session === undefined ? {} : { session }),
        ...(source === undefined ? {} : { source }),
      })
    },

    async recall(sys, query, { limit = 5, at = sys.now() } = {}) {
      const found = new Map<string, RecalledNote>()
      const hits = await sys.recall(query, { tag: space, limit: HITS })
      for (const note of hits) found.set(note.id, note)
      for await (const note of allNotes(sys, { tag: space }, scanMax)) if (!found.has(note.id)) found.set(note.id, note)
      const there = [...found.values()].flatMap((note) => {
        const now = standing(note, at)
        return now === undefined ? [] : [{ id: note.id, note, weight: weightOf(now) }]
      })
      const best = hits[0]?.score ?? 1
      const vectors =
        similarity === 'cosine' ? await sys.embed([query, ...there.map(({ note }) => note.text)]) : undefined
      const candidates = there.map((one, i) => ({
        ...one,
        similarity:
          vectors === undefined
            ? one.note.score / best
            : cosine(vectors[0] as readonly number[], vectors[i + 1] as readonly number[]),
      }))
      const queryLength = vectors === undefined ? 1 : Math.hypot(...(vectors[0] as readonly number[]))
      return rankFaded(candidates, { limit, asPublished, queryLength }).map(({ note, similarity, weight }) => ({
        ...note,
        score: similarity + weight,
      }))
    },

    async credit(sys, ids, outcome, { at = sys.now() } = {}) {
      for (const note of await readNotes(sys, ids)) {
        const now = standing(note, at)
        if (now !== undefined) await sys.remember({ ...noteInput(note), data: kept(credit(now, outcome), at) })
      }
    },

    async upkeep(sys, { at = sys.now() } = {}) {
      const gone: string[] = []
      for await (const note of allNotes(sys, { tag: space })) if (standing(note, at) === undefined) gone.push(note.id)
      for (const id of gone) await sys.forget(id)
    },
  })
}

function dayOf(at: number): number {
  return Math.floor(at / DAY_MS)
}

/** Of two vectors of any length; 0 where one is all zeros. */
function cosine(a: readonly number[], b: readonly number[]): number {
  let dot = 0
  for (let i = 0; i < a.length; i++) dot += (a[i] as number) * (b[i] as number)
  const lengths = Math.hypot(...a) * Math.hypot(...b)
  return lengths === 0 ? 0 : dot / lengths
}
