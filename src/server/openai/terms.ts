/**
 * The terms of a request that OpenAI's form has no words for: headers of ours, which every client can send.
 *
 *     x-polity-run: invoices-42          requests with the same name are one run, with one budget and one standing
 *     x-polity-priority: 5               higher goes first under the `priority` discipline
 *     x-polity-deadline-ms: 2000         when the answer is no longer worth having, ms from now
 *     x-polity-budget-tokens: 5000       ceilings of this request alone
 *     x-polity-budget-usd: 0.02
 *
 * Invariant
 *   TE1. A header `x-polity-…` that is none of these is refused, and so is a value that does not fit.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { ModelRequest } from '../model-door.ts'
import { unknownHeader } from '../polity-headers.ts'
import { badField } from './errors.ts'

const names = [
  'x-polity-run',
  'x-polity-priority',
  'x-polity-deadline-ms',
  'x-polity-budget-tokens',
  'x-polity-budget-usd',
] as const

/** Longest name of a run, characters. */
const RUN_CHARS_MAX = 200

/** What the headers say. Throws `INVALID_ARGUMENT`. */
export function termsOf(
  headers: IncomingHttpHeaders,
): Pick<ModelRequest, 'run' | 'priority' | 'deadlineMs' | 'budget'> {
  const unknown = unknownHeader(headers, names)
  if (unknown !== undefined) throw badField(unknown.name, unknown.message, 'unknown_parameter')
  const run = headerOf(headers, 'x-polity-run')
  if (run !== undefined && (run === '' || run.length > RUN_CHARS_MAX))
    throw badField('x-polity-run', `The header x-polity-run takes a name of 1 to ${RUN_CHARS_MAX} characters.`)
  const priority = numberOf(headers, 'x-polity-priority', 'a number', () => true)
  const deadlineMs = numberOf(headers, 'x-polity-deadline-ms', 'milliseconds above 0', (ms) => ms > 0)
  const tokens = numberOf(
    headers,
    'x-polity-budget-tokens',
    'a whole number above 0',
    (count) => Number.isSafeInteger(count) && count > 0,
  )
  const usd = numberOf(headers, 'x-polity-budget-usd', 'US dollars above 0', (dollars) => dollars > 0)
  const hasBudget = tokens !== undefined || usd !== undefined
  return {
    run,
    priority,
    deadlineMs,
    budget: hasBudget
      ? { ...(tokens === undefined ? {} : { tokens }), ...(usd === undefined ? {} : { usd }) }
      : undefined,
  }
}

function headerOf(headers: IncomingHttpHeaders, name: (typeof names)[number]): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

function numberOf(
  headers: IncomingHttpHeaders,
  name: (typeof names)[number],
  takes: string,
  fits: (value: number) => boolean,
): number | undefined {
  const text = headerOf(headers, name)
  if (text === undefined) return undefined
  const value = text.trim() === '' ? NaN : Number(text)
  if (!Number.isFinite(value) || !fits(value))
    throw badField(name, `The header ${name} takes ${takes}, not "${text.slice(0, 40)}".`)
  return value
}
