/**
 * What a code action costs: from asking for it to its end, in each language this machine can hold.
 *
 *     node bench/sandbox.ts [--rounds 40] [--form published]
 *
 * `cold` starts its process when it is asked for; `prepared` finds one started (only JavaScript has that); `a call` is one
 * call of a tool from inside and its answer, of an action that makes a hundred, through the kernel. `published` is the
 * JavaScript of `npm run build`; from the sources, Node strips types at every start.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { machine, percentile } from './figures.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '40' }, form: { type: 'string', default: 'sources' } },
})
const rounds = Number(values.rounds)
const isPublished = values.form === 'published'
const root = join(import.meta.dirname, '..', isPublished ? 'dist' : 'src')
const file = (path: string): string => join(root, `${path}.${isPublished ? 'js' : 'ts'}`)
if (!existsSync(file('index'))) throw new Error('there is no dist/index.js: run npm run build first')

const { findWalls, openWalled } = (await import(
  file('drivers/sandbox/bubblewrap')
)) as typeof import('../src/drivers/sandbox/bubblewrap.ts')
const { javaScriptGuests } = (await import(
  file('drivers/sandbox/javascript')
)) as typeof import('../src/drivers/sandbox/javascript.ts')
const { codeTools, guestLimits } = (await import(
  file('drivers/sandbox/tools')
)) as typeof import('../src/drivers/sandbox/tools.ts')
const { codeAction } = (await import(
  file('agents/code-action')
)) as typeof import('../src/agents/pieces/code-action.ts')
const { boot, defineProgram, defineTool } = (await import(file('index'))) as typeof import('../src/index.ts')
const { z } = await import('zod')

type Guest = ReturnType<typeof openWalled>
const start = (code: string) => ({ code, tools: [], now: 0, seed: 1, limits: guestLimits })

async function measure(name: string, open: () => Guest, before?: () => Promise<void>): Promise<void> {
  const took: number[] = []
  for (let round = 0; round < rounds; round++) {
    await before?.()
    const at = performance.now()
    const guest = open()
    const { end } = await guest.next()
    took.push(performance.now() - at)
    if (end?.error !== undefined) throw new Error(end.error.message)
    guest.stop()
  }
  const sorted = took.toSorted((a, b) => a - b)
  console.log(`${name.padEnd(22)} p50 ${percentile(sorted, 0.5)} ms   p95 ${percentile(sorted, 0.95)} ms`)
}

console.log(`${machine()}, ${values.form}, ${rounds} rounds`)
/** The yardstick: the same programs with nothing to do and no walls. */
function bare(name: string, program: string, args: readonly string[]): void {
  const took = Array.from({ length: rounds }, () => {
    const at = performance.now()
    spawnSync(program, args, { env: {} })
    return performance.now() - at
  }).toSorted((a, b) => a - b)
  console.log(`${name.padEnd(22)} p50 ${percentile(took, 0.5)} ms   p95 ${percentile(took, 0.95)} ms`)
}
bare('an empty Node', process.execPath, ['-e', '0'])
bare('an empty python3', '/usr/bin/python3', ['-I', '-c', '0'])
bare('an empty bash', '/usr/bin/bash', ['-c', ':'])
const cold = javaScriptGuests()
await measure('JavaScript, cold', () => cold.open(start('1 + 1')))
const prepared = javaScriptGuests()
await measure(
  'JavaScript, prepared',
  () => prepared.open(start('1 + 1')),
  async () => {
    prepared.prepare()
    await pause(2_000)
  },
)
const { python, shell } = await findWalls()
if (python.isAvailable) await measure('Python', () => openWalled('python', python.plan, start('1 + 1')))
else console.log(`Python: ${python.reason}`)
if (shell.isAvailable) await measure('shell', () => openWalled('shell', shell.plan, start('true')))
else console.log(`shell: ${shell.reason}`)

const echo = defineTool({
  name: 'echo',
  description: 'Says it again.',
  effect: 'read',
  inputSchema: z.unknown(),
  execute: (input) => input,
})
const languages = ['javascript', ...(python.isAvailable ? (['python'] as const) : [])] as const
const kernel = await boot({ tools: [...codeTools({ languages }), echo] as never })
const actions = {
  javascript: 'for (let i = 0; i < 100; i++) await tools.echo(i)',
  python: 'for i in range(100): tools.echo(i)',
}
for (const language of languages) {
  const program = defineProgram(`calls-${language}`, async (sys, code: string) => {
    const { error } = await codeAction(sys, { language, code })
    if (error !== undefined) throw new Error(error.message)
  })
  const empty: number[] = []
  const full: number[] = []
  for (let round = 0; round < Math.ceil(rounds / 8); round++) {
    for (const [code, list] of [
      ['1', empty],
      [actions[language], full],
    ] as const) {
      await pause(1_000)
      const at = performance.now()
      await kernel.spawn(program, code).result
      list.push(performance.now() - at)
    }
  }
  const p50 = (list: number[]): number =>
    percentile(
      list.toSorted((a, b) => a - b),
      0.5,
    )
  console.log(`${`a call, ${language}`.padEnd(22)} ${((p50(full) - p50(empty)) / 100).toFixed(2)} ms`)
}
await kernel.close()
