/**
 * How long the law takes to decide one call: among 100 rules with patterns; on 10 kB against patterns on which
 * backtracking would never end; and on 10 kB against patterns that count to hundreds, for which a deterministic automaton
 * would need more states than there are atoms. The first decision on each pattern is a column of its own: it has the
 * compiling in it, of the pattern's states and of JavaScript.
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
const backtracking = ['^(a+)+$', '^(a|aa)+$', '(a*)*b', '^([a-z]+)*[0-9]$', '(x+x+)+y', '^(a?){50}a{50}$']
/** Patterns, and the pieces that their texts are made of at random. None of the texts matches, so all of it is read. */
const counting: readonly (readonly [pattern: string, ...pieces: string[]])[] = [
  ['a(a|b){400}c', 'a', 'b'],
  ['a.{400}c', 'a', 'b'],
  ['(a|b)*a(a|b){300}c', 'a', 'b'],
  ['(x[ab]{200}y){2}', 'a', 'b', 'xb'],
  ['(x.{200}y){2}[!?]', 'a', 'b', 'x', 'y'],
  ['a(ab|b){200}c', 'a', 'b'],
  ['a(ab|b){200}c', 'ab', 'b'],
  ['(a{0,50}){8}[cd]', 'a', 'b'],
  ['é(é|ü){400}c', 'é', 'ü'],
  ['a.{400}c', 'a', 'é', '語', '😀'],
  ['a([ab]{1,3}c?){100}d', 'a', 'b'],
  ['^(ab|b)*a[ab]{300}c$', 'ab', 'b'],
  ['a(a|b){990}c(a|b){900}', 'a', 'b'],
]

const length = 10_000
let seed = 1
/** A number below n, the same ones in each run (Lehmer's generator). */
function below(n: number): number {
  seed = (seed * 48_271) % 2_147_483_647
  return Math.floor((seed / 2_147_483_647) * n)
}

function textOf(pieces: readonly string[]): string {
  const points: string[] = []
  while (points.length < length) points.push(...(pieces[below(pieces.length)] as string))
  return points.slice(0, length).join('')
}

/** Microseconds of single decisions: the first, and the others sorted without the first quarter, in which code is compiled. */
function times(count: number, decide: (i: number) => unknown): { readonly first: number; readonly sorted: number[] } {
  const taken = Array.from({ length: count }, (_, i) => {
    const from = performance.now()
    decide(i)
    return (performance.now() - from) * 1000
  })
  return { first: taken[0] as number, sorted: taken.slice(count / 4).toSorted((a, b) => a - b) }
}

function row(what: string, { first, sorted }: ReturnType<typeof times>): object {
  const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] as number).toFixed(1)
  return { what, 'p50 µs': at(0.5), 'p99 µs': at(0.99), 'worst µs': at(1), 'first µs': first.toFixed(0) }
}

/** Decisions on texts for one pattern. The law is read within the first of them. */
function against(pattern: string, count: number, textAt: (n: number) => string): ReturnType<typeof times> {
  const texts = Array.from({ length: 32 }, (_, n) => textAt(n))
  const read = () => judge(parseLaw({ rules: [{ id: 'hard', effect: 'allow', args: { text: { pattern } } }] }))
  let hard: ReturnType<typeof read> | undefined
  return times(count, (n) => (hard ??= read()).decide(request({ text: texts[n % texts.length] })))
}

const rows = [
  row(
    'among 100 rules, another argument each time',
    times(20_000, (i) => law.decide(request({ to: `ann${i}@site${i % 100}.example`, amount: i % 200 }))),
  ),
  ...backtracking.map((pattern) =>
    row(
      `10 kB against ${pattern}`,
      against(pattern, 400, (n) => `${'ax'[n % 2]?.repeat(length)}!`),
    ),
  ),
  ...counting.map(([pattern, ...pieces]) =>
    row(
      `10 kB of ${pieces.join(' ')} against ${pattern}`,
      against(pattern, 400, () => textOf(pieces)),
    ),
  ),
]
if (values.json === true) console.log(JSON.stringify(rows))
else console.table(rows)
