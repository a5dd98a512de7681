/**
 * The facts of a temporal graph (temporal-graph.ts) as relations between names: those that hold now.
 *
 *     const relations = await knownRelations(sys)       // [{ subject: 'silk', relation: 'is spun from', object: 'gland' }, …]
 */
import type { Sys } from '../../kernel/types.ts'
import { entityIn } from './entity-notes.ts'
import { factIn, holdsNow } from './fact-notes.ts'
import type { Relation } from './knowledge-path.ts'
import { allNotes } from './notes.ts'

/** Relations in the order in which they came. @param space of the graph. @default 'temporal-graph', as there */
export async function knownRelations(sys: Sys, space = 'temporal-graph'): Promise<readonly Relation[]> {
  const names = new Map<string, string>()
  for await (const note of allNotes(sys, { tag: `${space}:entity` }))
    names.set(note.id, entityIn(note).names[0] as string)
  const found: Relation[] = []
  for await (const note of allNotes(sys, { tag: `${space}:fact` })) {
    const { subject, relation, object } = factIn(note)
    const [from, to] = [names.get(subject), names.get(object)]
    if (from !== undefined && to !== undefined && holdsNow(note, sys.now()))
      found.push({ subject: from, relation, object: to })
  }
  return found.toReversed()
}
