/** Messages to a name, among many processes that come and go: they reach all of that name and principal that run, and nobody else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Journal } from '../src/kernel/journal.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defaultLimits } from '../src/kernel/limits.ts'
import { createMailbox } from '../src/kernel/mailbox.ts'
import type { Process } from '../src/kernel/process.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Pid } from '../src/kernel/types.ts'
import { lasting } from './world.ts'

const NAMES = ['ann', 'bob', 'cleo']
const PRINCIPALS = ['left', 'right']
const [STAY, ENDED] = [200, 5_000]
const LEFT = 200

const waiter = defineProgram('waiter', async (sys, _: null) => {
  for (;;) await sys.receive()
})
const teller = defineProgram('teller', async (sys, name: string) => {
  try {
    return await sys.send(name, 'hear me')
  } catch {
    return 0
  }
})

/** Begin so many, end every so-manieth of those that run, tell, stop all with their kernel, or go on with all that are stopped. */
type Deed =
  | { readonly do: 'begin'; readonly name: number; readonly principal: number; readonly count: number }
  | { readonly do: 'end'; readonly every: number }
  | { readonly do: 'tell'; readonly name: number; readonly principal: number }
  | { readonly do: 'stop' }
  | { readonly do: 'go on' }

interface Who {
  readonly name: string
  readonly principal: string
}

const place = { name: fc.nat(NAMES.length - 1), principal: fc.nat(PRINCIPALS.length - 1) }
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ do: fc.constant('begin' as const), ...place, count: fc.integer({ min: 1, max: 10 }) }),
  fc.record({ do: fc.constant('end' as const), every: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('tell' as const), ...place }),
  fc.constantFrom<Deed>({ do: 'stop' }, { do: 'go on' }),
)

test('a message to a name reaches all of that name and principal that run, by pid, whoever came and went', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 30 }), async (deeds) => {
      const store = lasting()
      const heard: Pid[] = []
      const boot = (): Kernel => {
        const booted = createKernel({ store, programs: [waiter, teller], limits: { processesEndedMax: 5 } })
        booted.watch((event) => void (event.type === 'mail-sent' && heard.push(event.pid)))
        return booted
      }
      let kernel = boot()
      /** Who runs and who is stopped, as we know it. */
      const running = new Map<Pid, Who>()
      const stopped = new Map<Pid, Who>()
      const begin = (name: string, principal: string): Pid => {
        const run = kernel.spawn(waiter, null, { name, principal })
        run.result.catch(() => {})
        running.set(run.pid, { name, principal })
        return run.pid
      }
      const end = (pid: Pid): void => {
        kernel.run(pid).kill()
        running.delete(pid)
      }
      try {
        // Three who stay, among many who have left: whoever strikes off those must not strike these.
        for (const name of NAMES) begin(name, 'left')
        const left = Array.from({ length: LEFT }, (_, i) => {
          const pid = begin(NAMES[i % NAMES.length] as string, 'left')
          const { result } = kernel.run(pid)
          end(pid)
          return result
        })
        await Promise.allSettled(left)
        begin('ann', 'right')
        for (const one of deeds) {
          const [name, principal] =
            'name' in one ? [NAMES[one.name] as string, PRINCIPALS[one.principal] as string] : ['', '']
          if (one.do === 'begin') for (let i = 0; i < one.count; i++) begin(name, principal)
          else if (one.do === 'stop') {
            await kernel.close()
            kernel = boot()
            for (const [pid, who] of running) stopped.set(pid, who)
            running.clear()
          } else if (one.do === 'go on') {
            for (const { pid, result } of kernel.resume()) {
              result.catch(() => {})
              running.set(pid, stopped.get(pid) as Who)
            }
            stopped.clear()
          } else if (one.do === 'end')
            for (const [i, pid] of [...running.keys()].entries()) {
              if (i % one.every === 0) end(pid)
            }
          else {
            heard.length = 0
            const wanted = [...running].filter(([, who]) => who.name === name && who.principal === principal)
            assert.equal(await kernel.spawn(teller, name, { principal }).result, wanted.length)
            assert.deepEqual(
              heard,
              wanted.map(([pid]) => pid).toSorted((a, b) => a - b),
            )
          }
        }
      } finally {
        await kernel.close()
      }
    }),
    { numRuns: 30 },
  )
})

test('whoever has ended is not looked at when its name is sent to', () => {
  const { enlist, strike, named } = createMailbox({ journal: {} as Journal, limits: defaultLimits, end: () => {} })
  let looked = 0
  const begin = (pid: Pid): Process => {
    const process = {
      pid,
      principal: 'left',
      start: { name: 'ann' },
      get state() {
        looked++
        return 'running'
      },
    } as unknown as Process
    enlist(process)
    return process
  }
  const [first] = Array.from({ length: STAY }, (_, i) => begin(i + 1)) as [Process]
  for (let pid = STAY + 1; pid <= STAY + ENDED; pid++) strike(begin(pid))
  assert.equal(looked, 0)
  assert.equal(named(first, 'ann').length, STAY)
  assert.equal(looked, STAY)
})
