/**
 * What a person allowed beyond one call: a signed word for a rule in a run lets pass what it says, for as long as it says.
 *
 * Mostly a kernel in simulated time, whose store hears signed answers as those of another operating-system process.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Scope } from '../src/kernel/approvals.ts'
import { sign } from '../src/kernel/approvals.ts'
import type { Command } from '../src/kernel/drivers.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Run } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import type { Json, Question, Sys } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'
import type { World } from './world.ts'
import { createWorld, endOf, recordingStore, tool } from './world.ts'

const KEY = 'k'.repeat(64)

interface Desk extends World {
  /** What the tool was asked to pay. */
  readonly paid: Json[]
  /** The question of a run that waits after `asked` others; fails where it ends before. */
  question(run: Run<unknown>, asked: number): Promise<Question>
  approve(question: Question, scope: Scope, forMs: number): void
}

/** A kernel that asks about each call of `pay`. */
function desk(t: TestContext): Desk {
  const paid: Json[] = []
  const wishes: Command[] = []
  const world = createWorld({
    store: { ...recordingStore(), takeCommands: () => wishes.splice(0) },
    law: parseLaw({ rules: [{ id: 'pay-asks', effect: 'ask', tool: 'pay' }] }),
    tools: [tool('pay', (input) => paid.push(input), { effect: 'once' })],
    approvalKey: () => KEY,
  })
  t.after(() => world.kernel.close())
  const seen = new Set<number>()
  return {
    ...world,
    paid,
    async question(run, asked) {
      run.result.catch(() => {})
      while (run.info().state === 'running') {
        for (const { id } of world.kernel.questions) seen.add(id)
        const waits = world.kernel.questions.at(-1)
        if (waits !== undefined && seen.size > asked) return waits
        await new Promise((resolve) => void setImmediate(resolve))
      }
      return assert.fail('the run ended, and nobody was asked')
    },
    approve({ id, binding }, scope, forMs) {
      assert.ok(binding !== undefined)
      const now = world.clock.now()
      const proof = JSON.stringify(sign({ ...binding, scope, approver: 'ada', at: now, until: now + forMs }, KEY))
      wishes.push({ command: 'answer', id, text: 'allow', proof })
    },
  }
}

test('for a rule in a run lets pass at once what waits for the same word, though the store does not have it yet', async (t) => {
  const { kernel, paid, question, approve, settled } = desk(t)
  const run = kernel.spawn(
    async (sys: Sys) => (await Promise.all([sys.call('pay', 5), sys.call('pay', 5)])).length,
    null,
  )
  approve(await question(run, 0), 'run', 60_000)
  assert.equal(await settled(run.result), 2)
  assert.deepEqual(paid, [5, 5])
})

test('for a rule in a run lets later calls pass until its time, and none after: that is asked about', async (t) => {
  const { kernel, paid, question, approve, settled } = desk(t)
  const run = kernel.spawn(async (sys: Sys) => {
    await sys.call('pay', 1)
    await sys.sleep(30_000)
    await sys.call('pay', 2)
    await sys.sleep(30_000)
    await sys.call('pay', 3)
  }, null)
  approve(await question(run, 0), 'run', 50_000)
  const again = await question(run, 1)
  assert.deepEqual([paid, (again.detail as { input: Json }).input], [[1, 2], 3])
  approve(again, 'once', 50_000)
  await settled(run.result)
  assert.deepEqual(paid, [1, 2, 3])
})

test('given while the key of the store cannot be read ends the call with what is wrong, and those that wait for the same word are asked about', async (t) => {
  const kernel = createKernel({
    store: recordingStore(),
    law: parseLaw({ rules: [{ id: 'pay-asks', effect: 'ask', tool: 'pay' }] }),
    tools: [tool('pay', () => assert.fail('it was paid'), { effect: 'once' })],
    approvalKey: () => {
      throw new PolityError('CONFIG_INVALID', 'the key may be read by others')
    },
  })
  t.after(() => kernel.close())
  const run = kernel.spawn(async (sys: Sys) => {
    const ends = await Promise.all([endOf(sys.call('pay', 5)), endOf(sys.call('pay', 5))])
    return ends.map((end) => ('message' in end ? `${end.code}: ${end.message}` : 'ok'))
  }, null)
  run.result.catch(() => {})
  const asked = new Set<number>()
  while (run.info().state === 'running') {
    for (const { id } of kernel.questions) {
      asked.add(id)
      kernel.answer(id, 'allow')
    }
    await new Promise((resolve) => void setImmediate(resolve))
  }
  const said = 'CONFIG_INVALID: the key may be read by others'
  assert.deepEqual(await run.result, [said, said])
  assert.equal(asked.size, 2)
})
