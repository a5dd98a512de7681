/**
 * Programs for the AI SDK run unchanged: only their model is Polity's. Each call waits its turn on the kernel and draws on
 * an account; what the model asks of the program's tools, the law lets through or not before the program hears of it.
 */
// prints: said no to pay: tool pay is denied: no rule allows it
import { ToolLoopAgent, generateText, tool } from 'ai'
import { z } from 'zod'
import type { PolityMetadata } from '../src/ai.ts'
import { createPolity } from '../src/ai.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { PolityError, boot, parseLaw } from '../src/index.ts'

const law = parseLaw({
  rules: [
    { id: 'reads', effect: 'allow', tool: 'list_*' },
    { id: 'small', effect: 'allow', tool: 'pay', args: { amount: { maximum: 100 } } },
  ],
})
const model = scripted([
  { toolCalls: [{ name: 'list_invoices' }] },
  {
    toolCalls: [
      { name: 'pay', input: { to: 'printer', amount: 40 } },
      { name: 'pay', input: { to: 'stranger', amount: 900 } },
    ],
  },
  'I paid the printer.',
  'Thank you for your patience.',
])
const kernel = await boot({ model, law })
kernel.account('clerks', { steps: 4 }) // four model calls for all that draws on it
const polity = createPolity({ kernel, principal: 'ada', account: 'clerks' })

// A whole agent of the AI SDK: the law sees its steps as one run.
const clerk = new ToolLoopAgent({
  model: polity(),
  providerOptions: { polity: { run: 'invoices of March' } },
  tools: {
    list_invoices: tool({ inputSchema: z.object({}), execute: () => 'printer: 40, stranger: 900' }),
    pay: tool({
      inputSchema: z.object({ to: z.string(), amount: z.number() }),
      execute: ({ to, amount }) => console.log(`paid ${amount} to ${to}`),
    }),
  },
})
const { text, steps } = await clerk.generate({ prompt: 'Pay what is due.' })
for (const { providerMetadata } of steps)
  for (const { call, error } of (providerMetadata as { polity: PolityMetadata } | undefined)?.polity.denied ?? [])
    console.log(`said no to ${call.name}: ${error.message}`)
console.log(text)

// One function of it; the fourth call. The fifth is refused before it is sent.
console.log((await generateText({ model: polity(), prompt: 'A polite closing, please.' })).text)
const refused = await generateText({ model: polity(), prompt: 'And another.' }).catch((error: Error) => error.cause)
console.log(PolityError.isInstance(refused) ? `${refused.code}: ${refused.message}` : refused)
await kernel.close()
