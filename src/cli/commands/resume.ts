/** `polity resume [pid]`: goes on with what was interrupted, from where its journal ends. */
import type { Pid } from '../../kernel/types.ts'
import { bootAgain } from '../booted.ts'
import { rootOf, startOf } from '../setup.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { follow } from '../follow.ts'
import { pidOf } from '../options.ts'
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
  },
  details:
    'A run lives its journal again without any effect, and then goes on. The store remembers program, model, law and folders of every run of this command line.',
  examples: ['polity resume 17', 'polity resume', 'polity resume 17 --program clerk.ts'],
  async run(context, { values, positionals }) {
    const pids = positionals.length === 0 ? stoppedRoots(context) : [rootPid(context, pidOf(positionals[0]))]
    if (pids.length === 0) {
      context.note('no process is stopped')
      if (context.isJson) context.result('', [])
      return exitCodes.done
    }
    let exitCode: number = exitCodes.done
    // One after the other: each has its own program, model and law.
    for (const pid of pids) {
      const code = await resumeOne(context, pid, { program: values.program, model: values.model }).catch(
        (error: unknown) => {
          if (pids.length === 1) throw error
          // One that cannot go on does not keep the others waiting.
          context.warn(`polity: process ${pid} is not resumed: ${sentenceOf(error)}`)
          return exitCodeOf(error)
        },
      )
      if (code !== exitCodes.done) exitCode = code
      if (context.interrupted.aborted) break
    }
    return exitCode
  },
})

async function resumeOne(
  context: Context,
  pid: Pid,
  over: { program: string | undefined; model: string | undefined },
): Promise<number> {
  const booted = await bootAgain(context, pid, over)
  try {
    booted.kernel.resume(pid)
    const resumed = booted.kernel.run(pid)
    if (over.program !== undefined || over.model !== undefined) booted.noteSetup(pid)
    context.note(context.err.paint('dim', `process ${pid} goes on`))
    return printRun(context, booted, resumed, await follow(context, booted, resumed))
  } finally {
    await booted.close()
  }
}

/** Resuming a child alone would leave its parent waiting for ever, so the run it belongs to is resumed. */
function rootPid(context: Context, pid: Pid): Pid {
  const reader = readStore(context.storePath)
  try {
    return rootOf(reader, startOf(reader, pid)).pid
  } finally {
    reader.close()
  }
}

function stoppedRoots(context: Context): Pid[] {
  const reader = readStore(context.storePath)
  try {
    return [...reader.processes()]
      .filter(({ start, end }) => end === undefined && start.parent === null)
      .map(({ start }) => start.pid)
  } finally {
    reader.close()
  }
}
