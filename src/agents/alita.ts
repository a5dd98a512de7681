/**
 * Alita (Qiu et al. 2025, "Alita: generalist agent enabling scalable agentic reasoning with minimal predefinition and maximal self-evolution"): few tools to begin
 * with; what is missing is built, tried in the sandbox, and put into a box from which other agents take it.
 *
 *     kernel.spawn(alita, { question })                        // the process holds code.start and code.resume (drivers/sandbox)
 *     const box = await kernel.spawn(mcpBox, {}).result        // manifests of what was built
 *     madeTools(box)                                           // drivers/sandbox/made-tools.ts: tools of any kernel, and of its MCP door
 *
 * For each task: is what is there enough (brainstorm)? If not, a specification with an example; a script; a trial of the example in a sandbox without
 * network and without tools. A script that fails is repaired once, then the tool is dropped, as in the paper. A tool that works gets a
 * manifest in the form of MCP (name, description, input schema) and its code. Then the task is done with the box, and the answer verified.
 *
 * The paper builds Python in a conda environment with what it finds in public repositories; here a tool is JavaScript without packages, and nothing
 * is fetched. In the run that built it, a tool is called by `codeAction`; elsewhere it is a tool under the law, as any other.
 *
 * Invariants
 *   AL1. Nothing comes into the box that did not give the example's result in the sandbox.
 *   AL2. A built tool has no more than its input: no tools, no network, no files. It cannot widen what an agent may do.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { actionShape } from './pieces/acting.ts'
import { codeOf } from './code-act.ts'
import { codeAction, isCodeTool } from './pieces/code-action.ts'
import { askJson } from './pieces/json-answer.ts'
import { allNotes, markedNote } from './pieces/notes.ts'
import { isOurEnd } from './pieces/our-end.ts'
import { markOf } from './pieces/text-hash.ts'
import { wordsOfName } from './pieces/tool-search.ts'

/** A tool that was built: what MCP tells of it, and what it runs. */
export interface Manifest {
  readonly name: string
  readonly description: string
  readonly inputSchema: { readonly [key: string]: Json }
  /** JavaScript that declares `run(input)`. */
  readonly code: string
}

export interface AlitaInput {
  readonly question: string
  /** Actions at most. @default 10 */
  readonly stepsMax?: number
  /** Tools built at most. @default 3 */
  readonly buildsMax?: number
}

export interface Alitaed {
  readonly answer: string | null
  /** Names of tools that were built, and of those that were given up. */
  readonly built: readonly string[]
  readonly dropped: readonly string[]
  /** Names of tools of the box that were called. */
  readonly used: readonly string[]
}

const TAG = 'mcp-box'
const BRAINSTORM = `Are the tools listed enough for the task? Answer with JSON: {"enough": true}, or {"enough": false, "tool": {"name": "snake_case", "description": "…", "inputSchema": a JSON Schema of an object, "example": {"input": {…}, "output": …}}}: one tool that is missing and that would be of use for tasks of this kind in general.`
const SCRIPT =
  'Write the tool in JavaScript: declare `function run(input)`, also async, that returns the output as JSON. No packages, no network, no files. Write one block between ``` fences.'
const ACT =
  'Do the task with the tools, one call at a time. Answer with JSON: {"action": {"name": "…", "args": {…}}}, or {"action": {"name": "finish", "args": {"answer": "…"}}}.'
const VERIFY = 'Does the answer follow from what the tools gave? Answer with JSON: {"ok": true or false, "why": "…"}.'

const specified = z.object({
  enough: z.boolean(),
  tool: z
    .object({
      name: z.string().regex(/^[a-z][a-z0-9_]{0,39}$/),
      description: z.string().min(1).max(1_000),
      inputSchema: z.record(z.string(), z.json()),
      example: z.object({ input: z.record(z.string(), z.json()), output: z.json() }),
    })
    .optional(),
})
const chosen = z.object({ action: actionShape })
const verified = z.object({ ok: z.boolean(), why: z.string().optional() })

export const alita = defineProgram('alita', async (sys, input: AlitaInput): Promise<Alitaed> => {
  const { question, stepsMax = 10, buildsMax = 3 } = input
  const [built, dropped, used]: [string[], string[], Set<string>] = [[], [], new Set()]
  const held = sys.tools.filter(({ name }) => !isCodeTool(name))
  let box = await manifests(sys)
  const listed = (): string =>
    [...held, ...box]
      .map(({ name, description, inputSchema }) => `- ${name}: ${description} Input: ${JSON.stringify(inputSchema)}`)
      .join('\n') || 'none'

  for (let tries = 0; tries < buildsMax; tries++) {
    const idea = await askJson(
      sys,
      { instructions: BRAINSTORM, prompt: `Task: ${question}\n\nTools:\n${listed()}` },
      specified,
    )
    if (idea?.tool === undefined || idea.enough) break
    const { example, ...spec } = idea.tool
    if ([...held, ...box].some(({ name }) => name === spec.name)) break
    const manifest = await build(sys, spec, example)
    if (manifest === undefined) {
      dropped.push(spec.name)
      continue
    }
    await sys.remember({
      text: `${wordsOfName(spec.name)}: ${spec.description}`,
      tags: [TAG, markOf(`${TAG} ${spec.name}`)],
      data: manifest as unknown as Json,
    })
    built.push(spec.name)
    box = await manifests(sys)
  }

  const done: string[] = []
  for (let step = 0; step < stepsMax; step++) {
    const said = await askJson(
      sys,
      { instructions: `${ACT}\n\nTools:\n${listed()}`, prompt: [`Task: ${question}`, ...done].join('\n\n') },
      chosen,
    )
    if (said === undefined) break
    const { name, args = {} } = said.action
    if (name === 'finish') {
      const answer = typeof args['answer'] === 'string' ? args['answer'] : JSON.stringify(args['answer'] ?? '')
      const verdict = await askJson(
        sys,
        { instructions: VERIFY, prompt: [`Task: ${question}`, ...done, `Answer: ${answer}`].join('\n\n') },
        verified,
      )
      if (verdict?.ok !== false) return { answer, built, dropped, used: [...used] }
      done.push(`The answer ${JSON.stringify(answer)} was found wrong: ${verdict.why ?? ''}`)
      continue
    }
    const manifest = box.find((one) => one.name === name)
    if (manifest !== undefined) used.add(name)
    done.push(
      `${name} ${JSON.stringify(args)}: ${await called(() => (manifest === undefined ? sys.call<Json>(name, args) : runMade(sys, manifest, args)))}`,
    )
  }
  return { answer: null, built, dropped, used: [...used] }
})

/** The manifests of all tools that were built, by name. */
export const mcpBox = defineProgram('alita/mcp-box', async (sys, _: Json): Promise<readonly Manifest[]> =>
  manifests(sys),
)

async function manifests(sys: Sys): Promise<readonly Manifest[]> {
  const found: Manifest[] = []
  for await (const { data } of allNotes(sys, { tag: TAG })) found.push(data as unknown as Manifest)
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** What a manifest runs for an input; what `madeTools` runs is the same text. */
export function callOfMade({ code }: Pick<Manifest, 'code'>, input: Json): string {
  return `${code}\n;await run(${JSON.stringify(input)})`
}

async function runMade(sys: Sys, manifest: Pick<Manifest, 'code'>, input: Json): Promise<Json> {
  const { value, error } = await codeAction(sys, { code: callOfMade(manifest, input), tools: [] })
  if (error !== undefined) throw new PolityError('TOOL_FAILED', `${error.code}: ${error.message}`)
  return value ?? null
}

/** A script that gives the example's output; one repair, as in the paper. */
async function build(
  sys: Sys,
  spec: Omit<Manifest, 'code'>,
  { input, output }: { readonly input: Json; readonly output: Json },
): Promise<Manifest | undefined> {
  if ((await markedNote(sys, markOf(`${TAG} ${spec.name}`))) !== undefined) return undefined
  let wrong = ''
  for (let tries = 0; tries < 2; tries++) {
    const asked = `${JSON.stringify(spec)}\n\nExample: ${JSON.stringify({ input, output })}${wrong}`
    const code = codeOf((await sys.generate({ instructions: SCRIPT, prompt: asked, temperature: 0 })).text)
    const said = code === undefined ? 'there was no block of code' : await called(() => runMade(sys, { code }, input))
    if (code !== undefined && said === JSON.stringify(output)) return { ...spec, code }
    wrong = `\n\nYour last script did not work on the example: ${said.slice(0, 500)}`
  }
  return undefined
}

/** What came of a call, as a text; the end of the process is not. */
async function called(call: () => Promise<Json>): Promise<string> {
  try {
    return JSON.stringify(await call())
  } catch (error) {
    if (!PolityError.isInstance(error) || isOurEnd(error)) throw error
    return `${error.code}: ${error.message}`
  }
}
