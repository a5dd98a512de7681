/**
 * Promise.all and Promise.race are the ones of the language: the kernel delivers one end at a time, so a replay takes
 * the same branch. Time is simulated here, so minutes cost nothing.
 */
// prints: the fast one won
import { scripted } from '../src/drivers/llm/scripted.ts'
import { boot, simulatedClock } from '../src/index.ts'

const clock = simulatedClock({ seed: 7 })
const said = (text: string) => (call: { prompt: unknown }) => JSON.stringify(call.prompt).includes(text)
const model = scripted(
  [
    { match: said('slow'), text: 'the slow one won', delayMs: 300_000, repeat: true },
    { match: said('fast'), text: 'the fast one won', delayMs: 60_000, repeat: true },
  ],
  { clock },
)
const kernel = await boot({ model, clock })

const run = kernel.spawn(async (sys) => {
  const start = sys.now()
  const minutes = () => Math.round((sys.now() - start) / 60_000)
  const lines: string[] = []

  const first = await Promise.race([sys.generate('slow'), sys.generate('fast')])
  lines.push(`${first.text} after ${minutes()} min`)

  const both = await Promise.all([sys.generate('slow'), sys.generate('fast')])
  lines.push(`${both.map((one) => one.text).join(', ')} after ${minutes()} min`)
  return lines
}, null)

for (const line of await run.result) console.log(line)
const { same, calls } = await kernel.replay(run.pid)
console.log(`replayed the same: ${same}, ${calls} calls`)
await kernel.close()
