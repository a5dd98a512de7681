/**
 * T2, skills: three families of tasks, four tasks each, over one library. A task of a family needs three of its four sub-routines and a last
 * block that puts them together. A simulated model writes one missing sub-routine a step, tries it, and calls those that it is shown; one
 * of three of these steps throws. Code runs in the real sandbox. The same tasks, by the same model, without what was kept are the measure.
 */
import { dynasaur, type Dynasaured } from '../../src/agents/dynasaur.ts'
import { boot } from './experiment.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { codeTools } from '../../src/drivers/sandbox/tools.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import type { Tool } from '../../src/kernel/types.ts'
import type { Experiment } from './experiment.ts'

const FAMILIES = ['orders', 'sensors', 'visitors']
const TASKS = 4
const FAILS = 1 / 3

const parts = {
  parse: (f: number) => ({
    about: 'Reads the numbers of a text',
    body: `return text.split(/[^0-9]+/).filter(Boolean).map(Number).map((n) => n + ${f})`,
  }),
  clean: (f: number) => ({
    about: 'Leaves out values that are too large',
    body: `const kept = []\n  for (const value of text) {\n    if (value <= ${60 + f}) kept.push(value)\n  }\n  return kept`,
  }),
  scale: (f: number) => ({
    about: 'Converts values into the other unit',
    body: `const factor = ${2 + f}\n  return text.map((value) => {\n    const scaled = value * factor\n    return scaled - 1\n  })`,
  }),
  rank: (f: number) => ({
    about: 'Takes the highest values',
    body: `const sorted = [...text].sort((a, b) => b - a)\n  const count = Math.min(${3 + f}, sorted.length)\n  return sorted.slice(0, count)`,
  }),
}
type Part = keyof typeof parts
const nameOf = (part: Part, family: number): string => `${part}_${FAMILIES[family]}`
const codeFor = (part: Part, family: number): string => {
  const { about, body } = parts[part](family)
  return `// ${about} of ${FAMILIES[family]}.\nfunction ${nameOf(part, family)}(text) {\n  ${body}\n}`
}

interface Planned {
  readonly family: number
  readonly needs: readonly Part[]
  readonly text: string
}

function taskOf(family: number, at: number): Planned {
  const others: Part[] = ['clean', 'scale', 'rank']
  const left = Math.floor(randomAt(family, 1, at) * others.length)
  const text = Array.from({ length: 6 }, (_, i) => Math.floor(randomAt(family, 2, 10 * at + i) * 99)).join(' ; ')
  return { family, needs: ['parse', ...others.filter((_, i) => i !== left)], text }
}
const questionOf = ({ family, needs, text }: Planned, at: number): string =>
  `Task ${family}.${at}: take the ${FAMILIES[family]} "${text}" and do: ${needs.join(', ')}; then add them up.`

/** What it comes to, reckoned here. */
function truthOf({ family, needs, text }: Planned): number {
  let values = text.split(' ; ').map((one) => Number(one) + family)
  if (needs.includes('clean')) values = values.filter((value) => value <= 60 + family)
  if (needs.includes('scale')) values = values.map((value) => value * (2 + family) - 1)
  if (needs.includes('rank')) values = values.toSorted((a, b) => b - a).slice(0, 3 + family)
  return values.reduce((sum, value) => sum + value, 0)
}

const model = scripted((call) => {
  const prompt = promptText(call.prompt)
  const [, family, at, text, list] = /Task (\d+)\.(\d+): take the \w+ "(.*?)" and do: (.*?);/.exec(prompt) ?? []
  const f = Number(family)
  const needs = (list ?? '').split(', ') as Part[]
  const total = /Total: (\d+)/.exec(prompt)?.[1]
  if (total !== undefined) return total
  const steps = call.prompt.filter(({ role }) => role === 'assistant').length
  const names = new Set(
    [...prompt.matchAll(/^- (\w+)\(/gm), ...prompt.matchAll(/works: (\w+)/g)].map(([, name]) => name as string),
  )
  const missing = needs.find((part) => !names.has(nameOf(part, f)))
  if (missing !== undefined) {
    const throws = randomAt(f, 3, 100 * Number(at) + steps) < FAILS
    const tried = throws ? 'throw new Error("a slip")' : `console.log("works: ${nameOf(missing, f)}")`
    return `\`\`\`js\n${codeFor(missing, f)}\n${tried}\n\`\`\``
  }
  const nested = needs.reduce((inner, part) => `${nameOf(part, f)}(${inner})`, JSON.stringify(text))
  return `\`\`\`js\nlet sum = 0\nfor (const value of ${nested}) sum += value\nconsole.log("Total: " + sum)\n\`\`\``
})

const count = defineProgram(
  't2/count',
  async (sys, box: string) => (await sys.recall('', { tag: box, limit: 100 })).length,
)

export const t2: Experiment = {
  id: 'T2',
  what: `skills, ${FAMILIES.length} families of ${TASKS} tasks with shared sub-routines`,
  bar: 'from the third task on new code ≤ 50 %, steps - ≥ 30 %; a step that failed adds no skill; all right',
  seeds: 1,
  async run() {
    const kernel = await boot({ model, tools: [...codeTools()] as Tool[] })
    const sum = { code: [0, 0], steps: [0, 0] }
    let [right, failed, kept, made] = [0, 0, 0, 0]
    const unexpected: string[] = []
    for (let at = 0; at < TASKS; at++)
      for (let family = 0; family < FAMILIES.length; family++) {
        const task = taskOf(family, at)
        const question = questionOf(task, at)
        const before = await kernel.spawn(count, 'skill').result
        const [bare, own]: Dynasaured[] = await Promise.all([
          kernel.spawn(dynasaur, { question, learn: false, box: `none ${family} ${at}` }).result,
          kernel.spawn(dynasaur, { question }).result,
        ])
        if (bare === undefined || own === undefined) continue
        for (const one of [bare, own]) if (one.answer === String(truthOf(task))) right++
        const after = await kernel.spawn(count, 'skill').result
        failed += own.failed
        made += own.made.length
        kept += after - before
        if (after - before !== own.made.length) unexpected.push(question)
        if (at < 2) continue
        for (const [i, one] of [own, bare].entries()) {
          sum.code[i] = (sum.code[i] ?? 0) + one.written
          sum.steps[i] = (sum.steps[i] ?? 0) + one.steps
        }
      }
    await kernel.close()
    const code = (sum.code[0] ?? 0) / (sum.code[1] ?? 1)
    const fewer = 1 - (sum.steps[0] ?? 0) / (sum.steps[1] ?? 1)
    const tasks = FAMILIES.length * TASKS
    return {
      measured: `code ${(100 * code).toFixed(0)} %, steps - ${(100 * fewer).toFixed(0)} %; ${kept} skills from ${made} functions that worked, ${failed} steps failed; ${right} of ${2 * tasks} right`,
      ok: code <= 0.5 && fewer >= 0.3 && right === 2 * tasks && unexpected.length === 0,
    }
  },
}
