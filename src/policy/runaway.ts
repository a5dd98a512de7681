/**
 * Runaway agents: seen by what they do over and over, and stopped by the law.
 *
 *     const runaway = compileRunaway({ identical: 3, streak: 8, calls: 200 })
 *     runaway.objection(call, state)                 // 'tool search was called 3 times with the same arguments and the same result'
 *     state = runaway.step(call, state)              // the call was let through
 *     state = runaway.learned(call, result, state)   // and this is what it gave
 *
 * Defaults and their reason: of the 97 ground-truth traces of AgentDojo, none repeats a call more than twice, uses one tool
 * more than four times in a row, or makes more than 18 calls; OpenHands' stuck detector stops at four identical actions
 * with identical results, gemini-cli at five identical calls.
 *
 * Invariants
 *   RA1. Only tool calls count. A result that differs from the last one of the same call is new information: it starts the
 *        count of that call again, so that polling is no loop.
 *   RA2. A state is plain data of bounded size: the last `REMEMBERED` different calls.
 *   RA3. A cycle of up to `CYCLE_MAX` calls (A B A B …) counts by its rounds, as a call by its repetitions.
 */

import { canonical } from './canonical.ts'

/** What is too much. Each is the number of a call that is no longer let through. */
export interface Runaway {
  /** Identical calls with identical results; also rounds of a cycle. @default 4 */
  readonly identical?: number
  /** Calls of one tool in a row. @default none */
  readonly streak?: number
  /** Tool calls of the whole process. @default none */
  readonly calls?: number
  /** @default 'deny' */
  readonly effect?: 'deny' | 'ask'
  /** A denial ends the process. @default false: the agent is told, and may try something else */
  readonly ends?: true
}

/** A tool call, with its arguments as a text that is the same for equal ones. */
export interface Counted {
  readonly tool: string
  readonly key: string
}

export interface RunawayState {
  readonly calls: number
  /** The tool of the last calls, and how many there were. */
  readonly streak: readonly [tool: string, count: number]
  /** By call, the oldest first: how often it gave the same result, and that result's key. */
  readonly same: readonly (readonly [key: string, count: number, result: string])[]
  /** Keys of the last calls. */
  readonly last: readonly string[]
}

export const atRest: RunawayState = Object.freeze({
  calls: 0,
  streak: Object.freeze(['', 0] as const),
  same: Object.freeze([]),
  last: Object.freeze([]),
})

const IDENTICAL = 4
const REMEMBERED = 32
const CYCLE_MAX = 4
const KEY_CHARS_MAX = 200

export interface RunawayWatch {
  /** Why the call is one too many; undefined where it is not. */
  objection(call: Counted, state: RunawayState): string | undefined
  step(call: Counted, state: RunawayState): RunawayState
  learned(call: Counted, result: string, state: RunawayState): RunawayState
}

export function compileRunaway({ identical = IDENTICAL, streak = Infinity, calls = Infinity }: Runaway): RunawayWatch {
  return {
    objection({ tool, key }, state) {
      if (state.calls >= calls) return `the process made ${state.calls} tool calls, its limit`
      const row = state.streak[0] === tool ? state.streak[1] : 0
      if (row >= streak) return `tool ${tool} was called ${row} times in a row`
      const same = state.same.find(([one]) => one === key)?.[1] ?? 0
      if (same >= identical) return `tool ${tool} was called ${same} times with the same arguments and the same result`
      const rounds = roundsOf([...state.last, key])
      return rounds > identical ? `the last calls repeat themselves, ${rounds - 1} rounds of them` : undefined
    },
    step: ({ tool, key }, state) => ({
      calls: state.calls + 1,
      streak: [tool, state.streak[0] === tool ? state.streak[1] + 1 : 1],
      same: state.same,
      last: [...state.last, key].slice(-CYCLE_MAX * (identical + 1)),
    }),
    learned({ key }, result, state) {
      const before = state.same.find(([one]) => one === key)
      const isNew = before === undefined || before[2] !== result
      const others = state.same.filter(([one]) => one !== key)
      return {
        ...state,
        same: [...others, [key, isNew ? 1 : before[1] + 1, result] as const].slice(-REMEMBERED),
        // New information: whatever cycle there was, it got somewhere.
        last: isNew && before !== undefined ? [] : state.last,
      }
    },
  }
}

/** Rounds of the shortest cycle of at least two different calls that the list ends in. */
function roundsOf(keys: readonly string[]): number {
  let most = 1
  for (let length = 2; length <= CYCLE_MAX; length++) {
    const cycle = keys.slice(-length)
    if (cycle.length < length || new Set(cycle).size === 1) continue
    let rounds = 1
    while (
      keys.length >= length * (rounds + 1) &&
      cycle.every((key, i) => keys[keys.length - length * (rounds + 1) + i] === key)
    )
      rounds++
    most = Math.max(most, rounds)
  }
  return most
}

/** A text that is the same for equal values and short for long ones: their beginning, and two multiplicative hashes of all. */
export function keyOf(value: unknown): string {
  const text = canonical(value)
  if (text.length <= KEY_CHARS_MAX) return text
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    high = Math.imul(high ^ unit, 2_654_435_761)
    low = Math.imul(low ^ unit, 1_597_334_677)
  }
  return `${text.slice(0, KEY_CHARS_MAX)}…${(high >>> 0).toString(36)}${(low >>> 0).toString(36)}`
}
