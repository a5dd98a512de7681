/**
 * The JSON-RPC binding of A2A: versions 1.0 and 0.3, by the header `A2A-Version`; streams are server-sent events.
 */
import type { PolityError } from '../../kernel/errors.ts'
import { fieldOf } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import type { Exchange } from '../route.ts'
import type { Answering } from './binding.ts'
import { errorInfo, stream, versionOf } from './binding.ts'
import type { A2aSdk } from './sdk.ts'

export async function answerJsonRpc(sdk: A2aSdk, { agent, fault }: Answering, exchange: Exchange): Promise<void> {
  const { JsonRpcTransportHandler, ServerCallContext, validateVersion } = sdk.server
  const { LegacyJsonRpcTransportHandler } = sdk.legacy
  const body: unknown = await exchange.json()
  if (!isRequest(body)) {
    const message =
      'the body takes one request of JSON-RPC 2.0: jsonrpc, method, and an id that is a text or a whole number'
    return exchange.reply(200, { jsonrpc: '2.0', id: null, error: { code: INVALID_REQUEST, message } })
  }
  const { id = null, method } = body
  const requestedVersion = versionOf(sdk, exchange)
  const isOld = requestedVersion === OLD
  try {
    if (isOld && sdk.methods.isV1JsonRpcMethod(method))
      throw new sdk.errors.VersionNotSupportedError(
        `${method} is a method of version 1.0, which a client names in the header ${sdk.types.A2A_VERSION_HEADER}`,
      )
    validateVersion(requestedVersion, await agent.getAgentCard(), 'JSONRPC')
    const handler = new (isOld ? LegacyJsonRpcTransportHandler : JsonRpcTransportHandler)(agent)
    const context = new ServerCallContext({ requestedVersion })
    const reply = await handler.handle({ params: {}, ...body }, context)
    if (fault.thrown !== undefined) throw fault.thrown
    if (!(Symbol.asyncIterator in reply)) return exchange.reply(200, reply as unknown as Json)
    await stream(exchange, reply, (error, status) => [{ data: JSON.stringify(jsonRpcRefusal(error, status, id)) }])
  } catch (error) {
    if (exchange.response.headersSent) throw error
    if (fault.thrown !== undefined) throw fault.thrown
    const told = isOld ? LegacyJsonRpcTransportHandler.mapToLegacyJSONRPCError(error) : sdk.errors.toJsonRpcError(error)
    exchange.reply(200, { jsonrpc: '2.0', id, error: told as unknown as Json })
  }
}

/** What the server refused, of a request that came here only with its `id`. */
export function jsonRpcRefusal(error: PolityError, status: number, id: Json = null): Json {
  const message = `${error.code}: ${error.message}`
  // Of what is refused with 400 only a body that could not be read has a cause.
  const code = status !== 400 ? -32_603 : error.cause === undefined ? INVALID_REQUEST : -32_700
  return { jsonrpc: '2.0', id, error: { code, message, data: [errorInfo(error)] } }
}

interface Request {
  readonly jsonrpc: '2.0'
  readonly method: string
  readonly id?: string | number | null
  readonly params?: Json
}

/** Whether it is one; a list of them is not. */
function isRequest(body: unknown): body is Request {
  const id = fieldOf(body, 'id') ?? null
  return (
    fieldOf(body, 'jsonrpc') === '2.0' &&
    typeof fieldOf(body, 'method') === 'string' &&
    (id === null || typeof id === 'string' || Number.isInteger(id))
  )
}

const OLD = '0.3'
/** What is no request at all. */
const INVALID_REQUEST = -32_600
