/**
 * Residency: cores that share a machine on which not all of their models have room at once.
 *
 *     const residency = createResidency(2, 60_000)     // room for two; a turn of a minute
 *     residency.join(core)
 *     for (const next of residency.settle(now)) …      // these may be given calls now and could not before
 *     residency.serves(core)                           // whether it may be given calls
 *
 * A load costs seconds, so calls are batched by model: a core that is in serves all that waits for it, also what comes
 * meanwhile, and goes when nothing of it is left and somebody outside waits. Of those outside the one with the most calls
 * waiting comes first, which is the most work for a load. So that nobody waits for ever behind a model that always has
 * work, a core may be asked to go once its turn is over and somebody outside has waited as long: it is given no more
 * calls, and goes when those in flight have ended. Grouping the calls of all questions by expert is what Symbolic-MoE does
 * (Chen et al. 2025, section 3.4, "batch inference"), there for a batch that is known beforehand.
 *
 * Invariants
 *   N1. At most `roomMax` cores are in. A core goes only when nothing of it is in flight.
 *   N2. While somebody outside waits, no core stays in that has neither calls in flight nor calls waiting.
 *   N3. Who waits outside comes in after at most ⌈others / roomMax⌉ turns, and the time that calls in flight take at the
 *       end of each: who has waited for a turn goes before all who have not, the longest first, and who is in goes after a
 *       turn. (`others`: cores outside that have waited longer.)
 * Test: test/residency.test.ts.
 */

/** A core, as far as this file looks at it. */
export interface Tenant {
  readonly queue: { readonly waiting: number }
  readonly inFlight: number
  readonly stats: { loads: number }
}

/** Who is in. */
export interface Residency<Core extends Tenant> {
  join(core: Core): void
  serves(core: Core): boolean
  /** Lets in whom there is room for, sends out who is to go; returns those that may be given calls now. */
  settle(now: number): readonly Core[]
  /** The core outside that waits longest, and when `settle` has something to do even if nothing happens until then. */
  next(): { readonly core: Core; readonly at: number } | undefined
}

/** Room for so many cores, who stay for at least a turn while they have work. */
export function createResidency<Core extends Tenant>(roomMax: number, turnMs: number): Residency<Core> {
  const members = new Set<Core>()
  /** The least lately let in first. */
  const inside = new Map<Core, { readonly since: number; isLeaving: boolean }>()
  /** Since when somebody waits for a core that is not in; the longest first. */
  const outside = new Map<Core, number>()

  function lookOutside(now: number): void {
    for (const core of members) {
      if (inside.has(core) || core.queue.waiting === 0) outside.delete(core)
      else if (!outside.has(core)) outside.set(core, now)
    }
  }

  /** Who comes in first: who has waited for a turn, else who has the most calls. */
  function first(now: number): { core: Core; isOverdue: boolean } | undefined {
    let most: Core | undefined
    for (const [core, since] of outside) {
      if (since + turnMs <= now) return { core, isOverdue: true }
      if (most === undefined || core.queue.waiting > most.queue.waiting) most = core
    }
    return most === undefined ? undefined : { core: most, isOverdue: false }
  }

  /** Who can go: who was asked to, else who has no work, the least lately let in first. */
  function whoGoes(): Core | undefined {
    let idle: Core | undefined
    for (const [core, { isLeaving }] of inside) {
      if (core.inFlight > 0) continue
      if (isLeaving) return core
      if (core.queue.waiting === 0) idle ??= core
    }
    return idle
  }

  /** Asks the one who has been in longest to go, if its turn is over and nobody goes yet. */
  function ask(now: number): boolean {
    for (const { isLeaving } of inside.values()) if (isLeaving) return false
    for (const state of inside.values()) {
      if (state.since + turnMs > now) return false
      state.isLeaving = true
      return true
    }
    return false
  }

  return {
    join: (core) => void members.add(core),
    serves: (core) => inside.get(core)?.isLeaving === false,
    settle(now) {
      const opened: Core[] = []
      lookOutside(now)
      for (;;) {
        const next = first(now)
        if (next === undefined) {
          for (const [core, state] of inside) {
            if (state.isLeaving) opened.push(core)
            state.isLeaving = false
          }
          return opened
        }
        if (inside.size >= roomMax) {
          const gone = whoGoes()
          if (gone === undefined) {
            if (next.isOverdue && ask(now) && whoGoes() !== undefined) continue
            return opened
          }
          inside.delete(gone)
          if (gone.queue.waiting > 0) outside.set(gone, now)
        }
        outside.delete(next.core)
        inside.set(next.core, { since: now, isLeaving: false })
        next.core.stats.loads++
        opened.push(next.core)
      }
    },
    next() {
      const longest = outside.entries().next().value
      if (longest === undefined) return undefined
      let at = Infinity
      for (const { since, isLeaving } of inside.values()) {
        if (isLeaving) return undefined
        at = Math.min(at, since + turnMs)
      }
      return { core: longest[0], at: Math.max(at, longest[1] + turnMs) }
    },
  }
}
