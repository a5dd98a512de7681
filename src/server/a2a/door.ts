/**
 * A2A, protocol version 1.0 (https://a2a-protocol.org/v1.0.0/specification): every program that is served is an agent with a
 * card, and its runs are tasks.
 *
 *     GET  /.well-known/agent-card.json                  the card of the default agent
 *     GET  /a2a                                          { agents: [card, …] }: all of them
 *     GET  /a2a/:program/.well-known/agent-card.json
 *     POST /a2a/:program                                 JSON-RPC, of version 0.3 too (json-rpc.ts)
 *     *    /a2a/:program/…                               HTTP+JSON, which is REST (rest.ts)
 *
 * SendMessage, SendStreamingMessage, GetTask, ListTasks, CancelTask and SubscribeToTask; with `push`, webhooks are told too.
 * tasks.ts says how a process is told as a task, agent.ts what a caller may reach: the same for every binding.
 *
 * Invariants
 *   AD1. Nothing is kept here: tasks, and which message began which, are read from the kernel, so a restart loses none. What
 *        webhooks are to be told is in its store (push.ts).
 *   AD2. What is no fault of the client is an error of HTTP, and its cause is told to the owner of the server only.
 */
import type { AgentCard, StreamResponse } from '@a2a-js/sdk'
import type { Clock } from '../../kernel/clock.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Program } from '../../kernel/types.ts'
import { createFollowing } from '../follow.ts'
import type { Caller } from '../caller.ts'
import { holds } from '../caller.ts'
import type { Door, Exchange } from '../route.ts'
import { viewOf } from '../view.ts'
import { createAgent } from './agent.ts'
import { createAgentTasks } from './agent-tasks.ts'
import type { Answering, Fault } from './binding.ts'
import { worded } from './binding.ts'
import type { Described } from './card.ts'
import { cardJson, cardOf } from './card.ts'
import { answerJsonRpc, jsonRpcRefusal } from './json-rpc.ts'
import type { PushOptions, PushOwner } from './push.ts'
import { createPush } from './push.ts'
import { answerRest, restRefusal } from './rest.ts'
import type { A2aSdk } from './sdk.ts'
import { loadA2a } from './sdk.ts'
import { createTelling } from './tasks.ts'

export type { Described } from './card.ts'

export interface A2aDoorOptions {
  readonly kernel: Kernel
  /** Those that clients may run. */
  readonly programs: readonly Program[]
  /** By the name of the program. */
  readonly cards?: { readonly [program: string]: Described }
  /** Name of the program whose card is the server's. @default the first */
  readonly agent?: string
  /** Webhooks that clients name are told what becomes of their tasks. @default they are not, and the card says so */
  readonly push?: PushOptions
  /** Under which clients reach the server, where it is not what they send as `Host`. @default `http://` and that */
  readonly url?: string
  /** @default the machine's */
  readonly clock?: Clock
}

export function a2aDoor({ kernel, programs, cards = {}, agent, push: pushing, url, clock }: A2aDoorOptions): Door {
  const byName = new Map(programs.map((program) => [program.name, program]))
  for (const name of [...Object.keys(cards), ...(agent === undefined ? [] : [agent])]) served(name)
  const following = createFollowing(kernel, clock)
  const push = pushing === undefined ? undefined : createPush({ kernel, options: pushing, streamOf })

  function served(name: string | undefined): Program {
    const found = name === undefined ? undefined : byName.get(name)
    if (found !== undefined) return found
    const missing = `no agent ${name === undefined ? '' : `${JSON.stringify(name.slice(0, 200))} `}is served`
    const known = [...byName.keys()].join(', ')
    throw new PolityError(
      'NO_SUCH_PROGRAM',
      known === ''
        ? `${missing}: the server has no programs; start it with one, such as polity serve agent.ts`
        : `${missing}; there are ${known}`,
    )
  }

  const card = (program: Program, { headers, caller }: Exchange): AgentCard =>
    cardOf(program, cards[program.name], {
      base: url ?? `http://${headers.host}`,
      needsKey: caller.key !== null,
      isPushing: push !== undefined,
    })

  async function showCard(exchange: Exchange, program: Program): Promise<void> {
    exchange.reply(200, await cardJson(await loadA2a(), card(program, exchange)))
  }

  function agentFor(sdk: A2aSdk, exchange: Exchange): Answering {
    const { caller, signal, params } = exchange
    const program = served(params['program'])
    const fault: Fault = { thrown: undefined }
    const mayAnswer = holds(caller, 'approvals')
    const view = viewOf(kernel, caller, programs)
    const telling = createTelling(sdk, mayAnswer)
    const agent = createAgent({
      sdk,
      telling,
      kernel,
      view,
      program: program.name,
      card: () => Promise.resolve(card(program, exchange)),
      tasks: createAgentTasks({ telling, kernel, view, program: program.name, following, signal }),
      push,
      owner: { principal: caller.principal, program: program.name, scopes: [...caller.scopes], key: caller.key },
    })
    return { agent: worded(sdk, fault, agent), fault }
  }

  /** What a webhook is told: what the caller who named it would be. Its key is looked at where it is told (push.ts). */
  async function* streamOf(sdk: A2aSdk, owner: PushOwner, signal: AbortSignal): AsyncGenerator<StreamResponse> {
    const { principal, program, pid, scopes } = owner
    const caller: Caller = { principal, scopes: new Set(scopes), key: null }
    const telling = createTelling(sdk, holds(caller, 'approvals'))
    const view = viewOf(kernel, caller)
    const tasks = createAgentTasks({ telling, kernel, view, program, following, signal })
    yield* tasks.stream({ pid, isNew: false }, { toEnd: true })
  }

  async function jsonRpc(exchange: Exchange): Promise<void> {
    const sdk = await loadA2a()
    await answerJsonRpc(sdk, agentFor(sdk, exchange), exchange)
  }

  async function rest(exchange: Exchange): Promise<void> {
    const sdk = await loadA2a()
    await answerRest(sdk, agentFor(sdk, exchange), exchange)
  }

  return {
    routes: [
      {
        method: 'GET',
        path: '/.well-known/agent-card.json',
        scope: 'runs',
        handle: (exchange) => showCard(exchange, served(agent ?? programs[0]?.name)),
      },
      {
        method: 'GET',
        path: '/a2a',
        scope: 'runs',
        async handle(exchange) {
          const sdk = await loadA2a()
          const agents = [...byName.values()].map((program) => cardJson(sdk, card(program, exchange)))
          exchange.reply(200, { agents: await Promise.all(agents) })
        },
      },
      {
        method: 'GET',
        path: '/a2a/:program/.well-known/agent-card.json',
        scope: 'runs',
        handle: (exchange) => showCard(exchange, served(exchange.params['program'])),
      },
      { method: 'POST', path: '/a2a/:program', scope: 'runs', handle: jsonRpc },
      ...(['GET', 'POST', 'DELETE'] as const).map((method) => ({
        method,
        path: '/a2a/:program/*',
        scope: 'runs' as const,
        handle: rest,
      })),
    ],
    errorBody: (error, status, path) => (REST.test(path) ? restRefusal(error, status) : jsonRpcRefusal(error, status)),
  }
}

/** What lies under an agent, its card apart, is of the REST binding. */
const REST = /^\/a2a\/[^/]+\/(?!\.well-known\/)/
