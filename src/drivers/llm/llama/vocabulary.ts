/**
 * The vocabulary under a constraint: which tokens to ask the grammar about.
 *
 * A grammar is asked one token at a time, about 2 µs each. In free text the best tokens are allowed and few are asked; where
 * one character is forced, all tokens might have to be. So after the first few refusals the grammar is asked which first
 * characters may come (one question a character that is a token of its own), and only tokens that begin with one of those
 * are asked about. The order, and so the choice, stays that of the scores.
 */
import type { Constraint } from './constraint.ts'
import type { Machine } from './library.ts'
import { asTokens } from './library.ts'

/** Tokens asked about before their first characters are (invented). */
const ASKED_FIRST = 32

/** The scores of the tokens that the constraint allows, from the best to the worst. */
export function* narrowed(
  machine: Machine,
  scores: Iterable<readonly [token: number, logit: number]>,
  constraint: Constraint,
): Generator<readonly [token: number, logit: number]> {
  let asked = 0
  let closed: ReadonlySet<string> | undefined
  const { firsts, singles } = vocabularyOf(machine)
  for (const entry of scores) {
    const [token] = entry
    if (closed !== undefined && closed.has(firsts[token] as string)) continue
    if (asked === ASKED_FIRST && closed === undefined)
      closed = new Set([...singles].filter(([, single]) => !constraint.allows(single)).map(([first]) => first))
    asked++
    if (constraint.allows(token)) yield entry
  }
}

interface Vocabulary {
  /** The first character of each token's text; empty where it is no whole character, or an end token. */
  readonly firsts: readonly string[]
  /** Tokens that are one character, by it. */
  readonly singles: ReadonlyMap<string, number>
}

const vocabularies = new WeakMap<object, Vocabulary>()

function vocabularyOf(machine: Machine): Vocabulary {
  const known = vocabularies.get(machine.model)
  if (known !== undefined) return known
  const { model } = machine
  const firsts: string[] = []
  const singles = new Map<string, number>()
  // Behind another token: at the beginning of a text some vocabularies drop a space.
  const anchor = model.tokenize('a')
  const skipped = model.detokenize(anchor, true).length
  for (const token of model.iterateAllTokens()) {
    if (model.isEogToken(token)) {
      firsts[token] = ''
      continue
    }
    const text = model.detokenize([...anchor, token], true).slice(skipped)
    const [first = ''] = text
    firsts[token] = first === '�' ? '' : first
    if (text === first && first !== '' && first !== '�') singles.set(first, asTokens([token])[0] as number)
  }
  const made = { firsts, singles }
  vocabularies.set(model, made)
  return made
}
