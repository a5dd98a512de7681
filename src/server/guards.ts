/**
 * Who may reach the server through a browser: the names it answers to, and the pages that may talk to it.
 *
 * A page of any site can make its visitor's browser send requests to the visitor's own machine. Three things stop it: the
 * `Host` has to be a name of this server (against DNS rebinding: a page whose own name resolves to 127.0.0.1), a foreign
 * `Origin` has to be allowed by name, and `Sec-Fetch-Site` may not say that another site asks. Programs send neither of
 * the last two, and are not touched.
 *
 * Invariants
 *   GU1. A request whose Host is no name of the server reaches no handler.
 *   GU2. A request of a page of another origin reaches no handler, unless that origin is allowed; a link that a person
 *        follows to the server (a top-level GET) does.
 */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { PolityError } from '../kernel/errors.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether a host name or address reaches this machine only. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  // Browsers and resolvers keep these names on the machine (RFC 6761, section 6.3).
  if (name === 'localhost' || name.endsWith('.localhost')) return true
  const kind = isIP(name)
  return kind !== 0 && loopback.check(name, kind === 4 ? 'ipv4' : 'ipv6')
}

/** The name in a Host header, without the port and lower-cased; undefined where it is none. */
export function hostName(header: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?))\.?(?::(\d{1,5}))?$/i.exec(header)
  if (match === null) return undefined
  const [, address, name] = match
  if (address !== undefined) return isIP(address) === 6 ? address.toLowerCase() : undefined
  return name?.toLowerCase()
}

/** Origins as browsers write them: `https://name`, or with a port. Throws `CONFIG_INVALID`. */
export function checkOrigins(origins: readonly string[]): ReadonlySet<string> {
  for (const origin of origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new PolityError(
        'CONFIG_INVALID',
        `${JSON.stringify(origin)} is no origin; expected scheme and host as a browser writes them, such as https://app.example.com or http://localhost:5173, without a path`,
      )
  }
  return new Set(origins)
}

/** Names that the server answers to beside loopback, without ports. Throws `CONFIG_INVALID`. */
export function checkHosts(hosts: readonly string[]): ReadonlySet<string> {
  return new Set(
    hosts.map((host) => {
      const name = hostName(isIP(host) === 6 ? `[${host}]` : host)
      if (name === undefined || /:\d+$/.test(isIP(host) === 6 ? '' : host))
        throw new PolityError(
          'CONFIG_INVALID',
          `${JSON.stringify(host)} is no host name; expected one such as polity.example.com, without a port`,
        )
      return name
    }),
  )
}

/** Why a request may not come in; undefined where it may. `hosts` and `origins` as checked. */
export function refusalOf(
  request: IncomingMessage,
  hosts: ReadonlySet<string>,
  origins: ReadonlySet<string>,
): string | undefined {
  const { headers, socket } = request
  const host = hostName(headers.host ?? '')
  if (host === undefined || !(isLoopback(host) || hosts.has(host) || host === plainAddress(socket.localAddress)))
    return `this server does not answer to the host ${quoted(headers.host)}; use the address it printed; who runs it lets another in with --allow-host`
  const { origin } = headers
  if (origin !== undefined)
    return origins.has(origin) || isSameOrigin(origin, headers.host as string)
      ? undefined
      : `pages of ${quoted(origin)} may not use this server; who runs it lets them with --allow-origin`
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return undefined
  const isLink =
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document' &&
    (request.method === 'GET' || request.method === 'HEAD')
  return isLink ? undefined : 'pages of other sites may not use this server'
}

/** A TLS proxy before us changes the scheme, so only host and port count; the host is one of ours by then. */
function isSameOrigin(origin: string, host: string): boolean {
  return /^https?:\/\//.test(origin) && origin.slice(origin.indexOf('//') + 2).toLowerCase() === host.toLowerCase()
}

/** An IPv4 client of a socket that listens on both is shown with an IPv6 prefix. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/, '').toLowerCase()
}

function quoted(text: string | undefined): string {
  return JSON.stringify((text ?? '').slice(0, 100))
}
