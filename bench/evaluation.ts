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

const FORKS = 60

/** Goes so deep into an episode, then forks and forks again; returns what each part took, ms. */
const forking = defineProgram('forking', async (sys: Sys, { depth }: { readonly depth: number }) => {
  const times = {
    step: [] as number[],
    fork: [] as number[],
    'fork, until the child has ended': [] as number[],
    adopt: [] as number[],
  }
  for (let i = 0; i < depth; i++) {
    const at = performance.now()
    await sys.call<Told>('get', { item: 'nothing known', count: 1 })
    times.step.push(performance.now() - at)
  }
  for (let i = 0; i < FORKS; i++) {
    let at = performance.now()
    const pid: Pid = await sys.fork()
    if (pid === 0) return null
    times.fork.push(performance.now() - at)
    await sys.wait(pid)
    times['fork, until the child has ended'].push(performance.now() - at)
    at = performance.now()
    await sys.call(ADOPT, { pid })
    times.adopt.push(performance.now() - at)
  }
  return times
})

if (path === undefined) {
  const task = { params: craft.task(1, 3) as Json, seed: 1 }
  const rows = []
  // The first is to warm up.
  for (const depth of [100, 10, 30, 100, 300]) {
    const kernel = await boot({ model: scripted([]) })
    const run = await spawnEpisode(kernel, worldOf(craft), task, {
      program: forking as never,
      search: true,
      input: { depth },
    })
    const { players } = await run.result
    const { output } = players['crafter'] as { output: { [part: string]: number[] } }
    rows.push({
      'calls before': depth,
      ...Object.fromEntries(
        Object.entries(output).map(([part, ms]) => [`${part}, p50 ms`, Number(median(ms).toFixed(3))]),
      ),
    })
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
