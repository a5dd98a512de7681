/**
 * Files that a command line names, read with one sentence about whatever is wrong with one.
 *
 *     parseLog(textIn('log.json'), 'log.json')
 *     readAs('clerk.json', parseLaw)
 *
 * Invariants
 *   GF1. Every fault is `CONFIG_INVALID`, names the file and keeps its cause.
 *   GF2. JSON with a key twice is such a fault (policy/json.ts); not to `plainJsonIn`, which is for files that other tools read
 *        too, such as package.json: they take the last.
 *   GF3. A file that is no UTF-8 is such a fault: read all the same, it would say something else than was meant.
 *   GF4. Of one that is longer than a text can be, or has no end (/dev/zero), no more is read than FILE_BYTES_MAX.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { PolityError, messageOf } from '../kernel/errors.ts'
import { textOf } from '../kernel/utf8.ts'
import { parseJson } from '../policy/json.ts'
import { bytes as sizeText } from './amounts.ts'

/** The longest text that V8 holds has 2^29 - 24 characters. */
const FILE_BYTES_MAX = 2 ** 29 - 24
const CHUNK_BYTES = 2 ** 18

export function textIn(path: string): string {
  let bytes: Buffer
  try {
    bytes = bytesIn(path)
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    const named = path === '' ? '""' : path
    throw wrong(isMissing ? `there is no file ${named}` : `${named} cannot be read: ${messageOf(cause)}`, cause)
  }
  try {
    return textOf(bytes, path)
  } catch (cause) {
    throw wrong(messageOf(cause), cause)
  }
}

/** What stands in it; throws what the system says of it, or that it is a folder or too large. */
export function bytesIn(path: string): Buffer {
  const file = openSync(path, 'r')
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    const chunks: Buffer[] = []
    for (let size = 0; size <= FILE_BYTES_MAX;) {
      const count = readSync(file, chunk)
      if (count === 0) return Buffer.concat(chunks, size)
      // A copy of what came, which of a pipe may be little.
      chunks.push(Buffer.from(chunk.subarray(0, count)))
      size += count
    }
    throw new Error(`it is larger than the ${sizeText(FILE_BYTES_MAX)} that are read of one file`)
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EISDIR'
      ? new Error('it is a folder, and a file is expected', { cause: error })
      : error
  } finally {
    closeSync(file)
  }
}

export function jsonIn(path: string): unknown {
  return jsonOf(textIn(path), path)
}

/** The same of a file that other tools take with a key twice. */
export function plainJsonIn(path: string): unknown {
  return jsonOf(textIn(path), path, JSON.parse)
}

/** What a file says, as `read` takes its JSON. */
export function readAs<T>(path: string, read: (json: unknown) => T): T {
  return parseAs(textIn(path), path, read)
}

/** The same of a text that stands elsewhere; `from` names it. */
export function parseAs<T>(text: string, from: string, read: (json: unknown) => T): T {
  const json = jsonOf(text, from)
  try {
    return read(json)
  } catch (cause) {
    throw wrong(`${from}: ${messageOf(cause)}`, cause)
  }
}

function jsonOf(text: string, from: string, parse: (text: string) => unknown = parseJson): unknown {
  try {
    return parse(text)
  } catch (cause) {
    throw wrong(`${from} is no JSON: ${messageOf(cause)}`, cause)
  }
}

function wrong(message: string, cause: unknown): PolityError {
  return new PolityError('CONFIG_INVALID', message, { cause })
}
