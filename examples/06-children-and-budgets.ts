/**
 * Children draw on their parent's budget. What a call may cost at most is set aside before it is sent, in the process
 * and in every ancestor, so no crowd of children can spend more than the root was given.
 */
// prints: BUDGET_EXCEEDED
import { scripted } from '../src/drivers/llm/scripted.ts'
import { boot, defineProgram } from '../src/index.ts'

const worker = defineProgram('worker', async (sys, topic: string) => {
  const { text } = await sys.generate({ prompt: `Write a line about ${topic}.`, maxOutputTokens: 100 })
  return text
})

const boss = defineProgram('boss', async (sys, topics: string[]) => {
  const children = await Promise.all(topics.map((topic) => sys.spawn(worker, topic, { budget: { steps: 1 } })))
  const ends = await Promise.allSettled(children.map((pid) => sys.wait<string>(pid)))
  return ends.map(
    (end, i) => `${topics[i]}: ${end.status === 'fulfilled' ? end.value : `${end.reason.code}, ${end.reason.message}`}`,
  )
})

const model = scripted([{ text: 'Done.', usage: { inputTokens: 10, outputTokens: 60 }, repeat: true }])
const kernel = await boot({
  models: { writer: { model, price: { input: 1, output: 10 } } }, // US dollars a million tokens
})

const run = kernel.spawn(boss, ['rain', 'wind', 'snow', 'fog'], { budget: { tokens: 300, usd: 0.01, children: 10 } })
for (const line of await run.result) console.log(line)

const { inputTokens, outputTokens, usd, children } = run.usage
console.log(
  `used ${inputTokens + outputTokens} of 300 tokens and ${usd.toFixed(5)} of 0.01 dollars, with ${children} children`,
)
await kernel.close()
