/**
 * The door for agents of AIOS: its HTTP interface, so that its own SDK (Cerebrum) drives this kernel unchanged.
 *
 *     aiosDoor({ kernel, models, programs })
 *     $ CEREBRUM_KERNEL_URL=http://127.0.0.1:7070/aios python my_agent.py
 *
 * `POST /query` takes what an agent asks of its kernel: models (llm.ts), memory (memory.ts), storage (files.ts), tools
 * (tools.ts). The other routes tell of the kernel and start programs (agents.ts). Where AIOS answers 500, hangs or leaves
 * something out, this door answers; docs/server-aios.md lists every difference.
 *
 * A kernel that is to go on with the files of an earlier one has to know the programs of this door: boot it with
 * `programs: [...aiosPrograms]`.
 *
 * Invariants
 *   AD1. What an agent calls itself gives it no right: it chooses among the memories and files of the caller's principal.
 *   AD2. Every query is answered, or its client has gone away.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Json, Program } from '../../kernel/types.ts'
import type { ModelDoor } from '../model-door.ts'
import type { View } from '../view.ts'
import { viewOf } from '../view.ts'
import type { Caller, Scope } from '../caller.ts'
import { holds } from '../caller.ts'
import type { Door, Exchange, Route } from '../route.ts'
import { agentProcesses, agentStatus, submitAgent } from './agents.ts'
import { coresOf, llmsOf } from './choice.ts'
import { fileRequest, fileSpace } from './file-space.ts'
import { createFiles, storageResponse } from './files.ts'
import { answerLlm } from './llm.ts'
import { answerMemory, memoryOperation } from './memory.ts'
import type { LlmChoice, Query } from './query.ts'
import { envelope, llmChoice, parseBody, parseQuery } from './query.ts'
import type { Session } from './session.ts'
import { callTools, toolCalls, toolResponse } from './tools.ts'
import { createTurns } from './turns.ts'

export interface AiosOptions {
  readonly kernel: Kernel
  readonly models: ModelDoor
  /** Programs that clients may start as agents. @default none */
  readonly programs?: readonly Program[]
  /** Path before every route, such as `/aios`. @default '' */
  readonly prefix?: string
}

/** Programs of this door, for `boot({ programs })`. */
export const aiosPrograms: readonly Program[] = [
  fileSpace,
  fileRequest,
  memoryOperation,
  toolCalls,
] as readonly unknown[] as readonly Program[]

/** Principals whose choice of LLMs is remembered; beyond, the oldest is forgotten. */
const SELECTIONS_MAX = 10_000

/** What a query needs beside the scope of its route. */
const scopes: { readonly [Type in Query['query_type']]: Scope } = {
  llm: 'models',
  memory: 'memory',
  storage: 'files',
  tool: 'runs',
}

export function aiosDoor({ kernel, models, programs = [], prefix = '' }: AiosOptions): Door {
  const view = (caller: Caller): View => viewOf(kernel, caller, programs)
  const files = createFiles(kernel)
  const inTurn = createTurns()
  const selected = new Map<string, readonly LlmChoice[]>()

  async function answer(exchange: Exchange): Promise<Json> {
    const query = parseQuery(await exchange.json())
    const { query_type, agent_name } = query
    const needs = [scopes[query_type]]
    // Some actions reach the kernel's own tools and files. What asks a model needs nothing more: the route takes `models`.
    if (query.query_type === 'llm' && query.query_data.action_type === 'call_tool') needs.push('runs')
    if (query.query_type === 'llm' && query.query_data.action_type === 'operate_file') needs.push('files')
    for (const scope of needs) requireScope(exchange.caller, scope)
    const session = sessionOf(exchange, agent_name)
    switch (query.query_type) {
      case 'llm': {
        const choices = query.query_data.llms ?? selected.get(exchange.caller.principal) ?? []
        return answerLlm(session, query.query_data, { choices, files })
      }
      case 'memory':
        return answerMemory(session, query.query_data, inTurn)
      case 'storage': {
        const { operation_type, params } = query.query_data
        const done = await files.operate(session, operation_type, params)
        return envelope(storageResponse(done), done.times)
      }
      case 'tool': {
        const { results, times } = await callTools(
          session,
          query.query_data.tool_calls.map(({ name, parameters }) => ({ name, parameters: parameters ?? {} })),
        )
        return envelope(toolResponse(results), [times])
      }
    }
  }

  function sessionOf({ caller, signal, headers }: Exchange, agent: string): Session {
    return { kernel, models, caller, agent, signal, origin: `http://${headers.host ?? 'localhost'}${prefix}` }
  }

  function select(caller: Caller, body: Json): Json {
    const choices = parseBody(z.array(llmChoice).nullable(), body) ?? []
    if (choices.length === 0) return { status: 'warning', message: 'No LLM selected' }
    const missing = choices.filter((choice) => coresOf([choice], models.models) === undefined)
    if (missing.length > 0)
      return { status: 'warning', message: `No LLM selected: ${listOf(missing)} not available here` }
    selected.delete(caller.principal)
    selected.set(caller.principal, choices)
    const [oldest] = selected.keys()
    if (selected.size > SELECTIONS_MAX && oldest !== undefined) selected.delete(oldest)
    return { status: 'success', message: `LLMs ${listOf(choices)} selected` }
  }

  const route = (
    method: Route['method'],
    path: string,
    scope: Scope | null,
    tell: (exchange: Exchange) => Json | Promise<Json>,
  ): Route => ({
    method,
    path: `${prefix}${path}`,
    scope,
    handle: async (exchange) => exchange.reply(200, await tell(exchange)),
  })

  return {
    routes: [
      route('POST', '/query', 'models', answer),
      route('GET', '/status', null, () => ({ status: 'ok', message: 'All core components are active.' })),
      route('GET', '/core/status', null, () => activeParts),
      route('GET', '/core/llms/list', 'models', () => ({
        status: 'success',
        llms: llmsOf(models.models) as unknown as Json,
      })),
      route('GET', '/core/llms/check', 'models', () => {
        const open = kernel.cores.filter((core) => core.open).map(({ id }) => id)
        return {
          status: open.length === 0 ? 'success' : 'warning',
          available: llmsOf(models.models.filter((core) => !open.includes(core))) as unknown as Json,
          unavailable: llmsOf(open) as unknown as Json,
        }
      }),
      route('POST', '/core/refresh', 'admin', () => ({
        status: 'success',
        message: 'Configuration refreshed and components reinitialized',
      })),
      route('POST', '/core/cleanup', 'admin', () => ({ status: 'success', message: 'All components cleaned up' })),
      route('POST', '/core/config/update', 'admin', () => {
        throw new PolityError(
          'CONFIG_INVALID',
          'Failed to update configuration: keys of providers are not taken over HTTP; set them in the environment of the server and start it again',
        )
      }),
      route('POST', '/user/select/llms', 'models', async (exchange) => select(exchange.caller, await exchange.json())),
      route('GET', '/user/selected/llms', 'models', ({ caller }) => {
        const choices = selected.get(caller.principal)
        return choices === undefined
          ? { status: 'warning', message: 'No LLM selected' }
          : { status: 'success', message: `LLM ${listOf(choices)} selected` }
      }),
      route('GET', '/get/mcp/server', 'models', () => ({ status: 'warning', message: 'MCP server not found' })),
      route('GET', '/agents/ps', 'runs', ({ caller }) => agentProcesses(kernel, view(caller))),
      route('POST', '/agents/submit', 'runs', async (exchange) =>
        submitAgent(kernel, view(exchange.caller), await exchange.json()),
      ),
      route('GET', '/agents/:execution_id/status', 'runs', ({ caller, params }) =>
        agentStatus(kernel, view(caller), params['execution_id'] as string),
      ),
      {
        method: 'GET',
        path: `${prefix}/storage/file`,
        scope: 'files',
        async handle(exchange) {
          const { query } = exchange
          const agent = query.get('agent_name')
          const path = query.get('file_path')
          const version = Number(query.get('version') ?? NaN)
          if (agent === null || path === null || !Number.isSafeInteger(version))
            throw new PolityError('INVALID_ARGUMENT', 'the link to a file has agent_name, file_path and version')
          exchange.replyText(
            200,
            'text/plain; charset=utf-8',
            await files.read(sessionOf(exchange, agent), path, version),
          )
        },
      },
    ],
    errorBody: (error) => ({ detail: error.code === 'INVALID_ARGUMENT' ? faultsOf(error) : error.message }),
    // As FastAPI has it.
    statusOf: ({ code }) => (code === 'INVALID_ARGUMENT' ? 422 : code === 'CONFIG_INVALID' ? 501 : undefined),
  }
}

const activeParts: Json = {
  llms: 'active',
  storage: 'active',
  memory: 'active',
  tool: 'active',
  scheduler: 'active',
  factory: 'active',
}

function requireScope(caller: Caller, scope: Scope): void {
  if (holds(caller, scope)) return
  throw new PolityError('ACCESS_DENIED', `this key has not the scope ${scope}, which this query needs`)
}

function listOf(choices: readonly LlmChoice[]): string {
  return `[${choices.map(({ name, backend, provider }) => [backend ?? provider, name].filter(Boolean).join('/')).join(', ')}]`
}

/** FastAPI's detail: what the validator said of each field, or of the whole. */
function faultsOf({ message, detail }: PolityError): Json {
  return Array.isArray(detail) ? detail : [{ type: 'value_error', loc: ['body'], msg: message, input: null }]
}
