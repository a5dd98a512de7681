/**
 * Reports: from any error to one line for a person and one exit code for a script.
 *
 * Invariants
 *   E1. No stack is ever shown, unless POLITY_DEBUG=1; of one, the line of the user's that it begins at (place.ts).
 *   E2. What a person can do stands in the line: in the message, or as the error table has it.
 */
import type { ErrorCode, ErrorData } from '../kernel/errors.ts'
import { PolityError, errorTable, messageOf } from '../kernel/errors.ts'
import { oneLine } from './terminal.ts'

/** The exit codes of `polity`; documented in docs/cli.md and `polity help`. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  locked: 3,
  stopped: 4,
  hangup: 129,
  interrupted: 130,
  terminated: 143,
} as const

export const exitCodeMeanings: readonly (readonly [code: number, meaning: string])[] = [
  [exitCodes.done, 'done'],
  [exitCodes.failed, 'the run failed or was killed; a replay differs; the doctor or lint found a fault'],
  [exitCodes.usage, 'wrong command line, configuration or input, or a file that is not a store; nothing ran'],
  [exitCodes.locked, 'another process has the store open'],
  [
    exitCodes.stopped,
    'stopped by a fault of the store or the disk, by a program that left its journal or ended the whole command, or by an error that nothing waited for; what ran can be resumed',
  ],
  [exitCodes.interrupted, 'interrupted (SIGINT); what ran can be resumed'],
  [exitCodes.terminated, 'terminated (SIGTERM; 129 for SIGHUP); what ran can be resumed'],
]

export function exitCodeOfSignal(signal: unknown): number {
  return signal === 'SIGTERM' ? exitCodes.terminated : signal === 'SIGHUP' ? exitCodes.hangup : exitCodes.interrupted
}

/** The exit code of a command that ends with this error, outside of a run. */
export function exitCodeOf(error: unknown): number {
  if (isNoSpace(error)) return exitCodes.stopped
  if (isMissingPackage(error)) return exitCodes.usage
  if (!PolityError.isInstance(error)) return exitCodes.failed
  switch (error.code) {
    case 'STORE_LOCKED':
      return exitCodes.locked
    case 'STORE_INVALID':
      return isDamage(error) ? exitCodes.stopped : exitCodes.usage
    case 'STORE_FAILED':
    case 'KERNEL_CLOSED':
    case 'REPLAY_MISMATCH':
      return exitCodes.stopped
    default:
      return exitCodes.usage
  }
}

/** Errors whose message already says what to do. */
const saysItself: ReadonlySet<ErrorCode> = new Set([
  'INVALID_ARGUMENT',
  'CONFIG_INVALID',
  'STORE_LOCKED',
  'STORE_FAILED',
  'STORE_INVALID',
  'SETUP_MISMATCH',
  'NO_SUCH_MODEL',
  'NO_SUCH_PROGRAM',
  'LIMIT_EXCEEDED',
])

/** The error as one line, without `polity:` before it. */
export function sentenceOf(error: unknown): string {
  if (isMissingPackage(error)) {
    return `${closed(firstLine(messageOf(error)))} Install what Polity needs: \`npm ci\` in a checkout, \`npm install\` in a project.`
  }
  if (!PolityError.isInstance(error)) return closed(firstLine(messageOf(error)))
  return sentenceOfData({ code: error.code, message: error.message })
}

export function sentenceOfData({ code, message }: ErrorData): string {
  const text = closed(firstLine(message))
  if (saysItself.has(code)) return text
  return `${text} ${errorTable[code].todo}`
}

/** An error as JSON, for `--json`. */
export function errorJson(error: unknown): { readonly code: string; readonly message: string } {
  return { code: PolityError.isInstance(error) ? error.code : 'FAILED', message: oneLine(messageOf(error)) }
}

/** True for a store that is damaged, in contrast to a file that is none. */
export function isDamage(error: unknown): boolean {
  if (!PolityError.isInstance(error) || error.code !== 'STORE_INVALID') return false
  return (error.detail as { damaged?: unknown } | null | undefined)?.damaged === true
}

/** True when an error, or what caused it, is a full disk. */
export function isNoSpace(error: unknown): boolean {
  for (
    let at = error as { code?: unknown; errcode?: unknown; cause?: unknown } | undefined, depth = 0;
    at !== undefined && at !== null && depth < 8;
    at = at.cause as typeof at, depth++
  ) {
    if (at.code === 'ENOSPC' || at.code === 'EDQUOT') return true
    if (typeof at.errcode === 'number' && ((at.errcode & 0xff) === SQLITE_FULL || at.errcode === SQLITE_SHM_SIZE))
      return true
  }
  return false
}

function isMissingPackage(error: unknown): boolean {
  return (error as { code?: unknown } | null | undefined)?.code === 'ERR_MODULE_NOT_FOUND'
}

const SQLITE_FULL = 13
/** SQLITE_IOERR_SHMSIZE: the shared memory of the log is a file too, and there was no room to make it. */
const SQLITE_SHM_SIZE = 10 | (19 << 8)
const SENTENCE_CHARS_MAX = 700

function firstLine(message: string): string {
  const line = oneLine(message)
  return line.length > SENTENCE_CHARS_MAX ? `${line.slice(0, SENTENCE_CHARS_MAX)}…` : line
}

function closed(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`
}
