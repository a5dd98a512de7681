/**
 * What a running `polity serve` does for commands of other processes: a store has one kernel, so while the server has it,
 * runs are resumed and forked there, and followed here through the store.
 *
 *     const server = serverOf(context)                       // undefined where no server has the store open
 *     await wish(context, { command: 'resume', pid })        // throws what the kernel threw
 *     return followElsewhere(context, server, pid)           // its output and its exit code, as if it ran here
 *     await wishOr(context, { command: 'forget', … }, (kernel) => kernel.forgetNote(id, principal))   // or here, where none has it
 *     throw takenBy(context, error)                          // where another kernel than a server's has it
 *
 * Invariants
 *   EW1. A run goes on in a server only with what it was begun with: program, model, price, law, folders (checkTerms),
 *        or under the server's law where that is named. One of which the store does not say that goes on in none.
 *   EW2. Whoever stops following stops nothing: the run goes on in the server.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import { readStatus, sendCommand, takeBackCommand } from '../drivers/store/sqlite-reader.ts'
import type { Outcome } from '../kernel/commands.ts'
import type { Command, Store } from '../kernel/drivers.ts'
import type { ErrorData } from '../kernel/errors.ts'
import { PolityError, fromErrorData } from '../kernel/errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { createKernel } from '../kernel/kernel.ts'
import { startOf } from '../kernel/past.ts'
import type { Json, Pid, ProcessInfo, ProcessStart, Usage } from '../kernel/types.ts'
import { lawIn } from './booted.ts'
import type { Context } from './command.ts'
import type { Ending } from './follow.ts'
import { questionText, tell } from './follow.ts'
import { printRun } from './output.ts'
import { sayRefusals } from './refusals.ts'
import { exitCodeOfSignal, exitCodes } from './report.ts'
import { isBelow, refusingFor } from './run-status.ts'
import type { Setup } from './setup.ts'
import { differenceOf, hashOfLaw, nameOf, rootOf, setupOf } from './setup.ts'
import type { Status } from './store-file.ts'
import { askProcesses, askStatus, openStore, ownerOf, readStore } from './store-file.ts'

/** A `polity serve` that has the store open. */
export interface Serving {
  /** Id of its operating-system process. */
  readonly pid: number
  /** By `name@version`: what the runs of its programs are begun with. */
  readonly setups: { readonly [program: string]: Setup }
}

/** Where a server notes what it serves: a value of the table `meta`. */
export const servingKey = 'serving'

/** How long the kernel may take to do what is wished, ms: a fork reads a whole journal. */
const WISH_MS = 30_000
const LOOK_MS = 50
/** After so long a silence it is said who is waited for, ms; a multiple of each `LOOK_MS`. */
const NOTE_MS = 1_000
/** How long a wish is tried again while the store goes from one owner to the next, ms. */
const AGAIN_MS = 10_000
/** Wishes that are sent before their answers are waited for: far fewer than the kernel has outcomes at once. */
const TOGETHER_MAX = 32
/** How often the kernel is asked how the run stands: what its journal does not say. */
const STATUS_LOOK_MS = 1_000

/** The server that has the store open; undefined where nobody has, or another kernel. */
export function serverOf(context: Context): Serving | undefined {
  const { isOwned, pid } = ownerOf(context.storePath)
  if (!isOwned) return undefined
  const reader = readStore(context.storePath)
  try {
    const noted = reader.get('meta', servingKey)
    const serving = typeof noted === 'string' ? (JSON.parse(noted) as Serving) : undefined
    // What an earlier owner noted says nothing of this one.
    return serving?.pid === pid ? serving : undefined
  } finally {
    reader.close()
  }
}

/** Of this process: no two wishes have the same name. */
let wishes = 0

type Wish = Omit<Command, 'reply'>

/**
 * What the kernel that owns the store answers to a wish. Throws what it threw, and `STORE_LOCKED` where it says nothing:
 * with the detail `{ undone: true }` where no kernel took the wish, and none will.
 */
export async function wish(context: Context, command: Wish): Promise<Json> {
  const [answer] = (await wishTogether(context, [command])) as [() => Json]
  return answer()
}

/**
 * The same for many, some at a time: for each a function that returns the answer or throws. Where one cannot be sent, it and
 * those behind it of that time are not done and throw why; the others are told as they came out.
 */
export async function wishAll(context: Context, commands: readonly Wish[]): Promise<(() => Json)[]> {
  const answers: (() => Json)[] = []
  for (let at = 0; at < commands.length; at += TOGETHER_MAX)
    answers.push(...(await wishTogether(context, commands.slice(at, at + TOGETHER_MAX))))
  return answers
}

async function wishTogether(context: Context, commands: readonly Wish[]): Promise<(() => Json)[]> {
  const replies = commands.map(() => `${process.pid} ${context.clock.now()} ${++wishes}`)
  const sent = new Set<string>()
  let unsent: unknown
  try {
    for (const [at, command] of commands.entries()) {
      const reply = replies[at] as string
      sendCommand(context.storePath, { ...command, reply })
      sent.add(reply)
    }
  } catch (error) {
    unsent = error // of this one and those behind it; those before it are done all the same, so they are waited for
  }
  const found = new Map<string, Outcome>()
  let isGone = false
  for (let waited = 0; found.size < sent.size && waited < WISH_MS; waited += LOOK_MS) {
    if (context.interrupted.aborted) break
    noteWait(context, waited)
    await pause(LOOK_MS)
    const status = readStatus(context.storePath)
    const { outcomes = [] } = JSON.parse(status ?? '{}') as { readonly outcomes?: readonly Outcome[] }
    for (const outcome of outcomes) if (sent.has(outcome.reply)) found.set(outcome.reply, outcome)
    // One more look after it is gone, so that its last answer is not missed. A kernel that comes after it takes the wish too.
    const { isOwned } = ownerOf(context.storePath)
    if (isGone && !isOwned) break
    isGone = !isOwned
  }
  const undone = new Set([...sent].filter((reply) => !found.has(reply) && isTakenBack(context, reply)))
  return replies.map((reply) => () => {
    if (!sent.has(reply)) throw unsent
    const outcome = found.get(reply)
    if (outcome?.error !== undefined) throw fromErrorData(outcome.error)
    if (outcome !== undefined) return outcome.value ?? null
    if (undone.has(reply))
      throw new PolityError(
        'STORE_LOCKED',
        `${isGone ? 'the kernel that had' : `${ownerText(context)} that has`} the store open did not take this up; nothing was done: run it again`,
        { detail: { undone: true } },
      )
    throw new PolityError(
      'STORE_LOCKED',
      isGone
        ? `the kernel that had the store open ended before it answered; look whether it was done, or run it again`
        : `${ownerText(context)} that has the store open did not answer; it may do so yet: look with ${context.commandLine('ps')}`,
    )
  })
}

/** Says whom it waits for, once: whoever looks every `LOOK_MS` or a part of it asks each time, with how long it waited, ms. */
export function noteWait(context: Context, waitedMs: number): void {
  if (waitedMs === NOTE_MS) context.note(context.err.paint('dim', `waiting for ${ownerText(context)}`))
}

/** Where that cannot be known, the kernel may do it yet. */
function isTakenBack({ storePath }: Context, reply: string): boolean {
  try {
    return takeBackCommand(storePath, reply)
  } catch {
    return false
  }
}

/**
 * What the kernel that owns the store answers, or where none does, what `alone` does on one of our own. Who owns it may
 * change in between, so both are tried for `AGAIN_MS`.
 */
export async function wishOr<Value>(
  context: Context,
  command: Wish,
  alone: (kernel: Kernel, store: Store) => Promise<Value>,
): Promise<Value> {
  for (const startedAt = context.clock.now(); ; await pause(LOOK_MS)) {
    const { isOwned } = ownerOf(context.storePath)
    try {
      return isOwned ? ((await wish(context, command)) as unknown as Value) : await onStore(context, alone)
    } catch (error) {
      const isLost =
        PolityError.isInstance(error) &&
        error.code === 'STORE_LOCKED' &&
        (!isOwned || (error.detail as { readonly undone?: true } | undefined)?.undone === true)
      if (!isLost || context.interrupted.aborted || context.clock.now() - startedAt >= AGAIN_MS) throw error
    }
  }
}

/** On a kernel of our own, for as long as this takes. A store that is not there is not made. */
async function onStore<Value>(
  { storePath }: Context,
  work: (kernel: Kernel, store: Store) => Promise<Value>,
): Promise<Value> {
  readStore(storePath).close()
  const store = await openStore(storePath)
  const kernel = createKernel({ store })
  try {
    return await work(kernel, store)
  } finally {
    await kernel.close()
  }
}

/** What to say where another kernel than a server's has the store open, which is why it could not be taken; else the error as it is. */
export function takenBy(context: Context, error: unknown): unknown {
  if (!PolityError.isInstance(error) || error.code !== 'STORE_LOCKED') return error
  return new PolityError(
    'STORE_LOCKED',
    `${ownerText(context)} has the store open, and goes on with nothing but its own runs; wait for it to end, or end it, and run this again`,
    { cause: error },
  )
}

/** The kernel that has the store open, by its operating-system process. */
export function ownerText({ storePath }: Context): string {
  const { pid } = ownerOf(storePath)
  return pid === undefined ? 'the kernel' : `the kernel in process ${pid}`
}

/** How these stand in the kernel that has the store open; none of those that it says nothing of. */
export async function statesOf(
  { storePath }: Context,
  pids: readonly Pid[],
): Promise<ReadonlyMap<Pid, ProcessInfo['state']>> {
  const reader = readStore(storePath)
  try {
    const status = await askStatus(storePath, reader)
    const found = status && (await askProcesses(storePath, reader, status, pids))
    return new Map([...(found ?? [])].map(([pid, { state }]) => [pid, state]))
  } finally {
    reader.close()
  }
}

/** Those of some processes that are stopped in the kernel that owns the store. */
export async function stoppedOf(context: Context, pids: readonly Pid[]): Promise<Pid[]> {
  const answers = await wishAll(
    context,
    pids.map((pid) => ({ command: 'status', pid })),
  )
  return pids.filter((_, at) => {
    try {
      const answer = answers[at] as () => Json
      return (answer() as unknown as ProcessInfo).state === 'stopped'
    } catch (error) {
      if (PolityError.isInstance(error) && error.code === 'NO_SUCH_PROCESS') return false // it ended just now, and went
      throw error
    }
  })
}

/**
 * Throws unless a run of the store can go on in the server as it was begun; or knowingly under a law that is named, which
 * has to be the server's. Returns what goes with the wish: the server looks again, for it may be another one by then.
 */
export function checkTerms(
  context: Context,
  { pid: server, setups }: Serving,
  pid: Pid,
  law?: string,
): Pick<Command, 'law'> {
  const reader = readStore(context.storePath)
  let root: ProcessStart
  let own: Setup | undefined
  try {
    root = rootOf(reader, startOf(reader, pid))
    own = setupOf(reader, root)
  } finally {
    reader.close()
  }
  const name = nameOf({ name: root.program, version: root.version })
  const theirs = setups[name]
  const alone = `end that server to go on with it, or name another store`
  if (theirs === undefined)
    throw new PolityError(
      'STORE_LOCKED',
      `process ${pid} runs ${name}, which the server in process ${server} that has the store open does not serve; ${alone}`,
    )
  const named = law === undefined ? undefined : hashOfLaw(lawIn(law))
  if (named !== undefined && theirs.lawHash !== named)
    throw new PolityError(
      'STORE_LOCKED',
      `the server in process ${server} has the store open and another law than ${law}; leave out --law, or end that server first`,
    )
  if (own === undefined)
    throw new PolityError(
      'STORE_LOCKED',
      `process ${pid} does not go on in the server in process ${server} that has the store open, because the store does not say with what it was begun; end that server, and name the program with --program`,
    )
  const differs = differenceOf(named === undefined ? own : { ...own, ...lawOf(theirs) }, theirs)
  if (differs !== undefined)
    throw new PolityError(
      'STORE_LOCKED',
      `process ${pid} was begun with another ${differs} than the server in process ${server} has, and that has the store open; ${alone}${differs === 'law' && theirs.law !== undefined ? `, or go on under the server’s law with --law ${theirs.law}` : ''}`,
    )
  return named === undefined ? {} : { law: named }
}

function lawOf({ law, lawHash }: Setup): Setup {
  return { law, lawHash }
}

/** Says that options which choose another program or model are not for the server. */
export function refuseOver({ pid }: Serving, given: { readonly [option: string]: unknown }): void {
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? []
  if (name !== undefined)
    throw new PolityError(
      'STORE_LOCKED',
      `the server in process ${pid} has the store open and goes on with its own program, model and price; leave out --${name}, or end that server first`,
    )
}

/** Waits for the end of a run of the server, prints what it came to, and returns its exit code. */
export async function followElsewhere(context: Context, server: Serving, pid: Pid): Promise<number> {
  const startedAt = context.clock.now()
  const reader = readStore(context.storePath)
  try {
    const ending = await endingOf(context, reader, pid)
    if (ending === undefined) {
      context.warn(
        context.err.paint(
          'yellow',
          `process ${pid} goes on in the server (process ${server.pid}); see it with: ${context.commandLine(`trace ${pid} --follow`)}`,
        ),
      )
      return exitCodeOfSignal(context.interrupted.reason)
    }
    tell(context, { pid }, ending, context.clock.now() - startedAt)
    const main = { name: startOf(reader, pid).program }
    return printRun(context, { main, sources: undefined }, { pid }, ending)
  } finally {
    reader.close()
  }
}

/** A status shows so many processes and no more: one that is not among them is asked for by itself. */
async function infoOf(context: Context, pid: Pid, status: Status | undefined): Promise<ProcessInfo | undefined> {
  if (status === undefined) return undefined
  try {
    return (await wish(context, { command: 'status', pid })) as unknown as ProcessInfo
  } catch {
    return undefined // it has ended and its journal went, or the kernel is gone: the next look tells
  }
}

/** undefined where whoever waits for it went away. */
async function endingOf(context: Context, reader: StoreReader, pid: Pid): Promise<Ending | undefined> {
  const shown = new Set<number>()
  const say = sayRefusals(context)
  let askedAt = 0
  while (!context.interrupted.aborted) {
    const [head] = reader.processes({ from: pid, to: pid + 1 })
    const end = head?.end
    if (end !== undefined)
      return end.state === 'done'
        ? { state: 'done', value: end.value ?? null, usage: end.usage, exitCode: exitCodes.done }
        : ending(end.state, end.error ?? unknownEnd, end.usage, exitCodes.failed)
    if (context.clock.now() - askedAt >= STATUS_LOOK_MS) {
      const status = await askStatus(context.storePath, reader)
      const info = status?.processes.find((one) => one.pid === pid) ?? (await infoOf(context, pid, status))
      if (info?.state === 'stopped' || (status === undefined && !ownerOf(context.storePath).isOwned))
        return ending('stopped', info?.error ?? serverGone, info?.usage ?? noUsage, exitCodes.stopped)
      if (status !== undefined) {
        showQuestions(context, reader, status, pid, shown)
        say(await refusingFor(context.storePath, reader, status, pid))
      }
      askedAt = context.clock.now()
    }
    await pause(LOOK_MS, undefined, { signal: context.interrupted }).catch(() => {})
  }
  return undefined
}

function ending(state: 'failed' | 'killed' | 'stopped', error: ErrorData, usage: Usage, exitCode: number): Ending {
  return { state, error, place: undefined, usage, exitCode }
}

const unknownEnd: ErrorData = { code: 'PROGRAM_FAILED', message: 'the journal does not say why' }
const serverGone: ErrorData = { code: 'KERNEL_CLOSED', message: 'the server that ran it is gone' }
const noUsage: Usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, usd: 0, steps: 0, calls: 0, children: 0 }

/** Each once, with the line that answers it. */
function showQuestions(
  context: Context,
  reader: StoreReader,
  { questions, processes }: Status,
  root: Pid,
  seen: Set<number>,
): void {
  for (const question of questions) {
    if (seen.has(question.id)) continue
    const isOurs = isBelow(reader, processes, question.pid, root)
    if (isOurs !== undefined) seen.add(question.id)
    if (isOurs === true) context.warn(questionText(context, question, false))
  }
}
