/**
 * The serving machine: one processor that serves many calls at once, as vLLM and its kin do, in the time of a clock.
 *
 *     const machine = servingMachine({ clock, sequencesMax: 16, iterationMs: 33, prefillTokenMs: 0.26, decodeSequenceMs: 0.3, kvTokens: 32_768 })
 *     const model = simulated({ clock, machine })          // the same machine under several models: give it to each
 *     …
 *     machine.stats()                                      // iterations, tokens computed, cached and computed again, loads
 *
 * The model, whose constants and their sources are in docs/serving.md:
 *   1. Continuous batching (Yu et al. 2022, "Orca", section 3.1): work goes in iterations. An iteration gives each sequence
 *      in the batch one token, and reads prompts in chunks beside them (Agrawal et al. 2024, "Sarathi-Serve", section 4),
 *      `batchTokensMax` tokens in all: first those who write, then those who read, then who comes new, in order of arrival.
 *   2. An iteration takes `iterationMs` for each model that takes part, plus `prefillTokenMs` a prompt token, plus
 *      `decodeSequenceMs` a sequence that writes, plus `contextTokenMs` a token of context that is read. The prompt's last
 *      chunk gives the first token of the answer.
 *   3. Memory holds `kvTokens` in blocks of 16 (Kwon et al. 2023, "PagedAttention", section 4). Blocks of a prompt or answer
 *      whose whole beginning is the same are shared; those that nobody uses stay until room is needed, the least recently
 *      used goes first, of one sequence its end first. A prompt is taken in when its blocks have room; when a sequence that
 *      writes has none, the youngest is put back to the head of the queue and reads its prompt and its answer again.
 *   4. Weights: room for `residentMax` models. Who comes for another waits until one that nobody uses can go, the least
 *      recently used, and `loadMs` more; who comes behind waits too, as in a loader with one queue. One load at a time;
 *      meanwhile the others compute on.
 * Several iterations of the same batch are one timer, whatever their number: what it costs to simulate goes with the calls.
 *
 * Invariants
 *   G1. Time comes only from the clock, and everything else from the jobs: the same jobs at the same times end the same.
 *   G2. Never more than `sequencesMax` sequences, `kvTokens` of blocks, `batchTokensMax` tokens an iteration, `residentMax` models.
 *   G3. The machine is never idle while a sequence could be computed.
 *   G4. A job ends exactly once: told done, or cancelled by its owner. Telling of tokens on the way changes no time.
 */
import type { Clock, Timer } from '../../kernel/clock.ts'
import { PolityError } from '../../kernel/errors.ts'

/** Tokens of one block of memory. Source: vLLM's default block size. */
export const BLOCK_TOKENS = 16

/** What a machine is like. Times are ms. */
export interface MachineOptions {
  readonly clock: Clock
  /** Sequences in one batch. Minimum 1. */
  readonly sequencesMax: number
  /** Tokens that one iteration computes. At least `sequencesMax`. @default 512 (Sarathi-Serve, section 5) */
  readonly batchTokensMax?: number
  /** Of an iteration for each model in it: reading its weights. */
  readonly iterationMs: number
  /** Of each token of a prompt that is computed. */
  readonly prefillTokenMs: number
  /** Of each sequence that writes a token. */
  readonly decodeSequenceMs: number
  /** Of each token of context that is read. @default 0 */
  readonly contextTokenMs?: number
  /** Tokens whose keys and values have room; rounded down to whole blocks. */
  readonly kvTokens: number
  /** Whether blocks stay for prompts that begin alike. @default true */
  readonly prefixCache?: boolean
  /**
   * Whether who comes with a beginning that another just reads waits until it is read, and then shares it: SGLang's check
   * within a batch, here for beginnings of any length. Without it both read. @default false, as vLLM does
   */
  readonly readTogether?: boolean
  /** Models whose weights have room. Minimum 1. @default all, loaded from the start */
  readonly residentMax?: number
  /** Of loading one. @default 0 */
  readonly loadMs?: number
}

/** A call as the machine sees it. */
export interface Job {
  /** Whose weights it needs. */
  readonly model: string
  readonly promptTokens: number
  readonly outputTokens: number
  /** One hash for each whole block of prompt and answer; each also covers all that stands before its block. */
  readonly blocks: readonly number[]
  /** Told of tokens written so far: the first, then every so many. @default never */
  readonly deltaTokens?: number
  onTokens?(written: number): void
  onDone(taken: Taken): void
}

/** What a job took until now. */
export interface Taken {
  /** Tokens of the prompt that were read, those from the cache included. */
  readonly inputTokens: number
  /** Of these, from the cache. */
  readonly cachedTokens: number
  readonly outputTokens: number
}

/** Everything since the machine was made. */
export interface MachineStats {
  readonly iterations: number
  /** Time in which something was computed, ms. */
  readonly busyMs: number
  /** Tokens computed as parts of prompts; those that were computed again after their sequence was put back are among them. */
  readonly prefillTokens: number
  /** Tokens of prompts found in the cache. */
  readonly cachedTokens: number
  /** Tokens written. */
  readonly outputTokens: number
  /** Sequences that were put back for want of memory. */
  readonly putBack: number
  /** Tokens that were read again because of it: parts of prompts, and what was written until then. */
  readonly recomputedTokens: number
  readonly loads: number
  readonly sequencesMost: number
  readonly kvTokensMost: number
  /** In the batch, and waiting for it. */
  readonly running: number
  readonly waiting: number
}

export interface ServingMachine {
  readonly sequencesMax: number
  readonly kvTokens: number
  readonly residentMax: number
  /** Takes a job; returns what cancels it, and says what it took. */
  submit(job: Job): () => Taken
  stats(): MachineStats
}

interface Sequence {
  readonly job: Job
  state: 'waiting' | 'running' | 'ended'
  /** Tokens in memory. */
  computed: number
  /** Tokens to be in memory before the next can be written: the prompt, and what was written before it was put back. */
  goal: number
  written: number
  /** Of the prompt, read in the first place; what is read again is not counted. */
  read: number
  cached: number
  /** Tokens that it computes in the iteration at hand while it reads. */
  chunk: number
  /** Its first blocks, shared by hash; then its own. */
  shared: number[]
  own: number
  /** Tokens at which its owner is told next. */
  tellAt: number
}

interface Resident {
  readonly model: string
  state: 'loading' | 'ready'
  running: number
  usedAt: number
}

/** A machine without work. Throws `INVALID_ARGUMENT`. */
export function servingMachine(options: MachineOptions): ServingMachine {
  const config = checked(options)
  const { clock } = config
  const memory = blockMemory(config.kvTokens / BLOCK_TOKENS, config.prefixCache)
  const residents = new Map<string, Resident>()
  const running: Sequence[] = []
  /** Who waits, the first at `waitingFrom`; who was put back stands before them. */
  let waiting: Sequence[] = []
  let waitingFrom = 0
  let waitingCount = 0
  let putBackQueue: Sequence[] = []
  let loading = false
  let order = 0
  /** The iterations at hand: `count` of one batch from `startMs` on; none where `timer` is undefined. */
  let timer: Timer | undefined
  let startMs = 0
  let count = 0
  let reads = false
  let firstMs = 0
  let growMs = 0
  let scheduled = false
  const stats = {
    iterations: 0,
    busyMs: 0,
    prefillTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    putBack: 0,
    recomputedTokens: 0,
    loads: 0,
    sequencesMost: 0,
    kvTokensMost: 0,
  }

  /** How long the first `n` of the iterations at hand take: each reads one token more of each sequence. */
  const lastsMs = (n: number): number => n * firstMs + (growMs * n * (n - 1)) / 2

  function submit(job: Job): () => Taken {
    if (job.promptTokens + job.outputTokens > config.kvTokens)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `a job of ${job.promptTokens} + ${job.outputTokens} tokens has no room in a memory of ${config.kvTokens}`,
      )
    const one: Sequence = {
      job,
      state: 'waiting',
      computed: 0,
      goal: job.promptTokens,
      written: 0,
      read: 0,
      cached: 0,
      chunk: 0,
      shared: [],
      own: 0,
      tellAt: job.deltaTokens === undefined ? Infinity : 1,
    }
    waiting.push(one)
    waitingCount++
    if (timer === undefined) soon()
    else if (running.length < config.sequencesMax) shorten()
    return () => cancel(one)
  }

  /** Jobs of one moment begin together: the first iteration waits until all that comes now has come. */
  function soon(): void {
    if (scheduled) return
    scheduled = true
    clock.after(0, () => {
      scheduled = false
      if (timer === undefined) iterate()
    })
  }

  /** The iteration that runs now is the last of this batch: something has changed. */
  function shorten(): void {
    if (timer === undefined || count === 1) return
    const sinceMs = clock.now() - startMs
    // The smallest n with lastsMs(n) ≥ sinceMs; one more where rounding left it behind.
    let n =
      growMs === 0
        ? Math.ceil(sinceMs / firstMs)
        : Math.ceil((growMs / 2 - firstMs + Math.sqrt((firstMs - growMs / 2) ** 2 + 2 * growMs * sinceMs)) / growMs)
    n = Math.max(1, Math.min(count, n))
    while (n > 1 && lastsMs(n - 1) >= sinceMs) n--
    while (n < count && lastsMs(n) < sinceMs) n++
    if (n === count) return
    count = n
    timer.cancel()
    timer = clock.after(startMs + lastsMs(n) - clock.now(), finish)
  }

  function cancel(one: Sequence): Taken {
    const taken = { inputTokens: one.read, cachedTokens: one.cached, outputTokens: one.written }
    if (one.state === 'running') {
      const sinceMs = clock.now() - startMs
      let steps = 0
      if (timer !== undefined && !reads) while (steps + 1 < count && lastsMs(steps + 1) <= sinceMs) steps++
      taken.outputTokens += steps
      // The iteration at hand goes to its end for it too; then the batch goes on without it.
      shorten()
    } else if (one.state === 'waiting') {
      waitingCount--
      // It may have been what the others stood behind.
      if (timer === undefined) soon()
      else shorten()
    }
    one.state = 'ended'
    return taken
  }

  function drop(one: Sequence): void {
    running.splice(running.indexOf(one), 1)
    memory.release(one)
    const resident = residents.get(one.job.model)
    if (resident !== undefined) {
      resident.running--
      resident.usedAt = order++
    }
  }

  // -------------------------------------------------------------------------------------------------------- iterations

  /** Puts the next batch together and lets it run as long as it stays the same. */
  function iterate(): void {
    for (const one of running.filter(({ state }) => state === 'ended')) drop(one)
    const putBackBefore = stats.putBack
    const models = new Set<string>()
    let budget = config.batchTokensMax
    let [context, writers, prompt] = [0, 0, 0]
    for (let i = 0; i < running.length; i++) {
      const one = running[i] as Sequence
      if (one.computed < one.goal) continue
      // Who is put back to make room stands last: none before it moves.
      if (!keepRoom(one)) break
      budget--
      writers++
    }
    for (const one of running) if (one.computed < one.goal) take(one)
    // Who was just put back would take the room away again.
    while (stats.putBack === putBackBefore && running.length < config.sequencesMax && budget > 0) {
      const next = admit()
      if (next === undefined) break
      take(next)
    }
    function take(one: Sequence): void {
      one.chunk = Math.min(budget, one.goal - one.computed)
      budget -= one.chunk
      prompt += one.chunk
    }
    if (running.length === 0) return
    let steps = prompt > 0 ? 1 : Infinity
    for (const one of running) {
      const isReading = one.computed < one.goal
      if (isReading && one.chunk === 0) continue
      models.add(one.job.model)
      context += one.computed
      if (!isReading) steps = Math.min(steps, one.job.outputTokens - one.written, one.tellAt - one.written)
    }
    reads = prompt > 0
    // Who waits for a load or for memory is looked at when somebody ends, and after the iteration for which somebody was put
    // back; who finds a free place comes in after this iteration.
    count = reads || stats.putBack !== putBackBefore ? 1 : Math.max(1, roomFor(steps))
    firstMs =
      models.size * config.iterationMs +
      prompt * config.prefillTokenMs +
      writers * config.decodeSequenceMs +
      context * config.contextTokenMs
    growMs = reads ? 0 : writers * config.contextTokenMs
    startMs = clock.now()
    stats.sequencesMost = Math.max(stats.sequencesMost, running.length)
    timer = clock.after(lastsMs(count), finish)
  }

  /** The largest number of iterations up to `most` for which memory has room for what is written. */
  function roomFor(most: number): number {
    const fits = (steps: number): boolean => {
      let wanted = 0
      for (const one of running) wanted += blocksOf(one.computed + steps) - one.shared.length - one.own
      return wanted <= memory.room()
    }
    if (fits(most)) return most
    let [low, high] = [1, most]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (fits(middle)) low = middle
      else high = middle
    }
    return low
  }

  /** Room for one token more of a sequence that writes, at the cost of the youngest; false where that was itself. */
  function keepRoom(one: Sequence): boolean {
    for (;;) {
      const wanted = blocksOf(one.computed + 1) - one.shared.length - one.own
      if (wanted <= 0 || memory.take(one, wanted)) return true
      const youngest = running.at(-1) as Sequence
      putBack(youngest)
      if (youngest === one) return false
    }
  }

  function putBack(one: Sequence): void {
    drop(one)
    stats.putBack++
    one.state = 'waiting'
    // Who writes reads the token that was written last again, too, which would have been computed with the next.
    stats.recomputedTokens += one.computed < one.goal ? one.computed : one.job.promptTokens + one.written
    one.goal = one.job.promptTokens + one.written
    one.computed = 0
    putBackQueue.push(one)
    waitingCount++
  }

  /** The next that waits, into the batch; undefined where nobody waits, or the first cannot come yet. */
  function admit(): Sequence | undefined {
    for (;;) {
      const one = putBackQueue.at(-1) ?? waiting[waitingFrom]
      if (one === undefined) return undefined
      if (one.state === 'ended') {
        leaveQueue(one)
        continue
      }
      const resident = reside(one.job.model)
      if (resident === undefined) return undefined
      if (config.readTogether && isBeingRead(one)) return undefined
      if (!memory.begin(one, one.goal, running.length === 0)) return undefined
      leaveQueue(one)
      waitingCount--
      one.state = 'running'
      const cached = one.computed
      if (one.written === 0) {
        one.cached = cached
        one.read = cached
        stats.cachedTokens += cached
      } else stats.recomputedTokens -= cached
      resident.running++
      resident.usedAt = order++
      running.push(one)
      return one
    }
  }

  /** Whether somebody in the batch reads the block that this one would have to begin with. */
  function isBeingRead({ job }: Sequence): boolean {
    const first = memory.found(job.blocks)
    const next = job.blocks[first]
    if (next === undefined || (first + 1) * BLOCK_TOKENS > job.promptTokens - 1) return false
    const wanted = (first + 1) * BLOCK_TOKENS
    return running.some((other) => other.computed < wanted && other.goal >= wanted && other.job.blocks[first] === next)
  }

  function leaveQueue(one: Sequence): void {
    if (putBackQueue.at(-1) === one) putBackQueue.pop()
    else waitingFrom++
    if (waitingFrom > 1_024 && waitingFrom * 2 > waiting.length) {
      waiting = waiting.slice(waitingFrom)
      waitingFrom = 0
    }
  }

  /** The weights of a model, if they are there; otherwise sees to it that they come. */
  function reside(model: string): Resident | undefined {
    const found = residents.get(model)
    if (found !== undefined) return found.state === 'ready' ? found : undefined
    if (config.residentMax === Infinity) {
      const ready: Resident = { model, state: 'ready', running: 0, usedAt: order++ }
      residents.set(model, ready)
      return ready
    }
    if (loading) return undefined
    if (residents.size >= config.residentMax) {
      let oldest: Resident | undefined
      for (const one of residents.values())
        if (one.running === 0 && (oldest === undefined || one.usedAt < oldest.usedAt)) oldest = one
      if (oldest === undefined) return undefined
      residents.delete(oldest.model)
      memory.forget(oldest.model)
    }
    const coming: Resident = { model, state: 'loading', running: 0, usedAt: order++ }
    residents.set(model, coming)
    loading = true
    stats.loads++
    clock.after(config.loadMs, () => {
      loading = false
      coming.state = 'ready'
      coming.usedAt = order++
      if (timer === undefined) soon()
      else shorten()
    })
    return undefined
  }

  /** The iterations at hand are over. */
  function finish(): void {
    timer = undefined
    const steps = count
    settle(steps)
    const ended: Sequence[] = []
    const told: Sequence[] = []
    for (const one of running) {
      if (one.state === 'ended') continue
      if (one.computed >= one.goal && one.written >= one.job.outputTokens) ended.push(one)
      else if (one.written >= one.tellAt) told.push(one)
    }
    for (const one of ended) {
      memory.keep(one, one.computed)
      drop(one)
      one.state = 'ended'
    }
    for (const one of told) {
      one.tellAt = one.written + (one.job.deltaTokens as number)
      one.job.onTokens?.(one.written)
    }
    for (const one of ended)
      one.job.onDone({ inputTokens: one.read, cachedTokens: one.cached, outputTokens: one.written })
    // Whoever is told may come back at once with the next call: it is to find its place in the next iteration.
    if (running.length === 0 && waitingCount === 0) return
    if (ended.length > 0) soon()
    else iterate()
  }

  /** Counts the first `steps` of the iterations at hand as done. */
  function settle(steps: number): void {
    if (steps === 0) return
    stats.iterations += steps
    stats.busyMs += lastsMs(steps)
    for (const one of running) {
      if (one.computed < one.goal) {
        if (one.chunk === 0) continue
        one.computed += one.chunk
        stats.prefillTokens += one.chunk
        one.read = Math.max(one.read, Math.min(one.computed, one.job.promptTokens))
        one.chunk = 0
        memory.keep(one, one.computed)
        if (one.computed >= one.goal && one.written < one.job.outputTokens) {
          one.written++
          stats.outputTokens++
        }
      } else {
        const wanted = blocksOf(one.computed + steps) - one.shared.length - one.own
        if (wanted > 0) memory.take(one, wanted)
        one.computed += steps
        one.written += steps
        stats.outputTokens += steps
      }
    }
    stats.kvTokensMost = Math.max(stats.kvTokensMost, memory.used() * BLOCK_TOKENS)
  }

  return {
    sequencesMax: config.sequencesMax,
    kvTokens: config.kvTokens,
    residentMax: config.residentMax,
    submit,
    stats: () => ({ ...stats, running: running.length, waiting: waitingCount }),
  }
}

function blocksOf(tokens: number): number {
  return Math.ceil(tokens / BLOCK_TOKENS)
}

// ------------------------------------------------------------------------------------------------------------- memory

interface BlockMemory {
  /**
   * Blocks for the first `tokens` of a sequence, those in the cache shared; sets what is computed. False: no room. Unless it
   * is `alone`, a hundredth of the memory is left for those who write (vLLM's watermark).
   */
  begin(one: Sequence, tokens: number, alone: boolean): boolean
  /** So many blocks more. False: no room, nothing taken. */
  take(one: Sequence, blocks: number): boolean
  /** Its whole blocks among the first `computed` tokens can be found by others from now on. */
  keep(one: Sequence, computed: number): void
  release(one: Sequence): void
  /** How many of the first of these blocks are there. */
  found(blocks: readonly number[]): number
  /** Blocks of a model whose weights are gone. */
  forget(model: string): void
  /** Blocks that are free or that nobody uses. */
  room(): number
  /** Blocks in use. */
  used(): number
}

function blockMemory(blocksMax: number, isCaching: boolean): BlockMemory {
  /** Blocks that can be found, by hash. */
  const found = new Map<number, { readonly model: string; users: number }>()
  /** Of these, those without users, the least recently used first. */
  const idle = new Set<number>()
  let own = 0
  const watermark = Math.ceil(blocksMax / 100)
  const room = (): number => blocksMax - own - found.size + idle.size
  const makeRoom = (blocks: number): void => {
    for (const hash of idle) {
      if (blocksMax - own - found.size >= blocks) return
      idle.delete(hash)
      found.delete(hash)
    }
  }
  return {
    room,
    used: () => blocksMax - room(),
    begin(one, tokens, alone) {
      const { blocks } = one.job
      // The last token is always computed: without it there is nothing to write the next one from.
      const most = isCaching ? Math.min(blocks.length, Math.floor((tokens - 1) / BLOCK_TOKENS)) : 0
      let hits = 0
      let fromIdle = 0
      while (hits < most && found.has(blocks[hits] as number)) if (idle.has(blocks[hits++] as number)) fromIdle++
      const wanted = blocksOf(tokens) - hits
      if (wanted > room() - fromIdle - (alone ? 0 : watermark)) return false
      for (let i = 0; i < hits; i++) {
        const hash = blocks[i] as number
        ;(found.get(hash) as { users: number }).users++
        idle.delete(hash)
        one.shared.push(hash)
      }
      makeRoom(wanted)
      own += wanted
      one.own = wanted
      one.computed = hits * BLOCK_TOKENS
      return true
    },
    take(one, blocks) {
      if (blocks > room()) return false
      makeRoom(blocks)
      own += blocks
      one.own += blocks
      return true
    },
    keep(one, computed) {
      if (!isCaching) return
      const whole = Math.min(one.job.blocks.length, Math.floor(computed / BLOCK_TOKENS))
      for (let i = one.shared.length; i < whole; i++) {
        const hash = one.job.blocks[i] as number
        const same = found.get(hash)
        // Two that read the same at the same time end with one block.
        if (same === undefined) found.set(hash, { model: one.job.model, users: 1 })
        else if (same.users++ === 0) idle.delete(hash)
        one.shared.push(hash)
        one.own--
        own--
      }
    },
    release(one) {
      own -= one.own
      one.own = 0
      for (let i = one.shared.length - 1; i >= 0; i--) {
        const hash = one.shared[i] as number
        const block = found.get(hash) as { users: number }
        if (--block.users === 0) idle.add(hash)
      }
      one.shared = []
    },
    found(blocks) {
      let hits = 0
      while (hits < blocks.length && found.has(blocks[hits] as number)) hits++
      return hits
    },
    forget(model) {
      for (const hash of idle) {
        if (found.get(hash)?.model !== model) continue
        idle.delete(hash)
        found.delete(hash)
      }
    },
  }
}

function checked(options: MachineOptions) {
  const config = {
    batchTokensMax: 512,
    contextTokenMs: 0,
    prefixCache: true,
    readTogether: false,
    residentMax: Infinity,
    loadMs: 0,
    ...options,
    kvTokens: Math.floor(options.kvTokens / BLOCK_TOKENS) * BLOCK_TOKENS,
  }
  const least = {
    sequencesMax: 1,
    batchTokensMax: config.sequencesMax,
    iterationMs: 0,
    prefillTokenMs: 0,
    decodeSequenceMs: 0,
    contextTokenMs: 0,
    kvTokens: BLOCK_TOKENS,
    residentMax: 1,
    loadMs: 0,
  }
  for (const [name, min] of Object.entries(least)) {
    const value = config[name as keyof typeof least]
    if (!(value >= min)) throw new PolityError('INVALID_ARGUMENT', `${name} must be at least ${min}, got ${value}`)
  }
  if (!(config.iterationMs + config.decodeSequenceMs > 0 && config.iterationMs + config.prefillTokenMs > 0))
    throw new PolityError('INVALID_ARGUMENT', 'an iteration must take time: give iterationMs, or the other two')
  return config
}
