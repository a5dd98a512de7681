/** Every world, by its id. */
import type { Json } from '../kernel/types.ts'
import { auction } from './auction.ts'
import { advice, division, trade } from './bargain.ts'
import { commons } from './commons.ts'
import { craft } from './craft.ts'
import type { Rules } from './environment.ts'

/** Rules of which only the form is known: tasks and states are plain data. */
export type AnyRules = Rules<Json, Json>

const all: readonly AnyRules[] = [advice, auction, commons, craft, division, trade]

export const worlds: ReadonlyMap<string, AnyRules> = new Map(all.map((rules) => [rules.id, rules]))
