/**
 * A rule book: what an agent learned of an environment, as numbered rules that a model adds, changes and takes away.
 *
 *     const book = emptyBook()
 *     const { book: next, said } = applyRuleOp(book, { op: 'write', type: 'Special Mechanism', rule: 'A drawer has to be opened first.' }, 'failure')
 *     manualText(next)                       // the book as a chapter for a prompt
 *
 * The rules of Chen et al. 2024, "AutoManual: constructing instruction manuals by LLM agents via interactive environmental learning": five
 * types, an example, the last three records of validation, at most 12 rules. Beyond, two have to be merged (`mergeRules`).
 *
 * Pure: each operation gives a new book, and what to tell the model. An operation that is refused leaves the book as it is.
 *
 * Invariants
 *   RB1. Ids are `rule_0`, `rule_1`, … without gaps after `arrangeRules`, and every reference in a text names the rule that it named before;
 *        one whose rule is gone says so.
 *   RB2. A trial that failed adds no rule of the types that tell how to succeed, whatever the model asks for.
 *   RB3. A book never holds more than `rulesMax` rules.
 */
import { z } from 'zod'

/** The paper's types; the two last tell how to succeed. */
export const ruleTypes = [
  'Special Phenomenon',
  'Special Mechanism',
  'Corrected Error',
  'Unresolved Error',
  'Useful Helper Method',
  'Success Process',
] as const

export type RuleType = (typeof ruleTypes)[number]

export interface BookRule {
  readonly id: string
  readonly type: RuleType
  readonly rule: string
  /** Code, or an action and its observation. @default '' */
  readonly example: string
  /** Newest last, three at most. */
  readonly records: readonly string[]
}

export interface RuleBook {
  readonly rules: readonly BookRule[]
  /** Number of the next rule. */
  readonly next: number
}

/** How a trial ended: without an error, with errors on the way, or not at its goal. */
export type Outcome = 'direct success' | 'indirect success' | 'failure'

const fields = { rule: z.string().min(1), example: z.string().optional(), record: z.string().optional() }
export const ruleOp = z.discriminatedUnion('op', [
  z.object({ op: z.literal('write'), type: z.enum(ruleTypes), ...fields }),
  z.object({
    ...fields,
    op: z.literal('update'),
    id: z.string(),
    type: z.enum(ruleTypes).optional(),
    rule: z.string().optional(),
  }),
  z.object({ op: z.literal('delete'), id: z.string() }),
])
export type RuleOp = z.infer<typeof ruleOp>

/** Rules that a book holds, in the paper. */
export const RULES_MAX = 12
/** Records of validation that stay, in the release. */
const RECORDS_MAX = 3
const SUCCESS_TYPES: ReadonlySet<RuleType> = new Set(['Useful Helper Method', 'Success Process'])
const REFERENCE = /\brule_\d+\b/g
const GONE = 'a rule that was taken away'

export function emptyBook(): RuleBook {
  return { rules: [], next: 0 }
}

export interface Changed {
  readonly book: RuleBook
  readonly ok: boolean
  /** What the model is told. */
  readonly said: string
}

/** The book after an operation that a model asks for, behind a trial with this outcome. */
export function applyRuleOp(book: RuleBook, op: RuleOp, outcome: Outcome, rulesMax = RULES_MAX): Changed {
  const refused = (said: string): Changed => ({ book, ok: false, said })
  const done = (rules: readonly BookRule[], said: string, next = book.next): Changed => ({
    book: { rules, next },
    ok: true,
    said,
  })
  if (op.op !== 'delete' && outcome === 'failure' && op.type !== undefined && SUCCESS_TYPES.has(op.type))
    return refused(`A trial that failed shows no ${op.type}; write what went wrong instead.`)
  if (op.op === 'write') {
    if (book.rules.length >= rulesMax)
      return refused(`The book is full: ${rulesMax} rules. Update or delete one first.`)
    const rule: BookRule = {
      id: `rule_${book.next}`,
      type: op.type,
      rule: op.rule,
      example: op.example ?? '',
      records: op.record === undefined ? [] : [op.record],
    }
    return done([...book.rules, rule], `${rule.id} is written.`, book.next + 1)
  }
  const at = book.rules.findIndex(({ id }) => id === op.id)
  const known = book.rules[at]
  if (known === undefined)
    return refused(`There is no ${op.id}; there are ${book.rules.map(({ id }) => id).join(', ') || 'none'}.`)
  if (op.op === 'delete') {
    const rules = book.rules.filter(({ id }) => id !== op.id)
    return done(
      rules.map((rule) => renamed(rule, (id) => (id === op.id ? GONE : id))),
      `${op.id} is taken away.`,
    )
  }
  // A rule of success may be mended after a failure, by its words; that it becomes one is refused above.
  const changed: BookRule = {
    ...known,
    type: op.type ?? known.type,
    rule: op.rule ?? known.rule,
    example: op.example ?? known.example,
    records: op.record === undefined ? known.records : [...known.records, op.record].slice(-RECORDS_MAX),
  }
  return done(book.rules.with(at, changed), `${op.id} is changed.`)
}

/** Two rules as one under the first one's id: references to either name it. Where one is not there the book stays as it is. */
export function mergeRules(
  book: RuleBook,
  [one, other]: readonly [string, string],
  merged: Pick<BookRule, 'rule'> & Partial<BookRule>,
): RuleBook {
  const [a, b] = [one, other].map((id) => book.rules.find((rule) => rule.id === id))
  if (a === undefined || b === undefined || a === b) return book
  const rule: BookRule = { ...a, ...merged, id: one, records: [...a.records, ...b.records].slice(-RECORDS_MAX) }
  const rules = book.rules.filter(({ id }) => id !== other).map((old) => (old.id === one ? rule : old))
  return { ...book, rules: rules.map((old) => renamed(old, (id) => (id === other ? one : id))) }
}

/** The rules by type and then as they came, numbered anew from 0, with every reference rewritten. */
export function arrangeRules({ rules }: RuleBook): RuleBook {
  const order = rules.toSorted((a, b) => ruleTypes.indexOf(a.type) - ruleTypes.indexOf(b.type))
  const names = new Map(order.map(({ id }, i) => [id, `rule_${i}`]))
  // All at once: what one renaming gives is not renamed again.
  const arranged = order.map((rule) => ({
    ...renamed(rule, (id) => names.get(id) ?? GONE),
    id: names.get(rule.id) as string,
  }))
  return { rules: arranged, next: arranged.length }
}

function renamed(rule: BookRule, name: (id: string) => string): BookRule {
  const text = (one: string): string => one.replaceAll(REFERENCE, name)
  return { ...rule, rule: text(rule.rule), example: text(rule.example), records: rule.records.map(text) }
}

/** Ids that the texts of a book name and that it does not hold. */
export function danglingReferences({ rules }: RuleBook): readonly string[] {
  const known = new Set(rules.map(({ id }) => id))
  const texts = rules.flatMap(({ rule, example, records }) => [rule, example, ...records])
  return texts.flatMap((text) => text.match(REFERENCE) ?? []).filter((id) => !known.has(id))
}

/** The book as Markdown, by type; empty where it has no rules. */
export function manualText({ rules }: RuleBook): string {
  return ruleTypes
    .flatMap((type) => {
      const own = rules.filter((rule) => rule.type === type)
      return own.length === 0 ? [] : [`## ${type}`, ...own.map(ruleText)]
    })
    .join('\n')
}

function ruleText({ id, rule, example, records }: BookRule): string {
  const lines = [`- ${id}: ${rule}`]
  if (example !== '') lines.push(`  Example: ${example}`)
  if (records.length > 0) lines.push(`  Seen: ${records.join(' | ')}`)
  return lines.join('\n')
}
