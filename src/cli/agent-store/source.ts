/**
 * Where agents come from: a folder, a package of npm, or the card of an agent elsewhere. Each becomes the same: files in
 * memory, with the manifest at `agent/polity.json`. Nothing of them is run.
 *
 *     const taken = await takeIn('clerk-agent@1.2.0', { agents, signal })
 *     taken.files          // 'agent/…' is the agent, 'node_modules/…' what it needs
 *     taken.origin         // { kind: 'npm', spec, resolved, integrity }
 *
 * Invariants
 *   SO1. A package is fetched by npm itself into a folder of its own, with `--ignore-scripts`: no script of it, or of what
 *        it needs, is run. Nothing but names, versions and local files is passed on to npm.
 *   SO2. Nothing is left behind, whether it can be used or not.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { AgentCard } from '@a2a-js/sdk'
import { createConnection } from '../../drivers/a2a/connection.ts'
import { makeFolder } from '../../drivers/make-folder.ts'
import { sha256 } from '../../kernel/digest.ts'
import { PolityError, fieldOf, messageOf } from '../../kernel/errors.ts'
import { canonical } from '../../policy/canonical.ts'
import { usageError } from '../options.ts'
import { oneLine } from '../terminal.ts'
import { slug } from './cerebrum.ts'
import type { Files } from './folder.ts'
import { readFolder } from './folder.ts'
import { manifestFile } from './manifest.ts'

export interface Origin {
  readonly kind: 'folder' | 'npm' | 'card'
  /**
   * What updates are recognised by: the folder, the name of the package, the URL of the card. The folder is kept beside the
   * name and not in the copy: what a copy is does not depend on where it came from.
   */
  readonly of?: string
  /** Of a package: its version, and the hash that the registry has of it. */
  readonly version?: string
  readonly integrity?: string
  /** Of a card: its hash, and the environment variable that holds the key for it. */
  readonly card?: string
  readonly keyEnv?: string
}

export interface Taken {
  readonly files: Files
  readonly origin: Origin
}

export interface TakeInOptions {
  /** The folder of the installed agents, where packages are fetched into. */
  readonly agents: string
  readonly signal: AbortSignal
  /** Environment variable with the key of a remote agent. */
  readonly keyEnv?: string | undefined
}

/** How long npm may take, ms. */
const NPM_MS = 300_000
const NPM_OUTPUT_MAX = 16_777_216
const PACKAGE = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(@[A-Za-z0-9.^~<>=| *_+-]+)?$/
/** A copy of Polity is never needed: it is the one that runs the agent. */
const OWN = 'node_modules/polity'

/** Throws `CONFIG_INVALID`, `TOO_LARGE`, `TOOL_FAILED`. */
export async function takeIn(spec: string, options: TakeInOptions): Promise<Taken> {
  if (/^https?:\/\//i.test(spec) && URL.canParse(spec)) return fromCard(spec, options)
  if (options.keyEnv !== undefined) throw usageError('--key-env is for an agent that is named by the URL of its card')
  const stat = statSync(spec, { throwIfNoEntry: false })
  if (stat?.isDirectory() === true) {
    const files = readFolder(resolve(spec), { except: [OWN] })
    return { files: placed(files), origin: { kind: 'folder', of: resolve(spec) } }
  }
  if (stat?.isFile() === true && /\.(tgz|tar\.gz)$/.test(spec)) return fromNpm(resolve(spec), options)
  if (stat === undefined && !spec.startsWith('.') && PACKAGE.test(spec)) return fromNpm(spec, options)
  throw usageError(
    stat === undefined
      ? `there is no folder ${JSON.stringify(oneLine(spec))}, and it is no package of npm such as clerk-agent@1.2.0 and no URL of an agent's card`
      : `${oneLine(spec)} is no folder and no .tgz; expected the folder that holds ${manifestFile}`,
  )
}

/** The agent's own files; with a package.json, so that `.js` is a module whatever lies above. */
function placed(files: Files): Map<string, Buffer> {
  const all = new Map([...files].map(([path, content]) => [`agent/${path}`, content]))
  if (!files.has('package.json')) all.set('agent/package.json', Buffer.from('{ "type": "module" }\n'))
  return all
}

// ----------------------------------------------------------------------------------------------------------------- npm

async function fromNpm(spec: string, { agents, signal }: TakeInOptions): Promise<Taken> {
  makeFolder(agents)
  const folder = mkdtempSync(join(agents, `staging-${process.pid}-`))
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    await npm(
      [
        'install',
        '--ignore-scripts',
        '--no-bin-links',
        '--no-audit',
        '--no-fund',
        '--omit=dev',
        '--omit=peer',
        '--',
        spec,
      ],
      folder,
      signal,
    )
    const [name] = Object.keys(jsonIn(folder, 'package.json').dependencies ?? {})
    if (name === undefined) throw new PolityError('CONFIG_INVALID', `npm installed nothing for ${oneLine(spec)}`)
    const files = placed(readFolder(join(folder, 'node_modules', name), { except: [OWN] }))
    const others = readFolder(join(folder, 'node_modules'), { except: [name, 'polity'] })
    for (const [path, content] of others) files.set(`node_modules/${path}`, content)
    const { version = '', integrity } = jsonIn(folder, 'package-lock.json').packages?.[`node_modules/${name}`] ?? {}
    return { files, origin: { kind: 'npm', of: name, version, ...(integrity === undefined ? {} : { integrity }) } }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface NpmJson {
  readonly dependencies?: { readonly [name: string]: string }
  readonly packages?: { readonly [path: string]: { readonly version?: string; readonly integrity?: string } }
}

function jsonIn(folder: string, file: string): NpmJson {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as NpmJson
}

function npm(args: readonly string[], cwd: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = {
      cwd,
      signal,
      timeout: NPM_MS,
      maxBuffer: NPM_OUTPUT_MAX,
      // Beside the option, for what npm itself may start.
      env: { ...process.env, npm_config_ignore_scripts: 'true' },
    }
    execFile('npm', args, options, (error, _, stderr) => {
      if (error === null) return resolve()
      const said = stderr.split('\n').find((one) => /^npm (error|ERR!) (?!code|errno)/.test(one)) ?? messageOf(error)
      const message =
        fieldOf(error, 'code') === 'ENOENT'
          ? 'npm is not there, which packages are fetched with'
          : oneLine(said.replace(/^npm (error|ERR!) /, 'npm: '))
      reject(new PolityError('CONFIG_INVALID', message, { cause: error }))
    })
  })
}

// ---------------------------------------------------------------------------------------------------------------- cards

const ENV = /^[A-Za-z_][A-Za-z0-9_]{0,60}$/

/** A remote agent: a manifest made of its card, and a program of two lines that reaches it. */
async function fromCard(url: string, { keyEnv }: TakeInOptions): Promise<Taken> {
  if (keyEnv !== undefined && !ENV.test(keyEnv))
    throw usageError(`--key-env takes the name of an environment variable, not ${JSON.stringify(keyEnv)}`)
  const { origin, host, username, password } = new URL(url)
  if (username !== '' || password !== '')
    throw usageError('the URL of a card is kept as it is, so it takes no password; name one with --key-env')
  const card = await readCard(url, keyEnv)
  const name = `${slug(host)}-${slug(card.name ?? '')}`.slice(0, 50)
  const { description } = card
  const elsewhere = `in the hands of whoever runs ${origin}`
  const remote = { effect: 'once', outbound: true, labels: ['untrusted'], from: 'agent' }
  const manifest = {
    name: `${slug(host)}/${slug(card.name ?? '')}`,
    version: /^\d{1,9}\.\d{1,9}\.\d{1,9}$/.test(card.version ?? '') ? card.version : '0.0.0',
    description: said(description, card.name),
    entry: 'agent.js',
    // What a card leaves out, the SDK leaves out too.
    skills: (card.skills ?? []).slice(0, 32).map(({ id, name, description, tags = [], examples = [] }) => ({
      name: said(name, id).slice(0, 60),
      description: said(description, name),
      tags: tags.slice(0, 32).map((tag) => said(tag, 'tag').slice(0, 60)),
      examples: examples.slice(0, 16).map((one) => said(one, 'example')),
    })),
    coreAgents: [
      {
        name: slug(card.name ?? ''),
        kind: 'active',
        modules: {
          profile: said(description, card.name),
          planning: elsewhere,
          memory: elsewhere,
          action: `messages to ${origin}`,
          security: 'what it says is labelled untrusted',
        },
      },
    ],
    tools: [
      { name: `${name}/send`, ...remote, control: ['message'] },
      { name: `${name}/reply`, ...remote, control: ['message'] },
      { name: `${name}/follow`, ...remote, effect: 'read', outbound: false },
    ],
    privileges: { scopes: ['people'], budget: { wallMs: REMOTE_MS } },
  }
  const key = keyEnv === undefined ? '' : `, headers: { authorization: \`Bearer \${process.env.${keyEnv}}\` }`
  const program = [
    `import { remoteAgent } from 'polity/drivers/a2a'`,
    `export default remoteAgent({ card: ${JSON.stringify(url)}, name: ${JSON.stringify(name)}${key} })`,
    '',
  ].join('\n')
  const files = placed(
    new Map([
      [manifestFile, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)],
      ['agent.js', Buffer.from(program)],
    ]),
  )
  return {
    files,
    origin: { kind: 'card', of: url, card: cardHash(card), ...(keyEnv === undefined ? {} : { keyEnv }) },
  }
}

/** How long a task of a remote agent may take where nobody says otherwise: an hour, ms. */
const REMOTE_MS = 3_600_000

function said(text: string | undefined, otherwise: string | undefined): string {
  return oneLine(text ?? '').slice(0, 1_000) || oneLine(otherwise ?? '').slice(0, 1_000) || 'nothing is said of it'
}

async function readCard(url: string, keyEnv: string | undefined): Promise<AgentCard> {
  const key = keyEnv === undefined ? undefined : process.env[keyEnv]
  if (keyEnv !== undefined && key === undefined) throw usageError(`the environment variable ${keyEnv} is not set`)
  try {
    return await createConnection({
      card: url,
      ...(key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } }),
    }).card()
  } catch (error) {
    if (PolityError.isInstance(error)) throw error
    throw new PolityError('CONFIG_INVALID', `there is no agent's card at ${url}: ${messageOf(error)}`, { cause: error })
  }
}

function cardHash(card: AgentCard): string {
  return sha256(canonical(JSON.parse(JSON.stringify(card))))
}

/** Throws `CONFIG_INVALID` where the agent shows another card than when it was installed. */
export async function checkCard(name: string, { of, card, keyEnv }: Origin): Promise<void> {
  if (of !== undefined && card !== undefined && cardHash(await readCard(of, keyEnv)) !== card)
    throw new PolityError(
      'CONFIG_INVALID',
      `${name} shows another card at ${of} than when it was installed; see what changed and install it again: polity install ${of}`,
    )
}

/** What a person calls it. */
export function originText({ kind, of = '', version, integrity }: Origin): string {
  if (kind === 'npm')
    return `npm package ${of} ${version}${integrity === undefined ? '' : `, ${integrity.slice(0, 20)}…`}`
  return kind === 'card' ? `remote agent ${of}` : `folder ${basename(of)} (${of})`
}
