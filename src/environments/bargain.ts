/**
 * What the three bargains have in common, the families of GLEE (Shapira et al. 2024, section 3) in which two speak with
 * each other and money is made or lost: division.ts, trade.ts, advice.ts.
 */

/** The two: who offers first, sells, or advises; and the other. */
export const [FIRST, SECOND] = ['Alice', 'Bob'] as const

/** GLEE's orders of magnitude (sections 3.1 and 3.2). */
export const SUMS = [100, 10_000, 1_000_000]

/** Characters of what is said. */
export const WORDS_MAX = 2_000
/** What is said, as an argument. */
export const words = { type: 'string', maxLength: WORDS_MAX }

/** What can be done with an offer. */
export const answering = [
  { name: 'accept', description: 'Take the offer.', input: { type: 'object', properties: {} }, effect: 'terminal' },
  { name: 'reject', description: 'Refuse it.', input: { type: 'object', properties: {} }, effect: 'write' },
] as const
