/**
 * Messages to addresses that clients name: one POST, to the outside only.
 *
 *     const webhook = createWebhook({ privateHosts: ['hooks.internal'] })
 *     webhook.check('https://example.com/hook')              // throws INVALID_ARGUMENT
 *     await webhook.post('https://example.com/hook', { headers, body, signal })
 *
 * Invariants
 *   WH1. No address of this machine or of a private network is reached (special-purpose registries of IANA, RFC 6890), unless
 *        its host is named in `privateHosts`. The address that is connected to is the one that was looked at: a name that
 *        changes its answer between the two reaches nothing.
 *   WH2. No redirect is followed, and no answer read: of what a receiver says, its status is known and nothing else.
 *   WH3. Without TLS only hosts of `privateHosts` are spoken to.
 *   WH4. A receiver that does not answer holds nobody for longer than `timeoutMs`.
 */
import { lookup as lookUp } from 'node:dns'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { BlockList, isIP } from 'node:net'
import { PolityError } from '../../kernel/errors.ts'
import { isLoopback } from '../guards.ts'

export interface WebhookOptions {
  /** Hosts, by name or address, that may be told though they are on this machine or a private network. @default none */
  readonly privateHosts?: readonly string[]
  /** How long a receiver may take to answer, ms. @default 5_000, as the A2A SDK's sender waits */
  readonly timeoutMs?: number
  /** Finds the addresses of a name. @default that of the machine */
  readonly lookup?: typeof lookUp
}

export interface Posted {
  readonly headers: { readonly [name: string]: string }
  readonly body: string
  readonly signal: AbortSignal
}

export interface Webhook {
  /** Whether a URL could be one, as far as that is known without asking for its name. */
  check(url: string): void
  /** Resolves with the status. Rejects where nobody answered, with `INVALID_ARGUMENT` where the address may not be reached. */
  post(url: string, posted: Posted): Promise<number>
}

const TIMEOUT_MS = 5_000
const TIMEOUT_MS_MAX = 600_000
const URL_CHARS_MAX = 2_048

export function createWebhook({ privateHosts = [], timeoutMs = TIMEOUT_MS, lookup = lookUp }: WebhookOptions): Webhook {
  if (!(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX))
    throw new PolityError('CONFIG_INVALID', `push: timeoutMs takes 1 to ${TIMEOUT_MS_MAX} ms, not ${timeoutMs}`)
  const named = new Set(privateHosts.map(checkHost))

  function parse(url: string): { readonly target: URL; readonly host: string; readonly isNamed: boolean } {
    const target = url.length > URL_CHARS_MAX ? null : URL.parse(url)
    if (target === null || !/^https?:$/.test(target.protocol) || target.username !== '' || target.password !== '')
      throw new PolityError(
        'INVALID_ARGUMENT',
        `url takes an https URL of at most ${URL_CHARS_MAX} characters without a user, not ${JSON.stringify(url.slice(0, 200))}`,
      )
    const host = hostOf(target)
    const isNamed = named.has(host)
    if (!isNamed && (isLoopback(host) || (isIP(host) !== 0 && isInside(host)))) throw refused(host)
    if (!isNamed && target.protocol !== 'https:')
      throw new PolityError(
        'INVALID_ARGUMENT',
        `url takes an https URL: without TLS everybody on the way could read what ${host} is told`,
      )
    return { target, host, isNamed }
  }

  return {
    check: (url) => void parse(url),
    async post(url, { headers, body, signal }) {
      const { target, host, isNamed } = parse(url)
      const guarded: LookupFunction = (name, options, callback) =>
        lookup(name, { ...options, all: true }, (error, addresses) => {
          if (error !== null) return callback(error, [])
          if (!isNamed && addresses.some(({ address }) => isInside(address))) return callback(refused(host), [])
          const [first] = addresses
          if (first === undefined) callback(new Error(`${host} has no address`), [])
          else if (options.all === true) callback(null, addresses)
          else callback(null, first.address, first.family)
        })
      return new Promise((resolve, reject) => {
        const send = target.protocol === 'https:' ? requestHttps : requestHttp
        const request = send(target, {
          method: 'POST',
          headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
          lookup: guarded,
          agent: false,
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        })
        request.once('response', (response) => {
          resolve(response.statusCode ?? 0)
          response.on('error', () => {}).destroy()
        })
        // Who wants to speak another protocol has answered; the parser would wait for nobody.
        request.once('upgrade', ({ statusCode }, socket) => {
          socket.destroy()
          resolve(statusCode ?? 0)
        })
        request.on('error', reject)
        // However it ended: what was settled stays so.
        request.once('close', () => reject(new Error(`${host} closed the connection without an answer`)))
        request.end(body)
      })
    },
  }
}

/** As it is compared: lower-cased, of an address its one form, without brackets and the dot of the root. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
}

/** A host as it is named, in the form in which that of a URL is compared. */
function checkHost(given: string): string {
  const written = isIP(given) === 6 ? `[${given}]` : given
  const parsed = NO_HOST.test(written) ? null : URL.parse(`http://${written}/`)
  const host = parsed === null ? '' : hostOf(parsed)
  if (isIP(host) !== 0 || NAME.test(host)) return host
  throw new PolityError(
    'CONFIG_INVALID',
    `${JSON.stringify(given)} is no host that could be told; expected one name or address such as hooks.internal or 10.0.0.7, without a port and without *`,
  )
}

/** What a URL would read as more than its host. */
const NO_HOST = /[/\\@?#%\s]|^[^[].*:|\]:/
const NAME = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/

function refused(host: string): PolityError {
  return new PolityError(
    'INVALID_ARGUMENT',
    `${host} is on this machine or a private network, which webhooks do not reach; who runs this server can allow it by name`,
  )
}

/** Addresses that are not of the internet at large. */
const inside = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  inside.addSubnet(network, prefix, 'ipv4')
/** The internet at large in IPv6 is 2000::/3 (RFC 4291); of that, what carries an address of IPv4 or leads nowhere. */
const outside6 = new BlockList()
outside6.addSubnet('2000::', 3, 'ipv6')
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  inside.addSubnet(network, prefix, 'ipv6')

function isInside(address: string): boolean {
  const bare = address.split('%', 1)[0] as string
  if (isIP(bare) === 4) return inside.check(bare, 'ipv4')
  return isIP(bare) !== 6 || !outside6.check(bare, 'ipv6') || inside.check(bare, 'ipv6')
}
