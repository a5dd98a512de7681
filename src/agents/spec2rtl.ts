/**
 * Spec2RTL-Agent (Yu et al. 2025, "Spec2RTL-Agent: automated hardware code generation from complex specifications using LLM agent systems"): from a long
 * specification to C++ for high-level synthesis, function by function, over pseudocode and Python, with faults sent back to where they come from.
 *
 *     spawn(spec2rtl, { specification: text, folder: 'hls/' })   →   { functions, passed, bench, made, backs }
 *
 * The process holds `code.start` and `code.resume` with Python and the shell (docs/sandbox.md); the sandbox has to have `g++` and `python3`, else the
 * run is refused. Understanding: sections are summarised, the whole is split into functions, each gets a dictionary of information, which is checked for
 * what it lacks. Coding, in the order of dependencies: pseudocode, Python, C++; the same vectors hold at both levels that run: the specification's
 * examples, and as many inputs as `vectors` says with what the Python gives. Reflection: a failing vector is blamed on the information, an earlier
 * function, this code, or the specification itself, which a person decides. `design.cpp` and `bench.cpp` are written to the files of the process.
 *
 * From notes on the paper: its prompts, its prompt optimiser and its figures and tables are not here. No RTL is made of the C++; whole numbers of up to
 * 32 bits only.
 *
 * Invariants
 *   SR1. Who writes code sees the information on its function and the interfaces of those that it calls, never the specification.
 *   SR2. What is sent back is made anew with everything that stands on it, and nothing else.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { benchOf, NAME, runBench, toolsLack } from './pieces/function-levels.ts'
import { benched, functionStages, of, reaching } from './pieces/function-stages.ts'
import { carryOutStages, saysJson, type Back, type Stage, type Staged } from './staged.ts'
import { faultOf, type PlannedTask } from './pieces/task-graph.ts'
import { chunksOf } from './pieces/text-chunks.ts'

export interface Spec2RtlInput {
  readonly specification: string
  /** Folder of the process for the files, with `/` at its end. @default 'hls/' */
  readonly folder?: string
  /** Vectors of drawn inputs for each function, beside the specification's. @default 20 */
  readonly vectors?: number
  /** Times that one gate sends back. @default 5 */
  readonly backsMax?: number
}

export interface Spec2Rtl {
  /** In the order of their dependencies. */
  readonly functions: readonly string[]
  /** Whether the whole bench passed. */
  readonly passed: boolean
  /** What the bench printed. */
  readonly bench: string
  readonly made: readonly string[]
  readonly backs: readonly Back[]
  readonly failed?: Staged['failed']
}

/** Of a section that is summarised at once, tokens. Ours. */
const SECTION_TOKENS = 4_000
const FUNCTIONS_MAX = 30
const SUMMARISE = 'Summarise this section of a specification: what is computed, from what, in which order.'
const SPLIT = `Split what is specified into functions, each small enough to be tested alone, with those that it calls. Answer with JSON: {"functions": [{"id": "lower_case_name", "goal": "…", "after": ["ids of those that it calls"]}]}.`
const functions = z.object({
  functions: z
    .array(z.object({ id: z.string(), goal: z.string(), after: z.array(z.string()) }))
    .min(1)
    .max(FUNCTIONS_MAX),
})
export const spec2rtl = defineProgram('spec2rtl', async (sys, input: Spec2RtlInput): Promise<Spec2Rtl> => {
  const { specification, folder = 'hls/', vectors = 20, backsMax = 5 } = input
  const lack = await toolsLack(sys)
  if (lack !== undefined)
    throw new PolityError('CONFIG_INVALID', `spec2rtl needs ${lack} in the sandbox; install it and run again`)
  const tasksOf = (document: Json): readonly PlannedTask[] => (document as z.infer<typeof functions>).functions
  const stages: readonly Stage[] = [
    {
      name: 'summary',
      sees: ['specification'],
      async make() {
        const sections: string[] = []
        for (const section of chunksOf(specification, SECTION_TOKENS))
          sections.push((await sys.generate({ instructions: SUMMARISE, prompt: section, temperature: 0 })).text.trim())
        return sections.join('\n\n')
      },
    },
    {
      name: 'functions',
      sees: ['summary'],
      make: saysJson(sys, SPLIT, functions),
      check(document) {
        const odd = tasksOf(document).find(({ id }) => !NAME.test(id))
        const why =
          odd === undefined ? faultOf(tasksOf(document), []) : `"${odd.id}" is no name of a function: a-z, 0-9 and _.`
        return why === undefined ? undefined : { why }
      },
      opens(document) {
        const tasks = reaching(tasksOf(document), tasksOf(document))
        return [...functionStages(sys, tasks, specification, vectors), benchStage(sys, tasks, folder)]
      },
    },
  ]
  const { documents, ...staged } = await carryOutStages({ specification }, stages, { backsMax })
  const tasks = documents['functions'] === undefined ? [] : tasksOf(documents['functions'])
  const bench = (documents['bench'] ?? staged.failed?.document) as { output?: string } | undefined
  return {
    functions: reaching(tasks, tasks).map(({ id }) => id),
    passed: staged.failed === undefined,
    bench: bench?.output ?? '',
    ...staged,
  }
})

/** All that was written, compiled and run as a whole; it and its bench are written to the files. */
function benchStage(sys: Sys, tasks: readonly PlannedTask[], folder: string): Stage {
  return {
    name: 'bench',
    sees: [...of('information', tasks), ...of('vectors', tasks), ...of('c++', tasks)],
    async make({ documents }) {
      const all = benched(tasks, documents)
      for (const [path, text] of Object.entries(benchOf(all))) await sys.write(folder + path, text)
      return { ...(await runBench(sys, benchOf(all), all)) }
    },
    check(result) {
      const { passed, output } = result as { passed: boolean; output: string }
      return passed ? undefined : { why: output, ends: true }
    },
  }
}
