/**
 * ARMAP (Chen et al. 2025, "Scaling autonomous agents via automatic reward modeling and planning"): Monte Carlo tree search in
 * the real environment under a reward model, a few rollouts before each action.
 *
 *     kernel.spawn(armap, { question, rollouts: 10, horizon: 10 })             // ARMAP-M, in an episode
 *     kernel.spawn(armap, { question, method: 'best-of', samples: 10 })        // ARMAP-B
 *
 * The reward model is the value of a state (state-value.ts): a tool or a judge; it speaks only at the end of a rollout. Constants
 * are the release's: 10 rollouts, horizon 10, discount .9, weight 6.364, and Q of a child is the largest return found below it.
 * The action taken is the child with the best mean. ARMAP-R is `reflexion` with the same value as its evaluator.
 *
 * Going back is a fork, where the release resets and takes all actions again. Rollouts end where four observations are equal.
 */
import { defineProgram } from '../kernel/program.ts'
import type { Step } from './pieces/acting.ts'
import { branchOf, monteCarlo, type BranchNode } from './pieces/monte-carlo.ts'
import { goFrom, placeHere, stay, surveyFrom, type Place, type Survey } from './places.ts'
import type { Candidate, ProposeOptions } from './pieces/proposals.ts'
import { isKnown } from './pieces/known-places.ts'
import { largest } from './pieces/largest.ts'
import { childrenOf, plantTree } from './pieces/reward-tree.ts'
import type { ValueOptions } from './pieces/state-value.ts'
import { whileItLasts } from './pieces/while-it-lasts.ts'
import { armapPuct, armapUct, armapVarPuct } from './pieces/upper-confidence.ts'

export interface ArmapInput {
  readonly question: string
  /** Tree search, or the best of several whole tries. @default 'tree' */
  readonly method?: 'tree' | 'best-of'
  /** What follows the simulations: the best action, and simulations again, or the best end that any of them found. @default 'action' */
  readonly commit?: 'action' | 'end'
  /** Simulations before each action. @default 10 */
  readonly rollouts?: number
  /** Actions of a rollout. @default 10 */
  readonly horizon?: number
  /** Tries of `best-of`. @default 10 */
  readonly samples?: number
  /** Actions committed to. @default 20 */
  readonly stepsMax?: number
  /** @default 'uct' */
  readonly rule?: 'uct' | 'p-uct' | 'var-p-uct'
  /** A reward shrinks by it with every step up. @default 0.9 */
  readonly discount?: number
  /** Weight of the unknown. @default 6.364 */
  readonly weight?: number
  /** A place that looks like one on the way to it, as one does whose action could not be done, is worth 0 and not gone on from. @default false, as in the paper */
  readonly distinct?: boolean
  /** Q of a child. @default 'best', the largest return found below it */
  readonly q?: 'best' | 'mean'
  readonly value?: ValueOptions
  readonly propose?: ProposeOptions
}

export interface Planned {
  readonly steps: readonly Step[]
  readonly done: boolean
  /** Actions taken in forks and rollouts. */
  readonly tried: number
}

type Node = BranchNode<Place, Candidate>

export const armap = defineProgram('armap', async (sys, input: ArmapInput): Promise<Planned> => {
  const { question, method = 'tree', rollouts = 10, horizon = 10, samples = 10, stepsMax = 20, discount = 0.9 } = input
  const propose = { branching: 5, samples: 10, ...input.propose }
  const value = { ...input.value }
  const survey: Survey = { question, propose }
  let tried = 0
  const dead = new Set<Place>()
  let best: Place | undefined

  /** Worth of a place: of where a rollout from it ends. */
  async function evaluate(place: Place): Promise<number> {
    if (dead.has(place)) return 0
    const end = await surveyFrom(sys, place, { ...survey, value, rollout: place.done ? 0 : horizon })
    tried += end.steps.length - place.steps.length
    if (best === undefined || (end.value ?? 0) > (best.value ?? 0)) best = end
    return end.value ?? 0
  }

  const first = await placeHere(sys, survey)
  if (method === 'best-of') {
    const ends = []
    for (let i = 0; i < samples; i++) ends.push(await surveyFrom(sys, first, { ...survey, value, rollout: stepsMax }))
    const top = largest(ends, (end) => end.value ?? 0) ?? first
    await stay(sys, top)
    return { steps: top.steps, done: top.done, tried: ends.reduce((sum, { steps }) => sum + steps.length, 0) }
  }

  const tree = plantTree(branchOf<Place, Candidate>(first, undefined, 1))
  let at: Node = tree.root
  for (let taken = 0; taken < stepsMax && !(at.content.state as Place).done; taken++) {
    const lasts = await whileItLasts(async () => {
      await monteCarlo<Place, Candidate>(
        tree,
        {
          moves: (place) =>
            (dead.has(place) ? [] : (place.candidates ?? [])).map((move) => ({ move, prior: move.share })),
          async go(from, { action }) {
            tried++
            const [place] = (await goFrom(sys, from, [action], survey)) as [Place]
            if (input.distinct === true && isKnown(place, new Set(from.steps.map(({ told }) => told.text))))
              dead.add(place)
            return place
          },
          evaluate,
          select: (child, parent) => keyOf(child, parent, input),
          simulations: rollouts,
          discount,
        },
        at,
      )
      return true
    })
    if (input.commit === 'end') break
    const reached = childrenOf(tree, at).filter(({ visits }) => visits > 0)
    const chosen = largest(reached, ({ mean }) => mean)
    if (chosen === undefined) break
    at = chosen
    // Where nothing better is left, a known place is gone on from after all.
    if (dead.delete(at.content.state as Place)) at.content.isExpanded = false
    // Out of budget: the best action that is known is the last.
    if (lasts === undefined) break
  }
  const last = input.commit === 'end' && best !== undefined ? best : (at.content.state as Place)
  await stay(sys, last)
  return { steps: last.steps, done: last.done, tried }
})

/** By the rule of the input. What was never visited has the value 0, as in the release. */
function keyOf(
  child: Node,
  parent: Node,
  { rule = 'uct', weight, q = 'best' }: Pick<ArmapInput, 'rule' | 'weight' | 'q'>,
): number {
  const value = child.visits === 0 ? 0 : child[q]
  const tried = { value, visits: child.visits, parentVisits: parent.visits }
  if (rule === 'uct') return armapUct(tried, weight)
  return rule === 'p-uct'
    ? armapPuct(tried, child.content.prior, weight)
    : armapVarPuct(tried, child.content.prior, weight)
}
