/**
 * The route table: which handler a method and a path lead to, over all doors.
 *
 *     const routes = routesOf(doors)
 *     routes.find('GET', '/v1/models')       // { route, door, params }; undefined: there is none; 'bad': no path at all
 *
 * Nothing is run here: http.ts asks who calls, and runs the handler.
 */
import router from 'find-my-way'
import { PolityError, fieldOf } from '../kernel/errors.ts'
import type { Door, Route } from './route.ts'

/** Where a request leads. */
export interface Found {
  readonly route: Route
  readonly door: Door
  readonly params: { readonly [name: string]: string }
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** All routes of a server. */
export interface Routes {
  find(method: string, path: string): Found | 'bad' | undefined
  methodsAt(path: string): readonly string[]
  /** The door that speaks below the first part of a path: its clients understand its errors, also where it has no such route. */
  doorNear(path: string): Door | undefined
}

/** The table of all doors. Throws `CONFIG_INVALID`: two routes are the same, or one cannot be read. */
export function routesOf(doors: readonly Door[]): Routes {
  // Room for a file's path or a model's name as one part.
  const table = router({
    ignoreTrailingSlash: true,
    maxParamLength: 1_024,
    onBadUrl: () => undefined,
    onMaxParamLength: () => undefined,
  })
  const near = new Map<string, Door>()
  for (const door of doors) {
    for (const route of door.routes) {
      try {
        table.on(route.method, route.path, noHandler, { route, door })
      } catch (error) {
        throw new PolityError('CONFIG_INVALID', `route ${route.method} ${route.path}: ${fieldOf(error, 'message')}`, {
          cause: error,
        })
      }
      const first = firstPart(route.path)
      if (!near.has(first)) near.set(first, door)
    }
  }
  const find: Routes['find'] = (method, path) => {
    const found = table.find(method as (typeof METHODS)[number], path)
    if (found === null) return undefined
    if (found.store === null || found.store === undefined) return 'bad'
    const { route, door } = found.store as Omit<Found, 'params'>
    return { route, door, params: found.params as Found['params'] }
  }
  return {
    find,
    methodsAt(path) {
      const methods: string[] = METHODS.filter((method) => typeof find(method, path) === 'object')
      if (methods.includes('GET')) methods.splice(1, 0, 'HEAD')
      return methods.length === 0 ? methods : [...methods, 'OPTIONS']
    },
    doorNear: (path) => near.get(firstPart(path)),
  }
}

function firstPart(path: string): string {
  return path.split('/', 2)[1] ?? ''
}

/** Routes are found here and run there. */
function noHandler(): void {}
