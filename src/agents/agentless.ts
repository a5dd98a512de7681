/**
 * Agentless (Xia et al. 2024, "Agentless: demystifying LLM-based software engineering agents"): an issue of a repository is mended in fixed steps,
 * without an agent that decides what comes next: find the place, draw many patches, choose one by tests and by vote.
 *
 *     spawn(agentless, { issue: 'add(1, 1) is 3.', folder: 'project/' })        →   { patch: { 'project/src/add.js': '…' }, … }
 *
 * The repository is the files under `folder` of the process, in JavaScript with CommonJS modules (repository-run.ts). Files are found by the
 * model from the list of them, and by the embedder; patches are search and replace blocks, the first drawn at temperature 0, the others at
 * .8; tests that pass before are the regression tests; reproduction tests print "Issue reproduced" before a patch and "Issue resolved" after.
 * The chosen patch is written to the files.
 *
 * Invariants
 *   AG1. A patch that does not apply is dropped; one that is chosen is in the files.
 *   AG2. Fewest regression failures first, then the reproduction tests (left out where none reproduces the issue), then the most frequent
 *        patch without comments and spaces; of equal ones the first.
 */
import { z } from 'zod'
import { PolityError, messageOf } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { codeOf } from './code-act.ts'
import { askJson } from './pieces/json-answer.ts'
import { nearestFirst } from './pieces/nearest.ts'
import { applied, blocksIn, normalised, patchForm, type Repository } from './pieces/patch-text.ts'
import { runTests } from './pieces/repository-run.ts'
import { plurality } from './pieces/vote.ts'

export interface AgentlessInput {
  readonly issue: string
  /** Path of the repository among the files of the process, with `/` at its end. */
  readonly folder: string
  /** Test files: those whose path matches. @default a path with "test" in it */
  readonly tests?: string
  /** Patches that are drawn. @default 10 */
  readonly patches?: number
  /** Reproduction tests that are drawn. @default 5; the paper has 40 */
  readonly reproductions?: number
  /** Files that the patches are shown. @default 3 */
  readonly files?: number
}

/** What is known of one patch. */
export interface PatchTrial {
  readonly patch: string
  /** Regression tests that it fails. */
  readonly broken: number
  /** Whether the reproduction test says that the issue is resolved. */
  readonly isResolved: boolean
}

export interface PatchRules {
  /** @default all three true */
  readonly regression?: boolean
  readonly reproduction?: boolean
  readonly vote?: boolean
}

export interface Mended {
  /** The files that changed; undefined where no patch applied. */
  readonly patch?: Repository
  /** Patches that applied. */
  readonly candidates: number
  readonly located: readonly string[]
  readonly regression: readonly string[]
  /** Whether a test reproduced the issue. */
  readonly reproduced: boolean
  readonly resolved: boolean
}

const LOCATE =
  'Name the files that have to be changed for the issue, the likeliest first. Answer with JSON: {"files": ["path"]}.'
const REPAIR = `Mend the issue with as few changes as possible. ${patchForm}`
const REPRODUCE = `Write one test file in JavaScript that prints "Issue reproduced" where the issue is there and "Issue resolved" where it is not. It stands in the folder FOLDER and reaches the other files by require. Write one block of code.`
const OBSOLETE =
  'Name the tests that demand what the issue calls wrong. Answer with JSON: {"tests": ["path"]}; an empty list where there are none.'
const SAMPLED = 0.8

const located = z.object({ files: z.array(z.string()) })
const obsolete = z.object({ tests: z.array(z.string()) })

/** The place of the patch to take; undefined where there is none. */
export function selectPatch(
  trials: readonly PatchTrial[],
  { regression = true, reproduction = true, vote = true }: PatchRules = {},
): number | undefined {
  let left = [...trials.keys()]
  const of = (place: number): PatchTrial => trials[place] as PatchTrial
  if (regression) {
    const fewest = Math.min(...left.map((place) => of(place).broken))
    left = left.filter((place) => of(place).broken === fewest)
  }
  const resolving = left.filter((place) => of(place).isResolved)
  if (reproduction && resolving.length > 0) left = resolving
  return vote ? plurality(left, { key: (place) => of(place).patch }) : left[0]
}

export const agentless = defineProgram('agentless', async (sys, input: AgentlessInput): Promise<Mended> => {
  const { issue, folder, tests = 'test', patches = 10, reproductions = 5, files: shownMax = 3 } = input
  const repository = await filesIn(sys, folder)
  const paths = Object.keys(repository)
  if (paths.length === 0)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `agentless: there are no files under "${folder}"; write the repository there first`,
    )
  const pattern = patternOf(tests)
  const isTest = (path: string): boolean => pattern.test(path.slice(folder.length))
  const found = await locate(
    sys,
    issue,
    repository,
    paths.filter((path) => !isTest(path)),
    shownMax,
  )

  const shown = found.map((path) => `### ${path}\n${repository[path] as string}`).join('\n')
  const written = Array.from({ length: patches }, (_, i) =>
    sys.generate({
      instructions: REPAIR,
      prompt: `Issue: ${issue}\n\nFiles:\n${shown}`,
      temperature: i === 0 ? 0 : SAMPLED,
    }),
  )
  const drawn = (await Promise.all(written)).flatMap(({ text }) => {
    const changed = applied(repository, blocksIn(text))
    return changed === undefined ? [] : [changed]
  })

  const before = await runTests(sys, repository, paths.filter(isTest))
  const passing = Object.keys(before).filter((path) => before[path]?.isPassed)
  const said =
    passing.length === 0
      ? undefined
      : await askJson(
          sys,
          { instructions: OBSOLETE, prompt: `Issue: ${issue}\nTests:\n${passing.join('\n')}` },
          obsolete,
        )
  const regression = passing.filter((path) => said?.tests.includes(path) !== true)
  const reproduction = await reproduce(sys, issue, folder, repository, reproductions)

  const script = `${folder}reproduction.js`
  const tryPatch = async (patch: Repository): Promise<PatchTrial> => {
    const after = { ...repository, ...patch, ...(reproduction === undefined ? {} : { [script]: reproduction }) }
    const results = await runTests(sys, after, reproduction === undefined ? regression : [...regression, script])
    return {
      patch: normalised(patch),
      broken: regression.filter((path) => results[path]?.isPassed !== true).length,
      isResolved: results[script]?.output.includes('Issue resolved') === true,
    }
  }
  // Patches that differ in comments and spaces alone are run once.
  const runs = new Map<string, Promise<PatchTrial>>()
  for (const patch of drawn) if (!runs.has(normalised(patch))) runs.set(normalised(patch), tryPatch(patch))
  const trials = await Promise.all(drawn.map((patch) => runs.get(normalised(patch)) as Promise<PatchTrial>))
  const place = selectPatch(trials)
  const patch = place === undefined ? undefined : drawn[place]
  for (const [path, text] of Object.entries(patch ?? {})) await sys.write(path, text)
  return {
    ...(patch === undefined ? {} : { patch }),
    candidates: drawn.length,
    located: found,
    regression,
    reproduced: reproduction !== undefined,
    resolved: place !== undefined && trials[place]?.isResolved === true,
  }
})

function patternOf(tests: string): RegExp {
  try {
    return new RegExp(tests)
  } catch (error) {
    throw new PolityError('INVALID_ARGUMENT', `agentless: tests is no regular expression: ${messageOf(error)}`)
  }
}

/** The files under a folder of the process, by path. */
export async function filesIn(sys: Sys, folder: string): Promise<Repository> {
  const entries = await sys.list(folder)
  const texts = await Promise.all(entries.map(({ path }) => sys.read(path)))
  return Object.fromEntries(entries.map(({ path }, i) => [path, texts[i] as string]))
}

/** What the model names, then what the embedder finds near, each once. */
async function locate(
  sys: Sys,
  issue: string,
  files: Repository,
  paths: readonly string[],
  max: number,
): Promise<string[]> {
  const [said, [near = []]] = await Promise.all([
    askJson(sys, { instructions: LOCATE, prompt: `Issue: ${issue}\nFiles:\n${paths.join('\n')}` }, located),
    nearestFirst(
      sys,
      [issue],
      paths.map((path) => `${path}\n${files[path] as string}`),
    ),
  ])
  const named = (said?.files ?? []).filter((path) => paths.includes(path))
  return [...new Set([...named, ...near.map((place) => paths[place] as string)])].slice(0, max)
}

/** The most frequent of the tests that reproduce the issue before any patch. */
async function reproduce(
  sys: Sys,
  issue: string,
  folder: string,
  files: Repository,
  times: number,
): Promise<string | undefined> {
  const instructions = REPRODUCE.replace('FOLDER', folder)
  const written = await Promise.all(
    Array.from({ length: times }, (_, i) =>
      sys.generate({
        instructions,
        prompt: `Issue: ${issue}\nFiles:\n${Object.keys(files).join('\n')}`,
        temperature: i === 0 ? 0 : SAMPLED,
      }),
    ),
  )
  const script = `${folder}reproduction.js`
  const codes = written.flatMap(({ text }) => codeOf(text) ?? [])
  const runs = await Promise.all(codes.map((code) => runTests(sys, { ...files, [script]: code }, [script])))
  return plurality(
    codes.filter((_, i) => runs[i]?.[script]?.output.includes('Issue reproduced')),
    { key: (code) => normalised({ code }) },
  )
}
