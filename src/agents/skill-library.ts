/**
 * A skill library (Wang et al. 2023, "Voyager: an open-ended embodied agent with large language models"): a curriculum proposes the next task, code is written
 * for it with the skills that are near, a critic says whether it worked, and what worked becomes a skill.
 *
 *     spawnEpisode(kernel, world, task, { program: skillLibrary, input: { tasksMax: 20 }, tools: codeTools() })
 *
 * Code acts on the world through the action tools, in the sandbox (code-action.ts). A task has four tries; each sees what the last one
 * printed, its error and the critic's words. The five skills nearest to the task and to the last failure are shown; what code calls is loaded
 * with all that it calls (skills.ts). Constants are the release's: 160 tasks, four tries, five skills. Its warm-up (observations that are
 * revealed one after another) and its question-answer context belong to its game and are left out.
 *
 * Invariants
 *   SL1. A task that failed adds no skill; it is told to the curriculum as failed.
 *   SL2. A skill of the same name takes the place of the earlier one, which stays in its history.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { actionTools, actionsText, canLook, look } from './pieces/acting.ts'
import { codeOf } from './code-act.ts'
import { codeAction, codeToolNames } from './pieces/code-action.ts'
import { functionsIn } from './pieces/code-functions.ts'
import { askJson } from './pieces/json-answer.ts'
import { findSkills, keepSkill, neededBy, skillsCode, skillsText, type Skill } from './pieces/skills.ts'
import { whileItLasts } from './pieces/while-it-lasts.ts'

export interface SkillLibraryInput {
  /** What the whole is for. */
  readonly question: string
  /** @default 160, as in the release */
  readonly tasksMax?: number
  /** @default 4, as in the release */
  readonly triesMax?: number
  /** @default 5, as in the release */
  readonly shown?: number
  /** Library. @default 'skill' */
  readonly box?: string
}

export interface SkillLibraried {
  readonly completed: readonly string[]
  readonly failed: readonly string[]
  /** Names of the skills that were added, in their order; one that was written anew stands again. */
  readonly added: readonly string[]
  readonly tries: number
}

const NEXT =
  'Propose the next task: one that is new, not too hard for what was completed, and of use for the whole. Answer with JSON: {"task": "…"}, an empty text where nothing is left to do.'
const CODE = `Write JavaScript for the task: one async function with a name that says what it does in general and a comment of one line before it, and a call of it. Call actions with \`await tools.name(input)\`; print what should be seen with \`console.log\`. Skills listed may be called by name.
Write one block between \`\`\` fences.`
const JUDGE =
  'Did the code do the task? Answer with JSON: {"success": true or false, "critique": "what to do otherwise"}.'
const DESCRIBE = 'Say in one short line what this function does. Write only that line.'

const proposed = z.object({ task: z.string() })
const judged = z.object({ success: z.boolean(), critique: z.string().optional() })

export const skillLibrary = defineProgram(
  'skill-library',
  async (sys, input: SkillLibraryInput): Promise<SkillLibraried> => {
    const { question, tasksMax = 160 } = input
    const [completed, failed, added]: [string[], string[], string[]] = [[], [], []]
    let tries = 0
    await whileItLasts(async () => {
      for (let count = 0; count < tasksMax; count++) {
        const told = [
          `Purpose: ${question}`,
          await present(sys),
          `Completed: ${completed.join('; ') || 'nothing yet'}`,
          `Failed: ${failed.join('; ') || 'nothing'}`,
        ]
        const next = await askJson(sys, { instructions: NEXT, prompt: told.join('\n\n') }, proposed)
        if (next === undefined || next.task.trim() === '') return
        const ended = await carryOut(sys, next.task, input, () => tries++)
        if (ended === undefined) failed.push(next.task)
        else {
          completed.push(next.task)
          added.push(...ended.map(({ name }) => name))
          if (await isOver(sys)) return
        }
      }
    })
    return { completed, failed, added, tries }
  },
)

/** The skills that a task gave; undefined: it failed. */
async function carryOut(
  sys: Sys,
  task: string,
  { triesMax = 4, shown = 5, box = 'skill' }: SkillLibraryInput,
  count: () => void,
): Promise<readonly Skill[] | undefined> {
  const tools = actionTools(sys).filter(({ name }) => name !== codeToolNames.start && name !== codeToolNames.resume)
  let last = ''
  for (let attempt = 0; attempt < triesMax; attempt++) {
    count()
    const skills = await findSkills(sys, `${task}\n${last}`.slice(0, QUERY_CHARS_MAX), { limit: shown, box })
    const prompt = [
      `Task: ${task}`,
      await present(sys),
      skills.length === 0 ? '' : `Skills:\n${skillsText(skills)}`,
      last,
    ]
    const { text } = await sys.generate({
      instructions: `${CODE}\n\n${actionsText(tools)}`,
      prompt: prompt.filter((one) => one !== '').join('\n\n'),
      temperature: 0,
    })
    const code = codeOf(text)
    if (code === undefined) {
      last = 'Your last answer had no block of code.'
      continue
    }
    const declared = functionsIn(code)
    const needed = await neededBy(
      sys,
      code,
      declared.map(({ name }) => name),
      { box },
    )
    const { output, error } = await codeAction(sys, {
      code: skillsCode(needed) + code,
      tools: tools.map(({ name }) => name),
    })
    const seen = `Code:\n${code}\n\nPrinted:\n${output}${error === undefined ? '' : `\nError: ${error.message}`}`
    const verdict =
      error === undefined
        ? await askJson(
            sys,
            { instructions: JUDGE, prompt: [`Task: ${task}`, await present(sys), seen].join('\n\n') },
            judged,
          )
        : undefined
    if (verdict?.success === true) {
      const kept: Skill[] = []
      for (const one of declared)
        kept.push(
          await keepSkill(sys, { ...one, description: one.description || (await describe(sys, one.source)) }, { box }),
        )
      return kept
    }
    last = `Your last try:\n${seen}${verdict?.critique === undefined ? '' : `\nCritique: ${verdict.critique}`}`
  }
  return undefined
}

const QUERY_CHARS_MAX = 2_000

async function describe(sys: Sys, source: string): Promise<string> {
  return (await sys.generate({ instructions: DESCRIBE, prompt: source, temperature: 0 })).text.trim()
}

/** Where the world stands; empty outside of one. */
async function present(sys: Sys): Promise<string> {
  return canLook(sys) ? `Now: ${(await look(sys)).text}` : ''
}

async function isOver(sys: Sys): Promise<boolean> {
  return canLook(sys) && (await look(sys)).done
}
