/**
 * A law, whole: its rules, and all that binds beside them.
 *
 *     <LawInForce law={law} />
 *
 * Invariant
 *   LV1. Each key of a law is shown: `parts` does not compile without one, and `test/web.test.ts` shows a law that has all.
 */
import type { ReactNode } from 'react'
import type { Law, Rule, Runaway, TemporalRule } from '../../../src/policy/law.ts'
import { identicalDefault } from '../../../src/policy/runaway.ts'
import { count, duration } from '../format.ts'
import { Exact } from '../json.tsx'

/** What is shown of a law, by its keys, in this order. A part that the law has not is left out. */
const parts: { readonly [Key in keyof Required<Law>]: (of: NonNullable<Law[Key]>) => ReactNode } = {
  description: (text) => <p>{text}</p>,
  rules: (rules) => (
    <>
      <ol className="rules">
        {rules.map((rule) => (
          <RuleLine key={rule.id} rule={rule} />
        ))}
      </ol>
      <p className="muted small">
        Read from the top; the first rule that fits decides. A tool call that none fits is denied; other calls go
        through.
      </p>
    </>
  ),
  temporal: (rules) =>
    rules.length > 0 && (
      <>
        <h3 className="title">The order of calls</h3>
        <ul className="rules">
          {rules.map((rule) => (
            <TemporalLine key={rule.id} rule={rule} />
          ))}
        </ul>
        <p className="muted small">
          They bind also where a rule allows: a call after which one of them could no longer be kept does not go
          through.
        </p>
      </>
    ),
  events: (events) =>
    Object.keys(events).length > 0 && (
      <>
        <h3 className="title">Events that they speak of</h3>
        <ul className="rules">
          {Object.entries(events).map(([name, match]) => (
            <Line key={name} value={match}>
              <code>{name}</code> <span className="muted">{briefOf(match)}</span>
            </Line>
          ))}
        </ul>
      </>
    ),
  runaway: (runaway) => (
    <>
      <h3 className="title">Runaway agents</h3>
      <ul className="rules">
        <Line value={runaway}>
          <span className={`effect ${runaway.effect ?? 'deny'}`}>{runaway.effect ?? 'deny'}</span>{' '}
          <code>kernel/runaway</code> <span className="muted">{runawayEnds(runaway)}</span>
        </Line>
        {Object.entries(boundsOf(runaway)).map(([name, bound]) => (
          <li key={name} className="bound">
            {bound}
          </li>
        ))}
      </ul>
    </>
  ),
}

export function LawInForce({ law }: { readonly law: Law }) {
  return (Object.keys(parts) as (keyof Law)[]).map((key) => <Part key={key} law={law} name={key} />)
}

function Part<Key extends keyof Law>({ law, name }: { readonly law: Law; readonly name: Key }) {
  const value = law[name]
  return value === undefined ? null : parts[name](value as NonNullable<Law[Key]>)
}

function RuleLine({ rule }: { readonly rule: Rule }) {
  const { id, effect, reason, ...match } = rule
  return (
    <Line value={rule}>
      <span className={`effect ${effect}`}>{effect}</span> <code>{id}</code>{' '}
      <span className="muted">{reason ?? briefOf(match)}</span>
    </Line>
  )
}

function TemporalLine({ rule }: { readonly rule: TemporalRule }) {
  const { id, formula, effect = 'deny', reason } = rule
  return (
    <Line value={rule}>
      <span className={`effect ${effect}`}>{effect}</span> <code>{id}</code> <code className="formula">{formula}</code>{' '}
      {reason !== undefined && <span className="muted">{reason}</span>}
    </Line>
  )
}

/** A line that opens to what it is of, whole. */
function Line({ value, children }: { readonly value: unknown; readonly children: ReactNode }) {
  return (
    <li>
      <details>
        <summary>{children}</summary>
        <Exact value={value} />
      </details>
    </li>
  )
}

function runawayEnds({ effect, ends }: Runaway): string {
  if (effect === 'ask') return 'a person is asked about more than'
  return ends === true ? 'the process ends with more than' : 'not more than'
}

/** What an agent may do before it counts as one that ran away. */
function boundsOf({ identical = identicalDefault, streak, calls, spawns, burst }: Runaway): {
  readonly [name: string]: string
} {
  return {
    identical: `${count(identical)} identical calls with the same result, or rounds of a cycle`,
    ...(streak === undefined ? {} : { streak: `${count(streak)} calls of one tool in a row` }),
    ...(calls === undefined ? {} : { calls: `${count(calls)} tool calls in all` }),
    ...(spawns === undefined ? {} : { spawns: `${count(spawns)} children, with those of the processes above it` }),
    ...(burst === undefined ? {} : { burst: `${count(burst.tokens)} tokens within ${duration(burst.ms)}` }),
  }
}

function briefOf(match: object): string {
  return Object.entries(match)
    .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
    .slice(0, 120)
}
