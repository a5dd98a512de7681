/**
 * Headers of ours on a request: one that a door does not know is a mistake, and never passed over, since a misspelt ceiling
 * would otherwise be none.
 *
 *     const unknown = unknownHeader(headers, ['x-polity-run'])      // { name: 'x-polity-runs', message: 'There is no …' }
 */
import type { IncomingHttpHeaders } from 'node:http'
import { nearest } from '../kernel/known-keys.ts'

const PREFIX = 'x-polity-'
/** What answers say. Who passes a request on may send it back, and it asks for nothing. */
const OF_ANSWERS = new Set(['x-polity-pid', 'x-polity-denied'])
/** Of a name, in an error, characters. */
const SHOWN_CHARS = 80

/** The first header of ours that is none of `known`, and what is said of it. */
export function unknownHeader(
  headers: IncomingHttpHeaders,
  known: readonly string[],
): { readonly name: string; readonly message: string } | undefined {
  for (const header in headers) {
    if (!header.startsWith(PREFIX) || known.includes(header) || OF_ANSWERS.has(header)) continue
    const name = header.slice(0, SHOWN_CHARS)
    // Without what all of them begin with, or any would be near any other.
    const near = nearest(
      header.slice(PREFIX.length),
      known.map((one) => one.slice(PREFIX.length)),
    )
    const meant = near === undefined ? '' : ` Did you mean ${PREFIX}${near}?`
    return { name, message: `There is no header ${name} here; there is ${known.join(', ')}.${meant}` }
  }
  return undefined
}
