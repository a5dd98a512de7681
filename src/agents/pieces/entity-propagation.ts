/**
 * Who knows of what, where each sees a part and tells what it knows to those in its sight (COMPASS, Li et al. 2025): word of an entity
 * spreads one hop a round.
 *
 *     known = propagated(known, (name) => inSight(name))
 *
 * Invariants
 *   EP1. Of two reports of one entity the newer is kept.
 *   EP2. What is told in a round is what was known before it: h rounds spread over h hops, whatever the order of the players.
 */

/** Something seen. */
export interface Entity {
  readonly id: string
  /** `mate`: a player of the team, whose name is `id`. */
  readonly type: string
  readonly position: readonly number[]
  readonly health?: number
  /** When it was seen. */
  readonly time: number
}

/** The type of the players of the team. */
export const MATE = 'mate'

/** What one player knows, by id. */
export type Known = ReadonlyMap<string, Entity>

/** What is known with these reports. */
export function merged(known: Known, reports: Iterable<Entity>): Known {
  const all = new Map(known)
  for (const report of reports) if (report.time > (all.get(report.id)?.time ?? -Infinity)) all.set(report.id, report)
  return all
}

/** What each knows after all have told those in their sight. @param inSight whom a player sees, and so tells; strangers are left out */
export function propagated(
  known: ReadonlyMap<string, Known>,
  inSight: (player: string) => readonly string[],
): Map<string, Known> {
  const after = new Map(known)
  for (const [player, own] of known)
    for (const mate of inSight(player)) {
      const theirs = after.get(mate)
      if (theirs !== undefined) after.set(mate, merged(theirs, own.values()))
    }
  return after
}

/** As a model reads it. */
export function entitiesText(known: Known, now: number): string {
  const lines = [...known.values()].map(
    ({ id, type, position, health, time }) =>
      `${id} (${type}) at (${position.join(', ')})${health === undefined ? '' : `, health ${health}`}, ${time === now ? 'now' : `${now - time} turns ago`}`,
  )
  return lines.join('\n') || 'nothing'
}
