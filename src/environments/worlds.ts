/** Every world, by its id. */
import type { Json } from '../kernel/types.ts'
import { advice } from './advice.ts'
import { auction } from './auction.ts'
import { commons } from './commons.ts'
import { craft } from './craft.ts'
import { division } from './division.ts'
import type { Rules } from './environment.ts'
import { forage } from './forage.ts'
import { hidden } from './hidden.ts'
import { kitchen } from './kitchen.ts'
import { lab } from './lab.ts'
import { retail } from './retail.ts'
import { strips } from './strips.ts'
import { trade } from './trade.ts'

/** Rules of which only the form is known: tasks and states are plain data. */
export type AnyRules = Rules<Json, Json>

const all: readonly AnyRules[] = [
  advice,
  auction,
  commons,
  craft,
  division,
  forage,
  hidden,
  kitchen,
  lab,
  retail,
  strips,
  trade,
]

export const worlds: ReadonlyMap<string, AnyRules> = new Map(all.map((rules) => [rules.id, rules]))
