/**
 * Same seed, same answers, same run: random programs, run, replayed, cut, forked and changed.
 *
 * A program is a small tree, interpreted over `sys` by one function. Trees come in two kinds. A *steady* tree does nothing
 * whose value depends on time: what it computes is a function of the answers, so a cut or forked run must end with the same
 * result. A *wild* tree may race, kill, restore and post while others write; of it we ask that it ends and that the journal
 * repeats it.
 *
 *   POLITY_CASES=500 POLITY_SEED=7 …   that many programs from that seed; POLITY_LONG=1 for 10,000 instead of 5,000
 */
// oxlint-disable unicorn/consistent-function-scoping -- a test reads best with its parts beside it
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { promptText } from '../src/drivers/llm/scripted.ts'
import type { Clock, SimulatedClock } from '../src/kernel/clock.ts'
import { randomAt, simulatedClock } from '../src/kernel/clock.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { CallStart, JournalEvent, Json, Pid, Program, Sys } from '../src/kernel/types.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { End, RecordingStore } from './world.ts'
import type { Durability } from '../src/kernel/drivers.ts'
import { codeOf, cutStore, endOf, recordingStore, settled, tool } from './world.ts'

const CASES = Number(process.env['POLITY_CASES'] ?? (process.env['POLITY_LONG'] === '1' ? 10_000 : 5_000))
const SEED = Number(process.env['POLITY_SEED'] ?? Date.now() % 2 ** 31)

// ------------------------------------------------------------------------------------------------------------ programs

type Node =
  | { readonly do: 'seq' | 'all' | 'race' | 'settled'; readonly of: readonly Node[] }
  | { readonly do: 'loop' | 'hop'; readonly times: number; readonly of: Node }
  | { readonly do: 'try'; readonly of: Node; readonly or: Node }
  | { readonly do: 'again'; readonly of: Node }
  | { readonly do: 'child'; readonly of: Node; readonly wait: boolean; readonly wallMs: number }
  | { readonly do: 'kill'; readonly of: Node; readonly after: number }
  | {
      readonly do:
        | 'generate'
        | 'sleep'
        | 'random'
        | 'drawn'
        | 'now'
        | 'remember'
        | 'recall'
        | 'mail'
        | 'post'
        | 'receive'
        | 'letter'
      readonly arg: number
    }
  | { readonly do: 'call'; readonly name: string; readonly arg: number }
  | { readonly do: 'read' | 'write' | 'remove'; readonly path: number; readonly arg: number }
  | { readonly do: 'list' | 'fork' | 'pid' }

/** What the process is given: the tree, and to whom it posts. */
interface Input {
  readonly tree: Node
  readonly to: Pid
}

/** The name of the child program and that of the root differ, so that a test can change the one and not the other. */
const ROOT = 'root'
const CHILD = 'child'

/** Lives a tree. Whatever it returns is made of what it learned. */
async function live(sys: Sys, node: Node, to: Pid): Promise<Json> {
  const go = (of: Node): Promise<Json> => live(sys, of, to)
  switch (node.do) {
    case 'seq': {
      const values: Json[] = []
      for (const one of node.of) values.push(await go(one))
      return values
    }
    case 'all':
      return Promise.all(node.of.map(go))
    case 'race':
      return Promise.race(node.of.map(go))
    case 'settled':
      return (await Promise.allSettled(node.of.map(go))).map((one) =>
        one.status === 'fulfilled' ? one.value : failure(one.reason),
      )
    case 'loop': {
      let value: Json = null
      for (let i = 0; i < node.times; i++) value = [value, await go(node.of)]
      return value
    }
    case 'hop':
      for (let i = 0; i < node.times; i++) await Promise.resolve()
      return go(node.of)
    case 'try':
      try {
        return await go(node.of)
      } catch (error) {
        return [failure(error), await go(node.or)]
      }
    case 'again': {
      const { id, restored } = await sys.snapshot()
      const value = await go(node.of)
      if (restored === 0) await sys.restore(id)
      return [restored, value]
    }
    case 'child': {
      const pid = await sys.spawn(
        CHILD,
        { tree: node.of, to: sys.pid },
        node.wallMs === 0 ? {} : { budget: { wallMs: node.wallMs } },
      )
      return node.wait ? sys.wait(pid) : null
    }
    case 'kill': {
      const pid = await sys.spawn(CHILD, { tree: node.of, to: sys.pid })
      await sys.sleep(node.after)
      await sys.kill(pid)
      return null
    }
    case 'fork': {
      const pid = await sys.fork()
      if (pid === 0) return 'forked'
      try {
        await sys.wait(pid, { timeoutMs: 1e6 })
      } catch (error) {
        return failure(error)
      }
      return 'joined'
    }
    case 'mail': {
      const pid = await sys.spawn(CHILD, { tree: { do: 'post', arg: node.arg }, to: sys.pid })
      const bodies: Json[] = []
      for (let i = 0; i < node.arg; i++) bodies.push((await sys.receive({ from: pid, timeoutMs: 1e6 })).body)
      return bodies
    }
    case 'post':
      for (let i = 0; i < node.arg; i++) await sys.send(to === 0 ? sys.pid : to, i)
      return null
    case 'letter':
      // To itself, and waiting in its mailbox for a while.
      await sys.send(sys.pid, node.arg)
      await sys.sleep(node.arg)
      return (await sys.receive({ from: sys.pid, timeoutMs: 1e6 })).body
    case 'receive':
      return (await sys.receive({ timeoutMs: 20 * node.arg })).body
    case 'generate':
      return (await sys.generate(`question ${node.arg}`)).text
    case 'call':
      return sys.call(node.name, node.arg)
    case 'sleep':
      await sys.sleep(node.arg)
      return null
    case 'random':
      return sys.random()
    case 'drawn':
      // A drawn number and the time decide what is asked: a replay that draws another one asks something else.
      return (await sys.generate(`drawn ${sys.random()} at ${sys.now() % 1_000}`)).finishReason
    case 'now':
      return sys.now()
    case 'pid':
      await sys.write('pid', `${sys.pid}`)
      return null
    case 'remember':
      await sys.remember(`note number${node.arg}`)
      return null
    case 'recall':
      return (await sys.recall(`number${node.arg}`)).length
    case 'read':
      return sys.read(`file${node.path}`)
    case 'write':
      return (await sys.write(`file${node.path}`, `${node.arg}`)).bytes
    case 'remove':
      await sys.remove(`file${node.path}`)
      return null
    case 'list':
      return (await sys.list()).map((entry) => entry.path)
  }
}

function failure(error: unknown): Json {
  if (!PolityError.isInstance(error)) throw error
  return { code: error.code }
}

const program = (name: string, change: (tree: Node) => Node = (tree) => tree): Program =>
  defineProgram(name, (sys, { tree, to }: Input) => live(sys, change(tree), to)) as unknown as Program

// --------------------------------------------------------------------------------------------------------------- trees

const small = fc.nat({ max: 5 })
const pureLeaf = fc.oneof(
  fc.record({ do: fc.constant('generate' as const), arg: small }),
  fc.record({ do: fc.constant('sleep' as const), arg: fc.nat({ max: 30 }) }),
  fc.record({ do: fc.constant('call' as const), name: fc.constantFrom('slow', 'now', 'hop', 'flaky'), arg: small }),
)
const stateLeaf = fc.oneof(
  { weight: 3, arbitrary: pureLeaf },
  fc.record({
    do: fc.constantFrom('read' as const, 'write' as const, 'remove' as const),
    path: fc.nat({ max: 1 }),
    arg: small,
  }),
  fc.record({ do: fc.constantFrom('list' as const, 'pid' as const) }),
  fc.record({ do: fc.constant('drawn' as const), arg: small }),
)
/** Its values change with the stream of random numbers, the clock, or what others of the tree do. */
const noteLeaf = fc.record({
  do: fc.constantFrom('remember' as const, 'recall' as const, 'random' as const),
  arg: small,
})

const shape = <K extends 'seq' | 'all' | 'race' | 'settled'>(
  kind: K,
  of: fc.Arbitrary<Node>,
  maxLength = 3,
): fc.Arbitrary<Node> => fc.record({ do: fc.constant(kind), of: fc.array(of, { minLength: 1, maxLength }) })
const repeated = (kind: 'loop' | 'hop', of: fc.Arbitrary<Node>): fc.Arbitrary<Node> =>
  fc.record({ do: fc.constant(kind), times: fc.integer({ min: 1, max: kind === 'hop' ? 5 : 2 }), of })
const tried = (of: fc.Arbitrary<Node>): fc.Arbitrary<Node> => fc.record({ do: fc.constant('try' as const), of, or: of })

const { pure } = fc.letrec<{ pure: Node }>((tie) => ({
  pure: fc.oneof(
    { maxDepth: 2 },
    pureLeaf,
    shape('seq', tie('pure')),
    shape('settled', tie('pure')),
    repeated('loop', tie('pure')),
    repeated('hop', tie('pure')),
    tried(tie('pure')),
  ),
}))

const children = (of: fc.Arbitrary<Node>, wallMs: fc.Arbitrary<number>): fc.Arbitrary<Node> =>
  fc.record({ do: fc.constant('child' as const), of, wait: fc.boolean(), wallMs })

/** Trees whose value is a function of the answers. `more` are leaves that a fork may answer otherwise than its origin. */
const steadyTree = (more: readonly fc.Arbitrary<Node>[]): fc.Arbitrary<Node> =>
  fc.letrec<{ steady: Node }>((tie) => ({
    steady: fc.oneof(
      { maxDepth: 3 },
      { weight: 2, arbitrary: fc.oneof(stateLeaf, ...more) as fc.Arbitrary<Node> },
      { weight: 2, arbitrary: shape('seq', tie('steady'), 4) },
      { weight: 1, arbitrary: shape('settled', fc.oneof(pure, children(pure, fc.constant(0)))) },
      { weight: 1, arbitrary: repeated('loop', tie('steady')) },
      { weight: 1, arbitrary: repeated('hop', tie('steady')) },
      { weight: 1, arbitrary: tried(tie('steady')) },
      { weight: 1, arbitrary: children(pure, fc.constant(0)) },
    ),
  })).steady

const mailLeaf = fc.record({
  do: fc.constantFrom('mail' as const, 'letter' as const),
  arg: fc.integer({ min: 1, max: 3 }),
})
const againOnce = (of: fc.Arbitrary<Node>): fc.Arbitrary<Node> => fc.record({ do: fc.constant('again' as const), of })
const twoOf = (...parts: readonly fc.Arbitrary<Node>[]): fc.Arbitrary<Node> =>
  fc.tuple(...parts).map((of) => ({ do: 'seq' as const, of }))

const cutSteady = steadyTree([noteLeaf, mailLeaf])
const forkSteady = steadyTree([])
const forkLeaf: fc.Arbitrary<Node> = fc.constant({ do: 'fork' as const })

/** For cuts: with a snapshot and a fork somewhere on the way. */
const cutTree = fc.oneof(
  cutSteady,
  twoOf(cutSteady, againOnce(cutSteady), cutSteady),
  twoOf(cutSteady, forkLeaf, cutSteady),
)
/** For forks: without what a fork draws, hears or remembers on its own. */
const forkTree = fc.oneof(forkSteady, twoOf(forkSteady, againOnce(forkSteady), forkSteady))

const wildTree: fc.Arbitrary<Node> = fc.letrec<{ wild: Node }>((tie) => ({
  wild: fc.oneof(
    { maxDepth: 3 },
    {
      weight: 4,
      arbitrary: fc.oneof(
        stateLeaf,
        noteLeaf,
        mailLeaf,
        fc.record({ do: fc.constantFrom('now' as const, 'post' as const, 'receive' as const), arg: small }),
      ) as fc.Arbitrary<Node>,
    },
    { weight: 2, arbitrary: shape('seq', tie('wild'), 4) },
    { weight: 2, arbitrary: shape('all', tie('wild')) },
    { weight: 2, arbitrary: shape('race', tie('wild')) },
    { weight: 1, arbitrary: shape('settled', tie('wild')) },
    { weight: 1, arbitrary: repeated('loop', tie('wild')) },
    { weight: 1, arbitrary: repeated('hop', tie('wild')) },
    { weight: 2, arbitrary: tried(tie('wild')) },
    { weight: 1, arbitrary: children(tie('wild'), fc.constantFrom(0, 0, 15)) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('kill' as const), of: tie('wild'), after: fc.nat({ max: 20 }) }),
    },
  ),
})).wild
/** Snapshots and forks inside parallel work multiply; two are plenty. */
const wild = fc.oneof(
  wildTree,
  fc.tuple(wildTree, wildTree, wildTree).map(([a, b, c]): Node => ({ do: 'seq', of: [a, { do: 'again', of: b }, c] })),
  fc
    .tuple(wildTree, wildTree, wildTree)
    .map(([a, b, c]): Node => ({ do: 'all', of: [a, { do: 'again', of: b }, { do: 'again', of: c }] })),
  fc
    .tuple(wildTree, wildTree, wildTree)
    .map(([a, b, c]): Node => ({ do: 'all', of: [a, { do: 'seq', of: [b, { do: 'fork' }, c] }] })),
)

// -------------------------------------------------------------------------------------------------------------- worlds

interface World {
  readonly clock: SimulatedClock
  readonly store: RecordingStore
  readonly kernel: Kernel
  /** Calls that reached the model, as `pid.n`. */
  readonly asked: string[]
}

/** What varies between worlds and must not matter: how events are gathered into commits, and processes into rounds. */
function limitsOf(seed: number) {
  return {
    commitEventsMax: [1, 2, 4_096][seed % 3] as number,
    roundDeliveriesMax: [1, 2, 128][(seed >> 2) % 3] as number,
    callsPerProcessMax: 3_000,
  }
}

/** The store at hand: how long a commit takes, and what it survives, must not matter either. */
function storeOf(seed: number, clock: Clock): RecordingStore {
  const durability = (['relaxed', 'strict', 'memory'] as const)[(seed >> 4) % 3] as Durability
  const ms = (seed >> 6) % 4
  return recordingStore(
    durability === 'memory' || ms === 0
      ? { durability }
      : { durability, slowly: (done) => void clock.after(ms - 1, done) },
  )
}

function createWorld(seed: number, given?: RecordingStore, startMs = 1_700_000_000_000, root = program(ROOT)): World {
  const clock = simulatedClock({ seed, startMs })
  const store = given ?? storeOf(seed, clock)
  const asked: string[] = []
  const delay = (stream: number, index: number): number =>
    Math.max(0, Math.floor(randomAt(seed, stream, index) * 40) - 8)
  const model = scripted(
    (call) => {
      const { pid = 0, n = 0 } = (call.providerOptions?.['polity'] ?? {}) as { pid?: number; n?: number }
      asked.push(`${pid}.${n}`)
      const text = promptText(call.prompt)
      const delayMs = delay(text.length * 7 + text.charCodeAt(text.length - 2), n)
      return text.includes('question 5')
        ? { error: { statusCode: 400 }, delayMs }
        : { text: `answer to ${text}`, delayMs }
    },
    { clock },
  )
  const tools = [
    tool('slow', (input) => later(clock, delay(1, Number(input)), input)),
    tool('now', (input) => input),
    tool('hop', async (input) => {
      for (let i = 0; i < Number(input); i++) await Promise.resolve()
      return input
    }),
    tool('flaky', async (input) => {
      await later(clock, delay(2, Number(input)), null)
      if (Number(input) % 2 === 1) throw new Error(`flaky ${Number(input)}`)
      return input
    }),
  ]
  const kernel = createKernel({
    store,
    clock,
    models: { scripted: model },
    tools,
    programs: [root, program(CHILD)],
    limits: limitsOf(seed),
  })
  return { clock, store, kernel, asked }
}

function later<T>(clock: Clock, ms: number, value: T): Promise<T> {
  return new Promise((resolve) => void clock.after(ms, () => resolve(value)))
}

interface Lived extends World {
  readonly pid: Pid
  readonly end: End
}

/** Runs a tree to its end and beyond: until every process of it has ended. */
async function run(seed: number, tree: Node, root?: Program): Promise<Lived> {
  const world = createWorld(seed, undefined, undefined, root)
  const { pid, result } = world.kernel.spawn(ROOT, { tree, to: 0 })
  const end = await settled(world.clock, endOf(result))
  return { ...world, pid, end }
}

const eventsOf = (store: RecordingStore, pid: Pid): readonly JournalEvent[] => store.events(pid)
const startsOf = (events: readonly JournalEvent[]): CallStart[] => events.filter((event) => event.type === 'call-start')

async function assertReplays({ kernel, clock, store }: World): Promise<void> {
  for (const { start, end } of store.processes()) {
    if (end === undefined) continue
    const report = await settled(clock, kernel.replay(start.pid))
    assert.equal(
      report.same,
      true,
      `process ${start.pid} (${start.program}, ${end.state}) does not replay: ${report.difference}`,
    )
  }
}

/** A spawn or fork that a crash interrupted is done once: no two children come from one call, unless a restore made it again. */
function assertNoTwins(store: RecordingStore): void {
  const seen = new Map<string, Pid>()
  for (const { start } of store.processes()) {
    if (start.parent === null || eventsOf(store, start.parent).some((event) => event.type === 'process-rewind'))
      continue
    const from = `${start.parent}.${start.parentCall}`
    assert.equal(
      seen.get(from),
      undefined,
      `processes ${seen.get(from)} and ${start.pid} both come from call ${start.parentCall} of process ${start.parent}`,
    )
    seen.set(from, start.pid)
  }
}

/** The first call in which two runs differ; undefined if they make the same calls. Pids are places in the journal, so they may. */
function firstDifference(a: readonly CallStart[], b: readonly CallStart[]): number | undefined {
  const written = (start: CallStart | undefined): string =>
    JSON.stringify([start?.call, start?.args], (key, value: unknown) =>
      ['pid', 'from', 'to'].includes(key) ? 0 : value,
    )
  for (let n = 0; n < Math.max(a.length, b.length); n++) if (written(a[n]) !== written(b[n])) return n
  return undefined
}

/**
 * That what is said names the first call which is another. A call may also be the same, and be made too late: only after an
 * answer for which the journal's did not wait. Such a one may be named before the first that is another in itself.
 */
function assertNames(said: string, differing: number, was: readonly JournalEvent[], other: readonly JournalEvent[]) {
  const named = Number(/\bcall (\d+)\b/.exec(said)?.[1])
  if (named === differing) return
  assert.ok(named < differing, `call ${differing} is another, but it says: ${said}`)
  assert.match(said, /does not make call/)
  const before = answeredBefore(was, named)
  const late = [...answeredBefore(other, named)].filter((n) => !before.has(n))
  assert.notDeepEqual(late, [], `call ${named} is the same and made no later, but it says: ${said}`)
}

/** The calls that had ended when this one was made; all that ended, if it never was. */
function answeredBefore(events: readonly JournalEvent[], n: number): Set<number> {
  const ended = new Set<number>()
  for (const event of events) {
    if (event.type === 'call-start' && event.n === n) break
    if (event.type === 'call-end') ended.add(event.n)
  }
  return ended
}

// ------------------------------------------------------------------------------------------------------------- changes

/** A tree with one of its calls changed, removed, or another put before it. */
function changed(tree: Node, place: number, how: 'change' | 'insert' | 'remove'): Node {
  let at = 0
  const target = place % countLeaves(tree)
  const visit = (node: Node): Node => {
    if ('of' in node && node.do !== 'child' && node.do !== 'kill') {
      const of = Array.isArray(node.of) ? node.of.map(visit) : visit(node.of as Node)
      return (node.do === 'try' ? { ...node, of, or: visit(node.or) } : { ...node, of }) as Node
    }
    if (at++ !== target) return node
    if (how === 'insert') return { do: 'seq', of: [{ do: 'list' }, node] }
    if (how === 'remove') return { do: 'hop', times: 0, of: { do: 'seq', of: [] } }
    return 'arg' in node ? ({ ...node, arg: node.arg + 7 } as Node) : { do: 'sleep', arg: 1 }
  }
  return visit(tree)
}

function countLeaves(node: Node): number {
  if ('of' in node && node.do !== 'child' && node.do !== 'kill') {
    const inside = Array.isArray(node.of)
      ? node.of.reduce((sum: number, one: Node) => sum + countLeaves(one), 0)
      : countLeaves(node.of as Node)
    return inside + (node.do === 'try' ? countLeaves(node.or) : 0)
  }
  return 1
}

// --------------------------------------------------------------------------------------------------------------- tests

const cases = <T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => Promise<void>, share = 1): Promise<void> =>
  fc.assert(
    fc.asyncProperty(arbitrary, (value) => check(value)),
    { numRuns: Math.ceil(CASES * share), seed: SEED, interruptAfterTimeLimit: 300_000 },
  ) as Promise<void>

const seeds = fc.nat({ max: 1_000_000 })
const share = fc.double({ min: 0, max: 1, noNaN: true })

/** Cuts the journal of a run somewhere, resumes what is left in another kernel, and lets it end. */
async function resumeFromCut(
  seed: number,
  before: Lived,
  part: number,
  root?: Program,
): Promise<{ world: World; end: End; kept: readonly JournalEvent[] } | undefined> {
  if (before.store.durability === 'memory') return undefined
  const count = Math.round(part * before.store.batches.length)
  const store = cutStore(before.store.batches, count)
  const kept = eventsOf(store, before.pid)
  if (kept.length === 0 || kept.at(-1)?.type === 'process-end') return undefined
  const lastAt = before.store.batches[count - 1]?.events.at(-1)?.at ?? 0
  const world = createWorld(seed, store, lastAt + 5, root)
  world.kernel.resume()
  const end = await settled(world.clock, endOf(world.kernel.run(before.pid).result))
  return { world, end, kept }
}

test('a steady run that is cut anywhere and resumed ends as if nothing had happened', () =>
  cases(
    fc.tuple(cutTree, seeds, share),
    async ([tree, seed, part]) => {
      const lived = await run(seed, tree)
      await assertReplays(lived)
      const again = await resumeFromCut(seed, lived, part)
      if (again === undefined) return
      assert.deepEqual(again.end, lived.end)
      assertNoTwins(again.world.store)
      assert.deepEqual(eventsOf(again.world.store, lived.pid).slice(0, again.kept.length), again.kept)
      await assertReplays(again.world)
    },
    0.35,
  ))

test('a wild run ends, replays, and does both again after a cut anywhere', () =>
  cases(
    fc.tuple(wild, seeds, share),
    async ([tree, seed, part]) => {
      const lived = await run(seed, tree)
      assert.notEqual(codeOf(lived.end), 'REPLAY_MISMATCH')
      await assertReplays(lived)
      const again = await resumeFromCut(seed, lived, part)
      if (again === undefined) return
      assert.notEqual(codeOf(again.end), 'REPLAY_MISMATCH', `after a cut: ${JSON.stringify(again.end)}`)
      assertNoTwins(again.world.store)
      assert.deepEqual(eventsOf(again.world.store, lived.pid).slice(0, again.kept.length), again.kept)
      await assertReplays(again.world)
    },
    0.3,
  ))

test('a fork at any call has its origin’s past, repeats no effect of it, and a steady one ends with an equal result', () =>
  cases(
    fc.tuple(
      fc.oneof(
        { weight: 3, arbitrary: fc.tuple(forkTree, fc.constant(true)) },
        { weight: 1, arbitrary: fc.tuple(wild, fc.constant(false)) },
      ),
      seeds,
      share,
    ),
    async ([[tree, isSteady], seed, part]) => {
      const lived = await run(seed, tree)
      const { kernel, clock, store, pid, asked } = lived
      const starts = startsOf(eventsOf(store, pid))
      const rewinds = eventsOf(store, pid).some((event) => event.type === 'process-rewind')
      const at = rewinds ? undefined : Math.round(part * starts.length)
      const askedBefore = asked.length
      const fork = await settled(clock, kernel.fork(pid, at === undefined ? {} : { at }))
      const end = await settled(clock, endOf(fork.result))
      assert.notEqual(codeOf(end), 'REPLAY_MISMATCH', `fork at ${at} of ${starts.length}: ${JSON.stringify(end)}`)
      const own = eventsOf(store, fork.pid)
      const [head] = own
      assert.equal(head?.type === 'process-start' ? head.forkOf?.pid : undefined, pid)
      if (at !== undefined) {
        const rewound = own.findIndex((event) => event.type === 'process-rewind')
        const made = startsOf(rewound < 0 ? own : own.slice(0, rewound)).map((start) => start.n)
        assert.deepEqual(
          made,
          made.map((_, i) => at + i),
          'its own calls are those from the fork on',
        )
        // What its origin left without an end (it lost a race and was cancelled) has to be asked again.
        const ended = new Set(
          eventsOf(store, pid).flatMap((event) =>
            event.type === 'call-end' && event.n < at ? [`${fork.pid}.${event.n}`] : [],
          ),
        )
        const repeated = asked.slice(askedBefore).filter((one) => ended.has(one))
        assert.deepEqual(repeated, [], 'it asks nothing again that its origin was answered')
      }
      if (isSteady) assert.deepEqual(end, lived.end)
      await assertReplays(lived)
    },
    0.2,
  ))

test('spawns, forks and messages in the middle of others’ traffic are done once, wherever the journal is cut', async () => {
  const busy: Node = {
    do: 'loop',
    times: 8,
    of: {
      do: 'seq',
      of: [
        { do: 'write', path: 0, arg: 1 },
        { do: 'hop', times: 3, of: { do: 'call', name: 'hop', arg: 2 } },
      ],
    },
  }
  const crowd: Node[] = Array.from({ length: 4 }, () => ({ do: 'child', of: busy, wait: false, wallMs: 0 }))
  const middle: Node = {
    do: 'seq',
    of: [
      ...crowd,
      { do: 'fork' },
      { do: 'letter', arg: 1 },
      { do: 'mail', arg: 3 },
      { do: 'child', of: { do: 'generate', arg: 1 }, wait: true, wallMs: 0 },
    ],
  }
  // Seeds whose stores keep each start on its own, at once and slowly.
  for (const seed of [0, 64, 192]) {
    const lived = await run(seed, middle)
    for (let count = 1; count <= lived.store.batches.length; count++) {
      const again = await resumeFromCut(seed, lived, count / lived.store.batches.length)
      if (again === undefined) continue
      assert.deepEqual(again.end, lived.end, `cut after commit ${count}, seed ${seed}`)
      assertNoTwins(again.world.store)
    }
  }
})

test('a changed program is caught at its first differing call, which is named', () =>
  cases(
    fc.tuple(
      cutSteady,
      seeds,
      fc.nat({ max: 1_000 }),
      fc.constantFrom('change' as const, 'insert' as const, 'remove' as const),
      share,
    ),
    async ([tree, seed, place, how, part]) => {
      const mutant = program(ROOT, (given) => changed(given, place, how))
      const lived = await run(seed, tree)
      const other = await run(seed, tree, mutant)
      const was = eventsOf(lived.store, lived.pid)
      const changes = eventsOf(other.store, other.pid)
      const differing = firstDifference(startsOf(was), startsOf(changes))
      if (differing === undefined) return

      const changedWorld = createWorld(
        seed,
        cutStore(lived.store.batches, lived.store.batches.length),
        lived.clock.now(),
        mutant,
      )
      const report = await settled(changedWorld.clock, changedWorld.kernel.replay(lived.pid))
      assert.equal(report.same, false, `replay does not notice that call ${differing} is another`)
      assertNames(report.difference ?? '', differing, was, changes)

      const again = await resumeFromCut(seed, lived, part, mutant)
      if (again === undefined) return
      if (startsOf(again.kept).length > differing) {
        assert.equal(
          codeOf(again.end),
          'REPLAY_MISMATCH',
          `the journal has ${startsOf(again.kept).length} calls, call ${differing} is another`,
        )
        assertNames('message' in again.end ? again.end.message : '', differing, was, changes)
      }
    },
    0.15,
  ))
