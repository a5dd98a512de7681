/**
 * What `polity lint` looks at, collected: from programs and tools that were loaded, a manifest of tools, and the
 * package.json and lock file above a source.
 */
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { PolityError } from '../kernel/errors.ts'
import { describeTool } from '../kernel/tools.ts'
import type { Program, Tool } from '../kernel/types.ts'
import type { AgentFacts, JsonSchema, PackageFacts, ToolFacts } from '../lint/facts.ts'
import { plainJsonIn } from './given-file.ts'

/** A program, and where it is an agent (`defineAgent`) also what that was made of. */
export function factsOfProgram(program: Program): AgentFacts {
  const { definition } = program as Program & { readonly definition?: Partial<AgentFacts> }
  return {
    ...definition,
    name: program.name,
    tools: program.tools.map(({ name }) => name),
    ...(program.model === undefined ? {} : { model: program.model }),
  }
}

export function factsOfTool(tool: Tool): ToolFacts {
  const { name, description, effect, labels, outbound, trusted, control, timeoutMs, outputSchema } = tool
  const given = { effect, labels, outbound, trusted, control, timeoutMs }
  return {
    name,
    description,
    inputSchema: schemaOf(tool),
    ...(outputSchema === undefined ? {} : { outputSchema: {} }),
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    code: Function.prototype.toString.call(tool.execute),
  }
}

/** A schema that cannot describe itself is not judged. */
function schemaOf(tool: Tool): JsonSchema | undefined {
  try {
    return describeTool(tool).inputSchema
  } catch (error) {
    if (PolityError.isInstance(error) && error.code === 'CONFIG_INVALID') return undefined
    throw error
  }
}

/** A list of tools, or `{ "tools": […] }`; schemas as `inputSchema`, as MCP has it, `input_schema` or `parameters`. */
export function readManifest(json: unknown, from: string): ToolFacts[] {
  const list = Array.isArray(json) ? json : (json as { readonly tools?: unknown } | null)?.tools
  if (!Array.isArray(list))
    throw new PolityError('CONFIG_INVALID', `${from} has no tools; expected a list, or { "tools": [ … ] }`)
  return list.map((given: unknown, i) => {
    const one = (typeof given === 'object' && given !== null ? given : {}) as Readonly<Record<string, unknown>>
    const { function: inner } = one as { readonly function?: Readonly<Record<string, unknown>> }
    const tool = inner ?? one
    if (typeof tool['name'] !== 'string') throw new PolityError('CONFIG_INVALID', `${from}: tool ${i} has no name`)
    for (const [key, { is, expected }] of Object.entries(manifestKeys))
      if (tool[key] !== undefined && !is(tool[key]))
        throw new PolityError('CONFIG_INVALID', `${from}: ${key} of tool ${tool['name']} must be ${expected}`)
    const inputSchema = tool['inputSchema'] ?? tool['input_schema'] ?? tool['parameters']
    return { ...tool, ...(inputSchema === undefined ? {} : { inputSchema }) } as unknown as ToolFacts
  })
}

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((one) => typeof one === 'string')
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

const manifestKeys: {
  readonly [key: string]: { readonly is: (value: unknown) => boolean; readonly expected: string }
} = {
  description: { is: (value) => typeof value === 'string', expected: 'a text' },
  effect: { is: (value) => typeof value === 'string', expected: 'a text' },
  labels: { is: isTexts, expected: 'a list of texts' },
  control: { is: isTexts, expected: 'a list of texts' },
  outbound: { is: (value) => typeof value === 'boolean', expected: 'true or false' },
  inputSchema: { is: isObject, expected: 'a JSON Schema' },
  input_schema: { is: isObject, expected: 'a JSON Schema' },
  parameters: { is: isObject, expected: 'a JSON Schema' },
  outputSchema: { is: isObject, expected: 'a JSON Schema' },
}

/** Of the nearest package.json above a file, with its lock file; undefined where there is none. */
export function packagesAbove(file: string): PackageFacts | undefined {
  for (let folder = dirname(resolve(file)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) {
      const manifest = plainJsonIn(join(folder, 'package.json')) as PackageFacts
      const { name, dependencies, devDependencies, peerDependencies, optionalDependencies } = manifest
      const lock = lockIn(folder)
      const given = { name, dependencies, devDependencies, peerDependencies, optionalDependencies, lock }
      return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    }
    if (dirname(folder) === folder) return undefined
  }
}

/** What npm locked at the top; of another manager's lock file it is only known that it is there. */
function lockIn(folder: string): PackageFacts['lock'] {
  const path = join(folder, 'package-lock.json')
  if (!existsSync(path)) return undefined
  const { packages = {} } = plainJsonIn(path) as {
    readonly packages?: Record<string, NonNullable<PackageFacts['lock']>[string]>
  }
  const entries = Object.entries(packages).flatMap(([at, { version, peerDependencies }]) => {
    const name = at.slice('node_modules/'.length)
    if (!at.startsWith('node_modules/') || name.includes('node_modules/')) return []
    return [
      [
        name,
        {
          ...(version === undefined ? {} : { version }),
          ...(peerDependencies === undefined ? {} : { peerDependencies }),
        },
      ],
    ]
  })
  return Object.fromEntries(entries) as PackageFacts['lock']
}
