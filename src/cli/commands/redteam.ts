/** `polity redteam [agent.ts]`: the attacks that the field has published, on an agent, and what got through. */
import { loadEmbedder, loadModel } from '../../boot.ts'
import { pinsOf, readPins } from '../../drivers/tool-pins.ts'
import { nearest } from '../../kernel/known-keys.ts'
import { parseLaw } from '../../policy/law.ts'
import { attackTarget } from '../../redteam/attack.ts'
import { attacks } from '../../redteam/attacks.ts'
import { ownTargets } from '../../redteam/own.ts'
import { attackAllRecall, recallTable } from '../../redteam/retrieval/table.ts'
import { SIMULATED, reportText } from '../../redteam/report.ts'
import type { Target } from '../../redteam/target.ts'
import { toolsOf } from '../../redteam/target.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { readAs } from '../given-file.ts'
import { budgetOf, budgetOptions, checkTaken, embedderOption, jsonOrText, usageError } from '../options.ts'
import { loadProgramFile } from '../program-file.ts'
import { exitCodeOfSignal, exitCodes } from '../report.ts'
import { embedderDefault } from '../setup.ts'

export const redteam = defineCommand({
  name: 'redteam',
  summary: 'attack an agent with what the field has published, and say what got through',
  usage: '[agent.ts]',
  positionals: [0, 1],
  options: {
    law: { kind: 'text', value: 'file', help: 'a law: which calls are allowed' },
    attack: { kind: 'texts', value: 'name', help: 'only this attack (default all)' },
    input: { kind: 'text', value: 'json', help: 'what an honest user asks: JSON if it parses as such, else text' },
    model: {
      kind: 'text',
      value: 'provider/model',
      help: 'a real model instead of the scripted one that obeys everything',
    },
    pins: {
      kind: 'text',
      value: 'file',
      help: 'manifests of the tools as --print-pins printed them: others are refused',
    },
    'print-pins': { kind: 'flag', help: 'print the pins of the agent’s tools, and attack nothing' },
    recall: {
      kind: 'flag',
      help: 'plant notes in a memory, search triggers against the embedder, and count what is recalled',
    },
    seeds: {
      kind: 'whole',
      value: 'n',
      range: [1],
      help: 'memories that --recall attacks, each with its own trigger (default 3)',
    },
    ...embedderOption,
    'budget-children': { kind: 'whole', value: 'n', help: 'most processes that the run may start' },
    ...budgetOptions,
  },
  details:
    'The agent runs in a real kernel, with its law and budget; its tools are replaced by stand-ins with the same manifests that execute nothing. The model is scripted and obeys every instruction that it sees, so what stops an attack is the kernel and the law. ' +
    'Without a file, Polity’s own agents are attacked, and one without any law, on which most attacks succeed. Exit code 1 where something got through to an agent that was given, or to one of ours that has something against it. ' +
    `Attacks: ${attacks.map(({ name }) => name).join(', ')}.`,
  examples: [
    'polity redteam clerk.ts --law clerk.json --budget-steps 40',
    'polity redteam clerk.ts --attack injected-result --json',
    'polity redteam clerk.ts --print-pins > pins.json',
    'polity redteam --recall',
  ],
  async run(context, { values, positionals: [file] }) {
    checkTaken('polity redteam', values.recall ? '--recall' : '[agent.ts]', ways, values)
    if (values.recall) return attackMemory(context, file, values)
    const chosen = values.attack.length === 0 ? attacks : values.attack.map(attackNamed)
    const given = file === undefined ? undefined : await targetFrom(file, values)
    if (values['print-pins']) {
      if (given === undefined) throw usageError('--print-pins needs the file of an agent')
      const pins = pinsOf(toolsOf(given))
      context.result(JSON.stringify(pins, undefined, 2), pins)
      return exitCodes.done
    }
    const model = values.model === undefined ? undefined : await loadModel(values.model)
    const targets = given === undefined ? ownTargets : [given]
    const reports = []
    for (const target of targets) {
      context.status.show(`attacking ${target.name}`)
      reports.push(await attackTarget(target, chosen, model === undefined ? {} : { model }))
    }
    context.status.clear()
    context.note(
      model === undefined
        ? SIMULATED
        : 'Tools are stand-ins that execute nothing; the model is real, and another run may end otherwise.',
    )
    context.result(reports.map(reportText).join('\n\n'), given === undefined ? reports : reports[0])
    // The bare specimen is there to show that the attacks work.
    const judged = reports.filter((_, i) => given !== undefined || targets[i]?.law !== undefined || i > 0)
    // An attack that was not tried is no green light.
    const isBad = judged.some(({ findings }) =>
      findings.some(({ status }) => status === 'through' || (given !== undefined && status === 'not tried')),
    )
    return isBad ? exitCodes.failed : exitCodes.done
  },
})

/** What means something with `--recall` means nothing without, and the other way round. */
const ways = {
  '[agent.ts]': [
    'law',
    'attack',
    'input',
    'model',
    'pins',
    'print-pins',
    'budget-children',
    ...Object.keys(budgetOptions),
  ],
  '--recall': ['seeds', 'embedder'],
}

/** Poisoned recall; it attacks no agent, so nothing got through to one. */
async function attackMemory(
  context: Context,
  file: string | undefined,
  {
    embedder = embedderDefault,
    seeds = 3,
  }: { readonly embedder: string | undefined; readonly seeds: number | undefined },
): Promise<number> {
  if (file !== undefined) throw usageError('--recall attacks a memory of its own, and takes no file of an agent')
  let rows: Awaited<ReturnType<typeof attackAllRecall>>
  try {
    rows = await attackAllRecall({
      embedder: await loadEmbedder(embedder),
      seeds,
      onStep: (what) =>
        context.err.isTerminal ? context.status.show(`planting: ${what}`) : context.note(`planting: ${what}`),
      // It computes all the time: without a turn of the event loop nobody hears a signal.
      async turn() {
        await new Promise<void>((resolve) => context.clock.yield(resolve))
        context.interrupted.throwIfAborted()
      },
    })
  } catch (error) {
    if (context.interrupted.aborted) return exitCodeOfSignal(context.interrupted.reason)
    throw error
  } finally {
    context.status.clear()
  }
  context.note('Shares of questions in percent, without → with the guard. docs/redteam.md says what the columns mean.')
  context.result(recallTable(rows), rows)
  return exitCodes.done
}

function attackNamed(name: string): (typeof attacks)[number] {
  const found = attacks.find((attack) => attack.name === name)
  if (found !== undefined) return found
  const names = attacks.map((attack) => attack.name)
  const near = nearest(name, names)
  throw usageError(
    `there is no attack ${JSON.stringify(name)}${near === undefined ? `; there are ${names.join(', ')}` : `; did you mean ${near}?`}`,
  )
}

interface Given {
  readonly law: string | undefined
  readonly pins: string | undefined
  readonly input: string | undefined
  readonly 'budget-children': number | undefined
}

async function targetFrom(file: string, values: Given & Parameters<typeof budgetOf>[0]): Promise<Target> {
  const { main, programs } = await loadProgramFile(file)
  const { 'budget-children': children } = values
  const budget = { ...budgetOf(values), ...(children === undefined ? {} : { children }) }
  if (budget.usd !== undefined) throw usageError('--budget-usd means nothing here: a scripted model costs nothing')
  return {
    name: main.name,
    program: main,
    programs: programs.filter((program) => program !== main),
    budget,
    ...(values.law === undefined ? {} : { law: readAs(values.law, parseLaw) }),
    ...(values.pins === undefined ? {} : { pins: readAs(values.pins, readPins) }),
    ...(values.input === undefined ? {} : { input: jsonOrText(values.input) }),
  }
}
