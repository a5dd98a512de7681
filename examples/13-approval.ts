/**
 * Approval: the law may say `ask`. The call then waits for a person, and silence is never consent. The question shows the
 * checked arguments, and the arguments that are executed are those.
 */
// prints: ACCESS_DENIED
import { z } from 'zod'
import { boot, defineTool, parseLaw } from '../src/index.ts'

const transfer = defineTool({
  name: 'transfer',
  description: 'Moves money.',
  effect: 'once',
  control: ['to', 'amount'],
  inputSchema: z.object({ to: z.string(), amount: z.number().positive() }),
  execute: ({ to, amount }) => `moved ${amount} to ${to}`,
})

const law = parseLaw({
  rules: [
    { id: 'small-amounts', effect: 'allow', tool: 'transfer', args: { amount: { maximum: 100 } } },
    { id: 'large-amounts', effect: 'ask', tool: 'transfer', reason: 'more than 100' },
  ],
})

const kernel = await boot({ tools: [transfer], law })
const run = kernel.spawn(async (sys) => {
  const ends: string[] = []
  for (const [to, amount] of [
    ['Ada', 50],
    ['Bob', 500],
    ['Mallory', 5000],
  ] as const) {
    ends.push(await sys.call<string>('transfer', { to, amount }).catch((error) => `${error.code}: ${error.message}`))
  }
  return ends
}, null)

// The person. A door would show the question; this one decides by the amount.
for await (const event of run.events) {
  if (event.type !== 'call-start') continue
  for (const question of kernel.questions) {
    const { input } = question.detail as { input: { to: string; amount: number } }
    const said = input.amount > 1000 ? 'deny' : 'allow'
    console.log(`question ${question.id}: ${question.text} ${JSON.stringify(input)} → ${said}`)
    kernel.answer(question.id, said)
  }
}
for (const end of await run.result) console.log(end)
await kernel.close()
