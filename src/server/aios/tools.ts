/**
 * Tools: queries that call tools which the kernel holds, through the gate, as the caller.
 *
 *     const { results, times } = await callTools(session, [{ name: 'author/adder', parameters: { a: 1, b: 2 } }])
 *     toolResponse(results)
 *
 * AIOS names a tool `author/name`: the tool of that name is called, or else the one named after the slash. All calls are
 * made, side by side; AIOS makes the first. A tool that fails is told of, and is there for the next call.
 */
import type { ErrorData } from '../../kernel/errors.ts'
import { toErrorData } from '../../kernel/errors.ts'
import { defineProgram } from '../../kernel/program.ts'
import type { Json, Pid } from '../../kernel/types.ts'
import { statusTable } from '../status.ts'
import type { Times } from './query.ts'
import type { Session } from './session.ts'
import { runFor } from './session.ts'

interface Call {
  readonly name: string
  readonly parameters: Json
}

/** What came of one call. */
export type ToolResult = { readonly value: Json } | { readonly error: ErrorData }

/** Makes calls, which come by mail (session.ts), side by side. */
export const toolCalls = defineProgram('aios-tools', async (sys) => {
  const calls = (await sys.receive()).body as unknown as readonly Call[]
  const held = new Set(sys.tools.map(({ name }) => name))
  const results = await Promise.all(
    calls.map(async ({ name, parameters }): Promise<ToolResult> => {
      try {
        return { value: await sys.call(held.has(name) ? name : name.slice(name.lastIndexOf('/') + 1), parameters) }
      } catch (error) {
        return { error: toErrorData(error) }
      }
    }),
  )
  return results as unknown as Json
})

export async function callTools(
  session: Session,
  calls: readonly Call[],
  after?: Pid,
): Promise<{ readonly results: readonly ToolResult[]; readonly times: Times }> {
  const { value, times } = await runFor(session, toolCalls, calls as unknown as Json, after)
  return { results: value as unknown as readonly ToolResult[], times }
}

/** AIOS's form: one text. Of several calls it is a JSON list; the first error is also told as one. */
export function toolResponse(results: readonly ToolResult[]): Json {
  const texts = results.map((result) => ('error' in result ? result.error.message : textOf(result.value)))
  const failed = results.find((result) => 'error' in result)
  return {
    response_class: 'tool',
    response_message: texts.length === 1 ? (texts[0] as string) : JSON.stringify(texts),
    finished: true,
    error: failed === undefined ? null : failed.error.message,
    status_code: failed === undefined ? 200 : statusTable[failed.error.code],
  }
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
