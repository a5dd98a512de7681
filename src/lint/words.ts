/** Words: how near two names or two sentences are. Rough, and the same on every machine. */

const idle = new Set(
  'a an the of for in on at to from by with and or is are be was it its this that these those as into over via per any all given one some tool function method api call use used using can will which who whose when where if then not no please simply just'.split(
    ' ',
  ),
)

/** Words that say that a tool acts like another. */
const kin: readonly (readonly string[])[] = [
  ['get', 'fetch', 'retrieve', 'obtain', 'load', 'read', 'return', 'lookup', 'look', 'give', 'query', 'grab', 'pull'],
  ['list', 'show', 'display', 'enumerate'],
  ['find', 'search', 'seek'],
  ['delete', 'remove', 'erase', 'drop', 'destroy'],
  ['create', 'add', 'make', 'insert', 'new'],
  ['update', 'change', 'modify', 'edit', 'alter', 'set'],
  ['send', 'dispatch', 'deliver', 'transmit'],
  ['mail', 'email'],
  ['user', 'customer', 'client'],
  ['picture', 'image', 'photo'],
  ['message', 'msg'],
  ['document', 'doc'],
]
const kinOf = new Map(kin.flatMap((words) => words.map((word) => [word, words[0] as string])))

/** `readMail`, `read_mail` and `Read-mail` are the words read, mail. */
export function wordsOf(text: string): string[] {
  return text
    .normalize('NFKC')
    .replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
}

/** The words that mean something, each as the root it shares with its kin. */
export function rootsOf(text: string): string[] {
  return wordsOf(text)
    .filter((word) => !idle.has(word))
    .map((word) => kinOf.get(word) ?? kinOf.get(stem(word)) ?? stem(word))
}

function stem(word: string): string {
  if (word.length <= 3) return word
  for (const [ending, instead] of [
    ['ies', 'y'],
    ['sses', 'ss'],
    ['shes', 'sh'],
    ['ches', 'ch'],
    ['s', ''],
  ] as const)
    if (word.endsWith(ending) && !/(ss|us|is)$/.test(word)) return word.slice(0, -ending.length) + instead
  for (const ending of ['ing', 'ed'])
    if (word.length > ending.length + 3 && word.endsWith(ending)) return word.slice(0, -ending.length)
  return word
}

/** Insertions, deletions, changes and swaps of neighbours between two short texts. */
export function distance(one: string, other: string): number {
  let before: number[] = []
  let row = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const change = (row[j - 1] as number) + (one[i - 1] === other[j - 1] ? 0 : 1)
      let least = Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1)
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1])
        least = Math.min(least, (before[j - 2] as number) + 1)
      next.push(least)
    }
    before = row
    row = next
  }
  return row[other.length] as number
}

/** The name that was meant, if one is near. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  const flat = (text: string): string => wordsOf(text).join('')
  const near = names
    .map((other) => ({ other, far: distance(flat(name), flat(other)) }))
    .toSorted((a, b) => a.far - b.far)
  const [best] = near
  return best !== undefined && best.far <= Math.max(1, Math.floor(name.length / 4)) ? best.other : undefined
}
