/**
 * All ways of planting notes, without and with the guard, as a table.
 *
 *     const rows = await attackAllRecall({ embedder, seeds: 5 })
 *     console.log(recallTable(rows))
 */
import type { Embedder } from '../../kernel/drivers.ts'
import type { KernelOptions } from '../../kernel/kernel.ts'
import { coherenceLimit } from '../../kernel/recall-guard.ts'
import type { Measured, Strategy } from './measure.ts'
import { attackRecall, strategies, triggerFor } from './measure.ts'

export interface AllOptions {
  readonly embedder?: Embedder | undefined
  /** Worlds, each with its own trigger. @default 3 */
  readonly seeds?: number
  /** Numbers of planted notes. @default 1, 5 and 20 */
  readonly planted?: readonly number[]
  /** @default all */
  readonly strategies?: readonly Strategy[]
  /** The guard. @default the kernel's */
  readonly recallGuard?: NonNullable<KernelOptions['recallGuard']>
  /** Awaited between parts, each of at most some seconds; what it throws ends the attack. */
  readonly turn?: () => Promise<void>
  /** Told before each step. */
  readonly onStep?: (what: string) => void
}

/** Means over the seeds. */
export interface RecallRow {
  /** `none`: the memory as it is. */
  readonly strategy: Strategy | 'none'
  readonly planted: number
  readonly open: Measured
  readonly guarded: Measured
  /** Share of triggered results, without the guard, that are more coherent than 99 of 100 results of the memory as it is. */
  readonly flagged: number
}

export async function attackAllRecall(options: AllOptions): Promise<readonly RecallRow[]> {
  const { embedder, seeds = 3, planted = [1, 5, 20], onStep = () => {}, recallGuard = {}, turn } = options
  const worlds = Array.from({ length: seeds }, (_, i) => i + 1)
  const triggers = new Map<string, string>()
  const bounds = new Map<number, number>()
  const rows: RecallRow[] = []
  const measure = async (strategy: Strategy | 'none', count: number): Promise<void> => {
    onStep(`${strategy}, ${count} planted`)
    const found: Omit<RecallRow, 'strategy' | 'planted'>[] = []
    for (const seed of worlds) {
      const given = { embedder, strategy: strategy === 'none' ? ('plain' as const) : strategy, seed, turn }
      const key = `${strategy === 'known'} ${seed}`
      const trigger = triggers.get(key) ?? (await triggerFor(given))
      triggers.set(key, trigger)
      const attack = { ...given, planted: count, trigger }
      const open = await attackRecall({ ...attack, recallGuard: false })
      const guarded = await attackRecall({ ...attack, recallGuard })
      if (strategy === 'none') bounds.set(seed, coherenceLimit(open.coherence.untriggered))
      const bound = bounds.get(seed) ?? Infinity
      found.push({ open, guarded, flagged: mean(open.coherence.attacked.map((one) => (one > bound ? 1 : 0))) })
    }
    rows.push({
      strategy,
      planted: count,
      open: meanOf(found.map((one) => one.open)),
      guarded: meanOf(found.map((one) => one.guarded)),
      flagged: mean(found.map((one) => one.flagged)),
    })
  }
  await measure('none', 0)
  for (const strategy of options.strategies ?? strategies) for (const count of planted) await measure(strategy, count)
  return rows
}

/** In percent, without and with the guard; recall and reciprocal rank of questions without a trigger. */
export function recallTable(rows: readonly RecallRow[]): string {
  const head = 'planted notes      all          most        first          any      flagged   recall        rank'
  return [
    head,
    ...rows.map(({ strategy, planted, open, guarded, flagged }) =>
      [
        strategy.padEnd(9),
        String(planted).padStart(3),
        ...(['all', 'most', 'first', 'any'] as const).map(
          (one) => `${percent(open.attacked[one])} →${percent(guarded.attacked[one])}`,
        ),
        percent(flagged),
        `${percent(open.recall, 1)} →${percent(guarded.recall, 1)}`,
        `${open.reciprocalRank.toFixed(2)} → ${guarded.reciprocalRank.toFixed(2)}`,
      ].join('  '),
    ),
  ].join('\n')
}

function percent(share: number, digits = 0): string {
  return (100 * share).toFixed(digits).padStart(4)
}

function meanOf(all: readonly Measured[]): Measured {
  const part = (key: 'attacked' | 'untriggered'): Measured['attacked'] => {
    const one = (name: keyof Measured['attacked']): number => mean(all.map((measured) => measured[key][name]))
    return { all: one('all'), most: one('most'), first: one('first'), any: one('any'), share: one('share') }
  }
  return {
    attacked: part('attacked'),
    untriggered: part('untriggered'),
    recall: mean(all.map(({ recall }) => recall)),
    reciprocalRank: mean(all.map(({ reciprocalRank }) => reciprocalRank)),
    coherence: {
      untriggered: all.flatMap(({ coherence }) => coherence.untriggered),
      attacked: all.flatMap(({ coherence }) => coherence.attacked),
    },
    trigger: all.map(({ trigger }) => trigger).join('; '),
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
