/**
 * Whether anybody listens where telemetry is to be sent: asked once at the start, because what is sent is gathered for
 * seconds before the first failure could be told.
 *
 *     const problem = await whyOutOfReach('http://127.0.0.1:4318')      // undefined: somebody takes connections there
 *
 * Invariants
 *   RE1. Nothing is sent, and no program is kept from ending.
 */
import { connect } from 'node:net'

/** How long a connection may take, ms. */
const REACH_MS = 3_000

/** Why no connection can be made to the host and port of an address; undefined where one can. */
export function whyOutOfReach(url: string): Promise<Error | undefined> {
  const { hostname, port, protocol } = new URL(url)
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  })
  socket.unref()
  return new Promise((resolve) => {
    const end = (why: Error | undefined): void => {
      socket.destroy()
      resolve(why)
    }
    socket.setTimeout(REACH_MS, () => end(new Error(`no connection within ${REACH_MS} ms`)))
    socket.on('connect', () => end(undefined))
    // Of several addresses of a name each has its own failure, and the sum of them no message.
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.message === '' ? new Error(error.code) : error))
  })
}
