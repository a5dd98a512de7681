/** `polity install <folder | package | url>`: shows what an agent asks for, and installs it where a person says yes. */
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { PolityError } from '../../kernel/errors.ts'
import type { CerebrumAgent } from '../agent-store/cerebrum.ts'
import { readCerebrum } from '../agent-store/cerebrum.ts'
import type { Installation, Named } from '../agent-store/installations.ts'
import { agentsFolder, currentOf, openInstallation, setName, writeCopy } from '../agent-store/installations.ts'
import type { InstallRequest } from '../agent-store/request.ts'
import { describeRequest, requestOf } from '../agent-store/request.ts'
import { takeIn } from '../agent-store/source.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { budgetOf, budgetOptions, usageError } from '../options.ts'
import { exitCodes } from '../report.ts'
import { oneLine } from '../terminal.ts'

export const install = defineCommand({
  name: 'install',
  summary: 'install an agent that somebody packaged',
  usage: '<folder | package | url>',
  positionals: [1, 1],
  options: {
    yes: { kind: 'flag', short: 'y', help: 'a person has seen what it asks for, and wants it' },
    'dry-run': { kind: 'flag', help: 'show what it asks for, and install nothing' },
    replace: { kind: 'flag', help: 'take the place of an agent of that name that came from elsewhere' },
    without: { kind: 'texts', value: 'tool', help: 'do not give it this optional tool' },
    'key-env': { kind: 'text', value: 'name', help: 'for a remote agent: the environment variable that holds its key' },
    ...budgetOptions,
  },
  details:
    'A folder holds polity.json and the program. A package is one of npm, such as clerk-agent@1.2.0, or a .tgz; no script of it is run. A URL is that of the card of an A2A agent. ' +
    'What it asks for is shown first: tools, calls, budget, law, findings of lint, where it comes from. Nothing of it is run before you agree; without a terminal that takes --yes. The --budget options are ceilings beside those that it asks for.',
  examples: [
    'polity install ./clerk',
    'polity install clerk-agent@1.2.0 --budget-usd 0.50',
    'polity install https://agents.example/a2a/clerk --key-env CLERK_KEY',
  ],
  async run(context, { values, positionals: [spec = ''] }) {
    const agents = agentsFolder(context.storePath)
    context.status.show(`reading ${oneLine(spec)}`)
    const taken = await takeIn(spec, { agents, signal: context.interrupted, keyEnv: values['key-env'] }).finally(() =>
      context.status.clear(),
    )
    if (!taken.files.has('agent/polity.json')) {
      const cerebrum = readCerebrum(
        new Map([...taken.files].map(([path, content]) => [path.replace(/^agent\//, ''), content])),
      )
      if (cerebrum !== undefined) return tellCerebrum(context, spec, cerebrum)
    }
    let before: Named | undefined
    const request = requestOf(taken, {
      before: (name) => {
        before = currentOf(agents, name)
        return before === undefined ? undefined : openedOr(join(agents, before.hash), before.of)
      },
      without: values.without,
      budget: budgetOf(values),
    })
    const { manifest, record, hash, origin, update } = request
    const lines = describeRequest(request)
    if (values['dry-run']) {
      context.result(lines.join('\n'), requestJson(request))
      return exitCodes.done
    }
    if (before?.hash === hash && update !== undefined && update.from !== 'broken') {
      context.result(`${manifest.name} ${manifest.version} is installed already`, installedJson(request, false))
      return exitCodes.done
    }
    if (update?.isElsewhere === true && !values.replace) {
      for (const line of lines) context.note(line)
      throw usageError(
        update.from === 'broken'
          ? `${manifest.name} was changed after it was installed; --replace puts this in its place`
          : `${manifest.name} is installed from elsewhere, and this is another agent of the same name; --replace puts it in its place`,
      )
    }
    await agree(context, lines, manifest.name, values.yes)
    context.interrupted.throwIfAborted()
    writeCopy(agents, record, request.files)
    const of = origin.kind === 'folder' ? origin.of : undefined
    const named = { name: manifest.name, hash, at: context.clock.now(), ...(of === undefined ? {} : { of }) }
    setName(agents, named, before)
    context.result(
      `installed ${manifest.name} ${manifest.version} (${hash.slice(0, 12)}); run it with: ${context.commandLine(`agents run ${manifest.name} "…"`)}`,
      installedJson(request, true),
    )
    return exitCodes.done
  },
})

/** Returns when a person agrees; throws otherwise. */
async function agree(context: Context, lines: readonly string[], name: string, isAgreed: boolean): Promise<void> {
  if (isAgreed) {
    for (const line of lines) context.note(line)
    return
  }
  for (const line of lines) context.warn(line)
  if (process.stdin.isTTY !== true || !context.err.isTerminal)
    throw usageError('nothing was installed: a person has to agree to this on a terminal, or with --yes')
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await prompt.question(`Install ${name}? [y/N] `, { signal: context.interrupted })
    if (!/^y(es)?$/i.test(answer.trim())) throw usageError('nothing was installed')
  } finally {
    prompt.close()
  }
}

function openedOr(folder: string, of: string | undefined): Installation | 'broken' {
  try {
    return openInstallation(folder, of)
  } catch (error) {
    if (PolityError.isInstance(error)) return 'broken'
    throw error
  }
}

/** What is known of an agent in Python, and what can be done with it. It is not installed: nothing here could run it. */
function tellCerebrum(context: Context, spec: string, agent: CerebrumAgent): number {
  const { name, version, description, license, entry, module, tools, requirements } = agent
  const lines = [
    `${name} ${version}: ${description}`,
    `entry       ${entry}${module === undefined ? '' : `, class ${module}`}`,
    `tools       ${tools.join(', ') || 'none'}`,
    `needs       ${requirements.join(', ') || 'nothing named'}`,
    `license     ${license ?? 'none named'}`,
  ]
  for (const line of lines) context.note(oneLine(line).replace(/^(\w+) /, (word) => word.padEnd(12)))
  if (context.isJson) context.result('', { cerebrum: agent, installed: false })
  throw usageError(
    `${oneLine(name)} is an agent of Cerebrum, in Python: nothing here runs it, so nothing was installed. It runs by itself against ${context.commandLine('serve')}: CEREBRUM_KERNEL_URL=http://127.0.0.1:7070/aios run-agent --mode local --agent_path ${oneLine(spec)} --task_input "…"`,
  )
}

function requestJson({ manifest, record, hash, origin, findings, update }: InstallRequest): object {
  return {
    name: manifest.name,
    version: manifest.version,
    installation: hash,
    origin,
    granted: record.granted,
    manifest,
    findings,
    ...(update === undefined
      ? {}
      : { update: { from: update.from === 'broken' ? null : update.from.version, wider: update.wider } }),
  }
}

function installedJson(request: InstallRequest, isInstalled: boolean): object {
  return { ...requestJson(request), installed: isInstalled }
}
