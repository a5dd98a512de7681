/**
 * Agents of the OpenAI Agents SDK by base URL: nothing of the program changes but where its provider points. Handoffs and
 * tools stay the program's; which calls go through is decided by the law before the program hears of them.
 */
// prints: The printer has its 40.
import { Agent, OpenAIProvider, Runner, tool } from '@openai/agents'
import { z } from 'zod'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { boot, parseLaw } from '../src/index.ts'
import { startServer } from '../src/server/http.ts'
import { createModelDoor } from '../src/server/model-door.ts'
import { openaiDoor } from '../src/server/openai/door.ts'

// The kernel and its server; `polity serve` is the same on the command line.
const model = scripted(({ prompt, tools = [] }) => {
  const said = promptText(prompt)
  const handoff = tools.find(({ name }) => name.startsWith('transfer_to_'))
  if (handoff !== undefined) return { toolCalls: [{ name: handoff.name }] }
  if (said.includes('paid')) return 'The printer has its 40.'
  return { toolCalls: [{ name: 'pay', input: { to: 'printer', amount: said.includes('ACCESS_DENIED') ? 40 : 4_000 } }] }
})
const law = parseLaw({
  rules: [
    { id: 'handoffs', effect: 'allow', tool: 'transfer_to_*' },
    { id: 'small', effect: 'allow', tool: 'pay', args: { amount: { maximum: 100 } } },
  ],
})
const kernel = await boot({ models: { clerk: model }, law })
const server = await startServer({
  doors: [openaiDoor({ models: createModelDoor(kernel) })],
  port: 0,
  authenticate: () => ({ principal: 'ada', scopes: new Set(['models']), key: null }),
})

// The program.
const payer = new Agent({
  name: 'Payer',
  model: 'clerk',
  instructions: 'You pay invoices.',
  tools: [
    tool({
      name: 'pay',
      description: 'Pays somebody',
      parameters: z.object({ to: z.string(), amount: z.number() }),
      execute: ({ to, amount }) => `paid ${amount} to ${to}`,
    }),
  ],
})
const desk = new Agent({ name: 'Desk', model: 'clerk', instructions: 'You find who can help.', handoffs: [payer] })
const modelProvider = new OpenAIProvider({ baseURL: `${server.url}/v1`, apiKey: 'none needed on this machine' })
const runner = new Runner({ modelProvider, tracingDisabled: true })
const { finalOutput, lastAgent } = await runner.run(desk, 'Pay the printer.')
console.log(`${lastAgent?.name}: ${finalOutput}`)

for (const { pid, principal, usage } of kernel.ps())
  console.log(`process ${pid} of ${principal}: ${usage.steps} model calls, ${usage.inputTokens} tokens in`)
await server.close()
await kernel.close()
