/**
 * A law less what only some tasks justify: how much of it was fitted to them?
 *
 *     const less = withoutFacts(law, suite, (task) => task !== 'user_task_7')   // nothing listed that only task 7 mentions
 *     const least = leaveOut(law, suite, (task) => task !== 'user_task_7')      // nothing at all that only task 7 needs
 *
 * Facts are what stands in lists and constants: people, payees, pages, numbers of orders. One is known if a remaining task
 * mentions it, in its prompt or in a call.
 *
 * `leaveOut` also takes the phrases of `asked`, the alternatives, and the rules that no remaining task makes use of. That is
 * harsher than life: who writes a law reads what the tools say of themselves, and knows that one can reschedule an event
 * before the first user asks for it. Rules that only read, ask or deny stay, and so do limits, lengths and shapes of text.
 */
import type { Condition } from '../src/policy/conditions.ts'
import { compile } from '../src/policy/conditions.ts'
import type { Law, Rule } from '../src/policy/law.ts'
import type { Suite } from '../test/agentdojo.ts'
import { isEffectful } from '../test/agentdojo.ts'

type IsKept = (task: string) => boolean

function hasEffect({ call = 'call', effect, tool }: Rule): boolean {
  return effect === 'allow' && call === 'call' && tool !== undefined && !tool.includes('*') && isEffectful(tool)
}

// --------------------------------------------------------------------------------------------------------------- facts

export function withoutFacts(law: Law, suite: Suite, isKept: IsKept): Law {
  const tasks = [...suite.userTasks].filter(([task]) => isKept(task)).map(([, task]) => task)
  const mentioned = new Set(tasks.flatMap(({ calls }) => calls.flatMap(({ args }) => leavesOf(args))))
  const prompts = tasks.map(({ prompt }) => prompt).join('\n')
  const isKnown = (fact: unknown) => mentioned.has(fact) || (typeof fact === 'string' && prompts.includes(fact))

  const rules = law.rules.flatMap((rule): Rule[] => {
    if (!hasEffect(rule)) return [rule]
    const args = Object.entries(rule.args ?? {}).map(([name, condition]) => [name, known(condition, isKnown)] as const)
    // Of a list of which nothing is known, nothing is left that could be allowed.
    if (args.some(([, condition]) => condition === undefined)) return []
    return [
      { ...rule, ...(args.length === 0 ? {} : { args: Object.fromEntries(args) as { [name: string]: Condition } }) },
    ]
  })
  return withRules(law, rules)
}

/** The law with these of its rules; what would drop one that is gone has nothing to drop. */
function withRules(law: Law, rules: readonly Rule[]): Law {
  const ids = new Set(rules.map(({ id }) => id))
  return {
    ...law,
    rules: rules.map((rule) =>
      rule.then?.drop === undefined
        ? rule
        : { ...rule, then: { ...rule.then, drop: rule.then.drop.filter((id) => ids.has(id)) } },
    ),
  }
}

/** The condition with known facts only; undefined where none is left. */
function known(condition: Condition, isKnown: (fact: unknown) => boolean): Condition | undefined {
  const { const: only, enum: listed, anyOf, items } = condition
  if (only !== undefined && !isKnown(only)) return undefined
  const kept = listed?.filter(isKnown)
  const ways = anyOf?.flatMap((part) => known(part, isKnown) ?? [])
  const inside = items === undefined ? undefined : known(items, isKnown)
  if (kept?.length === 0 || ways?.length === 0 || (items !== undefined && inside === undefined)) return undefined
  return {
    ...condition,
    ...(kept === undefined ? {} : { enum: kept }),
    ...(ways === undefined ? {} : { anyOf: ways }),
    ...(inside === undefined ? {} : { items: inside }),
  }
}

function leavesOf(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leavesOf) : [value]
}

// ---------------------------------------------------------------------------------------------------------- everything

interface Witness {
  readonly prompt: string
  readonly args: { readonly [name: string]: unknown }
}

export function leaveOut(law: Law, suite: Suite, isKept: IsKept): Law {
  const rules = law.rules.flatMap((rule): Rule[] => {
    if (!hasEffect(rule)) return [rule]
    const less = lessOf(rule, witnessesOf(rule, suite, isKept))
    return less === undefined ? [] : [less]
  })
  return withRules(law, rules)
}

/** Calls of the rule's tool that meet the rule, in tasks whose prompt does. */
function witnessesOf(rule: Rule, suite: Suite, isKept: IsKept): Witness[] {
  const asked = rule.asked === undefined ? undefined : compile(rule.asked)
  const args = Object.entries(rule.args ?? {}).map(([name, condition]) => [name, compile(condition)] as const)
  const found: Witness[] = []
  for (const [task, { prompt, calls }] of suite.userTasks) {
    // As the law reads what the user asked for.
    const words = prompt.normalize('NFKC').toLowerCase()
    if (!isKept(task) || asked?.holds(words) === false) continue
    for (const call of calls) {
      const given = call.args as { readonly [name: string]: unknown }
      // What is left out is null: the defaults of these tools.
      if (call.tool === rule.tool && args.every(([name, { holds }]) => holds(given[name] ?? null)))
        found.push({ prompt: words, args: given })
    }
  }
  return found
}

function lessOf(rule: Rule, witnesses: readonly Witness[]): Rule | undefined {
  if (witnesses.length === 0) return undefined
  const { asked, args } = rule
  const prompts = witnesses.map(({ prompt }) => prompt)
  const lessArgs = Object.entries(args ?? {}).map(([name, condition]) => [
    name,
    less(
      condition,
      witnesses.map((one) => one.args[name] ?? null),
    ),
  ])
  return {
    ...rule,
    ...(asked === undefined ? {} : { asked: less(asked, prompts) }),
    ...(args === undefined ? {} : { args: Object.fromEntries(lessArgs) as { [name: string]: Condition } }),
  }
}

/** The condition with those values and alternatives only that some of `values` meet. */
function less(condition: Condition, values: readonly unknown[]): Condition {
  const { enum: listed, anyOf, allOf, items } = condition
  const ways = anyOf?.flatMap((part) => {
    const met = values.filter((value) => compile(part).holds(value))
    return met.length === 0 ? [] : [less(part, met)]
  })
  return {
    ...condition,
    ...(listed === undefined ? {} : { enum: listed.filter((one) => values.includes(one)) }),
    ...(ways === undefined ? {} : { anyOf: ways }),
    ...(allOf === undefined ? {} : { allOf: allOf.map((part) => less(part, values)) }),
    ...(items === undefined ? {} : { items: less(items, values.flat()) }),
  }
}
