/**
 * A JSON Schema that somebody else wrote, as the schema of a tool: models see it as it is, and values are checked against it.
 *
 *     inputSchema: jsonSchema(listed.inputSchema, () => new AjvJsonSchemaValidator())
 *
 * Invariants
 *   JS1. A schema cannot stop the machine, whatever it says: a check that computes for longer than CHECK_MS (a regular
 *        expression that goes back and forth, references that double) is broken off, and the value does not pass.
 *   JS2. A schema that cannot be understood lets no value pass.
 *   JS3. Each schema has a validator of its own: no `$id` stands for another tool's schema.
 */
import vm from 'node:vm'
import { fieldOf, messageOf } from '../../kernel/errors.ts'
import type { Json, ToolSchema } from '../../kernel/types.ts'

/** What checks: that of the MCP SDK. */
export interface Validator {
  getValidator(schema: { readonly [key: string]: Json | undefined }): (value: unknown) => {
    readonly valid: boolean
    readonly errorMessage?: string | undefined
  }
}

/** Longest that one check may compute, ms: a hundred times what the first one with a schema does, which compiles it. */
const CHECK_MS = 500
/** Tries of a check that was broken off before it had computed that long, because others had the processor. */
const TRIES_MAX = 8
const MESSAGE_CHARS_MAX = 1_000

export function jsonSchema(
  schema: { readonly [key: string]: Json | undefined },
  createValidator: () => Validator,
): ToolSchema<unknown> {
  let check: ReturnType<Validator['getValidator']> | undefined
  const describe = () => schema
  return {
    '~standard': {
      version: 1,
      vendor: 'json-schema',
      validate(value) {
        try {
          const { valid, errorMessage } = within(CHECK_MS, () =>
            (check ??= createValidator().getValidator(schema))(value),
          )
          return valid ? { value } : { issues: [{ message: cut(errorMessage ?? 'it does not fit the schema') }] }
        } catch (error) {
          return { issues: [{ message: cut(`it could not be checked against the schema: ${messageOf(error)}`) }] }
        }
      },
      jsonSchema: { input: describe, output: describe },
    },
  }
}

const script = new vm.Script('run()')
const context = vm.createContext({ run: undefined })

/** Calls a function that is broken off after a time: `vm` is the one way to stop code that does not give up the thread. */
function within<T>(ms: number, run: () => T): T {
  context['run'] = run
  for (let tries = 1; ; tries++) {
    const before = process.threadCpuUsage()
    try {
      return script.runInContext(context, { timeout: ms }) as T
    } catch (error) {
      const { user, system } = process.threadCpuUsage(before)
      const computed = (user + system) / 1_000
      if (fieldOf(error, 'code') !== 'ERR_SCRIPT_EXECUTION_TIMEOUT' || computed > ms / 2 || tries === TRIES_MAX)
        throw error
    }
  }
}

function cut(text: string): string {
  return text.length <= MESSAGE_CHARS_MAX ? text : `${text.slice(0, MESSAGE_CHARS_MAX)} …`
}
