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
 *   CA3. A client that cancels, or goes away, ends its process. One that does not come back with an answer does so after
 *        STATE_MS.
 *   CA4. What a process learned and did counts for the next calls of its client, however it ends and whoever waits for it;
 *        what a client is shown of a process counts before it is shown.
 */
import type { CallToolResult, InputRequiredResult, ServerContext } from '@modelcontextprotocol/server'
import { PolityError, toErrorData } from '../../kernel/errors.ts'
import type { Kernel, Run } from '../../kernel/kernel.ts'
import type { Json, Pid, Question, RunEvent, RunOptions } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import { holds, runOptionsOf } from '../caller.ts'
import { textOf } from '../fields.ts'
import { viewOf } from '../view.ts'
import type { Offer } from './offers.ts'
import type { MintState } from './request-state.ts'
import { STATE_MS } from './request-state.ts'
import type { ServerSdk } from './sdk.ts'
import type { ClientStanding } from './standing.ts'
import { labelsIn } from './standing.ts'

export interface Client {
  readonly caller: Caller
  readonly standing: ClientStanding
  /** Whether the client can ask its user. */
  readonly canAsk: boolean
  /** Makes the state that it brings back with an answer. */
  readonly mintState: MintState
}

export interface Calls {
  serve(
    offer: Offer,
    client: Client,
    input: Json,
    context: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult>
}

/** A call whose client was asked. */
interface Waiting {
  readonly offer: Offer
  readonly caller: Caller
  readonly standing: ClientStanding
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
/** What a person is shown of the arguments, characters. */
const DETAIL_CHARS_MAX = 4_000

export function createCalls({ server: sdk }: ServerSdk, kernel: Kernel): Calls {
  const waiting = new Map<Pid, Waiting>()

  async function serve(
    offer: Offer,
    client: Client,
    input: Json,
    context: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult> {
    const { mcpReq } = context
    const state = mcpReq.requestState()
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
    const stop = (): void => run.kill('its client went away')
    if (mcpReq.signal.aborted) stop()
    mcpReq.signal.addEventListener('abort', stop, { once: true })
    try {
      const question = await questionOf(run, client, passed, context)
      if (question !== undefined) {
        const { caller, standing, mintState } = client
        standing.learned(labelsIn(await kernel.events(question.pid)))
        const asked = ask(question, { offer, caller, standing, run, followed, passed })
        return sdk.inputRequired({ ...asked, requestState: await mintState(run.pid) })
      }
      await followed
      return toResult(await run.result, offer)
    } catch (error) {
      return failure(error)
    } finally {
      mcpReq.signal.removeEventListener('abort', stop)
    }
  }

  /** Rejects where nobody can say what the process learned: its value is not to be told then. */
  function follow({ pid, result }: Run, standing: ClientStanding): Promise<void> {
    standing.began()
    const settle = async (): Promise<void> => {
      let labels: readonly string[] = []
      let hasEnded = false
      try {
        const events = await kernel.events(pid)
        labels = labelsIn(events)
        hasEnded = events.some(({ type }) => type === 'process-end')
      } finally {
        if (hasEnded) standing.ended(pid, labels)
        else standing.left(labels)
      }
    }
    const followed = result.then(settle, settle)
    // Told to who waits for it.
    followed.catch(() => {})
    return followed
  }

  /** The first question that the client's user may answer; undefined once the process has ended. */
  async function questionOf(
    run: Run,
    { caller, canAsk }: Client,
    passed: ReadonlySet<number>,
    { mcpReq }: ServerContext,
  ): Promise<Question | undefined> {
    const view = viewOf(kernel, caller)
    const mayAnswer = canAsk && holds(caller, 'approvals')
    const isOwn = (pid: Pid): boolean => {
      for (let at: Pid | null = pid; at !== null; at = view.info(at).parent) if (at === run.pid) return true
      return false
    }
    const find = (): Question | undefined =>
      mayAnswer && waiting.size < WAITING_MAX
        ? view.questions.find(({ id, pid, kind }) => kind !== 'in-doubt' && !passed.has(id) && isOwn(pid))
        : undefined
    const open = find()
    if (open !== undefined) return open
    let count = 0
    for await (const event of run.events) {
      const token = mcpReq._meta?.progressToken
      const message = token === undefined ? undefined : stepOf(event)
      // One that is not taken by the client is lost to it alone.
      if (token !== undefined && message !== undefined)
        await mcpReq
          .notify({
            method: 'notifications/progress',
            params: { progressToken: token, progress: ++count, message },
          })
          .catch(() => {})
      const question = event.type === 'process-end' && event.pid === run.pid ? undefined : find()
      if (question !== undefined) return question
    }
    return undefined
  }

  function ask(
    question: Question,
    call: Omit<Waiting, 'asked' | 'late'>,
  ): Required<Pick<InputRequiredResult, 'inputRequests'>> {
    const { id, kind, text, choices, detail } = question
    const { run } = call
    const late = setTimeout(() => {
      waiting.delete(run.pid)
      run.kill('its client did not come back')
    }, STATE_MS).unref()
    waiting.set(run.pid, { ...call, asked: question, late })
    const shown = kind === 'approval' ? `${text}\n${cut(JSON.stringify(detail, null, 1))}` : text
    return {
      inputRequests: {
        [keyOf(id)]: sdk.inputRequired.elicit({
          mode: 'form',
          message: shown,
          requestedSchema: {
            type: 'object',
            properties: {
              answer: { type: 'string', title: 'Answer', ...(choices === null ? {} : { enum: [...choices] }) },
            },
            required: ['answer'],
          },
        }),
      },
    }
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
    const said = sdk.inputResponse(responses, keyOf(asked.id))
    const given = said.kind === 'elicit' && said.action === 'accept' ? said.content?.['answer'] : undefined
    const isRefused = said.kind === 'elicit' && said.action === 'decline' && asked.kind === 'approval'
    const answer = isRefused ? 'deny' : typeof given === 'string' ? given : undefined
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

  return { serve }
}

function optionsOf({ caller, standing }: Client): RunOptions {
  return { ...runOptionsOf(caller), ...standing.options() }
}

function keyOf(id: number): string {
  return `question-${id}`
}

/** What is told of an event as progress. */
function stepOf(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'process-start':
      return `process ${event.pid} runs ${event.program}`
    case 'call-start': {
      const tool = event.call === 'call' ? textOf(event.args, 'tool') : undefined
      return `process ${event.pid}: ${event.call}${tool === undefined ? '' : ` ${tool}`}`
    }
    default:
      return undefined
  }
}

/** The value of a process as the result of a tool. Content as MCP has it, such as that of an outside server, is passed on. */
export function toResult(value: Json, { outputSchema }: Pick<Offer, 'outputSchema'>): CallToolResult {
  if (isContent(value)) return { content: value.content } as unknown as CallToolResult
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return {
    content: [{ type: 'text', text }],
    ...(outputSchema !== undefined || isObject ? { structuredContent: value as { [key: string]: unknown } } : {}),
  }
}

const contentTypes = new Set(['text', 'image', 'audio', 'resource', 'resource_link'])

function isContent(value: Json): value is { readonly content: readonly Json[] } {
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'content') return false
  const { content } = value as { readonly content?: Json }
  return (
    Array.isArray(content) &&
    content.every((one: Json) => contentTypes.has(String((one as { readonly type?: Json } | null)?.type)))
  )
}

function failure(error: unknown): CallToolResult {
  const { code, message } = toErrorData(error)
  return {
    isError: true,
    content: [{ type: 'text', text: `${code}: ${message}` }],
    _meta: { 'polity/error': { code, message } },
  }
}

function cut(text: string): string {
  return text.length <= DETAIL_CHARS_MAX ? text : `${text.slice(0, DETAIL_CHARS_MAX)} … (${text.length} characters)`
}
