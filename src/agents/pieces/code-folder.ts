/**
 * A folder of code as an agent works on it: one action at a time, each said in words, and edits that can be undone.
 *
 *     const work = openCodeFolder({ folder: 'work/' })
 *     await work(sys, { name: 'edit', args: { path: 'main.js', instruction: 'Print the mean.' } })      // the diff
 *     await work(sys, { name: 'run', args: { path: 'main.js' } })                                       // what it printed; throws where it fails
 *
 * Without a model: list, view, run (a JavaScript file, with the files beside it as modules, in the sandbox), undo, diff. With one:
 * understand (what is in a file) and edit (a file, whole).
 *
 * Invariant
 *   CF1. Undo gives back the bytes of the file before its last edit; of edits undone in turn, each its own. A file that an edit made is removed.
 */
import { z } from 'zod'
import { unifiedDiff } from '../../kernel/diff.ts'
import { PolityError } from '../../kernel/errors.ts'
import { inputOf } from '../../kernel/input-form.ts'
import type { ModelChoice, Sys } from '../../kernel/types.ts'
import type { Action } from './acting.ts'
import { filesIn } from '../agentless.ts'
import { codeOf } from '../code-act.ts'
import { runTests } from './repository-run.ts'

export interface CodeFolderOptions {
  /** Path among the files of the process, with `/` at its end. */
  readonly folder: string
  /** The model that understands and edits. @default the kernel's */
  readonly model?: ModelChoice
}

/** What a model is told of the actions. */
export const FOLDER_ACTIONS = `list {}, view {"path", "from": first line, "to": last line}, run {"path"}, undo {"path"}, diff {"path"}, understand {"path", "question"}, edit {"path", "instruction"}`

const UNDERSTAND = 'Answer the question about the file in a few sentences.'
const EDIT = 'Write the file anew by the instruction, whole, in one block between ``` fences.'

const path = z.string().min(1)
const actions = z.discriminatedUnion('name', [
  z.object({ name: z.literal('list') }),
  z.object({
    name: z.literal('view'),
    path,
    from: z.number().int().min(1).default(1),
    to: z.number().int().optional(),
  }),
  z.object({ name: z.literal('run'), path }),
  z.object({ name: z.literal('undo'), path }),
  z.object({ name: z.literal('diff'), path }),
  z.object({ name: z.literal('understand'), path, question: z.string() }),
  z.object({ name: z.literal('edit'), path, instruction: z.string() }),
])

/** The folder, with what its files were before each edit. What is returned does one action, and throws what went wrong. */
export function openCodeFolder({ folder, model }: CodeFolderOptions) {
  const before = new Map<string, (string | undefined)[]>()
  const asked = model === undefined ? {} : { model }
  return async (sys: Sys, { name, args }: Action): Promise<string> => {
    const action = inputOf(name, actions, { ...args, name })
    const files = await filesIn(sys, folder)
    if (action.name === 'list')
      return (
        Object.keys(files)
          .map((one) => one.slice(folder.length))
          .join('\n') || 'There are no files.'
      )
    const at = folder + action.path
    const text = files[at]
    const stack = before.get(at) ?? []
    if (action.name === 'undo') {
      if (stack.length === 0)
        throw new PolityError('INVALID_ARGUMENT', `${action.path} has no edit that could be undone`)
      const last = stack.pop()
      await (last === undefined ? sys.remove(at) : sys.write(at, last))
      return `${action.path} is as it was before its last edit.`
    }
    if (text === undefined && action.name !== 'edit')
      throw new PolityError(
        'INVALID_ARGUMENT',
        `there is no file ${action.path}; there are ${Object.keys(files).length} others`,
      )
    switch (action.name) {
      case 'view':
        return (text as string)
          .split('\n')
          .slice(action.from - 1, action.to)
          .join('\n')
      case 'diff':
        return unifiedDiff(stack[0] ?? (stack.length > 0 ? '' : (text as string)), text as string) || 'It is as it was.'
      case 'run': {
        const result = (await runTests(sys, files, [at]))[at]
        if (result?.isPassed !== true) throw new PolityError('TOOL_FAILED', result?.output ?? 'it did not run')
        return result.output || 'It ran and printed nothing.'
      }
      case 'understand': {
        const prompt = `Question: ${action.question}\n\n${action.path}:\n${text as string}`
        return (await sys.generate({ ...asked, instructions: UNDERSTAND, prompt, temperature: 0 })).text
      }
      case 'edit': {
        const prompt = `Instruction: ${action.instruction}\n\n${action.path}:\n${text ?? '(new)'}`
        const code = codeOf((await sys.generate({ ...asked, instructions: EDIT, prompt, temperature: 0 })).text)
        if (code === undefined) throw new PolityError('INVALID_ARGUMENT', 'the worker wrote no block between fences')
        before.set(at, [...stack, text])
        await sys.write(at, code)
        return unifiedDiff(text ?? '', code) || 'Nothing changed.'
      }
    }
  }
}
