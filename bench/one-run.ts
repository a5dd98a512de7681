/**
 * The run that the benches repeat: the model asks for the tool `add`, the tool adds, the model says the sum.
 * The model is a plain `LanguageModelV4` object without a network, and takes as long as it is told.
 */
import { z } from 'zod'
import { observe } from '../src/agents/react.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { defineTool } from '../src/kernel/tools.ts'
import type { Message } from '../src/kernel/types.ts'

export const addInput = z.object({ a: z.number(), b: z.number() })

export const addTool = defineTool({
  name: 'add',
  description: 'Adds two numbers.',
  effect: 'read',
  inputSchema: addInput,
  execute: ({ a, b }) => a + b,
})

export function adder({ latencyMs }: { latencyMs: number }): LanguageModel {
  const usage = {
    inputTokens: { total: 40, noCache: 40, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 8, text: 8, reasoning: 0 },
  }
  return {
    specificationVersion: 'v4',
    provider: 'bench',
    modelId: 'adder',
    supportedUrls: {},
    capabilities: { slots: Number.MAX_SAFE_INTEGER },
    async doGenerate({ prompt }) {
      if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs))
      const asked = prompt[prompt.length - 1]?.role === 'user'
      return asked
        ? {
            content: [{ type: 'tool-call', toolCallId: 'call-1', toolName: 'add', input: '{"a":1,"b":2}' }],
            finishReason: { unified: 'tool-calls', raw: undefined },
            usage,
            warnings: [],
          }
        : {
            content: [{ type: 'text', text: 'three' }],
            finishReason: { unified: 'stop', raw: undefined },
            usage,
            warnings: [],
          }
    },
    doStream: () => Promise.reject(new Error('nobody watches')),
  }
}

export const oneRun = defineProgram('one-run', async (sys, question: string) => {
  const tools = ['add']
  const asked: Message = { role: 'user', content: question }
  const first = await sys.generate({ messages: [asked], tools })
  const observed = await observe(sys, first.toolCalls)
  const { text } = await sys.generate({ messages: [asked, first.message, observed], tools })
  return text
})

/** The same run as a loop written by hand, with the same check of the tool's input and nothing else: the floor. */
export async function bareRun(model: LanguageModel, question: string): Promise<string> {
  const prompt: Parameters<LanguageModel['doGenerate']>[0]['prompt'] = [
    { role: 'user', content: [{ type: 'text', text: question }] },
  ]
  for (;;) {
    const { content } = await model.doGenerate({ prompt })
    const call = content.find((part) => part.type === 'tool-call')
    if (call === undefined) return content.map((part) => (part.type === 'text' ? part.text : '')).join('')
    const { a, b } = addInput.parse(JSON.parse(call.input))
    prompt.push({ role: 'assistant', content: [{ ...call, input: JSON.parse(call.input) as unknown }] })
    prompt.push({
      role: 'tool',
      content: [
        {
          type: 'tool-result',
          toolCallId: call.toolCallId,
          toolName: call.toolName,
          output: { type: 'json', value: a + b },
        },
      ],
    })
  }
}
