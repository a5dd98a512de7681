/**
 * A schema that models see and that lets everything pass: for tools whose arguments somebody else checks, such as a world, which
 * says itself what is wrong, or a client that executes the call.
 *
 *     defineTool({ name: 'get', inputSchema: anything(action.input), execute: (args) => … })
 */
import type { StandardJSONSchemaV1 } from '@standard-schema/spec'
import type { Json, ToolSchema } from './types.ts'

/** A schema that is sure to describe itself. */
export type ShownSchema<Value> = ToolSchema<Value> & {
  readonly '~standard': Required<Pick<StandardJSONSchemaV1.Props<unknown, Value>, 'jsonSchema'>>
}

const OBJECT = Object.freeze({ type: 'object' })

/**
 * What passes is taken for a `Value`, unchecked.
 *
 * @param schema what models see @default any object
 */
export function anything<Value = unknown>(
  schema: { readonly [key: string]: Json | undefined } = OBJECT,
): ShownSchema<Value> {
  const describe = (): Record<string, unknown> => ({ ...schema })
  return {
    '~standard': {
      version: 1,
      vendor: 'polity',
      validate: (value) => ({ value: value as Value }),
      jsonSchema: { input: describe, output: describe },
    },
  }
}
