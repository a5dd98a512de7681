/**
 * What `import 'polity'` costs in a fresh process: of the package as npm packs it (which is what users import: JavaScript,
 * one chunk), and from the sources of this repository (TypeScript, 70 files, whose types Node strips at every start).
 *
 *     node bench/import.ts [--rounds 15] [--json]
 *
 * Builds and packs first, in a temporary folder. Measured inside the process (performance.now around the import) and outside
 * (wall of the whole process, less the empty one's). The processor's time is that of the whole process, less the empty one's:
 * other work on the machine hardly changes it. No cache of compiled code.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pathToFileURL } from 'node:url'
import { packedIn } from '../scripts/packed.ts'
import { spread } from './figures.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' }, json: { type: 'boolean' } } })
const folder = mkdtempSync(join(tmpdir(), 'polity-import-'))
const { NODE_COMPILE_CACHE: _, ...env } = process.env

function milliseconds(before: string): { inside: number; outside: number; processor: number } {
  const started = performance.now()
  const code = `const t = performance.now(); ${before}; const e = performance.now() - t; const { user, system } = process.cpuUsage();
    console.log(JSON.stringify([e, (user + system) / 1000]))`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    cwd: folder,
    env,
  })
  if (status !== 0) throw new Error(stderr)
  const [inside, processor] = JSON.parse(stdout) as [number, number]
  return { inside, processor, outside: performance.now() - started }
}

try {
  packedIn(folder, { web: false })
  const sources = pathToFileURL(join(import.meta.dirname, '..', 'src', 'index.ts')).href
  const table = Object.entries({ 'package, as published': 'polity', 'sources (.ts)': sources }).map(([form, entry]) => {
    const inside: number[] = []
    const more: number[] = []
    const processor: number[] = []
    for (let round = 0; round < Number(values.rounds); round++) {
      const bare = milliseconds('')
      const measured = milliseconds(`await import(${JSON.stringify(entry)})`)
      inside.push(measured.inside)
      more.push(measured.outside - bare.outside)
      processor.push(measured.processor - bare.processor)
    }
    return {
      form,
      'import ms': spread(inside),
      'process ms more than an empty one': spread(more),
      'processor ms more': spread(processor),
    }
  })
  if (values.json === true) console.log(JSON.stringify(table))
  else console.table(table)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
