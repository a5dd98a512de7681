/**
 * The log of an evaluation: one JSON document that holds everything, to be kept, mailed, compared and looked at.
 *
 *     const log = await evaluate(kernel, { tasks, solvers })
 *     writeFileSync('log.json', JSON.stringify(log))
 *     const log = parseLog(readFileSync('log.json', 'utf8'))
 *
 * docs/evaluation.md names every field. Invariants
 *   EL1. A log stands by itself: what it says of a trial needs no store.
 *   EL2. `results` follow from `trials` (metrics.ts): who changes a score makes them anew.
 */
import { z } from 'zod'
import { firstIssue } from '../environments/define.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'

const json: z.ZodType<z.core.util.JSONType> = z.json()
const share = z.number().nullable()
const interval = z.tuple([z.number(), z.number()]).nullable()

const usage = z.object({
  inputTokens: z.number(),
  cachedTokens: z.number(),
  outputTokens: z.number(),
  usd: z.number(),
  steps: z.number(),
  calls: z.number(),
  children: z.number(),
})

const error = z.object({ code: z.string(), message: z.string() }).loose()

/** One call of a trial, shortened. */
const logCall = z.object({
  pid: z.number(),
  program: z.string(),
  n: z.number(),
  call: z.string(),
  /** As JSON, cut. */
  args: z.string(),
  /** The value or the error as JSON, cut; absent where it never ended. */
  end: z.string().optional(),
  failed: z.literal(true).optional(),
  /** From its start to its end, ms. */
  ms: z.number().optional(),
  tokens: z.number().optional(),
})

const trial = z.object({
  task: z.string(),
  solver: z.string(),
  sample: z.string(),
  /** From 1. */
  epoch: z.number(),
  cluster: z.string(),
  pid: z.number(),
  input: z.string(),
  target: json.optional(),
  output: json,
  error: error.optional(),
  /** By the name of the scorer; null: not scored. */
  scores: z.record(
    z.string(),
    z.object({ value: share, explanation: z.string().optional(), answer: z.string().optional() }),
  ),
  usage,
  /**
   * Of `usage`, what is not known to have been used: it was set aside for calls of which a crash, a time-out or a kill left the
   * cost unknown, and is charged whole. Absent for nothing.
   */
  unsettled: z.object({ tokens: z.number(), usd: z.number() }).optional(),
  /** By the kernel's clock, ms. */
  ms: z.number(),
  /** Of an episode. */
  episode: z
    .object({
      steps: z.number(),
      done: z.boolean(),
      metrics: z.record(z.string(), z.number()),
      stateHash: z.string(),
    })
    .optional(),
  calls: z.array(logCall),
  /** Calls that were left out. */
  callsCut: z.number(),
})

const result = z.object({
  task: z.string(),
  solver: z.string(),
  scorer: z.string(),
  isJudge: z.boolean(),
  samples: z.number(),
  epochs: z.number(),
  /** Trials without a score. */
  unscored: z.number(),
  mean: share,
  stderr: share,
  interval,
  clusters: z.number(),
  /** By k: at least one of k tries passes; all of k tries pass. Mean over samples; a try passes with a score of 1. */
  passAt: z.record(z.string(), share),
  passHat: z.record(z.string(), share),
  /** Means of a trial. */
  cost: z.object({
    tokens: z.number(),
    inputTokens: z.number(),
    cachedTokens: z.number(),
    outputTokens: z.number(),
    usd: z.number(),
    steps: z.number(),
    calls: z.number(),
    ms: z.number(),
  }),
  /** No other solver scores as much for as few tokens; on the hull, no mixture of two others either. */
  isOnFront: z.boolean(),
  isOnHull: z.boolean(),
})

const logSchema = z.object({
  format: z.literal('polity-evaluation'),
  formatVersion: z.literal(1),
  id: z.string(),
  /** When it began, ms since 1970. */
  at: z.number(),
  /** False where trials are missing: it was stopped. */
  isComplete: z.boolean(),
  epochs: z.number(),
  /** Of each trial, enforced by the kernel. */
  budget: z.record(z.string(), z.number()),
  tasks: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      description: z.string(),
      samples: z.number(),
      scorers: z.array(z.object({ name: z.string(), isJudge: z.boolean() })),
      /** What doing nothing scores, mean over samples; of worlds. */
      floor: z.number().optional(),
    }),
  ),
  solvers: z.array(
    z.object({ name: z.string(), programs: z.array(z.string()), input: json.optional(), model: z.string() }),
  ),
  trials: z.array(trial),
  results: z.array(result),
})

/** The whole of it. */
export type Log = z.infer<typeof logSchema>
export type Trial = z.infer<typeof trial>
export type Result = z.infer<typeof result>
export type LogCall = z.infer<typeof logCall>

/** A log that was written down; throws `INVALID_ARGUMENT` for what is none. */
export function parseLog(text: string, name = 'the log'): Log {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new PolityError('INVALID_ARGUMENT', `${name} is no JSON: ${messageOf(cause)}`, { cause })
  }
  const parsed = logSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new PolityError(
    'INVALID_ARGUMENT',
    `${name} is no log of an evaluation, as \`polity evaluate\` writes: ${firstIssue(parsed.error)}`,
  )
}
