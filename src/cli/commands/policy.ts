/** `polity policy <verb>`: looks into laws before they are used: what they decide, why, and what a change would widen. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import type { CallStart, Json, Pid } from '../../kernel/types.ts'
import { PolityError, messageOf } from '../../kernel/errors.ts'
import { parseCases, readCall, runCases } from '../../policy/cases.ts'
import type { Comparison } from '../../policy/diff.ts'
import { compareLaws } from '../../policy/diff.ts'
import { explain } from '../../policy/explain.ts'
import type { Law } from '../../policy/law.ts'
import { parseLaw } from '../../policy/law.ts'
import { lawSchema } from '../../policy/law-schema.ts'
import type { LearnedCall } from '../../policy/learn.ts'
import { learnLaw } from '../../policy/learn.ts'
import { fromProgent } from '../../policy/progent.ts'
import { counted } from '../amounts.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { parseAs, readAs } from '../given-file.ts'
import { checkTaken, pidOf, usageError } from '../options.ts'
import { exitCodes } from '../report.ts'
import { readStore } from '../store-file.ts'

interface Choices {
  /** A person has seen the widening and wants it. */
  readonly widen: boolean
}

type Verb = (context: Context, given: readonly string[], choices: Choices) => number

const verbs: { readonly [verb: string]: Verb } = {
  diff(context, [old, next]) {
    const comparison = compareLaws(readLaw(old), readLaw(next))
    const { text, data } = described(comparison)
    context.result(text, data)
    return comparison.narrows ? exitCodes.done : exitCodes.failed
  },

  adopt(context, [path = '', proposal], { widen }) {
    const law = readLaw(proposal)
    const comparison = compareLaws(readLaw(path), law)
    const { text, data } = described(comparison)
    const isAdopted = comparison.narrows || widen
    if (isAdopted) replaceFile(path, `${JSON.stringify(law, undefined, 2)}\n`)
    const said = isAdopted
      ? `${path} has the proposal now; kernels read it when they boot`
      : `${path} stays as it is; a person who wants this adds --widen`
    context.result(`${text}\n${said}`, { ...data, adopted: isAdopted })
    return isAdopted ? exitCodes.done : exitCodes.failed
  },

  test(context, [path, cases]) {
    const results = runCases(readLaw(path), readAs(cases ?? '', parseCases))
    const wrong = results.filter((one) => !one.isAsExpected)
    const lines = wrong.map(({ case: one, decision }) => {
      const name = one.name ?? `${one.call.tool ?? one.call.call ?? '?'} ${JSON.stringify(one.call.args ?? {})}`
      return `${name}: expected ${one.expect}${one.rule === undefined ? '' : ` by ${one.rule}`}, got ${decision.effect} (${decision.reason})`
    })
    context.result(
      [...lines, `${results.length - wrong.length} of ${counted(results.length, 'case')} as expected`].join('\n'),
      results,
    )
    return wrong.length === 0 ? exitCodes.done : exitCodes.failed
  },

  explain(context, [path, call]) {
    const request = parseAs(call ?? '', 'the call', (json) => readCall(json, 'it'))
    const { decision, steps } = explain(readLaw(path), request)
    const lines = steps.map(({ rule, effect, matches, because }) =>
      matches === false
        ? `  ${rule} (${effect}) does not match: ${because.join(', ')}`
        : `  ${rule} (${effect}) matches${matches === true ? '' : ' in doubt'}`,
    )
    context.result([...lines, `${decision.effect}: ${decision.reason}`].join('\n'), { decision, steps })
    return exitCodes.done
  },

  learn(context, [given]) {
    const root = pidOf(given)
    const reader = readStore(context.storePath)
    try {
      const tree = new Set<Pid>([root])
      const calls: LearnedCall[] = []
      for (const { start } of reader.processes()) {
        if (start.parent !== null && tree.has(start.parent)) tree.add(start.pid)
        if (!tree.has(start.pid)) continue
        const events = reader.events(start.pid)
        const ended = new Set(
          events.flatMap((event) => (event.type === 'call-end' && event.error === undefined ? [event.n] : [])),
        )
        for (const event of events)
          if (event.type === 'call-start' && ended.has(event.n)) calls.push(...toolCalls(event))
      }
      if (calls.length === 0)
        throw usageError(`run ${root} made no tool call that ended well; there is nothing to learn`)
      const law = learnLaw(calls)
      context.result(JSON.stringify(law, undefined, 2), law)
      return exitCodes.done
    } finally {
      reader.close()
    }
  },

  schema(context) {
    context.result(JSON.stringify(lawSchema, undefined, 2), lawSchema)
    return exitCodes.done
  },

  progent(context, [path]) {
    const law = readAs(path ?? '', fromProgent)
    context.result(JSON.stringify(law, undefined, 2), law)
    return exitCodes.done
  },
}

const arity: { readonly [verb: string]: number } = {
  diff: 2,
  adopt: 2,
  test: 2,
  explain: 2,
  learn: 1,
  progent: 1,
  schema: 0,
}

export const policy = defineCommand({
  name: 'policy',
  summary: 'look into laws: what they decide, why, and what a change would widen',
  usage:
    'diff <old> <new> | adopt <law> <proposal> | test <law> <cases> | explain <law> <call> | learn <pid> | progent <policy> | schema',
  positionals: [1, 3],
  options: { widen: { kind: 'flag', help: 'adopt: a person has seen the widening, and wants it' } },
  details:
    '`diff` proves that the new law lets through no more than the old one, or prints a call that shows the opposite (exit code 1). `adopt` puts a proposal, say a model’s, in the place of a law where it is proved to narrow it; what widens it needs a person’s --widen. `test` runs a list of { "call", "expect" }. `explain` says which rules match a call, such as {"tool":"send","args":{"to":"ann"}}, and which part of the others does not. `learn` proposes a law from the calls of a run. `progent` reads a policy of Progent’s as a law. `schema` prints the JSON Schema of laws.',
  examples: [
    'polity policy diff clerk.json clerk-new.json',
    'polity policy test clerk.json cases.json',
    `polity policy explain clerk.json '{"tool":"send","args":{"to":"eve"}}'`,
    'polity policy learn 17 > clerk.json',
  ],
  run(context, { values, positionals: [verb = '', ...given] }) {
    const wanted = arity[verb]
    if (wanted === undefined || verbs[verb] === undefined)
      throw usageError(`policy takes ${Object.keys(verbs).join(', ')}, not ${JSON.stringify(verb)}`)
    if (given.length !== wanted)
      throw usageError(
        `policy ${verb} takes ${counted(wanted, 'argument')}, not ${given.length}; see \`polity help policy\``,
      )
    checkTaken('polity policy', verb, { adopt: ['widen'] }, values)
    return Promise.resolve(verbs[verb](context, given, { widen: values.widen }))
  },
})

function described(comparison: Comparison): { readonly text: string; readonly data: object } {
  if (comparison.narrows)
    return { text: 'narrows: every call is decided as before, or more strictly', data: comparison }
  const { kind, rule, why, witness } = comparison
  const { originOf: _, seen, ...call } = witness ?? {}
  const shown = { ...call, ...(seen === undefined ? {} : { seen: [...seen] }) }
  const what = {
    allowed: 'allows what was not allowed',
    asked: 'asks about what was denied',
    unknown: 'cannot be compared, which counts as wider',
  }[kind]
  return {
    text: `widens: rule ${rule} ${what}: ${why}${witness === undefined ? '' : `\nfor example ${JSON.stringify(shown)}`}`,
    data: { ...comparison, ...(witness === undefined ? {} : { witness: shown }) },
  }
}

/** Whole or not at all: who reads it meanwhile sees the old law or the new one. */
function replaceFile(path: string, text: string): void {
  const made = `${path}.${process.pid}`
  try {
    writeFileSync(made, text, { flag: 'wx' })
    renameSync(made, path)
  } catch (error) {
    rmSync(made, { force: true })
    throw new PolityError('CONFIG_INVALID', `${path} cannot be written: ${messageOf(error)}`, { cause: error })
  }
}

function toolCalls({ call, args }: CallStart): LearnedCall[] {
  if (call !== 'call') return []
  const { tool, input } = args as { readonly tool: string; readonly input: Json }
  return [{ tool, args: input }]
}

function readLaw(path: string | undefined): Law {
  return readAs(path ?? '', parseLaw)
}
