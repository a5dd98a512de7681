/** The knowledge graph of agents that work together: its shape, whatever is done, and what agents tell one another. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { knowledgeGraph } from '../src/agents/knowledge-graph.ts'
import { allNotes, readNote } from '../src/agents/pieces/notes.ts'
import type { PeerMessage } from '../src/agents/pieces/peer-messages.ts'
import { messageFor } from '../src/agents/pieces/peer-messages.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Sys } from '../src/kernel/types.ts'
import { LONG, inProcess } from './memory-world.ts'
import { createWorld } from './world.ts'

describe('knowledge graph', () => {
  /** All notes of one agent's graph, by level. */
  async function levels(sys: Sys, agent: string) {
    const found: { [level: string]: { id: string; goal?: string; longTerm?: string }[] } = {}
    for await (const { id, data } of allNotes(sys, { tag: `knowledge-graph:${agent}` })) {
      const { level = 'peer', ...rest } = data as { level?: string; goal?: string; longTerm?: string }
      ;(found[level] ??= []).push({ id, ...rest })
    }
    return found
  }

  test('experiences attach to the goal that is meant, to one like it, or to a new one', async () => {
    const seen = await inProcess(async (sys) => {
      const graph = knowledgeGraph({ agent: 'miner' })
      const root = await graph.aim(sys, 'find a diamond')
      assert.equal(await graph.aim(sys, 'find a diamond'), root)
      const did = (goal: string | undefined, result: string) =>
        graph.experience(sys, { action: 'work', result, ...(goal === undefined ? {} : { goal }) })
      await did('collect wood', 'one log')
      await did(undefined, 'two logs')
      await did('collect some wood', 'three logs')
      await did('craft a wooden pickaxe', 'a pickaxe')
      return levels(sys, 'miner')
    })
    assert.equal(seen['long-term']?.length, 1)
    assert.equal(seen['goal']?.length, 2)
    assert.equal(seen['experience']?.length, 4)
    const goals = new Set(seen['goal']?.map(({ id }) => id))
    assert.ok(seen['experience']?.every(({ goal }) => goals.has(goal as string)))
    assert.ok(seen['goal']?.every(({ longTerm }) => longTerm === seen['long-term']?.[0]?.id))
  })

  test('whatever is done, an experience has one goal and a goal one long-term goal; a plan stays small', async () => {
    const act = fc.oneof(
      fc.record({ goal: fc.constantFrom('dig for iron', 'collect wood', 'cook fish', 'build a house') }),
      fc.record({ end: fc.constantFrom('done', 'failed'), which: fc.nat(3) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 25, size: 'max' }), async (acts) => {
        await inProcess(
          async (sys) => {
            const graph = knowledgeGraph({ agent: 'a', recent: 3 })
            await graph.aim(sys, 'live well')
            for (const [step, one] of acts.entries()) {
              if ('goal' in one)
                await graph.experience(sys, { goal: one.goal, action: 'try', result: `result ${step}`, step })
              else {
                const goals = (await levels(sys, 'a'))['goal'] ?? []
                const goal = goals[one.which % Math.max(1, goals.length)]
                if (goal !== undefined) await graph.consolidate(sys, goal.id, { status: one.end as 'done' | 'failed' })
              }
              const plan = await graph.plan(sys)
              assert.ok(plan.experiences.length <= 3)
            }
            const all = await levels(sys, 'a')
            const ids = new Set(all['goal']?.map(({ id }) => id))
            assert.ok((all['experience'] ?? []).every(({ goal }) => ids.has(goal as string)))
            assert.ok((all['goal'] ?? []).every(({ longTerm }) => longTerm === all['long-term']?.[0]?.id))
            const root = (await graph.plan(sys)).longTerm?.data as { goals: number; done: number; failed: number }
            assert.equal(root.goals, ids.size)
            assert.ok(root.done + root.failed <= root.goals && root.done >= 0 && root.failed >= 0)
          },
          { replays: false },
        )
      }),
      { numRuns: LONG ? 30 : 6, endOnFailure: true },
    )
  })

  test('consolidating again changes nothing', async () => {
    const [once, twice] = await inProcess(async (sys) => {
      const graph = knowledgeGraph()
      await graph.aim(sys, 'eat')
      await graph.experience(sys, { goal: 'cook fish', action: 'fry', result: 'a fried fish' })
      const goal = (await graph.plan(sys)).goal?.id as string
      const look = async () =>
        [await readNote(sys, goal), (await graph.plan(sys)).longTerm].map((note) => ({ ...note, at: 0 }))
      await graph.consolidate(sys, goal, { status: 'done' })
      const once = await look()
      await graph.consolidate(sys, goal, { status: 'done' })
      return [once, await look()]
    })
    assert.deepEqual(once, twice)
    assert.deepEqual(
      once?.map(({ context }) => context),
      ['fry; a fried fish', ''],
    )
  })

  test('what a plan reads does not grow with the history', async () => {
    const bytes = async (count: number) =>
      inProcess(
        async (sys) => {
          const graph = knowledgeGraph({ recent: 4 })
          await graph.aim(sys, 'dig')
          for (let step = 100; step < 100 + count; step++)
            await graph.experience(sys, { goal: 'dig', action: 'dig', result: `stone ${step}`, step })
          const plan = await graph.plan(sys)
          assert.deepEqual(
            plan.experiences.map(({ text }) => text),
            [4, 3, 2, 1].map((back) => `dig; stone ${100 + count - back}`),
          )
          return JSON.stringify(plan.experiences).length
        },
        { replays: false },
      )
    assert.ok(Math.abs((await bytes(30)) - (await bytes(10))) < 20)
  })

  test('agents tell one another what concerns the other’s goal, and nothing else', async () => {
    const state = {
      goal: 'collect wood',
      status: 'open',
      inventory: { log: 4, iron: 2, pearl: 1 },
      needs: ['a sharp axe'],
      offer: 'two iron bars',
      location: 'north wood',
    } as const
    assert.deepEqual(messageFor({ from: 'm', ...state }, 'forge an iron sword from logs and ore'), {
      from: 'm',
      goal: 'collect wood',
      status: 'open',
      inventory: { log: 4, iron: 2 },
      offer: 'two iron bars',
      location: 'north wood',
    })
    assert.deepEqual(messageFor({ from: 'm', ...state }, 'sing a song'), {
      from: 'm',
      goal: 'collect wood',
      status: 'open',
    })
    const heard = await inProcess(async (sys) => {
      const smith = defineProgram('smith', async (own) => {
        const graph = knowledgeGraph({ agent: 'smith' })
        await graph.aim(own, 'arm the village')
        await own.send(sys.pid, { ready: true })
        await own.sleep(1_000)
        await graph.hear(own)
        return (await graph.plan(own)).messages as unknown as PeerMessage[]
      })
      const pid = await sys.spawn(smith, null, { name: 'smith' })
      await sys.receive()
      const graph = knowledgeGraph({ agent: 'miner' })
      await sys.send('smith', { peer: 'not a message' })
      await graph.tell(sys, 'smith', { ...state, needs: [...state.needs], status: 'open' }, 'forge an iron sword')
      await graph.tell(sys, pid, { goal: 'collect wood', status: 'done' }, 'forge an iron sword')
      return sys.wait<PeerMessage[]>(pid)
    })
    assert.deepEqual(heard, [{ from: 'miner', goal: 'collect wood', status: 'done' }], 'the last message of each agent')
  })

  test('nothing is told that the other does not call for, and what both name is', () => {
    const item = fc.constantFrom('iron', 'wood', 'pearl', 'stone', 'bread', 'honey')
    fc.assert(
      fc.property(fc.uniqueArray(item), fc.uniqueArray(item), item, (has, needs, goal) => {
        const inventory = Object.fromEntries(has.map((one) => [one, 1]))
        const told = messageFor(
          { from: 'a', goal: 'x', status: 'open', inventory, location: 'here' },
          `find ${goal}`,
          needs,
        )
        const wanted = has.filter((one) => one === goal || needs.includes(one))
        assert.deepEqual(Object.keys(told.inventory ?? {}).sort(), wanted.sort())
        assert.equal(told.location, wanted.length > 0 ? 'here' : undefined)
      }),
    )
  })
})

test('a goal whose summary was made of experiences goes with the source of one of them', async () => {
  const w = createWorld()
  const graph = knowledgeGraph()
  const run = w.kernel.spawn(async (sys: Sys) => {
    await graph.aim(sys, 'keep house')
    await graph.experience(sys, { goal: 'pay the rent', action: 'pay account 12', result: 'paid' }, { source: 'user' })
    await graph.experience(sys, { action: 'pay account 666', result: 'paid' }, { source: 'evil' })
    const { goal } = await graph.plan(sys)
    await graph.consolidate(sys, goal?.id as string, { status: 'done' })
    return (await sys.recall('account 666')).length
  }, null)
  assert.ok((await w.settled(run.result)) >= 2)
  await w.settled(w.kernel.revokeSource('evil'))
  const after = w.kernel.spawn(
    async (sys: Sys) => (await sys.recall('account')).map(({ text, context }) => text + context).join(),
    null,
  )
  assert.equal(await w.settled(after.result), 'pay account 12; paid')
  await w.kernel.close()
})
