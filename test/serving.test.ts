/** The serving bench, small: its lower bound is one, its contestants do the same work, and its tables stand on that. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contend } from '../bench/serving/contest.ts'
import { contestants } from '../bench/serving/contestants.ts'
import { expertTrace, serveExperts } from '../bench/serving/experts.ts'
import { workloads } from '../bench/serving/workloads.ts'

const isLong = process.env['POLITY_LONG'] !== undefined

test('nobody is faster than the bound, all do the same calls, and Polity is refused none', async () => {
  const count = isLong ? 60 : 8
  for (const workload of workloads.filter(({ name }) => isLong || name === 'ReAct' || name === 'tree search')) {
    const outcomes = []
    for (const contestant of contestants) outcomes.push(await contend(workload.agents(count), contestant))
    const [serial] = outcomes
    for (const one of outcomes) {
      const what = `${one.contestant}, ${workload.name}`
      assert.ok(one.makespanMs >= one.workMs, `${what}: ${one.makespanMs} ms, the bound is ${one.workMs}`)
      assert.ok(one.makespanMs >= (serial?.longestMs ?? 0) - 1e-6, `${what}: shorter than its longest agent alone`)
      assert.ok(one.wastedTokens >= 0, `${what}: ${one.wastedTokens} tokens computed twice`)
      assert.deepEqual(
        [one.calls, one.outputTokens, one.workMs],
        [serial?.calls, serial?.outputTokens, serial?.workMs],
        what,
      )
      assert.ok(one.jain > 0 && one.jain <= 1 + 1e-9)
    }
    assert.equal(outcomes.at(-1)?.refused, 0)
  }
})

test('the trace of experts is the calibrated one, and one load for each of them is enough', async () => {
  const traces = Array.from({ length: 30 }, (_, i) => expertTrace(i + 1))
  const mean = (of: (trace: (typeof traces)[0]) => number): number =>
    traces.reduce((sum, trace) => sum + of(trace), 0) / traces.length
  const [experts, changes] = [mean((trace) => trace.experts), mean((trace) => trace.changes)]
  // Calibrated on 12.4 experts and 2,217 changes.
  assert.ok(experts > 11 && experts < 14, `${experts} experts`)
  assert.ok(changes > 2_100 && changes < 2_330, `${changes} changes`)
  const [trace] = traces as [(typeof traces)[0]]
  const some = isLong ? trace : { ...trace, questions: trace.questions.slice(0, 100) }
  const known = await serveExperts(some, 1, 3_600_000)
  assert.equal(known.loads, new Set(some.questions.flat()).size)
  const unknown = await serveExperts(some, 1, undefined)
  assert.ok(unknown.makespanMs >= 3 * known.makespanMs, `${unknown.makespanMs} and ${known.makespanMs} ms`)
})
