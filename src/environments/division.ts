/**
 * `bargain.division`: two offer each other in turns how to share a sum that shrinks for each by a factor of their own with
 * every round (GLEE, Shapira et al. 2024, section 3.1).
 *
 *     environmentOf(division).reset({ params: division.task(1), seed: 1 })
 *
 * The score is the welfare: what both have together, of the most there could be. The oracle is the subgame-perfect
 * equilibrium (Rubinstein 1982; with a horizon by going backwards).
 *
 * Invariants
 *   DV1. Shares are whole units and add up to the sum.
 *   DV2. Who refuses for ever has nothing.
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { FIRST, SECOND, SUMS, WORDS_MAX, answering, words } from './bargain.ts'
import { defineWorld, fields } from './define.ts'
import { badArguments, drawAt, pick, refused, unknownAction, type Rules } from './environment.ts'

/** Terms of a division. */
export interface DivisionTask {
  readonly sum: number
  /** What a unit is worth to each after a round more, of what it was. */
  readonly patience: readonly [number, number]
  readonly roundsMax: number
  readonly [key: string]: Json
}

/** A division as it stands. */
export interface DivisionState {
  readonly task: DivisionTask
  /** From 0; the first to offer does so in even rounds. */
  readonly round: number
  /** What the one who offers keeps; null while there is no offer. */
  readonly offer: number | null
  /** What both have at the end, undiscounted; null before. */
  readonly shares: readonly [number, number] | null
  readonly words: string
  readonly [key: string]: Json
}

/** GLEE's grid (section 3.1). */
const PATIENCE = [1, 0.95, 0.9, 0.8]
const HORIZONS = [12, 99]

/** Division of a sum. */
export const division: Rules<DivisionTask, DivisionState> = defineWorld({
  id: 'bargain.division',
  version: '1',
  description: 'Agree on how to share a sum before it has shrunk.',
  stepsMax: 300,
  levelMax: 1,
  params: fields({
    sum: z.int().min(1),
    patience: z.tuple([z.number().min(0).max(1), z.number().min(0).max(1)]),
    roundsMax: z.int().min(1),
  }),
  task(seed) {
    const draw = drawAt(seed, -1)
    return {
      sum: pick(draw, SUMS),
      patience: [pick(draw, PATIENCE), pick(draw, PATIENCE)],
      roundsMax: pick(draw, HORIZONS),
    }
  },
  start: (task) => ({ task, round: 0, offer: null, shares: null, words: '' }),
  agents: () => [FIRST, SECOND],
  actions: () => [...offering, ...answering],
  toAct: ({ task, round, offer, shares }) =>
    shares !== null || round >= task.roundsMax ? [] : [(round % 2 === 0) === (offer === null) ? FIRST : SECOND],
  view({ task, round, offer, words }, agent) {
    const left = (who: 0 | 1): string => `${Math.round(100 * task.patience[who] ** round)} %`
    const said = words === '' ? '' : ` They say: ${words}`
    return {
      text: [
        `${task.sum} are to be shared. Round ${round + 1} of ${task.roundsMax}. A unit is worth ${left(0)} to ${FIRST} and ${left(1)} to ${SECOND} now.`,
        offer === null
          ? `You are ${agent}. Make an offer: how much do you keep?`
          : `You are ${agent}. You are offered ${task.sum - offer}.${said}`,
      ].join('\n'),
      data: { round, offer, sum: task.sum, patience: task.patience, roundsMax: task.roundsMax },
      actions: offer === null ? offering : answering,
    }
  },
  step(state, [action]) {
    const { task, round, offer } = state
    const silent = { ...state, round: round + 1, offer: null, words: '' }
    if (action === undefined) return { state: silent }
    const { agent, name, args = {} } = action
    if (offer === null) {
      const { keep, words: said = '' } = args
      if (name !== 'offer') return refused(state, unknownAction(agent, name, offering))
      if (typeof keep !== 'number' || !Number.isInteger(keep) || keep < 0 || keep > task.sum)
        return refused(state, badArguments(agent, `offer takes { keep }, a whole number from 0 to ${task.sum}`))
      return { state: { ...state, offer: keep, words: typeof said === 'string' ? said.slice(0, WORDS_MAX) : '' } }
    }
    if (name === 'reject') return { state: silent }
    if (name !== 'accept') return refused(state, unknownAction(agent, name, answering))
    const shares: readonly [number, number] = round % 2 === 0 ? [offer, task.sum - offer] : [task.sum - offer, offer]
    const [one, other] = worthOf({ ...state, shares })
    return { state: { ...state, shares }, reward: { [FIRST]: one, [SECOND]: other } }
  },
  score: (state) => {
    const [one, other] = worthOf(state)
    return (one + other) / state.task.sum
  },
  metrics(state) {
    const [one, other] = worthOf(state)
    const share = one + other === 0 ? 0 : one / (one + other)
    // GLEE's fairness, 1 at halves; its exact form is not certain.
    return {
      first: one,
      second: other,
      share,
      fairness: one + other === 0 ? 0 : 1 - 4 * (share - 0.5) ** 2,
      rounds: state.round + 1,
    }
  },
  oracle({ task, round, offer }) {
    const keep = equilibrium(task, round)
    if (offer === null) return [{ agent: round % 2 === 0 ? FIRST : SECOND, name: 'offer', args: { keep } }]
    return [{ agent: round % 2 === 0 ? SECOND : FIRST, name: offer <= keep ? 'accept' : 'reject' }]
  },
})

/** What the one who offers in that round keeps in equilibrium: as much as leaves the other what they would have by waiting. */
export function equilibrium({ sum, patience, roundsMax }: DivisionTask, round: number): number {
  let keep = sum
  for (let at = roundsMax - 2; at >= round; at--) {
    const other = patience[at % 2 === 0 ? 1 : 0]
    keep = sum - Math.ceil(other * keep - 1e-9)
  }
  return keep
}

function worthOf({ task: { patience }, round, shares }: DivisionState): readonly [number, number] {
  if (shares === null) return [0, 0]
  return [shares[0] * patience[0] ** round, shares[1] * patience[1] ** round]
}

const offering = [
  {
    name: 'offer',
    description: 'Offer to share so that you keep that much.',
    input: { type: 'object', properties: { keep: { type: 'integer', minimum: 0 }, words }, required: ['keep'] },
    effect: 'write',
  },
] as const
