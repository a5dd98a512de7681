/**
 * How a group decides: consensus by who agrees with the newest solution, and votes of several forms.
 *
 *     consensus(messages, 3, 'majority', turn)            // the solution that half of the three agree on; undefined: none yet
 *     votedFor([[2, 0], [0], [0, 1]], 3, 'approval')      // [0]: the candidates with most points, several where they tie
 *
 * After MALLM (Becker et al. 2025). Agreement: .5 for a majority, .66 for a super-majority, 1 for unanimity; `hybrid` is .75, but
 * unanimity before turn 5 and in groups of up to three.
 */

/** What a message means for the decision. */
export interface Stance {
  /** Whether the speaker agrees with the newest solution. */
  readonly agrees: boolean
  /** A new solution, by one who does not agree. */
  readonly solution?: string | undefined
}

export type ConsensusRule = 'majority' | 'super-majority' | 'unanimity' | 'hybrid'

const SHARES = { majority: 0.5, 'super-majority': 0.66, unanimity: 1, hybrid: 0.75 } as const
/** Of `hybrid`: unanimity before this turn, and in groups of up to so many. */
const [HYBRID_FROM_TURN, HYBRID_ABOVE] = [5, 3]

/** Share of the group that has to agree. @param turn from 1 */
export function shareNeeded(rule: ConsensusRule, agents: number, turn: number): number {
  return rule === 'hybrid' && (turn < HYBRID_FROM_TURN || agents <= HYBRID_ABOVE) ? 1 : SHARES[rule]
}

/**
 * The solution that enough of the group agree on: who proposed it counts, and who agreed since, within the last `agents` messages.
 * Undefined where there is none yet.
 */
export function consensus(
  messages: readonly Stance[],
  agents: number,
  rule: ConsensusRule,
  turn: number,
): string | undefined {
  const proposed = messages.findLastIndex(({ solution }) => solution !== undefined)
  if (proposed < 0) return undefined
  const recent = messages.slice(Math.max(0, messages.length - agents))
  const since = recent.slice(Math.max(0, proposed - (messages.length - recent.length)))
  const agreeing = since.filter(({ agrees, solution }) => agrees || solution !== undefined).length
  return agreeing / agents >= shareNeeded(rule, agents, turn) ? messages[proposed]?.solution : undefined
}

export type VotingRule = 'plurality' | 'approval' | 'cumulative' | 'ranked'

/** Of `ranked`: places that get points (Borda: 5 for the first … 1 for the fifth). Of `cumulative`: the points of a ballot. */
const [RANKED_PLACES, POINTS] = [5, 10]

/**
 * The candidates with the most points, by number; more than one is a tie. Ballots by rule: plurality `[candidate]`; approval
 * any set; ranked the best first; cumulative the points of every candidate, ten in all (less counts as it is, more is scaled to
 * ten). Candidates that there are not, and repeated ones, count for nothing.
 */
export function votedFor(ballots: readonly (readonly number[])[], candidates: number, rule: VotingRule): number[] {
  const points = Array.from({ length: candidates }, () => 0)
  const give = (candidate: number, more: number): void => {
    if (points[candidate] !== undefined) points[candidate] += more
  }
  for (const ballot of ballots) {
    if (rule === 'cumulative') {
      const given = ballot.slice(0, candidates).map((one) => Math.max(0, one))
      const total = given.reduce((sum, one) => sum + one, 0)
      for (const [candidate, one] of given.entries()) give(candidate, total > POINTS ? (one * POINTS) / total : one)
      continue
    }
    const chosen = [...new Set(ballot)].slice(
      0,
      rule === 'plurality' ? 1 : rule === 'ranked' ? RANKED_PLACES : undefined,
    )
    for (const [place, candidate] of chosen.entries()) give(candidate, rule === 'ranked' ? RANKED_PLACES - place : 1)
  }
  const most = Math.max(...points)
  return points.flatMap((one, candidate) => (one === most && most > 0 ? [candidate] : []))
}
