/**
 * C12-MINDS, two speeds: `hierarchical-language-agent`, run by the kernel in simulated time, in a world whose actions take 1.2 s, with a
 * fast model of .4 s and a slow one of 3 s, while a person says something every 20 s. Against it the same player with the slow model for
 * everything. Counted are actions a second, and the longest time between two actions that is not the fast model's or the world's.
 */
import { hierarchicalLanguageAgent } from '../../src/agents/hierarchical-language-agent.ts'
import { boot } from './experiment.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { spawnEpisode } from '../../src/evaluation/episode.ts'
import { teamWorld } from '../../src/evaluation/team-world.ts'
import { worldOf, type World } from '../../src/evaluation/world.ts'
import type { Rules } from '../../src/environments/environment.ts'
import { simulatedClock, type Clock } from '../../src/kernel/clock.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import type { Json } from '../../src/kernel/types.ts'
import type { Experiment } from './experiment.ts'

const [FAST_MS, SLOW_MS, ACTION_MS, CHAT_MS, ACTIONS] = [400, 3_000, 1_200, 20_000, 100]

const actions = [
  { name: 'work', description: 'Work on.', input: { type: 'object', properties: {} }, effect: 'write' as const },
]
const shift: Rules<Json, number> = {
  id: 'shift',
  version: '1',
  description: 'Work until the shift is over, and do what your partner wants.',
  stepsMax: 10_000,
  task: () => null,
  start: () => 0,
  toAct: (done) => (done < ACTIONS ? ['player'] : []),
  view: (done) => ({ text: `${done} of ${ACTIONS} done.`, actions }),
  step: (done) => ({ state: done + 1 }),
  score: (done) => done / ACTIONS,
  oracle: () => [{ agent: 'player', name: 'work' }],
}

/** The same world, in which a step takes its time; tells when each begins and ends. */
function inTime(world: World, clock: Clock, at: (what: 'begins' | 'ends', ms: number) => void): World {
  return {
    ...world,
    async open() {
      const inner = await world.open()
      return {
        ...inner,
        async step(given) {
          at('begins', clock.now())
          await new Promise<void>((resolve) => void clock.after(ACTION_MS, resolve))
          at('ends', clock.now())
          return inner.step(given)
        },
      }
    },
  }
}

export async function worked(fast: 'fast' | 'slow') {
  const clock = simulatedClock({ seed: 1, startMs: 0 })
  const minds = { fast: 0, slow: 0 }
  /** What the mind that acts was told that the partner wants, each where it changed. */
  const wanted: string[] = []
  const model = (mind: 'fast' | 'slow', delayMs: number) =>
    scripted(
      (call) => {
        minds[mind]++
        const prompt = promptText(call.prompt)
        const text = prompt.includes('what they want you to do')
          ? { intention: 'two onions' }
          : prompt.includes('what of it is still to be done')
            ? { demand: 'one onion', finished: minds.slow % 3 === 0, reply: 'On it.' }
            : { action: { name: 'work' } }
        if ('action' in text) {
          const said = /Your partner wants: (.*)/.exec(prompt)
          const now = said === null ? '' : said[1] || 'no words'
          if (now !== wanted.at(-1)) wanted.push(now)
        }
        return { text: JSON.stringify(text), delayMs }
      },
      { clock },
    )
  const kernel = await boot({ clock, models: { fast: model('fast', FAST_MS), slow: model('slow', SLOW_MS) } })
  /** Says something now and then, as long as anybody is there; returns how often, and how often it was answered. */
  const person = defineProgram('c12/person', async (sys) => {
    let [chats, replies] = [0, 0]
    try {
      for (;;) {
        await sys.sleep(CHAT_MS)
        await sys.send('team', { chat: 'Two onions please' })
        chats++
      }
    } catch (error) {
      if (!PolityError.isInstance(error) || error.code !== 'NO_SUCH_PROCESS') throw error
    }
    try {
      for (;;) {
        await sys.receive({ timeoutMs: 0 })
        replies++
      }
    } catch (error) {
      if (!PolityError.isInstance(error) || error.code !== 'TIMEOUT') throw error
    }
    return { chats, replies }
  })
  let [ended, longest] = [0, 0]
  const world = inTime(teamWorld(worldOf(shift)), clock, (what, ms) => {
    if (what === 'ends') ended = ms
    else if (ended > 0) longest = Math.max(longest, ms - ended)
  })
  const talking = kernel.spawn(person, null)
  const input = { models: { fast, slow: 'slow' } }
  const started = clock.now()
  const run = await spawnEpisode(
    kernel,
    world,
    { params: null, seed: 1 },
    { program: hierarchicalLanguageAgent, input },
  )
  const { steps, players } = await run.result
  const seconds = (clock.now() - started) / 1_000
  if ('error' in (players['team'] ?? {})) throw new Error(JSON.stringify(players['team']))
  const { chats, replies } = await talking.result
  await kernel.close()
  return { rate: steps / seconds, longestMs: longest, chats, replies, slow: minds.slow, wanted }
}

export const c12Minds: Experiment = {
  id: 'C12-MINDS',
  what: 'a fast mind of .4 s beside a slow one of 3 s, actions of 1.2 s',
  bar: 'actions a second ≥ 2.5 times those of the slow mind alone (.625 and .238 in the reference); never a wait on the slow mind',
  seeds: 1,
  async run() {
    const [both, alone] = [await worked('fast'), await worked('slow')]
    return {
      measured: `${both.rate.toFixed(3)} a second with two minds, ${alone.rate.toFixed(3)} with the slow one alone (× ${(both.rate / alone.rate).toFixed(2)}); ${both.longestMs} ms at most between actions; ${both.chats} chats, ${both.slow} slow thoughts, ${both.replies} replies`,
      ok: both.rate >= 2.5 * alone.rate && both.longestMs <= FAST_MS && both.slow > 0,
    }
  },
}
