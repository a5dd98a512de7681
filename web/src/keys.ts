/**
 * Keys: what each does where, and who hears it.
 *
 *     useKeys({ j: next, k: previous })
 *
 * Invariant
 *   KY1. What is typed into a field goes to the field, and what is typed in a dialog to the dialog; of fields only Escape
 *        is heard, which leaves them.
 */
import { useLayoutEffect, useRef } from 'react'

type Heard = (event: KeyboardEvent) => void
type KeyMap = { readonly [key: string]: Heard | undefined }

/** The last one first: what is nearest to the person. */
const maps: { current: KeyMap }[] = []

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
  const target = event.target as HTMLElement
  if (document.querySelector('dialog[open]') !== null) return
  if (target.matches('input, textarea, select')) {
    if (event.key === 'Escape') target.blur()
    return
  }
  // A focused button or link takes these itself.
  if ((event.key === 'Enter' || event.key === ' ') && target.closest('button, a, summary') !== null) return
  for (const map of maps.toReversed()) {
    const hear = map.current[event.key]
    if (hear === undefined) continue
    event.preventDefault()
    hear(event)
    return
  }
}

export function useKeys(map: KeyMap): void {
  const latest = useRef(map)
  latest.current = map
  useLayoutEffect(() => {
    if (maps.length === 0) addEventListener('keydown', onKey)
    maps.push(latest)
    return () => {
      maps.splice(maps.indexOf(latest), 1)
      if (maps.length === 0) removeEventListener('keydown', onKey)
    }
  }, [])
}

/** As the dialog of keys shows them. */
export const keyTable: readonly (readonly [keys: string, does: string])[] = [
  ['1 … 6', 'processes, cores, inbox, memory, policy, budgets'],
  ['j  k', 'next, previous row (also the arrow keys)'],
  ['g  G', 'first, last row'],
  ['Enter', 'open the row'],
  ['Esc', 'back; leave a field'],
  ['/', 'search'],
  ['t', 'processes: table or tree'],
  ['h  l', 'tree: fold, unfold'],
  ['[  ]', 'run: tab before, next tab'],
  ['f', 'run: fork from the chosen call'],
  ['n  p  d', 'a file: newer, older version; changes or text'],
  ['x', 'run: kill'],
  ['r', 'run: resume, or replay what has ended'],
  ['a  d', 'inbox: allow, deny (asks once more)'],
  ['T', 'dark, light, or as the system says'],
  ['?', 'these keys'],
]
