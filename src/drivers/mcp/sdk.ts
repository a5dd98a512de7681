/**
 * The client side of the official MCP SDK, loaded when it is first needed: it is an optional package.
 *
 *     const sdk = await loadSdk()      // throws CONFIG_INVALID that names the package
 */
import { PolityError, fieldOf } from '../../kernel/errors.ts'

export interface Sdk {
  readonly client: typeof import('@modelcontextprotocol/client')
  readonly stdio: typeof import('@modelcontextprotocol/client/stdio')
  readonly ajv: typeof import('@modelcontextprotocol/client/validators/ajv')
}

export async function loadSdk(): Promise<Sdk> {
  try {
    const [client, stdio, ajv] = await Promise.all([
      import('@modelcontextprotocol/client'),
      import('@modelcontextprotocol/client/stdio'),
      import('@modelcontextprotocol/client/validators/ajv'),
    ])
    return { client, stdio, ajv }
  } catch (error) {
    if (fieldOf(error, 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new PolityError(
      'CONFIG_INVALID',
      'MCP needs a package that is not installed: npm i @modelcontextprotocol/client',
      {
        cause: error,
      },
    )
  }
}
