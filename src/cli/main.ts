/**
 * `polity`: finds the command, runs it, and turns whatever happens into one line and an exit code.
 *
 * Invariants
 *   M1. The process ends with a code of report.ts, after stdout and stderr took what was written to them.
 *   M2. The first signal asks the command to leave what runs resumable; the second, or GRACE_MS, ends the process.
 *   M3. A process that ends before a run of it has ended says which, and how to resume it; of one that the store does not have
 *       it says that, and no pid.
 *   M4. A reader that went away (`polity trace 17 | head`) is no error: a command that goes on writing ends then, and one that
 *       ends by itself has its own code.
 */
import { readFileSync, writeSync } from 'node:fs'
import { realClock } from '../kernel/clock.ts'
import { PolityError } from '../kernel/errors.ts'
import type { Command, Context } from './command.ts'
import { commandNames, loadCommand, loadCommands } from './commands.ts'
import { helpOf, overview } from './help.ts'
import { nearest } from '../kernel/known-keys.ts'
import { nameHere, quoted } from './name-here.ts'
import { everywhere, parseCommandLine, usageError } from './options.ts'
import { placeOf } from './place.ts'
import { errorJson, exitCodeOf, exitCodeOfSignal, exitCodes, sentenceOf } from './report.ts'
import { headsIn, storePathDefault } from './store-file.ts'
import { createStatusLine, openChannel } from './terminal.ts'

/** How long a command may take to leave after the first signal, ms. */
const GRACE_MS = 5_000
/** How long a command whose reader went away may take to end by itself, ms: a run closes its kernel behind its result. */
const READER_GONE_MS = 500

export async function main(words: readonly string[]): Promise<never> {
  const clock = realClock()
  const { signal: interrupted, code: killed } = listenToSignals()
  endQuietlyWithReader()
  const isDebug = process.env['POLITY_DEBUG'] === '1'
  const behind = words.indexOf('--')
  const isJson = words.slice(0, behind < 0 ? words.length : behind).includes('--json')

  function report(error: unknown): number {
    if (isDebug) console.error(error)
    // What can be resumed is told at the exit. Of an error that the interruption made there is no more to say, but that a
    // kernel had not answered: it may do yet what it was asked.
    if (interrupted.aborted) {
      const isLocked = PolityError.isInstance(error) && error.code === 'STORE_LOCKED'
      process.stderr.write(`polity: interrupted${isLocked ? `; ${sentenceOf(error)}` : '.'}\n`)
      return exitCodeOfSignal(interrupted.reason)
    }
    process.stderr.write(`polity: ${sentenceOf(error)}\n`)
    if (isJson) process.stdout.write(`${JSON.stringify({ error: errorJson(error) })}\n`)
    return exitCodeOf(error)
  }

  let context: Context | undefined
  const strayed = new Promise<number>((resolve) => {
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, (error: unknown) => {
        if (isDebug) console.error(error)
        const left = takeUnfinished(context)
        const place = placeOf(error)
        context?.status.clear()
        process.stderr.write(
          `polity: an error that nothing waited for${place === undefined ? '' : ` at ${place}`}: ${sentenceOf(error)}${left === undefined ? '' : ` ${left.said}`}\n`,
        )
        if (isJson) process.stdout.write(`${JSON.stringify({ error: errorJson(error) })}\n`)
        resolve(codeOf(left))
      })
    }
  })
  // Whoever ends this process leaves through here, a program's own `process.exit(0)` too: it must not look like success.
  process.once('exit', (code) => {
    const left = takeUnfinished(context)
    context?.status.clear()
    if (isLeaving) return left === undefined ? undefined : writeNow(2, `polity: ${left.said}\n`)
    const said = `the program ended the whole command with process.exit(${code}); it has to return instead.${left === undefined ? '' : ` ${left.said}`}`
    writeNow(2, `polity: ${said}\n`)
    if (isJson) writeNow(1, `${JSON.stringify({ error: { code: 'PROGRAM_FAILED', message: said } })}\n`)
    process.exitCode = codeOf(left)
  })
  // Nothing is left that could wake the command: an import of the user's that never settles.
  process.once('beforeExit', () => {
    process.stderr.write(
      'polity: the program waits for something that cannot come; look for an `await` that nothing ends.\n',
    )
    leave(exitCodes.failed)
  })
  const done = run(words, (given) => (context = contextOf({ ...given, interrupted, isDebug, clock }))).catch(report)
  return exit(await Promise.race([done, killed, strayed]))
}

async function run(words: readonly string[], open: (given: Given) => Context): Promise<number> {
  const [name, ...rest] = words
  const out = openChannel(process.stdout)
  if (name === undefined) {
    out.write(overview(await loadCommands(), out))
    return exitCodes.usage
  }
  if (name === '--version' || name === '-v' || name === '-V') {
    out.line(versionOf())
    return exitCodes.done
  }
  const isHelp = name === '--help' || name === '-h'
  const command = await commandOf(isHelp ? 'help' : name)
  const given = parseCommandLine(command, rest)
  if (given.values['help'] === true) {
    out.write(helpOf(command, out))
    return exitCodes.done
  }
  const { store, json, quiet } = given.values as { store: string | undefined; json: boolean; quiet: boolean }
  return command.run(open({ store, isJson: json, isQuiet: quiet }), given)
}

async function commandOf(name: string): Promise<Command> {
  const command = await loadCommand(name)
  if (command !== undefined) return command
  if (name.startsWith('-')) throw usageError(notFirst(name))
  const near = nearest(name, commandNames)
  throw usageError(
    `there is no command ${JSON.stringify(name)}; ${near === undefined ? 'see `polity help`' : `did you mean \`polity ${near}\`?`}`,
  )
}

/** An option where a command is expected. */
function notFirst(word: string): string {
  const name = word.replace(/=.*$/s, '')
  const own = ['--help', '--version']
  const every = Object.entries(everywhere).flatMap(([long, spec]) => [
    `--${long}`,
    ...('short' in spec ? [`-${spec.short}`] : []),
  ])
  if (every.includes(name)) return `${name} stands behind a command: polity <command> ${name}`
  const near = nearest(name, [...own, ...every])
  return `polity has no option ${name}; ${near === undefined ? 'those of a command stand behind it: see `polity help`' : `did you mean ${near}?`}`
}

interface Given {
  readonly store: string | undefined
  readonly isJson: boolean
  readonly isQuiet: boolean
}

function contextOf({
  store,
  isJson,
  isQuiet,
  isDebug,
  interrupted,
  clock,
}: Given & Pick<Context, 'isDebug' | 'interrupted' | 'clock'>): Context {
  const out = openChannel(process.stdout)
  const err = openChannel(process.stderr)
  const status = createStatusLine(err, isQuiet)
  const storePath = store ?? (process.env['POLITY_STORE'] || storePathDefault)
  const storeOption = store === undefined || store === storePathDefault ? '' : ` --store ${quoted(store)}`
  const warn = (text: string): void => {
    status.clear()
    err.line(text)
  }
  return {
    out,
    err,
    status,
    isJson,
    isQuiet,
    isDebug,
    clock,
    interrupted,
    storePath,
    unfinished: new Set(),
    commandLine: (command) => `${nameHere()} ${command}${storeOption}`,
    note: (text) => isQuiet || warn(text),
    warn,
    result(text, value) {
      status.clear()
      if (isJson || text !== '') out.line(isJson ? JSON.stringify(value) : text)
    },
  }
}

function versionOf(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}

// ------------------------------------------------------------------------------------------------- the process's edge

function listenToSignals(): { signal: AbortSignal; code: Promise<number> } {
  const controller = new AbortController()
  const code = new Promise<number>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        // The reader of a second one is in a hurry.
        if (controller.signal.aborted) leave(exitCodeOfSignal(name))
        controller.abort(name)
        setTimeout(() => resolve(exitCodeOfSignal(name)), GRACE_MS).unref()
      })
    }
  })
  return { signal: controller.signal, code }
}

/** Which runs of this process have not ended, and what to do: once, for whoever tells of it first. */
function takeUnfinished(context: Context | undefined): Left | undefined {
  if (context === undefined || context.unfinished.size === 0) return undefined
  const [first, ...more] = headsIn(context.storePath, [...context.unfinished]).map(({ start }) => start.pid)
  context.unfinished.clear()
  if (first === undefined)
    return { said: 'Nothing of the run is found in the store, so it cannot be resumed.', canGoOn: false }
  const mended = context.interrupted.aborted ? 'go on with' : 'when that is mended, go on with'
  const said =
    more.length === 0
      ? `Process ${first} is stopped; ${mended}: ${context.commandLine(`resume ${first}`)}`
      : `Processes ${[first, ...more.slice(0, -1)].join(', ')} and ${more.at(-1)} are stopped; ${mended}: ${context.commandLine('resume')}`
  return { said, canGoOn: true }
}

/** What is said of runs that have not ended, and whether one of them can be resumed. */
interface Left {
  readonly said: string
  readonly canGoOn: boolean
}

function codeOf(left: Left | undefined): number {
  return left?.canGoOn === true ? exitCodes.stopped : exitCodes.failed
}

/** Where nothing is done later any more. */
function writeNow(descriptor: number, text: string): void {
  try {
    writeSync(descriptor, text)
  } catch {
    // Nobody is left to be told.
  }
}

function endQuietlyWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return void setTimeout(() => leave(exitCodes.done), READER_GONE_MS)
    process.stderr.write(`polity: stdout cannot be written: ${sentenceOf(error)}\n`)
    leave(exitCodes.stopped)
  })
  process.stderr.on('error', () => {}) // nobody is left to be told
}

/** Ends the process once everything written has left it; a program of the user may have left timers and sockets open. */
async function exit(code: number): Promise<never> {
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve()))),
  )
  leave(code)
}

/** The only way out that is ours: one that a program takes by itself is told of. */
function leave(code: number): never {
  isLeaving = true
  process.exit(code)
}

let isLeaving = false
