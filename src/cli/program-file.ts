/**
 * Programs and tools from a file: `polity run agent.ts` imports it and takes its default export.
 *
 *     const { main } = await loadProgramFile('clerk.ts')         // the one to run
 *     const { programs, tools } = await loadExported('team.ts')  // all that can be served or looked at
 *
 * A program is made by `defineProgram` or `defineAgent`; an async function `(sys, input)` is one where it is the default export.
 * What is run is the default export, or the only program. Other exported programs are registered too, so that a run whose
 * children were interrupted can be resumed.
 *
 * The folder of an installed agent (agent-store/) is a program too, confined to what was granted.
 */
import { statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Program, Sys, Tool } from '../kernel/types.ts'
import { isInstallation } from './agent-store/installations.ts'
import { importFile, whyNotLoaded } from './import-file.ts'

export interface Exported {
  /** What is run where none is named: the default export, else the only program; undefined of a file with several, or none. */
  readonly main: Program | undefined
  /** All programs that the file exports, `main` too. */
  readonly programs: readonly Program[]
  /** Tools that the file exports, each by itself or in a list. */
  readonly tools: readonly Tool[]
  /** `main` is a function without a name, and is called as the file is. */
  readonly isNamedByFile: boolean
}

export interface ProgramFile extends Exported {
  readonly main: Program
}

/** A file with the program to run. Throws `CONFIG_INVALID`. */
export async function loadProgramFile(path: string): Promise<ProgramFile> {
  const exported = await loadExported(path)
  return { ...exported, main: mainOf(path, exported) }
}

/** A file with programs, tools or both. Throws `CONFIG_INVALID`, also where there is neither. */
export async function loadExported(path: string): Promise<Exported> {
  if (!isInstallation(path)) return exportedOf(path)
  const { loadInstalled } = await import('./agent-store/load.ts')
  return loadInstalled(path)
}

/** The same as `loadProgramFile`, of a file alone. */
export async function loadPlainFile(path: string): Promise<ProgramFile> {
  const exported = await exportedOf(path)
  return { ...exported, main: mainOf(path, exported) }
}

/** The program to run. Throws `CONFIG_INVALID` where the file does not say which that is. */
export function mainOf(
  path: string,
  { main, programs, tools }: Pick<Exported, 'main' | 'programs' | 'tools'>,
): Program {
  if (main !== undefined) return main
  const names = programs.map(({ name }) => name)
  throw wrong(
    names.length > 0
      ? `${path} has no default export, and several programs: ${names.join(', ')}; write \`export default\` before the one to run`
      : `${path} has no default export, and tools only: ${tools.map(({ name }) => name).join(', ')}; write \`export default\` before the program or async function to run`,
  )
}

async function exportedOf(path: string): Promise<Exported> {
  if (path === '') throw wrong('there is no file ""; a program is an export of a .ts or .js file')
  const file = resolve(path)
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined) throw wrong(`there is no file ${path}; a program is an export of a .ts or .js file`)
  if (!stat.isFile()) throw wrong(`${path} is a folder; a program is an export of a .ts or .js file`)
  if (!/^\.[cm]?[jt]s$/.test(extname(file)))
    throw wrong(`${path} is not a .ts or .js file; a program is an export of one`)
  let exports: Readonly<Record<string, unknown>>
  try {
    exports = await importFile(file)
  } catch (error) {
    throw wrong(whyNotLoaded(path, error), error)
  }
  const given = exports['default']
  const isNamedByFile = typeof given === 'function' && isNameless(given as Run)
  const tools = toolsOf(exports)
  const byName = [...new Set(programsOf(exports))]
  if (given === undefined || isTools(given)) {
    if (byName.length === 0 && tools.length === 0)
      throw wrong(
        `${path} has no default export (it exports ${Object.keys(exports).join(', ') || 'nothing'}), and no program or tool; write \`export default\` before the program or async function to run`,
      )
    return { main: byName.length === 1 ? byName[0] : undefined, programs: byName, tools, isNamedByFile }
  }
  const main = typeof given === 'function' ? toProgram(given as Run, file) : given
  if (!isProgram(main))
    throw wrong(
      `the default export of ${path} is ${kindOf(given)}; expected a program made by defineProgram or defineAgent, or an async function (sys, input) => output`,
    )
  return { main, programs: [...new Set([...byName, main])], tools, isNamedByFile }
}

/** The programs among the exports of a module. */
export function programsOf(exports: Readonly<Record<string, unknown>>): Program[] {
  return Object.values(exports).filter(isProgram)
}

/** The tools among the exports of a module, each once: one with a name may stand in the list too. */
export function toolsOf(exports: Readonly<Record<string, unknown>>): Tool[] {
  return [...new Set(Object.values(exports).flat().filter(isTool))]
}

/** A journal finds its program by name, so a function without one is called as its file is. */
function toProgram(run: Run, file: string): Program {
  const stem = basename(file, extname(file)).replace(/[\s@]+/g, '-')
  return defineProgram(isNameless(run) ? stem : run.name, run) as Program
}

type Run = (sys: Sys, input: unknown) => Promise<unknown>

function isNameless({ name }: Run): boolean {
  return name === '' || name === 'default'
}

function isProgram(value: unknown): value is Program {
  const { name, version, tools, run } = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof Program, unknown>
  >
  return typeof name === 'string' && typeof version === 'string' && Array.isArray(tools) && typeof run === 'function'
}

function isTool(value: unknown): value is Tool {
  const { name, inputSchema, execute } = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof Tool, unknown>
  >
  return typeof name === 'string' && typeof inputSchema === 'object' && typeof execute === 'function'
}

function isTools(value: unknown): boolean {
  const all = [value].flat()
  return all.length > 0 && all.every(isTool)
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}

function wrong(message: string, cause?: unknown): PolityError {
  return new PolityError('CONFIG_INVALID', message, cause === undefined ? {} : { cause })
}
