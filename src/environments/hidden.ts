/**
 * `hidden`: everybody knows a part, one has to answer, and words between them are counted.
 *
 *     environmentOf(hidden).reset({ params: hidden.task(7, 3), seed: 7 })
 *
 * The schedules of InformativeBench (Liu et al. 2024, "Autonomous agents for collaborative task under information
 * asymmetry", section 4): everybody sees only the own day and can write only to people they know; one of them is asked.
 * Level 1: how many activities of two people have to go at least, so that none overlap; level 2: which activities of all
 * are longest; level 3: when all are free. Messages are read a turn after they were sent. The score is the fewest
 * messages by which the one who answers can know it, of those that were sent; a wrong answer scores 0.
 *
 * Invariants
 *   H1. Nobody sees of another's day what was not written to them.
 *   H2. The fewest messages: every day that the answer hangs on has to reach the one who answers, over people who know
 *       each other, and who passes on can say all they know in one message. So they are the edges of the smallest tree
 *       (Steiner) that holds them, found by trying all; an answer that came with fewer was a guess, and scores 0.
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { defineWorld, fields } from './define.ts'
import {
  badArguments,
  drawAt,
  drawBelow,
  oneByOne,
  pick,
  refused,
  shuffled,
  unknownAction,
  type Action,
  type ActionError,
  type Rules,
} from './environment.ts'

/** Something on a day: half-hours from midnight, the end not included. */
export interface Activity {
  readonly name: string
  readonly start: number
  readonly end: number
  readonly [key: string]: Json
}

/** Who knows what, who knows whom, and what is asked. */
export interface HiddenTask {
  readonly question: 'overlaps' | 'longest' | 'free'
  /** The first is asked. */
  readonly people: readonly string[]
  /** Of `overlaps`: the two whose days are meant; of the others all. */
  readonly about: readonly string[]
  readonly days: { readonly [who: string]: readonly Activity[] }
  readonly contacts: { readonly [who: string]: readonly string[] }
  readonly messagesMax: number
  readonly [key: string]: Json
}

/** What was said. */
export interface HiddenState {
  readonly task: HiddenTask
  readonly messages: readonly { readonly from: string; readonly to: string; readonly text: string }[]
  /** Null before it was given. */
  readonly answer: string | null
  readonly [key: string]: Json
}

const taskForm = fields({
  question: z.enum(['overlaps', 'longest', 'free']),
  people: z.array(z.string()).min(1),
  about: z.array(z.string()),
  days: z.record(z.string(), z.array(fields({ name: z.string(), start: z.int(), end: z.int() }))),
  contacts: z.record(z.string(), z.array(z.string())),
  messagesMax: z.int().min(0),
})

/** Half-hours of a day. */
const DAY = 48
const TEXT_CHARS_MAX = 2_000
/** Days: sleep until, and from, so that something stays free; activities; their length in half-hours. */
const SHAPE = { wake: 14, sleep: 44, activities: 6, lengthMax: 6 }
const names = ['Ada', 'Ben', 'Cleo', 'Dan', 'Eva', 'Finn', 'Gil'] as const
const doings =
  'archery baking chess dancing errands fencing gardening hiking ironing judo knitting lunch music nap opera painting quiz reading sailing tennis visit writing yoga'.split(
    ' ',
  )

/** The rules. */
export const hidden: Rules<HiddenTask, HiddenState> = defineWorld({
  id: 'hidden',
  version: '1',
  description: 'Answer a question of which everybody knows a part, with as few messages as you can.',
  stepsMax: 40,
  levelMax: names.length - 3,
  params: taskForm,
  task: (seed, level = 1) => {
    // Days on which nobody is free at the same time, or nothing has to go, leave nothing to find: others are drawn.
    for (let attempt = 1; ; attempt++) {
      const task = daysOf(drawAt(seed, -attempt), level)
      if (answerOf(task) !== '' && answerOf(task) !== '0') return task
    }
  },
  start: (task) => ({ task, messages: [], answer: null }),
  toAct: ({ task, answer }) => (answer === null ? task.people : []),
  view({ task, messages }, agent) {
    const inbox = messages.filter(({ to }) => to === agent)
    return {
      text: `${briefOf(task, agent)}${inbox.map(({ from, text }) => `\n${from} wrote: ${text}`).join('')}`,
      data: {
        day: task.days[agent] ?? [],
        contacts: task.contacts[agent] ?? [],
        inbox,
        sent: messages.filter(({ from }) => from === agent).length,
        question: task.question,
        about: task.about,
        asked: task.people[0] as string,
      },
      actions: actionsOf(task, agent),
    }
  },
  step: (state, given) =>
    oneByOne(state, given, (at, action) => {
      const fault = faultOf(at, action)
      if (fault !== undefined) return refused(at, fault)
      if (action.name === 'answer') return { state: { ...at, answer: action.args?.['value'] as string } }
      const { to, text } = action.args as { to: string; text: string }
      return { state: { ...at, messages: [...at.messages, { from: action.agent, to, text }] } }
    }),
  score({ task, messages, answer }) {
    if (!isRight(task, answer)) return 0
    const fewest = fewestMessages(task)
    return messages.length < fewest ? 0 : messages.length === 0 ? 1 : fewest / messages.length
  },
  metrics: ({ task, messages, answer }) => ({
    right: isRight(task, answer) ? 1 : 0,
    messages: messages.length,
    fewest: fewestMessages(task),
    characters: messages.reduce((sum, { text }) => sum + text.length, 0),
  }),
  oracle(state) {
    return nextOf(state)
  },
})

const sending = {
  name: 'send',
  description: 'Write to somebody you know; they read it in the next turn.',
  input: {
    type: 'object',
    properties: { to: { type: 'string' }, text: { type: 'string', maxLength: TEXT_CHARS_MAX } },
    required: ['to', 'text'],
  },
  effect: 'write',
} as const
const answering = {
  name: 'answer',
  description: 'Give the answer; that is the end.',
  input: { type: 'object', properties: { value: { type: 'string', maxLength: TEXT_CHARS_MAX } }, required: ['value'] },
  effect: 'terminal',
} as const
const [askedActions, otherActions] = [[sending, answering], [sending]]

const questions = {
  overlaps:
    'How many activities have to be left out at least, so that no two of the rest overlap, whosesoever they are?',
  longest: 'Which activities take longest? Name all of that length, with commas between.',
  free: 'When is nobody busy? Give all spans of the day as HH:MM-HH:MM, with commas between.',
} as const

function daysOf(draw: () => number, level: number): HiddenTask {
  const question = level <= 1 ? 'overlaps' : level === 2 ? 'longest' : 'free'
  const people = shuffled(draw, names).slice(0, 3 + level)
  const about = question === 'overlaps' ? [people[0] as string, pick(draw, people.slice(1))] : people
  const left = shuffled(draw, doings)
  const days = Object.fromEntries(people.map((who) => [who, dayOf(draw, left)]))
  return { question, people, about, days, contacts: contactsOf(draw, people), messagesMax: 6 * people.length }
}

/** A day: activities that do not overlap, with names that nobody else's have while there are any. */
function dayOf(draw: () => number, left: string[]): readonly Activity[] {
  const day: Activity[] = []
  for (let i = 0; i < SHAPE.activities; i++) {
    const length = 1 + drawBelow(draw, SHAPE.lengthMax)
    const start = SHAPE.wake + drawBelow(draw, SHAPE.sleep - SHAPE.wake - length + 1)
    const end = start + length
    if (day.some((other) => start < other.end && other.start < end)) continue
    const name = left.pop()
    if (name === undefined) break
    day.push({ name, start, end })
    if (day.length === 3) break
  }
  return day.toSorted((a, b) => a.start - b.start)
}

/** A tree over all, in random order, and a few who know each other besides. */
function contactsOf(draw: () => number, people: readonly string[]): HiddenTask['contacts'] {
  const knows = new Map(people.map((who) => [who, new Set<string>()]))
  const meet = (a: string, b: string): void => {
    knows.get(a)?.add(b)
    knows.get(b)?.add(a)
  }
  const order = shuffled(draw, people)
  for (let i = 1; i < order.length; i++) meet(order[i] as string, order[drawBelow(draw, i)] as string)
  for (let i = drawBelow(draw, people.length - 1); i > 0; i--) {
    const [a, b] = shuffled(draw, people) as [string, string]
    meet(a, b)
  }
  return Object.fromEntries(people.map((who) => [who, people.filter((one) => knows.get(who)?.has(one))]))
}

/** What somebody is told at first; it stays the same. */
const briefs = new WeakMap<HiddenTask, { [who: string]: string }>()

function briefOf(task: HiddenTask, agent: string): string {
  let known = briefs.get(task)
  if (known === undefined) briefs.set(task, (known = {}))
  return (known[agent] ??= [
    `You are ${agent}. ${task.people[0]} is asked about the days of ${task.about.join(', ')}: ${questions[task.question]}`,
    `Your day: ${dayText(task.days[agent] ?? [])}.`,
    `You can write to ${(task.contacts[agent] ?? []).join(', ')}; all together at most ${task.messagesMax} messages, the fewer the better.`,
  ].join('\n'))
}

function dayText(day: readonly Activity[]): string {
  return day.map(({ name, start, end }) => `${spanText(start, end)} ${name}`).join(', ') || 'nothing'
}

function spanText(start: number, end: number): string {
  return `${timeText(start)}-${timeText(end)}`
}

function timeText(half: number): string {
  return `${String(Math.floor(half / 2)).padStart(2, '0')}:${half % 2 === 0 ? '00' : '30'}`
}

function faultOf({ task, messages }: HiddenState, { agent, name, args = {} }: Action): ActionError | undefined {
  const actions = actionsOf(task, agent)
  if (!actions.some((one) => one.name === name)) return unknownAction(agent, name, actions)
  if (name === 'answer') {
    const { value } = args
    if (typeof value === 'string' && value.length <= TEXT_CHARS_MAX) return undefined
    return badArguments(agent, `answer takes { value } of at most ${TEXT_CHARS_MAX} characters`)
  }
  const { to, text } = args
  const known = task.contacts[agent] ?? []
  if (typeof to !== 'string' || !known.includes(to))
    return { agent, code: 'NOT_POSSIBLE', message: `send takes { to }, one of ${known.join(', ')}` }
  if (typeof text !== 'string' || text === '' || text.length > TEXT_CHARS_MAX)
    return badArguments(agent, `send takes { text } of 1 to ${TEXT_CHARS_MAX} characters`)
  if (messages.length >= task.messagesMax)
    return { agent, code: 'NOT_POSSIBLE', message: `all ${task.messagesMax} messages have been sent` }
  return undefined
}

function actionsOf({ people }: HiddenTask, agent: string) {
  return agent === people[0] ? askedActions : otherActions
}

/** The answer, from all the days together. */
export function answerOf({ question, about, days }: HiddenTask): string {
  const all = about.flatMap((who) => days[who] ?? [])
  if (question === 'overlaps') return String(all.length - compatible(all))
  if (question === 'longest') {
    const longest = Math.max(0, ...all.map(({ start, end }) => end - start))
    const some = all.filter(({ start, end }) => end - start === longest)
    return some
      .map(({ name }) => name)
      .toSorted()
      .join(', ')
  }
  return freeSpans(all)
    .map(([start, end]) => spanText(start, end))
    .join(', ')
}

/** How many of them can stay at most without an overlap: always the one that ends first (interval scheduling). */
export function compatible(all: readonly Activity[]): number {
  let [count, until] = [0, 0]
  for (const { start, end } of all.toSorted((a, b) => a.end - b.end)) {
    if (start < until) continue
    count++
    until = end
  }
  return count
}

/** The spans of a day in which nothing is. */
export function freeSpans(all: readonly Activity[]): readonly (readonly [number, number])[] {
  const spans: (readonly [number, number])[] = []
  let from = 0
  for (const { start, end } of all.toSorted((a, b) => a.start - b.start)) {
    if (start > from) spans.push([from, start])
    from = Math.max(from, end)
  }
  if (from < DAY) spans.push([from, DAY])
  return spans
}

function isRight(task: HiddenTask, answer: string | null): boolean {
  return answer !== null && tidied(task, answer) === tidied(task, answerOf(task))
}

/** An answer as it is compared: the last number, names in order, or spans in order with two digits. */
function tidied({ question }: HiddenTask, answer: string): string {
  if (question === 'overlaps') return answer.match(/\d+/g)?.at(-1) ?? ''
  if (question === 'longest')
    return answer
      .split(',')
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== '')
      .toSorted()
      .join(', ')
  const spans = answer.match(/\d{1,2}:\d{2}\s*[-–]\s*\d{1,2}:\d{2}/g) ?? []
  return spans
    .map((span) =>
      span
        .replaceAll(/\s/g, '')
        .replace('–', '-')
        .replaceAll(/\b(\d):/g, '0$1:'),
    )
    .toSorted()
    .join(', ')
}

/** People over whom what the answer hangs on reaches the one who answers: as few as there can be. */
function treeOf({ people, about, contacts }: HiddenTask): readonly string[] {
  const asked = people[0] as string
  const ends = new Set([asked, ...about])
  const others = people.filter((who) => !ends.has(who))
  let best: readonly string[] = people
  for (let chosen = 0; chosen < 2 ** others.length; chosen++) {
    const nodes = [...ends, ...others.filter((_, i) => (chosen >> i) & 1)]
    if (nodes.length < best.length && reached(asked, nodes, contacts).size === nodes.length) best = nodes
  }
  return best
}

/** Whom each would write to on the way to that one, within those people. */
function reached(asked: string, nodes: readonly string[], contacts: HiddenTask['contacts']): Map<string, string> {
  const next = new Map([[asked, asked]])
  for (const who of next.keys())
    for (const one of contacts[who] ?? []) if (nodes.includes(one) && !next.has(one)) next.set(one, who)
  return next
}

/** The fewest messages after which the one who is asked can know the answer. */
export function fewestMessages(task: HiddenTask): number {
  return treeOf(task).length - 1
}

/** Who is furthest off writes first, and who has heard from all behind them passes everything on. */
function nextOf({ task, messages }: HiddenState): readonly Action[] {
  const asked = task.people[0] as string
  const next = reached(asked, treeOf(task), task.contacts)
  const sent = new Set(messages.map(({ from }) => from))
  const isReady = (who: string): boolean => [...next].every(([one, to]) => to !== who || one === asked || sent.has(one))
  if (isReady(asked)) return [{ agent: asked, name: 'answer', args: { value: answerOf(task) } }]
  return [...next]
    .filter(([who]) => who !== asked && !sent.has(who) && isReady(who))
    .map(([who, to]) => {
      const heard = messages.filter((message) => message.to === who).map(({ text }) => text)
      const own = task.about.includes(who) ? [`${who}: ${dayText(task.days[who] ?? [])}.`] : []
      return { agent: who, name: 'send', args: { to, text: [...own, ...heard].join(' ') } }
    })
}
