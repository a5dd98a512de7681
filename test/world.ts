/**
 * What the kernel's tests share: a kernel in simulated time, tools without a schema library, a store that remembers its
 * commits, and a wait that notices when nothing can happen any more.
 *
 * It adds nothing to the kernel: everything here goes through `createKernel` and the ports.
 */
// oxlint-disable no-unmodified-loop-condition -- a promise ends the loop
import assert from 'node:assert/strict'
import type { LanguageModelV4GenerateResult, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { memoryStore } from '../src/drivers/store/memory.ts'
import type { SimulatedClock } from '../src/kernel/clock.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import type { Batch, Durability, LanguageModel, Store } from '../src/kernel/drivers.ts'
import type { ErrorCode } from '../src/kernel/errors.ts'
import { PolityError, errorTable } from '../src/kernel/errors.ts'
import type { Kernel, KernelOptions } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import type { Json, Tool, ToolContext } from '../src/kernel/types.ts'

// ------------------------------------------------------------------------------------------------------------- waiting

/** Turns of the event loop without a timer after which nothing can happen any more. */
const TURNS_WITHOUT_TIMER_MAX = 32

/** `promise`; fails where simulated time has no timer left and it has still not ended: that is what a hang looks like. */
export async function settled<T>(clock: SimulatedClock, promise: Promise<T>): Promise<T> {
  let over = false
  const watched = promise.finally(() => (over = true))
  watched.catch(() => {})
  for (let quiet = 0; !over; quiet = clock.pending === 0 ? quiet + 1 : 0) {
    if (quiet > TURNS_WITHOUT_TIMER_MAX)
      throw new assert.AssertionError({
        message: 'hang: no timer is left in simulated time, and the promise has not ended',
      })
    await new Promise((resolve) => void setImmediate(resolve))
  }
  return watched
}

/**
 * A promise that has not come by then hangs, ms: for what has no bound of its own, such as a process that starts. Far above
 * what it takes, as the machines that run these tests may be busy.
 */
export const HANGS_MS = 60_000

/** `promise`, or a failure after `ms` of real time. */
export async function within<T>(ms: number, promise: Promise<T>, what = 'the promise'): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what} did not end within ${ms} ms` })), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** How a promise ended, as plain data. */
export type End = { readonly value: unknown } | { readonly code: ErrorCode; readonly message: string }

/** The end of a call or a run. Whatever it rejects with must be an error of the table. */
export async function endOf(promise: Promise<unknown>): Promise<End> {
  try {
    return { value: await promise }
  } catch (error) {
    assert.ok(
      PolityError.isInstance(error),
      `rejected with something that is no PolityError: ${Object.prototype.toString.call(error)}`,
    )
    assert.ok(Object.hasOwn(errorTable, error.code), `the code ${String(error.code)} is not in the table`)
    assert.equal(typeof error.message, 'string')
    return { code: error.code, message: error.message }
  }
}

export function codeOf(end: End): ErrorCode | 'ok' {
  return 'code' in end ? end.code : 'ok'
}

// --------------------------------------------------------------------------------------------------------------- tools

interface ToolOptions extends Partial<Pick<Tool, 'effect' | 'timeoutMs' | 'locks'>> {
  readonly validate?: (
    value: unknown,
  ) => { readonly value: Json } | { readonly issues: readonly { readonly message: string }[] }
}

/** A tool that takes anything, without a schema library. */
export function tool(
  name: string,
  execute: (input: Json, context: ToolContext) => unknown,
  { validate, ...more }: ToolOptions = {},
): Tool {
  const inputSchema = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: validate ?? ((value: unknown) => ({ value: value as Json })),
      jsonSchema: { input: () => ({ type: 'object' }), output: () => ({ type: 'object' }) },
    },
  }
  return { name, description: name, effect: 'read', inputSchema, execute, ...more } as unknown as Tool
}

// -------------------------------------------------------------------------------------------------------------- stores

export interface RecordingStore extends Store {
  /** Everything that was committed, in order. */
  readonly batches: readonly Batch[]
}

/** A store in memory that says it survives a crash, and remembers its commits: cut anywhere, they are what a crash leaves. */
export function recordingStore({ durability = 'relaxed', slowly }: StoreOptions = {}): RecordingStore {
  const batches: Batch[] = []
  const store = memoryStore()
  const commit = (batch: Batch): void => {
    batches.push({ events: [...batch.events], puts: [...batch.puts] })
    void store.commit(batch)
  }
  return {
    ...store,
    durability,
    batches,
    commit(batch) {
      if (slowly === undefined) return commit(batch)
      return new Promise((resolve) => slowly(() => resolve(commit(batch))))
    },
  }
}

/** A store that a second kernel can have after the first closed it. */
export function lasting(store: Store = memoryStore()): Store {
  return { ...store, close() {} }
}

export interface StoreOptions {
  /** @default 'relaxed' */
  readonly durability?: Durability
  /** Calls back when a commit may be over. @default at once */
  readonly slowly?: (done: () => void) => void
}

/** A fresh store that holds the first `count` commits of another. */
export function cutStore(
  batches: readonly Batch[],
  count: number,
  options: Omit<StoreOptions, 'slowly'> = {},
): RecordingStore {
  const store = recordingStore(options)
  for (const batch of batches.slice(0, count)) void store.commit(batch)
  return store
}

// -------------------------------------------------------------------------------------------------------------- models

export const noUsage = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
}

export function answer(text: string): LanguageModelV4GenerateResult {
  return {
    content: [{ type: 'text', text }],
    finishReason: { unified: 'stop', raw: undefined },
    usage: noUsage,
    warnings: [],
  }
}

/** A model made of raw driver functions: for what `scripted` would be too well-behaved to do. */
export function rawModel(doGenerate: LanguageModel['doGenerate'], doStream?: LanguageModel['doStream']): LanguageModel {
  return {
    specificationVersion: 'v4',
    provider: 'raw',
    modelId: 'raw',
    supportedUrls: {},
    doGenerate,
    doStream: doStream ?? (() => Promise.reject(new Error('this model does not stream'))),
  }
}

export function streamOf(parts: Iterable<unknown>): { stream: ReadableStream<LanguageModelV4StreamPart> } {
  const iterator = parts[Symbol.iterator]()
  return {
    stream: new ReadableStream({
      pull(controller) {
        const { done, value } = iterator.next()
        if (done === true) controller.close()
        else controller.enqueue(value as LanguageModelV4StreamPart)
      },
    }),
  }
}

// -------------------------------------------------------------------------------------------------------------- worlds

export interface World {
  readonly clock: SimulatedClock
  readonly store: RecordingStore
  readonly kernel: Kernel
  /** `promise`, unless simulated time stands still before it. */
  settled<T>(promise: Promise<T>): Promise<T>
}

/** A kernel in simulated time. */
export function createWorld(
  options: Omit<Partial<KernelOptions>, 'clock' | 'store'> & {
    readonly clock?: SimulatedClock
    readonly store?: RecordingStore
  } = {},
): World {
  const clock = options.clock ?? simulatedClock({ seed: 1 })
  const store = options.store ?? recordingStore()
  const kernel = createKernel({ ...options, clock, store })
  return { clock, store, kernel, settled: (promise) => settled(clock, promise) }
}
