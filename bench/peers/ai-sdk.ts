/** Vercel AI SDK: `ToolLoopAgent.generate`, telemetry left unregistered (its default). */
import { ToolLoopAgent, tool } from 'ai'
import { modelV4 } from './model-v4.ts'
import { add, addDescription, addInput, instructions, question, versionOf } from './work.ts'
import type { Contestant } from './work.ts'

export const contestant: Contestant = {
  name: 'AI SDK ToolLoopAgent',
  version: versionOf('ai'),
  async prepare() {
    const agent = new ToolLoopAgent({
      model: modelV4,
      instructions,
      tools: { add: tool({ description: addDescription, inputSchema: addInput, execute: add }) },
    })
    return async (i) => (await agent.generate({ prompt: question(i) })).text
  },
}
