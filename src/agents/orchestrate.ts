/**
 * One agent that plans for others: the loop under Magentic-One, AgentOrchestra, AgentStore, KwaiAgents and Mobile-Agent.
 *
 *     const { answer, why, steps, replans } = await orchestrate({ plan, decide, dispatch, conclude }, { stepsMax: 20 })
 *
 * A round: somebody decides what is done next, or that it is over; it is dispatched; what came of it is kept. What tells the
 * architectures apart is the form of the plan (facts and bullets, a list, a queue, none), how a decision is made and carried out (the
 * next speaker, a call of a worker, the head of a queue, one task), who judges progress (the decision, or what came of it), and
 * when there is a new plan: where it stalls (stall-counter.ts), after each step, or never.
 *
 * Invariants
 *   OR1. There are at most `stepsMax` decisions. Where the decision judges progress, a new plan takes the place of its dispatch; behind the
 *        last decision there is none, for nobody would carry it out: what was done stands as it is.
 *   OR2. `steps` of what is told are those since the last plan: behind a new plan nothing of the old one's steps is there.
 *   OR3. `conclude` is called once, and only where the end brings no answer.
 *   OR4. Behind the first plan a budget that is used up is an end like the others: what was done is told, with what `conclude` makes of it
 *        where there is one that can still be paid, and else what `soFar` says.
 */
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import { stallCounter, type StallOptions } from './pieces/stall-counter.ts'
import { whileItLasts } from './pieces/while-it-lasts.ts'

/** What was done, and what came of it. */
export interface Dispatched<Move, Outcome> {
  readonly move: Move
  readonly outcome: Outcome
}

/** Where it stands. */
export interface Now<Plan, Move, Outcome> {
  readonly plan: Plan
  /** Since this plan. */
  readonly steps: readonly Dispatched<Move, Outcome>[]
  /** Of all plans. */
  readonly all: readonly Dispatched<Move, Outcome>[]
  /** Plans that were made anew because it had stalled. */
  readonly replans: number
}

export type Decision<Move> =
  /** `isProgress`: whether what was done so far led on; absent: not judged here. */
  | { readonly move: Move; readonly isProgress?: boolean }
  /** `answer` absent: `conclude` gives it. */
  | { readonly end: 'done' | 'gave up'; readonly answer?: Json }

/** Why it ended: as was decided, stalled without another plan left, after all its steps, or with a budget of the process. */
export type OrchestrationEnd = 'done' | 'gave up' | 'stalled' | 'steps' | 'budget'

export interface Orchestration<Plan, Move, Outcome> {
  /** The first plan, or what takes the place of the last one, with what came of it. */
  plan(last: Now<Plan, Move, Outcome> | undefined): Promise<Plan> | Plan
  decide(now: Now<Plan, Move, Outcome>): Promise<Decision<Move>> | Decision<Move>
  dispatch(move: Move, now: Now<Plan, Move, Outcome>): Promise<Outcome>
  /** Whether what came of a step led on. @default not judged here */
  isProgress?(step: Dispatched<Move, Outcome>): boolean
  /** The answer, from what is known. @default null */
  conclude?(now: Now<Plan, Move, Outcome>, why: OrchestrationEnd): Promise<Json> | Json
  /** The best answer so far, where no budget is left to conclude: nothing is asked for it. @default null */
  soFar?(now: Now<Plan, Move, Outcome>): Json
}

export interface OrchestrationLimits extends StallOptions {
  /** Decisions. Minimum 1. @default 20, as in Magentic-One */
  readonly stepsMax?: number
  /** New plans because of a stall; behind the last one a stall ends it. @default no limit but `stepsMax` */
  readonly replansMax?: number
  /** When there is a new plan: where it stalls, or after every step (a stall ends it then). @default 'stalled' */
  readonly renew?: 'stalled' | 'step'
}

export interface Orchestrated<Plan, Move, Outcome> extends Now<Plan, Move, Outcome> {
  readonly answer: Json
  readonly why: OrchestrationEnd
  /** The steps before which there was a new plan because of a stall, as numbers of decisions from 1. */
  readonly stalledAt: readonly number[]
}

export async function orchestrate<Plan, Move, Outcome>(
  rules: Orchestration<Plan, Move, Outcome>,
  { stepsMax = 20, replansMax = Infinity, renew = 'stalled', ...stall }: OrchestrationLimits = {},
): Promise<Orchestrated<Plan, Move, Outcome>> {
  if (!(stepsMax >= 1)) throw new PolityError('INVALID_ARGUMENT', `stepsMax takes a number from 1 on, not ${stepsMax}`)
  const stalls = stallCounter(stall)
  const all: Dispatched<Move, Outcome>[] = []
  const stalledAt: number[] = []
  let from = 0
  let plan = await rules.plan(undefined)
  const now = (): Now<Plan, Move, Outcome> => ({ plan, steps: all.slice(from), all, replans: stalledAt.length })
  const ended = async (why: OrchestrationEnd, answer?: Json): Promise<Orchestrated<Plan, Move, Outcome>> => {
    const soFar = (): Json => rules.soFar?.(now()) ?? null
    const concluded = async (): Promise<Json> => {
      if (rules.conclude === undefined) return why === 'budget' ? soFar() : null
      return (await rules.conclude(now(), why)) ?? null
    }
    const given = answer ?? (await whileItLasts(concluded))
    return given === undefined
      ? { ...now(), stalledAt, why: 'budget', answer: soFar() }
      : { ...now(), stalledAt, why, answer: given }
  }
  const planAnew = async (): Promise<void> => {
    plan = await rules.plan(now())
    from = all.length
  }

  const end = await whileItLasts(async (): Promise<readonly [why: OrchestrationEnd, answer?: Json]> => {
    for (let round = 1; round <= stepsMax; round++) {
      const decision = await rules.decide(now())
      if ('end' in decision) return decision.answer === undefined ? [decision.end] : [decision.end, decision.answer]
      let isStalled = decision.isProgress !== undefined && stalls.note(decision.isProgress)
      if (!isStalled) {
        const step = { move: decision.move, outcome: await rules.dispatch(decision.move, now()) }
        all.push(step)
        isStalled = rules.isProgress !== undefined && stalls.note(rules.isProgress(step))
      }
      if (isStalled) {
        if (renew === 'step' || stalledAt.length >= replansMax) return ['stalled']
        if (round < stepsMax) stalledAt.push(round)
      }
      if (round < stepsMax && (isStalled || renew === 'step')) await planAnew()
    }
    return ['steps']
  })
  return ended(...(end ?? ['budget']))
}
