/** `polity resume [pid]`: goes on with what was interrupted, from where its journal ends. */
import { PolityError } from '../../kernel/errors.ts'
import { startOf } from '../../kernel/past.ts'
import type { Pid } from '../../kernel/types.ts'
import type { Booted, Plan } from '../booted.ts'
import { bootAgain, bootTogether, crewsOf, isRefusal, planAgain } from '../booted.ts'
import { rootOf } from '../setup.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import type { Serving } from '../elsewhere.ts'
import {
  checkTerms,
  followElsewhere,
  ownerText,
  refuseOver,
  serverOf,
  statesOf,
  stoppedOf,
  takenBy,
  wish,
  wishAll,
} from '../elsewhere.ts'
import type { Followed } from '../follow.ts'
import { followAll } from '../follow.ts'
import { pidOf, usageError } from '../options.ts'
import { printRun } from '../output.ts'
import { exitCodeOf, exitCodes, sentenceOf } from '../report.ts'
import { readStore } from '../store-file.ts'

export const resume = defineCommand({
  name: 'resume',
  summary: 'go on with a stopped process, or with all of them',
  usage: '[pid]',
  positionals: [0, 1],
  options: {
    program: {
      kind: 'text',
      value: 'file.ts',
      help: 'the file of its program, where the store does not know it or it has moved',
    },
    model: { kind: 'text', value: 'provider/model', help: 'another model, for calls that it has not made yet' },
    law: {
      kind: 'text',
      value: 'file',
      help: 'another law, from there on; also the same file, where it has changed since the run began',
    },
  },
  details:
    'A run lives its journal again without any effect, and then goes on. While `polity serve` has the store open it goes on there, if it was begun with what the server has. The store remembers program, model, law and folders of every run of this command line; where its law has changed since, it goes on only with --law. ' +
    'Without a pid all that are stopped go on together; one that fails stops no other, and the exit code is the largest of theirs. With --json each has a line of its own then.',
  examples: [
    'polity resume 17',
    'polity resume',
    'polity resume 17 --program clerk.ts',
    'polity resume 17 --law clerk.json',
  ],
  async run(context, { values, positionals }) {
    const { program, model, law } = values
    if (law !== undefined && positionals.length === 0)
      throw usageError('resume takes --law with a pid: each run has a law of its own')
    const server = serverOf(context)
    if (server !== undefined) {
      refuseOver(server, { program, model })
      return resumeInServer(
        context,
        server,
        positionals.length > 0 ? rootPid(context, pidOf(positionals[0])) : undefined,
        law,
      )
    }
    const over = { program, model, law }
    if (positionals.length > 0) {
      const pid = rootPid(context, pidOf(positionals[0]))
      const booted = await bootAgain(context, pid, over).catch(async (error: unknown) => {
        throw await notHere(context, pid, error)
      })
      return resumeCrew(context, new Map([[pid, booted]]), over, (error) => {
        throw error
      })
    }
    const pids = unfinishedRoots(context)
    if (pids.length === 0) return nothingStopped(context)
    try {
      return await resumeAll(context, pids, over)
    } catch (error) {
      const taken = takenBy(context, error)
      const states = taken === error ? undefined : await statesOf(context, pids)
      // What has no end in the store may run in the kernel that has it.
      if (pids.every((pid) => states?.get(pid) === 'running')) return nothingStopped(context)
      throw taken
    }
  },
})

function nothingStopped(context: Context): number {
  context.note('no process is stopped')
  if (context.isJson) context.result('', [])
  return exitCodes.done
}

/** Why a run does not go on, where another kernel than a server's has the store: it may be the one that runs it. */
async function notHere(context: Context, pid: Pid, error: unknown): Promise<unknown> {
  const taken = takenBy(context, error)
  if (taken === error || (await statesOf(context, [pid])).get(pid) !== 'running') return taken
  return new PolityError(
    'STORE_LOCKED',
    `process ${pid} runs already, in ${ownerText(context)} that has the store open; see it with: ${context.commandLine(`trace ${pid} --follow`)}`,
    { cause: error },
  )
}

/** The run, or all that are stopped, in the server that has the store open. */
async function resumeInServer(
  context: Context,
  server: Serving,
  pid: Pid | undefined,
  law: string | undefined,
): Promise<number> {
  const goOn = (one: Pid): Promise<number> => {
    context.note(context.err.paint('dim', `process ${one} goes on in the server (process ${server.pid})`))
    return followElsewhere(context, server, one)
  }
  if (pid !== undefined) {
    await wish(context, { command: 'resume', pid, ...checkTerms(context, server, pid, law) })
    return goOn(pid)
  }
  // What has no end in the store runs in the server, or is stopped there.
  const pids = await stoppedOf(context, unfinishedRoots(context))
  if (pids.length === 0) return nothingStopped(context)
  const codes: (number | Promise<number>)[] = []
  const allowed = pids.filter((one) => {
    try {
      checkTerms(context, server, one)
      return true
    } catch (error) {
      codes.push(notResumed(context, error, one))
      return false
    }
  })
  const answers = await wishAll(
    context,
    allowed.map((one) => ({ command: 'resume', pid: one })),
  )
  for (const [at, answer] of answers.entries()) {
    const one = allowed[at] as Pid
    try {
      answer()
      codes.push(goOn(one).catch((error: unknown) => notResumed(context, error, one)))
    } catch (error) {
      codes.push(notResumed(context, error, one))
    }
  }
  return Math.max(...(await Promise.all(codes)))
}

/** One of several: it stops no other. */
function notResumed(context: Context, error: unknown, pid: Pid): number {
  if (context.isDebug) console.error(error)
  context.warn(`polity: process ${pid} is not resumed: ${sentenceOf(error)}`)
  return exitCodeOf(error)
}

interface Over {
  readonly program: string | undefined
  readonly model: string | undefined
  readonly law: string | undefined
}

/** All of them, together where one kernel can serve them; one that cannot go on keeps none of the others waiting. */
async function resumeAll(context: Context, pids: readonly Pid[], over: Over): Promise<number> {
  let exitCode: number = exitCodes.done
  const refuse = (error: unknown, pid: Pid): void => {
    exitCode = Math.max(exitCode, notResumed(context, error, pid))
  }
  const plans: Plan[] = []
  for (const pid of pids) {
    try {
      plans.push(await planAgain(context, pid, over))
    } catch (error) {
      refuse(error, pid)
    }
  }
  const crews = crewsOf(plans)
  for (const crew of crews.slice(1)) {
    const who = listed(crew.map((plan) => plan.pid as Pid))
    context.note(`${who} resumed after the others: another law, model or price, or another program of the same name`)
  }
  for (const crew of crews) {
    const pidsOfCrew = crew.map((plan) => plan.pid as Pid)
    if (context.interrupted.aborted) {
      context.warn(`${listed(pidsOfCrew)} stopped still; go on with: ${context.commandLine('resume')}`)
      continue
    }
    const booted = new Map<Pid, Booted>()
    for (const [at, outcome] of (await bootTogether(context, crew)).entries()) {
      if (isRefusal(outcome)) refuse(outcome.refused, pidsOfCrew[at] as Pid)
      else booted.set(pidsOfCrew[at] as Pid, outcome)
    }
    exitCode = Math.max(exitCode, await resumeCrew(context, booted, over, refuse))
  }
  return exitCode
}

/** Runs of one kernel, side by side. The kernel is closed when it returns. */
async function resumeCrew(
  context: Context,
  booted: ReadonlyMap<Pid, Booted>,
  over: Over,
  refuse: (error: unknown, pid: Pid) => void,
): Promise<number> {
  const [first] = booted.values()
  if (first === undefined) return exitCodes.done
  try {
    const runs: Followed[] = []
    for (const [pid, one] of booted) {
      try {
        one.kernel.resume(pid)
        runs.push({ booted: one, run: one.kernel.run(pid) })
      } catch (error) {
        refuse(error, pid)
        continue
      }
      if (Object.values(over).some((given) => given !== undefined)) one.noteSetup(pid)
      context.note(context.err.paint('dim', `process ${pid} goes on`))
    }
    if (runs.length === 0) return exitCodes.done
    const endings = await followAll(context, runs, ({ booted: one, run }, ending) =>
      printRun(context, one, run, ending),
    )
    return Math.max(...endings.map((ending) => ending.exitCode))
  } finally {
    await first.close()
  }
}

/** process 3 is, processes 3, 5 and 8 are */
function listed(pids: readonly Pid[]): string {
  if (pids.length === 1) return `process ${pids[0]} is`
  return `processes ${pids.slice(0, -1).join(', ')} and ${pids.at(-1)} are`
}

/** Resuming a child alone would leave its parent waiting for ever, so the run it belongs to is resumed. */
function rootPid(context: Context, pid: Pid): Pid {
  const reader = readStore(context.storePath)
  try {
    const root = rootOf(reader, startOf(reader, pid)).pid
    const [head] = reader.processes({ from: root, to: root + 1 })
    // In the words of the kernel, which need not be had to say so.
    if (head?.end !== undefined)
      throw new PolityError('INVALID_ARGUMENT', `process ${root} has ended; fork it to go on from one of its calls`)
    return root
  } finally {
    reader.close()
  }
}

/** Runs without an end, by pid. */
function unfinishedRoots(context: Context): Pid[] {
  const reader = readStore(context.storePath)
  try {
    return [...reader.processes()]
      .filter(({ start, end }) => end === undefined && start.parent === null)
      .map(({ start }) => start.pid)
  } finally {
    reader.close()
  }
}
