/** The help: all commands on a page, or one command with its options. */
import type { Command } from './command.ts'
import { everywhere } from './options.ts'
import { exitCodeMeanings } from './report.ts'
import { wrap } from './table.ts'
import type { Channel } from './terminal.ts'

const COLUMNS_MAX = 100

/** `polity help`. */
export function overview(commands: readonly Command[], channel: Channel): string {
  const width = Math.min(channel.columns, COLUMNS_MAX)
  const heads = commands.map((command) => `${command.name} ${command.usage}`.trimEnd())
  const lines = [
    'polity: an operating system for LLM agents',
    '',
    `${channel.paint('bold', 'usage')}  polity <command> [options]`,
    '',
    ...entries(
      commands.map(({ summary }, at) => [heads[at] as string, summary] as const),
      width,
      channel,
    ),
    '',
    channel.paint('bold', 'options of every command'),
    ...optionLines(everywhere, width, channel),
    '',
    channel.paint('bold', 'exit codes'),
    ...entries(
      exitCodeMeanings.map(([code, meaning]) => [String(code), meaning] as const),
      width,
      channel,
    ),
    '',
    wrap(
      '`polity help <command>` says more. POLITY_STORE names the store; POLITY_DEBUG=1 shows stacks; NO_COLOR=1 leaves colours out.',
      width,
    ),
  ]
  return `${lines.join('\n')}\n`
}

/** `polity help <command>`. */
export function helpOf(command: Command, channel: Channel): string {
  const width = Math.min(channel.columns, COLUMNS_MAX)
  const lines = [
    `polity ${command.name}: ${command.summary}`,
    '',
    `${channel.paint('bold', 'usage')}  polity ${command.name}${command.usage === '' ? '' : ` ${command.usage}`} [options]`,
    ...(command.details === undefined ? [] : ['', wrap(command.details, width)]),
    '',
    channel.paint('bold', 'options'),
    ...optionLines({ ...command.options, ...everywhere }, width, channel),
    '',
    channel.paint('bold', command.examples.length === 1 ? 'example' : 'examples'),
    ...command.examples.map((example) => `  ${example}`),
  ]
  return `${lines.join('\n')}\n`
}

function optionLines(specs: Command['options'], width: number, channel: Channel): string[] {
  const rows = Object.entries(specs).map(([name, { short, value, help, kind }]) => {
    const head = `--${name}${value === undefined ? '' : ` <${value}>`}${short === undefined ? '' : `, -${short}`}`
    return [head, kind === 'texts' ? `${help}; may be given again` : help] as const
  })
  return entries(rows, width, channel)
}

function entries(rows: readonly (readonly [head: string, text: string])[], width: number, channel: Channel): string[] {
  const room = Math.min(30, Math.max(...rows.map(([head]) => head.length)))
  return rows.flatMap(([head, text]) => {
    const lines = wrap(text, Math.max(20, width - room - 4)).split('\n')
    const isLong = head.length > room
    const first = isLong ? [`  ${channel.paint('cyan', head)}`] : []
    return [
      ...first,
      ...lines.map(
        (line, at) =>
          `  ${at === 0 && !isLong ? channel.paint('cyan', head) + ' '.repeat(room - head.length) : ' '.repeat(room)}  ${line}`,
      ),
    ]
  })
}
