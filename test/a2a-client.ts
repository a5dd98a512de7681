/**
 * What tests of A2A share: the official client over each binding, what it says, and a wait for what it caused.
 */
import assert from 'node:assert/strict'
import type { Message, Part, SendMessageRequest, TaskPushNotificationConfig } from '@a2a-js/sdk'
import { Role } from '@a2a-js/sdk'
import type { Client } from '@a2a-js/sdk/client'
import {
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from '@a2a-js/sdk/client'
import type { Server } from '../src/server/http.ts'

export const as = (key: string): { readonly authorization: string } => ({ authorization: `Bearer ${key}` })

/** How the official client reaches an agent: by a binding of version 1.0, or as a client of version 0.3. */
export const bindings = ['JSON-RPC', 'HTTP+JSON', 'JSON-RPC 0.3'] as const
export type Binding = (typeof bindings)[number]
/** Addresses that requests went to, without the query. */
export const reached = new Set<string>()

export async function clientOf(
  { url }: Server,
  program: string,
  key = 'ada',
  binding: Binding = 'JSON-RPC',
): Promise<Client> {
  const fetchImpl: typeof fetch = (input, init) => {
    reached.add(new URL(input as string).pathname)
    return fetch(input, { ...init, headers: { ...(init?.headers as Record<string, string>), ...as(key) } })
  }
  const options = { fetchImpl, legacyCompat: { enabled: true } }
  const transport =
    binding === 'HTTP+JSON' ? new RestTransportFactory({ fetchImpl }) : new JsonRpcTransportFactory(options)
  const factory = new ClientFactory({
    transports: [transport],
    cardResolver: new DefaultAgentCardResolver(options),
  })
  const at = `${url}/a2a/${program}/.well-known/agent-card.json`
  return binding === 'JSON-RPC 0.3'
    ? factory.createFromAgentCard(await oldCard(at, key))
    : factory.createFromUrl(at, '')
}

/** What a client of version 0.3 reads of a card. */
export async function oldCard(at: string, key: string): Promise<never> {
  const response = await fetch(at, { headers: as(key) })
  const { supportedInterfaces: _, ...card } = (await response.json()) as { readonly supportedInterfaces: unknown }
  return card as never
}

const text = (value: string): Part => ({
  content: { $case: 'text', value },
  metadata: undefined,
  filename: '',
  mediaType: 'text/plain',
})

let messages = 0
export function say(
  value: string | Part,
  to: Partial<Message> = {},
  returnImmediately = false,
  taskPushNotificationConfig?: TaskPushNotificationConfig,
): SendMessageRequest {
  return {
    tenant: '',
    message: {
      messageId: `m${++messages}`,
      contextId: '',
      taskId: '',
      role: Role.ROLE_USER,
      parts: [typeof value === 'string' ? text(value) : value],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
      ...to,
    },
    configuration: { acceptedOutputModes: [], taskPushNotificationConfig, returnImmediately },
    metadata: undefined,
  }
}

export async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (let turn = 0; turn < 500; turn++) {
    const found = look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => void setTimeout(resolve, 10))
  }
  throw new assert.AssertionError({ message: `never came: ${look.toString()}` })
}
