/**
 * The database of a shop, what its tools show of it, and what they do to it. Nothing here knows the policy.
 *
 *     const next = written(shop, { name: 'cancel_order', args: { order: '#W1', reason: 'ordered by mistake' } }, 'c1')
 *     if (typeof next === 'string') …        // why it cannot be done
 *
 * Amounts are whole cents in the database and units with two digits where they are told.
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { fields } from './define.ts'

/** Everything the shop knows. */
export interface Shop {
  readonly products: {
    readonly [product: string]: { readonly name: string; readonly items: readonly string[] }
  }
  readonly items: { readonly [item: string]: Item }
  readonly customers: { readonly [customer: string]: Customer }
  readonly orders: { readonly [order: string]: Order }
  /** Customers who were handed over to a person. */
  readonly handovers: readonly (string | null)[]
  readonly [key: string]: Json
}

/** One thing that can be bought. */
export interface Item {
  readonly product: string
  readonly options: string
  readonly cents: number
  readonly isAvailable: boolean
  readonly [key: string]: Json
}

/** Where something is sent. */
export interface Address {
  readonly street: string
  readonly city: string
  readonly postcode: string
  readonly [key: string]: Json
}

/** Who buys. */
export interface Customer {
  readonly name: string
  readonly email: string
  readonly postcode: string
  readonly address: Address
  /** A gift card has a balance; a card and an account have none. */
  readonly payments: {
    readonly [payment: string]: { readonly kind: 'card' | 'account' | 'gift'; readonly cents: number }
  }
  readonly orders: readonly string[]
  readonly [key: string]: Json
}

/** What was bought. */
export interface Order {
  readonly customer: string
  readonly status:
    | 'pending'
    | 'sent'
    | 'delivered'
    | 'cancelled'
    | 'return requested'
    | 'exchange requested'
    | 'changed'
  readonly items: readonly string[]
  readonly payment: string
  readonly address: Address
  readonly shippingCents: number
  /** Days since it came, and since the day for which it was promised; null before it came. */
  readonly deliveredDaysAgo: number | null
  readonly promisedDaysAgo: number
  readonly isShippingRefunded: boolean
  /** What came of it: of a cancellation its reason, of items what they were exchanged for. */
  readonly note: string
  /** Paid back (above 0) or paid in addition (below 0). */
  readonly refunds: readonly { readonly cents: number; readonly payment: string }[]
  readonly [key: string]: Json
}

/** A tool with its arguments. */
export interface Deed {
  readonly name: string
  readonly args: Args
  readonly [key: string]: Json
}

type Args = { readonly [name: string]: Json }

const byId = <Value extends z.ZodType>(value: Value) => z.record(z.string(), value)
const addressForm = fields({ street: z.string(), city: z.string(), postcode: z.string() })
const customerForm = fields({
  name: z.string(),
  email: z.string(),
  postcode: z.string(),
  address: addressForm,
  payments: byId(fields({ kind: z.enum(['card', 'account', 'gift']), cents: z.int() })),
  orders: z.array(z.string()),
})
const orderForm = fields({
  customer: z.string(),
  status: z.enum(['pending', 'sent', 'delivered', 'cancelled', 'return requested', 'exchange requested', 'changed']),
  items: z.array(z.string()),
  payment: z.string(),
  address: addressForm,
  shippingCents: z.int(),
  deliveredDaysAgo: z.int().nullable(),
  promisedDaysAgo: z.int(),
  isShippingRefunded: z.boolean(),
  note: z.string(),
  refunds: z.array(fields({ cents: z.int(), payment: z.string() })),
})
/** The form of a shop. */
export const shopForm = fields({
  products: byId(fields({ name: z.string(), items: z.array(z.string()) })),
  items: byId(fields({ product: z.string(), options: z.string(), cents: z.int(), isAvailable: z.boolean() })),
  customers: byId(customerForm),
  orders: byId(orderForm),
  handovers: z.array(z.string().nullable()),
})
/** The form of a tool with its arguments. */
export const deedForm = fields({ name: z.string(), args: z.record(z.string(), z.json()) })

/** Tools that only look. */
export const READS: ReadonlySet<string> = new Set([
  'find_customer',
  'get_customer',
  'get_order',
  'list_products',
  'get_product',
])

/** What a tool shows, or why there is nothing to show. */
export function looked(shop: Shop, name: string, args: Args): Json {
  if (name === 'find_customer') return found(shop, args)
  if (name === 'list_products')
    return { products: Object.entries(shop.products).map(([id, product]) => ({ id, name: product.name })) }
  const [kind, of] =
    name === 'get_order'
      ? (['order', shop.orders] as const)
      : name === 'get_customer'
        ? (['customer', shop.customers] as const)
        : (['product', shop.products] as const)
  const id = args[kind]
  if (typeof id !== 'string' || !Object.hasOwn(of, id))
    return `${name} takes { ${kind} }: there is none "${textOf(id)}"`
  if (name === 'get_order') return orderShown(shop, id)
  if (name === 'get_product') {
    const { name: called, items } = shop.products[id] as Shop['products'][string]
    return { id, name: called, items: items.map((item) => itemShown(shop, item)) }
  }
  const { payments, ...customer } = shop.customers[id] as Customer
  const ways = Object.entries(payments).map(([payment, { kind: way, cents }]) =>
    way === 'gift' ? { payment, kind: way, balance: amountOf(cents) } : { payment, kind: way },
  )
  return { id, ...customer, payments: ways }
}

/** Money as it is told. */
export function amountOf(cents: number): string {
  return (cents / 100).toFixed(2)
}

function found({ customers }: Shop, { email, name, postcode }: Args): Json {
  if (typeof email !== 'string' && (typeof name !== 'string' || typeof postcode !== 'string'))
    return 'find_customer takes { email }, or { name, postcode }'
  const same = (a: string, b: Json | undefined): boolean => typeof b === 'string' && a.toLowerCase() === b.toLowerCase()
  const entry = Object.entries(customers).find(([, one]) =>
    typeof email === 'string' ? same(one.email, email) : same(one.name, name) && same(one.postcode, postcode),
  )
  return entry === undefined ? 'there is no such customer' : { id: entry[0], orders: entry[1].orders }
}

function orderShown(shop: Shop, id: string): Json {
  const { shippingCents, refunds, items, ...order } = shop.orders[id] as Order
  return {
    id,
    ...order,
    items: items.map((item) => itemShown(shop, item)),
    shipping: amountOf(shippingCents),
    refunds: refunds.map(({ cents, payment }) => ({ amount: amountOf(cents), payment })),
  }
}

function itemShown({ items, products }: Shop, id: string): Json {
  const { product, options, cents, isAvailable } = items[id] as Item
  return { item: id, product, name: products[product]?.name ?? product, options, price: amountOf(cents), isAvailable }
}

/** The database after that, or why it cannot be done. */
export function written(shop: Shop, { name, args }: Deed, customer: string | null): Shop | string {
  if (name === 'transfer_to_human') return { ...shop, handovers: [...shop.handovers, customer] }
  if (name === 'change_customer_address') return moved(shop, args)
  const id = args['order']
  if (typeof id !== 'string' || !Object.hasOwn(shop.orders, id))
    return `${name} takes { order }: there is none "${textOf(id)}"`
  const order = shop.orders[id] as Order
  if (name === 'cancel_order') {
    const { reason } = args
    if (typeof reason !== 'string' || reason === '') return 'cancel_order takes { order, reason }'
    if (order.status === 'cancelled') return `${id} is cancelled already`
    const cents = totalOf(shop, order.items) + order.shippingCents
    return paid(withOrder(shop, id, { ...order, status: 'cancelled', note: reason }), id, order.payment, cents)
  }
  if (name === 'refund_shipping') {
    if (order.isShippingRefunded) return `the shipping of ${id} was paid back already`
    return paid(withOrder(shop, id, { ...order, isShippingRefunded: true }), id, order.payment, order.shippingCents)
  }
  if (name === 'change_order_address') {
    const address = addressOf(args)
    return address === undefined ? needsAddress(name) : withOrder(shop, id, { ...order, address })
  }
  const { items, new_items: others, payment } = args
  const ways = (shop.customers[order.customer] as Customer).payments
  if (typeof payment !== 'string' || !Object.hasOwn(ways, payment))
    return `${name} takes { payment }, one of ${Object.keys(ways).join(', ')}`
  if (!isList(items) || !isPartOf(items, order.items))
    return `${name} takes { items }, a list of some of ${order.items.join(', ')}`
  if (name === 'return_items') {
    const next = { ...order, status: 'return requested' as const, note: items.toSorted().join(', ') }
    return paid(withOrder(shop, id, next), id, payment, totalOf(shop, items))
  }
  if (!isList(others) || others.length !== items.length || others.some((one) => !Object.hasOwn(shop.items, one)))
    return `${name} takes { new_items }, one for each of { items }`
  if (order.status === 'changed') return `the items of ${id} were changed already`
  return swapped(shop, id, name, items, others, payment)
}

function swapped(
  shop: Shop,
  id: string,
  name: string,
  items: readonly string[],
  others: readonly string[],
  payment: string,
): Shop | string {
  const order = shop.orders[id] as Order
  const cents = totalOf(shop, items) - totalOf(shop, others)
  const { kind, cents: balance } = (shop.customers[order.customer] as Customer).payments[payment] as {
    kind: string
    cents: number
  }
  if (kind === 'gift' && balance + cents < 0) return `${payment} has ${amountOf(balance)}, not ${amountOf(-cents)}`
  const pairs = items.map((item, i) => `${item} for ${others[i]}`).toSorted()
  const left = order.items.slice()
  for (const item of items) left.splice(left.indexOf(item), 1)
  const next =
    name === 'exchange_items'
      ? { ...order, status: 'exchange requested' as const, note: pairs.join(', ') }
      : { ...order, status: 'changed' as const, note: pairs.join(', '), items: [...left, ...others].toSorted() }
  return paid(withOrder(shop, id, next), id, payment, cents)
}

function moved(shop: Shop, args: Args): Shop | string {
  const { customer: id } = args
  if (typeof id !== 'string' || !Object.hasOwn(shop.customers, id))
    return `change_customer_address takes { customer }: there is none "${textOf(id)}"`
  const address = addressOf(args)
  if (address === undefined) return needsAddress('change_customer_address')
  return { ...shop, customers: { ...shop.customers, [id]: { ...(shop.customers[id] as Customer), address } } }
}

function addressOf({ street, city, postcode }: Args): Address | undefined {
  if (typeof street !== 'string' || typeof city !== 'string' || typeof postcode !== 'string') return undefined
  return { street, city, postcode }
}

function needsAddress(name: string): string {
  return `${name} takes { street, city, postcode }`
}

/** Pays back, and on a gift card at once. */
function paid(shop: Shop, id: string, payment: string, cents: number): Shop {
  const order = shop.orders[id] as Order
  const next = withOrder(shop, id, { ...order, refunds: [...order.refunds, { cents, payment }] })
  const customer = shop.customers[order.customer] as Customer
  const way = customer.payments[payment]
  if (way?.kind !== 'gift') return next
  const payments = { ...customer.payments, [payment]: { ...way, cents: way.cents + cents } }
  return { ...next, customers: { ...next.customers, [order.customer]: { ...customer, payments } } }
}

function withOrder(shop: Shop, id: string, order: Order): Shop {
  return { ...shop, orders: { ...shop.orders, [id]: order } }
}

/** What items cost together, in cents. */
export function totalOf({ items }: Shop, of: readonly string[]): number {
  return of.reduce((sum, item) => sum + (items[item]?.cents ?? 0), 0)
}

function isList(value: Json | undefined): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string')
}

function isPartOf(some: readonly string[], all: readonly string[]): boolean {
  const left = all.slice()
  return some.every((one) => {
    const at = left.indexOf(one)
    if (at >= 0) left.splice(at, 1)
    return at >= 0
  })
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : 'nothing'
}
