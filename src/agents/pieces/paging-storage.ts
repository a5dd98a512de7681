/**
 * What is outside a paged window: recall storage with every message, archival storage, and the blocks of core memory, as
 * notes of the principal.
 *
 *     const storage = pagingStorage('paging')
 *     await storage.keep(sys, text, 'user')
 *     await storage.searchMessages(sys, 'the blue key')
 *
 * Invariant: a message is found by any piece of it of up to 1,000 characters, as it was written.
 */
import type { RecalledNote, Sys } from '../../kernel/types.ts'
import type { LongTermMemory, MemoryOptions } from '../long-term-memory.ts'
import { checkedMemory } from './memory-arguments.ts'
import { allNotes, markedNote } from './notes.ts'
import { markOf } from './text-hash.ts'

/** Messages that a search for an exact piece looks through, the newest first, where the words did not find it. */
const SCAN_MAX = 5_000
/** Longer messages are kept in several notes. */
const NOTE_CHARS_MAX = 8_000
/** Pieces of one message overlap, so that what stands at their border is found as it was. */
const OVERLAP_CHARS = 1_000

export type PagingStorage = ReturnType<typeof pagingStorage>

export function pagingStorage(space: string) {
  const tags = { message: `${space}:message`, archive: `${space}:archive` }
  const coreMark = (label: string): string => markOf(`${space}:core:${label}`)
  const textsOf = (notes: readonly RecalledNote[]): string[] => notes.map(({ text }) => text)

  async function pieces(sys: Sys, text: string, tag: string): Promise<string[]> {
    const ids: string[] = []
    for (let from = 0; from < text.length; from += NOTE_CHARS_MAX - OVERLAP_CHARS)
      if (text.slice(from, from + NOTE_CHARS_MAX).trim() !== '')
        ids.push(await sys.remember({ text: text.slice(from, from + NOTE_CHARS_MAX), tags: [tag], session: tag }))
    return ids
  }

  return {
    tags,
    async keep(sys: Sys, text: string, role: string): Promise<void> {
      if (text.trim() !== '') await pieces(sys, `${role}: ${text}`, tags.message)
    },
    archive: (sys: Sys, text: string): Promise<string[]> => pieces(sys, text, tags.archive),
    async searchArchive(sys: Sys, query: string): Promise<string[]> {
      return query.trim() === '' ? [] : textsOf(await sys.recall(query, { tag: tags.archive, limit: 100 }))
    },
    /** By its words, and where that does not find the very piece, by looking through the messages. Those that hold it come first. */
    async searchMessages(sys: Sys, query: string): Promise<string[]> {
      if (query.trim() === '') return []
      const found = textsOf(await sys.recall(query, { tag: tags.message, limit: 100 }))
      const exact = found.filter((text) => text.includes(query))
      if (exact.length === 0) {
        for await (const { text } of allNotes(sys, { tag: tags.message }, SCAN_MAX))
          if (text.includes(query)) exact.push(text)
      }
      return [...new Set([...exact, ...found])]
    },
    async core(sys: Sys, given: { readonly [label: string]: string }): Promise<Map<string, string>> {
      const blocks = new Map(Object.entries(given))
      for (const label of blocks.keys()) {
        const kept = await markedNote(sys, coreMark(label))
        if (kept !== undefined) blocks.set(label, (kept.data as { readonly text: string }).text)
      }
      return blocks
    },
    async keepCore(sys: Sys, label: string, text: string): Promise<void> {
      const mark = coreMark(label)
      const before = await markedNote(sys, mark)
      await sys.remember({
        text: `core memory: ${label}`,
        tags: [mark],
        data: { text },
        ...(before === undefined ? {} : { id: before.id }),
      })
    },
  }
}

/** The storage behind the window as a long-term memory, for whoever pages by hand. */
export function pagingMemory({ space = 'paging', ...others }: MemoryOptions = {}): LongTermMemory {
  const { tags } = pagingStorage(space)
  return checkedMemory(others, {
    name: 'paging',
    add: (sys, { text, at, session, source }) =>
      sys.remember({
        text,
        tags: [tags.archive],
        validFrom: at ?? sys.now(),
        ...(session === undefined ? {} : { session }),
        ...(source === undefined ? {} : { source }),
      }),
    recall: (sys, query, { limit = 10 } = {}) => sys.recall(query, { tag: tags.archive, limit }),
  })
}
