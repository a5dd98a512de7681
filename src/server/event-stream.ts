/**
 * Server-sent events on a response: each is written when it is sent, nothing is held back.
 *
 * Invariants
 *   ES1. No client makes the server keep more than `streamBufferBytesMax` and one event for it.
 *   ES2. `drained` resolves, whatever the client does: a client that takes nothing for `stallMs` is cut.
 *   ES3. What is sent cannot break out of its field: lines of data are separate fields, ids and names have one line.
 */
import type { ServerResponse } from 'node:http'
import { invalid } from '../kernel/errors.ts'
import type { ServerLimits } from './limits.ts'
import type { EventStream, StreamEvent } from './route.ts'

/** An event stream as the server holds it. */
export interface OpenStream extends EventStream {
  /** Shows that the line is alive, where nothing waits to be taken. */
  beat(): void
}

/** Begins the answer. The headers are set and not yet sent. */
export function openStream(response: ServerResponse, limits: ServerLimits): OpenStream {
  // Of inactivity: heartbeats keep a stream alive as long as its client takes them.
  response.setTimeout(limits.stallMs, cut)
  response.flushHeaders()
  return new ResponseStream(response, limits)
}

function cut(this: ServerResponse): void {
  this.destroy()
}

/** One object for a stream, as a thousand may be open: its listeners come when somebody waits. */
class ResponseStream implements OpenStream {
  readonly #response: ServerResponse
  readonly #limits: ServerLimits
  /** Those who wait until the client has taken what was written; undefined while nobody ever did. */
  #waiting: (() => void)[] | undefined = undefined

  constructor(response: ServerResponse, limits: ServerLimits) {
    this.#response = response
    this.#limits = limits
  }

  send({ data, event, id }: StreamEvent): boolean {
    const response = this.#response
    const frame = frameOf(data, event, id)
    if (this.#isOver) return false
    if (response.writableLength > this.#limits.streamBufferBytesMax) {
      response.destroy()
      return false
    }
    return response.write(frame)
  }

  drained(): Promise<void> {
    const response = this.#response
    if (this.#isOver || !response.writableNeedDrain) return Promise.resolve()
    if (this.#waiting === undefined) {
      this.#waiting = []
      const wake = (): void => {
        for (const resolve of this.#waiting?.splice(0) ?? []) resolve()
      }
      response.on('drain', wake).on('close', wake)
    }
    const waiting = this.#waiting
    return new Promise((resolve) => waiting.push(resolve))
  }

  end(): void {
    if (!this.#isOver) this.#response.end()
  }

  beat(): void {
    const response = this.#response
    if (!this.#isOver && !response.writableNeedDrain) response.write(': \n\n')
  }

  get #isOver(): boolean {
    return this.#response.writableEnded || this.#response.destroyed
  }
}

function frameOf(data: string, event: string | undefined, id: string | undefined): string {
  let frame = ''
  if (id !== undefined) frame += `id: ${oneLine('id', id)}\n`
  if (event !== undefined) frame += `event: ${oneLine('name', event)}\n`
  return `${frame}data: ${/[\r\n]/.test(data) ? data.split(/\r\n|\r|\n/).join('\ndata: ') : data}\n\n`
}

function oneLine(what: string, text: string): string {
  // A NUL in an id makes a browser ignore it.
  if (/[\r\n\0]/.test(text)) throw invalid(`the ${what} of an event`, 'text of one line', text)
  return text
}
