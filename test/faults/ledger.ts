/**
 * The world outside: a ledger of effects that no crash takes back, and the tools that write into it.
 *
 * Each tool fails as tools do: it throws, hangs with or without hearing the abort, is late, answers nonsense; and the
 * kernel may die just before or just after its effect.
 */
import { defineTool } from '../../src/kernel/tools.ts'
import type { Effect, Json, Tool, ToolContext, ToolSchema } from '../../src/kernel/types.ts'
import type { Life, Time } from './clock.ts'
import type { Random } from './random.ts'
import { never } from './store.ts'

export interface Deed {
  readonly tool: string
  readonly effect: Effect
  readonly key: string
  readonly pid: number
  readonly input: Json
  readonly life: number
  readonly result: number
}

export interface ToolFaults {
  readonly rate: number
  readonly crash: number
}

export interface LedgerOptions {
  readonly time: Time
  readonly random: Random
  readonly faults: ToolFaults
  readonly crash: () => boolean
  /** Told of each deed as it is done. */
  readonly onDeed: (deed: Deed) => void
}

interface ToolInput {
  readonly what: string
  readonly amount: number
}

const schema: ToolSchema<ToolInput> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof (value as Partial<ToolInput> | null)?.what === 'string'
        ? { value: { ...(value as ToolInput), amount: (value as Partial<ToolInput>).amount ?? 1 } }
        : { issues: [{ message: 'what must be a text' }] },
    jsonSchema: { input: () => ({ type: 'object', properties: { what: { type: 'string' } } }), output: () => ({}) },
  },
}

/** Tools by name; `locked` share a lock, `secret` and `risky` are there for the law. */
const kinds: readonly { readonly name: string; readonly effect: Effect; readonly locks?: readonly string[] }[] = [
  { name: 'look', effect: 'read' },
  { name: 'set', effect: 'idempotent' },
  { name: 'pay', effect: 'once' },
  { name: 'locked', effect: 'once', locks: ['b', 'a'] },
  { name: 'locked-too', effect: 'idempotent', locks: ['a', 'b'] },
  { name: 'secret', effect: 'once' },
  { name: 'risky', effect: 'once' },
]

export const toolNames = kinds.map(({ name }) => name)

export function createTools(life: Life, options: LedgerOptions): Tool<never, unknown>[] {
  return kinds.map(
    ({ name, effect, locks }) =>
      defineTool<ToolInput, unknown>({
        name,
        description: `tool ${name}`,
        effect,
        inputSchema: schema,
        ...(locks === undefined ? {} : { locks }),
        timeoutMs: 20_000,
        execute: (input, context) => execute(life, name, effect, input, context, options),
      }) as unknown as Tool<never, unknown>,
  )
}

async function execute(
  life: Life,
  tool: string,
  effect: Effect,
  input: ToolInput,
  context: ToolContext,
  { time, random, faults, crash, onDeed }: LedgerOptions,
): Promise<unknown> {
  if (!life.alive) return never()
  if (random.chance(faults.crash) && crash()) return never()
  const faulty = random.chance(faults.rate)
  const fault = faulty ? random.pick(['throw', 'hang', 'deaf', 'late', 'nonsense', 'throw-after'] as const) : undefined
  if (fault === 'throw') throw new Error('the tool is broken')
  if (fault === 'hang')
    return new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(new Error('stopped'))))
  if (fault === 'deaf') return never()
  if (fault === 'late' || random.chance(0.5)) {
    const ms = fault === 'late' ? random.int(15_000, 30_000) : random.int(1, 500)
    await new Promise<void>((resolve, reject) => {
      time.after(ms, resolve)
      context.signal.addEventListener('abort', () => reject(new Error('stopped')))
    })
    if (!life.alive) return never()
  }
  const deed: Deed = {
    tool,
    effect,
    key: context.idempotencyKey,
    pid: context.pid,
    input: { ...input },
    life: life.number,
    result: input.what.length + input.amount,
  }
  onDeed(deed)
  if (random.chance(faults.crash) && crash()) return never()
  if (fault === 'throw-after') throw new Error('the answer was lost')
  return fault === 'nonsense' ? { f: () => 0 } : deed.result
}
