/**
 * The server side of the official A2A SDK, loaded when it is first needed: it is an optional package.
 *
 *     const sdk = await loadA2a()      // throws CONFIG_INVALID that names the package
 */
import { PolityError, fieldOf } from '../../kernel/errors.ts'

export interface A2aSdk {
  readonly types: typeof import('@a2a-js/sdk')
  readonly server: typeof import('@a2a-js/sdk/server')
  readonly errors: typeof import('@a2a-js/sdk/errors')
  /** Of version 0.3. */
  readonly legacy: typeof import('@a2a-js/sdk/compat/v0_3/server')
  /** Names of methods, of both versions. */
  readonly methods: typeof import('@a2a-js/sdk/compat/v0_3')
}

let loaded: Promise<A2aSdk> | undefined

export function loadA2a(): Promise<A2aSdk> {
  return (loaded ??= load())
}

async function load(): Promise<A2aSdk> {
  try {
    const [types, server, errors, legacy, methods] = await Promise.all([
      import('@a2a-js/sdk'),
      import('@a2a-js/sdk/server'),
      import('@a2a-js/sdk/errors'),
      import('@a2a-js/sdk/compat/v0_3/server'),
      import('@a2a-js/sdk/compat/v0_3'),
    ])
    return { types, server, errors, legacy, methods }
  } catch (error) {
    loaded = undefined
    if (fieldOf(error, 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new PolityError('CONFIG_INVALID', 'A2A needs a package that is not installed: npm i @a2a-js/sdk', {
      cause: error,
    })
  }
}
