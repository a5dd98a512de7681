/**
 * A bench's program on the package as users have it: JavaScript in a few chunks, and no types that Node strips at the start,
 * which takes memory of its own.
 *
 *     const program = await publishedIn(folder, join(import.meta.dirname, 'concurrent-child.ts'))   // node program memory 10000
 *
 * The folder is empty, and holds the package (scripts/packed.ts) and the program then. What the program imports of `src/` is
 * imported from the package: by its own name where that is exported, else from `polity`; all else is in the program.
 */
import { readFileSync } from 'node:fs'
import { join, relative, resolve, sep, dirname } from 'node:path'
import { rolldown } from 'rolldown'
import { packedIn } from '../scripts/packed.ts'

const src = join(import.meta.dirname, '..', 'src')

/** Where the program lies then. Takes some ten seconds. */
export async function publishedIn(folder: string, file: string): Promise<string> {
  const polity = packedIn(folder, { web: false })
  const { exports } = JSON.parse(readFileSync(join(polity, 'package.json'), 'utf8')) as { exports: object }
  const program = join(folder, 'program.js')
  const bundle = await rolldown({
    input: file,
    platform: 'node',
    plugins: [
      {
        name: 'of the package',
        resolveId(id, from) {
          if (from === undefined || id.startsWith('node:')) return null
          const of = id.startsWith('.') ? relative(src, resolve(dirname(from), id)).replaceAll(sep, '/') : undefined
          if (of === undefined) return { id, external: true }
          if (of.startsWith('..')) return null
          return { id: nameOf(of.replace(/\.ts$/, ''), exports), external: true }
        },
      },
    ],
  })
  await bundle.write({ file: program, format: 'esm' })
  await bundle.close()
  return program
}

function nameOf(module: string, exports: object): string {
  const isExported = `./${module}` in exports || `./${module.split('/')[0]}/*` in exports
  return isExported ? `polity/${module}` : 'polity'
}
