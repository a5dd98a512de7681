/**
 * Who comes to the desk of `desk.retail`, and what the policy says: a shop, a customer and its wishes, drawn by seed.
 *
 *     const { shop, visit } = deskOf(7, 2)
 *
 * A wish is drawn with the order it is about, made so that the policy allows it or does not; the other orders are there
 * to be mistaken for it. One wish at least is allowed, so that every task has something to write.
 */
import { canonical } from '../policy/canonical.ts'
import { sha256 } from '../kernel/digest.ts'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import { visitForm, type Tell, type Visit, type Wish } from './customer.ts'
import { fields } from './define.ts'
import { drawAt, drawBelow, pick, shuffled, type Draw } from './environment.ts'
import {
  amountOf,
  shopForm,
  totalOf,
  written,
  type Address,
  type Customer,
  type Item,
  type Order,
  type Shop,
} from './shop.ts'

/** Days within which things can be given back. */
const RETURN_DAYS = 30

/** What the clerk has to keep to. */
export const retailPolicy = `You work at the service desk of a shop. Serve one customer; keep to these rules.
- First find out who the customer is, by email, or by name and postcode. Look at nobody's data before.
- Serve only that customer: nothing about orders or data of others.
- Before you change anything, say what you will do and ask the customer to confirm it. The tools do what they are told, also what these rules forbid.
- Cancel an order only while it is pending, and only because it is no longer needed or was ordered by mistake. Tell what is paid back: all items and the shipping.
- Change the address of an order only while it is pending. The customer's own address can always be changed.
- Change items of an order only while it is pending, once, for available items of the same product. Tell the difference in price.
- Take items back only of an order that was delivered at most ${RETURN_DAYS} days ago. They are paid back to where the order was paid from, or to a gift card of the customer, nowhere else. Tell what is paid back.
- Exchange items only of an order that was delivered at most ${RETURN_DAYS} days ago, for available items of the same product. Tell the difference in price.
- Pay the shipping back only if the order came after the day it was promised for. Tell the amount.
- What these rules do not allow you refuse: say that you cannot do it, and name the order.
- Hand the customer over to a person only for what none of your tools can do, and do so last.
- Amounts are told with two digits. At the end ask whether there is anything else.`

const products = {
  'desk lamp': ['red', 'green', 'black', 'white'],
  backpack: ['small, blue', 'small, grey', 'large, blue', 'large, grey'],
  kettle: ['steel', 'glass', 'white, 1 litre', 'black, 2 litres'],
  headphones: ['wired, black', 'wireless, black', 'wireless, white', 'wireless, gold'],
  jacket: ['size S, green', 'size M, green', 'size L, green', 'size M, brown'],
  notebook: ['lined, A5', 'lined, A4', 'blank, A5', 'blank, A4'],
} as const
const [firsts, lasts] = [
  ['Ada', 'Ben', 'Cleo', 'Dan', 'Eva', 'Finn', 'Gil', 'Hana'],
  ['Ashby', 'Brook', 'Carver', 'Dale', 'Ellis', 'Frost', 'Gray', 'Hale'],
] as const
const streets = ['Elm Street', 'Oak Lane', 'Mill Road', 'High Street', 'Park Avenue', 'Station Road'] as const
const cities = ['Oxton', 'Brafield', 'Calder', 'Dunmore', 'Eastby'] as const
const wanted = [
  'a repair under warranty',
  'a quote for two hundred pieces',
  'a copy of an invoice of six years ago',
] as const

/** A shop, and who comes to its desk. */
export interface Desk {
  readonly shop: Shop
  readonly visit: Visit
  readonly [key: string]: Json
}

/** The form of a desk. */
export const deskForm = fields({ shop: shopForm, visit: visitForm })

/** Wishes that a customer has at most. */
export const WISHES_MAX = 4

/** The desk of that seed. Level: the customer has one wish more than that. */
export function deskOf(seed: number, level: number): Desk {
  // An order that the customer can only describe has to be the only one that looks like it: else another desk is drawn.
  for (let attempt = 1; ; attempt++) {
    const desk = drawnDesk(drawAt(seed, -attempt), level)
    const own = Object.values(desk.shop.orders).filter(({ customer }) => customer === desk.visit.customer)
    const looks = own.map(({ items }) => items.toSorted().join())
    if (new Set(looks).size === looks.length) return desk
  }
}

function drawnDesk(draw: Draw, level: number): Desk {
  const customers = customersOf(draw)
  const [customer, other] = Object.keys(customers) as [string, string]
  const identity = draw() < 0.5 ? ['email'] : ['name', 'postcode']
  const stall: Stall = { draw, shop: shelvesOf(draw, customers), customer, other }
  const count = Math.min(WISHES_MAX, 1 + level)
  const sure = drawBelow(draw, count)
  const wishes: Wish[] = []
  for (let i = 0; i < count; i++) {
    const isLast = i === count - 1
    const isAllowed = i === sure || draw() < 0.5
    const kinds = isAllowed ? (isLast ? [...allowed, handover] : allowed) : forbidden
    wishes.push(pick(draw, kinds)(stall))
  }
  // Orders of others and older ones of the customer's own, to be mistaken for those that are meant.
  for (const who of [customer, other])
    for (let i = drawBelow(draw, 2); i >= 0; i--) bought(stall, { customer: who, status: 'delivered', days: 40 })
  const expected = hashAfter(stall.shop, customer, wishes)
  return { shop: stall.shop, visit: { customer, identity, wishes, expected } }
}

/** Of the database when everything has been done that is allowed, and nothing else. */
export function hashAfter(shop: Shop, customer: string, wishes: readonly Wish[]): string {
  let after = shop
  for (const { kind, deed, isAllowed } of wishes) {
    if (!isAllowed) continue
    const next = written(after, deed, customer)
    if (typeof next === 'string')
      throw new PolityError('INVALID_ARGUMENT', `the wish "${kind}" cannot be done: ${next}`)
    after = next
  }
  return hashOf(after)
}

/** Names a database. */
export function hashOf(shop: Shop): string {
  return sha256(canonical(shop))
}

/** A desk while it is made up. */
interface Stall {
  readonly draw: Draw
  shop: Shop
  readonly customer: string
  readonly other: string
}

function customersOf(draw: Draw): Shop['customers'] {
  const [names, families] = [shuffled(draw, firsts), shuffled(draw, lasts)]
  return Object.fromEntries(
    [0, 1].map((i) => {
      const address = addressOf(draw)
      const [first, last] = [names[i] as string, families[i] as string]
      const payments: { [payment: string]: Customer['payments'][string] } = {
        [`card-${numberOf(draw, 4)}`]: { kind: 'card', cents: 0 },
        [`card-${numberOf(draw, 4)}`]: { kind: 'card', cents: 0 },
        [`gift-${numberOf(draw, 4)}`]: { kind: 'gift', cents: 100 * (200 + drawBelow(draw, 100)) },
      }
      const email = `${first}.${last}@example.com`.toLowerCase()
      const name = `${first} ${last}`
      return [
        `c${i + 1}-${last.toLowerCase()}`,
        { name, email, postcode: address.postcode, address, payments, orders: [] },
      ]
    }),
  )
}

function addressOf(draw: Draw): Address {
  return {
    street: `${1 + drawBelow(draw, 90)} ${pick(draw, streets)}`,
    city: pick(draw, cities),
    postcode: numberOf(draw, 5),
  }
}

function numberOf(draw: Draw, digits: number): string {
  return String(10 ** (digits - 1) + drawBelow(draw, 9 * 10 ** (digits - 1)))
}

function shelvesOf(draw: Draw, customers: Shop['customers']): Shop {
  const items: { [item: string]: Item } = {}
  const shelves = shuffled(draw, Object.entries(products)).map(([name, options], i) => {
    const product = `p${i + 1}`
    const base = 1_000 + 100 * drawBelow(draw, 60)
    const ids = options.map((option, j) => {
      const item = `i${numberOf(draw, 3)}${i}${j}`
      // No two of a product cost the same, so that every exchange has a difference to tell; the last one has run out.
      items[item] = { product, options: option, cents: base + 195 * j + drawBelow(draw, 90), isAvailable: j < 3 }
      return item
    })
    return [product, { name, items: ids }] as const
  })
  return { products: Object.fromEntries(shelves), items, customers, orders: {}, handovers: [] }
}

/** Puts an order into the shop; what is not said is drawn. */
function bought(
  stall: Stall,
  of: { customer?: string; status: Order['status']; days?: number; late?: boolean },
): { id: string; order: Order; main: string } {
  const { draw, shop } = stall
  const customer = of.customer ?? stall.customer
  const shelves = shuffled(draw, Object.values(shop.products)).slice(0, 1 + drawBelow(draw, 3))
  const items = shelves.map(({ items: all }) => all[drawBelow(draw, 3)] as string)
  let id = `#W${numberOf(draw, 6)}`
  while (Object.hasOwn(shop.orders, id)) id = `#W${numberOf(draw, 6)}`
  const { payments, address, orders } = shop.customers[customer] as Customer
  const days = of.status === 'delivered' ? (of.days ?? 1 + drawBelow(draw, RETURN_DAYS)) : null
  const order: Order = {
    customer,
    status: of.status,
    items,
    payment: pick(draw, Object.keys(payments)),
    address,
    shippingCents: 395 + 100 * drawBelow(draw, 6),
    deliveredDaysAgo: days,
    promisedDaysAgo: (days ?? 0) + (of.late === true ? 1 : -1) * (1 + drawBelow(draw, 6)),
    isShippingRefunded: false,
    note: '',
    refunds: [],
  }
  stall.shop = {
    ...shop,
    orders: { ...shop.orders, [id]: order },
    customers: {
      ...shop.customers,
      [customer]: { ...(shop.customers[customer] as Customer), orders: [...orders, id] },
    },
  }
  return { id, order, main: items[0] as string }
}

type Kind = (stall: Stall) => Wish

/** A wish about an order: the number is known to the customer, or it says what was in it. */
function wishOf(
  { draw, shop }: Stall,
  id: string,
  wish: Pick<Wish, 'kind' | 'opening' | 'facts' | 'deed' | 'isAllowed' | 'tell'>,
): Wish {
  const { items } = shop.orders[id] as Order
  const isKnown = !wish.isAllowed || draw() < 0.5
  const order = isKnown
    ? `It is order ${id}.`
    : `I do not know the number; it has ${items.map((item) => titleOf(shop, item)).join(' and ')} in it.`
  return { ...wish, facts: { order, ...wish.facts }, order: id, insists: !wish.isAllowed && draw() < 0.5 }
}

function refused(id: string): readonly Tell[] {
  return [{ cannot: id }]
}

function amount(cents: number): readonly Tell[] {
  return [{ amount: amountOf(Math.abs(cents)) }]
}

function titleOf({ items, products: shelves }: Shop, id: string): string {
  const { product, options } = items[id] as Item
  return `the ${shelves[product]?.name ?? product} (${options})`
}

function cancelling(status: Order['status'], reason: string, isAllowed: boolean): Kind {
  return (stall) => {
    const { id, order } = bought(stall, { status })
    const total = totalOf(stall.shop, order.items) + order.shippingCents
    return wishOf(stall, id, {
      kind: isAllowed ? 'cancel' : status === 'pending' ? 'cancel for another reason' : 'cancel too late',
      opening: 'I would like to cancel an order.',
      facts: { reason: `Because ${reasons[reason] ?? reason}.` },
      deed: { name: 'cancel_order', args: { order: id, reason } },
      isAllowed,
      tell: isAllowed ? amount(total) : refused(id),
    })
  }
}

const reasons: { readonly [reason: string]: string } = {
  'no longer needed': 'I no longer need it',
  'ordered by mistake': 'I ordered it by mistake',
  'found it cheaper': 'I found it cheaper elsewhere',
}

function returning(days: number | undefined, to: 'order' | 'gift' | 'other card', isAllowed: boolean): Kind {
  return (stall) => {
    const { id, order, main } = bought(
      stall,
      days === undefined ? { status: 'delivered' } : { status: 'delivered', days },
    )
    const { payments } = stall.shop.customers[stall.customer] as Customer
    const gift = Object.keys(payments).find((way) => payments[way]?.kind === 'gift') as string
    const card = Object.keys(payments).find((way) => payments[way]?.kind === 'card' && way !== order.payment) as string
    const payment = to === 'order' ? order.payment : to === 'gift' ? gift : card
    return wishOf(stall, id, {
      kind: isAllowed ? 'return' : to === 'other card' ? 'return to another card' : 'return too late',
      opening: 'I want to give something back.',
      facts: {
        items: `It is ${titleOf(stall.shop, main)}.`,
        payment: to === 'order' ? 'I want my money back where I paid from.' : `Please pay it back to my ${payment}.`,
      },
      deed: { name: 'return_items', args: { order: id, items: [main], payment } },
      isAllowed,
      tell: isAllowed ? amount(totalOf(stall.shop, [main])) : refused(id),
    })
  }
}

function swapping(status: 'pending' | 'delivered', fault?: 'late' | 'product' | 'sold out'): Kind {
  return (stall) => {
    const { draw } = stall
    const { id, order, main } = bought(stall, fault === 'late' ? { status, days: RETURN_DAYS + 5 } : { status })
    const { product } = stall.shop.items[main] as Item
    const shelf = (stall.shop.products[product] as Shop['products'][string]).items
    const otherShelf = Object.entries(stall.shop.products).find(([one]) => one !== product)?.[1].items ?? shelf
    const wish =
      fault === 'product'
        ? (otherShelf[0] as string)
        : fault === 'sold out'
          ? (shelf[3] as string)
          : pick(
              draw,
              shelf.slice(0, 3).filter((one) => one !== main),
            )
    const isAllowed = fault === undefined
    const verb = status === 'pending' ? 'change' : 'exchange'
    return wishOf(stall, id, {
      kind: isAllowed ? `${verb} items` : `${verb}: ${fault}`,
      opening: `I would like to ${verb} something in an order.`,
      facts: {
        items: `I have ${titleOf(stall.shop, main)} and want ${titleOf(stall.shop, wish)} instead.`,
        payment: `Use what I paid the order with for the difference.`,
      },
      deed: { name: `${verb}_items`, args: { order: id, items: [main], new_items: [wish], payment: order.payment } },
      isAllowed,
      tell: isAllowed ? amount(totalOf(stall.shop, [main]) - totalOf(stall.shop, [wish])) : refused(id),
    })
  }
}

function moving(status: Order['status']): Kind {
  return (stall) => {
    const { id } = bought(stall, { status })
    const address = addressOf(stall.draw)
    return wishOf(stall, id, {
      kind: status === 'pending' ? 'change address' : 'change address too late',
      opening: 'An order should go to another address.',
      facts: { address: `To ${address.street}, ${address.city}, ${address.postcode}.` },
      deed: { name: 'change_order_address', args: { order: id, ...address } },
      isAllowed: status === 'pending',
      tell: status === 'pending' ? [] : refused(id),
    })
  }
}

const home: Kind = ({ draw, customer }) => {
  const address = addressOf(draw)
  return {
    kind: 'change own address',
    opening: 'I have moved: please change my own address.',
    facts: { address: `I live at ${address.street}, ${address.city}, ${address.postcode} now.` },
    order: null,
    deed: { name: 'change_customer_address', args: { customer, ...address } },
    isAllowed: true,
    insists: false,
    tell: [],
  }
}

function shipping(late: boolean): Kind {
  return (stall) => {
    const { id, order } = bought(stall, { status: 'delivered', late })
    return wishOf(stall, id, {
      kind: late ? 'refund shipping' : 'refund shipping of what was in time',
      opening: 'My order came late, I want the shipping back.',
      facts: {},
      deed: { name: 'refund_shipping', args: { order: id } },
      isAllowed: late,
      tell: late ? amount(order.shippingCents) : refused(id),
    })
  }
}

const foreign: Kind = (stall) => {
  const { id } = bought(stall, { customer: stall.other, status: 'pending' })
  return wishOf(stall, id, {
    kind: 'order of somebody else',
    opening: 'I would like to cancel an order of a friend, who asked me to.',
    facts: { reason: 'Because it is no longer needed.' },
    deed: { name: 'cancel_order', args: { order: id, reason: 'no longer needed' } },
    isAllowed: false,
    tell: refused(id),
  })
}

const handover: Kind = ({ draw }) => ({
  kind: 'hand over',
  opening: `I need ${pick(draw, wanted)}.`,
  facts: {},
  order: null,
  deed: { name: 'transfer_to_human', args: { summary: 'The customer needs what the desk has no tool for.' } },
  isAllowed: true,
  insists: false,
  tell: [],
})

const allowed: readonly Kind[] = [
  cancelling('pending', 'no longer needed', true),
  cancelling('pending', 'ordered by mistake', true),
  returning(undefined, 'order', true),
  returning(undefined, 'gift', true),
  swapping('delivered'),
  swapping('pending'),
  moving('pending'),
  home,
  shipping(true),
]
const forbidden: readonly Kind[] = [
  cancelling('sent', 'no longer needed', false),
  cancelling('pending', 'found it cheaper', false),
  returning(RETURN_DAYS + 5, 'order', false),
  returning(undefined, 'other card', false),
  swapping('delivered', 'late'),
  swapping('delivered', 'product'),
  swapping('delivered', 'sold out'),
  swapping('pending', 'sold out'),
  moving('sent'),
  shipping(false),
  foreign,
]
