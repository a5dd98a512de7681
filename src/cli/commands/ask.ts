/**
 * `polity ask [question]`: an answer from a folder of text files, with the place of every claim.
 *
 * Without a question it answers one about Polity from Polity's own docs, so that there is something to see at once.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Json } from '../../kernel/types.ts'
import type { Setup } from '../setup.ts'
import { bootFor } from '../booted.ts'
import { modelDefault } from '../setup.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { follow } from '../follow.ts'
import { budgetOf, budgetOptions, priceOption, setupGiven, usageError } from '../options.ts'
import { noteSources, printRun } from '../output.ts'
import { isPiped, readPipe, readStdin } from '../stdin.ts'

const questionDefault = 'What survives a kill -9?'
const QUESTION_BYTES_MAX = 65_536

export const ask = defineCommand({
  name: 'ask',
  summary: 'answer a question from a folder of text files, with citations',
  usage: '[question]',
  positionals: [0, Infinity],
  options: {
    in: { kind: 'texts', value: 'path', help: 'a folder or file to read (default: the working folder)' },
    model: {
      kind: 'text',
      value: 'provider/model',
      help: `the model (default ${modelDefault}, which needs no key and no network)`,
    },
    law: { kind: 'text', value: 'file', help: 'a law: which calls are allowed' },
    readers: {
      kind: 'whole',
      value: 'n',
      range: [1],
      help: 'parts into which the question may be split, each with its own reader (default 4)',
    },
    ...budgetOptions,
    ...priceOption,
  },
  details:
    'The answer goes to stdout with path:line behind each claim; everything else goes to stderr. Every claim is checked against the lines it cites. ' +
    'What the files do not answer is said so, and is no error. A question is also read from a pipe, and `-` waits for one on stdin. Without any, one about Polity is answered from its own docs.',
  examples: [
    'polity ask "What survives a kill -9?" --in docs',
    'cat question.txt | polity ask - --in docs',
    'polity ask "Who signs the contract?" --in contracts --model openai/gpt-5 --price 1.25/10 --budget-usd 0.20',
  ],
  async run(context, { values, positionals }) {
    const given = await questionOf(context, positionals)
    const paths = values.in.length > 0 ? values.in : given === undefined ? ownDocs() : ['.']
    // The question that stands in for none is about Polity's own docs, not about somebody's folder.
    if (given === undefined && values.in.length > 0)
      throw usageError('ask needs a question: polity ask "<question>" --in <folder>')
    const question = given ?? questionDefault
    if (given === undefined) context.note(context.err.paint('bold', question))
    return answer(
      context,
      setupGiven(undefined, { ...values, in: paths }),
      { question, readers: values.readers },
      budgetOf(values),
    )
  },
})

/** The question as given: in words, or on stdin. Undefined where there is none. */
async function questionOf(context: Context, words: readonly string[]): Promise<string | undefined> {
  const isAsked = words.length === 1 && words[0] === '-'
  const isGiven = words.length > 0 && !isAsked
  if (!isGiven && !isAsked && !isPiped()) return undefined
  const text = isGiven
    ? words.join(' ')
    : await (isAsked ? readStdin : readPipe)(context, { what: 'the question', bytesMax: QUESTION_BYTES_MAX })
  // A pipe that nobody writes to, such as that of a build machine, asks nothing.
  if (!isGiven && !isAsked && text === undefined) {
    context.note('no question came on stdin, so this is one about Polity; `polity ask -` waits for yours')
    return undefined
  }
  const question = text?.trim()
  if (question === undefined || question === '')
    throw usageError(
      isGiven
        ? 'the question is empty; expected polity ask "<question>"'
        : 'the question on stdin is empty; expected: echo "<question>" | polity ask',
    )
  return question
}

async function answer(
  context: Context,
  setup: Setup,
  { question, readers }: { question: string; readers: number | undefined },
  budget: ReturnType<typeof budgetOf>,
): Promise<number> {
  const booted = await bootFor(context, setup, budget)
  noteSources(context, booted)
  const input: Json = readers === undefined ? { question } : { question, readers }
  const run = booted.kernel.spawn(booted.main, input, { budget })
  booted.noteSetup(run.pid)
  return printRun(context, booted, run, await follow(context, booted, run))
}

/** The docs that came with this installation. */
function ownDocs(): string[] {
  const found = ['docs', 'README.md']
    .map((name) => fileURLToPath(new URL(`../../../${name}`, import.meta.url)))
    .filter((path) => existsSync(path))
  if (found.length === 0) throw usageError('ask needs a question: polity ask "<question>" --in <folder>')
  return found
}
