/**
 * Online knapsack: what to take of a stream of things with a value and a cost, each taken or left for good when it comes, within a
 * budget. By the threshold of Zhou, Chakrabarty and Lukose 2008 ("Budget constrained bidding in keyword auctions and online knapsack
 * problems"), here ZCL, as Composer uses it.
 *
 *     const sack = openKnapsack({ budget: 30, lower: 1 / 8, upper: 1 / 3 })
 *     if (sack.offer(value, cost)) …          // taken: its value per cost is at least what a full share of the budget asks for
 *
 * Ψ(z) = (U e / L)^z · L / e, where z is the share of the budget that is spent and L and U bound the value per cost of whatever may
 * come. For things that are small beside the budget no order of the stream makes it worth less than 1 / (ln(U / L) + 1) of the best
 * choice in hindsight; for large ones there is no such bound.
 *
 * Invariants
 *   K1. What is spent is never above the budget.
 *   K2. What is worth nothing is never taken.
 */
import { PolityError } from '../../kernel/errors.ts'

export interface KnapsackOptions {
  readonly budget: number
  /** Least value per cost of what is worth anything. Above 0. */
  readonly lower: number
  /** Largest value per cost; at least `lower`. */
  readonly upper: number
  /** `first` takes whatever is worth anything and fits: what it costs not to wait. @default 'threshold' */
  readonly rule?: 'threshold' | 'first'
}

export interface Knapsack {
  readonly budget: number
  readonly spent: number
  /** Whether it is taken. */
  offer(value: number, cost: number): boolean
}

/** Value per cost that is asked for where the share `z`, 0 to 1, of the budget is spent. */
export function askedDensity(z: number, { lower, upper }: Pick<KnapsackOptions, 'lower' | 'upper'>): number {
  return ((upper * Math.E) / lower) ** z * (lower / Math.E)
}

/** The share of the best choice that small things are worth at least. */
export function competitiveShare({ lower, upper }: Pick<KnapsackOptions, 'lower' | 'upper'>): number {
  return 1 / (Math.log(upper / lower) + 1)
}

export function openKnapsack({ budget, lower, upper, rule = 'threshold' }: KnapsackOptions): Knapsack {
  if (!(budget > 0 && lower > 0 && upper >= lower))
    throw new PolityError(
      'INVALID_ARGUMENT',
      `a knapsack takes a budget above 0 and 0 < lower ≤ upper, not budget ${budget}, lower ${lower}, upper ${upper}`,
    )
  let spent = 0
  return {
    budget,
    get spent() {
      return spent
    },
    offer(value, cost) {
      if (!(value > 0 && cost > 0) || spent + cost > budget) return false
      if (rule === 'threshold' && value / cost < askedDensity(spent / budget, { lower, upper })) return false
      spent += cost
      return true
    },
  }
}
