/**
 * What an agent asks for before it is installed: read from its files, held against what is installed under its name, and
 * written down for a person. Nothing of it is run.
 *
 *     const request = requestOf(taken, { before, without: [], budget: { usd: 1 } })
 *     describeRequest(request).join('\n')
 *
 * Invariants
 *   RQ1. What is shown is what is installed: hashes, manifest and findings are of the same bytes.
 *   RQ2. A text of the agent cannot draw on the terminal: it is shown on one line, without control characters.
 */
import { stripVTControlCharacters } from 'node:util'
import { PolityError, messageOf } from '../../kernel/errors.ts'
import type { Budget } from '../../kernel/types.ts'
import type { Finding, PackageFacts } from '../../lint/facts.ts'
import { lint } from '../../lint/lint.ts'
import type { Comparison } from '../../policy/diff.ts'
import { compareLaws } from '../../policy/diff.ts'
import { counted, bytes as shownBytes } from '../amounts.ts'
import { usageError } from '../options.ts'
import { oneLine } from '../terminal.ts'
import type { Files } from './folder.ts'
import { hashesOf } from './folder.ts'
import type { AgentRecord, Granted, Installation } from './installations.ts'
import { recordHash } from './installations.ts'
import type { Manifest } from './manifest.ts'
import { architectureOf, isSameList, lawOf, manifestFile, modules, parseManifest, scopes } from './manifest.ts'
import type { Origin, Taken } from './source.ts'
import { originText } from './source.ts'

export interface InstallRequest {
  readonly manifest: Manifest
  readonly record: AgentRecord
  readonly hash: string
  /** Where it comes from, the place of a folder included. */
  readonly origin: Origin
  readonly files: Files
  readonly findings: readonly Finding[]
  /** The installed version that it takes the place of, and what is wider than there. */
  readonly update:
    | {
        readonly from: AgentRecord | 'broken'
        /** Two of one name come from different places, so that one would stand in for the other. */
        readonly isElsewhere: boolean
        readonly wider: readonly string[]
      }
    | undefined
}

export interface RequestOptions {
  /** What is installed under its name; `broken` where that cannot be read any more. */
  readonly before: (name: string) => Installation | 'broken' | undefined
  /** Optional tools that are not given. */
  readonly without: readonly string[]
  /** Ceilings beside those that it asks for. */
  readonly budget: Budget
}

/** Throws `CONFIG_INVALID`. */
export function requestOf({ files, origin }: Taken, { before, without, budget }: RequestOptions): InstallRequest {
  const manifest = manifestIn(files)
  const { name, version } = manifest
  const record: AgentRecord = {
    kind: 'agent',
    name,
    version,
    origin: origin.kind === 'folder' ? { kind: 'folder' } : origin,
    granted: grantedOf(manifest, without, budget),
    files: hashesOf(files),
  }
  const was = before(name)
  const update =
    was === undefined
      ? undefined
      : was === 'broken'
        ? { from: was, isElsewhere: true, wider: ['what is installed was changed since, so nothing can be compared'] }
        : {
            from: was.record,
            isElsewhere: isElsewhere(was.origin, origin),
            wider: widerThan(was, manifest, record, origin),
          }
  return { manifest, record, hash: recordHash(record), origin, files, findings: findingsOf(files, manifest), update }
}

/** The manifest of the files, whose entry is one of them. */
export function manifestIn(files: Files): Manifest {
  const given = files.get(`agent/${manifestFile}`)
  if (given === undefined)
    throw new PolityError(
      'CONFIG_INVALID',
      `there is no ${manifestFile} in it, which says what an agent is and asks for; \`polity agents schema\` prints its form`,
    )
  if (given.length > MANIFEST_BYTES_MAX)
    throw new PolityError('TOO_LARGE', `${manifestFile} has more than ${shownBytes(MANIFEST_BYTES_MAX)}`)
  let json: unknown
  try {
    json = JSON.parse(given.toString('utf8'))
  } catch (error) {
    throw new PolityError('CONFIG_INVALID', `${manifestFile} is no JSON: ${messageOf(error)}`, { cause: error })
  }
  const manifest = parseManifest(json)
  if (!files.has(`agent/${manifest.entry}`))
    throw new PolityError(
      'CONFIG_INVALID',
      `${manifestFile}: entry: there is no file ${JSON.stringify(manifest.entry)} in it`,
    )
  return manifest
}

const MANIFEST_BYTES_MAX = 262_144

function grantedOf({ tools, privileges }: Manifest, without: readonly string[], ceilings: Budget): Granted {
  for (const name of without) {
    const tool = tools.find((one) => one.name === name)
    if (tool === undefined)
      throw usageError(
        `--without names ${JSON.stringify(name)}, which it does not ask for; it asks for ${tools.map((one) => one.name).join(', ') || 'no tool'}`,
      )
    if (tool.optional !== true)
      throw usageError(`it does not work without ${name}; only tools that are optional can be left out`)
  }
  const asked = privileges.budget as Budget
  const budget = Object.fromEntries(
    budgetKeys.flatMap((key) => {
      const given = [asked[key], ceilings[key]].filter((one) => one !== undefined)
      return given.length === 0 ? [] : [[key, Math.min(...given)]]
    }),
  )
  return { tools: tools.map(({ name }) => name).filter((name) => !without.includes(name)), budget }
}

const budgetKeys = ['tokens', 'usd', 'wallMs', 'steps', 'children'] as const

// ---------------------------------------------------------------------------------------------------------------- lints

const LINTED_MAX = 200

/** Of its own sources, tools, law and package; what lies in node_modules is not looked at. */
function findingsOf(files: Files, manifest: Manifest): readonly Finding[] {
  const sources = [...files]
    .filter(([path]) => /^agent\/(?!.*node_modules\/).*\.[cm]?[jt]s$/.test(path))
    .slice(0, LINTED_MAX)
    .map(([path, content]) => ({ path: path.slice('agent/'.length), text: content.toString('utf8') }))
  const packages = packagesIn(files)
  const findings = lint({
    agents: [
      {
        name: manifest.name,
        tools: manifest.tools.map(({ name }) => name),
        budget: manifest.privileges.budget as Budget,
      },
    ],
    tools: manifest.tools.map(({ name, description, effect, outbound, labels, control }) => ({
      name,
      effect,
      outbound,
      ...(description === undefined ? {} : { description }),
      ...(labels === undefined ? {} : { labels }),
      ...(control === undefined ? {} : { control }),
    })),
    law: lawOf(manifest),
    sources,
    ...(packages === undefined ? {} : { packages }),
  })
  return [...findings, ...cardFindings(manifest)]
}

/** A router's model reads the texts of the card as it reads those of a tool: they should say what it can do, and order nothing. */
function cardFindings({ name, description, skills, tags }: Manifest): readonly Finding[] {
  const texts = [description, ...skills.flatMap((one) => [one.name, one.description, ...(one.examples ?? [])]), ...tags]
  return texts
    .flatMap((text) => lint({ tools: [{ name, description: text, effect: 'read', outbound: false }] }))
    .filter(({ id }) => id.startsWith('hidden-'))
    .map((finding) => ({
      ...finding,
      where: 'its card',
      message: finding.message.replace('its description', 'a text'),
    }))
}

function packagesIn(files: Files): PackageFacts | undefined {
  try {
    const { name, dependencies } = JSON.parse(files.get('agent/package.json')?.toString('utf8') ?? '') as PackageFacts
    // Everything is pinned by the hashes, so loose versions are no finding here.
    return dependencies === undefined ? undefined : { ...(name === undefined ? {} : { name }), dependencies, lock: {} }
  } catch {
    return undefined
  }
}

// -------------------------------------------------------------------------------------------------------------- updates

/** What the new version may, and the installed one may not. */
function widerThan(
  { manifest: was, record: before, origin: from }: Installation,
  is: Manifest,
  record: AgentRecord,
  origin: Origin,
): string[] {
  const wider: string[] = []
  if (isElsewhere(from, origin)) wider.push(`it comes from elsewhere: ${originText(origin)}, not ${originText(from)}`)
  for (const tool of is.tools) {
    if (!record.granted.tools.includes(tool.name)) continue
    const old = before.granted.tools.includes(tool.name) ? was.tools.find(({ name }) => name === tool.name) : undefined
    if (old === undefined) wider.push(`the tool ${tool.name}`)
    else {
      if (effects.indexOf(tool.effect) > effects.indexOf(old.effect))
        wider.push(`${tool.name} is ${tool.effect}, not ${old.effect}`)
      if (tool.outbound && !old.outbound) wider.push(`${tool.name} tells something to the outside`)
      if (!isSameList(tool.labels, old.labels))
        wider.push(`${tool.name} ${labelsText(tool)}; the installed one ${labelsText(old)}`)
      if (!isSameList(tool.control, old.control))
        wider.push(`${tool.name} ${controlText(tool)}; the installed one ${controlText(old)}`)
      if (tool.from !== old.from) wider.push(`${tool.name} is of the ${tool.from}, not of the ${old.from}`)
    }
  }
  const added = (now: readonly string[], then: readonly string[]): string[] => now.filter((one) => !then.includes(one))
  for (const scope of added(is.privileges.scopes, was.privileges.scopes)) wider.push(`the calls of ${scope}`)
  for (const label of added(is.privileges.tells, was.privileges.tells))
    wider.push(`tells to the outside what is ${label}`)
  for (const module of added(is.privileges.builtins, was.privileges.builtins)) wider.push(`imports ${module}`)
  for (const key of budgetKeys) {
    const [now = Infinity, then = Infinity] = [record.granted.budget[key], before.granted.budget[key]]
    if (now > then) wider.push(`${key} ${now === Infinity ? 'without a ceiling' : now}, not ${then}`)
  }
  const law = compareLaws(lawOf(was), lawOf(is))
  if (!law.narrows) wider.push(`the law: ${lawText(law)}`)
  return wider
}

function isElsewhere(was: Origin, is: Origin): boolean {
  return was.kind !== is.kind || was.of !== is.of
}

const effects = ['read', 'idempotent', 'once']

function lawText({ kind, rule, why, witness }: Extract<Comparison, { narrows: false }>): string {
  const what = { allowed: 'allows more', asked: 'asks where it denied', unknown: 'cannot be compared' }[kind]
  const { call, tool, args } = witness ?? {}
  return `rule ${rule} ${what}: ${why}${witness === undefined ? '' : `, for example ${JSON.stringify({ call, tool, args })}`}`
}

// ----------------------------------------------------------------------------------------------------------------- text

/** For a person, a line each. */
export function describeRequest(request: InstallRequest): string[] {
  const { manifest, record, hash, origin, files, findings, update } = request
  const { privileges, tools, models, law } = manifest
  const own = [...files.keys()].filter((path) => path.startsWith('agent/')).length
  const size = [...files.values()].reduce((sum, content) => sum + content.length, 0)
  const denied = scopes.filter((scope) => !privileges.scopes.includes(scope))
  const row = (title: string, text: string): string => `${title.padEnd(12)}${plain(text)}`
  const rows = (title: string, texts: readonly string[], none: string): string[] =>
    texts.length === 0 ? [row(title, none)] : texts.map((text, i) => row(i === 0 ? title : '', text))
  return [
    `${manifest.name} ${manifest.version}: ${plain(manifest.description)}`,
    row('from', originText(origin)),
    row(
      'files',
      `${counted(own, 'file')}${files.size > own ? ` and ${files.size - own} of packages that it needs` : ''}, ${shownBytes(size)}; installation ${hash.slice(0, 12)}`,
    ),
    ...rows(
      'skills',
      manifest.skills.map((one) => `${one.name}: ${one.description}`),
      'none named',
    ),
    row('made of', architectureOf(manifest)),
    ...manifest.coreAgents.map((core) =>
      row(
        '',
        `${core.name} (${core.kind}): ${modules.flatMap((one) => (core.modules[one] === undefined ? [] : [`${one}: ${core.modules[one]}`])).join('; ')}`,
      ),
    ),
    ...rows(
      'tools',
      tools.map((tool) => toolText(tool, record.granted)),
      'none',
    ),
    row('may call', privileges.scopes.join(', ') || 'nothing beyond its tools'),
    row('may not', denied.join(', ') || 'nothing is withheld'),
    ...(privileges.tells.length === 0 ? [] : [row('tells', `to the outside what is ${privileges.tells.join(', ')}`)]),
    row(
      'beside',
      privileges.builtins.length === 0
        ? 'no module of Node'
        : `modules of Node, which no law sees: ${privileges.builtins.join(', ')}`,
    ),
    row('budget', budgetText(record.granted.budget)),
    ...(Object.keys(models).length === 0 ? [] : [row('models', modelsText(models))]),
    row(
      'law',
      law === undefined
        ? 'none of its own: what it asks for binds it'
        : `${counted(law.rules.length, 'rule')} of its own${law.description === undefined ? '' : `: ${law.description}`}`,
    ),
    ...rows(
      'lint',
      findings.map((one) => `${one.severity} ${one.id}: ${one.where}: ${one.message}`),
      'no finding',
    ),
    ...(update === undefined
      ? []
      : rows(
          'update',
          update.wider.map((one) => `${updateText(update)}, wider: ${one}`),
          `${updateText(update)}; nothing is wider`,
        )),
    row('mind', 'its code runs as you, in this process: the law sees its system calls, not what it does beside them'),
  ]
}

function updateText({ from }: NonNullable<InstallRequest['update']>): string {
  return from === 'broken' ? 'of a broken copy' : `of ${from.version}`
}

function toolText(tool: Manifest['tools'][number], { tools }: Granted): string {
  const parts = [
    tool.from === 'agent' ? 'its own' : 'has to be there',
    tool.effect,
    tool.outbound ? 'tells the outside' : 'tells nobody',
    ...(tool.hosts === undefined ? [] : [`only ${tool.hosts.names.join(', ')}`]),
    ...(tool.labels === undefined ? [] : [labelsText(tool)]),
    ...(tool.control === undefined ? [] : [controlText(tool)]),
    ...(tool.optional === true ? ['optional'] : []),
    ...(tools.includes(tool.name) ? [] : ['NOT given']),
  ]
  return `${tool.name}: ${parts.join(', ')}${tool.description === undefined ? '' : `: ${tool.description}`}`
}

/** Rules on where values come from go by a tool that says its labels, and by what steers one that says it. */
function labelsText({ labels }: Manifest['tools'][number]): string {
  if (labels === undefined) return 'does not say what it returns'
  return labels.length === 0 ? 'returns what needs no label' : `returns what is ${labels.join(', ')}`
}

function controlText({ control }: Manifest['tools'][number]): string {
  if (control === undefined) return 'does not say what steers it'
  return `is steered by ${control.join(', ') || 'nothing'}`
}

function budgetText({ tokens, usd, wallMs, steps, children }: Budget): string {
  const said = [
    tokens === undefined ? undefined : counted(tokens, 'token'),
    usd === undefined ? undefined : `$${usd}`,
    wallMs === undefined ? undefined : `${wallMs / 1_000} s`,
    steps === undefined ? undefined : counted(steps, 'model call'),
    children === undefined ? undefined : counted(children, 'descendant'),
  ].filter((one) => one !== undefined)
  const open = [
    tokens === undefined ? 'tokens' : undefined,
    usd === undefined ? 'dollars' : undefined,
    wallMs === undefined ? 'time' : undefined,
  ].filter((one) => one !== undefined)
  return `${said.join(', ')}${open.length === 0 ? '' : `; no ceiling of ${open.join(', ')}`}`
}

function modelsText({ tried, toolCalls, jsonOutput, contextTokens }: Manifest['models']): string {
  return [
    ...(toolCalls === true ? ['that call tools'] : []),
    ...(jsonOutput === true ? ['that can be held to JSON'] : []),
    ...(contextTokens === undefined ? [] : [`with a window of ${counted(contextTokens, 'token')}`]),
    ...(tried === undefined ? [] : [`tried with ${tried.join(', ')}`]),
  ].join(', ')
}

function plain(text: string): string {
  return oneLine(stripVTControlCharacters(text))
}
