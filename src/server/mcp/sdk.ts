/**
 * The server side of the official MCP SDK, loaded when it is first needed: it is an optional package.
 *
 *     const sdk = await loadServerSdk()      // throws CONFIG_INVALID that names the packages
 */
import { PolityError, fieldOf } from '../../kernel/errors.ts'

export interface ServerSdk {
  readonly server: typeof import('@modelcontextprotocol/server')
  readonly node: typeof import('@modelcontextprotocol/node')
}

let loading: Promise<ServerSdk> | undefined

export function loadServerSdk(): Promise<ServerSdk> {
  return (loading ??= load())
}

async function load(): Promise<ServerSdk> {
  try {
    const [server, node] = await Promise.all([
      import('@modelcontextprotocol/server'),
      import('@modelcontextprotocol/node'),
    ])
    return { server, node }
  } catch (error) {
    if (fieldOf(error, 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new PolityError(
      'CONFIG_INVALID',
      'MCP needs packages that are not installed: npm i @modelcontextprotocol/server @modelcontextprotocol/node',
      { cause: error },
    )
  }
}
