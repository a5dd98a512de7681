/**
 * Folders read whole and bounded: plain files only, so that nothing outside of the folder is ever followed.
 *
 *     const files = readFolder('clerk')         // Map { 'polity.json' → bytes, 'agent.ts' → bytes }
 *     const hash = hashesOf(files)              // { 'agent.ts': '3f9a…', … }
 *
 * Invariants
 *   FO1. A link, a device or a pipe is refused, and so is a folder larger than the limits: nothing of it is taken.
 *   FO2. What is hashed is what was read: each file is opened once, and not through a link.
 */
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { PolityError, fieldOf, messageOf } from '../../kernel/errors.ts'
import { bytes as shown } from '../amounts.ts'
import { oneLine } from '../terminal.ts'

/** What an agent may be at most: code, not data. */
const FILES_MAX = 5_000
const FILE_BYTES_MAX = 8_000_000
const BYTES_MAX = 64_000_000
const DEPTH_MAX = 24

export type Files = ReadonlyMap<string, Buffer>

export interface ReadOptions {
  /** Also what begins with a dot. @default false */
  readonly hidden?: boolean
  /** Paths that are left out, with what lies under them. */
  readonly except?: readonly string[]
}

/** The files by their paths in the folder, with `/`. Throws `CONFIG_INVALID`, `TOO_LARGE`. */
export function readFolder(root: string, { hidden = false, except = [] }: ReadOptions = {}): Files {
  const files = new Map<string, Buffer>()
  let total = 0
  const walk = (under: string, depth: number): void => {
    if (depth > DEPTH_MAX) throw tooLarge(`${show(under)} is more than ${DEPTH_MAX} folders deep`)
    for (const entry of list(join(root, under)).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = under === '' ? entry.name : `${under}/${entry.name}`
      if ((!hidden && entry.name.startsWith('.')) || except.includes(path)) continue
      if (/[\p{Cc}\\]/u.test(entry.name))
        throw wrong(`${show(path)} has a name that not every system can have; rename it`)
      if (entry.isDirectory()) walk(path, depth + 1)
      else if (!entry.isFile())
        throw wrong(
          `${show(path)} is ${entry.isSymbolicLink() ? 'a link' : 'no plain file'}; an agent is plain files, so put there what it stands for`,
        )
      else {
        if (files.size >= FILES_MAX) throw tooLarge(`it has more than ${FILES_MAX} files`)
        const content = readPlain(join(root, path), path)
        total += content.length
        if (total > BYTES_MAX) throw tooLarge(`its files have more than ${shown(BYTES_MAX)}`)
        files.set(path, content)
      }
    }
  }
  walk('', 0)
  return files
}

/** SHA-256 of each file, in hexadecimal. */
export function hashesOf(files: Files): { readonly [path: string]: string } {
  return Object.fromEntries(
    [...files].map(([path, content]) => [path, createHash('sha256').update(content).digest('hex')]),
  )
}

function list(folder: string): import('node:fs').Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    throw wrong(`${show(folder)} cannot be read: ${messageOf(error)}`, error)
  }
}

function readPlain(file: string, path: string): Buffer {
  let descriptor: number
  try {
    descriptor = openSync(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    const isLink = fieldOf(error, 'code') === 'ELOOP'
    throw wrong(`${show(path)} ${isLink ? 'is a link' : `cannot be read: ${messageOf(error)}`}`, error)
  }
  try {
    const { size } = fstatSync(descriptor)
    if (size > FILE_BYTES_MAX) throw tooLarge(`${show(path)} has ${shown(size)}, more than ${shown(FILE_BYTES_MAX)}`)
    const content = Buffer.alloc(size)
    let at = 0
    for (let read = 1; read > 0 && at < size; at += read) read = readSync(descriptor, content, at, size - at, at)
    return content.subarray(0, at)
  } finally {
    closeSync(descriptor)
  }
}

function show(path: string): string {
  return oneLine(path).slice(0, 200) || 'the folder'
}

function wrong(message: string, cause?: unknown): PolityError {
  return new PolityError('CONFIG_INVALID', message, cause === undefined ? {} : { cause })
}

function tooLarge(message: string): PolityError {
  return new PolityError('TOO_LARGE', `${message}; leave out what the agent does not need to run`)
}
