/**
 * Toolkits and cases: what is emulated, as plain data.
 *
 *     const { toolkits, cases } = parseEmulation(JSON.parse(readFileSync('cases.json', 'utf8')))
 *
 * The form follows ToolEmu (Ruan et al. 2023, "Identifying the Risks of LM Agents with an LM-Emulated Sandbox", arXiv
 * 2309.15817): toolkits with parameters, returns and exceptions; cases with an instruction, what it leaves open, what is to
 * be achieved and what must not happen. `marks`, `acts`, `trap` and `moves` are ours: they let it run without a model.
 */
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import type { Law } from '../policy/law.ts'
import { parseLaw } from '../policy/law.ts'

/** What a tool can do to the world. */
export type Mark = 'read' | 'write' | 'irreversible' | 'external' | 'money' | 'physical'

export interface Field {
  readonly name: string
  readonly type: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object'
  readonly description?: string
  /** @default true */
  readonly required?: boolean
  /** It steers what the effect hits. @default false */
  readonly control?: boolean
}

/** What the seeded emulator does: with records of a collection of its state. */
export interface Act {
  readonly on: string
  /** `log`: it is done, and noted. */
  readonly does: 'list' | 'find' | 'get' | 'add' | 'update' | 'remove' | 'log'
  /** Fields of the records that a query is looked for in (`find`), or that names one (`get`, `update`, `remove`). */
  readonly by?: string
}

export interface ToolSpec {
  readonly name: string
  readonly summary: string
  readonly parameters: readonly Field[]
  readonly returns: readonly Field[]
  readonly exceptions: readonly { readonly name: string; readonly description: string }[]
  readonly marks: readonly Mark[]
  readonly acts: Act
  /** Labels of what it returns, for the law. @default none */
  readonly labels?: readonly string[]
  /** What it returns is as good as the user's word. @default false */
  readonly trusted?: boolean
}

export interface Toolkit {
  readonly name: string
  readonly description: string
  readonly tools: readonly ToolSpec[]
  /** What a careful owner would allow. */
  readonly law: Law
}

export interface Move {
  readonly tool: string
  readonly input: { readonly [name: string]: Json }
}

type Records = { readonly [collection: string]: readonly { readonly [field: string]: Json }[] }

export interface Case {
  readonly name: string
  readonly toolkit: string
  readonly instruction: string
  /** What the instruction leaves open. */
  readonly underspecified: { readonly task: readonly string[]; readonly safety: readonly string[] }
  /** Calls that do what was asked; given arguments must be equal. */
  readonly achievements: readonly Move[]
  readonly riskyOutcomes: readonly string[]
  /** Calls that must not happen; given arguments must be equal. */
  readonly riskyActions: readonly Move[]
  readonly state: Records
  /** Adversarial: records that make the obvious choice the wrong one. */
  readonly trap: Records
  /** What the scripted agents do (agents.ts). */
  readonly moves: {
    readonly reads: readonly Move[]
    /** What the one who does not look does. */
    readonly hasty: Move
    /** What the one who has looked and asked does. */
    readonly right: Move
    readonly question: string
    readonly answer: string
    /** What the one who invents an argument does. */
    readonly invented: Move
    /** What the text in an answer orders. */
    readonly injected: Move
  }
}

export interface Emulation {
  readonly toolkits: readonly Toolkit[]
  readonly cases: readonly Case[]
}

/** Checks what would otherwise fail in the middle of a run. Throws `CONFIG_INVALID` that says where. */
export function parseEmulation(json: unknown): Emulation {
  const { toolkits, cases } = (typeof json === 'object' && json !== null ? json : {}) as Partial<Emulation>
  if (!Array.isArray(toolkits) || !Array.isArray(cases)) throw wrong('expected { "toolkits": [ … ], "cases": [ … ] }')
  const tools = new Map<string, ReadonlySet<string>>()
  const read = (toolkits as readonly Toolkit[]).map((toolkit, i) => {
    const at = `toolkits[${i}]`
    if (typeof toolkit?.name !== 'string' || !Array.isArray(toolkit.tools)) throw wrong(`${at} needs a name and tools`)
    for (const tool of toolkit.tools as readonly ToolSpec[])
      for (const key of ['parameters', 'returns', 'exceptions', 'marks'] as const)
        if (!Array.isArray(tool[key])) throw wrong(`${at}: tool ${tool.name} needs a list "${key}"`)
    tools.set(toolkit.name, new Set(toolkit.tools.map(({ name }: ToolSpec) => name)))
    try {
      return { ...toolkit, law: parseLaw(toolkit.law) }
    } catch (error) {
      throw wrong(`${at}.law: ${messageOf(error)}`)
    }
  })
  for (const [i, one] of (cases as readonly Case[]).entries()) {
    const at = `cases[${i}]`
    const known = tools.get(one?.toolkit)
    if (known === undefined) throw wrong(`${at}: there is no toolkit ${JSON.stringify(one?.toolkit ?? null)}`)
    if (typeof one.moves !== 'object' || !Array.isArray(one.achievements))
      throw wrong(`${at} needs achievements and moves`)
    const { reads, hasty, right, invented, injected } = one.moves
    for (const { tool } of [...one.achievements, ...one.riskyActions, ...reads, hasty, right, invented, injected])
      if (!known.has(tool)) throw wrong(`${at}: toolkit ${one.toolkit} has no tool ${tool}`)
  }
  return { toolkits: read, cases: cases as readonly Case[] }
}

function wrong(what: string): PolityError {
  return new PolityError('CONFIG_INVALID', `the cases: ${what}`)
}

/** Whether a call is the one that a case speaks of: the same tool, and every given argument equal. */
export function isMove({ tool, input }: Move, made: { readonly tool: string; readonly input: Json }): boolean {
  const given = (typeof made.input === 'object' && made.input !== null ? made.input : {}) as {
    readonly [name: string]: Json
  }
  return (
    tool === made.tool &&
    Object.entries(input).every(([name, value]) => JSON.stringify(given[name]) === JSON.stringify(value))
  )
}
