/**
 * The stages in which a repository is written, run and mended: a list of files in the order of their dependencies, a stage for each file, and a
 * gate that runs it in the sandbox. meta-gpt.ts and paper-coder.ts share them.
 *
 *     const ran = notRun()
 *     const stages = [...inOrder(tasks).map((task) => fileStage(…)), runStage(sys, { folder, files, run, blames }, ran)]
 *     return builtRepository(folder, await carryOutStages({ requirement }, stages), ran)
 *
 * The repository is JavaScript in CommonJS modules (repository-run.ts): with the package.json that is written beside them, `npm test` runs it
 * wherever there is Node. The gate writes it to the files of the process, runs the tests, and asks the model which file is at fault: a file, or a test.
 */
import { z } from 'zod'
import type { Json, Sys } from '../../kernel/types.ts'
import { codeOf } from '../code-act.ts'
import { askJson } from './json-answer.ts'
import type { Repository } from './patch-text.ts'
import { runTests, type TestResult } from './repository-run.ts'
import { says, textOf, type Back, type Documents, type Fault, type Stage, type Staged } from '../staged.ts'
import { faultOf } from './task-graph.ts'

/** A file as a plan has it. */
export const fileTask = z.object({ path: z.string(), does: z.string(), after: z.array(z.string()) })
export type FileTask = z.infer<typeof fileTask>

export interface BuiltRepository {
  readonly folder: string
  /** Paths below the folder that were written, sorted; what lay there before is not among them. */
  readonly files: readonly string[]
  /** Whether all that was run passed. */
  readonly passed: boolean
  /** Of the last run. */
  readonly results: { readonly [test: string]: TestResult }
  /** Stages in the order in which they were made. */
  readonly made: readonly string[]
  readonly backs: readonly Back[]
  readonly failed?: Staged['failed']
}

const PATH = /^(?!\/)(?!.*\.\.)[\w./-]+\.js$/
const BLAME = `Running the repository failed. Say which one file has to be mended: a file, or a test that demands what was not asked for. Answer with JSON: {"mend": "its path", "why": "what to do"}.`
const blamed = z.object({ mend: z.string(), why: z.string() })

export const codeName = (path: string): string => `code ${path}`
export const testName = (path: string): string => `test ${path}`
/** Where the test of a file stands. */
export const testPath = (path: string): string => `test/${path.replaceAll('/', '-')}`

/** What is wrong with a list of files; undefined where nothing is. Each has a test of its own, so no two may share its path. */
export function faultOfFiles(tasks: readonly FileTask[]): string | undefined {
  const odd = tasks.find(({ path }) => !PATH.test(path) || path.startsWith('test/'))
  if (odd !== undefined)
    return `"${odd.path}" is no path of a file: letters, digits, "." "_" "-" and "/", ".js" at its end, not under test/`
  for (const [i, { path }] of tasks.entries()) {
    const other = tasks.slice(0, i).find((one) => one.path !== path && testPath(one.path) === testPath(path))
    if (other !== undefined)
      return `The tests of "${other.path}" and "${path}" would both be ${testPath(path)}: give one another path.`
  }
  return faultOf(
    tasks.map(({ path, does, after }) => ({ id: path, goal: does, after })),
    [],
  )
}

/** Each file behind those that it waits for; else as they came. */
export function inOrder(tasks: readonly FileTask[]): readonly FileTask[] {
  const order: FileTask[] = []
  for (let left = tasks; left.length > 0;) {
    const free = left.find(({ after }) => after.every((path) => order.some((one) => one.path === path)))
    if (free === undefined) return [...order, ...left]
    order.push(free)
    left = left.filter((one) => one !== free)
  }
  return order
}

const WRITE = `Write the file PATH of a repository: DOES
JavaScript, a CommonJS module; other files of the repository are reached by require with a relative path, nothing else is. Write the whole file as one block between \`\`\` fences.`

/** Writes one file, with what it sees. */
export function fileStage(sys: Sys, { path, does }: FileTask, sees: readonly string[]): Stage {
  const instructions = WRITE.replace('PATH', () => path).replace('DOES', () => does)
  return { name: codeName(path), sees, make: says(sys, instructions, codeOf) }
}

export interface RunOptions {
  readonly folder: string
  /** Documents that are files, by path. */
  readonly files: { readonly [path: string]: string }
  /** Paths of those that are run. */
  readonly run: readonly string[]
  /** Of a path that is run, the file that is blamed where the model names none. */
  readonly blames: (path: string) => string
  /** Times that a failing run goes back. @default that of the pipeline */
  readonly backsMax?: number
}

/** What a gate wrote, and how it ran last. */
export interface Ran {
  files: readonly string[]
  results: BuiltRepository['results']
}

/** For a gate to fill. */
export const notRun = (): Ran => ({ files: [], results: {} })

/** The gate: writes the repository, runs it, and sends what failed back to the file that the model blames. @param ran is kept up to date */
export function runStage(sys: Sys, { folder, files, run, blames, ...options }: RunOptions, ran: Ran): Stage {
  const repositoryOf = (documents: Documents): Repository =>
    Object.fromEntries(Object.entries(files).map(([path, name]) => [path, textOf(documents[name] as Json)]))
  return {
    name: 'run',
    sees: Object.values(files),
    ...options,
    async make({ documents }) {
      const repository = repositoryOf(documents)
      const written = { ...repository, 'package.json': packageOf(run) }
      for (const [path, text] of Object.entries(written)) await sys.write(folder + path, text)
      ran.files = Object.keys(written).toSorted()
      ran.results = await runTests(sys, repository, run)
      return ran.results as unknown as Json
    },
    async check(results, documents): Promise<Fault | undefined> {
      const outcome = results as unknown as BuiltRepository['results']
      const failing = run.filter((path) => outcome[path]?.isPassed !== true)
      const [first] = failing
      if (first === undefined) return undefined
      const shown = Object.entries(repositoryOf(documents)).map(([path, text]) => `# ${path}\n${text}`)
      const told = failing.map((path) => `${path}: ${outcome[path]?.output ?? ''}`).join('\n')
      const prompt = [...shown, `# What failed\n${told}`].join('\n\n')
      const said = await askJson(sys, { instructions: BLAME, prompt }, blamed)
      const to = files[said?.mend ?? ''] ?? (files[blames(first)] as string)
      return { to, why: [said?.why ?? '', told].join('\n').trim() }
    },
  }
}

function packageOf(run: readonly string[]): string {
  const scripts = { test: run.map((path) => `node ${path}`).join(' && ') }
  return `${JSON.stringify({ private: true, type: 'commonjs', scripts }, null, 2)}\n`
}

/** What came of a pipeline whose last stage is the run. */
export function builtRepository(folder: string, { made, backs, failed }: Staged, ran: Ran): BuiltRepository {
  return {
    folder,
    ...ran,
    passed: failed === undefined,
    made,
    backs,
    ...(failed === undefined ? {} : { failed }),
  }
}
