/**
 * AG-UI, protocol version 1.0 (https://docs.ag-ui.com): a program behind a chat in a web page. `POST /agui/:program` takes a
 * `RunAgentInput` and answers with the events of the run.
 *
 *     POST /agui/clerk   { threadId, runId, messages: [{ id, role: 'user', content: 'Pay what is due.' }] }
 *
 *     text of the program's model    TEXT_MESSAGE_START, _CONTENT, _END
 *     calls of its tools             TOOL_CALL_START, _ARGS, _END, _RESULT
 *     its children                   STEP_STARTED, STEP_FINISHED
 *     sys.send(0, { state })         STATE_SNAPSHOT; anything else sent to 0 is CUSTOM `said`
 *     a question or an approval      RUN_FINISHED with the outcome `interrupt`; a run with `resume` answers it, a call in
 *                                    doubt with the `value` that it returned
 *     its end                        RUN_FINISHED, with its output as `result`; RUN_ERROR, whose `metadata.retryable` says
 *                                    whether the same may succeed later; RUN_FINISHED `cancelled`
 *
 * The input of the program is the text of the last message of the user. What was said before is not passed on: in the
 * input it would count as the user's own wish (docs/security.md); a program that wants to remember has notes.
 *
 * Invariants
 *   UI1. An interrupt names one question; its answer is for that and no other, from who has the scope `approvals`.
 *   UI2. Who goes away before the run has finished stops it.
 *   UI3. Every event is one of the protocol's, and every message and tool call that starts is ended.
 *
 * Needs the package @ag-ui/core, which is loaded with the first run.
 */
import type { AGUIEvent, Interrupt, RunAgentInput } from '@ag-ui/core'
import type { Clock } from '../kernel/clock.ts'
import { PolityError, fieldOf, fromErrorData, noSuchProcess } from '../kernel/errors.ts'
import { issuesOf } from '../kernel/input-form.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { CallEnd, JournalEvent, Json, Pid, ProcessEnd, Program, Question } from '../kernel/types.ts'
import { textOf } from './fields.ts'
import type { Step } from './follow.ts'
import { createFollowing, questionsOf } from './follow.ts'
import { holds } from './caller.ts'
import type { Door, EventStream, Exchange } from './route.ts'
import { isRetryable } from './status.ts'
import type { View } from './view.ts'
import { viewOf } from './view.ts'

export interface AguiDoorOptions {
  readonly kernel: Kernel
  /** Those that clients may run. */
  readonly programs: readonly Program[]
  /** @default the machine's */
  readonly clock?: Clock
}

export function aguiDoor({ kernel, programs, clock }: AguiDoorOptions): Door {
  const following = createFollowing(kernel, clock)

  async function handle(exchange: Exchange): Promise<void> {
    const { caller, params, signal } = exchange
    const sdk = await loadAgui()
    const input = parseInput(sdk, await exchange.json())
    const view = viewOf(kernel, caller, programs)
    const mayAnswer = holds(caller, 'approvals')
    const program = params['program'] ?? ''
    const resumed = resumedBy(input, { view, program, mayAnswer, questions: (pid) => questionsOf(kernel, pid) })
    const pid = resumed?.pid ?? view.spawn(program, lastSaid(input)).pid
    let events: EventStream
    try {
      events = exchange.events({}, (error) => [{ data: JSON.stringify(telling.failed(error)) }])
    } catch (error) {
      if (resumed === undefined) view.kill(pid, 'its client has too many streams')
      throw error
    }
    const send = async (...sent: readonly AGUIEvent[]): Promise<void> => {
      let isTaken = true
      for (const event of sent) isTaken = events.send({ data: JSON.stringify(event) })
      if (!isTaken) await events.drained()
    }
    const telling = createTelling(sdk, pid, input, mayAnswer)
    const steps = following.follow(pid, signal)
    // Asked for in the turn in which it began, so nothing of it is missed.
    await steps.next()
    await kernel.flush() // a run is told to have started once that is kept
    await send(telling.begin())
    let isFinished = await goOn()
    if (!isFinished)
      for await (const step of steps) {
        const { told, isLast } = telling.step(step)
        await send(...told)
        isFinished = isLast
        if (isFinished) break
      }
    await steps.return()
    if (!isFinished && fieldOf(signal.reason, 'code') === 'KILLED') view.kill(pid, 'its client went away')
    // The kernel closes, or the process was stopped: it can be resumed, and nobody is told that it ended.
    if (!isFinished && !signal.aborted)
      await send(telling.failed(new PolityError('KERNEL_CLOSED', 'the run was stopped')))
    events.end()

    /** Answers what the run was interrupted for; true where that is the end of it. */
    async function goOn(): Promise<boolean> {
      if (resumed === undefined) return false
      const past = await view.events(pid)
      const end = past.at(-1)
      // It may have ended while nobody listened.
      if (end?.type === 'process-end') {
        await send(...telling.end(end))
        return true
      }
      telling.recall(past)
      try {
        resumed.answer()
        return false
      } catch (error) {
        if (!PolityError.isInstance(error)) throw error
        await send(telling.failed(error))
        return true
      }
    }
  }

  return { routes: [{ method: 'POST', path: '/agui/:program', scope: 'runs', handle }] }
}

interface Sdk {
  readonly EventType: (typeof import('@ag-ui/core'))['EventType']
  readonly version: string
  readonly schema: (typeof import('@ag-ui/core/schemas'))['RunAgentInputSchema']
}

async function loadAgui(): Promise<Sdk> {
  try {
    const [{ EventType, PROTOCOL_VERSION }, { RunAgentInputSchema }] = await Promise.all([
      import('@ag-ui/core'),
      import('@ag-ui/core/schemas'),
    ])
    return { EventType, version: PROTOCOL_VERSION, schema: RunAgentInputSchema }
  } catch (error) {
    if (fieldOf(error, 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new PolityError('CONFIG_INVALID', 'AG-UI needs a package that is not installed: npm i @ag-ui/core', {
      cause: error,
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------- input

function parseInput({ schema }: Sdk, body: Json): RunAgentInput {
  const { data, error } = schema.safeParse(body)
  if (error === undefined) return data as RunAgentInput
  throw new PolityError('INVALID_ARGUMENT', `not a RunAgentInput: ${issuesOf(error)}`)
}

function lastSaid({ messages }: RunAgentInput): string {
  const last = messages.findLast(({ role }) => role === 'user')
  if (last?.role !== 'user')
    throw new PolityError(
      'INVALID_ARGUMENT',
      'messages takes at least one of the role "user", or the run takes `resume`',
    )
  if (typeof last.content === 'string') return last.content
  const other = last.content.find(({ type }) => type !== 'text')
  if (other !== undefined)
    throw new PolityError('INVALID_ARGUMENT', `a message of the user takes text, not ${other.type}`)
  return last.content.map((part) => (part.type === 'text' ? part.text : '')).join('\n')
}

/**
 * The run that goes on, and what answers its questions; undefined for a new run. Throws `INVALID_ARGUMENT`, `ACCESS_DENIED`,
 * `NO_SUCH_PROCESS`.
 */
function resumedBy(
  { resume = [] }: RunAgentInput,
  { view, program, mayAnswer, questions }: Resuming,
): { readonly pid: Pid; readonly answer: () => void } | undefined {
  const [first] = resume
  if (first === undefined) return undefined
  if (!mayAnswer) throw new PolityError('ACCESS_DENIED', 'this key has not the scope approvals, which `resume` needs')
  const entries = resume.map(({ interruptId, status, payload }) => {
    const [, pid, id] = /^(\d{1,15})-(\d{1,15})$/.exec(interruptId) ?? []
    if (pid === undefined || id === undefined)
      throw new PolityError('INVALID_ARGUMENT', `resume.interruptId takes that of an interrupt, not ${interruptId}`)
    const said: unknown = fieldOf(payload, 'answer') ?? payload ?? null
    const text = typeof said === 'string' ? said : JSON.stringify(said)
    // Beside an `answer` alone: a payload without one is the answer itself, whatever fields it has.
    const value = fieldOf(payload, 'answer') === undefined ? undefined : (fieldOf(payload, 'value') as Json | undefined)
    return { pid: Number(pid), id: Number(id), text, value, isAbandoned: status === 'cancelled' }
  })
  const pid = Number(first.interruptId.split('-')[0])
  if (entries.some((one) => one.pid !== pid))
    throw new PolityError('INVALID_ARGUMENT', 'resume takes answers to the interrupts of one run')
  if (view.info(pid).program !== program) throw noSuchProcess(pid)
  return {
    pid,
    answer() {
      for (const { id, text, value, isAbandoned } of entries) {
        // Of this run and no other.
        if (!questions(pid).some((one) => one.id === id))
          throw new PolityError(
            'INVALID_ARGUMENT',
            `the question of interrupt ${pid}-${id} waits for no answer any more`,
          )
        if (isAbandoned) return view.kill(pid, 'its question was abandoned')
        view.answer(id, text, value)
      }
    },
  }
}

interface Resuming {
  readonly view: View
  readonly program: string
  readonly mayAnswer: boolean
  readonly questions: (pid: Pid) => readonly Question[]
}

// -------------------------------------------------------------------------------------------------------------- telling

interface Telling {
  begin(): AGUIEvent
  /** The calls of tools that were begun before. */
  recall(past: readonly JournalEvent[]): void
  step(step: Step): { readonly told: readonly AGUIEvent[]; readonly isLast: boolean }
  end(event: ProcessEnd): readonly AGUIEvent[]
  failed(error: PolityError): AGUIEvent
}

/** The events of a process, in the words of the protocol. */
function createTelling(
  { EventType, version }: Sdk,
  root: Pid,
  { threadId, runId }: RunAgentInput,
  mayAnswer: boolean,
): Telling {
  /** Of the model call that speaks: what it has said. */
  const speaking = new Map<string, string>()
  const calling = new Set<number>()
  const children = new Map<Pid, string>()
  let lastText: string | undefined

  const messageId = (n: number): string => `${root}-${n}`
  const text = (id: string, delta: string): AGUIEvent[] => {
    const before = speaking.get(id)
    speaking.set(id, (before ?? '') + delta)
    const content: AGUIEvent = { type: EventType.TEXT_MESSAGE_CONTENT, messageId: id, delta }
    return before === undefined
      ? [{ type: EventType.TEXT_MESSAGE_START, messageId: id, role: 'assistant' }, content]
      : [content]
  }
  const hush = (id: string): AGUIEvent[] => {
    const said = speaking.get(id)
    if (said === undefined) return []
    speaking.delete(id)
    lastText = said
    return [{ type: EventType.TEXT_MESSAGE_END, messageId: id }]
  }
  /** What is under way when the run ends or is interrupted. */
  const close = (): AGUIEvent[] => [
    ...[...speaking.keys()].flatMap(hush),
    ...[...children.values()].map((stepName): AGUIEvent => ({ type: EventType.STEP_FINISHED, stepName })),
  ]
  const result = (n: number, content: string): AGUIEvent => ({
    type: EventType.TOOL_CALL_RESULT,
    messageId: `${messageId(n)}-result`,
    toolCallId: messageId(n),
    content,
    role: 'tool',
  })

  function ended({ n, value, error }: CallEnd): AGUIEvent[] {
    if (calling.delete(n))
      return [
        result(
          n,
          error === undefined
            ? typeof value === 'string'
              ? value
              : JSON.stringify(value ?? null)
            : `${error.code}: ${error.message}`,
        ),
      ]
    // Nobody heard it as it came.
    const id = messageId(n)
    const said = fieldOf(value, 'text')
    const unheard =
      !speaking.has(id) && typeof said === 'string' && said !== '' && fieldOf(value, 'finishReason') !== undefined
    return [...(unheard ? text(id, said) : []), ...hush(id)]
  }

  function interrupt(questions: readonly Question[]): AGUIEvent {
    const interrupts = questions.map(({ id, kind, text: message, choices, detail, expiresAt, binding }): Interrupt => ({
      id: `${root}-${id}`,
      reason: kind === 'ask' ? 'input_required' : kind === 'approval' ? 'approval_required' : 'in_doubt',
      message,
      ...(binding?.pid === root ? { toolCallId: messageId(binding.n) } : {}),
      responseSchema: {
        type: 'object',
        properties: {
          answer: choices === null ? { type: 'string' } : { type: 'string', enum: [...choices] },
          ...(kind === 'in-doubt' ? { value: { description: 'with done: what the call returned, as JSON' } } : {}),
        },
        required: ['answer'],
      },
      expiresAt: new Date(expiresAt).toISOString(),
      ...(detail === null ? {} : { metadata: { detail } }),
    }))
    return { type: EventType.RUN_FINISHED, threadId, runId, outcome: { type: 'interrupt', interrupts } }
  }

  const failed = (error: PolityError): AGUIEvent => ({
    type: EventType.RUN_ERROR,
    code: error.code,
    message: error.message,
    metadata: { retryable: isRetryable(error) },
  })

  function end({ state, value = null, error, usage }: ProcessEnd): AGUIEvent[] {
    const { inputTokens, outputTokens, cachedTokens } = usage
    const used = [
      { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens, cachedInputTokens: cachedTokens },
    ]
    const told = close()
    const finished: AGUIEvent = { type: EventType.RUN_FINISHED, threadId, runId, usage: used }
    if (state === 'killed' && error?.code === 'KILLED')
      return [...told, { ...finished, outcome: { type: 'cancelled' } }]
    if (error !== undefined) return [...told, { ...failed(fromErrorData(error)), usage: used } as AGUIEvent]
    const spoken = typeof value === 'string' && value !== '' && value !== lastText
    const id = `${root}-output`
    return [...told, ...(spoken ? [...text(id, value), ...hush(id)] : []), { ...finished, result: value }]
  }

  function happened(step: Step): AGUIEvent[] {
    if (step.type === 'questions' || (step.type === 'process-end' && step.pid === root)) return []
    if (step.type === 'process-start' && step.parent === root) {
      const stepName = `${step.program} ${step.pid}`
      children.set(step.pid, stepName)
      return [{ type: EventType.STEP_STARTED, stepName }]
    }
    if (step.type === 'process-end') {
      const stepName = children.get(step.pid)
      children.delete(step.pid)
      return stepName === undefined ? [] : [{ type: EventType.STEP_FINISHED, stepName }]
    }
    if (step.pid !== root) return []
    if (step.type === 'text-delta') return step.delta === '' ? [] : text(messageId(step.n), step.delta)
    if (step.type === 'call-end') return ended(step)
    if (step.type !== 'call-start') return []
    if (step.call === 'call') {
      const tool = textOf(step.args, 'tool')
      // Its arguments were wrong: no tool was called.
      if (tool === undefined) return []
      const toolCallId = messageId(step.n)
      calling.add(step.n)
      return [
        { type: EventType.TOOL_CALL_START, toolCallId, toolCallName: tool },
        { type: EventType.TOOL_CALL_ARGS, toolCallId, delta: JSON.stringify(fieldOf(step.args, 'input') ?? null) },
        { type: EventType.TOOL_CALL_END, toolCallId },
      ]
    }
    if (step.call !== 'send' || fieldOf(step.args, 'to') !== 0) return []
    const body = fieldOf(step.args, 'body')
    const state = fieldOf(body, 'state')
    return [
      state === undefined
        ? { type: EventType.CUSTOM, name: 'said', value: body ?? null }
        : { type: EventType.STATE_SNAPSHOT, snapshot: state },
    ]
  }

  return {
    recall(past) {
      for (const event of past) {
        if (event.type === 'call-start' && event.call === 'call' && textOf(event.args, 'tool') !== undefined)
          calling.add(event.n)
        if (event.type === 'call-end') calling.delete(event.n)
      }
    },
    begin: () => ({ type: EventType.RUN_STARTED, threadId, runId, protocolVersion: version }),
    step(step) {
      if (step.type === 'process-end' && step.pid === root) return { told: end(step), isLast: true }
      if (step.type === 'questions' && step.questions.length > 0 && mayAnswer)
        return { told: [...close(), interrupt(step.questions)], isLast: true }
      return { told: happened(step), isLast: false }
    },
    end,
    failed,
  }
}
