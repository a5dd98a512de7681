/**
 * The scheduler admits a model call when the core has room for it. Here is a server with two slots that it does not
 * declare: the kernel learns them from the first refusals (429), and no program ever sees one. Then the same work under
 * two disciplines: under `fair-share`, a principal with two calls does not stand behind one with forty.
 */
// prints: every call was answered
import { simulated } from '../src/drivers/llm/simulated.ts'
import { boot, defineProgram, simulatedClock } from '../src/index.ts'
import type { KernelOptions } from '../src/index.ts'

const crowd = defineProgram('crowd', async (sys, calls: number) => {
  const answers = await Promise.all(Array.from({ length: calls }, (_, i) => sys.generate(`question ${i}`)))
  return answers.length
})

async function serve(discipline: NonNullable<KernelOptions['discipline']>): Promise<void> {
  const clock = simulatedClock({ seed: 1 }) // minutes of simulated time, milliseconds of yours
  const model = simulated({ clock, slots: 2, outputTokens: 100, declare: false })
  const kernel = await boot({ model, clock, discipline })

  const start = clock.now()
  const many = kernel.spawn(crowd, 40, { principal: 'many' })
  const few = kernel.spawn(crowd, 2, { principal: 'few' })
  const answered = (await few.result) + (await many.result)
  const seconds = (run: typeof many) => `${(((run.info().endedAt ?? 0) - start) / 1000).toFixed(1)} s`

  const [core] = kernel.cores
  const { completed, refused, maxInFlight } = model.stats()
  console.log(`${discipline}: few done in ${seconds(few)}, many in ${seconds(many)}`)
  console.log(
    `  ${completed} completed, ${refused} refused while learning, ${maxInFlight} at once, ${core?.slots} slots learned`,
  )
  if (answered === 42) console.log('  every call was answered')
  await kernel.close()
}

await serve('fifo')
await serve('fair-share')
