/**
 * A generation: one answer, token by token, from its prompt or from a saved state, to its end or to an interruption.
 *
 * Everything that decides the next token is a function of the prompt, the tokens written so far and the request: the scores
 * come from the sequence's memory, chance from a counter (`randomAt(seed, stream, position)`), the grammar from the written
 * tokens. So an answer in turns, with its memory saved and read back in between, is the answer in one, bit by bit.
 *
 * Invariants
 *   GN1. What is told as text after some tokens is a function of these tokens: a turn goes on telling where the last stopped.
 *   GN2. What might become a stop text or a tool call is not told before it is known that it does not.
 *   GN3. An aborted generation leaves its sequence to others only when the runtime has put it down.
 */
import { randomAt } from '../../../kernel/clock.ts'
import type { Constraint, ConstraintSpec } from './constraint.ts'
import { createConstraint } from './constraint.ts'
import type { Machine } from './library.ts'
import { asTokens } from './library.ts'
import type { Sampling } from './sampler.ts'
import { pickToken } from './sampler.ts'
import type { Seat } from './sequences.ts'
import { prefill } from './sequences.ts'
import { narrowed } from './vocabulary.ts'

/** An answer that is asked for; plain data. */
export interface Request {
  readonly prompt: readonly number[]
  readonly sampling: Sampling
  readonly seed: number
  readonly stream: number
  readonly constraint: ConstraintSpec
  /** Most tokens of the whole answer. */
  readonly outputTokens: number
  /** Texts that end the answer and are not part of it. */
  readonly stops: readonly string[]
}

/** How one turn of it is made. */
export interface TurnOptions {
  /** Tokens written in earlier turns. */
  readonly written: readonly number[]
  /** Asked after each token and each step of the prefill, with the tokens written in this turn; false: enough for now. */
  readonly goOn?: ((tokens: number) => boolean) | undefined
  readonly onText?: ((delta: string) => void) | undefined
  readonly signal: AbortSignal | undefined
  /** Whether the probabilities of the chosen tokens are wanted. */
  readonly logprobs: boolean
}

/** What a turn came to. */
export interface Turn {
  readonly finish: 'stop' | 'length' | 'tool-calls' | 'interrupted'
  /** All tokens of the answer so far. */
  readonly written: readonly number[]
  /** Text of this turn. */
  readonly text: string
  readonly toolCall: { readonly name: string; readonly input: string } | undefined
  /** Natural logarithms of the probabilities of this turn's tokens, before temperature and grammar; where wanted. */
  readonly logprobs: readonly number[]
}

/** Runs one turn on a seat whose sequence holds a beginning of the prompt, or all of it and all written tokens but the last. */
export async function runTurn(machine: Machine, seat: Seat, request: Request, options: TurnOptions): Promise<Turn> {
  const { prompt, sampling, outputTokens } = request
  const { goOn, onText, signal, logprobs: wantsLogprobs } = options
  const { sequence } = seat
  const constraint = await createConstraint(machine, request.constraint)
  const said = teller(machine, request.stops, openingsOf(machine, request.constraint))
  const written: number[] = []
  const logprobs: number[] = []
  for (const token of options.written) {
    written.push(token)
    constraint.accept(token, said.push(token, constraint))
  }
  let told = said.told.length
  const before = told
  const fresh = written.length
  const end = (finish: Turn['finish']): Turn => {
    const call = finish === 'stop' ? constraint.toolCall(said.raw) : undefined
    if (finish !== 'interrupted' && call === undefined && !said.stopped) said.flush(constraint)
    tell()
    return {
      finish: call === undefined ? finish : 'tool-calls',
      written,
      text: said.told.slice(before),
      toolCall: call,
      logprobs,
    }
  }
  const tell = (): void => {
    if (said.told.length > told) onText?.(said.told.slice(told))
    told = said.told.length
  }

  // The prompt, in steps that end at multiples of the batch's size: a step is what an abort or another call has to wait for.
  const step = machine.context.batchSize
  for (let at = sequence.nextTokenIndex; at < prompt.length - 1; at = sequence.nextTokenIndex) {
    signal?.throwIfAborted()
    const to = Math.min(prompt.length - 1, (Math.floor(at / step) + 1) * step)
    await prefill(sequence, prompt.slice(at, to))
    if (to < prompt.length - 1 && goOn?.(0) === false) return end('interrupted')
  }
  while (written.length < outputTokens) {
    signal?.throwIfAborted()
    const last = written.at(-1) ?? (prompt.at(-1) as number)
    const most = sampling.temperature <= 0 ? 1 : sampling.topK
    const [output] = await sequence.controlledEvaluate([
      [
        asTokens([last])[0] as never,
        {
          generateNext: {
            logits: constraint.binds ? true : { filter: { tokens: [], includeTop: Math.max(1, most) } },
            totalLogitWeight: wantsLogprobs,
          },
        },
      ],
    ])
    if (written.length === 0) seat.prefilled()
    signal?.throwIfAborted()
    const scores = output?.next.logits
    if (scores === undefined) throw new Error('the runtime gave no scores for the next token')
    const random = randomAt(request.seed, request.stream, written.length)
    const token = constraint.binds
      ? pickToken(narrowed(machine, scores, constraint), sampling, random)
      : pickToken(scores, sampling, random)
    // A grammar that nothing can follow has come to its end.
    if (token === undefined || machine.model.isEogToken(asTokens([token])[0])) return end('stop')
    written.push(token)
    if (wantsLogprobs) {
      const best = scores.values().next().value as number
      logprobs.push((scores.get(token as never) as number) - best - Math.log(output?.next.totalLogitWeight as number))
    }
    constraint.accept(token, said.push(token, constraint))
    tell()
    if (said.stopped || constraint.done) return end('stop')
    if (written.length < outputTokens && goOn?.(written.length - fresh) === false) return end('interrupted')
  }
  return end('length')
}

/** Texts that begin a tool call, which is not text. */
function openingsOf(machine: Machine, spec: ConstraintSpec): readonly string[] {
  if (spec.type !== 'tools') return []
  const { call } = machine.format.settings.functions
  return [call.prefix, ...(call.prefixAlternateMatches ?? [])].map(String).filter((text) => text !== '')
}

/** Makes text of tokens, and decides how much of it can be told. */
interface Teller {
  /** Takes the next token; returns the whole answer so far, special tokens as their text. */
  push(token: number, constraint: Constraint): string
  /** Nothing more comes: what was held back is text. */
  flush(constraint: Constraint): void
  readonly raw: string
  readonly told: string
  /** A stop text came: the answer is over before it. */
  readonly stopped: boolean
}

/** Tokens whose text may still change with the next one: bytes of one character. */
const PENDING_MAX = 4

function teller(machine: Machine, stops: readonly string[], openings: readonly string[]): Teller {
  const { model } = machine
  const watched = [...stops, ...openings]
  let pending: number[] = []
  let previous: number[] = []
  let raw = ''
  let plain = ''
  let told = ''
  let stopped = false
  function text(special: boolean): string {
    return model.detokenize(asTokens(pending), special, asTokens(previous))
  }
  return {
    push(token, constraint) {
      pending.push(token)
      const piece = text(true)
      if (piece.endsWith('�') && pending.length < PENDING_MAX) return raw + piece
      raw += piece
      plain += text(false)
      previous = [...previous, ...pending].slice(-PENDING_MAX)
      pending = []
      const isToolCall = constraint.binds && openings.length > 0
      if (stopped || isToolCall) return raw
      for (const stop of stops) {
        const at = plain.indexOf(stop, Math.max(0, told.length - stop.length))
        if (at >= 0 && (!stopped || at < told.length)) {
          told = plain.slice(0, at)
          stopped = true
        }
      }
      if (!stopped) told = plain.slice(0, Math.max(told.length, plain.length - heldBack(plain, watched)))
      return raw
    },
    flush(constraint) {
      if (constraint.binds && openings.length > 0) return
      if (pending.length > 0) plain += text(false)
      pending = []
      told = plain
    },
    get raw() {
      return raw
    },
    get told() {
      return told
    },
    get stopped() {
      return stopped
    },
  }
}

/** How many characters at the end might be the beginning of one of `texts`. */
function heldBack(plain: string, texts: readonly string[]): number {
  let most = 0
  for (const text of texts)
    for (let length = Math.min(text.length, plain.length); length > most; length--)
      if (plain.endsWith(text.slice(0, length))) {
        most = length
        break
      }
  return most
}
