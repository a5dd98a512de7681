/**
 * One model call.
 *
 * The default model is `offline/reader`: no key, no network. It quotes what it is given to read, so the prompt carries
 * its own reading, one line a source.
 */
// prints: Twenty
import { boot } from '../src/index.ts'

const kernel = await boot()

const run = kernel.spawn(async (sys, question: string) => {
  const { text, usage } = await sys.generate(
    `${question}\n\n[notes.md:1] Twenty system calls go through the gate.\n[notes.md:2] The sky is blue.`,
  )
  return { text, tokens: usage.inputTokens + usage.outputTokens }
}, 'How many system calls go through the gate?')

const { text, tokens } = await run.result
console.log(text)
console.log(`${tokens} tokens, process ${run.pid}`)
await kernel.close()
