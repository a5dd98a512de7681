/** Messages to a name, among many processes that come and go: they reach all of that name and principal that run, and nobody else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Pid } from '../src/kernel/types.ts'

const NAMES = ['ann', 'bob', 'cleo']
const PRINCIPALS = ['left', 'right']
/** More than are kept before those that have ended are struck off. */
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

/** Begin so many, end every so-manieth, tell, or stop all and go on with them. */
type Deed =
  | { readonly do: 'begin'; readonly name: number; readonly principal: number; readonly count: number }
  | { readonly do: 'end'; readonly every: number }
  | { readonly do: 'tell'; readonly name: number; readonly principal: number }

const place = { name: fc.nat(NAMES.length - 1), principal: fc.nat(PRINCIPALS.length - 1) }
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ do: fc.constant('begin' as const), ...place, count: fc.integer({ min: 1, max: 10 }) }),
  fc.record({ do: fc.constant('end' as const), every: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('tell' as const), ...place }),
)

test('a message to a name reaches all of that name and principal that run, by pid, whoever came and went', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 30 }), async (deeds) => {
      const kernel = createKernel({ store: memoryStore(), limits: { processesEndedMax: 5 } })
      const heard: Pid[] = []
      kernel.watch((event) => void (event.type === 'mail-sent' && heard.push(event.pid)))
      /** Who runs, as we know it. */
      const running = new Map<Pid, { readonly name: string; readonly principal: string }>()
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
            one.do === 'end' ? ['', ''] : [NAMES[one.name] as string, PRINCIPALS[one.principal] as string]
          if (one.do === 'begin') for (let i = 0; i < one.count; i++) begin(name, principal)
          else if (one.do === 'end')
            for (const [i, pid] of [...running.keys()].entries()) {
              if (i % one.every === 0) end(pid)
            }
          else {
            heard.length = 0
            const wanted = [...running].filter(([, who]) => who.name === name && who.principal === principal)
            assert.equal(await kernel.spawn(teller, name, { principal }).result, wanted.length)
            assert.deepEqual(
              heard,
              wanted.map(([pid]) => pid),
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
