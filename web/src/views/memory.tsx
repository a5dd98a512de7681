/** The notes of a principal, the key's own or whom an admin chooses: what was learned, by which process, from where. All of them, or what words find. */
import { useEffect, useRef, useState } from 'react'
import type { Client, Note } from '../../../src/client.ts'
import { ApiError } from '../../../src/client.ts'
import { moment } from '../format.ts'
import { Prose } from '../json.tsx'
import { useKeys } from '../keys.ts'
import { runHash } from '../route.ts'
import { Search } from '../search.tsx'
import { Confirm, Empty, Failure, Waiting, say, useAsked, useSession } from '../ui.tsx'

const LIMIT = 50
/** Principals to choose from. */
const OWNERS_MAX = 1_000

interface Search {
  /** Empty: all notes. */
  readonly text: string
  readonly tag: string
  /** Whose notes; empty: those of the key's principal. */
  readonly principal: string
}

const everything = { text: '', tag: '' } as const

export function Memory() {
  const [given, setGiven] = useState<Search>({ ...everything, principal: '' })
  const [asked, setAsked] = useState<Search>({ ...everything, principal: '' })
  const [forgets, setForgets] = useState<Note>()
  const { client } = useSession()
  const owners = useAsked((signal) => ownersOf(client, signal), ['owners'])
  const notes = useNotes(asked)
  const { items } = notes
  const ask = (next: Omit<Search, 'principal'> & Partial<Search>): void => {
    const { text, tag, principal = asked.principal } = next
    const trimmed = { text: text.trim(), tag: tag.trim(), principal }
    setGiven(trimmed)
    if (trimmed.text === asked.text && trimmed.tag === asked.tag && principal === asked.principal) notes.again()
    else setAsked(trimmed)
  }
  useKeys({
    Escape: () => ask(everything),
  })
  const isSearch = asked.text !== ''
  return (
    <section className="page">
      <form
        className="tools"
        role="search"
        onSubmit={(event) => {
          event.preventDefault()
          ask(given)
        }}
      >
        <Search
          of="notes"
          value={given.text}
          placeholder="Words to look for"
          onChange={(text) => {
            setGiven({ ...given, text })
            if (text === '' && isSearch) ask({ ...given, text: '' })
          }}
        />
        <input
          className="short"
          value={given.tag}
          placeholder="tag"
          aria-label="Only with this tag"
          onChange={(event) => setGiven({ ...given, tag: event.target.value })}
        />
        {owners.value !== undefined && owners.value.length > 0 && (
          <select
            value={asked.principal}
            aria-label="Whose notes"
            onChange={(event) => ask({ ...given, principal: event.target.value })}
          >
            <option value="">notes of this key</option>
            {owners.value.map((principal) => (
              <option key={principal} value={principal}>
                notes of {principal}
              </option>
            ))}
          </select>
        )}
        <button type="submit">{given.text.trim() === '' ? 'List' : 'Search'}</button>
        {items !== undefined && (
          <span className="muted">
            {isSearch
              ? items.length === LIMIT
                ? `the best ${LIMIT}`
                : `${items.length} found${items.length > 1 ? ', the best first' : ''}`
              : `${items.length}${notes.hasMore ? ' newest' : ''} ${items.length === 1 ? 'note' : 'notes'}${notes.hasMore || items.length < 2 ? '' : ', the newest first'}`}
            {asked.tag !== '' && ` with the tag ${asked.tag}`}
          </span>
        )}
      </form>
      {notes.error !== undefined && <Failure error={notes.error} again={notes.again} />}
      {items === undefined ? (
        notes.error === undefined && <Waiting what="the notes" />
      ) : items.length === 0 ? (
        isSearch ? (
          <Empty title="No note has these words">
            <p>Notes are found by their words; fewer or other ones may find some.</p>
            <button type="button" onClick={() => ask(everything)}>
              Show all notes
            </button>
          </Empty>
        ) : asked.tag !== '' ? (
          <Empty title={`No note has the tag ${asked.tag}`}>
            <button type="button" onClick={() => ask(everything)}>
              Show all notes
            </button>
          </Empty>
        ) : (
          <Empty title="There are no notes">
            <p>
              What processes of {asked.principal === '' ? 'this principal' : asked.principal} remember appears here.
              Each keeps it with:
            </p>
            <pre>await sys.remember('Ada prefers tea')</pre>
          </Empty>
        )
      ) : (
        <ol className="notes">
          {items.map((note) => (
            <NoteCard key={note.id} note={note} findTag={(tag) => ask({ text: '', tag })} forget={setForgets} />
          ))}
        </ol>
      )}
      {notes.hasMore && (
        <p>
          <button type="button" disabled={notes.isReading} onClick={notes.more}>
            Older notes
          </button>
        </p>
      )}
      {forgets !== undefined && (
        <Confirm
          title="Forget this note?"
          action="Forget"
          danger
          onClose={() => setForgets(undefined)}
          run={async () => {
            await client.notes.forget(forgets.id, asked.principal === '' ? undefined : asked.principal)
            say('The note is forgotten.')
            notes.drop(forgets.id)
          }}
        >
          <p>No process finds it any more. The journal still has the call that wrote it.</p>
        </Confirm>
      )}
    </section>
  )
}

/** The principals that have notes, for an admin to choose from; nobody else is told. */
async function ownersOf(client: Client, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const { items } = await client.notes.memories({ limit: OWNERS_MAX }, { signal })
    return items.map(({ principal }) => principal)
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return []
    throw error
  }
}

const trustWords: { readonly [Trust in Note['trust']]: { readonly short: string; readonly whole: string } } = {
  request: { short: 'the user’s own words', whole: 'The text stands in what the user asked for' },
  trusted: { short: 'a trusted tool', whole: 'The text is the answer of a tool that is declared trusted' },
  untrusted: { short: 'none', whole: 'The text is a model’s, or of a source that nobody declared trusted' },
}

function NoteCard({
  note: { id, text, tags, source, pid, at, labels, tools, trust, score },
  note,
  findTag,
  forget,
}: {
  readonly note: Note
  readonly findTag: (tag: string) => void
  readonly forget: (note: Note) => void
}) {
  const { live } = useSession()
  const writer = live.rows.get(pid)?.process
  return (
    <li id={`note-${id}`} className="note">
      <Prose text={text} />
      <dl className="facts">
        {source !== null && (
          <div>
            <dt>from</dt>
            <dd>{source}</dd>
          </div>
        )}
        <div>
          <dt>written by</dt>
          <dd>
            <a href={runHash(pid)}>run {pid}</a> {writer?.name ?? writer?.program}
          </dd>
        </div>
        <div>
          <dt>at</dt>
          <dd>{moment(at)}</dd>
        </div>
        {tags.length > 0 && (
          <div>
            <dt>tags</dt>
            <dd>
              {tags.map((tag, i) => (
                <span key={tag}>
                  {i > 0 && ', '}
                  <button
                    type="button"
                    className="link"
                    title={`Notes with the tag ${tag}`}
                    onClick={() => findTag(tag)}
                  >
                    {tag}
                  </button>
                </span>
              ))}
            </dd>
          </div>
        )}
        <div>
          <dt>trust</dt>
          <dd title={trustWords[trust].whole}>{trustWords[trust].short}</dd>
        </div>
        {tools.length > 0 && (
          <div>
            <dt>its writer had asked</dt>
            <dd>{tools.join(', ')}</dd>
          </div>
        )}
        {labels.length > 0 && (
          <div>
            <dt>its writer had seen</dt>
            <dd className="bad">{labels.join(', ')}</dd>
          </div>
        )}
        {score !== null && (
          <div>
            <dt>nearness</dt>
            <dd>{score.toFixed(2)}</dd>
          </div>
        )}
        <div className="end">
          <button type="button" className="quiet" aria-label={`Forget note ${id}`} onClick={() => forget(note)}>
            Forget
          </button>
        </div>
      </dl>
    </li>
  )
}

interface Notes {
  /** undefined until there is an answer. */
  readonly items: readonly Note[] | undefined
  readonly error: Error | undefined
  readonly hasMore: boolean
  readonly isReading: boolean
  readonly again: () => void
  readonly more: () => void
  /** One that was forgotten is gone at once. */
  readonly drop: (id: string) => void
}

const nothing = { items: undefined, next: null, error: undefined } as const

/** What words find, in one page; without words all notes, page by page. */
function useNotes({ text, tag, principal }: Search): Notes {
  const { client } = useSession()
  const [found, setFound] = useState<{
    readonly items: readonly Note[] | undefined
    readonly next: string | null
    readonly error: Error | undefined
  }>(nothing)
  const [page, setPage] = useState<{ readonly cursor?: string; readonly round: number }>({ round: 0 })
  const [isReading, setReading] = useState(false)
  const query = `${text}\0${tag}\0${principal}`
  const last = useRef(query)
  useEffect(() => {
    const gone = new AbortController()
    const isAnother = last.current !== query
    last.current = query
    const { cursor } = isAnother ? {} : page
    if (isAnother) setFound(nothing)
    const which = {
      limit: LIMIT,
      ...(tag === '' ? {} : { tag }),
      ...(principal === '' ? {} : { principal }),
      ...(cursor === undefined ? {} : { cursor }),
    }
    setReading(true)
    const answer = text === '' ? client.notes.list(which, { signal: gone.signal }) : client.notes.search(text, which)
    answer
      .then(
        ({ items, next }) =>
          gone.signal.aborted ||
          setFound((before) => ({
            items: cursor === undefined ? items : [...(before.items ?? []), ...items],
            next,
            error: undefined,
          })),
        (error: Error) => gone.signal.aborted || setFound((before) => ({ ...before, error })),
      )
      .finally(() => gone.signal.aborted || setReading(false))
    return () => gone.abort()
  }, [client, query, page])
  return {
    items: found.items,
    error: found.error,
    hasMore: found.next !== null,
    isReading,
    again: () => setPage(({ round }) => ({ round: round + 1 })),
    more: () => found.next !== null && setPage(({ round }) => ({ cursor: found.next as string, round: round + 1 })),
    drop: (id) => setFound((before) => ({ ...before, items: before.items?.filter((one) => one.id !== id) })),
  }
}
