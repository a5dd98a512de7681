/**
 * Places of a world that a search may go on from: each is a fork that took one more action and ended.
 *
 *     const start = await placeHere(sys, task)
 *     const [left, right] = await goFrom(sys, start, [{ name: 'left' }, { name: 'right' }], { value: 'tool' })
 *     await stay(sys, right)                            // this process is where that fork was: nothing is done again
 *
 * Needs the tools of an episode that allow it (`search: true`, docs/evaluation.md): `episode_view` and `episode_adopt`. A fork is a
 * copy of the world as it is; adopting one is one call. A place is plain data, and any number of them may be kept.
 *
 * A place is an ended process; what it stands for stays while the search runs, however many there are. The forks are made by
 * a child with a past of a few calls, so what one costs does not grow with the search.
 *
 * Invariants
 *   P1. Each action of a search is taken once: `goFrom` of n actions takes n steps of the world, `stay` none.
 *   P2. A place is not changed by what is done from it.
 */
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Pid, Sys } from '../kernel/types.ts'
import {
  ADOPT,
  VIEW,
  act,
  actionTools,
  canLook,
  earnedBy,
  holds,
  look,
  type Action,
  type Seen,
  type Step,
} from './pieces/acting.ts'
import { proposeActions, type Candidate, type ProposeOptions } from './pieces/proposals.ts'
import { valueOf, type ValueOptions } from './pieces/state-value.ts'

/** Where a search stands, or stood. */
export interface Place {
  readonly pid: Pid
  /** From the start of the search to here. */
  readonly steps: readonly Step[]
  readonly done: boolean
  /** What it was found to be worth, 0 to 1; where that was asked for. */
  readonly value?: number
  /** What may be done next, the likeliest first; where that was asked for. */
  readonly candidates?: readonly Candidate[]
}

/** What is to be found out about a place while somebody stands there. */
export interface Survey {
  readonly question: string
  readonly value?: ValueOptions
  readonly propose?: ProposeOptions
  /** No proposals where the value is at least this. @default never spared */
  readonly enough?: number
  /** After the action: so many more, each the likeliest proposal or drawn among them, before it is valued. @default 0 */
  readonly rollout?: number
}

interface Errand extends Survey {
  readonly steps: readonly Step[]
  /** null: no action, only a look. */
  readonly actions: readonly (Action | null)[]
}

/** Takes each action in a fork of its own and says what was found there. */
const surveyor = defineProgram('places/surveyor', async (sys, errand: Errand): Promise<readonly Place[]> => {
  const forks: Pid[] = []
  for (const action of errand.actions) {
    const pid = await sys.fork()
    if (pid === 0) return (await surveyed(sys, action, errand)) as never
    forks.push(pid)
  }
  const found = await Promise.all(forks.map((pid) => sys.wait<Json>(pid) as unknown as Promise<Omit<Place, 'pid'>>))
  return found.map((place, i) => ({ ...place, pid: forks[i] as Pid }))
})

async function surveyed(sys: Sys, action: Action | null, errand: Errand): Promise<Omit<Place, 'pid'>> {
  const { question, value, propose, enough = Infinity, rollout = 0 } = errand
  const steps = [...errand.steps]
  const take = async (next: Action) => void steps.push({ action: next, told: await act(sys, next) })
  const isOver = () => steps.at(-1)?.told.done ?? false
  if (action !== null) await take(action)
  for (let left = rollout; left > 0 && !isOver() && !isStuck(steps); left--) {
    const options = await proposeActions(sys, { ...propose, question, steps })
    if (options.length === 0) break
    await take(drawn(options, sys.random()))
  }
  const done = isOver() || (action === null && rollout === 0 && (await look(sys)).done)
  const worth = value === undefined ? undefined : await valueOf(sys, { ...value, question, steps, done })
  const asks = propose !== undefined && rollout === 0 && !done && (worth ?? 0) < enough
  return {
    steps,
    done,
    ...(worth === undefined ? {} : { value: worth }),
    ...(asks ? { candidates: await proposeActions(sys, { ...propose, question, steps }) } : {}),
  }
}

/** The world of this process, as a place. */
export async function placeHere(sys: Sys, survey: Survey): Promise<Place> {
  demand(sys)
  const [here] = await send(sys, { ...survey, steps: [], actions: [null] })
  return here as Place
}

/** Where each of the actions leads, in order. This process stands at `from` afterwards. */
export async function goFrom(
  sys: Sys,
  from: Place,
  actions: readonly Action[],
  survey: Survey,
): Promise<readonly Place[]> {
  if (actions.length === 0) return []
  await stay(sys, from)
  return send(sys, { ...survey, steps: from.steps, actions })
}

/** Goes on from a place without an action: rolls out, or looks again. */
export async function surveyFrom(sys: Sys, from: Place, survey: Survey): Promise<Place> {
  await stay(sys, from)
  const [place] = await send(sys, { ...survey, steps: from.steps, actions: [null] })
  return place as Place
}

/** This process stands there now. */
export async function stay(sys: Sys, { pid }: Place): Promise<Seen> {
  return (await sys.call<Json>(ADOPT, { pid })) as unknown as Seen
}

async function send(sys: Sys, errand: Errand): Promise<readonly Place[]> {
  const pid = await sys.spawn(surveyor, errand)
  return (await sys.wait<Json>(pid)) as unknown as readonly Place[]
}

function demand(sys: Sys): void {
  if (holds(sys, ADOPT) && canLook(sys) && actionTools(sys).length > 0) return
  throw new PolityError(
    'INVALID_ARGUMENT',
    `a search goes through an environment and needs the tools ${VIEW} and ${ADOPT}; run it as an episode with search: true (polity evaluate: --search)`,
  )
}

/** Observations that repeat end a rollout, as in the release of ARMAP. */
const SAME_MAX = 4

function isStuck(steps: readonly Step[]): boolean {
  const last = steps.slice(-SAME_MAX)
  return last.length === SAME_MAX && last.every(({ told }) => told.text === last[0]?.told.text)
}

/** One of the candidates, each as often as it was proposed. */
function drawn(candidates: readonly Candidate[], draw: number): Action {
  let left = draw
  for (const { action, share } of candidates) {
    left -= share
    if (left < 0) return action
  }
  return (candidates.at(-1) as Candidate).action
}

/** What a place earned, as far as was told. */
export function earnedAt({ steps }: Place): number {
  return earnedBy(steps)
}
