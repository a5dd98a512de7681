/**
 * The queue of a core: the calls that wait for it, in the order of its discipline, and what each flow was served.
 *
 *     const queue = createQueue(discipline, () => clock.now())
 *     const place = queue.push(call)
 *     queue.first()?.call               // whose turn it is
 *     queue.take(place)                 // the core is given to it
 *     queue.charge(call)                // instead of push and take, where nobody waits
 *     queue.leave(place)                // it waits no longer
 *     queue.settle(call, tokens)        // what it took in truth, once after take or charge
 *
 * Fair disciplines follow the virtual token counter (Sheng et al. 2024, "Fairness in serving large language models",
 * section 4): every flow has a counter of the service that it was given, divided by its weight, and the flow with the
 * smallest counter goes next. A flow that comes back to the queue is lifted to the others, so that nobody saves up a past
 * of idleness. Two things differ from the paper, since a kernel sees a call's tokens only at its end. A call is charged its
 * reservation when it gets the core, and the difference is given back when it ends. And who joins is lifted to what the
 * next flow was served in truth, its calls in flight left out: otherwise the others' refunds would put them before it.
 *
 * Invariants
 *   U1. A flow's counter minus the charges of its calls in flight never decreases.
 *   U2. With M the most tokens that were ever in flight together on the core (reserved, or used where that was more), and
 *       all weights 1: between two flows that both have calls waiting, the counter of the one is at most the settled service
 *       of the other plus M. So over any time in which both have calls waiting, the service that they get differs by at most
 *       2 M: the bound of the paper for clients with a backlog, whose max(wp Linput, wq M) is M where input and output
 *       weigh the same. With weights, M is divided by the smaller weight of the two flows.
 *       Proof: when flow i gets the core its counter is the smallest, so it becomes at most j's counter plus the call's
 *       charge r. j's counter is its settled service plus its charges in flight; r and those are in flight together, so they
 *       sum to at most M. From then on i's counter only falls, and j's settled service only rises, until i gets the core
 *       again. Test: test/fairness.test.ts, at every step.
 *   U3. Flows that are forgotten are those that a comeback would lift beyond their counter anyway.
 */
import type { Discipline, WaitingCall } from './disciplines.ts'
import { heap } from './heap.ts'
import type { Heap } from './heap.ts'

/** A place in a queue. Who leaves does not make the others move up at once: the place stays, empty, until it is the first. */
export interface Place<Call extends WaitingCall> {
  /** By the discipline; the smallest goes first. */
  readonly key: number
  /** Of arrival; decides between equal keys. */
  readonly order: number
  readonly flow: Flow<Call>
  /** Its time is over: it stands behind those that can still be in time. */
  isLate: boolean
  call: Call | undefined
}

interface Flow<Call extends WaitingCall> {
  readonly name: string
  readonly places: Heap<Place<Call>>
  /** Its places that are not empty. */
  waiting: number
  /** Service that it was given, by its weight; calls in flight as they were charged. */
  counter: number
  /** Of the counter, what its calls in flight were charged, and how many they are. */
  charged: number
  inFlight: number
  /** Of equal counters the smallest goes first: it has waited longest since it came or had the core. */
  since: number
  /** In the heap of flows; -1 while it is not there. */
  index: number
}

/** The calls that wait for one core. */
export interface Queue<Call extends WaitingCall> {
  /** How many wait. */
  readonly waiting: number
  /** How many of the call's flow wait. */
  waitingWith(call: Call): number
  push(call: Call): Place<Call>
  /** Whose turn it is, among those that are not held back. */
  first(isHeld?: (call: Call) => boolean): Place<Call> | undefined
  /** Gives the core to a call that waits. */
  take(place: Place<Call>): void
  /** Gives the core to a call that did not wait. */
  charge(call: Call): void
  /** What a call that had the core took in truth; 0 where it was not served. */
  settle(call: Call, tokens: number): void
  leave(place: Place<Call>): void
}

/** Flows remembered before the first sweep. */
const FLOWS_SWEEP = 4_096

/** An empty queue. */
export function createQueue<Call extends WaitingCall>(
  { key, fair, lateAt }: Discipline,
  now: () => number,
): Queue<Call> {
  const flows = new Map<string, Flow<Call>>()
  /** Those that have places. */
  const backlogged = heap<Flow<Call>>(
    (a, b) => a.counter - b.counter || a.since - b.since,
    (flow, index) => void (flow.index = index),
  )
  let order = 0
  let waiting = 0
  let sweepAt = FLOWS_SWEEP
  /** The flow that had the core last: to it a flow is lifted that finds nobody waiting. */
  let last: Flow<Call> | undefined

  function flowOf(call: Call): Flow<Call> {
    const name = fair?.flowOf(call) ?? ''
    let flow = flows.get(name)
    if (flow === undefined) {
      flow = {
        name,
        places: heap<Place<Call>>((a, b) =>
          a.isLate === b.isLate ? a.key - b.key || a.order - b.order : a.isLate ? 1 : -1,
        ),
        waiting: 0,
        counter: 0,
        charged: 0,
        inFlight: 0,
        since: 0,
        index: -1,
      }
      if (flows.size >= sweepAt) sweep()
      flows.set(name, flow)
    }
    return flow
  }

  /** The first flow that has a call waiting; what is empty before it is cleared away. */
  function head(): Flow<Call> | undefined {
    for (let flow = backlogged.peek(); flow !== undefined; flow = backlogged.peek()) {
      if (headOf(flow) !== undefined) return flow
      backlogged.pop()
    }
    return undefined
  }

  function headOf(flow: Flow<Call>): Place<Call> | undefined {
    for (let place = flow.places.peek(); place !== undefined; place = flow.places.peek()) {
      const isNowLate = place.call !== undefined && !place.isLate && lateAt !== undefined && lateAt(place.call) <= now()
      if (place.call !== undefined && !isNowLate) return place
      flow.places.pop()
      if (!isNowLate) continue
      place.isLate = true
      flow.places.push(place)
    }
    return undefined
  }

  /** A flow of which no call waits gets one: what it was idle for is not saved up. */
  function lift(flow: Flow<Call>): void {
    const other = head() ?? last
    if (other === undefined || other === flow) return
    change(flow, Math.max(0, settledOf(other) - flow.counter))
  }

  function change(flow: Flow<Call>, by: number): void {
    flow.counter += by
    if (flow.index >= 0) backlogged.fix(flow.index)
  }

  function charge(flow: Flow<Call>, call: Call): void {
    last = flow
    if (fair === undefined) return
    const cost = fair.costOf(call) / fair.weightOf(flow.name)
    flow.charged += cost
    flow.inFlight++
    flow.since = order++
    change(flow, cost)
  }

  function vacate(place: Place<Call>): void {
    place.call = undefined
    place.flow.waiting--
    waiting--
  }

  /** Forgets flows that would be lifted beyond what is known of them (U3). */
  function sweep(): void {
    const other = head() ?? last
    const floor = other === undefined ? 0 : settledOf(other)
    for (const [name, flow] of flows) {
      const isIdle = flow.waiting === 0 && flow.inFlight === 0 && flow.index < 0
      if (isIdle && flow !== last && flow.counter <= floor) flows.delete(name)
    }
    sweepAt = Math.max(FLOWS_SWEEP, 2 * flows.size)
  }

  return {
    get waiting() {
      return waiting
    },
    waitingWith: (call) => flows.get(fair?.flowOf(call) ?? '')?.waiting ?? 0,
    push(call) {
      const flow = flowOf(call)
      if (flow.waiting === 0 && fair !== undefined) {
        flow.since = order
        lift(flow)
      }
      const place: Place<Call> = { key: key(call), order: order++, flow, isLate: false, call }
      flow.places.push(place)
      flow.waiting++
      waiting++
      if (flow.index < 0) backlogged.push(flow)
      return place
    },
    first(isHeld) {
      const held: Flow<Call>[] = []
      let found: Place<Call> | undefined
      for (let flow = head(); flow !== undefined; flow = head()) {
        const place = headOf(flow) as Place<Call>
        if (isHeld === undefined || !isHeld(place.call as Call)) {
          found = place
          break
        }
        held.push(flow)
        backlogged.pop()
      }
      for (const flow of held) backlogged.push(flow)
      return found
    },
    take(place) {
      const { flow, call } = place
      vacate(place)
      charge(flow, call as Call)
    },
    charge(call) {
      const flow = flowOf(call)
      if (fair !== undefined) lift(flow)
      charge(flow, call)
    },
    settle(call, tokens) {
      if (fair === undefined) return
      const flow = flowOf(call)
      const weight = fair.weightOf(flow.name)
      const cost = fair.costOf(call) / weight
      // Counted as well, so that what rounding leaves ends with the last of them.
      flow.charged = --flow.inFlight === 0 ? 0 : flow.charged - cost
      change(flow, fair.tookOf(call, tokens) / weight - cost)
    },
    leave: vacate,
  }
}

/** The service that a flow was given by calls that have ended. */
function settledOf<Call extends WaitingCall>(flow: Flow<Call>): number {
  return flow.counter - flow.charged
}
