/**
 * Tools, programs, cores, budgets and questions as the native API shows them (machine.ts).
 */
import { z } from 'zod'
import { reserved } from './event-schemas.ts'
import { Budget, Usage } from './process-schemas.ts'
import { json, listOf, named, object, pid, time, whole } from './schema.ts'

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
    refused: whole.describe('By the provider, for going too fast or for an account that it does not serve'),
    failed: whole,
    loads: whole.describe('Turns on a machine that has no room for all of its models'),
    open: z.boolean().describe('Its circuit breaker is open: it takes no calls for now'),
    refusal: z
      .object({ since: time, words: z.string().describe('The provider’s') })
      .nullable()
      .describe('Set where it has refused every call for longer than 10 s'),
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
    name: z.string().describe('The id of the key'),
    holder: z
      .object({
        principal: z.string(),
        label: z.string().describe('What it is for, as its owner put it'),
        isOpen: z.boolean().describe('It was not revoked, and has not expired'),
      })
      .nullable()
      .describe('Who has the key; null where there is no key of that name'),
    budget: Budget.describe('Its ceilings; what is left out has none'),
    used: Usage,
    reserved: reserved.describe('Set aside for calls under way'),
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
  'What keys and running processes may spend, and have spent',
  z.object({
    account: Account.nullable().describe('Of the caller’s own key; null without one'),
    accounts: z.array(Account).describe('A page of those that the caller may see, by name: its own, of an admin all'),
    next: z.string().nullable().describe('Cursor of the next page of both; null: this is the last'),
    items: z
      .array(BudgetUse)
      .describe('A page of the processes with a budget of their own that run, by pid. None for a key without `runs`'),
  }),
)
export type Budgets = z.infer<typeof Budgets>

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
    value: json.optional().describe('Of a doubt answered done: what the call returned. Default null'),
  }),
)
export type AnswerRequest = z.infer<typeof AnswerRequest>
