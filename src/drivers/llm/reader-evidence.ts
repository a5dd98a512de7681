/**
 * The reader's evidence: what in a prompt may be quoted, and the question it is to answer.
 *
 *     const { question, evidence, steps } = readPrompt(prompt)
 *
 * Evidence comes from two places: results of tools called since the last user message, whatever their shape, as long as an object in them has a path and a text (or lines), or their text has
 * lines of the form `[path:line] text`; and such lines in the last user message itself.
 *
 * Invariants
 *   RE1. Only what follows the last user message, and that message, is read: an older turn's evidence never answers a newer question.
 *   RE2. Every passage has a source, and its text is verbatim.
 *   RE3. A question has at most `questionCharsMax` characters, so that reading it takes a bounded time.
 */
import { citationReader } from '../../kernel/citation.ts'
import type { LanguageModelV4Prompt, LanguageModelV4ToolResultOutput } from '@ai-sdk/provider'

/** A piece of text with its place. Lines are 1-based. */
export interface Evidence {
  readonly path: string
  readonly line: number
  readonly endLine: number
  readonly heading: string
  readonly text: string
  /** Place in its result list, 0 is best; 0 for evidence in the prompt. */
  readonly rank: number
  /** Its relevance in the first search, as a share of the best; 0 when that did not find it. */
  readonly worth: number
  /** True when it came from reading a place rather than from a search. */
  readonly isRead: boolean
}

/** A tool call of this turn and what came of it. */
export interface Step {
  readonly toolName: string
  readonly input: Readonly<Record<string, unknown>>
  /** Undefined while there is no result. */
  readonly output: LanguageModelV4ToolResultOutput | undefined
}

export interface ReadPrompt {
  /** The last user message without evidence lines and boilerplate. */
  readonly question: string
  readonly evidence: readonly Evidence[]
  /** Tool calls since the last user message, in order. */
  readonly steps: readonly Step[]
  /** Assistant messages with tool calls since the last user message. */
  readonly rounds: number
  /** For each query of a single word, the relevance of its best hit: about twice the word's rarity in a search that ranks by bm25; 0 when nothing was found. Keys are lower case. */
  readonly wordScores: ReadonlyMap<string, number>
}

const evidencePassagesMax = 400
/** A longer message is cut in its middle: a question stands at its beginning or at its end. */
const questionCharsMax = 6_000
const nestedMax = 6

/** Takes the question, the evidence and the steps of this turn out of a prompt. */
export function readPrompt(prompt: LanguageModelV4Prompt): ReadPrompt {
  const lastUser = prompt.findLastIndex((message) => message.role === 'user')
  const message = prompt[lastUser]
  const text =
    message?.role === 'user' ? message.content.map((part) => (part.type === 'text' ? part.text : '')).join('\n') : ''
  const given = citedLines(text)
  const steps: {
    toolCallId: string
    toolName: string
    input: Record<string, unknown>
    output: LanguageModelV4ToolResultOutput | undefined
  }[] = []
  let rounds = 0
  for (const later of prompt.slice(lastUser + 1)) {
    if (later.role !== 'assistant' && later.role !== 'tool') continue
    let calls = 0
    for (const part of later.content) {
      if (part.type === 'tool-call') {
        calls++
        steps.push({
          toolCallId: part.toolCallId,
          toolName: part.toolName,
          input: toRecord(part.input),
          output: undefined,
        })
      } else if (part.type === 'tool-result') {
        const step = steps.find((each) => each.toolCallId === part.toolCallId)
        if (step) step.output = part.output
        else steps.push({ toolCallId: part.toolCallId, toolName: part.toolName, input: {}, output: part.output })
      }
    }
    if (calls > 0) rounds++
  }
  let isFirst = true
  const evidence = [...given.evidence]
  for (const step of steps) {
    const found = ranked(evidenceOf(step.output), step, isFirst)
    if (found.some((each) => !each.isRead)) isFirst = false
    evidence.push(...found)
  }
  return {
    question: questionIn(shortened(given.rest)),
    evidence: withoutRepeats(evidence).slice(0, evidencePassagesMax),
    steps,
    rounds,
    wordScores: wordScoresOf(steps),
  }
}

function wordScoresOf(steps: readonly Step[]): Map<string, number> {
  const scores = new Map<string, number>()
  for (const { input, output } of steps) {
    const word = Object.values(input).find((value) => typeof value === 'string')
    if (
      typeof word !== 'string' ||
      !/^[\p{L}\p{N}\p{M}]+$/u.test(word) ||
      output?.type !== 'json' ||
      !Array.isArray(output.value)
    )
      continue
    const best = output.value
      .map((hit) => (hit as { score?: unknown } | null)?.score)
      .filter((score) => typeof score === 'number')
    if (best.length > 0 || output.value.length === 0) scores.set(word.toLowerCase(), Math.max(0, ...best))
  }
  return scores
}

/** The best hit for a single word says little of the question: its place counts as if others stood before it. Relevance is comparable within one search only, and that of the first is kept. */
function ranked(evidence: Evidence[], { input }: Step, isFirst: boolean): Evidence[] {
  const isSingleWord = Object.values(input).some((value) => typeof value === 'string' && singleWord.test(value))
  const best = Math.max(...evidence.map((each) => each.worth))
  return evidence.map((each) =>
    each.isRead
      ? each
      : {
          ...each,
          rank: each.rank + (isSingleWord ? singleWordPlaces : 0),
          worth: isFirst && best > 0 ? each.worth / best : 0,
        },
  )
}

const singleWord = /^[\p{L}\p{N}\p{M}]+$/u
const singleWordPlaces = 8

/** The passages in the result of a tool. */
export function evidenceOf(output: LanguageModelV4ToolResultOutput | undefined): Evidence[] {
  if (output === undefined) return []
  if (output.type === 'json') return passagesIn(output.value)
  if (output.type === 'text') return passagesInText(output.value)
  if (output.type === 'content')
    return output.value.flatMap((part) => (part.type === 'text' ? passagesInText(part.text) : []))
  return []
}

function passagesInText(text: string): Evidence[] {
  if (/^\s*[[{]/.test(text)) {
    try {
      return passagesIn(JSON.parse(text) as unknown)
    } catch {
      // It only looked like JSON; it may still hold cited lines.
    }
  }
  return citedLines(text).evidence
}

function passagesIn(value: unknown, depth = 0, rank = { next: 0 }): Evidence[] {
  if (depth > nestedMax || value === null || typeof value !== 'object')
    return typeof value === 'string' && depth > 0 ? citedLines(value).evidence : []
  if (Array.isArray(value)) return value.flatMap((each) => passagesIn(each, depth + 1, rank))
  const record = value as Record<string, unknown>
  const path = firstString(record, ['path', 'file', 'source', 'uri', 'url'])
  const lines = record['lines']
  const isLines = Array.isArray(lines) && lines.every((each) => typeof each === 'string')
  const text =
    firstString(record, ['text', 'content', 'passage', 'snippet', 'excerpt']) ??
    (isLines ? (lines as string[]).join('\n') : undefined)
  if (path === undefined || text === undefined)
    return Object.values(record).flatMap((each) => passagesIn(each, depth + 1, rank))
  const line = firstNumber(record, ['line', 'from', 'startLine', 'start']) ?? 1
  const endLine = firstNumber(record, ['endLine', 'to', 'end']) ?? line + text.split('\n').length - 1
  return [
    {
      path,
      line,
      endLine,
      heading: firstString(record, ['heading', 'title']) ?? '',
      text,
      rank: isLines ? 0 : rank.next++,
      worth: Math.max(0, firstNumber(record, ['score', 'relevance']) ?? 0),
      isRead: isLines,
    },
  ]
}

/** What may stand before the source of a line: a mark of a list. */
const listMark = /^\s*(?:[-*>•]\s+|\d+[.)]\s+)?(?=\[)/
const citationAt = citationReader()

/** Splits a text into the lines that begin with `[path:line]` and the rest. */
export function citedLines(text: string): { evidence: Evidence[]; rest: string } {
  const evidence: Evidence[] = []
  const rest: string[] = []
  for (const row of text.split(/\r?\n/)) {
    const place = citationAt(row, listMark.exec(row)?.[0].length ?? row.length)
    if (place === undefined) {
      rest.push(row)
      continue
    }
    const { path, line, lineEnd } = place
    const said = row.slice(place.to).replace(/^:?\s*/, '')
    if (said !== '')
      evidence.push({ path, line, endLine: lineEnd, heading: '', text: said, rank: 0, worth: 0, isRead: false })
  }
  return { evidence, rest: rest.join('\n') }
}

function shortened(text: string): string {
  const packed = text.replaceAll(/[^\S\n]+/g, ' ').replaceAll(/\n(?: ?\n)+/g, '\n\n')
  if (packed.length <= questionCharsMax) return packed
  return `${packed.slice(0, questionCharsMax / 2)}\n${packed.slice(-questionCharsMax / 2)}`.toWellFormed()
}

/** The question in a message: what follows «Question:», else the sentences that ask, else all of it. */
function questionIn(text: string): string {
  const labelled =
    /(?:^|\n)\s*\**(?:question|task|query)\**\s*:\**\s*([\s\S]+?)(?=\n\s*\n|\n\s*\**(?:evidence|passages|context|sources|answer)\**\s*:|$)/i.exec(
      text,
    )
  const body = (labelled?.[1] ?? text).trim()
  const asking = body.match(/[^\n?]*\?+/g)
  if (labelled === null && asking !== null) {
    const rows = asking.map((each) => lastSentences(each.trim())).filter((each) => /\p{L}|\d/u.test(each))
    if (rows.length > 0) return withoutCourtesy(rows.join(' '))
  }
  return withoutCourtesy(body)
}

/** Of the text up to a question mark, the sentence that asks, without orders before it («Answer briefly. Who …?»). */
function lastSentences(text: string): string {
  const sentences = text.split(
    /(?<!\b(?:Mr|Mrs|Ms|Messrs|Dr|Gen|Capt|Col|Lieut|St|Hon|Rev|vs|etc)\.)(?<=[a-z0-9)]{2}[.!:])\s+(?=["'“]?[A-Z])/,
  )
  return sentences.at(-1) ?? text
}

function withoutCourtesy(text: string): string {
  return text
    .replace(/^\s*(?:hi|hello|hey)\b[^,.!?]{0,20}[,.!]\s*/i, '')
    .replace(
      /^\s*(?:please\s+)?(?:(?:can|could|would) you\s+(?:please\s+)?)?(?:tell me|answer(?: (?:this|the) question)?|find out|explain to me|i(?: would|'d) like to know|do you know)[:,]?\s+(?=\S)/i,
      '',
    )
    .trim()
}

function withoutRepeats(evidence: readonly Evidence[]): Evidence[] {
  const kept = new Map<string, Evidence>()
  for (const each of evidence) {
    const key = `${each.path}\0${each.line}\0${each.text}`
    const before = kept.get(key)
    if (before === undefined) kept.set(key, each)
    else
      kept.set(key, {
        ...before,
        rank: Math.min(before.rank, each.rank),
        worth: Math.max(before.worth, each.worth),
      })
  }
  return [...kept.values()]
}

function toRecord(input: unknown): Record<string, unknown> {
  let value = input
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value) as unknown
    } catch {
      return {}
    }
  }
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

function firstString(record: Readonly<Record<string, unknown>>, names: readonly string[]): string | undefined {
  for (const name of names) if (typeof record[name] === 'string') return record[name]
  return undefined
}

function firstNumber(record: Readonly<Record<string, unknown>>, names: readonly string[]): number | undefined {
  for (const name of names) if (typeof record[name] === 'number') return record[name]
  return undefined
}
