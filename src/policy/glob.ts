/**
 * Globs: patterns in which `*` stands for any run of characters, also an empty one. Everything else stands for itself.
 *
 *     glob('read_*')('read_file')     // true
 *
 * Invariant
 *   GL1. Linear in the text for each star: no backtracking beyond the last one.
 *   GL2. Half of a surrogate pair stands for itself alone, and never for a part of a character, as in regex.ts: so what is
 *        proved of globs (diff.ts) is what they do.
 */
export function glob(pattern: string): (text: string) => boolean {
  if (pattern === '*') return () => true
  if (!pattern.includes('*')) return (text) => text === pattern
  if (pattern.isWellFormed()) return (text) => matches(pattern, text)
  const characters = [...pattern]
  return (text) => matches(characters, [...text])
}

function matches(pattern: ArrayLike<string>, text: ArrayLike<string>): boolean {
  let p = 0
  let t = 0
  let star = -1
  let mark = 0
  while (t < text.length) {
    if (p < pattern.length && pattern[p] !== '*' && pattern[p] === text[t]) {
      p++
      t++
    } else if (pattern[p] === '*') {
      star = p++
      mark = t
    } else if (star >= 0) {
      p = star + 1
      t = ++mark
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
