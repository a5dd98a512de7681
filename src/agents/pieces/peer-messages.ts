/**
 * Messages between agents that work together (DAMCS, Yang et al. 2025): structured, and cut to what matters to the one who
 * gets them.
 *
 *     await sys.send('smith', { peer: messageFor(mine, 'forge an iron sword') })
 *     const message = await nextMessage(sys)      // undefined: none waits; null: mail of another kind
 *
 * Invariant: what is sent names no item, request, offer or place that the other's goal and needs do not call for.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { Sys } from '../../kernel/types.ts'
import { topicsOf } from './topics.ts'

const peerMessage = z.object({
  from: z.string(),
  goal: z.string(),
  status: z.enum(['open', 'done', 'failed']),
  /** What the sender has, and how many. */
  inventory: z.record(z.string(), z.number()).optional(),
  /** What it needs for its goal. */
  needs: z.array(z.string()).readonly().optional(),
  request: z.string().optional(),
  offer: z.string().optional(),
  location: z.string().optional(),
})

/** What agents tell one another. */
export type PeerMessage = Readonly<z.infer<typeof peerMessage>>

/** What of a message concerns somebody with that goal and those needs: goal and status always, the rest as far as it is called for. */
export function messageFor(message: PeerMessage, theirGoal: string, theirNeeds: readonly string[] = []): PeerMessage {
  const wanted = topicsOf([theirGoal, ...theirNeeds].join(' '))
  const concerns = (text: string): boolean => [...topicsOf(text)].some((word) => wanted.has(word))
  const { from, goal, status, inventory = {}, needs = [], request, offer, location } = message
  const items = Object.entries(inventory).filter(([item, count]) => count > 0 && concerns(item))
  const asked = needs.filter(concerns)
  const isOffered = offer !== undefined && concerns(offer)
  return {
    from,
    goal,
    status,
    ...(items.length === 0 ? {} : { inventory: Object.fromEntries(items) }),
    ...(asked.length === 0 ? {} : { needs: asked }),
    ...(request !== undefined && concerns(request) ? { request } : {}),
    ...(isOffered ? { offer } : {}),
    // Where somebody is matters to who would fetch something there.
    ...(location !== undefined && (items.length > 0 || isOffered) ? { location } : {}),
  }
}

/** The next message that waits: undefined where none does, null for mail of another kind. */
export async function nextMessage(sys: Sys): Promise<PeerMessage | null | undefined> {
  try {
    const { body } = await sys.receive({ timeoutMs: 0 })
    const said = z.object({ peer: peerMessage }).safeParse(body)
    return said.success ? said.data.peer : null
  } catch (error) {
    if (PolityError.isInstance(error) && error.code === 'TIMEOUT') return undefined
    throw error
  }
}

/** A message in a sentence. */
export function inWords({
  from,
  goal,
  status,
  inventory = {},
  needs = [],
  request,
  offer,
  location,
}: PeerMessage): string {
  const parts = [`${from} works on: ${goal} (${status})`]
  if (Object.keys(inventory).length > 0)
    parts.push(
      `has ${Object.entries(inventory)
        .map(([item, count]) => `${count} ${item}`)
        .join(', ')}`,
    )
  if (needs.length > 0) parts.push(`needs ${needs.join(', ')}`)
  if (request !== undefined) parts.push(`asks: ${request}`)
  if (offer !== undefined) parts.push(`offers: ${offer}`)
  if (location !== undefined) parts.push(`is at ${location}`)
  return parts.join('; ')
}
