/** The field in which a view is searched, which `/` leads to, and the words in it. */
import { useRef } from 'react'
import { useKeys } from './keys.ts'

export interface SearchProps {
  /** What is searched, for who cannot see it: "processes". */
  readonly of: string
  readonly value: string
  readonly placeholder?: string
  readonly onChange: (value: string) => void
  /** What Enter does, once the field is left. @default nothing, and it is not left */
  readonly onEnter?: (() => void) | undefined
}

export function Search({ of, value, placeholder = 'Search', onChange, onEnter }: SearchProps) {
  const field = useRef<HTMLInputElement>(null)
  useKeys({ '/': () => field.current?.focus() })
  return (
    <input
      ref={field}
      type="search"
      value={value}
      placeholder={`${placeholder}  /`}
      aria-label={`Search ${of}`}
      onChange={(event) => onChange(event.target.value)}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' || onEnter === undefined) return
        event.currentTarget.blur()
        onEnter()
      }}
    />
  )
}

/** In lower case; none of a query of blanks. */
export function wordsIn(query: string): string[] {
  return query.toLowerCase().split(/\s+/).filter(Boolean)
}
