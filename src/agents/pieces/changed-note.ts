/**
 * A note of a memory that another note changes: it was drawn from that one too from then on.
 *
 *     await sys.remember({ ...changedNote(memory, message.id), text })
 *
 * Invariant: what a source changed goes when the source is revoked (`kernel.revokeSource` takes what was ever drawn from a
 * note of the source). It goes wholly: the version before does not come back.
 */
import type { NoteInput, RecalledNote } from '../../kernel/types.ts'
import { noteInput } from './notes.ts'

/** Parents that a note names, the last ones. Revocation also knows those of its earlier versions. */
const PARENTS_MAX = 50

/** What `remember` takes to put a note into its place that others changed. */
export function changedNote(note: RecalledNote, ...by: readonly string[]): NoteInput & { readonly id: string } {
  return { ...noteInput(note), parents: [...new Set([...note.parents, ...by])].slice(-PARENTS_MAX) }
}
