/**
 * Who hears whom in a discussion, after MALLM (Becker et al. 2025, "MALLM: multi-agent large language models framework").
 *
 *     turnOf('relay', 3)        // [{ speaker: 0, to: [1] }, { speaker: 1, to: [2] }, { speaker: 2, to: [0] }]
 *     heardBy(1, messages)      // what agent 1 said or was told
 *
 * memory: everyone hears everything. relay: each tells the next in a ring. report: the first drafts for all, the others report to it
 * alone. debate: the first drafts for all, the others pass messages in a ring among themselves, and the first hears only the last
 * of their rounds.
 *
 * Messages that reach others in a turn of n agents, with d rounds of debate: n(n - 1), n, 2(n - 1), (n - 1)(d + 2).
 */
import { PolityError } from '../../kernel/errors.ts'

export type Paradigm = 'memory' | 'relay' | 'report' | 'debate'

/** One message of a turn that is to be said. */
export interface Slot {
  readonly speaker: number
  /** Who hears it, beside who says it. */
  readonly to: readonly number[]
}

/** The messages of one turn, in order. @param debateRounds of `debate`. @default 2 */
export function turnOf(paradigm: Paradigm, agents: number, debateRounds = 2): readonly Slot[] {
  if (!(Number.isInteger(agents) && agents >= 2))
    throw new PolityError('INVALID_ARGUMENT', `a discussion has at least two agents, not ${agents}`)
  const all = Array.from({ length: agents }, (_, agent) => agent)
  const others = (agent: number): number[] => all.filter((one) => one !== agent)
  if (paradigm === 'memory') return all.map((speaker) => ({ speaker, to: others(speaker) }))
  if (paradigm === 'relay') return all.map((speaker) => ({ speaker, to: [(speaker + 1) % agents] }))
  const draft: Slot = { speaker: 0, to: others(0) }
  if (paradigm === 'report') return [draft, ...others(0).map((speaker): Slot => ({ speaker, to: [0] }))]
  const ring = others(0)
  return [
    draft,
    ...Array.from({ length: debateRounds }, (_, round) =>
      ring.map((speaker, i): Slot => {
        const next = ring[(i + 1) % ring.length] as number
        const to = next === speaker ? [] : [next]
        return { speaker, to: round === debateRounds - 1 ? [...to, 0] : to }
      }),
    ).flat(),
  ]
}

/** The messages that an agent said or was told, in order. */
export function heardBy<Message extends Slot>(agent: number, messages: readonly Message[]): Message[] {
  return messages.filter(({ speaker, to }) => speaker === agent || to.includes(agent))
}
