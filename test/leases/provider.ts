/**
 * A provider on loopback that counts what each key sends and turns away what is above its limits: the judge of the tests of
 * shared limits. It knows nothing of kernels.
 *
 *     const provider = await startProvider({ slots: 4, requests: 20, tokens: 2_000, windowMs: 1_000, answerMs: 60 })
 *     provider.of('key').refused
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ProviderLimits {
  readonly slots: number
  /** In any window. */
  readonly requests: number
  readonly tokens: number
  readonly windowMs: number
  readonly answerMs: number
}

/** What one key did. */
export interface KeyCount {
  /** When each request that was served came, ms. */
  readonly served: number[]
  readonly refused: string[]
  /** How long each request was under way until it was counted, ms. */
  readonly underWayMs: number[]
  inFlight: number
  mostInFlight: number
  /** Of the requests, by time: what they reserve until they are answered, then what they took. */
  readonly tokens: { readonly at: number; tokens: number }[]
}

/** What a request asks for, as JSON. */
export interface ProviderRequest {
  readonly reserved: number
  readonly takes: number
  /** When it was sent, ms since 1970. */
  readonly sentAt: number
}

export async function startProvider(limits: ProviderLimits): Promise<{
  readonly url: string
  of(key: string): KeyCount
  close(): void
}> {
  const keys = new Map<string, KeyCount>()
  const of = (key: string): KeyCount => {
    let count = keys.get(key)
    if (count === undefined)
      keys.set(key, (count = { served: [], refused: [], underWayMs: [], inFlight: 0, mostInFlight: 0, tokens: [] }))
    return count
  }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      const now = performance.now()
      const count = of(request.headers.authorization ?? '')
      const { reserved, takes, sentAt } = JSON.parse(body) as ProviderRequest
      count.underWayMs.push(performance.timeOrigin + now - sentAt)
      const since = now - limits.windowMs
      const requests = count.served.filter((at) => at > since).length
      const tokens = count.tokens.reduce((sum, one) => sum + (one.at > since ? one.tokens : 0), 0)
      const over =
        count.inFlight >= limits.slots
          ? 'slots'
          : requests >= limits.requests
            ? 'requests'
            : tokens + reserved > limits.tokens
              ? 'tokens'
              : undefined
      if (over !== undefined) {
        count.refused.push(over)
        response.writeHead(429, { 'retry-after-ms': '50' }).end(over)
        return
      }
      count.served.push(now)
      count.mostInFlight = Math.max(count.mostInFlight, ++count.inFlight)
      const used = { at: now, tokens: reserved }
      count.tokens.push(used)
      const timer = setTimeout(() => {
        used.tokens = takes
        response.end('ok')
      }, limits.answerMs)
      response.on('close', () => {
        count.inFlight--
        clearTimeout(timer)
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    of,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
