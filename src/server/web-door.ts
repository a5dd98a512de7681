/**
 * The dashboard: serves the built files of web/ at `/`.
 *
 *     await serve({ kernel, store, port, doors: [apiDoor({ kernel }), webDoor({ folder: webFolder() })] })
 *
 * The pages hold no data and need no key: what they show they ask of the native API, with the key that a person gave.
 *
 * Invariants
 *   WD1. Only regular files that lay in the folder when it was read are served; a name in a request is looked up among
 *        them and never made into a path.
 *   WD2. A page loads and asks nothing but this server, and runs no script that is not one of its files.
 *   WD3. What has a hash in its name is kept by browsers for good; what has none is asked for anew each time.
 *   WD4. A build that replaces the folder is served with the next page; before the first one, a page says how to make it.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PolityError } from '../kernel/errors.ts'
import type { Door } from './route.ts'

export interface WebOptions {
  /** Where `npm run build:web` wrote to. */
  readonly folder: string
}

interface Built {
  readonly page: string
  readonly assets: ReadonlyMap<string, { readonly type: string; readonly text: string }>
}

/** Where a build lies: beside the server in the package, under dist/ in a checkout. */
export function webFolder(): string {
  const beside = fileURLToPath(new URL('../web', import.meta.url))
  return existsSync(join(beside, 'index.html')) ? beside : fileURLToPath(new URL('../../dist/web', import.meta.url))
}

export function webDoor({ folder }: WebOptions): Door {
  let seen = ''
  let built: Built | undefined

  /** The files as they are now; undefined where there are none. */
  function files(): Built | undefined {
    const stat = statSync(join(folder, 'index.html'), { throwIfNoEntry: false, bigint: true })
    const now = stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeNs}`
    if (now !== seen) {
      built = stat === undefined ? undefined : readBuilt(folder)
      seen = now
    }
    return built
  }

  return {
    routes: [
      {
        method: 'GET',
        path: '/',
        scope: null,
        handle({ replyText }) {
          const found = files()
          if (found === undefined) replyText(503, types['html'] as string, notBuilt, headersOf('no-store'))
          else replyText(200, types['html'] as string, found.page, headersOf('no-cache'))
        },
      },
      {
        method: 'GET',
        path: '/assets/:file',
        scope: null,
        handle({ params, replyText }) {
          const found = files()?.assets.get(params['file'] ?? '')
          if (found === undefined)
            throw new PolityError('NO_SUCH_FILE', 'the dashboard has no such file; load its page again')
          replyText(200, found.type, found.text, headersOf('public, max-age=31536000, immutable'))
        },
      },
    ],
  }
}

/** Types of the files that a build consists of, by the end of the name. Others are not served. */
const types: { readonly [ending: string]: string } = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
}

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

function headersOf(cacheControl: string): { readonly [name: string]: string } {
  return { 'content-security-policy': policy, 'cache-control': cacheControl }
}

function readBuilt(folder: string): Built {
  const assets = new Map<string, { type: string; text: string }>()
  for (const entry of readdirSync(join(folder, 'assets'), { withFileTypes: true })) {
    const type = types[entry.name.slice(entry.name.lastIndexOf('.') + 1)]
    if (entry.isFile() && type !== undefined)
      assets.set(entry.name, { type, text: readFileSync(join(folder, 'assets', entry.name), 'utf8') })
  }
  return { page: readFileSync(join(folder, 'index.html'), 'utf8'), assets }
}

const notBuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Polity: the dashboard is not built</title>
<h1>The dashboard is not built</h1>
<p>The server runs, and its API is at <a href="/api/v1/openapi.json">/api/v1</a>. To have the dashboard here, run this in the repository and load the page again:</p>
<pre>npm run build:web</pre>
</html>
`
