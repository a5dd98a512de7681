/**
 * What is measured of a team (team.ts): whether it stalls, whether one member talks for all, whether the talk leaves the task.
 *
 *     const team = teamOf(events)
 *     stalling(team)                                               // { count: 1, plans: 2, stalledAt: [3], … }
 *     monopoly(team)                                               // { share: .62, excess: .43, seat: '12 Ann', of: 3 }
 *     drift(team, (drafts) => Number(drafts.at(-1) === '42'))      // { focus: [1, -1, 1], isDrifted: true, … }
 *
 * Stalling is Magentic-One's count (Fourney et al. 2024, section 4). Problem drift is FOCUS (Becker et al. 2025, "Stay focused:
 * problem drift in multi-agent debate", section 3; measured on MALLM): how much better the team's solution is after a turn than
 * after the one before; a turn that is worse drifts. Monopolisation is what MALLM's evaluation names so (Becker 2024,
 * "Multi-agent large language models for conversational task-solving"): one speaks much longer than the others. It gives no
 * formula; ours is the share of who says most, and how far it is from an even one.
 */
import { jsonIn } from '../agents/pieces/json-text.ts'
import { stallCounter, type StallOptions } from '../agents/pieces/stall-counter.ts'
import type { Pid } from '../kernel/types.ts'
import type { LedgerEntry, Team } from './team.ts'

/** How a leader's work has gone, by its progress ledger. */
export interface Stalling {
  readonly pid: Pid
  /** The count after each progress ledger. */
  readonly counts: readonly number[]
  /** Progress ledgers, from 1, with which it had stalled: there is to be a new plan. */
  readonly stalledAt: readonly number[]
  /** The count now. */
  readonly count: number
  /** Plans that were written, the first included. */
  readonly plans: number
  /** The progress ledger that was written last. */
  readonly last: Extract<LedgerEntry, { kind: 'progress' }>
}

/**
 * Of each leader with a progress ledger: a step without progress, or in a loop, is one up, another one down, and a request that
 * is satisfied is no step. The options are those that the leader was run with, as the journal does not say them.
 */
export function stalling({ ledger }: Pick<Team, 'ledger'>, options: StallOptions = {}): readonly Stalling[] {
  return [...Map.groupBy(ledger, ({ pid }) => pid)].flatMap(([pid, entries]) => {
    const progress = entries.filter((entry) => entry.kind === 'progress')
    const last = progress.at(-1)
    if (last === undefined) return []
    const counter = stallCounter(options)
    const stalledAt: number[] = []
    const counts = progress.map(({ isSatisfied, isProgress, isInLoop }, i) => {
      if (!isSatisfied && counter.note(isProgress && !isInLoop)) stalledAt.push(i + 1)
      return counter.count
    })
    const plans = entries.filter(({ kind }) => kind === 'plan').length
    return [{ pid, counts, stalledAt, count: counter.count, plans, last }]
  })
}

/** How far one seat talks for all. */
export interface Monopoly {
  /** Who says most. */
  readonly seat: string
  /** Its part of all tokens that were said or mailed, 0 to 1. */
  readonly share: number
  /** 0: all said as much as each other; 1: one said everything. */
  readonly excess: number
  /** Seats that said something. */
  readonly of: number
}

/** Of the tokens of all mail and words of members; undefined while fewer than two have said something. */
export function monopoly({ seats }: Pick<Team, 'seats'>): Monopoly | undefined {
  const speakers = seats.filter(({ kind, tokens }) => kind !== 'outside' && tokens > 0)
  const total = speakers.reduce((sum, { tokens }) => sum + tokens, 0)
  const most = speakers.toSorted((a, b) => b.tokens - a.tokens)[0]
  if (most === undefined || speakers.length < 2) return undefined
  const [share, even] = [most.tokens / total, 1 / speakers.length]
  return { seat: most.id, share, excess: (share - even) / (1 - even), of: speakers.length }
}

/** How a discussion came nearer to the task, or left it. */
export interface Drift {
  /** The score after each turn, 0 to 1 or in units of your own. */
  readonly scores: readonly number[]
  /** FOCUS: of each turn but the first, its score less that of the turn before. */
  readonly focus: readonly number[]
  /** Whether a turn was worse than the one before. */
  readonly isDrifted: boolean
  /** The largest loss, from a turn to a later one; 0 where there is none. */
  readonly strength: number
  /** Whether it drifted and ends no worse than at its best before. */
  readonly isRecovered: boolean
}

/**
 * Of a discussion whose members write solutions: that of the process `discussion`, else the first one. `score` is asked for each turn with the
 * solutions that were proposed in it, the newest last; a turn that proposes none keeps the score before. Where the program counts
 * no turns, each message with a solution is one. Undefined where nothing was proposed.
 */
export function drift(
  { said }: Pick<Team, 'said'>,
  score: (drafts: readonly string[]) => number,
  discussion: Pid | undefined = said[0]?.pid,
): Drift | undefined {
  const turns: { readonly turn: number | null; readonly drafts: string[] }[] = []
  for (const { pid, turn, text } of said) {
    if (pid !== discussion) continue
    const draft = solutionIn(text)
    if (turn === null && draft === undefined) continue
    const last = turns.at(-1)
    const drafts = draft === undefined ? [] : [draft]
    if (turn === null || last?.turn !== turn) turns.push({ turn, drafts })
    else last.drafts.push(...drafts)
  }
  const from = turns.findIndex(({ drafts }) => drafts.length > 0)
  if (from < 0) return undefined
  const scores: number[] = []
  for (const { drafts } of turns.slice(from))
    scores.push(drafts.length === 0 ? (scores.at(-1) as number) : score(drafts))
  return driftOf(scores)
}

/** Of scores that are known, one a turn. */
export function driftOf(scores: readonly number[]): Drift {
  const focus = scores.slice(1).map((score, i) => score - (scores[i] as number))
  let best = -Infinity
  let strength = 0
  for (const score of scores) {
    best = Math.max(best, score)
    strength = Math.max(strength, best - score)
  }
  const isDrifted = focus.some((gain) => gain < 0)
  return { scores: [...scores], focus, isDrifted, strength, isRecovered: isDrifted && scores.at(-1) === best }
}

/** What a message proposes: a solution, or an answer. */
function solutionIn(text: string): string | undefined {
  const said = jsonIn(text)
  if (typeof said !== 'object' || said === null) return undefined
  const { solution, answer } = said as { readonly solution?: unknown; readonly answer?: unknown }
  return typeof solution === 'string' ? solution : typeof answer === 'string' ? answer : undefined
}
