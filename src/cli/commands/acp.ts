/** `polity acp <file.ts>`: the program of a file as the agent of a code editor that starts it. */
import { serveAcp } from '../../server/acp.ts'
import { bootFor } from '../booted.ts'
import { defineCommand } from '../command.ts'
import { budgetOf, budgetOptions, priceOption, setupGiven } from '../options.ts'
import { noteSources } from '../output.ts'
import { exitCodeOfSignal, exitCodes } from '../report.ts'
import { modelDefault } from '../setup.ts'

export const acp = defineCommand({
  name: 'acp',
  summary: 'serve a program to a code editor as its agent',
  usage: '<file.ts>',
  positionals: [1, 1],
  options: {
    model: {
      kind: 'text',
      value: 'provider/model',
      help: `model of calls that name none (default the program's, else ${modelDefault})`,
    },
    in: { kind: 'texts', value: 'path', help: 'a folder or file that the program may search and read' },
    law: {
      kind: 'text',
      value: 'file',
      help: 'a law: which calls are allowed; what it asks is asked of the editor’s user',
    },
    ...budgetOptions,
    ...priceOption,
  },
  details:
    'An editor starts it and speaks over stdin and stdout: the Agent Client Protocol, version 1. Each prompt is a run of what the file exports by default, with the text of the prompt as its input and the budget as its own. ' +
    'Text, tool calls and permissions are shown in the editor. It ends when stdin does; what ran then is stopped, and can be resumed.',
  examples: ['polity acp clerk.ts', 'polity acp clerk.ts --law clerk.law.json --model openai/gpt-5-mini'],
  async run(context, { values, positionals: [file = ''] }) {
    // Of programs too: stdout is the protocol's.
    console.log = console.info = console.debug = console.error
    const budget = budgetOf(values)
    const booted = await bootFor(context, setupGiven(file, values), budget)
    noteSources(context, booted)
    const { kernel, main } = booted
    kernel.watch(
      (event) => {
        if (event.type === 'process-end') context.unfinished.delete(event.pid)
      },
      { text: false },
    )
    try {
      await serveAcp(
        {
          kernel,
          program: main,
          clock: context.clock,
          heads: booted.heads,
          budget,
          begun(pid) {
            booted.noteSetup(pid)
            context.unfinished.add(pid)
          },
          differs: booted.differs,
          note: context.note,
        },
        context.interrupted,
      )
      return context.interrupted.aborted ? exitCodeOfSignal(context.interrupted.reason) : exitCodes.done
    } finally {
      await booted.close()
    }
  },
})
