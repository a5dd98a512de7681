/**
 * A run as an editor shows it: the text of the program itself, and the tool calls of all its processes; while it goes on,
 * and once more from its journal.
 *
 *     const telling = createTelling(pid, effects)
 *     const { told, stopReason } = telling.step(step)       // of each step of follow.ts
 *     for (const update of conversationOf(pid, past, effects)) …
 *
 * Invariants
 *   AT1. What is told from the journal is what was told as it happened: one function tells both.
 */
import type { PromptResponse, SessionUpdate } from '@agentclientprotocol/sdk'
import type { Effect, JournalEvent, Json, Pid, ProcessEnd, Question } from '../../kernel/types.ts'
import { fieldOf, textOf } from '../fields.ts'
import type { Step } from '../follow.ts'

export type Effects = ReadonlyMap<string, Effect | undefined>

export interface Telling {
  step(step: Step): {
    readonly told: readonly SessionUpdate[]
    readonly stopReason?: PromptResponse['stopReason']
  }
  /** That of the tool call that a question is about. */
  idOf(question: Question): string
}

export function createTelling(root: Pid, effects: Effects): Telling {
  const calling = new Set<string>()
  /** Of the last model call. */
  let said = ''
  let speaker: number | undefined
  const idOf = (pid: Pid, n: number): string => `${pid}-${n}`

  function speak(n: number, delta: string): readonly SessionUpdate[] {
    if (delta === '') return []
    said = speaker === n ? said + delta : delta
    speaker = n
    return [spoken(delta)]
  }

  function ended({ state, value = null, error }: ProcessEnd): ReturnType<Telling['step']> {
    if (error?.code === 'KILLED') return { told: [], stopReason: 'cancelled' }
    if (error !== undefined)
      return {
        told: [spoken(`${state}: ${error.code}: ${error.message}`)],
        stopReason: error.code === 'BUDGET_EXCEEDED' ? 'max_tokens' : 'end_turn',
      }
    const output = typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value, null, 2)
    return { told: output === '' || output === said ? [] : [spoken(output)], stopReason: 'end_turn' }
  }

  function happened(step: Step): readonly SessionUpdate[] {
    if (step.type === 'text-delta') return step.pid === root ? speak(step.n, step.delta) : []
    if (step.type === 'call-start' && step.call === 'call') {
      const tool = textOf(step.args, 'tool')
      // Its arguments were wrong: no tool was called.
      if (tool === undefined) return []
      const input = fieldOf(step.args, 'input')
      const toolCallId = idOf(step.pid, step.n)
      calling.add(toolCallId)
      const kind = effects.get(tool) === 'read' ? 'read' : 'other'
      return [{ sessionUpdate: 'tool_call', toolCallId, title: tool, kind, status: 'in_progress', rawInput: input }]
    }
    if (step.type !== 'call-end') return []
    const toolCallId = idOf(step.pid, step.n)
    const { value, error } = step
    // Nobody heard it as it came.
    if (!calling.delete(toolCallId)) {
      const text = step.pid === root && speaker !== step.n ? textOf(value, 'text') : undefined
      return text !== undefined && fieldOf(value, 'finishReason') !== undefined ? speak(step.n, text) : []
    }
    const shown = error === undefined ? value : `${error.code}: ${error.message}`
    const text = typeof shown === 'string' ? shown : JSON.stringify(shown ?? null, null, 2)
    return [
      {
        sessionUpdate: 'tool_call_update',
        toolCallId,
        status: error === undefined ? 'completed' : 'failed',
        content: [{ type: 'content', content: { type: 'text', text } }],
        rawOutput: error ?? value ?? null,
      },
    ]
  }

  return {
    step: (step) => (step.type === 'process-end' && step.pid === root ? ended(step) : { told: happened(step) }),
    idOf: ({ id, binding }) => (binding === undefined ? `question-${id}` : idOf(binding.pid, binding.n)),
  }
}

/** What was said and done in a run: the words of its user, its questions and what it told. */
export function conversationOf(root: Pid, past: readonly JournalEvent[], effects: Effects): readonly SessionUpdate[] {
  const telling = createTelling(root, effects)
  /** When a question ran out, ms since 1970: what it ended with then is nobody's word. */
  const asked = new Map<string, number>()
  return past.flatMap((event): readonly SessionUpdate[] => {
    const { told } = telling.step(event)
    if (event.type === 'process-start' && event.pid === root) return [...said(event.input), ...told]
    if (event.type === 'mail-sent' && event.pid === root && event.mail.from === 0)
      return [...said(event.mail.body), ...told]
    if (event.type === 'call-start' && event.call === 'ask') {
      const text = textOf(event.args, 'text')
      // Its arguments were wrong: nobody was asked.
      if (text === undefined) return told
      const { choices, timeoutMs } = event.args as unknown as Pick<Question, 'choices'> & { readonly timeoutMs: number }
      asked.set(`${event.pid}-${event.n}`, event.at + timeoutMs)
      return [...told, spoken(questionText({ text, choices }))]
    }
    if (event.type !== 'call-end') return told
    const expiresAt = asked.get(`${event.pid}-${event.n}`)
    return expiresAt === undefined || event.at >= expiresAt ? told : [...said(event.value), ...told]
  })
}

function said(value: Json | undefined): readonly SessionUpdate[] {
  return typeof value === 'string'
    ? [{ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: value } }]
    : []
}

export function questionText({ text, choices }: Pick<Question, 'text' | 'choices'>): string {
  return choices === null ? text : `${text} (${choices.join(', ')})`
}

export function spoken(text: string): SessionUpdate {
  return { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } }
}
