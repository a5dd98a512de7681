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
 */
import { readFileSync } from 'node:fs'
import { PolityError, messageOf } from '../kernel/errors.ts'
import { textOf } from '../kernel/utf8.ts'
import { parseJson } from '../policy/json.ts'

export function textIn(path: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw wrong(isMissing ? `there is no file ${path}` : `${path} cannot be read: ${messageOf(cause)}`, cause)
  }
  try {
    return textOf(bytes, path)
  } catch (cause) {
    throw wrong(messageOf(cause), cause)
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
