/**
 * The seven promises of docs/design.md, as functions that throw. Each reads only what a world left behind: the journal, the
 * store, the ledger, the provider's bills, and what people and programs were told. None asks the kernel for its own opinion,
 * except where the promise is about what it shows.
 */
import assert from 'node:assert/strict'
import { expandMessages } from '../../src/kernel/request.ts'
import type { CallStart, JournalEvent, Pid, ProcessEnd, ProcessStart } from '../../src/kernel/types.ts'
import { decide } from '../../src/policy/law.ts'
import { spending } from './spending.ts'
import type { World } from './world.ts'

export interface PromiseCheck {
  readonly number: number
  readonly text: string
  check(world: World): void
}

export const promises: readonly PromiseCheck[] = [
  {
    number: 1,
    text: 'Every system call ends: with a value, an error from the table, or a cancellation. Nothing hangs, whatever a driver does.',
    check: everyCallEnds,
  },
  {
    number: 2,
    text: 'Kill -9 anywhere, then resume: no acknowledged write is lost; no effect declared `once` is done twice; a call in doubt goes to a person.',
    check: nothingIsLostOrDoneTwice,
  },
  { number: 3, text: 'Budgets cannot be exceeded: tokens, money, time, steps, children.', check: budgetsHold },
  { number: 4, text: 'What no rule allows is denied.', check: deniedIsNotDone },
  { number: 5, text: 'Same seed, same answers, same run; a run can be replayed at any call.', check: runsRepeat },
  {
    number: 6,
    text: 'No model idles while work waits, and no call is sent that the provider will refuse.',
    check: modelsAreBusyAndNotCrowded,
  },
  { number: 7, text: 'A context’s prefix never changes between compactions: append only.', check: prefixesStay },
]

function seen(world: World, promise: number): void {
  assert.deepEqual(
    world.faults.filter((fault) => fault.promise === promise).map((fault) => fault.what),
    [],
  )
}

interface Part {
  readonly start: ProcessStart
  readonly end: ProcessEnd | undefined
  readonly events: readonly JournalEvent[]
}

const parts = new WeakMap<World, Map<Pid, Part>>()

function partsOf(world: World): Map<Pid, Part> {
  let found = parts.get(world)
  if (found !== undefined) return found
  const lists = new Map<Pid, JournalEvent[]>()
  for (const event of world.journal) {
    const list = lists.get(event.pid)
    if (list === undefined) lists.set(event.pid, [event])
    else list.push(event)
  }
  found = new Map()
  for (const [pid, events] of lists) {
    const [start] = events
    const last = events.at(-1)
    assert(start?.type === 'process-start', `the journal of process ${pid} begins with ${start?.type}`)
    found.set(pid, { start, end: last?.type === 'process-end' ? last : undefined, events })
  }
  parts.set(world, found)
  return found
}

// ----------------------------------------------------------------------------------------------------------------- 1

function everyCallEnds(world: World): void {
  seen(world, 1)
  for (const [pid, { start, end, events }] of partsOf(world)) {
    assert(end !== undefined, `process ${pid} has no end`)
    // An ended process is told nothing more, and a child ends before its parent.
    if (start.parent !== null) {
      const parent = partsOf(world).get(start.parent)
      assert(end.seq < (parent?.end?.seq ?? 0), `process ${pid} ends after its parent`)
    }
    const open = new Set<number>()
    const livedAgain = new Set<number>()
    for (const event of events) {
      assert(event.seq <= end.seq, `process ${pid} has an event after its end`)
      if (event.type === 'call-start') {
        assert(!open.has(event.n), `call ${event.n} of process ${pid} starts twice`)
        open.add(event.n)
      } else if (event.type === 'call-end') {
        assert(
          open.delete(event.n) || livedAgain.has(event.n) || start.forkOf !== null,
          `call ${event.n} of process ${pid} ends without a start`,
        )
        assert(
          (event.error === undefined) !== (event.value === undefined),
          `call ${event.n} of process ${pid} has both or neither of value and error`,
        )
      } else if (event.type === 'process-rewind') {
        // What was open when the snapshot was taken is lived again; what came after it may be numbered again.
        for (const one of open) livedAgain.add(one)
        open.clear()
      }
    }
  }
  const codes = world.results.filter(({ error }) => error?.startsWith('not ours'))
  assert.deepEqual(codes, [])
}

// ----------------------------------------------------------------------------------------------------------------- 2

/** With journals go the notes that were forgotten or undone, and those of forks: only they could lead back to them. */
function mayBeCollected({ journal, store }: World, pid: Pid, id: string): boolean {
  const starts = new Map(journal.flatMap((event) => (event.type === 'process-start' ? [[event.pid, event]] : [])))
  if ([...starts.keys()].every((one) => store.events(one).length > 0)) return false
  for (let at = starts.get(pid); at !== undefined; at = at.parent === null ? undefined : starts.get(at.parent))
    if (at.forkOf !== null) return true
  return journal.some(
    (event) =>
      (event.type === 'call-start' && event.call === 'forget' && (event.args as { id?: unknown }).id === id) ||
      (event.type === 'process-rewind' && event.seq > Number(id.slice(1))),
  )
}

function nothingIsLostOrDoneTwice(world: World): void {
  seen(world, 2)
  const bySeq = new Map(world.journal.map((event) => [event.seq, event]))
  for (const event of world.heard)
    assert.equal(bySeq.get(event.seq), event, `event ${event.seq}, which a watcher heard, is lost`)
  for (const { pid, value } of world.results)
    if (value !== undefined)
      assert.deepEqual(
        partsOf(world).get(pid)?.end?.value,
        value,
        `the result of process ${pid}, which was told, is lost`,
      )
  for (const { kind, pid, value } of world.acknowledged) {
    if (kind === 'snapshot')
      assert(
        world.journal.some(
          (event) => event.type === 'call-end' && (event.value as { id?: unknown } | null)?.id === value,
        ),
        `snapshot ${value} of process ${pid} is lost`,
      )
    else {
      const seq = kind === 'note' ? Number(String(value).slice(1)) : Number(value)
      const event = bySeq.get(seq)
      assert(
        event?.type === 'call-end' && event.value !== undefined,
        `${kind} ${value}, which process ${pid} was told of, is lost`,
      )
    }
  }
  const files = new Set([...world.store.range('file', '', '\u{10ffff}')].map(([key]) => Number(key.slice(-16))))
  const notes = new Set([...world.store.range('note', '', '\u{10ffff}')].map(([key]) => `n${Number(key.slice(-16))}`))
  for (const { kind, pid, value } of world.acknowledged) {
    if (kind === 'write') assert(files.has(Number(value)), `version ${value} of a file is lost`)
    if (kind === 'note')
      assert(notes.has(String(value)) || mayBeCollected(world, pid, String(value)), `note ${value} is lost`)
  }
  const done = new Map<string, World['deeds'][number]>()
  for (const deed of world.deeds) {
    // What only reads was not necessarily kept: after a crash its key may come again.
    if (deed.effect === 'read') continue
    const before = done.get(deed.key)
    done.set(deed.key, deed)
    if (before !== undefined) {
      assert.deepEqual([deed.tool, deed.input], [before.tool, before.input], `key ${deed.key} stands for two calls`)
      assert.notEqual(deed.effect, 'once', `${deed.tool} was done twice for ${deed.key}`)
    }
    if (deed.effect !== 'once') continue
    // Begun in an earlier life: only a person could let it happen in this one.
    const seq = Number(deed.key.slice(deed.key.indexOf('-') + 1))
    const begun = bySeq.get(seq)
    assert(
      begun?.type === 'call-start' && begun.call === 'call',
      `key ${deed.key} names no call that was kept before its effect`,
    )
    const first = world.lives.findLastIndex(({ firstSeq }) => firstSeq < seq)
    const lastWord = lastWordOf(begun, livedBy(world, deed.pid), world.lives[deed.life]?.firstSeq ?? 0)
    // What waited for a person's word, by the last that was kept of it, had not begun.
    if (first < deed.life && lastWord !== 'call-wait')
      assert(
        world.answers.some(({ key, text, life }) => key === deed.key && text === 'retry' && life === deed.life),
        `${deed.tool} (${deed.key}) was in doubt and nobody was asked`,
      )
  }
  // Messages: each is received once, and in the order in which they were sent, where no history was turned back or copied.
  for (const [pid, { start, events }] of partsOf(world)) {
    if (start.forkOf !== null || events.some((event) => event.type === 'process-rewind')) continue
    const calls = new Map<number, string>()
    const sent = new Set<number>()
    const received = new Set<number>()
    for (const event of events) {
      if (event.type === 'mail-sent') sent.add(event.mail.id)
      if (event.type === 'call-start') calls.set(event.n, event.call)
      if (event.type !== 'call-end' || event.value === undefined || calls.get(event.n) !== 'receive') continue
      const { id } = event.value as unknown as { id: number }
      assert(sent.has(id), `process ${pid} received message ${id}, which was not sent`)
      assert(!received.has(id), `process ${pid} received message ${id} twice`)
      received.add(id)
    }
  }
}

// ----------------------------------------------------------------------------------------------------------------- 3

/** What a process did, behind what those did that it was forked from. */
function livedBy(world: World, pid: Pid): readonly JournalEvent[] {
  const { start, events = [] } = partsOf(world).get(pid) ?? {}
  const { forkOf } = start ?? { forkOf: null }
  if (forkOf === null) return events
  return [...livedBy(world, forkOf.pid).filter(({ seq }) => seq < forkOf.seq), ...events]
}

/** What is kept of a call's way up to that place: its start, that it waits, or that it goes on. */
function lastWordOf({ n }: CallStart, events: readonly JournalEvent[], till: number): JournalEvent['type'] | undefined {
  return events.findLast(
    (event) =>
      (event.type === 'call-start' || event.type === 'call-wait' || event.type === 'call-sent') &&
      event.n === n &&
      event.seq <= till,
  )?.type
}

function budgetsHold(world: World): void {
  seen(world, 3)
  // What the provider billed, whatever became of the answer.
  const billed = new Map<Pid, { tokens: number; usd: number }>()
  const up = (pid: Pid, then: (pid: Pid) => void): void => {
    for (
      let at: Pid | null | undefined = pid;
      at !== null && at !== undefined;
      at = partsOf(world).get(at)?.start.parent
    )
      then(at)
  }
  for (const { pid, tokens, usd } of world.bills) {
    up(pid, (at) => {
      const sum = billed.get(at) ?? { tokens: 0, usd: 0 }
      billed.set(at, { tokens: sum.tokens + tokens, usd: sum.usd + usd })
    })
  }
  for (const [pid, { start, end, events }] of partsOf(world)) {
    const { budget } = start
    const bill = billed.get(pid) ?? { tokens: 0, usd: 0 }
    if (budget.tokens !== undefined)
      assert(bill.tokens <= budget.tokens, `process ${pid} had ${budget.tokens} tokens and was billed ${bill.tokens}`)
    if (budget.usd !== undefined)
      assert(bill.usd <= budget.usd + 1e-9, `process ${pid} had ${budget.usd} dollars and was billed ${bill.usd}`)
    if (budget.wallMs !== undefined && !world.delayed && end !== undefined)
      assert(end.at <= start.at + budget.wallMs, `process ${pid} had ${budget.wallMs} ms and took ${end.at - start.at}`)
    assert(events.length > 0)
  }
  // The journal, folded anew: settled and reserved together at every event.
  spending(world)
}

// ----------------------------------------------------------------------------------------------------------------- 4

function deniedIsNotDone(world: World): void {
  seen(world, 4)
  assert.deepEqual(world.afterEnd, [])
  const all = partsOf(world)
  for (const [pid, { start }] of all) {
    const parent = start.parent === null ? undefined : all.get(start.parent)?.start
    for (const tool of start.tools)
      assert(
        parent === undefined || parent.tools.includes(tool),
        `process ${pid} holds ${tool}, and its parent does not`,
      )
  }
  // What only reads may be done before anything of it is kept; a crash then gives its pid to another.
  const deeds = world.deeds.filter(
    ({ effect, key, tool, pid }) =>
      effect !== 'read' ||
      all
        .get(pid)
        ?.events.some(
          (event) =>
            event.type === 'call-start' &&
            key === `${pid}-${event.seq}` &&
            (event.args as { tool?: unknown } | null)?.tool === tool,
        ),
  )
  for (const { pid, tool } of deeds)
    assert(all.get(pid)?.start.tools.includes(tool), `process ${pid} used ${tool}, which it does not hold`)
  const { law } = world
  if (law === undefined) return
  const allowed = new Set(
    world.answers
      .filter(({ question, text }) => question.kind === 'approval' && text === 'allow')
      .map(({ question }) => `${question.pid} ${JSON.stringify(question.detail)}`),
  )
  const requestOf = (pid: Pid, call: string, args: unknown): Parameters<typeof decide>[1] => {
    const { principal, program } = (all.get(pid) as Part).start
    if (call !== 'call') return { call, args, principal, program }
    const { tool, input } = args as { tool: string; input: unknown }
    return { call, tool, args: input, principal, program }
  }
  for (const { tool, pid, input } of deeds) {
    const { effect } = decide(law, requestOf(pid, 'call', { tool, input }))
    assert.notEqual(effect, 'deny', `process ${pid} did ${tool}, which the law denies`)
    if (effect === 'ask')
      assert(
        allowed.has(`${pid} ${JSON.stringify({ tool, input })}`),
        `process ${pid} did ${tool}, and nobody allowed it`,
      )
  }
  for (const [pid, { events }] of all) {
    const starts = new Map<number, CallStart>()
    for (const event of events) {
      if (event.type === 'call-start') starts.set(event.n, event)
      if (event.type !== 'call-end' || event.value === undefined) continue
      const begun = starts.get(event.n)
      if (begun === undefined) continue
      const decision = decide(law, requestOf(pid, begun.call, begun.args))
      if (begun.call !== 'call' && decision.rule === null) continue
      assert.notEqual(
        decision.effect,
        'deny',
        `call ${event.n} (${begun.call}) of process ${pid} has a value, and the law denies it`,
      )
      if (decision.effect === 'ask')
        assert(
          allowed.has(`${pid} ${JSON.stringify(begun.args)}`),
          `call ${event.n} (${begun.call}) of process ${pid} has a value, and nobody allowed it`,
        )
    }
  }
}

// ----------------------------------------------------------------------------------------------------------------- 5

function runsRepeat(world: World): void {
  seen(world, 5)
  for (const { pid, same, difference } of world.replays) assert(same, `process ${pid} does not replay: ${difference}`)
}

// ----------------------------------------------------------------------------------------------------------------- 6

function modelsAreBusyAndNotCrowded(world: World): void {
  seen(world, 6)
  for (const { id, slots } of world.cores) {
    if (slots === undefined) continue
    for (const { core, inService, at } of world.arrivals)
      if (core === id) assert(inService <= slots, `${id} has ${slots} slots and served ${inService} at ${at}`)
  }
}

// ----------------------------------------------------------------------------------------------------------------- 7

function prefixesStay(world: World): void {
  seen(world, 7)
  const windows = new Map<string, { n: number; texts: string[] }[]>()
  for (const { pid, n, prompt } of world.arrivals) {
    const texts = prompt.map((message) => JSON.stringify(message))
    const [head = ''] = texts
    if (!head.includes('"system"')) continue
    const key = `${pid} ${head}`
    const list = windows.get(key) ?? []
    windows.set(key, list)
    // Turned back to a snapshot: what came after it has not been.
    while ((list.at(-1)?.n ?? -1) > n) list.pop()
    const last = list.at(-1)
    list.push({ n, texts })
    if (last === undefined) continue
    const changed = last.texts.findIndex((text, i) => texts[i] !== text)
    if (changed < 0) continue
    const isCompacted = texts.some((text) => text.includes('left out here]') && !last.texts.includes(text))
    // A rewind may also take a conversation back to its beginning under the number of another call.
    const isTurnedBack = world.journal.some((event) => event.type === 'process-rewind' && event.pid === pid)
    assert(
      isCompacted || isTurnedBack,
      `call ${n} of process ${pid} changes message ${changed} of what call ${last.n} sent: ${texts[changed]} instead of ${last.texts[changed]}`,
    )
  }
  // The journal can say again what was sent.
  for (const [pid, { start, events }] of partsOf(world)) {
    if (start.forkOf !== null || events.some((event) => event.type === 'process-rewind')) continue
    const starts: CallStart[] = []
    for (const event of events) if (event.type === 'call-start') starts[event.n] = event
    const sent = new Map(world.arrivals.filter((one) => one.pid === pid).map((one) => [one.n, one.prompt]))
    for (const [n, prompt] of sent)
      assert.equal(
        JSON.stringify(expandMessages(starts[n] as CallStart, starts)),
        JSON.stringify(prompt),
        `the journal of process ${pid} has another prompt for call ${n}`,
      )
  }
}
