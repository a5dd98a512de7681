/**
 * The knowledge graph of one agent as a long-term memory (longTermMemory('knowledge-graph')): an item is an experience, its session
 * the goal that it was for.
 *
 *     const memory = knowledgeGraphMemory()
 *     await memory.add(sys, { text: 'Ann moved to Oslo.', session: 'news' })
 */
import { knowledgeGraph, type KnowledgeGraphOptions } from './knowledge-graph.ts'
import type { LongTermMemory } from './long-term-memory.ts'
import { checkedMemory } from './pieces/memory-arguments.ts'

export interface KnowledgeGraphMemoryOptions extends KnowledgeGraphOptions {
  /** What all of it is for. @default 'remember what happened' */
  readonly longTermGoal?: string
}

export function knowledgeGraphMemory({
  longTermGoal = 'remember what happened',
  space = 'knowledge-graph',
  agent = 'self',
  recent = 5,
  sameGoal = 0.5,
  ...others
}: KnowledgeGraphMemoryOptions = {}): LongTermMemory {
  const graph = knowledgeGraph({ space, agent, recent, sameGoal })
  return checkedMemory(others, {
    name: 'knowledge-graph',
    async add(sys, { text, at = sys.now(), session = 'what is said', source }) {
      await graph.aim(sys, longTermGoal)
      const where = { validFrom: at, ...(source === undefined ? {} : { source }) }
      return graph.experience(sys, { goal: session, action: text, result: '' }, where)
    },
    recall: (sys, query, { limit = 10 } = {}) => sys.recall(query, { tag: `${space}:${agent}:experience`, limit }),
  })
}
