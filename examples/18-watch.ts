/**
 * Watching: `run.events` is the journal of a process tree as it becomes durable, with the text of its models as it comes.
 * Models are asked to stream only while somebody watches.
 */
// prints: once upon a time
import { scripted } from '../src/drivers/llm/scripted.ts'
import { boot, defineProgram } from '../src/index.ts'

const model = scripted(['once upon a time there was a kernel'], { deltaChars: 6 })
const kernel = await boot({ model })

const story = defineProgram('story', async (sys) => (await sys.generate('Tell me a story.')).text)
const parent = defineProgram('parent', async (sys) => sys.wait<string>(await sys.spawn(story, null)))

// Everybody's events, heard at once; `kernel.watch` returns what stops it.
let heard = 0
const stop = kernel.watch(() => heard++)

const run = kernel.spawn(parent, null)
const text: string[] = []
for await (const event of run.events) {
  switch (event.type) {
    case 'text-delta':
      text.push(event.delta)
      console.log(`  … ${event.delta}`)
      break
    case 'call-start':
      console.log(`${event.seq}  process ${event.pid}  ${event.call}`)
      break
    case 'call-end':
      console.log(
        `${event.seq}  process ${event.pid}  call ${event.n} ended${event.usage ? `, ${event.usage.outputTokens} output tokens` : ''}`,
      )
      break
    case 'process-start':
    case 'process-end':
      console.log(`${event.seq}  process ${event.pid}  ${event.type}`)
  }
}
stop()
console.log(`${text.join('')} — ${text.length} deltas, ${heard} events heard by the other watcher`)
await kernel.close()
