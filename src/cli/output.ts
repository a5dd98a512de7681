/**
 * The output of a run on stdout: an answer with its places where the run was a research, else its value as it is.
 */
import type { Research } from '../agents/research.ts'
import type { Place } from '../kernel/citation.ts'
import { citationsIn } from '../kernel/citation.ts'
import type { Run } from '../kernel/kernel.ts'
import type { Json } from '../kernel/types.ts'
import type { Booted } from './booted.ts'
import type { Context } from './command.ts'
import type { Ending } from './follow.ts'
import { endingJson } from './follow.ts'
import type { Sources } from './sources.ts'
import { wrap } from './table.ts'
import { shownIn, visible, visibleName } from './terminal.ts'

const COLUMNS_MAX = 100

/** Says on stderr what is read, and what is left out. */
export function noteSources(context: Context, { sources }: Booted): void {
  if (sources !== undefined) context.note(context.err.paint('dim', sources.summary))
}

/** Prints what a run came to and returns its exit code. */
export function printRun(
  context: Context,
  { main, sources }: { readonly main: { readonly name: string } | undefined; readonly sources: Sources | undefined },
  run: Pick<Run, 'pid'>,
  ending: Ending,
): number {
  if (ending.state !== 'done') {
    if (context.isJson) context.result('', endingJson(run, ending))
  } else if (main?.name === 'research' && sources !== undefined) {
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
  const names = namesOf(research, sources)
  return shownIn(out, placed(research, names))
    .split('\n')
    .flatMap((line) => (out.isTerminal ? wrap(line, width).split('\n') : [line]))
    .map((line) => withCitations(line, names.values(), (_, cited) => out.paint('cyan', cited)))
    .join('\n')
}

/** Of each path that is cited, the name under which it can be opened from here, on one line. */
function namesOf({ claims }: Research, sources: Sources): ReadonlyMap<string, string> {
  return new Map(claims.map(({ path }) => [path, visibleName(sources.place(path))]))
}

/** The answer with those names. They stand as they are: whoever needs their ends reads the claims. */
function placed({ answer }: Research, names: ReadonlyMap<string, string>): string {
  return withCitations(answer, names.keys(), ({ path, line, lineEnd }, cited) => {
    const name = names.get(path)
    return name === undefined ? cited : `[${name}:${line}${lineEnd > line ? `-${lineEnd}` : ''}]`
  })
}

/** The text with each citation as `write` puts it. */
function withCitations(text: string, shown: Iterable<string>, write: (place: Place, cited: string) => string): string {
  let written = ''
  let end = 0
  for (const place of citationsIn(text, shown)) {
    written += text.slice(end, place.from) + write(place, text.slice(place.from, place.to))
    end = place.to
  }
  return written + text.slice(end)
}

function withPlaces(research: Research, sources: Sources): Json {
  const claims = research.claims.map((claim) => ({ ...claim, path: sources.place(claim.path) }))
  return { ...research, answer: placed(research, namesOf(research, sources)), claims } as unknown as Json
}
