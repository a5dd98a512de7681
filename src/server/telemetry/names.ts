/**
 * Models, errors and operations by the names of OpenTelemetry's GenAI conventions.
 *
 *     modelOf('openai/gpt-5-mini')      // { provider: 'openai', model: 'gpt-5-mini' }
 *
 * The conventions are in development (https://github.com/open-telemetry/semantic-conventions-genai): what is used of them
 * stands here and in spans.ts and metrics.ts, and nowhere else.
 */
import { errorTable } from '../../kernel/errors.ts'
import type { ErrorData } from '../../kernel/errors.ts'
import type { Generation, Json } from '../../kernel/types.ts'
import { fieldOf, textOf } from '../fields.ts'
import type { CallRecord } from './records.ts'

export interface ModelName {
  readonly provider: string
  readonly model: string
}

/** Of a core. Where its name does not say who provides it, nobody is named. */
export function modelOf(core: string): ModelName {
  const at = core.indexOf('/')
  if (at < 1) return { provider: 'unknown', model: core }
  const given = core.slice(0, at)
  // Providers of the AI SDK name the API too: `openai.responses`, `google.vertex.chat`.
  const [own = '', part = ''] = given.split('.')
  return { provider: providers[`${own}.${part}`] ?? providers[own] ?? own, model: core.slice(at + 1) }
}

/** Names of our providers that are others in the conventions. */
const providers: Readonly<Record<string, string>> = {
  'amazon-bedrock': 'aws.bedrock',
  azure: 'azure.ai.openai',
  google: 'gcp.gemini',
  'google-vertex': 'gcp.vertex_ai',
  'google.vertex': 'gcp.vertex_ai',
  // Those of Anthropic that Vertex serves.
  googleVertex: 'gcp.vertex_ai',
  mistral: 'mistral_ai',
  moonshotai: 'moonshot_ai',
  xai: 'x_ai',
}

/** Of a call of a model: what was asked for, and who answered. */
export interface Asked {
  readonly operation: 'chat' | 'embeddings'
  /** Core that was asked first, and that was asked last or answered. */
  readonly request: string
  readonly response: string | undefined
}

/** undefined for any other call. `embedder` is the kernel's. */
export function askedOf({ start, end, core }: CallRecord, embedder: string | null): Asked | undefined {
  if (start.call === 'embed') {
    const named = textOf(fieldOf(start.args, 'options'), 'model') ?? embedder ?? 'unknown'
    return { operation: 'embeddings', request: named, response: end?.error === undefined ? named : undefined }
  }
  if (start.call !== 'generate') return undefined
  const models = fieldOf(start.args, 'models')
  const first = Array.isArray(models) && typeof models[0] === 'string' ? models[0] : (core ?? 'unknown')
  return { operation: 'chat', request: first, response: generationOf(end?.value)?.model }
}

/** What a model answered. */
export function generationOf(value: Json | undefined): Generation | undefined {
  return fieldOf(value, 'finishReason') === undefined ? undefined : (value as unknown as Generation)
}

/** Whether a call reached its model, as far as the journal tells. */
export function wasSent({ reserved, stillWaited, end, start }: CallRecord): boolean {
  if (end?.refused === true) return false
  return start.call === 'embed' ? end?.usage !== undefined : reserved && !stillWaited
}

/** What an error means, without a word of what was said to whom. */
export function meaningOf({ code }: ErrorData): string {
  // A journal may be of a version with another table.
  return Object.hasOwn(errorTable, code) ? errorTable[code].means : code
}
