/**
 * A command's context in this process: what it says is kept, on a terminal of so many columns or in a pipe.
 *
 *     const { context, said } = cliContext({ storePath })
 *     const code = await command.run(context, parseCommandLine(command, words))   // said.out, said.err
 */
import type { Context } from '../src/cli/command.ts'
import { createStatusLine } from '../src/cli/terminal.ts'
import { realClock } from '../src/kernel/clock.ts'

export function cliContext({
  storePath,
  columns,
  isJson = false,
  clock = realClock(),
  interrupted = new AbortController().signal,
  commandLine = (text) => `polity ${text}`,
}: Pick<Context, 'storePath'> &
  Partial<Pick<Context, 'isJson' | 'clock' | 'interrupted' | 'commandLine'>> & {
    /** Of the terminal. @default a pipe */
    readonly columns?: number | undefined
  }): { readonly context: Context; readonly said: { out: string; err: string } } {
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
