/**
 * Proposals: what might be done next, several actions with how often each was said.
 *
 *     const [first, second] = await proposeActions(sys, { question, steps, branching: 5 })
 *
 * As in Koh et al. 2024 (tree search): the model is asked a number of times at temperature 1, equal actions are counted, and
 * the most frequent are kept. Where the process holds the tool `episode_propose`, that is asked instead.
 *
 * Invariant
 *   PR1. Shares are in descending order and sum to 1 over all that was said; of equal shares what was said first is first.
 */
import type { Json, Sys } from '../../kernel/types.ts'
import { decideByModel, holds, keyOf, type Action, type Step, type TaskInput } from './acting.ts'
import { tally } from './vote.ts'

export interface Candidate {
  readonly action: Action
  /** Of all that was proposed, 0 to 1. */
  readonly share: number
}

export interface ProposeOptions extends Pick<TaskInput, 'instructions'> {
  /** @default the tool episode_propose where it is held, else the model */
  readonly by?: 'model' | 'tool'
  /** Actions kept. @default 5 */
  readonly branching?: number
  /** Times the model is asked. @default `branching` */
  readonly samples?: number
  /** Proposals that the tool is asked for; it may give the same one several times. @default `branching` */
  readonly toolSamples?: number
  /** What the model sees beside the task and the steps. @default nothing */
  readonly extra?: string
}

export async function proposeActions(
  sys: Sys,
  {
    by = holds(sys, 'episode_propose') ? 'tool' : 'model',
    branching = 5,
    samples = branching,
    toolSamples = branching,
    ...asked
  }: ProposeOptions & { readonly question: string; readonly steps: readonly Step[] },
): Promise<readonly Candidate[]> {
  if (by === 'tool') {
    const { actions } = (await sys.call<Json>('episode_propose', { n: toolSamples })) as unknown as {
      actions: Action[]
    }
    return counted(actions).slice(0, branching)
  }
  const said = await Promise.all(
    Array.from({ length: samples }, () => decideByModel(sys, { ...asked, temperature: samples > 1 ? 1 : 0 })),
  )
  return counted(said.flatMap((decision) => ('action' in decision ? [decision.action] : []))).slice(0, branching)
}

/** Equal actions once, the most frequent first. */
export function counted(actions: readonly Action[]): Candidate[] {
  return tally(actions, { key: keyOf }).map(({ ballot, weight }) => ({
    action: ballot,
    share: weight / actions.length,
  }))
}
