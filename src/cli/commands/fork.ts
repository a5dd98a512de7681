/** `polity fork <pid>`: a new run with the past of another up to one of its calls. */
import type { Pid } from '../../kernel/types.ts'
import { bootAgain } from '../booted.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { checkTerms, followElsewhere, refuseOver, serverOf, takenBy, wish } from '../elsewhere.ts'
import { follow } from '../follow.ts'
import { ofChild } from '../of-child.ts'
import { budgetOf, budgetOptions, pidOf, priceOf, priceOption } from '../options.ts'
import { printRun } from '../output.ts'

export const fork = defineCommand({
  name: 'fork',
  summary: 'run again from one of the calls of a process',
  usage: '<pid>',
  positionals: [1, 1],
  options: {
    at: {
      kind: 'whole',
      value: 'n',
      help: 'the call from which it goes on, as `polity trace` numbers them (default: all its past)',
    },
    program: { kind: 'text', value: 'file.ts', help: 'the file of its program, where the store does not know it' },
    model: { kind: 'text', value: 'provider/model', help: 'another model, for calls from there on' },
    law: {
      kind: 'text',
      value: 'file',
      help: 'another law, for calls from there on; also the same file, where it has changed since the run began',
    },
    ...budgetOptions,
    ...priceOption,
  },
  details:
    'What stands before call n in the journal is lived again without any effect; call n and what follows is done anew. Files and notes are those of that moment. The first run is not touched. While `polity serve` has the store open the fork runs there.',
  examples: ['polity fork 17 --at 3', 'polity fork 17 --at 3 --budget-usd 1'],
  async run(context, { values, positionals }) {
    const pid = pidOf(positionals[0])
    const budget = budgetOf(values)
    const options = {
      ...(values.at === undefined ? {} : { at: values.at }),
      ...(Object.keys(budget).length === 0 ? {} : { budget }),
    }
    const over = { program: values.program, model: values.model, price: priceOf(values.price) }
    const wrong = (error: unknown): never => {
      throw ofChild(context, 'fork', pid, error)
    }
    const server = serverOf(context)
    if (server !== undefined) {
      refuseOver(server, over)
      const terms = checkTerms(context, server, pid, values.law)
      const forked = (await wish(context, { command: 'fork', pid, ...options, ...terms }).catch(wrong)) as Pid
      noteFork(context, pid, forked, values.at)
      return followElsewhere(context, server, forked)
    }
    const booted = await bootAgain(context, pid, { ...over, law: values.law }, budget).catch((error: unknown) => {
      throw takenBy(context, error)
    })
    try {
      const run = await booted.kernel.fork(pid, options).catch(wrong)
      booted.noteSetup(run.pid)
      noteFork(context, pid, run.pid, values.at)
      return printRun(context, booted, run, await follow(context, booted, run))
    } finally {
      await booted.close()
    }
  },
})

function noteFork({ note, err }: Context, pid: Pid, fork: Pid, at: number | undefined): void {
  note(err.paint('dim', `process ${fork} is a fork of ${pid}${at === undefined ? '' : ` at call #${at}`}`))
}
