/**
 * Symmetric positive definite matrices of a few dozen rows: factors, solutions, draws. Pure.
 *
 *     const factor = cholesky(P)                 // P = F Fᵀ
 *     solve(factor, b)                           // x with P x = b
 *     backSolve(factor, z)                       // x with Fᵀ x = z: of even normal z, a draw of N(0, P⁻¹)
 */
import { PolityError } from '../../kernel/errors.ts'

export type Matrix = readonly (readonly number[])[]

/** The matrix with `value` on its diagonal. */
export function diagonal(size: number, value: number): number[][] {
  return Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (i === j ? value : 0)))
}

/** Lower triangular F with P = F Fᵀ. Throws `INVALID_ARGUMENT` where P is not positive definite. */
export function cholesky(matrix: Matrix): number[][] {
  const factor = diagonal(matrix.length, 0)
  for (let i = 0; i < matrix.length; i++) {
    for (let j = 0; j <= i; j++) {
      const [rowI, rowJ] = [factor[i] as number[], factor[j] as number[]]
      let rest = matrix[i]?.[j] as number
      for (let k = 0; k < j; k++) rest -= (rowI[k] as number) * (rowJ[k] as number)
      if (i === j && !(rest > 0)) throw new PolityError('INVALID_ARGUMENT', 'the matrix is not positive definite')
      rowI[j] = i === j ? Math.sqrt(rest) : rest / (rowJ[j] as number)
    }
  }
  return factor
}

/** x with F Fᵀ x = b. */
export function solve(factor: Matrix, b: readonly number[]): number[] {
  const y: number[] = []
  for (let i = 0; i < b.length; i++) {
    let rest = b[i] as number
    for (let k = 0; k < i; k++) rest -= (factor[i]?.[k] as number) * (y[k] as number)
    y.push(rest / (factor[i]?.[i] as number))
  }
  return backSolve(factor, y)
}

/** x with Fᵀ x = z. */
export function backSolve(factor: Matrix, z: readonly number[]): number[] {
  const x = [...z]
  for (let i = z.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < z.length; k++) x[i] = (x[i] as number) - (factor[k]?.[i] as number) * (x[k] as number)
    x[i] = (x[i] as number) / (factor[i]?.[i] as number)
  }
  return x
}
