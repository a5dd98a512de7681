/**
 * Sentences of the evidence: cuts passages into what can be quoted, each with its own line.
 *
 * Invariants
 *   RS1. A sentence is verbatim, except that a line break inside it is one space.
 *   RS2. Its line is the line it starts on.
 *   RS3. A sentence never crosses a blank line, a list item, a heading, a table row or a line of code.
 */
import { dropOldest } from '../../kernel/drop-oldest.ts'
import type { Evidence } from './reader-evidence.ts'
import { wordsIn, type Word } from './reader-words.ts'

export interface Sentence {
  readonly text: string
  readonly path: string
  readonly line: number
  /** Last line it stands on. */
  readonly endLine: number
  readonly words: readonly Word[]
  readonly stems: ReadonlySet<string>
  readonly form: 'prose' | 'heading' | 'code' | 'table'
  /** The passage it is from, and its place among that passage's sentences. */
  readonly passage: Passage
  readonly index: number
}

/** A passage with its sentences; `stems` are of its text, `headingStems` of its headings, `pathStems` of its path. */
export interface Passage {
  readonly evidence: Evidence
  readonly sentences: Sentence[]
  readonly stems: ReadonlySet<string>
  readonly headingStems: ReadonlySet<string>
  readonly pathStems: ReadonlySet<string>
}

const abbreviation =
  /(?:\b(?:Mr|Mrs|Ms|Messrs|Dr|Gen|Capt|Col|Lieut|St|No|Hon|Rev|Jr|Sr|vs|etc|viz|cf|e\.g|i\.e|p|pp|vol|fig|approx)|\b[A-Z])\.["'”)]*\s*$/

const cutPassages = new Map<string, Passage>()
const cutPassagesMax = 600

/** Cuts a passage into sentences. The same passage is looked at in every round of a turn, so what was cut is remembered. */
export function toPassage(evidence: Evidence): Passage {
  const key = `${evidence.path}\0${evidence.line}\0${evidence.heading}\0${evidence.text}`
  let known = cutPassages.get(key)
  if (known === undefined) {
    if (cutPassages.size >= cutPassagesMax) dropOldest(cutPassages)
    cutPassages.set(key, (known = cut(evidence)))
  }
  const sentences: Sentence[] = []
  const passage: Passage = { ...known, evidence, sentences }
  for (const sentence of known.sentences) sentences.push({ ...sentence, passage })
  return passage
}

function cut(evidence: Evidence): Passage {
  const sentences: Sentence[] = []
  const passage: Passage = {
    evidence,
    sentences,
    stems: stemsOf(evidence.text),
    headingStems: stemsOf(evidence.heading),
    pathStems: stemsOf(evidence.path.replace(/\.\w+$/, '').replaceAll(/[-_/.]/g, ' ')),
  }
  for (const block of blocksOf(evidence)) {
    const cuts = block.form === 'prose' ? cutSentences(block.text) : [[0, block.text.length] as const]
    for (const [from, to] of cuts) {
      const raw = block.text.slice(from, to)
      const text = raw.trim()
      if (text === '') continue
      const start = from + raw.indexOf(text)
      const words = wordsIn(text)
      sentences.push({
        text: text.replaceAll(/\s*\n\s*/g, ' '),
        path: evidence.path,
        line: block.line + newlinesIn(block.text, 0, start),
        endLine: block.line + newlinesIn(block.text, 0, start + text.length),
        words,
        stems: new Set(words.map((word) => word.stem)),
        form: block.form,
        passage,
        index: sentences.length,
      })
    }
  }
  sentences.push(...joined(sentences))
  return passage
}

const refersBack = /^["'“]?(?:He|She|It|They|This|These|That|His|Her|Its|Their|Here|There)\b/

/** A sentence that begins with «He», «It» or «This» says what it is about in the sentence before: the two together can be quoted as one. */
function joined(sentences: readonly Sentence[]): Sentence[] {
  const pairs: Sentence[] = []
  for (const sentence of sentences) {
    const before = sentences[sentence.index - 1]
    if (before === undefined || sentence.form !== 'prose' || before.form !== 'prose' || !refersBack.test(sentence.text))
      continue
    if (sentence.line - before.endLine > 1 || before.words.length + sentence.words.length > joinedWordsMax) continue
    const shift = before.text.length + 1
    pairs.push({
      ...before,
      text: `${before.text} ${sentence.text}`,
      endLine: sentence.endLine,
      words: [...before.words, ...sentence.words.map((word) => ({ ...word, at: word.at + shift }))],
      stems: new Set([...before.stems, ...sentence.stems]),
    })
  }
  return pairs
}

const joinedWordsMax = 90

function stemsOf(text: string): Set<string> {
  return new Set(wordsIn(text).map((word) => word.stem))
}

interface Block {
  readonly text: string
  readonly line: number
  readonly form: Sentence['form']
}

function blocksOf(evidence: Evidence): Block[] {
  const blocks: Block[] = []
  let open: { lines: string[]; line: number } | undefined
  let isFenced = false
  const close = (): void => {
    if (open) blocks.push({ text: open.lines.join('\n'), line: open.line, form: 'prose' })
    open = undefined
  }
  for (const [index, row] of evidence.text.split('\n').entries()) {
    const line = evidence.line + index
    if (/^\s*(?:```|~~~)/.test(row)) {
      close()
      isFenced = !isFenced
    } else if (/^\s*$/.test(row) || /^(?:---|\*\*\*|___)\s*$/.test(row)) close()
    else if (isFenced || isCodeLine(row)) {
      close()
      blocks.push({ text: row, line, form: 'code' })
    } else if (/^\s{0,3}#{1,6}\s/.test(row) || /^(?:CHAPTER|BOOK|PART)\b.{0,80}$/.test(row)) {
      close()
      blocks.push({ text: row, line, form: 'heading' })
    } else if (/^(?:title|description): \S/.test(row)) {
      close() // front matter
      blocks.push({ text: row, line, form: 'heading' })
    } else if (/^\s*\|/.test(row)) {
      close()
      if (!/^[\s|:-]+$/.test(row)) blocks.push({ text: row, line, form: 'table' })
    } else {
      if (/^\s*(?:[-*+•]|\d+[.)])\s/.test(row)) close()
      open ??= { lines: [], line }
      open.lines.push(row)
    }
  }
  close()
  return blocks
}

function isCodeLine(row: string): boolean {
  if (row.length > 200 || /[.?!]["')*_`]*\s*$/.test(row)) return false
  return (
    /^\s*(?:[})\]>]|import\b.*\bfrom\b|export\b|const\b|let\b|return\b|<\/?\w|@\w+\/|\/\/|\w+: .*,$)/.test(row) ||
    (/[{;(]\s*$/.test(row) && /[=(){}<>]/.test(row))
  )
}

function cutSentences(text: string): (readonly [number, number])[] {
  const cuts: [number, number][] = []
  let from = 0
  for (const match of text.matchAll(/[.?!]["'”’)*_`]*\s+(?=["'“‘(*_`[]*[\p{Lu}\d])/gu)) {
    const end = match.index + match[0].length
    if (abbreviation.test(text.slice(from, end)) || end - from < shortestChars) continue
    cuts.push([from, end])
    from = end
  }
  cuts.push([from, text.length])
  return cuts
}

/** «GAM. NOUN—A social meeting …» is one sentence: a cut piece has at least this many characters. */
const shortestChars = 12

function newlinesIn(text: string, from: number, to: number): number {
  let count = 0
  for (let at = text.indexOf('\n', from); at !== -1 && at < to; at = text.indexOf('\n', at + 1)) count++
  return count
}
