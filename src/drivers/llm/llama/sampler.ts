/**
 * The sampler: which token comes next, given the scores of all. A pure function of its arguments: chance comes in as one
 * number of a counter-based stream, so a generation that was interrupted draws what the uninterrupted one would have drawn.
 *
 *     pickToken(scores, { temperature: 0.8, topK: 40, topP: 0.95 }, randomAt(seed, stream, position), allows)
 *
 * Order of the steps as in llama.cpp's default chain: grammar, top-k, top-p, temperature, draw. Defaults are llama.cpp's
 * (`common_params_sampling`: top_k 40, top_p 0.95, temp 0.8).
 */

export interface Sampling {
  /** 0: always the best token. @default 0.8 */
  readonly temperature: number
  /** Of how many best tokens one is drawn. @default 40 */
  readonly topK: number
  /** Of these, the fewest whose probabilities add up to this much. @default 0.95 */
  readonly topP: number
}

export const SAMPLING_DEFAULTS: Sampling = { temperature: 0.8, topK: 40, topP: 0.95 }

/**
 * The next token. `scores` are logits from the best to the worst; `random` is in [0, 1). Where `allows` is given, tokens
 * that it refuses are as if they did not exist. Undefined where none is left.
 */
export function pickToken(
  scores: Iterable<readonly [token: number, logit: number]>,
  { temperature, topK, topP }: Sampling,
  random: number,
  allows?: (token: number) => boolean,
): number | undefined {
  const most = temperature <= 0 ? 1 : Math.max(1, topK)
  const tokens: number[] = []
  const logits: number[] = []
  for (const [token, logit] of scores) {
    if (allows !== undefined && !allows(token)) continue
    tokens.push(token)
    logits.push(logit)
    if (tokens.length === most) break
  }
  if (tokens.length <= 1) return tokens[0]
  const best = logits[0] as number
  const plain = logits.map((logit) => Math.exp(logit - best))
  const plainSum = plain.reduce((a, b) => a + b, 0)
  let kept = 0
  for (let mass = 0; kept < plain.length && mass < topP * plainSum; kept++) mass += plain[kept] as number
  kept = Math.max(1, kept)
  let sum = 0
  const weights = logits.slice(0, kept).map((logit) => {
    const weight = Math.exp((logit - best) / temperature)
    sum += weight
    return weight
  })
  let left = random * sum
  for (let i = 0; i < kept; i++) {
    left -= weights[i] as number
    if (left < 0) return tokens[i]
  }
  return tokens[kept - 1]
}
