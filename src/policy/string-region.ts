/**
 * Strings that make claims true: a search through the product of the automata of their patterns, lengths and lists.
 *
 *     findString([{ form: read({ pattern: 'acme' }), doubt: false, want: true }], question)     // { value: 'acme' }
 *
 * Invariant
 *   SR1. Exact, up to the bounds of automaton.ts; the string found is a shortest one.
 */
import type { Automaton, Walker } from './automaton.ts'
import { findText, lengthWalker, listWalker } from './automaton.ts'
import type { Claim, Found, Question } from './claims.ts'
import { firstOf, listed, unknown } from './claims.ts'
import type { Form, Values } from './conditions.ts'
import { typeBits } from './conditions.ts'
import type { Logic } from './search.ts'
import { all, logicOf, truthOf } from './search.ts'

type TextAtom =
  | { readonly is: 'text'; readonly automaton: Automaton }
  | { readonly is: 'length'; readonly min: number; readonly max: number }
  | { readonly is: 'values'; readonly values: Values }

function textAtoms(form: Form): TextAtom[] {
  const atoms: TextAtom[] = form.texts.map((automaton) => ({ is: 'text', automaton }))
  for (const values of form.values) atoms.push({ is: 'values', values })
  if (form.minLength !== undefined || form.maxLength !== undefined)
    atoms.push({ is: 'length', min: form.minLength ?? 0, max: form.maxLength ?? Infinity })
  return atoms
}

function walkerOf(atom: TextAtom): Walker {
  if (atom.is === 'text') return atom.automaton.walker()
  if (atom.is === 'length') return lengthWalker(atom.min, atom.max)
  return listWalker([...atom.values.plain].filter((value) => typeof value === 'string'))
}

export function findString(claims: readonly Claim[], question: Question): Found {
  const options = listed(claims, typeBits.string)
  if (options !== undefined) return firstOf(options, claims)
  const logic = all(claims.map((claim) => logicOf(claim, typeBits.string, textAtoms)))
  if (truthOf(logic, () => undefined) === false) return 'none'
  const places = new Map<unknown, number>()
  const walkers: Walker[] = []
  const indexes = new Map<TextAtom, number>()
  const visit = (part: Logic<TextAtom>): void => {
    if (part.kind === 'fact') return
    if (part.kind !== 'atom') return part.parts.forEach(visit)
    const { atom } = part
    const identity =
      atom.is === 'text' ? atom.automaton : atom.is === 'values' ? atom.values : `${atom.min} ${atom.max}`
    let place = places.get(identity)
    if (place === undefined) {
      place = walkers.push(walkerOf(atom)) - 1
      places.set(identity, place)
    }
    indexes.set(atom, place)
  }
  visit(logic)
  const found = findText(walkers, (truths) => truthOf(logic, (atom) => truths[indexes.get(atom) as number]), question)
  if (found === 'unknown') return unknown(question, 'the strings take too many states')
  return found === undefined ? 'none' : { value: found.text }
}
