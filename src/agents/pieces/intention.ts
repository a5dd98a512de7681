/**
 * What a person who talks with a player wants, as far as is known: the staleness rules of HLA (hierarchical-language-agent.ts).
 *
 *     let talk = heard(noTalk, 'Two onions please')      // demandOf(talk): 'Two onions please', said as it was
 *     talk = inferred(talk, 1, 'two onions in pots')     // demandOf(talk): 'two onions in pots'
 *     talk = answered(talk, 1, 1, { demand: 'one more onion', finished: false })
 *
 * A mind that thinks long says what it found when the person may have gone on talking. So whatever it says has the number of the
 * chat that it is about.
 *
 * Invariants
 *   IN1. What is about an older chat than the newest, and a result older than one that is known, changes nothing.
 *   IN2. An intention ends: when a result says that it is finished, after `RESULTS_MAX` results, or by a newer chat.
 */

/** Results after which an intention has ended whatever they say (HLA's release). */
export const RESULTS_MAX = 15

export interface Talk {
  /** What the person said, the newest last. */
  readonly chats: readonly string[]
  /** What that was taken to mean. `of`: the number of the newest chat then, from 1. */
  readonly intention?: {
    readonly of: number
    readonly text: string
    readonly demand: string
    readonly results: number
    readonly newest: number
    readonly isOpen: boolean
  }
}

export const noTalk: Talk = { chats: [] }

export function heard({ chats, intention }: Talk, chat: string): Talk {
  return { chats: [...chats, chat], ...(intention === undefined ? {} : { intention }) }
}

/** Whether there is nothing to be done for the person, their last words wait to be understood, or they are understood and not yet done. */
export function phaseOf({ chats, intention }: Talk): 'quiet' | 'inferring' | 'open' {
  if (chats.length > (intention?.of ?? 0)) return 'inferring'
  return intention?.isOpen === true ? 'open' : 'quiet'
}

/** What is to be done for the person: their own words until they are understood; '' for nothing. */
export function demandOf(talk: Talk): string {
  const phase = phaseOf(talk)
  if (phase === 'inferring') return talk.chats.at(-1) as string
  return phase === 'open' ? (talk.intention?.demand as string) : ''
}

/** Those words were understood. */
export function inferred(talk: Talk, of: number, text: string): Talk {
  if (of !== talk.chats.length || phaseOf(talk) !== 'inferring') return talk
  return { ...talk, intention: { of, text, demand: text, results: 0, newest: 0, isOpen: true } }
}

/** A look at how far an intention is done. @param number of the result, from 1, in the order in which they were asked for */
export function answered(
  talk: Talk,
  of: number,
  number: number,
  { demand, finished }: { readonly demand: string; readonly finished: boolean },
): Talk {
  const { intention } = talk
  if (phaseOf(talk) !== 'open' || intention?.of !== of || number <= intention.newest) return talk
  const results = intention.results + 1
  return {
    ...talk,
    intention: { ...intention, demand, results, newest: number, isOpen: !finished && results < RESULTS_MAX },
  }
}
