/**
 * What `import 'polity'` costs in a fresh process: as published (JavaScript), and from the sources (TypeScript, whose
 * types Node strips at every start).
 *
 *     npm run build && node bench/import.ts [--rounds 15] [--json]
 *
 * Measured inside the process (performance.now around the import) and outside (wall of the whole process, less the empty one's).
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pathToFileURL } from 'node:url'
import { spread } from './figures.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' }, json: { type: 'boolean' } } })
const root = join(import.meta.dirname, '..')
const entries = { published: join(root, 'dist', 'index.js'), sources: join(root, 'src', 'index.ts') }
if (!existsSync(entries.published)) throw new Error('there is no dist/index.js: run npm run build first')

function milliseconds(code: string): { inside: number; outside: number } {
  const started = performance.now()
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return { inside: Number(stdout), outside: performance.now() - started }
}

const table = Object.entries(entries).map(([form, entry]) => {
  const inside: number[] = []
  const more: number[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const bare = milliseconds('console.log(0)').outside
    const measured = milliseconds(
      `const t = performance.now(); await import(${JSON.stringify(pathToFileURL(entry).href)}); console.log(performance.now() - t)`,
    )
    inside.push(measured.inside)
    more.push(measured.outside - bare)
  }
  return { form, 'import ms': spread(inside), 'process ms more than an empty one': spread(more) }
})
if (values.json === true) console.log(JSON.stringify(table))
else console.table(table)
