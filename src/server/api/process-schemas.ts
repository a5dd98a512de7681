/**
 * Processes as the native API takes and shows them (processes.ts).
 */
import { z } from 'zod'
import { Failure, json, listOf, named, object, pageOf, pid, time, whole } from './schema.ts'

/** What models took. */
export const taken = {
  inputTokens: whole,
  cachedTokens: whole.describe('Of the input tokens, those from the provider’s cache'),
  outputTokens: whole,
  usd: z.number(),
}

export const Usage = named(
  'Usage',
  'What a process and its descendants took so far',
  z.object({
    ...taken,
    steps: whole.describe('Model calls'),
    calls: whole.describe('System calls'),
    children: whole.describe('Descendants'),
  }),
)
export type Usage = z.infer<typeof Usage>

const ceiling = z.number().min(0)

const budgetOf = (counted: z.ZodNumber | z.ZodInt) =>
  z.strictObject({
    tokens: counted.optional().describe('Input and output together'),
    usd: ceiling.optional(),
    wallMs: ceiling.optional().describe('From the start'),
    steps: counted.optional().describe('Model calls'),
    children: counted.optional().describe('Descendants'),
  })

const BUDGET = 'Ceilings for a process with all its descendants; what is left out has none'

export const Budget = named('Budget', BUDGET, budgetOf(ceiling))
export type Budget = z.infer<typeof Budget>

/** As clients give it: what is counted is whole. A program may have set its child a part of a token, which is shown. */
export const BudgetGiven = named('BudgetGiven', BUDGET, budgetOf(whole))

export const ProcessState = z.enum(['running', 'stopped', 'done', 'failed', 'killed'])
export type ProcessState = z.infer<typeof ProcessState>

export const ProcessSort = z.enum(['pid', '-pid', 'program', '-program', 'priority', '-priority'])
export type ProcessSort = z.infer<typeof ProcessSort>

const processFields = {
  pid,
  parent: pid.nullable(),
  root: pid.describe('The process at the top of its tree; itself where it has no parent'),
  forkOf: pid.nullable().describe('The process whose past it took over'),
  program: z.string(),
  version: z.string(),
  name: z.string().nullable(),
  principal: z.string().describe('On whose behalf it runs'),
  priority: z.number(),
  state: ProcessState,
  waiting: z.string().nullable().describe('What it waits for, as call(detail)'),
  core: z.string().nullable().describe('Core of its model call'),
  queued: z.boolean().describe('Whether that call still waits for its turn'),
  startedAt: time,
  endedAt: time.nullable(),
  usage: Usage,
  budget: Budget,
  error: Failure.nullable(),
}

export const Process = named('Process', 'A process as it stands', z.object(processFields))
export type Process = z.infer<typeof Process>

export const ProcessPage = pageOf('ProcessPage', 'processes', Process)
export type ProcessPage = z.infer<typeof ProcessPage>

export type ProcessTree = Process & { children: ProcessTree[] }
export const ProcessTree: z.ZodType<ProcessTree> = named(
  'ProcessTree',
  'A process with its descendants, as far as they have a journal',
  z.object({ ...processFields, children: z.lazy(() => z.array(ProcessTree)) }),
)

export const StartRequest = named(
  'StartRequest',
  'A process to be started',
  z.strictObject({
    program: z.string().min(1).describe('Name of a program of GET /programs, or name@version'),
    input: json.optional().describe('What the program is given'),
    budget: BudgetGiven.optional(),
    priority: z.number().optional().describe('Higher goes first under the discipline `priority`. Default 0'),
    name: z.string().min(1).optional().describe('Address for mail beside the pid'),
    tools: z
      .array(z.string())
      .optional()
      .describe('Of the tools of kernel and program, those that it holds. Default all'),
    law: object.optional().describe('Rules that bind it beside the law in force; they can only narrow'),
  }),
)
export type StartRequest = z.infer<typeof StartRequest>

export const KillRequest = named(
  'KillRequest',
  'Why a process is killed',
  z.strictObject({ reason: z.string().max(1_000).optional().describe('Told to whoever waits for it') }),
)
export type KillRequest = z.infer<typeof KillRequest>

export const ForkRequest = named(
  'ForkRequest',
  'Where a fork leaves the path of its origin, and what it has otherwise',
  z.strictObject({
    at: whole.optional().describe('Number of the first call that is not of its past. Default all its past'),
    budget: BudgetGiven.optional().describe('Default that of its origin'),
    priority: z.number().optional().describe('Default that of its origin'),
  }),
)
export type ForkRequest = z.infer<typeof ForkRequest>

export const MailRequest = named('MailRequest', 'A message to a process', z.strictObject({ body: json }))
export type MailRequest = z.infer<typeof MailRequest>

export const Resumed = listOf('Resumed', 'The processes that go on: the one named and its descendants', Process)
export type Resumed = z.infer<typeof Resumed>

export const ReplayReport = named(
  'ReplayReport',
  'Whether an ended process, run again against its journal, made the same calls',
  z.object({
    same: z.boolean(),
    difference: z.string().optional().describe('Where the program left its journal'),
    calls: whole.describe('Calls that were made as the journal has them'),
  }),
)
export type ReplayReport = z.infer<typeof ReplayReport>

export const Done = named('Done', 'It was done; there is nothing to say', z.object({}))
export type Done = z.infer<typeof Done>

export const Result = named(
  'Result',
  'How a process ended; while it has not, state is running or stopped, and there is neither value nor error',
  z.object({ pid, state: ProcessState, value: json.optional(), error: Failure.optional() }),
)
export type Result = z.infer<typeof Result>
