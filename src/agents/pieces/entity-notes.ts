/**
 * Entities as notes: one note each, found by any of its names, or by a name so alike that it is surely the same
 * (entity-names.ts). The marks of names stand among the tags, so looking one up is a search for a word.
 *
 *     const { lookUp, entityOf, keepEntity } = entityNotes('my-graph:entity')
 *     const ann = await entityOf(sys, 'Ann Lee')          // there, or made
 *
 * What is known of an entity does not stand in its note, which changes only with its names: however much is learned of it,
 * nothing is written twice.
 */
import type { Json, RecalledNote, Sys } from '../../kernel/types.ts'
import { likenessMarks, nameMark, plainName, sameName } from './entity-names.ts'
import { readNote } from './notes.ts'

/** What an entity's note keeps. */
export interface Entity {
  readonly names: readonly string[]
}

/** Entities that are looked at for a name. */
const NAMESAKES = 20

/** The entities whose notes carry this tag. */
export function entityNotes(tag: string) {
  /** The entity of a name, if it is surely there; likely ones, if not. */
  async function lookUp(sys: Sys, name: string): Promise<{ entity?: RecalledNote; likely: readonly RecalledNote[] }> {
    const search = async (query: string): Promise<readonly RecalledNote[]> =>
      query === '' ? [] : sys.recall(query, { tag, limit: NAMESAKES })
    const known = await search(nameMark(name))
    const entity = known.find((note) => entityIn(note).names.some((one) => plainName(one) === plainName(name)))
    if (entity !== undefined) return { entity, likely: [] }
    const alike = await search(likenessMarks(name).join(' '))
    const names = alike.flatMap((note) => entityIn(note).names.map((one) => ({ note, one })))
    const place = sameName(
      name,
      names.map(({ one }) => one),
    )
    return place === undefined
      ? { likely: await search(name) }
      : { entity: names[place]?.note as RecalledNote, likely: [] }
  }

  async function keepEntity(sys: Sys, entity: Entity, before?: RecalledNote): Promise<string> {
    const marks = entity.names.flatMap((name) => [nameMark(name), ...likenessMarks(name)])
    return sys.remember({
      text: entity.names.join(', '),
      kind: 'summary',
      tags: [...new Set([tag, ...marks])],
      data: entity as unknown as Json,
      ...(before === undefined ? {} : { id: before.id }),
    })
  }

  async function entityOf(sys: Sys, name: string): Promise<RecalledNote> {
    const { entity } = await lookUp(sys, name)
    if (entity !== undefined) return entity
    const id = await keepEntity(sys, { names: [name] })
    return (await readNote(sys, id)) as RecalledNote
  }

  return { lookUp, keepEntity, entityOf }
}

export function entityIn(note: RecalledNote): Entity {
  return note.data as unknown as Entity
}
