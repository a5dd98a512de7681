/**
 * Scheduling disciplines: which waiting call goes next on a core.
 *
 * A discipline gives each call a key when it arrives; the smallest key goes first, equal keys in order of arrival. All six
 * keep their order once given (ageing moves everybody at the same speed), so a heap holds the queue and a choice costs
 * O(log n). `served` tells the discipline what a call really took.
 *
 * To write one: return an object of three functions; nothing else knows which discipline runs.
 */
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
  /** Whether the process had a model call before. */
  readonly started: boolean
  /** Tokens reserved for it. */
  readonly tokens: number
}

/** Gives waiting calls their places: the smallest key goes first. */
export interface Discipline {
  readonly name: DisciplineName
  key(call: WaitingCall): number
  /** A call was given the core. */
  admitted(call: WaitingCall, key: number): void
  /** It took `tokens` in truth; 0 where it left without having been served. */
  served(call: WaitingCall, tokens: number): void
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
}

/** A discipline by its name, for one core: it may keep sums of its own. */
export function createDiscipline(name: DisciplineName, options: DisciplineOptions = {}): Discipline {
  switch (name) {
    case 'fifo':
      return keyed(name, () => 0)
    case 'priority':
      return keyed(name, (call) => call.arrivedAt - call.priority * (options.ageMs ?? 10_000))
    case 'deadline':
      return keyed(name, (call) => call.deadlineAt)
    case 'attained-service':
      // Who has started goes first, the oldest process before the younger ones: runs end instead of all ageing together.
      return keyed(name, (call) => (call.started ? call.spawnedAt : call.arrivedAt + NOT_STARTED_MS))
    case 'round-robin':
      return virtualTime(
        name,
        (call) => `${call.pid}`,
        () => 1,
        () => 1,
      )
    case 'fair-share':
      return virtualTime(
        name,
        (call) => call.principal,
        (call) => call.tokens,
        (principal) => options.weights?.[principal] ?? 1,
      )
  }
}

/** Larger than any time in ms this side of the year 5000: keeps the two classes of `attained-service` apart. */
const NOT_STARTED_MS = 1e14

function keyed(name: DisciplineName, key: (call: WaitingCall) => number): Discipline {
  return { name, key, admitted: () => {}, served: () => {} }
}

/**
 * Start-time fair queueing (Goyal, Vin, Cheng 1996, "Start-time fair queueing", section 2): a call's start tag is the
 * later of the virtual time and its flow's last finish tag; the virtual time is the start tag of the call last given the
 * core. The finish tag is mended by the true cost, as the virtual token counter does (Sheng et al. 2024, "Fairness in
 * serving large language models", section 4).
 */
function virtualTime(
  name: DisciplineName,
  flowOf: (call: WaitingCall) => string,
  costOf: (call: WaitingCall) => number,
  weightOf: (flow: string) => number,
): Discipline {
  const finish = new Map<string, number>()
  let now = 0
  let swept = FLOWS_SWEEP
  return {
    name,
    key(call) {
      const flow = flowOf(call)
      const start = Math.max(now, finish.get(flow) ?? 0)
      finish.set(flow, start + costOf(call) / weightOf(flow))
      return start
    },
    admitted(_call, key) {
      now = Math.max(now, key)
      // A flow whose last finish tag lies in the past is as if it had never been; forgetting it bounds the map.
      if (finish.size > 2 * swept) {
        for (const [flow, tag] of finish) if (tag <= now) finish.delete(flow)
        swept = Math.max(FLOWS_SWEEP, finish.size)
      }
    },
    served(call, tokens) {
      const took = name === 'fair-share' || tokens === 0 ? tokens : costOf(call)
      if (took === costOf(call)) return
      const flow = flowOf(call)
      const tag = finish.get(flow)
      if (tag !== undefined) finish.set(flow, tag + (took - costOf(call)) / weightOf(flow))
    },
  }
}

/** Flows remembered before the first sweep. */
const FLOWS_SWEEP = 4_096
