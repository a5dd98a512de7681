/**
 * What the methods of the client take, looked at before anything is sent: a misspelt `signal` would abort nothing, and a
 * misspelt `idempotencyKey` would start a process twice. Bodies are the server's to check, which knows their schemas.
 *
 *     const kinds: Kinds<PageQuery> = { cursor: text, limit: number }    // tsc: every key of the type, and no other
 *     checkOptions('budgets', query, kinds)      // INVALID_ARGUMENT: budgets: limit takes a number, not ten
 *
 * Invariants
 *   CO1. A key that is not known is refused with the nearest that is; a known key may be undefined.
 *   CO2. Nothing here needs Node: the client runs in browsers. There an object that was given for something else is called
 *        something that cannot be read.
 */
import { invalid } from './kernel/errors.ts'
import { checkKeys } from './kernel/known-keys.ts'

/** What a value has to be, and the same in words. */
export interface Kind {
  readonly is: (value: unknown) => boolean
  readonly takes: string
}

/** The kind of each key of some options. */
export type Kinds<Options> = { readonly [Key in keyof Options]-?: Kind }

export const text: Kind = { is: (value) => typeof value === 'string', takes: 'text' }
/** An empty one would be left out of a query, and lead elsewhere in a path. */
export const words: Kind = { is: (value) => text.is(value) && value !== '', takes: 'text that is not empty' }
export const texts: Kind = {
  is: (value) => Array.isArray(value) && value.every(text.is),
  takes: 'a list of texts',
}
export const oneOrMore: Kind = { is: (value) => text.is(value) || texts.is(value), takes: 'a text or a list of texts' }
export const number: Kind = { is: (value) => Number.isFinite(value), takes: 'a number' }
export const whole: Kind = { is: (value) => Number.isSafeInteger(value) && Number(value) >= 0, takes: 'a whole number' }
export const duration: Kind = { is: (value) => typeof value === 'number' && value >= 0, takes: 'at least 0 ms' }
export const flag: Kind = { is: (value) => typeof value === 'boolean', takes: 'true or false' }
/** As the server takes it; others could not be sent as a header at all. */
export const onceKey: Kind = {
  is: (value) => typeof value === 'string' && /^[\x20-\x7e]{1,200}$/.test(value),
  takes: '1 to 200 printable ASCII characters',
}
export const signal: Kind = {
  is: (value) => typeof (value as AbortSignal | null)?.addEventListener === 'function',
  takes: 'an AbortSignal',
}

/** Throws `INVALID_ARGUMENT` that names a key which there is not, or one whose value is of another kind. */
export function checkOptions<Options>(at: string, given: Options, kinds: Kinds<Options>): void {
  checkKeys(at, given, kinds, 'INVALID_ARGUMENT')
  for (const [key, value] of Object.entries(given as object))
    if (value !== undefined) checkKind(`${at}: ${key}`, value, (kinds as { readonly [key: string]: Kind })[key] as Kind)
}

/** Throws `INVALID_ARGUMENT` for a value of another kind. */
export function checkKind(at: string, value: unknown, { is, takes }: Kind): void {
  if (!is(value)) throw invalid(at, takes, value)
}
