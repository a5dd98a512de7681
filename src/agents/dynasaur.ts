/**
 * DynaSaur (Nguyen et al. 2024, "DynaSaur: large language agents beyond predefined actions"): actions are code, and the functions of an action
 * that worked are actions from then on.
 *
 *     kernel.spawn(dynasaur, { question })                        // the process holds code.start and code.resume (drivers/sandbox)
 *     kernel.spawn(dynasaur, { question, learn: false })          // uses what there is and keeps nothing: the paper's test mode
 *
 * The model writes JavaScript; functions that it declares at the top level are kept after a step that ended well (skills.ts), described by their
 * comment, or by a model call where they have none. Before the first step the `shown` nearest to the task are listed; a line
 * `Find: words` asks for others, which is the paper's retrieval tool. What a block calls is put before it. At most 20 steps.
 *
 * In the release code is Python in one session; here a block runs alone, with the kept functions it calls, and variables do not live on.
 *
 * Invariants
 *   DY1. A step that failed keeps nothing.
 *   DY2. With `learn: false` the library is the same afterwards.
 */
import { openContext } from '../kernel/context.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { actionTools } from './pieces/acting.ts'
import { codeInstructions, codeOf } from './code-act.ts'
import { codeAction, isCodeTool } from './pieces/code-action.ts'
import { functionsIn, type CodeFunction } from './pieces/code-functions.ts'
import { countUse, findSkills, keepSkill, neededBy, skillsCode, skillsText } from './pieces/skills.ts'

export interface DynasaurInput {
  readonly question: string
  readonly instructions?: string
  /** @default 20, as in the paper */
  readonly stepsMax?: number
  /** Functions that are listed, and that `Find:` gives. @default 10, as in the paper */
  readonly shown?: number
  /** Whether functions are kept. @default true */
  readonly learn?: boolean
  /** Library. @default 'skill' */
  readonly box?: string
}

export interface Dynasaured {
  readonly answer: string | null
  readonly steps: number
  readonly failed: number
  /** Names of functions that were kept, and of kept ones that were used. */
  readonly made: readonly string[]
  readonly reused: readonly string[]
  /** Characters of code that the model wrote. */
  readonly written: number
}

const MANNER = `Write what may be of use again as a function at the top level, with a comment of one line before it that says what it does. Functions of a step that worked are kept; call them by name in later steps.
For other kept functions write a line "Find: " with what they should do, and no code.`
const DESCRIBE = 'Say in one short line what this function does, with what it takes and gives. Write only that line.'

export const dynasaur = defineProgram('dynasaur', async (sys, input: DynasaurInput): Promise<Dynasaured> => {
  const { question, stepsMax = 20, shown = 10, learn = true, box = 'skill' } = input
  const tools = actionTools(sys)
    .map(({ name }) => name)
    .filter((name) => !isCodeTool(name))
  const instructions = [...(input.instructions === undefined ? [] : [input.instructions]), MANNER].join('\n\n')
  const context = openContext({ instructions: codeInstructions(sys, { instructions, tools }) })
  const known = await findSkills(sys, question, { limit: shown, box })
  const list = known.length === 0 ? '' : `\n\nKept functions:\n${skillsText(known)}`
  await context.append({ role: 'user', content: question + list })
  const [made, reused] = [new Set<string>(), new Set<string>()]
  /** Without learning, functions of earlier steps live as long as the run. */
  const own = new Map<string, CodeFunction>()
  let [failed, written] = [0, 0]
  const ended = (answer: string | null, steps: number): Dynasaured => ({
    answer,
    steps,
    failed,
    made: [...made],
    reused: [...reused],
    written,
  })

  for (let step = 1; step <= stepsMax; step++) {
    const answer = await sys.generate({ messages: context.messages })
    await context.append(answer)
    const code = codeOf(answer.text)
    const wanted = /^Find: *(.+)$/m.exec(answer.text)?.[1]
    if (code === undefined && wanted === undefined) return ended(answer.text, step)
    if (code === undefined) {
      const found = await findSkills(sys, wanted as string, { limit: shown, box })
      await context.append({ role: 'user', content: skillsText(found) || 'Nothing like that is kept.' })
      continue
    }
    written += code.length
    const declared = functionsIn(code)
    const names = declared.map(({ name }) => name)
    const needed = await neededBy(sys, code, names, { box })
    const before = [...own.values()].filter(
      ({ name }) => !names.includes(name) && !needed.some((one) => one.name === name),
    )
    const prelude = skillsCode(needed) + before.map(({ source }) => `${source}\n`).join('')
    const { output, value, error } = await codeAction(sys, { code: prelude + code, tools })
    if (error !== undefined) {
      failed++
      await context.append({
        role: 'user',
        content: `${output}Error: ${error.code}: ${error.message}\nTry a different approach.`,
      })
      continue
    }
    for (const { name } of needed) {
      reused.add(name)
      if (learn) await countUse(sys, name, { box })
    }
    for (const one of declared) {
      if (learn) await keepSkill(sys, { ...one, description: one.description || (await describe(sys, one)) }, { box })
      else own.set(one.name, one)
      if (learn) made.add(one.name)
    }
    const said = value === undefined ? output : `${output}Value: ${JSON.stringify(value)}`
    await context.append({ role: 'user', content: said === '' ? 'The code ran and printed nothing.' : said })
  }
  return ended(null, stepsMax)
})

async function describe(sys: Sys, { source }: CodeFunction): Promise<string> {
  const { text } = await sys.generate({ instructions: DESCRIBE, prompt: source, temperature: 0 })
  return text.trim().split('\n')[0] ?? ''
}
