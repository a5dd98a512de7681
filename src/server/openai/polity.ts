/**
 * What an answer says beyond OpenAI's form: the processes that served it, what they cost, and the calls that the law held
 * back. In the field `polity` of the body, and for what is not streamed also in headers.
 */
import type { Json } from '../../kernel/types.ts'
import type { ModelReply } from '../model-door.ts'

/** The field `polity`. Of a call that was held back: its name and why, not its arguments. */
export function polityField(replies: readonly ModelReply[]): Json {
  return {
    pids: replies.map(({ pid }) => pid),
    usd: replies.reduce((sum, { generation }) => sum + generation.usage.usd, 0),
    denied: replies.flatMap(({ denied }) =>
      denied.map(({ call, error }) => ({ name: call.name, code: error.code, reason: error.message })),
    ),
  }
}

export function polityHeaders(replies: readonly ModelReply[]): { [name: string]: string } {
  const denied = replies.flatMap((reply) => reply.denied)
  const headers: { [name: string]: string } = { 'x-polity-pid': replies.map(({ pid }) => pid).join(',') }
  // A model can make up any name: one that does not fit into a header is written as in a URL.
  if (denied.length > 0) headers['x-polity-denied'] = denied.map(({ call }) => encodeURIComponent(call.name)).join(',')
  return headers
}
