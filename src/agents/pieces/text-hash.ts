/**
 * Numbers and words that stand for a text: the same text, the same word, on every machine. Not for secrets.
 *
 *     hash32('Ann', 0)          // one of a family of functions, by seed
 *     markOf('layered:state')   // a word that nobody writes, by which a note is found again
 */

/** 32 bits: FNV-1a with a seed, finished as MurmurHash3 is. */
export function hash32(text: string, seed: number): number {
  let h = (0x811c9dc5 ^ Math.imul(seed + 1, 0x9e3779b1)) >>> 0
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** One word of letters and digits: 64 bits of the text behind an `x`. */
export function markOf(text: string): string {
  return `x${hash32(text, 0).toString(36)}x${hash32(text, 1).toString(36)}x`
}
