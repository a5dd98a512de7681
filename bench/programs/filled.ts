/**
 * JSON of a schema, filled by what its fields are called and what types they have: how the scripted policy (policy.ts) says
 * what it knows in whatever form a program asks for.
 *
 *     filled(schema, { next: { name: 'get', args: { item: 'oak' } }, plan: […], value: 0.6, isOver: false })
 */
import type { Json } from '../../src/kernel/types.ts'

/** An action, as programs write it. */
export interface Move {
  readonly name: string
  readonly args: { readonly [name: string]: Json }
}

/** What is known where an agent stands. */
export interface Judgement {
  /** What to do; undefined where nothing is left to do. */
  readonly next: Move | undefined
  /** What to do from here on, `next` first. */
  readonly plan: readonly Move[]
  /** How near the end is, 0 to 1. */
  readonly value: number
  readonly isOver: boolean
}

interface Schema {
  readonly type?: string
  readonly enum?: readonly Json[]
  readonly const?: Json
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly properties?: { readonly [name: string]: Schema }
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly minItems?: number
  readonly minimum?: number
  readonly maximum?: number
}

/** What ends a loop of actions (src/agents/pieces/acting.ts). */
const FINISH: Move = { name: 'finish', args: { answer: 'Done.' } }
/** Fields that are said though they need not be. */
const SAID = ['thought', 'args', 'command']
/** Of several words, what goes on with the task. */
const GOING_ON = ['search', 'open', 'continue', 'agent', 'solve']
/** Fields that say whether all is done; others that ask for a word of yes or no are answered by yes. */
const DONE = ['success', 'right', 'done', 'solved', 'finished']
/** Lists of what is to be done; others are left empty where they may be. */
const PLANS = ['actions', 'calls', 'plan', 'steps', 'subtasks', 'moves']

const REST = 'Do what is left of the task.'

export function filled(schema: Json, known: Judgement): Json {
  return fill(schema as Schema, '', known.next ?? FINISH, known)
}

function fill(schema: Schema, name: string, move: Move, known: Judgement): Json {
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return chosen(schema.enum, known)
  const options = schema.anyOf ?? schema.oneOf
  if (options !== undefined) return alternative(options, name, move, known)
  switch (schema.type) {
    case 'object':
      return object(schema, name, move, known)
    case 'array':
      return list(schema, name, known)
    case 'boolean':
      return DONE.includes(name) ? known.isOver : true
    case 'number':
    case 'integer':
      return number(schema, known)
    default:
      return text(name, move, known)
  }
}

function object({ properties = {}, required = [] }: Schema, name: string, move: Move, known: Judgement): Json {
  if (name === 'args' || name === 'arguments' || Object.keys(properties).length === 0) return { ...move.args }
  const said = Object.entries(properties).filter(([key]) => required.includes(key) || SAID.includes(key))
  return Object.fromEntries(said.map(([key, one]) => [key, fill(one, key, move, known)]))
}

function list({ items = {}, minItems = 0 }: Schema, name: string, known: Judgement): Json {
  const isPlan = PLANS.includes(name)
  // A graph of tasks: what is left is one task, until nothing is.
  if (items.properties?.['after'] !== undefined) return known.isOver ? [] : [{ id: 'rest', goal: REST, after: [] }]
  const moves = isPlan && known.plan.length > 0 ? known.plan : isPlan || minItems > 0 ? [known.next ?? FINISH] : []
  return moves.map((move) => (items.type === 'string' ? move.name : fill(items, '', move, known)))
}

function number({ type, minimum = 0, maximum = 1 }: Schema, { value }: Judgement): number {
  const found = minimum + value * (Math.min(maximum, 100) - minimum)
  return type === 'integer' ? Math.round(found) : found
}

function chosen(words: readonly Json[], { isOver }: Judgement): Json {
  const wanted = isOver ? ['finish', 'done', 'success', 'end'] : [...GOING_ON, 'failure']
  return wanted.find((word) => words.includes(word)) ?? (words[0] as Json)
}

/** Null only for an answer that is not there yet. */
function alternative(options: readonly Schema[], name: string, move: Move, known: Judgement): Json {
  if (name === 'answer' && !known.isOver && options.some(({ type }) => type === 'null')) return null
  const first = options.find(({ type }) => type !== 'null') ?? options[0]
  return first === undefined ? null : fill(first, name, move, known)
}

function text(name: string, move: Move, { isOver }: Judgement): string {
  if (name === 'name' || name === 'tool') return move.name
  if (name === 'task') return isOver ? '' : words(move)
  if (name === 'answer') return 'Done.'
  return words(move)
}

function words({ name, args }: Move): string {
  return `${name} ${Object.values(args).join(' ')}`.trim()
}
