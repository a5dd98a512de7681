/**
 * Vectors of texts: what memory asks of the embedder, so that a failing or slow one is never waited for long.
 *
 *     const vectors = createVectors({ embedder, clock, limits })
 *     const vector = await vectors.of('the harbour freezes')      // undefined where there is none to be had
 *
 * Texts that are asked for together go to the embedder together. After failures in a row it is left alone for a while, as
 * a core is (`breakerFailuresMax`, `breakerOpenMs`).
 *
 * Invariants
 *   VE1. `of` never rejects, and comes back within `noteVectorMs`.
 *   VE2. At most `CALLS_MAX` calls of the embedder are waited for. One that goes on after its time, although it was told to stop,
 *        counts no more: its place might never come back. How many such there are the pauses after failures bound.
 *   VE3. A vector that is given has length 1.
 */
import type { Clock } from './clock.ts'
import type { Embedder } from './drivers.ts'
import { PolityError, warn } from './errors.ts'
import type { Limits } from './limits.ts'

/** Vectors of texts, as far as there are some. */
export interface Vectors {
  readonly embedder: Embedder
  /** The direction of what a text means. */
  of(text: string): Promise<Float32Array | undefined>
}

/** What makes vectors. */
export interface VectorsOptions {
  readonly embedder: Embedder
  readonly clock: Clock
  readonly limits: Limits
}

/** Texts that go to the embedder at once. */
const TOGETHER_MAX = 64

/** Calls of the embedder at a time: the others wait for their turn. */
const CALLS_MAX = 2

interface Waiting {
  readonly text: string
  readonly tell: (vector: Float32Array | undefined) => void
}

/** The vectors of an embedder. */
export function createVectors({ embedder, clock, limits }: VectorsOptions): Vectors {
  let waiting: Waiting[] = []
  /** Calls that have not had their turn. */
  const queue = new Set<() => void>()
  let calls = 0
  let failures = 0
  let closedUntil = -Infinity

  function failed(error: unknown): void {
    if (++failures < limits.breakerFailuresMax) return
    failures = 0
    closedUntil = clock.now() + limits.breakerOpenMs
    warn(`texts are kept without vectors for ${limits.breakerOpenMs} ms, since ${embedder.name} fails`, error)
  }

  /** The time that a text may take begins here, whether or not its call has its turn. */
  function enqueue(batch: readonly Waiting[]): void {
    const controller = new AbortController()
    let isSent = false
    const tell = (vectors: readonly (Float32Array | undefined)[]): void => {
      timer.cancel()
      for (const [at, one] of batch.entries()) one.tell(vectors[at])
      if (!isSent) return
      calls--
      sendNext()
    }
    const timer = clock.after(limits.noteVectorMs, () => {
      queue.delete(send)
      const error = new PolityError(
        'DRIVER_TIMEOUT',
        `${embedder.name} did not answer within ${limits.noteVectorMs} ms`,
      )
      if (isSent) failed(error)
      controller.abort(error)
      tell([])
    })
    const texts = batch.map(({ text }) => text)
    const send = (): void => {
      if (clock.now() < closedUntil) return tell([])
      isSent = true
      calls++
      // Called inside, because it may throw at once.
      void Promise.resolve()
        .then(() => embedder.embed(texts, { signal: controller.signal }))
        .then((given) => vectorsOf(given, embedder.name, texts.length).map(toDirection))
        .then(
          (vectors) => {
            if (controller.signal.aborted) return
            failures = 0
            tell(vectors)
          },
          (error: unknown) => {
            if (controller.signal.aborted) return
            failed(error)
            tell([])
          },
        )
    }
    queue.add(send)
  }

  function sendNext(): void {
    for (const send of queue) {
      if (calls >= CALLS_MAX) return
      queue.delete(send)
      send()
    }
  }

  function sendAll(): void {
    const all = waiting
    waiting = []
    for (let at = 0; at < all.length; at += TOGETHER_MAX) enqueue(all.slice(at, at + TOGETHER_MAX))
    sendNext()
  }

  return {
    embedder,
    of: (text) =>
      new Promise((tell) => {
        if (clock.now() < closedUntil) return tell(undefined)
        if (waiting.push({ text, tell }) === 1) clock.soon(sendAll)
      }),
  }
}

/** What an embedder gave, if it is what it should be: as many vectors as texts, all of one length. Throws `DRIVER_INVALID`. */
export function vectorsOf(given: unknown, name: string, count: number): readonly (readonly number[])[] {
  const wrong = (what: string) => new PolityError('DRIVER_INVALID', `${name} gave ${what}`)
  if (!Array.isArray(given) || given.length !== count)
    throw wrong(`${Array.isArray(given) ? given.length : 'no'} vectors for ${count} texts`)
  return given.map((vector: unknown) => {
    if (!Array.isArray(vector) && !ArrayBuffer.isView(vector)) throw wrong('something that is no vector')
    const numbers = Array.from(vector as ArrayLike<number>)
    if (numbers.length !== (given[0] as ArrayLike<number>).length) throw wrong('vectors of different lengths')
    if (!numbers.every((one) => typeof one === 'number' && Number.isFinite(one)))
      throw wrong('a vector with something else than numbers')
    return numbers
  })
}

/** undefined for a vector without a direction. */
function toDirection(vector: readonly number[]): Float32Array | undefined {
  let squares = 0
  for (const one of vector) squares += one * one
  const length = Math.sqrt(squares)
  return length > 0 && Number.isFinite(length) ? Float32Array.from(vector, (one) => one / length) : undefined
}
