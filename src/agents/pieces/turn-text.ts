/**
 * Turns of a window as text: what a compaction gives a model to read.
 *
 *     turnText(turn)   // 'assistant: I look.\ncall look {"at":"shelf"}\nresult: a vase'
 */
import type { Turn } from '../../kernel/context.ts'
import type { Message } from '../../kernel/types.ts'

/** A turn, a line for each thing that was said, called or returned; nothing of it is left out but files. */
export function turnText({ messages }: Turn): string {
  return messages.flatMap(linesOf).join('\n')
}

/** What the model or a person said in a turn, without calls and results. */
export function saidIn({ messages }: Turn): string {
  return messages
    .flatMap(({ content }) =>
      typeof content === 'string' ? content : content.flatMap((part) => (part.type === 'text' ? part.text : [])),
    )
    .join('\n')
}

function linesOf({ role, content }: Message): string[] {
  if (typeof content === 'string') return [`${role}: ${content}`]
  return content.flatMap((part) => {
    switch (part.type) {
      case 'text':
        return `${role}: ${part.text}`
      case 'tool-call':
        return `call ${part.toolName} ${JSON.stringify(part.input)}`
      case 'tool-result':
        return `result: ${'value' in part.output && typeof part.output.value === 'string' ? part.output.value : JSON.stringify(part.output)}`
      default:
        return []
    }
  })
}
