/** Mastra: `Agent.generate` on an agent of its own (no `Mastra` instance, no memory, no observability). */
import { Agent } from '@mastra/core/agent'
import type { MastraModelConfig } from '@mastra/core/llm'
import { createTool } from '@mastra/core/tools'
import { modelV4 } from './model-v4.ts'
import { add, addDescription, addInput, instructions, question, versionOf } from './work.ts'
import type { AddInput, Contestant } from './work.ts'

export const contestant: Contestant = {
  name: 'Mastra Agent',
  version: versionOf('@mastra/core'),
  async prepare() {
    const agent = new Agent({
      id: 'adder',
      name: 'adder',
      instructions,
      // Mastra carries a slightly older copy of the V4 types; at run time it takes this model as V4.
      model: modelV4 as MastraModelConfig,
      tools: {
        add: createTool({
          id: 'add',
          description: addDescription,
          inputSchema: addInput,
          execute: async (input: AddInput) => add(input),
        }),
      },
    })
    return async (i) => (await agent.generate(question(i))).text
  },
}
