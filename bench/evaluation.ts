/**
 * Episodes under the kernel, and HumanEval in the sandbox.
 *
 *     node bench/evaluation.ts                      steps a second through tools, forks with their worlds, in memory
 *     node bench/evaluation.ts humaneval.jsonl      164 right answers and as many wrong ones, each run with its tests
 */
import { readFileSync } from 'node:fs'
import { boot } from '../src/boot.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { craft } from '../src/environments/craft.ts'
import { taskFrom } from '../src/evaluation/dataset.ts'
import type { Told } from '../src/evaluation/episode.ts'
import { ADOPT, spawnEpisode } from '../src/evaluation/episode.ts'
import { evaluate } from '../src/evaluation/evaluate.ts'
import { worldOf } from '../src/evaluation/world.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Pid, Sys } from '../src/kernel/types.ts'
import { median } from './figures.ts'

const [path] = process.argv.slice(2)

const RUNS = 40

/** Goes so deep into an episode, then forks once; returns what each part took, ms. */
const forking = defineProgram('forking', async (sys: Sys, { depth }: { readonly depth: number }) => {
  let at = performance.now()
  for (let i = 0; i < depth; i++) await sys.call<Told>('get', { item: 'nothing known', count: 1 })
  const step = (performance.now() - at) / depth
  at = performance.now()
  const pid: Pid = await sys.fork()
  if (pid === 0) return null
  const fork = performance.now() - at
  await sys.wait(pid)
  const child = performance.now() - at
  at = performance.now()
  await sys.call(ADOPT, { pid })
  return { step, fork, 'fork, until the child has ended': child, adopt: performance.now() - at }
})

if (path === undefined) {
  const task = { params: craft.task(1, 3) as Json, seed: 1 }
  const rows = []
  // The first is to warm up.
  for (const depth of [100, 10, 30, 100, 300]) {
    const kernel = await boot({ model: scripted([]) })
    const times: { [part: string]: number[] } = {}
    for (let i = 0; i < RUNS; i++) {
      const players = { program: forking as never, search: true, input: { depth } }
      const run = await spawnEpisode(kernel, worldOf(craft), task, players)
      const { crafter } = (await run.result).players
      const { output } = crafter as { readonly output: { readonly [part: string]: number } }
      for (const [part, ms] of Object.entries(output)) (times[part] ??= []).push(ms)
    }
    const medians = Object.entries(times).map(([part, ms]) => [`${part}, p50 ms`, Number(median(ms).toFixed(3))])
    rows.push({ 'calls before': depth, ...Object.fromEntries(medians) })
    await kernel.close()
  }
  console.table(rows.slice(1))
} else {
  const task = taskFrom(readFileSync(path, 'utf8'), path, { python: codeTools({ languages: ['python'] }) })
  const targets = task.samples.map(({ target }) => String(target))
  const place = new Map(task.samples.map(({ input }, i) => [input, i]))
  const answers = {
    canonical: (i: number) => targets[i],
    'nothing returned': () => '    return None\n',
    // The body of the next problem, under this one's name.
    'another problem’s': (i: number) => targets[(i + 1) % targets.length],
  }
  const table = []
  for (const [name, answer] of Object.entries(answers)) {
    const kernel = await boot({ model: scripted([]) })
    const program = defineProgram(
      'recorded',
      async (_, { question }: { question: string }) => answer(place.get(question) ?? 0) ?? '',
    )
    const began = performance.now()
    const log = await evaluate(kernel, { tasks: [task], solvers: [{ name, program: program as never }] })
    const passed = log.trials.filter(({ scores }) => scores['unit tests']?.value === 1).length
    table.push({
      answers: name,
      passed: `${passed} of ${log.trials.length}`,
      seconds: Number(((performance.now() - began) / 1_000).toFixed(1)),
    })
    await kernel.close()
  }
  console.table(table)
}
