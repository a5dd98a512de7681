/**
 * States: a generation that was interrupted, kept in files so that it can go on later, in this operating-system process or
 * in another, as if it had never stopped.
 *
 *     const saved = await saveState(folder, seat.sequence, about)     // { id, bytes }
 *     const manifest = await readState(folder, id, about)             // manifest.written: the answer so far
 *     await loadState(folder, id, manifest, seat.sequence)            // as often as it is wanted
 *     dropState(folder, id)
 *
 * A state is two files in a folder of its owner: `<id>.bin`, the memory of the sequence as llama.cpp writes it, and
 * `<id>.json`, what it belongs to: the model's fingerprint, the library's version, the context's shape, the processor, the
 * digest of the request, the tokens written so far, and the SHA-256 of the `.bin`. The id is the SHA-256 of the `.json`: who
 * holds the id (the kernel, in its journal) holds the whole.
 *
 * Invariants
 *   ST1. A native file is read only after it was found to be byte for byte the one that was written, for the same model,
 *        the same library, the same context and the same request: llama.cpp trusts what it reads. Everything else is
 *        refused with `STATE_FOREIGN`, and so is a file that is not there.
 *   ST2. The folder is readable by its owner only.
 */
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LlamaContextSequence } from 'node-llama-cpp'
import { PolityError, messageOf } from '../../../kernel/errors.ts'

/** What a state belongs to: anything else may not read it. */
export interface Belonging {
  /** Model, library, context and processor: one text. */
  readonly machine: string
  /** Prompt, sampling and constraint: a digest. */
  readonly request: string
}

/** What a state says of itself. */
export interface Manifest extends Belonging {
  readonly format: 1
  /** Its own: two calls that are alike have two states, each used up by itself. */
  readonly name: string
  /** Tokens of the answer so far; the last one is not in the sequence yet. */
  readonly written: readonly number[]
  /** Tokens of the sequence. */
  readonly tokens: number
  readonly bytes: number
  readonly sha256: string
}

/** States that this process has named, in whatever folder. */
let names = 0

/** Writes the state. Its id names both files. */
export async function saveState(
  folder: string,
  sequence: LlamaContextSequence,
  written: readonly number[],
  belonging: Belonging,
): Promise<{ readonly id: string; readonly bytes: number }> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const name = `${process.pid}-${names++}`
  const part = join(folder, `${name}.part`)
  const { fileSize } = await sequence.saveStateToFile(part)
  await chmod(part, 0o600)
  const manifest: Manifest = {
    format: 1,
    name,
    ...belonging,
    written,
    tokens: sequence.nextTokenIndex,
    bytes: fileSize,
    sha256: sha256(await readFile(part)),
  }
  const json = JSON.stringify(manifest)
  const id = sha256(json)
  await rename(part, join(folder, `${id}.bin`))
  await writeFile(join(folder, `${id}.json`), json, { mode: 0o600 })
  return { id, bytes: fileSize }
}

/** What a state says of itself, if it is one of this machine and this request. */
export async function readState(folder: string, id: string, belonging: Belonging): Promise<Manifest> {
  if (!isStateId(id)) throw foreign(`${JSON.stringify(id)} is not the id of a saved state`)
  let json: string
  try {
    json = await readFile(join(folder, `${id}.json`), 'utf8')
  } catch (cause) {
    throw foreign(`there is no saved state ${id} in ${folder}: ${messageOf(cause)}`, cause)
  }
  if (sha256(json) !== id) throw foreign(`${id}.json was changed after it was written`)
  const manifest = JSON.parse(json) as Manifest
  const { machine, request } = manifest
  if (machine !== belonging.machine)
    throw foreign(`the saved state belongs to another model or context: ${machine}, and this is ${belonging.machine}`)
  if (request !== belonging.request) throw foreign('the saved state belongs to another request')
  return manifest
}

/** Puts the memory of a state back into a sequence. */
export async function loadState(
  folder: string,
  id: string,
  manifest: Manifest,
  sequence: LlamaContextSequence,
): Promise<void> {
  const path = join(folder, `${id}.bin`)
  const { sha256: expected, tokens } = manifest
  let found: string
  try {
    found = sha256(await readFile(path))
  } catch (cause) {
    throw foreign(`the memory of the saved state ${id} is missing: ${messageOf(cause)}`, cause)
  }
  if (found !== expected) throw foreign(`${id}.bin was changed after it was written`)
  try {
    await sequence.loadStateFromFile(path, { acceptRisk: true })
  } catch (cause) {
    throw foreign(`the memory of the saved state ${id} does not fit this context: ${messageOf(cause)}`, cause)
  }
  if (sequence.nextTokenIndex !== tokens)
    throw foreign(`the saved state ${id} holds ${sequence.nextTokenIndex} tokens instead of ${tokens}`)
}

/** Whether a text can be the id of a state: anything else is no name of a file. */
export function isStateId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

/** Removes a state, if it is there: from now on it is foreign. */
export function dropState(folder: string, id: string): void {
  for (const kind of ['json', 'bin']) rmSync(join(folder, `${id}.${kind}`), { force: true })
}

/** SHA-256 as hexadecimal digits. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function foreign(message: string, cause?: unknown): PolityError {
  return new PolityError('STATE_FOREIGN', message, cause === undefined ? {} : { cause })
}
