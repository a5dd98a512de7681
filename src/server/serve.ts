/**
 * A kernel as a service: the doors on one port, behind the keys of its store.
 *
 *     const served = await serve({ kernel, doors: doorsOf({ kernel, programs }), store: 'polity.db', port: 7070 })
 *     console.log(served.url)
 *     await served.close()               // the kernel stays open: it is its owner's
 *
 * Invariants
 *   SE1. Beyond this machine nothing is served without a key.
 *   SE2. The budget of a key binds before the first request that the key lets in, and so does its room in the store.
 */
import type { AuditEntry, AuditRange } from '../kernel/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { realClock } from '../kernel/clock.ts'
import { PolityError } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Program, Tool } from '../kernel/types.ts'
import type { Law } from '../policy/law.ts'
import { a2aDoor } from './a2a/door.ts'
import type { PushOptions } from './a2a/push.ts'
import { aguiDoor } from './agui.ts'
import { aiosDoor, aiosPrograms } from './aios/door.ts'
import { apiDoor } from './api/door.ts'
import { memoryPrograms } from './api/memory.ts'
import type { ForeignTools } from './foreign-tools.ts'
import { isLoopback } from './guards.ts'
import type { Server, ServerOptions } from './http.ts'
import { serverKeys, startServer } from './http.ts'
import type { KeyEntry } from './keys.ts'
import { openKeys } from './keys.ts'
import type { ServerLimits } from './limits.ts'
import { checkServerLimits } from './limits.ts'
import { checkAddress } from './listen.ts'
import { mcpDoor } from './mcp/door.ts'
import { metricsDoor } from './metrics.ts'
import { createModelDoor } from './model-door.ts'
import { openaiDoor } from './openai/door.ts'
import type { Door } from './route.ts'
import { webDoor, webFolder } from './web-door.ts'

export interface ServeOptions extends Omit<ServerOptions, 'authenticate'> {
  readonly kernel: Kernel
  /** Path of the store beside which the keys lie. */
  readonly store: string
}

const { authenticate: _, ...othersOfServer } = serverKeys
const serveKeys: KeysOf<ServeOptions> = { ...othersOfServer, kernel: true, store: true }

/** Serves until it is closed. Throws `CONFIG_INVALID`. */
export async function serve(given: ServeOptions): Promise<Server> {
  checkKeys('serve', given, serveKeys)
  const { kernel, store, doors, ...options } = given
  const clock: Clock = options.clock ?? realClock()
  const { keyBytesPerDayMax } = checkServerLimits(options.limits)
  const keys = openKeys(store, {
    clock,
    isPrivate: isPrivate(options),
    onKeys: (entries) => openAccounts(kernel, entries, keyBytesPerDayMax),
  })
  return startServer({ ...options, clock, doors: [healthDoor(kernel), ...doors], authenticate: keys.authenticate })
}

/** What of that can be wrong before there is a kernel: the keys and the address. Throws `CONFIG_INVALID`. */
export async function checkServe(
  options: Pick<ServeOptions, 'store' | 'host' | 'port' | 'allowHosts' | 'clock'>,
): Promise<void> {
  const { store, host = HOST, port, clock = realClock() } = options
  openKeys(store, { clock, isPrivate: isPrivate(options) })
  await checkAddress({ host, port })
}

const HOST = '127.0.0.1'

/** A name that is not this machine's own is one by which others come, through a proxy. */
function isPrivate({ host = HOST, allowHosts = [] }: Pick<ServeOptions, 'host' | 'allowHosts'>): boolean {
  return [host, ...allowHosts].every(isLoopback)
}

/** What doors are made of. */
export interface DoorsOptions {
  readonly kernel: Kernel
  /** Those that clients may run by name. */
  readonly programs: readonly Program[]
  /** The tools that the kernel was given. @default none */
  readonly tools?: readonly Tool[]
  /** What calls of clients' own tools mean. @default nothing is known of them */
  readonly clientTools?: ForeignTools
  /** The law that the kernel was given. @default none */
  readonly law?: Law
  /** The keys of its store as they are now (`keysOf`). @default what they may spend is shown without whose they are */
  readonly keys?: () => readonly KeyEntry[]
  /** Reads the audit of its store (`readAudit`). @default there is none to be shown */
  readonly audit?: (range: AuditRange) => Iterable<AuditEntry | undefined>
  /** As the server is given them. @default those of limits.ts */
  readonly limits?: Partial<ServerLimits>
  /** Webhooks that A2A clients name are told. @default they are not */
  readonly push?: PushOptions
}

/** Programs that doors run by themselves: a kernel that is to be served is booted with them, and clients cannot name them. */
export const doorPrograms: readonly Program[] = [...aiosPrograms, ...memoryPrograms]

const doorsKeys: KeysOf<DoorsOptions> = {
  kernel: true,
  programs: true,
  tools: true,
  clientTools: true,
  law: true,
  keys: true,
  audit: true,
  limits: true,
  push: true,
}

/** All doors there are. Throws `CONFIG_INVALID`. */
export function doorsOf(options: DoorsOptions): readonly Door[] {
  checkKeys('doorsOf', options, doorsKeys)
  const { kernel, programs, tools = [], clientTools = {}, law, keys, audit, limits, push } = options
  const models = createModelDoor(kernel, { tools: clientTools })
  const { responsesKeptMax, streamEventsKeptMax, mcpSessionsPerPrincipalMax, mcpReturnMs } = checkServerLimits(limits)
  return [
    openaiDoor({ models, responsesKeptMax }),
    apiDoor({
      kernel,
      programs,
      tools,
      ringEventsMax: streamEventsKeptMax,
      ...(law === undefined ? {} : { law }),
      ...(keys === undefined ? {} : { keys }),
      ...(audit === undefined ? {} : { audit }),
    }),
    mcpDoor({
      kernel,
      tools,
      programs,
      sessionsPerPrincipalMax: mcpSessionsPerPrincipalMax,
      returnMs: mcpReturnMs,
    }),
    a2aDoor({ kernel, programs, ...(push === undefined ? {} : { push }) }),
    aguiDoor({ kernel, programs }),
    aiosDoor({ kernel, models, programs, prefix: '/aios' }),
    metricsDoor({ kernel }),
    webDoor({ folder: webFolder() }),
  ]
}

function openAccounts(kernel: Kernel, entries: readonly KeyEntry[], bytesPerDay: number): void {
  for (const { id, budget } of entries) kernel.account(id, { ...budget, bytesPerDay })
}

/** Whether the server is of use: 200, or 503 where its kernel has closed or its store has failed. Tells nothing else. */
function healthDoor(kernel: Kernel): Door {
  return {
    routes: [
      {
        method: 'GET',
        path: '/healthz',
        scope: null,
        async handle({ reply }) {
          try {
            await kernel.flush()
          } catch (error) {
            throw new PolityError('KERNEL_CLOSED', 'the kernel does not serve', { cause: error })
          }
          reply(200, { status: 'ok' })
        },
      },
    ],
  }
}
