/**
 * Monte Carlo tree search: goes down the tree by a rule of selection, adds one node, values it, and tells the path.
 *
 *     const tree = plantTree(branchOf(root, undefined, 1))
 *     await monteCarlo(tree, { moves, go, evaluate, select: (child, parent) => armapUct(…), simulations: 10, discount: 0.9 })
 *     largest(childrenOf(tree, tree.root), (child) => child.mean)
 *
 * What a state is, how it is reached and what it is worth are functions that are handed in: a fork of a real environment
 * (armap.ts), a pure game (experiment P3). Moves are asked for once a node.
 *
 * Invariants
 *   MC1. One simulation adds at most one node, by at most one `go`, and backs up exactly one reward.
 *   MC2. Every move of a node is tried once before any is gone into twice, where `select` gives what was never visited the most.
 */
import { largest } from './largest.ts'
import { backUp, childrenOf, growTree, type SearchTree, type TreeNode } from './reward-tree.ts'

/** What a node stands for. */
export interface Branch<State, Move> {
  /** Not there yet: nobody went. */
  state: State | undefined
  readonly move: Move | undefined
  /** How likely the policy finds the move, 0 to 1. */
  readonly prior: number
  /** Its children were added. */
  isExpanded: boolean
}

export type BranchNode<State, Move> = TreeNode<Branch<State, Move>>

export interface MonteCarloRules<State, Move> {
  /** What may be done there, with how likely each is; none where it is over. */
  moves(state: State, depth: number): Awaitable<readonly { readonly move: Move; readonly prior: number }[]>
  go(from: State, move: Move): Awaitable<State>
  /** What a state is worth that was just reached: a rollout, or a judgement. */
  evaluate(state: State, depth: number): Awaitable<number>
  /** What choosing the child is worth; the largest is chosen, of equal ones the first. */
  select(child: BranchNode<State, Move>, parent: BranchNode<State, Move>): number
  readonly simulations: number
  /** A reward shrinks by it with every step up. @default 1 */
  readonly discount?: number
}

type Awaitable<T> = T | Promise<T>

export function branchOf<State, Move>(
  state: State | undefined,
  move: Move | undefined,
  prior: number,
): Branch<State, Move> {
  return { state, move, prior, isExpanded: false }
}

export async function monteCarlo<State, Move>(
  tree: SearchTree<Branch<State, Move>>,
  { moves, go, evaluate, select, simulations, discount = 1 }: MonteCarloRules<State, Move>,
  root: BranchNode<State, Move> = tree.root,
): Promise<void> {
  for (let done = 0; done < simulations; done++) {
    let node = root
    for (;;) {
      const { content } = node
      if (!content.isExpanded) {
        content.isExpanded = true
        for (const { move, prior } of await moves(content.state as State, node.depth))
          growTree(tree, node, branchOf<State, Move>(undefined, move, prior))
      }
      const child = largest(childrenOf(tree, node), (one) => select(one, node))
      if (child === undefined) break
      if (child.content.state === undefined) {
        child.content.state = await go(content.state as State, child.content.move as Move)
        node = child
        break
      }
      node = child
    }
    backUp(tree, node, await evaluate(node.content.state as State, node.depth), discount)
  }
}
