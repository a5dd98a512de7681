/**
 * The kernel as an MCP server over stdin and stdout: one client, who started this process.
 *
 *     await serveMcpStdio({ kernel, tools, programs, caller }, signal)     // until stdin ends or the signal aborts
 *
 * Nothing else may write to stdout meanwhile.
 */
import type { Transport } from '@modelcontextprotocol/server'
import { fieldOf, warn } from '../../kernel/errors.ts'
import type { Caller } from '../caller.ts'
import { createClientServers } from './client-server.ts'
import type { McpDoorOptions } from './door.ts'
import { endLeftOvers } from '../request-run.ts'
import { CLIENT, offersOf } from './offers.ts'
import { loadServerSdk } from './sdk.ts'
import { createStanding } from './standing.ts'
import { withTaskMark } from './task-wire.ts'
import { createTasks } from './tasks.ts'

export interface McpStdioOptions extends Omit<McpDoorOptions, 'sessionsPerPrincipalMax' | 'returnMs'> {
  readonly caller: Caller
}

export async function serveMcpStdio(
  { kernel, extend, taskAfterMs, caller, ...given }: McpStdioOptions,
  signal: AbortSignal,
): Promise<void> {
  const offers = offersOf(given)
  endLeftOvers(kernel, [CLIENT])
  const tasks = createTasks(kernel, offers)
  tasks.resume()
  const sdk = await loadServerSdk()
  const { StdioServerTransport, serveStdio } = await import('@modelcontextprotocol/server/stdio')
  const serverOf = createClientServers(sdk, { kernel, offers, tasks, extend, taskAfterMs })
  const standing = createStanding(kernel)
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
    process.stdin.once('end', resolve)
    process.stdin.once('close', resolve)
  })
  const served = serveStdio(({ era }) => serverOf({ caller, standing, era }), {
    transport: marked(new StdioServerTransport()),
    onerror: (error) => {
      // A client that goes away is no fault.
      if (fieldOf(error, 'code') !== 'EPIPE') warn('MCP over stdio', error)
    },
  })
  await ended
  await served.close()
}

/** The transport, with what each message says of a task where a handler finds it. */
function marked(wire: Transport): Transport {
  const own: Transport = {
    async start() {
      Object.assign(wire, {
        onmessage: ((message, extra) => own.onmessage?.(withTaskMark(message), extra)) satisfies Transport['onmessage'],
        onclose: () => own.onclose?.(),
        onerror: (error: Error) => own.onerror?.(error),
      })
      await wire.start()
    },
    send: (message, options) => wire.send(message, options),
    close: () => wire.close(),
  }
  return own
}
