/**
 * The process that is killed in the middle of its answers: agents that take turns on one place of a real model.
 *
 *     node test/llama-killed.ts <model> <store>
 *
 * Each line that it prints is a turn that its journal has. Its test runs the same kernel, to go on.
 */
import { pathToFileURL } from 'node:url'
import { boot } from '../src/boot.ts'
import type { LlamaModel } from '../src/drivers/llm/llama.ts'
import { llama } from '../src/drivers/llm/llama.ts'
import type { Kernel } from '../src/index.ts'
import { defineProgram } from '../src/index.ts'
import { contextTokens } from './llama-turns.ts'

/** Tokens of each answer, and those of a turn. */
export const outputTokens = 24
const quantumTokens = 4
export const names = ['one', 'two', 'three']

export const tells = defineProgram('tells', async (sys, name: string) => {
  const { text, usage } = await sys.generate({ prompt: `Tell ${name}.`, maxOutputTokens: outputTokens, seed: 3 })
  return { text, usage }
})

/** A kernel on that store, with one place on that model. Close both. */
export async function kernelOn(path: string, store: string): Promise<{ kernel: Kernel; model: LlamaModel }> {
  const model = await llama(path, { gpu: false, contextTokens, stateFolder: `${store}-states`, format: 'chatML' })
  const models = { m: { model, slots: 1, quantumTokens } }
  return { kernel: await boot({ store, models, programs: [tells], discipline: 'round-robin' }), model }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [path = '', store = ''] = process.argv.slice(2)
  const { kernel } = await kernelOn(path, store)
  kernel.watch((event) => {
    if (event.type === 'call-wait' && event.turn !== undefined) process.stdout.write(`${event.pid}\n`)
  })
  for (const name of names) kernel.spawn(tells, name)
}
