/**
 * Many notes at once, by id or page by page: one `recall` returns at most a page.
 *
 *     const facts = await readNotes(sys, ids)
 *     for await (const note of allNotes(sys, { tag: 'a-mem' })) …
 */
import { PolityError } from '../../kernel/errors.ts'
import type { NoteInput, RecallOptions, RecalledNote, Sys } from '../../kernel/types.ts'

/** Notes that one call asks for. No more than limits.recallNotesMax. */
const PAGE = 100

/** The notes with these ids that are still there, in the order of the ids; each once. */
export async function readNotes(sys: Sys, ids: readonly string[]): Promise<readonly RecalledNote[]> {
  const wanted = [...new Set(ids)]
  const found: RecalledNote[] = []
  for (let from = 0; from < wanted.length;) {
    const asked = wanted.slice(from, from + PAGE)
    const page = await sys.recall('', { ids: asked, limit: asked.length })
    found.push(...page)
    // A page of long notes ends before the last of them: what stands behind it is asked for again.
    const last = page.at(-1)
    from += page.length < asked.length && last !== undefined ? asked.indexOf(last.id) + 1 : asked.length
  }
  return found
}

/** One note by its id. */
export async function readNote(sys: Sys, id: string): Promise<RecalledNote | undefined> {
  return (await sys.recall('', { ids: [id], limit: 1 }))[0]
}

/** The one note that carries this mark (`markOf` of text-hash.ts) as a tag: found in the index of tags, however many notes there are. */
export async function markedNote(sys: Sys, mark: string): Promise<RecalledNote | undefined> {
  return (await sys.recall('', { tag: mark, limit: 1 }))[0]
}

/** All notes that the options let through, the newest first, at most `max`. */
export async function* allNotes(
  sys: Sys,
  options: Omit<RecallOptions, 'limit' | 'before' | 'ids'>,
  max = Infinity,
): AsyncGenerator<RecalledNote> {
  let before: string | undefined
  for (let count = 0; count < max;) {
    const page = await pageOf(sys, { ...options, limit: Math.min(PAGE, max - count), ...(before && { before }) })
    if (typeof page === 'string') {
      before = page
      continue
    }
    if (page.length === 0) return
    yield* page
    count += page.length
    before = page.at(-1)?.id
  }
}

/** A page, or where to go on after so many notes of which none passed. */
async function pageOf(sys: Sys, options: RecallOptions): Promise<readonly RecalledNote[] | string> {
  try {
    return await sys.recall('', options)
  } catch (error) {
    if (!PolityError.isInstance(error) || error.code !== 'LIMIT_EXCEEDED') throw error
    const before = (error.detail as { readonly before?: string } | undefined)?.before
    if (before === undefined) throw error
    return before
  }
}

/** What `remember` takes to put a changed note into its own place. */
export function noteInput(note: RecalledNote): NoteInput & { readonly id: string } {
  const { id, text, tags, source, kind, keywords, context, session, validFrom, validTo, parents, links, data } = note
  return {
    id,
    text,
    tags,
    kind,
    keywords,
    context,
    validFrom,
    parents,
    links,
    data,
    ...(source === null ? {} : { source }),
    ...(session === null ? {} : { session }),
    ...(validTo === null ? {} : { validTo }),
  }
}
