/**
 * The HTTP+JSON binding of A2A 1.0: the methods as resources under the URL of the agent.
 *
 *     POST message:send            POST message:stream
 *     GET  tasks                   GET  tasks/:id
 *     POST tasks/:id:cancel        GET or POST tasks/:id:subscribe
 *     GET or POST tasks/:id/pushNotificationConfigs          GET or DELETE tasks/:id/pushNotificationConfigs/:config
 *
 * Streams are server-sent events. Errors are those of the protocol, with their HTTP status.
 */
import type { SendMessageRequest, SendMessageResponse, StreamResponse, TaskPushNotificationConfig } from '@a2a-js/sdk'
import type { ServerCallContext } from '@a2a-js/sdk/server'
import type { PolityError } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import type { Exchange, StreamEvent } from '../route.ts'
import type { Answering } from './binding.ts'
import { errorInfo, stream, versionOf } from './binding.ts'
import type { A2aSdk } from './sdk.ts'

export async function answerRest(sdk: A2aSdk, { agent, fault }: Answering, exchange: Exchange): Promise<void> {
  const { errors, server, types } = sdk
  const requestedVersion = versionOf(sdk, exchange)
  try {
    server.validateVersion(requestedVersion, await agent.getAgentCard(), 'HTTP+JSON')
    const answer = await perform(sdk, agent, exchange, new server.ServerCallContext({ requestedVersion }))
    if (Symbol.asyncIterator in answer) await stream(exchange, answer, restLastWord)
    else exchange.replyText(200, types.A2A_CONTENT_TYPE, JSON.stringify(answer))
  } catch (error) {
    if (exchange.response.headersSent) throw error
    if (fault.thrown !== undefined || !(error instanceof errors.A2AError)) throw fault.thrown ?? error
    const status = errors.restStatusFor(error)
    exchange.replyText(status, types.A2A_CONTENT_TYPE, JSON.stringify(errors.toRestErrorBody(error, status)))
  }
}

/** An error behind other events, as the official client and server of this binding have it. */
function restLastWord(error: PolityError, status: number): readonly StreamEvent[] {
  return [{ event: 'error', data: JSON.stringify(restRefusal(error, status)) }]
}

/** What the server refused before it came here: google.rpc.Status, as all errors of this binding (A2A 1.0, section 11). */
export function restRefusal(error: PolityError, status: number): Json {
  const name = statusNames[status] ?? 'UNKNOWN'
  return { error: { code: status, status: name, message: error.message, details: [errorInfo(error)] } }
}

/** Names of google.rpc.Code, by the status of HTTP. */
const statusNames: { readonly [status: number]: string } = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  402: 'RESOURCE_EXHAUSTED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  409: 'ABORTED',
  413: 'INVALID_ARGUMENT',
  415: 'INVALID_ARGUMENT',
  417: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

async function perform(
  sdk: A2aSdk,
  agent: Answering['agent'],
  exchange: Exchange,
  context: ServerCallContext,
): Promise<object | AsyncGenerator<unknown>> {
  const { method, query, params } = exchange
  const { types, errors } = sdk
  const path = params['*'] ?? ''
  const [, id = '', verb = ''] = /^tasks\/([^/:]+)(?::(\w+))?$/.exec(path) ?? []
  const tenant = ''
  const none = (): Error => new errors.UnsupportedOperationError(`there is no ${method} ${path.slice(0, 200)}`)
  switch (`${method} ${id === '' ? path : `tasks/:id${verb === '' ? '' : `:${verb}`}`}`) {
    case 'POST message:send': {
      const request = await requestOf(exchange, sdk)
      const result = await agent.sendMessage(request, context)
      const payload = ('messageId' in result
        ? { $case: 'message', value: result }
        : { $case: 'task', value: result }) as unknown as SendMessageResponse['payload']
      return types.SendMessageResponse.toJSON({ payload }) as object
    }
    case 'POST message:stream': {
      const request = await requestOf(exchange, sdk)
      return told(types, agent.sendMessageStream(request, context))
    }
    case 'GET tasks': {
      const state = query.get('status') ?? ''
      const list = await agent.listTasks(
        {
          tenant,
          contextId: query.get('contextId') ?? '',
          status: types.taskStateFromJSON(/^\d+$/.test(state) ? Number(state) : state || 0),
          pageSize: wholeOf(query, 'pageSize'),
          pageToken: query.get('pageToken') ?? '',
          historyLength: wholeOf(query, 'historyLength'),
          statusTimestampAfter: query.get('statusTimestampAfter') ?? undefined,
          includeArtifacts: query.get('includeArtifacts') === 'true',
        },
        context,
      )
      const { tasks, nextPageToken, pageSize, totalSize } = list
      return { tasks: tasks.map((task) => types.Task.toJSON(task)), nextPageToken, pageSize, totalSize }
    }
    case 'GET tasks/:id': {
      const historyLength = wholeOf(query, 'historyLength')
      return types.Task.toJSON(await agent.getTask({ id, tenant, historyLength }, context)) as object
    }
    case 'POST tasks/:id:cancel':
      return types.Task.toJSON(await agent.cancelTask({ id, tenant, metadata: undefined }, context)) as object
    case 'GET tasks/:id:subscribe':
    case 'POST tasks/:id:subscribe':
      return told(types, agent.resubscribe({ id, tenant }, context))
    case 'GET extendedAgentCard':
      return agent.getAuthenticatedExtendedAgentCard({ tenant }, context)
    default:
      return pushConfigs()
  }

  async function pushConfigs(): Promise<object> {
    const [, taskId = '', rest] = /^tasks\/([^/]+)\/pushNotificationConfigs(?:\/([^/]+))?$/.exec(path) ?? []
    const { TaskPushNotificationConfig: form, ListTaskPushNotificationConfigsResponse: list } = types
    if (taskId === '') throw none()
    if (rest === undefined && method === 'POST') {
      const config = { ...(await pushConfigOf(exchange, sdk)), taskId }
      return form.toJSON(await agent.createTaskPushNotificationConfig(config, context)) as object
    }
    if (rest === undefined && method === 'GET') {
      const asked = { tenant, taskId, pageSize: 0, pageToken: '' }
      return list.toJSON(await agent.listTaskPushNotificationConfigs(asked, context)) as object
    }
    if (rest !== undefined && method === 'GET')
      return form.toJSON(await agent.getTaskPushNotificationConfig({ tenant, taskId, id: rest }, context)) as object
    if (rest === undefined || method !== 'DELETE') throw none()
    await agent.deleteTaskPushNotificationConfig({ tenant, taskId, id: rest }, context)
    return {}
  }

  function wholeOf(from: URLSearchParams, name: string): number | undefined {
    const text = from.get(name)
    if (text === null || text === '') return undefined
    if (!/^\d{1,9}$/.test(text))
      throw new errors.RequestMalformedError(`${name} takes a whole number, not ${text.slice(0, 100)}`)
    return Number(text)
  }
}

async function requestOf(exchange: Exchange, { types, errors }: A2aSdk): Promise<SendMessageRequest> {
  const body: unknown = await exchange.json()
  try {
    return types.SendMessageRequest.fromJSON(body)
  } catch {
    // What has another form than the SDK reads.
    throw new errors.RequestMalformedError(
      'the body takes an object such as {"message":{"messageId":"1","role":"ROLE_USER","parts":[{"text":"Hi."}]}}',
    )
  }
}

async function pushConfigOf(exchange: Exchange, { types, errors }: A2aSdk): Promise<TaskPushNotificationConfig> {
  const body: unknown = await exchange.json()
  try {
    return types.TaskPushNotificationConfig.fromJSON(body)
  } catch {
    throw new errors.RequestMalformedError('the body takes an object such as {"url":"https://example.com/hook"}')
  }
}

async function* told(
  { StreamResponse: form }: A2aSdk['types'],
  replies: AsyncGenerator<StreamResponse>,
): AsyncGenerator<unknown> {
  for await (const reply of replies) yield form.toJSON(reply)
}
