/**
 * Errors that are nothing an action, or whoever was asked, did wrong: the end of this process, or of what it may spend.
 *
 *     catch (error) { if (isOurEnd(error)) throw error … }          // every other failure is something to go on from
 */
import { PolityError } from '../../kernel/errors.ts'

/** A budget that is used up, or the end of this process. */
export function isOurEnd(error: unknown): boolean {
  return isOutOfBudget(error) || (PolityError.isInstance(error) && error.code === 'KILLED')
}

/** A budget that is used up: for who goes on where a worker was killed, or ends with what there is. */
export function isOutOfBudget(error: unknown): boolean {
  return PolityError.isInstance(error) && error.code === 'BUDGET_EXCEEDED'
}
