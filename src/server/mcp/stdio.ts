/**
 * The kernel as an MCP server over stdin and stdout: one client, who started this process.
 *
 *     await serveMcpStdio({ kernel, tools, programs, caller }, signal)     // until stdin ends or the signal aborts
 *
 * Nothing else may write to stdout meanwhile.
 *
 * Invariant
 *   ST1. What the signal ends, ends for that, and its client is told so: `KERNEL_CLOSED`, the server is closing. What the end
 *        of stdin ends, ends because its client went away.
 */
import type { RequestId, Transport } from '@modelcontextprotocol/server'
import { PolityError, fieldOf, warn } from '../../kernel/errors.ts'
import { checkPrincipal } from '../../kernel/principal.ts'
import type { Caller } from '../caller.ts'
import { createClientServers } from './client-server.ts'
import type { McpDoorOptions } from './door.ts'
import { endLeftOvers } from '../request-run.ts'
import { createStanding } from '../runs.ts'
import { CLIENT, offersOf } from './offers.ts'
import { loadServerSdk } from './sdk.ts'
import { withTaskMark } from './task-wire.ts'
import { createTasks } from './tasks.ts'

export interface McpStdioOptions extends Omit<McpDoorOptions, 'sessionsPerPrincipalMax' | 'returnMs'> {
  readonly caller: Caller
}

/** Throws `INVALID_ARGUMENT` for a principal that none can be called, `CONFIG_INVALID` for offers that do not go together. */
export async function serveMcpStdio(
  { kernel, extend, taskAfterMs, caller, ...given }: McpStdioOptions,
  signal: AbortSignal,
): Promise<void> {
  checkPrincipal('the client of MCP: its principal', caller.principal)
  const offers = offersOf(given)
  endLeftOvers(kernel, [CLIENT])
  const tasks = createTasks(kernel, offers)
  tasks.resume()
  const sdk = await loadServerSdk()
  const { StdioServerTransport, serveStdio } = await import('@modelcontextprotocol/server/stdio')
  const closing = new AbortController()
  const serverOf = createClientServers(sdk, { kernel, offers, tasks, extend, taskAfterMs, closing: closing.signal })
  const standing = createStanding()
  const { wire, answered } = marked(new StdioServerTransport())
  const ended = new Promise<void>((resolve) => {
    const close = (): void => {
      closing.abort(new PolityError('KERNEL_CLOSED', 'the server is closing'))
      void answered(DRAIN_MS).then(resolve)
    }
    if (signal.aborted) close()
    else signal.addEventListener('abort', close, { once: true })
    process.stdin.once('end', resolve)
    process.stdin.once('close', resolve)
  })
  const served = serveStdio(({ era }) => serverOf({ caller, standing, era }), {
    transport: wire,
    onerror: (error) => {
      // A client that goes away is no fault.
      if (fieldOf(error, 'code') !== 'EPIPE') warn('MCP over stdio', error)
    },
  })
  await ended
  await served.close()
}

/** Of the 5 s after which a command that was interrupted is ended (cli/main.ts), what the client gets to hear its answers, ms. */
const DRAIN_MS = 2_500

/** The transport, with what each message says of a task where a handler finds it; and when every request has its answer. */
function marked(wire: Transport): { readonly wire: Transport; answered(timeoutMs: number): Promise<void> } {
  const open = new Set<RequestId>()
  let settled: (() => void) | undefined
  function settle(id: RequestId | undefined): void {
    if (id !== undefined) open.delete(id)
    if (open.size === 0) settled?.()
  }
  const own: Transport = {
    async start() {
      Object.assign(wire, {
        onmessage: ((message, extra) => {
          if ('method' in message && 'id' in message) open.add(message.id)
          // A request that its client cancels has no answer.
          else if ('method' in message && message.method === 'notifications/cancelled')
            settle((message.params as { readonly requestId?: RequestId } | undefined)?.requestId)
          own.onmessage?.(withTaskMark(message), extra)
        }) satisfies Transport['onmessage'],
        onclose: () => own.onclose?.(),
        onerror: (error: Error) => own.onerror?.(error),
      })
      await wire.start()
    },
    async send(message, options) {
      try {
        await wire.send(message, options)
      } finally {
        if (!('method' in message)) settle(message.id)
      }
    },
    close: () => wire.close(),
  }
  return {
    wire: own,
    answered: (timeoutMs) =>
      new Promise((resolve) => {
        settled = resolve
        setTimeout(resolve, timeoutMs).unref()
        settle(undefined)
      }),
  }
}
