/** How figures are quoted: the median, with the smallest and largest beside it, the machine and the day. */
import { cpus } from 'node:os'

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return rounded(sorted[sorted.length >> 1] ?? NaN)
}

/** `median (min–max)`. */
export function spread(values: readonly number[]): string {
  return `${median(values)} (${rounded(Math.min(...values))}–${rounded(Math.max(...values))})`
}

export function percentile(sorted: ArrayLike<number>, share: number): number {
  return rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN)
}

function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** What figures were taken on: cores, processor and Node. */
export function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}`
}

/** Today, as pages say it: year-month-day, UTC. */
export function today(): string {
  return new Date().toISOString().slice(0, 10)
}
