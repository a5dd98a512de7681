/**
 * The Agent Client Protocol, version 1 (https://agentclientprotocol.com): a program as the agent of a code editor, which
 * started this process and speaks over stdin and stdout.
 *
 *     await serveAcp({ kernel, program, clock, heads: () => store.processes(), begun: (pid) => {} }, signal)
 *     // until stdin ends or the signal aborts
 *
 * A prompt is a run of the program. Its text comes as it is said, calls of tools as tool calls; what the law asks is asked of
 * the editor's user as a permission; a question of the program ends the turn, and the next prompt is the answer.
 * Each run of a session stands before the law behind the one before it: what that did and learned counts.
 * A session can be loaded again by another process of the operating system: acp/sessions.ts reads it from the journal.
 *
 * Invariants
 *   AC1. A permission allows the one call that it showed: it answers a question by its number, and numbers are not used twice.
 *   AC2. What is no answer is no permission: a dialog that was closed denies.
 *   AC3. A prompt that is cancelled is answered with `cancelled`, and its process is killed: what a prompt did is kept before
 *        it is answered.
 *   AC4. Nothing but the protocol is written to stdout.
 *   AC5. To load a session does nothing. A run of it that was stopped goes on when its question is answered, or when the
 *        editor's user says so; otherwise it ends before the next one begins. With another law, model, price or other folders
 *        than it was begun with it goes on only where the user says so, having been told which.
 *
 * Needs the package @agentclientprotocol/sdk, which is loaded when this is called.
 */
import { resolve } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type {
  AgentContext,
  ContentBlock,
  LoadSessionRequest,
  PromptResponse,
  ResumeSessionRequest,
  SessionUpdate,
} from '@agentclientprotocol/sdk'
import type { Clock } from '../kernel/clock.ts'
import type { ProcessHead } from '../kernel/drivers.ts'
import { PolityError, fieldOf, messageOf } from '../kernel/errors.ts'
import type { Kernel, Run } from '../kernel/kernel.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import type { Budget, JournalEvent, Json, Pid, Program } from '../kernel/types.ts'
import type { Chosen, Dialog } from './acp/dialogs.ts'
import { askInterrupted, permit } from './acp/dialogs.ts'
import type { KeptSession, OpenQuestion, SessionName } from './acp/sessions.ts'
import { nameOf, openQuestionsOf, pastOf, sessionsOf } from './acp/sessions.ts'
import { conversationOf, createTelling, questionText, spoken } from './acp/telling.ts'
import { createFollowing } from './follow.ts'

export interface AcpOptions {
  readonly kernel: Kernel
  readonly program: Program<Json, Json>
  readonly clock: Clock
  /** Of all processes of the store, by pid ascending. */
  readonly heads: () => Iterable<ProcessHead>
  /** Of each prompt. @default none */
  readonly budget?: Budget
  /** Told of each run before it does anything, and again where it goes on after a restart. */
  readonly begun?: (pid: Pid) => void
  /** What of a run that was stopped is otherwise here than it was begun with, in words such as `law`. @default nothing is */
  readonly differs?: (pid: Pid) => string | undefined
  /** Told of what is asked for and not done. */
  readonly note?: (text: string) => void
  /** @default those of the process */
  readonly streams?: { readonly input: Readable; readonly output: Writable }
}

const optionKeys: KeysOf<AcpOptions> = {
  kernel: true,
  program: true,
  clock: true,
  heads: true,
  budget: true,
  begun: true,
  differs: true,
  note: true,
  streams: true,
}

interface Session extends SessionName {
  /** Its last run, which is known also where its journal is gone. */
  last: Run | undefined
  /** The prompt that is being answered. */
  prompt: AbortController | undefined
}

/** What answers a prompt. */
interface Turn {
  readonly pid: Pid
  /** What happened in the run before it was stopped. */
  readonly past: readonly JournalEvent[]
  /** The prompt, while the run does not know it: the answer to one of its open questions, else the input of the next run. */
  readonly unsaid?: string
  readonly open: readonly OpenQuestion[]
}

/** Sessions of one answer to session/list. */
const PAGE_SIZE = 50

export async function serveAcp(options: AcpOptions, signal: AbortSignal): Promise<void> {
  checkKeys('serveAcp', options, optionKeys)
  const {
    kernel,
    program,
    clock,
    heads,
    budget,
    begun = () => {},
    differs = () => undefined,
    note = () => {},
  } = options
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

  /** Goes on with the question that waits or with the run that was stopped, or begins a run; undefined: nothing is done. */
  async function take(
    session: Session,
    said: string,
    ask: (title: string, pid: Pid) => Promise<Chosen>,
  ): Promise<Turn | undefined> {
    const { last } = session
    if (last === undefined) return begin(session, said)
    const { pid } = last
    const { state, error } = last.info()
    if (state === 'running') {
      const question = kernel.questions.find((one) => one.kind === 'ask' && rootOf(kernel, one.pid) === pid)
      if (question !== undefined) kernel.answer(question.id, said)
      // It goes on after a question that ran out, and hears the rest as mail.
      else kernel.send(pid, said)
      return { pid, past: [], open: [] }
    }
    if (state !== 'stopped') return begin(session, said)
    const past = await pastOf(kernel, heads(), pid)
    const open = openQuestionsOf(past)
    const otherwise = differs(pid)
    /** Why it cannot go on with an answer alone. */
    let trouble = error?.code === 'REPLAY_MISMATCH' ? `cannot go on: ${error.message}` : undefined
    if (otherwise !== undefined) trouble ??= `was begun with another ${otherwise} than there is now`
    if (open.length > 0 && trouble === undefined) {
      try {
        return { ...goOn(pid, past), unsaid: said, open }
      } catch (thrown) {
        trouble = `cannot go on: ${messageOf(thrown)}`
      }
    }
    const chosen = await ask(`Process ${pid} ${trouble ?? 'was interrupted'}`, pid)
    if (chosen === 'go-on') return goOn(pid, past)
    if (chosen === undefined) return undefined
    last.kill('left in the editor')
    return begin(session, said)
  }

  /** A run that stands behind the session's last one. */
  function begin(session: Session, said: string): Turn {
    const { last } = session
    const run = kernel.spawn(program, said, {
      name: nameOf(session),
      ...(budget === undefined ? {} : { budget }),
      ...(last === undefined ? {} : { after: last.standing }),
    }) as Run
    const { pid } = run
    session.last = run
    begun(pid)
    return { pid, past: [], open: [] }
  }

  /** Throws what keeps it from going on. */
  function goOn(pid: Pid, past: readonly JournalEvent[]): Turn {
    kernel.resume(pid)
    begun(pid)
    return { pid, past, open: [] }
  }

  async function prompt(
    sessionId: string,
    blocks: readonly ContentBlock[],
    client: AgentContext,
  ): Promise<PromptResponse> {
    const session = sessionOf(sessionId)
    const said = textOf(blocks, (what) => RequestError.invalidParams(undefined, what))
    if (said.trim() === '') throw RequestError.invalidParams(undefined, 'the prompt is empty; say something')
    checkIdle(session)
    const cancel = new AbortController()
    session.prompt = cancel
    const over = AbortSignal.any([cancel.signal, signal])
    try {
      let turn = await take(session, said, (title, pid) => askInterrupted({ client, sessionId, over }, title, pid))
      for (;;) {
        if (over.aborted) return await cancelled()
        if (turn === undefined) {
          const update = spoken('Nothing was done: the run is stopped still, and the next message asks again.')
          await client.notify(methods.client.session.update, { sessionId, update })
          return { stopReason: 'end_turn' }
        }
        const { stopReason, unsaid } = await tell(turn, { client, sessionId, over })
        if (stopReason === 'cancelled') return await cancelled()
        if (unsaid === undefined) return { stopReason }
        // Its question had run out: it ended without the answer.
        turn = begin(session, unsaid)
      }
    } catch (error) {
      if (!PolityError.isInstance(error)) throw error
      throw error.code === 'INVALID_ARGUMENT'
        ? RequestError.invalidParams(undefined, error.message)
        : RequestError.internalError(undefined, `${error.code}: ${error.message}`)
    } finally {
      session.prompt = undefined
    }
  }

  async function cancelled(): Promise<PromptResponse> {
    // Whose agent closes is told nothing of an end: the run was stopped.
    if (!signal.aborted) await kernel.flush()
    return { stopReason: 'cancelled' }
  }

  /** Tells what happens until it ends or asks. Returns with the prompt where the run ended without having heard it. */
  async function tell(
    { pid, past, open, unsaid: given }: Turn,
    dialog: Dialog,
  ): Promise<{ readonly stopReason: PromptResponse['stopReason']; readonly unsaid?: string | undefined }> {
    const { client, sessionId, over } = dialog
    const update = (change: SessionUpdate): Promise<void> =>
      client.notify(methods.client.session.update, { sessionId, update: change })
    const telling = createTelling(pid, effects)
    for (const event of past) telling.step(event)
    const asked = new Set<number>()
    let unsaid = given
    for await (const step of following.follow(pid, over)) {
      const { told, stopReason } = telling.step(step)
      for (const change of told) await update(change)
      if (stopReason !== undefined) return { stopReason, unsaid }
      if (step.type !== 'questions') continue
      for (const question of step.questions) {
        if (asked.has(question.id)) continue
        asked.add(question.id)
        // Beside what else happens; the run waits for it by itself.
        if (question.kind !== 'ask') void permit(kernel, dialog, question, telling.idOf(question))
      }
      const questions = step.questions.filter(({ kind }) => kind === 'ask')
      const answered = questions.find((one) => open.some((known) => known.pid === one.pid && known.text === one.text))
      if (unsaid !== undefined && answered !== undefined) {
        kernel.answer(answered.id, unsaid)
        unsaid = undefined
      } else if (questions[0] !== undefined) {
        // Another one than the prompt answers, which then comes as mail.
        if (unsaid !== undefined) {
          kernel.send(pid, unsaid)
          await kernel.flush()
        }
        await update(spoken(questionText(questions[0])))
        return { stopReason: 'end_turn' }
      }
    }
    if (over.aborted && !signal.aborted) return { stopReason: 'cancelled' }
    const { error } = kernel.info(pid)
    throw error?.code === 'REPLAY_MISMATCH'
      ? RequestError.internalError(undefined, `the run cannot go on: ${error.message}`)
      : RequestError.internalError(undefined, 'the kernel is closed; the run can be resumed')
  }

  function cancel({ last, prompt: answered }: Session): void {
    // One that is stopped does nothing that could be cancelled.
    if (last?.info().state === 'running') last.kill('cancelled in the editor')
    answered?.abort()
  }

  function checkIdle(session: Session | undefined): void {
    if (session?.prompt !== undefined)
      throw RequestError.invalidRequest(undefined, 'the session answers a prompt already')
  }

  async function kept(): Promise<readonly KeptSession[]> {
    await kernel.flush()
    return sessionsOf(heads(), program.name)
  }

  /** A session of this process of the operating system or of an earlier one. */
  async function open({
    sessionId,
    cwd,
    mcpServers = [],
  }: LoadSessionRequest | ResumeSessionRequest): Promise<KeptSession> {
    checkIdle(sessions.get(sessionId))
    const found = (await kept()).find((one) => one.sessionId === sessionId)
    if (found === undefined) throw RequestError.sessionNotFound(sessionId)
    // What its runs did, they did there: paths of theirs mean another file elsewhere.
    if (resolve(cwd) !== resolve(found.cwd))
      throw RequestError.invalidParams(
        undefined,
        `session ${JSON.stringify(sessionId)} is of the folder ${JSON.stringify(found.cwd)}, not ${JSON.stringify(cwd)}; load it there`,
      )
    refuseServers(mcpServers)
    sessions.set(sessionId, { sessionId, cwd, last: kernel.run(found.runs.at(-1) as Pid), prompt: undefined })
    return found
  }

  function refuseServers({ length }: readonly unknown[]): void {
    if (length > 0)
      note(`the editor offers ${length} MCP servers, which are not used; give the program its tools itself`)
  }

  const connection = sdk
    .agent({ name: 'polity' })
    .onRequest(methods.agent.initialize, () => ({
      protocolVersion: sdk.PROTOCOL_VERSION,
      agentInfo: { name: program.name, version: program.version },
      agentCapabilities: {
        loadSession: true,
        promptCapabilities: {},
        sessionCapabilities: { list: {}, resume: {}, close: {} },
      },
      authMethods: [],
    }))
    .onRequest(methods.agent.session.new, ({ params: { mcpServers, cwd } }) => {
      refuseServers(mcpServers)
      const sessionId = `${Math.floor(clock.now() * 1_000).toString(36)}-${sessions.size + 1}`
      sessions.set(sessionId, { sessionId, cwd, last: undefined, prompt: undefined })
      return { sessionId }
    })
    .onRequest(methods.agent.session.load, async ({ params, client }) => {
      const { sessionId, runs } = await open(params)
      for (const pid of runs)
        for (const update of conversationOf(pid, await pastOf(kernel, heads(), pid), effects))
          await client.notify(methods.client.session.update, { sessionId, update })
      return {}
    })
    .onRequest(methods.agent.session.resume, async ({ params }) => {
      await open(params)
      return {}
    })
    .onRequest(methods.agent.session.list, async ({ params: { cwd, cursor } }) => {
      const all = (await kept()).filter((one) => cwd === undefined || cwd === null || one.cwd === cwd)
      const from = typeof cursor === 'string' ? all.findIndex(({ sessionId }) => sessionId === cursor) : 0
      if (from < 0) throw RequestError.invalidParams(undefined, 'cursor takes the nextCursor of an earlier answer')
      const next = all[from + PAGE_SIZE]
      return {
        sessions: all.slice(from, from + PAGE_SIZE).map(({ sessionId, cwd: folder, title, updatedAt }) => ({
          sessionId,
          cwd: folder,
          title,
          updatedAt: new Date(updatedAt).toISOString(),
        })),
        ...(next === undefined ? {} : { nextCursor: next.sessionId }),
      }
    })
    .onRequest(methods.agent.session.close, async ({ params: { sessionId } }) => {
      const session = sessionOf(sessionId)
      if (session.prompt !== undefined) cancel(session)
      sessions.delete(sessionId)
      await kernel.flush()
      return {}
    })
    .onRequest(methods.agent.session.prompt, ({ params, client }) => prompt(params.sessionId, params.prompt, client))
    .onNotification(methods.agent.session.cancel, ({ params: { sessionId } }) => {
      const session = sessions.get(sessionId)
      if (session !== undefined) cancel(session)
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
