/**
 * Record a model's traffic once, answer from the file ever after: no key, no network, no time. A call is found again by
 * its place in the journal, so concurrent processes get their own answers back.
 */
// prints: the provider was asked 2 times
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { record, replay } from '../src/drivers/llm/recorded.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import type { LanguageModel } from '../src/index.ts'
import { boot, defineProgram } from '../src/index.ts'

using folder = mkdtempDisposableSync(join(tmpdir(), 'polity-recorded-'))
const file = join(folder.path, 'poem.ndjson')

const poem = defineProgram('poem', async (sys, topic: string) => {
  const { text: title } = await sys.generate(`A title about ${topic}.`)
  const { text: line } = await sys.generate(`The first line of “${title}”.`)
  return `${title}: ${line}`
})

async function ask(model: LanguageModel, topic: string): Promise<string> {
  const kernel = await boot({ model })
  try {
    return await kernel.spawn(poem, topic).result
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`
  } finally {
    await kernel.close()
  }
}

const provider = scripted(['Rain', 'It fell all night.']) // any AI SDK model
console.log('recorded:', await ask(record(provider, file), 'weather'))
console.log('replayed:', await ask(replay(file), 'weather'))
console.log('another: ', await ask(replay(file), 'war'))
console.log(`the provider was asked ${provider.callCount} times`)
