/**
 * A tool: a checked function that the world may feel. The kernel checks its arguments before the law sees them, freezes
 * them, runs it with a deadline, and journals what came back.
 */
// prints: EUR 107.00
import { z } from 'zod'
import { PolityError, boot, defineTool } from '../src/index.ts'

const addTax = defineTool({
  name: 'add_tax',
  description: 'Adds value added tax to a net amount.',
  effect: 'read', // repeated after a crash without asking anybody
  inputSchema: z.object({ net: z.number().positive(), percent: z.number().default(7) }),
  execute: ({ net, percent }) => ({ gross: `EUR ${(net * (1 + percent / 100)).toFixed(2)}` }),
})

const kernel = await boot({ tools: [addTax] })

const run = kernel.spawn(async (sys) => {
  console.log('a model sees:', JSON.stringify(sys.tools[0]?.inputSchema))
  console.log('result:', await sys.call('add_tax', { net: 100 })) // percent is filled in by the schema
  try {
    await sys.call('add_tax', { net: -1 })
  } catch (error) {
    if (!PolityError.isInstance(error)) throw error
    console.log('error:', error.code, '—', error.message)
  }
}, null)

await run.result
await kernel.close()
