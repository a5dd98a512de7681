/**
 * `desk.retail`: a shop's service desk: a customer, a database behind tools, and a policy that not every wish agrees with.
 *
 *     environmentOf(retail).reset({ params: retail.task(7, 2), seed: 7 })
 *
 * In the form of tau-bench (Yao et al. 2024, sections 3 and 4), with a shop, a policy and tools of our own. The customer
 * (customer.ts) is a script: it says what it wants, gives facts when asked for them, and answers the same every time. The
 * tools do what they are told, also what the policy forbids; it is the clerk who has to know. An episode is verified by
 * the hash of the database at its end, and by what had to be told to the customer: amounts, and what cannot be done; a
 * customer who is left standing is not served.
 *
 * Invariants
 *   R1. Every task has something to write, so that doing nothing scores 0, and so does all but the last write.
 *   R2. What is done changes the database in one way, in whatever order items are named.
 *   R3. A wish that the policy forbids leaves the database as it is: who fulfils it scores 0.
 */
import { canonical } from '../policy/canonical.ts'
import type { Json } from '../kernel/types.ts'
import { answered, openingOf, type Visit, type Wish } from './customer.ts'
import { defineWorld } from './define.ts'
import { WISHES_MAX, deskForm, deskOf, hashOf, retailPolicy, type Desk } from './desk.ts'
import {
  badArguments,
  refused,
  unknownAction,
  type Action,
  type ActionDescription,
  type Rules,
  type Step,
} from './environment.ts'
import { READS, looked, written, type Customer, type Deed, type Shop } from './shop.ts'

/** A conversation as it stands. */
export interface RetailState {
  readonly visit: Visit
  readonly shop: Shop
  /** Whom the clerk has found the customer to be; null before. */
  readonly customer: string | null
  /** All that was said, and what the customer said last. */
  readonly conversation: string
  readonly said: string
  /** Which of the customer's wishes it speaks of now. */
  readonly wish: number
  /** What it has revealed of itself, and of that wish. */
  readonly revealed: readonly string[]
  /** Whether it has agreed to what was proposed and not yet done; whether something was done or refused; whether it has insisted. */
  readonly isAgreed: boolean
  readonly isHandled: boolean
  readonly hasInsisted: boolean
  /** What was told of all that has to be, by number. */
  readonly told: readonly number[]
  /** Orders that were looked at. */
  readonly seen: readonly string[]
  /** What was done, as canonical JSON. */
  readonly writes: readonly string[]
  /** Writes and looks that the policy asks a step before: agreement, or to know who asks. */
  readonly breaches: number
  /** What the last tool said. */
  readonly result: Json
  readonly isOver: boolean
  readonly [key: string]: Json
}

/** Who acts. */
const CLERK = 'clerk'
const TEXT_CHARS_MAX = 2_000

/** The rules. Level: the customer has one wish more than that. */
export const retail: Rules<Desk, RetailState> = defineWorld({
  id: 'desk.retail',
  version: '1',
  description: 'Serve the customer with the tools of the shop, as its policy says.',
  stepsMax: 80,
  levelMax: WISHES_MAX - 1,
  params: deskForm,
  task: (seed, level = 1) => deskOf(seed, level),
  start: ({ shop, visit }) => ({
    visit,
    shop,
    customer: null,
    conversation: `customer: ${openingOf(visit)}`,
    said: openingOf(visit),
    wish: 0,
    revealed: [],
    isAgreed: false,
    isHandled: false,
    hasInsisted: false,
    told: [],
    seen: [],
    writes: [],
    breaches: 0,
    result: null,
    isOver: false,
  }),
  toAct: ({ isOver }) => (isOver ? [] : [CLERK]),
  view({ conversation, said, result }) {
    const shown = result === null ? '' : `\nThe tool says: ${JSON.stringify(result)}`
    return {
      text: `${retailPolicy}\n\n${conversation}${shown}`,
      data: { said, result, policy: retailPolicy },
      actions,
    }
  },
  step(state, [action]) {
    if (action === undefined) return { state }
    const { name, args = {} } = action
    if (!names.has(name)) return refused(state, unknownAction(CLERK, name, actions))
    if (name === 'reply') return replied(state, action)
    if (READS.has(name)) {
      const found = looked(state.shop, name, args)
      if (typeof found === 'string') return impossible(state, found)
      return { state: afterLook(state, name, found) }
    }
    const deed = { name, args }
    const shop = written(state.shop, deed, state.customer)
    if (typeof shop === 'string') return impossible(state, shop)
    const isHandover = name === 'transfer_to_human'
    const isBreach = state.customer === null || (!state.isAgreed && !isHandover)
    return {
      state: {
        ...state,
        shop,
        writes: [...state.writes, canonical(deed)],
        breaches: state.breaches + (isBreach ? 1 : 0),
        isAgreed: false,
        isHandled: true,
        result: { done: name },
        isOver: isHandover,
      },
    }
  },
  score(state) {
    const { database, told, ended } = verified(state)
    return database === 1 && told === 1 && ended === 1 ? 1 : 0
  },
  metrics: (state) => ({ ...verified(state), breaches: state.breaches, writes: state.writes.length }),
  oracle(state) {
    return [{ agent: CLERK, ...nextOf(state) }]
  },
})

/** Whether the database is as it should be, whether everything was told that had to be, and whether the customer is content to go, each 0 or 1. */
function verified({ visit, shop, told, isOver }: RetailState) {
  return {
    ended: isOver ? 1 : 0,
    database: hashOf(shop) === visit.expected ? 1 : 0,
    told: visit.wishes.flatMap(({ tell }) => tell).every((_, i) => told.includes(i)) ? 1 : 0,
  }
}

function impossible(state: RetailState, message: string): Step<RetailState> {
  return refused(state, { agent: CLERK, code: 'NOT_POSSIBLE', message })
}

function afterLook(state: RetailState, name: string, found: Json): RetailState {
  const { id } = found as { readonly id?: string }
  if (name === 'find_customer') return { ...state, customer: id as string, result: found }
  const isBreach = state.customer === null && (name === 'get_order' || name === 'get_customer')
  const isNew = name === 'get_order' && !state.seen.includes(id as string)
  return {
    ...state,
    result: found,
    breaches: state.breaches + (isBreach ? 1 : 0),
    seen: isNew ? [...state.seen, id as string] : state.seen,
  }
}

function replied(state: RetailState, action: Action): Step<RetailState> {
  const text = action.args?.['text']
  if (typeof text !== 'string' || text === '' || text.length > TEXT_CHARS_MAX)
    return refused(state, badArguments(CLERK, `reply takes { text } of 1 to ${TEXT_CHARS_MAX} characters`))
  const { says, ...heard } = answered(state, text)
  return {
    state: {
      ...state,
      ...heard,
      result: null,
      conversation: `${state.conversation}\n${CLERK}: ${text}\ncustomer: ${says}`,
      said: says,
    },
  }
}

/** What a clerk who knows the customer's mind does next. */
function nextOf(state: RetailState): Deed {
  const { visit, revealed, seen } = state
  const wish = visit.wishes[state.wish] as Wish
  if (state.customer === null) {
    if (!visit.identity.every((fact) => revealed.includes(fact)))
      return say('Good day. May I have your email, or your name and postcode?')
    const { email, name, postcode } = state.shop.customers[visit.customer] as Customer
    return { name: 'find_customer', args: visit.identity.includes('email') ? { email } : { name, postcode } }
  }
  if (!Object.keys(wish.facts).every((fact) => revealed.includes(fact)))
    return say('Could you tell me the details: order, items, reason, payment, address?')
  if (wish.order !== null && !seen.includes(wish.order)) return { name: 'get_order', args: { order: wish.order } }
  if (!wish.isAllowed) return say(`I am sorry, I cannot do that for order ${wish.order}. Is there anything else?`)
  if (!state.writes.includes(canonical(wish.deed))) {
    if (state.isAgreed || wish.deed.name === 'transfer_to_human') return wish.deed
    return say(`I would now do this: ${wish.deed.name} ${JSON.stringify(wish.deed.args)}. Do you confirm?`)
  }
  const amounts = wish.tell.flatMap((fact) => ('amount' in fact ? [`The amount is ${fact.amount}.`] : []))
  return say([...amounts, 'It is done. Is there anything else?'].join(' '))
}

function say(text: string): Deed {
  return { name: 'reply', args: { text } }
}

const string = { type: 'string' } as const
const list = { type: 'array', items: string, minItems: 1 } as const

function tool(
  name: string,
  effect: ActionDescription['effect'],
  description: string,
  properties: { readonly [name: string]: Json },
  required = Object.keys(properties),
): ActionDescription {
  return { name, description, input: { type: 'object', properties, required }, effect }
}

const place = { street: string, city: string, postcode: string }
const swap = { order: string, items: list, new_items: list, payment: string }
const actions: readonly ActionDescription[] = [
  tool('reply', 'tell', 'Say something to the customer, who answers what is asked.', { text: string }),
  tool(
    'find_customer',
    'read',
    'Find who the customer is: by { email }, or by { name, postcode }.',
    { email: string, name: string, postcode: string },
    [],
  ),
  tool('get_customer', 'read', 'Profile, ways to pay and orders of a customer.', { customer: string }),
  tool('get_order', 'read', 'An order: its state, items, payment, address, days.', { order: string }),
  tool('list_products', 'read', 'All products and their numbers.', {}),
  tool('get_product', 'read', 'The items of a product: options, price, whether there are any.', { product: string }),
  tool('cancel_order', 'write', 'Cancel an order; all of it is paid back to where it was paid from.', {
    order: string,
    reason: { type: 'string', enum: ['no longer needed', 'ordered by mistake'] },
  }),
  tool('return_items', 'write', 'Take items of an order back; their price is paid back to a way to pay.', {
    order: string,
    items: list,
    payment: string,
  }),
  tool(
    'exchange_items',
    'write',
    'Exchange items of a delivered order for others, in the same order; the difference is paid or paid back.',
    swap,
  ),
  tool('change_items', 'write', 'The same for an order that has not been sent; only once.', swap),
  tool('change_order_address', 'write', 'Send an order elsewhere.', { order: string, ...place }),
  tool('change_customer_address', 'write', 'Where a customer lives.', { customer: string, ...place }),
  tool('refund_shipping', 'write', 'Pay the shipping of an order back; only once.', { order: string }),
  tool('transfer_to_human', 'terminal', 'Hand the customer over to a person; that is the end.', { summary: string }),
]
const names = new Set(actions.map(({ name }) => name))
