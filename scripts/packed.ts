/**
 * The package as a user has it: built, packed by npm, and unpacked beside the packages that it needs, without a network.
 *
 *     const polity = packedIn(folder)      // folder/node_modules/polity; an import of 'polity' in the folder is that
 *
 * Only its own dependencies lie there, as links to those of this repository: optional ones and those of the tests do not.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** Where the package lies then. Takes some ten seconds. The folder is empty; `web: false` leaves the dashboard out. */
export function packedIn(folder: string, { web = true }: { readonly web?: boolean } = {}): string {
  const made = join(folder, 'made')
  const run = (command: string, ...args: readonly string[]): string =>
    execFileSync(command, args, { cwd: made, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const { dependencies, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Readonly<Record<string, string>>
    files: readonly string[]
  }
  mkdirSync(made, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  for (const name of ['package.json', 'README.md', 'LICENSE', ...files.filter((name) => name !== 'dist')])
    cpSync(join(root, name), join(made, name), { recursive: true })
  run(process.execPath, join(root, 'scripts/build.ts'), join(made, 'dist'))
  if (web)
    run(
      process.execPath,
      join(root, 'node_modules/vite/bin/vite.js'),
      'build',
      join(root, 'web'),
      '--logLevel=warn',
      `--outDir=${join(made, 'dist/web')}`,
    )
  run('npm', 'pack', '--ignore-scripts', '--silent')
  const modules = join(folder, 'node_modules')
  mkdirSync(modules)
  run('tar', 'xzf', join(made, readdirSync(made).find((name) => name.endsWith('.tgz')) as string), '-C', modules)
  const polity = join(modules, 'polity')
  renameSync(join(modules, 'package'), polity)
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  return polity
}
