/**
 * An agent: instructions, tools, a model. The loop is ReAct: the model asks for tools, the tools answer, until the model
 * answers without asking. The model here is scripted; put any AI SDK model in its place.
 */
// prints: The invoice of March is 240 euros
import { z } from 'zod'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { boot, defineAgent, defineTool } from '../src/index.ts'

const invoices: Record<string, number> = { february: 180, march: 240 }

const lookUp = defineTool({
  name: 'look_up',
  description: 'The amount of a month’s invoice, in euros.',
  effect: 'read',
  inputSchema: z.object({ month: z.string() }),
  execute: ({ month }) => {
    const euros = invoices[month]
    if (euros === undefined) throw new Error(`no invoice for ${month}; there are ${Object.keys(invoices).join(', ')}`)
    return { euros }
  },
})

const model = scripted([
  { toolCalls: [{ name: 'look_up', input: { month: 'mars' } }] }, // the model errs; the error is an observation
  { toolCalls: [{ name: 'look_up', input: { month: 'march' } }] },
  'The invoice of March is 240 euros.',
])

const clerk = defineAgent({ name: 'clerk', instructions: 'Answer from the books.', tools: [lookUp] })
const kernel = await boot({ model })
const run = kernel.spawn(clerk, 'How much is the invoice of March?', { budget: { steps: 10 } })

for await (const event of run.events) {
  if (event.type === 'call-start') console.log('→', event.call, event.call === 'call' ? JSON.stringify(event.args) : '')
  if (event.type === 'call-end' && event.error) console.log('  ', event.error.code, event.error.message)
}
console.log(await run.result)
console.log(`${run.usage.steps} steps, ${run.usage.calls} system calls`)
await kernel.close()
