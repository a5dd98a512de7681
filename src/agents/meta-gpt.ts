/**
 * MetaGPT (Hong et al. 2023, "MetaGPT: meta programming for a multi-agent collaborative framework"): a software company as a procedure. Who
 * writes what, and who reads it, is fixed; the code is run, and what fails goes back.
 *
 *     spawn(metaGpt, { requirement: 'A library that …', folder: 'project/' })   →   { files, passed, results, made, backs }
 *
 * A product manager writes requirements, an architect the design, a project manager the list of files in the order of their dependencies, an
 * engineer one file after another with those before it in view, a tester a test for each file. Then the repository is run (repository-stages.ts):
 * code that fails goes back to the engineer, a test that demands what nobody asked for to the tester; so up to five times, as in the release.
 * Whoever has no news does nothing; the run ends when nobody has any. A budget of the process ends it with `BUDGET_EXCEEDED`.
 *
 * Invariants
 *   MG1. No role sees a document that it does not watch (`sees` of its stage).
 *   MG2. The `files` that it returns are under `folder` as they were run last.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { codeOf } from './code-act.ts'
import { askJson } from './pieces/json-answer.ts'
import {
  builtRepository,
  codeName,
  faultOfFiles,
  fileStage,
  fileTask,
  inOrder,
  notRun,
  runStage,
  testName,
  testPath,
  type BuiltRepository,
  type FileTask,
  type Ran,
} from './pieces/repository-stages.ts'
import { BACKS_MAX, carryOutStages, says, saysJson, textOf, type Stage } from './staged.ts'

export interface MetaGptInput {
  readonly requirement: string
  /** Folder of the process for the repository, with `/` at its end. @default 'repository/' */
  readonly folder?: string
  /** Times that a review may send a file back before it is taken as it is. @default 0; 2 in the release, where it is on */
  readonly reviews?: number
  /** Times that a failing run goes back; how often other gates send back does not depend on it. @default 5, as in the release */
  readonly testRounds?: number
}

const REQUIREMENTS =
  'You are a product manager. Turn the requirement into goals, user stories and requirements that can be tested. Answer with JSON: {"goals": ["…"], "stories": ["…"], "requirements": ["…"]}.'
const DESIGN =
  'You are an architect. Design the software: the approach, the files, the data structures with their functions and signatures, and who calls whom. Answer with JSON: {"approach": "…", "files": ["src/….js"], "structures": "…", "calls": "…"}.'
const TASKS =
  'You are a project manager. List the files with what each does, exactly, and the files that it needs. Answer with JSON: {"files": [{"path": "src/….js", "does": "…", "after": ["src/….js"]}]}.'
const REVIEW = 'Review the file by the design. Answer with JSON: {"pass": true or false, "why": "what has to change"}.'
const TEST = `You are a tester. Write a test of the file PATH, which stands at TEST: a CommonJS module that reaches the file by require with a relative path, and throws where something is not as asked for. Write the whole test as one block between \`\`\` fences.`

const texts = z.array(z.string())
const requirements = z.object({ goals: texts, stories: texts, requirements: texts })
const design = z.object({ approach: z.string(), files: texts, structures: z.string(), calls: z.string() })
const fileList = z.object({ files: z.array(fileTask).min(1).max(30) })
const reviewed = z.object({ pass: z.boolean(), why: z.string() })

export const metaGpt = defineProgram('meta-gpt', async (sys, input: MetaGptInput): Promise<BuiltRepository> => {
  const { requirement, folder = 'repository/', reviews = 0, testRounds = 5 } = input
  const ran = notRun()
  const filesOf = (tasks: Json): readonly FileTask[] => (tasks as z.infer<typeof fileList>).files
  const stages: readonly Stage[] = [
    { name: 'requirements', sees: ['requirement'], make: saysJson(sys, REQUIREMENTS, requirements) },
    { name: 'design', sees: ['requirements'], make: saysJson(sys, DESIGN, design) },
    {
      name: 'tasks',
      sees: ['design'],
      make: saysJson(sys, TASKS, fileList),
      check(tasks) {
        const why = faultOfFiles(filesOf(tasks))
        return why === undefined ? undefined : { why }
      },
      opens: (tasks) => openedBy(sys, inOrder(filesOf(tasks)), { folder, reviews, testRounds }, ran),
    },
  ]
  const staged = await carryOutStages({ requirement }, stages, { remake: 'gate' })
  return builtRepository(folder, staged, ran)
})

/** A stage for each file and each test, and the run. */
function openedBy(
  sys: Sys,
  tasks: readonly FileTask[],
  { folder, reviews, testRounds }: Required<Omit<MetaGptInput, 'requirement'>>,
  ran: Ran,
): readonly Stage[] {
  const paths = tasks.map(({ path }) => path)
  const code = tasks.map((task, i): Stage => {
    const before = paths.slice(0, i).map(codeName)
    return reviewedStage(sys, fileStage(sys, task, ['design', 'tasks', ...before]), reviews)
  })
  const tests = paths.map((path): Stage => {
    const instructions = TEST.replace('PATH', () => path).replace('TEST', () => testPath(path))
    return { name: testName(path), sees: ['tasks', codeName(path)], make: says(sys, instructions, codeOf) }
  })
  const files = Object.fromEntries(
    paths.flatMap((path) => [
      [path, codeName(path)],
      [testPath(path), testName(path)],
    ]),
  )
  const blames = (test: string): string => paths.find((path) => testPath(path) === test) as string
  const options = { folder, files, run: paths.map(testPath), blames, backsMax: testRounds }
  return [...code, ...tests, runStage(sys, options, ran)]
}

/** The stage with a reviewer as its gate, who is heard so many times. */
function reviewedStage(sys: Sys, stage: Stage, reviews: number): Stage {
  let left = reviews
  return {
    ...stage,
    // Its reviewer has rounds of its own beside those of a file that is of no form.
    backsMax: BACKS_MAX + reviews,
    async check(file, documents) {
      if (left-- <= 0) return undefined
      const prompt = `# design\n${textOf(documents['design'] as Json)}\n\n# ${stage.name}\n${textOf(file)}`
      const said = await askJson(sys, { instructions: REVIEW, prompt }, reviewed)
      return said === undefined || said.pass ? undefined : { why: said.why }
    },
  }
}
