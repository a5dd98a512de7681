/**
 * A server with a store, of whose tasks some are under way when it ends.
 *
 *     node task-killed.ts <store> <file>        prints its URL, and serves until it is killed
 *     const server = await serveTasks(store, file)
 *
 * The program `slow` waits until the file is there, the tool `stuck` for ever; `quick` is done at once.
 */
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { openSqliteStore } from '../../src/drivers/store/sqlite.ts'
import type { Program, Tool } from '../../src/index.ts'
import { boot, defineProgram, defineTool } from '../../src/index.ts'
import { startServer } from '../../src/server/http.ts'
import { mcpDoor } from '../../src/server/mcp/door.ts'

export async function serveTasks(store: string, file: string): Promise<{ url: string; close(): Promise<void> }> {
  const tools = [
    defineTool({
      name: 'quick',
      description: 'Is done soon.',
      effect: 'read',
      inputSchema: z.object({}),
      execute: () => 'soon done',
    }),
    defineTool({
      name: 'stuck',
      description: 'Is never done.',
      effect: 'read',
      inputSchema: z.object({}),
      execute: (_, { signal }) => pause(3_600_000, undefined, { signal }),
    }),
    defineTool({
      name: 'look',
      description: 'Whether the file is there.',
      effect: 'read',
      inputSchema: z.object({}),
      execute: () => existsSync(file),
    }),
  ] as readonly Tool[]
  const slow = defineProgram('slow', async (sys) => {
    await sys.write('begun.txt', 'yes')
    while ((await sys.call('look', {})) === false) await sys.sleep(20)
    return `begun: ${await sys.read('begun.txt')}`
  }) as Program
  const disk = openSqliteStore(store)
  const kernel = await boot({ store: disk, tools, programs: [slow] })
  const server = await startServer({
    doors: [
      mcpDoor({
        kernel,
        tools,
        programs: [slow],
      }),
    ],
    port: 0,
    limits: { drainMs: 50 },
    authenticate: () => ({ principal: 'ada', scopes: new Set(['runs'] as const), key: null }),
  })
  return {
    url: server.url,
    async close() {
      await kernel.close()
      await server.close()
    },
  }
}

if (import.meta.main) {
  const [, , store = '', file = ''] = process.argv
  console.log((await serveTasks(store, file)).url)
}
