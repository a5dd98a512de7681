/**
 * `polity ask [question]`: an answer from a folder of text files, with the place of every claim.
 *
 * Without a question it answers one about Polity from Polity's own docs, so that there is something to see at once.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Json } from '../../kernel/types.ts'
import type { Booted } from '../booted.ts'
import type { Setup } from '../setup.ts'
import { bootFor } from '../booted.ts'
import { modelDefault } from '../setup.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { follow } from '../follow.ts'
import { budgetOf, budgetOptions, priceOf, priceOption, usageError } from '../options.ts'
import { printRun } from '../output.ts'

const questionDefault = 'What survives a kill -9?'

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
      help: 'parts into which the question may be split, each with its own reader (default 4)',
    },
    ...budgetOptions,
    ...priceOption,
  },
  details:
    'The answer goes to stdout with path:line behind each claim; everything else goes to stderr. Every claim is checked against the lines it cites. ' +
    'What the files do not answer is said so, and is no error. Without a question, one about Polity is answered from its own docs.',
  examples: [
    'polity ask "What survives a kill -9?" --in docs',
    'polity ask "Who signs the contract?" --in contracts --model openai/gpt-5 --price 1.25/10 --budget-usd 0.20',
  ],
  async run(context, { values, positionals }) {
    const given = positionals.join(' ').trim()
    if (positionals.length > 0 && given === '')
      throw usageError('the question is empty; expected polity ask "<question>"')
    if (values.readers === 0) throw usageError('--readers takes a whole number of at least 1, not "0"')
    const paths = values.in.length > 0 ? values.in : positionals.length === 0 ? ownDocs() : ['.']
    const question = positionals.length === 0 ? questionDefault : given
    if (positionals.length === 0) context.note(context.err.paint('bold', question))
    return answer(
      context,
      { model: values.model, price: priceOf(values.price), law: values.law, in: paths },
      { question, readers: values.readers },
      budgetOf(values),
    )
  },
})

async function answer(
  context: Context,
  setup: Setup,
  { question, readers }: { question: string; readers: number | undefined },
  budget: ReturnType<typeof budgetOf>,
): Promise<number> {
  const booted: Booted = await bootFor(context, setup, budget)
  if (booted.sources !== undefined) context.note(context.err.paint('dim', booted.sources.summary))
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
