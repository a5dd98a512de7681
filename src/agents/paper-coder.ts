/**
 * PaperCoder (Seo et al. 2025, "Paper2Code: automating code generation from scientific papers in machine learning"): a repository from a paper:
 * planned, analysed file by file, written file by file, run.
 *
 *     spawn(paperCoder, { paper: text, folder: 'project/' })   →   { files, passed, results, made, backs, config }
 *
 * Planning is four calls: the overall plan, the architecture, the logic (files with notes and dependencies), and the configuration with the values
 * that the paper gives. Then one call for each file that analyses it, and one that writes it with all files before it in view: 4 + 2F calls. The
 * paper's round of debugging is a gate that runs the last file in the sandbox (repository-stages.ts).
 *
 * Changed: JavaScript in place of Python, and `config.json` in place of `config.yaml`.
 *
 * Invariants
 *   PC1. The prompt for a file holds the files before it in the order of dependencies, and none behind.
 *   PC2. Every number of the configuration stands in the paper.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import {
  builtRepository,
  codeName,
  faultOfFiles,
  fileStage,
  fileTask,
  inOrder,
  notRun,
  runStage,
  type BuiltRepository,
  type FileTask,
  type Ran,
} from './pieces/repository-stages.ts'
import { knownNumbers } from './pieces/stated-numbers.ts'
import { carryOutStages, says, saysJson, type Stage } from './staged.ts'

export interface PaperCoderInput {
  /** The paper as text. */
  readonly paper: string
  /** Folder of the process for the repository, with `/` at its end. @default 'repository/' */
  readonly folder?: string
  /** Times that a failing run goes back; how often other gates send back does not depend on it. @default 5 */
  readonly debugRounds?: number
}

export interface PaperCoded extends BuiltRepository {
  readonly config: Config['values']
}

type Config = z.infer<typeof config>

const PLAN =
  'Write a plan to reproduce the paper: the method, the data, the experiments, how they are evaluated. Say only what the paper says.'
const ARCHITECTURE =
  'Design the repository for the plan: its files, its classes and functions, and who calls whom. The last file runs the experiment. Answer with JSON: {"files": ["src/….js"], "classes": "…", "sequence": "…"}.'
const LOGIC =
  'For every file of the architecture: what it does, exactly, and which files it needs. Answer with JSON: {"files": [{"path": "src/….js", "does": "…", "after": ["src/….js"]}]}.'
const CONFIG =
  'Write the configuration: every value that the paper gives for the experiment, under a name. Add no value of your own. Answer with JSON: {"values": {"learning_rate": 0.1}}.'
const ANALYSE =
  'Analyse the file PATH before it is written: its inputs and outputs, how it meets the other files, what it must keep to.'

const architecture = z.object({ files: z.array(z.string()).min(1).max(30), classes: z.string(), sequence: z.string() })
const logic = z.object({ files: z.array(fileTask).min(1).max(30) })
const config = z.object({ values: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])) })

/** What each stage of the planning sees, and each file. */
const PLANNED = ['paper', 'plan', 'architecture', 'logic', 'config.json']

export const paperCoder = defineProgram('paper-coder', async (sys, input: PaperCoderInput): Promise<PaperCoded> => {
  const { paper, folder = 'repository/', debugRounds = 5 } = input
  const ran = notRun()
  const stages: readonly Stage[] = [
    { name: 'plan', sees: ['paper'], make: says(sys, PLAN) },
    { name: 'architecture', sees: PLANNED.slice(0, 2), make: saysJson(sys, ARCHITECTURE, architecture) },
    {
      name: 'logic',
      sees: PLANNED.slice(0, 3),
      make: saysJson(sys, LOGIC, logic),
      check(document, documents) {
        const { files } = document as z.infer<typeof logic>
        const why = faultOfFiles(files) ?? strangers(files, documents['architecture'] as z.infer<typeof architecture>)
        return why === undefined ? undefined : { why }
      },
      opens: (document) =>
        fileStages(sys, inOrder((document as z.infer<typeof logic>).files), { folder, debugRounds }, ran),
    },
    {
      name: 'config.json',
      sees: PLANNED.slice(0, 4),
      make: async (given) => ((await saysJson(sys, CONFIG, config)(given)) as Config | undefined)?.values,
      check(values) {
        const invented = inventedIn(values as Config['values'], paper)
        return invented.length === 0 ? undefined : { why: `The paper does not say: ${invented.join(', ')}.` }
      },
    },
  ]
  const staged = await carryOutStages({ paper }, stages, { remake: 'gate' })
  const values = (staged.documents['config.json'] ?? {}) as Config['values']
  return { ...builtRepository(folder, staged, ran), config: values }
})

/** An analysis and a file for each, all analyses first, and the run of the last. */
function fileStages(
  sys: Sys,
  tasks: readonly FileTask[],
  { folder, debugRounds }: Required<Omit<PaperCoderInput, 'paper'>>,
  ran: Ran,
): readonly Stage[] {
  const paths = tasks.map(({ path }) => path)
  const analyses = paths.map((path): Stage => ({
    name: `analysis ${path}`,
    sees: PLANNED,
    make: says(
      sys,
      ANALYSE.replace('PATH', () => path),
    ),
  }))
  const code = tasks.map((task, i) =>
    fileStage(sys, task, [...PLANNED.slice(1), `analysis ${task.path}`, ...paths.slice(0, i).map(codeName)]),
  )
  const last = paths.at(-1) as string
  const files = { ...Object.fromEntries(paths.map((path) => [path, codeName(path)])), 'config.json': 'config.json' }
  const options = { folder, files, run: [last], blames: () => last, backsMax: debugRounds }
  return [...analyses, ...code, runStage(sys, options, ran)]
}

function strangers(files: readonly FileTask[], planned: z.infer<typeof architecture>): string | undefined {
  const [listed, asked] = [new Set(files.map(({ path }) => path)), new Set(planned.files)]
  const extra = [...listed].find((path) => !asked.has(path))
  const missing = [...asked].find((path) => !listed.has(path))
  if (extra !== undefined) return `The architecture has no file "${extra}".`
  return missing === undefined ? undefined : `The file "${missing}" of the architecture is missing.`
}

/** Numbers of a configuration that its paper does not name, in whatever form it writes them. */
export function inventedIn(values: Config['values'], paper: string): string[] {
  const said = new Set(knownNumbers(paper))
  return Object.entries(values).flatMap(([name, value]) =>
    typeof value === 'number' && !said.has(Math.abs(value)) ? [`${name} = ${value}`] : [],
  )
}
