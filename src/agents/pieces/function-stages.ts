/**
 * The stages of one function in Spec2RTL: its dictionary of information, interface, pseudocode, Python, vectors and C++, with the gates between them
 * and the reflection that says where a failing vector comes from.
 *
 *     functionStages(sys, reaching(tasks, tasks), specification, 20)      // for carryOutStages; documents are called `python mix`, `c++ mix`, …
 *
 * Python and C++ run in the sandbox (function-levels.ts). The specification's examples hold for both; the drawn vectors are what the Python gives.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { Json, Sys } from '../../kernel/types.ts'
import { codeOf } from '../code-act.ts'
import {
  benchOf,
  differences,
  informationShape,
  interfaceOf,
  lackOf,
  misfit,
  runBench,
  runPython,
  unsynthesisable,
  type BenchedFunction,
  type Information,
  type Vector,
} from './function-levels.ts'
import { askJson } from './json-answer.ts'
import { says, saysJson, textOf, type Documents, type Fault, type Stage } from '../staged.ts'
import type { PlannedTask } from './task-graph.ts'

const INFORM = `Write the dictionary of information on the function NAME, which is all that its programmer will see: what it computes exactly, its inputs and outputs with their widths in bits, the passages of the specification that say so, word for word, and the specification's examples. Answer with JSON: {"description": "…", "inputs": [{"name": "a", "bits": 8}], "outputs": [{"name": "sum", "bits": 16}], "references": ["…"], "examples": [{"inputs": [1], "outputs": [2]}]}.`
const PSEUDOCODE = 'Write pseudocode for the function NAME, step by step.'
const PYTHON =
  'Write the function NAME in Python by its pseudocode, with the signature given; numbers wrap at their widths. The other functions are there. One block between ``` fences, with the function alone.'
const CPP =
  'Write the function NAME in C++ for high-level synthesis by its Python, with the signature given: no dynamic memory, no library, only uint8_t, uint16_t and uint32_t. The other functions are there. One block between ``` fences, with the function alone.'
const REFLECT = `The function NAME failed its vectors. Follow how it came about, and say where the fault lies: in the information on it (it does not say what the specification says), in an earlier function that it calls ("name"), in this code, or in the specification itself, so that a person has to decide. Answer with JSON: {"fault": "information" or "earlier" or "code" or "person", "name": "the earlier function", "why": "what is wrong"}.`

const reflected = z.object({
  fault: z.enum(['information', 'earlier', 'code', 'person']),
  name: z.string().optional(),
  why: z.string(),
})

/** Names of documents of a kind. */
export const of = (kind: string, some: readonly PlannedTask[]): string[] => some.map(({ id }) => `${kind} ${id}`)

/** Those that some wait for, however far, and themselves, in the order of dependencies. */
export function reaching(some: readonly PlannedTask[], all: readonly PlannedTask[]): readonly PlannedTask[] {
  const found = new Set<PlannedTask>()
  const visit = (task: PlannedTask): void => {
    if (found.has(task)) return
    for (const id of task.after) visit(all.find((one) => one.id === id) as PlannedTask)
    found.add(task)
  }
  for (const one of some) visit(one)
  return [...found]
}

/** The stages of each function, in the order of their dependencies. @param tasks in that order */
export function functionStages(
  sys: Sys,
  tasks: readonly PlannedTask[],
  specification: string,
  drawn: number,
): readonly Stage[] {
  return tasks.flatMap((task): Stage[] => {
    const { id } = task
    const name = (text: string): string => text.replace('NAME', () => id)
    const below = reaching([task], tasks).filter((one) => one !== task)
    const interfaces = of('interface', [...below, task])
    const informationOf = (documents: Documents): Information => documents[`information ${id}`] as Information
    const codes = (level: string, documents: Documents): string[] =>
      below.map((one) => textOf(documents[`${level} ${one.id}`] as Json))
    const blame = (level: string, code: Json, documents: Documents, failing: string): Promise<Fault> =>
      reflect(sys, { specification, level, id, below: below.map((one) => one.id), code, documents, failing })
    return [
      {
        name: `information ${id}`,
        sees: ['specification', 'functions'],
        make: saysJson(sys, name(INFORM), informationShape),
        check(information) {
          const lacks = lackOf(information as Information, specification)
          return lacks.length === 0 ? undefined : { why: lacks.join('\n') }
        },
      },
      {
        name: `interface ${id}`,
        sees: [`information ${id}`],
        make: async ({ documents }) => interfaceOf(id, informationOf(documents)),
      },
      {
        name: `pseudocode ${id}`,
        sees: [`information ${id}`, ...interfaces],
        make: says(sys, name(PSEUDOCODE)),
      },
      {
        name: `python ${id}`,
        sees: [`information ${id}`, `pseudocode ${id}`, ...interfaces],
        needs: of('python', below),
        make: says(sys, name(PYTHON), codeOf),
        async check(code, documents) {
          const { inputs, outputs, examples } = informationOf(documents)
          const tried = examples.length > 0 ? examples.map((one) => one.inputs) : [inputs.map(() => 0)]
          const got = await runPython(sys, [...codes('python', documents), textOf(code)], id, tried)
          if (typeof got === 'string') return blame('python', code, documents, got)
          const wide = misfit(outputs, got)
          if (wide !== undefined) return blame('python', code, documents, wide)
          const wrong = differences(examples, got)
          return wrong.length === 0 ? undefined : blame('python', code, documents, wrong.join('\n'))
        },
      },
      {
        name: `vectors ${id}`,
        sees: [`information ${id}`, `python ${id}`, ...of('python', below)],
        async make({ documents }) {
          const { inputs, outputs, examples } = informationOf(documents)
          const asked = Array.from({ length: drawn }, () =>
            inputs.map(({ bits }) => Math.floor(sys.random() * 2 ** bits)),
          )
          const got = await runPython(
            sys,
            [...codes('python', documents), textOf(documents[`python ${id}`] as Json)],
            id,
            asked,
          )
          if (typeof got === 'string') return got
          const wide = misfit(outputs, got)
          if (wide !== undefined) return wide
          return [...examples, ...asked.map((one, i) => ({ inputs: one, outputs: got[i] as number[] }))]
        },
        check: (vectors) => (typeof vectors === 'string' ? { to: `python ${id}`, why: vectors } : undefined),
      },
      {
        name: `c++ ${id}`,
        sees: [`information ${id}`, `python ${id}`, ...interfaces],
        needs: [`vectors ${id}`, ...of('c++', below)],
        make: says(sys, name(CPP), codeOf),
        async check(code, documents) {
          const why = unsynthesisable(textOf(code))
          if (why !== undefined) return { why }
          const all = benched([...below, task], { ...documents, [`c++ ${id}`]: code })
          const { passed, output } = await runBench(sys, benchOf(all), all)
          return passed ? undefined : blame('c++', code, documents, output)
        },
      },
    ]
  })
}

/** Functions that are written in C++, with their vectors. */
export function benched(tasks: readonly PlannedTask[], documents: Documents): readonly BenchedFunction[] {
  return tasks.map(({ id }) => ({
    name: id,
    information: documents[`information ${id}`] as Information,
    code: textOf(documents[`c++ ${id}`] as Json),
    vectors: documents[`vectors ${id}`] as unknown as readonly Vector[],
  }))
}

interface Failing {
  readonly specification: string
  readonly level: string
  readonly id: string
  /** Functions that it calls, however far. */
  readonly below: readonly string[]
  readonly code: Json
  readonly documents: Documents
  readonly failing: string
}

/** Where a failure comes from: one of four ways back. */
async function reflect(
  sys: Sys,
  { specification, level, id, below, code, documents, failing }: Failing,
): Promise<Fault> {
  const part = (name: string): string => `# ${name}\n${textOf(documents[name] as Json)}`
  const prompt = [
    `# specification\n${specification}`,
    ...below.flatMap((one) => [part(`information ${one}`), part(`${level} ${one}`)]),
    part(`information ${id}`),
    part(`pseudocode ${id}`),
    `# ${level} ${id}\n${textOf(code)}`,
    `# What failed\n${failing}`,
  ].join('\n\n')
  const said = await askJson(sys, { instructions: REFLECT.replace('NAME', () => id), prompt }, reflected)
  const why = said === undefined ? failing : `${said.why}\n${failing}`
  if (said?.fault === 'information') return { to: `information ${id}`, why }
  if (said?.fault === 'earlier' && below.includes(said.name ?? '')) return { to: `${level} ${said.name}`, why }
  if (said?.fault !== 'person') return { why }
  try {
    const answer = await sys.ask(`The function ${id} of the specification has to be decided: ${why}`)
    return { to: `information ${id}`, why: `A person decided: ${answer}` }
  } catch (error) {
    if (PolityError.isInstance(error) && error.code === 'NO_ANSWER')
      return { why: `A person has to decide: ${why}`, ends: true }
    throw error
  }
}
