/** Polity: one agent on a booted kernel, nothing durable, the law's default; every call passes the gate and is journaled. */
import { createKernel, defineAgent, defineTool } from '../../src/index.ts'
import { memoryStore } from '../../src/drivers/store/memory.ts'
import { modelV4 } from './model-v4.ts'
import { add, addDescription, addInput, instructions, question } from './work.ts'
import type { Contestant } from './work.ts'

export const contestant: Contestant = {
  name: 'Polity',
  version: '0.1.0',
  async prepare() {
    const agent = defineAgent({
      name: 'adder',
      instructions,
      tools: [defineTool({ name: 'add', description: addDescription, effect: 'read', inputSchema: addInput, execute: add })],
    })
    const kernel = createKernel({ store: memoryStore(), models: { mock: { model: modelV4, slots: Number.MAX_SAFE_INTEGER } } })
    return (i) => kernel.spawn(agent, question(i)).result
  },
}
