/**
 * Calls of tools over MCP: begins the process, tells its progress, asks the client's user where the law wants a person's
 * word, and turns its end into a result.
 *
 *     const calls = createCalls(sdk, kernel)
 *     const result = await calls.serve({ offer, caller, standing, canAsk }, input, context)
 *
 * A question goes to the client as a result that asks for input (of the later era; the SDK asks clients of the earlier one
 * by a request of its own); the process waits meanwhile, and its question stands in the inbox too.
 *
 * Invariants
 *   CA1. Only the user of a caller with the scope `approvals` is asked, and only about processes of that very call.
 *   CA2. Who comes back with an answer comes to the same process, with the arguments that it began with, and only as the
 *        same caller and in the same run.
 *   CA3. A client that cancels, or goes away, ends its process, unless it was told that the call has become a task; so does
 *        one that is no longer let in, and a server that closes. The process ends with the reason. One that does not come back
 *        with an answer ends it after STATE_MS. Who no longer waits leaves no reader of its run.
 *   CA4. What a process learned and did counts for the next calls of its client, however it ends and whoever waits for it;
 *        what a client is shown of a process counts before it is shown.
 *   CA5. A call becomes a task only for a client that can take one, and only once its process and the mark that it is one are
 *        in the store. One that must be a task is refused to a client that can take none.
 */
import type { CallToolResult, InputRequiredResult, ServerContext } from '@modelcontextprotocol/server'
import { PolityError } from '../../kernel/errors.ts'
import type { Kernel, Run } from '../../kernel/kernel.ts'
import type { Json, Pid, Question, RunOptions } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import { holds, runOptionsOf } from '../caller.ts'
import { textOf } from '../fields.ts'
import type { Following, Step } from '../follow.ts'
import { isWithin } from '../follow.ts'
import type { RunStanding } from '../runs.ts'
import { viewOf } from '../view.ts'
import { goneOf } from './carriers.ts'
import { answerIn, formOf, keyOf } from './forms.ts'
import { labelsIn } from './labels.ts'
import type { Offer } from './offers.ts'
import type { MintState } from './request-state.ts'
import { STATE_MS } from './request-state.ts'
import { failure, toResult } from './results.ts'
import type { ServerSdk } from './sdk.ts'
import { isTaskAsked, knowsTasks } from './task-wire.ts'
import type { Tasks } from './tasks.ts'

export interface Client {
  readonly caller: Caller
  readonly standing: RunStanding
  /** Whether the client can ask its user. */
  readonly canAsk: boolean
  /** Makes the state that it brings back with an answer. */
  readonly mintState: MintState
  /** Hears of a call that its client asked for as a task (2025-11-25), and that has become one. */
  readonly onTask?: (pid: Pid) => void
}

export interface CallsOptions {
  readonly kernel: Kernel
  readonly tasks: Tasks
  readonly following: Following
  /** How long a call may take before it becomes a task, of a client that leaves that to the server, ms. */
  readonly taskAfterMs: number
  /** Aborts with the reason where the server closes and its requests cannot say so themselves. @default they say it */
  readonly closing?: AbortSignal | undefined
}

export interface Calls {
  serve(
    offer: Offer,
    client: Client,
    input: Json,
    context: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult>
  /** Waits for the next question that the user of a client may answer; undefined once the process has ended, or with the signal. */
  questionOf(
    pid: Pid,
    client: Pick<Client, 'caller' | 'canAsk'>,
    passed: ReadonlySet<number>,
    context: ServerContext,
    signal?: AbortSignal,
  ): Promise<Question | undefined>
  /** Those that wait now. */
  questionsOf(pid: Pid, client: Pick<Client, 'caller' | 'canAsk'>): readonly Question[]
  /** Aborts once nobody can hear the answer to a request any more. */
  goneIn(context: ServerContext): AbortSignal
  /** Why that signal has aborted. */
  whyGone(gone: AbortSignal): PolityError
}

/** A call whose client was asked. */
interface Waiting {
  readonly offer: Offer
  readonly caller: Caller
  readonly standing: RunStanding
  readonly run: Run
  /** Resolves once what the process did and learned counts for its client. */
  readonly followed: Promise<void>
  readonly asked: Question
  /** Questions that the client was asked and did not answer; they stay in the inbox. */
  readonly passed: ReadonlySet<number>
  readonly late: NodeJS.Timeout
}

/** Calls that wait for their clients to come back. Beyond, the question stands in the inbox alone. */
const WAITING_MAX = 10_000

export function createCalls(
  { server: sdk }: ServerSdk,
  { kernel, tasks, following, taskAfterMs, closing }: CallsOptions,
): Calls {
  const goneIn = (context: ServerContext): AbortSignal =>
    closing === undefined ? goneOf(context) : AbortSignal.any([closing, goneOf(context)])
  const waiting = new Map<Pid, Waiting>()

  async function serve(
    offer: Offer,
    client: Client,
    input: Json,
    context: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult> {
    const { mcpReq } = context
    const state = mcpReq.requestState()
    const mayBeTask = offer.taskSupport !== 'forbidden'
    const isAsked = mayBeTask && isTaskAsked(context)
    const isLeftToUs = mayBeTask && knowsTasks(context)
    // In a batch and over stdio nothing was refused before.
    if (offer.taskSupport === 'required' && !isAsked && !isLeftToUs)
      return failure(
        new PolityError('INVALID_ARGUMENT', `tool ${offer.name} runs as a task only, and this call asks for none`),
      )
    let run: Run
    let followed: Promise<void>
    let passed: ReadonlySet<number> = new Set()
    try {
      if (state === undefined) {
        run = offer.start(kernel, input, optionsOf(client))
        followed = follow(run, client.standing)
      } else ({ run, followed, passed } = goOn(state, offer, client, mcpReq.inputResponses))
    } catch (error) {
      return failure(error)
    }
    const gone = goneIn(context)
    const stop = (): void => run.kill(whyGone(gone).message)
    if (gone.aborted) stop()
    gone.addEventListener('abort', stop, { once: true })
    try {
      if (isAsked) {
        const task = await toTask(run, offer, true)
        client.onTask?.(run.pid)
        return task
      }
      const late = isLeftToUs ? AbortSignal.timeout(taskAfterMs) : undefined
      // Whoever comes back late finds the end of the run, be it that its journal is gone.
      const hasEnded = run.info().endedAt !== null
      const question = hasEnded ? undefined : await questionOf(run.pid, client, passed, context, late)
      if (question === undefined && (late?.aborted === true || (isLeftToUs && offer.taskSupport === 'required')))
        return await toTask(run, offer, false)
      if (question !== undefined) {
        const { caller, standing, mintState } = client
        standing.learned(labelsIn(await kernel.events(question.pid)))
        const asked = ask(question, { offer, caller, standing, run, followed, passed })
        return sdk.inputRequired({ ...asked, requestState: await mintState(run.pid) })
      }
      await followed
      return toResult(await run.result, offer)
    } catch (error) {
      return failure(gone.aborted ? whyGone(gone) : error)
    } finally {
      gone.removeEventListener('abort', stop)
    }
  }

  /** The answer that a call goes on as a task. The SDK sends a result of a tool with content, and with an output schema with a value. */
  async function toTask({ pid }: Run, { name, outputSchema }: Offer, isEarlier: boolean): Promise<CallToolResult> {
    await tasks.mark(pid, name)
    const task = await tasks.of(kernel.info(pid))
    return {
      ...(isEarlier ? { task: tasks.toEarlier(task, []) } : { ...tasks.toCurrent(task, []), resultType: 'task' }),
      content: [],
      ...(outputSchema === undefined ? {} : { structuredContent: {} }),
    }
  }

  function follow(run: Run, standing: RunStanding): Promise<void> {
    standing.began()
    const settle = (): void => {
      standing.ended(run.standing)
      standing.left()
    }
    return run.result.then(settle, settle)
  }

  function questionsOf(
    pid: Pid,
    { caller, canAsk }: Pick<Client, 'caller' | 'canAsk'>,
    passed: ReadonlySet<number> = new Set(),
  ): readonly Question[] {
    if (!canAsk || !holds(caller, 'approvals')) return []
    return viewOf(kernel, caller).questions.filter(
      (one) => one.kind !== 'in-doubt' && !passed.has(one.id) && isWithin(kernel, one.pid, pid),
    )
  }

  async function questionOf(
    pid: Pid,
    client: Pick<Client, 'caller' | 'canAsk'>,
    passed: ReadonlySet<number>,
    context: ServerContext,
    signal?: AbortSignal,
  ): Promise<Question | undefined> {
    const { mcpReq } = context
    const gone = goneIn(context)
    let count = 0
    for await (const step of following.follow(pid, signal === undefined ? gone : AbortSignal.any([signal, gone]))) {
      const token = mcpReq._meta?.progressToken
      const message = token === undefined ? undefined : wordsOf(step)
      // One that is not taken by the client is lost to it alone.
      if (token !== undefined && message !== undefined)
        await mcpReq
          .notify({
            method: 'notifications/progress',
            params: { progressToken: token, progress: ++count, message },
          })
          .catch(() => {})
      if (step.type === 'process-end' && step.pid === pid) return undefined
      if (step.type !== 'questions' || waiting.size >= WAITING_MAX) continue
      const [question] = questionsOf(pid, client, passed)
      if (question !== undefined) return question
    }
    return undefined
  }

  /** Why nobody waits for an answer any more. A client that cancels aborts with words of its own, or none. */
  function whyGone({ reason }: AbortSignal): PolityError {
    if (PolityError.isInstance(reason)) return reason
    return new PolityError(
      'KILLED',
      reason instanceof sdk.SdkError ? 'its client went away' : 'its client canceled the call',
    )
  }

  function ask(
    question: Question,
    call: Omit<Waiting, 'asked' | 'late'>,
  ): Required<Pick<InputRequiredResult, 'inputRequests'>> {
    const { run } = call
    const late = setTimeout(() => {
      waiting.delete(run.pid)
      // It may have ended otherwise, or the kernel have closed: that throws where nobody hears it.
      if (run.info().state === 'running') run.kill('its client did not come back')
    }, STATE_MS).unref()
    waiting.set(run.pid, { ...call, asked: question, late })
    return { inputRequests: { [keyOf(question)]: sdk.inputRequired.elicit(formOf(question)) } }
  }

  /** The call that a client comes back to. What it brings beside the answer is not looked at. */
  function goOn(
    state: unknown,
    offer: Offer,
    { caller, standing }: Client,
    responses: Record<string, unknown> | undefined,
  ): Pick<Waiting, 'run' | 'followed' | 'passed'> {
    const found = waiting.get(Number(state))
    if (
      found === undefined ||
      found.offer !== offer ||
      found.caller.principal !== caller.principal ||
      found.caller.key !== caller.key ||
      found.standing !== standing
    )
      throw new PolityError('INVALID_ARGUMENT', 'no call of yours waits for that answer; make it again')
    const { run, followed, asked, late } = found
    waiting.delete(run.pid)
    clearTimeout(late)
    const said = sdk.inputResponse(responses, keyOf(asked))
    const answer = said.kind === 'elicit' ? answerIn(said, asked) : undefined
    const passed = new Set([...found.passed, asked.id])
    if (answer !== undefined) {
      try {
        viewOf(kernel, caller).answer(asked.id, answer)
      } catch {
        // Somebody else was faster, or its time was over; what is not one of the choices leaves it in the inbox.
      }
    }
    return { run, followed, passed }
  }

  return { serve, questionOf, questionsOf, goneIn, whyGone }
}

function optionsOf({ caller, standing }: Client): RunOptions {
  return { ...runOptionsOf(caller), ...standing.options() }
}

/** What is told of a step as progress. */
function wordsOf(step: Step): string | undefined {
  switch (step.type) {
    case 'process-start':
      return `process ${step.pid} runs ${step.program}`
    case 'call-start': {
      const tool = step.call === 'call' ? textOf(step.args, 'tool') : undefined
      return `process ${step.pid}: ${step.call}${tool === undefined ? '' : ` ${tool}`}`
    }
    default:
      return undefined
  }
}
