/**
 * C15 of orchestrators: traces of the counters, and what a new plan is worth, all of it by the programs in the kernel.
 *
 * Traces: progress ledgers say T (progress) or F; where `magentic-one` makes a new plan is exact. L is a loop with progress, which is no
 * progress. Three failures: `mobile-agent-e` with steps that fail with chance e ends early with the chance that three in a row come
 * among 40. Dead end: what is asked for lies in one of four places; the first guess is drawn, and it takes two looks at the right one.
 * Without a new plan only a right first guess succeeds. With the release's counter, which is not 0 behind a new plan, the first
 * ledger behind one, when nothing has led on yet, makes another at once: no place is looked at again.
 */
import { z } from 'zod'
import { magenticOne } from '../../src/agents/magentic-one.ts'
import { mobileAgentE } from '../../src/agents/mobile-agent-e.ts'
import { answering, type Says } from '../../src/drivers/llm/answering.ts'
import { boot } from './experiment.ts'
import { defineProgram, defineTool, type Json, type Tool } from '../../src/index.ts'
import type { Experiment } from './experiment.ts'
import { keyed } from './population.ts'

let says: Says = () => ''
const tap = defineTool({
  name: 'tap',
  description: 'Taps.',
  effect: 'read',
  inputSchema: z.object({ at: z.number() }),
  execute: ({ at }) => `screen ${at}`,
}) as Tool
const open = () =>
  boot({
    model: answering((prompt) => says(prompt)),
    tools: [tap],
  })
type Open = Awaited<ReturnType<typeof open>>

let hidden = 0
/** What a look at a place gives. */
const searcher = {
  name: 'Searcher',
  description: 'Searches a place.',
  program: defineProgram<string, Json>('c15/searcher', async (_, talk) => {
    const looks = [...talk.matchAll(/^Searcher, search (\d)$/gm)].map(([, place]) => Number(place))
    const place = looks.at(-1)
    if (place !== hidden) return 'nothing is here'
    return looks.filter((one) => one === place).length > 1 ? 'the second half' : 'one half'
  }) as never,
}
const team = magenticOne({ team: [searcher] })

const next = (isDone: boolean, isGood: boolean, isLoop: boolean, instruction: string): object => {
  const answers = {
    is_request_satisfied: isDone,
    is_in_loop: isLoop,
    is_progress_being_made: isGood,
    next_speaker: 'Searcher',
    instruction_or_question: instruction,
  }
  return Object.fromEntries(Object.entries(answers).map(([name, answer]) => [name, { reason: '', answer }]))
}
const facts = (guess: string): object => ({ given: [], look_up: [], derive: [], guesses: [guess] })

/** The progress ledgers, from 1, that make a new plan. */
async function trace(kernel: Open, steps: string, resets: boolean): Promise<string> {
  let [at, plans] = [0, 0]
  const stalled: number[] = []
  says = (prompt) => {
    if (prompt.includes('"is_request_satisfied"')) {
      const step = steps[at++]
      return next(step === undefined, step !== 'F', step === 'L', 'search 0')
    }
    if (prompt.includes('"look_up"')) {
      if (plans++ > 0) stalled.push(at)
      return facts(`guess ${plans}`)
    }
    return prompt.includes('{"plan"') ? { plan: ['search'] } : 'done'
  }
  await kernel.spawn(team, { task: 't', resets, stepsMax: steps.length + 1 }).result
  return stalled.join(' ')
}

const TRACES: readonly (readonly [steps: string, resets: boolean, at: string])[] = [
  ['FFF', true, '3'],
  ['FT'.repeat(6), true, ''],
  ['FFT'.repeat(4), true, '5 11'],
  ['FFFTF', true, '3'],
  ['FFFTF', false, '3 5'],
  ['LLL', true, '3'],
  ['FLF', true, '3'],
]

/** The chance that three failures in a row come among so many steps, exactly. */
export function threeInARow(failure: number, steps = 40): number {
  let [none, one, two, ended] = [1, 0, 0, 0]
  for (let step = 0; step < steps; step++)
    [none, one, two, ended] = [(none + one + two) * (1 - failure), none * failure, one * failure, ended + two * failure]
  return ended
}

/** Share of episodes that end early. */
async function endedEarly(kernel: Open, failure: number, seeds: number): Promise<number> {
  let early = 0
  for (let seed = 0; seed < seeds; seed++) {
    let at = 0
    says = (prompt) => {
      if (prompt.includes('You operate a screen')) return { action: { name: 'tap', args: { at: at++ } }, summary: '' }
      if (prompt.includes('Compare the screens'))
        return { verdict: keyed(seed, 10 * failure, at) < failure ? 'C' : 'A' }
      return prompt.includes('You manage an operator') ? { plan: '', subgoal: '' } : 'None'
    }
    const { why } = await kernel.spawn(mobileAgentE, { question: 'q', learn: false }).result
    if (why === 'stalled') early++
  }
  return early / seeds
}

const PLACES = 4

/** Share of runs that find both halves. */
async function found(kernel: Open, seeds: number, limits: { replansMax?: number; resets?: boolean }): Promise<number> {
  let right = 0
  for (let seed = 0; seed < seeds; seed++) {
    hidden = Math.floor(keyed(seed, 1) * PLACES)
    const order = Array.from({ length: PLACES }, (_, place) => place).toSorted(
      (a, b) => keyed(seed, 2, a) - keyed(seed, 2, b),
    )
    let plans = 0
    says = (prompt) => {
      if (prompt.includes('"is_request_satisfied"')) {
        // A place is known to lead on once it has given something.
        const place = /place (\d)/.exec(prompt)?.[1] ?? ''
        return next(prompt.includes('the second half'), prompt.includes('half'), false, `search ${place}`)
      }
      if (prompt.includes('"look_up"')) return facts(`it is in place ${order[plans++ % PLACES] as number}`)
      if (prompt.includes('{"plan"')) return { plan: ['search it'] }
      return prompt.includes('the second half') ? 'found' : 'not found'
    }
    const { answer } = await kernel.spawn(team, { task: 't', ...limits }).result
    if (answer === 'found') right++
  }
  return right / seeds
}

const FAILURES = [0.1, 0.2, 0.3, 0.5]

export const c15Orchestrators: Experiment = {
  id: 'C15-ORCHESTRATORS',
  what: 'magentic-one, mobile-agent-e: 7 traces, three failures in 40 steps at e = .1 .2 .3 .5, a dead end among 4 places',
  bar: 'every trace exact; within four standard errors of .034 .221 .540 .960; a new plan finds ≥ .5 more than none',
  seeds: 200,
  async run(seeds) {
    const kernel = await open()
    const wrong: string[] = []
    for (const [steps, resets, expected] of TRACES) {
      const at = await trace(kernel, steps, resets)
      if (at !== expected) wrong.push(`${steps}: ${at}, not ${expected}`)
    }
    const early: number[] = []
    for (const failure of FAILURES) early.push(await endedEarly(kernel, failure, seeds))
    const isNear = FAILURES.every((failure, i) => {
      const exact = threeInARow(failure)
      return Math.abs((early[i] as number) - exact) <= 4 * Math.sqrt((exact * (1 - exact)) / seeds)
    })
    const anew = await found(kernel, seeds, {})
    const none = await found(kernel, seeds, { replansMax: 0 })
    const released = await found(kernel, seeds, { resets: false })
    await kernel.close()
    return {
      measured: `${TRACES.length - wrong.length} of ${TRACES.length} traces${wrong.length === 0 ? '' : ` (${wrong.join('; ')})`}; ended early ${early.map((one) => one.toFixed(3)).join(' ')}; found ${anew.toFixed(3)}, without a new plan ${none.toFixed(3)}, with the release’s counter ${released.toFixed(3)}`,
      ok: wrong.length === 0 && isNear && anew >= none + 0.5,
    }
  },
}
