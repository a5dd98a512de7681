/** The notes of the key's principal: what was learned, by which process, from where. */
import { useRef, useState } from 'react'
import { moment } from '../format.ts'
import { Prose } from '../json.tsx'
import { useKeys } from '../keys.ts'
import { runHash } from '../route.ts'
import { Confirm, Empty, Failure, Waiting, say, useAsked, useSession } from '../ui.tsx'

const LIMIT = 50

export function Memory() {
  const { client, live } = useSession()
  const [text, setText] = useState('')
  const [query, setQuery] = useState<{ readonly text: string; readonly tag: string }>()
  const [tag, setTag] = useState('')
  const [forgets, setForgets] = useState<string>()
  const search = useRef<HTMLInputElement>(null)
  useKeys({ '/': () => search.current?.focus() })
  const found = useAsked(
    async () =>
      query === undefined
        ? undefined
        : client.notes.search(query.text, { limit: LIMIT, ...(query.tag === '' ? {} : { tag: query.tag }) }),
    [JSON.stringify(query)],
  )
  const notes = found.value?.items
  return (
    <section className="page">
      <form
        className="tools"
        role="search"
        onSubmit={(event) => {
          event.preventDefault()
          if (text.trim() === '') return
          if (query?.text === text.trim() && query.tag === tag.trim()) found.again()
          else setQuery({ text: text.trim(), tag: tag.trim() })
        }}
      >
        <input
          ref={search}
          type="search"
          value={text}
          placeholder="Words to look for  /"
          aria-label="Search notes"
          onChange={(event) => setText(event.target.value)}
        />
        <input
          className="short"
          value={tag}
          placeholder="tag"
          aria-label="Only with this tag"
          onChange={(event) => setTag(event.target.value)}
        />
        <button type="submit" disabled={text.trim() === ''}>
          Search
        </button>
        {notes !== undefined && (
          <span className="muted">{notes.length === LIMIT ? `the best ${LIMIT}` : `${notes.length} notes`}</span>
        )}
      </form>
      {query === undefined ? (
        <Empty title="Notes of this principal">
          <p>
            Say what to look for. Each search runs as a small process, so that the law is asked and the journal has it.
          </p>
        </Empty>
      ) : found.error !== undefined ? (
        <Failure error={found.error} again={found.again} />
      ) : notes === undefined ? (
        <Waiting what="the notes" />
      ) : notes.length === 0 ? (
        <Empty title="No note has these words">
          <p>Notes are found by their words; fewer or other ones may find some.</p>
        </Empty>
      ) : (
        <ol className="notes">
          {notes.map(({ id, text: note, tags, source, pid, at, labels, score }) => (
            <li key={id} className="note">
              <Prose text={note} />
              <dl className="facts">
                <div>
                  <dt>from</dt>
                  <dd>{source ?? 'nothing named'}</dd>
                </div>
                <div>
                  <dt>written by</dt>
                  <dd>
                    <a href={runHash(pid)}>{pid}</a> {live.rows.get(pid)?.process.program}
                  </dd>
                </div>
                <div>
                  <dt>at</dt>
                  <dd>{moment(at)}</dd>
                </div>
                {tags.length > 0 && (
                  <div>
                    <dt>tags</dt>
                    <dd>{tags.join(', ')}</dd>
                  </div>
                )}
                {labels.length > 0 && (
                  <div>
                    <dt>its writer had seen</dt>
                    <dd className="bad">{labels.join(', ')}</dd>
                  </div>
                )}
                <div>
                  <dt>nearness</dt>
                  <dd>{score.toFixed(2)}</dd>
                </div>
                <div className="end">
                  <button type="button" className="quiet" onClick={() => setForgets(id)}>
                    Forget
                  </button>
                </div>
              </dl>
            </li>
          ))}
        </ol>
      )}
      {forgets !== undefined && (
        <Confirm
          title="Forget this note?"
          action="Forget"
          danger
          onClose={() => setForgets(undefined)}
          run={async () => {
            await client.notes.forget(forgets)
            say('The note is forgotten.')
            found.again()
          }}
        >
          <p>No process finds it any more. The journal still has the call that wrote it.</p>
        </Confirm>
      )}
    </section>
  )
}
