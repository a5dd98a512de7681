/** Amounts as the dashboard writes them: short, and of equal width where digits are. */

/** 950, 12.3k, 4.56M. */
export function count(n: number): string {
  if (n < 1_000) return String(Math.round(n))
  if (n < 999_500) return `${(n / 1_000).toFixed(n < 99_950 ? 1 : 0)}k`
  return `${(n / 1_000_000).toFixed(2)}M`
}

/** 950 bytes, 12.3 kB, 4.6 MB: powers of ten, as limits are given. */
export function bytes(n: number): string {
  if (n < 1_000) return `${Math.round(n)} bytes`
  const [unit, of] = n < 999_500 ? ['kB', 1e3] : n < 999_500_000 ? ['MB', 1e6] : ['GB', 1e9]
  return `${(n / of).toFixed(n / of < 99.95 ? 1 : 0).replace(/\.0$/, '')} ${unit}`
}

/** US dollars. */
export function usd(n: number): string {
  if (n === 0) return '–'
  if (n < 0.000_05) return '<$0.0001'
  return n < 0.01 ? `$${n.toFixed(4)}` : n < 100 ? `$${n.toFixed(2)}` : `$${n.toFixed(0)}`
}

/** Milliseconds as the two largest units that say something. */
export function duration(ms: number): string {
  if (ms < 1) return '0 ms'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const s = Math.round(ms / 1_000)
  if (s < 3_600) return `${Math.floor(s / 60)} m ${pad(s % 60)} s`
  const m = Math.floor(s / 60)
  if (m < 1_440) return `${Math.floor(m / 60)} h ${pad(m % 60)} m`
  return `${Math.floor(m / 1_440)} d ${Math.floor((m % 1_440) / 60)} h`
}

/** An age in a table: whole seconds, so that it moves once a second. */
export function age(ms: number): string {
  return ms < 60_000 ? `${Math.max(0, Math.floor(ms / 1_000))} s` : duration(ms)
}

/** Time of day. */
export function clock(at: number): string {
  const time = new Date(at)
  return `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`
}

/** Date and time. */
export function moment(at: number): string {
  const time = new Date(at)
  return `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())} ${clock(at)}`
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)}%`
}

function pad(n: number): string {
  return String(n).padStart(2, '0')
}
