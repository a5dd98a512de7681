/**
 * Code on trial: runs candidates on tests in the sandbox, each test for itself, and says which pass.
 *
 *     const { isRunnable, passed, said } = await tryCode(sys, { code: 'const add = (a, b) => a + b', tests: ['add(1, 2) === 3'] })
 *     selectCandidate([[true, false], [true, true]])        // 1: the place of the candidate that passes most
 *
 * A test is an expression of JavaScript or Python that has to be true; one that throws, or that is no expression, is not passed. The process
 * has to hold the pair of tools of code-action.ts. Nothing that a candidate does outlives its trial.
 *
 * Invariants
 *   CT1. A candidate that does not run to its end passes nothing.
 *   CT2. What is selected passes at least as much as any other, of equal ones the first, or it is the first that passes the gate.
 */
import type { Sys } from '../../kernel/types.ts'
import { codeAction } from './code-action.ts'
import { largest } from './largest.ts'

export interface CodeTrial {
  readonly code: string
  /** Expressions that have to be true. */
  readonly tests: readonly string[]
  /** @default 'javascript' */
  readonly language?: 'javascript' | 'python'
}

export interface Tried {
  /** Whether the code itself ran to its end. */
  readonly isRunnable: boolean
  /** For each test. */
  readonly passed: readonly boolean[]
  /** What went wrong, in words; for a programmer. */
  readonly said: readonly string[]
}

const HARNESS = {
  javascript: (code: string, tests: string): string =>
    `${code}\n;JSON.stringify(${tests}.map((test) => { try { return eval(test) === true ? '' : test + ' is not true' } catch (error) { return test + ' throws ' + error } }))`,
  python: (code: string, tests: string): string =>
    `import json as _json\n${code}\ndef _try(test):\n    try:\n        return '' if eval(test, globals()) is True else test + ' is not true'\n    except BaseException as error:\n        return test + ' raises ' + repr(error)\n_json.dumps([_try(test) for test in _json.loads(${tests})])`,
} as const

export async function tryCode(sys: Sys, { code, tests, language = 'javascript' }: CodeTrial): Promise<Tried> {
  const list = JSON.stringify(tests)
  const { value, error } = await codeAction(sys, {
    code: HARNESS[language](code, language === 'python' ? JSON.stringify(list) : list),
    language,
    tools: [],
  })
  const faults = faultsOf(value, tests.length)
  if (faults === undefined)
    return {
      isRunnable: false,
      passed: tests.map(() => false),
      said: [error?.message ?? 'The code did not run to its end.'],
    }
  return { isRunnable: true, passed: faults.map((fault) => fault === ''), said: faults.filter((fault) => fault !== '') }
}

export interface SelectOptions {
  /** `most` passed tests, or `gate`: the first that passes a share of them, and where none does the one with most. @default 'most' */
  readonly rule?: 'most' | 'gate'
  /** Share of the tests that is enough for the gate, 0 to 1. @default 0.6, three in five: AgentCoder's */
  readonly share?: number
}

/** The place of the candidate to take. Undefined where there is none. */
export function selectCandidate(
  passed: readonly (readonly boolean[])[],
  { rule = 'most', share = 0.6 }: SelectOptions = {},
): number | undefined {
  const count = (one: readonly boolean[]): number => one.filter(Boolean).length
  const gated = rule === 'gate' ? passed.findIndex((one) => count(one) >= share * one.length) : -1
  if (gated >= 0) return gated
  return largest(passed.keys(), (place) => count(passed[place] as readonly boolean[]))
}

function faultsOf(value: unknown, tests: number): readonly string[] | undefined {
  try {
    const said: unknown = JSON.parse(String(value))
    return Array.isArray(said) && said.length === tests && said.every((one) => typeof one === 'string')
      ? said
      : undefined
  } catch {
    return undefined
  }
}
