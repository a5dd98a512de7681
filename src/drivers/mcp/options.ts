/**
 * What is said of a server to `openMcp`. Types only, and none of the SDK: who has not installed it can read them.
 */
import type { Fetch } from './floods.ts'

/** A server that is started here, and spoken to over its stdin and stdout. */
export interface ChildOptions {
  readonly command: string
  readonly args?: readonly string[]
  /** Beside PATH, HOME and the like: the rest of our environment is not the server's to see. */
  readonly env?: { readonly [name: string]: string }
  readonly cwd?: string
}

/** A server at a URL, over Streamable HTTP. Redirects to other origins are refused. */
export interface HttpOptions {
  readonly url: string
  readonly headers?: { readonly [name: string]: string }
  /** An `AuthProvider` or `OAuthClientProvider` of the MCP SDK, for servers that want OAuth. */
  readonly auth?: object
  /** @default the global one */
  readonly fetch?: Fetch
}

/** How far a call has come. */
export interface Progress {
  readonly progress: number
  readonly total?: number | undefined
  readonly message?: string | undefined
}

/** Answers a question to the user, with the form that the server wants. */
export type Elicit = (request: { readonly [key: string]: unknown }) => Promise<{
  readonly action: 'accept' | 'decline' | 'cancel'
  readonly content?: { readonly [key: string]: string | number | boolean | string[] }
}>
