/**
 * A graph of LangGraph by base URL: its nodes run where they ran before, its model calls are processes of the kernel. Two
 * graphs share one slot here: the kernel serves them in its order, and each key draws on its own budget.
 */
// prints: bob: insufficient_quota
import { tool } from '@langchain/core/tools'
import { createReactAgent } from '@langchain/langgraph/prebuilt'
import { ChatOpenAI } from '@langchain/openai'
import { z } from 'zod'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { boot } from '../src/index.ts'
import { startServer } from '../src/server/http.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { openaiDoor } from '../src/server/openai/door.ts'

// The kernel and its server; `polity serve` and `polity key` are the same on the command line.
const model = scripted(
  ({ prompt }) =>
    prompt.at(-1)?.role === 'tool'
      ? `It is ${promptText(prompt.slice(-1)).trim().split(' ').at(-1)}.`
      : { toolCalls: [{ name: 'add', input: { a: 19, b: 23 } }] },
  { capabilities: { slots: 1 } },
)
const kernel = await boot({ models: { adder: model }, discipline: 'fair-share' })
kernel.account('ada', { steps: 10 })
kernel.account('bob', { steps: 1 })
const server = await startServer({
  doors: [openaiDoor({ models: createModelDoor(kernel) })],
  port: 0,
  authenticate({ headers }) {
    const name = headers.authorization?.slice('Bearer '.length) ?? ''
    return { principal: name, scopes: new Set(['models']), key: name }
  },
})

// The programs.
const add = tool(({ a, b }) => String(a + b), {
  name: 'add',
  description: 'Adds two numbers',
  schema: z.object({ a: z.number(), b: z.number() }),
})
async function run(apiKey: string): Promise<string> {
  const configuration = { baseURL: `${server.url}/v1` }
  const graph = createReactAgent({ llm: new ChatOpenAI({ model: 'adder', apiKey, configuration }), tools: [add] })
  try {
    const { messages } = await graph.invoke({ messages: [{ role: 'user', content: 'What is 19 + 23?' }] })
    return `${apiKey}: ${messages.at(-1)?.text}`
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return `${apiKey}: ${code}, ${message.split('\n')[0]}`
  }
}
for (const line of await Promise.all(['ada', 'bob'].map(run))) console.log(line)
await server.close()
await kernel.close()
