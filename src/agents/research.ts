/**
 * Research: a team that answers a question from a folder of text files, with citations that hold.
 *
 * A planner splits the question; for each part a reader, a child process of its own, searches and reads with the confined
 * file tools; a writer merges what they found. Then every claim is held against its source: the cited lines are read once
 * more, and a claim whose lines are not there, or share no word with it, is dropped.
 *
 *     spawn(research, { question: 'What survives a kill -9?' })   →   { answer, claims, found, questions }
 *
 * The process holds the tools `search` and `read` (drivers/folder); others, such as `calculator`, are used if held.
 *
 * Invariants
 *   1. Every claim of the answer cites lines that exist and share content with it.
 *   2. Without such a claim, or a result of the calculator, `found` is false and the answer is one sentence without a
 *      citation.
 *   3. A part of the question is answered, or a sentence without a citation says that it is not.
 */
import { citation } from '../kernel/citation.ts'
import { openContext } from '../kernel/context.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Message, Sys } from '../kernel/types.ts'
import type { Claim } from './pieces/citations.ts'
import { claimsOf, contentWords, pathsShown } from './pieces/citations.ts'
import { toolLoop } from './react.ts'

export interface ResearchInput {
  readonly question: string
  /** Readers at most, and so parts of the question. Minimum 1. @default 4 */
  readonly readers?: number
  /** Model calls of one reader. @default 8 */
  readonly stepsMax?: number
}

export interface Research {
  readonly answer: string
  readonly claims: readonly {
    readonly text: string
    readonly path: string
    readonly line: number
    readonly lineEnd: number
  }[]
  /** Whether the files answer the question. */
  readonly found: boolean
  /** The parts into which it was split. */
  readonly questions: readonly string[]
  /** Those of them that the answer does not answer, and says so. */
  readonly unanswered: readonly string[]
}

export const notFound = 'I found nothing in these files that answers the question.'

const PLAN = `Split the question into the independent questions that can each be looked up on their own in a folder of text files.
Leave a question that is one as it is. Answer with JSON: {"questions": ["…"]}.`

const READ = `Answer the question from the files alone, with the tools you have. Search with the words a text would use; read on around a hit where it is thin.
Put the source behind each sentence as [path:line], with the path and line that the tools gave, sign for sign. Quote rather than retell.
If the files do not answer the question, say so in one sentence without a source.`

const WRITE = `Answer the question from the findings below alone. Each is a line "[path:line] text".
Keep what answers the question, leave out the rest and what is said twice. Put the source behind each sentence as it is given, [path:line].
If they do not answer it, say so in one sentence without a source.`

/** What a reader brings back: claims that hold, or a result that it computed. */
interface Finding {
  readonly claims: readonly Claim[]
  readonly computed: string | null
  /** Paths that were cited and could not be read, where no claim holds. */
  readonly unread?: readonly string[]
}

const reader = defineProgram(
  'research/reader',
  async (sys, { question, stepsMax = 8 }: { question: string; stepsMax?: number }): Promise<Finding> => {
    const context = openContext({ instructions: READ })
    await context.append({ role: 'user', content: question })
    const text = await toolLoop(sys, context, { stepsMax })
    const { claims, unread } = await claimsThatHold(sys, claimsOf(text, pathsShown(context.messages)))
    const computed = claims.length === 0 && hasComputed(context.messages) ? text : null
    return claims.length === 0 && unread.length > 0 ? { claims, computed, unread } : { claims, computed }
  },
)

/** Whether the calculator gave a result: arithmetic has no source but itself. */
function hasComputed(messages: readonly Message[]): boolean {
  return messages.some(
    ({ role, content }) =>
      role === 'tool' &&
      typeof content !== 'string' &&
      content.some(
        (part) => part.type === 'tool-result' && part.toolName === 'calculator' && part.output.type === 'json',
      ),
  )
}

export const research = defineProgram(
  'research',
  async (sys, { question, readers = 4, stepsMax }: ResearchInput): Promise<Research> => {
    const questions = await plan(sys, question, readers)
    const read = questions.slice(0, Math.max(1, readers))
    const children = await Promise.all(
      read.map((part) => sys.spawn(reader, stepsMax === undefined ? { question: part } : { question: part, stepsMax })),
    )
    const ends = await Promise.allSettled(children.map((pid) => sys.wait<Finding & Json>(pid)))
    const findings = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []))
    const cited = findings.map((finding) => finding.claims).filter((claims) => claims.length > 0)
    const computed = findings.flatMap((finding) => finding.computed ?? [])
    const claims = cited.length > 1 ? await write(sys, question, cited) : (cited[0] ?? [])
    const lines = [...claims.map((claim) => `${claim.text} ${citation(claim)}`), ...computed]
    const unanswered = questions.filter((_, at) => !isAnswered(ends[at]))
    // A reader that fails takes its part of the answer with it, not the others'; where they have none, so does the run.
    const failed = ends.find((end) => end.status === 'rejected')
    if (lines.length === 0 && failed !== undefined) throw failed.reason
    const unread = findings.flatMap((finding) => finding.unread ?? [])
    if (lines.length === 0) return { answer: unreadIn(notFound, unread), claims, found: false, questions, unanswered }
    const gaps = questions.flatMap((part, at) => (isAnswered(ends[at]) ? [] : [gapOf(part, ends[at])]))
    return { answer: [...lines, ...gaps].join('\n'), claims, found: true, questions, unanswered }
  },
)

type End = PromiseSettledResult<Finding>

function isAnswered(end: End | undefined): boolean {
  return end?.status === 'fulfilled' && (end.value.claims.length > 0 || end.value.computed !== null)
}

/** The sentence for a part that is not answered. It is no claim, so it cites nothing. */
function gapOf(part: string, end: End | undefined): string {
  const asked = JSON.stringify(part)
  if (end === undefined) return `I did not look for ${asked}: the question has more parts than there are readers.`
  return end.status === 'fulfilled'
    ? unreadIn(`I found nothing in these files that answers ${asked}.`, end.value.unread)
    : `I could not look for ${asked}: ${messageOf(end.reason).replace(/\.$/, '')}.`
}

/** The sentence with what was cited and could not be read, where there is such a thing. */
function unreadIn(sentence: string, unread: readonly string[] = []): string {
  if (unread.length === 0) return sentence
  const names = [...new Set(unread)].slice(0, UNREAD_NAMED_MAX).map((path) => JSON.stringify(path.slice(0, 200)))
  return `${sentence.replace(/\.$/, '')}; what was cited for it could not be read: ${names.join(', ')}.`
}

const UNREAD_NAMED_MAX = 5

async function plan(sys: Sys, question: string, readers: number): Promise<string[]> {
  if (typeof question !== 'string' || question.trim() === '')
    throw new PolityError('INVALID_ARGUMENT', 'research takes a question that is not empty')
  if (readers <= 1) return [question]
  const { text } = await sys.generate({ instructions: PLAN, prompt: question, schema: PLAN_SCHEMA })
  return splitOf(text) ?? [question]
}

/** A planner that finds more leaves the question whole too. */
const PARTS_MAX = 32

const PLAN_SCHEMA = {
  type: 'object',
  properties: { questions: { type: 'array', items: { type: 'string' } } },
  required: ['questions'],
  additionalProperties: false,
}

function splitOf(text: string): string[] | undefined {
  try {
    const { questions } = JSON.parse(text) as { questions?: unknown }
    if (!Array.isArray(questions)) return undefined
    const parts = questions.filter((one): one is string => typeof one === 'string' && one.trim() !== '')
    return parts.length === 0 || parts.length > PARTS_MAX ? undefined : parts
  } catch {
    // A planner that does not plan leaves the question whole.
    return undefined
  }
}

async function write(sys: Sys, question: string, findings: readonly (readonly Claim[])[]): Promise<readonly Claim[]> {
  const lines = findings.flat().map((claim) => `${citation(claim)} ${claim.text}`)
  const { text } = await sys.generate({ instructions: WRITE, prompt: `${question}\n\n${lines.join('\n')}` })
  const shown = findings.flat().map((claim) => claim.path)
  const { claims: written } = await claimsThatHold(sys, claimsOf(text, shown))
  // Each part of the question had its finding. What the writer lost of a part, its reader says.
  const missing = findings.filter(
    (claims) => !claims.some((claim) => written.some((one) => one.path === claim.path && one.line === claim.line)),
  )
  return [...written, ...missing.map((claims) => claims[0] as Claim)]
}

async function claimsThatHold(
  sys: Sys,
  claims: readonly Claim[],
): Promise<{ readonly claims: readonly Claim[]; readonly unread: readonly string[] }> {
  const sources = await Promise.all(claims.map((claim) => sourceOf(sys, claim)))
  return {
    claims: claims.filter(({ text }, i) => {
      const cited = contentWords(sources[i] ?? '')
      return [...contentWords(text)].some((word) => cited.has(word))
    }),
    unread: claims.flatMap(({ path }, i) => (sources[i] === undefined ? [path] : [])),
  }
}

/** The lines that a claim cites; undefined where its file cannot be read. */
async function sourceOf(sys: Sys, { path, line, lineEnd }: Claim): Promise<string | undefined> {
  try {
    const { lines } = await sys.call<{ lines: readonly string[] } & Json>('read', { path, from: line, to: lineEnd })
    return lines.join('\n')
  } catch (error) {
    if (PolityError.isInstance(error) && (error.code === 'TOOL_FAILED' || error.code === 'INVALID_ARGUMENT'))
      return undefined
    throw error
  }
}
