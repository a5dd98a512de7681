/**
 * P10, turns. Twenty tasks, each to add up what a tool says of 2 to 12 things: `code-act` writes a loop, run in the real sandbox, `react`
 * asks for one call a turn, as its model is scripted to; both have to be right. Then `smart` on planted utilities: of 400 questions
 * most are known without the tool; with its gate and without, by a model that is as sure as it is right.
 */
import { z } from 'zod'
import { boot } from './experiment.ts'
import { codeAct } from '../../src/agents/code-act.ts'
import { react } from '../../src/agents/react.ts'
import { smart, type Smart } from '../../src/agents/smart.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { codeTools } from '../../src/drivers/sandbox/tools.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import { defineTool } from '../../src/kernel/tools.ts'
import type { Tool } from '../../src/kernel/types.ts'
import type { Experiment } from './experiment.ts'

const TASKS = 20
const QUESTIONS = 400
const COST = 0.1
/** Chance of the tool, and of the model where it knows, to be right. */
const SURE = 0.98

const priceOf = (item: number): number => (item * 37) % 101
const price = defineTool({
  name: 'price',
  description: 'The price of one thing, by its number.',
  effect: 'read',
  inputSchema: z.object({ item: z.number() }),
  execute: ({ item }) => priceOf(item),
}) as Tool
const facts = defineTool({
  name: 'facts',
  description: 'Knows the answer to any question, by its number.',
  effect: 'read',
  inputSchema: z.object({ question: z.number() }),
  execute: ({ question }) => `The answer is ${randomAt(2, question, 0) < SURE ? question * 7 : 1}.`,
}) as Tool

/** Things of a task: 2 to 12 of them. */
const itemsOf = (task: number): number[] =>
  Array.from({ length: 2 + Math.floor(randomAt(task, 0, 0) * 11) }, (_, i) => 10 * task + i)

/** A model that adds up what it was told, one call a turn. */
const byCalls = scripted((call) => {
  const prompt = promptText(call.prompt)
  const items = (/things (.*?)\?/.exec(prompt)?.[1] ?? '').split(' ').map(Number)
  const told = call.prompt.filter(({ role }) => role === 'tool').length
  const next = items[told]
  if (next !== undefined) return { toolCalls: [{ name: 'price', input: { item: next } }] }
  return String(items.reduce((sum, item) => sum + priceOf(item), 0))
})

/** A model that writes a loop, and says what it printed. */
const byCode = scripted((call) => {
  const prompt = promptText(call.prompt)
  const printed = /Output:\n(\d+)/.exec(prompt)?.[1]
  if (printed !== undefined) return printed
  const items = (/things (.*?)\?/.exec(prompt)?.[1] ?? '').split(' ').join(', ')
  return `\`\`\`js\nlet sum = 0\nfor (const item of [${items}]) sum += await tools.price({ item })\nconsole.log(sum)\n\`\`\``
})

/** How likely the model is right by itself: where it knows, which is four times in five, as likely as with the tool. */
const chanceOf = (question: number): number => (randomAt(1, question, 0) < 0.8 ? SURE : 0.1)
const knows = (question: number): boolean => randomAt(1, question, 1) < chanceOf(question)

/** A model that marks a tool for every question, says how sure it is, and answers by the result or by itself. */
const byMarks = scripted((call) => {
  const prompt = promptText(call.prompt)
  const question = Number(/question (\d+)/.exec(prompt)?.[1])
  if (prompt.includes('How likely is the step right'))
    return JSON.stringify({ without: chanceOf(question), with: SURE })
  const told = /The answer is (\d+)/.exec(prompt)?.[1]
  if (told !== undefined) return `[[Answer]] ${told}`
  if (prompt.includes('answer this step from what you know'))
    return `[[Answer]] ${knows(question) ? question * 7 : 'wrong'}`
  return `[[Tool]] {"name": "facts", "args": {"question": ${question}}}`
})

export const p10: Experiment = {
  id: 'P10',
  what: 'code against calls, 20 tasks; a gate before tools, 400 questions',
  bar: 'code-act turns ≤ 50 % of react’s, all right; smart’s calls - ≥ 60 % at equal accuracy (within .02)',
  seeds: 1,
  async run() {
    const [calls, code] = await Promise.all([
      boot({ model: byCalls, tools: [price] }),
      boot({ model: byCode, tools: [price, ...codeTools()] }),
    ])
    let [turnsCalls, turnsCode, right] = [0, 0, 0]
    for (let task = 0; task < TASKS; task++) {
      const items = itemsOf(task)
      const question = `What do the things ${items.join(' ')}? Add their prices up.`
      const truth = String(items.reduce((sum, item) => sum + priceOf(item), 0))
      const [one, two] = [calls.spawn(react, { question, stepsMax: 30 }), code.spawn(codeAct, { question })]
      const answers = await Promise.all([one.result, two.result])
      right += answers.filter((answer) => answer === truth).length
      turnsCalls += one.usage.steps
      turnsCode += two.usage.steps
    }
    await Promise.all([calls.close(), code.close()])

    const kernel = await boot({ model: byMarks, tools: [facts] })
    const all = defineProgram('p10/questions', async (sys, gated: boolean) => {
      let [toolCalls, answered] = [0, 0]
      for (let question = 1; question <= QUESTIONS; question++) {
        const pid = await sys.spawn(smart, {
          question: `Answer question ${question}.`,
          ...(gated ? { gate: { cost: COST } } : {}),
        })
        const found = (await sys.wait(pid)) as unknown as Smart
        toolCalls += found.toolCalls
        if (found.answer === String(question * 7)) answered++
      }
      return { toolCalls, accuracy: answered / QUESTIONS }
    })
    const [plain, gated] = [await kernel.spawn(all, false).result, await kernel.spawn(all, true).result]
    await kernel.close()
    // What a gate calls that knows every chance: the best there is on the planted table, at this cost.
    const best = Array.from({ length: QUESTIONS }, (_, i) => chanceOf(i + 1)).filter(
      (chance) => SURE - chance > COST,
    ).length
    const share = turnsCode / turnsCalls
    const fewer = 1 - gated.toolCalls / plain.toolCalls
    return {
      measured: `${turnsCode} turns of code for ${turnsCalls} (${(100 * share).toFixed(0)} %), ${right} of ${2 * TASKS} right; calls - ${(100 * fewer).toFixed(0)} % with accuracy ${gated.accuracy.toFixed(3)} for ${plain.accuracy.toFixed(3)}, regret of the gate ${Math.abs(gated.toolCalls - best)} calls`,
      ok:
        share <= 0.5 &&
        right === 2 * TASKS &&
        fewer >= 0.6 &&
        gated.accuracy >= plain.accuracy - 0.02 &&
        gated.toolCalls === best,
    }
  },
}
