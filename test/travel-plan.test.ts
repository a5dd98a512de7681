/** TravelPlanner's rules: a good plan keeps all of them, and each fault breaks exactly one. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { constraints } from '../src/evaluation/scorers.ts'
import {
  judgedPlan,
  planOf,
  travelConstraints,
  travelCost,
  type TravelDay,
  type TravelGuide,
  type TravelQuery,
} from '../bench/experiments/travel-plan.ts'
import type { Json } from '../src/kernel/types.ts'

const bed = (name: string, city: string, more: Partial<TravelGuide['accommodations'][number]> = {}) => ({
  name,
  city,
  price: 80,
  roomType: 'Private room',
  houseRules: 'No parties',
  minimumNights: 1,
  occupancy: 2,
  ...more,
})
const eatery = (name: string, city: string, cuisines = 'Cafe', price = 10) => ({ name, city, cuisines, price })

const guide: TravelGuide = {
  cities: { Oxton: 'Home', Calder: 'Lakes', Dunmore: 'Lakes', Eastby: 'Hills' },
  flights: [
    { number: 'F1', from: 'Oxton', to: 'Calder', price: 100 },
    { number: 'F2', from: 'Dunmore', to: 'Oxton', price: 120 },
    { number: 'F3', from: 'Eastby', to: 'Oxton', price: 60 },
  ],
  drives: [
    { from: 'Oxton', to: 'Calder', selfDriving: 20, taxi: 70 },
    { from: 'Calder', to: 'Dunmore', selfDriving: 15, taxi: 50 },
    { from: 'Dunmore', to: 'Oxton', selfDriving: 25, taxi: 90 },
  ],
  restaurants: [
    ...['One', 'Two', 'Three', 'Four', 'Five', 'Six'].map((name) => eatery(name, 'Calder', 'Cafe, Indian')),
    ...['Seven', 'Eight', 'Nine', 'Ten', 'Eleven', 'Twelve'].map((name) => eatery(name, 'Dunmore', 'French')),
    eatery('Palace', 'Calder', 'Indian', 5_000),
    eatery('Soup, Bread & Co.', 'Calder', 'Thai'),
    eatery('Home Kitchen', 'Oxton', 'Mexican'),
  ],
  attractions: ['Lake', 'Mill', 'Tower'].flatMap((name) => [
    { name, city: 'Calder' },
    { name: `New ${name}`, city: 'Dunmore' },
  ]),
  accommodations: [
    bed('Inn', 'Calder'),
    bed('Long Stay', 'Calder', { minimumNights: 7 }),
    bed('Dormitory', 'Calder', { roomType: 'Shared room' }),
    bed('No Pets Inn', 'Calder', { houseRules: 'No pets' }),
    bed('Hotel', 'Dunmore', { price: 90 }),
  ],
}

const query: TravelQuery = {
  org: 'Oxton',
  dest: 'Lakes',
  days: 5,
  visiting_city_number: 2,
  people_number: 3,
  budget: 2_000,
  local_constraint: {
    'house rule': 'pets',
    cuisine: ['Indian', 'French'],
    'room type': 'not shared room',
    transportation: 'no self-driving',
  },
}

const good: readonly TravelDay[] = [
  day('from Oxton to Calder', 'Flight Number: F1, from Oxton to Calder', ['-', 'One', 'Two'], 'Calder', 'Lake', 'Inn'),
  day('Calder', '-', ['Three', 'Four', 'Five'], 'Calder', 'Mill', 'Inn'),
  day('from Calder to Dunmore', 'Taxi, from Calder to Dunmore', ['-', 'Seven', '-'], 'Dunmore', 'New Lake', 'Hotel'),
  day('Dunmore', '-', ['Eight', 'Nine', 'Ten'], 'Dunmore', 'New Mill; New Tower', 'Hotel'),
  day('from Dunmore to Oxton', 'Flight Number: F2, from Dunmore to Oxton', ['Eleven', '-', '-'], 'Dunmore', '-', '-'),
]

function day(
  city: string,
  way: string,
  meals: readonly string[],
  at: string,
  sights: string,
  night: string,
): TravelDay {
  const there = (name: string): string => (name === '-' ? '-' : `${name}, ${at}`)
  const [breakfast, lunch, dinner] = meals.map(there)
  const attraction =
    sights === '-'
      ? '-'
      : sights
          .split('; ')
          .map((name) => `${there(name)};`)
          .join('')
  return { current_city: city, transportation: way, breakfast, lunch, dinner, attraction, accommodation: there(night) }
}

const faultsOf = (days: readonly TravelDay[], asked = query): readonly string[] =>
  judgedPlan(asked, days, guide).flatMap(({ name, isHard, fault }) =>
    fault === null ? [] : [`${isHard ? 'hard ' : ''}${name}`],
  )

/** The plan with other texts on one day. */
const but = (at: number, other: Partial<TravelDay>): readonly TravelDay[] =>
  good.map((one, i) => (i === at ? { ...one, ...other } : one))

describe('travel plans', () => {
  test('a good plan keeps all thirteen rules', () => {
    assert.deepEqual(faultsOf(good), [])
    assert.equal(judgedPlan(query, good, guide).length, 13)
  })

  const planted: { readonly [rule: string]: readonly (readonly TravelDay[])[] } = {
    'diverse restaurants': [but(1, { dinner: 'One, Calder' })],
    'diverse attractions': [
      but(1, { attraction: 'Lake, Calder' }),
      but(3, { attraction: 'New Mill, Dunmore;New Mill, Dunmore' }),
    ],
    'minimum nights stay': [but(0, { accommodation: 'Long Stay, Calder' })],
    'within current city': [
      but(1, { lunch: 'Seven, Dunmore' }).map((one, i) => (i === 2 ? { ...one, lunch: '-' } : one)),
    ],
    'hard budget': [but(1, { lunch: 'Palace, Calder' })],
    'hard room rule': [but(1, { accommodation: 'No Pets Inn, Calder' })],
    'hard room type': [but(1, { accommodation: 'Dormitory, Calder' })],
  }

  for (const [rule, plans] of Object.entries(planted))
    test(`a fault of ${rule} is that and no other`, () => {
      for (const plan of plans) assert.deepEqual(faultsOf(plan), [rule])
    })

  test('a route that does not come home, or comes back to where it was, is no route', () => {
    const away = but(4, { current_city: 'from Dunmore to Calder', transportation: 'Taxi, from Calder to Dunmore' })
    assert.ok(faultsOf(away).includes('reasonable city route'))
    const elsewhere = { ...query, dest: 'Hills' }
    assert.deepEqual(faultsOf(good, elsewhere), ['reasonable city route'])
    assert.ok(faultsOf(but(0, { current_city: 'from Eastby to Calder' })).includes('reasonable city route'))
  })

  test('the own car is not mixed with flights', () => {
    const asked = { ...query, local_constraint: { ...query.local_constraint, transportation: null } }
    const mixed = but(2, { transportation: 'Self-driving, from Calder to Dunmore' })
    assert.deepEqual(faultsOf(mixed, asked), ['non-conflicting transportation'])
    assert.deepEqual(faultsOf(mixed), ['non-conflicting transportation', 'hard transportation'])
  })

  test('of what does not exist, or of half a plan, hard constraints are not judged', () => {
    const unjudged = ['hard budget', 'hard room rule', 'hard cuisine', 'hard room type', 'hard transportation']
    for (const invented of [
      but(1, { lunch: 'Nowhere, Calder' }),
      but(3, { attraction: 'New Moon, Dunmore' }),
      but(0, { transportation: 'Flight Number: F9, from Oxton to Calder' }),
      but(0, { transportation: 'Flight Number: F3, from Oxton to Calder' }),
    ])
      assert.deepEqual(faultsOf(invented), ['within sandbox', ...unjudged])
    for (const open of [but(1, { lunch: '-' }), but(1, { attraction: '-' }), but(3, { accommodation: '-' })])
      assert.deepEqual(faultsOf(open), ['complete information', ...unjudged])
    assert.deepEqual(faultsOf(good, { ...query, visiting_city_number: 3 }), ['complete information', ...unjudged])
  })

  test('a cuisine counts where it is eaten away from home', () => {
    const asked = (cuisine: readonly string[]): TravelQuery => ({
      ...query,
      local_constraint: { ...query.local_constraint, cuisine: [...cuisine] },
    })
    assert.deepEqual(faultsOf(good, asked(['Thai'])), ['hard cuisine'])
    assert.deepEqual(faultsOf(but(1, { lunch: 'Soup, Bread & Co., Calder' }), asked(['Thai', 'Indian'])), [])
    assert.deepEqual(faultsOf(but(4, { dinner: 'Home Kitchen, Oxton' }), asked(['Mexican'])), ['hard cuisine'])
  })

  test('costs are per head, per room and per car', () => {
    // Three people: flights 3 × 100 and 3 × 120, one taxi, ten meals of 10 each, two rooms for two at 80 twice and 90 twice.
    assert.equal(travelCost({ query, days: good, guide }), 300 + 360 + 50 + 3 * 10 * 10 + 2 * 2 * 80 + 2 * 2 * 90)
    const six = { ...query, people_number: 6 }
    const cars = but(2, { transportation: 'Self-driving, from Calder to Dunmore' })
    const [, , car] = cars
    assert.equal(travelCost({ query: six, days: [car as TravelDay], guide }), 2 * 15 + 6 * 10 + 3 * 90)
  })

  test('as constraints of an answer: the days, an object with them, or JSON; anything else breaks all', () => {
    const rules = travelConstraints(guide)
    const sample = { id: '1', data: { query: query as unknown as Json } }
    for (const output of [good, { plan: good }, JSON.stringify(good)] as unknown as readonly Json[])
      for (const rule of rules) assert.equal(rule.check({ sample, output }), undefined, rule.name)
    for (const output of ['I would go by train', 7, { plan: 'none' }, null] as readonly Json[])
      for (const rule of rules) assert.match(rule.check({ sample, output }) ?? '', /no plan/)
    assert.equal(rules.filter(({ isHard }) => isHard).length, 5)
    assert.equal(constraints(rules).isJudge, false)
    assert.deepEqual(planOf(JSON.stringify([{ current_city: 'Calder' }])), [{ current_city: 'Calder' }])
  })
})
