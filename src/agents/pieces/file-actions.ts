/**
 * A store of files as a model uses it: one action an answer, as JSON; whoever drives the model carries it out.
 *
 *     const wanted = fileAction.safeParse(jsonIn(answer.text))
 *     const outcome = await carryOut(sys, wanted.data, { folder: 'notes/', check: 'run_tests' })
 *
 * Reads are by name, never everything; writes replace a file whole. `check` names a held tool that takes
 * `{ files: [{ path, text }] }` and answers `{ ok, report }`; it runs after each change and before the end.
 */
import { z } from 'zod'
import { PolityError, messageOf } from '../../kernel/errors.ts'
import type { Json, Sys } from '../../kernel/types.ts'

/** What the model is told of the actions. */
export const FILE_ACTIONS = `{"action": "view", "path": "…", "from": 0} shows a file from that character on; {"action": "write", "path": "…", "text": "…"} replaces it whole; {"action": "remove", "path": "…"};
{"action": "instruct", "text": "…"} adds an instruction behind the others; {"action": "done", "text": "…"} ends this one, with one or two sentences for whoever carries out the next.`

export const fileAction = z.discriminatedUnion('action', [
  z.object({ action: z.literal('view'), path: z.string(), from: z.number().int().min(0).optional() }),
  z.object({ action: z.literal('write'), path: z.string(), text: z.string() }),
  z.object({ action: z.literal('remove'), path: z.string() }),
  z.object({ action: z.literal('instruct'), text: z.string() }),
  z.object({ action: z.literal('done'), text: z.string() }),
])

/** The shape of an answer, for the model. */
export const FILE_ACTION_SCHEMA = z.toJSONSchema(fileAction) as { readonly [key: string]: Json | undefined }

/** Where the files are, and what checks them. */
export interface FileStore {
  readonly folder: string
  /** @default nothing is checked */
  readonly check?: string
}

/** What came of an action. */
export interface Outcome {
  readonly said: string
  readonly mayEnd: boolean
}

/** Those that are about files. */
type FileAct = Exclude<z.infer<typeof fileAction>, { action: 'instruct' }>

/** What came of an action, in words for the model, and whether the instruction may end. */
export async function carryOut(sys: Sys, wanted: FileAct, { check, folder }: FileStore): Promise<Outcome> {
  try {
    if (wanted.action === 'view') {
      const text = await sys.read(folder + wanted.path)
      return { said: text.slice(wanted.from ?? 0) || '(empty)', mayEnd: false }
    }
    if (wanted.action === 'write') await sys.write(folder + wanted.path, wanted.text)
    if (wanted.action === 'remove') await sys.remove(folder + wanted.path)
    const report = check === undefined ? undefined : await failureOf(sys, check, folder)
    if (report !== undefined) return { said: `The check fails:\n${report}`, mayEnd: false }
    return { said: 'kept; the check finds nothing wrong', mayEnd: wanted.action === 'done' }
  } catch (error) {
    // The end of the process is not an observation of it.
    if (PolityError.isInstance(error) && error.code === 'KILLED') throw error
    return { said: `Error: ${messageOf(error)}`, mayEnd: false }
  }
}

/** Paths of the files, within the folder. */
export async function pathsIn(sys: Sys, folder: string): Promise<string[]> {
  return (await sys.list(folder)).map(({ path }) => path.slice(folder.length))
}

/** What the check reports, where it is not satisfied. */
async function failureOf(sys: Sys, check: string, folder: string): Promise<string | undefined> {
  const entries = await sys.list(folder)
  const files = await Promise.all(
    entries.map(async ({ path }) => ({ path: path.slice(folder.length), text: await sys.read(path) })),
  )
  const { ok, report } = await sys.call<{ ok: boolean; report: string } & Json>(check, { files })
  return ok ? undefined : report
}
