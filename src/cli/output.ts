/**
 * The output of a run on stdout: an answer with its places where the run was a research, else its value as it is.
 */
import type { Research } from '../agents/research.ts'
import type { Run } from '../kernel/kernel.ts'
import type { Json } from '../kernel/types.ts'
import type { Booted } from './booted.ts'
import type { Context } from './command.ts'
import type { Ending } from './follow.ts'
import { endingJson } from './follow.ts'
import type { Sources } from './sources.ts'
import { wrap } from './table.ts'
import { visible } from './terminal.ts'

const COLUMNS_MAX = 100

/** Prints what a run came to and returns its exit code. */
export function printRun(context: Context, { main, sources }: Booted, run: Run, ending: Ending): number {
  if (ending.state !== 'done') {
    if (context.isJson) context.result('', endingJson(run, ending))
  } else if (main.name === 'research' && sources !== undefined) {
    const research = ending.value as unknown as Research
    context.result(answerText(context, research, sources), {
      ...endingJson(run, ending),
      output: withPlaces(research, sources),
    })
  } else {
    const { value } = ending
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, context.out.isTerminal ? 2 : undefined)
    context.result(context.out.isTerminal ? wrap(visible(text), context.out.columns) : text, endingJson(run, ending))
  }
  return ending.exitCode
}

/** The answer with `path:line` as it can be opened from here. */
function answerText({ out }: Context, { answer, claims }: Research, sources: Sources): string {
  const paths = new Set(claims.map(({ path }) => path))
  const width = Math.min(out.columns, COLUMNS_MAX)
  const text = out.isTerminal ? visible(answer) : answer
  return text
    .split('\n')
    .map((line) => {
      const placed = line.replace(CITATION, (cited, path: string, lines: string) =>
        paths.has(path) ? `[${sources.place(path)}:${lines}]` : cited,
      )
      const fitted = out.isTerminal ? wrap(placed, width) : placed
      return fitted.replace(CITATION, (cited) => out.paint('cyan', cited))
    })
    .join('\n')
}

const CITATION = /\[([^[\]\n]+?):(\d+(?:[-–]\d+)?)\]/g

function withPlaces(research: Research, sources: Sources): Json {
  const claims = research.claims.map((claim) => ({ ...claim, path: sources.place(claim.path) }))
  return { ...research, claims } as unknown as Json
}
