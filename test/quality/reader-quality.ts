/**
 * How often the offline reader is right: questions over three corpora, asked through a small tool loop.
 *
 *     node test/quality/reader-quality.ts [--failures] [--set paraphrased|plain] [--half tuning|held-out] [--corpus moby-dick]
 *         [--support-min 0.466]
 *
 * Two sets, by two hands, both written down before anything was tuned. `paraphrased` avoids the words of its source on
 * purpose; the reader was tuned on two thirds of it. `plain` asks as a user would who half remembers the subject; nothing
 * was ever tuned on it.
 *
 * An answerable question is right when one of its expected phrases stands in the lines that the first citation points to
 * (top 3: any of the first three); its file is right when one stands anywhere in the file that is cited. An unanswerable one is right when it is refused. Every third question is held out: it was
 * never looked at while the reader was tuned, and its failures are only listed when asked for by `--half held-out`.
 * `--support-min` asks a reader that refuses below another support than its own.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { JSONValue, LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4Prompt } from '@ai-sdk/provider'
import { openFolderIndex } from '../../src/drivers/folder/folder-index.ts'
import { folderTools } from '../../src/drivers/folder/tools.ts'
import { isRefusal, reader } from '../../src/drivers/llm/reader.ts'
import { corpusNames, prepareCorpus, type CorpusName } from './corpora.ts'

/** A question of test/quality/questions. Without `answers` it must be refused. */
export interface QualityQuestion {
  readonly id: string
  readonly half: 'tuning' | 'held-out'
  readonly question: string
  /** Any of these phrases must stand in the lines cited. */
  readonly answers: readonly string[]
}

export interface Outcome {
  readonly question: QualityQuestion
  readonly answer: string
  /** `path:line`, in order. */
  readonly citations: readonly string[]
  readonly isRefused: boolean
  readonly isFirstRight: boolean
  readonly isTop3Right: boolean
  /** The same, by the files that are cited and not by the lines. */
  readonly isFirstFileRight: boolean
  readonly isTop3FileRight: boolean
  readonly rounds: number
}

/** What the tool loop needs of a tool. */
interface LoopTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: {
    readonly '~standard': {
      readonly jsonSchema: { input: (options: { target: 'draft-07' }) => Record<string, unknown> }
    }
  }
  readonly execute: (input: never, options: { signal?: AbortSignal }) => Promise<unknown>
}

const stepsMax = 8

/** Asks a model with tools until it answers. */
export async function ask(
  model: LanguageModelV4,
  tools: readonly LoopTool[],
  question: string,
): Promise<{ text: string; rounds: number }> {
  const prompt: LanguageModelV4Prompt = [
    { role: 'system', content: 'Answer from the files only and cite your sources.' },
    { role: 'user', content: [{ type: 'text', text: question }] },
  ]
  const given = tools.map((tool) => ({
    type: 'function' as const,
    name: tool.name,
    description: tool.description,
    inputSchema: tool.inputSchema['~standard'].jsonSchema.input({ target: 'draft-07' }),
  }))
  for (let rounds = 0; rounds < stepsMax; rounds++) {
    const { content } = await model.doGenerate({ prompt, tools: given } as LanguageModelV4CallOptions)
    const calls = content.filter((part) => part.type === 'tool-call')
    if (calls.length === 0)
      return { text: content.map((part) => (part.type === 'text' ? part.text : '')).join(''), rounds }
    prompt.push({
      role: 'assistant',
      content: calls.map((call) => ({
        type: 'tool-call',
        toolCallId: call.toolCallId,
        toolName: call.toolName,
        input: JSON.parse(call.input) as unknown,
      })),
    })
    const results = await Promise.all(
      calls.map(async (call) => {
        const tool = tools.find((each) => each.name === call.toolName)
        const value = (await tool?.execute(JSON.parse(call.input) as never, {})) as JSONValue
        return {
          type: 'tool-result' as const,
          toolCallId: call.toolCallId,
          toolName: call.toolName,
          output: { type: 'json' as const, value },
        }
      }),
    )
    prompt.push({ role: 'tool', content: results })
  }
  throw new Error(`No answer after ${stepsMax} steps: ${question}`)
}

/** Asks the questions of a corpus; all, unless `wanted` says which. */
export async function measure(
  corpus: CorpusName,
  parent: string,
  set: QuestionSet = 'paraphrased',
  {
    model = reader(),
    wanted = () => true,
  }: { model?: LanguageModelV4; wanted?: (question: QualityQuestion) => boolean } = {},
): Promise<Outcome[]> {
  const folder = await prepareCorpus(corpus, parent)
  const index = await openFolderIndex(folder, { indexPath: join(parent, `${corpus}.index`) })
  try {
    const tools = folderTools(index) as readonly unknown[] as readonly LoopTool[]
    const outcomes: Outcome[] = []
    for (const question of (await questionsOf(corpus, set)).filter(wanted)) {
      const { text, rounds } = await ask(model, tools, question.question)
      const citations = [...text.matchAll(/ \[([^\]\n]+:\d+)\]$/gm)].map((match) => match[1] as string)
      const cited = await Promise.all(citations.map((citation) => citedIn(folder, citation)))
      const holds = (text: string): boolean => question.answers.some((answer) => text.includes(answer))
      const right = cited.map(({ lines }) => holds(lines))
      const rightFile = cited.map(({ file }) => holds(file))
      outcomes.push({
        question,
        answer: text,
        citations,
        isRefused: isRefusal(text),
        isFirstRight: right[0] === true,
        isTop3Right: right.slice(0, 3).includes(true),
        isFirstFileRight: rightFile[0] === true,
        isTop3FileRight: rightFile.slice(0, 3).includes(true),
        rounds,
      })
    }
    return outcomes
  } finally {
    index.close()
  }
}

export type QuestionSet = 'paraphrased' | 'plain'

export async function questionsOf(corpus: CorpusName, set: QuestionSet = 'paraphrased'): Promise<QualityQuestion[]> {
  return JSON.parse(
    await readFile(
      join(import.meta.dirname, 'questions', set === 'plain' ? `${corpus}-plain.json` : `${corpus}.json`),
      'utf8',
    ),
  ) as QualityQuestion[]
}

/** The lines that a citation points to, and their whole file. */
async function citedIn(folder: string, citation: string): Promise<{ lines: string; file: string }> {
  const [, path = '', line = ''] = /^(.*):(\d+)$/.exec(citation) ?? []
  const file = await readFile(join(folder, path), 'utf8')
  // A sentence may run on into the next line.
  const lines = file.split('\n').slice(Number(line) - 1, Number(line) + 1)
  return { lines: lines.join('\n'), file }
}

export interface Figures {
  readonly answerable: number
  readonly first: number
  readonly top3: number
  readonly firstFile: number
  readonly top3File: number
  readonly unanswerable: number
  readonly refused: number
  /** Answerable questions that were refused; they count as not right. */
  readonly refusedWrongly: number
}

export function figuresOf(outcomes: readonly Outcome[]): Figures {
  const answerable = outcomes.filter((each) => each.question.answers.length > 0)
  const unanswerable = outcomes.filter((each) => each.question.answers.length === 0)
  return {
    answerable: answerable.length,
    first: answerable.filter((each) => each.isFirstRight).length,
    top3: answerable.filter((each) => each.isTop3Right).length,
    firstFile: answerable.filter((each) => each.isFirstFileRight).length,
    top3File: answerable.filter((each) => each.isTop3FileRight).length,
    unanswerable: unanswerable.length,
    refused: unanswerable.filter((each) => each.isRefused).length,
    refusedWrongly: answerable.filter((each) => each.isRefused).length,
  }
}

const share = (part: number, whole: number): string =>
  `${String(part).padStart(3)}/${String(whole).padEnd(3)} ${((100 * part) / Math.max(1, whole)).toFixed(1).padStart(5)} %`

/** One line of the report. */
export function describe(name: string, figures: Figures): string {
  const { answerable, first, top3, firstFile, top3File, unanswerable, refused, refusedWrongly } = figures
  return [
    name.padEnd(22),
    `first ${share(first, answerable)}`,
    `top 3 ${share(top3, answerable)}`,
    `file first ${share(firstFile, answerable)}`,
    `file top 3 ${share(top3File, answerable)}`,
    `refused ${share(refused, unanswerable)}`,
    `wrongly ${refusedWrongly}`,
  ].join('   ')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      failures: { type: 'boolean', default: false },
      half: { type: 'string' },
      corpus: { type: 'string' },
      set: { type: 'string', default: 'paraphrased' },
      'support-min': { type: 'string' },
    },
  })
  const set = values.set === 'plain' ? 'plain' : 'paraphrased'
  const supportMin = values['support-min']
  const model = reader(supportMin === undefined ? {} : { supportMin: Number(supportMin) })
  const parent = await mkdtemp(join(tmpdir(), 'reader-quality-'))
  try {
    const all: Outcome[] = []
    for (const corpus of corpusNames.filter((name) => values.corpus === undefined || name === values.corpus)) {
      const outcomes = (await measure(corpus, parent, set, { model })).filter(
        (each) => values.half === undefined || each.question.half === values.half,
      )
      all.push(...outcomes)
      console.log(describe(corpus, figuresOf(outcomes)))
      if (!values.failures) continue
      for (const each of outcomes) {
        const isRight = each.question.answers.length > 0 ? each.isFirstRight : each.isRefused
        if (isRight || (each.question.half === 'held-out' && values.half !== 'held-out')) continue
        console.log(
          `  ${each.question.id} ${each.isTop3Right ? '(top 3)' : ''} ${each.question.question}\n    ${each.answer.replaceAll('\n', '\n    ')}`,
        )
      }
    }
    for (const half of ['tuning', 'held-out'] as const) {
      const outcomes = all.filter((each) => each.question.half === half)
      if (outcomes.length > 0) console.log(describe(`all, ${half}`, figuresOf(outcomes)))
    }
    console.log(describe('all', figuresOf(all)))
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}

if (import.meta.main) await main()
