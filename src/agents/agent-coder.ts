/**
 * AgentCoder (Huang et al. 2024, "AgentCoder: multi-agent-based code generation with iterative testing and optimisation"): a programmer writes
 * code, a test designer writes tests without having seen it, and a test executor runs each on each in the sandbox.
 *
 *     spawn(agentCoder, { task: 'Write a function add(a, b).' })        →   { code, accepted, passed: 5, tests: 5, epochs: 1 }
 *
 * Several candidates and several sets of tests are drawn; the candidate that passes most sets is the best; it is accepted when it passes
 * three in five. Else what went wrong goes back to the programmer, up to five times. Tests of who has written the code share its errors;
 * `sharedTests` shows the designer the first candidate, for the comparison.
 *
 * Invariant
 *   AC1. Of the candidates that the epochs took, by `rule`, the returned one passes the most sets.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import { codeOf } from './code-act.ts'
import { selectCandidate, tryCode, type CodeTrial, type Tried } from './pieces/code-trials.ts'
import { askJson } from './pieces/json-answer.ts'

export interface AgentCoderInput extends Pick<CodeTrial, 'language'> {
  readonly task: string
  /** @default 5 */
  readonly candidates?: number
  /** @default 5 */
  readonly testSets?: number
  /** Share of the sets that is enough. @default 0.6 */
  readonly share?: number
  /** @default 5 */
  readonly epochs?: number
  /** `gate` takes the first that is good enough, as the release accepts. @default 'most' */
  readonly rule?: 'most' | 'gate'
  /** @default false */
  readonly sharedTests?: boolean
}

export interface Coded {
  readonly code: string
  readonly accepted: boolean
  /** Sets that the code passes whole. */
  readonly passed: number
  readonly tests: number
  readonly epochs: number
}

const PROGRAM = `Understand the task, choose an algorithm, write it down in words, then write the code. End with one block of code between \`\`\` fences that defines what is asked for and prints nothing.`
const DESIGN = `Write tests for the task: basic ones, edge cases, a large one. A test is one expression in LANGUAGE that is true if and only if the code is right. Answer with JSON: {"tests": ["…", "…"]}.`
const TEMPERATURE = 0.7

const designed = z.object({ tests: z.array(z.string()).min(1) })

export const agentCoder = defineProgram('agent-coder', async (sys, input: AgentCoderInput): Promise<Coded> => {
  const {
    task,
    candidates = 5,
    testSets = 5,
    share = 0.6,
    epochs = 5,
    rule = 'most',
    language = 'javascript',
    sharedTests = false,
  } = input
  const draw = async (feedback: string): Promise<string[]> => {
    const written = Array.from({ length: candidates }, () =>
      sys.generate({
        instructions: PROGRAM,
        prompt: `Language: ${language}\nTask: ${task}${feedback}`,
        temperature: TEMPERATURE,
      }),
    )
    return (await Promise.all(written)).map(({ text }) => codeOf(text) ?? '')
  }
  let codes = await draw('')
  const seen = sharedTests ? `\nCode to test:\n${codes[0] ?? ''}` : ''
  const asked = Array.from({ length: testSets }, () =>
    askJson(
      sys,
      { instructions: DESIGN.replace('LANGUAGE', language), prompt: `Task: ${task}${seen}`, temperature: TEMPERATURE },
      designed,
    ),
  )
  const sets = (await Promise.all(asked)).flatMap((said) => (said === undefined ? [] : [said.tests]))
  let best = { code: codes[0] ?? '', passed: -1 }
  for (let epoch = 1; ; epoch++) {
    const runs = new Map(
      [...new Set(codes)].map((code) => [code, tryCode(sys, { code, tests: sets.flat(), language })]),
    )
    const tried = await Promise.all(codes.map((code) => runs.get(code) as Promise<Tried>))
    const wholes = tried.map(({ passed, isRunnable }) => {
      let at = 0
      return sets.map((set) => isRunnable && passed.slice(at, (at += set.length)).every(Boolean))
    })
    const place = selectCandidate(wholes, { rule, share }) ?? 0
    const passed = wholes[place]?.filter(Boolean).length ?? 0
    if (passed > best.passed) best = { code: codes[place] as string, passed }
    const accepted = sets.length > 0 && best.passed >= share * sets.length
    if (accepted || epoch >= epochs) return { ...best, accepted, tests: sets.length, epochs: epoch }
    const faults = tried[place]?.said.slice(0, FAULTS_MAX).join('\n') ?? ''
    codes = await draw(`\n\nThe last code:\n${codes[place] ?? ''}\nWhat was wrong with it:\n${faults}`)
  }
})

/** Faults that the programmer is told. */
const FAULTS_MAX = 5
