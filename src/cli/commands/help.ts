/** `polity help [command]`: what there is, and how to use it. */
import { defineCommand } from '../command.ts'
import { commandNames, loadCommand, loadCommands } from '../commands.ts'
import { helpOf, overview } from '../help.ts'
import { nearest } from '../../kernel/known-keys.ts'
import { usageError } from '../options.ts'
import { exitCodeMeanings, exitCodes } from '../report.ts'

export const help = defineCommand({
  name: 'help',
  summary: 'the commands, or one of them',
  usage: '[command]',
  positionals: [0, 1],
  options: {},
  examples: ['polity help', 'polity help trace'],
  async run(context, { positionals: [name] }) {
    const command = name === undefined ? undefined : await loadCommand(name)
    if (name !== undefined && command === undefined) {
      const near = nearest(name, commandNames)
      throw usageError(
        `there is no command ${JSON.stringify(name)}; ${near === undefined ? `there are ${commandNames.join(', ')}` : `did you mean ${near}?`}`,
      )
    }
    const all = await loadCommands()
    const text = command === undefined ? overview(all, context.out) : helpOf(command, context.out)
    const shown = command === undefined ? all : [command]
    context.result(text.trimEnd(), {
      commands: shown.map(({ name, summary, usage, options, examples }) => ({
        name,
        summary,
        usage,
        options,
        examples,
      })),
      exitCodes: Object.fromEntries(exitCodeMeanings),
    })
    return exitCodes.done
  },
})
