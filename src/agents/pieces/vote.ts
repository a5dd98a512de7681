/**
 * Vote: what most ballots say.
 *
 *     plurality(['a', 'b', 'a'])                      // 'a'
 *     plurality(ballots, { weight: (_, i) => sure[i] ?? 1 })
 *
 * Self-consistency (Wang et al. 2023) is `plurality` over sampled answers; policies in an ensemble (ARIES) and judgements of an
 * evaluator (MASTER) are counted the same way.
 *
 * Invariant
 *   VO1. Of equal counts what was said first wins, so the outcome is a function of the ballots in their order.
 */

export interface VoteOptions<Ballot> {
  /** @default 1 each */
  readonly weight?: (ballot: Ballot, place: number) => number
  /** Ballots with the same key are for the same. @default the ballot as JSON */
  readonly key?: (ballot: Ballot) => string
}

/** The ballot with the largest weight behind it; undefined where there is none. */
export function plurality<Ballot>(ballots: readonly Ballot[], options: VoteOptions<Ballot> = {}): Ballot | undefined {
  return tally(ballots, options)[0]?.ballot
}

/** All that have the largest weight behind them, in the order in which they were said: more than one is a tie. */
export function leaders<Ballot>(ballots: readonly Ballot[], options: VoteOptions<Ballot> = {}): Ballot[] {
  const counted = tally(ballots, options)
  return counted.filter(({ weight }) => weight === counted[0]?.weight).map(({ ballot }) => ballot)
}

/** The plurality, where a tie is broken by a draw: the same for voters in any order. @param draw in [0, 1), such as `sys.random` */
export function drawnPlurality<Ballot>(
  ballots: readonly Ballot[],
  draw: () => number,
  options: VoteOptions<Ballot> = {},
): Ballot | undefined {
  const tied = leaders(ballots, options)
  return tied.length < 2 ? tied[0] : tied[Math.floor(draw() * tied.length)]
}

/** Every different ballot with the weight behind it, the largest first. */
export function tally<Ballot>(
  ballots: readonly Ballot[],
  { weight = () => 1, key = (ballot) => JSON.stringify(ballot) }: VoteOptions<Ballot> = {},
): { readonly ballot: Ballot; readonly weight: number }[] {
  const counts = new Map<string, { ballot: Ballot; weight: number }>()
  for (const [place, ballot] of ballots.entries()) {
    const known = counts.get(key(ballot))
    if (known === undefined) counts.set(key(ballot), { ballot, weight: weight(ballot, place) })
    else known.weight += weight(ballot, place)
  }
  return [...counts.values()].toSorted((a, b) => b.weight - a.weight)
}
