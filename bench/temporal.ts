/**
 * What temporal rules cost: ten rules of the size of Declare templates over twenty atoms, compiled once, asked and stepped
 * for every event.
 *
 *     node bench/temporal.ts
 *
 * Measured: compiling the rules, each alone and all together; `refusal` and `step` of one event, each timed by itself with
 * the cost of looking at the clock taken off; offering 30 tools (`allowedNext`); the same without look-ahead. Not measured:
 * making the atoms of an event out of a system call, which is the law's.
 */
import type { Event } from '../src/policy/progression.ts'
import { compileRules } from '../src/policy/temporal.ts'
import { parseRule } from '../src/policy/templates.ts'

const EVENTS = 100_000

const related = [
  'precedence(t0, t1)',
  'response(t2, t3)',
  'never(t4, t5, t6)',
  'alternateResponse(t7, t8)',
  'atMost(3, t9)',
  'chainResponse(t10, t11)',
  'succession(t12, t13)',
  'notSuccession(t14, t15)',
  'respondedExistence(t16, t17)',
  'alternatePrecedence(t18, t19)',
]
const never = Array.from({ length: 10 }, (_, i) => `never(t${i}, t${i + 10}, t${(i + 1) % 10})`)
const events: readonly Event[] = Array.from(
  { length: 20 },
  (_, i) => new Set([`t${i}`, `label${i % 3}`, ...(i % 4 === 0 ? [`t${(i * 7) % 20}`] : [])]),
)
const tools = Array.from({ length: 30 }, (_, i) => ({ atoms: new Set([`t${i}`]) }))

const us = (nanoseconds: bigint): number => Number(nanoseconds) / 1000

function quantiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (q: number): string => (sorted[Math.floor(q * (sorted.length - 1))] as number).toFixed(2)
  return `p50 ${at(0.5)}  p99 ${at(0.99)}  p99.9 ${at(0.999)} µs`
}

/** Each call timed by itself; the least that two looks at the clock cost is taken off. */
function timed(count: number, act: (i: number) => void): string {
  let look = Infinity
  for (let i = 0; i < 10_000; i++) {
    const from = process.hrtime.bigint()
    look = Math.min(look, us(process.hrtime.bigint() - from))
  }
  const took: number[] = []
  for (let i = 0; i < count; i++) {
    const from = process.hrtime.bigint()
    act(i)
    took.push(Math.max(0, us(process.hrtime.bigint() - from) - look))
  }
  return quantiles(took)
}

for (const [name, texts] of [
  ['ten different templates', related],
  ['ten of never … after … unless', never],
] as const) {
  const rules = texts.map((text) => ({ id: text, formula: parseRule(text) }))
  const oneTool = [Array.from({ length: 20 }, (_, i) => `t${i}`)]
  for (const options of [{}, { exclusive: oneTool }, { statesMax: 0 }]) {
    const compile = Array.from({ length: 9 }, () => {
      const from = process.hrtime.bigint()
      compileRules(rules, options)
      return us(process.hrtime.bigint() - from) / 1000
    }).sort((a, b) => a - b)
    const compiled = compileRules(rules, options)
    const states = [...compiled.monitors.values()].map((monitor) => monitor.states)
    const blind = 'statesMax' in options
    console.log(`\n${name}${blind ? ', without look-ahead' : 'exclusive' in options ? ', one tool an event' : ''}`)
    console.log(
      `  compiled in ${compile[4]?.toFixed(1)} ms (${compile[0]?.toFixed(1)} to ${compile[8]?.toFixed(1)}); states ${states.join(' ')}, together ${compiled.jointLookAhead ? 'seen' : 'not seen'}`,
    )
    const count = blind ? EVENTS / 20 : EVENTS
    let state = compiled.start
    const next = (i: number): Event => events[(i * 13) % 20] as Event
    const step = (i: number): void => void (state = compiled.step(state, next(i)))
    timed(count / 10, step)
    console.log(`  step             ${timed(count, step)}`)
    state = compiled.start
    const guarded = (i: number): void => {
      if (compiled.refusal(state, next(i)) === undefined) state = compiled.step(state, next(i))
    }
    console.log(`  refusal and step ${timed(count, guarded)}`)
    console.log(`  offer 30 tools   ${timed(count / 20, () => void compiled.allowedNext(state, tools))}`)
  }
}
