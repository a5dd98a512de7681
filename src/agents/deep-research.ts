/**
 * Deep research: a report over a corpus, section by section, in which every claim has been held against the lines that it cites.
 *
 *     kernel.spawn(deepResearch, { question: 'How were the bridges of the valley built?', sections: 6 })
 *
 * The loop of the surveys (Zhang et al. 2025, "Deep research: a survey of autonomous research agents", and others): clarify, outline, queries
 * of each section, search, extract with citations, check for gaps, write, verify. Its design space is in the options: `workflow` (static: one
 * round; dynamic: gaps are searched again), `parallel` (sections side by side, each a child process), `clarify`. It ends when the
 * share of points of the outline that have a claim reaches `coverage`, after `rounds`, or with its budget.
 *
 * research.ts answers one question briefly; this one writes a report of many. The process holds `search` and `read` (drivers/folder) or tools of
 * the same form over another corpus.
 *
 * Invariants
 *   DR1. Every claim of the report cites lines that exist, holds its numbers and names, and shares most of its words with them (`isSupported`).
 *   DR2. A point without a claim is listed as a gap; nothing is written about it.
 */
import { z } from 'zod'
import { citation } from '../kernel/citation.ts'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { claimsOf, isSupported, type Claim } from './pieces/citations.ts'
import { askJson } from './pieces/json-answer.ts'
import { whileItLasts } from './pieces/while-it-lasts.ts'

export interface DeepResearchInput {
  readonly question: string
  /** At most so many. @default 6 */
  readonly sections?: number
  /** @default 'dynamic' */
  readonly workflow?: 'static' | 'dynamic'
  /** Searches for what is missing, the first included. @default 3 */
  readonly rounds?: number
  /** Share of the points that is enough. @default 1 */
  readonly coverage?: number
  /** Sections side by side. @default true */
  readonly parallel?: boolean
  /** Whether the model first says what it takes the question to mean. @default false */
  readonly clarify?: boolean
  /** Passages that a query brings. @default 5 */
  readonly passages?: number
  /** Share of a claim's words that the cited lines must hold. @default .6 */
  readonly support?: number
}

export interface DeepResearch {
  readonly report: string
  readonly claims: readonly Claim[]
  /** Points of the outline without a claim. */
  readonly gaps: readonly string[]
  /** Share of the points that have one. */
  readonly coverage: number
  readonly rounds: number
  /** Claims that the model made and that did not hold. */
  readonly dropped: number
}

const CLARIFY =
  'Say in two or three sentences what the question means exactly: its terms, its limits, what a full answer holds.'
const OUTLINE = `Outline a report that answers the question. A section has points: single facts that have to be found, each as a question.
Answer with JSON: {"sections": [{"title": "…", "points": ["…"]}]}.`
const QUERIES =
  'Write search queries for the points, with the words that a text would use. Answer with JSON: {"queries": ["…"]}.'
const EXTRACT = `Find facts for the points in the passages. Say each in one sentence, with the path and the line that it stands in, and the number of its point; leave out what the passages do not say.
Answer with JSON: {"claims": [{"point": 1, "text": "…", "path": "…", "line": 1}]}.`
const WRITE = `Write the section from the findings alone, in plain sentences, and put the source behind each sentence as it is given, [path:line].`

const outlined = z.object({
  sections: z.array(z.object({ title: z.string(), points: z.array(z.string()).min(1) })).min(1),
})
const queried = z.object({ queries: z.array(z.string().min(1)).min(1) })
const extracted = z.object({
  claims: z.array(
    z.object({ point: z.number().int(), text: z.string(), path: z.string(), line: z.number().int().min(1) }),
  ),
})

interface Task {
  readonly points: readonly string[]
  readonly passages: number
  readonly support: number
}
interface Found {
  /** Of each point, in their order; null: none. */
  readonly claims: readonly (Claim | null)[]
  readonly dropped: number
}
interface Passage {
  readonly path: string
  /** Its first line. */
  readonly line: number
  readonly text: string
}

/** Searches for the points of one section. */
const searcher = defineProgram(
  'deep-research/section',
  async (sys, { points, passages, support }: Task): Promise<Found> => {
    const listed = points.map((point, i) => `${i + 1}. ${point}`).join('\n')
    const said = await askJson(sys, { instructions: QUERIES, prompt: listed }, queried)
    const found = new Map<string, string>()
    for (const query of said?.queries ?? points) {
      const hits = (await sys.call<Json>('search', { query, limit: passages })) as unknown as readonly Passage[]
      for (const { path, line, text } of hits)
        for (const [i, one] of text.split('\n').entries())
          found.set(citation({ path, line: line + i, lineEnd: line + i }), one)
    }
    if (found.size === 0) return { claims: points.map(() => null), dropped: 0 }
    const text = [...found].map(([at, line]) => `${at} ${line}`).join('\n')
    const answer = await askJson(
      sys,
      { instructions: EXTRACT, prompt: `Points:\n${listed}\n\nPassages:\n${text}` },
      extracted,
    )
    const claims: (Claim | null)[] = points.map(() => null)
    let dropped = 0
    for (const { point, text: claim, path, line } of answer?.claims ?? []) {
      const one: Claim = { text: claim, path, line, lineEnd: line }
      if (point < 1 || point > points.length || !(await stands(sys, one, support))) dropped++
      else claims[point - 1] ??= one
    }
    return { claims, dropped }
  },
)

export const deepResearch = defineProgram(
  'deep-research',
  async (sys, input: DeepResearchInput): Promise<DeepResearch> => {
    const { workflow = 'dynamic', coverage = 1, parallel = true, passages = 5, support = 0.6 } = input
    const roundsMax = workflow === 'static' ? 1 : (input.rounds ?? 3)
    const meaning =
      input.clarify === true
        ? (await sys.generate({ instructions: CLARIFY, prompt: input.question, temperature: 0 })).text
        : ''
    const asked = [input.question, ...(meaning === '' ? [] : [meaning])].join('\n\n')
    const outline = await askJson(sys, { instructions: OUTLINE, prompt: asked }, outlined)
    const sections = (outline?.sections ?? [{ title: input.question, points: [input.question] }]).slice(
      0,
      input.sections ?? 6,
    )
    const claims: (Claim | null)[][] = sections.map(({ points }) => points.map(() => null))
    let [rounds, dropped] = [0, 0]
    const covered = (): number => claims.flat().filter((claim) => claim !== null).length / claims.flat().length

    await whileItLasts(async () => {
      while (rounds < roundsMax && covered() < coverage) {
        rounds++
        const search = async (at: number): Promise<void> => {
          const open = (sections[at]?.points ?? []).flatMap((point, i) =>
            claims[at]?.[i] === null ? [{ point, i }] : [],
          )
          if (open.length === 0) return
          const pid = await sys.spawn(searcher, { points: open.map(({ point }) => point), passages, support })
          const found = (await sys.wait<Json>(pid)) as unknown as Found
          dropped += found.dropped
          for (const [k, { i }] of open.entries()) {
            const claim = found.claims[k] ?? null
            // One that stands for another point already says nothing of this one.
            const isTwin =
              claim !== null &&
              claims
                .flat()
                .some((one) => one?.text === claim.text && one.path === claim.path && one.line === claim.line)
            if (isTwin) dropped++
            else (claims[at] as (Claim | null)[])[i] = claim
          }
        }
        if (parallel) await Promise.all(sections.map((_, at) => search(at)))
        else for (const at of sections.keys()) await search(at)
      }
    })

    const parts = await Promise.all(
      sections.map(async ({ title }, at) => {
        const own = (claims[at] ?? []).filter((claim) => claim !== null)
        if (own.length === 0) return { text: '', claims: [], dropped: 0 }
        const written = (await whileItLasts(() => write(sys, title, own, support))) ?? { claims: own, dropped: 0 }
        const lines = written.claims.map((claim) => `${claim.text} ${citation(claim)}`)
        return { ...written, text: [`## ${title}`, ...lines].join('\n') }
      }),
    )
    const gaps = sections.flatMap(({ points }, at) => points.filter((_, i) => claims[at]?.[i] === null))
    const open = gaps.length === 0 ? [] : [['## Not found', ...gaps.map((gap) => `- ${gap}`)].join('\n')]
    return {
      report: [...parts.map(({ text }) => text).filter((text) => text !== ''), ...open].join('\n\n'),
      claims: parts.flatMap((part) => part.claims),
      gaps,
      coverage: covered(),
      rounds,
      dropped: dropped + parts.reduce((sum, part) => sum + part.dropped, 0),
    }
  },
)

/** The section as it was written, as far as it holds; what the writer lost of the findings stays as it was found. */
async function write(sys: Sys, title: string, findings: readonly Claim[], support: number) {
  const listed = findings.map((claim) => `${claim.text} ${citation(claim)}`).join('\n')
  const { text } = await sys.generate({
    instructions: WRITE,
    prompt: `Section: ${title}\n\nFindings:\n${listed}`,
    temperature: 0,
  })
  const said = claimsOf(
    text,
    findings.map(({ path }) => path),
  )
  const held: Claim[] = []
  for (const claim of said) if (await stands(sys, claim, support)) held.push(claim)
  const lost = findings.filter((one) => !held.some(({ path, line }) => path === one.path && line === one.line))
  return { claims: [...held, ...lost], dropped: said.length - held.length }
}

async function stands(sys: Sys, { text, path, line, lineEnd }: Claim, support: number): Promise<boolean> {
  const lines = await linesOf(sys, path, line, lineEnd)
  return lines !== undefined && lines.length > lineEnd - line && isSupported(text, lines.join('\n'), support)
}

/** Undefined where there are none. */
async function linesOf(sys: Sys, path: string, from: number, to: number): Promise<readonly string[] | undefined> {
  try {
    return (await sys.call<{ lines: readonly string[] } & Json>('read', { path, from, to })).lines
  } catch (error) {
    if (PolityError.isInstance(error) && (error.code === 'TOOL_FAILED' || error.code === 'INVALID_ARGUMENT'))
      return undefined
    throw error
  }
}
