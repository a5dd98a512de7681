/**
 * Writing a law in TypeScript: rules whose tools and arguments the compiler knows.
 *
 *     const law = lawOf(
 *       deny('no-root', remove, { args: { path: startsWith('/') }, reason: 'not the machine itself' }),
 *       ask('large', transfer, { args: { amount: atLeast(100) } }),
 *       allow('small', transfer, { args: { to: oneOf('ann', 'bob') }, origins: { to: 'request' } }),
 *     )
 *
 * What comes out is the plain data that the JSON form has; `JSON.stringify` writes the policy file.
 */
import type { Condition, Json } from './conditions.ts'
import type { Law, Rule, TemporalRule } from './law.ts'
import { parseLaw } from './law.ts'
import type { From, Match } from './match.ts'

/** A tool whose input the compiler knows, or a name, in which `*` stands for any run of characters. */
export type ToolOf<Input> = string | { readonly name: string; execute(input: Input, ...more: never[]): unknown }

/** What a rule says beside its tool. */
export interface RuleParts<Input> extends Omit<Match, 'tool' | 'args' | 'origins'> {
  readonly args?: { readonly [Name in keyof Input & string]?: Condition }
  readonly origins?: { readonly [Name in keyof Input & string]?: From }
  readonly reason?: string
  readonly then?: Rule['then']
}

/** Lets the call through. */
export function allow<Input = { readonly [name: string]: Json }>(
  id: string,
  tool: ToolOf<Input>,
  parts: RuleParts<Input> = {},
): Rule {
  return ruleOf('allow', id, tool, parts)
}

/** Refuses the call; with `ends`, ends the process that makes it. */
export function deny<Input = { readonly [name: string]: Json }>(
  id: string,
  tool: ToolOf<Input>,
  parts: RuleParts<Input> & { readonly ends?: true } = {},
): Rule {
  return ruleOf('deny', id, tool, parts)
}

/** Asks a person. */
export function ask<Input = { readonly [name: string]: Json }>(
  id: string,
  tool: ToolOf<Input>,
  parts: RuleParts<Input> = {},
): Rule {
  return ruleOf('ask', id, tool, parts)
}

function ruleOf<Input>(effect: Rule['effect'], id: string, tool: ToolOf<Input>, parts: RuleParts<Input>): Rule {
  return { id, effect, tool: typeof tool === 'string' ? tool : tool.name, ...parts } as Rule
}

/** A temporal rule, such as `temporal('confirmed', 'precedence(confirm, pay)')`. */
export function temporal(id: string, formula: string, parts: Omit<TemporalRule, 'id' | 'formula'> = {}): TemporalRule {
  return { id, formula, ...parts }
}

/** The law of these rules, in their order. Throws a TypeError as `parseLaw` does. */
export function lawOf(...parts: readonly (Rule | TemporalRule | Omit<Law, 'rules' | 'temporal'>)[]): Law {
  const rules = parts.filter((part) => 'id' in part && !('formula' in part))
  const temporals = parts.filter((part) => 'formula' in part)
  const others = parts.filter((part) => !('id' in part))
  return parseLaw(Object.assign({ rules }, ...others, temporals.length === 0 ? {} : { temporal: temporals }))
}

// ----------------------------------------------------------------------------------------------------- conditions

export const is = (value: Json): Condition => ({ const: value })
export const oneOf = (...values: readonly Json[]): Condition => ({ enum: values })
/** A number, inclusive. */
export const atMost = (maximum: number): Condition => ({ maximum })
/** A number, inclusive. */
export const atLeast = (minimum: number): Condition => ({ minimum })
/** A number, inclusive on both sides. */
export const between = (minimum: number, maximum: number): Condition => ({ minimum, maximum })
/** A text that the whole pattern describes. Throws a TypeError where it has a flag that changes what it describes. */
export function matching(pattern: RegExp | string): Condition {
  if (typeof pattern === 'string') return { type: 'string', matches: pattern }
  const flag = /[imsv]/.exec(pattern.flags)?.[0]
  if (flag !== undefined)
    throw new TypeError(
      `a law has no flags, and ${String(pattern)} has "${flag}"; write what it means, as [aA] for both cases`,
    )
  return { type: 'string', matches: pattern.source }
}
export const startsWith = (prefix: string): Condition => ({ type: 'string', pattern: `^${literally(prefix)}` })
export const endsWith = (suffix: string): Condition => ({ type: 'string', pattern: `${literally(suffix)}$` })
/** A list of which every item is so. */
export const every = (items: Condition): Condition => ({ type: 'array', items })
/** A text of at most so many characters. */
export const noLongerThan = (maxLength: number): Condition => ({ type: 'string', maxLength })

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, (sign) => `\\${sign}`)
}
