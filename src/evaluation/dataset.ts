/**
 * Data sets as tasks: lines of JSON, as they are published.
 *
 *     taskFrom(readFileSync('humaneval.jsonl', 'utf8'), 'humaneval.jsonl', { python: codeTools({ languages: ['python'] }) })
 *
 * Known forms: HumanEval (`task_id`, `prompt`, `test`, `entry_point`, `canonical_solution`), GSM8K (`question`, `answer` with
 * `####`), and our own (`input`, and `id`, `target`, `cluster`, `data` where there are any).
 */
import { z } from 'zod'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Json, Tool } from '../kernel/types.ts'
import { exact, includes, numeric, unitTests } from './scorers.ts'
import type { Sample, Scorer, Task } from './task.ts'

/** Scorers that need nothing but their name. */
export const scorerNames = ['exact', 'includes', 'numeric', 'unit tests'] as const

export interface DatasetOptions {
  /** Of samples of our own form. @default 'exact' */
  readonly scorer?: (typeof scorerNames)[number]
  /** Only the first so many. @default all */
  readonly limit?: number
  /** Tools that run Python in a sandbox, for unit tests. */
  readonly python?: readonly Tool[]
}

const humanEval = z.object({
  task_id: z.string(),
  prompt: z.string(),
  test: z.string(),
  entry_point: z.string(),
  canonical_solution: z.string().optional(),
})
const gsm8k = z.object({ question: z.string(), answer: z.string() })
const own = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  input: z.string(),
  target: z.json().optional(),
  cluster: z.string().optional(),
  data: z.record(z.string(), z.json()).optional(),
})

/** What a model is told before a function to complete. */
const COMPLETE = 'Complete this Python function. Answer with the code of the whole function in one fenced block.\n\n'

/** A task from a file's text; `name` names it. Throws `INVALID_ARGUMENT` with the line that is wrong. */
export function taskFrom(text: string, name: string, options: DatasetOptions = {}): Task {
  const lines = text
    .split('\n')
    .flatMap((line, i) => (line.trim() === '' ? [] : [{ at: i + 1, value: parsed(line, name, i + 1) }]))
  const [first] = lines
  if (first === undefined)
    throw new PolityError('INVALID_ARGUMENT', `${name} is empty; expected one JSON object a line`)
  const form = humanEval.safeParse(first.value).success
    ? 'HumanEval'
    : gsm8k.safeParse(first.value).success
      ? 'GSM8K'
      : 'own'
  const samples = lines.slice(0, options.limit).map(({ at, value }) => sampleOf(form, value, name, at))
  return {
    name: name.replace(/^.*\//, '').replace(/\.jsonl?$/, ''),
    description: form === 'own' ? '' : form,
    samples,
    scorers: [scorerOf(form, options)],
  }
}

function parsed(line: string, name: string, at: number): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new PolityError('INVALID_ARGUMENT', `${name}, line ${at} is no JSON: ${messageOf(cause)}`, { cause })
  }
}

function sampleOf(form: 'HumanEval' | 'GSM8K' | 'own', value: unknown, name: string, at: number): Sample {
  const read = <T>(schema: z.ZodType<T>): T => {
    const said = schema.safeParse(value)
    if (said.success) return said.data
    throw new PolityError('INVALID_ARGUMENT', `${name}, line ${at}: ${z.prettifyError(said.error).slice(0, 300)}`)
  }
  if (form === 'HumanEval') {
    const { task_id: id, canonical_solution: target, prompt, test, entry_point } = read(humanEval)
    return {
      id,
      input: COMPLETE + prompt,
      data: { prompt, test, entry_point },
      ...(target === undefined ? {} : { target }),
    }
  }
  if (form === 'GSM8K') {
    const { question, answer } = read(gsm8k)
    return { id: String(at), input: question, target: answer }
  }
  const { id = at, input, target, cluster, data } = read(own)
  return {
    id: String(id),
    input,
    ...(target === undefined ? {} : { target: target as Json }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(data === undefined ? {} : { data: data as { readonly [name: string]: Json } }),
  }
}

function scorerOf(form: 'HumanEval' | 'GSM8K' | 'own', { scorer = 'exact', python }: DatasetOptions): Scorer {
  const named = form === 'HumanEval' ? 'unit tests' : form === 'GSM8K' ? 'numeric' : scorer
  if (named === 'numeric') return numeric()
  if (named === 'includes') return includes()
  if (named === 'exact') return exact()
  if (python === undefined)
    throw new PolityError(
      'CONFIG_INVALID',
      'unit tests need tools that run Python in a sandbox: codeTools({ languages: ["python"] })',
    )
  return unitTests({ tools: python })
}
