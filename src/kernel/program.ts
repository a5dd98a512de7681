/** How a program is written down: a name, a version and an async function. */
import { PolityError } from './errors.ts'
import type { KeysOf } from './known-keys.ts'
import { checkKeys } from './known-keys.ts'
import { checkTools } from './tools.ts'
import type { ModelChoice, Program, Sys, Tool } from './types.ts'

/** What a program has beside its name and its function. */
export interface ProgramOptions {
  /** Raise it when the program makes other calls than before: journals of older versions are then not replayed by it. @default '1' */
  readonly version?: string
  readonly tools?: readonly Tool[]
  /** Model for calls that name none. @default the kernel's */
  readonly model?: ModelChoice
}

const optionKeys: KeysOf<ProgramOptions> = { version: true, tools: true, model: true }

/** Names a program, so that its journal can find it again. Throws `CONFIG_INVALID` for a name that is not one, for an option that there is not, and for tools that are none. */
export function defineProgram<Input, Output>(
  name: string,
  run: (sys: Sys, input: Input) => Promise<Output>,
  options: ProgramOptions = {},
): Program<Input, Output> {
  if (typeof name !== 'string' || !/^[^\s@]{1,100}$/.test(name))
    throw new PolityError(
      'CONFIG_INVALID',
      `a program’s name is 1 to 100 characters without space or "@", not ${JSON.stringify(name)}`,
    )
  if (typeof run !== 'function')
    throw new PolityError('CONFIG_INVALID', `program ${name}: expected an async function (sys, input) => output`)
  checkKeys(`program ${name}`, options, optionKeys)
  if (options.tools !== undefined) checkTools(`program ${name}: tools`, options.tools)
  return Object.freeze({ name, version: options.version ?? '1', tools: options.tools ?? [], model: options.model, run })
}
