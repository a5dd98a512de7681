/** Amounts as people read them: bytes, durations, tokens, money. All are short enough for a column. */
import type { Usage } from '../kernel/types.ts'

/** 980 B, 1.2 kB, 40 MB. */
export function bytes(count: number): string {
  return scaled(count, 1_000, ['B', 'kB', 'MB', 'GB', 'TB'])
}

/** 0.4 ms, 12 ms, 1.2 s, 3m12s, 2h05m, 4d02h. */
export function duration(ms: number): string {
  if (ms < 10) return `${Math.max(0, ms).toFixed(1)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${twoDigits((seconds % 60) | 0)}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h${twoDigits(((seconds % 3_600) / 60) | 0)}m`
  return `${Math.floor(seconds / 86_400)}d${twoDigits(((seconds % 86_400) / 3_600) | 0)}h`
}

/** 950, 12.4k, 3.1M. */
export function tokens(count: number): string {
  return scaled(count, 1_000, ['', 'k', 'M', 'G']).replace(' ', '')
}

/** $0.0042, $1.25; of the smallest amounts as many digits as say something: $0.000012. */
export function usd(amount: number): string {
  if (amount === 0) return '$0'
  if (amount >= 0.01) return `$${amount.toFixed(2)}`
  return `$${amount.toFixed(Math.min(DIGITS_MAX, Math.max(4, 1 - Math.floor(Math.log10(amount)))))}`
}

/** Of `toFixed`. */
const DIGITS_MAX = 100

/** 1 file, 2 files. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? noun : plural}`
}

/** 4 model calls, 3.5k tokens, $0.02. */
export function costOf(usage: Usage): string {
  const count = usage.inputTokens + usage.outputTokens
  return `${counted(usage.steps, 'model call')}, ${tokens(count)} tokens${usage.usd === 0 ? '' : `, ${usd(usage.usd)}`}`
}

function scaled(count: number, step: number, units: readonly string[]): string {
  let value = count
  let unit = 0
  while (value >= step - 0.5 && unit < units.length - 1) {
    value /= step
    unit++
  }
  const text = unit === 0 || value >= 99.95 ? String(Math.round(value)) : value.toFixed(1)
  return `${text} ${units[unit]}`.trimEnd()
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
