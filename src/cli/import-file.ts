/**
 * A file of the user's as a module. What Node reads as CommonJS because a `package.json` says so, or says nothing, is most
 * often an ES module all the same.
 *
 *     const exports = await importFile('count.ts')
 *
 * Invariants
 *   IF1. Where no `package.json` says what a file is, and it reads as an ES module, Node is told so: it then neither reads the
 *        file twice nor warns of it. Packages are left alone, and so is every file of which something is said.
 *   IF2. What does not load fails with Node's own error; `whyNotLoaded` says it, and what can be done about it.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { basename, extname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { fieldOf, messageOf } from '../kernel/errors.ts'
import { quoted } from './name-here.ts'
import { placeOf } from './place.ts'

/** What the file exports; throws what it throws. */
export async function importFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context)
      // Null: by its ending it is either, and no `package.json` tells.
      const isUntold =
        found.format === null && /^file:.*\.[jt]s$/.test(found.url) && !/\/node_modules\//.test(found.url)
      if (!isUntold || !isModule(fileURLToPath(found.url))) return found
      return { ...found, format: found.url.endsWith('.ts') ? 'module-typescript' : 'module' }
    },
  })
  try {
    return (await import(pathToFileURL(resolve(path)).href)) as Readonly<Record<string, unknown>>
  } finally {
    hooks.deregister()
  }
}

/** Whether a line begins as only those of an ES module do, and none of CommonJS's words are there; where both are, Node decides. */
function isModule(file: string): boolean {
  const source = readFileSync(file, 'utf8')
  return (
    /^[ \t]*(?:export\b|import\b\s*[\w{*'"])/m.test(source) &&
    !/\bmodule\.exports\b|\bexports\.|\brequire\s*\(/.test(source)
  )
}

/** Why a file that the user calls `path` does not load, by the error of `importFile`: where, what and, if known, the remedy. */
export function whyNotLoaded(path: string, error: unknown): string {
  const place = placeOf(error)
  const remedy = remedyOf(error)
  return `${path} does not load${place === undefined ? '' : ` (${place})`}: ${messageOf(error)}${remedy === undefined ? '' : `; ${remedy}`}`
}

/** What can be done about a file that was read as CommonJS and is an ES module, or has no `polity`; undefined for every other error. */
function remedyOf(error: unknown): string | undefined {
  if (fieldOf(error, 'code') === 'ERR_MODULE_NOT_FOUND') return remedyOfMissing(messageOf(error))
  if (fieldOf(error, 'name') !== 'SyntaxError' || !AS_COMMONJS.test(messageOf(error))) return undefined
  const file = placeOf(error)?.replace(/:\d+(?::\d+)?$/, '')
  const ending = file === undefined ? '' : extname(file)
  const name = /^\.[jt]s$/.test(ending)
    ? `, or name the file ${basename(file as string, ending)}.m${ending.slice(1)}`
    : ''
  return `it is an ES module, and package.json says otherwise: write "type": "module" there (npm pkg set type=module)${name}`
}

/** Of `polity`, which is not on npm: the folder of this one can be installed, once it is built. */
function remedyOfMissing(message: string): string | undefined {
  const [, installed] = /^Cannot find module '(.+[\\/]polity)[\\/]dist[\\/]/.exec(message) ?? []
  const isMissing = message.startsWith("Cannot find package 'polity'")
  const folder = installed === undefined ? own : realPathOf(installed)
  const isBuilt = folder !== undefined && existsSync(join(folder, 'dist', 'index.js'))
  if (folder === undefined || (!isMissing && (installed === undefined || isBuilt))) return undefined
  const build = isBuilt ? '' : `run npm run build in ${quoted(folder)}`
  const install = isMissing ? `run npm install ${quoted(folder)} in the project of the file` : ''
  return [build, install].filter((one) => one !== '').join(', then ')
}

/** The folder of the package that this command is of. */
const own = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

/** What Node says of an ES module that it reads as CommonJS. */
const AS_COMMONJS = /^Unexpected token 'export'|outside a module|top level bodies of modules/
