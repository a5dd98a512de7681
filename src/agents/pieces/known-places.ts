/**
 * Known places: whether a search was there before, by what was observed.
 *
 *     if (isKnown(place, seen)) continue           // the closed list of a graph search
 *
 * Only where an observation tells the whole state; in a world that hides something, two places may look alike and differ.
 */
import type { Place } from '../places.ts'

/** Whether its last action could not be done, or the same was observed before; remembers what was observed. */
export function isKnown({ steps }: Place, seen: Set<string>): boolean {
  const last = steps.at(-1)?.told
  if (last === undefined) return false
  if (last.error !== undefined || seen.has(last.text)) return true
  seen.add(last.text)
  return false
}
