/**
 * Constraints: which tokens an answer may hold. A JSON Schema, a grammar, or tool calls, decided token by token, so that
 * an answer that breaks the rule cannot be written, instead of being written and refused.
 *
 *     const constraint = await createConstraint(machine, spec)
 *     constraint.allows(token); constraint.accept(token, textSoFar)
 *
 * Tool calls: each tool that the call offers has a grammar of its own (its name, then arguments of its schema, in the
 * model's own format), and the answer must stay inside one of them. The kernel offers the tools that the law lets through
 * in this step and no others, temporal rules included, so a tool that the law denies cannot be named. One call an answer:
 * a second one would be decided by what the law said before the first.
 *
 * A constraint is a function of the accepted tokens alone: a saved generation is constrained again by accepting them again.
 * Grammars are GBNF, llama.cpp's own; schemas become grammars by node-llama-cpp, which knows a part of JSON Schema:
 * `type properties required-by-presence items prefixItems minItems maxItems minLength maxLength format enum const oneOf
 * $ref $defs`. What it does not know (`pattern`, `minimum`, …) is not enforced here, and `unenforced` names it.
 */
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import type { LlamaGrammar } from 'node-llama-cpp'
import { messageOf } from '../../../kernel/errors.ts'
import type { GrammarState, Machine } from './library.ts'
import { functionTools, invalid, plainText } from './prompt.ts'
import { toGrammarSchema } from './schema.ts'

/** What an answer must be; plain data. */
export type ConstraintSpec =
  | { readonly type: 'none' }
  | { readonly type: 'grammar'; readonly grammar: string }
  | { readonly type: 'json'; readonly schema: object | undefined }
  | {
      readonly type: 'tools'
      /** Whether the answer must be a call, or may be text. */
      readonly required: boolean
      readonly tools: readonly { readonly name: string; readonly schema: object }[]
    }

/** A rule about an answer, at some place in it. */
export interface Constraint {
  /** Whether any rule holds at this place; where not, `allows` need not be asked. */
  readonly binds: boolean
  /** Whether nothing more can follow. */
  readonly done: boolean
  allows(token: number): boolean
  /** The token was chosen; `text` is the whole answer so far, special tokens as their text. */
  accept(token: number, text: string): void
  /** The answer's tool call, and the text before it. */
  toolCall(text: string): { readonly before: string; readonly name: string; readonly input: string } | undefined
}

/** The constraint that a call asks for. */
export function constraintOf(call: LanguageModelV4CallOptions): ConstraintSpec {
  const own = call.providerOptions?.['llama']?.['grammar']
  if (own !== undefined) {
    if (typeof own !== 'string') throw invalid('providerOptions.llama.grammar takes the text of a GBNF grammar')
    return { type: 'grammar', grammar: own }
  }
  if (call.responseFormat?.type === 'json') return { type: 'json', schema: call.responseFormat.schema }
  const choice = call.toolChoice
  const offered = functionTools(call).map(({ name, inputSchema }) => ({ name, schema: inputSchema as object }))
  const tools = choice?.type === 'tool' ? offered.filter((tool) => tool.name === choice.toolName) : offered
  if (tools.length > 0)
    return { type: 'tools', required: choice?.type === 'required' || choice?.type === 'tool', tools }
  if (choice?.type === 'required' || choice?.type === 'tool')
    throw invalid(
      `a tool call is required, and ${choice.type === 'tool' ? `"${choice.toolName}" is not` : 'no tool is'} offered`,
    )
  return { type: 'none' }
}

const NONE: Constraint = {
  binds: false,
  done: false,
  allows: () => true,
  accept: () => {},
  toolCall: () => undefined,
}

/** The constraint at the beginning of an answer. Throws what a server would answer with 400 for a grammar that is none. */
export async function createConstraint(machine: Machine, spec: ConstraintSpec): Promise<Constraint> {
  switch (spec.type) {
    case 'none':
      return NONE
    case 'grammar':
      return oneGrammar(machine, await grammarOf(machine, spec.grammar))
    case 'json':
      return oneGrammar(
        machine,
        spec.schema === undefined
          ? await machine.library.LlamaGrammar.getFor(machine.llama, 'json')
          : await grammarOf(machine, await schemaRules(machine, spec.schema, 'root')),
      )
    case 'tools':
      return toolGrammars(machine, spec)
  }
}

function oneGrammar(machine: Machine, grammar: LlamaGrammar): Constraint {
  const state = machine.grammarState(grammar)
  const end = machine.model.tokens.eos ?? machine.model.tokens.eot
  let done = false
  return {
    binds: true,
    get done() {
      return done
    },
    allows: (token) => state.allows(token),
    accept(token, text) {
      state.accept(token)
      // After the bracket that closes the whole, only the end can come: it need not be waited for.
      done = end !== null && /[}\]]\s*$/.test(text) && state.allows(end) && isWhole(text)
    },
    toolCall: () => undefined,
  }
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    // A text of another grammar, or one that goes on.
    return false
  }
}

async function toolGrammars(
  machine: Machine,
  { required, tools }: Extract<ConstraintSpec, { type: 'tools' }>,
): Promise<Constraint> {
  const { call } = machine.format.settings.functions
  const opening = plainText(call.prefix) ?? ''
  const named = (piece: unknown, name: string): string => (plainText(piece) ?? '').replaceAll('{{functionName}}', name)
  const openings = [opening, ...(call.prefixAlternateMatches ?? []).map((one) => plainText(one) ?? '')].filter(
    (one) => one !== '',
  )
  const grammars = await Promise.all(
    tools.map(async ({ name, schema }) => {
      const head = name + named(call.paramsPrefix, name)
      const tail = named(call.suffix, name)
      const rules = await schemaRules(machine, schema, 'arguments')
      const root = [required ? opening : '', head].map(literal).join(' ')
      return {
        name,
        head,
        tail,
        grammar: await grammarOf(machine, `root ::= ${root} arguments ${literal(tail)}\n${rules}`),
      }
    }),
  )
  /** The tools that the answer can still be a call of; undefined while it is text. */
  let states: { name: string; state: GrammarState }[] | undefined
  const begin = (): void => {
    states = grammars.map(({ name, grammar }) => ({ name, state: machine.grammarState(grammar) }))
  }
  if (required) begin()
  const end = machine.model.tokens.eos ?? machine.model.tokens.eot
  return {
    get binds() {
      return states !== undefined
    },
    get done() {
      return states !== undefined && end !== null && states.some(({ state }) => state.allows(end))
    },
    allows: (token) => states === undefined || states.some(({ state }) => state.allows(token)),
    accept(token, text) {
      if (states === undefined) {
        // The longest first: one opening may be the beginning of another.
        if (openings.some((one) => text.endsWith(one))) begin()
        return
      }
      states = states.filter(({ state }) => state.allows(token))
      for (const { state } of states) state.accept(token)
    },
    toolCall(text) {
      if (states === undefined) return undefined
      for (const { name, head, tail } of grammars) {
        if (!states.some((one) => one.name === name)) continue
        for (const one of required ? [opening] : openings.toSorted((a, b) => b.length - a.length)) {
          const at = text.lastIndexOf(one + head)
          if (at < 0 || !text.endsWith(tail)) continue
          const input = text.slice(at + one.length + head.length, text.length - tail.length).trim()
          return { before: text.slice(0, at).trimEnd(), name, input }
        }
      }
      return undefined
    },
  }
}

async function grammarOf(machine: Machine, grammar: string): Promise<LlamaGrammar> {
  try {
    return await machine.llama.createGrammar({ grammar })
  } catch (cause) {
    throw invalid(`the grammar is not GBNF: ${messageOf(cause)}`)
  }
}

/** The rules of a schema, the first under the name `root`. */
async function schemaRules(machine: Machine, schema: object, root: string): Promise<string> {
  let rules: string
  try {
    rules = (await machine.llama.createGrammarForJsonSchema(toGrammarSchema(schema) as never)).grammar
  } catch (cause) {
    throw invalid(`the JSON Schema cannot be made into a grammar: ${messageOf(cause)}`)
  }
  // The library ends a JSON text by four line breaks, for models that never stop; here the text ends where it is whole.
  const end = rules.indexOf(' "\\n\\n\\n\\n" [\\n]*')
  const tail = end < 0 ? -1 : rules.indexOf('\n', end)
  const first = end < 0 ? rules : rules.slice(0, end) + (tail < 0 ? '' : rules.slice(tail))
  return first.replace(/^root ::=/m, `${root} ::=`)
}

/** A text as GBNF writes it. */
function literal(text: string): string {
  return JSON.stringify(text).replaceAll('\\/', '/')
}
