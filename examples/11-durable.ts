/**
 * A run outlives its kernel. The first kernel is closed in the middle; the second opens the same store and resumes. The
 * program is called again from its first line and learns from the journal what it already knew: no call is made twice.
 */
// prints: billed 3 times in all
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { boot, defineProgram, defineTool } from '../src/index.ts'

using folder = mkdtempDisposableSync(join(tmpdir(), 'polity-durable-'))
const store = join(folder.path, 'billing.db')

let billed = 0
const bill = defineTool({
  name: 'bill',
  description: 'Sends a bill.',
  effect: 'once', // after a crash in the middle of it, a person is asked
  inputSchema: z.object({ customer: z.string() }),
  execute: ({ customer }) => `bill ${++billed} to ${customer}`,
})

const billing = defineProgram(
  'billing',
  async (sys, customers: string[]) => {
    const sent: string[] = []
    for (const customer of customers) {
      sent.push(await sys.call<string>('bill', { customer }))
      await sys.sleep(100)
    }
    return sent
  },
  { tools: [bill] },
)

const first = await boot({ store, programs: [billing] })
const { pid } = first.spawn(billing, ['Ada', 'Bob', 'Cy'])
await new Promise((resolve) => setTimeout(resolve, 150))
await first.close()
console.log(`the first kernel closed after ${billed} bills`)

const second = await boot({ store, programs: [billing] })
console.log(
  'found:',
  second
    .ps()
    .map((one) => `process ${one.pid} ${one.state}`)
    .join(),
)
const [run] = second.resume(pid)
console.log(await run?.result)
console.log(`billed ${billed} times in all`)
await second.close()
