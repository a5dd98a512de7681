/**
 * Runs whose processes come one by one, as the requests of a client do: where each stands before the law, kept from the end
 * of one process to the start of the next. It is kept here, and not in the journal of the last process: that goes one day.
 *
 *     const runs = createNamedRuns()
 *     const run = runs.enter('ada', 'invoices-42')                 // throws LIMIT_EXCEEDED
 *     const process = kernel.spawn(program, input, run.options())
 *     await process.result.finally(() => run.ended(process.standing))
 *     run.left()
 *
 * Invariants
 *   RU1. What a process has learned, the processes of its run that begin after its end have learned too: no label is lost,
 *        also where they ran side by side. Of those, the one that ended last is the one behind which the next stands
 *        (temporal rules, what fires once).
 *   RU2. Runs that were made with one set of labels have learned the same, whichever of them learned it.
 *   RU3. A name is forgotten only where nothing of its run is under way and the law knows nothing of it that would be lost.
 *        Where a principal has RUNS_MAX others, a new one is refused. No principal's runs take the room of another's.
 */
import { PolityError } from '../kernel/errors.ts'
import { isClean } from '../kernel/process.ts'
import type { RunOptions, Standing } from '../kernel/types.ts'

export interface RunStanding {
  /** Of its next process. */
  options(): Pick<RunOptions, 'after'>
  /** A request or a process of it is under way, until `left`. */
  began(): void
  left(): void
  /** Does the work once all that was given here before is over. */
  inTurn<T>(work: () => Promise<T>): Promise<T>
  /** A process of it has ended, or stopped, and stood there. */
  ended(standing: Standing): void
  /** The client was shown something with these labels. */
  learned(labels: readonly string[]): void
}

export interface NamedRuns {
  /** The run that a principal calls so; a request of it is under way until `left`. `labels`: see `createStanding`. Throws `LIMIT_EXCEEDED`. */
  enter(principal: string, name: string, labels?: Set<string>): RunStanding
}

/** Names of one principal that are remembered. */
const RUNS_MAX = 10_000
const NOTHING: Standing = Object.freeze({ fired: [], trace: [], labels: [] })

/**
 * A run of its own. `labels`: what is known already, and where what is learned is kept; whoever gives them keeps them.
 * `forget` is called when nothing is under way and all that the law knows is in labels that were given.
 */
export function createStanding(given?: Set<string>, forget: () => void = () => {}): RunStanding {
  const labels = given ?? new Set<string>()
  /** Where the last process stood. */
  let last = NOTHING
  let openCount = 0
  /** Settles once what was given to `inTurn` is over. */
  let turn: Promise<unknown> = Promise.resolve()

  function learned(more: readonly string[]): void {
    for (const label of more) labels.add(label)
  }

  return {
    options() {
      const after = { ...last, labels: [...labels] }
      return isClean(after) ? {} : { after }
    },
    began() {
      openCount++
    },
    left() {
      openCount--
      if (openCount === 0 && isClean({ ...last, labels: given === undefined ? [...labels] : [] })) forget()
    },
    inTurn(work) {
      const done = turn.then(work)
      turn = done.catch(() => {})
      return done
    },
    ended(standing) {
      learned(standing.labels)
      last = standing
    },
    learned,
  }
}

export function createNamedRuns(): NamedRuns {
  const runs = new Map<string, Map<string, RunStanding>>()
  return {
    enter(principal, name, labels) {
      const own = runs.get(principal) ?? new Map<string, RunStanding>()
      if (!own.has(name) && own.size >= RUNS_MAX)
        throw new PolityError(
          'LIMIT_EXCEEDED',
          `the server remembers ${RUNS_MAX} runs of ${principal}, its limit; go on with a known one`,
        )
      const run =
        own.get(name) ??
        createStanding(labels, () => {
          own.delete(name)
          if (own.size === 0) runs.delete(principal)
        })
      runs.set(principal, own.set(name, run))
      run.began()
      return run
    },
  }
}
