/**
 * What waits for a person: approvals, questions, and effects of which nobody knows whether they happened.
 *
 * Invariants
 *   IB1. What is allowed is what is shown: the whole arguments, as the kernel bound them.
 *   IB2. What a process wrote stands inside a frame that the page draws, cannot leave it, and holds no unseen character;
 *        who asks, the rule and the buttons stand outside.
 *   IB3. An answer takes two steps, and none of them is the same key twice.
 */
import { useState } from 'react'
import type { AnswerRequest, Question } from '../../../src/client.ts'
import { duration, moment } from '../format.ts'
import { Exact } from '../json.tsx'
import { useKeys } from '../keys.ts'
import { runHash } from '../route.ts'
import { Confirm, Empty, Failure, Waiting, say, useLiveVersion, useSession, useSessionState, useTick } from '../ui.tsx'

export function Inbox() {
  const session = useSession()
  const { questions, questionsError, isLoaded } = useSessionState()
  const [chosenId, setChosenId] = useState<number>()
  const [asked, setAsked] = useState<{ readonly question: Question } & AnswerRequest>()
  useTick(1_000)
  const index = Math.max(
    0,
    questions.findIndex(({ id }) => id === chosenId),
  )
  const chosen = questions[index]
  const move = (to: number): void => {
    const next = questions[Math.max(0, Math.min(questions.length - 1, to))]
    if (next === undefined) return
    setChosenId(next.id)
    document.getElementById(`question-${next.id}`)?.scrollIntoView({ block: 'nearest' })
  }
  const answer = (text: string) => () => {
    if (chosen?.choices?.includes(text) === true) setAsked({ question: chosen, text })
  }
  useKeys({
    j: () => move(index + 1),
    k: () => move(index - 1),
    ArrowDown: () => move(index + 1),
    ArrowUp: () => move(index - 1),
    a: answer('allow'),
    d: answer('deny'),
  })
  if (questionsError !== undefined) return <Failure error={questionsError} again={session.refreshQuestions} />
  if (questions.length === 0)
    return isLoaded ? (
      <Empty title="Nobody waits for you">
        <p>Calls that a rule asks about, and questions of programs, appear here by themselves.</p>
      </Empty>
    ) : (
      <Waiting what="the inbox" />
    )
  return (
    <section className="page inbox" role="feed" aria-label="Inbox">
      {questions.map((question) => (
        <Card
          key={question.id}
          question={question}
          isChosen={question === chosen}
          choose={() => setChosenId(question.id)}
          answer={(said) => setAsked({ question, ...said })}
        />
      ))}
      {asked !== undefined && (
        <Confirm
          title={
            asked.question.kind === 'approval'
              ? `${asked.text === 'allow' ? 'Allow' : 'Deny'} this one call?`
              : 'Send this answer?'
          }
          action={asked.question.kind === 'approval' ? (asked.text === 'allow' ? 'Allow once' : 'Deny') : 'Send'}
          danger={asked.text === 'deny'}
          onClose={() => setAsked(undefined)}
          run={async () => {
            const { id, pid, what } = asked.question
            try {
              await session.client.questions.answer(id, asked.text, asked.value)
            } finally {
              session.refreshQuestions()
            }
            session.dropQuestion(id)
            say(
              asked.question.kind === 'approval'
                ? `${what ?? 'The call'} of ${pid}: ${asked.text}.`
                : `${pid} has your answer.`,
            )
          }}
        >
          {asked.question.kind === 'approval' ? (
            <>
              <p>
                <b>{asked.question.what}</b> of process {asked.question.pid}, with exactly these arguments:
              </p>
              <Framed label="Arguments">
                <Exact value={argsOf(asked.question)} />
              </Framed>
            </>
          ) : (
            <Framed label="Your answer">
              <Exact value={asked.text} />
              {asked.value !== undefined && <Exact value={asked.value} />}
            </Framed>
          )}
        </Confirm>
      )}
    </section>
  )
}

const kinds: { readonly [Kind in Question['kind']]: string } = {
  approval: 'Approval',
  ask: 'Question',
  'in-doubt': 'Did it happen?',
}

function Card({
  question,
  isChosen,
  choose,
  answer,
}: {
  readonly question: Question
  readonly isChosen: boolean
  readonly choose: () => void
  readonly answer: (said: AnswerRequest) => void
}) {
  const { live } = useSession()
  useLiveVersion()
  const [text, setText] = useState('')
  const { id, pid, kind, choices, rule, what, askedAt, expiresAt } = question
  const process = live.rows.get(pid)?.process
  const left = expiresAt - live.now()
  return (
    <article
      id={`question-${id}`}
      className={`card${isChosen ? ' chosen' : ''}`}
      aria-label={`${kinds[kind]} ${id}`}
      onClick={choose}
      onFocus={choose}
    >
      <header>
        <h2>
          {kinds[kind]}
          {what !== null && (
            <>
              : <code>{what}</code>
            </>
          )}
        </h2>
        <span className="muted">{left > 0 ? `${duration(left)} left` : 'expired'}</span>
      </header>
      <dl className="facts">
        <div>
          <dt>process</dt>
          <dd>
            <a href={runHash(pid)}>{pid}</a> {process?.program}
          </dd>
        </div>
        <div>
          <dt>principal</dt>
          <dd>{process?.principal ?? '?'}</dd>
        </div>
        {kind === 'approval' && (
          <div>
            <dt>rule that asks</dt>
            <dd>{rule === null ? 'none' : <code>{rule}</code>}</dd>
          </div>
        )}
        <div>
          <dt>asked</dt>
          <dd>{moment(askedAt)}</dd>
        </div>
      </dl>
      {kind === 'approval' ? (
        <Framed label="Arguments of the call, whole">
          <Exact value={argsOf(question)} />
        </Framed>
      ) : (
        <Framed label={kind === 'ask' ? 'The process asks' : 'The call'}>
          <Exact value={kind === 'ask' ? question.text : question.detail} />
        </Framed>
      )}
      {kind === 'ask' && question.detail !== null && (
        <Framed label="Beside it">
          <Exact value={question.detail} />
        </Framed>
      )}
      {kind === 'in-doubt' && (
        <>
          <p>
            A crash left it open whether this call had its effect. Look, then say what you found. <b>done</b>: it had,
            and the program goes on with what the call returned. <b>retry</b>: it had not, and the call is made now.{' '}
            <b>fail</b>: the call fails, and the program is told so.
          </p>
          <label>
            What it returned, with done: JSON or text{' '}
            <input value={text} onChange={(event) => setText(event.target.value)} placeholder="null" />
          </label>
        </>
      )}
      <div className="actions">
        {choices === null ? (
          <form
            className="answer-form"
            onSubmit={(event) => {
              event.preventDefault()
              if (text !== '') answer({ text })
            }}
          >
            <label>
              <span className="unseen">Answer</span>
              <input value={text} onChange={(event) => setText(event.target.value)} placeholder="Your answer" />
            </label>
            <button type="submit" className="primary" disabled={text === ''}>
              Answer
            </button>
          </form>
        ) : (
          choices.map((choice) => (
            <button
              key={choice}
              type="button"
              className={choice === 'allow' ? 'primary' : choice === 'deny' ? 'danger' : ''}
              onClick={() =>
                // Also with a choice that takes none: the kernel refuses it, where it would be lost without a word.
                answer(
                  kind === 'in-doubt' && text !== '' ? { text: choice, value: jsonOrText(text) } : { text: choice },
                )
              }
            >
              {kind === 'approval' ? (
                choice === 'allow' ? (
                  'Allow once'
                ) : choice === 'deny' ? (
                  'Deny'
                ) : (
                  choice
                )
              ) : (
                <Exact value={choice} />
              )}
            </button>
          ))
        )}
      </div>
    </article>
  )
}

/** As the command line reads it. */
function jsonOrText(text: string): AnswerRequest['value'] {
  try {
    return JSON.parse(text) as AnswerRequest['value']
  } catch {
    return text
  }
}

/** All the arguments of the call that is asked about: those of a tool, whose name stands beside them, or of another call (IB1). */
function argsOf({ what, detail }: Question): unknown {
  return what?.startsWith('tool ') === true ? (detail as { readonly input: unknown }).input : detail
}

/** Around what a process wrote. */
function Framed({ label, children }: { readonly label: string; readonly children: React.ReactNode }) {
  return (
    <div className="framed" role="group" aria-label={label}>
      <div className="framed-label">{label}</div>
      <div className="framed-body" tabIndex={0}>
        {children}
      </div>
    </div>
  )
}
