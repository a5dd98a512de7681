/**
 * Spans: a process is `invoke_agent`, a model call `chat`, a tool call `execute_tool`, and what a process waits for has the
 * name of its system call. Attributes are those of the GenAI conventions; what they have no word for is `polity.…`.
 *
 *     const { ofCall, ofProcess } = createSpans({ otel, resource, … })
 *     ofCall(record)               // undefined for a call that is none
 *
 * Invariants
 *   SP1. Without `content` no span has a word of an input, an answer, an argument, a result or an error's message.
 *   SP2. Names that clients choose are cut at NAME_CHARS_MAX.
 */
import type { Attributes, HrTime, SpanKind } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { expandMessages } from '../../kernel/request.ts'
import type { ErrorData } from '../../kernel/errors.ts'
import type { CallName, Json, ProcessEnd } from '../../kernel/types.ts'
import { fieldOf, textOf } from '../fields.ts'
import { finishReasonOf, inputMessages, messageOf, outputMessage, valueOf } from './content.ts'
import { askedOf, generationOf, meaningOf, modelOf } from './names.ts'
import type { CallRecord, Traced } from './records.ts'
import { errorOf } from './records.ts'
import type { Otel } from './sdk.ts'
import type { Remote } from './traceparent.ts'

export interface SpansOptions {
  readonly otel: Otel
  readonly resource: Resource
  /** Name and version of who made the spans. */
  readonly scope: { readonly name: string; readonly version: string }
  readonly content: boolean
  /** Name of the kernel's embedder. */
  readonly embedder: string | null
}

export interface Spans {
  ofCall(call: CallRecord): ReadableSpan | undefined
  ofProcess(process: Traced, end: ProcessEnd): ReadableSpan
}

/** Characters of a name of a program, a tool, a model or a principal. */
const NAME_CHARS_MAX = 256

/**
 * Calls that are spans beside those of models and tools: children, and what a process waits for. The rest is over at
 * once, and in the journal.
 */
const waits: ReadonlySet<CallName> = new Set(['spawn', 'fork', 'wait', 'ask', 'receive', 'sleep'])

interface Shape {
  readonly name: string
  readonly kind: SpanKind
  readonly attributes: Attributes
}

export function createSpans({ otel, resource, scope, content, embedder }: SpansOptions): Spans {
  const { SpanKind: kinds, SpanStatusCode, TraceFlags } = otel.api

  function chat(call: CallRecord): Shape | undefined {
    const asked = askedOf(call, embedder)
    if (asked === undefined) return undefined
    const { start, end, firstTextAt, sentAt, startedAt } = call
    const { provider, model } = modelOf(asked.request)
    const options = fieldOf(start.args, 'options')
    const answer = generationOf(end?.value)
    const usage = end?.usage
    const name = cut(model)
    const attributes: Attributes = {
      'gen_ai.operation.name': asked.operation,
      'gen_ai.provider.name': cut(provider),
      'gen_ai.request.model': name,
    }
    put(attributes, 'polity.core', asked.response ?? call.core)
    if (asked.response !== undefined) attributes['gen_ai.response.model'] = modelOf(asked.response).model
    if (answer !== undefined) attributes['gen_ai.response.finish_reasons'] = [finishReasonOf(answer.finishReason)]
    put(attributes, 'gen_ai.request.max_tokens', numberOf(options, 'maxOutputTokens'))
    put(attributes, 'gen_ai.request.temperature', numberOf(options, 'temperature'))
    put(attributes, 'gen_ai.request.top_p', numberOf(options, 'topP'))
    put(attributes, 'gen_ai.request.top_k', numberOf(options, 'topK'))
    put(attributes, 'gen_ai.request.seed', numberOf(options, 'seed'))
    if (fieldOf(options, 'schema') !== undefined) attributes['gen_ai.output.type'] = 'json'
    if (firstTextAt !== undefined) {
      attributes['gen_ai.request.stream'] = true
      attributes['gen_ai.response.time_to_first_chunk'] = Math.max(0, firstTextAt - (sentAt ?? startedAt)) / 1e3
    }
    if (usage !== undefined) {
      attributes['gen_ai.usage.input_tokens'] = usage.inputTokens
      attributes['gen_ai.usage.output_tokens'] = usage.outputTokens
      attributes['gen_ai.usage.cache_read.input_tokens'] = usage.cachedTokens
      attributes['polity.usage.usd'] = usage.usd
      if (usage.estimated) attributes['polity.usage.estimated'] = true
    }
    if (content && asked.operation === 'chat') putSaid(attributes, call)
    return { name: `${asked.operation} ${name}`, kind: kinds.CLIENT, attributes }
  }

  function putSaid(attributes: Attributes, { start, end, process }: CallRecord): void {
    if (start.args === null) return
    const { system, input } = inputMessages(expandMessages(start, process.prompts))
    const answer = generationOf(end?.value)
    attributes['gen_ai.input.messages'] = input
    put(attributes, 'gen_ai.system_instructions', system)
    if (answer !== undefined) attributes['gen_ai.output.messages'] = outputMessage(answer)
  }

  function tool({ start, end }: CallRecord): Shape {
    const name = cut(textOf(start.args, 'tool') ?? 'unknown')
    const input = fieldOf(start.args, 'input')
    const attributes: Attributes = {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': name,
      'gen_ai.tool.type': 'function',
    }
    if (content && input !== undefined) attributes['gen_ai.tool.call.arguments'] = valueOf(input)
    if (content && end?.value !== undefined) attributes['gen_ai.tool.call.result'] = valueOf(end.value)
    return { name: `execute_tool ${name}`, kind: kinds.INTERNAL, attributes }
  }

  function shapeOf(call: CallRecord): Shape | undefined {
    const { call: name, args } = call.start
    if (name === 'call') return tool(call)
    if (!waits.has(name)) return chat(call)
    const program = name === 'spawn' ? textOf(args, 'program') : undefined
    return {
      name: program === undefined ? name : `${name} ${cut(program)}`,
      kind: kinds.INTERNAL,
      attributes: {},
    }
  }

  function toSpan(
    { name, kind, attributes }: Shape,
    { traceId, spanId, parentSpanId, origin, startedAt, endedAt, error }: Place,
  ): ReadableSpan {
    if (error !== undefined) attributes['error.type'] = error.code
    // A clock that was set back between two events is not the reader's trouble.
    const endAt = Math.max(startedAt, endedAt)
    const contextOf = (remote: Remote): ReturnType<ReadableSpan['spanContext']> => ({
      ...remote,
      traceFlags: TraceFlags.SAMPLED,
    })
    const context = contextOf({ traceId, spanId })
    return {
      name,
      kind,
      spanContext: () => context,
      ...(parentSpanId === undefined ? {} : { parentSpanContext: contextOf({ traceId, spanId: parentSpanId }) }),
      startTime: hrTimeOf(startedAt),
      endTime: hrTimeOf(endAt),
      duration: hrTimeOf(endAt - startedAt),
      status:
        error === undefined
          ? { code: SpanStatusCode.UNSET }
          : { code: SpanStatusCode.ERROR, message: content ? error.message : meaningOf(error) },
      attributes,
      links: origin === undefined ? [] : [{ context: contextOf(origin) }],
      events: [],
      ended: true,
      resource,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    }
  }

  return {
    ofCall(call) {
      const shape = shapeOf(call)
      if (shape === undefined) return undefined
      const { attributes } = shape
      const { process, start, end, error } = call
      attributes['polity.pid'] = process.start.pid
      attributes['polity.call'] = start.n
      if (call.wasQueued) attributes['polity.queue.wait'] = call.queueMs / 1e3
      if (call.wasAsked) attributes['polity.approval.wait'] = call.askedMs / 1e3
      if (end?.refused === true) {
        attributes['polity.refused'] = true
        put(attributes, 'polity.rule', textOf(error?.detail, 'rule'))
      }
      if (call.cancelled) attributes['polity.cancelled'] = true
      const { traceId, spanId: parentSpanId } = process
      const { spanId, startedAt, endedAt } = call
      return toSpan(shape, { traceId, spanId, parentSpanId, origin: undefined, startedAt, endedAt, error })
    },
    ofProcess(process, end) {
      const { start } = process
      const { program, version, principal, pid, name, input } = start
      const { usage, value } = end
      const called = cut(program)
      const attributes: Attributes = {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.provider.name': 'polity',
        'gen_ai.agent.name': called,
        'gen_ai.agent.version': cut(version),
        'gen_ai.usage.input_tokens': usage.inputTokens,
        'gen_ai.usage.output_tokens': usage.outputTokens,
        'polity.pid': pid,
        'polity.principal': cut(principal),
        'polity.state': end.state,
        'polity.usage.usd': usage.usd,
        'polity.usage.steps': usage.steps,
      }
      if (name !== null) attributes['polity.process.name'] = cut(name)
      if (content && input !== undefined) attributes['gen_ai.input.messages'] = messageOf('user', input)
      if (content && value !== undefined) attributes['gen_ai.output.messages'] = messageOf('assistant', value)
      return toSpan(
        { name: `invoke_agent ${called}`, kind: kinds.INTERNAL, attributes },
        { ...process, startedAt: start.at, endedAt: end.at, error: end.state === 'done' ? undefined : errorOf(end) },
      )
    },
  }
}

interface Place {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly origin: Remote | undefined
  readonly startedAt: number
  readonly endedAt: number
  readonly error: ErrorData | undefined
}

/** ms as seconds and nanoseconds. */
function hrTimeOf(ms: number): HrTime {
  const seconds = Math.trunc(ms / 1e3)
  return [seconds, Math.round((ms - seconds * 1e3) * 1e6)]
}

function put(attributes: Attributes, name: string, value: string | number | undefined): void {
  if (value !== undefined) attributes[name] = value
}

function numberOf(value: Json | undefined, key: string): number | undefined {
  const number = fieldOf(value, key)
  return typeof number === 'number' ? number : undefined
}

function cut(text: string): string {
  return text.length <= NAME_CHARS_MAX ? text : `${text.slice(0, NAME_CHARS_MAX - 1)}…`
}
