/**
 * Travel plans, checked: TravelPlanner's eight rules of common sense and five hard constraints (Xie et al. 2024, section 3.4).
 * One benchmark's rules, as a grader of one's own is written: P8 refines plans by them, and `constraints` scores with them.
 *
 *     { …, samples: [{ id: '1', data: { query } }], scorers: [constraints(travelConstraints(guide))] }
 *     judgedPlan(query, plan, guide).filter(({ fault }) => fault !== null)       // what is wrong with it
 *
 * Queries and plans have the names and texts of the data set, so its rows can be used as they are: a plan is a list of
 * days, `Name, City` for meals, beds and sights (sights with `;` between), `from A to B` where a day travels, `-` for
 * nothing. The guide is what exists: the reference that a query comes with. An answer is the list of days, `{ plan }`, or
 * either as JSON.
 *
 * As in the release, the hard constraints are judged only of plans that are complete and made of what exists. Four of its
 * defects are not kept: on days without travel it compares cities letter by letter, so that nearly everything passes; it
 * drops the last sight of a day that has no `;` behind it; it takes part of a name for the name; and it asks for
 * `parities` where parties are meant.
 */
import { z } from 'zod'
import type { Constraint } from '../../src/evaluation/scorers.ts'
import type { Answer } from '../../src/evaluation/task.ts'
import type { Json } from '../../src/kernel/types.ts'

/** What is asked for; the names are those of the data set. */
const querySchema = z.object({
  org: z.string(),
  /** A city; for more than three days a state. */
  dest: z.string(),
  days: z.int().positive(),
  visiting_city_number: z.int().positive(),
  people_number: z.int().positive(),
  budget: z.number(),
  local_constraint: z.object({
    'house rule': z.string().nullish(),
    cuisine: z.array(z.string()).nullish(),
    'room type': z.string().nullish(),
    transportation: z.string().nullish(),
  }),
})
export type TravelQuery = z.infer<typeof querySchema>

const slot = z
  .string()
  .nullish()
  .transform((text) => (text === null || text === undefined ? undefined : text.trim()))
const daySchema = z.object({
  current_city: z.string().default(''),
  transportation: slot,
  breakfast: slot,
  lunch: slot,
  dinner: slot,
  attraction: slot,
  accommodation: slot,
})
export type TravelDay = z.infer<typeof daySchema>

const MEALS = ['breakfast', 'lunch', 'dinner'] as const
const SLOTS = ['transportation', ...MEALS, 'attraction', 'accommodation'] as const

/** What exists. Prices are of one person, one night of a room, one car. */
export interface TravelGuide {
  /** States of cities. */
  readonly cities: { readonly [city: string]: string }
  readonly flights: readonly {
    readonly number: string
    readonly from: string
    readonly to: string
    readonly price: number
  }[]
  readonly drives: readonly {
    readonly from: string
    readonly to: string
    readonly selfDriving: number
    readonly taxi: number
  }[]
  readonly restaurants: readonly {
    readonly name: string
    readonly city: string
    readonly price: number
    readonly cuisines: string
  }[]
  readonly attractions: readonly { readonly name: string; readonly city: string }[]
  readonly accommodations: readonly {
    readonly name: string
    readonly city: string
    readonly price: number
    /** `Entire home/apt`, `Private room` or `Shared room`. */
    readonly roomType: string
    /** Such as `No smoking & No pets`. */
    readonly houseRules: string
    readonly minimumNights: number
    readonly occupancy: number
  }[]
}

/** What a rule says of a plan: how it is broken, null that it is kept. */
export interface Verdict {
  readonly name: string
  readonly isHard: boolean
  readonly fault: string | null
}

type Check = (plan: Plan) => string | null

/** A plan with all that it is held against. */
interface Plan {
  readonly query: TravelQuery
  readonly days: readonly TravelDay[]
  readonly guide: TravelGuide
}

/** Seats in a car and in a taxi. */
const [CAR_SEATS, TAXI_SEATS] = [5, 4]

const commonSense: { readonly [name: string]: Check } = {
  'reasonable city route': cityRoute,
  'diverse restaurants': ({ days }) => repeated(days.flatMap((day) => MEALS.flatMap((meal) => filled(day[meal])))),
  'diverse attractions': ({ days }) => repeated(days.flatMap((day) => sightsOf(day))),
  'minimum nights stay': minimumNights,
  'non-conflicting transportation': transportation,
  'within current city': currentCity,
  'within sandbox': sandbox,
  'complete information': complete,
}

const hard: { readonly [name: string]: Check } = {
  budget: (plan) => {
    const cost = travelCost(plan)
    return cost <= plan.query.budget ? null : `it costs ${cost}, more than ${plan.query.budget}`
  },
  'room rule': ({ query, days, guide }) => {
    const wish = query.local_constraint['house rule']?.replace('parities', 'parties')
    const bed = wish ? bedsOf(days, guide).find(({ houseRules }) => houseRules.includes(`No ${wish}`)) : undefined
    return bed === undefined ? null : `${bed.name} does not allow ${wish}`
  },
  cuisine: ({ query, days, guide }) => {
    const eaten = days
      .flatMap((day) => MEALS.flatMap((meal) => filled(day[meal])))
      .flatMap((text) => {
        const { name, city } = placeOf(text)
        return city === query.org ? [] : [found(guide.restaurants, name, city)?.cuisines ?? '']
      })
    const missed = (query.local_constraint.cuisine ?? []).find(
      (one) => !eaten.some((cuisines) => cuisines.includes(one)),
    )
    return missed === undefined ? null : `nothing ${missed} is eaten`
  },
  'room type': ({ query, days, guide }) => {
    const wish = query.local_constraint['room type']
    if (!wish) return null
    const bed = bedsOf(days, guide).find(({ roomType }) => !isOfType(wish, roomType))
    return bed === undefined ? null : `${bed.name} is of type ${bed.roomType}, not ${wish}`
  },
  transportation: ({ query, days }) => {
    const wish = query.local_constraint.transportation?.replace(/^no /, '').toLowerCase()
    const taken = wish ? days.findIndex((day) => wayOf(day.transportation) === wish) : -1
    return taken < 0 ? null : `day ${taken + 1} is by ${wish}`
  },
}

/** What all thirteen rules say of a plan, in the order of the paper. */
export function judgedPlan(query: TravelQuery, days: readonly TravelDay[], guide: TravelGuide): readonly Verdict[] {
  const plan = { query, days: days.slice(0, query.days), guide }
  const sense = Object.entries(commonSense).map(([name, check]) => ({ name, isHard: false, fault: check(plan) }))
  const isJudged = sense.every(({ name, fault }) => fault === null || !(name in needed))
  return [
    ...sense,
    ...Object.entries(hard).map(([name, check]) => ({
      name,
      isHard: true,
      fault: isJudged ? check(plan) : 'not judged: the plan is incomplete, or made of what does not exist',
    })),
  ]
}

/** Without which there is nothing to hold hard constraints against. */
const needed = { 'within sandbox': true, 'complete information': true }

/** The rules as constraints of answers (evaluation/scorers.ts); the query stands in the sample's data. */
export function travelConstraints(guide: TravelGuide): readonly Constraint[] {
  // Thirteen rules ask for the same answer one after another: it is judged once.
  const judged = new WeakMap<Answer, readonly Verdict[] | string>()
  const verdicts = (answer: Answer): readonly Verdict[] | string => {
    let known = judged.get(answer)
    if (known === undefined) judged.set(answer, (known = judgedAnswer(answer, guide)))
    return known
  }
  const names = [
    ...Object.keys(commonSense).map((name) => ({ name, isHard: false })),
    ...Object.keys(hard).map((name) => ({ name, isHard: true })),
  ]
  return names.map(({ name, isHard }, i) => ({
    name,
    isHard,
    check(answer) {
      const said = verdicts(answer)
      return typeof said === 'string' ? said : (said[i]?.fault ?? undefined)
    },
  }))
}

function judgedAnswer({ sample, output }: Answer, guide: TravelGuide): readonly Verdict[] | string {
  const query = querySchema.parse(sample.data?.['query'])
  const days = planOf(output)
  return typeof days === 'string' ? days : judgedPlan(query, days, guide)
}

/** The days of an answer, or why it has none. */
export function planOf(output: Json): readonly TravelDay[] | string {
  let value = output
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value) as Json
    } catch {
      return 'no plan: the answer is not JSON'
    }
  }
  if (typeof value === 'object' && value !== null && 'plan' in value) value = value.plan ?? null
  const { success, data } = z.array(daySchema).safeParse(value)
  return success ? data : 'no plan: expected a list of days, or { plan } with one'
}

/** What a plan costs, for all together. */
export function travelCost({ query, days, guide }: Plan): number {
  const people = query.people_number
  let cost = 0
  for (const day of days) {
    const [text] = filled(day.transportation)
    const route = text === undefined ? undefined : routeOf(day)
    if (text !== undefined && route !== undefined) {
      const drive = guide.drives.find(({ from, to }) => from === route.from && to === route.to)
      const way = wayOf(text)
      if (way === 'flight') cost += people * (flightOf(guide, text)?.price ?? 0)
      else if (way === 'self-driving') cost += Math.ceil(people / CAR_SEATS) * (drive?.selfDriving ?? 0)
      else if (way === 'taxi') cost += Math.ceil(people / TAXI_SEATS) * (drive?.taxi ?? 0)
    }
    for (const meal of MEALS)
      for (const one of filled(day[meal])) {
        const { name, city } = placeOf(one)
        cost += people * (found(guide.restaurants, name, city)?.price ?? 0)
      }
    for (const bed of bedsOf([day], guide)) cost += Math.ceil(people / bed.occupancy) * bed.price
  }
  return cost
}

// ---------------------------------------------------------------------------------------------------------- common sense

function cityRoute({ query, days, guide }: Plan): string | null {
  const cities: string[] = []
  for (const [i, day] of days.entries()) {
    const route = routeIn(day.current_city)
    if (i === 0 && route !== undefined && route.from !== query.org) return `day 1 does not start in ${query.org}`
    cities.push(...(route === undefined ? [bare(day.current_city)] : [route.from, route.to]))
  }
  if (cities[0] !== cities.at(-1)) return 'it does not end where it begins'
  if (!isSequence(cities)) return `the cities ${cities.join(', ')} are no sequence of stays`
  for (const [i, city] of cities.entries()) {
    const state = guide.cities[city]
    if (state === undefined) return `there is no city ${city}`
    if (i > 0 && i < cities.length - 1 && query.days > 3 && state !== query.dest)
      return `${city} is not in ${query.dest}`
  }
  return null
}

/** Every city but the first and last is stayed in, and none is come back to. */
function isSequence(cities: readonly string[]): boolean {
  if (cities.length < 3) return false
  const visited = new Set<string>()
  for (let i = 0; i < cities.length;) {
    const city = cities[i] as string
    if (visited.has(city) && i !== 0 && i !== cities.length - 1) return false
    let stay = 0
    while (cities[i] === city) {
      stay++
      i++
    }
    if (stay === 1 && i - 1 > 0 && i - 1 < cities.length - 1) return false
    visited.add(city)
  }
  return true
}

function repeated(names: readonly string[]): string | null {
  const again = names.find((name, i) => names.indexOf(name) !== i)
  return again === undefined ? null : `${again} is there twice`
}

function minimumNights({ days, guide }: Plan): string | null {
  for (let i = 0; i < days.length;) {
    const text = days[i]?.accommodation
    if (text === undefined) return `day ${i + 1} does not say where the night is spent`
    let nights = 0
    while (i < days.length && days[i]?.accommodation === text) {
      nights++
      i++
    }
    const [bed] = bedsOf([days[i - 1] as TravelDay], guide)
    if (bed !== undefined && nights < bed.minimumNights)
      return `${bed.name} is for ${bed.minimumNights} nights at least, not ${nights}`
  }
  return null
}

function transportation({ days }: Plan): string | null {
  if (filled(days[0]?.transportation).length === 0) return 'day 1 has no transportation'
  const ways = new Set(days.map((day) => wayOf(day.transportation)))
  const isMixed = ways.has('self-driving') && (ways.has('flight') || ways.has('taxi'))
  return isMixed ? 'the own car is mixed with flights or taxis' : null
}

function currentCity({ days }: Plan): string | null {
  for (const [i, day] of days.entries()) {
    const route = routeIn(day.current_city)
    const cities = route === undefined ? [bare(day.current_city)] : [route.from, route.to]
    const isIn = (text: string): boolean => cities.some((city) => text.includes(city))
    for (const slotName of SLOTS)
      for (const text of slotName === 'attraction' ? sightsOf(day) : filled(day[slotName])) {
        const isRight =
          slotName === 'transportation'
            ? cities.every((city) => text.includes(city))
            : slotName === 'accommodation'
              ? text.includes(cities.at(-1) as string)
              : isIn(text)
        if (!isRight) return `${slotName} of day ${i + 1} is elsewhere: ${text}`
      }
  }
  return null
}

function sandbox({ days, guide }: Plan): string | null {
  for (const [i, day] of days.entries()) {
    const wrong = (what: string): string => `${what} of day ${i + 1} does not exist`
    for (const text of filled(day.transportation)) {
      const way = wayOf(text)
      const route = routeOf(day)
      const flight = flightOf(guide, text)
      if (way === 'flight' && (flight === undefined || flight.from !== route?.from || flight.to !== route.to))
        return wrong('the flight')
      const isRoad = guide.drives.some(({ from, to }) => from === route?.from && to === route.to)
      if ((way === 'taxi' || way === 'self-driving') && !isRoad) return wrong('the road')
    }
    const isThere = (all: readonly { name: string; city: string }[], text: string): boolean => {
      const { name, city } = placeOf(text)
      return found(all, name, city) !== undefined
    }
    for (const meal of MEALS)
      if (!filled(day[meal]).every((text) => isThere(guide.restaurants, text))) return wrong(meal)
    if (!sightsOf(day).every((text) => isThere(guide.attractions, text))) return wrong('a sight')
    if (!filled(day.accommodation).every((text) => isThere(guide.accommodations, text))) return wrong('accommodation')
  }
  return null
}

function complete({ query, days }: Plan): string | null {
  if (days.length < query.days) return `it has ${days.length} days, not ${query.days}`
  const cities = new Set(days.flatMap(({ current_city: text }) => Object.values(routeIn(text) ?? { only: bare(text) })))
  cities.delete(query.org)
  if (cities.size !== query.visiting_city_number)
    return `it visits ${cities.size} cities, not ${query.visiting_city_number}`
  let told = 0
  for (const [i, day] of days.entries()) {
    const without = (what: string): string => `day ${i + 1} has no ${what}`
    const missing = SLOTS.find((name) => day[name] === undefined)
    if (missing !== undefined) return without(missing)
    const isTravel = routeIn(day.current_city) !== undefined
    if (isTravel && filled(day.transportation).length === 0) return without('transportation')
    if (!isTravel && filled(day.attraction).length === 0) return without('attraction')
    if (!isTravel && MEALS.some((meal) => filled(day[meal]).length === 0)) return without('meal')
    if (i !== query.days - 1 && filled(day.accommodation).length === 0) return without('accommodation')
    told += SLOTS.filter((name) => filled(day[name]).length > 0).length
  }
  return told < (SLOTS.length * query.days) / 2 ? 'more than half of it is left open' : null
}

// ----------------------------------------------------------------------------------------------------------------- texts

/** The text of a slot, unless it is empty. */
function filled(text: string | undefined): readonly string[] {
  return text === undefined || text === '' || text === '-' ? [] : [text]
}

function sightsOf({ attraction }: TravelDay): readonly string[] {
  return filled(attraction)
    .flatMap((text) => text.split(';'))
    .map((text) => text.trim())
    .filter((text) => text !== '')
}

/** Before a parenthesis: `Myrtle Beach(South Carolina)` is Myrtle Beach. */
function bare(text: string): string {
  return text.replace(/\s*\([^)]*\).*$/, '').trim()
}

/** `Name, City`: the name may have commas. */
function placeOf(text: string): { readonly name: string; readonly city: string } {
  const comma = text.lastIndexOf(',')
  return comma < 0 ? { name: text, city: '' } : { name: text.slice(0, comma).trim(), city: bare(text.slice(comma + 1)) }
}

interface Route {
  readonly from: string
  readonly to: string
}

function routeIn(text: string): Route | undefined {
  const [, from, to] = text.match(/from\s+(.+?)\s+to\s+([^,]+)/) ?? []
  return from === undefined || to === undefined ? undefined : { from: bare(from), to: bare(to) }
}

/** Where a day's transportation goes: as it says, or as the day does. */
function routeOf({ transportation: text, current_city: city }: TravelDay): Route | undefined {
  return routeIn(text ?? '') ?? routeIn(city)
}

function wayOf(text: string | undefined): 'taxi' | 'self-driving' | 'flight' | undefined {
  const said = text?.toLowerCase() ?? ''
  return (['taxi', 'self-driving', 'flight'] as const).find((way) => said.includes(way))
}

function flightOf({ flights }: TravelGuide, text: string) {
  const number = text.match(/flight number:\s*([^,\s]+)/i)?.[1]
  return flights.find((flight) => flight.number === number)
}

function found<T extends { readonly name: string; readonly city: string }>(
  all: readonly T[],
  name: string,
  city: string,
): T | undefined {
  return all.find((one) => one.city === city && one.name === name)
}

function bedsOf(days: readonly TravelDay[], { accommodations }: TravelGuide) {
  return days
    .flatMap((day) => filled(day.accommodation))
    .flatMap((text) => {
      const { name, city } = placeOf(text)
      return found(accommodations, name, city) ?? []
    })
}

function isOfType(wish: string, roomType: string): boolean {
  if (wish === 'not shared room') return roomType !== 'Shared room'
  const types: { readonly [wish: string]: string } = {
    'shared room': 'Shared room',
    'private room': 'Private room',
    'entire room': 'Entire home/apt',
  }
  return types[wish] === roomType
}
