/**
 * Code as tool calls: the pair `code.start` and `code.resume`, with which a program runs code that it does not trust.
 *
 *     const agent = defineProgram('agent', run, { tools: [...codeTools({ languages: ['javascript'] }), lookUp] })
 *
 * Code that calls a tool stops there. Its call comes back as the value of `code.start`; the program makes the call itself
 * (`sys.call`, so that law, budgets and journal see it) and hands the answer to `code.resume`. `codeAction` of
 * src/agents/pieces/code-action.ts is that loop.
 *
 * Invariants
 *   K1. Code has no effect but by the calls that it asks for, so both tools only read: repeating them repeats nothing.
 *   K2. A session is of one process and at one round. What does not fit is gone, and the same code is started anew with
 *       the answers that it was given (`answered`): it is held against the calls that it made then.
 *   K3. Every session ends: with its code, with its call, after `parkedMs` without an answer.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { KeysOf } from '../../kernel/known-keys.ts'
import { checkKeys } from '../../kernel/known-keys.ts'
import { defineTool } from '../../kernel/tools.ts'
import type { Json, Tool, ToolContext } from '../../kernel/types.ts'
import { findWalls, openWalled } from './bubblewrap.ts'
import type { Answer, Call, End, Guest, GuestLimits, GuestStart, Said } from './guest.ts'
import { START_MS } from './guest.ts'
import { javaScriptGuests } from './javascript.ts'
import type { Language } from './support.ts'
import { javaScriptSupport } from './support.ts'

export interface CodeToolsOptions {
  /** What may be run. @default ['javascript'] */
  readonly languages?: readonly Language[]
  /** Replaces single limits. */
  readonly limits?: Partial<GuestLimits>
  /** How long code waits for an answer before it is ended, ms; it is then run anew. @default 30,000 */
  readonly parkedMs?: number
  /** Actions at the same time; those beyond wait, as long as a tool call may. @default 16 */
  readonly sessionsMax?: number
}

export const guestLimits: GuestLimits = {
  stepMs: 10_000,
  cpuMs: 5_000,
  memoryBytes: 268_435_456,
  outputChars: 32_768,
  valueBytes: 262_144,
  calls: 256,
  callsOpen: 32,
  processes: 32,
  diskBytes: 67_108_864,
}

/** Of JavaScript's virtual machine, when nothing else is said, bytes. */
const VM_BYTES = 67_108_864
const CODE_CHARS_MAX = 262_144
const ROUNDS_MAX = 1_000
/** On top of the guest's own limits, for waiting for room, ms. */
const ROOM_MS = 60_000

const answer = z.object({
  value: z.unknown().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
})
const call = z.object({ tool: z.string(), input: z.unknown() })
const round = z.object({ calls: z.array(call), answers: z.array(answer) })

const startInput = z.object({
  language: z.enum(['javascript', 'python', 'shell']),
  code: z.string().max(CODE_CHARS_MAX),
  tools: z.array(z.string()).describe('Names of the tools that the code may ask for'),
  now: z.number().describe('The time inside, ms since 1970'),
  seed: z.number().int().describe('Of the random numbers inside'),
  answered: z.array(round).max(ROUNDS_MAX).describe('What the code asked and was answered before it was interrupted'),
})
const resumeInput = z.object({
  session: z.string(),
  round: z.number().int(),
  answers: z.array(answer),
})

/** What both tools return. */
type Step =
  | { state: 'calls'; session: string; round: number; calls: { tool: string; input: Json }[]; output: string }
  | { state: 'done'; output: string; isCut: boolean; value?: Json; error?: { code: string; message: string } }

interface Session {
  readonly id: string
  readonly pid: number
  readonly language: Language
  readonly guest: Guest
  round: number
  /** The calls that wait for answers; undefined while the code runs. */
  asked: readonly Call[] | undefined
  parked: NodeJS.Timeout | undefined
}

const optionKeys: KeysOf<CodeToolsOptions> = { languages: true, limits: true, parkedMs: true, sessionsMax: true }

/** Throws `CONFIG_INVALID` where the options make no sense. */
export function codeTools(options: CodeToolsOptions = {}): readonly Tool[] {
  checkKeys('codeTools', options, optionKeys)
  if (options.limits !== undefined) checkKeys('codeTools: limits', options.limits, guestLimits)
  const { languages = ['javascript'], parkedMs = 30_000, sessionsMax = 16 } = options
  const limits: GuestLimits = { ...guestLimits, ...options.limits }
  const javascript = javaScriptGuests()
  const sessions = new Map<string, Session>()
  const queue: (() => void)[] = []
  let open = 0
  let count = 0
  for (const [name, value] of Object.entries({ ...limits, parkedMs, sessionsMax })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new PolityError('CONFIG_INVALID', `codeTools: ${name} takes a whole number from 1, not ${value}`)
  }

  /** Refuses where the walls are missing: code never runs without them. */
  async function openGuest(language: Language, start: GuestStart): Promise<Guest> {
    const refused = (reason: string): PolityError =>
      new PolityError('CONFIG_INVALID', `code.start runs no ${language} here: ${reason}`, {
        detail: { language, reason },
      })
    if (!languages.includes(language)) throw refused(`codeTools was given ${languages.join(', ')} only`)
    if (language === 'javascript') {
      const { isAvailable, reason } = javaScriptSupport()
      if (!isAvailable) throw refused(reason)
      const memoryBytes = options.limits?.memoryBytes ?? VM_BYTES
      return javascript.open({ ...start, limits: { ...start.limits, memoryBytes } })
    }
    const walls = (await findWalls())[language]
    if (!walls.isAvailable) throw refused(walls.reason)
    return openWalled(language, walls.plan, start)
  }

  /** Lets the code go on until it asks or ends; while it does, the end of the call is its end. */
  async function go(session: Session, answers: readonly Answer[], signal: AbortSignal): Promise<Said> {
    clearTimeout(session.parked)
    session.asked = undefined
    const stop = (): void => session.guest.stop()
    signal.addEventListener('abort', stop, { once: true })
    try {
      return await (signal.aborted ? { end: stopped(session) } : session.guest.next(answers))
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  function stopped({ guest }: Session): End {
    guest.stop()
    return { error: { code: 'KILLED', message: 'the action was stopped' } }
  }

  function report(session: Session, said: Said): Step {
    const { text: output, isCut } = session.guest.output()
    if (said.calls !== undefined) {
      session.asked = said.calls
      session.parked = setTimeout(() => close(session), parkedMs)
      session.parked.unref()
      const calls = said.calls.map(({ tool, input }) => ({ tool, input }))
      return { state: 'calls', session: session.id, round: session.round, calls, output }
    }
    close(session)
    if (session.language === 'javascript') javascript.prepare()
    const { value, error } = said.end
    return {
      state: 'done',
      output,
      isCut,
      ...(value === undefined ? {} : { value }),
      ...(error === undefined ? {} : { error }),
    }
  }

  function close(session: Session): void {
    clearTimeout(session.parked)
    if (sessions.delete(session.id)) leaveRoom()
    session.guest.stop()
  }

  /** Waits until fewer than `sessionsMax` actions are open, first come, first served. */
  function room(signal: AbortSignal): Promise<void> {
    if (open < sessionsMax) {
      open++
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const mine = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        queue.splice(queue.indexOf(mine), 1)
        reject(new PolityError('TIMEOUT', `code.start waited for room beside ${sessionsMax} actions (sessionsMax)`))
      }
      queue.push(mine)
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave, { once: true })
    })
  }

  /** The room that one leaves is the next one's. */
  function leaveRoom(): void {
    const next = queue.shift()
    if (next === undefined) open--
    else next()
  }

  async function start(input: z.infer<typeof startInput>, { pid, idempotencyKey, signal }: ToolContext): Promise<Step> {
    const { language, code, tools, now, seed, answered } = input
    await room(signal)
    let session: Session
    try {
      const guest = await openGuest(language, { code, tools, now, seed: seed | 0, limits })
      const id = `${idempotencyKey}.${count++}`
      session = { id, pid, language, guest, round: 0, asked: undefined, parked: undefined }
      sessions.set(id, session)
    } catch (error) {
      leaveRoom()
      throw error
    }
    try {
      let said = await go(session, [], signal)
      for (const { calls, answers } of answered) {
        const asked = (said.calls ?? []).map(({ tool, input }) => ({ tool, input }))
        if (!isDeepStrictEqual(asked, calls) || answers.length !== calls.length) {
          const message = 'the code was interrupted, and when it was run again it made other calls than before'
          return report(session, { end: { error: { code: 'TOOL_FAILED', message } } })
        }
        session.round++
        said = await go(session, answersTo(said.calls ?? [], answers), signal)
      }
      return report(session, said)
    } catch (error) {
      close(session)
      throw error
    }
  }

  async function resume(input: z.infer<typeof resumeInput>, { pid, signal }: ToolContext): Promise<Step> {
    const session = sessions.get(input.session)
    const asked = session?.asked
    if (session === undefined || session.pid !== pid || asked === undefined || session.round !== input.round) {
      throw new PolityError(
        'TOOL_FAILED',
        `code.resume: session ${input.session} is gone; start the same code again with what it was answered`,
        { detail: { session: 'gone' } },
      )
    }
    if (input.answers.length !== asked.length)
      throw new PolityError(
        'INVALID_ARGUMENT',
        `code.resume: ${asked.length} answers are wanted, not ${input.answers.length}`,
      )
    session.round++
    return report(session, await go(session, answersTo(asked, input.answers), signal))
  }

  const timeoutMs = limits.stepMs + START_MS + ROOM_MS
  return [
    defineTool({
      name: 'code.start',
      description: 'Runs code in a sandbox until it ends or asks for tools.',
      inputSchema: startInput,
      effect: 'read',
      control: ['language'],
      timeoutMs,
      execute: start,
    }) as Tool,
    defineTool({
      name: 'code.resume',
      description: 'Gives code in a sandbox the answers that it waits for, and lets it go on.',
      inputSchema: resumeInput,
      effect: 'read',
      timeoutMs,
      execute: resume,
    }) as Tool,
  ]
}

function answersTo(asked: readonly Call[], answers: readonly z.infer<typeof answer>[]): Answer[] {
  return answers.map(({ value, error }, i) => {
    const { id } = asked[i] as Call
    return error === undefined ? { id, value: (value ?? null) as Json } : { id, error }
  })
}
