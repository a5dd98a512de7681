/**
 * PublicAgent (Montazeri et al. 2025, "PublicAgent: multi-agent design principles from an LLM-based open data analysis framework"): a question about
 * public data, from what is meant over which data to what they say, each by an agent that sees its own stage alone.
 *
 *     spawn(publicAgent, { question: 'How much did it rain in Rome in 2021?' })   →   { report, rows, sql, datasets, made, backs }
 *
 * The process holds tools that find, describe and query tables (src/drivers/tables.ts, or others that speak the same way). Intent makes the question
 * precise; discovery picks data sets among those that a search finds, with the columns that matter; analysis writes SQL, which is computed on the real
 * tables; report says what came out, with the data sets it is drawn from. Each stage has a gate: a statement that is refused, takes too long or gives
 * too much goes back to the analysis, a result of nothing to whom a model blames, a number that is not in the result to the report. A tool that
 * fails otherwise (no file, no answer, one of another form) ends the run at once: no model could mend that.
 *
 * The paper finds discovery and analysis indispensable and the two others worth their calls with some models: `without` leaves stages out. From its
 * abstract and notes; its catalogues and figures are not here.
 *
 * Invariants
 *   PU1. Every number of the report stands in the result or in the question, up to the digits that it is written with.
 *   PU2. A run that ends without a result says which stage failed, and why; it reports nothing.
 */
import { z } from 'zod'
import { PolityError, type ErrorCode } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'
import { inventedNumbers } from './pieces/stated-numbers.ts'
import { carryOutStages, promptOf, saysJson, textOf, type Back, type Fault, type Stage, type Staged } from './staged.ts'

export const publicStages = ['intent', 'discovery', 'analysis', 'report'] as const
export type PublicStage = (typeof publicStages)[number]

export interface PublicAgentInput {
  readonly question: string
  /** Stages that are left out. @default none */
  readonly without?: readonly PublicStage[]
  /** Data sets that a search brings. @default 5 */
  readonly found?: number
  /** Times that one gate sends back. @default 3 */
  readonly backsMax?: number
}

export interface PublicAnswer {
  /** null where a stage failed, or none writes one. */
  readonly report: string | null
  readonly sql: string | null
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number | null)[])[]
  /** Ids of the data sets that it is drawn from. */
  readonly datasets: readonly string[]
  readonly made: readonly string[]
  readonly backs: readonly Back[]
  readonly failed?: Staged['failed']
}

const INTENT =
  'Make the question precise. Answer with JSON: {"measure": "what is asked for, with how it is combined", "place": "…", "time": "…", "grain": "for each what", "filters": ["…"]}.'
const DISCOVER =
  'Choose the data sets that answer the question, among those described, and the columns that matter. Answer with JSON: {"datasets": ["id"], "columns": [{"dataset": "id", "column": "…", "means": "…"}]}.'
const ANALYSE =
  'Write the plan and one SELECT statement of SQLite that computes the answer from the tables. Answer with JSON: {"plan": "…", "sql": "…"}.'
const REPORT =
  'Write the findings: what the result says, from which data sets, and what it does not say. Use only numbers that stand in the result. Answer with JSON: {"text": "…", "datasets": ["id"]}.'
const BLAME =
  'The result of an analysis cannot be right. Say which stage is at fault. Answer with JSON: {"stage": "intent" or "discovery" or "analysis", "why": "what to do otherwise"}.'

const intent = z.object({
  measure: z.string(),
  place: z.string(),
  time: z.string(),
  grain: z.string(),
  filters: z.array(z.string()),
})
const discovery = z.object({
  datasets: z.array(z.string()).min(1),
  columns: z.array(z.object({ dataset: z.string(), column: z.string(), means: z.string() })).min(1),
})
const analysis = z.object({ plan: z.string(), sql: z.string() })
const reported = z.object({ text: z.string().min(1), datasets: z.array(z.string()) })
const blamed = z.object({ stage: z.enum(['intent', 'discovery', 'analysis']), why: z.string() })
/** What the tools say: all of it is shown, and this is relied on. */
const foundSets = z.array(z.looseObject({ id: z.string() }))
const description = z.looseObject({ table: z.string(), columns: z.array(z.looseObject({ name: z.string() })) })
type Described = z.infer<typeof foundSets>[number] & z.infer<typeof description>
const result = z.looseObject({
  columns: z.array(z.string()),
  rows: z.array(z.array(z.union([z.string(), z.number(), z.null()]))),
})

export const publicAgent = defineProgram(
  'public-agent',
  async (sys, input: PublicAgentInput): Promise<PublicAnswer> => {
    const { question, without = [], found = 5, backsMax = 3 } = input
    const has = (stage: PublicStage): boolean => !without.includes(stage)
    const asked = has('intent') ? 'intent' : 'question'
    const known = has('discovery') ? ['discovery'] : []
    const computed = has('analysis') ? ['result'] : []
    const stages: Stage[] = []
    if (has('intent')) stages.push({ name: 'intent', sees: ['question'], make: saysJson(sys, INTENT, intent) })
    if (has('discovery')) stages.push(discoveryStage(sys, asked, found))
    if (has('analysis'))
      stages.push(
        { name: 'analysis', sees: [asked, ...known], make: saysJson(sys, ANALYSE, analysis) },
        resultStage(sys, [asked, ...known, 'analysis'], has),
      )
    if (has('report')) stages.push(reportStage(sys, [asked, ...known, ...computed]))
    const { documents, ...staged } = await carryOutStages({ question }, stages, { backsMax })

    const table = result.safeParse(documents['result'])
    const said = documents['report'] as z.infer<typeof reported> | undefined
    return {
      report: said?.text ?? null,
      sql: (documents['analysis'] as z.infer<typeof analysis> | undefined)?.sql ?? null,
      columns: table.data?.columns ?? [],
      rows: table.data?.rows ?? [],
      datasets: (documents['discovery'] as z.infer<typeof discovery> | undefined)?.datasets ?? [],
      ...staged,
    }
  },
)

/** Searches, describes what it finds, and lets the model choose. Its document holds the descriptions of what was chosen. */
function discoveryStage(sys: Sys, asked: string, limit: number): Stage {
  return {
    name: 'discovery',
    sees: [asked],
    async make(given) {
      const query = textOf(given.documents[asked] as Json)
      const sets = await told(sys, 'tables.search', { query, limit }, foundSets)
      if (isUnable(sets)) return sets
      const described: Described[] = []
      for (const one of sets) {
        const more = await told(sys, 'tables.describe', { id: one.id }, description)
        if (isUnable(more)) return more
        described.push({ ...more, ...one })
      }
      const shown = { ...given, documents: { ...given.documents, 'data sets': described as unknown as Json } }
      const said = (await saysJson(sys, DISCOVER, discovery)(shown)) as z.infer<typeof discovery> | undefined
      if (said === undefined) return undefined
      return { ...said, tables: described.filter(({ id }) => said.datasets.includes(id)) as unknown as Json }
    },
    check(document) {
      const { unable } = document as Partial<Unable>
      if (unable !== undefined) return { why: unable, ends: true }
      const { datasets, columns, tables } = document as unknown as z.infer<typeof discovery> & {
        readonly tables: readonly Described[]
      }
      const stranger = datasets.find((id) => !tables.some((one) => one.id === id))
      if (stranger !== undefined) return { why: `No data set that was found is called "${stranger}".` }
      const odd = columns.find(
        ({ dataset, column }) =>
          !tables.some(({ id, columns: own }) => id === dataset && own.some(({ name }) => name === column)),
      )
      return odd === undefined ? undefined : { why: `The data set "${odd.dataset}" has no column "${odd.column}".` }
    },
  }
}

/** Computes the statement on the tables. */
function resultStage(sys: Sys, sees: readonly string[], has: (stage: PublicStage) => boolean): Stage {
  return {
    name: 'result',
    sees,
    async make({ documents }) {
      const { sql } = documents['analysis'] as z.infer<typeof analysis>
      return (await told(sys, 'tables.query', { sql }, result)) as Json
    },
    async check(document, documents): Promise<Fault | undefined> {
      const { unable, mends } = document as Partial<Unable>
      if (unable !== undefined) return mends === true ? { to: 'analysis', why: unable } : { why: unable, ends: true }
      const { rows } = document as z.infer<typeof result>
      if (rows.some((row) => row.some((value) => value !== null && value !== ''))) return undefined
      const why = 'The result holds no value.'
      const shown = Object.fromEntries(['question', ...sees].map((name) => [name, documents[name] as Json]))
      const prompt = promptOf({ documents: shown, why })
      const said = await askJson(sys, { instructions: BLAME, prompt }, blamed)
      const to = said !== undefined && has(said.stage) ? said.stage : 'analysis'
      return { to, why: `${why} ${said?.why ?? ''}`.trim() }
    },
  }
}

/** In place of a document of which a tool gave nothing: why, and whether another input might do. */
type Unable = { readonly unable: string; readonly mends: boolean }

/** Codes of a tool's error, and whether it lies with what the tool was given. All others are no tool's. */
const TOOL_ERRORS: { readonly [Code in ErrorCode]?: boolean } = {
  INVALID_ARGUMENT: true,
  TOO_LARGE: true,
  TOOL_TIMEOUT: true,
  TOOL_FAILED: false,
  TOOL_INVALID: false,
}

const isUnable = (said: object): said is Unable => 'unable' in said

/** What a tool says, of a shape, or why it says nothing. */
async function told<Shape extends z.ZodType>(
  sys: Sys,
  tool: string,
  input: Json,
  shape: Shape,
): Promise<z.infer<Shape> | Unable> {
  try {
    const said = shape.safeParse(await sys.call<Json>(tool, input))
    if (said.success) return said.data
    return { unable: `${tool} gave something of another form: ${z.prettifyError(said.error)}`, mends: false }
  } catch (error) {
    const mends = PolityError.isInstance(error) ? TOOL_ERRORS[error.code] : undefined
    if (mends === undefined) throw error
    return { unable: (error as PolityError).message, mends }
  }
}

function reportStage(sys: Sys, sees: readonly string[]): Stage {
  return {
    name: 'report',
    sees,
    make: saysJson(sys, REPORT, reported),
    check(document, documents) {
      const { text, datasets } = document as z.infer<typeof reported>
      const table = result.safeParse(documents['result'])
      if (!table.success) return { why: 'There is no result to report.' }
      const chosen = (documents['discovery'] as z.infer<typeof discovery> | undefined)?.datasets
      const stranger = chosen === undefined ? undefined : datasets.find((id) => !chosen.includes(id))
      if (stranger !== undefined) return { why: `The result is not drawn from "${stranger}".` }
      if (chosen !== undefined && datasets.length === 0)
        return { why: 'The report names no data set that it is drawn from.' }
      const { columns, rows } = table.data
      const invented = inventedNumbers(text, [documents['question'] as Json, columns, rows])
      return invented.length === 0 ? undefined : { why: `Not in the result: ${invented.join(', ')}.` }
    },
  }
}
