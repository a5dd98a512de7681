/**
 * A streamed answer: opened by its first event, and slow clients get fewer and longer pieces of text.
 *
 *     const out = new AnswerStream(exchange, clock, choices, { first: () => [...], text: (choice, delta) => [...], failed: (body) => [...] })
 *     await answerIn(out, answersTo(gateway, exchange, requests, out), async (replies) => { … await out.send(event) })
 *
 * Invariants
 *   AS1. Until the first event the answer is not begun: an error before it has its own HTTP status. What has not begun
 *        after OPEN_AFTER_MS is begun all the same, so that no client or proxy takes a long wait for a dead line.
 *   AS2. Text is sent when it comes. While the client takes nothing, it is joined, and sent as one piece when it does.
 *   AS3. Nothing is lost or out of order: what waits goes before any other event.
 *   AS4. An answer that fails after it has begun says so at its end (answerIn), also where the server ends it.
 */
import type { Clock, Timer } from '../../kernel/clock.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { EventStream, Exchange, StreamEvent } from '../route.ts'
import { httpStatusOf, openaiError, tellable } from './errors.ts'

/** Well below the minute after which clients and proxies commonly give up. */
const OPEN_AFTER_MS = 10_000

/** How events are made. They are numbered as they are made, so each is made when it is sent. */
export interface EventMaker {
  /** What comes before everything else. */
  first(): readonly StreamEvent[]
  /** What says a piece of text of a choice. */
  text(choice: number, delta: string): readonly StreamEvent[]
  /** What says of an answer that has begun that it failed, by the body of that error. */
  failed(body: ReturnType<typeof openaiError>): readonly StreamEvent[]
}

/** A streamed answer: one object, as a thousand may be open. */
export class AnswerStream {
  readonly #exchange: Exchange
  readonly #make: EventMaker
  /** Until it is open. */
  #timer: Timer | undefined
  #stream: EventStream | undefined = undefined
  #isFull = false
  /** By choice: all the text that the model said so far. */
  readonly #said: string[]
  /** By choice: of that, what was not sent yet. Apart from `said`, so that nothing long is cut at every piece. */
  readonly #waiting: string[]

  constructor(exchange: Exchange, clock: Clock, choices: number, make: EventMaker) {
    this.#exchange = exchange
    this.#make = make
    this.#said = Array.from({ length: choices }, () => '')
    this.#waiting = Array.from({ length: choices }, () => '')
    this.#timer = clock.after(OPEN_AFTER_MS, () => {
      try {
        this.#open()
      } catch {
        // Too many streams are open: thrown again at the first event, to who can answer with it.
      }
    })
  }

  /** Whether the answer has begun. */
  get isOpen(): boolean {
    return this.#stream !== undefined
  }

  /** A piece of text, as the model says it. */
  text(choice: number, delta: string): void {
    if (delta === '') return
    this.#said[choice] += delta
    this.#waiting[choice] += delta
    const to = this.#open()
    if (!this.#isFull) this.#flush(to)
  }

  /** The text of a choice as it is in the end: what was not sent of it is sent. Throws `DRIVER_FAILED` where other text was. */
  rest(choice: number, whole: string): void {
    const before = this.#said[choice] as string
    // A driver that fails in the middle of an answer is asked again, and says it anew.
    if (!whole.startsWith(before))
      throw new PolityError(
        'DRIVER_FAILED',
        'the model was interrupted and began its answer anew; what was sent of it does not belong to the answer',
      )
    this.text(choice, whole.slice(before.length))
  }

  /** Resolves once the client has room for more. */
  async send(event: StreamEvent): Promise<void> {
    const to = this.#open()
    this.#flush(to)
    this.#write(to, event)
    if (this.#isFull) await to.drained()
  }

  /** Says that the answer failed. */
  async fail(error: PolityError): Promise<void> {
    for (const event of this.#make.failed(openaiError(error, httpStatusOf(error)))) await this.send(event)
  }

  /** Ends the answer, if it has begun. */
  end(): void {
    this.#timer?.cancel()
    if (this.#stream === undefined) return
    this.#flush(this.#stream)
    this.#stream.end()
  }

  #open(): EventStream {
    if (this.#stream !== undefined) return this.#stream
    this.#timer?.cancel()
    this.#timer = undefined
    const make = this.#make
    this.#stream = this.#exchange.events({}, (error, status) => make.failed(openaiError(error, status)))
    for (const event of make.first()) this.#write(this.#stream, event)
    return this.#stream
  }

  #write(to: EventStream, event: StreamEvent): void {
    if (to.send(event) || this.#isFull) return
    this.#isFull = true
    void to.drained().then(() => {
      this.#isFull = false
      this.#flush(to)
    })
  }

  #flush(to: EventStream): void {
    for (let choice = 0; choice < this.#waiting.length; choice++) {
      const text = this.#waiting[choice] as string
      if (text === '') continue
      this.#waiting[choice] = ''
      for (const event of this.#make.text(choice, text)) this.#write(to, event)
    }
  }
}

/** Answers by what `asked` comes to, and ends the answer. One frame waits for the model, whatever `tell` then needs. */
export async function answerIn<Replies>(
  out: AnswerStream,
  asked: Promise<Replies>,
  tell: (replies: Replies) => Promise<void>,
): Promise<void> {
  try {
    await tell(await asked)
  } catch (error) {
    const told = tellable(error)
    if (out.isOpen) await out.fail(told)
    // The server answers it, where nothing was said yet, and tells its owner of what is not ours.
    if (!out.isOpen || told !== error) throw error
  } finally {
    out.end()
  }
}
