/**
 * Tree search (Koh et al. 2024, "Tree search for language model agents"): best-first search in the real environment, by fork,
 * before every commitment; then the best way found is taken and the search begins again from there.
 *
 *     kernel.spawn(treeSearch, { question, budget: 20, value: { by: 'tool' }, propose: { by: 'tool' } })   // in an episode
 *
 * A node is an action not yet taken, with the value of the state that it is taken in as its priority. The best is popped, taken
 * and valued; if that is not enough, what may follow is proposed and pushed. `order` makes it breadth- or depth-first search.
 * Constants are the paper's: five actions deep, five wide, 20 values a search, threshold 1, five commitments.
 *
 * The release goes back by resetting the environment and taking all actions again; here each node is a fork, so every action is
 * taken once. `replayed` says what the release would have taken.
 *
 * Invariants
 *   TS1. A search values at most `budget` states and takes as many actions.
 *   TS2. A state replaces the best one only if its value is strictly higher.
 */
import { defineProgram } from '../kernel/program.ts'
import type { Step } from './pieces/acting.ts'
import { createFrontier, type Order } from './pieces/frontier.ts'
import { isKnown } from './pieces/known-places.ts'
import { goFrom, placeHere, stay, surveyFrom, type Place, type Survey } from './places.ts'
import type { Candidate, ProposeOptions } from './pieces/proposals.ts'
import type { ValueOptions } from './pieces/state-value.ts'
import { whileItLasts } from './pieces/while-it-lasts.ts'

export interface TreeSearchInput {
  readonly question: string
  /** Actions from where a search begins. @default 5 */
  readonly depth?: number
  /** Values of one search; 0: no search, the likeliest action is taken. @default 20 */
  readonly budget?: number
  /** Enough. @default 1 */
  readonly threshold?: number
  /** Searches. @default 5 */
  readonly commitsMax?: number
  /** @default 'highest', best-first */
  readonly order?: Exclude<Order, 'lowest'>
  /** A place that looks like one seen before, as one does whose action could not be done, is not gone on from. @default false, as in the paper */
  readonly distinct?: boolean
  /** @default the tool episode_value where it is held, else 20 judgements of the model */
  readonly value?: ValueOptions
  /** @default the tool episode_propose where it is held, else the model; 20 samples, the 5 most frequent */
  readonly propose?: ProposeOptions
}

export interface Searched {
  readonly steps: readonly Step[]
  readonly done: boolean
  /** Value of the last state committed to. */
  readonly value: number
  /** States valued, which are the actions taken. */
  readonly valued: number
  /** Actions that going back by reset and repetition would have taken. */
  readonly replayed: number
  readonly commits: number
}

/** As in the paper, priority of what the root proposes. */
const ROOT_VALUE = 0.5

export const treeSearch = defineProgram('tree-search', async (sys, input: TreeSearchInput): Promise<Searched> => {
  const { question, depth = 5, budget = 20, threshold = 1, commitsMax = 5, order = 'highest' } = input
  const propose = { branching: 5, samples: 20, ...input.propose }
  const survey: Survey = { question, value: { ...input.value }, propose, enough: threshold }
  let at = await placeHere(sys, { question, propose })
  let [valued, replayed, commits, worth] = [0, 0, 0, 0]

  /** The best of the search that is under way. */
  let found: Place | undefined
  await whileItLasts(async () => {
    while (!at.done && commits < commitsMax) {
      found = undefined
      const best = budget === 0 ? await greedy(at) : await search(at)
      if (best === undefined) break
      commits++
      worth = best.value ?? 0
      at = best
      if (!best.done && best.candidates === undefined) at = await surveyFrom(sys, best, { question, propose })
    }
    found = undefined
  })
  // Out of budget in the middle of a search: what it has found is better than nothing.
  at = found ?? at
  await stay(sys, at)
  return { steps: at.steps, done: at.done, value: worth, valued, replayed, commits }

  async function greedy(from: Place): Promise<Place | undefined> {
    const [first] = from.candidates ?? []
    if (first === undefined) return undefined
    replayed++
    return (await goFrom(sys, from, [first.action], { question, propose }))[0]
  }

  async function search(from: Place): Promise<Place | undefined> {
    const frontier = createFrontier<{ readonly place: Place; readonly next: Candidate }>(order)
    const push = (place: Place, priority: number): void => {
      for (const next of place.candidates ?? []) frontier.push({ place, next }, priority)
    }
    push(from, ROOT_VALUE)
    const seen = new Set(from.steps.map(({ told }) => told.text))
    /** Of the places that look new; where all are known, a known one has to do. */
    let best: Place | undefined
    for (let used = 0; used < budget; used++) {
      const node = frontier.pop()
      if (node === undefined) break
      const deep = node.place.steps.length + 1 - from.steps.length
      const isDeepest = deep >= depth
      const { propose: _, ...onlyValue } = survey
      const [place] = await goFrom(sys, node.place, [node.next.action], isDeepest ? onlyValue : survey)
      if (place === undefined) break
      valued++
      replayed += from.steps.length + deep
      if (input.distinct === true && isKnown(place, seen)) {
        if (best === undefined && (place.value ?? 0) > (found?.value ?? -1)) found = place
        continue
      }
      if (best === undefined || (place.value ?? 0) > (best.value ?? 0)) found = best = place
      if ((place.value ?? 0) >= threshold) break
      push(place, place.value ?? 0)
    }
    return found
  }
})
