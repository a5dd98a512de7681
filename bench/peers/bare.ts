/**
 * The floor: a loop written by hand, with Zod and nothing else.
 *
 * What a framework costs is its row minus this one.
 */
import { add, addInput, instructions, question, sentence, think, toolArguments } from './work.ts'
import type { Contestant } from './work.ts'

type Message =
  | { readonly role: 'system' | 'user' | 'assistant' | 'tool'; readonly text: string }
  | { readonly role: 'call'; readonly arguments: string }

export const contestant: Contestant = {
  name: 'bare loop + Zod',
  version: '-',
  async prepare() {
    return async (i) => {
      const messages: Message[] = [
        { role: 'system', text: instructions },
        { role: 'user', text: question(i) },
      ]
      for (;;) {
        const reply = await model(messages)
        messages.push(reply)
        if (reply.role !== 'call') return reply.text
        messages.push({ role: 'tool', text: add(addInput.parse(JSON.parse(reply.arguments))) })
      }
    }
  },
}

async function model(messages: readonly Message[]): Promise<Message> {
  await think()
  const last = messages.at(-1)!
  if (last.role === 'tool') return { role: 'assistant', text: sentence(last.text) }
  if (last.role === 'user') return { role: 'call', arguments: toolArguments(last.text) }
  throw new Error(`the mock model did not expect a ${last.role} message last`)
}
