/**
 * Emulated tools: a toolkit as tools of Polity whose calls are answered by an emulator and executed by nobody.
 *
 *     const tools = emulate(toolkit, { emulator: seededEmulator({ seed: 7, state }) })
 *
 * Their manifests say what the marks say: what only reads has the effect `read`, all else `once`; what is `external` or
 * moves `money` is `outbound`; parameters with `control` steer. So the law sees them as it would see the real ones.
 *
 * Invariants
 *   EM1. What an emulator answers has the fields and types of `returns`; anything else fails the call (`TOOL_INVALID`).
 */
import { z } from 'zod'
import { defineTool } from '../kernel/tools.ts'
import { PolityError } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import type { Json, Pid, Tool } from '../kernel/types.ts'
import type { Field, Mark, ToolSpec, Toolkit } from './toolkit.ts'

/** A call to be emulated. */
export interface EmulatedCall {
  readonly toolkit: Toolkit
  readonly tool: ToolSpec
  readonly input: { readonly [name: string]: Json }
  readonly pid: Pid
}

/** Answers calls; throws an exception of the tool's list by its name. */
export interface Emulator {
  answer(call: EmulatedCall): Json | Promise<Json>
}

export interface EmulateOptions {
  readonly emulator: Emulator
}

const optionKeys: KeysOf<EmulateOptions> = { emulator: true }

export function emulate(toolkit: Toolkit, options: EmulateOptions): readonly Tool[] {
  checkKeys('emulate', options, optionKeys)
  const { emulator } = options
  return toolkit.tools.map((tool) => {
    const has = (mark: Mark): boolean => tool.marks.includes(mark)
    const manifest: Tool<{ [name: string]: Json }, Json> = {
      name: tool.name,
      description: tool.summary,
      effect: isRead(tool) ? 'read' : 'once',
      outbound: has('external') || has('money'),
      control: tool.parameters.filter(({ control }) => control === true).map(({ name }) => name),
      labels: tool.labels ?? [],
      trusted: tool.trusted === true,
      inputSchema: z.fromJSONSchema(schemaOf(tool.parameters) as never) as unknown as Tool<{
        [name: string]: Json
      }>['inputSchema'],
      async execute(input, { pid }) {
        const output = await emulator.answer({ toolkit, tool, input, pid })
        const fault = faultOf(output, tool.returns)
        if (fault !== undefined)
          throw new PolityError('TOOL_INVALID', `the emulator of ${tool.name} answered wrongly: ${fault}`)
        return output
      },
    }
    return defineTool(manifest) as Tool
  })
}

export function isRead({ marks }: ToolSpec): boolean {
  return marks.length > 0 && marks.every((mark) => mark === 'read')
}

/** Fields as a JSON Schema of an object. */
export function schemaOf(fields: readonly Field[]): Json {
  return {
    type: 'object',
    properties: Object.fromEntries(
      fields.map(({ name, type, description }) => [
        name,
        { type, ...(description === undefined ? {} : { description }) },
      ]),
    ),
    required: fields.filter(({ required = true }) => required).map(({ name }) => name),
    additionalProperties: false,
  }
}

/** What is wrong with an answer; undefined where nothing is. */
export function faultOf(output: Json, returns: readonly Field[]): string | undefined {
  if (typeof output !== 'object' || output === null || Array.isArray(output)) return 'it is no object'
  const given = output as { readonly [name: string]: Json | undefined }
  for (const { name, type, required = true } of returns) {
    const value = given[name]
    if (value === undefined && !required) continue
    const kind = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value
    if (kind !== (type === 'integer' ? 'number' : type)) return `${name} is ${kind}, not ${type}`
  }
  const known = new Set(returns.map(({ name }) => name))
  const stray = Object.keys(given).find((name) => !known.has(name))
  return stray === undefined ? undefined : `it has a field ${stray} that is not described`
}
