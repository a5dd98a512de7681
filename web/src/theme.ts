/** Dark, light, or as the system says. The choice is kept in localStorage; it is the only thing that is. */
import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'polity.theme'
const order: readonly Theme[] = ['system', 'light', 'dark']
const listeners = new Set<() => void>()

function themeNow(): Theme {
  const kept = localStorage.getItem(KEY)
  return order.find((one) => one === kept) ?? 'system'
}

export function applyTheme(): void {
  const theme = themeNow()
  if (theme === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
}

export function turnTheme(): void {
  localStorage.setItem(KEY, order[(order.indexOf(themeNow()) + 1) % order.length] as Theme)
  applyTheme()
  for (const hear of listeners) hear()
}

const system = matchMedia('(prefers-color-scheme: dark)')

export function useTheme(): { readonly theme: Theme; readonly isDark: boolean } {
  const text = useSyncExternalStore(subscribe, () => `${themeNow()} ${system.matches}`)
  const [theme, isSystemDark] = text.split(' ') as [Theme, string]
  return { theme, isDark: theme === 'dark' || (theme === 'system' && isSystemDark === 'true') }
}

function subscribe(hear: () => void): () => void {
  listeners.add(hear)
  system.addEventListener('change', hear)
  return () => {
    listeners.delete(hear)
    system.removeEventListener('change', hear)
  }
}
