/**
 * The one table of errors. Every failure that leaves the kernel is a `PolityError` with a code of this table.
 *
 * `retry: true` means that the same call may succeed later without a change by the caller. The table and its page
 * (docs/errors.md) are tied by a test. `PolityError.isInstance` recognises errors across two installed copies.
 */
import type { Json } from './types.ts'

interface Entry {
  /** What happened, in a sentence. */
  readonly means: string
  /** What the reader can do. */
  readonly todo: string
  /** What a reader can do who only talks to a server, and cannot change it. @default todo */
  readonly client?: string
  readonly retry: boolean
}

/** Every error there is: what it means, what its reader can do, here or as a client, and whether trying again may help. */
export const errorTable = {
  INVALID_ARGUMENT: {
    means: 'A call was given something it does not take.',
    todo: 'Pass what the message says was expected.',
    retry: false,
  },
  TOO_LARGE: {
    means: 'A value is larger than the limit named in the message.',
    todo: 'Write it to a file and pass the path, or raise the limit: `boot({ limits })`, or `polity serve --limit name=n`.',
    client: 'Send less at once, or ask who runs this server to raise the limit.',
    retry: false,
  },
  NO_SUCH_PROCESS: {
    means: 'No process has that pid, it is not yours to see, or it has ended and a running one was needed.',
    todo: 'Check the pid and its state with `polity ps --all`.',
    client:
      'Where it has ended, start another; else check the pid in the list of processes: those of others are not found.',
    retry: false,
  },
  NO_SUCH_PROGRAM: {
    means: 'No program is registered under that name and version.',
    todo: 'Pass it to `boot({ programs })`, or spawn the program object itself.',
    client: 'Name one of the programs that this server lists; only who runs it can add others.',
    retry: false,
  },
  NO_SUCH_TOOL: {
    means: 'The process holds no tool of that name.',
    todo: 'Declare the tool in the program, or pass it to `boot({ tools })`.',
    client: 'Name one of the tools that this server lists; only who runs it can add others.',
    retry: false,
  },
  NO_SUCH_MODEL: {
    means: 'No core serves that model.',
    todo: 'Name a model given to `boot({ models })`, or install the provider package that the message names.',
    client: 'Name one of the models that this server lists; only who runs it can add others.',
    retry: false,
  },
  NO_SUCH_FILE: {
    means: 'There is no file at that path.',
    todo: 'List the files of the process first.',
    client: 'List the files first.',
    retry: false,
  },
  NO_SUCH_NOTE: {
    means: 'There is no note with that id in this memory.',
    todo: 'Recall it first; forgotten notes stay forgotten.',
    retry: false,
  },
  NO_SUCH_SNAPSHOT: {
    means: 'There is no snapshot with that id in this process.',
    todo: 'Use an id that `snapshot` returned in this run.',
    client: 'Use the id of a snapshot that this run took.',
    retry: false,
  },
  KEY_REUSED: {
    means: 'A key that makes several tries one request came with another request.',
    todo: 'Take a new key for a new request; send the same request again for the answer that it had.',
    retry: false,
  },
  ACCESS_DENIED: {
    means: 'No rule of the law allows this, or a rule or a person forbids it.',
    todo: 'The message says why: change the rule that it names, add one where no rule allows the call, or ask for approval.',
    client: 'Ask who runs this server for a key, a rule or an approval that allows it.',
    retry: false,
  },
  BUDGET_EXCEEDED: {
    means: 'The call would exceed a budget of the process or of an ancestor.',
    todo: 'Finish with what there is, or spawn with a larger budget.',
    client: 'Ask for less, give the run a larger budget, or ask who runs this server for more.',
    retry: false,
  },
  LIMIT_EXCEEDED: {
    means: 'A limit of the machine is reached.',
    todo: 'Do less at once, or raise the limit that the message names: `boot({ limits })`, or `polity serve --limit name=n`.',
    client: 'Do less at once, or ask who runs this server to raise the limit.',
    retry: false,
  },
  MAILBOX_FULL: {
    means: 'The receiver has more waiting messages than its mailbox holds.',
    todo: 'Send again once the receiver has read.',
    retry: true,
  },
  OVERLOADED: {
    means: 'The core’s queue is full, or the call waited too long for a turn.',
    todo: 'Send less at once, add a core, or raise the limit.',
    client: 'Send less at once, and try again later.',
    retry: true,
  },
  DRIVER_FAILED: {
    means: 'A driver (model, embedder) answered with an error.',
    todo: 'Read the cause; retryable failures were already tried again.',
    client: 'The message is the model’s own word; try another model, or tell who runs this server.',
    retry: false,
  },
  DRIVER_INVALID: {
    means: 'A driver answered with something that its interface does not allow.',
    todo: 'Report it to the maker of the driver; the message says what was wrong.',
    client: 'Try another model, or tell who runs this server what the message says.',
    retry: false,
  },
  DRIVER_TIMEOUT: {
    means: 'A driver did not answer in time; it was told to stop.',
    todo: 'Try again, or raise the time limit.',
    client: 'Try again, or ask for a shorter answer.',
    retry: true,
  },
  DRIVER_UNAVAILABLE: {
    means:
      'What should answer is away: a core’s circuit breaker is open after repeated failures, or the limits that it shares cannot be reached, and no fallback is left; or no answer came from a server.',
    todo: 'Wait until it is back, or name a fallback model.',
    client: 'Wait until it is back, or name another model.',
    retry: true,
  },
  STATE_FOREIGN: {
    means:
      'The saved state of a generation is not there any more, was changed, or belongs to another model or request.',
    todo: 'Start the generation over; the kernel does that by itself.',
    retry: true,
  },
  TOOL_FAILED: {
    means: 'The tool threw an error.',
    todo: 'The message is the tool’s own; give it to the model or mend the tool.',
    client: 'The message is the tool’s own; call it otherwise, or tell who runs this server.',
    retry: false,
  },
  TOOL_INVALID: {
    means: 'The tool returned something that its output schema or JSON does not allow.',
    todo: 'Mend the tool; its output was discarded.',
    client: 'Tell who runs this server that the tool has to be mended; its output was discarded.',
    retry: false,
  },
  TOOL_TIMEOUT: {
    means: 'The tool did not end within its time limit; it was told to stop.',
    todo: 'Raise `timeoutMs` in the manifest, or make the tool faster.',
    client: 'Try again, or ask who runs this server to give the tool more time.',
    retry: true,
  },
  IN_DOUBT: {
    means: 'A crash interrupted an effect that must happen once, and a person answered fail, or nobody answered.',
    todo: 'Look whether it happened before it is tried again; a program can catch this error and go on.',
    client: 'Ask who runs this server whether it happened before you try it again.',
    retry: false,
  },
  NO_ANSWER: {
    means: 'Nobody answered the question in time, and it has no default.',
    todo: 'Ask again, or give the question a default.',
    client: 'Try again when there is somebody to answer.',
    retry: true,
  },
  TIMEOUT: { means: 'The wait ended before what was waited for.', todo: 'Wait again, or longer.', retry: true },
  KILLED: {
    means: 'The process was killed.',
    todo: 'The message says by whom; `polity fork` can start again from before.',
    client: 'The message says by whom; start it again, or fork it from before.',
    retry: false,
  },
  PARENT_ENDED: {
    means: 'The process ended because its parent ended.',
    todo: 'Let the parent wait for its children.',
    client: 'Look at the run that it belonged to.',
    retry: false,
  },
  PROGRAM_FAILED: {
    means: 'The program threw an error of its own.',
    todo: 'Mend the program; `polity fork` can resume it before the failing call.',
    client: 'Try another input, or tell who runs this server that the program failed.',
    retry: false,
  },
  REPLAY_MISMATCH: {
    means: 'The program no longer makes the calls that the journal holds.',
    todo: 'Run the version that made the journal, or fork before the call named in the message.',
    client: 'Fork before the call named in the message, or tell who runs this server that the program has changed.',
    retry: false,
  },
  SETUP_MISMATCH: {
    means: 'The run was begun with another program, model, price, law or folders than it would go on with.',
    todo: 'The message says what differs: put that back, or name what it is to go on with.',
    client: 'Start it anew, or tell who runs this server what the message says.',
    retry: false,
  },
  STORE_LOCKED: {
    means: 'Another kernel has this store open.',
    todo: 'Wait for it to end, or use another store file.',
    client: 'Try again later, or tell who runs this server that its store is taken.',
    retry: true,
  },
  STORE_FAILED: {
    means: 'The store could not keep what was written; the kernel has halted.',
    todo: 'Free disk space (`polity gc` removes what has ended) or mend the store, then boot again and resume.',
    client: 'Tell who runs this server that its store has failed; what ran can be resumed once that is mended.',
    retry: true,
  },
  STORE_INVALID: {
    means: 'The file is not a store, is of another version, or is damaged.',
    todo: 'Name another file, or restore this one from a backup.',
    client: 'Tell who runs this server that its store is damaged or of another version.',
    retry: false,
  },
  KERNEL_CLOSED: {
    means: 'The kernel is closed.',
    todo: 'Boot a kernel and resume the process.',
    client: 'Try again once the server is up again.',
    retry: true,
  },
  CONFIG_INVALID: {
    means: 'An option or a configuration file has a value that does not fit.',
    todo: 'Correct what the message names.',
    client: 'Tell who runs this server what the message says.',
    retry: false,
  },
} as const satisfies Record<string, Entry>

/** What the client of a server is advised to do. */
export function clientAdvice(code: ErrorCode): string {
  const { todo, client = todo }: Entry = errorTable[code]
  return client
}

/** A code of the table. */
export type ErrorCode = keyof typeof errorTable

/** An error as plain data: what the journal, the CLI and the wire carry. */
export interface ErrorData {
  readonly code: ErrorCode
  readonly message: string
  readonly detail?: Json
}

const marker = Symbol.for('polity.error')

/** The one class of error that the kernel throws and programs catch, told apart by `code`. */
export class PolityError extends Error {
  readonly code: ErrorCode
  /** Facts for programs: the rule that denied, the limit that was met. Plain JSON. */
  readonly detail: Json | undefined
  readonly [marker] = true

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; detail?: Json } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'PolityError'
    this.code = code
    this.detail = options.detail
  }

  get retryable(): boolean {
    return errorTable[this.code].retry
  }

  /** What the reader can do about it. */
  get todo(): string {
    return errorTable[this.code].todo
  }

  static isInstance(error: unknown): error is PolityError {
    try {
      return typeof error === 'object' && error !== null && marker in error
    } catch {
      // A proxy whose traps throw is none of ours.
      return false
    }
  }
}

/** Anything that was thrown, as plain data; what is not ours gets the fallback code. */
export function toErrorData(error: unknown, fallback: ErrorCode = 'PROGRAM_FAILED'): ErrorData {
  if (!PolityError.isInstance(error)) return { code: fallback, message: messageOf(error) }
  // Tools and programs throw them too, and another copy of the package may have other codes: what is kept is of the table, and plain.
  const said = fieldOf(error, 'code')
  const code = typeof said === 'string' && Object.hasOwn(errorTable, said) ? (said as ErrorCode) : fallback
  const detail = plainDetail(fieldOf(error, 'detail'))
  return detail === undefined ? { code, message: messageOf(error) } : { code, message: messageOf(error), detail }
}

function plainDetail(detail: unknown): Json | undefined {
  if (detail === undefined) return undefined
  try {
    const json = JSON.stringify(detail)
    return json === undefined || json.length > DETAIL_CHARS_MAX ? undefined : (JSON.parse(json) as Json)
  } catch {
    return undefined
  }
}

/** Details beyond this are left out: they are facts, not data. */
const DETAIL_CHARS_MAX = 65_536

/** Plain data as an error again. */
export function fromErrorData(data: ErrorData): PolityError {
  return new PolityError(data.code, data.message, data.detail === undefined ? {} : { detail: data.detail })
}

/** The message of anything that was thrown, even of what is not an Error, or cannot be read. Never throws, never long. */
export function messageOf(error: unknown): string {
  let said: unknown = error
  try {
    if (error instanceof Error) said = error.message || error.name
    // Where there is no Node as well: `polity/client` says so what it was given.
    if (said === null || ['undefined', 'boolean', 'number', 'symbol'].includes(typeof said)) said = String(said)
    if (typeof said !== 'string')
      // Not imported: loading it is time that every `import 'polity'` would take.
      said = globalThis.process.getBuiltinModule('node:util').inspect(said, {
        depth: 2,
        maxArrayLength: 8,
        maxStringLength: 200,
        breakLength: Infinity,
        customInspect: false,
      })
  } catch {
    said = 'something that cannot be read'
  }
  const text = said as string
  return text.length <= MESSAGE_CHARS_MAX ? text : `${text.slice(0, MESSAGE_CHARS_MAX)} … (${text.length} characters)`
}

const MESSAGE_CHARS_MAX = 4_000

/** For faults that concern nobody's run: the owner of the kernel is told, and it goes on. */
export function warn(what: string, error: unknown): void {
  globalThis.process.emitWarning(`${what}: ${messageOf(error)}`, 'PolityWarning')
}

/** An argument of a call that is not what the call takes. */
export function invalid(at: string, expected: string, got: unknown): PolityError {
  const said = messageOf(got).slice(0, 80)
  // One that shows nothing would end the sentence in the air, and the text '5' is not what 5 is.
  const isMisread = typeof got === 'string' && MISREAD.test(said)
  return new PolityError('INVALID_ARGUMENT', `${at} takes ${expected}, not ${isMisread ? JSON.stringify(said) : said}`)
}

/** A text that is read as something else, or as nothing. */
const MISREAD = /^(?:\s*|[-+]?[\d.]+(?:e[-+]?\d+)?|true|false|null|undefined|NaN|[-+]?Infinity)$/

/** What every look-up of a pid says where there is none. */
export function noSuchProcess(pid: unknown): PolityError {
  return new PolityError('NO_SUCH_PROCESS', `there is no process ${messageOf(pid).slice(0, 80)}`)
}

/** A field of anything that was thrown; undefined where it cannot be read. */
export function fieldOf(thing: unknown, key: string): unknown {
  try {
    return (thing as { readonly [key: string]: unknown } | null | undefined)?.[key]
  } catch {
    return undefined
  }
}
