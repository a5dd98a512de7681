/**
 * Installed agents as programs: `author/name` is a program that starts the agent's own with nothing but what was granted.
 *
 *     const { main } = await loadInstalled('.polity/agents/3f9a…')
 *     kernel.spawn(main, input)       // two processes: author/name, and author/name/agent under its law
 *
 * The outer process holds what is there; the inner one gets the tools, the law and the budget that the installation says.
 * So whoever starts it, a command, a door or another program, starts it confined.
 *
 * Invariants
 *   LO1. Nothing is loaded before every file was found to be what was installed, and a remote agent to show the same card.
 *   LO2. A tool that comes with the agent says of itself what its manifest says, in all that laws, labels and questions to
 *        people go by; it is never trusted, and keeps no state but under the agent's name. Otherwise the agent is refused.
 *   LO3. Its name is that of the manifest and its version has the hash of the installation, whatever the program calls
 *        itself: it can stand in for no other, and a journal is lived again by the same copy with the same grant.
 */
import { dirname, join } from 'node:path'
import { router } from '../../agents/router.ts'
import type { RoutedAgent } from '../../agents/router.ts'
import { PolityError } from '../../kernel/errors.ts'
import { defineProgram } from '../../kernel/program.ts'
import type { Json, Program, SpawnOptions, Tool } from '../../kernel/types.ts'
import type { ProgramFile } from '../program-file.ts'
import { loadPlainFile } from '../program-file.ts'
import { confineImports } from './imports.ts'
import type { Installation, Named } from './installations.ts'
import { agentsFolder, listNames, openInstallation, readRecord } from './installations.ts'
import type { Manifest } from './manifest.ts'
import { isSameList, lawOf } from './manifest.ts'
import { checkCard } from './source.ts'

/** The program of an installation, an agent or a team. Throws `CONFIG_INVALID`. */
export async function loadInstalled(folder: string): Promise<ProgramFile> {
  const record = readRecord(folder)
  const main =
    record.kind === 'agent'
      ? await loadAgent(openInstallation(folder))
      : await loadTeam(record.members.map((hash) => join(dirname(folder), hash)))
  return { main: main as Program, programs: [main as Program], tools: [], isNamedByFile: false }
}

async function loadAgent(installation: Installation): Promise<Program<Json, Json>> {
  const { folder, record, manifest } = installation
  await checkCard(record.name, record.origin)
  confineImports(folder, record.name, manifest.privileges.builtins)
  const { main } = await loadPlainFile(join(folder, 'agent', manifest.entry))
  checkTools(main, manifest)
  return confine(main as Program<Json, Json>, installation)
}

/** The installed program behind a process that holds everything and gives what was granted. */
function confine(given: Program<Json, Json>, { hash, record, manifest }: Installation): Program<Json, Json> {
  const { name, granted } = record
  const version = `${record.version}+${hash.slice(0, 12)}`
  const own = new Set(given.tools.map((tool) => tool.name))
  const tools = given.tools.filter((tool) => granted.tools.includes(tool.name))
  const agent: Program<Json, Json> = Object.freeze({ ...given, name: `${name}/agent`, version, tools })
  const law: NonNullable<SpawnOptions['law']> = lawOf(manifest)
  const needed = manifest.tools.filter((tool) => tool.optional !== true).map((tool) => tool.name)
  return defineProgram(
    name,
    async (sys, input: Json) => {
      const held = new Set(sys.tools.map((tool) => tool.name))
      const missing = needed.filter((tool) => !held.has(tool))
      if (missing.length > 0)
        throw new PolityError(
          'NO_SUCH_TOOL',
          `${name} needs ${missing.join(', ')}, which ${missing.length === 1 ? 'is' : 'are'} not here; ${missing.some((tool) => own.has(tool)) ? 'its parent does not hold what it brings' : 'give it with --in, or with what boots the kernel'}`,
        )
      const pid = await sys.spawn(agent, input, {
        tools: granted.tools.filter((tool) => held.has(tool)),
        law,
        budget: granted.budget,
      })
      return sys.wait(pid)
    },
    { version, tools, ...(given.model === undefined ? {} : { model: given.model }) },
  )
}

/** Throws `CONFIG_INVALID` where the program's tools are not those of its manifest. */
function checkTools(program: Program, { name, tools }: Manifest): void {
  for (const tool of program.tools) {
    const asked = tools.find((one) => one.name === tool.name && one.from === 'agent')
    const fault = asked === undefined ? 'which its manifest does not have' : toolFault(tool, asked, name)
    if (fault !== undefined)
      throw new PolityError(
        'CONFIG_INVALID',
        `${name} brings the tool ${tool.name}, ${fault}; its maker has to mend that`,
      )
  }
  const absent = tools.find((one) => one.from === 'agent' && !program.tools.some((tool) => tool.name === one.name))
  if (absent !== undefined)
    throw new PolityError('CONFIG_INVALID', `${name} does not bring the tool ${absent.name}, which its manifest has`)
}

function toolFault(
  { effect = 'once', outbound, labels, control, trusted, state }: Tool,
  asked: Manifest['tools'][number],
  agent: string,
): string | undefined {
  if (trusted === true)
    return 'which says that its answers are as good as the user’s own word (trusted); what an agent brings never is'
  if (effect !== asked.effect) return `with the effect ${effect}, where the manifest says ${asked.effect}`
  if (outbound !== false && !asked.outbound)
    return 'which may tell the outside, where the manifest says that it does not'
  // One that does not say is in doubt, which no rule takes for less.
  if (outbound === false && asked.outbound)
    return 'which says that it tells nobody, where the manifest says that it tells the outside'
  if (!isSameList(labels, asked.labels))
    return `with ${listText('labels', labels)}, where the manifest has ${listText('labels', asked.labels)}`
  if (!isSameList(control, asked.control))
    return `with ${listText('control', control)}, where the manifest has ${listText('control', asked.control)}`
  // Tools of one state have it in common, whoever made them.
  return state === undefined || state === agent || state.startsWith(`${agent}/`)
    ? undefined
    : `which keeps the state "${state}", where its own are "${agent}" and what begins with "${agent}/"`
}

function listText(key: string, list: readonly string[] | undefined): string {
  return list === undefined ? `no ${key}` : `${key} ${JSON.stringify(list)}`
}

// ---------------------------------------------------------------------------------------------------------------- teams

/** A router over agents, with what their manifests say of them. */
async function loadTeam(folders: readonly string[]): Promise<Program> {
  const agents: RoutedAgent[] = []
  for (const folder of folders) {
    const installation = openInstallation(folder)
    agents.push(routed(installation, await loadAgent(installation)))
  }
  return router({ agents }) as unknown as Program
}

function routed({ record, manifest }: Installation, program: Program<Json, Json>): RoutedAgent {
  const { name, description, skills, tags } = manifest
  return {
    program,
    name,
    description,
    skills: [
      ...skills.map((skill) => ({ ...skill, description: [skill.description, ...(skill.examples ?? [])].join(' ') })),
      ...(tags.length === 0 ? [] : [{ name: tags.join(', '), description: '', tags }]),
    ],
    tools: record.granted.tools,
  }
}

/** Names of tools that two of the agents bring: what one process cannot hold. */
export function clashingTools(installations: readonly Installation[]): ReadonlyMap<string, string> {
  const bringers = new Map<string, string>()
  const clashes = new Map<string, string>()
  for (const { record, manifest } of installations) {
    const own = manifest.tools.filter(({ from }) => from === 'agent').map(({ name }) => name)
    const other = own.map((name) => bringers.get(name)).find((one) => one !== undefined)
    if (other !== undefined) clashes.set(record.name, other)
    else for (const name of own) bringers.set(name, record.name)
  }
  return clashes
}

// -------------------------------------------------------------------------------------------------------------- serving

/**
 * The installed agents of a store as programs, each with the folder that `polity resume` finds it by: for `polity serve`.
 * What cannot be run is left out, and `onLeftOut` hears why.
 */
export async function installedPrograms(
  storePath: string,
  onLeftOut: (named: Named, error: unknown) => void,
): Promise<readonly { readonly program: Program; readonly folder: string }[]> {
  const agents = agentsFolder(storePath)
  const found: { readonly program: Program; readonly folder: string }[] = []
  for (const named of listNames(agents)) {
    const folder = join(agents, named.hash)
    try {
      found.push({ program: (await loadInstalled(folder)).main, folder })
    } catch (error) {
      onLeftOut(named, error)
    }
  }
  return found
}
