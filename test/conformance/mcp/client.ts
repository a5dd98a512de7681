/**
 * The client that the official MCP suite tests: `openMcp`, and calls of the tools that it finds.
 *
 *     node client.ts <url>      the suite adds the URL, and names the scenario in MCP_CONFORMANCE_SCENARIO
 *
 * What a person would do in a browser, the OAuth provider here does by itself: it follows the redirect and takes the code.
 */
import {
  auth,
  ClientCredentialsProvider,
  CrossAppAccessProvider,
  PrivateKeyJwtProvider,
  requestJwtAuthorizationGrant,
  extractWWWAuthenticateParams,
} from '@modelcontextprotocol/client'
import type { OAuthClientProvider } from '@modelcontextprotocol/client'
import type { McpOptions } from '../../../src/drivers/mcp.ts'
import { openMcp } from '../../../src/drivers/mcp.ts'
import type { Json, Tool } from '../../../src/index.ts'
import { boot } from '../../../src/index.ts'

const url = process.argv.at(-1) as string
const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
const given = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as { readonly [name: string]: string }

const CALLBACK = 'http://localhost:3000/callback'
/** What the suite takes as the address of the client's metadata. */
const METADATA = 'https://conformance-test.local/client-metadata.json'

type Fetch = typeof globalThis.fetch

/** Authorization with a code, of a user who always agrees. */
function agreeing(): { readonly provider: OAuthClientProvider; readonly code: () => Promise<URLSearchParams> } {
  let client =
    given['client_id'] === undefined
      ? undefined
      : { client_id: given['client_id'], client_secret: given['client_secret'] }
  let tokens: unknown
  let verifier = ''
  let location: URL | undefined
  let discovery: unknown
  const provider = {
    redirectUrl: CALLBACK,
    clientMetadataUrl: METADATA,
    clientMetadata: {
      client_name: 'polity',
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
    clientInformation: () => client,
    saveClientInformation: (saved: never) => void (client = saved),
    tokens: () => tokens,
    saveTokens: (saved: never) => void (tokens = saved),
    codeVerifier: () => verifier,
    saveCodeVerifier: (saved: string) => void (verifier = saved),
    discoveryState: () => discovery,
    saveDiscoveryState: (saved: never) => void (discovery = saved),
    redirectToAuthorization: (to: URL) => void (location = to),
  } as unknown as OAuthClientProvider
  return {
    provider,
    async code() {
      const answer = await fetch(location as URL, { redirect: 'manual' })
      return new URL(answer.headers.get('location') as string).searchParams
    },
  }
}

/** `fetch` that gets itself a token when it is refused, and then tries again; three times at most. */
function authorized({ provider, code }: ReturnType<typeof agreeing>): Fetch {
  return async (to, init) => {
    for (let tries = 0; ; tries++) {
      const headers = new Headers(init?.headers)
      const tokens = await provider.tokens()
      if (tokens !== undefined) headers.set('authorization', `Bearer ${tokens.access_token}`)
      const answer = await fetch(to, { ...init, headers })
      if ((answer.status !== 401 && answer.status !== 403) || tries === 3) return answer
      const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(answer)
      const wanted = {
        serverUrl: url,
        ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl }),
        ...(scope === undefined ? {} : { scope }),
        forceReauthorization: true,
      }
      if ((await auth(provider, wanted)) !== 'REDIRECT') continue
      const params = await code()
      const iss = params.get('iss')
      await auth(provider, {
        ...wanted,
        authorizationCode: params.get('code') as string,
        ...(iss === null ? {} : { iss }),
      })
    }
  }
}

function accessOf(): { readonly fetch?: Fetch; readonly auth?: object } {
  const { client_id: clientId = '', client_secret: clientSecret = '' } = given
  switch (scenario) {
    case 'auth/client-credentials-basic':
      return { auth: new ClientCredentialsProvider({ clientId, clientSecret } as never) }
    case 'auth/client-credentials-jwt':
      return {
        auth: new PrivateKeyJwtProvider({
          clientId,
          privateKey: given['private_key_pem'],
          algorithm: given['signing_algorithm'] ?? 'ES256',
        } as never),
      }
    // The same under two names, of an earlier suite and of a later one.
    case 'auth/cross-app-access-complete-flow':
    case 'auth/enterprise-managed-authorization':
      return {
        auth: new CrossAppAccessProvider({
          clientId,
          clientSecret,
          assertion: async (context: {
            authorizationServerUrl: string
            resourceUrl: string
            scope?: string
            fetchFn: Fetch
          }) => {
            const { jwtAuthGrant } = await requestJwtAuthorizationGrant({
              tokenEndpoint: given['idp_token_endpoint'],
              audience: context.authorizationServerUrl,
              resource: context.resourceUrl,
              idToken: given['idp_id_token'],
              clientId: given['idp_client_id'],
              scope: context.scope,
              fetchFn: context.fetchFn,
            } as never)
            return jwtAuthGrant
          },
        } as never),
      }
    default:
      return scenario.startsWith('auth/') ? { fetch: authorized(agreeing()) } : {}
  }
}

/** What the scenario says that is to be called; else each tool, once. */
function callsOf(tools: readonly Tool[]): readonly ToolCall[] {
  const { toolCalls } = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as {
    toolCalls?: readonly ToolCall[]
  }
  if (toolCalls !== undefined)
    return toolCalls.map(({ name, arguments: input }) => ({ name, arguments: withoutNulls(input) }))
  const echo = tools.filter(({ name }) => name === `${SERVER}json_schema_echo`)
  return (echo.length > 0 ? echo : tools).map((tool) => ({
    name: tool.name.slice(SERVER.length),
    arguments: inputOf(tool, tools),
  }))
}

/** Without what is null, which no schema of the suite allows. */
function withoutNulls(input: Json): Json {
  return Object.fromEntries(Object.entries(input as object).filter(([, value]) => value !== null)) as Json
}

function inputOf(tool: Tool, tools: readonly Tool[]): Json {
  if (tool.name === `${SERVER}add_numbers`) return { a: 5, b: 3 }
  // It wants to see what is known here of the schema of another.
  if (tool.name === `${SERVER}json_schema_echo`)
    return { schema: schemaOf(tools.find(({ name }) => name === `${SERVER}json_schema_2020_12_tool`)) as Json }
  const { required = [] } = schemaOf(tool) as { readonly required?: readonly string[] }
  return Object.fromEntries(required.map((name) => [name, 'x']))
}

function schemaOf(tool: Tool | undefined): unknown {
  return tool?.inputSchema['~standard'].jsonSchema?.input({ target: 'draft-2020-12' }) ?? {}
}

interface ToolCall {
  readonly name: string
  readonly arguments: Json
}

const SERVER = 'suite/'
const elicit: McpOptions['elicit'] = async () => ({ action: 'accept', content: {} })
await using mcp = await openMcp({
  servers: { suite: { url, ...accessOf() } },
  ...(/^(elicitation|sep-2322)/.test(scenario) ? { elicit } : {}),
})
const kernel = await boot({ tools: mcp.tools })
for (const { name, arguments: input } of callsOf(mcp.tools))
  await kernel.spawn((sys) => sys.call(`${SERVER}${name}`, input), null).result
await kernel.close()
