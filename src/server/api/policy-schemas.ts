/**
 * The law, its decisions and their audit as the native API takes and shows them (policy.ts).
 */
import { z } from 'zod'
import { json, named, object, pageOf, pid, principalName, time, whole } from './schema.ts'

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
    principal: principalName
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
