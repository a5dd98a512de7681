/**
 * Sequences: the places of a context in which answers are written side by side, and what is still in them from before.
 *
 *     const seat = await pool.take(prompt, signal)     // seat.reused tokens of the prompt need not be computed
 *     …
 *     pool.giveBack(seat)
 *
 * A prompt begins where another one already began: agents of one program share its instructions and tools, a forked process
 * shares all that its parent had read, the next turn of a conversation shares the last. So a prompt is given the sequence
 * that holds the longest beginning of it; where that one is in use, or would lose more than it gives, its beginning is
 * copied. A prompt whose beginning is just being computed by another call waits for that call's prefill and copies then.
 *
 * A processor adds numbers up in an order that depends on how many tokens it computes at once, and rounding differs in the
 * last digit. So where answers are to be the same bit by bit (`block` tokens), a prompt is computed in blocks that begin at
 * multiples of the block's size, whatever came before, and only whole blocks are used again: not the end of a prompt, not an
 * answer.
 *
 * The library copies a sequence lazily: at once it notes what lies where, and the memory itself follows before the next step
 * that is computed, whoever's. A state that is read from its file is written into the memory right away. So a state that
 * were read into either of the two in between would be taken for the beginning that was copied, or be overwritten by it (SQ5).
 *
 * Invariants
 *   SQ1. A sequence is held by one call at a time.
 *   SQ2. What is reused was computed from the very same tokens at the same places; at least the last token of a prompt is
 *        computed, since the first token of the answer comes from it.
 *   SQ3. Who waits for a sequence gets one in the order of arrival, or leaves when its signal aborts.
 *   SQ4. A sequence that holds a state is given to others last: while there is another, the answer goes on where it is.
 *   SQ5. No state is read into either end of a copy that waits for its memory.
 */
import type { LlamaContextSequence } from 'node-llama-cpp'
import { unlessAborted } from '../../../kernel/unless-aborted.ts'
import type { Machine } from './library.ts'
import { asTokens } from './library.ts'

/** A sequence in the hands of a call. */
export interface Seat {
  readonly sequence: LlamaContextSequence
  /** Tokens of the prompt that are there already. */
  readonly reused: number
  /** The state of a generation whose very bits are in the sequence; undefined once anything else is. */
  holds: string | undefined
  /** The prompt has been computed: others may copy its beginning. */
  prefilled(): void
}

export interface Pool {
  take(prompt: readonly number[], signal: AbortSignal | undefined, state?: string): Promise<Seat>
  giveBack(seat: Seat): void
  /** Nobody goes on from this state: its sequence is as good as any. */
  forget(state: string): void
  /** Sequences in use. */
  readonly busy: number
  /** Tokens of prompts that were copied or kept instead of computed, since the start. */
  readonly reusedTokens: number
}

/** A place of the context. */
interface Place {
  readonly sequence: LlamaContextSequence
  /** Its seat while it is in use. */
  seat: Seat | undefined
  holds: string | undefined
  /** Tokens from the beginning that may be used again: they are there, and will be as long as nobody sits here. */
  reusable: number
  usedAt: number
  filling: Filling | undefined
}

/** While a prompt is being computed: the tokens that will be there, how many of them may be used again, and when. */
interface Filling {
  readonly prompt: readonly number[]
  readonly reusable: number
  readonly done: Promise<void>
  /** Nobody has to wait for it any more. */
  end(): void
}

interface Taken {
  readonly seat: Seat
  readonly reuse: (tokens: number) => void
}

/** Beginnings shorter than this are computed again: a copy moves the memory of a whole sequence (invented). */
const SHARE_TOKENS_MIN = 16

/** The sequences of a machine. */
export function createPool(machine: Machine): Pool {
  const { block } = machine
  const places: Place[] = Array.from({ length: machine.context.totalSequences }, () => ({
    sequence: machine.context.getSequence(),
    seat: undefined,
    holds: undefined,
    reusable: 0,
    usedAt: 0,
    filling: undefined,
  }))
  const waiting: (() => void)[] = []
  /** Seats whose beginning was copied, and on which nothing was computed since. */
  const copied = new Set<Seat>()
  let turn = 0
  let busy = 0
  let reusedTokens = 0

  function wholeBlocks(tokens: number): number {
    return block === undefined ? tokens : Math.floor(tokens / block) * block
  }

  async function free(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (busy < places.length) {
      busy++
      return
    }
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        waiting.splice(waiting.indexOf(go), 1)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', leave, { once: true })
      waiting.push(go)
    })
  }

  /** `kept` tokens stay where they are. */
  function sit(place: Place, prompt: readonly number[], kept: number): Taken {
    const { promise: done, resolve: end } = Promise.withResolvers<void>()
    const reusable = block === undefined ? Infinity : wholeBlocks(prompt.length - 1)
    let reused = 0
    const seat: Seat = {
      sequence: place.sequence,
      get reused() {
        return reused
      },
      holds: undefined,
      prefilled() {
        copied.delete(seat)
        place.reusable = reusable
        place.filling = undefined
        end()
      },
    }
    place.seat = seat
    place.usedAt = ++turn
    place.holds = undefined
    place.reusable = kept
    place.filling = { prompt, reusable, done, end }
    return {
      seat,
      reuse(tokens) {
        reused = tokens
        reusedTokens += tokens
      },
    }
  }

  async function take(prompt: readonly number[], signal: AbortSignal | undefined, state?: string): Promise<Seat> {
    await free(signal)
    let taken: Taken | undefined
    try {
      const idle = places.filter((place) => place.seat === undefined)
      const same = state === undefined ? undefined : idle.find((place) => place.holds === state)
      if (same !== undefined) {
        taken = sit(same, prompt, same.reusable)
        taken.seat.holds = state
        return taken.seat
      }
      // Of those that hold no state, if there are any (SQ4).
      const spare = idle.filter((place) => place.holds === undefined)
      const oldest = (spare.length > 0 ? spare : idle).reduce((a, b) => (b.usedAt < a.usedAt ? b : a))
      // A state that is read from its file replaces whatever is there.
      if (state !== undefined) {
        taken = sit(oldest, prompt, 0)
        await settle(oldest.sequence, prompt)
        return taken.seat
      }
      // All but the last token can be reused (SQ2).
      const most = prompt.length - 1
      const held = (place: Place): number =>
        wholeBlocks(commonLength(tokensOf(place), prompt, Math.min(most, place.reusable)))
      const best = idle.reduce((a, b) => (held(b) > held(a) ? b : a))
      const kept = held(best)
      // What continues all that a sequence holds may have it; else the longest unused one is given up for a copy.
      const isFree = best.holds === undefined || spare.length === 0
      const isContinued = isFree && kept > 0 && kept >= Math.min(best.reusable, tokensOf(best).length - 1)
      let donor: { readonly place: Place; readonly length: number; readonly wait: Promise<void> | undefined } = {
        place: best,
        length: kept,
        wait: undefined,
      }
      for (const place of places) {
        if (place.seat === undefined) continue
        const now = held(place)
        const later =
          place.filling === undefined
            ? now
            : wholeBlocks(commonLength(place.filling.prompt, prompt, Math.min(most, place.filling.reusable)))
        if (later >= donor.length + SHARE_TOKENS_MIN)
          donor = { place, length: later, wait: later > now ? place.filling?.done : undefined }
      }
      const isLittle = isFree && kept > 0 && kept < SHARE_TOKENS_MIN
      const target = donor.place === best && (isContinued || isLittle) ? best : oldest
      let length = target === donor.place ? kept : 0
      taken = sit(target, prompt, length)
      if (target !== donor.place && donor.length >= SHARE_TOKENS_MIN) {
        if (donor.wait !== undefined) await (signal === undefined ? donor.wait : unlessAborted(donor.wait, signal))
        const there = held(donor.place)
        if (there >= SHARE_TOKENS_MIN) {
          copied.add(taken.seat)
          if (await machine.copy(donor.place.sequence, target.sequence, there)) length = there
          else await target.sequence.clearHistory()
        }
      }
      length = Math.min(length, commonLength(tokensOf(target), prompt, most))
      const { nextTokenIndex } = target.sequence
      if (nextTokenIndex > length)
        await (length === 0
          ? target.sequence.clearHistory()
          : target.sequence.eraseContextTokenRanges([{ start: length, end: nextTokenIndex }]))
      // An architecture that cannot give up its tail has been cleared instead.
      target.reusable = Math.min(length, target.sequence.nextTokenIndex)
      taken.reuse(target.reusable)
      return taken.seat
    } catch (error) {
      if (taken === undefined) next()
      else giveBack(taken.seat)
      throw error
    }
  }

  function giveBack(seat: Seat): void {
    const place = places.find((one) => one.seat === seat)
    if (place === undefined) return
    place.filling?.end()
    place.filling = undefined
    place.seat = undefined
    place.holds = seat.holds
    next()
  }

  /** Lets the copies that wait have their memory (SQ5), by computing a token where a state will be read. */
  async function settle(sequence: LlamaContextSequence, prompt: readonly number[]): Promise<void> {
    const before = [...copied]
    if (before.length === 0) return
    await sequence.clearHistory()
    await prefill(sequence, prompt.slice(0, 1))
    for (const seat of before) copied.delete(seat)
  }

  function forget(state: string): void {
    for (const place of places) if (place.holds === state) place.holds = undefined
  }

  function next(): void {
    const go = waiting.shift()
    if (go === undefined) busy--
    else go()
  }

  return {
    take,
    giveBack,
    forget,
    get busy() {
      return busy
    },
    get reusedTokens() {
      return reusedTokens
    },
  }
}

function tokensOf({ sequence }: Place): readonly number[] {
  return sequence.contextTokens
}

function commonLength(a: readonly number[], b: readonly number[], most: number): number {
  const end = Math.min(a.length, b.length, most)
  let length = 0
  while (length < end && a[length] === b[length]) length++
  return length
}

/** Computes tokens into a sequence, without an answer. */
export async function prefill(sequence: LlamaContextSequence, tokens: readonly number[]): Promise<void> {
  if (tokens.length > 0) await sequence.evaluateWithoutGeneratingNewTokens(asTokens(tokens))
}
