/**
 * Following a run as the people on the other side of a protocol see it: what happens in it and below it, and which of its
 * questions wait for a person, until it ends.
 *
 *     const following = createFollowing(kernel)
 *     for await (const step of following.follow(run.pid, signal)) …
 *
 * Used by the doors that speak an agent's protocol (a2a/, agui.ts, mcp/, the ACP agent). Whether a caller may see the
 * process is asked before (view.ts).
 *
 * Invariants
 *   FO1. From the first step on nothing of the journal is missed within STEPS_MAX; text is merged while nobody reads.
 *   FO2. A call that asks comes before its question, and is kept before that is told. So is the answer to another one, where
 *        a question is told that is left or new behind it.
 *   FO3. Who stops reading leaves nothing behind for longer than the process does nothing.
 */
import type { Clock } from '../kernel/clock.ts'
import { realClock } from '../kernel/clock.ts'
import { PolityError } from '../kernel/errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Pid, Question, RunEvent } from '../kernel/types.ts'

/** Something happened, or other questions wait than before. */
export type Step = RunEvent | { readonly type: 'questions'; readonly questions: readonly Question[] }

export interface Following {
  /** Begins with the questions that wait, be it none. Ends with the process, when it is stopped, and with the signal. */
  follow(pid: Pid, signal: AbortSignal): AsyncGenerator<Step, void, undefined>
}

/** A reader that is further behind loses the oldest. */
const STEPS_MAX = 10_000
/** A question that is asked anew after a restart is no event of the journal; it is looked for ever less often, ms. */
const LOOK_MS = 20
const LOOK_MS_MAX = 1_000

interface Reader {
  readonly steps: RunEvent[]
  wake: (() => void) | undefined
  over: boolean
}

export function createFollowing(kernel: Kernel, clock: Clock = realClock()): Following {
  /** Those who follow a process share one queue of the kernel, which goes with the first event that nobody reads. */
  const readers = new Map<Pid, Set<Reader>>()

  function join(pid: Pid): Reader {
    const reader: Reader = { steps: [], wake: undefined, over: false }
    const others = readers.get(pid)
    if (others !== undefined) {
      others.add(reader)
      return reader
    }
    const { events } = kernel.run(pid)
    const all = new Set([reader])
    readers.set(pid, all)
    const tell = (): void => {
      for (const one of all) one.wake?.()
    }
    void (async () => {
      try {
        for await (const event of events) {
          for (const one of all) push(one.steps, event)
          tell()
          if (all.size > 0) continue
          // Before this one is given up: who comes now begins another.
          readers.delete(pid)
          return
        }
      } finally {
        if (readers.get(pid) === all) readers.delete(pid)
        for (const one of all) one.over = true
        tell()
      }
    })()
    return reader
  }

  async function* follow(pid: Pid, signal: AbortSignal): AsyncGenerator<Step, void, undefined> {
    const reader = join(pid)
    const wake = (): void => reader.wake?.()
    signal.addEventListener('abort', wake, { once: true })
    /** Ids of the questions that were told last. */
    let told: readonly number[] | undefined
    /** Ids of the questions that waited when all that had been done was kept, and was in the queue. */
    let settled: readonly number[] = []
    let lookMs = LOOK_MS
    try {
      while (!signal.aborted) {
        const step = told === undefined ? undefined : reader.steps.shift()
        if (step !== undefined) {
          yield step
          continue
        }
        const questions = questionsOf(kernel, pid)
        const ids = questions.map(({ id }) => id)
        if (told === undefined || !isSame(ids, told)) {
          // What made them others may be on its way to the store, and from there to here.
          if (!reader.over && !isSame(ids, settled)) {
            await kernel.flush()
            await new Promise<void>((resolve) => clock.yield(resolve))
            settled = ids
            continue
          }
          told = ids
          yield { type: 'questions', questions }
          continue
        }
        if (reader.over) return
        await new Promise<void>((resolve) => {
          const timer = clock.after(lookMs, resolve)
          timer.hold(false)
          reader.wake = () => {
            timer.cancel()
            resolve()
          }
        })
        reader.wake = undefined
        lookMs = Math.min(lookMs * 2, LOOK_MS_MAX)
      }
    } finally {
      signal.removeEventListener('abort', wake)
      readers.get(pid)?.delete(reader)
    }
  }

  return { follow }
}

function isSame(some: readonly number[], others: readonly number[]): boolean {
  return some.length === others.length && some.every((one, i) => one === others[i])
}

/** The questions of a process and its descendants that wait for a person, the oldest first. */
export function questionsOf(kernel: Kernel, pid: Pid): readonly Question[] {
  return kernel.questions.filter((question) => isWithin(kernel, question.pid, pid))
}

/** Whether a process is that one, or below it. */
export function isWithin(kernel: Kernel, pid: Pid, root: Pid): boolean {
  try {
    for (let at: Pid | null = pid; at !== null; at = kernel.info(at).parent) if (at === root) return true
  } catch (error) {
    if (!PolityError.isInstance(error) || error.code !== 'NO_SUCH_PROCESS') throw error
  }
  return false
}

function push(steps: RunEvent[], event: RunEvent): void {
  const last = steps.at(-1)
  if (event.type === 'text-delta' && last?.type === 'text-delta' && last.pid === event.pid && last.n === event.n) {
    steps[steps.length - 1] = { ...event, delta: last.delta + event.delta }
    return
  }
  if (steps.length >= STEPS_MAX) steps.shift()
  steps.push(event)
}
