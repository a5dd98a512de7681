/**
 * The process that is killed: a kernel on a real SQLite store with several agents.
 *
 *     node victim.ts '{ "store": "a.db", "effects": "a.effects" }'
 *
 * Each line that it prints is an acknowledgement: an event that a watcher heard, or a result. It answers its own in-doubt
 * questions as a person would: by looking into the effects file.
 */
import type { Batch, Store } from '../../src/kernel/drivers.ts'
import { openSqliteStore } from '../../src/drivers/store/sqlite.ts'
import { scripted } from '../../src/drivers/llm/scripted.ts'
import { realClock } from '../../src/kernel/clock.ts'
import { PolityError, toErrorData } from '../../src/kernel/errors.ts'
import { createKernel } from '../../src/kernel/kernel.ts'
import { say as sayLine } from './say.ts'
import { clerk, createTools, family, pair, programs, readEffects } from './programs.ts'

export type Place = 'before-effect' | 'after-effect' | 'before-commit' | 'after-commit'

export interface VictimOptions {
  readonly store: string
  readonly effects: string
  /** Kills itself when it has been at this place so many times. @default never */
  readonly suicide?: { readonly place: Place; readonly times: number }
  /** Opens the store, says so, and does nothing. */
  readonly hold?: boolean
}

/** What it prints, a line each. */
export type Line =
  | { readonly type: 'ready' }
  | { readonly type: 'event'; readonly event: unknown }
  | { readonly type: 'question'; readonly key: string; readonly answer: string }
  | { readonly type: 'result'; readonly pid: number; readonly value: unknown }
  /** `ms` since it began to open the store. */
  | { readonly type: 'error'; readonly error: unknown; readonly ms: number }

const options = JSON.parse(process.argv[2] ?? '{}') as VictimOptions

function say(line: Line): void {
  sayLine(JSON.stringify(line))
}

let visits = 0
function at(place: Place): void {
  if (options.suicide?.place === place && ++visits >= options.suicide.times) process.kill(process.pid, 'SIGKILL')
}

function open(): Store {
  const store = openSqliteStore(options.store)
  return {
    ...store,
    commit(batch: Batch) {
      at('before-commit')
      const kept = store.commit(batch)
      at('after-commit')
      return kept
    },
  }
}

async function main(): Promise<void> {
  const store = open()
  say({ type: 'ready' })
  if (options.hold === true) return void setInterval(() => {}, 1_000)
  const clock = realClock({ seed: 7 })
  const model = scripted((call) => ({ text: `answer to ${JSON.stringify(call.prompt.at(-1)?.content)}`, delayMs: 2 }), {
    clock,
  })
  const kernel = createKernel({
    store,
    clock,
    models: { 'test/model': model },
    programs,
    tools: createTools(options.effects, { at }),
  })
  kernel.watch((event) => event.type !== 'text-delta' && say({ type: 'event', event }))
  const person = setInterval(() => {
    for (const { id, kind, detail } of kernel.questions) {
      const { idempotencyKey: key } = detail as { idempotencyKey: string }
      const done = readEffects(options.effects).find((effect) => effect.key === key)
      say({ type: 'question', key: `${kind} ${key}`, answer: done === undefined ? 'retry' : 'done' })
      kernel.answer(id, done === undefined ? 'retry' : 'done', done?.result)
    }
  }, 2)
  let roots: readonly { readonly pid: number }[] = kernel.ps().filter((one) => one.parent === null)
  if (store.lastSeq() < 0) {
    kernel.spawn(clerk, { name: 'anna', steps: 12 })
    kernel.spawn(clerk, { name: 'bert', steps: 9 })
    kernel.spawn(pair, { name: 'carl', steps: 12 })
    kernel.spawn(family, { name: 'dora', steps: 3 })
    roots = kernel.ps()
  } else kernel.resume()
  await Promise.all(roots.map(async ({ pid }) => say({ type: 'result', pid, value: await kernel.run(pid).result })))
  clearInterval(person)
  await kernel.close()
}

const began = performance.now()
try {
  await main()
} catch (error) {
  say({
    type: 'error',
    ms: performance.now() - began,
    error: { ...toErrorData(error), at: PolityError.isInstance(error) ? undefined : (error as Error).stack },
  })
  process.exitCode = 1
}
