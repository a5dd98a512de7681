/**
 * Every limit of the server, in one place, with its unit in its name and the reason of its default.
 *
 *     await startServer({ doors, authenticate, limits: { bodyBytesMax: 16_000_000 } })
 *
 * A limit is never reached in silence: beside each stands what the client sees.
 */
import { PolityError } from '../kernel/errors.ts'
import { checkKeys } from '../kernel/known-keys.ts'

/** The limits of one server. */
export interface ServerLimits {
  /** Request line and headers together, bytes. Beyond: 431. */
  readonly headerBytesMax: number
  /** Body of one request, bytes, where its route says nothing else. Beyond: 413. */
  readonly bodyBytesMax: number
  /** How deep the JSON of a body may be nested. Beyond: 400. */
  readonly bodyDepthMax: number
  /** Time for request line and headers, ms. Then: 408. */
  readonly headersMs: number
  /** Time for a whole request with its body, ms. Then: 408. Says nothing about how long an answer may take. */
  readonly requestMs: number
  /** How long a connection without a request stays open, ms. Then it is closed. */
  readonly keepAliveMs: number
  /** Open connections. Beyond: the connection is closed at once. */
  readonly connectionsMax: number
  /** What may be written into the store for one key in a day, bytes; see kernel/accounts.ts. Beyond: 429. */
  readonly keyBytesPerDayMax: number
  /** Open event streams of one principal. Beyond: 429. */
  readonly streamsPerPrincipalMax: number
  /** What waits for a slow client of one stream, bytes. Beyond: the stream is cut. */
  readonly streamBufferBytesMax: number
  /** Events that are kept for streams that come back. The oldest go first; who asks for those is told to read journals. */
  readonly streamEventsKeptMax: number
  /** Responses of one principal that are kept, to be gone on from. The oldest go first. */
  readonly responsesKeptMax: number
  /** MCP sessions of one principal. Beyond, the one that was idle longest ends; where all are in use: 429. */
  readonly mcpSessionsPerPrincipalMax: number
  /** How long a call in an MCP session waits for a client whose stream broke, ms. Then its process ends. */
  readonly mcpReturnMs: number
  /** Longest silence of an event stream, ms; then a comment is sent. */
  readonly heartbeatMs: number
  /** How long a client may take nothing of an answer that waits for it, ms. Then, or up to twice as late, the connection is cut. */
  readonly stallMs: number
  /** How long the rest of a body that nobody wants is read and thrown away, ms. Then: the connection is cut. */
  readonly lingerMs: number
  /** How long `close` waits for the requests that are under way, ms. Then: their connections are cut. */
  readonly drainMs: number
}

/** What holds where nobody says otherwise. */
export const defaultServerLimits: ServerLimits = {
  // As Node's own: room for long keys and cookies of a reverse proxy, and too little to fill memory with.
  headerBytesMax: 16_384,
  // Four times the largest value of one system call (kernel/limits.ts), so a long conversation with an image fits.
  bodyBytesMax: 4_194_304,
  // Far deeper than any tool's schema, far less than what overflows a stack.
  bodyDepthMax: 256,
  // Headers come in one packet; ten seconds are for the worst of lines, not for who sends a byte a second.
  headersMs: 10_000,
  // 4 MB at half a megabit a second.
  requestMs: 60_000,
  // Longer than the 60 s that reverse proxies keep idle connections, so that they close first and never lose a request.
  keepAliveMs: 75_000,
  // About 20 kB each when idle: 330 MB at the worst.
  connectionsMax: 16_384,
  // A coding agent that sends 100 kB twelve times a minute, day and night, writes 1.7 GB.
  keyBytesPerDayMax: 2_147_483_648,
  // A dashboard in ten tabs and a hundred followed runs; one key cannot take all connections.
  streamsPerPrincipalMax: 1_024,
  // As large as a body: one event larger than this still goes through.
  streamBufferBytesMax: 4_194_304,
  // At a thousand events a second, ten seconds of absence.
  streamEventsKeptMax: 10_000,
  // Sixteen responses a minute for the hour that they are kept.
  responsesKeptMax: 1_000,
  // A hundred clients of one principal, and some that forgot to say goodbye.
  mcpSessionsPerPrincipalMax: 128,
  // Official clients come back after a second, and try twice.
  mcpReturnMs: 5_000,
  // Below the 30 s and 60 s after which common proxies give silent connections up.
  heartbeatMs: 15_000,
  // Four heartbeats.
  stallMs: 60_000,
  // Long enough for the answer to reach who still sends, instead of a reset; short enough to be no attack.
  lingerMs: 1_000,
  // A person who pressed Ctrl-C waits for this.
  drainMs: 5_000,
}

/** The limits of a server: the defaults where its owner says nothing else. Throws `CONFIG_INVALID`. */
export function checkServerLimits(given: Partial<ServerLimits> | undefined): ServerLimits {
  if (given !== undefined) checkKeys('server limits', given, defaultServerLimits)
  for (const [key, value] of Object.entries(given ?? {})) {
    if (typeof value !== 'number' || !(value > 0) || !Number.isSafeInteger(value))
      throw new PolityError(
        'CONFIG_INVALID',
        `server limit ${key} takes a whole number above 0, not ${JSON.stringify(value)}`,
      )
  }
  return { ...defaultServerLimits, ...given }
}
