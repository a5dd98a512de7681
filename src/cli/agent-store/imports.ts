/**
 * Imports of installed agents: their files import each other, `polity`, `zod`, what lies in their own node_modules, and the
 * modules of Node that their manifest asks for.
 *
 *     confineImports('.polity/agents/3f9a…', ['node:crypto'])
 *
 * `polity` is the one that runs them, wherever it is installed. This keeps to its word an agent that means well: code that
 * does not can reach Node without an import (docs/agent-store.md).
 */
import { existsSync } from 'node:fs'
import { isBuiltin, registerHooks } from 'node:module'
import { sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { PolityError, fieldOf } from '../../kernel/errors.ts'

/** By the URL of the folder. */
const confined = new Map<string, { readonly name: string; readonly builtins: ReadonlySet<string> }>()
let isRegistered = false

/** From now on, for every module in the folder, which has no links in its path. */
export function confineImports(folder: string, name: string, builtins: readonly string[]): void {
  confined.set(pathToFileURL(folder + sep).href, { name, builtins: new Set(builtins) })
  if (isRegistered) return
  isRegistered = true
  registerHooks({
    resolve(specifier, context, next) {
      const [within, terms] = [...confined].find(([prefix]) => context.parentURL?.startsWith(prefix) === true) ?? []
      if (within === undefined || terms === undefined) return next(specifier, context)
      const own = ownModule(specifier)
      if (own !== undefined) return next(own, context)
      if (isBuiltin(specifier)) {
        const module = specifier.startsWith('node:') ? specifier : `node:${specifier}`
        if (terms.builtins.has(module)) return next(specifier, context)
        throw refused(`${terms.name} imports ${module}, which its manifest does not ask for (privileges.builtins)`)
      }
      const isZod = /^zod(\/|$)/.test(specifier)
      let found: ReturnType<typeof next> | undefined
      try {
        found = next(specifier, context)
      } catch (error) {
        if (!isZod || fieldOf(error, 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
      }
      if (found?.url.startsWith(within) === true) return found
      // Every agent may describe its tools with the library that we have anyway: ours, not what lies in a folder above it.
      if (isZod) return next(specifier, { ...context, parentURL: import.meta.url })
      throw refused(
        `${terms.name} imports ${JSON.stringify(specifier.slice(0, 200))}, which is not among its own files`,
      )
    },
  })
}

/** What `polity` and `polity/…` mean to an agent: this very copy, sources or build. */
function ownModule(specifier: string): string | undefined {
  const [, path = 'index'] = /^polity(?:\/([a-z0-9/-]+))?$/.exec(specifier) ?? [undefined, null]
  if (path === null) return undefined
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const url = new URL(`../../${path}.${ending}`, import.meta.url)
  if (!existsSync(fileURLToPath(url)) || /^(cli|server)\//.test(path))
    throw refused(`polity has no part ${JSON.stringify(specifier)}`)
  return url.href
}

function refused(message: string): PolityError {
  return new PolityError('CONFIG_INVALID', message)
}
