/**
 * Aggregations: ways in which a small team comes to one answer, each a form of a layered net (layered-net.ts).
 *
 *     const { said, layer } = await aggregated('debate', { agents: 3, rounds: 2, reply, write })
 *
 * `vote`: each alone, the plurality. `debate`: all read all and answer again, the plurality of the last round; it ends where all agree.
 * `self-refine`: the first judges its own answer and betters it. `chain`: one after another, each from what the one before it
 * made. `mixture`: each alone, and one who reads all writes the answer. Which fits a task is a choice: `AGGREGATIONS` describes them.
 */
import { layeredNet, type Layer, type Said } from '../layered-net.ts'
import { answerKey, type Reasoned } from './team.ts'
import { plurality } from './vote.ts'

/** Of each aggregation, when it fits, for who chooses. */
export const AGGREGATIONS = {
  vote: 'each member answers alone and the most frequent answer counts; for short answers that can be compared, where errors are independent',
  debate:
    'members read each other and answer again, then the most frequent answer counts; where a good argument convinces',
  'self-refine': 'one member judges its own answer and betters it; where errors can be seen in the answer itself',
  chain: 'members work one after another, each on what the one before it made; where each of them can do another part',
  mixture:
    'members answer alone and one who reads them all writes the answer; for texts, where each has something right',
} as const

export type Aggregation = keyof typeof AGGREGATIONS

export interface AggregationRules {
  /** Members of the team. Minimum 1. */
  readonly agents: number
  /** Rounds of a debate, and answers of a self-refinement. */
  readonly rounds: number
  /** What a member answers. @param layer from 0 @param seen what it reads, empty where it reads nobody */
  reply(agent: number, layer: number, seen: Layer<Reasoned>): Promise<Reasoned>
  /** What is written from all answers. @param layer behind the last */
  write(seen: Layer<Reasoned>, layer: number): Promise<Reasoned>
}

export interface Aggregated {
  /** `agent` is null for who wrote it from the others. */
  readonly said: Omit<Said<Reasoned>, 'agent'> & { readonly agent: number | null }
  /** Where it was said, from 0. */
  readonly layer: number
}

/** Of a team of n in so many rounds: layers, and who speaks in one of them. */
const FORMS: {
  readonly [name in Aggregation]: {
    layers(n: number, rounds: number): number
    speakers(all: readonly number[], layer: number): readonly number[]
  }
} = {
  vote: { layers: () => 1, speakers: (all) => all },
  debate: { layers: (_, rounds) => rounds, speakers: (all) => all },
  'self-refine': { layers: (_, rounds) => rounds, speakers: (all) => all.slice(0, 1) },
  chain: { layers: (n) => n, speakers: (all, layer) => all.slice(layer, layer + 1) },
  mixture: { layers: () => 1, speakers: (all) => all },
}

export async function aggregated(
  name: Aggregation,
  { agents, rounds, reply, write }: AggregationRules,
): Promise<Aggregated> {
  const { layers, speakers } = FORMS[name]
  const said = await layeredNet<Reasoned>({
    agents,
    layers: layers(agents, rounds),
    order: speakers,
    reply,
    stop: (layer) => name === 'debate' && agents > 1 && layer.length === agents && isUnanimous(layer),
  })
  const last = said.at(-1) as Layer<Reasoned>
  if (name === 'mixture') return { said: { agent: null, reply: await write(last, said.length) }, layer: said.length }
  return { said: plurality(last, { key: keyOf }) as Said<Reasoned>, layer: said.length - 1 }
}

function isUnanimous(layer: Layer<Reasoned>): boolean {
  return new Set(layer.map(keyOf)).size === 1
}

function keyOf({ reply }: Said<Reasoned>): string {
  return answerKey(reply.answer)
}
