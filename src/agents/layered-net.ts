/**
 * A layered net of agents: in each layer the active agents answer, and see what was answered in the layer before.
 *
 *     const layers = await layeredNet({ agents: 7, layers: 3, reply: (agent, layer, seen) => … })
 *     layers.at(-1)          // [{ agent: 0, reply: … }, …]: what the last layer said
 *
 * One layer is a vote, layers that all see each other are a debate, an aggregator above them makes a mixture of agents, and
 * agents that are left out on the way make DyLAN and LVAgent: what tells the architectures apart is `keep`, `order`, `quorum`
 * and `stop`.
 *
 * Invariants
 *   N1. A reply sees the layer before and nothing of its own, whatever ended first.
 *   N2. A layer holds at most one reply of an agent, in the order in which the agents were called.
 *   N3. An agent whose call fails is missing from its layer; where all of a layer fail, the last error is thrown.
 *       `BUDGET_EXCEEDED` is thrown at once.
 */
import { PolityError } from '../kernel/errors.ts'
import { isOutOfBudget } from './pieces/our-end.ts'

/** What one agent said in a layer. */
export interface Said<Reply> {
  readonly agent: number
  readonly reply: Reply
}

/** What was said in a layer, in order. */
export type Layer<Reply> = readonly Said<Reply>[]

export interface NetRules<Reply> {
  /** Agents are 0 to `agents` - 1. Minimum 1. */
  readonly agents: number
  /** Layers at most. Minimum 1. */
  readonly layers: number
  /** What an agent answers. @param seen what the layer before said, empty in the first */
  reply(agent: number, layer: number, seen: Layer<Reply>): Promise<Reply>
  /** Who is active from this layer on, by number; not asked for the first. @default all who were */
  keep?(active: readonly number[], last: Layer<Reply>, layer: number): Promise<readonly number[]> | readonly number[]
  /** The order in which the active agents are called. @default as they stand */
  order?(active: readonly number[], layer: number): readonly number[]
  /** Replies of a layer that are asked for side by side before `stop` is asked; the rest one by one. @default all of them */
  quorum?(active: number): number
  /** Whether the net has its answer; asked once the quorum has answered, and after each further reply. @default never */
  stop?(layer: Layer<Reply>, active: readonly number[]): boolean
}

/** What each layer said, the first to the last that ran. Throws `INVALID_ARGUMENT` for a net without agents or layers. */
export async function layeredNet<Reply>(rules: NetRules<Reply>): Promise<readonly Layer<Reply>[]> {
  const { agents, layers } = rules
  if (!(Number.isInteger(agents) && agents >= 1 && Number.isInteger(layers) && layers >= 1))
    throw new PolityError('INVALID_ARGUMENT', `a net has at least one agent and one layer, not ${agents} and ${layers}`)
  const said: Layer<Reply>[] = []
  let active: readonly number[] = Array.from({ length: agents }, (_, agent) => agent)
  for (let at = 0; at < layers; at++) {
    const last = said.at(-1) ?? []
    if (at > 0 && rules.keep !== undefined) active = await rules.keep(active, last, at)
    const order = rules.order?.(active, at) ?? active
    const layer: Said<Reply>[] = []
    let error: unknown
    const speak = async (agent: number): Promise<Said<Reply> | undefined> => {
      try {
        return { agent, reply: await rules.reply(agent, at, last) }
      } catch (thrown) {
        if (!PolityError.isInstance(thrown) || isOutOfBudget(thrown)) throw thrown
        error = thrown
        return undefined
      }
    }
    const together = Math.max(1, Math.min(order.length, rules.quorum?.(active.length) ?? order.length))
    const first = await Promise.all(order.slice(0, together).map(speak))
    layer.push(...first.filter((one) => one !== undefined))
    let isOver = rules.stop?.(layer, active) ?? false
    for (const agent of order.slice(together)) {
      if (isOver) break
      const one = await speak(agent)
      if (one !== undefined) layer.push(one)
      isOver = rules.stop?.(layer, active) ?? false
    }
    if (layer.length === 0) throw error ?? new PolityError('INVALID_ARGUMENT', `nobody is active in layer ${at + 1}`)
    said.push(layer)
    if (isOver) break
  }
  return said
}

/** Numbers in a random order (Fisher and Yates). @param random draws in [0, 1) */
export function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j] as Item, order[i] as Item]
  }
  return order
}
