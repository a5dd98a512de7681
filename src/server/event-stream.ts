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
import type { EventStream } from './route.ts'

/** An event stream as the server holds it. */
export interface OpenStream extends EventStream {
  /** Shows that the line is alive, where nothing waits to be taken. */
  beat(): void
}

/** Begins the answer. The headers are set and not yet sent. */
export function openStream(response: ServerResponse, limits: ServerLimits): OpenStream {
  const waiting: (() => void)[] = []
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve()
  }
  response.on('drain', wake)
  response.on('close', wake)
  // Of inactivity: heartbeats keep a stream alive as long as its client takes them.
  response.setTimeout(limits.stallMs, () => response.destroy())
  response.flushHeaders()
  const isOver = (): boolean => response.writableEnded || response.destroyed

  return {
    send({ data, event, id }) {
      const frame = frameOf(data, event, id)
      if (isOver()) return false
      if (response.writableLength > limits.streamBufferBytesMax) {
        response.destroy()
        return false
      }
      return response.write(frame)
    },
    drained() {
      if (isOver() || !response.writableNeedDrain) return Promise.resolve()
      return new Promise((resolve) => waiting.push(resolve))
    },
    end() {
      if (!isOver()) response.end()
    },
    beat() {
      if (!isOver() && !response.writableNeedDrain) response.write(': \n\n')
    },
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
