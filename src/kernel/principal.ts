/**
 * What a principal may be called: at every door that takes the name of one, and for accounts, which keys give theirs.
 *
 *     checkPrincipal('spawn: principal', principal)      // INVALID_ARGUMENT: spawn: principal takes 1 to 200 printable characters, not …
 *
 * Invariant
 *   PN1. A name that is refused here is nobody's: no process runs on its behalf, no key and no note is its.
 */
import { invalid } from './errors.ts'

/** A line of text: no control character, and no half of a pair, which no file keeps. */
export const PRINCIPAL_NAME = /^[^\p{Cc}\p{Cs}]{1,200}$/u
/** The same in words. */
export const PRINCIPAL_TAKES = '1 to 200 printable characters'

export function isPrincipal(given: unknown): given is string {
  return typeof given === 'string' && PRINCIPAL_NAME.test(given)
}

/** Throws `INVALID_ARGUMENT` that begins with `at` for what is no name of a principal. */
export function checkPrincipal(at: string, given: unknown): asserts given is string {
  if (!isPrincipal(given)) throw invalid(at, PRINCIPAL_TAKES, given)
}
