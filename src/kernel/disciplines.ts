/**
 * Scheduling disciplines: which waiting call goes next on a core.
 *
 * A discipline gives each call a key when it arrives: of the calls of one flow the smallest goes first, equal keys in order
 * of arrival. Most know one flow only. Two are fair between flows, principals or processes: a flow has a counter of what it
 * was served, and the flow with the smallest counter goes first. The queue (queue.ts) keeps heaps of both, so a choice
 * costs O(log n).
 *
 * To write one: return a key, and a `fair` where flows are to be equal; nothing else knows which discipline runs.
 */

/** A call that waits for a core, as a discipline sees it. */
export interface WaitingCall {
  readonly pid: number
  readonly principal: string
  readonly priority: number
  /** When the process was spawned, ms. */
  readonly spawnedAt: number
  /** When the call arrived, ms. */
  readonly arrivedAt: number
  /** When the answer is no longer worth having, ms; Infinity where nobody said. */
  readonly deadlineAt: number
  /** Whether a model call of the process, or of a descendant, has been answered. */
  readonly started: boolean
  /** Tokens reserved for it. */
  readonly tokens: number
}

/** Gives waiting calls their places. */
export interface Discipline {
  readonly name: DisciplineName
  /** Its place in its flow: the smallest goes first. Given once, when the call arrives. */
  key(call: WaitingCall): number
  /** When a call is too late, ms: from then on it stands behind those of its flow that are not. Absent: never. */
  lateAt?(call: WaitingCall): number
  /** Whether a smaller key takes the core away in the middle of a generation, where the driver can go on later. @default false */
  readonly preempts?: boolean
  /** How flows share the core. Absent: all calls are one flow. */
  readonly fair?: Fairness
}

/** Equal service, by weight, to all flows that have calls waiting. */
export interface Fairness {
  flowOf(call: WaitingCall): string
  /** What the call is charged when it gets the core. */
  costOf(call: WaitingCall): number
  /** What it is charged in the end; `tokens` is what it took in truth, 0 where it was not served. */
  tookOf(call: WaitingCall, tokens: number): number
  /** Share of the flow, above 0. */
  weightOf(flow: string): number
}

/** The disciplines that there are. */
export const disciplineNames = [
  'fifo',
  'round-robin',
  'priority',
  'fair-share',
  'deadline',
  'attained-service',
] as const
/** One of them. */
export type DisciplineName = (typeof disciplineNames)[number]

/** What disciplines can be told. */
export interface DisciplineOptions {
  /** `priority`: waiting this long weighs as much as one step of priority, ms. @default 10,000 */
  readonly ageMs?: number
  /** `fair-share`: share of each principal; who is not named has 1. */
  readonly weights?: { readonly [principal: string]: number }
  /** `fair-share`: in which order the calls of one principal go. @default 'attained-service' */
  readonly within?: 'fifo' | 'priority' | 'deadline' | 'attained-service'
  /**
   * `fair-share`: the part of the slots, requests and tokens of a core that no single principal may hold while another has
   * called in the last ten minutes (quotas.ts). From 0 to 0.5; it may stand idle. @default 0
   */
  readonly reserve?: number
}

/** A discipline by its name. */
export function createDiscipline(name: DisciplineName, options: DisciplineOptions = {}): Discipline {
  switch (name) {
    case 'fifo':
      return { name, key: () => 0 }
    case 'priority':
      // Everybody ages at the same speed, so the order of two calls never changes and can be fixed on arrival.
      return { name, preempts: true, key: (call) => call.arrivedAt - call.priority * (options.ageMs ?? 10_000) }
    case 'deadline':
      // Earliest deadline first. Who has missed it makes nobody else miss theirs: of calls of equal length, as many are in
      // time as can be (Glover 1967, "Maximum matching in a convex bipartite graph").
      return { name, preempts: true, key: (call) => call.deadlineAt, lateAt: (call) => call.deadlineAt }
    case 'attained-service':
      // Who has started goes first, the oldest process before the younger ones: runs end instead of all ageing together.
      return { name, key: (call) => (call.started ? call.spawnedAt : call.arrivedAt + NOT_STARTED_MS) }
    case 'round-robin':
      return {
        name,
        key: () => 0,
        fair: {
          flowOf: (call) => `${call.pid}`,
          costOf: () => 1,
          tookOf: (_, tokens) => (tokens === 0 ? 0 : 1),
          weightOf: () => 1,
        },
      }
    case 'fair-share': {
      const { key, lateAt } = createDiscipline(options.within ?? 'attained-service', options)
      return {
        name,
        key,
        ...(lateAt === undefined ? {} : { lateAt }),
        fair: {
          flowOf: (call) => call.principal,
          costOf: (call) => call.tokens,
          tookOf: (_, tokens) => tokens,
          weightOf: (principal) => options.weights?.[principal] ?? 1,
        },
      }
    }
  }
}

/** Larger than any time in ms this side of the year 5000: keeps the two classes of `attained-service` apart. */
const NOT_STARTED_MS = 1e14
