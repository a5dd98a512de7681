/**
 * The scripted policy: a model that knows the oracle of a world and errs as often as it is told, whatever program asks it.
 *
 *     const policy = createPolicy({ errs: 0.2, seed: 1 })
 *     const task = worldTask(policy.watched(worldOf(craft)), …)
 *     const kernel = await boot({ model: policy.model })
 *
 * It reads what any model reads. Where the agent stands it knows by the last view of the world that stands in the prompt, and what
 * to do there from the oracle. It answers in the form that is asked for: a tool call, JSON of a schema (whose fields it fills by
 * their names and types), code, or a text. An error is an action that the oracle takes elsewhere in the same episode; a value is
 * how near the end is, with noise; asked whether all is done it says whether the episode is over, asked anything else by yes or no it
 * says yes. Errors and noise are drawn from the seed and the prompt: where the temperature is 0 the same prompt has the
 * same answer.
 *
 * So the same judgement stands behind every program, and what tells their scores apart is what they do with it. It says nothing of
 * a real model, whose errors come in other kinds and go together.
 *
 * One episode at a time: a world that begins anew forgets the views of the last one.
 */
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { normalOf } from '../../src/agents/pieces/linear-thompson.ts'
import { scripted, type ScriptedAnswer, type ScriptedModel } from '../../src/drivers/llm/scripted.ts'
import type { Action, Turn } from '../../src/environments/environment.ts'
import { onceThere, openStage, type OpenEnvironment, type Soon, type World } from '../../src/evaluation/world.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { sha256 } from '../../src/kernel/digest.ts'
import type { Json } from '../../src/kernel/types.ts'
import { canonical } from '../../src/policy/canonical.ts'
import { filled, type Judgement, type Move } from './filled.ts'

export interface PolicyOptions {
  /** Share of the actions that are not the oracle's. @default 0.2 */
  readonly errs?: number
  /** Standard deviation of a value. @default 0.1 */
  readonly sigma?: number
  readonly seed?: number
}

export interface Policy {
  readonly model: ScriptedModel
  /** The same world, whose views the model knows again. */
  watched(world: World): World
}

/** Where somebody stands. */
interface Standing {
  readonly world: World
  readonly state: Json
  readonly agent: string
  /** Names of the actions that are offered. */
  readonly offered: readonly string[]
}

/** Actions that a plan holds; steps of the oracle from which on a value is 0. */
const PLAN_MAX = 20
const HORIZON = 20

export function createPolicy({ errs = 0.2, sigma = 0.1, seed = 1 }: PolicyOptions = {}): Policy {
  /** By the words of a view. */
  const known = new Map<string, Standing>()
  /** What the oracle does in this episode, from its beginning: what is right elsewhere is an error here. */
  let course: readonly Action[] = []
  /** Ways of the oracle, by the state that they begin at. */
  const ways = new Map<string, ReturnType<typeof ahead>>()
  /** In this episode. */
  let calls = 0

  function wayFrom(world: World, state: Json): ReturnType<typeof ahead> {
    const key = canonical(state)
    let way = ways.get(key)
    if (way === undefined) {
      if (ways.size >= WAYS_MAX) ways.clear()
      ways.set(key, (way = ahead(world, state)))
    }
    return way
  }

  function watched(world: World): World {
    const remember = (inner: OpenEnvironment, turn: Turn): Soon<Turn> =>
      onceThere(inner.state(), (state) => {
        for (const [agent, { text, actions }] of Object.entries(turn.views))
          if (turn.toAct.includes(agent))
            known.set(plain(text), { world, state, agent, offered: actions.map(({ name }) => name) })
        return turn
      })
    return {
      ...world,
      open: () =>
        onceThere(world.open(), (inner) => ({
          reset(task) {
            known.clear()
            calls = 0
            return onceThere(inner.reset(task), (turn) =>
              onceThere(remember(inner, turn), async () => {
                course = (await wayFrom(world, await inner.state())).flat()
                return turn
              }),
            )
          },
          step: (actions) => onceThere(inner.step(actions), (turn) => remember(inner, turn)),
          restore: (state) => onceThere(inner.restore(state), (turn) => remember(inner, turn)),
          state: () => inner.state(),
          score: () => inner.score(),
          metrics: () => inner.metrics(),
          ...(inner.close === undefined ? {} : { close: () => inner.close?.() }),
        })),
    }
  }

  async function answer(call: LanguageModelV4CallOptions): Promise<string | ScriptedAnswer> {
    const prompt = promptOf(call)
    // The ids of calls count on from episode to episode: whoever plays alone gets the same answers.
    const own = prompt.replaceAll(/\bcall-\d+-\d+\b/g, 'call')
    const place = Number.parseInt(sha256(own).slice(0, 12), 16) + ((call.temperature ?? 0) > 0 ? ++calls : 0)
    let drawn = 0
    const draw = (): number => randomAt(seed, place, drawn++)
    const judgement = await judged(prompt, draw)
    const { next } = judgement
    const offered = call.toolChoice?.type === 'none' ? [] : (call.tools ?? [])
    if (offered.some(({ name }) => name === next?.name) && next !== undefined)
      return { toolCalls: [{ name: next.name, input: next.args }] }
    if (offered.length > 0) return 'Done.'
    if (call.responseFormat?.type === 'json')
      return JSON.stringify(filled((call.responseFormat.schema ?? {}) as Json, judgement))
    return spoken(prompt, next)
  }

  async function judged(prompt: string, draw: () => number): Promise<Judgement> {
    const { at, standing } = lastView(prompt)
    const isOver = standing === undefined || prompt.lastIndexOf('It is over.') > at
    if (isOver || standing === undefined)
      return { isOver: standing !== undefined, next: undefined, plan: [], value: standing === undefined ? 0 : 1 }
    const turns = await wayFrom(standing.world, standing.state)
    const own = turns.map((actions) => moveOf(actions.find(({ agent }) => agent === standing.agent)))
    const others = course.filter(({ agent }) => agent === standing.agent).map((one) => moveOf(one) as Move)
    const plan = own.flatMap((right) => {
      const wrong = others.filter((one) => JSON.stringify(one) !== JSON.stringify(right))
      const isError = draw() < errs && wrong.length > 0
      return (isError ? wrong[Math.floor(draw() * wrong.length)] : right) ?? []
    })
    const next = own[0] === undefined ? (idle(standing) ?? plan[0]) : plan[0]
    const value = 1 - turns.length / HORIZON + sigma * normalOf(draw(), draw())
    return { isOver: false, next, plan: plan.slice(0, PLAN_MAX), value: Math.min(1, Math.max(0, value)) }
  }

  /** The view that stands last in the prompt; of two that begin there, the longer. */
  function lastView(prompt: string): { readonly at: number; readonly standing: Standing | undefined } {
    let [at, chars, standing]: [number, number, Standing | undefined] = [-1, 0, undefined]
    for (const [text, one] of known) {
      const found = prompt.lastIndexOf(text)
      if (found > at || (found === at && found >= 0 && text.length > chars))
        [at, chars, standing] = [found, text.length, one]
    }
    return { at, standing }
  }

  return {
    model: scripted(answer, { modelId: 'policy', callsKeptMax: 0 }),
    watched,
  }
}

/** What the oracle does from a state to the end, turn by turn. */
async function ahead(world: World, from: Json): Promise<readonly (readonly Action[])[]> {
  const stage = openStage(world)
  const turns: (readonly Action[])[] = []
  let [state, turn] = [from, await stage.look(from)]
  while (!turn.done && turns.length < TURNS_MAX) {
    const actions = (await world.oracle?.(state)) ?? []
    if (actions.length === 0) break
    turns.push(actions)
    ;({ state, turn } = await stage.step(state, actions))
  }
  await stage.close()
  return turns
}

/** Turns of the oracle that are followed; ways that are remembered. */
const TURNS_MAX = 200
const WAYS_MAX = 10_000

function moveOf(action: Action | undefined): Move | undefined {
  return action === undefined ? undefined : { name: action.name, args: { ...action.args } }
}

/** Where the oracle has no action for a player, the others act and it waits. */
function idle({ offered }: Standing): Move | undefined {
  const name = offered.find((one) => ['wait', 'none', 'stay', 'pass'].includes(one))
  return name === undefined ? undefined : { name, args: {} }
}

/** A text without its line breaks, also where it stands in JSON. */
function plain(text: string): string {
  return text
    .replaceAll(/(?:\\+n|\s)+/g, ' ')
    .replaceAll(/\\+"/g, '"')
    .trim()
}

function promptOf({ prompt }: LanguageModelV4CallOptions): string {
  const texts = prompt.map(({ role, content }) =>
    typeof content === 'string' ? `${role}: ${content}` : `${role}: ${JSON.stringify(content)}`,
  )
  return plain(texts.join(' '))
}

/** In a text: as a caller, a planner, a marked step or code is asked for, else in words. */
function spoken(prompt: string, next: Move | undefined): string {
  if (prompt.includes('Action Input:') && prompt.includes('two lines'))
    return next === undefined ? 'nothing' : `Action: ${next.name}\nAction Input: ${JSON.stringify(next.args)}`
  if (prompt.includes('"Next: caller."'))
    return next === undefined ? 'It is done. Next: conclusion.' : `Now ${next.name}. Next: caller.`
  if (prompt.includes('[[Tool]]')) return next === undefined ? '[[Answer]] Done.' : `[[Tool]] ${JSON.stringify(next)}`
  if (/\bJavaScript\b/.test(prompt) && next !== undefined) {
    const call = `tools[${JSON.stringify(next.name)}](${JSON.stringify(next.args)})`
    return `\`\`\`js\n/** Takes the next step. */\nasync function takeStep() {\n  return (await ${call}).text\n}\nconsole.log(await takeStep())\n\`\`\``
  }
  return next === undefined ? 'Done.' : `The next step is ${next.name}.`
}
