/**
 * Journeys: planted travel guides in the form of TravelPlanner's data, each with a query, a plan that keeps all thirteen rules of
 * travel-plan.ts, and for each rule a fault that breaks it.
 */
import { randomAt } from '../../src/kernel/clock.ts'
import { judgedPlan, type TravelDay, type TravelGuide, type TravelQuery } from './travel-plan.ts'

export interface Journey {
  readonly query: TravelQuery
  readonly guide: TravelGuide
  /** Keeps every rule. */
  readonly good: readonly TravelDay[]
}

type Days = readonly TravelDay[]

const CITIES = ['Aster', 'Birch', 'Cedar', 'Drake', 'Elder', 'Fenwick']
const CUISINES = ['Indian', 'French', 'Mexican', 'Chinese']
const RULES = ['smoking', 'parties', 'pets', 'visitors']
const ROOMS = ['Entire home/apt', 'Private room', 'Shared room']

/** Five days from home through two cities and back. */
export function journeyOf(seed: number): Journey {
  let drawn = 0
  const below = (n: number): number => Math.floor(randomAt(seed, 4, drawn++) * n)
  const first = below(CITIES.length)
  const [home, one, two] = [0, 1, 2].map((i) => CITIES[(first + i) % CITIES.length] as string) as [
    string,
    string,
    string,
  ]
  const [cuisine, rule, type] = [CUISINES[below(4)] as string, RULES[below(4)] as string, below(3)]
  const other = <Word>(words: readonly Word[], not: Word): Word => words.find((word) => word !== not) as Word
  const wish = ['entire room', 'private room', 'shared room'][type] as string
  const ofBoth = <Kind>(count: number, make: (city: string, i: number) => Kind): Kind[] =>
    [one, two].flatMap((city) => Array.from({ length: count }, (_, i) => make(city, i)))
  const guide: TravelGuide = {
    cities: { [home]: 'Home', [one]: 'Lakes', [two]: 'Lakes' },
    flights: [
      { number: 'F1', from: home, to: one, price: 80 + below(60) },
      { number: 'F2', from: two, to: home, price: 80 + below(60) },
    ],
    drives: [
      [home, one],
      [one, two],
      [two, home],
      [two, one],
    ].map(([from, to]) => ({
      from: from as string,
      to: to as string,
      selfDriving: 10 + below(20),
      taxi: 40 + below(40),
    })),
    restaurants: ofBoth(9, (city, i) => ({
      name: `${city} Table ${i}`,
      city,
      price: i === 8 ? 20_000 : 8 + below(12),
      cuisines: i === 1 ? `Cafe, ${cuisine}` : other(CUISINES, cuisine),
    })),
    attractions: ofBoth(4, (city, i) => ({ name: `${city} Sight ${i}`, city })),
    accommodations: ofBoth(4, (city, i) => ({
      name: `${city} House ${i}`,
      city,
      price: 50 + below(50),
      // The first is right; each of the next has one thing wrong with it.
      roomType: i === 1 ? (other(ROOMS, ROOMS[type]) as string) : (ROOMS[type] as string),
      houseRules: i === 2 ? `No ${rule}` : '',
      minimumNights: i === 3 ? 7 : 1,
      occupancy: 2,
    })),
  }
  const query: TravelQuery = {
    org: home,
    dest: 'Lakes',
    days: 5,
    visiting_city_number: 2,
    people_number: 1 + below(3),
    budget: 10_000,
    local_constraint: {
      'house rule': rule,
      cuisine: [cuisine],
      'room type': wish,
      transportation: seed % 2 === 0 ? 'no self-driving' : null,
    },
  }
  const meals = (city: string, ...tables: readonly (number | undefined)[]) => {
    const [breakfast, lunch, dinner] = tables.map((i) => (i === undefined ? '-' : `${city} Table ${i}, ${city}`))
    return { breakfast, lunch, dinner }
  }
  const at = (city: string, sight: number | undefined, sleeps = true) => ({
    attraction: sight === undefined ? '-' : `${city} Sight ${sight}, ${city};`,
    accommodation: sleeps ? `${city} House 0, ${city}` : '-',
  })
  const good: Days = [
    {
      current_city: `from ${home} to ${one}`,
      transportation: `Flight Number: F1, from ${home} to ${one}`,
      ...meals(one, undefined, 0, 1),
      ...at(one, 0),
    },
    { current_city: one, transportation: '-', ...meals(one, 2, 3, 4), ...at(one, 1) },
    {
      current_city: `from ${one} to ${two}`,
      transportation: `Taxi, from ${one} to ${two}`,
      ...meals(two, undefined, 0, undefined),
      ...at(two, 0),
    },
    { current_city: two, transportation: '-', ...meals(two, 1, 2, 3), ...at(two, 1) },
    {
      current_city: `from ${two} to ${home}`,
      transportation: `Flight Number: F2, from ${two} to ${home}`,
      ...meals(two, 4, undefined, undefined),
      ...at(two, undefined, false),
    },
  ]
  return { query, guide, good }
}

/** Names of the rules that a plan breaks. Hard constraints of a plan that cannot be judged are not among them. */
export function brokenBy(
  { query, guide }: Journey,
  days: Days,
): readonly { readonly name: string; readonly fault: string }[] {
  return judgedPlan(query, days, guide).flatMap(({ name, isHard, fault }) =>
    fault === null || fault.startsWith('not judged') ? [] : [{ name: isHard ? `hard ${name}` : name, fault }],
  )
}

/** Undefined: that rule cannot be broken alone in this journey. */
type Break = (days: Days, journey: Journey) => Days | undefined

const but = (days: Days, at: number, other: Partial<TravelDay>): Days =>
  days.map((day, i) => (i === at ? { ...day, ...other } : day))
/** The two cities of a journey. */
const citiesOf = ({ guide, query }: Journey) =>
  Object.keys(guide.cities).filter((city) => city !== query.org) as [string, string]

/** A fault for each rule. */
export const breaks: { readonly [rule: string]: Break } = {
  'reasonable city route': (days, journey) => {
    const [one, two] = citiesOf(journey)
    return but(days, 0, { current_city: `from ${two} to ${one}`, transportation: `Taxi, from ${two} to ${one}` })
  },
  'diverse restaurants': (days) => but(days, 1, { dinner: days[0]?.lunch }),
  'diverse attractions': (days) => but(days, 1, { attraction: days[0]?.attraction }),
  'minimum nights stay': (days, journey) => but(days, 0, { accommodation: house(journey, 3) }),
  'non-conflicting transportation': (days, journey) => {
    const [one, two] = citiesOf(journey)
    if (journey.query.local_constraint.transportation !== null) return undefined
    return but(days, 2, { transportation: `Self-driving, from ${one} to ${two}` })
  },
  'within current city': (days, journey) => {
    const [, two] = citiesOf(journey)
    return but(days, 1, { attraction: `${two} Sight 3, ${two};` })
  },
  'within sandbox': (days, journey) => but(days, 1, { attraction: `Castle in the Air, ${citiesOf(journey)[0]};` }),
  'complete information': (days) => but(days, 1, { lunch: '-' }),
  'hard budget': (days, journey) => {
    const [one] = citiesOf(journey)
    return but(days, 1, { lunch: `${one} Table 8, ${one}` })
  },
  'hard room rule': (days, journey) => but(days, 1, { accommodation: house(journey, 2) }),
  'hard cuisine': (days, journey) =>
    citiesOf(journey).reduce(
      (all, city, i) => but(all, i === 0 ? 0 : 3, { [i === 0 ? 'dinner' : 'breakfast']: `${city} Table 6, ${city}` }),
      days,
    ),
  'hard transportation': (days, { query }) =>
    query.local_constraint.transportation === null
      ? undefined
      : days.map((day) =>
          day.current_city.startsWith('from ') ? { ...day, transportation: `Self-driving, ${day.current_city}` } : day,
        ),
  'hard room type': (days, journey) => but(days, 1, { accommodation: house(journey, 1) }),
}

function house(journey: Journey, i: number): string {
  const [one] = citiesOf(journey)
  return `${one} House ${i}, ${one}`
}
