/**
 * ExtAgents (Liu et al. 2025, "Scaling external knowledge input beyond context windows of LLMs via multi-agent collaboration"):
 * a question about more text than a window holds. Seekers read a chunk each, side by side; a reasoner answers from the best
 * of their notes; where it cannot, all seekers read again with those notes in view, so that facts of different chunks meet.
 *
 *     spawn(extAgents, { question: 'Who keeps the key?', text })       →   { answer, notes, iterations, calls, unread }
 *     spawn(extAgents, { question, files: ['book/1.txt', …] })         // more than one value holds
 *
 * The reasoner tries the best 1, 2, 4, 8 … notes until it answers, so a fact at rank r costs ceil(log2 r) + 1 of its calls;
 * in the last iteration it has to answer. How notes are ranked is not in the paper: seekers say how relevant theirs is.
 *
 * Invariants
 *   EA1. No prompt, with the room for its answer, is larger than `windowTokens` by `boundTokens`.
 *   EA2. Every chunk is read in every iteration, or named in `unread`.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import { boundTokens } from '../kernel/token-bound.ts'
import type { Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'
import { chunksOf, cutTo } from './pieces/text-chunks.ts'

export interface ExtAgentsInput {
  readonly question: string
  readonly text?: string
  /** Files of the process that are read, in this order, behind `text`. */
  readonly files?: readonly string[]
  /** Tokens of a prompt with its answer. Minimum 1,000. @default 32,000 */
  readonly windowTokens?: number
  /** Tokens of a chunk. @default 8,000, as in the paper, but at most half a window */
  readonly chunkTokens?: number
  /** Minimum 1. @default 5, as in the paper */
  readonly iterations?: number
}

export interface ExtAnswer {
  readonly answer: string
  /** What it was answered from. `chunk` is the place of the chunk in the whole text, from 0. */
  readonly notes: readonly SeekerNote[]
  readonly iterations: number
  readonly calls: { readonly seekers: number; readonly reasoner: number }
  /** Chunks whose seeker failed in the last iteration. */
  readonly unread: readonly number[]
}

export interface SeekerNote {
  readonly chunk: number
  readonly text: string
  readonly relevance: number
}

const SEEK = `You read one part of a long text; others read the rest. Note what this part says that helps to answer the question, alone or together with what others found: names, numbers and links word for word, in one or two sentences.
Answer with JSON: {"relevance": 0 to 10, "note": "…"}; relevance 0 and an empty note where the part does not help.`
const REASON = `Answer the question from the notes alone, in a sentence or two. If they do not answer it, say exactly: no answer`
const REASON_LAST = `Answer the question from the notes, in a sentence or two. Where they leave something open, give the likeliest answer.`

const said = z.object({ relevance: z.number(), note: z.string() })

export const extAgents = defineProgram('ext-agents', async (sys, input: ExtAgentsInput): Promise<ExtAnswer> => {
  const { question, windowTokens = 32_000, iterations = 5 } = input
  if (!(windowTokens >= 1_000))
    throw new PolityError('INVALID_ARGUMENT', 'ext-agents: windowTokens takes at least 1,000')
  // Half for the chunk, a quarter for what others found, the rest for the question, the instructions and the answer.
  const chunkTokens = Math.min(input.chunkTokens ?? 8_000, windowTokens / 2)
  const answerTokens = Math.floor(Math.min(1_000, windowTokens / 16))
  const notesTokens = windowTokens / 4
  if (boundTokens(question) > windowTokens / 16)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `ext-agents: the question takes more than a sixteenth of ${windowTokens} tokens`,
    )
  const parts = [input.text ?? '']
  for (const path of input.files ?? []) parts.push(await sys.read(path))
  const chunks = parts.flatMap((part) => chunksOf(part, chunkTokens))
  const calls = { seekers: 0, reasoner: 0 }
  let shared: readonly SeekerNote[] = []

  for (let iteration = 1; ; iteration++) {
    const isLast = iteration >= iterations
    const found = await Promise.allSettled(
      chunks.map((chunk, i) => seek(sys, { question, chunk, i, shared, answerTokens })),
    )
    calls.seekers += chunks.length
    const failed = found.flatMap((one, i) => (one.status === 'rejected' ? [{ i, reason: one.reason as unknown }] : []))
    if (failed.length > 0 && failed.length === chunks.length) throw failed[0]?.reason
    const ranked = found
      .flatMap((one) => (one.status === 'fulfilled' && one.value.relevance > 0 ? [one.value] : []))
      .sort((a, b) => b.relevance - a.relevance || a.chunk - b.chunk)
    const fitting = prefixThatFits(ranked, notesTokens)
    for (let size = 1; ; size = Math.min(size * 2, fitting.length)) {
      shared = fitting.slice(0, size)
      // The last word is said on all the notes that fit; before that, no notes are no question.
      const isFinal = isLast && size >= fitting.length
      if (!isFinal && shared.length === 0) break
      const { text } = await sys.generate({
        instructions: isFinal ? REASON_LAST : REASON,
        prompt: `Question: ${question}\n\nNotes:\n${listed(shared)}`,
        maxOutputTokens: answerTokens,
      })
      calls.reasoner++
      if (isFinal || !/^\W*no answer\b/i.test(text))
        return { answer: text, notes: shared, iterations: iteration, calls, unread: failed.map(({ i }) => i) }
      if (size >= fitting.length) break
    }
  }
})

interface Seeking {
  readonly question: string
  readonly chunk: string
  readonly i: number
  readonly shared: readonly SeekerNote[]
  readonly answerTokens: number
}

async function seek(sys: Sys, { question, chunk, i, shared, answerTokens }: Seeking): Promise<SeekerNote> {
  const others = shared.filter((note) => note.chunk !== i)
  const prompt = [
    `Question: ${question}`,
    ...(others.length === 0 ? [] : [`What others found:\n${listed(others)}`]),
    `Your part:\n${chunk}`,
  ].join('\n\n')
  const request = { instructions: SEEK, prompt, maxOutputTokens: answerTokens, triesMax: 1 }
  const answer = await askJson(sys, request, said)
  const text = cutTo(answer?.note.trim() ?? '', answerTokens)
  return { chunk: i, text, relevance: text === '' ? 0 : (answer?.relevance ?? 0) }
}

function listed(notes: readonly SeekerNote[]): string {
  return notes.map(({ text }) => `- ${text}`).join('\n')
}

function prefixThatFits(notes: readonly SeekerNote[], tokensMax: number): readonly SeekerNote[] {
  let tokens = 0
  const end = notes.findIndex(({ text }) => (tokens += boundTokens(text) + LINE_TOKENS) > tokensMax)
  return end < 0 ? notes : notes.slice(0, end)
}

/** The dash and the break of a line. */
const LINE_TOKENS = 3
