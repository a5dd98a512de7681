/**
 * The Agent Client Protocol, version 1 (https://agentclientprotocol.com): a program as the agent of a code editor, which
 * started this process and speaks over stdin and stdout.
 *
 *     await serveAcp({ kernel, program, clock, begun: (pid) => {} }, signal)     // until stdin ends or the signal aborts
 *
 * A prompt is a run of the program. Its text comes as it is said, calls of tools as tool calls; what the law asks is asked of
 * the editor's user as a permission; a question of the program ends the turn, and the next prompt is the answer.
 * Each run of a session stands before the law behind the one before it: what that did and learned counts.
 *
 * Invariants
 *   AC1. A permission allows the one call that it showed: it answers a question by its number, and numbers are not used twice.
 *   AC2. What is no answer is no permission: a dialog that was closed denies.
 *   AC3. A prompt that is cancelled is answered with `cancelled`, and its process is killed.
 *   AC4. Nothing but the protocol is written to stdout.
 *
 * Needs the package @agentclientprotocol/sdk, which is loaded when this is called.
 */
import { Readable, Writable } from 'node:stream'
import type {
  AgentContext,
  ContentBlock,
  PermissionOption,
  PromptResponse,
  SessionUpdate,
} from '@agentclientprotocol/sdk'
import type { Clock } from '../kernel/clock.ts'
import { PolityError, fieldOf, warn } from '../kernel/errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Budget, Effect, Json, Pid, ProcessEnd, Program, Question } from '../kernel/types.ts'
import type { Step } from './follow.ts'
import { createFollowing } from './follow.ts'

export interface AcpOptions {
  readonly kernel: Kernel
  readonly program: Program<Json, Json>
  readonly clock: Clock
  /** Of each prompt. @default none */
  readonly budget?: Budget
  /** Told of each run before it does anything. */
  readonly begun?: (pid: Pid) => void
  /** Told of what is asked for and not done. */
  readonly note?: (text: string) => void
  /** @default those of the process */
  readonly streams?: { readonly input: Readable; readonly output: Writable }
}

interface Session {
  /** Its last run. */
  last: Pid | undefined
  /** The prompt that is being answered. */
  prompt: AbortController | undefined
}

export async function serveAcp(options: AcpOptions, signal: AbortSignal): Promise<void> {
  const { kernel, program, clock, budget, begun = () => {}, note = () => {} } = options
  const { input, output } = options.streams ?? { input: process.stdin, output: process.stdout }
  const sdk = await loadAcp()
  const { RequestError, methods } = sdk
  const following = createFollowing(kernel, clock)
  const sessions = new Map<string, Session>()
  const effects = new Map(program.tools.map(({ name, effect }) => [name, effect]))

  function sessionOf(id: string): Session {
    const session = sessions.get(id)
    if (session === undefined) throw RequestError.invalidParams(undefined, `there is no session ${JSON.stringify(id)}`)
    return session
  }

  /** Goes on with the question that waits, or begins a run. */
  function take(session: Session, said: string): Pid {
    const { last } = session
    const state = last === undefined ? undefined : kernel.info(last).state
    if (last !== undefined && state === 'running') {
      const question = kernel.questions.find(({ kind, pid }) => kind === 'ask' && rootOf(kernel, pid) === last)
      if (question !== undefined) {
        kernel.answer(question.id, said)
        return last
      }
      // It goes on after a question that ran out, and hears the rest as mail.
      kernel.send(last, said)
      return last
    }
    const after = state === 'done' || state === 'failed' || state === 'killed' ? last : undefined
    const run = kernel.spawn(program, said, {
      ...(budget === undefined ? {} : { budget }),
      ...(after === undefined ? {} : { after }),
    })
    session.last = run.pid
    begun(run.pid)
    return run.pid
  }

  async function prompt(
    sessionId: string,
    blocks: readonly ContentBlock[],
    client: AgentContext,
  ): Promise<PromptResponse> {
    const session = sessionOf(sessionId)
    if (session.prompt !== undefined)
      throw RequestError.invalidRequest(undefined, 'the session answers a prompt already')
    const said = textOf(blocks, (what) => RequestError.invalidParams(undefined, what))
    const cancel = new AbortController()
    session.prompt = cancel
    const over = AbortSignal.any([cancel.signal, signal])
    const update = (change: SessionUpdate): Promise<void> =>
      client.notify(methods.client.session.update, { sessionId, update: change })
    try {
      const pid = take(session, said)
      const telling = createTelling(pid, effects)
      const asked = new Set<number>()
      for await (const step of following.follow(pid, over)) {
        const { told, stopReason } = telling.step(step)
        for (const change of told) await update(change)
        if (stopReason !== undefined) return { stopReason }
        if (step.type !== 'questions') continue
        for (const question of step.questions) {
          if (asked.has(question.id)) continue
          asked.add(question.id)
          // Beside what else happens; the run waits for it by itself.
          if (question.kind !== 'ask') void permit(client, sessionId, question, telling.idOf(question), over)
        }
        const question = step.questions.find(({ kind }) => kind === 'ask')
        if (question !== undefined) {
          await update(spoken(questionText(question)))
          return { stopReason: 'end_turn' }
        }
      }
      if (cancel.signal.aborted) return { stopReason: 'cancelled' }
      throw RequestError.internalError(undefined, 'the kernel is closed; the run can be resumed')
    } catch (error) {
      if (!PolityError.isInstance(error)) throw error
      throw error.code === 'INVALID_ARGUMENT'
        ? RequestError.invalidParams(undefined, error.message)
        : RequestError.internalError(undefined, `${error.code}: ${error.message}`)
    } finally {
      session.prompt = undefined
    }
  }

  /** Asks the editor's user what the law, or a crash, asks. */
  async function permit(
    client: AgentContext,
    sessionId: string,
    question: Question,
    toolCallId: string,
    over: AbortSignal,
  ): Promise<void> {
    const { id, kind, text, detail } = question
    const isApproval = kind === 'approval'
    const options = isApproval ? approvalOptions : doubtOptions
    const refusal = isApproval ? 'deny' : 'fail'
    try {
      const { outcome } = await client.request(
        methods.client.session.requestPermission,
        {
          sessionId,
          toolCall: { toolCallId, title: text, rawInput: detail, status: 'pending' },
          options: [...options],
        },
        { cancellationSignal: over, stopWaitingOnCancel: true },
      )
      const chosen = outcome.outcome === 'selected' ? outcome.optionId : undefined
      // A dialog that was closed is no permission.
      kernel.answer(id, options.find((one) => one.optionId === chosen)?.optionId ?? refusal)
    } catch (error) {
      // The prompt is over, the question has ended, or the editor cannot show it: then it waits for somebody who can.
      if (!over.aborted && !PolityError.isInstance(error)) warn('a permission was not asked', error)
    }
  }

  const connection = sdk
    .agent({ name: 'polity' })
    .onRequest(methods.agent.initialize, () => ({
      protocolVersion: sdk.PROTOCOL_VERSION,
      agentInfo: { name: program.name, version: program.version },
      agentCapabilities: { loadSession: false, promptCapabilities: {} },
      authMethods: [],
    }))
    .onRequest(methods.agent.session.new, ({ params: { mcpServers } }) => {
      if (mcpServers.length > 0)
        note(
          `the editor offers ${mcpServers.length} MCP servers, which are not used; give the program its tools itself`,
        )
      const sessionId = `${Math.floor(clock.now() * 1_000).toString(36)}-${sessions.size + 1}`
      sessions.set(sessionId, { last: undefined, prompt: undefined })
      return { sessionId }
    })
    .onRequest(methods.agent.session.prompt, ({ params, client }) => prompt(params.sessionId, params.prompt, client))
    .onNotification(methods.agent.session.cancel, ({ params: { sessionId } }) => {
      const session = sessions.get(sessionId)
      if (session?.last !== undefined) kernel.kill(session.last, 'cancelled in the editor')
      session?.prompt?.abort()
    })
    .connect(
      sdk.ndJsonStream(
        Writable.toWeb(output) as WritableStream<Uint8Array>,
        Readable.toWeb(input) as ReadableStream<Uint8Array>,
      ),
    )
  const close = (): void => connection.close()
  signal.addEventListener('abort', close, { once: true })
  if (signal.aborted) close()
  await connection.closed
  signal.removeEventListener('abort', close)
}

async function loadAcp(): Promise<typeof import('@agentclientprotocol/sdk')> {
  try {
    return await import('@agentclientprotocol/sdk')
  } catch (error) {
    if (fieldOf(error, 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new PolityError(
      'CONFIG_INVALID',
      'ACP needs a package that is not installed: npm i @agentclientprotocol/sdk',
      {
        cause: error,
      },
    )
  }
}

const approvalOptions: readonly PermissionOption[] = [
  { optionId: 'allow', name: 'Allow this call', kind: 'allow_once' },
  { optionId: 'deny', name: 'Deny', kind: 'reject_once' },
]
const doubtOptions: readonly PermissionOption[] = [
  { optionId: 'done', name: 'It happened', kind: 'allow_once' },
  { optionId: 'retry', name: 'It did not happen: do it', kind: 'allow_once' },
  { optionId: 'fail', name: 'Leave it', kind: 'reject_once' },
]
function rootOf(kernel: Kernel, pid: Pid): Pid {
  let root = pid
  for (let at = kernel.info(root).parent; at !== null; at = kernel.info(at).parent) root = at
  return root
}

/** Text, and the names of what the prompt points at. */
function textOf(blocks: readonly ContentBlock[], wrong: (what: string) => Error): string {
  return blocks
    .map((block) => {
      if (block.type === 'text') return block.text
      if (block.type === 'resource_link') return block.uri
      throw wrong(`a prompt takes text and links, not ${block.type}`)
    })
    .join('\n')
}

function questionText({ text, choices }: Question): string {
  return choices === null ? text : `${text} (${choices.join(', ')})`
}

function spoken(text: string): SessionUpdate {
  return { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } }
}

interface Telling {
  step(step: Step): {
    readonly told: readonly SessionUpdate[]
    readonly stopReason?: PromptResponse['stopReason']
  }
  /** That of the tool call that a question is about. */
  idOf(question: Question): string
}

/** What happens in a run, as an editor shows it: the text of the program itself, and the tool calls of all its processes. */
function createTelling(root: Pid, effects: ReadonlyMap<string, Effect | undefined>): Telling {
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
      const { tool, input } = step.args as { readonly tool: string; readonly input: Json }
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
      const text: unknown = step.pid === root && speaker !== step.n ? fieldOf(value, 'text') : undefined
      return typeof text === 'string' && fieldOf(value, 'finishReason') !== undefined ? speak(step.n, text) : []
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
