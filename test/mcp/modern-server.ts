/** An MCP server on the official SDK, of both eras, over stdio. It says which era it speaks. */
import { McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'

serveStdio(({ era }) => {
  const server = new McpServer({ name: 'modern', version: '1' })
  server.registerTool('era', { description: 'Says the era.', inputSchema: z.object({}) }, async () => ({
    content: [{ type: 'text', text: era }],
  }))
  return server
})
