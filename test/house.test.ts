/**
 * The rules of the house, read from the sources. Each failure says where, what, and what to do instead.
 */
// oxlint-disable no-useless-concat -- what is looked for must not stand here in one piece
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { errorTable } from '../src/kernel/errors.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

function filesUnder(folder: string, ending: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.includes('node_modules'))
    .toSorted()
}

/** What git keeps, and what it would: a new file is held to the rules before it is added. */
function trackedFiles(): string[] {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  return list.split('\0').filter((path) => path !== '' && existsSync(join(root, path)))
}

const sources = filesUnder('src', '.ts')

/** Fails with every fault at once, each with what to do instead. */
function assertNone(faults: readonly string[], instead: string): void {
  assert.equal(
    faults.length,
    0,
    `${faults.length} fault${faults.length === 1 ? '' : 's'}:\n  ${faults.join('\n  ')}\nInstead: ${instead}`,
  )
}

// ------------------------------------------------------------------------------------------------------------- imports

interface Import {
  /** As written. */
  readonly from: string
  /** Path in the repository, for a relative one. */
  readonly file: string | undefined
  readonly isType: boolean
  readonly isLazy: boolean
}

/** Code without comments and without the insides of plain strings other than those after `from` and `import`. */
function withoutComments(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|(^|[^:'"`\\])\/\/[^\n]*/g,
    (comment, before: string | undefined) =>
      (before ?? '') + comment.replace(/[^\n]/g, ' ').slice((before ?? '').length),
  )
}

const importPattern =
  /(?:^|\n)\s*(import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g

function importsOf(path: string): Import[] {
  const found: Import[] = []
  for (const [, , type, from, lazy] of withoutComments(read(path)).matchAll(importPattern)) {
    const to = (from ?? lazy) as string
    found.push({
      from: to,
      file: to.startsWith('.') ? normalize(join(dirname(path), to)) : undefined,
      isType: type !== undefined,
      isLazy: lazy !== undefined,
    })
  }
  return found
}

const imports = new Map(sources.map((path) => [path, importsOf(path)]))

/** The room of a file: its folder under `src`, or `door` for the files that stand in `src` itself. */
function roomOf(path: string): string {
  const parts = path.split('/')
  return parts[0] !== 'src' ? (parts[0] as string) : parts.length === 2 ? 'door' : (parts[1] as string)
}

const ground = ['kernel', 'policy']
const neighbours = ['environments', 'agents', 'drivers']
const middle = ['evaluation', ...neighbours, ...ground]
const laboratories = ['evolution', 'training', 'simulation', 'emulation', 'redteam']

/** Where each room may look. Down only: never sideways, never up. A door may open another door. */
const below: { readonly [room: string]: readonly string[] } = {
  policy: [],
  kernel: ['policy'],
  environments: ground,
  agents: ground,
  drivers: ground,
  lint: ground,
  evaluation: [...neighbours, ...ground],
  evolution: middle,
  training: middle,
  simulation: middle,
  emulation: middle,
  redteam: middle,
  server: ['door', ...laboratories, ...middle],
  cli: ['door', 'server', 'lint', ...laboratories, ...middle],
  ai: ['server', ...ground],
  door: ['door', 'server', 'ai', ...laboratories, ...middle],
}

describe('imports', () => {
  test('are all seen by these tests', () => {
    for (const path of sources) {
      const lines = withoutComments(read(path)).split('\n')
      const written = lines.filter((line) => /^(import|export)\b.*\sfrom '|^\} from '|^import '/.test(line)).length
      const seen = (imports.get(path) ?? []).filter(({ isLazy }) => !isLazy).length
      assert.equal(
        seen,
        written,
        `${path} has ${written} lines that import, and ${seen} were understood. Instead: write imports one a statement, with single quotes`,
      )
    }
  })

  test('every room is one that the map of the house knows', () => {
    const rooms = [...new Set(sources.map(roomOf))]
    assertNone(
      rooms.filter((room) => !(room in below)),
      'put the file into a room of the design, or argue a new room into the design and into this test',
    )
  })

  test('arrows point down, never sideways, never up', () => {
    const faults: string[] = []
    for (const [path, list] of imports) {
      const room = roomOf(path)
      for (const { from, file } of list) {
        if (file === undefined) continue
        if (!file.startsWith('src/')) faults.push(`${path} imports ${from}, outside src/`)
        else if (roomOf(file) !== room && !below[room]?.includes(roomOf(file)))
          faults.push(`${path} (${room}) imports ${from} (${roomOf(file)})`)
      }
    }
    assertNone(
      faults,
      'pass it in from a door, move what both need into the kernel, or move the file into the room where it belongs',
    )
  })

  test('the kernel imports node, the law, and types; the law imports nothing', () => {
    const faults: string[] = []
    for (const [path, list] of imports) {
      const room = roomOf(path)
      for (const { from, file, isType } of list) {
        if (file !== undefined) continue
        const isTypesPackage = isType && (from === '@ai-sdk/provider' || from === '@standard-schema/spec')
        if (room === 'policy' || (room === 'kernel' && !from.startsWith('node:') && !isTypesPackage))
          faults.push(`${path} imports ${from}`)
      }
    }
    assertNone(
      faults,
      'put the vendor behind a port of src/kernel/drivers.ts and its code into src/drivers/; in the law, compute with what is passed in',
    )
  })

  test('every import exists, with its ending', () => {
    const faults: string[] = []
    for (const [path, list] of imports) {
      for (const { from, file } of list)
        if (file !== undefined && !existsSync(join(root, file))) faults.push(`${path} imports ${from}`)
    }
    assertNone(faults, 'write the path with its ending, `.ts`')
  })

  test('there is no cycle of values', () => {
    const state = new Map<string, 'open' | 'done'>()
    const faults: string[] = []
    const visit = (path: string, way: readonly string[]): void => {
      if (state.get(path) === 'done') return
      if (state.get(path) === 'open') return void faults.push([...way.slice(way.indexOf(path)), path].join(' → '))
      state.set(path, 'open')
      for (const { file, isType, isLazy } of imports.get(path) ?? [])
        if (file !== undefined && !isType && !isLazy) visit(file, [...way, path])
      state.set(path, 'done')
    }
    for (const path of sources) visit(path, [])
    assertNone(faults, 'pass the function in, move what both need into a third file, or import the type only')
  })

  test('the client needs nothing of Node and no package: it runs in browsers', () => {
    const reached = new Set(['src/client.ts'])
    const faults: string[] = []
    for (const path of reached)
      for (const { from, file, isType } of imports.get(path) ?? []) {
        if (isType) continue
        if (file === undefined) faults.push(`${path} imports ${from}`)
        else reached.add(file)
      }
    assertNone(
      faults,
      'let the client import types only, or move what it needs into a file that imports nothing of Node',
    )
  })

  test('no file is dead: every one is reached from a door', () => {
    const doors = [
      'src/index.ts',
      'src/testing.ts',
      'src/policy.ts',
      'src/ai.ts',
      'src/client.ts',
      'src/cli/main.ts',
      ...sources.filter((path) => path.endsWith('/conformance.ts') || path === 'src/server/main.ts'),
    ]
    // A catalogue is looked up by file: each architecture and each environment is a door of its own.
    doors.push(...sources.filter((path) => /^src\/(agents|environments|evaluation)\/[^/]+\.ts$/.test(path)))
    const reached = new Set<string>()
    const visit = (path: string): void => {
      if (reached.has(path)) return
      reached.add(path)
      for (const { file } of imports.get(path) ?? []) if (file !== undefined) visit(file)
    }
    for (const door of doors) visit(door)
    assertNone(
      sources.filter((path) => !reached.has(path)),
      'delete the file, or export it from the door that should have it',
    )
  })

  test('no file of a catalogue is dead: another source, a test, a bench or an example has it', () => {
    const users = ['test', 'bench', 'examples'].flatMap((folder) => filesUnder(folder, '.ts'))
    const used = new Set(
      [...imports]
        .concat(users.map((path) => [path, importsOf(path)]))
        .flatMap(([, list]) => list.map(({ file }) => file)),
    )
    assertNone(
      sources.filter((path) => /^src\/(agents|environments|evaluation)\/[^/]+\.ts$/.test(path) && !used.has(path)),
      'delete the file, or test it',
    )
  })
})

// --------------------------------------------------------------------------------------------------------------- words

/** Lines of a file that match, with comments and the contents of strings blanked. */
function linesWith(path: string, pattern: RegExp, { strings = false } = {}): string[] {
  let code = withoutComments(read(path))
  if (!strings)
    code = code.replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, (text) => `'${' '.repeat(text.length - 2)}'`)
  return code
    .split('\n')
    .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1} ${line.trim().slice(0, 120)}`] : []))
}

describe('sources', () => {
  test('time and chance come from the clock', () => {
    const pattern =
      /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b|\bMath\.random\b|\bprocess\.hrtime\b|\bcrypto\.random|\brandomUUID\b|\brandomBytes\b/
    // A key that could be drawn again from a seed would be no key.
    const own = [
      'src/kernel/clock.ts',
      'src/drivers/store/approval-key.ts',
      'src/server/environments.ts',
      'src/server/keys.ts',
      'src/server/mcp/request-state.ts',
      'src/server/mcp/sessions.ts',
    ]
    const faults = sources.filter((path) => !own.includes(path)).flatMap((path) => linesWith(path, pattern))
    assertNone(
      faults,
      'take `clock: Clock` and use clock.now() and randomAt(clock.seed, stream, index); only src/kernel/clock.ts asks the machine',
    )
  })

  test('no module exports `then`: whoever imports it would wait for ever', () => {
    assertNone(
      sources.flatMap((path) => linesWith(path, /\bexport (?:async )?(?:function|const|let|class) then\b/)),
      'call it otherwise: a namespace with `then` is taken for a promise',
    )
  })

  test('nothing is called Manager, Helper, Utils, Base, Controller, Service, Factory, Impl', () => {
    const words = 'Manager|Helper|Util|Utils|Utilities|Base|Controller|Service|Factory|Impl|Abstract|Misc'
    const faults = sources.filter((path) =>
      new RegExp(`(^|[/-])(${words}|Common|Shared|Core)(-|\\.|$)`, 'i').test(path.slice('src/'.length)),
    )
    for (const path of sources)
      faults.push(...linesWith(path, new RegExp(`\\b(class|interface|type|function)\\s+\\w*(${words})(?![a-z])`)))
    assertNone(faults, 'name it after what it does: a noun of the mechanism for a file or type, a verb for a function')
  })

  test('nothing is called v2, next, legacy or new', () => {
    const faults = sources.filter((path) =>
      /(^|[/-])(v\d+|next|legacy|new|old|copy)([-.]|$)/i.test(path.slice('src/'.length)),
    )
    assertNone(faults, 'replace the old one, migrate its callers and delete it; git remembers')
  })

  test('every file opens by saying what it is', () => {
    const faults = sources.filter((path) => !/^(#![^\n]*\n)?\/\*\*[\s\S]*?\*\//.test(read(path)))
    assertNone(faults, 'open the file with /** what it is, how to use it, its invariants */')
  })

  test('no class inherits, except from Error and in one place that says why', () => {
    const faults = sources
      .flatMap((path) => linesWith(path, /\bclass\s+\w+(<[^>]*>)?\s+extends\s+(?!Error\b)/))
      .filter((fault) => !fault.startsWith('src/kernel/stamp.ts'))
    assertNone(faults, 'compose functions; pass in what differs')
  })

  test('types are not escaped from', () => {
    const pattern = /\bas any\b|:\s*any\b|<any\b|\bany\[\]|@ts-(ignore|nocheck|expect-error)/
    const faults = sources.flatMap((path) => linesWith(path, pattern))
    // Comments hold the @ts- directives, so they are looked for in the text as it is.
    for (const path of sources)
      read(path)
        .split('\n')
        .forEach(
          (line, i) => /@ts-(ignore|nocheck|expect-error)/.test(line) && faults.push(`${path}:${i + 1} ${line.trim()}`),
        )
    assertNone(faults, 'write `unknown` and narrow it, or give the value its type')
  })

  test('the kernel names no model and no vendor', () => {
    const vendors = /\b(gpt-|claude|gemini|llama|mistral|qwen|deepseek|openai|anthropic|google|ollama)\b/i
    const faults = sources
      .filter((path) => path.startsWith('src/kernel/') && path !== 'src/kernel/rate-limits.ts')
      .flatMap((path) => linesWith(path, vendors, { strings: true }))
    assertNone(
      faults,
      'put it into a driver; the only vendor words in the kernel are the header names of rate-limits.ts',
    )
  })
})

// ------------------------------------------------------------------------------------------------- examples, docs, files

test('an example fits on a page: fewer than 60 lines', () => {
  const faults = filesUnder('examples', '.ts').flatMap((path) => {
    const lines = read(path).trimEnd().split('\n').length
    return lines < 60 ? [] : [`${path} has ${lines} lines`]
  })
  assertNone(faults, 'show one thing; split it in two')
})

test('docs/errors.md is the table of errors', () => {
  assert.ok(
    existsSync(join(root, 'docs/errors.md')),
    'docs/errors.md is missing. Instead: write a table with a row | `CODE` | means | todo | yes or no | for every code of src/kernel/errors.ts',
  )
  const rows = new Map(
    [...read('docs/errors.md').matchAll(/^\|\s*`([A-Z_]+)`\s*\|\s*(.*?)\s*\|\s*(.*?)\s*\|\s*(yes|no)\s*\|$/gm)].map(
      ([, code, means, todo, retry]) => [code as string, { means, todo, retry: retry === 'yes' }],
    ),
  )
  const faults: string[] = []
  for (const [code, entry] of Object.entries(errorTable)) {
    const row = rows.get(code)
    if (row === undefined)
      faults.push(
        `${code} has no row: | \`${code}\` | ${entry.means} | ${entry.todo} | ${entry.retry ? 'yes' : 'no'} |`,
      )
    else if (row.means !== entry.means || row.todo !== entry.todo || row.retry !== entry.retry)
      faults.push(`${code} says ${JSON.stringify(row)}, the table ${JSON.stringify(entry)}`)
  }
  for (const code of rows.keys()) if (!Object.hasOwn(errorTable, code)) faults.push(`${code} is no code of the table`)
  assertNone(faults, 'copy the row from errorTable in src/kernel/errors.ts')
})

test('no file tells on which machine, or from which registry, it was made', () => {
  // Put together here, so that this file does not hold what it looks for.
  const folders = [
    '/work' + '/(main|shared)',
    '/root' + '/',
    '/home' + '/[a-z]',
    '/Users' + '/[A-Za-z]',
    '[A-Z]:\\\\\\\\?Users',
  ]
  const pattern = new RegExp(`(${folders.join('|')})`)
  const faults: string[] = []
  for (const path of trackedFiles()) {
    const bytes = readFileSync(join(root, path))
    if (bytes.includes(0) || bytes.length > 4_000_000) continue
    const text = bytes.toString('utf8')
    text
      .split('\n')
      .forEach((line, i) => pattern.test(line) && faults.push(`${path}:${i + 1} ${line.trim().slice(0, 120)}`))
    if (path.endsWith('package-lock.json')) {
      for (const [, url] of text.matchAll(/"resolved":\s*"([^"]+)"/g))
        if (!url?.startsWith('https://registry.npmjs.org/')) faults.push(`${path} resolves to ${url}`)
    }
    if (path.endsWith('.npmrc') && /registry\s*=/.test(text)) faults.push(`${path} sets a registry`)
  }
  assertNone(
    faults,
    'write a path relative to the repository, or of the system’s temporary folder; let the lock file name no registry, or the public one',
  )
})
