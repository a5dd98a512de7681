/**
 * Cores that refuse: what a command says of a provider that answers with nothing but refusals for longer than a moment.
 *
 *     const stop = showRefusals(context, () => kernel.cores)   // on stderr, once for each core while it goes on
 *     refusalText(core, now)                                   // undefined where it serves, or has refused for a moment only
 */
import type { CoreInfo } from '../kernel/kernel.ts'
import { duration } from './amounts.ts'
import type { Context } from './command.ts'
import { cut } from './table.ts'
import { oneLine } from './terminal.ts'

const LOOK_MS = 500
/** Of a provider's words: they may hold a whole page. */
const WORDS_CHARS_MAX = 500

/** One line; a kernel of an earlier version says nothing of refusals. */
export function refusalText({ id, refusal }: CoreInfo, now: number): string | undefined {
  if (refusal === null || refusal === undefined) return undefined
  return `${oneLine(id)} has refused every call for ${duration(now - refusal.since)}: ${cut(oneLine(refusal.words), WORDS_CHARS_MAX)}`
}

/** Says it on stderr while what `cores` gives shows one. Returns what ends it. */
export function showRefusals(context: Context, cores: () => readonly CoreInfo[]): () => void {
  const say = sayRefusals(context)
  const look = (): void => {
    say(cores())
    timer = context.clock.after(LOOK_MS, look)
  }
  let timer = context.clock.after(LOOK_MS, look)
  return () => timer.cancel()
}

/** Says of each core once that it refuses, until it has served again. */
export function sayRefusals(context: Context): (cores: readonly CoreInfo[]) => void {
  const said = new Map<string, number>()
  return (cores) => {
    for (const core of cores) {
      const text = refusalText(core, context.clock.now())
      if (text === undefined) continue
      const { since } = core.refusal as { readonly since: number }
      if (said.get(core.id) === since) continue
      said.set(core.id, since)
      context.status.clear()
      context.warn(context.err.paint('yellow', `polity: ${text}`))
    }
  }
}
