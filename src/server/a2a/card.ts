/**
 * The card of a program: what it can do, and over which bindings and versions of the protocol it is reached.
 *
 *     const card = cardOf(program, { description: 'Pays what is due.' }, { base: 'https://agents.example', … })
 *     exchange.reply(200, await cardJson(sdk, card))
 *
 * Invariant
 *   CA1. One card is read by clients of both versions: beside the fields of 1.0 it has those of 0.3.
 */
import type { AgentCard, AgentSkill } from '@a2a-js/sdk'
import type { A2ARequestHandler } from '@a2a-js/sdk/server'
import type { Json, Program } from '../../kernel/types.ts'
import type { A2aSdk } from './sdk.ts'

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

/** What a card says of the server. */
export interface Serving {
  /** Its URL; with the path that a proxy puts before ours, where there is one. */
  readonly base: string
  /** Its callers send a key. */
  readonly needsKey: boolean
  /** Webhooks are told (push.ts). */
  readonly isPushing: boolean
}

export function cardOf(
  { name, version, tools }: Program,
  { description = `The program ${name} of a Polity server.`, skills }: Described = {},
  { base, needsKey, isPushing }: Serving,
): AgentCard {
  const described = skills ?? [{ name, description, tags: tools.map((tool) => tool.name) }]
  const url = `${base.replace(/\/+$/, '')}/a2a/${encodeURIComponent(name)}`
  return {
    name,
    description,
    version,
    supportedInterfaces: interfaces.map(([protocolBinding, protocolVersion]) => ({
      url,
      protocolBinding,
      protocolVersion,
      tenant: '',
    })),
    provider: undefined,
    capabilities: { streaming: true, pushNotifications: isPushing, extendedAgentCard: false, extensions: [] },
    securitySchemes: needsKey ? bearer : {},
    securityRequirements: needsKey ? [{ schemes: { key: { list: [] } } }] : [],
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

/** The card as it is sent. */
export async function cardJson({ types, server, legacy }: A2aSdk, card: AgentCard): Promise<Json> {
  // The SDK gives its translation of cards to this method alone.
  const extended = { getAuthenticatedExtendedAgentCard: () => Promise.resolve(card) } as Partial<A2ARequestHandler>
  const old = await new legacy.LegacyRestTransportHandler(
    extended as A2ARequestHandler,
  ).getAuthenticatedExtendedAgentCard(new server.ServerCallContext({ requestedVersion: '0.3' }))
  const current = types.AgentCard.toJSON(card) as { readonly securitySchemes?: { readonly [name: string]: object } }
  const schemes = Object.entries(old.securitySchemes ?? {}).map(([name, scheme]) => [
    name,
    { ...scheme, ...current.securitySchemes?.[name] },
  ])
  // Lists that are empty are in the old form only, and clients of 0.3 need them.
  const both = { ...current, ...old, ...(schemes.length === 0 ? {} : { securitySchemes: Object.fromEntries(schemes) }) }
  return both as unknown as Json
}

/** The first is the one that a client without a preference takes. */
const interfaces = [
  ['JSONRPC', '1.0'],
  ['HTTP+JSON', '1.0'],
  ['JSONRPC', '0.3'],
] as const
const MODES = ['text/plain', 'application/json']
const bearer: AgentCard['securitySchemes'] = {
  key: {
    scheme: {
      $case: 'httpAuthSecurityScheme',
      value: { scheme: 'Bearer', bearerFormat: '', description: 'A key of this server, made by `polity key create`.' },
    },
  },
}
