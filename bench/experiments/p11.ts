/**
 * P11, Reflexion: the program on 60 planted crafting tasks, by a simulated actor that does the task with a chance of .15, and .2
 * more for each lesson that it is shown. How many are solved by each trial never falls, no trial comes behind one that succeeded,
 * a prompt has at most three lessons, and what the program says of itself is what the world says. The release's own logs are not
 * part of this repository: their replay is not measured.
 */
import { reflexion, type Reflected } from '../../src/agents/reflexion.ts'
import { boot } from './experiment.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { craft } from '../../src/environments/craft.ts'
import { spawnEpisode } from '../../src/evaluation/episode.ts'
import { worldOf } from '../../src/evaluation/world.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Json } from '../../src/kernel/types.ts'
import type { Experiment } from './experiment.ts'

const TRIALS = 8
const WINDOW = 3

/** What the oracle does in a task, in order. */
function wayOf(params: ReturnType<typeof craft.task>) {
  const way: { readonly name: string; readonly args: Json }[] = []
  let state = craft.start(params, () => 0)
  while (craft.toAct(state).length > 0) {
    const [action] = craft.oracle(state)
    if (action === undefined) break
    way.push({ name: action.name, args: action.args ?? {} })
    ;({ state } = craft.step(state, [action], () => 0))
  }
  return way
}

export const p11: Experiment = {
  id: 'P11',
  what: 'reflexion on planted tasks, 8 trials',
  bar: 'every trial as the world says; more are solved by later trials; at most 3 lessons shown (replay of the release’s logs: not measured)',
  seeds: 60,
  async run(seeds) {
    let [seed, trial, shownMost] = [0, 0, 0]
    let way = wayOf(craft.task(0, 1))
    const model = scripted((call) => {
      const prompt = promptText(call.prompt)
      if (prompt.includes('Say in a few sentences what went wrong')) return `Lesson ${++trial}: gather before you make.`
      const lessons = [...prompt.matchAll(/^- Lesson/gm)].length
      shownMost = Math.max(shownMost, lessons)
      const knows = randomAt(seed, 6, trial) < 0.15 + 0.2 * lessons
      const at = [...prompt.matchAll(/^Action \d+:/gm)].length
      return JSON.stringify({
        action: knows && at < way.length ? way[at] : { name: 'finish', args: { answer: 'done' } },
      })
    })
    const kernel = await boot({ model })
    const solvedAt: number[] = []
    let [read, ran, again] = [0, 0, 0]
    for (seed = 0; seed < seeds; seed++) {
      const params = craft.task(seed, 1)
      ;[trial, way] = [0, wayOf(params)]
      const players = { program: reflexion, input: { trials: TRIALS, window: WINDOW }, search: true, tellScore: true }
      const run = await spawnEpisode(kernel, worldOf(craft), { params, seed }, players)
      const { score, players: ended } = await run.result
      const player = ended['crafter']
      if (player === undefined || 'error' in player) throw new Error(`P11, task ${seed}: ${JSON.stringify(player)}`)
      const { scores, success, reflections } = player.output as unknown as Reflected
      ran += scores.length
      if (reflections.length === scores.length - (success || scores.length === TRIALS ? 1 : 0)) read += scores.length
      again += scores.slice(0, -1).filter((one) => one >= 1).length
      if (success !== (score === 1)) read = -1
      if (success) solvedAt.push(scores.length)
    }
    await kernel.close()
    const counts = Array.from({ length: TRIALS }, (_, i) => solvedAt.filter((at) => at <= i + 1).length)
    return {
      measured: `solved by trial ${counts.join(', ')} of ${seeds}; ${read} of ${ran} trials consistent with the world, ${again} after a success; at most ${shownMost} lessons shown`,
      ok: read === ran && again === 0 && shownMost === WINDOW && (counts.at(-1) as number) > (counts[0] as number),
    }
  },
}
