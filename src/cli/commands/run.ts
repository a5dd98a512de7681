/** `polity run <file.ts> [input]`: runs the program that a file exports by default. */
import type { Json } from '../../kernel/types.ts'
import { bootFor } from '../booted.ts'
import { modelDefault } from '../setup.ts'
import { defineCommand } from '../command.ts'
import { follow } from '../follow.ts'
import { budgetOf, budgetOptions, embedderOption, priceOption, setupGiven } from '../options.ts'
import { noteSources, printRun } from '../output.ts'
import { readInput } from '../stdin.ts'

export const run = defineCommand({
  name: 'run',
  summary: 'run the program that a file exports by default',
  usage: '<file.ts> [input]',
  positionals: [1, 2],
  options: {
    model: {
      kind: 'text',
      value: 'provider/model',
      help: `model of calls that name none (default the program's, else ${modelDefault})`,
    },
    in: { kind: 'texts', value: 'path', help: 'a folder or file that the program may search and read' },
    law: { kind: 'text', value: 'file', help: 'a law: which calls are allowed' },
    ...embedderOption,
    ...budgetOptions,
    ...priceOption,
  },
  details:
    'The file is a module whose default export is made by defineProgram or defineAgent, or is an async function (sys, input) => output; without one, it exports one program. ' +
    'The input is JSON if it parses as such, else text; a whole number beyond 2^53 stands in quotes, as JSON text; `-` reads it from stdin; a pipe without `-` is not read; what begins with - stands behind --, as in `run count.ts -- -5`. Left out, it is undefined, so that `(sys, name = "you")` has its default. The output goes to stdout: a text as it is, anything else as JSON.',
  examples: [
    'polity run clerk.ts "Pay the invoices in inbox/" --budget-usd 0.50',
    `polity run sum.ts '{"a": 1, "b": 2}'`,
    'cat question.txt | polity run agent.ts -',
  ],
  async run(context, { values, positionals: [file = '', text] }) {
    const input = await readInput(context, text)
    const budget = budgetOf(values)
    const booted = await bootFor(context, setupGiven(file, values), budget)
    noteSources(context, booted)
    const started = booted.kernel.spawn(booted.main, input as Json, { budget })
    booted.noteSetup(started.pid)
    return printRun(context, booted, started, await follow(context, booted, started))
  },
})
