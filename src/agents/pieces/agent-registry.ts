/**
 * Agents by what their cards say: the registry in which a team, a router or a store looks for them.
 *
 *     const registry = createRegistry([{ name: 'mapper', description: 'Finds ways on maps.', program }, …])
 *     registry.find('a way through the hills', 5)         // the best first; nobody whose card shares no word with it
 */
import { PolityError } from '../../kernel/errors.ts'
import type { Json, Program } from '../../kernel/types.ts'
import { contentWords } from './citations.ts'

/** An agent as the registry knows it: what its card says, and the program that reaches it. */
export interface RegisteredAgent {
  readonly program: Program<Json, Json>
  readonly name: string
  readonly description: string
  readonly skills?: readonly {
    readonly name: string
    readonly description: string
    readonly tags?: readonly string[]
  }[]
}

/** Agents that a search finds, as in the paper of the Internet of Agents. */
const FOUND_MAX = 5

export interface Registry {
  /** Those whose cards share words with the query, the best first: words that few cards have count more. */
  find(query: string, limit?: number): readonly RegisteredAgent[]
  get(name: string): RegisteredAgent | undefined
}

export function createRegistry(agents: readonly RegisteredAgent[]): Registry {
  const byName = new Map(agents.map((agent) => [agent.name, agent]))
  if (byName.size < agents.length)
    throw new PolityError('CONFIG_INVALID', `two agents have one name: ${agents.map((one) => one.name).join(', ')}`)
  const words = new Map(agents.map((agent) => [agent, contentWords(cardText(agent))]))
  const rarity = (word: string): number => {
    const having = agents.filter((agent) => words.get(agent)?.has(word)).length
    return having === 0 ? 0 : Math.log(1 + agents.length / having)
  }
  return {
    get: (name) => byName.get(name),
    find(query, limit = FOUND_MAX) {
      const wanted = [...contentWords(query)].map((word) => ({ word, weight: rarity(word) }))
      return agents
        .map((agent) => ({
          agent,
          score: wanted.reduce((sum, { word, weight }) => sum + (words.get(agent)?.has(word) ? weight : 0), 0),
        }))
        .filter(({ score }) => score > 0)
        .toSorted((a, b) => b.score - a.score)
        .slice(0, limit)
        .map(({ agent }) => agent)
    },
  }
}

function cardText({ name, description, skills = [] }: RegisteredAgent): string {
  return [name, description, ...skills.flatMap((one) => [one.name, one.description, ...(one.tags ?? [])])].join(' ')
}
