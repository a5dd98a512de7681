/** `polity doctor`: looks at everything a run needs and says, a line each, whether it is there and what to do if not. */
import { accessSync, constants, existsSync, readdirSync, statSync, statfsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { sandboxSupport } from '../../drivers/sandbox/support.ts'
import { providers } from '../../drivers/llm/provider.ts'
import { checkStore } from '../../drivers/store/check.ts'
import { messageOf } from '../../kernel/errors.ts'
import { listKeys } from '../../server/keys.ts'
import { bytes, counted } from '../amounts.ts'
import { modelDefault } from '../setup.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { exitCodes, isDamage } from '../report.ts'
import { ownerOf, readStore } from '../store-file.ts'
import { wrap } from '../table.ts'
import { oneLine, roomOf } from '../terminal.ts'

interface Finding {
  readonly level: 'ok' | 'warn' | 'fail'
  readonly subject: string
  readonly text: string
}

const NODE_MAJOR_MIN = 24
const FREE_BYTES_WARN = 1_000_000_000
const FREE_BYTES_FAIL = 50_000_000

/** Where provider packages read their keys. */
const keyNames: Readonly<Record<string, string>> = {
  openai: 'OPENAI_API_KEY',
  anthropic: 'ANTHROPIC_API_KEY',
  google: 'GOOGLE_GENERATIVE_AI_API_KEY',
  mistral: 'MISTRAL_API_KEY',
  groq: 'GROQ_API_KEY',
  xai: 'XAI_API_KEY',
  deepseek: 'DEEPSEEK_API_KEY',
  cohere: 'COHERE_API_KEY',
  togetherai: 'TOGETHER_API_KEY',
  fireworks: 'FIREWORKS_API_KEY',
  perplexity: 'PERPLEXITY_API_KEY',
  openrouter: 'OPENROUTER_API_KEY',
}

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'check Node, store, disk and models, and say what to do',
  usage: '',
  positionals: [0, 0],
  options: {},
  details:
    'Nothing is written, and no provider is called. The whole store is read to see whether it is damaged. Exit code 1 when a line says fail.',
  examples: ['polity doctor', 'polity doctor --json'],
  async run(context) {
    const findings = [
      node(),
      sqlite(),
      ...(await store(context)),
      ...apiKeys(context),
      disk(context),
      ...models(),
      ...indexes(context),
      ...(await sandboxes()),
    ]
    const style = { ok: 'green', warn: 'yellow', fail: 'red' } as const
    const room = Math.max(...findings.map(({ subject }) => subject.length))
    const lines = findings.map(({ level, subject, text }) => {
      const head = `${context.out.paint(style[level], level.padEnd(4))}  ${subject.padEnd(room)}  `
      const width = Math.max(12, roomOf(context.out) - room - 8)
      return head + wrap(oneLine(text), width, 'broken').replaceAll('\n', `\n${' '.repeat(room + 8)}`)
    })
    context.result(lines.join('\n'), { findings })
    return findings.some(({ level }) => level === 'fail') ? exitCodes.failed : exitCodes.done
  },
})

function node(): Finding {
  const { node: version } = process.versions
  return Number(version.split('.')[0]) >= NODE_MAJOR_MIN
    ? { level: 'ok', subject: 'node', text: version }
    : {
        level: 'fail',
        subject: 'node',
        text: `${version}; Polity needs ${NODE_MAJOR_MIN} or later: install it from https://nodejs.org`,
      }
}

function sqlite(): Finding {
  try {
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
    const database = new DatabaseSync(':memory:')
    database.exec('CREATE VIRTUAL TABLE t USING fts5(x)')
    database.close()
    return { level: 'ok', subject: 'sqlite', text: `${process.versions.sqlite ?? 'built in'}, with full text` }
  } catch (error) {
    return {
      level: 'fail',
      subject: 'sqlite',
      text: `${messageOf(error)}; use a Node from https://nodejs.org, which brings SQLite with FTS5`,
    }
  }
}

async function store(context: Context): Promise<Finding[]> {
  const { storePath } = context
  const subject = 'store'
  if (!existsSync(storePath)) {
    const folder = existingFolder(storePath)
    return [
      canWrite(folder) && statSync(folder).isDirectory()
        ? { level: 'ok', subject, text: `none yet at ${storePath}; the first run makes it` }
        : {
            level: 'fail',
            subject,
            text: `none at ${storePath}, and ${folder} is no folder that can be written; name another with --store <file>`,
          },
    ]
  }
  try {
    context.status.show(`reading ${storePath}`)
    const damage = checked(context)
    const isWhole = damage.every(({ level }) => level === 'ok')
    const reader = readStore(storePath)
    try {
      let ended = 0
      let open = 0
      try {
        for (const { end } of reader.processes()) {
          if (end === undefined) open++
          else ended++
        }
      } catch (error) {
        if (isWhole) throw error
        return damage
      }
      const { isOwned, pid } = ownerOf(storePath)
      const size = ['', '-wal'].reduce(
        (sum, suffix) => sum + (statSync(storePath + suffix, { throwIfNoEntry: false })?.size ?? 0),
        0,
      )
      const what = `${storePath}: ${bytes(size)}, ${counted(ended, 'process', 'processes')} ended, ${open} ${isOwned ? 'not ended' : 'stopped'}`
      const findings: Finding[] = [{ level: isWhole ? 'ok' : 'warn', subject, text: what }, ...damage]
      if (isOwned)
        findings.push({
          level: 'warn',
          subject: 'owner',
          text: `a kernel in process ${pid ?? 'unknown'} has the store open; runs here need another --store or its end`,
        })
      else if (!canWrite(storePath) || !canWrite(dirname(resolve(storePath))))
        findings.push({
          level: 'fail',
          subject: 'owner',
          text: `${storePath} and its folder can be looked at but not written; give yourself the right to, or name another with --store <file>`,
        })
      else if (open > 0 && isWhole)
        findings.push({
          level: 'warn',
          subject: 'stopped',
          text: `${counted(open, 'process waits', 'processes wait')} to be resumed: ${context.commandLine('resume')}`,
        })
      return findings
    } finally {
      reader.close()
    }
  } catch (error) {
    const isDamaged = isDamage(error)
    return [
      { level: 'fail', subject, text: `${messageOf(error)}${isDamaged ? '' : ' Name another with --store <file>.'}` },
      ...(isDamaged ? [remedy(context)] : []),
    ]
  } finally {
    context.status.clear()
  }
}

/** Whether the store is whole, from its first page to its last event. */
function checked(context: Context): Finding[] {
  const { faults, more, events, processes } = checkStore(context.storePath)
  const readable = `${counted(events, 'event')} of ${counted(processes, 'process', 'processes')}`
  if (faults.length === 0) return [{ level: 'ok', subject: 'journal', text: `${readable}, all of which can be read` }]
  return [
    ...faults.map((text) => ({ level: 'fail', subject: 'damage', text }) as const),
    ...(more === 0 ? [] : [{ level: 'fail', subject: 'damage', text: `and ${counted(more, 'more fault')}` } as const]),
    { level: 'warn', subject: 'journal', text: `${readable} can still be read` },
    remedy(context),
  ]
}

function remedy({ storePath, commandLine }: Context): Finding {
  const files = `${storePath} and, where there is one, ${storePath}-wal`
  return {
    level: 'warn',
    subject: 'remedy',
    text: `keep a copy of ${files}; then restore a backup, or go on with another --store. What is left may show with: ${commandLine('ps --all')}`,
  }
}

/** Where there are none a server needs none, and nothing is said. */
function apiKeys({ storePath }: Context): Finding[] {
  const subject = 'keys'
  try {
    const keys = listKeys(storePath)
    if (keys.length === 0) return []
    const revoked = keys.filter(({ revokedAt }) => revokedAt !== null).length
    return [{ level: 'ok', subject, text: `${counted(keys.length, 'key')}, ${revoked} of them revoked` }]
  } catch (error) {
    return [{ level: 'fail', subject, text: `${messageOf(error)}; until then a server lets nobody in` }]
  }
}

function disk({ storePath }: Context): Finding {
  const folder = existingFolder(storePath)
  try {
    const { bavail, bsize } = statfsSync(folder)
    const free = bavail * bsize
    const level = free < FREE_BYTES_FAIL ? 'fail' : free < FREE_BYTES_WARN ? 'warn' : 'ok'
    return {
      level,
      subject: 'disk',
      text: `${bytes(free)} free for ${folder}${level === 'ok' ? '' : '; free some space (`polity gc` removes what has ended), or put the store elsewhere with --store <file>'}`,
    }
  } catch (error) {
    return { level: 'warn', subject: 'disk', text: `the space left for ${folder} is not known: ${messageOf(error)}` }
  }
}

function models(): Finding[] {
  const findings: Finding[] = [
    { level: 'ok', subject: 'model', text: `${modelDefault}: built in, no key and no network` },
  ]
  const missing: string[] = []
  for (const [name, entries] of Object.entries(providers)) {
    const found = entries.find((entry) => isInstalled(entry.package))
    if (found === undefined) {
      missing.push(name)
      continue
    }
    const key = keyNames[name]
    const lacksKey = key !== undefined && (process.env[key] ?? '') === ''
    findings.push({
      level: lacksKey ? 'warn' : 'ok',
      subject: 'model',
      text: `${name}: ${found.package} is installed${lacksKey ? `, but ${key} is not set; set it before a run with --model ${name}/<model>` : ''}`,
    })
  }
  findings.push({
    level: 'ok',
    subject: 'models',
    text: `not installed: ${missing.join(', ')}; npm install @ai-sdk/<name>@latest adds one`,
  })
  return findings
}

function isInstalled(name: string): boolean {
  const froms = [join(process.cwd(), 'package.json'), import.meta.url]
  return froms.some((from) =>
    (createRequire(from).resolve.paths(name) ?? []).some((folder) => existsSync(join(folder, name, 'package.json'))),
  )
}

function indexes({ storePath }: Context): Finding[] {
  const folder = join(dirname(resolve(storePath)), 'index')
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => name.endsWith('.index'))
  const size = readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
  return [
    {
      level: 'ok',
      subject: 'indexes',
      text: `${counted(names.length, 'folder')} indexed, ${bytes(size)} under ${folder}; they can be deleted and are then built again`,
    },
  ]
}

/** The nearest folder above a path that is there. */
function existingFolder(path: string): string {
  let folder = dirname(resolve(path))
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Whether code actions have their walls here; without them they are refused. */
async function sandboxes(): Promise<Finding[]> {
  const levels = await sandboxSupport()
  return levels.map(({ language, isAvailable, reason }) => ({
    level: isAvailable ? 'ok' : 'warn',
    subject: language,
    text: reason,
  }))
}
