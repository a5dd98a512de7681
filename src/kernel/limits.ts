/**
 * Every limit of the machine, in one place, with its unit in its name.
 *
 * `boot({ limits: { … } })` replaces single values. A limit is never reached in silence: each has an error of the table
 * (errors.ts) or a documented drop rule, named beside it.
 */
import { PolityError } from './errors.ts'
import { checkKeys } from './known-keys.ts'

/** The limits of one kernel. */
export interface Limits {
  /** Processes that have not ended, in all. Beyond: `LIMIT_EXCEEDED`. */
  readonly processesLiveMax: number
  /** Ended processes that stay in RAM; in the memory store, also their journals. The oldest go first. */
  readonly processesEndedMax: number
  /** Ended processes whose journals stay in the store. The oldest go first. */
  readonly processesKeptMax: number
  /** Depth of the process tree. Beyond: `LIMIT_EXCEEDED`. */
  readonly processDepthMax: number
  /** System calls of one process. Beyond: `LIMIT_EXCEEDED`, and the process ends. */
  readonly callsPerProcessMax: number
  /** Calls of one process that have not ended yet. Beyond: `LIMIT_EXCEEDED`. */
  readonly callsOpenMax: number
  /** Messages that wait in one mailbox. Beyond: `MAILBOX_FULL` to the sender. */
  readonly mailboxMessagesMax: number
  /** Encoded size of the arguments or the value of one call, bytes. Beyond: `TOO_LARGE`. */
  readonly valueBytesMax: number
  /** Size of one file, bytes. Beyond: `TOO_LARGE`. */
  readonly fileBytesMax: number
  /** Size of one note, bytes. Beyond: `TOO_LARGE`. */
  readonly noteBytesMax: number
  /** Tags, keywords, parents or links of one note. Beyond: `TOO_LARGE`. */
  readonly noteItemsMax: number
  /** How long `remember` and `recall` wait for a vector, ms. Then they go on without one. */
  readonly noteVectorMs: number
  /** Notes that one `recall` returns. */
  readonly recallNotesMax: number
  /** Notes that one `recall` looks at to find those that its filters let through. Beyond, what was found so far is all. */
  readonly recallLooksMax: number
  /** Bytes of notes that stay in RAM as they were read, estimated. The longest unread go first. */
  readonly notesCachedBytesMax: number
  /** Paths of files, and trees, of which stays in RAM whether they are there and how large they are. The oldest go first. */
  readonly filesCachedMax: number
  /** Paths that one `list` returns. */
  readonly listPathsMax: number
  /** Length of a file path, UTF-8 bytes. */
  readonly pathBytesMax: number
  /** Files of one process tree. Beyond: `LIMIT_EXCEEDED`. */
  readonly treeFilesMax: number
  /** All kept versions of the files of one process tree, bytes. Beyond: `LIMIT_EXCEEDED`. */
  readonly treeBytesMax: number
  /** Files of all process trees of one principal. Beyond: `LIMIT_EXCEEDED`. */
  readonly principalFilesMax: number
  /** All kept versions of these, bytes. Beyond: `LIMIT_EXCEEDED`. */
  readonly principalBytesMax: number
  /** Calls that wait for one core. Beyond: `OVERLOADED`. */
  readonly coreQueueMax: number
  /** Concurrency at which an undeclared core starts; it doubles while calls succeed. */
  readonly coreSlotsInitial: number
  /** How long after a refusal (429) a core tries one slot more than it was left with, then two, then four, ms. */
  readonly coreProbeMs: number
  /** Failures in a row that open a core's circuit breaker. */
  readonly breakerFailuresMax: number
  /** How long an open breaker refuses before it lets one call try, ms. */
  readonly breakerOpenMs: number
  /** Tries of one model call on one core after retryable failures (refusals by 429 do not count). */
  readonly generateTriesMax: number
  /** First pause between those tries, ms; doubles, with jitter. */
  readonly generateBackoffMs: number
  /** Longest stay of one model call with its driver, ms. Beyond: `DRIVER_TIMEOUT`. */
  readonly generateMs: number
  /** Longest stay of one call in a core's queue, ms. Beyond: `OVERLOADED`. */
  readonly coreWaitMs: number
  /** How long a model stays on a machine that has no room for all, while it has work and others wait, ms. */
  readonly coreTurnMs: number
  /** A request to a provider whose limits are shared with other kernels has reached it after so long, ms. */
  readonly leaseMarginMs: number
  /** How long calls wait while the shared limits cannot be reached, ms. Then: `DRIVER_UNAVAILABLE`. */
  readonly leaseFailMs: number
  /** Output tokens reserved when a request names no maximum. */
  readonly outputTokensDefault: number
  /** Parts of one streamed answer. Beyond: `DRIVER_INVALID`. */
  readonly streamPartsMax: number
  /** Longest run of one tool call, ms, when its manifest names none. Beyond: `TOOL_TIMEOUT`. */
  readonly toolMs: number
  /** How long a question to a person stays open, ms, when it names no limit. Then: its default, else `NO_ANSWER`. */
  readonly askMs: number
  /** Longest time that `sleep`, `receive` and `wait` take as an argument, ms. */
  readonly waitMs: number
  /** Questions that wait for people. Beyond: `LIMIT_EXCEEDED`, but for effects in doubt, which are always asked about. */
  readonly inboxMax: number
  /** Time the dispatcher runs before it lets timers and I/O have a turn, ms. */
  readonly sliceMs: number
  /** Deliveries between two looks at the time. */
  readonly roundDeliveriesMax: number
  /** Events that wait in one `run.events` stream; older text deltas are merged, then dropped. */
  readonly watchEventsMax: number
  /** Tries of a failed commit before the kernel halts (`STORE_FAILED`). */
  readonly commitTriesMax: number
  /** Pause between those tries, ms. */
  readonly commitRetryMs: number
  /** Events in one commit. */
  readonly commitEventsMax: number
}

const HOUR_MS = 3_600_000

/** What holds where nobody says otherwise. */
export const defaultLimits: Limits = {
  processesLiveMax: 1_000_000,
  processesEndedMax: 256,
  processesKeptMax: 100_000,
  processDepthMax: 64,
  callsPerProcessMax: 1_000_000,
  callsOpenMax: 100_000,
  mailboxMessagesMax: 1_000,
  valueBytesMax: 1_048_576,
  fileBytesMax: 16_777_216,
  noteBytesMax: 65_536,
  noteItemsMax: 1_000,
  noteVectorMs: 5_000,
  recallNotesMax: 100,
  recallLooksMax: 5_000,
  notesCachedBytesMax: 33_554_432,
  filesCachedMax: 16_384,
  listPathsMax: 10_000,
  pathBytesMax: 1_024,
  treeFilesMax: 10_000_000,
  treeBytesMax: 1_099_511_627_776,
  principalFilesMax: 100_000_000,
  principalBytesMax: 10_995_116_277_760,
  coreQueueMax: 1_000_000,
  coreSlotsInitial: 64,
  coreProbeMs: 60_000,
  breakerFailuresMax: 5,
  breakerOpenMs: 10_000,
  generateTriesMax: 3,
  generateBackoffMs: 250,
  generateMs: 600_000,
  coreWaitMs: HOUR_MS,
  coreTurnMs: 60_000,
  leaseMarginMs: 500,
  leaseFailMs: 5_000,
  outputTokensDefault: 4_096,
  streamPartsMax: 1_000_000,
  toolMs: 120_000,
  askMs: 24 * HOUR_MS,
  waitMs: 365 * 24 * HOUR_MS,
  inboxMax: 10_000,
  sliceMs: 5,
  roundDeliveriesMax: 128,
  watchEventsMax: 1_024,
  commitTriesMax: 5,
  commitRetryMs: 50,
  commitEventsMax: 4_096,
}

/** The limits of a kernel: the defaults where its owner says nothing else. Throws `CONFIG_INVALID`. */
export function checkLimits(given: Partial<Limits> | undefined): Limits {
  if (given !== undefined) checkKeys('limits', given, defaultLimits)
  for (const [key, value] of Object.entries(given ?? {})) {
    if (typeof value !== 'number' || !(value > 0))
      throw new PolityError('CONFIG_INVALID', `limit ${key} takes a number above 0, not ${JSON.stringify(value)}`)
  }
  return { ...defaultLimits, ...given }
}
