/**
 * What a command of `polity` is: a name, the options it takes and one async function that returns an exit code.
 *
 *     export const kill = defineCommand({
 *       name: 'kill', summary: 'end a process', usage: '<pid>', positionals: [1, 1], options: {}, examples: ['polity kill 17'],
 *       run: async (context, { values, positionals }) => exitCodes.done,
 *     })
 *
 * Invariants
 *   C1. stdout carries the result and nothing else; with `--json` it is one JSON document (NDJSON where a command streams).
 *   C2. What goes to stderr is for people; `--quiet` leaves only what went wrong.
 */
import type { Clock } from '../kernel/clock.ts'
import type { Pid } from '../kernel/types.ts'
import type { Channel, StatusLine } from './terminal.ts'

export interface Context {
  readonly out: Channel
  readonly err: Channel
  /** Progress, drawn over itself on a terminal. */
  readonly status: StatusLine
  readonly isJson: boolean
  readonly isQuiet: boolean
  /** Stacks are shown: POLITY_DEBUG=1. */
  readonly isDebug: boolean
  readonly clock: Clock
  /** Aborts with the first SIGINT, SIGTERM or SIGHUP; its reason is that name. */
  readonly interrupted: AbortSignal
  /** Path of the store as given or by default. */
  readonly storePath: string
  /** Runs that this process has begun and that have not ended: if it ends before them, they can be resumed. */
  readonly unfinished: Set<Pid>
  /** The command line that runs `polity` here, with the store where it is not the default one: `polity resume 17`. */
  commandLine(command: string): string
  /** A line for people, on stderr; not under `--quiet`. */
  note(text: string): void
  /** A line about what went wrong, on stderr. */
  warn(text: string): void
  /** The result: `text` as it is, or `value` under `--json`. */
  result(text: string, value: unknown): void
}

/** What an option holds: nothing, a text, texts (it may be given again), a whole number from 0, or a number from 0. */
export type OptionKind = 'flag' | 'text' | 'texts' | 'whole' | 'amount'

export interface OptionSpec {
  readonly kind: OptionKind
  readonly short?: string
  /** Stands for the value in the help. */
  readonly value?: string
  /** Least and most of a number, in its own unit. @default from 0 */
  readonly range?: readonly [least: number, most?: number]
  readonly help: string
}

export type OptionSpecs = { readonly [name: string]: OptionSpec }

interface ValueOfKind {
  readonly flag: boolean
  readonly text: string | undefined
  readonly texts: readonly string[]
  readonly whole: number | undefined
  readonly amount: number | undefined
}

export type ValuesOf<Specs extends OptionSpecs> = { readonly [Name in keyof Specs]: ValueOfKind[Specs[Name]['kind']] }

export interface Arguments<Specs extends OptionSpecs> {
  readonly values: ValuesOf<Specs>
  readonly positionals: readonly string[]
}

export interface Command<Specs extends OptionSpecs = OptionSpecs> {
  readonly name: string
  /** One line for `polity help`. */
  readonly summary: string
  /** The positional arguments, as in `<pid>`. */
  readonly usage: string
  /** Fewest and most positional arguments. */
  readonly positionals: readonly [min: number, max: number]
  readonly options: Specs
  readonly examples: readonly string[]
  /** More than the summary says, for `polity help <command>`. */
  readonly details?: string
  run(context: Context, given: Arguments<Specs>): Promise<number>
}

/** Only types a command: its values are those of its options. */
export function defineCommand<const Specs extends OptionSpecs>(command: Command<Specs>): Command {
  return command as unknown as Command
}
