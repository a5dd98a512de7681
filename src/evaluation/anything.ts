/**
 * A schema that models see and that lets everything pass: for tools whose arguments somebody else checks, such as a world, which
 * says itself what is wrong.
 *
 *     defineTool({ name: 'get', inputSchema: anything(action.input), execute: (args) => … })
 */
import type { Json, ToolSchema } from '../kernel/types.ts'

const OBJECT = Object.freeze({ type: 'object' })

/** @param schema what models see @default any object */
export function anything(schema: { readonly [key: string]: Json } = OBJECT): ToolSchema<unknown> {
  const describe = () => schema
  return {
    '~standard': {
      version: 1,
      vendor: 'polity',
      validate: (value) => ({ value }),
      jsonSchema: { input: describe, output: describe },
    },
  }
}
