/**
 * C14, published logs of DyLAN: seven roles over 365 questions of MMLU (bench/data/dylan). The importances of the last layer, which
 * are all of them where one layer was enough, are computed from the logged answers by `agentImportance` and held against
 * the published ones. Those of earlier layers cannot be: the release shuffled what was rated, without a seed.
 *
 * The release counts saying nothing as an answer, which can be the one that most give; the replay does so too, and dylan.ts does not.
 *
 * Beside it, on the questions whose right answer is known: one round of votes against the whole of DyLAN.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { agentImportance } from '../../src/agents/pieces/agent-importance.ts'
import { plurality } from '../../src/agents/pieces/vote.ts'
import { mean } from '../figures.ts'
import type { Experiment } from './experiment.ts'

interface Logs {
  readonly roles: readonly string[]
  readonly items: readonly {
    /** By layer and role: 0 was not asked, null said nothing that could be read. */
    readonly ans: readonly (readonly (string | null | 0)[])[]
    /** By layer and role, in one list. */
    readonly imp: readonly number[]
    readonly final_ok: boolean
    readonly gold: string | null
  }[]
}

const path = join(import.meta.dirname, '../data/dylan/mmlu.json')

export function replayed() {
  const { items, roles } = JSON.parse(readFileSync(path, 'utf8')) as Logs
  const n = roles.length
  const ends = [0, 0, 0]
  let [sums, last, one, calls, silent] = [0, 0, 0, 0, 0]
  for (const { ans, imp } of items) {
    const published = ans.map((_, layer) => imp.slice(n * layer, n * (layer + 1)))
    const end = published.findLastIndex((layer) => layer.some((value) => value > 0))
    ends[end] = (ends[end] as number) + 1
    calls += ans.flat().filter((answer) => answer !== 0).length
    const isOne = (layer: readonly number[]): boolean =>
      Math.abs(layer.reduce((sum, value) => sum + value, 0) - 1) < 1e-6
    if (published.slice(0, end + 1).every(isOne)) sums++
    const nodes = (ans[end] as Logs['items'][number]['ans'][number]).flatMap((answer, agent) =>
      answer === 0 ? [] : [{ agent, answer, weights: [] }],
    )
    const final = plurality(nodes, { key: ({ answer }) => String(answer) })
    if (final?.answer === null) silent++
    const [importance] = agentImportance([nodes], ({ answer }) => answer === final?.answer) as [readonly number[]]
    const ours = roles.map((_, agent) => importance[nodes.findIndex((node) => node.agent === agent)] ?? 0)
    const isEqual = ours.every((value, agent) => Math.abs(value - (published[end]?.[agent] as number)) < 1e-6)
    if (isEqual) last++
    if (isEqual && end === 0) one++
  }
  const known = items.filter(({ gold }) => gold !== null)
  const votes = known.map(({ ans, gold }) => {
    const ballots = (ans[0] ?? []).filter((answer) => answer !== 0 && answer !== null)
    return plurality(ballots) === gold ? 1 : 0
  })
  return {
    questions: items.length,
    ends,
    sums,
    last,
    one,
    calls,
    silent,
    final: mean(items.map(({ final_ok }) => (final_ok ? 1 : 0))),
    known: known.length,
    vote: mean(votes),
    dylan: mean(known.map(({ final_ok }) => (final_ok ? 1 : 0))),
    any: mean(known.map(({ ans, gold }) => (ans.flat().includes(gold) ? 1 : 0))),
  }
}

export const c14: Experiment = {
  id: 'C14',
  what: 'published logs of DyLAN, 365 questions of MMLU',
  bar: 'layers sum to 1 always; importances where one layer was enough all exact; of the last layer all but order-dependent ties (≤ 2 %); earlier layers cannot be computed',
  seeds: 1,
  run() {
    const { questions, ends, sums, last, one, calls, silent, final, known, vote, dylan, any } = replayed()
    return {
      measured: `${one} of ${ends[0]} of one layer exact, last layer ${last} of ${questions}, sums ${sums} of ${questions}; ended after layer 1, 2, 3: ${ends.join(', ')}; ${(calls / questions).toFixed(2)} calls a question, ${silent} ended by most saying nothing, ${final.toFixed(3)} right; on the ${known} whose answer is known: one round of votes ${vote.toFixed(3)}, DyLAN ${dylan.toFixed(3)}, any ${any.toFixed(3)}`,
      ok: sums === questions && one === ends[0] && last >= 0.98 * questions,
    }
  },
}
