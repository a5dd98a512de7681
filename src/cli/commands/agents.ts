/** `polity agents`: the installed agents; shows one, runs one, or hands a task to the one that can do it best. */
import { join } from 'node:path'
import type { Routed } from '../../agents/router.ts'
import { PolityError } from '../../kernel/errors.ts'
import { defaultLimits } from '../../kernel/limits.ts'
import type { Json } from '../../kernel/types.ts'
import type { Installation, TeamRecord } from '../agent-store/installations.ts'
import { agentsFolder, findName, listNames, openInstallation, writeCopy } from '../agent-store/installations.ts'
import { clashingTools } from '../agent-store/load.ts'
import { manifestSchema } from '../agent-store/manifest.ts'
import { originText } from '../agent-store/source.ts'
import { bootFor } from '../booted.ts'
import type { Arguments, Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { endingJson, follow } from '../follow.ts'
import {
  budgetOf,
  budgetOptions,
  checkTaken,
  checkWords,
  jsonOrText,
  priceOption,
  setupGiven,
  usageError,
} from '../options.ts'
import { noteSources, printRun } from '../output.ts'
import { exitCodes, sentenceOf } from '../report.ts'
import { modelDefault } from '../setup.ts'
import { isPiped, readInput, readPipe, readStdin } from '../stdin.ts'
import { table } from '../table.ts'
import { oneLine, roomOf, visible } from '../terminal.ts'

const WORDS_MAX = 1_000
/** As it comes on stdin. */
const TASK = { what: 'the task', bytesMax: defaultLimits.valueBytesMax }

const options = {
  model: {
    kind: 'text',
    value: 'provider/model',
    help: `model of calls that name none (default the agent's, else ${modelDefault})`,
  },
  in: {
    kind: 'texts',
    value: 'path',
    help: 'a folder or file that the agent may search and read, if it asks for that',
  },
  law: { kind: 'text', value: 'file', help: 'a law beside that of the agent' },
  ...budgetOptions,
  ...priceOption,
} as const

/** What a verb takes; the others take as many words as there are. */
const words: { readonly [verb: string]: readonly string[] } = { list: [], show: ['<name>'], schema: [] }

type Given = Arguments<typeof options>['values']

export const agents = defineCommand({
  name: 'agents',
  summary: 'the installed agents: list, show, run, or hand a task to the best of them',
  usage: '[show <name> | run <name> [input] | ask <task> | schema]',
  positionals: [0, WORDS_MAX],
  options,
  details:
    'Alone it lists them. `show` prints what one asks for and was granted. `run` runs it with its own law, tools and budget; the input is JSON if it parses as such, else text, and is read from a pipe, or from stdin with `-`, where there are no words. `ask` lets a model choose among all of them by their skills (the words of task and skills where the model names none), and says who answered. `schema` prints the JSON Schema of polity.json.',
  examples: [
    'polity agents',
    'polity agents run ann/clerk "Pay the invoices in inbox/"',
    'polity agents ask "Count the words of this line"',
  ],
  run(context, { values, positionals: [verb = 'list', ...rest] }) {
    checkTaken('polity agents', verb, { run: Object.keys(options), ask: Object.keys(options) }, values)
    const takes = Object.hasOwn(words, verb) ? words[verb] : undefined
    if (takes !== undefined) checkWords(`polity agents ${verb}`, takes, rest)
    switch (verb) {
      case 'list':
        return Promise.resolve(list(context))
      case 'show':
        return Promise.resolve(show(context, rest[0]))
      case 'run':
        return run(context, rest, values)
      case 'ask':
        return ask(context, rest.join(' '), values)
      case 'schema':
        context.result(JSON.stringify(manifestSchema, undefined, 2), manifestSchema)
        return Promise.resolve(exitCodes.done)
      default:
        throw usageError(`agents takes show, run, ask or schema, not ${JSON.stringify(verb)}`)
    }
  },
})

function list(context: Context): number {
  const agents = agentsFolder(context.storePath)
  const rows = listNames(agents).map(({ name, hash, at, of }) => {
    try {
      const { record, origin, manifest } = openInstallation(join(agents, hash), of)
      const { version } = record
      const { description, skills, tags } = manifest
      return { name, version, installation: hash, at, origin, description, skills, tags, state: 'whole' as const }
    } catch (error) {
      return { name, version: '', installation: hash, at, description: sentenceOf(error), state: 'changed' as const }
    }
  })
  const lines =
    rows.length === 0
      ? ['no agent is installed; polity install <folder> installs one']
      : table(
          [{ title: 'NAME' }, { title: 'VERSION' }, { title: 'STATE' }, { title: 'DESCRIPTION', widthMin: 20 }],
          rows.map(({ name, version, state, description }) => [name, version, state, oneLine(description)]),
          roomOf(context.out),
        )
  context.result(lines.join('\n'), rows)
  return exitCodes.done
}

function show(context: Context, given: string | undefined): number {
  if (given === undefined) throw usageError('agents show takes the name of an agent; `polity agents` lists them')
  const { name, at, installation } = opened(context, given)
  const { record, origin, manifest } = installation
  const { granted } = record
  const shown = { name, installation: installation.hash, at, origin, granted, manifest }
  const said = `from ${originText(origin)}\n${JSON.stringify({ granted, manifest }, undefined, 2)}`
  context.result(`${name} ${record.version}, ${visible(said)}`, shown)
  return exitCodes.done
}

function opened(context: Context, given: string): { name: string; at: number; installation: Installation } {
  const agents = agentsFolder(context.storePath)
  const { name, hash, at, of } = findName(agents, given)
  return { name, at, installation: openInstallation(join(agents, hash), of) }
}

async function run(context: Context, [given, ...words]: readonly string[], values: Given): Promise<number> {
  if (given === undefined) throw usageError('agents run takes the name of an agent; `polity agents` lists them')
  const { installation } = opened(context, given)
  const piped = words.length === 0 && isPiped() ? await readPipe(context, TASK) : undefined
  if (words.length === 0 && isPiped() && piped === undefined)
    context.note(`nothing came on stdin, so it runs without input; \`polity agents run ${given} -\` waits for it`)
  const input =
    piped === undefined
      ? await readInput(context, words.length === 0 ? undefined : words.join(' '))
      : jsonOrText(piped.replace(/\n$/, ''))
  const { booted, started } = await begin(context, installation.folder, input, values)
  return printRun(context, booted, started, await follow(context, booted, started))
}

/** Hands the task to a router over all agents that can be in one team. */
async function ask(context: Context, given: string, values: Given): Promise<number> {
  const task =
    (given === '' ? await readPipe(context, TASK) : given === '-' ? await readStdin(context, TASK) : given) ?? ''
  if (task.trim() === '') throw usageError('agents ask takes a task: polity agents ask "…"')
  const agents = agentsFolder(context.storePath)
  const found: Installation[] = []
  for (const { name, hash } of listNames(agents)) {
    try {
      found.push(openInstallation(join(agents, hash)))
    } catch (error) {
      if (!PolityError.isInstance(error)) throw error
      context.warn(`${name} is left out: ${sentenceOf(error)}`)
    }
  }
  const clashes = clashingTools(found)
  for (const [name, other] of clashes)
    context.warn(`${name} is left out: it brings a tool of the same name as ${other}`)
  const members = found.filter(({ record }) => !clashes.has(record.name)).map(({ hash }) => hash)
  if (members.length === 0) throw usageError('no agent is installed; polity install <folder> installs one')
  const record: TeamRecord = { kind: 'team', members: members.toSorted(), files: {} }
  const { booted, started } = await begin(context, writeCopy(agents, record, new Map()), task, values)
  const ending = await follow(context, booted, started)
  if (ending.state !== 'done') return printRun(context, booted, started, ending)
  const { answer, by, how } = ending.value as unknown as Routed
  context.note(
    `answered by ${by} (chosen by ${how === 'model' ? 'the model' : how === 'words' ? 'its words' : 'being the only one'})`,
  )
  context.result(typeof answer === 'string' ? answer : JSON.stringify(answer), endingJson(started, ending))
  return exitCodes.done
}

async function begin(context: Context, program: string, input: Json | undefined, values: Given) {
  const budget = budgetOf(values)
  const booted = await bootFor(context, setupGiven(program, values), budget)
  noteSources(context, booted)
  const started = booted.kernel.spawn(booted.main, input as Json, { budget })
  booted.noteSetup(started.pid)
  return { booted, started }
}
