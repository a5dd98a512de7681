/**
 * A command's context in this process: what it says is kept, on a terminal of so many columns or in a pipe.
 *
 *     const { context, said } = cliContext({ storePath })
 *     const code = await command.run(context, parseCommandLine(command, words))   // said.out, said.err
 *     const { said, code, stop } = startCommand({ storePath }, 'ask', 'Why?')     // errors are said too; stop() is Ctrl-C
 */
import assert from 'node:assert/strict'
import type { Context } from '../src/cli/command.ts'
import { loadCommand } from '../src/cli/commands.ts'
import { parseCommandLine } from '../src/cli/options.ts'
import { exitCodeOf, sentenceOf } from '../src/cli/report.ts'
import { createStatusLine } from '../src/cli/terminal.ts'
import { realClock } from '../src/kernel/clock.ts'

export type CliContextOptions = Pick<Context, 'storePath'> &
  Partial<Pick<Context, 'isJson' | 'clock' | 'interrupted' | 'commandLine'>> & {
    /** Of the terminal. @default a pipe */
    readonly columns?: number | undefined
  }

export function cliContext({
  storePath,
  columns,
  isJson = false,
  clock = realClock(),
  interrupted = new AbortController().signal,
  commandLine = (text) => `polity ${text}`,
}: CliContextOptions): { readonly context: Context; readonly said: { out: string; err: string } } {
  const said = { out: '', err: '' }
  const channel = (to: keyof typeof said): Context['out'] => ({
    isTerminal: columns !== undefined,
    columns: columns ?? 80,
    rows: 24,
    paint: (_, text) => text,
    write: (text) => void (said[to] += typeof text === 'string' ? text : Buffer.from(text).toString('latin1')),
    line: (text) => void (said[to] += `${text}\n`),
  })
  const [out, err] = [channel('out'), channel('err')]
  const context: Context = {
    out,
    err,
    status: createStatusLine({ ...err, isTerminal: false }),
    isJson,
    isQuiet: false,
    isDebug: false,
    clock,
    interrupted,
    storePath,
    unfinished: new Set(),
    commandLine,
    note: err.line,
    warn: err.line,
    result(text, value) {
      if (isJson) out.line(JSON.stringify(value))
      else if (text !== '') out.line(text)
    },
  }
  return { context, said }
}

/** A command that was started as the program starts it. */
export interface Started {
  readonly said: { out: string; err: string }
  /** Its exit code. */
  readonly code: Promise<number>
  /** Ctrl-C. */
  stop(): void
}

export function startCommand(
  options: Omit<CliContextOptions, 'interrupted'>,
  name: string,
  ...words: string[]
): Started {
  const interruption = new AbortController()
  const { context, said } = cliContext({ ...options, interrupted: interruption.signal })
  const run = async (): Promise<number> => {
    const command = await loadCommand(name)
    assert.ok(command !== undefined)
    try {
      return await command.run(context, parseCommandLine(command, words))
    } catch (error) {
      context.err.line(sentenceOf(error))
      return exitCodeOf(error)
    }
  }
  return { said, code: run(), stop: () => interruption.abort('SIGINT') }
}
