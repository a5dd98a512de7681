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
import { shownIn, visible } from './terminal.ts'

const COLUMNS_MAX = 100

/** Says on stderr what is read, and what is left out. */
export function noteSources(context: Context, { sources }: Booted): void {
  if (sources !== undefined) context.note(context.err.paint('dim', sources.summary))
}

/** Prints what a run came to and returns its exit code. */
export function printRun(
  context: Context,
  { main, sources }: { readonly main: { readonly name: string }; readonly sources: Sources | undefined },
  run: Pick<Run, 'pid'>,
  ending: Ending,
): number {
  if (ending.state !== 'done') {
    if (context.isJson) context.result('', endingJson(run, ending))
  } else if (main.name === 'research' && sources !== undefined) {
    const research = ending.value as unknown as Research
    context.result(answerText(context, research, sources), {
      ...endingJson(run, ending),
      output: withPlaces(research, sources),
      sources: sources.report,
    })
  } else {
    const { value } = ending
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, context.out.isTerminal ? 2 : undefined)
    context.result(context.out.isTerminal ? wrap(visible(text), context.out.columns) : text, {
      ...endingJson(run, ending),
      ...(sources === undefined ? {} : { sources: sources.report }),
    })
  }
  return ending.exitCode
}

/** The answer with `path:line` as it can be opened from here. */
function answerText({ out }: Context, research: Research, sources: Sources): string {
  const width = Math.min(out.columns, COLUMNS_MAX)
  const answer = placed(research, sources)
  return shownIn(out, answer)
    .split('\n')
    .map((line) => (out.isTerminal ? wrap(line, width) : line).replace(CITATION, (cited) => out.paint('cyan', cited)))
    .join('\n')
}

/** The answer with the paths of its claims as they can be opened from here. */
function placed({ answer, claims }: Research, sources: Sources): string {
  const paths = new Set(claims.map(({ path }) => path))
  return answer.replace(CITATION, (cited, path: string, lines: string) =>
    paths.has(path) ? `[${sources.place(path)}:${lines}]` : cited,
  )
}

const CITATION = /\[([^[\]\n]+?):(\d+(?:[-–]\d+)?)\]/g

function withPlaces(research: Research, sources: Sources): Json {
  const claims = research.claims.map((claim) => ({ ...claim, path: sources.place(claim.path) }))
  return { ...research, answer: placed(research, sources), claims } as unknown as Json
}
