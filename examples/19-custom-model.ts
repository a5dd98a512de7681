/**
 * A model of your own: any object with the AI SDK's `LanguageModelV4` interface is a core. This one counts words. What it
 * says in `capabilities` the scheduler believes; what it does not say is learned.
 */
// prints: 6 words
import { boot } from '../src/index.ts'
import type { LanguageModel } from '../src/index.ts'

type Options = Parameters<LanguageModel['doGenerate']>[0]
type Result = Awaited<ReturnType<LanguageModel['doGenerate']>>
type Part = Awaited<ReturnType<LanguageModel['doStream']>>['stream'] extends ReadableStream<infer P> ? P : never

function answer({ prompt }: Options): Result {
  const last = prompt.findLast((message) => message.role === 'user')
  const said = last?.content.map((part) => (part.type === 'text' ? part.text : '')).join(' ') ?? ''
  const words = said.split(/\s+/).filter(Boolean).length
  return {
    content: [{ type: 'text', text: `${words} words` }],
    finishReason: { unified: 'stop', raw: undefined },
    usage: {
      inputTokens: { total: words, noCache: words, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 2, text: 2, reasoning: 0 },
    },
    warnings: [],
  }
}

const counter: LanguageModel = {
  specificationVersion: 'v4',
  provider: 'mine',
  modelId: 'counter',
  supportedUrls: {},
  capabilities: { slots: 2, contextTokens: 1_000 },
  doGenerate: async (options) => answer(options),
  // Called instead while somebody watches the text.
  doStream: async (options) => {
    const { content, finishReason, usage } = answer(options)
    const [first] = content
    const delta = first?.type === 'text' ? first.text : ''
    const id = '0'
    const parts: Part[] = [
      { type: 'text-start', id },
      { type: 'text-delta', id, delta },
      { type: 'text-end', id },
      { type: 'finish', finishReason, usage },
    ]
    return { stream: ReadableStream.from(parts) as ReadableStream<Part> }
  },
}

const kernel = await boot({ model: counter })
const run = kernel.spawn(async (sys) => (await sys.generate('a whole does equal its parts')).text, null)
console.log(await run.result, '—', `${run.usage.inputTokens} tokens in, ${run.usage.outputTokens} out`)
console.log(kernel.cores.map(({ id, slots, admitted }) => `${id}: ${slots} slots, ${admitted} call admitted`).join())
await kernel.close()
