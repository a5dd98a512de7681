/** What comes on stdin: a question or an input, whole and bounded. */
import { fstatSync } from 'node:fs'
import { defaultLimits } from '../kernel/limits.ts'
import type { Json } from '../kernel/types.ts'
import { textOf } from '../kernel/utf8.ts'
import { bytes } from './amounts.ts'
import type { Context } from './command.ts'
import { jsonOrText, usageError } from './options.ts'

export interface StdinOptions {
  /** What is read, for the sentence when there is too much of it. */
  readonly what: string
  readonly bytesMax: number
  /** Give up when nothing at all came within this time, ms. @default never */
  readonly waitMs?: number
}

/** True when something was piped or redirected to this command; a terminal and /dev/null say nothing. */
export function isPiped(): boolean {
  try {
    const stat = fstatSync(0)
    return stat.isFIFO() || stat.isFile() || stat.isSocket()
  } catch {
    return false // closed
  }
}

/**
 * The input of a run: JSON or text, `-` reads it from stdin, without the line end that `echo` puts there. Left out, it is
 * undefined, so that a parameter's own default holds.
 */
export async function readInput(context: Context, given: string | undefined): Promise<Json | undefined> {
  const text =
    given === '-'
      ? (await readStdin(context, { what: 'the input', bytesMax: defaultLimits.valueBytesMax }))?.replace(/\n$/, '')
      : given
  return text === undefined ? undefined : jsonOrText(text)
}

/**
 * What was piped to a command that was given no words: undefined where nothing is piped, or nothing came within
 * PIPE_WAIT_MS, as from the pipe of a build machine that nobody writes to.
 */
export async function readPipe(context: Context, options: Omit<StdinOptions, 'waitMs'>): Promise<string | undefined> {
  if (!isPiped()) return undefined
  const text = await readStdin(context, { ...options, waitMs: PIPE_WAIT_MS })
  return text === '' ? undefined : text
}

/** A pipe has its text at once, or from a command that takes a moment to start. */
const PIPE_WAIT_MS = 3_000

/** All of stdin as text; undefined when nothing came within `waitMs`. Throws a usage error where it is too large, or no UTF-8. */
export async function readStdin(
  context: Context,
  { what, bytesMax, waitMs }: StdinOptions,
): Promise<string | undefined> {
  const { stdin } = process
  const chunks: Buffer[] = []
  let size = 0
  let gaveUp = false
  const leave = (): void => void stdin.destroy()
  const giveUp = (): void => {
    gaveUp = true
    leave()
  }
  const timer = waitMs === undefined ? undefined : context.clock.after(waitMs, giveUp)
  context.interrupted.addEventListener('abort', leave, { once: true })
  try {
    for await (const chunk of stdin as AsyncIterable<Buffer>) {
      timer?.cancel()
      chunks.push(chunk)
      size += chunk.length
      if (size > bytesMax) throw usageError(`${what} on stdin is larger than ${bytes(bytesMax)}`)
    }
  } catch (error) {
    if (!gaveUp) throw error
    return undefined
  } finally {
    timer?.cancel()
    context.interrupted.removeEventListener('abort', leave)
  }
  return textOf(Buffer.concat(chunks), `${what} on stdin`)
}
