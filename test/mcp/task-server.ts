/**
 * An MCP server on the official SDK of the earlier era, with its own (experimental) tasks of 2025-11-25, over stdio.
 *
 *     node task-server.ts <file>          what happens is written to the file, a JSON value a line
 *
 * Tools that run as tasks only, which it wants to be asked about every 300 ms: `slow` takes 20 ms, `stuck` never ends,
 * `broken` fails, `dies` ends the server in the middle of the task.
 */
import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { appendFileSync } from 'node:fs'
import { z } from 'zod'

const [, , file = ''] = process.argv
const note = (what: object): void => appendFileSync(file, `${JSON.stringify(what)}\n`)
const POLL_MS = 300

class NotedStore extends InMemoryTaskStore {
  override async getTask(...given: Parameters<InMemoryTaskStore['getTask']>) {
    note({ looked: given[0] })
    return super.getTask(...given)
  }
  override async updateTaskStatus(...given: Parameters<InMemoryTaskStore['updateTaskStatus']>) {
    note({ status: given[1] })
    return super.updateTaskStatus(...given)
  }
}

const taskStore = new NotedStore()
const server = new McpServer(
  { name: 'tasks', version: '1' },
  { capabilities: { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } }, taskStore },
)

type Ends = 'completed' | 'failed'
function add(name: string, run: (end: (status: Ends, text: string) => Promise<void>) => void): void {
  server.experimental.tasks.registerToolTask(
    name,
    { description: `Does ${name}.`, inputSchema: z.object({}), execution: { taskSupport: 'required' } },
    {
      async createTask(_: unknown, { taskStore: store, taskRequestedTtl }) {
        note({ begun: name })
        const task = await store.createTask({ ttl: taskRequestedTtl, pollInterval: POLL_MS })
        run((status, text) =>
          store.storeTaskResult(task.taskId, status, {
            content: [{ type: 'text', text }],
            ...(status === 'failed' ? { isError: true } : {}),
          }),
        )
        return { task }
      },
      getTask: async (_: unknown, { taskId, taskStore: store }) => store.getTask(taskId),
      getTaskResult: async (_: unknown, { taskId, taskStore: store }) => (await store.getTaskResult(taskId)) as never,
    },
  )
}

add('slow', (end) => void setTimeout(() => void end('completed', 'at last'), 20))
add('broken', (end) => void setTimeout(() => void end('failed', 'out of order'), 20))
add('stuck', () => {})
add('dies', () => void setTimeout(() => process.exit(1), 60))

await server.connect(new StdioServerTransport())
