/** Where the dashboard is: the part of the address after `#`, such as `#/run/17/timeline`. */
import { useSyncExternalStore } from 'react'

export const places = ['processes', 'cores', 'inbox', 'memory', 'policy', 'budgets'] as const
export type Place = (typeof places)[number]

export const tabs = ['timeline', 'conversation', 'team', 'events', 'files', 'result'] as const
export type Tab = (typeof tabs)[number]

export type Route =
  | { readonly place: Place }
  | { readonly place: 'run'; readonly pid: number; readonly tab: Tab; readonly call: number | undefined }

function routeOf(hash: string): Route {
  const [place, pid, tab, call] = hash.replace(/^#\/?/, '').split('/')
  if (place === 'run' && /^[1-9]\d{0,14}$/.test(pid ?? ''))
    return {
      place,
      pid: Number(pid),
      tab: tabs.find((one) => one === tab) ?? 'timeline',
      call: /^\d{1,15}$/.test(call ?? '') ? Number(call) : undefined,
    }
  return { place: places.find((one) => one === place) ?? 'processes' }
}

export function runHash(pid: number, tab: Tab = 'timeline', call?: number): string {
  return `#/run/${pid}/${tab}${call === undefined ? '' : `/${call}`}`
}

/** `replace`: going back leads to what was there before. */
export function goTo(hash: string, replace = false): void {
  if (!replace) location.hash = hash
  else {
    history.replaceState(null, '', hash)
    dispatchEvent(new HashChangeEvent('hashchange'))
  }
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash)
  return routeOf(hash)
}

function subscribe(hear: () => void): () => void {
  addEventListener('hashchange', hear)
  return () => removeEventListener('hashchange', hear)
}
