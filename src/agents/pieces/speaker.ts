/**
 * Who speaks by a call, and to whom: written beside the call, so that whoever reads the journal can draw the team.
 *
 *     await sys.generate({ prompt, ...spokenBy({ name: 'Ann', to: ['Bob'] }) })
 *     await sys.ask(question, askedOf({ name: 'Ann' }))
 *     spokenBy({ name: 'Bob', to: [], turn: 2, heard: [{ name: 'Ann', turn: 1 }] })
 *     speakerIn(callStart)                  // { name: 'Ann', to: ['Bob'] }
 *
 * Who hears a member is said where it speaks (`to`), or, where that is not known yet, by those who are shown its words (`heard`).
 * No model is sent it: the kernel keeps the options named `polity` for itself. A person who is asked sees it.
 */
import { fieldOf } from '../../kernel/errors.ts'
import type { CallStart, Json } from '../../kernel/types.ts'

/** A member of a team that speaks by a call of its process. */
export interface Speaker {
  readonly name: string
  /** Names of the members that hear it. @default none: what is said is for the program alone */
  readonly to?: readonly string[]
  /** Turn or round of the discussion, from 1. @default not counted in turns */
  readonly turn?: number
  /** Words that stand in what it is asked, and were not known to be for it when they were said. @default none */
  readonly heard?: readonly Heard[]
}

/** What a member said in a turn. */
export interface Heard {
  readonly name: string
  readonly turn: number
}

/** For `sys.generate`. */
export function spokenBy(speaker: Speaker): {
  readonly providerOptions: { readonly polity: { readonly speaker: Json } }
} {
  return { providerOptions: { polity: { speaker: plainOf(speaker) } } }
}

/** For `sys.ask`. */
export function askedOf(speaker: Speaker): { readonly detail: { readonly speaker: Json } } {
  return { detail: { speaker: plainOf(speaker) } }
}

/** Who speaks by a call; undefined where it does not say. */
export function speakerIn({ call, args }: Pick<CallStart, 'call' | 'args'>): Speaker | undefined {
  const said =
    call === 'generate'
      ? fieldOf(fieldOf(fieldOf(fieldOf(args, 'options'), 'providerOptions'), 'polity'), 'speaker')
      : call === 'ask'
        ? fieldOf(fieldOf(args, 'detail'), 'speaker')
        : undefined
  const [name, to, turn, heard] = ['name', 'to', 'turn', 'heard'].map((field) => fieldOf(said, field))
  if (typeof name !== 'string') return undefined
  return {
    name,
    ...(Array.isArray(to) ? { to: to.filter((one) => typeof one === 'string') } : {}),
    ...(typeof turn === 'number' ? { turn } : {}),
    ...(Array.isArray(heard) ? { heard: heard.filter(isHeard) } : {}),
  }
}

function isHeard(one: unknown): one is Heard {
  return typeof fieldOf(one, 'name') === 'string' && typeof fieldOf(one, 'turn') === 'number'
}

function plainOf({ name, to, turn, heard = [] }: Speaker): Json {
  return {
    name,
    ...(to === undefined ? {} : { to: [...to] }),
    ...(turn === undefined ? {} : { turn }),
    ...(heard.length === 0 ? {} : { heard: heard.map((one) => ({ ...one })) }),
  }
}
