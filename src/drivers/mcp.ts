/**
 * Outside MCP servers as tools: each tool that a server lists becomes a tool of the kernel, under the law, with its
 * arguments checked and its results labelled as the configuration says.
 *
 *     const mcp = await openMcp({
 *       servers: {
 *         files: { command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', 'docs'] },
 *         tracker: { url: 'https://tracker.example/mcp', headers: { authorization: `Bearer ${key}` } },
 *       },
 *       tools: { 'files/read_text_file': { effect: 'read', control: ['path'] }, 'files/write_file': { hidden: true } },
 *     })
 *     const kernel = await boot({ tools: mcp.tools, law: './law.json' })
 *     …
 *     await kernel.close()
 *     await mcp.close()
 *
 * A tool is called `server/tool` unless `as` says otherwise. What a server says of itself is not believed: an effect that
 * nobody stated counts as `once`, and every result has the label `untrusted` unless the configuration gives others.
 * Results: the structured content where there is some, else the text, else `{ content }` as the server sent it.
 *
 * Invariants
 *   MC1. A tool is called only while its server shows it as it did when it was opened; with `pins`, as somebody had seen it.
 *   MC2. A call ends at its time limit or with its signal, and the server is told.
 *   MC3. No server can stand in for the tool of another, or stop the machine: its names, sizes and messages are bounded.
 *   MC4. After `close` no process of a server is left.
 *
 * Needs the package @modelcontextprotocol/client, which is loaded when this is called.
 */
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import { defineTool } from '../kernel/tools.ts'
import type { Effect, Json, Tool, ToolContext } from '../kernel/types.ts'
import type { Connection } from './mcp/connection.ts'
import { connect } from './mcp/connection.ts'
import { checkedElicit } from './mcp/elicit.ts'
import { jsonSchema } from './mcp/json-schema.ts'
import type { ChildOptions, Elicit, HttpOptions, Progress } from './mcp/options.ts'
import type { Sdk } from './mcp/sdk.ts'
import { loadSdk } from './mcp/sdk.ts'
import type { Pins } from './tool-pins.ts'
import { pinTools } from './tool-pins.ts'

/** What the kernel is to believe of a tool. */
export interface McpTerms {
  /** @default 'once' */
  readonly effect?: Effect
  /** @default ['untrusted'], or none where `trusted` is true */
  readonly labels?: readonly string[]
  /** @default unknown */
  readonly outbound?: boolean
  /** @default false */
  readonly trusted?: boolean
  readonly locks?: readonly string[]
  /** @default limits.toolMs of the kernel */
  readonly timeoutMs?: number
}

export interface McpToolTerms extends McpTerms {
  /** Its name in the kernel. @default `server/tool` */
  readonly as?: string
  /** Arguments that steer what it hits. */
  readonly control?: readonly string[]
  /** Not taken at all. @default false */
  readonly hidden?: boolean
}

export type McpServer = (ChildOptions | HttpOptions) & {
  /** What holds for its tools where `tools` says nothing. */
  readonly defaults?: McpTerms
  /**
   * Believe its annotations where nothing else is said: `readOnlyHint` is the effect `read`, `idempotentHint` is
   * `idempotent`, `openWorldHint: false` is not outbound. @default false
   */
  readonly trustAnnotations?: boolean
}

export interface McpOptions {
  /** Servers by name: 1 to 40 letters, digits, `_`, `-` or `.`. */
  readonly servers: { readonly [name: string]: McpServer }
  /** Terms of single tools, by `server/tool`. A name that no server lists is an error. */
  readonly tools?: { readonly [tool: string]: McpToolTerms }
  /** Tools are taken only with these manifests (tool-pins.ts). @default as they are listed now */
  readonly pins?: Pins
  /** How long a server may take to start and list its tools, ms. @default 30_000 */
  readonly connectMs?: number
  readonly onProgress?: (event: Progress & { readonly tool: string; readonly pid: number }) => void
  /**
   * Answers questions of servers to the user (`elicitation/create`). What the form does not allow is told as `cancel`, with a
   * warning. @default they are not told that one could ask
   */
  readonly elicit?: (server: string, request: Parameters<Elicit>[0]) => ReturnType<Elicit>
}

export interface Mcp {
  readonly tools: readonly Tool[]
  /** Tools that were not taken, and why. */
  readonly leftOut: readonly { readonly tool: string; readonly reason: string }[]
  /** Tools that their servers show otherwise than when they were opened; calls of them are refused. */
  readonly changed: readonly string[]
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const CONNECT_MS = 30_000
/** A call that nobody else ends, ms: beyond any limit of the kernel. */
const CALL_MS_MAX = 2_147_483_647
const SERVER_NAME = /^[A-Za-z0-9_.-]{1,40}$/
const TOOL_NAME = /^[A-Za-z0-9_.\-/]{1,64}$/
/** What a description may have at most, characters: it stands in every prompt. */
const DESCRIPTION_CHARS_MAX = 10_000
const SCHEMA_CHARS_MAX = 200_000

/** Connects to the servers and takes their tools. Throws `CONFIG_INVALID` where one cannot be reached or something does not fit. */
export async function openMcp(options: McpOptions): Promise<Mcp> {
  checkOptions(options)
  const sdk = await loadSdk()
  const connections = new Map<string, Connection>()
  const close = async (): Promise<void> => void (await Promise.all([...connections.values()].map((one) => one.close())))
  try {
    const { connectMs = CONNECT_MS, elicit } = options
    const opened = await Promise.allSettled(
      Object.entries(options.servers).map(async ([name, server]) => {
        const ask =
          elicit === undefined
            ? undefined
            : checkedElicit(
                name,
                (request) => elicit(name, request),
                () => new sdk.ajv.AjvJsonSchemaValidator(),
              )
        connections.set(name, await connect(sdk, name, server, { connectMs, elicit: ask }))
      }),
    )
    for (const one of opened) if (one.status === 'rejected') throw wrong(messageOf(one.reason), one.reason)
    const { tools, leftOut } = toolsOf(sdk, connections, options)
    if (options.pins !== undefined) pinTools(tools, options.pins)
    return {
      tools,
      leftOut,
      get changed() {
        return [...connections].flatMap(([name, { changed }]) => changed.map((tool) => `${name}/${tool}`))
      },
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const optionKeys: KeysOf<McpOptions> = {
  servers: true,
  tools: true,
  pins: true,
  connectMs: true,
  onProgress: true,
  elicit: true,
}
const termKeys: KeysOf<McpTerms> = {
  effect: true,
  labels: true,
  outbound: true,
  trusted: true,
  locks: true,
  timeoutMs: true,
}
const toolKeys: KeysOf<McpToolTerms> = { ...termKeys, as: true, control: true, hidden: true }
const serverKeys: KeysOf<McpServer> = {
  command: true,
  args: true,
  env: true,
  cwd: true,
  url: true,
  headers: true,
  auth: true,
  fetch: true,
  defaults: true,
  trustAnnotations: true,
}

function checkOptions(options: McpOptions): void {
  checkKeys('openMcp', options, optionKeys)
  const { servers, tools = {}, connectMs = CONNECT_MS } = options
  if (typeof servers !== 'object' || servers === null)
    throw wrong('openMcp takes { servers: { name: { command, args } or { url } } }')
  for (const [name, server] of Object.entries(servers)) {
    if (!SERVER_NAME.test(name))
      throw wrong(`a server is named with 1 to 40 letters, digits, "_", "-" or ".", not ${JSON.stringify(name)}`)
    checkKeys(`server ${name}`, server, serverKeys)
    if (server.defaults !== undefined) checkKeys(`server ${name}: defaults`, server.defaults, termKeys)
    const { command, url } = server as { readonly command?: unknown; readonly url?: unknown }
    if ((typeof command === 'string') === (typeof url === 'string'))
      throw wrong(`server ${name} takes either { command, args, env, cwd } or { url, headers }`)
    if (typeof url === 'string' && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
      throw wrong(`server ${name}: url takes an http or https URL, not ${JSON.stringify(url)}`)
  }
  for (const [name, terms] of Object.entries(tools))
    checkKeys(`openMcp: tools[${JSON.stringify(name)}]`, terms, toolKeys)
  if (!(connectMs > 0)) throw wrong(`connectMs takes a number of ms, not ${connectMs}`)
}

function toolsOf(
  sdk: Sdk,
  connections: ReadonlyMap<string, Connection>,
  options: McpOptions,
): Pick<Mcp, 'tools' | 'leftOut'> {
  const tools = new Map<string, { readonly tool: Tool; readonly of: string }>()
  const leftOut: { readonly tool: string; readonly reason: string }[] = []
  const unknown = new Set(Object.keys(options.tools ?? {}))
  for (const server of Object.keys(options.servers)) {
    const connection = connections.get(server) as Connection
    for (const listed of connection.tools) {
      const of = `${server}/${listed.name}`
      unknown.delete(of)
      const own = Object.hasOwn(options.tools ?? {}, of) ? options.tools?.[of] : undefined
      if (own?.hidden === true) continue
      const name = own?.as ?? of
      const reason = unfit(name, listed, own?.as !== undefined)
      if (reason !== undefined) {
        leftOut.push({ tool: of.slice(0, 200), reason })
        continue
      }
      const other = tools.get(name)
      if (other !== undefined)
        throw wrong(`${of} and ${other.of} would both be called ${name}; give one another name with "as"`)
      tools.set(name, {
        of,
        tool: toTool(sdk, connection, listed, name, { ...termsOf(options, server, listed), ...own }, options),
      })
    }
  }
  const [missing] = unknown
  if (missing !== undefined)
    throw wrong(`tools names ${JSON.stringify(missing)}, which no server lists; expected a name such as "server/tool"`)
  return { tools: [...tools.values()].map(({ tool }) => tool), leftOut }
}

type Listed = Connection['tools'][number]

/** Why a tool cannot be taken; undefined if it can. */
function unfit(name: string, { description = '', inputSchema }: Listed, isGiven: boolean): string | undefined {
  if (!TOOL_NAME.test(name)) {
    if (isGiven) throw wrong(`"as" takes 1 to 64 letters, digits, "_", "-", "." or "/", not ${JSON.stringify(name)}`)
    return 'its name is not 1 to 64 letters, digits, "_", "-", "." or "/"; give it one with "as"'
  }
  if (description.length > DESCRIPTION_CHARS_MAX)
    return `its description has ${description.length} characters, more than ${DESCRIPTION_CHARS_MAX}`
  const size = JSON.stringify(inputSchema).length
  return size > SCHEMA_CHARS_MAX ? `its schema has ${size} characters, more than ${SCHEMA_CHARS_MAX}` : undefined
}

/** What holds for a tool that has no terms of its own. */
function termsOf({ servers }: McpOptions, server: string, { annotations }: Listed): McpTerms {
  const { defaults, trustAnnotations = false } = servers[server] as McpServer
  if (!trustAnnotations || annotations === undefined) return defaults ?? {}
  const { readOnlyHint, idempotentHint, openWorldHint } = annotations
  return {
    ...(readOnlyHint === true
      ? { effect: 'read' as const }
      : idempotentHint === true
        ? { effect: 'idempotent' as const }
        : {}),
    ...(openWorldHint === false ? { outbound: false } : {}),
    ...defaults,
  }
}

function toTool(
  sdk: Sdk,
  connection: Connection,
  listed: Listed,
  name: string,
  terms: McpToolTerms,
  { onProgress }: McpOptions,
): Tool {
  const {
    effect = 'once',
    trusted = false,
    labels = trusted ? [] : [UNTRUSTED],
    outbound,
    control,
    locks,
    timeoutMs,
  } = terms
  const createValidator = () => new sdk.ajv.AjvJsonSchemaValidator()
  const outputSchema = listed.outputSchema as { readonly [key: string]: Json } | undefined
  return defineTool({
    name,
    description: listed.description ?? listed.title ?? '',
    inputSchema: jsonSchema(listed.inputSchema as { readonly [key: string]: Json }, createValidator),
    ...(outputSchema === undefined ? {} : { outputSchema: jsonSchema(outputSchema, createValidator) }),
    effect,
    labels,
    trusted,
    ...(outbound === undefined ? {} : { outbound }),
    ...(control === undefined ? {} : { control }),
    ...(locks === undefined ? {} : { locks }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    async execute(input: unknown, { signal, idempotencyKey, pid }: ToolContext) {
      const { content, structuredContent, isError } = await connection.call(listed.name, input as Json, {
        signal,
        idempotencyKey,
        timeoutMs: timeoutMs ?? CALL_MS_MAX,
        isRepeatable: effect !== 'once',
        onProgress: onProgress === undefined ? undefined : (progress) => onProgress({ ...progress, tool: name, pid }),
      })
      const text = content.map((one) => (one.type === 'text' ? one.text : `[${one.type}]`)).join('\n')
      if (isError === true)
        throw new PolityError(
          'TOOL_FAILED',
          `tool ${name}: ${text === '' ? 'the server says that it failed' : text.slice(0, ERROR_CHARS_MAX)}`,
        )
      if (outputSchema !== undefined) return structuredContent
      if (structuredContent !== undefined) return structuredContent
      return content.every(({ type }) => type === 'text') ? text : { content }
    },
  }) as Tool
}

const UNTRUSTED = 'untrusted'
const ERROR_CHARS_MAX = 2_000

function wrong(message: string, cause?: unknown): PolityError {
  return new PolityError('CONFIG_INVALID', message, cause === undefined ? {} : { cause })
}
