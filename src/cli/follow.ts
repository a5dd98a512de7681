/**
 * Following a run to its end: progress, questions, interruption, and the exit code it comes to.
 *
 * Invariants
 *   F1. An interrupted run is stopped, not killed: its journal stays open, and the line that resumes it is printed. Where
 *       the store could not keep even its start, that is said instead.
 *   F2. A question that waits is shown once, with the line that answers it; on a terminal it can be answered in place.
 *   F3. A core that has only refused for a while is said once, with the provider's words (refusals.ts).
 */
import { createInterface } from 'node:readline'
import { inspect } from 'node:util'
import type { ErrorData } from '../kernel/errors.ts'
import { toErrorData } from '../kernel/errors.ts'
import type { Kernel, Run } from '../kernel/kernel.ts'
import type { Json, Question, RunEvent, Usage } from '../kernel/types.ts'
import { costOf, duration, tokens } from './amounts.ts'
import { answerOf } from './answer-text.ts'
import type { Booted } from './booted.ts'
import type { Context } from './command.ts'
import { describeCall } from './call-text.ts'
import { jsonOrText } from './options.ts'
import { placeOf } from './place.ts'
import { showRefusals } from './refusals.ts'
import { exitCodeOfSignal, exitCodes, sentenceOfData } from './report.ts'
import { headsIn } from './store-file.ts'
import { oneLine } from './terminal.ts'

export type Ending =
  | { readonly state: 'done'; readonly value: Json; readonly usage: Usage; readonly exitCode: 0 }
  | {
      readonly state: 'failed' | 'killed' | 'stopped'
      readonly error: ErrorData
      /** The line of the program at which it failed, where that is known. */
      readonly place: string | undefined
      readonly usage: Usage
      readonly exitCode: number
      /** Whether the store has nothing of the run: it cannot be resumed, and its pid may be given again. @default false */
      readonly isLost?: boolean
    }

const QUESTIONS_LOOK_MS = 150
const STATUS_LOOK_MS = 250

/** A run and what it was booted with. */
export interface Followed {
  readonly booted: Booted
  readonly run: Run
}

/** Waits for the end of a run and says on stderr how it goes. The kernel is closed when it returns. */
export async function follow(context: Context, booted: Booted, run: Run): Promise<Ending> {
  const [ending] = await followAll(context, [{ booted, run }], () => {})
  return ending as Ending
}

/**
 * The same for runs of one kernel. `onEnd` hears of each when it has ended; of the last when the kernel is closed, so that
 * who reads that the run is done finds the store free.
 */
export async function followAll(
  context: Context,
  all: readonly Followed[],
  onEnd: (one: Followed, ending: Ending) => void,
): Promise<readonly Ending[]> {
  const [
    {
      booted: { kernel, close },
    },
  ] = all as readonly [Followed]
  const startedAt = context.clock.now()
  for (const { run } of all) context.unfinished.add(run.pid)
  const runs = all.map(({ run }) => run)
  const stopWatching = context.isQuiet || !context.err.isTerminal ? () => {} : watch(context, kernel, runs, startedAt)
  const stopAsking = showQuestions(context, kernel)
  const stopRefusals = showRefusals(context, () => kernel.cores)
  const interrupt = (): void => void close()
  if (context.interrupted.aborted) interrupt()
  else context.interrupted.addEventListener('abort', interrupt, { once: true })
  let left = all.length
  const end = async (one: Followed): Promise<Ending> => {
    const came = await endingOf(context, one)
    context.unfinished.delete(one.run.pid)
    if (--left === 0) {
      stopWatching()
      stopAsking()
      stopRefusals()
      context.interrupted.removeEventListener('abort', interrupt)
      context.status.clear()
      await close()
    }
    const ending =
      came.state === 'stopped' ? { ...came, isLost: headsIn(context.storePath, [one.run.pid]).length === 0 } : came
    tell(context, one.run, ending, context.clock.now() - startedAt)
    onEnd(one, ending)
    return ending
  }
  return Promise.all(all.map(end))
}

async function endingOf(context: Context, { booted, run }: Followed): Promise<Ending> {
  try {
    const value = await run.result
    return { state: 'done', value, usage: run.usage, exitCode: exitCodes.done }
  } catch (error) {
    const thrown = booted.thrownIn(run.pid)
    if (thrown !== undefined && context.isDebug) context.warn(inspect(thrown))
    return failed(context, run, toErrorData(error), placeOf(thrown))
  }
}

/** The ending as `--json` shows it. */
export function endingJson(run: Pick<Run, 'pid'>, ending: Ending): { readonly [key: string]: unknown } {
  return {
    pid: ending.state !== 'done' && ending.isLost === true ? null : run.pid,
    state: ending.state,
    ...(ending.state === 'done' ? { output: ending.value } : { error: ending.error }),
    ...(ending.state === 'done' || ending.place === undefined ? {} : { place: ending.place }),
    usage: ending.usage,
  }
}

function failed(context: Context, run: Run, error: ErrorData, place: string | undefined): Ending {
  const state = stateOf(context, run)
  const exitCode =
    state !== 'stopped'
      ? exitCodes.failed
      : context.interrupted.aborted
        ? exitCodeOfSignal(context.interrupted.reason)
        : exitCodes.stopped
  return { state, error, place, usage: run.usage, exitCode }
}

/** An end that the store could not keep is none: what is kept can be resumed. */
function stateOf({ storePath }: Context, run: Run): 'failed' | 'killed' | 'stopped' {
  const { state } = run.info()
  if (state !== 'failed' && state !== 'killed') return 'stopped'
  return headsIn(storePath, [run.pid])[0]?.end === undefined ? 'stopped' : state
}

/** Says on stderr how a run ended. */
export function tell(context: Context, run: Pick<Run, 'pid'>, ending: Ending, tookMs: number): void {
  const { err } = context
  const cost = costOf(ending.usage)
  if (ending.state === 'done') {
    context.note(err.paint('dim', `process ${run.pid} is done: ${duration(tookMs)}, ${cost}`))
  } else if (ending.state === 'stopped') {
    const again = context.commandLine(`resume ${run.pid}`)
    if (ending.isLost === true)
      context.warn(
        `polity: the run is stopped: ${sentenceOfData(ending.error)} Nothing of it is found in the store, so it cannot be resumed.`,
      )
    else if (context.interrupted.aborted)
      context.warn(err.paint('yellow', `process ${run.pid} is interrupted; go on with: ${again}`))
    else
      context.warn(
        `polity: process ${run.pid} is stopped: ${sentenceOfData(ending.error)} When that is mended, go on with: ${again}`,
      )
  } else {
    context.warn(
      `polity: process ${run.pid} ${ending.state === 'killed' ? 'was killed' : 'failed'}${ending.place === undefined ? '' : ` at ${ending.place}`}: ${sentenceOfData(ending.error)}`,
    )
    context.note(err.paint('dim', `after ${duration(tookMs)}, ${cost}; see ${context.commandLine(`trace ${run.pid}`)}`))
  }
}

// ----------------------------------------------------------------------------------------------------------- progress

/** One line that says what happens now; drawn again as things happen and as time goes by. */
function watch(context: Context, kernel: Kernel, runs: readonly Run[], startedAt: number): () => void {
  const programs = new Map<number, string>()
  const open = runs.map(() => new Map<string, string>())
  let isOver = false
  let timer = context.clock.after(0, tick)
  for (const [at, run] of runs.entries())
    void (async () => {
      for await (const event of run.events) hear(event, open[at] as Map<string, string>)
    })()

  function hear(event: RunEvent, calls: Map<string, string>): void {
    if (event.type === 'process-start') programs.set(event.pid, event.program)
    if (event.type === 'call-start')
      calls.set(`${event.pid}.${event.n}`, `${programOf(event.pid)} ${describeCall(event.call, event.args, 60)}`)
    if (event.type === 'call-end') calls.delete(`${event.pid}.${event.n}`)
    if (event.type === 'process-end')
      for (const key of calls.keys()) if (key.startsWith(`${event.pid}.`)) calls.delete(key)
    draw()
  }

  function programOf(pid: number): string {
    let name = programs.get(pid)
    if (name === undefined) programs.set(pid, (name = kernel.info(pid).program))
    return name
  }

  function draw(): void {
    if (isOver) return
    // Where somebody types an answer, nothing is drawn over it.
    if (canAnswerHere(context) && kernel.questions.length > 0) return context.status.clear()
    const used = runs.reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0)
    const doing = runs.flatMap((run, at) => {
      if (!context.unfinished.has(run.pid)) return []
      return [`${runs.length > 1 ? `${run.pid} ` : ''}${nowOf(open[at] as Map<string, string>)}`]
    })
    const count = runs.length > 1 ? `${doing.length} of ${runs.length} go on, ` : ''
    context.status.show(
      `${count}${duration(context.clock.now() - startedAt)}, ${tokens(used)} tokens: ${doing.join(' | ')}`,
    )
  }

  function tick(): void {
    draw()
    timer = context.clock.after(STATUS_LOOK_MS, tick)
  }

  return () => {
    isOver = true
    timer.cancel()
  }
}

/** The last of the calls that are open. A parent that waits for its children says less than they do. */
function nowOf(open: ReadonlyMap<string, string>): string {
  const calls = [...open.values()].filter((call) => !/ (?:wait|spawn)\(/.test(call))
  return `${calls.at(-1) ?? 'thinking'}${calls.length > 1 ? ` and ${calls.length - 1} more` : ''}`
}

// ---------------------------------------------------------------------------------------------------------- questions

function showQuestions(context: Context, kernel: Kernel): () => void {
  const shown = new Set<number>()
  const lines = canAnswerHere(context) ? createInterface({ input: process.stdin, terminal: false }) : undefined
  // Typed ahead of any question, a line answers none.
  lines?.on('line', (line) => {
    const question = kernel.questions[0]
    if (question === undefined) return
    try {
      const { text, value } = answerOf(question, line.trim())
      kernel.answer(question.id, text, value === undefined ? undefined : jsonOrText(value))
    } catch (error) {
      context.warn(`polity: ${sentenceOfData(toErrorData(error))}`)
    }
  })
  let timer = context.clock.after(QUESTIONS_LOOK_MS, look)
  function look(): void {
    for (const question of kernel.questions) {
      if (shown.has(question.id)) continue
      shown.add(question.id)
      context.status.clear()
      context.warn(questionText(context, question, lines !== undefined))
    }
    timer = context.clock.after(QUESTIONS_LOOK_MS, look)
  }
  return () => {
    timer.cancel()
    lines?.close()
  }
}

function canAnswerHere({ err }: Context): boolean {
  return process.stdin.isTTY === true && !process.stdin.readableEnded && err.isTerminal
}

/** A question with the line that answers it. */
export function questionText(
  context: Context,
  { id, pid, kind, text, choices, detail }: Question,
  canAnswerHere: boolean,
): string {
  const { err } = context
  const about = detail === null ? '' : `\n  ${oneLine(JSON.stringify(detail)).slice(0, 400)}`
  // A model may have written them: what would move the cursor is shown, not done.
  const shown = choices?.map(oneLine)
  const how = shown === undefined ? 'type an answer' : `type ${shown.join(', ')}`
  const isApproval = kind === 'approval'
  const elsewhere = context.commandLine(
    isApproval ? `approve ${id}` : `answer ${id} ${shown === undefined ? '<text>' : shown.join('|')}`,
  )
  return `${err.paint('yellow', `process ${pid} asks: ${oneLine(text)}`)}${about}\n  ${canAnswerHere ? `${how}, or from elsewhere: ` : 'answer with: '}${elsewhere}`
}
