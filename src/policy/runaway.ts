/**
 * Runaway agents: seen by what they do over and over, how they multiply and how fast they spend; stopped by the law.
 *
 *     const runaway = compileRunaway({ identical: 3, streak: 8, calls: 200, spawns: 20, burst: { tokens: 200_000, ms: 60_000 } })
 *     runaway.objection(call, state)                // 'tool search was called 3 times with the same arguments and the same result'
 *     state = runaway.step(call, state)             // the call was let through
 *     state = runaway.learned(call, learned, state) // and this is what it gave, and when
 *
 * Defaults and their reason: of the 97 ground-truth traces of AgentDojo, none repeats a call more than twice, uses one tool
 * more than four times in a row, or makes more than 18 calls; OpenHands' stuck detector stops at four identical actions
 * with identical results, gemini-cli at five identical calls.
 *
 * Invariants
 *   RA1. Of repetitions only tool calls count. A result that differs from the last one of the same call is new information:
 *        it starts the count of that call again, so that polling is no loop.
 *   RA2. A state is plain data of bounded size: the last `REMEMBERED` different calls, the last calls that a cycle of
 *        `identical` rounds needs, and two times of spending at most for each of `SPENT_PARTS` parts of `burst.ms`, and one.
 *   RA3. A cycle of up to `CYCLE_MAX` calls (A B A B …) counts by its rounds, as a call by its repetitions.
 *   RA4. Time is that of the ends that were learned, so a replay comes to the same. What is spent counts for the whole of
 *        `burst.ms`, and up to a sixteenth of it longer.
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
  /** Children of the process, and of those above it before it was spawned: a chain that spawns itself counts too. @default none */
  readonly spawns?: number
  /** Tokens of its model calls, input and output, within so many ms. @default none */
  readonly burst?: { readonly tokens: number; readonly ms: number }
  /** @default 'deny' */
  readonly effect?: 'deny' | 'ask'
  /** A denial ends the process. @default false: the agent is told, and may try something else */
  readonly ends?: true
}

/** A call as it counts. */
export type Counted =
  /** A tool call, with its arguments as a text that is the same for equal ones. */
  | { readonly call: 'call'; readonly tool: string; readonly key: string }
  | { readonly call: 'spawn' | 'generate' | 'other' }

/** What became of a call. */
export interface Learned {
  /** Its value, or its error as any text. */
  readonly result: unknown
  /** When the process learned it, ms. */
  readonly at: number
  /** What it cost of a model. @default 0 */
  readonly tokens?: number
}

export interface RunawayState {
  readonly calls: number
  /** The tool of the last calls, and how many there were. */
  readonly streak: readonly [tool: string, count: number]
  /** By call, the oldest first: how often it gave the same result, and that result's key. */
  readonly same: readonly (readonly [key: string, count: number, result: string])[]
  /** Keys of the last calls. */
  readonly last: readonly string[]
  readonly spawns: number
  /** Tokens by when they were spent, the oldest first. */
  readonly spent: readonly (readonly [at: number, tokens: number])[]
}

export const atRest: RunawayState = Object.freeze({
  calls: 0,
  streak: Object.freeze(['', 0] as const),
  same: Object.freeze([]),
  last: Object.freeze([]),
  spawns: 0,
  spent: Object.freeze([]),
})

/** Of `identical`, where a law does not say. */
export const identicalDefault = 4
const REMEMBERED = 32
const CYCLE_MAX = 4
const KEY_CHARS_MAX = 200
const SPENT_PARTS = 16

export interface RunawayWatch {
  /** Why the call is one too many; undefined where it is not. */
  objection(call: Counted, state: RunawayState): string | undefined
  step(call: Counted, state: RunawayState): RunawayState
  learned(call: Counted, learned: Learned, state: RunawayState): RunawayState
}

export function compileRunaway({
  identical = identicalDefault,
  streak = Infinity,
  calls = Infinity,
  spawns = Infinity,
  burst = { tokens: Infinity, ms: 0 },
}: Runaway): RunawayWatch {
  /** Times of spending within a sixteenth of the window are one, the later. */
  function spentAfter(spent: RunawayState['spent'], at: number, tokens: number): RunawayState['spent'] {
    if (spent.length === 0 && tokens === 0) return spent
    const recent = spent.filter(([when]) => when > at - burst.ms)
    if (tokens === 0) return recent.length === spent.length ? spent : recent
    const beforeLast = recent.at(-2)?.[0] ?? -Infinity
    const last = recent.at(-1)
    return last !== undefined && at - beforeLast <= burst.ms / SPENT_PARTS
      ? [...recent.slice(0, -1), [at, last[1] + tokens]]
      : [...recent, [at, tokens]]
  }

  return {
    objection(call, state) {
      if (call.call === 'spawn')
        return state.spawns >= spawns
          ? `the process, and those above it before it, spawned ${state.spawns} children, its limit`
          : undefined
      if (call.call === 'generate') {
        const tokens = state.spent.reduce((sum, [, one]) => sum + one, 0)
        return tokens >= burst.tokens ? `the process used ${tokens} tokens within ${burst.ms} ms` : undefined
      }
      if (call.call !== 'call') return undefined
      const { tool, key } = call
      if (state.calls >= calls) return `the process made ${state.calls} tool calls, its limit`
      const row = state.streak[0] === tool ? state.streak[1] : 0
      if (row >= streak) return `tool ${tool} was called ${row} times in a row`
      const same = state.same.find(([one]) => one === key)?.[1] ?? 0
      if (same >= identical) return `tool ${tool} was called ${same} times with the same arguments and the same result`
      const rounds = roundsOf([...state.last, key])
      return rounds > identical ? `the last calls repeat themselves, ${rounds - 1} rounds of them` : undefined
    },
    step(call, state) {
      if (call.call === 'spawn') return { ...state, spawns: state.spawns + 1 }
      if (call.call !== 'call') return state
      const { tool, key } = call
      return {
        ...state,
        calls: state.calls + 1,
        streak: [tool, state.streak[0] === tool ? state.streak[1] + 1 : 1],
        last: [...state.last, key].slice(-CYCLE_MAX * (identical + 1)),
      }
    },
    learned(call, { result: value, at, tokens = 0 }, state) {
      const spent = spentAfter(state.spent, at, tokens)
      if (call.call !== 'call') return spent === state.spent ? state : { ...state, spent }
      const { key } = call
      const result = keyOf(value)
      const before = state.same.find(([one]) => one === key)
      const isNew = before === undefined || before[2] !== result
      const others = state.same.filter(([one]) => one !== key)
      return {
        ...state,
        spent,
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
