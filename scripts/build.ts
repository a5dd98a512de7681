/**
 * Builds `dist/`, which is what npm publishes: JavaScript in chunks, types, and the files that the code reads.
 *
 *     npm run build                       # this, and then the dashboard
 *     node scripts/build.ts [folder]      # elsewhere than in dist/
 *
 * Invariants
 *   B1. Every subpath that package.json exports is a file of its own name in `dist/`, and so is every program that is started
 *       by its path (ALONE). Those hold all their code: some run where they may read no other file.
 *   B2. What `import 'polity'` needs is one chunk, and so is what the command, the server, the store and the offline reader
 *       each add to it: opening and resolving a file for each of 70 small modules took longer than running them.
 *   B3. `import.meta.url`, `.filename` and `.dirname` say where the module would lie had each been built into a file of its
 *       own: paths relative to the sources hold wherever a chunk is put.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { Plugin, RolldownOptions } from 'rolldown'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')
const src = join(root, 'src')
const dist = resolve(process.argv[2] ?? join(root, 'dist'))

/** Programs that are started by their path, in a thread or a process. */
const ALONE = ['drivers/sandbox/javascript-child', 'drivers/store/commit-worker']

/** What is loaded together, by the modules that load it. What an earlier chunk holds is not in a later one. */
const TOGETHER: Readonly<Record<string, string>> = {
  polity: 'index',
  store: 'drivers/store/sqlite',
  reader: 'drivers/llm/reader',
  command: 'cli/main',
  booted: 'cli/booted',
  server: 'server/serve',
}

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, { readonly default: string } | string | null>
}

/** Names of modules, as `drivers/store/sqlite`: all that is exported, and the command. */
function entries(): string[] {
  const found = Object.values(exports).flatMap((target) => {
    if (target === null || typeof target === 'string') return []
    const pattern = target.default.replace('./dist/', '').replace(/\.js$/, '.ts').replace('*', '**/*')
    const files = globSync(pattern, { cwd: src })
    if (files.length === 0) throw new Error(`package.json exports ${target.default}, and no source is of that name`)
    return files
  })
  return [...new Set(['cli/main', ...found.map(nameOf)])].filter((name) => !ALONE.includes(name))
}

function nameOf(file: string): string {
  return file.replace(/\.ts$/, '').replaceAll(sep, '/')
}

/** B3: a mark in each module, and in each chunk what the mark means there. */
const places: Plugin = {
  name: 'places',
  transform(code, id) {
    const name = nameOf(relative(src, id))
    return code.replace(
      /\bimport\.meta\.(url|filename|dirname)\b/g,
      (_, field: string) => `__place_${field}("${name}")`,
    )
  },
  renderChunk(code, chunk) {
    let isUsed = false
    const placed = code.replace(
      /\b__place_(url|filename|dirname)\(["'](.+?)["']\)/g,
      (_, field: string, name: string) => {
        const up = relative(dirname(chunk.fileName), '').replaceAll(sep, '/')
        const url = `new URL(${JSON.stringify(`${up === '' ? '.' : up}/${name}.js`)}, import.meta.url)`
        if (field === 'url') return `${url}.href`
        isUsed = true
        return field === 'filename' ? `__pathOf(${url})` : `__pathOf(new URL('.', ${url})).slice(0, -1)`
      },
    )
    return isUsed ? `import { fileURLToPath as __pathOf } from 'node:url'\n${placed}` : placed
  },
}

/** All that is not ours stays an import of the package. */
const external = /^[^./]/

async function bundle(options: RolldownOptions, output: Parameters<Awaited<ReturnType<typeof rolldown>>['write']>[0]) {
  const build = await rolldown({ platform: 'node', external, plugins: [places], ...options })
  await build.write({ dir: dist, format: 'esm', entryFileNames: '[name].js', comments: false, ...output })
  await build.close()
}

const input = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, join(src, `${name}.ts`)]))

/** Modules that the module loads with it, itself among them. */
async function closures(): Promise<Map<string, ReadonlySet<string>>> {
  const found = new Map<string, ReadonlySet<string>>()
  const graph = await rolldown({
    platform: 'node',
    external,
    input: input(entries()),
    plugins: [
      {
        name: 'closures',
        buildEnd() {
          for (const [chunk, name] of Object.entries(TOGETHER)) {
            const seen = new Set<string>()
            const left = [join(src, `${name}.ts`)]
            for (let id = left.pop(); id !== undefined; id = left.pop()) {
              if (seen.has(id) || external.test(id)) continue
              seen.add(id)
              left.push(...(this.getModuleInfo(id)?.importedIds ?? []).filter((next) => next.startsWith(src)))
            }
            found.set(chunk, seen)
          }
        },
      },
    ],
  })
  await graph.generate({ format: 'esm' })
  await graph.close()
  return found
}

rmSync(dist, { recursive: true, force: true })
execFileSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', dist],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
const together = await closures()
const groups = [...together].map(([name, modules], place) => ({
  name,
  priority: together.size - place,
  test: (id: string) => modules.has(id),
}))
await bundle({ input: input(entries()) }, { chunkFileNames: 'chunks/[name]-[hash].js', codeSplitting: { groups } })
for (const name of ALONE) await bundle({ input: input([name]) }, { codeSplitting: false })
// What is no source is read at run time, from beside the module that reads it.
for (const { name, parentPath } of globSync('**/*', { cwd: src, withFileTypes: true }).filter((one) => one.isFile()))
  if (!name.endsWith('.ts')) cpSync(join(parentPath, name), join(dist, relative(src, parentPath), name))
