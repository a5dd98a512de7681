/**
 * Compactions by name, for agents whose input is plain data.
 *
 *     kernel.spawn(react, { question, compaction: 'summary' })
 *
 * They stack where a program of its own puts one around another: `openContext({ compaction: webTree(deltas(summary(sys))) })`.
 * `subgoals` wants an agent that speaks of subgoals, and has one: `hiAgent`.
 */
import type { Compaction } from '../kernel/context.ts'
import { recent } from '../kernel/context.ts'
import { invalid } from '../kernel/errors.ts'
import type { Sys } from '../kernel/types.ts'
import { chainOfSummarization } from './chain-of-summarization.ts'
import { deltas } from './deltas.ts'
import { pinnedFacts } from './pinned-facts.ts'
import { summary } from './summary.ts'
import { webTree } from './pieces/web-tree.ts'

const byName = {
  /** The last turns that fit. */
  recent: () => recent,
  /** The last turns, and a summary of those before. */
  summary,
  /** Every five steps become one summary, full or not. */
  'chain-of-summarization': chainOfSummarization,
  /** As `recent`, and results are told as what changed in them. */
  deltas: () => deltas(),
  /** As `recent`, and lines that begin with `Remember:` stay. */
  'pinned-facts': () => pinnedFacts(),
  /** As `recent`, and accessibility trees of web pages are pruned as they come. */
  'web-tree': () => webTree(),
} satisfies { readonly [name: string]: (sys: Sys) => Compaction }

export type CompactionName = keyof typeof byName

/** A name, or a function that makes one for a process. */
export type CompactionChoice = CompactionName | ((sys: Sys) => Compaction)

export const compactionNames = Object.keys(byName) as readonly CompactionName[]

export function isCompactionName(name: unknown): name is CompactionName {
  return typeof name === 'string' && Object.hasOwn(byName, name)
}

/** The compaction that was chosen. Throws `INVALID_ARGUMENT`. */
export function compactionOf(sys: Sys, choice: CompactionChoice): Compaction {
  if (typeof choice === 'function') return choice(sys)
  if (!isCompactionName(choice)) throw invalid('compaction', `one of ${compactionNames.join(', ')}`, choice)
  return byName[choice](sys)
}
