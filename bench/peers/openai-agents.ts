/** OpenAI Agents JS: `Runner.run` with tracing disabled and a model of our own. */
import { Agent, Runner, Usage, tool } from '@openai/agents'
import type { Model, ModelRequest, ModelResponse } from '@openai/agents'
import {
  add,
  addDescription,
  addInput,
  instructions,
  question,
  sentence,
  think,
  toolArguments,
  versionOf,
} from './work.ts'
import type { Contestant } from './work.ts'

export const contestant: Contestant = {
  name: 'OpenAI Agents Runner',
  version: versionOf('@openai/agents'),
  async prepare() {
    const agent = new Agent({
      name: 'adder',
      instructions,
      model,
      tools: [tool({ name: 'add', description: addDescription, parameters: addInput, execute: add })],
    })
    const runner = new Runner({ tracingDisabled: true })
    return async (i) => (await runner.run(agent, question(i))).finalOutput ?? ''
  },
}

let calls = 0

const model: Model = {
  async getResponse({ input }) {
    await think()
    return {
      usage: new Usage({ requests: 1, inputTokens: 10, outputTokens: 5, totalTokens: 15 }),
      output: [reply(input)],
    }
  },
  getStreamedResponse() {
    throw new Error('this benchmark does not stream')
  },
}

function reply(input: ModelRequest['input']): ModelResponse['output'][number] {
  const last = typeof input === 'string' ? undefined : input.at(-1)
  if (last?.type === 'function_call_result') {
    const text = sentence(textOf(last.output))
    return { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text }] }
  }
  if (last !== undefined && 'role' in last && last.role === 'user') {
    const asked = toolArguments(textOf(last.content))
    return { type: 'function_call', callId: `call-${calls++}`, name: 'add', status: 'completed', arguments: asked }
  }
  throw new Error(`the mock model did not expect this input: ${JSON.stringify(input)}`)
}

/** The text of a content that the SDK passes as a string, one part, or a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  const part = Array.isArray(content) ? content[0] : content
  return (part as { text: string }).text
}
