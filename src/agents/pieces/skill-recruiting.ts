/**
 * Recruiting by skill: which experts a question gets, from what each got right on questions that needed the same skills.
 *
 *     const profiles = profilesOf(results)                          // per expert: skill → right answers less wrong ones
 *     const weights = recruitingWeights(profiles, ['algebra', 'proofs'])
 *     recruited(weights, 3, random)                                  // three experts, with replacement
 *
 * After Symbolic-MoE (Chen et al. 2025, "Symbolic mixture-of-experts: adaptive skill-based routing for heterogeneous reasoning"):
 * local suitability is the sum of a profile over the question's skills, none below 0; global competence is an expert's share of
 * all profile mass; their product is sharpened by 1 / T, T = .5.
 */

/** Of one question of the validation set: its skills, and whether each expert was right. */
export interface SkillResult {
  readonly skills: readonly string[]
  readonly right: readonly boolean[]
}

/** By expert: right answers less wrong ones, of each skill. Plain data. */
export type SkillProfile = { readonly [skill: string]: number }

export function profilesOf(results: readonly SkillResult[]): readonly SkillProfile[] {
  const profiles: { [skill: string]: number }[] = (results[0]?.right ?? []).map(() => ({}))
  for (const { skills, right } of results)
    for (const [expert, profile] of profiles.entries())
      for (const skill of skills) profile[skill] = (profile[skill] ?? 0) + (right[expert] === true ? 1 : -1)
  return profiles
}

/** The chance of each expert to be drawn; sums to 1. Even where no expert has a skill that is asked for. @param temperature @default 0.5 */
export function recruitingWeights(
  profiles: readonly SkillProfile[],
  skills: readonly string[],
  temperature = 0.5,
): number[] {
  const mass = profiles.map((profile) =>
    Math.max(
      0,
      Object.values(profile).reduce((sum, one) => sum + one, 0),
    ),
  )
  const total = mass.reduce((sum, one) => sum + one, 0)
  const weights = profiles.map((profile, expert) => {
    const local = skills.reduce((sum, skill) => sum + (profile[skill] ?? 0), 0)
    const share = total > 0 ? (mass[expert] as number) / total : 1
    return (Math.max(0, local) * share) ** (1 / temperature)
  })
  const sum = weights.reduce((all, one) => all + one, 0)
  return sum > 0 ? weights.map((one) => one / sum) : weights.map(() => 1 / weights.length)
}

/** `k` experts by their weights, with replacement. */
export function recruited(weights: readonly number[], k: number, random: () => number): number[] {
  return Array.from({ length: k }, () => {
    let left = random()
    for (const [expert, weight] of weights.entries()) {
      left -= weight
      if (left < 0) return expert
    }
    return weights.findLastIndex((weight) => weight > 0)
  })
}

/** Drawn experts who were given less than this share of all draws give way to those who were given more. */
const RARE = 0.05

/** The draws of many questions with rare experts replaced: each by the likeliest expert of its question that is not rare. */
export function withoutRare(
  draws: readonly (readonly number[])[],
  weights: readonly (readonly number[])[],
  share = RARE,
): number[][] {
  const experts = weights[0]?.length ?? 0
  const used = Array.from(
    { length: experts },
    (_, expert) => draws.filter((drawn) => drawn.includes(expert)).length / draws.length,
  )
  const common = used.flatMap((one, expert) => (one >= share ? [expert] : []))
  if (common.length === 0) return draws.map((drawn) => [...drawn])
  return draws.map((drawn, question) =>
    drawn.map((expert) => {
      if ((used[expert] as number) >= share) return expert
      const own = weights[question] as readonly number[]
      return common.reduce(
        (best, one) => ((own[one] as number) > (own[best] as number) ? one : best),
        common[0] as number,
      )
    }),
  )
}
