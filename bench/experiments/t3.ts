/**
 * T3, rule books: random streams of operations as a model would send them (also wrong ones: unknown ids, rules of success after a
 * failure, writing into a full book), whose rules refer to each other. After each operation the book is held against a reading
 * that keeps every rule under a name of its own and never renumbers.
 */
import {
  applyRuleOp,
  arrangeRules,
  danglingReferences,
  emptyBook,
  mergeRules,
  RULES_MAX,
  ruleTypes,
  type Outcome,
  type RuleBook,
  type RuleOp,
} from '../../src/agents/pieces/rule-book.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Experiment } from './experiment.ts'

const OPS = 200
const OUTCOMES: readonly Outcome[] = ['direct success', 'indirect success', 'failure']
const TELLS_SUCCESS = new Set(['Useful Helper Method', 'Success Process'])

/** Each rule says its own name and that of one other: `I am #7, see rule_3 (#4)`. */
const mark = (text: string): string => /I am #(\d+)/.exec(text)?.[1] ?? ''
const points = (text: string): readonly [string, string][] =>
  [...text.matchAll(/(rule_\d+) \(#(\d+)\)/g)].map(([, id, name]) => [id as string, name as string])

function measure(seed: number) {
  let drawn = 0
  const draw = (below: number) => Math.floor(randomAt(seed, 0, drawn++) * below)
  let book: RuleBook = emptyBook()
  let names = 0
  /** Names that a merge put under another. */
  const under = new Map<string, string>()
  const nameNow = (name: string): string => (under.has(name) ? nameNow(under.get(name) as string) : name)
  let [over, wrong, leaked, dangling, refused, references] = [0, 0, 0, 0, 0, 0]
  for (let i = 0; i < OPS; i++) {
    const outcome = OUTCOMES[draw(3)] as Outcome
    const some = book.rules[draw(Math.max(1, book.rules.length))]
    const id = draw(10) === 0 ? `rule_${100 + draw(9)}` : (some?.id ?? 'rule_0')
    const see = some === undefined ? '' : `, see ${some.id} (#${mark(some.rule)})`
    const text = () => `I am #${names++}${see}.`
    const before = book
    const kind = draw(10)
    if (kind < 6) {
      const type = ruleTypes[draw(ruleTypes.length)] as (typeof ruleTypes)[number]
      const op: RuleOp = { op: 'write', type, rule: text(), example: '', record: `trial ${i}` }
      const changed = applyRuleOp(book, op, outcome)
      book = changed.book
      if (!changed.ok) refused++
      if (changed.ok && outcome === 'failure' && TELLS_SUCCESS.has(type)) leaked++
    } else if (kind < 8) {
      const type = ruleTypes[draw(ruleTypes.length)] as (typeof ruleTypes)[number]
      const changed = applyRuleOp(book, { op: 'update', id, type, record: `trial ${i}` }, outcome)
      book = changed.book
      if (!changed.ok) refused++
      if (changed.ok && outcome === 'failure' && TELLS_SUCCESS.has(type)) leaked++
    } else if (kind === 8) book = applyRuleOp(book, { op: 'delete', id }, outcome).book
    else {
      const [one, other] = [book.rules[0], book.rules[draw(Math.max(1, book.rules.length))]]
      if (one !== undefined && other !== undefined && one !== other) {
        under.set(mark(other.rule), mark(one.rule))
        book = mergeRules(book, [one.id, other.id], { rule: one.rule })
      }
    }
    if (draw(5) === 0) book = arrangeRules(book)
    if (book.rules.length > RULES_MAX || book.rules.some(({ records }) => records.length > 3)) over++
    dangling += danglingReferences(book).length
    const held = new Map(book.rules.map((rule) => [rule.id, mark(rule.rule)]))
    for (const rule of book.rules)
      for (const [to, name] of points(rule.rule)) {
        references++
        if (held.get(to) !== nameNow(name)) wrong++
      }
    if (new Set(book.rules.map((rule) => rule.id)).size !== book.rules.length) wrong++
    // What is refused changes nothing.
    if (before.rules.length > RULES_MAX) over++
  }
  return { over, wrong, leaked, dangling, refused, references }
}

export const t3: Experiment = {
  id: 'T3',
  what: `rule books, ${OPS} random operations a seed`,
  bar: 'never more than 12 rules; every reference names its rule after renumbering; no rule of success from a failure',
  seeds: 500,
  run(seeds) {
    const runs = Array.from({ length: seeds }, (_, seed) => measure(seed))
    const total = (of: (run: (typeof runs)[number]) => number) => runs.reduce((sum, run) => sum + of(run), 0)
    const [over, wrong, dangling, leaked] = [
      total((run) => run.over),
      total((run) => run.wrong),
      total((run) => run.dangling),
      total((run) => run.leaked),
    ]
    return {
      measured: `${over} times above, ${wrong} of ${total((run) => run.references)} references wrong, ${dangling} dangling, ${leaked} rules of success from failures, ${total((run) => run.refused)} operations refused`,
      ok: over + wrong + dangling + leaked === 0,
    }
  },
}
