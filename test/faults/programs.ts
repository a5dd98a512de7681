/**
 * The workload: one program that does what its input says, and a generator of such inputs.
 *
 * It uses every system call, alone and side by side, and notes every answer: what it returns is a digest of all that it
 * learned, so a replay that learns anything else ends elsewhere.
 */
import { toolLoop } from '../../src/agents/react.ts'
import { openContext } from '../../src/kernel/context.ts'
import { toErrorData } from '../../src/kernel/errors.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import type { Budget, Json, Pid, Program, SpawnOptions, Sys } from '../../src/kernel/types.ts'
import { toolNames } from './ledger.ts'
import type { Random } from './random.ts'

export type Op =
  | {
      readonly op: 'talk'
      readonly id: string
      readonly steps: number
      readonly window: number
      readonly tools: boolean
      readonly turns: number
      readonly model?: readonly string[]
    }
  | { readonly op: 'generate'; readonly prompt: string; readonly max?: number; readonly model?: readonly string[] }
  | { readonly op: 'call'; readonly tool: string; readonly what: string; readonly amount?: number }
  | { readonly op: 'par' | 'race'; readonly ops: readonly Op[] }
  | {
      readonly op: 'spawn'
      readonly script: Script
      readonly options: SpawnOptions
      readonly wait: 'now' | 'later' | 'never'
      readonly timeoutMs?: number
    }
  | { readonly op: 'fork'; readonly script: Script; readonly wait: boolean }
  | { readonly op: 'send'; readonly to: 'parent' | 'child' | 'self' | string; readonly body: Json }
  | { readonly op: 'receive'; readonly timeoutMs: number }
  | { readonly op: 'remember'; readonly text: string }
  | { readonly op: 'recall'; readonly query: string }
  | { readonly op: 'forget' }
  | { readonly op: 'write' | 'read' | 'remove'; readonly path: string }
  | { readonly op: 'list' }
  | { readonly op: 'again'; readonly times: number; readonly ops: readonly Op[] }
  | { readonly op: 'sleep'; readonly ms: number }
  | { readonly op: 'ask'; readonly default?: string; readonly timeoutMs: number }
  | { readonly op: 'kill' }
  | { readonly op: 'wrong' }
  | { readonly op: 'draw' }
  | { readonly op: 'throw' }

export interface Script {
  readonly ops: readonly Op[]
  /** Pid of the one to whom `send parent` goes; 0 for none. */
  readonly parent?: number
}

/** Told what a program was told: an acknowledgement, if its kernel was alive. */
export type Acknowledge = (kind: 'write' | 'note' | 'snapshot', pid: Pid, value: Json) => void

export const ACTOR = 'actor'

/** The program; made anew for each life, as a restarted machine would load it. */
export function createActor(acknowledge: Acknowledge): Program<Script, Json> {
  const actor: Program<Script, Json> = defineProgram(ACTOR, async (sys: Sys, script: Script) => {
    const learned: Json[] = []
    const state: State = { sys, learned, children: [], notes: [], parent: script.parent ?? 0, actor, acknowledge }
    for (const op of script.ops) await perform(state, op)
    for (const pid of state.children) learned.push(await attempt(() => sys.wait(pid, { timeoutMs: 60_000 })))
    return digest(learned)
  })
  return actor
}

interface State {
  readonly sys: Sys
  readonly learned: Json[]
  readonly children: Pid[]
  readonly notes: string[]
  readonly parent: Pid
  readonly actor: Program<Script, Json>
  readonly acknowledge: Acknowledge
}

async function attempt<T>(run: () => Promise<T>): Promise<Json> {
  try {
    return ((await run()) ?? null) as Json
  } catch (error) {
    return { error: toErrorData(error).code }
  }
}

async function perform(state: State, op: Op): Promise<void> {
  state.learned.push(await attempt(() => act(state, op)))
  if (op.op === 'throw') throw new Error('the program gives up')
}

async function act(state: State, op: Op): Promise<unknown> {
  const { sys } = state
  switch (op.op) {
    case 'talk': {
      const context = openContext({ instructions: `conversation ${op.id}`, tokensMax: op.window })
      const said = []
      for (let i = 0; i < op.turns; i++) {
        context.append({ role: 'user', content: `turn ${i}: ${'go on '.repeat(10)}` })
        said.push(
          await toolLoop(withModel(sys, op.model), context, { stepsMax: op.steps, ...(op.tools ? {} : { tools: [] }) }),
        )
      }
      return said
    }
    case 'generate': {
      const { text, usage } = await sys.generate({
        prompt: op.prompt,
        ...(op.max === undefined ? {} : { maxOutputTokens: op.max }),
        ...(op.model === undefined ? {} : { model: op.model }),
      })
      return [text, usage.outputTokens]
    }
    case 'call':
      return sys.call(op.tool, op.amount === undefined ? { what: op.what } : { what: op.what, amount: op.amount })
    case 'par':
      return Promise.all(op.ops.map((one) => attempt(() => act(state, one))))
    case 'race':
      return Promise.race(op.ops.map((one) => attempt(() => act(state, one))))
    case 'spawn': {
      const pid = await sys.spawn(state.actor, { ...op.script, parent: sys.pid } as Script, op.options)
      if (op.wait === 'later') state.children.push(pid)
      return op.wait === 'now' ? sys.wait(pid, op.timeoutMs === undefined ? {} : { timeoutMs: op.timeoutMs }) : pid
    }
    case 'fork': {
      const pid = await sys.fork()
      if (pid === 0) {
        for (const one of op.script.ops) await perform(state, one)
        return 'the child'
      }
      return op.wait ? sys.wait(pid) : pid
    }
    case 'send': {
      const to =
        op.to === 'parent'
          ? state.parent
          : op.to === 'self'
            ? sys.pid
            : op.to === 'child'
              ? (state.children[0] ?? 0)
              : op.to
      return sys.send(to, op.body)
    }
    case 'receive': {
      const { from, body } = await sys.receive({ timeoutMs: op.timeoutMs })
      return [from, body]
    }
    case 'remember': {
      const id = await sys.remember({ text: op.text, tags: ['t'] })
      state.notes.push(id)
      state.acknowledge('note', sys.pid, id)
      return id
    }
    case 'recall':
      return (await sys.recall(op.query, { limit: 5 })).map(({ id }) => id)
    case 'forget':
      return sys.forget(state.notes.pop() ?? 'n0')
    case 'write': {
      const entry = await sys.write(op.path, `${op.path} ${sys.random()}`)
      state.acknowledge('write', sys.pid, entry.version)
      return entry.version
    }
    case 'read':
      return sys.read(op.path)
    case 'remove':
      return sys.remove(op.path)
    case 'list':
      return (await sys.list()).map(({ path, version }) => `${path}@${version}`)
    case 'again': {
      const taken = await sys.snapshot()
      state.acknowledge('snapshot', sys.pid, taken.id)
      const done = []
      for (const one of op.ops) done.push(await attempt(() => act(state, one)))
      if (taken.restored < op.times) await sys.restore(taken.id)
      return [taken.restored, done]
    }
    case 'sleep':
      await sys.sleep(op.ms)
      return sys.now()
    case 'ask':
      return sys.ask('what now?', {
        timeoutMs: op.timeoutMs,
        ...(op.default === undefined ? {} : { default: op.default }),
      })
    case 'kill':
      return sys.kill(state.children[0] ?? sys.pid, 'by the script')
    case 'wrong':
      return Promise.all([
        attempt(() => sys.read('../etc')),
        attempt(() => sys.generate({ prompt: 'x', messages: [] })),
        attempt(() => sys.call('none', {})),
        attempt(() => sys.wait(999_999)),
      ])
    case 'draw':
      return [sys.random(), sys.now(), sys.pid, sys.tools.map(({ name }) => name)]
    case 'throw':
      return null
  }
}

function withModel(sys: Sys, model: readonly string[] | undefined): Sys {
  if (model === undefined) return sys
  return new Proxy(sys, {
    get: (target, key) =>
      key === 'generate'
        ? (request: object) => target.generate({ ...request, model })
        : ((value: unknown) => (typeof value === 'function' ? value.bind(target) : value))(
            Reflect.get(target, key, target),
          ),
  })
}

/** What was learned, short: the journal holds it all anyway. */
function digest(learned: readonly Json[]): Json {
  const text = JSON.stringify(learned)
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return [learned.length, hash]
}

// --------------------------------------------------------------------------------------------------------- generator

export interface ScriptOptions {
  readonly models: readonly string[]
  /** How deep children may have children. */
  readonly depth: number
  readonly opsMax: number
}

export function createScript(random: Random, options: ScriptOptions): Script {
  return { ops: Array.from({ length: random.int(1, options.opsMax) }, () => createOp(random, options)) }
}

export function createBudget(random: Random): Budget {
  const budget: { -readonly [K in keyof Budget]: Budget[K] } = {}
  if (random.chance(0.5)) budget.tokens = random.pick([60, 300, 1_000, 5_000])
  if (random.chance(0.3)) budget.usd = random.pick([0.000_2, 0.002, 0.02])
  if (random.chance(0.3)) budget.steps = random.int(0, 5)
  if (random.chance(0.3)) budget.children = random.int(0, 3)
  if (random.chance(0.15)) budget.wallMs = random.pick([50, 2_000, 60_000])
  return budget
}

const simple = [
  'generate',
  'generate',
  'call',
  'call',
  'call',
  'sleep',
  'write',
  'read',
  'remember',
  'draw',
  'list',
  'send',
  'receive',
] as const
const rare = [
  'talk',
  'talk',
  'par',
  'par',
  'race',
  'spawn',
  'spawn',
  'spawn',
  'fork',
  'again',
  'recall',
  'forget',
  'remove',
  'ask',
  'kill',
  'wrong',
  'throw',
] as const

function createOp(random: Random, options: ScriptOptions): Op {
  const kind = options.depth > 0 && random.chance(0.4) ? random.pick(rare) : random.pick(simple)
  const deeper = (opsMax: number): ScriptOptions => ({ ...options, depth: options.depth - 1, opsMax })
  const ops = (max: number): Op[] => Array.from({ length: random.int(1, max) }, () => createOp(random, deeper(2)))
  const model = random.chance(0.3) ? { model: random.chance(0.5) ? [random.pick(options.models)] : options.models } : {}
  const path = random.pick(['a', 'b/c', 'd.txt'])
  switch (kind) {
    case 'talk':
      return {
        op: 'talk',
        id: `c${random.int(0, 999_999)}`,
        steps: random.int(1, 4),
        window: random.pick([150, 100_000]),
        tools: random.chance(0.7),
        turns: random.int(1, 3),
        ...model,
      }
    case 'generate':
      return {
        op: 'generate',
        prompt: 'tell me '.repeat(random.int(1, 10)),
        ...(random.chance(0.5) ? { max: random.int(1, 200) } : {}),
        ...model,
      }
    case 'call':
      return {
        op: 'call',
        tool: random.pick(toolNames),
        what: `w${random.int(0, 9)}`,
        ...(random.chance(0.3) ? { amount: random.int(1, 100) } : {}),
      }
    case 'par':
    case 'race':
      // A fork beside an effect, messages beside a wait: what happens at once is where the faults are.
      if (random.chance(0.2))
        return {
          op: kind,
          ops: [
            { op: 'call', tool: random.pick(['pay', 'locked', 'set']), what: 'beside' },
            { op: 'fork', script: createScript(random, deeper(2)), wait: true },
            ...ops(1),
          ],
        }
      if (random.chance(0.2))
        return {
          op: kind,
          ops: [
            { op: 'send', to: 'self', body: 1 },
            { op: 'receive', timeoutMs: 3_000 },
            { op: 'receive', timeoutMs: 3_000 },
            { op: 'send', to: 'self', body: 2 },
          ],
        }
      return { op: kind, ops: ops(3) }
    case 'spawn': {
      const tools = random.chance(0.3) ? { tools: toolNames.filter(() => random.chance(0.5)) } : {}
      return {
        op: 'spawn',
        script: createScript(random, deeper(3)),
        options: {
          ...tools,
          ...(random.chance(0.5) ? { budget: createBudget(random) } : {}),
          ...(random.chance(0.3) ? { name: random.pick(['ann', 'bob']) } : {}),
          ...(random.chance(0.2) ? { priority: random.int(-2, 2) } : {}),
        },
        wait: random.pick(['now', 'later', 'later', 'never'] as const),
        ...(random.chance(0.2) ? { timeoutMs: random.int(0, 5_000) } : {}),
      }
    }
    case 'fork':
      return { op: 'fork', script: createScript(random, deeper(2)), wait: random.chance(0.7) }
    case 'send':
      return { op: 'send', to: random.pick(['parent', 'child', 'self', 'ann', 'bob']), body: { i: random.int(0, 99) } }
    case 'receive':
      return { op: 'receive', timeoutMs: random.int(0, 4_000) }
    case 'remember':
      return { op: 'remember', text: `note ${random.pick(['red', 'green', 'blue'])} ${random.int(0, 9)}` }
    case 'recall':
      return { op: 'recall', query: random.pick(['red', 'green note', 'nothing']) }
    case 'write':
    case 'read':
    case 'remove':
      return { op: kind, path }
    case 'again':
      return { op: 'again', times: random.int(0, 2), ops: ops(3) }
    case 'sleep':
      return { op: 'sleep', ms: random.pick([0, 1, 50, 3_000]) }
    case 'ask':
      return { op: 'ask', timeoutMs: random.pick([100, 60_000]), ...(random.chance(0.5) ? { default: 'yes' } : {}) }
    case 'forget':
    case 'list':
    case 'kill':
    case 'wrong':
    case 'draw':
    case 'throw':
      return { op: kind }
  }
}
