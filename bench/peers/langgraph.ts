/**
 * LangGraph.js: `createReactAgent`, no checkpointer, LangSmith tracing off.
 *
 * The mock extends `BaseChatModel`, as every LangChain provider does. Its `bindTools` returns the
 * model itself, the cheapest that the interface allows: real providers wrap it once more.
 */
import { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { AIMessage } from '@langchain/core/messages'
import type { BaseMessage } from '@langchain/core/messages'
import type { ChatResult } from '@langchain/core/outputs'
import { tool } from '@langchain/core/tools'
import { createReactAgent } from '@langchain/langgraph/prebuilt'
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
  name: 'LangGraph createReactAgent',
  version: versionOf('@langchain/langgraph'),
  async prepare() {
    const agent = createReactAgent({
      llm: new MockChatModel({}),
      tools: [tool(add, { name: 'add', description: addDescription, schema: addInput })],
      prompt: instructions,
    })
    return async (i) => {
      const { messages } = await agent.invoke({ messages: [{ role: 'user', content: question(i) }] })
      return messages.at(-1)!.text
    }
  },
}

let calls = 0

class MockChatModel extends BaseChatModel {
  override _llmType(): string {
    return 'mock'
  }

  override bindTools(): this {
    return this
  }

  override async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    await think()
    const message = reply(messages.at(-1)!)
    return { generations: [{ text: message.text, message }] }
  }
}

function reply(last: BaseMessage): AIMessage {
  const usage_metadata = { input_tokens: 10, output_tokens: 5, total_tokens: 15 }
  if (last.type === 'tool') return new AIMessage({ content: sentence(last.text), usage_metadata })
  if (last.type === 'human') {
    const args = JSON.parse(toolArguments(last.text))
    const tool_calls = [{ type: 'tool_call' as const, id: `call-${calls++}`, name: 'add', args }]
    return new AIMessage({ content: '', tool_calls, usage_metadata })
  }
  throw new Error(`the mock model did not expect a ${last.type} message last`)
}
