/**
 * Local models: what the driver `llama` costs on this machine.
 *
 *     node bench/llama.ts                        // a model of random weights, made for the run
 *     node bench/llama.ts /models/some.gguf      // yours
 *
 * Prints: tokens a second of reading and writing, with 1, 2, 4 and 8 sequences, computed alone and together; what it takes to
 * keep the state of a generation and to take it up again; how many tokens of prefill agents of one program share. Random
 * weights compute as fast as trained ones of the same shape; what they say means nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { llama } from '../src/drivers/llm/llama.ts'
import { realClock } from '../src/kernel/clock.ts'
import { fieldOf } from '../src/kernel/errors.ts'
import { tinyGguf } from '../test/tiny-gguf.ts'

const clock = realClock()
const folder = mkdtempSync(join(tmpdir(), 'polity-bench-llama-'))
// 29 million parameters, 117 MB.
const path = process.argv[2] ?? tinyGguf(folder, { layers: 8, width: 512, heads: 8, contextTokens: 4_096 })
console.log(`${path}; ${availableParallelism()} cores, ${cpus()[0]?.model}`)

const ask = (text: string, outputTokens: number): LanguageModelV4CallOptions => ({
  prompt: [{ role: 'user', content: [{ type: 'text', text }] }],
  maxOutputTokens: outputTokens,
  seed: 1,
})
const OUTPUT_TOKENS = 64

for (const batching of ['alone', 'together'] as const) {
  for (const sequences of [1, 2, 4, 8]) {
    const model = await llama(path, { gpu: false, sequences, batching, contextTokens: 1_024 })
    await model.doGenerate(ask('warm', 4))
    const before = model.stats()
    const readFrom = clock.now()
    await Promise.all(
      Array.from({ length: sequences }, (_, i) => model.doGenerate(ask(`${i} ${'word '.repeat(60)}`, 1))),
    )
    const readMs = clock.now() - readFrom
    const read = model.stats().prefilledTokens - before.prefilledTokens
    const writeFrom = clock.now()
    await Promise.all(Array.from({ length: sequences }, (_, i) => model.doGenerate(ask(`${i}`, OUTPUT_TOKENS))))
    const writeMs = clock.now() - writeFrom
    console.log(
      `${batching.padEnd(8)} ${sequences} sequences: reads ${((1_000 * read) / readMs).toFixed(0)} tokens/s, writes ${((1_000 * sequences * OUTPUT_TOKENS) / writeMs).toFixed(0)} tokens/s`,
    )
    await model.close()
  }
}

const model = await llama(path, { gpu: false, sequences: 4, contextTokens: 1_024 })
for (const words of [10, 60, 160]) {
  const call = ask('word '.repeat(words), 32)
  const from = clock.now()
  await model.doGenerate(call)
  const wholeMs = clock.now() - from
  let state: string | undefined
  let keptBytes = 0
  let keptMs = 0
  let times = 0
  for (;;) {
    const turn = { goOn: (tokens: number) => tokens < 4, ...(state === undefined ? {} : { state }) }
    const { providerMetadata } = await model.doGenerate({ ...call, providerOptions: { polity: { turn } as never } })
    const kept = providerMetadata?.['polity']
    if (kept === undefined) break
    // Others take its place, so that it is read back from its file.
    await Promise.all([1, 2, 3, 4].map((i) => model.doGenerate(ask(`${i} ${times}`, 1))))
    state = String(fieldOf(kept, 'state'))
    keptBytes = Number(fieldOf(kept, 'bytes'))
    keptMs += Number(fieldOf(kept, 'ms'))
    times++
  }
  console.log(
    `a state of about ${5 * words + 60} tokens: ${(keptBytes / 1_000).toFixed(0)} kB, ${(keptMs / times).toFixed(1)} ms to keep it and take it up again (mean of ${times}); the whole answer of 32 tokens takes ${wholeMs.toFixed(0)} ms`,
  )
}
const { loads } = model.stats()
await model.close()

const shared = await llama(path, { gpu: false, sequences: 4, contextTokens: 1_024 })
const instructions = 'You are one of many agents of one program. '.repeat(12)
const from = clock.now()
let total = 0
for (let round = 0; round < 4; round++) {
  const answers = await Promise.all(
    [0, 1, 2, 3].map((i) =>
      shared.doGenerate({
        ...ask(`You are agent ${4 * round + i}.`, 1),
        prompt: [
          { role: 'system', content: instructions },
          { role: 'user', content: [{ type: 'text', text: `You are agent ${4 * round + i}.` }] },
        ],
      }),
    ),
  )
  for (const { usage } of answers) total += usage.inputTokens.total ?? 0
}
const { prefilledTokens, reusedTokens } = shared.stats()
console.log(
  `16 agents of one program: prompts of ${total} tokens, ${prefilledTokens} computed, ${reusedTokens} shared, ${(clock.now() - from).toFixed(0)} ms (${loads} states were read back above)`,
)
await shared.close()
rmSync(folder, { recursive: true, force: true })
