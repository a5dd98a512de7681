/**
 * Programs of the system behind the walls of the sandbox (sandbox/bubblewrap.ts): files in, commands, files out.
 *
 *     const { files } = await walled({ files: { 'in.svg': svg }, commands: [['ffmpeg', '-i', 'in.svg', 'out.png']], makes: ['out.png'] }, signal)
 *
 * Commands run one after another in an empty folder that holds the files and ends with them; there is no network and nothing of this machine but its
 * installed programs and fonts.
 *
 * Invariants
 *   WA1. Nothing runs without the walls.
 *   WA2. It ends: with the files, by its signal, or beyond a limit; then every process of it has ended.
 */
import type { Readable, Writable } from 'node:stream'
import { PolityError } from '../../kernel/errors.ts'
import { findWalls, spawnWalled, type WallLimits } from '../sandbox/bubblewrap.ts'
import { watchCensus } from '../sandbox/census.ts'

export interface WalledWork {
  /** By their names in the folder: letters, digits, `-` and `.`. */
  readonly files: { readonly [name: string]: string | Uint8Array }
  /** Program and arguments, in its words: no shell reads them. */
  readonly commands: readonly (readonly string[])[]
  /** Names of the files that are wanted. */
  readonly makes: readonly string[]
}

/** Of one piece of work. A film of 1280 by 720 takes about a quarter of the memory. */
const mediaLimits: WallLimits & { readonly madeBytes: number } = {
  cpuMs: 300_000,
  memoryBytes: 1_073_741_824,
  processes: 256,
  diskBytes: 268_435_456,
  /** Of all files that come out. */
  madeBytes: 134_217_728,
}

/** What programs say of what is wrong, characters. */
const SAID_CHARS_MAX = 2_000

/** A library of espeak-ng says this where a call is refused that it does without. */
const NOISE = 'memfd'

/** Fonts of the system, found without its configuration, which is not inside. */
const FONTS =
  '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>/usr/share/fonts</dir><cachedir>/tmp/fonts</cachedir></fontconfig>'

/** A head of `size name` lines and an empty one tells the files, which follow; what comes back is each size and each content. */
const RECEIVE = `set -e
export FONTCONFIG_FILE=/action/fonts.conf
sizes=() names=()
while read -r size name && [ -n "$size" ]; do sizes+=("$size"); names+=("$name"); done
for i in "\${!names[@]}"; do head -c "\${sizes[$i]}" > "\${names[$i]}"; done`

/** Throws `CONFIG_INVALID` where there are no walls, `TOOL_FAILED` with what the program says, `LIMIT_EXCEEDED`. */
export async function walled(
  { files, commands, makes }: WalledWork,
  signal: AbortSignal,
): Promise<{ readonly [name: string]: Buffer }> {
  const { shell } = await findWalls()
  if (!shell.isAvailable)
    throw new PolityError('CONFIG_INVALID', `media need the walls of the sandbox: ${shell.reason}`)
  const script = [
    RECEIVE,
    ...commands.map((command) => `${command.map(quoted).join(' ')} </dev/null >&2`),
    ...makes.map((name) => `stat -c %s ${quoted(name)}; cat ${quoted(name)}`),
  ].join('\n')
  const inside = Object.entries({ ...files, 'fonts.conf': FONTS }).map(([name, content]) => ({
    name,
    content: Buffer.from(content),
  }))

  const child = spawnWalled(shell.plan, mediaLimits, ['--noprofile', '--norc', '-c', script])
  const [stdin, stdout, stderr] = child.stdio as unknown as [Writable, Readable, Readable]
  return new Promise((resolve, reject) => {
    let tooMuch: string | undefined
    const end = (): void => void child.kill('SIGKILL')
    const exceed = (what: string): void => {
      tooMuch ??= what
      end()
    }
    const stopCounting = child.pid === undefined ? () => undefined : watchCensus(child.pid, mediaLimits, exceed)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()

    const made: Buffer[] = []
    let [bytes, said] = [0, '']
    stdout.on('data', (chunk: Buffer) => {
      made.push(chunk)
      bytes += chunk.length
      if (bytes > mediaLimits.madeBytes) exceed(`files of more than ${mediaLimits.madeBytes} bytes`)
    })
    stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-SAID_CHARS_MAX)))
    // Who died does not read: its end says so.
    stdin.on('error', () => undefined)
    stdin.write(`${inside.map(({ name, content }) => `${content.length} ${name}\n`).join('')}\n`)
    stdin.end(Buffer.concat(inside.map(({ content }) => content)))

    child.on('error', (error) =>
      reject(new PolityError('TOOL_FAILED', `media: bwrap does not start: ${error.message}`)),
    )
    child.on('close', (status, killedBy) => {
      stopCounting()
      signal.removeEventListener('abort', end)
      if (tooMuch !== undefined)
        reject(new PolityError('LIMIT_EXCEEDED', `media: the work held ${tooMuch}; ask for less`))
      else if (signal.aborted) reject(new PolityError('TOOL_FAILED', 'media: the call ended'))
      else if (status !== 0) {
        const lines = said
          .trim()
          .split('\n')
          .filter((line) => !line.includes(NOISE))
        const why = [...new Set(lines.map((line) => line.replaceAll(/ @ 0x[\da-f]+/g, '')))].slice(-3).join('; ')
        reject(
          new PolityError('TOOL_FAILED', `media: ${why === '' ? `ended by ${killedBy ?? `status ${status}`}` : why}`),
        )
      } else resolve(taken(Buffer.concat(made), makes))
    })
  })
}

function taken(bytes: Buffer, names: readonly string[]): { readonly [name: string]: Buffer } {
  let at = 0
  return Object.fromEntries(
    names.map((name) => {
      const line = bytes.indexOf(10, at)
      const size = Number(bytes.toString('ascii', at, line))
      at = line + 1 + size
      return [name, bytes.subarray(line + 1, at)]
    }),
  )
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
