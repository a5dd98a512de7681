/**
 * Recall and precision of the lints over seeded mutants (mutators.ts) and harmless changes (harmless.ts).
 *
 *     node test/lint/measure.ts             the table
 *     node test/lint/measure.ts misses      and what was missed, and what was said wrongly
 *
 * A mutant has one defect of one type. It is found when a finding of that type is made; every other type that is found in
 * it is wrong, and so is everything that is found in a harmless change, but for what follows from the defect by itself
 * (`consequences`), which counts neither way. The mutants are synthetic and ours: not those of Agentable.
 */
import type { LintInput } from '../../src/lint/facts.ts'
import { lint } from '../../src/lint/lint.ts'
import type { LintId } from '../../src/lint/table.ts'
import { lintTable } from '../../src/lint/table.ts'
import type { Base } from './bases.ts'
import { bases } from './bases.ts'
import { harmless, heldOutHarmless } from './harmless.ts'
import type { Operator } from './mutators.ts'
import { mutators } from './mutators.ts'

/** Mutants of each type: at least 20, of at most this many. */
const MUTANTS = 22

/** What a finding counts as: a type of Agentable, or a lint of ours by itself. */
export function typeOf(id: LintId): string {
  const { family } = lintTable[id]
  if (id.startsWith('temporal-')) return 'temporal'
  return id === 'tool-twins' || ['law', 'flow', 'poison'].includes(family) ? id : family
}

/** Types that a defect of another type brings with it, rightly. */
const consequences: { readonly [type: string]: readonly string[] } = {
  // A model of another provider needs another package; a model that is unfit is often withdrawn.
  ADAL: ['EPDD', 'LARD'],
  LARD: ['EPDD', 'ADAL'],
  // Two rules of which one covers the other; what a rule that is gone had guarded.
  'allow-covered': ['rule-dead'],
  'rule-dead': ['allow-open', 'allow-covered'],
  'tool-unknown': ['trifecta', 'allow-open', 'rule-dead', 'allow-covered', 'temporal'],
  'argument-unknown': ['allow-open', 'rule-dead', 'allow-covered', 'trifecta'],
  'condition-impossible': ['rule-dead'],
  'allow-open': ['rule-dead', 'trifecta', 'pattern-loose'],
  'argument-optional': ['trifecta'],
  'pattern-loose': ['trifecta', 'allow-open'],
  trifecta: ['rule-dead', 'allow-open', 'allow-covered'],
  temporal: ['tool-unknown'],
  // A name that cannot be read is not the one that the law has.
  'hidden-characters': ['tool-unknown', 'allow-open', 'tool-twins', 'IETI', 'trifecta'],
  'tool-twins': ['allow-open'],
}

export interface Mutant {
  readonly type: string
  /** Of the operator, in its list. */
  readonly operator: number
  readonly base: string
  readonly input: LintInput
}

/** Each operator of a type on one base after another, in turns, until there are enough. */
export function mutantsOf(type: string): Mutant[] {
  const operators = mutators[type] ?? []
  const made: Mutant[] = []
  const seen = new Set<string>()
  for (let round = 0; round < bases.length && made.length < MUTANTS; round++) {
    for (const [k, operator] of operators.entries()) {
      if (made.length >= MUTANTS) break
      const base = bases[(round + k * 4) % bases.length] as Base
      const input = operator(base, round)
      if (input === undefined) continue
      const key = JSON.stringify(input)
      if (seen.has(key) || key === JSON.stringify(base)) continue
      seen.add(key)
      made.push({ type, operator: k, base: base.name, input })
    }
  }
  return made
}

export interface Row {
  readonly type: string
  readonly mutants: number
  readonly found: number
  /** Of the mutants whose operators were not looked at while the lints were mended. */
  readonly heldOut: number
  readonly heldOutFound: number
  /** How often the type was said where it is not. */
  readonly wrong: number
}

export interface Measure {
  readonly rows: readonly Row[]
  readonly harmless: number
  readonly harmlessWrong: number
  /** Of the harmless changes that were not looked at. */
  readonly heldOutHarmless: number
  readonly heldOutHarmlessWrong: number
  readonly recall: number
  readonly precision: number
  readonly heldOutRecall: number
  readonly misses: readonly string[]
}

export function measure(): Measure {
  const misses: string[] = []
  const wrong = new Map<string, number>()
  const say = (type: string, where: string, finding: string): void => {
    wrong.set(type, (wrong.get(type) ?? 0) + 1)
    misses.push(`wrong ${type} in ${where}: ${finding}`)
  }
  const rows = Object.keys(mutators).map((type) => {
    const mutants = mutantsOf(type)
    const hits = mutants.map(({ input, operator, base }) => {
      const found = lint(input)
      const types = new Map(found.map(({ id, where, message }) => [typeOf(id), `${where}: ${message}`]))
      for (const [other, finding] of types)
        if (other !== type && consequences[type]?.includes(other) !== true)
          say(other, `${type} ${operator} of ${base}`, finding)
      if (!types.has(type))
        misses.push(`missed ${type} ${operator}${operator % 2 === 1 ? ' (held out)' : ''} of ${base}`)
      return types.has(type)
    })
    const count = (wanted: (i: number) => boolean): number => mutants.filter((_, i) => wanted(i)).length
    const isHeldOut = (i: number): boolean => (mutants[i]?.operator ?? 0) % 2 === 1
    return {
      type,
      mutants: mutants.length,
      found: count((i) => hits[i] === true),
      heldOut: count(isHeldOut),
      heldOutFound: count((i) => isHeldOut(i) && hits[i] === true),
    }
  })
  const harm = (operators: readonly Operator[], what: string): readonly [count: number, wrong: number] => {
    let count = 0
    let wrongs = 0
    for (const [k, operator] of operators.entries()) {
      for (let i = 0; i < 3; i++) {
        const base = bases[(i * 2 + k) % bases.length] as Base
        const input = operator(base, i)
        if (input === undefined) continue
        count++
        const types = new Map(lint(input).map(({ id, where, message }) => [typeOf(id), `${where}: ${message}`]))
        if (types.size > 0) wrongs++
        for (const [type, finding] of types) say(type, `${what} ${k} of ${base.name}`, finding)
      }
    }
    return [count, wrongs]
  }
  const [harmlessCount, harmlessWrong] = harm(harmless, 'harmless')
  const [heldOutCount, heldOutWrong] = harm(heldOutHarmless, 'harmless, held out,')
  const sum = (of: (row: (typeof rows)[number]) => number): number => rows.reduce((total, row) => total + of(row), 0)
  const wrongs = [...wrong.values()].reduce((total, one) => total + one, 0)
  return {
    rows: rows.map((row) => ({ ...row, wrong: wrong.get(row.type) ?? 0 })),
    harmless: harmlessCount,
    harmlessWrong,
    heldOutHarmless: heldOutCount,
    heldOutHarmlessWrong: heldOutWrong,
    recall: sum(({ found }) => found) / sum(({ mutants }) => mutants),
    precision: sum(({ found }) => found) / (sum(({ found }) => found) + wrongs),
    heldOutRecall: sum((row) => row.heldOutFound) / sum((row) => row.heldOut),
    misses,
  }
}

const percent = (part: number, whole = 1): string => (whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`)

/** The table of docs/lint.md. */
export function tableOf({ rows, recall, precision, heldOutRecall }: Measure): string {
  const lines = rows.map(
    ({ type, mutants, found, heldOut, heldOutFound, wrong }) =>
      `| ${type} | ${mutants} | ${percent(found, mutants)} | ${percent(heldOutFound, heldOut)} | ${percent(found, found + wrong)} |`,
  )
  const total = rows.reduce((sum, row) => sum + row.mutants, 0)
  return [
    '| type | mutants | recall | of it held out | precision |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...lines,
    `| all | ${total} | ${percent(recall)} | ${percent(heldOutRecall)} | ${percent(precision)} |`,
  ].join('\n')
}

if (import.meta.main) {
  const measured = measure()
  console.log(tableOf(measured))
  console.log(
    `\n${measured.harmless} harmless changes, ${measured.harmlessWrong} with a finding; of ${measured.heldOutHarmless} held out ${measured.heldOutHarmlessWrong}`,
  )
  if (process.argv[2] === 'misses') console.log(`\n${measured.misses.join('\n')}`)
}
