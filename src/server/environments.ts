/**
 * The door to worlds: foreign agents act in ours over HTTP, by our own messages or as they would in AgentGym.
 *
 *     const server = await startServer({ doors: [environmentDoor(worlds)], authenticate, port: 7080 })
 *
 * `GET /environments` lists them; `POST /environments/:id` opens an episode; `POST /environments/:id/:episode` takes a message
 * of src/environments/wire.ts; `DELETE` closes it. Under `/environments/:id/agentgym` stand the routes of AgentGym's
 * environment servers (Xi et al. 2024, "AgentGym", section 3.2): create, reset, step, observation, close. They are for worlds
 * with one player.
 *
 * Invariants
 *   ED1. An episode is found only under the name that was told when it was opened.
 *   ED2. At most `EPISODES_MAX` are open: beyond, the one that was used the longest ago is closed.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { firstIssue } from '../environments/define.ts'
import type { Rules, Turn } from '../environments/environment.ts'
import type { Answer } from '../environments/wire.ts'
import { answering } from '../environments/wire.ts'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import type { Door, Exchange } from './route.ts'

/** Episodes that are open at once. */
export const EPISODES_MAX = 1_000
/** Of a name that nobody guesses. */
const NAME_BYTES = 12

interface Episode {
  readonly environment: string
  readonly answer: (message: unknown) => Answer
  /** Of AgentGym's routes: the last turn, and who plays. */
  turn?: Turn
}

const created = z.looseObject({ id: z.int().min(0).optional() })
const toReset = z.looseObject({ id: z.string(), data_idx: z.int().min(0).default(0), level: z.int().min(1).optional() })
const toStep = z.looseObject({ id: z.string(), action: z.union([z.string(), z.record(z.string(), z.json())]) })
const toClose = z.looseObject({ id: z.string() })

/** The door to these worlds. */
export function environmentDoor(worlds: ReadonlyMap<string, Rules<Json, Json>>): Door {
  /** The one that was used the longest ago first. */
  const episodes = new Map<string, Episode>()

  function open(environment: string): string {
    const rules = worlds.get(environment)
    if (rules === undefined)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `there is no environment "${environment}" here; there are ${[...worlds.keys()].join(', ')}`,
      )
    const name = randomBytes(NAME_BYTES).toString('base64url')
    episodes.set(name, { environment, answer: answering(rules) })
    if (episodes.size > EPISODES_MAX) episodes.delete(episodes.keys().next().value as string)
    return name
  }

  function find(environment: string, name: string): Episode {
    const episode = episodes.get(name)
    if (episode === undefined || episode.environment !== environment)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `there is no episode "${name.slice(0, 80)}" of ${environment}: it was closed, or was not used for long`,
      )
    episodes.delete(name)
    episodes.set(name, episode)
    return episode
  }

  const gym = (path: string, act: (environment: string, exchange: Exchange) => Promise<Json>) => ({
    method: 'POST' as const,
    path: `/environments/:id/agentgym/${path}`,
    scope: 'runs' as const,
    handle: async (exchange: Exchange) => exchange.reply(200, await act(exchange.params['id'] as string, exchange)),
  })

  return {
    routes: [
      {
        method: 'GET',
        path: '/environments',
        scope: 'runs',
        handle: ({ reply }) =>
          reply(200, {
            environments: [...worlds.values()].map(({ id, version, description }) => ({ id, version, description })),
          }),
      },
      {
        method: 'POST',
        path: '/environments/:id',
        scope: 'runs',
        handle: ({ params, reply }) => reply(201, { episode: open(params['id'] as string) }),
      },
      {
        method: 'POST',
        path: '/environments/:id/:episode',
        scope: 'runs',
        handle: async ({ params, json, reply }) => {
          const { answer } = find(params['id'] as string, params['episode'] as string)
          reply(200, answer(await json()) as unknown as Json)
        },
      },
      {
        method: 'DELETE',
        path: '/environments/:id/:episode',
        scope: 'runs',
        handle: ({ params, reply }) => {
          const name = params['episode'] as string
          find(params['id'] as string, name)
          episodes.delete(name)
          reply(200, { closed: name })
        },
      },
      gym('create', async (environment, { json }) => {
        const { id } = read(created, (await json()) ?? {})
        const name = open(environment)
        return { id: name, ...begin(find(environment, name), id ?? 0) }
      }),
      gym('reset', async (environment, { json }) => {
        const { id, data_idx: seed, level } = read(toReset, await json())
        return begin(find(environment, id), seed, level)
      }),
      gym('step', async (environment, { json }) => {
        const { id, action } = read(toStep, await json())
        return take(find(environment, id), action)
      }),
      gym('close', async (environment, { json }) => {
        const { id } = read(toClose, await json())
        find(environment, id)
        return { closed: episodes.delete(id) }
      }),
      {
        method: 'GET',
        path: '/environments/:id/agentgym/observation',
        scope: 'runs',
        handle: ({ params, query, reply }) => {
          const { turn } = find(params['id'] as string, query.get('id') ?? '')
          reply(200, turn === undefined ? '' : observationOf(turn))
        },
      },
    ],
  }
}

function begin(episode: Episode, seed: number, level?: number): { [name: string]: Json } {
  const task = level === undefined ? { seed } : { seed, level }
  return told(episode, valueOf(episode.answer({ op: 'reset', task })) as unknown as Turn)
}

function take(episode: Episode, action: string | { [name: string]: Json }): { [name: string]: Json } {
  const [agent, ...others] = episode.turn?.toAct ?? []
  if (agent === undefined || others.length > 0)
    throw new PolityError(
      'INVALID_ARGUMENT',
      agent === undefined
        ? 'the episode is over: reset it'
        : 'these routes are for one player; this world has several act at once: send the message "step" to the episode itself',
    )
  const { name, args } = typeof action === 'string' ? actionIn(action) : action
  const taken = { agent, name: name ?? '', ...(args === undefined ? {} : { args }) }
  return told(episode, valueOf(episode.answer({ op: 'step', actions: [taken] })) as unknown as Turn)
}

/** An action as a model writes it: `get {"item": "oak_log"}`, or an object with its name and its args. */
function actionIn(text: string): { name?: Json; args?: Json } {
  const written = text.replace(/^[\s\S]*?Action:\s*/, '').trim()
  const named = /^([\w-]{1,64})\s*(\{[\s\S]*\})?$/.exec(written)
  try {
    if (named !== null) return { name: named[1] as string, args: JSON.parse(named[2] ?? '{}') as Json }
    const value = JSON.parse(written) as { name?: Json; args?: Json }
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Told as an action that is none.
  }
  throw new PolityError(
    'INVALID_ARGUMENT',
    `an action is its name and its arguments as JSON, as in get {"item": "oak_log"}; not ${JSON.stringify(written.slice(0, 80))}`,
  )
}

function told(episode: Episode, turn: Turn): { [name: string]: Json } {
  episode.turn = turn
  const score = valueOf(episode.answer({ op: 'score' })) as number
  const reward = Object.values(turn.reward).reduce((sum, one) => sum + one, 0)
  return { observation: observationOf(turn), reward, score, done: turn.done }
}

function observationOf({ views, errors, done }: Turn): string {
  const wrong = errors.map(({ message }) => `${message}\n`).join('')
  const seen = Object.values(views).map(({ text, actions }) =>
    [text, 'Actions:', ...actions.map((one) => `- ${one.name} ${JSON.stringify(one.input)}: ${one.description}`)].join(
      '\n',
    ),
  )
  return wrong + (done ? 'It is over.' : seen.join('\n'))
}

function valueOf(answer: Answer): Json {
  if ('ok' in answer) return answer.ok
  throw new PolityError('INVALID_ARGUMENT', answer.error.message)
}

function read<T>(schema: z.ZodType<T>, value: Json): T {
  const { success, data, error } = schema.safeParse(value)
  if (success) return data
  throw new PolityError('INVALID_ARGUMENT', firstIssue(error))
}
