/**
 * How long the law takes to decide one call: among 100 rules with patterns, and on 10 kB against patterns on which
 * backtracking would never end.
 *
 *     node bench/law-time.ts [--json]
 */
import { parseArgs } from 'node:util'
import { judge, parseLaw } from '../src/policy/law.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean' } } })
const request = (args: unknown) => ({ call: 'call', tool: 'send', args, principal: 'ada', program: 'clerk' })

const law = judge(
  parseLaw({
    rules: Array.from({ length: 100 }, (_, i) => ({
      id: `r${i}`,
      effect: 'allow',
      tool: 'send',
      args: { to: { matches: `[a-z0-9]{1,20}@site${i}\\.example` }, amount: { minimum: i, maximum: i + 100 } },
    })),
  }),
)
const patterns = ['^(a+)+$', '^(a|aa)+$', '(a*)*b', '^([a-z]+)*[0-9]$', '(x+x+)+y', '^(a?){50}a{50}$']
const hard = judge(
  parseLaw({
    rules: patterns.map((pattern, i) => ({ id: `h${i}`, effect: 'allow', args: { [`a${i}`]: { pattern } } })),
  }),
)

/** Microseconds of single decisions, sorted; the first quarter, in which code is compiled, is left out. */
function times(count: number, decide: (i: number) => unknown): number[] {
  const taken = Array.from({ length: count }, (_, i) => {
    const from = performance.now()
    decide(i)
    return (performance.now() - from) * 1000
  })
  return taken.slice(count / 4).toSorted((a, b) => a - b)
}

function row(what: string, taken: readonly number[]): object {
  const at = (share: number): string => (taken[Math.floor((taken.length - 1) * share)] as number).toFixed(1)
  return { what, 'p50 µs': at(0.5), 'p99 µs': at(0.99), 'worst µs': at(1) }
}

const rows = [
  row(
    'among 100 rules, another argument each time',
    times(20_000, (i) => law.decide(request({ to: `ann${i}@site${i % 100}.example`, amount: i % 200 }))),
  ),
  ...patterns.map((pattern, i) =>
    row(
      `10 kB against ${pattern}`,
      times(400, (n) => hard.decide(request({ [`a${i}`]: `${'ax'[n % 2]?.repeat(10_000)}!` }))),
    ),
  ),
]
if (values.json === true) console.log(JSON.stringify(rows))
else console.table(rows)
