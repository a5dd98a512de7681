/**
 * Model files: where a local model lies, and which one it is.
 *
 *     findModel('/models/tiny.gguf')      // a path, relative ones from the working directory
 *     findModel('llama3.2:1b')            // a model that Ollama has pulled, by its name
 *     fingerprintOf(path)                 // the same file, the same text
 *
 * Ollama keeps a model as a manifest (`manifests/<host>/<namespace>/<name>/<tag>`, JSON) and blobs named by their SHA-256;
 * the layer of the media type `application/vnd.ollama.image.model` is the GGUF file. Its folder is `$OLLAMA_MODELS`, else
 * `~/.ollama/models`, else `/usr/share/ollama/.ollama/models`, where its Linux service keeps them.
 */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, readdirSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { PolityError, messageOf } from '../../../kernel/errors.ts'

export interface FindOptions {
  /** From where relative paths are meant. @default process.cwd() */
  readonly cwd?: string
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** The GGUF file of a path or of a name in Ollama's folder. Throws `NO_SUCH_MODEL` with what there is. */
export function findModel(spec: string, { cwd = process.cwd(), env = process.env }: FindOptions = {}): string {
  const home = env['HOME'] ?? homedir()
  const path = resolve(cwd, spec.startsWith('~/') ? join(home, spec.slice(2)) : spec)
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return path
  const folders = ollamaFolders(home, env)
  for (const folder of folders) {
    const found = ollamaModel(folder, spec)
    if (found !== undefined) return found
  }
  const known = folders.flatMap(ollamaNames)
  const shown = known.slice(0, NAMES_SHOWN)
  throw new PolityError(
    'NO_SUCH_MODEL',
    `there is no GGUF file ${path}, and Ollama has no model ${JSON.stringify(spec)}${known.length === 0 ? '' : `; it has ${shown.join(', ')}${known.length > shown.length ? ', …' : ''}`}. Give the path of a GGUF file: llama:/path/to/model.gguf`,
  )
}

const NAMES_SHOWN = 10

function ollamaFolders(home: string, env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const own = env['OLLAMA_MODELS']
  const folders = own === undefined ? [join(home, '.ollama/models'), '/usr/share/ollama/.ollama/models'] : [own]
  return folders.filter((folder) => existsSync(join(folder, 'manifests')))
}

function ollamaModel(folder: string, spec: string): string | undefined {
  // [host/][namespace/]name[:tag], as Ollama reads a name.
  const [name = '', tag = 'latest'] = spec.split(':')
  const parts = name.split('/')
  if (parts.some((part) => !/^[\w.-]+$/.test(part) || part.startsWith('.')) || !/^[\w.-]+$/.test(tag)) return undefined
  const full =
    parts.length === 1
      ? ['registry.ollama.ai', 'library', ...parts]
      : parts.length === 2
        ? ['registry.ollama.ai', ...parts]
        : parts
  const manifest = join(folder, 'manifests', ...full, tag)
  if (statSync(manifest, { throwIfNoEntry: false })?.isFile() !== true) return undefined
  let digest: unknown
  try {
    const { layers } = JSON.parse(readFileSync(manifest, 'utf8')) as {
      layers?: readonly { mediaType?: string; digest?: string }[]
    }
    digest = layers?.find((layer) => layer.mediaType === 'application/vnd.ollama.image.model')?.digest
  } catch (cause) {
    throw new PolityError('CONFIG_INVALID', `${manifest} is not a manifest of Ollama: ${messageOf(cause)}`, { cause })
  }
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw new PolityError('CONFIG_INVALID', `${manifest} names no GGUF file; pull the model again: ollama pull ${spec}`)
  const blob = join(folder, 'blobs', digest.replace(':', '-'))
  if (existsSync(blob)) return blob
  throw new PolityError('CONFIG_INVALID', `${blob} of the model ${spec} is missing; pull it again: ollama pull ${spec}`)
}

/** Names of the library's models that Ollama has here. */
function ollamaNames(folder: string): readonly string[] {
  const library = join(folder, 'manifests/registry.ollama.ai/library')
  if (!existsSync(library)) return []
  return readdirSync(library).flatMap((name) => readdirSync(join(library, name)).map((tag) => `${name}:${tag}`))
}

/** Files up to this size are hashed whole; larger ones by samples, since reading 40 GB at each start would cost minutes. */
const WHOLE_BYTES = 256 * 2 ** 20
const SAMPLES = 256
const SAMPLE_BYTES = 2 ** 18

/** SHA-256 of the file's size and contents; of a large file, of its size and 256 samples of 256 kB from end to end. */
export async function fingerprintOf(path: string): Promise<string> {
  const { size } = statSync(path)
  const hash = createHash('sha256').update(`${size}\n`)
  const file = await open(path, 'r')
  try {
    const isWhole = size <= WHOLE_BYTES
    const chunk = Buffer.alloc(isWhole ? 2 ** 20 : SAMPLE_BYTES)
    const steps = isWhole ? Math.ceil(size / chunk.length) : SAMPLES
    for (let i = 0; i < steps; i++) {
      const at = isWhole ? i * chunk.length : Math.floor(((size - chunk.length) * i) / (SAMPLES - 1))
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
      hash.update(chunk.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex')
}

/** Bytes that a GGUF file needs at least for each value of its head, and for each tensor that it names. */
const VALUE_BYTES_MIN = 13
const TENSOR_BYTES_MIN = 24

/**
 * Looks at the head of a GGUF file, so that a broken one is refused at once: its reader would go through whatever number of
 * values the head claims. Throws `CONFIG_INVALID`.
 */
export function checkHead(path: string): void {
  const wrong = (why: string): PolityError =>
    new PolityError('CONFIG_INVALID', `${path} cannot be opened as a GGUF model: ${why}`)
  const head = Buffer.alloc(24)
  let size: number
  let read: number
  const file = openSync(path, 'r')
  try {
    size = fstatSync(file).size
    read = readSync(file, head, 0, head.length, 0)
  } catch (error) {
    throw wrong(messageOf(error))
  } finally {
    closeSync(file)
  }
  if (read < head.length || head.toString('latin1', 0, 4) !== 'GGUF') throw wrong('it does not begin as one')
  const [tensors, values] = [head.readBigUInt64LE(8), head.readBigUInt64LE(16)]
  if (tensors * BigInt(TENSOR_BYTES_MIN) + values * BigInt(VALUE_BYTES_MIN) > BigInt(size))
    throw wrong(`its head promises ${tensors} tensors and ${values} values, more than its ${size} bytes hold`)
}
