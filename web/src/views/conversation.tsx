/** What a model was sent, and what it answered, call by call. */
import type { ReactNode } from 'react'
import { useEffect, useMemo, useRef } from 'react'
import type { Message, Process } from '../../../src/client.ts'
import { count, duration, usd } from '../format.ts'
import { Exact, Prose } from '../json.tsx'
import { useKeys } from '../keys.ts'
import { goTo, runHash } from '../route.ts'
import type { RunEvents, Trace } from '../trace.ts'
import { Empty, Failure, Waiting, useAsked, useSession } from '../ui.tsx'
import { useRunEvents } from './run.tsx'

/** Longer ones are the same in each call, and folded. */
const LONG_SYSTEM = 240

export function Conversation({
  process: { pid, endedAt },
  trace,
  events,
  chosen,
  fork,
}: {
  readonly process: Process
  readonly trace: Trace
  readonly events: RunEvents
  readonly chosen: number | undefined
  readonly fork: (at?: number) => void
}) {
  const { client } = useSession()
  const calls = useMemo(() => trace.spans.filter(({ call, undone }) => call === 'generate' && !undone), [trace.spans])
  const index = calls.findIndex(({ n }) => n === chosen)
  const at = index >= 0 ? index : calls.length - 1
  const call = calls[at]
  // The cursor of the page is the server's own, so the one call is asked for whole; messages are in its arguments.
  const whole = useAsked(
    async (signal) => (call === undefined ? undefined : client.processes.call(pid, call.n, { signal })),
    [`${pid}.${call?.n}`, call?.endedAt],
  )
  const messages = useRef<HTMLDivElement>(null)
  // What is new stands at the end.
  useEffect(() => {
    // What it returns is a promise in some browsers, and no end of an effect.
    void messages.current?.lastElementChild?.scrollIntoView({ block: 'end' })
  }, [whole.value])
  const move = (to: number): void => {
    const next = calls[Math.max(0, Math.min(calls.length - 1, to))]
    if (next !== undefined) goTo(runHash(pid, 'conversation', next.n), true)
  }
  useKeys({ j: () => move(at + 1), k: () => move(at - 1), g: () => move(0), G: () => move(calls.length - 1) })

  if (call === undefined)
    return trace.isLoaded ? (
      <Empty title="It has asked no model yet">
        <p>
          {endedAt === null
            ? 'The conversation appears here with the first model call.'
            : 'It ended without asking one.'}
        </p>
      </Empty>
    ) : (
      <Waiting what="the conversation" />
    )
  const given = (whole.value?.given ?? {}) as {
    readonly messages?: readonly Message[]
    readonly tools?: readonly string[]
    readonly options?: object
  }
  const returned = whole.value?.returned as { readonly message?: Message; readonly finishReason?: string } | undefined
  const { usage, error } = call
  return (
    <div className="conversation">
      <div className="tools">
        <button type="button" disabled={at === 0} onClick={() => move(at - 1)}>
          Before
        </button>
        <label className="inline">
          <span className="unseen">Model call</span>
          <select
            value={call.n}
            onChange={(event) => goTo(runHash(pid, 'conversation', Number(event.target.value)), true)}
          >
            {calls.map(({ n }, i) => (
              <option key={n} value={n}>
                model call {i + 1} of {calls.length} (call {n})
              </option>
            ))}
          </select>
        </label>
        <button type="button" disabled={at === calls.length - 1} onClick={() => move(at + 1)}>
          Next
        </button>
        <span className="muted">
          {call.core ?? ''}
          {usage !== null && ` · ${count(usage.inputTokens)} in, ${count(usage.outputTokens)} out · ${usd(usage.usd)}`}
          {call.endedAt !== null && ` · ${duration(call.endedAt - call.startedAt)}`}
          {returned?.finishReason !== undefined && ` · ${returned.finishReason}`}
        </span>
        <span className="spring" />
        <button type="button" onClick={() => fork(call.n)}>
          Fork from here
        </button>
      </div>
      <div ref={messages} className="messages" tabIndex={0} role="log" aria-label="Conversation">
        {whole.error !== undefined && <Failure error={whole.error} again={whole.again} />}
        {whole.value === undefined && whole.error === undefined && <Waiting what="the conversation" />}
        {given.messages?.map((message, i) => (
          <Said key={i} message={message} />
        ))}
        {returned?.message !== undefined ? (
          <Said message={returned.message} isAnswer />
        ) : error !== null ? (
          <div className="failure">
            <p>
              <code>{error.code}</code> {error.message}
            </p>
          </div>
        ) : (
          call.endedAt === null && <Saying events={events} pid={pid} n={call.n} />
        )}
        {given.tools !== undefined && given.tools.length > 0 && (
          <p className="muted small">It could ask for the tools {given.tools.join(', ')}.</p>
        )}
      </div>
    </div>
  )
}

/** What it is saying right now. */
function Saying({ events, pid, n }: { readonly events: RunEvents; readonly pid: number; readonly n: number }) {
  useRunEvents(events)
  const text = events.saying.get(`${pid}.${n}`)
  return (
    <article className="message answer" aria-label="assistant">
      <h3>assistant</h3>
      <div>{text === undefined ? <p className="muted">It has not said anything yet.</p> : <Prose text={text} />}</div>
    </article>
  )
}

function Said({
  message: { role, content },
  isAnswer = false,
}: {
  readonly message: Message
  readonly isAnswer?: boolean
}) {
  const parts: readonly unknown[] = Array.isArray(content) ? content : [{ type: 'text', text: content }]
  return (
    <article className={`message ${role}${isAnswer ? ' answer' : ''}`} aria-label={role}>
      <h3>{role}</h3>
      <div>
        {role === 'system' && typeof content === 'string' && content.length > LONG_SYSTEM ? (
          <details>
            <summary>{content.slice(0, LONG_SYSTEM)}</summary>
            <Prose text={content} />
          </details>
        ) : (
          parts.map((part, i) => <Part key={i} part={part as { readonly [key: string]: unknown }} />)
        )}
      </div>
    </article>
  )
}

function Part({ part }: { readonly part: { readonly [key: string]: unknown } }): ReactNode {
  const { type, text } = part
  if (type === 'text' && typeof text === 'string') return <Prose text={text} />
  if (type === 'reasoning' && typeof text === 'string')
    return (
      <details>
        <summary>reasoning</summary>
        <Prose text={text} />
      </details>
    )
  if (type === 'tool-call')
    return (
      <div className="tool-part">
        <h4>asks for {String(part['toolName'])}</h4>
        <Exact value={parsed(part['input'])} />
      </div>
    )
  if (type === 'tool-result') {
    const output = part['output'] as { readonly type?: string; readonly value?: unknown } | undefined
    return (
      <div className="tool-part">
        <h4>
          {String(part['toolName'])} gave{output?.type?.startsWith('error') === true ? ' an error' : ''}
        </h4>
        <Exact value={parsed(output?.value ?? part['result'] ?? null)} />
      </div>
    )
  }
  return <Exact value={part} />
}

/** Arguments come as text of JSON from some drivers. */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
