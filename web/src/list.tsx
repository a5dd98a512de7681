/**
 * A list of rows of one height of which only those in sight exist.
 *
 * Invariant
 *   LI1. The number of elements depends on the height of the window and not on the number of rows.
 */
import type { ReactNode, RefObject } from 'react'
import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { useKeys } from './keys.ts'

export interface ListProps {
  readonly count: number
  readonly rowHeight: number
  /** -1: none. */
  readonly chosen: number
  readonly onChoose: (index: number) => void
  readonly onOpen?: (index: number) => void
  readonly label: string
  readonly role: 'grid' | 'treegrid' | 'listbox'
  readonly id: string
  /** Stands above the rows and stays in sight. */
  readonly head?: ReactNode
  readonly row: (index: number) => ReactNode
  readonly className?: string
}

const BEYOND = 6

export function List({
  count,
  rowHeight,
  chosen,
  onChoose,
  onOpen,
  label,
  role,
  id,
  head,
  row,
  className = '',
}: ListProps) {
  const frame = useRef<HTMLDivElement>(null)
  const [top, height] = useWindow(frame)
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight) - BEYOND, count - 1))
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + BEYOND)
  const page = Math.max(1, Math.floor(height / rowHeight) - 2)

  function choose(index: number): void {
    const next = Math.max(0, Math.min(count - 1, index))
    if (count === 0) return
    onChoose(next)
    const element = frame.current
    if (element === null) return
    const headHeight = element.querySelector<HTMLElement>('.head')?.offsetHeight ?? 0
    const from = next * rowHeight
    if (from < element.scrollTop) element.scrollTop = from
    else if (from + rowHeight > element.scrollTop + element.clientHeight - headHeight)
      element.scrollTop = from + rowHeight - element.clientHeight + headHeight
  }

  const move = (by: number) => () => choose(chosen < 0 ? (by > 0 ? 0 : count - 1) : chosen + by)
  useKeys({
    j: move(1),
    k: move(-1),
    ArrowDown: move(1),
    ArrowUp: move(-1),
    PageDown: move(page),
    PageUp: move(-page),
    g: () => choose(0),
    Home: () => choose(0),
    G: () => choose(count - 1),
    End: () => choose(count - 1),
    ...(onOpen === undefined ? {} : { Enter: () => chosen >= 0 && onOpen(chosen) }),
  })

  const rows: ReactNode[] = []
  for (let i = first; i < last; i++) rows.push(row(i))
  return (
    <div
      ref={frame}
      className={`list ${className}`}
      role={role}
      aria-label={label}
      {...(role === 'listbox' ? {} : { 'aria-rowcount': count + 1 })}
      aria-activedescendant={chosen >= first && chosen < last ? `${id}-${chosen}` : undefined}
      tabIndex={0}
    >
      {head}
      <div
        className="rows"
        role={role === 'listbox' ? 'presentation' : 'rowgroup'}
        style={{ height: count * rowHeight }}
      >
        <div role="presentation" style={{ transform: `translateY(${first * rowHeight}px)` }}>
          {rows}
        </div>
      </div>
    </div>
  )
}

/** How far the element is scrolled, and how high it is. */
function useWindow(frame: RefObject<HTMLDivElement | null>): readonly [top: number, height: number] {
  const [view, setView] = useState<readonly [number, number]>([0, 800])
  useLayoutEffect(() => {
    const element = frame.current as HTMLDivElement
    const look = (): void => setView([element.scrollTop, element.clientHeight])
    const resized = new ResizeObserver(look)
    resized.observe(element)
    look()
    return () => resized.disconnect()
  }, [frame])
  useEffect(() => {
    const element = frame.current as HTMLDivElement
    let due = 0
    const onScroll = (): void => {
      if (due === 0)
        due = requestAnimationFrame(() => {
          due = 0
          setView([element.scrollTop, element.clientHeight])
        })
    }
    element.addEventListener('scroll', onScroll, { passive: true })
    return () => {
      element.removeEventListener('scroll', onScroll)
      cancelAnimationFrame(due)
    }
  }, [frame])
  return view
}
