/**
 * Calls that wait for room in a budget: what others have set aside comes back when their calls end, mostly unspent.
 *
 *     const payer = busyPayer(process, charge)          // process.ts: who has to get something back before there is room
 *     room.wait(payer, { call, go })                    // go() is tried when something came back, the first in line first
 *     room.gaveBack(process)                            // what was set aside for a call of this process is not any more
 *
 * Invariants
 *   RM1. Nobody waits for what is spent: that is refused at once.
 *   RM2. Who waits has set nothing aside, and what is set aside belongs to calls that end (G1); so everybody goes on.
 *   RM3. In the order in which they came, at each payer; who comes later takes no room ahead of them.
 */
import type { Clock } from './clock.ts'
import type { Payer, Process, Waiting } from './process.ts'

/** The lines of all payers. */
export interface Room {
  wait(payer: Payer, one: Waiting): void
  /** Whom a call of this process would pass by; who stands first at `at` passes nobody there. */
  lineBefore(process: Process, at: Payer | undefined): Payer | undefined
  /** Something came back to all who pay for this process. Calls go on in a later turn, when it is charged what was spent. */
  gaveBack(process: Process): void
}

/** The lines of a machine; what came back is given to them in a later turn of this clock. */
export function createRoom(clock: Pick<Clock, 'soon'>): Room {
  function wait(payer: Payer, one: Waiting): void {
    payer.line ??= new Set()
    payer.line.add(one)
  }

  function lineBefore(process: Process, at: Payer | undefined): Payer | undefined {
    for (let payer: Payer | undefined = process; payer !== undefined; payer = payer.above)
      if (payer.line !== undefined && payer !== at) return payer
    return undefined
  }

  function gaveBack(process: Process): void {
    for (let payer: Payer | undefined = process; payer !== undefined; payer = payer.above) {
      const one = payer
      if (one.line !== undefined) clock.soon(() => serve(one))
    }
  }

  function serve(payer: Payer): void {
    const { line } = payer
    if (line === undefined) return
    for (const one of line) {
      const next = one.call.open ? one.go(payer) : undefined
      if (next === payer) break
      line.delete(one)
      if (next !== undefined) wait(next, one)
    }
    if (line.size === 0) payer.line = undefined
  }

  return { wait, lineBefore, gaveBack }
}
