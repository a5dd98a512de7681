/**
 * The native API: the whole kernel over HTTP and JSON, under /api/v1, with its OpenAPI document (docs/server-api.md).
 *
 *     await startServer({ doors: [apiDoor({ kernel, programs, tools, law })], … })
 *
 * Every route is an operation (operation.ts) of one of the files beside this one. What a caller may see is its view's to
 * say (../view.ts).
 *
 * Invariants
 *   AD1. A route is served if and only if it stands in the document.
 *   AD2. An id of another principal is answered as one that does not exist.
 */
import type { AuditEntry, AuditRange } from '../../kernel/audit.ts'
import type { Clock } from '../../kernel/clock.ts'
import { realClock } from '../../kernel/clock.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Json, Program, Tool } from '../../kernel/types.ts'
import type { Law } from '../../policy/law.ts'
import type { Caller } from '../caller.ts'
import type { KeyEntry } from '../keys.ts'
import type { Door } from '../route.ts'
import type { View } from '../view.ts'
import { viewOf } from '../view.ts'
// The document names schemas in the order in which these files are loaded.
import { eventOperations } from './events.ts'
import { errorBody } from './failure.ts'
import { fileOperations } from './files.ts'
import type { Feeds } from './feed.ts'
import { createFeeds } from './feed.ts'
import { endLeftOvers } from '../request-run.ts'
import { memoryOperations, memoryPrograms } from './memory.ts'
import { machineOperations } from './machine.ts'
import type { Operation } from './operation.ts'
import { operation } from './operation.ts'
import { policyOperations } from './policy.ts'
import { processOperations } from './processes.ts'
import { traceOperations } from './traces.ts'
import { Document, openapiOf } from './openapi.ts'

export interface ApiOptions {
  readonly kernel: Kernel
  /** Programs that callers may start. @default none */
  readonly programs?: readonly Program[]
  /** The tools that the kernel was given, to be shown. @default none */
  readonly tools?: readonly Tool[]
  /** The law that the kernel was given. @default none: whoever holds a tool may call it */
  readonly law?: Law
  /** The keys of its store as they are now (`keysOf` of keys.ts). @default accounts are shown without whose they are */
  readonly keys?: () => readonly KeyEntry[]
  /** Reads the audit (`readAudit` of kernel/audit.ts). @default there is none to be shown */
  readonly audit?: (range: AuditRange) => Iterable<AuditEntry | undefined>
  /** @default the machine's */
  readonly clock?: Clock
  /** For the feeds of event streams. @default see feed.ts */
  readonly ringEventsMax?: number
  readonly lingerMs?: number
}

/** What the operations stand on. */
export interface Api {
  readonly kernel: Kernel
  readonly view: (caller: Caller) => View
  readonly programs: readonly Program[]
  readonly tools: readonly Tool[]
  readonly law: Law | undefined
  readonly keys: () => readonly KeyEntry[]
  readonly audit: ApiOptions['audit']
  readonly clock: Clock
  readonly feeds: Feeds
}

export function apiDoor(options: ApiOptions): Door {
  const operations = apiOperations(options)
  return { routes: operations.map(({ route }) => route), errorBody }
}

/** The operations of the API, the document among them. */
export function apiOperations(options: ApiOptions): readonly Operation[] {
  const { kernel, programs = [], tools = [], law, keys = noKeys, audit, clock = realClock() } = options
  const { ringEventsMax, lingerMs } = options
  endLeftOvers(
    kernel,
    memoryPrograms.map(({ name }) => name),
  )
  const feeds = createFeeds({ clock, ringEventsMax, lingerMs })
  const view: Api['view'] = (caller) => viewOf(kernel, caller, programs)
  const api: Api = { kernel, view, programs, tools, law, keys, audit, clock, feeds }
  const operations: Operation[] = [
    ...processOperations(api),
    ...traceOperations(api),
    ...eventOperations(api),
    ...fileOperations(api),
    ...memoryOperations(api),
    ...machineOperations(api),
    ...policyOperations(api),
    operation({
      id: 'getDocument',
      method: 'GET',
      path: '/openapi.json',
      scope: null,
      summary: 'This document',
      reply: Document,
      run: () => (document ??= openapiOf(operations)),
    }),
  ]
  let document: { [key: string]: Json } | undefined
  return operations
}

const noKeys = (): readonly KeyEntry[] => []
