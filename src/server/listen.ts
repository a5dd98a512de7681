/**
 * Listening: takes an address for a server, or says why it cannot be had.
 *
 *     await listen(server, { host: '127.0.0.1', port: 7070 })
 *     await checkAddress({ host: '127.0.0.1', port: 7070 })     // whether it could, before anything is made for a server
 */
import type { Server } from 'node:net'
import { createServer } from 'node:net'
import { PolityError, messageOf } from '../kernel/errors.ts'

export interface Address {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

/** Connections that wait to be taken: the kernel of the machine has its own bound, which holds where it is lower. */
const BACKLOG = 4_096

/** Throws `CONFIG_INVALID`. */
export function listen(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const why =
        error.code === 'EADDRINUSE'
          ? `port ${port} of ${host} is in use; name another`
          : `the server cannot listen on ${host}, port ${port}: ${messageOf(error)}`
      reject(new PolityError('CONFIG_INVALID', why, { cause: error }))
    }
    try {
      server.once('error', fail)
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', fail)
        resolve()
      })
    } catch (error) {
      fail(error as NodeJS.ErrnoException)
    }
  })
}

/** Takes the address for a moment. Whoever listens there next may still find that somebody else was faster. Throws `CONFIG_INVALID`. */
export async function checkAddress(address: Address): Promise<void> {
  const server = createServer()
  await listen(server, address)
  await new Promise((resolve) => server.close(resolve))
}
