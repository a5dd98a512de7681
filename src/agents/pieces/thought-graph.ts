/**
 * A thought graph: thoughts that were split, solved, refined and joined, as plain data with rules on what may be done (Besta et al.
 * 2023, "Graph of thoughts"; the actions are those of ARIES, Gimenes et al. 2025).
 *
 *     const graph = startThoughts(problem)
 *     faultOfMove(graph, { do: 'aggregate', nodes: [1, 2] })       // why it may not be done; undefined where it may
 *     applyMove(graph, move, contents)                             // contents: what the reasoner made of it, one for each new node
 *
 * Invariants
 *   TG1. Children are newer than their parents, so the graph has no circle.
 *   TG2. What is joined is solved, and no thought of it descends from another.
 *   TG3. A thought covers a part of the root; a solution of the root covers all of it. Shares of a split sum to its parent's.
 */
import { largest } from './largest.ts'

export interface Thought {
  readonly id: number
  readonly from: readonly number[]
  content: string
  /** What it was worth to the reasoner, 0 to 1; none before it was solved. */
  score: number | undefined
  solved: boolean
  /** Put aside: neither joined nor gone on with. */
  dropped: boolean
  /** Parts of the root that it stands for: leaves of the splits, by name. */
  readonly covers: readonly string[]
}

export interface Move {
  readonly do: 'decompose' | 'solve' | 'refine' | 'reduce' | 'aggregate'
  readonly nodes: readonly number[]
}

/** What the reasoner made: the content of a new or changed thought. */
export interface Made {
  readonly content: string
  readonly score?: number
}

export function startThoughts(problem: string): Thought[] {
  return [{ id: 0, from: [], content: problem, score: undefined, solved: false, dropped: false, covers: ['0'] }]
}

/** What is wrong with a move; undefined where nothing is. */
export function faultOfMove(graph: readonly Thought[], { do: what, nodes }: Move): string | undefined {
  const thoughts = nodes.map((id) => graph[id])
  const missing = nodes.find((_, i) => thoughts[i] === undefined)
  if (missing !== undefined) return `there is no thought ${missing}`
  if (nodes.length === 0 || new Set(nodes).size !== nodes.length) return 'name each thought once, and at least one'
  const known = thoughts as Thought[]
  if (known.some(({ dropped }) => dropped)) return 'a dropped thought is gone'
  if (what !== 'aggregate' && what !== 'reduce' && nodes.length > 1) return `${what} takes one thought`
  const [first] = known as [Thought]
  if ((what === 'decompose' || what === 'solve') && first.solved) return `thought ${first.id} is solved`
  if (what === 'decompose' && graph.some(({ from }) => from.includes(first.id)))
    return `thought ${first.id} was split before`
  if (what === 'refine' && !first.solved) return `thought ${first.id} is not solved`
  if (what === 'reduce' || what !== 'aggregate') return undefined
  if (nodes.length < 2) return 'aggregate takes at least two thoughts'
  const open = known.find(({ solved }) => !solved)
  if (open !== undefined) return `thought ${open.id} is not solved`
  const parts = known.flatMap(({ covers }) => covers)
  return new Set(parts).size === parts.length ? undefined : 'two of them stand for the same part'
}

/** Does it. `made` has one entry for each new thought; of solve and refine, one. */
export function applyMove(graph: Thought[], { do: what, nodes }: Move, made: readonly Made[]): void {
  const first = graph[nodes[0] as number] as Thought
  const add = (thought: Omit<Thought, 'id' | 'dropped'>): void =>
    void graph.push({ ...thought, id: graph.length, dropped: false })
  switch (what) {
    case 'decompose': {
      // The parts that the thought stood for are now those of its children.
      const own = first.covers
      const parts = made.map((_, i) => `${own[0]}.${i}`)
      for (const thought of graph) replacePart(thought, own, parts)
      made.forEach(({ content, score }, i) =>
        add({ from: [first.id], content, score, solved: false, covers: [parts[i] as string] }),
      )
      return
    }
    case 'solve':
    case 'refine': {
      const [{ content, score }] = made as [Made]
      // A refinement that is worse is not taken.
      if (what === 'refine' && score !== undefined && first.score !== undefined && score < first.score) return
      first.content = content
      first.score = score
      first.solved = true
      return
    }
    case 'reduce':
      for (const id of nodes) (graph[id] as Thought).dropped = true
      return
    case 'aggregate': {
      const [{ content, score }] = made as [Made]
      add({ from: nodes, content, score, solved: true, covers: nodes.flatMap((id) => (graph[id] as Thought).covers) })
    }
  }
}

/** A solved thought that stands for the whole problem; the best one, of equal ones the first. */
export function solutionOf(graph: readonly Thought[]): Thought | undefined {
  const whole = graph[0]?.covers ?? []
  const solutions = graph.filter(
    ({ solved, dropped, covers }) => solved && !dropped && whole.every((part) => covers.includes(part)),
  )
  return largest(solutions, ({ score }) => score ?? 0)
}

/** The graph as a policy reads it. */
export function thoughtsText(graph: readonly Thought[], charsMax = 200): string {
  return graph
    .filter(({ dropped }) => !dropped)
    .map(
      ({ id, from, content, score, solved }) =>
        `${id}${from.length === 0 ? '' : ` from ${from.join(', ')}`} [${solved ? 'solved' : 'open'}${score === undefined ? '' : `, ${score.toFixed(2)}`}]: ${content.slice(0, charsMax)}`,
    )
    .join('\n')
}

function replacePart(thought: Thought, parts: readonly string[], by: readonly string[]): void {
  if (!parts.every((part) => thought.covers.includes(part))) return
  const rest = thought.covers.filter((part) => !parts.includes(part))
  ;(thought as { covers: readonly string[] }).covers = [...rest, ...by]
}
