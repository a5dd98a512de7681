/**
 * The consensus memory of work on a repository, and the actions that read and write nothing else (USEagent, Applis et al. 2025).
 *
 *     const { said, changes } = await carryOut(sys, { task, files, state, action: { name: 'edit', args: { instruction: 'Add, do not subtract.' } } })
 *     state = { ...state, ...changes }                 // 'd1 changes src/add.js.': a new diff
 *     summaryOf(state)                                  // as whoever leads reads it
 *
 * `search` and `review` are one model call, `edit` one that writes blocks (patch-text.ts), `test` runs files in the sandbox (repository-run.ts).
 * The repository itself is not changed: a diff holds the files that it changes, whole.
 *
 * Invariants
 *   TK1. A diff keeps its id and its content; an id is given once.
 *   TK2. What an action cannot do it says, and changes nothing.
 */
import { z } from 'zod'
import type { Json, Sys } from '../../kernel/types.ts'
import { askJson } from './json-answer.ts'
import { applied, blocksIn, patchForm, type Repository } from './patch-text.ts'
import { runTests } from './repository-run.ts'

/** Plain JSON. */
export interface TaskState {
  readonly locations: readonly string[]
  /** Files that a diff changes, by its id: `d1`, `d2`, … */
  readonly diffs: { readonly [id: string]: Repository }
  readonly runs: readonly {
    readonly diff: string | null
    readonly passed: readonly string[]
    readonly failed: readonly string[]
  }[]
  readonly notes: readonly string[]
}

export const emptyState: TaskState = { locations: [], diffs: {}, runs: [], notes: [] }

/** What a model is told of the actions. */
export const REPOSITORY_ACTIONS = `- search: {"question": "which files, and why"} names files and notes what they have to do with it.
- edit: {"instruction": "…", "base": "id of a diff, or left out"} writes a diff over the files, or over another diff.
- test: {"tests": ["path"], "diff": "id, or left out"} runs test files.
- review: {"diff": "id"} judges a diff.`
const LOCATE =
  'Name the files that matter to the question, the likeliest first, with one note on what is in them. Answer with JSON: {"files": ["path"], "note": "…"}.'
const EDIT = `Change the files by the instruction, with as few changes as possible. ${patchForm}`
const REVIEW = 'Judge whether the changes do what the task asks, and nothing else. Answer in two sentences.'

const found = z.object({ files: z.array(z.string()), note: z.string() })
const actions = z.discriminatedUnion('name', [
  z.object({ name: z.literal('search'), args: z.object({ question: z.string() }) }),
  z.object({ name: z.literal('edit'), args: z.object({ instruction: z.string(), base: z.string().optional() }) }),
  z.object({
    name: z.literal('test'),
    args: z.object({ tests: z.array(z.string()).min(1), diff: z.string().optional() }),
  }),
  z.object({ name: z.literal('review'), args: z.object({ diff: z.string() }) }),
])
type Of<Name extends z.infer<typeof actions>['name']> = Extract<z.infer<typeof actions>, { name: Name }>['args']

export interface RepositoryWork {
  readonly task: string
  /** The repository as it was. */
  readonly files: Repository
  readonly state: TaskState
}

export interface Carried {
  readonly said: string
  readonly changes?: Partial<TaskState>
}

/** One action, whatever was asked for. */
export async function carryOut(
  sys: Sys,
  { action, ...work }: RepositoryWork & { readonly action: { readonly name: string; readonly args?: Json } },
): Promise<Carried> {
  const read = actions.safeParse({ args: {}, ...action })
  if (!read.success) return { said: `That cannot be done: ${z.prettifyError(read.error)}` }
  const { name, args } = read.data
  const id = name === 'edit' ? args.base : name === 'search' ? undefined : args.diff
  const over = id === undefined ? {} : work.state.diffs[id]
  if (over === undefined) return { said: `There is no diff "${id as string}".` }
  if (name === 'search') return search(sys, work, args)
  if (name === 'edit') return edit(sys, work, args, over)
  if (name === 'test') return test(sys, work, args, over)
  return review(sys, work, args, over)
}

async function search(sys: Sys, { files, state }: RepositoryWork, { question }: Of<'search'>): Promise<Carried> {
  const prompt = `Question: ${question}\nFiles:\n${Object.keys(files).join('\n')}`
  const said = await askJson(sys, { instructions: LOCATE, prompt }, found)
  const paths = (said?.files ?? []).filter((path) => files[path] !== undefined)
  if (said === undefined || paths.length === 0) return { said: 'No file was found.' }
  const locations = [...new Set([...state.locations, ...paths])]
  return { said: paths.join(', '), changes: { locations, notes: [...state.notes, said.note] } }
}

async function edit(
  sys: Sys,
  { task, files, state }: RepositoryWork,
  { instruction }: Of<'edit'>,
  over: Repository,
): Promise<Carried> {
  const now: Repository = { ...files, ...over }
  const paths = state.locations.length > 0 ? state.locations : Object.keys(now)
  const shown = paths.map((path) => `### ${path}\n${now[path] as string}`).join('\n')
  const prompt = `Task: ${task}\nInstruction: ${instruction}\n\n${shown}`
  const changed = applied(now, blocksIn((await sys.generate({ instructions: EDIT, prompt })).text))
  if (changed === undefined)
    return { said: 'The patch did not apply: what is to be found has to stand in its file exactly once.' }
  const id = `d${Object.keys(state.diffs).length + 1}`
  const diffs = { ...state.diffs, [id]: { ...over, ...changed } }
  return { said: `${id} changes ${Object.keys(changed).join(', ')}.`, changes: { diffs } }
}

async function test(
  sys: Sys,
  { files, state }: RepositoryWork,
  { tests, diff }: Of<'test'>,
  over: Repository,
): Promise<Carried> {
  const now: Repository = { ...files, ...over }
  const there = tests.filter((path) => now[path] !== undefined)
  const results = await runTests(sys, now, there)
  const failed = tests.filter((path) => results[path]?.isPassed !== true)
  const run = { diff: diff ?? null, passed: tests.filter((path) => !failed.includes(path)), failed }
  const words = failed.map((path) => `${path} fails: ${results[path]?.output ?? 'there is no such file'}`)
  return { said: words.join('\n') || 'All of them pass.', changes: { runs: [...state.runs, run] } }
}

async function review(
  sys: Sys,
  { task, files, state }: RepositoryWork,
  { diff }: Of<'review'>,
  over: Repository,
): Promise<Carried> {
  const shown = Object.entries(over).map(
    ([path, text]) => `### ${path}\nBefore:\n${files[path] ?? ''}\nAfter:\n${text}`,
  )
  const prompt = `Task: ${task}\n\n${shown.join('\n')}`
  const { text } = await sys.generate({ instructions: REVIEW, prompt, temperature: 0 })
  return { said: text, changes: { notes: [...state.notes, `Review of ${diff}: ${text}`] } }
}

/** The memory as the meta-agent reads it. */
export function summaryOf({ locations, diffs, runs, notes }: TaskState): string {
  const lines = (texts: readonly string[]): string => texts.map((text) => `- ${text}`).join('\n') || '- none'
  return [
    `Places:\n${lines(locations)}`,
    `Diffs:\n${lines(Object.entries(diffs).map(([id, files]) => `${id}: ${Object.keys(files).join(', ')}`))}`,
    `Runs:\n${lines(runs.map((run) => `${run.diff ?? 'as it was'}: ${run.passed.length} passed, ${run.failed.length} failed${run.failed.length === 0 ? '' : ` (${run.failed.join(', ')})`}`))}`,
    `Notes:\n${lines(notes)}`,
  ].join('\n\n')
}
