/**
 * Calls that wait for room in a budget: what others have set aside comes back when their calls end, mostly unspent.
 *
 *     const payer = busyPayer(process, charge)    // process.ts: who has to get something back before there is room
 *     room.wait(payer, call, go)                  // go() is tried when something came back, the first in line first
 *     room.changed(process)                       // something came back to all who pay for this process
 *
 * Invariants
 *   RM1. Nobody waits for what is spent: that is refused when a call comes, and else when its turn comes.
 *   RM2. Who waits has set nothing aside; what is set aside belongs to calls under way, which end (G1). So whoever stands first
 *        goes on, some time.
 *   RM3. First come, first served: a call that begins passes nobody who came earlier and waits for a payer that it draws on
 *        too. What is under way comes before all of them: it takes more where a try was lost or a turn follows (gate.ts,
 *        `again`, `grow`), and finds vectors of notes or does without.
 */
import type { Clock } from './clock.ts'
import type { Call, Payer, Waiting } from './process.ts'

/** The lines of all payers. */
export interface Room {
  /** Puts a call at the end of the line of a payer; `go` is tried when it stands first, and gives who has to get something back before that. */
  wait(payer: Payer, call: Call, go: () => Payer | undefined): void
  /** Whose line has somebody who came before this call, of those who pay for it. */
  lineBefore(call: Call): Payer | undefined
  /** It waits no more. */
  leave(call: Call): void
  /** There is more room at a payer and at those above it. Calls go on in a later turn, when what was spent is charged. */
  changed(payer: Payer): void
}

/** The lines of a machine; room is given in a later turn of this clock. */
export function createRoom(clock: Pick<Clock, 'soon'>): Room {
  const waiting = new Map<Call, Waiting>()
  let came = 0

  function wait(payer: Payer, call: Call, go: () => Payer | undefined): void {
    const one: Waiting = { call, came: ++came, go, at: payer }
    waiting.set(call, one)
    payer.line ??= new Set()
    payer.line.add(one)
  }

  function lineBefore(call: Call): Payer | undefined {
    for (let payer: Payer | undefined = call.process; payer !== undefined; payer = payer.above) {
      const first = firstOf(payer)
      if (first !== undefined && first.came < (waiting.get(call)?.came ?? Infinity)) return payer
    }
    return undefined
  }

  function leave(call: Call): void {
    const one = waiting.get(call)
    if (one === undefined) return
    waiting.delete(call)
    takeOut(one)
    changed(one.at)
  }

  function takeOut(one: Waiting): void {
    const { at } = one
    at.line?.delete(one)
    if (at.line?.size === 0) at.line = undefined
  }

  function changed(from: Payer): void {
    for (let payer: Payer | undefined = from; payer !== undefined; payer = payer.above) {
      const one = payer
      if (one.line !== undefined) clock.soon(() => serve(one))
    }
  }

  function serve(payer: Payer): void {
    for (let first = firstOf(payer); first !== undefined; first = firstOf(payer)) {
      const next = first.go()
      if (next === payer) return
      takeOut(first)
      if (next === undefined) waiting.delete(first.call)
      else {
        first.at = next
        next.line = new Set([...(next.line ?? []), first].toSorted((a, b) => a.came - b.came))
      }
    }
  }

  return { wait, lineBefore, leave, changed }
}

function firstOf({ line }: Payer): Waiting | undefined {
  if (line !== undefined) for (const first of line) return first
  return undefined
}
