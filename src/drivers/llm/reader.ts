/**
 * The model `offline/reader`: answers from what it is given to read. There is no neural network in it.
 *
 *     const model = reader()
 *     await model.doGenerate({ prompt, tools })
 *
 * It takes the key terms out of the question, searches with whatever search tool it is given, reads on around the best hits where they are thin, ranks the sentences it found, and quotes the
 * best one to three word for word, each with its source as `[path:line]`. It cannot paraphrase, infer, or know anything that was not found. It exists so that everything in Polity runs, and can be
 * tested, without a key, a network or a download; test/quality measures how often it is right.
 *
 * Invariants
 *   R1. Stateless and deterministic: the same call options give the same result, tool-call ids included; the stream carries exactly what doGenerate returns.
 *   R2. Every quote is verbatim from the evidence and begins on the line cited; only line breaks become spaces, and an ellipsis ends a quote that was cut.
 *   R3. Where support is below `supportMin`, the answer begins with `refusalPrefix` and cites nothing.
 *   R4. At most `roundsMax` rounds of tool calls in a turn, never the same call twice.
 */
import { placeText } from '../../kernel/citation.ts'
import type { LanguageModel } from '../../kernel/drivers.ts'
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider'
import { readPrompt, type ReadPrompt, type Step } from './reader-evidence.ts'
import { asksForQuestions, toJson, type Findings, type JsonSchema } from './reader-json.ts'
import { arithmeticIn, parseQuestion, subQuestions, type Question } from './reader-question.ts'
import { rank, type Ranking } from './reader-ranking.ts'
import { supportMin } from './reader-weights.ts'
import { firstSearches, furtherCalls, knownTools, withoutDone, type KnownTools, type Wish } from './reader-tools.ts'

export interface ReaderOptions {
  /** Support below this is a refusal. From 0 (answer anything) to 1. @default supportMin */
  readonly supportMin?: number
  /** Rounds of tool calls before it answers with what it has. At least 0. @default 3 */
  readonly roundsMax?: number
  /** Most sentences quoted for one question, 1 to 3. @default 3 */
  readonly quotesMax?: number
}

/** How every refusal begins, so that callers can recognise one. */
export const refusalPrefix = 'I found nothing in these files that answers'

/** True when a text is a refusal of the reader. */
export function isRefusal(text: string): boolean {
  return text.trimStart().startsWith(refusalPrefix)
}

/** Support above this needs no reading on. */
const supportEnough = 0.9
/** A second or third quote scores at most this much less than the first: it is at least a fiftieth as likely. */
const quoteGap = 4
const quoteCharsMax = 700
const charsPerToken = 4
const deltaChars = 24

/** Makes the model. Give it to `boot` as any AI SDK model. */
export function reader(options: ReaderOptions = {}): LanguageModel {
  const settings = {
    supportMin: within('supportMin', options.supportMin ?? supportMin, 0, 1),
    roundsMax: within('roundsMax', options.roundsMax ?? 3, 0, 10),
    quotesMax: within('quotesMax', options.quotesMax ?? 3, 1, 3),
  }
  return {
    specificationVersion: 'v4',
    provider: 'offline',
    modelId: 'reader',
    supportedUrls: {},
    // It runs here, one call after another, and costs nothing.
    capabilities: { slots: Number.MAX_SAFE_INTEGER, price: { input: 0, output: 0 } },
    doGenerate: async (call) => {
      call.abortSignal?.throwIfAborted()
      return generate(call, settings)
    },
    doStream: async (call) => {
      call.abortSignal?.throwIfAborted()
      return { stream: streamOf(generate(call, settings), call.abortSignal) }
    },
  }
}

type Settings = Required<ReaderOptions>

function generate(call: LanguageModelV4CallOptions, settings: Settings): LanguageModelV4GenerateResult {
  const read = readPrompt(call.prompt)
  const tools = knownTools(call)
  const schema =
    call.responseFormat?.type === 'json' ? (call.responseFormat.schema as JsonSchema | undefined) : undefined
  const isPlan = call.responseFormat?.type === 'json' && asksForQuestions(schema)
  const parts = subQuestions(read.question)

  const expression = parts.length <= 1 ? arithmeticIn(read.question) : undefined
  const questions = parts.map(parseQuestion)
  const rankings = isPlan ? [] : questions.map((question) => rank(question, read.evidence, read.wordScores))
  const wishes =
    isPlan && call.toolChoice?.type !== 'required'
      ? []
      : wishesFor(read, questions, rankings, expression, tools, settings, call.toolChoice?.type === 'required')
  if (wishes.length > 0) return toolCalls(call, wishes)

  const computed = expression === undefined ? undefined : computedIn(expression, read.steps)
  const findings: Findings = computed ?? answerOf(questions, rankings, settings)
  const text =
    call.responseFormat?.type === 'json' ? toJson(schema, { ...findings, questions: parts }) : findings.answer
  return limited(call, text)
}

// ---- what to call ----------------------------------------------------------------------------------------------

function wishesFor(
  read: ReadPrompt,
  questions: readonly Question[],
  rankings: readonly Ranking[],
  expression: string | undefined,
  tools: KnownTools,
  settings: Settings,
  isRequired: boolean,
): Wish[] {
  if (read.rounds >= settings.roundsMax && !isRequired) return []
  const calculator = tools.calculators[0]
  if (expression !== undefined && calculator !== undefined) {
    const wish = { toolName: calculator.name, input: { [calculator.property]: expression } }
    return withoutDone([wish], read.steps)
  }
  if (tools.searches.length === 0 && tools.reads.length === 0) return []
  const isEnough = rankings.length > 0 && rankings.every((ranking) => ranking.support >= supportEnough)
  if (read.evidence.length > 0 && isEnough && !isRequired) return []
  if (read.rounds === 0) return withoutDone(firstSearches(questions, tools), read.steps)
  const further = questions.flatMap((question, index) => {
    const ranking = rankings[index]
    return ranking === undefined || ranking.support >= supportEnough
      ? []
      : furtherCalls(question, ranking, tools, read.rounds)
  })
  return withoutDone(further, read.steps)
}

function toolCalls(call: LanguageModelV4CallOptions, wishes: readonly Wish[]): LanguageModelV4GenerateResult {
  const content: LanguageModelV4Content[] = wishes.map((wish, index) => ({
    type: 'tool-call',
    toolCallId: `read-${call.prompt.length}-${index}`, // the place in the conversation makes it unique there
    toolName: wish.toolName,
    input: JSON.stringify(wish.input),
  }))
  return resultOf(call, content, 'tool-calls')
}

// ---- what to answer --------------------------------------------------------------------------------------------

interface Quote {
  readonly text: string
  readonly source: string
}

function answerOf(questions: readonly Question[], rankings: readonly Ranking[], settings: Settings): Findings {
  if (questions.length === 0)
    return {
      answer: `${refusalPrefix}, because there is no question.`,
      citations: [],
      questions: [],
      isAnswered: false,
    }
  const paragraphs: string[] = []
  const citations: string[] = []
  let isAnswered = false
  for (const [index, question] of questions.entries()) {
    const ranking = rankings[index]
    if (ranking === undefined || ranking.support < settings.supportMin) {
      paragraphs.push(`${refusalPrefix} ${JSON.stringify(question.text)}.`)
      continue
    }
    isAnswered = true
    const quotes = quotesOf(ranking, settings.quotesMax)
    paragraphs.push(quotes.map((quote) => `${quote.text} [${quote.source}]`).join('\n'))
    citations.push(...quotes.map((quote) => quote.source))
  }
  // A refusal of one part must not read as a refusal of all.
  if (isAnswered && paragraphs.length > 1) paragraphs.sort((a, b) => Number(isRefusal(a)) - Number(isRefusal(b)))
  return {
    answer: paragraphs.join('\n\n'),
    citations: [...new Set(citations)],
    questions: questions.map((question) => question.text),
    isAnswered,
  }
}

function quotesOf(ranking: Ranking, quotesMax: number): Quote[] {
  const top = ranking.ranked[0]
  if (top === undefined) return []
  const quotes: Quote[] = []
  const places = new Set<string>()
  for (const { sentence, score } of ranking.ranked) {
    const source = placeText({ path: sentence.path, line: sentence.line, lineEnd: sentence.line })
    if (quotes.length >= quotesMax || score < top.score - quoteGap) break
    if (places.has(source) || (quotes.length > 0 && sentence.form === 'heading')) continue
    places.add(source)
    quotes.push({ text: cut(sentence.text), source })
  }
  return quotes
}

/** A quote that is too long ends at a clause, with an ellipsis outside the quoted words. */
function cut(text: string): string {
  if (text.length <= quoteCharsMax) return text
  const end = Math.max(
    text.lastIndexOf('; ', quoteCharsMax),
    text.lastIndexOf(', ', quoteCharsMax),
    text.lastIndexOf(' ', quoteCharsMax) - 40,
  )
  return `${text.slice(0, end > 0 ? end : quoteCharsMax)} …`
}

function computedIn(expression: string, steps: readonly Step[]): Findings | undefined {
  for (const step of steps.toReversed()) {
    if (step.output === undefined || !Object.values(step.input).includes(expression)) continue
    if (step.output.type === 'error-text' || step.output.type === 'execution-denied') {
      const why = step.output.type === 'error-text' ? step.output.value : (step.output.reason ?? 'the call was denied')
      return { answer: `${expression} could not be computed: ${why}`, citations: [], questions: [], isAnswered: false }
    }
    const value = numberIn(step.output.type === 'json' || step.output.type === 'text' ? step.output.value : undefined)
    if (value !== undefined)
      return { answer: `${expression} = ${value}`, citations: [], questions: [], isAnswered: true }
  }
  return undefined
}

function numberIn(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value === 'string') {
    const match = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/i.exec(value)
    return match ? Number(match[0]) : undefined
  }
  if (value === null || typeof value !== 'object') return undefined
  const record = value as Record<string, unknown>
  return numberIn(record['value'] ?? record['result'])
}

// ---- results ---------------------------------------------------------------------------------------------------

function limited(call: LanguageModelV4CallOptions, text: string): LanguageModelV4GenerateResult {
  let kept = text
  for (const stop of call.stopSequences ?? [])
    if (stop !== '' && kept.includes(stop)) kept = kept.slice(0, kept.indexOf(stop))
  const charsMax = call.maxOutputTokens === undefined ? Infinity : Math.max(0, call.maxOutputTokens) * charsPerToken
  const isCut = kept.length > charsMax
  if (isCut) kept = kept.slice(0, charsMax)
  return resultOf(call, kept === '' ? [] : [{ type: 'text', text: kept }], isCut ? 'length' : 'stop')
}

function resultOf(
  call: LanguageModelV4CallOptions,
  content: LanguageModelV4Content[],
  unified: LanguageModelV4FinishReason['unified'],
): LanguageModelV4GenerateResult {
  const input = tokensOf(
    JSON.stringify(call.prompt, withoutBytes).length + (call.tools ? JSON.stringify(call.tools).length : 0),
  )
  const text = tokensOf(content.reduce((sum, part) => sum + (part.type === 'text' ? part.text.length : 0), 0))
  const output =
    text +
    tokensOf(
      content.reduce(
        (sum, part) => sum + (part.type === 'tool-call' ? part.input.length + part.toolName.length : 0),
        0,
      ),
    )
  return {
    content,
    finishReason: { unified, raw: undefined },
    usage: {
      inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: output, text, reasoning: 0 },
    },
    warnings: [],
  }
}

function withoutBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? undefined : value
}

function tokensOf(chars: number): number {
  return Math.ceil(chars / charsPerToken)
}

/** The same result as a stream: text in small deltas, made as they are pulled. */
function streamOf(
  result: LanguageModelV4GenerateResult,
  signal: AbortSignal | undefined,
): ReadableStream<LanguageModelV4StreamPart> {
  const parts = partsOf(result)
  return new ReadableStream<LanguageModelV4StreamPart>(
    {
      pull(controller) {
        if (signal?.aborted) {
          controller.error(signal.reason)
          return
        }
        const next = parts.next()
        if (next.done) controller.close()
        else controller.enqueue(next.value)
      },
    },
    { highWaterMark: 0 },
  )
}

function* partsOf(result: LanguageModelV4GenerateResult): Generator<LanguageModelV4StreamPart, undefined> {
  yield { type: 'stream-start', warnings: result.warnings }
  for (const [index, part] of result.content.entries()) {
    if (part.type === 'text') {
      const id = `text-${index}`
      yield { type: 'text-start', id }
      for (let at = 0; at < part.text.length;) {
        let end = Math.min(part.text.length, at + deltaChars)
        if (/[\uD800-\uDBFF]/.test(part.text.charAt(end - 1))) end++ // never half a character
        yield { type: 'text-delta', id, delta: part.text.slice(at, end) }
        at = end
      }
      yield { type: 'text-end', id }
    } else if (part.type === 'tool-call') {
      yield { type: 'tool-input-start', id: part.toolCallId, toolName: part.toolName }
      yield { type: 'tool-input-delta', id: part.toolCallId, delta: part.input }
      yield { type: 'tool-input-end', id: part.toolCallId }
      yield part
    }
  }
  yield { type: 'finish', finishReason: result.finishReason, usage: result.usage }
}

function within(name: string, value: number, low: number, high: number): number {
  if (!(value >= low && value <= high)) throw new RangeError(`${name} must be from ${low} to ${high}, and is ${value}.`)
  return value
}
