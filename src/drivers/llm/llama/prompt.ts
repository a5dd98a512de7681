/**
 * Prompts: a conversation of the AI SDK as the tokens that a local model was trained to read.
 *
 * The chat format comes from the file (its template, or the library's own wrapper for a family of models). What users,
 * tools and documents say is tokenized as plain text: a `<|im_start|>` in it stays eleven characters and opens no turn.
 */
import type { LanguageModelV4CallOptions, LanguageModelV4FunctionTool, LanguageModelV4Prompt } from '@ai-sdk/provider'
import type { ChatHistoryItem, ChatModelFunctionCall, ChatModelFunctions, ChatModelResponse } from 'node-llama-cpp'
import { callError } from '../scripted.ts'
import type { Machine } from './library.ts'
import { toGrammarSchema } from './schema.ts'

/** A prompt as the model reads it. */
export interface Rendered {
  readonly tokens: readonly number[]
  /** Texts with which the model says that its turn is over, beside its end tokens. */
  readonly stops: readonly string[]
}

/** The tokens of a call's prompt and tools. Throws what a server would answer with 400. */
export function renderPrompt(machine: Machine, call: LanguageModelV4CallOptions): Rendered {
  const history = toHistory(call.prompt)
  const functions = toFunctions(functionTools(call))
  const state = machine.format.generateContextState({
    chatHistory: history,
    ...(functions === undefined ? {} : { availableFunctions: functions, documentFunctionParams: true }),
  })
  return {
    tokens: state.contextText.tokenize(machine.model.tokenizer),
    stops: state.stopGenerationTriggers
      .map(plainText)
      .filter((text): text is string => text !== undefined && text !== ''),
  }
}

/** The tools that a call may use, in its order. */
export function functionTools(call: LanguageModelV4CallOptions): readonly LanguageModelV4FunctionTool[] {
  if (call.toolChoice?.type === 'none') return []
  return (call.tools ?? []).filter((tool): tool is LanguageModelV4FunctionTool => tool.type === 'function')
}

function toFunctions(tools: readonly LanguageModelV4FunctionTool[]): ChatModelFunctions | undefined {
  if (tools.length === 0) return undefined
  return Object.fromEntries(
    tools.map(({ name, description, inputSchema }) => [
      name,
      { ...(description === undefined ? {} : { description }), params: toGrammarSchema(inputSchema) as never },
    ]),
  )
}

function toHistory(prompt: LanguageModelV4Prompt): ChatHistoryItem[] {
  const results = resultsOf(prompt)
  const history: ChatHistoryItem[] = []
  const response = (): ChatModelResponse['response'] => {
    const last = history.at(-1)
    if (last?.type === 'model') return last.response
    const made: ChatModelResponse = { type: 'model', response: [] }
    history.push(made)
    return made.response
  }
  for (const message of prompt) {
    switch (message.role) {
      case 'system':
        history.push({ type: 'system', text: message.content })
        break
      case 'user': {
        let text = ''
        for (const part of message.content) {
          if (part.type !== 'text')
            throw invalid(`local models read text only, and the prompt holds a ${part.mediaType} file`)
          text += part.text
        }
        history.push({ type: 'user', text })
        break
      }
      case 'assistant':
        for (const part of message.content) {
          if (part.type === 'text') response().push(part.text)
          else if (part.type === 'tool-call') response().push(toCall(part, results.get(part.toolCallId)))
          // Thoughts are not read again: the formats drop them too.
          else if (part.type !== 'reasoning')
            throw invalid(`local models read no ${part.type} part in an assistant message`)
        }
        break
      case 'tool':
        // Its results stand with the calls that they answer.
        break
    }
  }
  if (history.at(-1)?.type !== 'model') history.push({ type: 'model', response: [] })
  return history
}

function toCall(
  { toolName, input }: { readonly toolName: string; readonly input: unknown },
  result: unknown,
): ChatModelFunctionCall {
  return { type: 'functionCall', name: toolName, params: input as never, result: (result ?? '') as never }
}

function resultsOf(prompt: LanguageModelV4Prompt): ReadonlyMap<string, unknown> {
  const results = new Map<string, unknown>()
  for (const message of prompt) {
    if (message.role !== 'tool') continue
    for (const part of message.content) {
      if (part.type !== 'tool-result') continue
      const { output } = part
      results.set(part.toolCallId, 'value' in output ? output.value : (output.reason ?? output.type))
    }
  }
  return results
}

/** The text of a piece of a format; undefined where it holds a token that has no text. */
export function plainText(piece: unknown): string | undefined {
  if (typeof piece === 'string') return piece
  const { values } = piece as { readonly values?: readonly unknown[] }
  if (values === undefined) return undefined
  let text = ''
  for (const value of values) {
    if (typeof value === 'string') text += value
    else {
      const { type, value: inner } = value as { readonly type?: string; readonly value?: string }
      if (type !== 'specialTokensText' || inner === undefined) return undefined
      text += inner
    }
  }
  return text
}

/** What a server would answer with 400. */
export function invalid(message: string): Error {
  return callError({ message, statusCode: 400 })
}
