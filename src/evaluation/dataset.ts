/**
 * Data sets as tasks: lines of JSON, as they are published.
 *
 *     taskFrom(readFileSync('humaneval.jsonl', 'utf8'), 'humaneval.jsonl', { python: codeTools({ languages: ['python'] }) })
 *
 * Known forms: HumanEval (`task_id`, `prompt`, `test`, `entry_point`, `canonical_solution`), GSM8K (`question`, `answer` with
 * `####`), and our own (`input`, and `id`, `target`, `cluster`, `data` where there are any).
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { Json, Tool } from '../kernel/types.ts'
import type { JsonLine } from './json-lines.ts'
import { jsonLines, readLine } from './json-lines.ts'
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
const gsm8k = z.object({ question: z.string(), answer: z.string().includes('####') })
const own = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  input: z.string(),
  target: z.json().optional(),
  cluster: z.string().optional(),
  data: z.record(z.string(), z.json()).optional(),
})

const EXPECTED = '{ input, target? }, or the form of HumanEval or of GSM8K, whose answers have "####"'

/** What a model is told before a function to complete. */
const COMPLETE = 'Complete this Python function. Answer with the code of the whole function in one fenced block.\n\n'

/** A task from a file's text; `name` names it. Throws `INVALID_ARGUMENT` with the line that is wrong. */
export function taskFrom(text: string, name: string, options: DatasetOptions = {}): Task {
  const lines = jsonLines(text, name)
  const [first] = lines
  if (first === undefined)
    throw new PolityError('INVALID_ARGUMENT', `${name} is empty; expected one JSON object a line`)
  const form = humanEval.safeParse(first.value).success
    ? 'HumanEval'
    : gsm8k.safeParse(first.value).success
      ? 'GSM8K'
      : 'own'
  const samples = lines.slice(0, options.limit).map((line) => sampleOf(form, line, name))
  return {
    name: name.replace(/^.*\//, '').replace(/\.jsonl?$/, ''),
    description: form === 'own' ? '' : form,
    samples,
    scorers: [scorerOf(form, options)],
  }
}

function sampleOf(form: 'HumanEval' | 'GSM8K' | 'own', line: JsonLine<unknown>, name: string): Sample {
  if (form === 'HumanEval') {
    const { task_id: id, canonical_solution: target, prompt, test, entry_point } = readLine(humanEval, line, name)
    return {
      id,
      input: COMPLETE + prompt,
      data: { prompt, test, entry_point },
      ...(target === undefined ? {} : { target }),
    }
  }
  if (form === 'GSM8K') {
    const { question, answer } = readLine(gsm8k, line, name)
    return { id: String(line.at), input: question, target: answer }
  }
  const { id = line.at, input, target, cluster, data } = readLine(own, line, name, EXPECTED)
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
