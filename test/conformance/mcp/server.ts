/**
 * The server that the official MCP suite tests: a kernel behind `mcpDoor`, with the tools, resources and prompts whose
 * names the suite has.
 *
 *     const server = await startFixture()
 *
 * What returns content goes through the kernel, as tools of it. What speaks to the client in the middle of a call
 * (logging, sampling, forms) no tool of the kernel can do; it is added to the SDK's server beside it.
 */
import type { McpServer, ServerContext } from '@modelcontextprotocol/server'
import { ResourceTemplate, completable } from '@modelcontextprotocol/server'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { boot, defineTool } from '../../../src/index.ts'
import type { Json, Kernel, Tool } from '../../../src/index.ts'
import { anything } from '../../../src/kernel/anything.ts'
import { mcpDoor } from '../../../src/server/mcp/door.ts'
import type { Server } from '../../../src/server/http.ts'
import { startServer } from '../../../src/server/http.ts'
import type { Caller } from '../../../src/server/caller.ts'
import { addInputTools } from './input-tools.ts'
import { TASK_AFTER_MS, taskFixtures } from './task-tools.ts'

/** A red pixel, and a sound of no length. */
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
const wav = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA='

const image = { type: 'image', data: png, mimeType: 'image/png' } as const
const none = z.object({})

function returns(name: string, content: Json): Tool {
  return defineTool({
    name,
    description: `Returns ${name}.`,
    effect: 'read',
    inputSchema: none,
    execute: () => content,
  }) as Tool
}

const schema2020 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'address',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
  allOf: [{ anyOf: [{ required: ['name'] }, { required: ['address'] }] }],
  if: { required: ['address'] },
  // oxlint-disable-next-line unicorn/no-thenable -- a word of JSON Schema
  then: { required: ['name'] },
  else: {},
  additionalProperties: false,
}

/** A parameter that clients of revision 2026-07-28 repeat in a header, where proxies can read it. */
const mirrored = {
  type: 'object',
  properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
  required: ['region'],
}

const tools: readonly Tool[] = [
  returns('test_simple_text', 'This is a simple text response for testing.'),
  returns('test_image_content', { content: [image] }),
  returns('test_audio_content', { content: [{ type: 'audio', data: wav, mimeType: 'audio/wav' }] }),
  returns('test_embedded_resource', {
    content: [
      {
        type: 'resource',
        resource: {
          uri: 'test://embedded-resource',
          mimeType: 'text/plain',
          text: 'This is an embedded resource content.',
        },
      },
    ],
  }),
  returns('test_multiple_content_types', {
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      image,
      {
        type: 'resource',
        resource: { uri: 'test://mixed', mimeType: 'application/json', text: '{"test":"data","value":123}' },
      },
    ],
  }),
  defineTool({
    name: 'test_error_handling',
    description: 'Fails.',
    inputSchema: none,
    execute() {
      throw new Error('This tool intentionally returns an error for testing')
    },
  }) as Tool,
  defineTool({
    name: 'json_schema_2020_12_tool',
    description: 'Has a schema with words of JSON Schema 2020-12.',
    inputSchema: anything(schema2020),
    execute: () => 'done',
  }) as Tool,
  defineTool({
    name: 'test_x_mcp_header',
    description: 'Has a parameter that is repeated in a header.',
    inputSchema: anything(mirrored),
    execute: () => 'done',
  }) as Tool,
]

/** Without it the SDK sends a request on the stream that a client opens by itself, and loses it where that is not open yet. */
const onOwnStream = ({ id }: ServerContext['mcpReq']) => ({ relatedRequestId: id })

const said = (text: string) => ({ content: [{ type: 'text' as const, text }] })

function addTalkingTools(server: McpServer): void {
  const add = (
    name: string,
    inputSchema: z.ZodObject,
    run: (input: never, context: ServerContext) => Promise<unknown>,
  ) => server.registerTool(name, { description: `Does ${name}.`, inputSchema }, run as never)

  add('test_tool_with_logging', none, async (_, { mcpReq }) => {
    for (const text of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await mcpReq.log('info', text)
      await pause(50)
    }
    return said('Tool with logging executed successfully')
  })
  add('test_tool_with_progress', none, async (_, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined)
        await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } })
      await pause(50)
    }
    return said('Tool with progress executed successfully')
  })
  add('test_reconnection', none, async (_, { http }) => {
    http?.closeSSE?.()
    await pause(100)
    return said('Reconnection test completed')
  })
  add('test_sampling', z.object({ prompt: z.string() }), async ({ prompt }: { prompt: string }, { mcpReq }) => {
    const content = { type: 'text' as const, text: prompt }
    const asked = { messages: [{ role: 'user' as const, content }], maxTokens: 100 }
    const answer = await mcpReq.requestSampling(asked, onOwnStream(mcpReq))
    return said(`LLM response: ${JSON.stringify(answer.content)}`)
  })

  const ask = async ({ mcpReq }: ServerContext, message: string, properties: object, required?: string[]) => {
    const requestedSchema = { type: 'object', properties, ...(required === undefined ? {} : { required }) }
    const asked = { mode: 'form', message, requestedSchema } as never
    const { action, content } = await mcpReq.elicitInput(asked, onOwnStream(mcpReq))
    return said(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`)
  }
  add('test_elicitation', z.object({ message: z.string() }), ({ message }: { message: string }, context) => {
    const fields = { username: { type: 'string' }, email: { type: 'string' } }
    return ask(context, message, fields, ['username', 'email'])
  })
  add('test_elicitation_sep1034_defaults', none, (_, context) =>
    ask(context, 'Please review the defaults', {
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    }),
  )
  const titled = (word: string) =>
    ['value1', 'value2', 'value3'].map((value, i) => ({
      const: value,
      title: `${['First', 'Second', 'Third'][i]} ${word}`,
    }))
  const options = ['option1', 'option2', 'option3']
  add('test_elicitation_sep1330_enums', none, (_, context) =>
    ask(context, 'Please choose', {
      untitledSingle: { type: 'string', enum: options },
      titledSingle: { type: 'string', oneOf: titled('Option') },
      legacyEnum: {
        type: 'string',
        enum: ['opt1', 'opt2', 'opt3'],
        enumNames: ['Option One', 'Option Two', 'Option Three'],
      },
      untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
      titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
    }),
  )
}

function addResources(server: McpServer): void {
  const fixed = (name: string, content: { mimeType: string } & ({ text: string } | { blob: string })): void => {
    const uri = `test://${name}`
    server.registerResource(name, uri, { mimeType: content.mimeType }, () => ({ contents: [{ uri, ...content }] }))
  }
  fixed('static-text', { mimeType: 'text/plain', text: 'This is the content of the static text resource.' })
  fixed('static-binary', { mimeType: 'image/png', blob: png })
  fixed('watched-resource', { mimeType: 'text/plain', text: 'Watched.' })
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { mimeType: 'application/json' },
    (uri, { id }) => ({
      contents: [
        {
          uri: uri.href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
        },
      ],
    }),
  )
}

function addPrompts(server: McpServer): void {
  type Content =
    | { type: 'text'; text: string }
    | typeof image
    | { type: 'resource'; resource: { uri: string; mimeType: string; text: string } }
  const messages = (...contents: Content[]) => ({
    messages: contents.map((content) => ({ role: 'user' as const, content })),
  })
  const text = (one: string) => ({ type: 'text' as const, text: one })
  server.registerPrompt('test_simple_prompt', { description: 'A prompt.' }, () =>
    messages(text('This is a simple prompt for testing.')),
  )
  const word = (): z.ZodString => completable(z.string(), () => [])
  server.registerPrompt(
    'test_prompt_with_arguments',
    { description: 'A prompt with arguments.', argsSchema: z.object({ arg1: word(), arg2: word() }) },
    ({ arg1, arg2 }) => messages(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  )
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'A prompt with a resource.', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) =>
      messages(
        { type: 'resource', resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' } },
        text('Please process the embedded resource above.'),
      ),
  )
  server.registerPrompt('test_prompt_with_image', { description: 'A prompt with an image.' }, () =>
    messages(image, text('Please analyze the image above.')),
  )
}

const caller: Caller = { principal: 'suite', scopes: new Set(['runs', 'memory', 'approvals']), key: null }

export async function startFixture(): Promise<Server> {
  const tasks = taskFixtures(() => kernel)
  const all = [...tools, ...tasks.tools]
  const kernel: Kernel = await boot({ tools: all })
  const door = mcpDoor({
    kernel,
    ...tasks,
    tools: all,
    taskAfterMs: TASK_AFTER_MS,
    extend(server, { mintState }) {
      server.server.registerCapabilities({ logging: {} })
      addTalkingTools(server)
      addResources(server)
      addPrompts(server)
      addInputTools(server, mintState)
    },
  })
  const server = await startServer({ doors: [door], authenticate: () => caller, port: 0, limits: { drainMs: 50 } })
  return {
    ...server,
    async close() {
      await server.close()
      await kernel.close()
    },
  }
}
