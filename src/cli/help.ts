/** The help: all commands on a page, or one command with its options. */
import type { Command } from './command.ts'
import { everywhere } from './options.ts'
import { exitCodeMeanings } from './report.ts'
import { wrap } from './table.ts'
import type { Channel } from './terminal.ts'

const COLUMNS_MAX = 100
/** Of what stands beside a name; where there is less room, it stands below. */
const BESIDE_COLUMNS_MIN = 20
const BELOW_INDENT = 6

/** `polity help`. */
export function overview(commands: readonly Command[], channel: Channel): string {
  const width = Math.min(channel.columns, COLUMNS_MAX)
  const heads = commands.map((command) => `${command.name} ${command.usage}`.trimEnd())
  const lines = [
    wrap('polity: an operating system for LLM agents', width),
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
    wrap(`polity ${command.name}: ${command.summary}`, width),
    '',
    `${channel.paint('bold', 'usage')}  ${hung(`polity ${command.name}${command.usage === '' ? '' : ` ${command.usage}`} [options]`, width, 7)}`,
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
  const hasRoom = width - room - 4 >= BESIDE_COLUMNS_MIN
  const indent = hasRoom ? room + 4 : BELOW_INDENT
  return rows.flatMap(([head, text]) => {
    const below = ' '.repeat(indent) + hung(text, width, indent)
    if (!hasRoom || head.length > room) return [`  ${channel.paint('cyan', hung(head, width, 4))}`, below]
    return [`  ${channel.paint('cyan', head)}${below.slice(2 + head.length)}`]
  })
}

/** Lines that all begin at this column; the first of them stands behind something already. */
function hung(text: string, width: number, column: number): string {
  return wrap(text, width - column).replaceAll('\n', `\n${' '.repeat(column)}`)
}
