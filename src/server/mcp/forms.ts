/**
 * A question of a process as a form that an MCP client shows to its user, and what the user put into it.
 *
 *     const asked = formOf(question)                       // the params of `elicitation/create`
 *     const answer = answerIn(said, question)              // undefined: the user did not answer
 *
 * Invariants
 *   FM1. An approval is given by nothing but the form's own field with one of its choices; who declines the form denies it.
 */
import type { ElicitRequestFormParams } from '@modelcontextprotocol/server'
import type { Question } from '../../kernel/types.ts'

/** What a person is shown of the arguments, characters. */
const DETAIL_CHARS_MAX = 4_000

/** What a user did with a form. */
export interface Filled {
  readonly action?: unknown
  readonly content?: { readonly [field: string]: unknown } | undefined
}

/** How a question is named to a client. */
export function keyOf({ id }: Question): string {
  return `question-${id}`
}

export function formOf({ kind, text, choices, detail }: Question): ElicitRequestFormParams {
  return {
    mode: 'form',
    message: kind === 'approval' ? `${text}\n${cut(JSON.stringify(detail, null, 1))}` : text,
    requestedSchema: {
      type: 'object',
      properties: {
        answer: { type: 'string', title: 'Answer', ...(choices === null ? {} : { enum: [...choices] }) },
      },
      required: ['answer'],
    },
  }
}

/** undefined where the user said nothing: the question stays in the inbox. */
export function answerIn({ action, content }: Filled, { kind, choices }: Question): string | undefined {
  if (action === 'decline' && kind === 'approval') return 'deny'
  if (action !== 'accept') return undefined
  const answer = content?.['answer']
  if (typeof answer === 'string') return answer
  // A client that shows forms of its own to a question that takes any words.
  const isFree = kind === 'ask' && choices === null && content !== undefined && Object.keys(content).length > 0
  return isFree ? JSON.stringify(content) : undefined
}

function cut(text: string): string {
  return text.length <= DETAIL_CHARS_MAX ? text : `${text.slice(0, DETAIL_CHARS_MAX)} … (${text.length} characters)`
}
