/**
 * A streamed answer: opened by its first event, and slow clients get fewer and longer pieces of text.
 *
 *     const out = createAnswerStream(exchange, clock, { first: () => [...], text: (choice, delta) => [...], failed: (body) => [...] })
 *     models.generate(request, { signal, onText: (delta) => out.text(0, delta) })
 *     await answerIn(out, async () => { … await out.send(event) })
 *
 * Invariants
 *   AS1. Until the first event the answer is not begun: an error before it has its own HTTP status. What has not begun
 *        after OPEN_AFTER_MS is begun all the same, so that no client or proxy takes a long wait for a dead line.
 *   AS2. Text is sent when it comes. While the client takes nothing, it is joined, and sent as one piece when it does.
 *   AS3. Nothing is lost or out of order: what waits goes before any other event.
 *   AS4. An answer that fails after it has begun says so at its end (answerIn), also where the server ends it.
 */
import type { Clock } from '../../kernel/clock.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { EventStream, Exchange, StreamEvent } from '../route.ts'
import { httpStatusOf, openaiError, tellable } from './errors.ts'

/** Well below the minute after which clients and proxies commonly give up. */
const OPEN_AFTER_MS = 10_000

/** How events are made. They are numbered as they are made, so each is made when it is sent. */
export interface EventMaker {
  /** What comes before everything else. */
  readonly first: () => readonly StreamEvent[]
  /** What says a piece of text of a choice. */
  readonly text: (choice: number, delta: string) => readonly StreamEvent[]
  /** What says of an answer that has begun that it failed, by the body of that error. */
  readonly failed: (body: ReturnType<typeof openaiError>) => readonly StreamEvent[]
}

export interface AnswerStream {
  /** Whether the answer has begun. */
  readonly isOpen: boolean
  /** A piece of text, as the model says it. */
  text(choice: number, delta: string): void
  /** The text of a choice as it is in the end: what was not sent of it is sent. Throws `DRIVER_FAILED` where other text was. */
  rest(choice: number, whole: string): void
  /** Resolves once the client has room for more. */
  send(event: StreamEvent): Promise<void>
  /** Says that the answer failed. */
  fail(error: PolityError): Promise<void>
  /** Ends the answer, if it has begun. */
  end(): void
}

export function createAnswerStream(exchange: Exchange, clock: Clock, make: EventMaker): AnswerStream {
  let stream: EventStream | undefined
  let isFull = false
  /** By choice: all the text that the model said so far. */
  const said: string[] = []
  /** By choice: of that, what was not sent yet. Apart from `said`, so that nothing long is cut at every piece. */
  const waiting: string[] = []
  const timer = clock.after(OPEN_AFTER_MS, () => {
    try {
      open()
    } catch {
      // Too many streams are open: thrown again at the first event, to who can answer with it.
    }
  })

  function open(): EventStream {
    if (stream !== undefined) return stream
    timer.cancel()
    stream = exchange.events({}, (error, status) => make.failed(openaiError(error, status)))
    for (const event of make.first()) write(stream, event)
    return stream
  }

  function write(to: EventStream, event: StreamEvent): void {
    if (to.send(event) || isFull) return
    isFull = true
    void to.drained().then(() => {
      isFull = false
      flush(to)
    })
  }

  function flush(to: EventStream): void {
    for (const [choice, text = ''] of waiting.entries()) {
      if (text === '') continue
      waiting[choice] = ''
      for (const event of make.text(choice, text)) write(to, event)
    }
  }

  const answer: AnswerStream = {
    get isOpen() {
      return stream !== undefined
    },
    text(choice, delta) {
      if (delta === '') return
      said[choice] = (said[choice] ?? '') + delta
      waiting[choice] = (waiting[choice] ?? '') + delta
      const to = open()
      if (!isFull) flush(to)
    },
    rest(choice, whole) {
      const before = said[choice] ?? ''
      // A driver that fails in the middle of an answer is asked again, and says it anew.
      if (!whole.startsWith(before))
        throw new PolityError(
          'DRIVER_FAILED',
          'the model was interrupted and began its answer anew; what was sent of it does not belong to the answer',
        )
      answer.text(choice, whole.slice(before.length))
    },
    async send(event) {
      const to = open()
      flush(to)
      write(to, event)
      if (isFull) await to.drained()
    },
    async fail(error) {
      for (const event of make.failed(openaiError(error, httpStatusOf(error)))) await answer.send(event)
    },
    end() {
      timer.cancel()
      if (stream === undefined) return
      flush(stream)
      stream.end()
    },
  }
  return answer
}

/** Answers by `work`, and ends the answer. */
export async function answerIn(out: AnswerStream, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const told = tellable(error)
    if (out.isOpen) await out.fail(told)
    // The server answers it, where nothing was said yet, and tells its owner of what is not ours.
    if (!out.isOpen || told !== error) throw error
  } finally {
    out.end()
  }
}
