/**
 * Logistic regression with a ridge, by Newton's method: the chance of a yes, from numbers. Pure.
 *
 *     const row = fitLogistic([{ x: [1, 0.2], y: 1 }, { x: [1, -0.7], y: 0 }], { ridge: 1 })
 *     chanceOf(row, [1, 0.4])                     // 0 to 1
 *
 * The objective is convex, so the row is a function of the samples; their order changes it only by rounding.
 */
import { backSolve, cholesky, diagonal, solve } from './positive-definite.ts'
import { inner } from './nearest.ts'

export interface Sample {
  readonly x: readonly number[]
  /** 1 for yes, 0 for no; between them for a share. */
  readonly y: number
  /** @default 1 */
  readonly weight?: number
}

export interface LogisticOptions {
  /** Weight of the squared length of the row. Above 0. @default 1 */
  readonly ridge?: number
  /** Newton steps at most. @default 12 */
  readonly stepsMax?: number
}

export function logistic(value: number): number {
  return 1 / (1 + Math.exp(-value))
}

export function chanceOf(row: readonly number[], x: readonly number[]): number {
  return logistic(inner(row, x))
}

/** The row; all zeros where there are no samples. */
export function fitLogistic(samples: readonly Sample[], { ridge = 1, stepsMax = 12 }: LogisticOptions = {}): number[] {
  const size = samples[0]?.x.length ?? 0
  if (samples.length < size) return fitInSpan(samples, { ridge, stepsMax })
  let row = Array.from({ length: size }, () => 0)
  for (let step = 0; step < stepsMax; step++) {
    const slope = row.map((value) => -ridge * value)
    const curve = diagonal(size, ridge)
    for (const { x, y, weight = 1 } of samples) {
      const chance = chanceOf(row, x)
      const bend = weight * chance * (1 - chance)
      for (let i = 0; i < size; i++) {
        const [xi, line] = [x[i] as number, curve[i] as number[]]
        slope[i] = (slope[i] as number) + weight * (y - chance) * xi
        for (let j = 0; j <= i; j++) line[j] = (line[j] as number) + bend * xi * (x[j] as number)
      }
    }
    const move = solve(cholesky(curve), slope)
    row = row.map((value, i) => value + (move[i] as number))
    if (Math.max(...move.map(Math.abs)) < SETTLED) break
  }
  return row
}

/** The same row where there are fewer samples than numbers: it lies in the span of the samples, so it is found among as many numbers as they are. */
function fitInSpan(samples: readonly Sample[], options: LogisticOptions): number[] {
  const factor = cholesky(samples.map((a, i) => samples.map((b, j) => inner(a.x, b.x) + (i === j ? APART : 0))))
  const shares = backSolve(
    factor,
    fitLogistic(
      samples.map((one, i) => ({ ...one, x: factor[i] as number[] })),
      options,
    ),
  )
  return (samples[0]?.x ?? []).map((_, k) =>
    samples.reduce((sum, { x }, i) => sum + (shares[i] as number) * (x[k] as number), 0),
  )
}

const SETTLED = 1e-6
/** Keeps equal samples apart. */
const APART = 1e-9
