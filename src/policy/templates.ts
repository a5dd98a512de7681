/**
 * Templates: temporal rules by name, so that few need to write formulas.
 *
 *     parseRule('precedence(confirm, pay)')                              the same as formulas of the text …
 *     parseRule('response(lock, unlock) & atMost(3, retry)')             … and among other formulas
 *     rules.never('send', { after: 'read_private', unless: 'approve' })  … or as functions
 *
 * Most are those of Declare (Pesic and van der Aalst), with their names. Each says in a sentence what it demands of a whole
 * run. "Later" and "before" do not mean at once: `response(a, b)` is also met by one event that is both a and b. Where a
 * template takes an event it takes any formula; a string stands for the atom of that name.
 *
 * Invariants
 *   T1. Every template is met by the runs of its sentence and by no other: test/ltlf.test.ts tries all runs of up to six
 *       events over two atoms, of up to four over three.
 *   T2. The table is all there is: functions and text read it, and each entry says what it means.
 */
import type { Formula, Template } from './ltlf.ts'
import {
  and,
  atom,
  eventually,
  globally,
  implies,
  last,
  next,
  not,
  or,
  parseFormula,
  until,
  weakNext,
  weakUntil,
} from './ltlf.ts'

/** Largest number that `atLeast`, `atMost` and `exactly` take. */
const COUNT_MAX = 50

type Of<Args extends readonly unknown[]> = (...args: Args) => Formula

/** An entry of the table, whose arguments the text has checked against `takes`. */
function template<Args extends readonly (Formula | number | undefined)[]>(
  takes: readonly string[],
  means: string,
  make: Of<Args>,
): Template {
  return { takes, means, make: (...args) => make(...(args as unknown as Args)) }
}

const one = (means: string, make: Of<[Formula]>): Template => template<[Formula]>(['a'], means, make)
const two = (means: string, make: Of<[Formula, Formula]>): Template =>
  template<[Formula, Formula]>(['a', 'b'], means, make)
const count = (means: string, make: Of<[number, Formula]>): Template =>
  template<[number, Formula]>(['k', 'a'], means, make)

/** a happens k times or more, for k of 1 or more. */
function repeated(k: number, a: Formula): Formula {
  let found = eventually(a)
  for (let i = 1; i < k; i++) found = eventually(and(a, next(found)))
  return found
}

function checkedCount(k: number, least: number): number {
  if (Number.isInteger(k) && k >= least && k <= COUNT_MAX) return k
  throw new RangeError(`a number of times is a whole number from ${least} to ${COUNT_MAX}, not ${k}`)
}

const response = (a: Formula, b: Formula): Formula => globally(implies(a, eventually(b)))
const precedence = (a: Formula, b: Formula): Formula => weakUntil(not(b), a)
const respondedExistence = (a: Formula, b: Formula): Formula => implies(eventually(a), eventually(b))
const alternateResponse = (a: Formula, b: Formula): Formula => globally(implies(a, next(until(not(a), b))))
const alternatePrecedence = (a: Formula, b: Formula): Formula =>
  and(precedence(a, b), globally(implies(b, weakNext(precedence(a, b)))))
const chainResponse = (a: Formula, b: Formula): Formula => globally(implies(a, next(b)))
const chainPrecedence = (a: Formula, b: Formula): Formula => and(not(b), globally(implies(next(b), a)))
const absence = (a: Formula): Formula => globally(not(a))

/** All templates by name. */
export const templates = {
  existence: one('a happens.', eventually),
  absence: one('a never happens.', absence),
  absence2: one('a happens at most once.', (a) => not(repeated(2, a))),
  atLeast: count('a happens k times or more.', (k, a) => repeated(checkedCount(k, 1), a)),
  atMost: count('a happens k times or fewer.', (k, a) => not(repeated(checkedCount(k, 0) + 1, a))),
  exactly: count('a happens k times.', (k, a) => and(repeated(checkedCount(k, 1), a), not(repeated(k + 1, a)))),
  init: one('The first event is a.', (a) => a),
  end: one('The last event is a.', (a) => eventually(and(a, last))),
  choice: two('a or b happens, or both.', (a, b) => or(eventually(a), eventually(b))),
  exclusiveChoice: two('a or b happens, and not both.', (a, b) =>
    and(or(eventually(a), eventually(b)), not(and(eventually(a), eventually(b)))),
  ),
  respondedExistence: two('If a happens, b happens too, before or after.', respondedExistence),
  coExistence: two('If one of a and b happens, so does the other.', (a, b) =>
    and(respondedExistence(a, b), respondedExistence(b, a)),
  ),
  notCoExistence: two('a and b do not both happen.', (a, b) => not(and(eventually(a), eventually(b)))),
  response: two('Whenever a happens, b happens at the same time or later.', response),
  precedence: two('b happens only if a has happened before or at the same time.', precedence),
  succession: two('Both response and precedence.', (a, b) => and(response(a, b), precedence(a, b))),
  notSuccession: two('After a, or with it, b does not happen.', (a, b) => globally(implies(a, not(eventually(b))))),
  alternateResponse: two('After each a comes b, before the next a.', alternateResponse),
  alternatePrecedence: two('Each b needs an a of its own, after the b before it.', alternatePrecedence),
  alternateSuccession: two('Both alternateResponse and alternatePrecedence.', (a, b) =>
    and(alternateResponse(a, b), alternatePrecedence(a, b)),
  ),
  chainResponse: two('The event after each a is b.', chainResponse),
  chainPrecedence: two('The event before each b is a.', chainPrecedence),
  chainSuccession: two('Both chainResponse and chainPrecedence.', (a, b) =>
    and(chainResponse(a, b), chainPrecedence(a, b)),
  ),
  notChainSuccession: two('The event after a is never b.', (a, b) => globally(implies(a, not(next(b))))),
  never: template<[Formula, Formula?, Formula?]>(
    ['what', 'after?', 'unless?'],
    'It does not happen; or not once `after` has happened; or then only once `unless` has, since the last `after` or with it.',
    (what, after, unless) =>
      after === undefined
        ? absence(what)
        : globally(implies(after, unless === undefined ? absence(what) : weakUntil(not(what), unless))),
  ),
  whileOpen: template<[Formula, Formula, Formula]>(
    ['what', 'open', 'close'],
    'It happens only between an `open` and the `close` after it, or with the `open`.',
    (what, open, close) => and(weakUntil(not(what), open), globally(implies(close, weakUntil(not(what), open)))),
  ),
} satisfies { readonly [name: string]: Template }

export type TemplateName = keyof typeof templates

/** Reads a rule: a formula in which templates may be called. Throws a SyntaxError as `parseFormula` does. */
export function parseRule(text: string): Formula {
  return parseFormula(text, templates)
}

/** A formula, or the name of an atom. */
export type Term = Formula | string

const termOf = (term: Term): Formula => (typeof term === 'string' ? atom(term) : term)

/** Makes the rule of a template. */
export function rule(name: TemplateName, ...args: readonly (Term | number)[]): Formula {
  return templates[name].make(...args.map((arg) => (typeof arg === 'number' ? arg : termOf(arg))))
}

/** The rules that agents need most, as functions. */
export const rules = {
  /** `what` never happens; or not once `after` has, unless `unless` has happened since, or with it. */
  never: (what: Term, { after, unless }: { readonly after?: Term; readonly unless?: Term } = {}): Formula => {
    if (after === undefined && unless === undefined) return rule('never', what)
    // "Never pay unless confirmed" has no beginning: it is the precedence of the confirmation.
    if (after === undefined) return rule('precedence', unless as Term, what)
    return unless === undefined ? rule('never', what, after) : rule('never', what, after, unless)
  },
  /** `what` happens only after `first`, or with it: pay after confirm. */
  onlyAfter: (what: Term, first: Term): Formula => rule('precedence', first, what),
  /** Every `what` is answered by `by` before the run ends: lock by unlock. */
  answered: (what: Term, by: Term): Formula => rule('response', what, by),
  /** `what` happens k times or fewer. */
  atMost: (k: number, what: Term): Formula => rule('atMost', k, what),
  /** `what` is never the event right after `event`: delete right after list. */
  notRightAfter: (what: Term, event: Term): Formula => rule('notChainSuccession', event, what),
} as const
