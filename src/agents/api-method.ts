/**
 * The seven steps from a request to calls of APIs, as a thesis on API-based agents of small models sets them out: choose a model, take the task
 * apart, describe the APIs alike, gather examples, select APIs, generate a call, carry it out and learn of it.
 *
 *     kernel.spawn(apiMethod, { question: 'Book a table and tell Ann.', model: 'small' })
 *
 * 1 is `model`. 2: subtasks in order. 3: the held tools as documents (tool-search.ts). 4: examples are calls that were carried out well, kept by
 * the words of their subtask. 5: the `candidates` nearest documents, as many as `schemaTokens` hold, of which the model chooses one. 6: arguments
 * are checked against the schema before the call, and repaired twice at most. 7: what came back goes to the next subtask and into the answer.
 * The thesis is known to us in outline only; constants are options.
 *
 * Invariant
 *   AM1. No call is made whose arguments do not fit the schema of its tool.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, ModelChoice, Sys, ToolDescription } from '../kernel/types.ts'
import { act, actionTools } from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { findTools, indexTools, packTools } from './pieces/tool-search.ts'

export interface ApiMethodInput {
  readonly question: string
  readonly model?: ModelChoice
  /** @default 10 */
  readonly candidates?: number
  /** What the schemas of the candidates may take, tokens. @default 2,000 */
  readonly schemaTokens?: number
  /** @default 2 */
  readonly repairs?: number
  /** Examples of earlier calls that are shown. @default 2 */
  readonly examples?: number
}

export interface ApiCall {
  readonly subtask: string
  /** null: none was chosen. */
  readonly tool: string | null
  readonly args: Json
  /** Repairs that it took. */
  readonly repaired: number
  readonly result: string
  readonly ok: boolean
}

export interface ApiMethod {
  readonly answer: string
  readonly calls: readonly ApiCall[]
  /** Tools that were shown, of all that are held, in the mean. */
  readonly shown: number
}

const SPLIT =
  'Take the task apart into subtasks, in the order in which they are done; each is one call of one API. Answer with JSON: {"subtasks": ["…"]}.'
const CHOOSE = 'Choose the API for the subtask by its name. Answer with JSON: {"name": "…"}, null where none fits.'
const FILL = 'Write the arguments of the call. Answer with JSON: {"args": {…}}.'
const ANSWER = 'Answer the task from what the calls gave. Write only the answer.'

const split = z.object({ subtasks: z.array(z.string()).min(1).max(20) })
const choice = z.object({ name: z.string().nullable() })
const filled = z.object({ args: z.record(z.string(), z.json()) })
const TAG = 'api-method'
const EXAMPLE = 'api-example'

export const apiMethod = defineProgram('api-method', async (sys, input: ApiMethodInput): Promise<ApiMethod> => {
  const { question, candidates = 10, schemaTokens = 2_000 } = input
  const model = input.model === undefined ? {} : { model: input.model }
  const tools = actionTools(sys)
  await indexTools(sys, tools, { tag: TAG })
  const said = await askJson(sys, { ...model, instructions: SPLIT, prompt: question }, split)
  const calls: ApiCall[] = []
  let shown = 0
  for (const subtask of said?.subtasks ?? [question]) {
    const near = (await findTools(sys, subtask, { tag: TAG, limit: candidates })).filter(({ name }) =>
      tools.some((one) => one.name === name),
    )
    const offered = packTools(near.length === 0 ? tools.slice(0, candidates) : near, schemaTokens)
    shown += offered.length
    const before = calls.map((call) => `${call.subtask}: ${call.result}`).join('\n')
    const prompt = [`Task: ${question}`, ...(before === '' ? [] : [`Done:\n${before}`]), `Subtask: ${subtask}`].join(
      '\n\n',
    )
    const list = offered.map(({ name, description }) => `- ${name}: ${description}`).join('\n')
    const chosen =
      offered.length === 1
        ? { name: offered[0]?.name ?? null }
        : await askJson(sys, { ...model, instructions: `${CHOOSE}\n\n${list}`, prompt }, choice)
    const tool = offered.find(({ name }) => name === chosen?.name)
    if (tool === undefined) {
      calls.push({ subtask, tool: null, args: {}, repaired: 0, result: 'No API fits.', ok: false })
      continue
    }
    calls.push(await carryOut(sys, tool, subtask, prompt, input))
  }
  const results = calls.map((call) => `${call.subtask}: ${call.result}`).join('\n')
  const { text } = await sys.generate({
    ...model,
    instructions: ANSWER,
    prompt: `Task: ${question}\n\n${results}`,
    temperature: 0,
  })
  return { answer: text.trim(), calls, shown: shown / calls.length }
})

/** Arguments that fit, made better at most `repairs` times, and the call. */
async function carryOut(
  sys: Sys,
  tool: ToolDescription,
  subtask: string,
  prompt: string,
  { repairs = 2, examples = 2, model }: ApiMethodInput,
): Promise<ApiCall> {
  const known =
    examples === 0
      ? []
      : (await sys.recall(subtask, { tag: EXAMPLE, limit: 10 })).filter(({ source }) => source === tool.name)
  const shown = known.slice(0, examples).map(({ text, data }) => `${text}: ${JSON.stringify(data)}`)
  const base = [
    prompt,
    `API: ${JSON.stringify(tool)}`,
    ...(shown.length === 0 ? [] : [`Calls that worked:\n${shown.join('\n')}`]),
  ].join('\n\n')
  let wrong = ''
  for (let repaired = 0; ; repaired++) {
    const said = await askJson(
      sys,
      { ...(model === undefined ? {} : { model }), instructions: FILL, prompt: base + wrong, triesMax: 1 },
      filled,
    )
    const args = said?.args ?? {}
    const faults = said === undefined ? 'the answer was no JSON of that form' : faultsOf(tool, args)
    const told = faults === '' ? await act(sys, { name: tool.name, args }) : undefined
    const problem = told === undefined ? faults : told.error?.message
    if (problem === undefined) {
      await sys.remember({ text: subtask, tags: [EXAMPLE], source: tool.name, data: args })
      return { subtask, tool: tool.name, args, repaired, result: told?.text ?? '', ok: true }
    }
    if (repaired >= repairs)
      return { subtask, tool: tool.name, args, repaired, result: `It could not be done: ${problem}`, ok: false }
    wrong = `\n\nThese arguments were wrong: ${JSON.stringify(args)}: ${problem}`
  }
}

/** What the schema of a tool says against arguments; empty: nothing. */
function faultsOf({ inputSchema }: ToolDescription, args: Json): string {
  const checked = z.fromJSONSchema(inputSchema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(args)
  return checked.success ? '' : z.prettifyError(checked.error)
}
