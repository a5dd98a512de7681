/**
 * A team for Magentic-One on what every kernel has: somebody who writes code, somebody who runs it, somebody who works with files.
 *
 *     spawn(magenticOne({ team: magenticTeam() }), { task })      // the process holds code.start and code.resume (drivers/sandbox)
 *
 * Coder is a model call and runs nothing. ComputerTerminal is no model: it runs the last block of code of the talk in the sandbox. FileSurfer reads
 * and writes the files of the process tree (file-actions.ts). The paper's WebSurfer needs a browser: give a program that has one, such as
 * `occam` in a world of pages. Each is of use alone: a talk is a text that ends with what is wanted. The options are part of the
 * version of a program, so that two teams in one kernel are told apart.
 */
import { defineProgram } from '../kernel/program.ts'
import type { Program, Sys } from '../kernel/types.ts'
import type { Worker } from './pieces/workers.ts'
import { observationOf } from './code-act.ts'
import { codeAction, codeToolNames, type CodeLanguage } from './pieces/code-action.ts'
import { carryOut, FILE_ACTIONS, fileAction, pathsIn } from './pieces/file-actions.ts'
import { askJson } from './pieces/json-answer.ts'

export interface MagenticTeamOptions {
  /** Of the code. @default 'javascript' */
  readonly language?: CodeLanguage
  /** Path before the files that are worked with, with `/` at its end. @default '', all of them */
  readonly folder?: string
  /** Actions of FileSurfer for one instruction. @default 10 */
  readonly fileStepsMax?: number
}

const CODE = `You are the coder of a team. Do what you are told last: write code, mend it, or reason about it. Code is one block between \`\`\` fences, whole and in LANGUAGE; ComputerTerminal runs it, alone and without network, and shows what it prints.`
const FILES = `You work with files and do what you are told last, one action at a time, as JSON: ${FILE_ACTIONS}
"done" says what you found or did. There is one instruction only.`

export function magenticTeam({
  language = 'javascript',
  folder = '',
  fileStepsMax = 10,
}: MagenticTeamOptions = {}): Worker[] {
  return [
    {
      name: 'Coder',
      description: `Writes and mends code in ${language}, and reasons about what was found; runs nothing.`,
      program: coder(language),
    },
    {
      name: 'ComputerTerminal',
      description: 'Runs the last block of code that was written, and says what it printed; decides nothing.',
      program: terminal(language),
      tools: Object.values(codeToolNames),
    },
    {
      name: 'FileSurfer',
      description: 'Lists, reads, writes and removes files.',
      program: fileSurfer(folder, fileStepsMax),
    },
  ]
}

function coder(language: CodeLanguage): Program<string, string> {
  const instructions = CODE.replace('LANGUAGE', language)
  return defineProgram(
    'magentic-one/coder',
    async (sys, talk: string) => (await sys.generate({ instructions, prompt: talk })).text,
    {
      version: language,
    },
  )
}

function terminal(language: CodeLanguage): Program<string, string> {
  const run = async (sys: Sys, talk: string): Promise<string> => {
    const code = lastCodeOf(talk)
    if (code === undefined) return 'There is no block of code to run. Coder has to write one first.'
    return observationOf(await codeAction(sys, { code, language, tools: [] }))
  }
  return defineProgram('magentic-one/terminal', run, { version: language })
}

function fileSurfer(folder: string, stepsMax: number): Program<string, string> {
  const work = async (sys: Sys, talk: string): Promise<string> => {
    const done: string[] = []
    for (let step = 0; step < stepsMax; step++) {
      const paths = (await pathsIn(sys, folder)).slice(0, PATHS_MAX).join('\n') || 'none'
      const prompt = [talk, `Files:\n${paths}`, ...done].join('\n\n')
      const wanted = await askJson(sys, { instructions: FILES, prompt }, fileAction)
      if (wanted === undefined) return 'No action on files could be read.'
      if (wanted.action === 'done') return wanted.text
      const { said } =
        wanted.action === 'instruct'
          ? { said: 'there is one instruction only' }
          : await carryOut(sys, wanted, { folder })
      done.push(`${JSON.stringify(wanted)}:\n${said}`)
    }
    return `After ${stepsMax} actions on files it was not done:\n${done.at(-1) ?? ''}`
  }
  return defineProgram('magentic-one/file-surfer', work, { version: `${stepsMax} in /${folder}` })
}

/** Files that are listed. */
const PATHS_MAX = 200

/** The last whole block of code in a text. */
export function lastCodeOf(text: string): string | undefined {
  return [...text.matchAll(/^```[\w-]*[ \t]*\n([\s\S]*?)^```[ \t]*$/gm)].at(-1)?.[1]
}
