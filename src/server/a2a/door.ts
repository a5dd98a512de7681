/**
 * A2A, protocol version 1.0 (https://a2a-protocol.org/v1.0.0/specification): every program that is served is an agent with a
 * card, and its runs are tasks.
 *
 *     GET  /.well-known/agent-card.json                  the card of the default agent
 *     GET  /a2a                                          { agents: [card, …] }: all of them
 *     GET  /a2a/:program/.well-known/agent-card.json
 *     POST /a2a/:program                                 JSON-RPC; streams as server-sent events
 *
 * SendMessage, SendStreamingMessage, GetTask, ListTasks, CancelTask and SubscribeToTask; push notifications are refused.
 * tasks.ts says how a process is told as a task, agent.ts what a caller may reach.
 *
 * Invariants
 *   AD1. Nothing is kept but what finds a message again: tasks are read from the kernel, so a restart loses none.
 *   AD2. What is no fault of the client is an error of HTTP, and its cause is told to the owner of the server only.
 */
import type { AgentCard, AgentSkill } from '@a2a-js/sdk'
import type { A2ARequestHandler } from '@a2a-js/sdk/server'
import type { Clock } from '../../kernel/clock.ts'
import { PolityError, fieldOf } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Json, Pid, Program } from '../../kernel/types.ts'
import { createFollowing } from '../follow.ts'
import { holds } from '../caller.ts'
import type { Door, Exchange } from '../route.ts'
import { viewOf } from '../view.ts'
import type { Begun } from './agent.ts'
import { createAgent } from './agent.ts'
import type { A2aSdk } from './sdk.ts'
import { loadA2a } from './sdk.ts'
import { createTelling, parseName } from './tasks.ts'

/** What a card says of a program beyond its name and its version. */
export interface Described {
  readonly description?: string
  /** What it can do, for those who look for an agent. @default one skill: its name, with the names of its tools as tags */
  readonly skills?: readonly {
    readonly name: string
    readonly description: string
    readonly tags?: readonly string[]
    readonly examples?: readonly string[]
  }[]
}

export interface A2aDoorOptions {
  readonly kernel: Kernel
  /** Those that clients may run. */
  readonly programs: readonly Program[]
  /** By the name of the program. */
  readonly cards?: { readonly [program: string]: Described }
  /** Name of the program whose card is the server's. @default the first */
  readonly agent?: string
  /** Under which clients reach the server, where it is not what they send as `Host`. @default `http://` and that */
  readonly url?: string
  /** @default the machine's */
  readonly clock?: Clock
}

/** Messages that are found again; the oldest are forgotten, and sent once more they begin a second task. */
const MESSAGES_MAX = 100_000

export function a2aDoor({ kernel, programs, cards = {}, agent, url, clock }: A2aDoorOptions): Door {
  const byName = new Map(programs.map((program) => [program.name, program]))
  for (const name of [...Object.keys(cards), ...(agent === undefined ? [] : [agent])]) served(name)
  const following = createFollowing(kernel, clock)
  const begun = createBegun(kernel)

  function served(name: string | undefined): Program {
    const found = name === undefined ? undefined : byName.get(name)
    if (found !== undefined) return found
    throw new PolityError(
      'NO_SUCH_PROGRAM',
      `no agent ${JSON.stringify(name?.slice(0, 200) ?? null)} is served; there are ${[...byName.keys()].join(', ') || 'none'}`,
    )
  }

  function cardOf({ name, version, tools }: Program, { headers, caller }: Exchange): AgentCard {
    const { description = `The program ${name} of a Polity server.`, skills } = cards[name] ?? {}
    const described = skills ?? [{ name, description, tags: tools.map((tool) => tool.name) }]
    return {
      name,
      description,
      version,
      supportedInterfaces: [
        {
          url: `${url ?? `http://${headers.host}`}/a2a/${encodeURIComponent(name)}`,
          protocolBinding: 'JSONRPC',
          protocolVersion: VERSION,
          tenant: '',
        },
      ],
      provider: undefined,
      capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false, extensions: [] },
      securitySchemes: caller.key === null ? {} : bearer,
      securityRequirements: caller.key === null ? [] : [{ schemes: { key: { list: [] } } }],
      defaultInputModes: MODES,
      defaultOutputModes: MODES,
      skills: described.map((skill, i): AgentSkill => ({
        id: `${name}-${i + 1}`,
        name: skill.name,
        description: skill.description,
        tags: [...(skill.tags ?? [])],
        examples: [...(skill.examples ?? [])],
        inputModes: [],
        outputModes: [],
        securityRequirements: [],
      })),
      signatures: [],
    }
  }

  async function showCard(exchange: Exchange, program: Program): Promise<void> {
    const { types } = await loadA2a()
    exchange.reply(200, types.AgentCard.toJSON(cardOf(program, exchange)) as Json)
  }

  async function answer(exchange: Exchange): Promise<void> {
    const { caller, signal, params, headers } = exchange
    const program = served(params['program'])
    const sdk = await loadA2a()
    const body = (await exchange.json()) as { readonly [key: string]: Json } | null
    const fault: Fault = { thrown: undefined }
    const agent = told(
      sdk,
      fault,
      createAgent({
        sdk,
        telling: createTelling(sdk, holds(caller, 'approvals')),
        kernel,
        view: viewOf(kernel, caller, programs),
        principal: caller.principal,
        program: program.name,
        card: () => Promise.resolve(cardOf(program, exchange)),
        following,
        begun,
        signal,
      }),
    )
    const { JsonRpcTransportHandler, ServerCallContext, validateVersion } = sdk.server
    const { [sdk.types.A2A_VERSION_HEADER.toLowerCase()]: asked } = headers
    const refuse = (error: unknown): void => {
      if (fault.thrown !== undefined) throw fault.thrown
      const id = (typeof body === 'object' ? body?.['id'] : undefined) ?? null
      exchange.reply(200, { jsonrpc: '2.0', id, error: sdk.errors.toJsonRpcError(error) as unknown as Json })
    }
    try {
      // A client that names no version speaks 0.3, says the specification.
      const requestedVersion = typeof asked === 'string' ? asked : '0.3'
      validateVersion(requestedVersion, await agent.getAgentCard(), 'JSONRPC')
      const reply = await new JsonRpcTransportHandler(agent).handle(
        body as Record<string, unknown>,
        new ServerCallContext({ requestedVersion }),
      )
      if (fault.thrown !== undefined) throw fault.thrown
      if (!(Symbol.asyncIterator in reply)) return exchange.reply(200, reply as unknown as Json)
      await stream(exchange, reply)
    } catch (error) {
      if (exchange.response.headersSent) throw error
      refuse(error)
    }
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
          const { types } = await loadA2a()
          const all = [...byName.values()].map((program) => types.AgentCard.toJSON(cardOf(program, exchange)) as Json)
          exchange.reply(200, { agents: all })
        },
      },
      {
        method: 'GET',
        path: '/a2a/:program/.well-known/agent-card.json',
        scope: 'runs',
        handle: (exchange) => showCard(exchange, served(exchange.params['program'])),
      },
      { method: 'POST', path: '/a2a/:program', scope: 'runs', handle: answer },
    ],
    errorBody: ({ code, message }, status) => ({
      jsonrpc: '2.0',
      id: null,
      error: { code: status === 400 ? -32_600 : -32_603, message: `${code}: ${message}` },
    }),
  }
}

const VERSION = '1.0'
const MODES = ['text/plain', 'application/json']
const bearer: AgentCard['securitySchemes'] = {
  key: {
    scheme: {
      $case: 'httpAuthSecurityScheme',
      value: { scheme: 'Bearer', bearerFormat: '', description: 'A key of this server, made by `polity key create`.' },
    },
  },
}

/** Sends the answers of a stream. What goes wrong before the first is an answer by itself. */
async function stream(exchange: Exchange, replies: AsyncGenerator<unknown>): Promise<void> {
  const first = await replies.next()
  const events = exchange.events()
  for (let next = first; next.done !== true; next = await replies.next()) {
    if (!events.send({ data: JSON.stringify(next.value) })) await events.drained()
    if (exchange.signal.aborted) await replies.return(undefined)
  }
  events.end()
}

/** What was thrown that no client is to hear as an error of the protocol. */
interface Fault {
  thrown: unknown
}

/** The agent with its errors in the words of the protocol. */
function told(sdk: A2aSdk, fault: Fault, agent: A2ARequestHandler): A2ARequestHandler {
  const { A2AError, RequestMalformedError, TaskNotFoundError } = sdk.errors
  const worded = (error: unknown): unknown => {
    if (error instanceof A2AError) return error
    const code = PolityError.isInstance(error) ? error.code : undefined
    if (code === 'INVALID_ARGUMENT' || code === 'TOO_LARGE')
      return new RequestMalformedError(String(fieldOf(error, 'message')))
    if (code === 'NO_SUCH_PROCESS') return new TaskNotFoundError('there is no such task')
    fault.thrown = error
    return error
  }
  async function* words(given: AsyncGenerator<unknown>): AsyncGenerator<unknown> {
    try {
      yield* given
    } catch (error) {
      throw worded(error)
    }
  }
  const methods = Object.entries(agent).map(([name, method]) => [
    name,
    (...given: unknown[]) => {
      const result = (method as (...given: unknown[]) => object)(...given)
      if (Symbol.asyncIterator in result) return words(result as AsyncGenerator<unknown>)
      return (result as Promise<unknown>).catch((error: unknown) => {
        throw worded(error)
      })
    },
  ])
  return Object.fromEntries(methods) as A2ARequestHandler
}

/** What messages began, also before this server was started. */
function createBegun(kernel: Kernel): Begun {
  const pids = new Map<string, Pid>()
  const add: Begun['add'] = (principal, program, messageId, pid) => {
    pids.set(JSON.stringify([principal, program, messageId]), pid)
    if (pids.size > MESSAGES_MAX) for (const oldest of pids.keys()) if (pids.size > MESSAGES_MAX) pids.delete(oldest)
  }
  for (const { pid, parent, name, principal, program } of kernel.ps()) {
    const messageId = parent === null ? parseName(name)?.messageId : undefined
    if (messageId !== undefined) add(principal, program, messageId, pid)
  }
  return {
    add,
    find: (principal, program, messageId) => pids.get(JSON.stringify([principal, program, messageId])),
  }
}
