/**
 * Regions: which values conditions hold for, and proofs that one holds for no more than another.
 *
 *     narrower({ const: 'a@acme.com' }, { matches: '[a-z]+@acme\\.com' })   // { verdict: 'contained' }
 *     narrower({ pattern: 'acme' }, { pattern: '^acme$' })                  // { verdict: 'not contained', witness: 'aacme' }
 *
 * Containment is a question of satisfiability: is there a value that `inner` holds for and `outer` does not? It is answered type by
 * type: null and booleans are tried; strings, numbers, arrays and objects have a file each (string-region.ts …), and ask here
 * again for items and members.
 *
 * Invariants
 *   P1. 'contained' is said only when it is so, of all JSON values up to 32 levels deep.
 *   P2. A witness was checked by running both conditions on it.
 *   P3. What takes too long, or is beyond the method, is 'unknown', with the reason: the caller counts it as not contained.
 *   P4. A question takes at most 4,000 steps and looks at no more than 200,000 states of automata.
 */
import { findArray } from './array-region.ts'
import type { Claim, Found, Question } from './claims.ts'
import { claimsHold, firstOf, takeStep } from './claims.ts'
import type { Condition, Form, Json } from './conditions.ts'
import { read } from './conditions.ts'
import { findNumber } from './number-region.ts'
import { findObject } from './object-region.ts'
import { findString } from './string-region.ts'

export type Proof =
  | { readonly verdict: 'contained' }
  /** `inner` holds for the witness, `outer` does not. */
  | { readonly verdict: 'not contained'; readonly witness: Json }
  | { readonly verdict: 'unknown'; readonly why: string }

/**
 * Whether `outer` holds for every value that `inner` holds for. With doubt = true both are read as `deny` reads them.
 * Throws a TypeError when a condition cannot be compiled.
 */
export function narrower(inner: Condition, outer: Condition, doubt = false): Proof {
  const claims: readonly Claim[] = [
    { form: read(inner, 'inner'), doubt, want: true },
    { form: read(outer, 'outer'), doubt, want: false },
  ]
  const question = createQuestion()
  const found = question.find(claims)
  if (found === 'none') return { verdict: 'contained' }
  if (found === 'unknown') return { verdict: 'unknown', why: question.why }
  if (!claimsHold(claims, found.value)) return { verdict: 'unknown', why: 'a witness was found that is none' }
  return { verdict: 'not contained', witness: found.value }
}

const stepsMax = 4_000
/** On average, for each step. */
const statesMax = 50

/** A question that may take so many steps. It remembers its answers. */
export function createQuestion(steps = stepsMax): Question {
  const answers = new Map<string, Found>()
  const ids = new Map<Form, number>()
  const keyOf = ({ form, doubt, want }: Claim): string => {
    let id = ids.get(form)
    if (id === undefined) ids.set(form, (id = ids.size))
    return `${id}${doubt ? '?' : ''}${want ? '' : '!'}`
  }
  const question: Question = {
    stepsLeft: steps,
    statesLeft: steps * statesMax,
    why: 'no reason',
    find(claims) {
      const key = claims.map(keyOf).sort().join()
      const known = answers.get(key)
      if (known !== undefined) return known
      const answer = findByType(claims, question)
      answers.set(key, answer)
      return answer
    },
  }
  return question
}

function findByType(claims: readonly Claim[], question: Question): Found {
  if (!takeStep(question)) return 'unknown'
  const finders = [findString, findNumber, findPlain, findArray, findObject]
  let isUnknown = false
  for (const find of finders) {
    const found = find(claims, question)
    if (found === 'unknown') isUnknown = true
    else if (found !== 'none') return found
  }
  return isUnknown ? 'unknown' : 'none'
}

function findPlain(claims: readonly Claim[]): Found {
  return firstOf([null, false, true], claims)
}
