/**
 * C12-KITCHEN, one dispatcher: `mind-agent`, run by the kernel, in drawn kitchens with orders at CuisineWorld's five paces. Its
 * simulated mind orders what the crew that knows everything would do. The collaboration score has to rise weakly with the time between orders,
 * and two cooks are worth no less than one in the same kitchen with the same orders; a turn takes one call.
 */
import { mindAgent } from '../../src/agents/mind-agent.ts'
import { boot } from './experiment.ts'
import { scripted } from '../../src/drivers/llm/scripted.ts'
import { atInterval, collaborationScore, INTERVALS, kitchen } from '../../src/environments/kitchen.ts'
import type { KitchenState, KitchenTask } from '../../src/environments/kitchen-world.ts'
import { spawnEpisode } from '../../src/evaluation/episode.ts'
import { teamWorld } from '../../src/evaluation/team-world.ts'
import { worldOf } from '../../src/evaluation/world.ts'
import { mean } from '../figures.ts'
import type { Experiment } from './experiment.ts'

/** The same kitchen with the first cook alone; undefined where one alone cannot reach all of it. */
function alone(task: KitchenTask): KitchenTask | undefined {
  const one = { ...task, starts: task.starts.slice(0, 1) }
  let state = kitchen.start(atInterval(one, 100), () => 0)
  while (kitchen.toAct(state).length > 0) ({ state } = kitchen.step(state, kitchen.oracle(state), () => 0))
  return kitchen.score(state) === 1 ? one : undefined
}

/** Drawn kitchens with two cooks or more in which one alone can cook too, each with two cooks and with one. */
function kitchens(count: number): { readonly two: KitchenTask; readonly one: KitchenTask }[] {
  const found: { two: KitchenTask; one: KitchenTask }[] = []
  for (let seed = 0; found.length < count; seed++) {
    const task = kitchen.task(seed, 2)
    if (task.starts.length < 2) continue
    const one = alone(task)
    if (one !== undefined) found.push({ two: { ...task, starts: task.starts.slice(0, 2) }, one })
  }
  return found
}

export async function dispatched(tasks: readonly KitchenTask[]) {
  let now: KitchenState | undefined
  let [calls, turns] = [0, 0]
  const model = scripted(() => {
    calls++
    return JSON.stringify({ plan: kitchen.oracle(now as KitchenState) })
  })
  const kernel = await boot({ model, limits: { processesEndedMax: 1_000 } })
  const watched: typeof kitchen = { ...kitchen, view: (state, agent) => kitchen.view((now = state), agent) }
  const world = teamWorld(worldOf(watched))
  const scores: number[] = []
  for (const [seed, params] of tasks.entries()) {
    const run = await spawnEpisode(kernel, world, { params, seed }, { program: mindAgent, input: { stepsMax: 2_000 } })
    const { metrics, steps, players } = await run.result
    if ('error' in (players['team'] ?? {})) throw new Error(`kitchen ${seed}: ${JSON.stringify(players['team'])}`)
    turns += steps
    scores.push(metrics['cooperation'] as number)
  }
  await kernel.close()
  return { scores, calls, turns }
}

export const c12Kitchen: Experiment = {
  id: 'C12-KITCHEN',
  what: 'mind-agent in drawn kitchens, orders at five paces',
  bar: 'collaboration score weakly rising with the pace; two cooks ≥ one in every kitchen; one call a turn',
  seeds: 6,
  async run(seeds) {
    const all = kitchens(seeds)
    const byPace: { readonly two: number; readonly one: number }[] = []
    const scores = all.map(() => ({ two: [] as number[], one: [] as number[] }))
    let [calls, turns] = [0, 0]
    for (const alpha of INTERVALS) {
      const two = await dispatched(all.map((one) => atInterval(one.two, alpha)))
      const one = await dispatched(all.map((both) => atInterval(both.one, alpha)))
      for (const [i, score] of scores.entries()) {
        score.two.push(two.scores[i] as number)
        score.one.push(one.scores[i] as number)
      }
      byPace.push({ two: mean(two.scores), one: mean(one.scores) })
      calls += two.calls + one.calls
      turns += two.turns + one.turns
    }
    const isRising = (list: readonly number[]): boolean =>
      list.every((one, i) => i === 0 || one >= (list[i - 1] as number))
    const [two, one] = [byPace.map((pace) => pace.two), byPace.map((pace) => pace.one)]
    const better = scores.filter((score) => collaborationScore(score.two) >= collaborationScore(score.one)).length
    const told = (list: readonly number[]): string => list.map((value) => value.toFixed(2)).join(', ')
    return {
      measured: `two cooks ${told(two)} (CoS ${collaborationScore(two).toFixed(3)}), one ${told(one)} (${collaborationScore(one).toFixed(3)}); two no worse in ${better} of ${seeds} kitchens; ${calls} calls in ${turns} turns`,
      ok: isRising(two) && isRising(one) && better === seeds && calls === turns,
    }
  },
}
