/**
 * PDDL, the language of planning problems: text in, checked plain data out.
 *
 *     const domain = parseDomain(text)
 *     const problem = parseProblem(other, domain)
 *
 * The subset is STRIPS with types, constants, negative preconditions and goals, and equality (McDermott et al. 1998; Fox
 * and Long 2003, sections 2 and 3): conditions are conjunctions of literals, effects add and delete atoms. What is beyond
 * it (`or`, `forall`, `when`, numbers, time) is refused by name.
 *
 * Invariants
 *   L1. What is returned is consistent: every predicate, type, variable and object in it is declared, and every atom has as
 *       many terms as its predicate, of its types where they are objects.
 *   L2. A text that is not is refused with `INVALID_ARGUMENT`, and the message begins with `domain:line:column:` or
 *       `problem:line:column:`, counted from 1; `detail` has the same for programs.
 *   L3. Names are lower case, as PDDL does not tell cases apart.
 */
import { PolityError } from '../kernel/errors.ts'

/** A name with the types it may have: a parameter, a constant, an object. */
export interface Typed {
  readonly name: string
  /** One, or several after `either`. */
  readonly types: readonly string[]
}

/** An atom, or that it does not hold. */
export interface Literal {
  readonly isTrue: boolean
  /** `=` for equality. */
  readonly predicate: string
  /** Variables begin with `?`. */
  readonly terms: readonly string[]
  /** Where it stands in its text, in characters from 0. */
  readonly at: number
}

/** An action with parameters. */
export interface Schema {
  readonly name: string
  readonly parameters: readonly Typed[]
  /** All of them must hold. */
  readonly precondition: readonly Literal[]
  /** What holds afterwards, and what does not; where an atom is in both, it holds. */
  readonly effect: readonly Literal[]
}

/** What can be done in a kind of world. */
export interface Domain {
  readonly name: string
  /** Of every type: itself and all above it, up to `object`. */
  readonly types: ReadonlyMap<string, ReadonlySet<string>>
  readonly constants: readonly Typed[]
  readonly predicates: ReadonlyMap<string, readonly Typed[]>
  readonly actions: readonly Schema[]
}

/** One world of that kind, and what is wanted in it. */
export interface Problem {
  readonly name: string
  /** With the constants of the domain. */
  readonly objects: readonly Typed[]
  readonly init: readonly Literal[]
  readonly goal: readonly Literal[]
  readonly text: string
}

const REQUIREMENTS = [':strips', ':typing', ':negative-preconditions', ':equality']

/** A word or a list of PDDL, and where it begins. */
type Node = { readonly at: number; readonly word: string } | List
interface List {
  readonly at: number
  readonly list: readonly Node[]
}

/** Reads a domain. @throws INVALID_ARGUMENT with line and column (L2) */
export function parseDomain(text: string): Domain {
  const source = sourceOf('domain', text)
  const { name, sections } = defined(source, 'domain')
  const types = new Map<string, ReadonlySet<string>>([['object', new Set(['object'])]])
  const predicates = new Map<string, readonly Typed[]>()
  const actions: Schema[] = []
  let constants: readonly Typed[] = []
  // Types and constants first, wherever they stand: the rest speaks of them.
  const order = [':requirements', ':types', ':constants', ':predicates', ':action']
  for (const section of sections)
    if (!order.includes(section.key))
      source.fail(section.at, `${section.key} is not part of the subset; expected one of ${order.join(', ')}`)
  for (const key of order) {
    for (const { at, rest } of sections.filter((section) => section.key === key)) {
      if (key === ':requirements') requirementsOf(source, rest)
      else if (key === ':types') declareTypes(source, rest, types)
      else if (key === ':constants') constants = [...constants, ...typedList(source, rest, types)]
      else if (key === ':predicates')
        for (const node of rest) {
          const [head, ...parameters] = listOf(source, node, 'a predicate, such as (on ?x ?y)')
          const predicate = wordOf(source, head, node.at, 'the name of a predicate')
          if (predicates.has(predicate)) source.fail(node.at, `the predicate ${predicate} is declared twice`)
          predicates.set(predicate, typedList(source, parameters, types, '?'))
        }
      else {
        const action = actionOf(source, at, rest, { types, predicates, constants })
        if (actions.some((one) => one.name === action.name))
          source.fail(at, `the action ${action.name} is declared twice`)
        actions.push(action)
      }
    }
  }
  distinct(source, constants, 0)
  if (actions.length === 0) source.fail(0, 'the domain has no (:action …): nothing can be done in it')
  return { name, types, constants, predicates, actions }
}

/** Reads a problem of that domain. @throws INVALID_ARGUMENT with line and column (L2) */
export function parseProblem(text: string, domain: Domain): Problem {
  const source = sourceOf('problem', text)
  const { name, sections, at: start } = defined(source, 'problem')
  const one = (key: string): { readonly at: number; readonly rest: readonly Node[] } => {
    const found = sections.filter((section) => section.key === key)
    if (found.length !== 1) source.fail(found[1]?.at ?? start, `expected one (${key} …), got ${found.length}`)
    return found[0] as (typeof found)[number]
  }
  const known = [':domain', ':requirements', ':objects', ':init', ':goal']
  for (const { key, at } of sections)
    if (!known.includes(key)) source.fail(at, `${key} is not part of the subset; expected one of ${known.join(', ')}`)
  for (const { key, rest } of sections) if (key === ':requirements') requirementsOf(source, rest)
  const of = one(':domain')
  const its = wordOf(source, of.rest[0], of.at, 'the name of a domain')
  if (its !== domain.name)
    source.fail(of.at, `the problem is of the domain ${its}, and the domain given is ${domain.name}`)
  const objects = [...domain.constants]
  for (const { key, rest, at } of sections) {
    if (key !== ':objects') continue
    objects.push(...typedList(source, rest, domain.types))
    distinct(source, objects, at)
  }
  const words = { ...domain, constants: objects }
  const init = one(':init').rest.map((node) => literalOf(source, node, words, []))
  for (const { predicate, at } of init) if (predicate === '=') source.fail(at, '(= …) cannot stand in :init')
  const goal = one(':goal')
  const [wanted, more] = goal.rest
  if (wanted === undefined || more !== undefined) return source.fail(goal.at, 'expected one condition in (:goal …)')
  return {
    name,
    objects,
    init: init.filter(({ isTrue }) => isTrue),
    goal: conjunctionOf(source, wanted, words, []),
    text,
  }
}

/** An error at a place of a text: `problem:3:12: …`. */
export function faultAt(which: 'domain' | 'problem', text: string, at: number, message: string): PolityError {
  const before = text.slice(0, at).split('\n')
  const [line, column] = [before.length, (before.at(-1) as string).length + 1]
  return new PolityError('INVALID_ARGUMENT', `${which}:${line}:${column}: ${message}`, {
    detail: { source: which, line, column },
  })
}

/** A literal as PDDL writes it. */
export function literalText({ isTrue, predicate, terms }: Omit<Literal, 'at'>): string {
  const atom = atomText(predicate, terms)
  return isTrue ? atom : `(not ${atom})`
}

export function atomText(predicate: string, terms: readonly string[]): string {
  return terms.length === 0 ? `(${predicate})` : `(${predicate} ${terms.join(' ')})`
}

/** Whether a thing of these types may stand where those are wanted. */
export function isOfTypes({ types }: Domain, own: readonly string[], wanted: readonly string[]): boolean {
  return own.every((type) => wanted.some((above) => types.get(type)?.has(above) === true))
}

// ------------------------------------------------------------------------------------------------------------ reading

interface Source {
  readonly top: Node
  fail(at: number, message: string): never
}

function sourceOf(which: 'domain' | 'problem', text: string): Source {
  const fail = (at: number, message: string): never => {
    throw faultAt(which, text, at, message)
  }
  const open: { at: number; list: Node[] }[] = [{ at: 0, list: [] }]
  for (const { 0: token, index: at } of text.matchAll(/;[^\n]*|[()]|[^\s();]+/g)) {
    if (token.startsWith(';')) continue
    const inner = open.at(-1) as (typeof open)[number]
    if (token === '(') open.push({ at, list: [] })
    else if (token !== ')') inner.list.push({ at, word: token.toLowerCase() })
    else if (open.length === 1) fail(at, 'this ")" closes nothing')
    else {
      open.pop()
      open.at(-1)?.list.push(inner)
    }
  }
  if (open.length > 1) fail((open.at(-1) as List).at, 'this "(" is never closed')
  const [top, more] = (open[0] as List).list
  if (top === undefined) fail(0, `expected (define (${which} …) …), got nothing`)
  if (more !== undefined) fail(more.at, `expected nothing after (define …), got ${textOf(more)}`)
  return { top: top as Node, fail }
}

function textOf(node: Node | undefined): string {
  return node === undefined ? 'nothing' : 'word' in node ? `"${node.word}"` : '"("'
}

function listOf(source: Source, node: Node | undefined, what: string, at = node?.at ?? 0): readonly Node[] {
  if (node === undefined || 'word' in node) return source.fail(at, `expected ${what}, got ${textOf(node)}`)
  return node.list
}

function wordOf(source: Source, node: Node | undefined, at: number, what: string): string {
  if (node === undefined || !('word' in node))
    return source.fail(node?.at ?? at, `expected ${what}, got ${textOf(node)}`)
  return node.word
}

/** `(define (domain name) (:section …) …)`. */
function defined(source: Source, which: 'domain' | 'problem') {
  const { top } = source
  const [define, head, ...rest] = listOf(source, top, `(define (${which} …) …)`)
  if (wordOf(source, define, top.at, '"define"') !== 'define') source.fail(top.at, 'expected "define" first')
  const [kind, name] = listOf(source, head, `(${which} name)`, top.at)
  if (wordOf(source, kind, top.at, `"${which}"`) !== which)
    source.fail(kind?.at ?? top.at, `expected a ${which}, got ${textOf(kind)}`)
  const sections = rest.map((node) => {
    const [key, ...inner] = listOf(source, node, 'a section, such as (:init …)')
    return { key: wordOf(source, key, node.at, 'a word such as :init'), at: node.at, rest: inner }
  })
  return { name: wordOf(source, name, head?.at ?? top.at, `the name of the ${which}`), sections, at: top.at }
}

function requirementsOf(source: Source, nodes: readonly Node[]): void {
  for (const node of nodes) {
    const word = wordOf(source, node, node.at, 'a requirement such as :typing')
    if (!REQUIREMENTS.includes(word))
      source.fail(node.at, `${word} is not part of the subset, which is ${REQUIREMENTS.join(', ')}`)
  }
}

/** `a b - type c - (either t u) d`: what has no type is an `object`. */
function typedList(source: Source, nodes: readonly Node[], types: Domain['types'] | undefined, sign = ''): Typed[] {
  const list: Typed[] = []
  let untyped: string[] = []
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i] as Node
    const name = wordOf(source, node, node.at, 'a name')
    if (name !== '-') {
      if (name.startsWith('?') !== (sign === '?'))
        source.fail(
          node.at,
          sign === '?' ? `expected a variable such as ?x, got "${name}"` : `"${name}" is a variable, expected a name`,
        )
      untyped.push(name)
      continue
    }
    const type = nodes[++i]
    const names = type !== undefined && 'list' in type ? eitherOf(source, type) : [type]
    const its = names.map((one) => {
      const word = wordOf(source, one, node.at, 'a type after "-"')
      if (types !== undefined && !types.has(word))
        source.fail(one?.at ?? node.at, `the type ${word} is not declared in (:types …)`)
      return word
    })
    if (untyped.length === 0 || its.length === 0) source.fail(node.at, 'expected names before "-" and a type after it')
    list.push(...untyped.map((one) => ({ name: one, types: its })))
    untyped = []
  }
  return [...list, ...untyped.map((one) => ({ name: one, types: ['object'] }))]
}

/** `(either t u)`. */
function eitherOf(source: Source, { at, list: [head, ...types] }: List): readonly Node[] {
  if (wordOf(source, head, at, 'either') !== 'either') source.fail(at, `expected (either …), got ${textOf(head)}`)
  return types
}

function declareTypes(source: Source, nodes: readonly Node[], types: Map<string, ReadonlySet<string>>): void {
  const parents = new Map<string, string[]>()
  for (const { name, types: above } of typedList(source, nodes, undefined))
    parents.set(name, [...(parents.get(name) ?? []), ...above])
  // A parent that is not declared itself is a type too, right below `object`.
  for (const above of parents.values()) for (const one of above) if (!parents.has(one)) parents.set(one, ['object'])
  for (const name of parents.keys()) {
    const all = new Set([name])
    for (const one of all) for (const above of parents.get(one) ?? []) all.add(above)
    if ([...all].some((one) => one !== 'object' && one !== name && parents.get(one)?.includes(name)))
      source.fail(nodes[0]?.at ?? 0, `the type ${name} is above itself`)
    types.set(name, all.add('object'))
  }
}

function distinct(source: Source, list: readonly Typed[], at: number): void {
  const seen = new Set<string>()
  for (const { name } of list) {
    if (seen.has(name)) source.fail(at, `${name} is declared twice`)
    seen.add(name)
  }
}

// ------------------------------------------------------------------------------------------------ conditions, effects

type Words = Pick<Domain, 'types' | 'predicates' | 'constants'>

function actionOf(source: Source, at: number, [head, ...rest]: readonly Node[], words: Words): Schema {
  const name = wordOf(source, head, at, 'the name of an action')
  const parts = new Map<string, Node>()
  for (let i = 0; i < rest.length; i += 2) {
    const key = wordOf(source, rest[i], at, ':parameters, :precondition or :effect')
    if (![':parameters', ':precondition', ':effect'].includes(key))
      source.fail((rest[i] as Node).at, `expected :parameters, :precondition or :effect, got "${key}"`)
    if (rest[i + 1] === undefined) source.fail((rest[i] as Node).at, `nothing follows ${key}`)
    if (parts.has(key)) source.fail((rest[i] as Node).at, `the action ${name} has two of ${key}`)
    parts.set(key, rest[i + 1] as Node)
  }
  const given = parts.get(':parameters')
  const parameters =
    given === undefined ? [] : typedList(source, listOf(source, given, 'a list of parameters'), words.types, '?')
  distinct(source, parameters, given?.at ?? at)
  const literals = (key: string): Literal[] => {
    const node = parts.get(key)
    return node === undefined ? [] : conjunctionOf(source, node, words, parameters)
  }
  const effect = literals(':effect')
  if (effect.length === 0) source.fail(at, `the action ${name} has no effect`)
  for (const one of effect) if (one.predicate === '=') source.fail(one.at, '(= …) cannot be an effect')
  return { name, parameters, precondition: literals(':precondition'), effect }
}

/** `(and …)`, one literal, or `()`. */
function conjunctionOf(source: Source, node: Node, words: Words, parameters: readonly Typed[]): Literal[] {
  const list = listOf(source, node, 'a condition')
  const [head, ...rest] = list
  if (head === undefined) return []
  if ('word' in head && head.word === 'and') return rest.flatMap((one) => conjunctionOf(source, one, words, parameters))
  return [literalOf(source, node, words, parameters)]
}

const BEYOND = ['or', 'imply', 'forall', 'exists', 'when', 'increase', 'decrease', 'assign', '<', '>', '<=', '>=']

function literalOf(source: Source, node: Node, words: Words, parameters: readonly Typed[]): Literal {
  const list = listOf(source, node, 'an atom, such as (on a b)')
  const predicate = wordOf(source, list[0], node.at, 'the name of a predicate')
  if (predicate === 'not') {
    if (list.length !== 2) source.fail(node.at, '(not …) takes one atom')
    const inner = literalOf(source, list[1] as Node, words, parameters)
    return { ...inner, isTrue: !inner.isTrue, at: node.at }
  }
  if (BEYOND.includes(predicate))
    source.fail(node.at, `(${predicate} …) is not part of the subset: conjunctions of atoms and of (not …)`)
  const declared =
    predicate === '='
      ? [object, object]
      : (words.predicates.get(predicate) ??
        source.fail(node.at, `the predicate ${predicate} is not declared in (:predicates …)`))
  const terms = list.slice(1).map((term, i) => {
    const word = wordOf(source, term, node.at, 'a name or a variable')
    const own = [...parameters, ...words.constants].find(({ name }) => name === word)
    if (own === undefined)
      source.fail(
        term.at,
        word.startsWith('?') ? `${word} is not one of the parameters` : `there is no object "${word}"`,
      )
    const wanted = declared[i]?.types ?? ['object']
    // Variables are bound to objects later, where types are looked at again.
    if (!word.startsWith('?') && !isOfTypes(words as Domain, own.types, wanted))
      source.fail(term.at, `${word} is ${own.types.join(' or ')}, and ${predicate} takes ${wanted.join(' or ')} there`)
    return word
  })
  if (terms.length !== declared.length)
    source.fail(
      node.at,
      `${predicate} takes ${declared.length} ${declared.length === 1 ? 'term' : 'terms'}, got ${terms.length}`,
    )
  return { isTrue: true, predicate, terms, at: node.at }
}

const object: Typed = { name: '?object', types: ['object'] }
