/**
 * CodeAct: the model acts by writing code. It runs in a sandbox, in a process of its own without files, network or
 * environment; the tools it calls are called by this process, past its law, into its journal.
 */
// prints: Spring cost 640 euros.
import { z } from 'zod'
import { codeAct } from '../src/agents/code-act.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { boot, defineTool } from '../src/index.ts'
import { scripted } from '../src/testing.ts'

const invoices: Record<string, number> = { march: 240, april: 180, may: 220 }

const lookUp = defineTool({
  name: 'look_up',
  description: 'The amount of a month’s invoice, in euros.',
  effect: 'read',
  inputSchema: z.object({ month: z.string() }),
  execute: ({ month }) => ({ euros: invoices[month] ?? 0 }),
})

const pay = defineTool({
  name: 'pay',
  description: 'Pays an amount, in euros.',
  inputSchema: z.object({ euros: z.number() }),
  execute: ({ euros }) => `paid ${euros}`,
})

const model = scripted([
  [
    'One block instead of three tool calls:',
    '```js',
    "const months = ['march', 'april', 'may']",
    'const bills = await Promise.all(months.map((month) => tools.look_up({ month })))',
    "console.log('in all:', bills.reduce((sum, { euros }) => sum + euros, 0))",
    'try { await tools.pay({ euros: 640 }) } catch (error) { console.log(error.code) }',
    '```',
  ].join('\n'),
  'Spring cost 640 euros.',
])

const kernel = await boot({
  model,
  tools: [...codeTools(), lookUp, pay],
  law: {
    rules: [
      { id: 'code', effect: 'allow', tool: 'code.*' },
      { id: 'books', effect: 'allow', tool: 'look_up' },
    ],
  },
})
const run = kernel.spawn(codeAct, { question: 'How much was spring?' })
for await (const event of run.events) {
  if (event.type === 'call-start' && event.call === 'call') console.log('→', JSON.stringify(event.args).slice(0, 100))
}
console.log(await run.result)
const { same } = await kernel.replay(run.pid)
console.log('replayed without running any code:', same)
await kernel.close()
