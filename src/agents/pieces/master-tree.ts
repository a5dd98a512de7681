/**
 * The tree of MASTER (Gan et al. 2025, "MASTER: a multi-agent system with LLM specialized MCTS"): agents that judge themselves,
 * no rollouts, and only failures that come back.
 *
 *     await masterTree(start, { expand, evaluate, expansionsMax: 10 })
 *
 * From the root down, the child with the largest upper confidence (`masterUct`) is gone into; the leaf is expanded. A terminal child
 * is evaluated: right ends the search, wrong is backed up along its path and lowers what its ancestors are worth. master.ts makes a
 * program of it; the constants of the selection are not verified and are options.
 *
 * Invariants
 *   MT1. A wrong answer changes its own path and nothing beside it.
 *   MT2. At most `expansionsMax` calls of `expand`; where they are used up, the terminal agent with the largest reward is found.
 */
import { largest } from './largest.ts'
import { childrenOf, growTree, pathTo, plantTree, type SearchTree, type TreeNode } from './reward-tree.ts'
import { masterUct } from './upper-confidence.ts'

/** What an agent says of itself. */
export interface Assessment {
  /** 0 to 1. */
  readonly reward: number
  /** 0 to 1. */
  readonly confidence: number
}

export interface MasterAgent<State> extends Assessment {
  readonly state: State
  readonly isTerminal: boolean
  /** Rewards that came back through it, and how many. */
  back: number
  backs: number
}

export interface MasterRules<State> {
  /** The children of an agent: each with its own assessment. */
  expand(
    state: State,
    depth: number,
  ): Promise<readonly ({ readonly state: State; readonly isTerminal: boolean } & Assessment)[]>
  /** Whether the answer of a terminal agent is right. */
  evaluate(state: State): Promise<boolean>
  readonly expansionsMax: number
  /** What a wrong answer sends back. @default 0 */
  readonly penalty?: number
  /** @default 'blend' */
  readonly reading?: 'blend' | 'replace'
}

export interface MasterFound<State> {
  readonly state: State | undefined
  readonly accepted: boolean
  readonly expansions: number
  /** Agents that were made. */
  readonly agents: number
  readonly evaluations: number
}

type Tree<State> = SearchTree<MasterAgent<State>>
type Node<State> = TreeNode<MasterAgent<State>>

export async function masterTree<State>(
  start: State,
  { expand, evaluate, expansionsMax, penalty = 0, reading = 'blend' }: MasterRules<State>,
): Promise<MasterFound<State>> {
  const tree: Tree<State> = plantTree({ state: start, isTerminal: false, reward: 1, confidence: 1, back: 0, backs: 0 })
  const worth = (node: Node<State>): number => {
    const { reward, confidence, back, backs } = node.content
    const parent = node.parent === null ? undefined : tree.nodes[node.parent]
    const mean = backs === 0 ? undefined : back / backs
    return masterUct(
      { reward, confidence, back: mean, visits: 1 + backs, parentVisits: 1 + (parent?.content.backs ?? 0) },
      reading,
    )
  }
  let [expansions, evaluations] = [0, 0]
  const end = (node: Node<State> | undefined, accepted: boolean): MasterFound<State> => ({
    state: node?.content.state,
    accepted,
    expansions,
    agents: tree.nodes.length - 1,
    evaluations,
  })

  while (expansions < expansionsMax) {
    // A subtree that failed is worth less as a whole: a leaf is found from the root down.
    let node: Node<State> | undefined = leafFrom(tree, worth)
    if (node === undefined) break
    expansions++
    for (const child of await expand(node.content.state, node.depth)) {
      const grown = growTree(tree, node, { ...child, back: 0, backs: 0 })
      if (!child.isTerminal) continue
      evaluations++
      if (await evaluate(child.state)) return end(grown, true)
      for (const above of pathTo(tree, grown)) {
        above.content.back += penalty
        above.content.backs++
      }
    }
  }
  const terminals = tree.nodes.filter(({ content }) => content.isTerminal)
  return end(
    largest(terminals, ({ content }) => content.reward),
    false,
  )
}

/** The agent to expand: at each level the child that is worth most and has something left to expand below. */
function leafFrom<State>(tree: Tree<State>, worth: (node: Node<State>) => number): Node<State> | undefined {
  const isOpen = (node: Node<State>): boolean =>
    node.children.length === 0 ? !node.content.isTerminal : childrenOf(tree, node).some(isOpen)
  let node: Node<State> | undefined = isOpen(tree.root) ? tree.root : undefined
  while (node !== undefined && node.children.length > 0) node = largest(childrenOf(tree, node).filter(isOpen), worth)
  return node
}
