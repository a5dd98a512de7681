/**
 * Data as it is: JSON with what nobody would see made visible.
 *
 *     <Exact value={input} />
 *
 * Invariants
 *   EX1. The text holds no character that is invisible, moves others, or ends a line: such ones are shown as \u escapes.
 *        What is copied from here is still the same JSON.
 *   EX2. A line that is part of a value is marked as such at its beginning, by the page and not by a character.
 */
import type { ReactNode } from 'react'
import { useState } from 'react'

/** Controls, format characters (zero width, bidirectional), odd spaces, line separators, private and lone surrogates. */
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\u00a0\u115f\u1160\u2000-\u200a\u2800\u3000\u3164\uffa0\p{Variation_Selector}]/gu
const CHARS_SHOWN = 20_000

/** JSON of one string, with its line ends as escapes and everything unseen as \u. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(UNSEEN, escaped)
}

/** Each of its code units: one alone would be the same for all characters of a plane. */
function escaped(char: string): string {
  return [...Array(char.length).keys()].map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')
}

export function Exact({ value }: { readonly value: unknown }) {
  return (
    <div className="exact" dir="ltr">
      <Value value={value} depth={0} after="" />
    </div>
  )
}

function Value({
  value,
  name,
  depth,
  after,
}: {
  readonly value: unknown
  readonly name?: string
  readonly depth: number
  readonly after: string
}) {
  const key = name === undefined ? null : <span className="key">{quoted(name)}: </span>
  if (Array.isArray(value) && value.length > 0)
    return (
      <Group
        open="["
        close={`]${after}`}
        name={key}
        depth={depth}
        parts={value.map((part) => [undefined, part] as const)}
      />
    )
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0)
    return <Group open="{" close={`}${after}`} name={key} depth={depth} parts={Object.entries(value)} />
  if (typeof value === 'string') return <Text name={key} text={value} after={after} />
  return (
    <div className="line">
      {key}
      <span className="scalar">{JSON.stringify(value) ?? 'undefined'}</span>
      {after}
    </div>
  )
}

function Group({
  open,
  close,
  name,
  parts,
  depth,
}: {
  readonly open: string
  readonly close: string
  readonly name: ReactNode
  readonly parts: readonly (readonly [string | undefined, unknown])[]
  readonly depth: number
}) {
  const [shown, setShown] = useState(200)
  return (
    <>
      <div className="line">
        {name}
        {open}
      </div>
      <div className="group">
        {parts.slice(0, shown).map(([key, part], i) => (
          <Value
            key={key ?? i}
            {...(key === undefined ? {} : { name: key })}
            value={part}
            depth={depth + 1}
            after={i === parts.length - 1 ? '' : ','}
          />
        ))}
        {shown < parts.length && (
          <button type="button" className="link" onClick={() => setShown(shown + 1_000)}>
            {parts.length - shown} more
          </button>
        )}
      </div>
      <div className="line">{close}</div>
    </>
  )
}

function Text({ name, text, after }: { readonly name: ReactNode; readonly text: string; readonly after: string }) {
  const [isWhole, setWhole] = useState(false)
  const isCut = !isWhole && text.length > CHARS_SHOWN
  // A line end in the value is written, and only then is the line broken, for the eye.
  const lines = quoted(isCut ? text.slice(0, CHARS_SHOWN) : text).split(/(?<=[^\\](?:\\\\)*\\n)/)
  return (
    <div className="line">
      {name}
      <span className="text">
        {lines.map((line, i) => (
          <span key={i} className="part">
            {line}
            {i === lines.length - 1 && after}
          </span>
        ))}
      </span>
      {isCut && (
        <button type="button" className="link" onClick={() => setWhole(true)}>
          {text.length - CHARS_SHOWN} more characters
        </button>
      )}
    </div>
  )
}

/** Text in its own lines, with what is unseen made visible but for line ends, tabs and what joins letters. */
export function shown(text: string): string {
  return text.replace(UNSEEN, (char) =>
    char === '\n' || char === '\t' || char === '\u200d' || char === '\ufe0f' || char === '\u00a0'
      ? char
      : escaped(char),
  )
}

/** Text of a model or a person, in its own lines, with what is unseen made visible but for line ends and tabs. */
export function Prose({ text }: { readonly text: string }) {
  const [isWhole, setWhole] = useState(false)
  const LONG = 6_000
  const isCut = !isWhole && text.length > LONG
  return (
    <div className="prose" dir="auto">
      {shown(isCut ? text.slice(0, LONG) : text)}
      {isCut && (
        <button type="button" className="link" onClick={() => setWhole(true)}>
          show all {text.length.toLocaleString('en')} characters
        </button>
      )}
    </div>
  )
}
