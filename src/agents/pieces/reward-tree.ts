/**
 * The tree of a search as plain data: nodes by number, each with its parent, its children, and the rewards that came back through it.
 *
 *     const tree = plantTree(root)
 *     const node = growTree(tree, tree.root, content)
 *     backUp(tree, node, 0.7)                          // the mean of what came back, on the whole path
 *
 * Which node comes next is not its concern: a frontier (frontier.ts) or a selection rule (upper-confidence.ts) says so.
 *
 * Invariants
 *   T1. A node's number is its place in `nodes`, and is larger than its parent's.
 *   T2. After `backUp` of rewards r1 … rn through a node, its `visits` are n, `mean` is their mean and `best` their maximum.
 */

/** What is known of one place of the tree. */
export interface TreeNode<Content> {
  readonly id: number
  readonly parent: number | null
  readonly depth: number
  content: Content
  readonly children: number[]
  /** Rewards that came back through it. */
  visits: number
  /** Mean of these; 0 before the first. */
  mean: number
  /** Largest of these; -Infinity before the first. */
  best: number
}

export interface SearchTree<Content> {
  readonly nodes: TreeNode<Content>[]
  readonly root: TreeNode<Content>
}

/** A tree of one node. */
export function plantTree<Content>(content: Content): SearchTree<Content> {
  const root = nodeOf(0, null, 0, content)
  return { nodes: [root], root }
}

/** A new child of `parent`. */
export function growTree<Content>(
  tree: SearchTree<Content>,
  parent: TreeNode<Content>,
  content: Content,
): TreeNode<Content> {
  const node = nodeOf(tree.nodes.length, parent.id, parent.depth + 1, content)
  tree.nodes.push(node)
  parent.children.push(node.id)
  return node
}

/** From the root to the node, both included. */
export function pathTo<Content>(tree: SearchTree<Content>, node: TreeNode<Content>): TreeNode<Content>[] {
  const path = [node]
  for (let at = node; at.parent !== null; path.push(at)) at = tree.nodes[at.parent] as TreeNode<Content>
  return path.toReversed()
}

export function childrenOf<Content>(tree: SearchTree<Content>, node: TreeNode<Content>): TreeNode<Content>[] {
  return node.children.map((id) => tree.nodes[id] as TreeNode<Content>)
}

/** A reward that was found at the node comes back through all of its path; `discount` shrinks it by so much a step up. @default 1 */
export function backUp<Content>(
  tree: SearchTree<Content>,
  node: TreeNode<Content>,
  reward: number,
  discount = 1,
): void {
  let back = reward
  for (let at: TreeNode<Content> | undefined = node; at !== undefined; back *= discount) {
    at.visits++
    at.mean += (back - at.mean) / at.visits
    at.best = Math.max(at.best, back)
    at = at.parent === null ? undefined : tree.nodes[at.parent]
  }
}

function nodeOf<Content>(id: number, parent: number | null, depth: number, content: Content): TreeNode<Content> {
  return { id, parent, depth, content, children: [], visits: 0, mean: 0, best: -Infinity }
}
