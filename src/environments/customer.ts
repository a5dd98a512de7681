/**
 * The customer of `desk.retail`: a script that says what it wants, gives facts when asked for them, and never varies.
 *
 *     const { says, ...heard } = answered(state, 'May I have your email?')
 *
 * It understands by words: a question (with a question mark) about `email`, `name`, `postcode`, `order`, `items`,
 * `reason`, `payment` or `address`, or for `details`, is answered with what it knows of that; "do you confirm?" and the
 * like with yes; "anything else?" with the next wish, or with goodbye, once something was done or refused. Some insist
 * once when they are refused.
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { fields } from './define.ts'
import { deedForm, type Deed, type Shop } from './shop.ts'

/** Who comes to the desk, and what for. */
export interface Visit {
  readonly customer: string
  /** What it can be known by: its email, or its name and postcode. */
  readonly identity: readonly string[]
  readonly wishes: readonly Wish[]
  /** SHA-256 of the database, as canonical JSON, when all has been done that the policy allows. */
  readonly expected: string
  readonly [key: string]: Json
}

/** Something that the customer wants. */
export interface Wish {
  readonly kind: string
  readonly opening: string
  /** What it says when it is asked, by what it is asked for. */
  readonly facts: { readonly [fact: string]: string }
  readonly order: string | null
  /** What would fulfil it, and whether the policy allows that. */
  readonly deed: Deed
  readonly isAllowed: boolean
  readonly insists: boolean
  readonly tell: readonly Tell[]
  readonly [key: string]: Json
}

/** What has to be told: an amount, or that something cannot be done for an order. */
export type Tell = { readonly amount: string } | { readonly cannot: string }

const wishForm = fields({
  kind: z.string(),
  opening: z.string(),
  facts: z.record(z.string(), z.string()),
  order: z.string().nullable(),
  deed: deedForm,
  isAllowed: z.boolean(),
  insists: z.boolean(),
  tell: z.array(
    z.union([fields({ amount: z.string() }), fields({ cannot: z.string() })], 'expected { amount } or { cannot }'),
  ),
})
/** The form of a visit. */
export const visitForm = fields({
  customer: z.string(),
  identity: z.array(z.enum(['email', 'name', 'postcode'])).min(1),
  wishes: z.array(wishForm).min(1),
  expected: z.string(),
})

/** What the customer has in mind. */
interface Mind {
  readonly visit: Visit
  readonly shop: Shop
  readonly wish: number
  readonly revealed: readonly string[]
  readonly isAgreed: boolean
  readonly isHandled: boolean
  readonly hasInsisted: boolean
  readonly told: readonly number[]
}

/** Words by which a question is known to be about a fact. */
const ABOUT: { readonly [fact: string]: RegExp } = {
  email: /e-?mail|who you are|your details/,
  name: /\bname\b|who you are|your details/,
  postcode: /post ?code|zip|your details/,
  order: /\border\b|which|details/,
  items: /\bitems?\b|product|article|which|details/,
  reason: /reason|why|details/,
  payment: /pay|refund|card|details/,
  address: /address|where|details/,
}
const CONFIRM =
  /confirm|shall i|should i|may i (go|proceed)|do you agree|proceed|is (that|this) (right|ok|okay|correct)|yes or no/
const REFUSAL = /can ?not|can['’]t|unable|not able|not allowed|not possible|against (our|the) policy|not permitted/
const ELSE = /anything else|something else|what else|anything more/

/** What the customer says at first. */
export function openingOf({ wishes }: Visit): string {
  return `Hello. ${wishes[0]?.opening ?? ''}`
}

/** What it answers, and what it has in mind then. */
export function answered(
  mind: Mind,
  text: string,
): Omit<Mind, 'visit' | 'shop'> & { readonly says: string; readonly isOver: boolean } {
  const { visit, wish, revealed, isAgreed, hasInsisted } = mind
  const asked = text.toLowerCase()
  const current = visit.wishes[wish] as Wish
  const isRefusal = REFUSAL.test(asked)
  const heard = {
    wish,
    revealed,
    isAgreed,
    isHandled: mind.isHandled || isRefusal,
    hasInsisted,
    told: toldBy(mind, asked),
    isOver: false,
  }
  if (isRefusal && current.insists && !hasInsisted)
    return { ...heard, hasInsisted: true, says: 'Could you not make an exception? I would really like you to do it.' }
  if (ELSE.test(asked)) {
    if (!heard.isHandled) return { ...heard, says: 'First, what about what I asked for?' }
    const next = visit.wishes[wish + 1]
    if (next === undefined) return { ...heard, says: 'No, that is all. Goodbye.', isOver: true }
    const known = revealed.filter((fact) => visit.identity.includes(fact))
    const anew = { wish: wish + 1, revealed: known, isAgreed: false, isHandled: false, hasInsisted: false }
    return { ...heard, ...anew, says: `Yes. ${next.opening}` }
  }
  if (!asked.includes('?')) return { ...heard, says: 'All right.' }
  if (CONFIRM.test(asked)) return { ...heard, isAgreed: true, says: 'Yes, please do.' }
  const facts = { ...identityOf(mind), ...current.facts }
  const given = Object.keys(facts).filter((fact) => ABOUT[fact]?.test(asked))
  if (given.length === 0)
    return { ...heard, says: `I do not understand. You can ask me about: ${Object.keys(facts).join(', ')}.` }
  return {
    ...heard,
    revealed: [...new Set([...revealed, ...given])],
    says: given.map((fact) => facts[fact]).join(' '),
  }
}

function identityOf({ shop, visit }: Mind): { readonly [fact: string]: string } {
  const known = shop.customers[visit.customer]
  return Object.fromEntries(visit.identity.map((fact) => [fact, `My ${fact} is ${known?.[fact] as string}.`]))
}

/** What has been told with that too, of all that has to be. */
function toldBy({ visit, told }: Mind, asked: string): readonly number[] {
  const all = visit.wishes.flatMap(({ tell }) => tell)
  if (told.length === all.length) return told
  const numbers = /\d/.test(asked) ? (asked.replaceAll(/(?<=\d),(?=\d{3})/g, '').match(/\d+(\.\d+)?/g) ?? []) : []
  const isRefusal = REFUSAL.test(asked)
  const isTold = (fact: Tell): boolean =>
    'amount' in fact
      ? numbers.some((number) => Number(number) === Number(fact.amount))
      : isRefusal && asked.includes(fact.cannot.toLowerCase())
  const more = all.flatMap((fact, i) => (!told.includes(i) && isTold(fact) ? [i] : []))
  return more.length === 0 ? told : [...told, ...more]
}
