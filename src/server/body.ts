/**
 * The body of a request: JSON, within a limit, or a clear error.
 *
 * Invariants
 *   BO1. A body whose announced length is beyond the limit is not read; of any other, no more is kept than the limit.
 *   BO2. Only JSON is taken, by its content type: what a page's form can send without asking is not.
 *   BO3. Reading ends: with the value, an error, or the client's going away.
 */
import type { IncomingMessage } from 'node:http'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'

/** Why a body cannot be taken, by its headers; undefined where it can, or there is none. */
export function bodyRefusal(
  { headers }: IncomingMessage,
  bytesMax: number,
): { readonly status: 413 | 415; readonly message: string } | undefined {
  const length = headers['content-length']
  if ((length === undefined || Number(length) === 0) && headers['transfer-encoding'] === undefined) return undefined
  const type = headers['content-type'] ?? ''
  if (!/^application\/(?:[\w.!#$&^-]+\+)?json\s*(?:;|$)/i.test(type))
    return { status: 415, message: `the body has to be application/json, not ${JSON.stringify(type.slice(0, 80))}` }
  const charset = /;\s*charset\s*=\s*"?([\w-]+)/i.exec(type)?.[1]
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    return { status: 415, message: `the body has to be UTF-8, not ${charset.slice(0, 40)}` }
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity')
    return { status: 415, message: `the body has to be sent as it is, not ${encoding.slice(0, 40)}` }
  if (length !== undefined && Number(length) > bytesMax) return { status: 413, message: tooLarge(bytesMax) }
  return undefined
}

/** The body as JSON; null where it is empty. Throws `INVALID_ARGUMENT`, `TOO_LARGE`, and `KILLED` where the client left. */
export async function readJson(request: IncomingMessage, bytesMax: number, depthMax: number): Promise<Json> {
  const bytes = await readBytes(request, bytesMax)
  if (bytes.length === 0) return null
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch (error) {
    throw new PolityError('INVALID_ARGUMENT', 'the body is not UTF-8', { cause: error })
  }
  if (text.trim() === '') return null
  if (isDeeper(text, depthMax))
    throw new PolityError('INVALID_ARGUMENT', `the body is nested deeper than ${depthMax}, the limit bodyDepthMax`)
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw new PolityError('INVALID_ARGUMENT', `the body is not JSON: ${(error as SyntaxError).message}`, {
      cause: error,
    })
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const stop = (settle: () => void): void => {
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      settle()
    }
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      if (length <= bytesMax) return void chunks.push(chunk)
      request.pause()
      stop(() => reject(new PolityError('TOO_LARGE', tooLarge(bytesMax))))
    }
    const onEnd = (): void => stop(() => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
    const onGone = (): void =>
      stop(() => reject(new PolityError('KILLED', 'the client went away before its request was whole')))
    if (request.destroyed || request.readableEnded) return request.complete ? onEnd() : onGone()
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

/** Whether brackets outside of strings are nested deeper; a text that is not JSON may be told either. */
function isDeeper(text: string, depthMax: number): boolean {
  if (text.length <= depthMax) return false
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      // To the end of the string; an escaped quote does not end it.
      do {
        at = text.indexOf('"', at + 1)
        if (at < 0) return false
      } while (isEscaped(text, at))
    } else if (code === BRACE || code === BRACKET) {
      if (++depth > depthMax) return true
    } else if (code === BRACE_END || code === BRACKET_END) depth--
  }
  return false
}

function isEscaped(text: string, at: number): boolean {
  let from = at
  while (text.charCodeAt(from - 1) === BACKSLASH) from--
  return (at - from) % 2 === 1
}

const [QUOTE, BACKSLASH, BRACE, BRACE_END, BRACKET, BRACKET_END] = Array.from('"\\{}[]', (one) => one.charCodeAt(0))

function tooLarge(bytesMax: number): string {
  return `the body is larger than ${bytesMax} bytes, the limit of this route`
}
