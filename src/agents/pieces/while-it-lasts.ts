/**
 * Work while the budget lasts: a search that is out of budget ends with what it has found, not with an error.
 *
 *     const found = await whileItLasts(() => search(at))       // undefined: the budget is used up
 *
 * What was found before has to be kept outside of the work, as in tree-search.ts.
 */
import { isOutOfBudget } from './our-end.ts'

/** What the work returns; undefined where a budget ended it. Other errors are thrown. */
export async function whileItLasts<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    if (isOutOfBudget(error)) return undefined
    throw error
  }
}
