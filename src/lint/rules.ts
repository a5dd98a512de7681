/**
 * Rules of a law: names of tools and arguments that are not there, conditions that cannot hold or that hold of too much; with
 * idle-rules.ts, rules that decide nothing.
 *
 * That a condition cannot hold is proved by comparing laws, never guessed; what cannot be proved is not said.
 */
import { isOpenSchema } from '../kernel/open-schema.ts'
import type { Condition } from '../policy/conditions.ts'
import { compile } from '../policy/conditions.ts'
import { compareLaws } from '../policy/diff.ts'
import { glob } from '../policy/glob.ts'
import type { Law, Match, Rule } from '../policy/law.ts'
import { valueOf } from './example.ts'
import type { JsonSchema, Remark, ToolFacts } from './facts.ts'
import { lintIdle, narrows } from './idle-rules.ts'
import { nearestName, wordsOf } from './words.ts'

export function lintRules(law: Law, tools: readonly ToolFacts[]): Remark[] {
  const rules = allRules(law.rules)
  return [
    ...lintIdle(
      law,
      tools.map(({ name }) => name),
    ),
    ...rules.flatMap((rule) => names(`rule ${rule.id}`, rule, tools)),
    ...Object.entries(law.events ?? {}).flatMap(([name, event]) => names(`event ${name}`, event, tools)),
    ...rules.flatMap((rule, i) => ofRule(rule, rules.slice(0, i), law, tools)),
    ...rules.flatMap((rule) => once(rule, law)),
    ...tools.flatMap(controls),
  ]
}

/** A rule that is gone after its first call is gone for that process: what the law remembers belongs to each. */
function once(rule: Rule, { rules }: Law): Remark[] {
  if (rule.effect === 'deny' || rule.then?.drop?.includes(rule.id) !== true) return []
  const open = ['spawn', 'fork', 'restore'].filter((call) => !rules.some((one) => deniesAll(one, call)))
  if (open.length === 0) return []
  const ways = { spawn: 'each child', fork: 'each fork', restore: 'once more after each way back' }
  const list = open.map((call) => ways[call as keyof typeof ways]).join(', ')
  return [{ id: 'rule-once', where: `rule ${rule.id}`, message: `what it allows once is allowed once to ${list}` }]
}

/** Whether no process may make this call, whatever its arguments. */
function deniesAll({ effect, call = 'call', ...match }: Rule, name: string): boolean {
  const conditions = [match.principal, match.program, match.under, match.asked, match.args, match.origins, match.seen]
  return effect === 'deny' && glob(call)(name) && conditions.every((part) => part === undefined)
}

/** With those that other rules add. */
export function allRules(rules: readonly Rule[]): Rule[] {
  return rules.flatMap((rule) => [rule, ...allRules(rule.then?.add ?? [])])
}

// ----------------------------------------------------------------------------------------------------------------- names

const isToolCall = ({ call }: Match): boolean => call === undefined || call === 'call'

/** Tools that the rule may speak of. */
export function toolsOf(match: Match, tools: readonly ToolFacts[]): ToolFacts[] {
  if (!isToolCall(match)) return []
  const is = glob(match.tool ?? '*')
  return tools.filter(({ name, outbound }) => is(name) && (match.outbound === undefined || outbound !== false))
}

function names(where: string, match: Match, tools: readonly ToolFacts[]): Remark[] {
  if (tools.length === 0 || !isToolCall(match)) return []
  const { tool } = match
  const is = glob(tool ?? '*')
  const found = tools.filter(({ name }) => is(name))
  if (tool !== undefined && found.length === 0) return [unknownTool(where, tool, tools)]
  const given = [...new Set([...Object.keys(match.args ?? {}), ...Object.keys(match.origins ?? {})])]
  return given.flatMap((name): Remark[] => {
    if (found.some((one) => isOpen(one.inputSchema) || name in propertiesOf(one.inputSchema)))
      return Object.entries(match.args ?? {}).flatMap(([key, condition]) =>
        key === name ? innerNames(where, name, condition, found) : [],
      )
    const near = nearestName(
      name,
      found.flatMap((one) => Object.keys(propertiesOf(one.inputSchema))),
    )
    const [one] = found
    return [
      {
        id: 'argument-unknown',
        where,
        message:
          `${found.length === 1 ? `tool ${one?.name} has` : `none of the tools ${tool ?? '*'} has`} an argument ${JSON.stringify(name)}`.replace(
            /^(tool \S+) has an/,
            '$1 has no',
          ) + (near === undefined ? '' : `; is ${JSON.stringify(near)} meant?`),
      },
    ]
  })
}

/** Names within an argument that is an object. */
function innerNames(where: string, path: string, condition: Condition, tools: readonly ToolFacts[]): Remark[] {
  const schemas = tools.map((one) => propertiesOf(one.inputSchema)[path]).filter(isSchema)
  const named = Object.keys(condition.properties ?? {})
  if (named.length === 0 || schemas.length === 0 || schemas.some((one) => isOpen(one) || !isSchema(one['properties'])))
    return []
  return named
    .filter((name) => !schemas.some((one) => name in propertiesOf(one)))
    .map((name) => ({
      id: 'argument-unknown',
      where,
      message: `argument ${path} has no property ${JSON.stringify(name)}`,
    }))
}

export function unknownTool(where: string, name: string, tools: readonly ToolFacts[]): Remark {
  const near = nearestName(
    name,
    tools.map((one) => one.name),
  )
  return {
    id: 'tool-unknown',
    where,
    message: `there is no tool ${JSON.stringify(name)}${near === undefined ? '' : `; is ${JSON.stringify(near)} meant?`}`,
    // A law may be for more tools than these; a slip of the pen is for none.
    ...(near === undefined ? {} : { severity: 'error' as const }),
  }
}

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function propertiesOf(schema: JsonSchema | undefined): { readonly [name: string]: unknown } {
  const properties = schema?.['properties']
  return isSchema(properties) ? properties : {}
}

/** Whether it takes arguments that it does not list. */
function isOpen(schema: JsonSchema | undefined): boolean {
  return schema === undefined || isOpenSchema(schema)
}

function controls({ name, control = [], inputSchema }: ToolFacts): Remark[] {
  if (inputSchema === undefined || isOpen(inputSchema)) return []
  return control
    .filter((one) => !(one in propertiesOf(inputSchema)))
    .map((one) => ({
      id: 'argument-unknown',
      where: `tool ${name}`,
      message: `its control names ${JSON.stringify(one)}, which is none of its arguments`,
    }))
}

// ------------------------------------------------------------------------------------------------------------ conditions

function ofRule(rule: Rule, earlier: readonly Rule[], law: Law, tools: readonly ToolFacts[]): Remark[] {
  const found = toolsOf(rule, tools)
  if (found.length === 0) return []
  const where = `rule ${rule.id}`
  const remarks: Remark[] = []
  for (const [name, condition] of Object.entries(rule.args ?? {})) {
    const having = found.filter((one) => name in propertiesOf(one.inputSchema))
    if (having.length === 0) continue
    const schemas = having.map((one) => propertiesOf(one.inputSchema)[name]).map((one) => (isSchema(one) ? one : {}))
    if (schemas.every((schema) => isImpossible(condition, schema))) {
      remarks.push({
        id: 'condition-impossible',
        where,
        message: `no value of argument ${name} (${kindOf(schemas)}) can be what it says`,
      })
      continue
    }
    if (rule.effect !== 'allow') continue
    if (
      rule.origins?.[name] === undefined &&
      rule.control === undefined &&
      having.some((one) => controlsOf(one).includes(name))
    ) {
      const loose = looseness(name, condition)
      if (loose !== undefined) remarks.push({ id: 'pattern-loose', where, ...loose })
    }
    const isRequired = ({ inputSchema }: ToolFacts): boolean => {
      const required = inputSchema?.['required']
      const schema = propertiesOf(inputSchema)[name]
      return (
        inputSchema === undefined ||
        (Array.isArray(required) && required.includes(name)) ||
        (isSchema(schema) && 'default' in schema)
      )
    }
    if (!having.some(isRequired))
      remarks.push({
        id: 'argument-optional',
        where,
        message: `argument ${name} may be left out, and then the rule does not allow`,
      })
  }
  if (rule.effect === 'allow') {
    const open = found.flatMap((tool) => {
      const free = freeControls(rule, tool, earlier, law)
      return free.length === 0 ? [] : [`${tool.name} (${free.join(', ')})`]
    })
    if (open.length > 0)
      remarks.push({
        id: 'allow-open',
        where,
        message: `it allows any value that steers ${open.slice(0, 4).join(', ')}${open.length > 4 ? ' …' : ''}`,
      })
  }
  return remarks
}

function kindOf(schemas: readonly JsonSchema[]): string {
  const [{ type, enum: values } = {} as JsonSchema] = schemas
  return Array.isArray(values) ? `one of ${values.slice(0, 4).map(String).join(', ')}` : String(type ?? 'of its schema')
}

/** Parts of a schema that conditions understand; what is left out makes it wider. */
function asCondition(schema: JsonSchema, depth = 0): Condition {
  if (depth > 4) return {}
  const kept: Record<string, unknown> = {}
  for (const key of [
    'type',
    'const',
    'enum',
    'minimum',
    'maximum',
    'exclusiveMinimum',
    'exclusiveMaximum',
    'multipleOf',
    'minLength',
    'maxLength',
    'minItems',
    'maxItems',
  ])
    if (schema[key] !== undefined && typeof schema[key] !== 'boolean') kept[key] = schema[key]
  if (isSchema(schema['items'])) kept['items'] = asCondition(schema['items'], depth + 1)
  for (const key of ['anyOf', 'oneOf'])
    if (Array.isArray(schema[key]))
      kept['anyOf'] = schema[key].map((one) => (isSchema(one) ? asCondition(one, depth + 1) : {}))
  // Conditions speak of a type only where they say so.
  if (
    kept['type'] === undefined &&
    kept['anyOf'] === undefined &&
    kept['enum'] === undefined &&
    kept['const'] === undefined
  )
    return {}
  return kept as Condition
}

/** Proved that no value of the schema is what the condition says. */
function isImpossible(condition: Condition, schema: JsonSchema): boolean {
  const known = asCondition(schema)
  if (valueOf([known, condition]) !== undefined) return false
  const both: Condition = Object.keys(known).length === 0 ? condition : { allOf: [known, condition] }
  return narrows([], [{ id: 'x', effect: 'allow', args: { x: both } }])
}

// -------------------------------------------------------------------------------------------------------------- looseness

/** Names of arguments that steer, where a tool does not say which do. */
const steering =
  /^(to|cc|bcc|recipients?|receiver|payee|account|iban|email|emails|address|url|uri|link|host|hostname|domain|endpoint|webhook|path|file|filename|filepath|folder|directory|dir|target|destination|dest|channel|command|cmd|query|sql|amount|user|username|phone|number|room|repo|repository|branch|bucket|key)$/

/** Arguments that steer what a tool hits. */
export function controlsOf({ control, inputSchema }: ToolFacts): readonly string[] {
  return control ?? Object.keys(propertiesOf(inputSchema)).filter((name) => steering.test(wordsOf(name).at(-1) ?? ''))
}

function hasPattern(condition: Condition): boolean {
  return (
    condition.pattern !== undefined ||
    condition.matches !== undefined ||
    [...(condition.anyOf ?? []), ...(condition.allOf ?? []), ...(condition.oneOf ?? [])].some(hasPattern) ||
    (condition.items !== undefined && hasPattern(condition.items))
  )
}

/** Asked of the condition itself: does it still hold of a good value within a bad one? */
function looseness(name: string, condition: Condition): Omit<Remark, 'id' | 'where'> | undefined {
  if (!hasPattern(condition)) return undefined
  const isList = condition.items !== undefined && condition.pattern === undefined && condition.matches === undefined
  const one = isList ? (condition.items as Condition) : condition
  const good = goodText(one)
  if (good === undefined) return undefined
  const matcher = compile(one)
  const holds = (text: string): boolean => matcher.holds(text)
  const say = (text: string): Omit<Remark, 'id' | 'where'> => ({
    message: `its condition of ${name} also holds of ${JSON.stringify(text)}`,
  })
  // What admits any site, or any address, is meant to.
  if (['https://evil.example/', 'http://evil.example/x', 'eve@evil.example', 'evil.example'].some(holds))
    return undefined
  const isOfNet = /url|uri|link|host|domain|site|endpoint|webhook/i.test(name)
  for (const before of [
    'https://evil.example/?',
    'eve@evil.example,',
    'evil.example/',
    ...(isOfNet && isJoined(good) ? ['evil'] : []),
  ])
    if (holds(before + good)) return say(before + good)
  const isFolder = /(^|[\w.-])\/([^/].*)?$/.test(good.replace(/^\w+:\/\//, '')) || good.endsWith('/')
  const after = ['.evil.example', '@evil.example', ',eve@evil.example']
  if (!isFolder) for (const end of after) if (holds(good + end)) return say(good + end)
  if (isFolder && /path|file|folder|dir/i.test(name) && holds(`${good.replace(/[^/]*$/, '')}../../etc/passwd`))
    return { ...say(`${good.replace(/[^/]*$/, '')}../../etc/passwd`), severity: 'warning' }
  // A dot that was meant as a dot.
  const slipped = swapDots(one, good)
  return slipped !== undefined && holds(slipped) ? say(slipped) : undefined
}

/** A name whose beginning is free belongs to whoever registers it: `evilacme.com`. */
function isJoined(good: string): boolean {
  return /^[a-z0-9-]+\.[a-z]{2,}/i.test(good)
}

function goodText(condition: Condition): string | undefined {
  try {
    const found = compareLaws(
      { rules: [] },
      { rules: [{ id: 'x', effect: 'allow', args: { x: { allOf: [{ type: 'string' }, condition] } } }] },
    )
    const args = found.narrows ? undefined : (found.witness?.args as { readonly x?: unknown } | undefined)
    return typeof args?.x === 'string' ? args.x : undefined
  } catch {
    return undefined
  }
}

/** The text with another letter for the dot of a domain, where a pattern has that dot unescaped. */
function swapDots(condition: Condition, good: string): string | undefined {
  const text = condition.matches ?? condition.pattern ?? ''
  const found = /(?<![\\\]])([a-z0-9-]+)\.((?:com|org|net|io|dev|gov|edu|co|de|uk|info|example)(?![a-z]))/i.exec(text)
  if (found === null) return undefined
  const [, name, end] = found
  return good.includes(`${name}.${end}`)
    ? good.replace(`${name}.${end}`, `${name}x${end}`)
    : good.replace(new RegExp(`${name}.${end}`), `${name}x${end}`)
}

/** Arguments that steer what a tool does to the world, and that nothing confines where this rule allows. */
function freeControls(rule: Rule, tool: ToolFacts, earlier: readonly Rule[], law: Law): string[] {
  const isActing = tool.outbound === true || (tool.effect !== undefined && tool.effect !== 'read')
  if (!isActing || rule.asked !== undefined) return []
  const spoken = (law.temporal ?? []).some(({ formula }) =>
    new RegExp(`(^|[^\\w.])${tool.name.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')}([^\\w.]|$)`).test(formula),
  )
  const inEvent = Object.entries(law.events ?? {}).some(
    ([name, event]) =>
      toolsOf(event, [tool]).length > 0 && (law.temporal ?? []).some(({ formula }) => formula.includes(name)),
  )
  if (spoken || inEvent) return []
  const before = earlier.filter((one) => one.effect !== 'allow' && toolsOf(one, [tool]).length > 0)
  const isWhole = ({ args, origins, control, asked, seen, principal, program }: Rule): boolean =>
    [args, origins, control, asked, seen, principal, program].every((part) => part === undefined)
  if (before.some(isWhole)) return []
  return controlsOf(tool).filter((name) => {
    const schema = propertiesOf(tool.inputSchema)[name]
    if (!isSchema(schema) || 'enum' in schema || 'const' in schema || schema['type'] === 'boolean') return false
    return !confines(rule, name, true) && !before.some((one) => confines(one, name, false))
  })
}

function confines({ args, origins, control }: Rule, name: string, isAllow: boolean): boolean {
  // `control` speaks of what the tool declares, and is in doubt where it declares nothing: then an allow rule never holds.
  if (origins?.[name] !== undefined || control !== undefined) return true
  const condition = args?.[name]
  if (condition === undefined) return false
  if (!isAllow) return true
  const matcher = compile(condition)
  const kind = typeOf(condition)
  const own = strange.filter((value) => typeof value === kind)
  return (own.length === 0 ? strange : own).some((value) => !matcher.holds(value))
}

/** Values that no rule that confines anything admits all of. */
const strange = [
  'evil.example/x7',
  'eve@evil.example',
  '/etc/passwd',
  '../..',
  'zzqx',
  1e12,
  -1,
  0.37,
  ['eve@evil.example'],
]

function typeOf(condition: Condition): string {
  const { type } = condition
  const one = Array.isArray(type) ? type[0] : type
  if (one === 'integer' || one === 'number') return 'number'
  if (one === 'array') return 'object'
  if (one !== undefined) return one as string
  if (
    condition.minimum !== undefined ||
    condition.maximum !== undefined ||
    condition.exclusiveMaximum !== undefined ||
    condition.exclusiveMinimum !== undefined
  )
    return 'number'
  return condition.items === undefined ? 'string' : 'object'
}
