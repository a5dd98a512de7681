/**
 * What the native API takes and answers, once: these schemas check requests, are the OpenAPI document (openapi.ts), and
 * give the client its types (src/client.ts), which imports the types only.
 *
 *     Process.parse(await response.json())
 *     const process: Process = …
 *
 * Invariants
 *   AS1. Times are ms since 1970, durations ms, money US dollars.
 *   AS2. What is absent in an answer is null, or left out where the schema says `optional`; nothing is undefined.
 */
import { z } from 'zod'
import { errorTable } from '../../kernel/errors.ts'
import type { ErrorCode } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'

/** The schemas that the document names, by id. */
export const components = z.registry<{ readonly id: string; readonly description: string }>()

function named<Schema extends z.ZodType>(id: string, description: string, schema: Schema): Schema {
  components.add(schema, { id, description })
  return schema
}

/** Any JSON. What came over the wire is some; what is answered was checked by the kernel. */
const json = z.unknown() as unknown as z.ZodType<Json>
/** A JSON object whose keys are not ours to say. */
const object = z.record(z.string(), json)
const whole = z.int().min(0)
const pid = z.int().min(1).describe('A process by the place of its start in the journal')
const time = z.number().describe('ms since 1970')

// -------------------------------------------------------------------------------------------------------------- errors

export const Failure = named(
  'Failure',
  'An error of the table (docs/errors.md), as plain data',
  z.object({
    code: z.enum(Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    detail: json.optional().describe('Facts for programs, such as the rule that denied'),
  }),
)
export type Failure = z.infer<typeof Failure>

/** A page of something; `next` is the cursor of the page after it, null where there is none. */
function pageOf<Item extends z.ZodType>(id: string, what: string, item: Item) {
  return named(
    id,
    `A page of ${what}. Pass next as cursor to go on; null: this is the last page`,
    z.object({ items: z.array(item), next: z.string().nullable() }),
  )
}

/** All of something, in one answer. */
function listOf<Item extends z.ZodType>(id: string, description: string, item: Item) {
  return named(id, description, z.object({ items: z.array(item) }))
}

// ----------------------------------------------------------------------------------------------------------- processes

/** What models took. */
const taken = {
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

export const Budget = named(
  'Budget',
  'Ceilings for a process with all its descendants; what is left out has none',
  z.strictObject({
    tokens: ceiling.optional().describe('Input and output together'),
    usd: ceiling.optional(),
    wallMs: ceiling.optional().describe('From the start'),
    steps: ceiling.optional().describe('Model calls'),
    children: ceiling.optional().describe('Descendants'),
  }),
)
export type Budget = z.infer<typeof Budget>

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
    budget: Budget.optional(),
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
    budget: Budget.optional().describe('Default that of its origin'),
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

// -------------------------------------------------------------------------------------------------------------- traces

export const CallUsage = named(
  'CallUsage',
  'What one model call took',
  z.object({
    ...taken,
    estimated: z.boolean().describe('The provider sent no counts; ours stand in'),
    preempted: z
      .object({
        times: whole.describe('How often it made room for another call'),
        tokensAgain: whole.describe('Tokens that were read, and paid, again'),
        stateBytes: whole.describe('Bytes of the states that were kept'),
        stateMs: z.number().describe('Time for keeping them and taking them up again, ms'),
      })
      .optional()
      .describe('What it cost that it made room; absent: it did not'),
  }),
)
export type CallUsage = z.infer<typeof CallUsage>

export const Span = named(
  'Span',
  'One system call of a process',
  z.object({
    n: whole.describe('The n-th call of its process, from 0'),
    seq: whole.describe('Place of its start in the journal'),
    pid: pid.describe('The process that made it: of a fork’s past, the origin'),
    call: z.string().describe('Name of the system call'),
    tool: z.string().nullable().describe('Of `call`: the tool'),
    args: z.string().describe('A summary of the arguments'),
    value: z.string().nullable().describe('A summary of the value'),
    startedAt: time,
    endedAt: time.nullable(),
    waitedMs: z.number().describe('Of that, waiting for a core'),
    askedMs: z.number().describe('Of that, waiting for a person’s word'),
    core: z.string().nullable().describe('Of a model call: the core that it waits for, or that answered'),
    usage: CallUsage.nullable(),
    error: Failure.nullable(),
    refused: z.boolean().describe('The law did not let it through, or nobody allowed it'),
    rule: z.string().nullable().describe('Rule of the law that refused it'),
    child: pid.nullable().describe('Of spawn and fork: the process that began'),
    inherited: z.boolean().describe('Of the past that a fork took over'),
    undone: z.boolean().describe('A restore went back to before it'),
    given: json.optional().describe('The arguments whole, where they were asked for'),
    returned: json.optional().describe('The value whole, where it was asked for and there is one'),
  }),
)
export type Span = z.infer<typeof Span>

export const SpanPage = pageOf('SpanPage', 'system calls, by their place in the journal', Span)
export type SpanPage = z.infer<typeof SpanPage>

export const Message = named(
  'Message',
  'A message in the AI SDK’s form (LanguageModelV4Message)',
  z.looseObject({ role: z.enum(['system', 'user', 'assistant', 'tool']), content: json }),
)
export type Message = z.infer<typeof Message>

export const ModelCall = named(
  'ModelCall',
  'One model call: everything that the model was sent, and what it answered',
  z.object({
    n: whole,
    pid,
    models: z.array(z.string()).describe('The core that was asked for, or the chain of them'),
    tools: z.array(z.string()).describe('Names of the tools that it could ask for'),
    options: object.describe('Temperature and the like, where they were said'),
    messages: z.array(Message),
    answer: Message.nullable().describe('null while there is none'),
    finishReason: z.string().nullable(),
    model: z.string().nullable().describe('The core that answered'),
    usage: CallUsage.nullable(),
    error: Failure.nullable(),
    startedAt: time,
    endedAt: time.nullable(),
  }),
)
export type ModelCall = z.infer<typeof ModelCall>

export const ModelCallPage = pageOf('ModelCallPage', 'model calls', ModelCall)
export type ModelCallPage = z.infer<typeof ModelCallPage>

// -------------------------------------------------------------------------------------------------------------- events

const placed = { seq: whole.describe('Place in the journal: the id of the event'), at: time, pid: z.int().min(0) }
const reserved = z.object({ tokens: z.number(), usd: z.number() })

export const RunEvent = named(
  'RunEvent',
  'Something that happened to a process: an event of its journal, or a piece of what a model is saying (text-delta, never journaled, without an id). The name of the server-sent event is its type',
  z.discriminatedUnion('type', [
    z.looseObject({
      type: z.literal('process-start'),
      ...placed,
      parent: pid.nullable(),
      program: z.string(),
      version: z.string(),
      name: z.string().nullable(),
      principal: z.string(),
      priority: z.number(),
      budget: Budget,
      tools: z.array(z.string()),
      input: json.optional(),
    }),
    z.looseObject({
      type: z.literal('call-start'),
      ...placed,
      n: whole,
      call: z.string(),
      args: json,
      reserved: reserved.optional(),
    }),
    z.looseObject({ type: z.literal('call-reserve'), ...placed, n: whole, reserved }),
    z.looseObject({
      type: z.literal('call-wait'),
      ...placed,
      n: whole,
      core: z.string().nullable().describe('null: for a person'),
      turn: z
        .looseObject({ content: z.array(json), usage: CallUsage, state: z.string().optional() })
        .optional()
        .describe('What its answer came to in the turn that has just ended, in which it made room for another call'),
    }),
    z.looseObject({ type: z.literal('call-sent'), ...placed, n: whole }),
    z.looseObject({
      type: z.literal('call-end'),
      ...placed,
      n: whole,
      value: json.optional(),
      error: Failure.optional(),
      refused: z.literal(true).optional(),
      trusted: z.literal(true).optional().describe('Of a tool call: the tool is declared trusted'),
      usage: CallUsage.optional(),
      waitedMs: z.number().optional(),
    }),
    z.looseObject({
      type: z.literal('mail-sent'),
      ...placed,
      mail: z.looseObject({ id: whole, from: whole, body: json }),
    }),
    z.looseObject({ type: z.literal('process-rewind'), ...placed, n: whole, value: json }),
    z.looseObject({ type: z.literal('files-restored'), ...placed, value: json }),
    z.looseObject({
      type: z.literal('process-end'),
      ...placed,
      state: z.enum(['done', 'failed', 'killed']),
      value: json.optional(),
      error: Failure.optional(),
      usage: Usage,
    }),
    z.looseObject({ type: z.literal('text-delta'), pid, n: whole, delta: z.string() }),
  ]),
)
export type RunEvent = z.infer<typeof RunEvent>

// --------------------------------------------------------------------------------------------------------------- files

const fileFields = {
  path: z.string(),
  version: whole.describe('Grows with every write in the machine; readFile takes it'),
  bytes: whole.describe('Of its content, in UTF-8'),
  at: time,
  pid: pid.describe('The process that wrote it'),
  removed: z.boolean().describe('The file was removed here: this version has no content'),
  labels: z.array(z.string()).describe('Of what its writer had learned'),
}

export const FileVersion = named('FileVersion', 'A version of a file', z.object(fileFields))
export type FileVersion = z.infer<typeof FileVersion>

export const FilePage = pageOf('FilePage', 'versions of files', FileVersion)
export type FilePage = z.infer<typeof FilePage>

export const FileContent = named(
  'FileContent',
  'A version of a file with its content',
  z.object({
    ...fileFields,
    content: z.string(),
    encoding: z.enum(['utf8', 'base64']).describe('base64 of what is not text'),
  }),
)
export type FileContent = z.infer<typeof FileContent>

// -------------------------------------------------------------------------------------------------------------- memory

const noteKind = z.enum(['note', 'fact', 'summary'])
const noteTrust = z.enum(['request', 'trusted', 'untrusted'])
const instant = z.number().describe('ms since 1970')

export const NoteRequest = named(
  'NoteRequest',
  'A note to keep',
  z.strictObject({
    text: z.string().min(1),
    tags: z.array(z.string()).optional(),
    source: z.string().optional().describe('Where it was learned: a path, a URL, a tool'),
    kind: noteKind.optional().describe('Something observed, a statement drawn from notes, or their gist. Default note'),
    keywords: z.array(z.string()).optional().describe('Words that it shall also be found by'),
    context: z.string().optional().describe('What it stands in; it is found by that too'),
    session: z.string().optional().describe('Notes of one session are neighbours'),
    validFrom: instant.optional().describe('Since when it holds, ms since 1970. Default: when it was remembered'),
    validTo: instant.optional().describe('Until when it held, ms since 1970. Default: it still holds'),
    parents: z.array(z.string()).optional().describe('Ids of the notes it was drawn from; it is revoked with them'),
    links: z.array(z.string()).optional().describe('Ids of notes that belong to it'),
    data: json.optional().describe('Kept with it, not searched'),
    id: z.string().optional().describe('Of a note whose place it takes'),
  }),
)
export type NoteRequest = z.infer<typeof NoteRequest>

export const Note = named(
  'Note',
  'A note of the caller’s principal',
  z.object({
    id: z.string(),
    text: z.string(),
    tags: z.array(z.string()),
    source: z.string().nullable(),
    pid: pid.describe('The process that wrote it'),
    at: time,
    labels: z.array(z.string()).describe('Of what its writer had learned'),
    tools: z
      .array(z.string())
      .describe('Tools whose answers its writer, or a process above it, had learned, also through other notes'),
    trust: noteTrust.describe(
      'Where the text as a whole came from: the user’s own words, the answer of a trusted tool, or elsewhere; no more than the least of its parents',
    ),
    kind: noteKind,
    keywords: z.array(z.string()),
    context: z.string(),
    session: z.string().nullable(),
    validFrom: instant,
    validTo: instant.nullable().describe('ms since 1970, itself not included; null: it still holds'),
    parents: z.array(z.string()).describe('Notes it was drawn from'),
    links: z.array(z.string()),
    data: json,
    score: z
      .number()
      .nullable()
      .describe('Higher is nearer to the query; comparable within one answer only. null where there was no query'),
    why: z
      .array(
        z.object({
          by: z.enum(['lexical', 'vector', 'neighbour', 'session', 'derived', 'link', 'name', 'time']),
          score: z.number(),
          through: z.string().optional().describe('The note through which it was found'),
        }),
      )
      .describe('Why it came back, the weightiest first; none where there was no query'),
  }),
)
export type Note = z.infer<typeof Note>

export const Notes = pageOf(
  'Notes',
  'notes: those that a query found, the best first; without one all, the newest first',
  Note,
)
export type Notes = z.infer<typeof Notes>

export const RevokeRequest = named(
  'RevokeRequest',
  'Notes that come from a source',
  z.strictObject({
    source: z.string().min(1),
    principal: z.string().optional().describe('Whose. Default everybody’s'),
    dryRun: z.boolean().optional().describe('Only tell which. Default false'),
  }),
)
export type RevokeRequest = z.infer<typeof RevokeRequest>

export const Revocation = named(
  'Revocation',
  'Notes that were revoked, or would be',
  z.object({
    notes: z.int().min(0).describe('Notes that processes saw until then'),
    forgotten: z.int().min(0).describe('Notes forgotten before, which forks from before could still see'),
    first: z
      .array(
        z.object({
          principal: z.string(),
          fork: pid.nullable().describe('The fork in whose own branch it stood'),
          id: z.string(),
          text: z.string(),
          source: z.string().nullable(),
          through: z.string().nullable().describe('The note it was drawn from; null: it is of the source itself'),
        }),
      )
      .describe('The first ones'),
  }),
)
export type Revocation = z.infer<typeof Revocation>

export const NoteKept = named('NoteKept', 'A note was kept', z.object({ id: z.string() }))
export type NoteKept = z.infer<typeof NoteKept>

// ------------------------------------------------------------------------------------------------------------- machine

export const ToolInfo = named(
  'ToolInfo',
  'A tool that processes may hold',
  z.object({
    name: z.string(),
    description: z.string(),
    effect: z.enum(['read', 'idempotent', 'once']).describe('What it does to the world, and so what a crash leaves'),
    control: z.array(z.string()).describe('Arguments that steer what it hits'),
    labels: z.array(z.string()).describe('Labels of what it returns'),
    outbound: z.boolean().nullable().describe('Whether it tells something to the outside; null: nobody says'),
    trusted: z.boolean(),
    locks: z.array(z.string()),
    timeoutMs: z.number(),
    inputSchema: object.nullable().describe('JSON Schema; null where its library cannot say'),
    holder: z.string().nullable().describe('The program that brings it; null: every root process holds it'),
  }),
)
export type ToolInfo = z.infer<typeof ToolInfo>
export const Tools = listOf('Tools', 'Tools, the kernel’s first', ToolInfo)
export type Tools = z.infer<typeof Tools>

export const ProgramInfo = named(
  'ProgramInfo',
  'A program that can be started',
  z.object({
    name: z.string(),
    version: z.string(),
    tools: z.array(z.string()).describe('Names of the tools that it brings'),
    models: z.array(z.string()).describe('The core of its calls that name none; empty: the kernel’s'),
  }),
)
export type ProgramInfo = z.infer<typeof ProgramInfo>
export const Programs = listOf('Programs', 'Programs that can be started', ProgramInfo)
export type Programs = z.infer<typeof Programs>

export const CoreInfo = named(
  'CoreInfo',
  'A core: one model with its queue',
  z.object({
    id: z.string(),
    slots: whole.describe('Calls at once, as declared or learned'),
    inFlight: whole,
    waiting: whole,
    requestsPerMinute: z.number().nullable().describe('As declared or learned; null: no limit is known'),
    tokensPerMinute: z.number().nullable(),
    admitted: whole.describe('Calls sent since the kernel started'),
    refused: whole.describe('By the provider, for going too fast'),
    failed: whole,
    loads: whole.describe('Turns on a machine that has no room for all of its models'),
    open: z.boolean().describe('Its circuit breaker is open: it takes no calls for now'),
    tokenRatio: z
      .number()
      .describe('What estimates of tokens are multiplied by, learned from the counts of the provider'),
    estimateError: z
      .number()
      .nullable()
      .describe('By what share of the counted input tokens the estimates were wrong; null before the first count'),
  }),
)
export type CoreInfo = z.infer<typeof CoreInfo>
export const Cores = listOf('Cores', 'Cores as they stand', CoreInfo)
export type Cores = z.infer<typeof Cores>

export const Limits = named(
  'Limits',
  'Limits of the machine (docs/kernel/limits.md), with units in their names',
  z.record(z.string(), z.number()),
)
export type Limits = z.infer<typeof Limits>

export const BudgetUse = named(
  'BudgetUse',
  'A running process with a budget of its own, and how much of it is used',
  z.object({
    pid,
    program: z.string(),
    name: z.string().nullable(),
    principal: z.string(),
    budget: Budget,
    used: Usage,
  }),
)
export type BudgetUse = z.infer<typeof BudgetUse>

export const Account = named(
  'Account',
  'What an API key may spend in all its runs, and has spent',
  z.object({
    name: z.string(),
    budget: Budget,
    used: Usage,
    reserved,
    room: z
      .object({
        bytes: whole.describe('Filled now. At bytesPerDay and above nothing begins'),
        bytesPerDay: z.number().describe('What may be filled, and what comes back in a day, evenly'),
      })
      .nullable()
      .describe('Room in the store for what is written for the key; null: it is not bounded'),
  }),
)
export type Account = z.infer<typeof Account>

export const Budgets = named(
  'Budgets',
  'The account of the caller’s key, and the budgets of its running processes',
  z.object({ account: Account.nullable(), items: z.array(BudgetUse) }),
)
export type Budgets = z.infer<typeof Budgets>

// ----------------------------------------------------------------------------------------------------------- questions

export const Question = named(
  'Question',
  'A question that waits for a person',
  z.object({
    id: whole,
    pid,
    kind: z.enum(['ask', 'approval', 'in-doubt']),
    text: z.string(),
    choices: z.array(z.string()).nullable().describe('What may be answered; null: anything'),
    detail: json,
    askedAt: time,
    expiresAt: time,
    rule: z.string().nullable().describe('Of an approval: the rule that asks'),
    what: z.string().nullable().describe('Of an approval: the system call, or tool and its name'),
  }),
)
export type Question = z.infer<typeof Question>
export const Questions = listOf('Questions', 'Questions that wait', Question)
export type Questions = z.infer<typeof Questions>

export const AnswerRequest = named(
  'AnswerRequest',
  'What a person says',
  z.strictObject({
    text: z.string().describe('One of the choices, where there are any'),
    value: json.optional().describe('Of a doubt answered done: what the effect returned'),
  }),
)
export type AnswerRequest = z.infer<typeof AnswerRequest>

// -------------------------------------------------------------------------------------------------------------- policy

export const Effect = z.enum(['allow', 'deny', 'ask'])
export type Effect = z.infer<typeof Effect>

export const Policy = named(
  'Policy',
  'The law in force (docs/policy.md); null: whoever holds a tool may call it',
  z.object({ law: object.nullable() }),
)
export type Policy = z.infer<typeof Policy>

const scalars = z.array(z.union([z.string(), z.number(), z.boolean()]))

export const WrittenCall = named(
  'WrittenCall',
  'A call as people write it down',
  z.strictObject({
    call: z.string().optional().describe('Default `call`: a tool call'),
    tool: z.string().optional(),
    args: json.optional(),
    principal: z
      .string()
      .optional()
      .describe('Only for an admin; everybody else asks for themselves. Default the caller'),
    program: z.string().optional(),
    ancestors: z.array(z.string()).optional(),
    outbound: z.boolean().optional(),
    asked: z.string().optional().describe('What the user asked for'),
    seen: z.array(z.string()).optional().describe('Labels of what the run has learned'),
    fromRequest: scalars.optional().describe('Values that are the user’s own words'),
    fromTrusted: scalars.optional().describe('Values from a trusted source'),
  }),
)
export type WrittenCall = z.infer<typeof WrittenCall>

export const Decision = named(
  'Decision',
  'What the law says of a call',
  z.object({
    effect: Effect,
    rule: z.string().nullable(),
    reason: z.string(),
    ends: z.literal(true).optional().describe('A denial that ends the process'),
    isTemporal: z.literal(true).optional().describe('A rule about the order of calls decided'),
  }),
)
export type Decision = z.infer<typeof Decision>

const ownLaw = object.optional().describe('Only for an admin. Default the law in force')

export const ExplainRequest = named(
  'ExplainRequest',
  'A call to be explained',
  z.strictObject({
    call: WrittenCall,
    law: ownLaw,
  }),
)
export type ExplainRequest = z.infer<typeof ExplainRequest>

export const Explanation = named(
  'Explanation',
  'Why the law decides a call as it does: the rules in their order, up to the one that decided',
  z.object({
    decision: Decision,
    steps: z.array(
      z.object({
        rule: z.string(),
        effect: Effect,
        matches: z.union([z.boolean(), z.literal('in doubt')]),
        because: z.array(z.string()).describe('The parts of the rule that do not hold of the call'),
      }),
    ),
  }),
)
export type Explanation = z.infer<typeof Explanation>

const Case = z.strictObject({
  name: z.string().optional(),
  after: z.array(WrittenCall).optional().describe('Calls that were let through before it'),
  call: WrittenCall,
  expect: Effect,
  rule: z.string().optional().describe('The rule that should decide'),
})

export const TestRequest = named(
  'TestRequest',
  'What the law should decide',
  z.strictObject({
    cases: z.array(Case).max(1_000),
    law: ownLaw,
  }),
)
export type TestRequest = z.infer<typeof TestRequest>

export const TestReport = named(
  'TestReport',
  'What it decides, case by case',
  z.object({
    passed: whole,
    failed: whole,
    items: z.array(z.object({ name: z.string().nullable(), decision: Decision, isAsExpected: z.boolean() })),
  }),
)
export type TestReport = z.infer<typeof TestReport>

export const AuditEntry = named(
  'AuditEntry',
  'A decision of the law; each entry names the one before it by its hash',
  z.object({
    number: whole,
    at: time,
    pid,
    n: whole,
    what: z.string(),
    argsHash: z.string(),
    effect: Effect,
    rule: z.string().nullable(),
    by: z.string().nullable().describe('Who approved or denied it, where a person did'),
    before: z.string(),
    hash: z.string(),
  }),
)
export type AuditEntry = z.infer<typeof AuditEntry>

export const AuditPage = pageOf('AuditPage', 'decisions', AuditEntry)
export type AuditPage = z.infer<typeof AuditPage>

export const Document = named('Document', 'An OpenAPI 3.1 document', z.record(z.string(), json))
export type Document = z.infer<typeof Document>
