/**
 * How the reader recognises tools from their JSON Schema alone, and what it asks them.
 *
 * Invariants
 *   RO1. A tool is only called when every property it requires can be filled sensibly.
 *   RO2. The same call is never made twice in one turn.
 */
import type { LanguageModelV4CallOptions, LanguageModelV4FunctionTool } from '@ai-sdk/provider'
import type { Step } from './reader-evidence.ts'
import type { JsonSchema } from './reader-json.ts'
import { stemmed, type Question, type Term } from './reader-question.ts'
import type { Ranking } from './reader-ranking.ts'
import { relatedTo } from './reader-relations.ts'
import { stem } from '../../kernel/stem.ts'
import { nearestTo } from './reader-vectors.ts'
import { kinOf } from './reader-words.ts'

/** A tool call the reader wants to make. */
export interface Wish {
  readonly toolName: string
  readonly input: Readonly<Record<string, string | number>>
}

/** The tools the reader can use, by what they are for. */
export interface KnownTools {
  readonly searches: readonly SearchTool[]
  readonly reads: readonly ReadTool[]
  readonly calculators: readonly { readonly name: string; readonly property: string }[]
}

interface SearchTool {
  readonly name: string
  readonly property: string
  /** How many results to ask for, where the tool can be told. */
  readonly limit?: { readonly property: string; readonly value: number }
}

interface ReadTool {
  readonly name: string
  readonly path: string
  readonly from?: string
  readonly to?: string
}

const queryProperties = [
  'query',
  'q',
  'question',
  'search',
  'search_query',
  'searchQuery',
  'keywords',
  'terms',
  'text',
  'input',
]
const resultsWanted = 20
const searchToolsMax = 3
const wordsAloneMax = 6
const linesBefore = 4
const linesAfter = 8
const linesAtTop = 40
const readsMax = 3

/** Sorts the tools given into those that search, read and compute. Provider tools are left alone. */
export function knownTools(options: Pick<LanguageModelV4CallOptions, 'tools' | 'toolChoice'>): KnownTools {
  const only = options.toolChoice?.type === 'tool' ? options.toolChoice.toolName : undefined
  const searches: SearchTool[] = []
  const reads: ReadTool[] = []
  const calculators: { name: string; property: string }[] = []
  if (options.toolChoice?.type === 'none') return { searches, reads, calculators }
  for (const tool of options.tools ?? []) {
    if (tool.type !== 'function' || (only !== undefined && tool.name !== only)) continue
    const { strings, numbers, required } = shapeOf(tool)
    const fills = (...names: (string | undefined)[]): boolean => required.every((name) => names.includes(name))
    const expression = strings.find((name) => name === 'expression' || name === 'formula')
    const path = strings.find((name) => /^(?:path|file|filePath|file_path|filename)$/.test(name))
    const query = queryProperties.find((name) => strings.includes(name))
    if (expression !== undefined && fills(expression)) calculators.push({ name: tool.name, property: expression })
    else if (query !== undefined && fills(query)) {
      const limit = ['limit', 'topK', 'top_k', 'k', 'maxResults', 'max_results', 'count']
        .map((name) => numbers.get(name))
        .find((each) => each !== undefined)
      searches.push({
        name: tool.name,
        property: query,
        ...(limit ? { limit: { property: limit.name, value: Math.min(resultsWanted, limit.maximum) } } : {}),
      })
    } else if (path !== undefined && query === undefined) {
      const from = ['from', 'start', 'startLine', 'start_line', 'line', 'fromLine'].find((name) => numbers.has(name))
      const to = ['to', 'end', 'endLine', 'end_line', 'toLine'].find((name) => numbers.has(name))
      const looksLikeReading = /read|open|view|get|cat|show|fetch|file/i.test(tool.name)
      if (looksLikeReading && fills(path, from, to))
        reads.push({ name: tool.name, path, ...(from ? { from } : {}), ...(to ? { to } : {}) })
    }
  }
  return { searches: searches.slice(0, searchToolsMax), reads: reads.slice(0, 1), calculators }
}

function shapeOf(tool: LanguageModelV4FunctionTool): {
  strings: string[]
  numbers: Map<string, { name: string; maximum: number }>
  required: readonly string[]
} {
  const input = tool.inputSchema as JsonSchema
  const properties = input.properties ?? {}
  const strings: string[] = []
  const numbers = new Map<string, { name: string; maximum: number }>()
  for (const [name, schema] of Object.entries(properties)) {
    if (typeof schema === 'boolean') continue
    const types = [
      schema.type,
      ...(schema.anyOf ?? []).map((each) => (typeof each === 'boolean' ? undefined : each.type)),
    ].flat()
    if (types.includes('string') && schema.enum === undefined) strings.push(name)
    if (types.includes('integer') || types.includes('number'))
      numbers.set(name, { name, maximum: typeof schema.maximum === 'number' ? schema.maximum : 50 })
  }
  return { strings, numbers, required: input.required ?? [] }
}

/** The first searches for a question: all its key terms, those that are not names, and its heaviest words alone, whose scores tell how rare each is. */
export function firstSearches(questions: readonly Question[], tools: KnownTools): Wish[] {
  const queries: string[] = []
  for (const { terms } of questions) {
    queries.push(queryOf(terms))
    if (questions.length > 1 || terms.length < 2) continue
    const plain = terms.filter((term) => !term.isName)
    if (plain.length >= 2 && plain.length < terms.length) queries.push(queryOf(plain))
    queries.push(
      ...[...terms]
        .toSorted((a, b) => b.weight - a.weight)
        .slice(0, wordsAloneMax)
        .map((term) => term.raw),
    )
  }
  return searchesFor(queries, tools)
}

/** Where the evidence is thin: words that may stand for those of the question, the words not found alone, pairs of words, and lines around the best hits. */
export function furtherCalls(question: Question, ranking: Ranking, tools: KnownTools, round: number): Wish[] {
  if (round > 1) return []
  const queries: string[] = []
  queries.push(...inOtherWords(question))
  const loose = question.terms.flatMap((term) => [term.raw, ...(term.isName ? [] : [...kinOf(term.stem)].slice(0, 4))])
  if (loose.length > question.terms.length) queries.push(loose.join(' '))
  const missing = ranking.missing.filter((term) => term.weight > 0.2)
  if (missing.length > 0) queries.push(queryOf(missing.slice(0, 4)))
  for (const pair of question.pairs.slice(0, 3))
    if (question.terms.length > 2) queries.push(queryOf(question.terms.filter((term) => pair.includes(term.stem))))
  return [...searchesFor(queries, tools), ...readsAround(question, ranking, tools)]
}

/** Two queries with words that may stand for those of the question: beside them, and instead of them. */
function inOtherWords(question: Question): string[] {
  const others = question.terms.map((term) => ({ term, words: term.isName ? [] : othersFor(term) }))
  if (others.every(({ words }) => words.length === 0)) return []
  return [
    others.flatMap(({ term, words }) => [term.raw, ...words.slice(0, 2)]).join(' '),
    others.flatMap(({ term, words }) => (words.length === 0 ? [term.raw] : words.slice(0, 3))).join(' '),
  ]
}

/** Words that may stand for a term, the likeliest first: alike by their vectors, more so where the relations know them too. */
function othersFor(term: Term): string[] {
  const related = relatedTo(term.raw)
  const stems = new Set([term.stem])
  return nearestTo(term.raw.toLowerCase())
    .map(([word, likeness]) => ({ word, worth: likeness + 0.5 * (related.get(stem(word)) ?? 0) }))
    .filter(({ worth }) => worth >= 0.6)
    .toSorted((a, b) => b.worth - a.worth)
    .filter(({ word }) => (stems.has(stem(word)) ? false : stems.add(stem(word))))
    .map(({ word }) => word)
}

function queryOf(terms: readonly { readonly raw: string }[]): string {
  return terms.map((term) => term.raw).join(' ')
}

function searchesFor(queries: readonly string[], tools: KnownTools): Wish[] {
  const distinct = [...new Set(queries.map((query) => query.trim()).filter((query) => query !== ''))]
  return distinct.flatMap((query) =>
    tools.searches.map((tool) => ({
      toolName: tool.name,
      input: { [tool.property]: query, ...(tool.limit ? { [tool.limit.property]: tool.limit.value } : {}) },
    })),
  )
}

/** Reads around the best hits; for a definition, from the top of the files whose name or heading is the subject. */
function readsAround(question: Question, ranking: Ranking, tools: KnownTools): Wish[] {
  const tool = tools.reads[0]
  if (tool === undefined) return []
  const places: { path: string; from: number; to: number }[] = []
  const subject = new Set(stemmed(question.subject).split(' '))
  for (const { sentence } of ranking.ranked) {
    if (places.length >= readsMax) break
    const { pathStems, headingStems } = sentence.passage
    const isAbout =
      question.asks === 'definition' && [...subject].every((stem) => pathStems.has(stem) || headingStems.has(stem))
    const from = isAbout ? 1 : Math.max(1, sentence.line - linesBefore)
    if (places.some((place) => place.path === sentence.path && place.from <= from && from <= place.to)) continue
    places.push({ path: sentence.path, from, to: isAbout ? linesAtTop : sentence.endLine + linesAfter })
  }
  return places.map(({ path, from, to }) => ({
    toolName: tool.name,
    input: { [tool.path]: path, ...(tool.from ? { [tool.from]: from } : {}), ...(tool.to ? { [tool.to]: to } : {}) },
  }))
}

/** The wishes not yet granted in this turn. */
export function withoutDone(wishes: readonly Wish[], steps: readonly Step[]): Wish[] {
  const done = new Set(steps.map((step) => keyOf(step.toolName, step.input)))
  return wishes.filter((wish) => {
    const key = keyOf(wish.toolName, wish.input)
    return done.has(key) ? false : done.add(key)
  })
}

function keyOf(toolName: string, input: Readonly<Record<string, unknown>>): string {
  return `${toolName} ${JSON.stringify(Object.entries(input).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`
}
