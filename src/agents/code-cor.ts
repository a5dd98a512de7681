/**
 * CodeCoR (Pan et al. 2025, "CodeCoR: an LLM-based self-reflective multi-agent framework for code generation"): four agents, each of which
 * draws a pool and prunes it: prompts, tests, codes, and advice for the codes that fail.
 *
 *     spawn(codeCor, { task: 'Write a function add(a, b).' })       →   { code, passed: 6, tests: 6, rounds: 1, pools: { … } }
 *
 * Prompts are ways to think the task through, kept where a judge says yes to four questions (clear, relevant, concise, with context); tests
 * are kept where they can be read; codes where they run at all. Codes that fail are ranked by what they pass, each gets advice, which is
 * judged too, and is written anew by it; one that does not get better is dropped. Details are from notes on the paper, not verified.
 *
 * Invariants
 *   CC1. What the best code passes never falls.
 *   CC2. A code that does not run is returned only where none does.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { codeOf } from './code-act.ts'
import { tryCode, type CodeTrial, type Tried } from './pieces/code-trials.ts'
import { askJson } from './pieces/json-answer.ts'
import { largest } from './pieces/largest.ts'

export interface CodeCorInput extends Pick<CodeTrial, 'language'> {
  readonly task: string
  /** Prompts that are drawn, and so codes at most. @default 3 */
  readonly pool?: number
  /** Rounds of repair. @default 3 */
  readonly rounds?: number
}

export interface Repaired {
  readonly code: string
  readonly passed: number
  readonly tests: number
  /** Rounds of repair that were made. */
  readonly rounds: number
  /** What was left of each pool after pruning. */
  readonly pools: { readonly prompts: number; readonly tests: number; readonly codes: number }
}

const THINK = 'Write a prompt that leads a programmer through the task step by step. Do not solve it.'
const KEEP = `Judge the text for the task. Answer with JSON: {"clear": true or false, "relevant": …, "concise": …, "context": …}.`
const TESTS = `Write tests for the task. A test is one expression in LANGUAGE that is true if and only if the code is right. Answer with JSON: {"tests": ["…"]}.`
const CODE =
  'Write the code. End with one block of code between ``` fences that defines what is asked for and prints nothing.'
const ADVISE = 'Say in a few words how the code has to be changed so that the tests pass. Write no code.'
const TEMPERATURE = 0.7
const FAULTS_MAX = 5

const kept = z.object({ clear: z.boolean(), relevant: z.boolean(), concise: z.boolean(), context: z.boolean() })
const tested = z.object({ tests: z.array(z.string()) })

interface Candidate extends Tried {
  readonly code: string
}

export const codeCor = defineProgram('code-cor', async (sys, input: CodeCorInput): Promise<Repaired> => {
  const { task, pool = 3, rounds = 3, language = 'javascript' } = input
  const draw = async (instructions: string, prompt: string): Promise<string> =>
    (await sys.generate({ instructions, prompt, temperature: TEMPERATURE })).text

  const [drawn, said] = await Promise.all([
    Promise.all(Array.from({ length: pool }, () => draw(THINK, `Task: ${task}`))),
    askJson(sys, { instructions: TESTS.replace('LANGUAGE', language), prompt: `Task: ${task}` }, tested),
  ])
  const good = await pruned(sys, task, [...new Set(drawn)])
  // Where the judge likes none, the task itself is the prompt.
  const prompts = good.length === 0 ? [''] : good
  const tests = [...new Set(said?.tests ?? [])].filter((test) => test.trim() !== '' && !test.includes('\n'))
  const trial = async (code: string): Promise<Candidate> => ({
    code,
    ...(await tryCode(sys, { code, tests, language })),
  })
  const write = async (prompt: string): Promise<Candidate> => trial(codeOf(await draw(CODE, prompt)) ?? '')

  const codes = await Promise.all(prompts.map((prompt) => write(`Language: ${language}\nTask: ${task}\n${prompt}`)))
  const runnable = codes.filter(({ isRunnable }) => isRunnable)
  const pools = { prompts: good.length, tests: tests.length, codes: runnable.length }
  let best = largest(codes, worth) as Candidate
  let open = (runnable.length > 0 ? runnable : codes).toSorted((a, b) => worth(b) - worth(a))
  let round = 0
  for (; round < rounds && open.length > 0 && count(best) < tests.length; round++) {
    const repaired = await Promise.all(
      open.map(async (one) => {
        const seen = `Task: ${task}\nCode:\n${one.code}\nWhat was wrong:\n${one.said.slice(0, FAULTS_MAX).join('\n')}`
        const [advice] = await pruned(sys, task, [await draw(ADVISE, seen)])
        const next = await write(`Language: ${language}\n${seen}${advice === undefined ? '' : `\nAdvice: ${advice}`}`)
        return worth(next) > worth(one) ? [next] : []
      }),
    )
    open = repaired.flat()
    best = largest([best, ...open], worth) as Candidate
  }
  return { code: best.code, passed: count(best), tests: tests.length, rounds: round, pools }
})

const count = ({ passed }: Candidate): number => passed.filter(Boolean).length
/** Whoever runs is before whoever does not. */
const worth = (one: Candidate): number => count(one) + (one.isRunnable ? 1 : 0)

/** Those of which a judge says yes to all four questions. */
async function pruned(sys: Sys, task: string, texts: readonly string[]): Promise<string[]> {
  const verdicts = await Promise.all(
    texts.map((text) => askJson(sys, { instructions: KEEP, prompt: `Task: ${task}\nText:\n${text}` }, kept)),
  )
  return texts.filter((_, i) => Object.values(verdicts[i] ?? { none: false }).every(Boolean))
}
