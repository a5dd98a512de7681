/**
 * The system calls and model calls of a process as the native API shows them (traces.ts).
 */
import { z } from 'zod'
import { taken } from './process-schemas.ts'
import { Failure, json, named, object, pageOf, pid, time, whole } from './schema.ts'

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
