/**
 * The mock model as an AI SDK LanguageModelV4, shared by the contestants that take one.
 *
 * Only types come from the AI SDK, so a contestant that uses this file does not load it.
 */
import type { LanguageModelV4, LanguageModelV4GenerateResult, LanguageModelV4Prompt } from '@ai-sdk/provider'
import { sentence, think, toolArguments } from './work.ts'

const usage: LanguageModelV4GenerateResult['usage'] = {
  inputTokens: { total: 10, noCache: 10, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 5, text: 5, reasoning: undefined },
}

let calls = 0

export const modelV4: LanguageModelV4 = {
  specificationVersion: 'v4',
  provider: 'mock',
  modelId: 'mock',
  supportedUrls: {},
  async doGenerate({ prompt }) {
    await think()
    return reply(prompt)
  },
  doStream() {
    throw new Error('this benchmark does not stream')
  },
}

function reply(prompt: LanguageModelV4Prompt): LanguageModelV4GenerateResult {
  const last = prompt.at(-1)!
  const part = last.role === 'system' ? undefined : last.content[0]
  if (part?.type === 'tool-result' && part.output.type === 'text') {
    const text = sentence(part.output.value)
    return {
      content: [{ type: 'text', text }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage,
      warnings: [],
    }
  }
  if (last.role === 'user' && part?.type === 'text') {
    const input = toolArguments(part.text)
    return {
      content: [{ type: 'tool-call', toolCallId: `call-${calls++}`, toolName: 'add', input }],
      finishReason: { unified: 'tool-calls', raw: 'tool_calls' },
      usage,
      warnings: [],
    }
  }
  throw new Error(`the mock model did not expect this message last: ${JSON.stringify(last)}`)
}
