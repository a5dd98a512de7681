/**
 * Bytes that somebody gave as text, read as what they say or not at all.
 *
 *     textOf(readFileSync('clerk.json'), 'clerk.json')      // throws `clerk.json is not UTF-8; …`
 *
 * Invariants
 *   U1. What is no UTF-8 is refused, where `toString('utf8')` would put U+FFFD for it and give another value than was meant.
 *   U2. A byte order mark stays: whoever reads the text says whether it is part of it.
 */
import { PolityError } from './errors.ts'

/** The text; `what` names it. Throws `INVALID_ARGUMENT`. */
export function textOf(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new PolityError('INVALID_ARGUMENT', `${what} is not UTF-8; save or send it as UTF-8`, { cause })
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
