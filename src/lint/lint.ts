/**
 * Lints: what is wrong with agents, tools, laws and sources before any of them runs.
 *
 *     lint({ tools: [{ name: 'pay', description: '' }] })
 *     // [{ id: 'tool-description', severity: 'warning', where: 'tool pay', message: 'it has no description', fix: '…' }, …]
 *
 * Pure: facts in (facts.ts), findings out, the table of what can be found in table.ts. A family of lints is a file.
 *
 * Invariants
 *   LI1. What is not among the facts is not judged: an agent of which nothing is known has no finding.
 *   LI2. Nothing of what is looked at is run.
 *   LI3. The same facts have the same findings, in the same order: by place, then by severity and id.
 */
import type { Law } from '../policy/law.ts'
import { parseLaw } from '../policy/law.ts'
import { lintControlWords, lintToolWords, lintTriggers } from './control-words.ts'
import type { Finding, LintInput, Remark, Severity } from './facts.ts'
import { lintBounds, lintFaultTolerance } from './fault-tolerance.ts'
import { lintDeclarations, lintTrifecta } from './flows.ts'
import { lintFormulas } from './formulas.ts'
import { lintModelCalls } from './model-calls.ts'
import { lintModel } from './models.ts'
import { lintOutputParsing, lintOutputSchema } from './output-parsing.ts'
import { lintPackages } from './packages.ts'
import { lintAgentTexts, lintLawTexts, lintToolTexts } from './poisoning.ts'
import { lintRules } from './rules.ts'
import { readSource } from './source.ts'
import { lintTable } from './table.ts'
import { lintToolInformation, lintTwins } from './tool-information.ts'
import { lintToolReturns } from './tool-returns.ts'

const ranks: { readonly [severity in Severity]: number } = { error: 0, warning: 1, note: 2 }

export function lint(input: LintInput): Finding[] {
  const { agents = [], tools = [], packages } = input
  const sources = (input.sources ?? []).map(readSource)
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  const remarks: Remark[] = [
    ...agents.flatMap((agent) => [
      ...lintModel(agent, byName),
      ...lintOutputSchema(agent),
      ...lintControlWords(agent, byName),
      ...lintBounds(agent),
      ...lintAgentTexts(agent),
    ]),
    ...lintTriggers(agents),
    ...tools.flatMap((tool) => [
      ...lintToolInformation(tool),
      ...lintToolReturns(tool),
      ...lintToolWords(tool),
      ...lintDeclarations(tool),
      ...lintToolTexts(tool),
      // Where the file is at hand, the tool's own code is seen in it.
      ...(tool.code === undefined || sources.length > 0
        ? []
        : lintFaultTolerance(readSource({ path: `tool ${tool.name}`, text: tool.code }))),
    ]),
    ...lintTwins(tools),
    ...sources.flatMap((source) => [
      ...lintOutputParsing(source),
      ...lintFaultTolerance(source),
      ...lintModelCalls(source),
    ]),
    ...(packages === undefined ? [] : lintPackages(packages, sources, agents)),
    ...lintLaw(input),
  ]
  const seen = new Set<string>()
  return remarks
    .map((remark): Finding => {
      const { severity, todo } = lintTable[remark.id]
      return { severity, fix: todo, ...remark }
    })
    .filter(({ id, where, message }) => {
      const key = `${id} ${where} ${message}`
      return seen.has(key) ? false : seen.add(key)
    })
    .toSorted((a, b) => byText(a.where, b.where) || ranks[a.severity] - ranks[b.severity] || byText(a.id, b.id))
}

/** With numbers in it as numbers: line 9 before line 10. */
function byText(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true })
}

function lintLaw({ law: json, tools = [], agents = [] }: LintInput): Remark[] {
  if (json === undefined) return lintTrifecta(agents, tools, undefined)
  const texts = lintLawTexts(json)
  let law: Law
  try {
    law = parseLaw(json)
  } catch (error) {
    return [
      ...texts,
      { id: 'law-unreadable', where: 'law', message: error instanceof Error ? error.message : String(error) },
    ]
  }
  return [...texts, ...lintRules(law, tools), ...lintFormulas(law, tools), ...lintTrifecta(agents, tools, law)]
}
