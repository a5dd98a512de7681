/**
 * Progression: what is left of a formula after an event. Formulas are kept once each, in a normal form.
 *
 *     const pool = createPool()
 *     const rest = pool.progress(pool.intern(formula), new Set(['a']))
 *     rest.empty           whether the run may stop here
 *
 * A run satisfies f exactly when the formula that is left after its last event is satisfied by the empty run. So no event
 * need be known as the last one when it is seen. After X f the rest must not be empty, after N f it may: both are said with
 * two formulas that speak of nothing else, `F true` (some event comes) and `G false` (none comes).
 * Progression: Bacchus and Kabanza 1998, here for finite runs.
 *
 * Invariants
 *   P1. Equal nodes are the same object: within a pool, `===` is equality of the normal forms.
 *   P2. Every rewriting holds for all runs, the empty one included. (Many laws of the books do not: G X a is false for
 *       every run but the empty one, and so is not rewritten to false.)
 *   P3. Operands are sorted by their text, so a normal form does not depend on what a pool has seen before.
 *   P4. Below an `and` its own parts are known to be true, below an `or` to be false, and they do not occur again. So on a
 *       path a part occurs once, and progression of a formula reaches finitely many. Joins of few units are moreover
 *       written as one `or` of `and`s, so that their form stays small.
 *   P5. A node is bounded in size, depth and text, so that its text can be read back; beyond that `TooLarge` is thrown.
 */
import type { Formula } from './ltlf.ts'
import { TooLarge } from './bdd.ts'
import { formulaLimits, printFormula } from './ltlf.ts'

/**
 * `<->` doubles at every depth, and what is left of a formula may grow: beyond these, `TooLarge` is thrown. They are such
 * that the text of every node is within `formulaLimits`, where `!a` counts two.
 */
const limits = { sizeMax: 2_400, depthMax: formulaLimits.depthMax - 1, textMax: formulaLimits.textMax } as const

/** Joins three deep of at most so many different units are kept as an `or` of `and`s: 924 of them at most. */
const UNITS_MAX = 12

/** An event: the atoms that hold of it. */
export type Event = ReadonlySet<string>

/** A formula in negation normal form: negation at atoms only; F f is `true U f`, G f is `false R f`. */
export type Node = Leaf | Join | Step | Pair

interface Leaf extends Interned {
  readonly kind: 'true' | 'false' | 'atom' | 'notAtom'
  /** Of an atom. */
  readonly name: string
}
interface Join extends Interned {
  readonly kind: 'and' | 'or'
  readonly parts: readonly Node[]
}
interface Step extends Interned {
  readonly kind: 'next' | 'weakNext'
  readonly of: Node
}
interface Pair extends Interned {
  readonly kind: 'until' | 'release'
  readonly left: Node
  readonly right: Node
}
interface Interned {
  /** Normal form as text, which `parseFormula` reads. */
  readonly text: string
  /** Whether the empty run satisfies it: no for atoms, X, U and F; yes for N, R, G and W; `!` turns it round. */
  readonly empty: boolean
  /** Nodes, counted as a tree. */
  readonly size: number
  readonly depth: number
}

export interface Pool {
  readonly intern: (formula: Formula) => Node
  readonly negate: (node: Node) => Node
  /** What must hold of the events after this one. */
  readonly progress: (node: Node, event: Event) => Node
}

/** Whether the empty run satisfies the formula. */
export function emptyValue(formula: Formula): boolean {
  return createPool().intern(formula).empty
}

/** An empty pool. It only grows: make a new one when it is too large. */
export function createPool(): Pool {
  const nodes = new Map<string, Node>()
  const negations = new Map<Node, Node>()

  const top = leaf('true', '')
  const bottom = leaf('false', '')
  negations.set(top, bottom).set(bottom, top)
  const someEvent = pair('until', top, top)
  const noEvent = pair('release', bottom, bottom)
  negations.set(someEvent, noEvent).set(noEvent, someEvent)

  function keep(text: string, make: () => Node): Node {
    const found = nodes.get(text)
    if (found !== undefined) return found
    const node = make()
    if (node.size > limits.sizeMax || node.depth > limits.depthMax || text.length > limits.textMax)
      throw new TooLarge('a normal form too large to keep')
    nodes.set(text, node)
    return node
  }

  function leaf(kind: Leaf['kind'], name: string): Node {
    const printed = kind === 'true' || kind === 'false' ? kind : printFormula({ op: 'atom', name })
    const text = kind === 'notAtom' ? `!${printed}` : printed
    return keep(text, () => ({ kind, name, text, empty: kind === 'true' || kind === 'notAtom', size: 1, depth: 1 }))
  }

  function step(kind: Step['kind'], of: Node): Node {
    if (kind === 'next' ? of === bottom : of === top) return of
    const text = `${kind === 'next' ? 'X' : 'N'} ${wrapped(of)}`
    return keep(text, () => ({ kind, of, text, empty: kind === 'weakNext', ...measured([of]) }))
  }

  /** `left U right` or `left R right`; the two are dual, with true and false exchanged. */
  function pair(kind: Pair['kind'], left: Node, right: Node): Node {
    const isUntil = kind === 'until'
    const [absorbing, other] = isUntil ? [bottom, top] : [top, bottom]
    if (right === absorbing) return absorbing
    if (right === other) left = other
    // `false U f` is f wherever there is an event, and `f U f` too; without one they are false, so f must be as well.
    if ((left === absorbing || left === right) && right.empty !== isUntil) return right
    if (right.kind === kind && (right.left === left || left === absorbing)) return right
    const sign = left === other ? (isUntil ? 'F' : 'G') : ''
    const text = sign !== '' ? `${sign} ${wrapped(right)}` : `${wrapped(left)} ${isUntil ? 'U' : 'R'} ${wrapped(right)}`
    return keep(text, () => ({ kind, left, right, text, empty: !isUntil, ...measured([left, right]) }))
  }

  /** `and` or `or` of the parts; dual, with true and false exchanged. */
  function join(kind: Join['kind'], given: readonly Node[]): Node {
    const isAnd = kind === 'and'
    const [neutral, absorbing] = isAnd ? [top, bottom] : [bottom, top]
    let parts = flattened(kind, given, neutral)
    for (let isStable = false; !isStable;) {
      isStable = true
      if (parts.has(absorbing)) return absorbing
      const joins = [...parts].filter(isJoin)
      const units = [...parts].filter((part) => !isJoin(part))
      for (const unit of units) {
        if (parts.has(negate(unit))) return absorbing
        const reduced = joins.map((other) => replaced(other, unit, neutral))
        if (reduced.every((other, i) => other === joins[i])) continue
        parts = flattened(kind, [...units, ...reduced], neutral)
        isStable = false
        break
      }
    }
    for (const part of parts) if (isJoin(part) && isAbsorbed(part, parts)) parts.delete(part)
    // "Some event comes" says nothing beside what the empty run does not satisfy; dually for "none comes".
    const [vacuous, value] = isAnd ? [someEvent, false] : [noEvent, true]
    if (parts.has(vacuous) && [...parts].some((part) => part !== vacuous && part.empty === value)) parts.delete(vacuous)
    if (parts.size === 0) return neutral
    if (parts.size === 1) return [...parts][0] as Node
    const units = isDeep(parts) ? unitsOf(parts) : undefined
    if (units !== undefined) return distributed(kind, parts, units)
    const measures = measured([...parts])
    if (measures.size > limits.sizeMax) throw new TooLarge('a normal form too large to write down')
    const sorted = [...parts].sort((a, b) => (a.text < b.text ? -1 : 1))
    const text = sorted.map(wrapped).join(isAnd ? ' & ' : ' | ')
    const empty = isAnd ? sorted.every((part) => part.empty) : sorted.some((part) => part.empty)
    return keep(text, () => ({ kind, parts: sorted, text, empty, ...measures }))
  }

  function flattened(kind: Join['kind'], parts: readonly Node[], neutral: Node): Set<Node> {
    return new Set(parts.flatMap((part) => (part.kind === kind ? part.parts : part === neutral ? [] : [part])))
  }

  /** Joins three deep or more, of few units: as an `or` of `and`s, of which there is one for each monotone function. */
  function distributed(kind: Join['kind'], parts: ReadonlySet<Node>, units: readonly Node[]): Node {
    const places = new Map(units.map((unit, i) => [unit, 1 << i]))
    const cubesOf = (kind: Join['kind'], parts: Iterable<Node>): number[] => {
      let cubes = kind === 'and' ? [0] : []
      for (const part of parts) {
        const own = isJoin(part) ? cubesOf((part as Join).kind, (part as Join).parts) : [places.get(part) as number]
        cubes = minimal(kind === 'or' ? [...cubes, ...own] : cubes.flatMap((cube) => own.map((other) => cube | other)))
      }
      return cubes
    }
    const cubes = cubesOf(kind, parts).map((cube) => units.filter((_, i) => (cube >> i) & 1))
    return join(
      'or',
      cubes.map((cube) => join('and', cube)),
    )
  }

  /** (a | b | c) says nothing beside (a | b), nor (a & b & c) beside what is met by (a & b) already. */
  function isAbsorbed(part: Node, parts: ReadonlySet<Node>): boolean {
    const own = new Set((part as Join).parts)
    for (const other of parts)
      if (other !== part && isJoin(other) && (other as Join).parts.every((inner) => own.has(inner))) return true
    return false
  }

  /** The node with `part` replaced by a constant, and its negation by the other, wherever they are joined. */
  function replaced(node: Node, part: Node, constant: Node): Node {
    if (node === part) return constant
    if (node.kind !== 'and' && node.kind !== 'or') return negations.get(part) === node ? negate(constant) : node
    const parts = node.parts.map((inner) => replaced(inner, part, constant))
    return parts.every((inner, i) => inner === node.parts[i]) ? node : join(node.kind, parts)
  }

  function negate(node: Node): Node {
    const found = negations.get(node)
    if (found !== undefined) return found
    const result = negated(node)
    // Not the other way round as well: what a node is negated to must not depend on what came before (P3).
    negations.set(node, result)
    return result
  }

  function negated(node: Node): Node {
    switch (node.kind) {
      case 'atom':
        return leaf('notAtom', node.name)
      case 'notAtom':
        return leaf('atom', node.name)
      case 'and':
      case 'or':
        return join(node.kind === 'and' ? 'or' : 'and', node.parts.map(negate))
      case 'next':
        return step('weakNext', negate(node.of))
      case 'weakNext':
        return step('next', negate(node.of))
      case 'until':
        return pair('release', negate(node.left), negate(node.right))
      case 'release':
        return pair('until', negate(node.left), negate(node.right))
      default:
        return node === top ? bottom : top
    }
  }

  function intern(f: Formula): Node {
    switch (f.op) {
      case 'true':
        return top
      case 'false':
        return bottom
      case 'last':
        return step('weakNext', bottom)
      case 'atom':
        return leaf('atom', f.name)
      case 'not':
        return negate(intern(f.of))
      case 'and':
      case 'or':
        return join(f.op, f.of.map(intern))
      case 'implies':
        return join('or', [negate(intern(f.left)), intern(f.right)])
      case 'iff': {
        const [left, right] = [intern(f.left), intern(f.right)]
        return join('or', [join('and', [left, right]), join('and', [negate(left), negate(right)])])
      }
      case 'next':
      case 'weakNext':
        return step(f.op, intern(f.of))
      case 'finally':
        return pair('until', top, intern(f.of))
      case 'globally':
        return pair('release', bottom, intern(f.of))
      case 'until':
      case 'release':
        return pair(f.op, intern(f.left), intern(f.right))
      case 'weakUntil': {
        const right = intern(f.right)
        return pair('release', right, join('or', [intern(f.left), right]))
      }
    }
  }

  function progress(node: Node, event: Event): Node {
    switch (node.kind) {
      case 'atom':
        return event.has(node.name) ? top : bottom
      case 'notAtom':
        return event.has(node.name) ? bottom : top
      case 'and':
      case 'or':
        return join(
          node.kind,
          node.parts.map((part) => progress(part, event)),
        )
      case 'next':
        return join('and', [node.of, someEvent])
      case 'weakNext':
        return join('or', [node.of, noEvent])
      case 'until':
        return join('or', [progress(node.right, event), join('and', [progress(node.left, event), node])])
      case 'release':
        return join('and', [progress(node.right, event), join('or', [progress(node.left, event), node])])
      default:
        return node
    }
  }

  return { intern, negate, progress }
}

const isJoin = (node: Node): boolean => node.kind === 'and' || node.kind === 'or'
const measured = (parts: readonly Node[]): { readonly size: number; readonly depth: number } => ({
  size: parts.reduce((sum, part) => sum + part.size, 1),
  depth: parts.reduce((depth, part) => Math.max(depth, part.depth), 0) + 1,
})
const innerOf = (node: Node): readonly Node[] => (isJoin(node) ? (node as Join).parts : [])

/** Whether there are joins within joins within the join of these parts. */
const isDeep = (parts: ReadonlySet<Node>): boolean => [...parts].some((part) => innerOf(part).some(isJoin))

/** What is joined, at any depth; undefined where it is more than UNITS_MAX. */
function unitsOf(parts: ReadonlySet<Node>): Node[] | undefined {
  const seen = new Set(parts)
  const units: Node[] = []
  for (const node of seen) {
    if (isJoin(node)) for (const part of innerOf(node)) seen.add(part)
    else if (units.push(node) > UNITS_MAX) return undefined
  }
  return units
}

/** The sets of bits that include no other. */
function minimal(cubes: readonly number[]): number[] {
  const distinct = [...new Set(cubes)]
  return distinct.filter((cube) => !distinct.some((other) => other !== cube && (cube & other) === other))
}

function wrapped(node: Node): string {
  const isSimple = node.kind === 'atom' || node.kind === 'notAtom' || node.kind === 'true' || node.kind === 'false'
  return isSimple ? node.text : `(${node.text})`
}
