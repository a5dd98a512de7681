/** The conversation of a team, by its states: what the paper's machine promises, with agents of this kernel in simulated time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRegistry, type RegisteredAgent } from '../src/agents/pieces/agent-registry.ts'
import { internetOfAgents, type TeamConclusion } from '../src/agents/internet-of-agents.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json } from '../src/kernel/types.ts'
import { createWorld, endOf } from './world.ts'

function member(name: string, description: string, ms = 0, fails = false): RegisteredAgent {
  const program = defineProgram(name, async (sys, task: Json) => {
    await sys.sleep(ms)
    if (fails) throw new Error('out of order')
    return `${name} did ${String(task).split('\n')[0]}`
  })
  return { program, name, description }
}

const agents = [
  member('baker', 'Bakes bread.', 10),
  member('sailor', 'Sails boats across the sea.', 1_000),
  member('clown', 'Makes children laugh.', 100, true),
]
const formed = [
  { search: 'bread' },
  { search: 'sails over the sea' },
  { search: 'laugh' },
  { launch: agents.map((one) => one.name) },
]
const conclude = { type: 'conclude', content: 'done' }

async function run(
  says: readonly unknown[],
  { turnsMax, depth, goal = 'feast' }: { turnsMax?: number; depth?: number; goal?: string } = {},
): Promise<{ result: TeamConclusion; prompts: readonly string[] }> {
  const left = [...says]
  const prompts: string[] = []
  const model = scripted(({ prompt }) => {
    prompts.push(promptText(prompt))
    const next = left.shift() ?? conclude
    return typeof next === 'string' ? next : JSON.stringify(next)
  })
  const w = createWorld({ models: { main: model } })
  const input = { goal, ...(turnsMax === undefined ? {} : { turnsMax }), ...(depth === undefined ? {} : { depth }) }
  const spawned = w.kernel.spawn(internetOfAgents({ agents }), input)
  const end = await w.settled(endOf(spawned.result))
  assert.ok('value' in end, JSON.stringify(end))
  assert.equal((await w.settled(w.kernel.replay(spawned.pid))).same, true)
  return { result: end.value as TeamConclusion, prompts }
}

test('agents are found by what their cards say, the best first, and nobody where nothing fits', () => {
  const registry = createRegistry([...agents, member('ferry', 'Sails people across rivers.')])
  const names = (query: string) => registry.find(query).map(({ name }) => name)
  assert.deepEqual(names('who sails boats across the sea?'), ['sailor', 'ferry'])
  assert.deepEqual(names('quantum physics'), [])
  assert.throws(() => createRegistry([agents[0] as RegisteredAgent, agents[0] as RegisteredAgent]), {
    code: 'CONFIG_INVALID',
  })
})

test('a team is of those who were found; others, and a search without end, form none', async () => {
  const { result, prompts } = await run([
    { launch: ['sailor'] },
    { search: 'boats' },
    { launch: ['sailor', 'baker'] },
    { launch: ['sailor'] },
  ])
  assert.deepEqual(result.team, ['sailor'])
  assert.match(prompts[1] ?? '', /Not found so far, and so no members: sailor/)
  assert.match(prompts[3] ?? '', /no members: baker/)
  const endless = await run(Array.from({ length: 10 }, () => ({ search: 'bread' })))
  assert.deepEqual(endless.result.team, ['baker'], 'after ten searches it is whom they found')
})

test('a sync task waits for all; an async one lets the talk go on; a pause waits for what it names', async () => {
  const { result, prompts } = await run([
    ...formed,
    { type: 'async_task', tasks: [{ task: 'sail', assignees: ['sailor'] }] },
    { type: 'sync_task', tasks: [{ task: 'feed', assignees: ['baker', 'clown'] }] },
    { type: 'discussion', next: 'baker', content: 'Is there more?' },
    { type: 'pause', until: ['t1'] },
  ])
  const at = (turn: number): string => prompts[formed.length + turn] ?? ''
  assert.match(at(2), /t2 failed: baker did feed \| failed: out of order/, 'a failure is a result')
  assert.doesNotMatch(at(3), /t1 completed/, 'the talk went on')
  assert.match(at(3), /baker \(discussion\): baker did Goal: feast/)
  assert.match(at(4), /t1 completed: sailor did sail/)
  assert.deepEqual(
    result.tasks.map(({ id, state }) => [id, state]),
    [
      ['t1', 'completed'],
      ['t2', 'failed'],
    ],
  )
})

test('what is no move is told to the model, and strangers do nothing', async () => {
  const { result, prompts } = await run([
    ...formed,
    { type: 'discussion', next: 'stranger', content: 'Hello?' },
    { type: 'sync_task', tasks: [{ task: 'x', assignees: ['stranger'] }] },
    { type: 'sync_task', tasks: [] },
    'no JSON at all',
  ])
  const last = prompts.at(-1) ?? ''
  for (const said of ['No member: stranger', 'No members: stranger', 'A task needs', 'No such type'])
    assert.ok(last.includes(said), said)
  assert.deepEqual(result.tasks, [])
})

test('a task may be given to a team of its own, and only as deep as that may go', async () => {
  const nested = [
    ...formed,
    { type: 'sync_task', tasks: [{ task: 'bread for all', assignees: ['baker'], team: true }] },
    { search: 'bread' },
    { launch: ['baker'] },
    { type: 'sync_task', tasks: [{ task: 'deeper', assignees: ['baker'], team: true }] },
    { type: 'conclude', content: 'bread it is' },
  ]
  const { result } = await run(nested, { depth: 1 })
  assert.deepEqual(result.tasks[0]?.results, ['bread it is'])
  const flat = await run(nested.slice(0, formed.length + 1), { depth: 0 })
  assert.deepEqual(flat.result.tasks[0]?.results, ['baker did bread for all'])
})

test('whatever the model says, it ends, and no reply is lost', async () => {
  const names = agents.map(({ name }) => name)
  const task = fc.record({ task: fc.constant('x'), assignees: fc.subarray(names, { minLength: 1 }) })
  const move = fc.oneof(
    fc.record({ type: fc.constant('discussion'), next: fc.constantFrom(...names, 'stranger'), content: fc.string() }),
    fc.record({
      type: fc.constantFrom('sync_task', 'async_task'),
      tasks: fc.array(task, { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ type: fc.constant('pause'), until: fc.subarray(['t1', 't2', 't3', 't9']) }),
    fc.constant(conclude),
    fc.string(),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 12 }), fc.integer({ min: 1, max: 10 }), async (moves, turnsMax) => {
      const { result, prompts } = await run([...formed, ...moves], { turnsMax })
      assert.ok(prompts.length <= formed.length + turnsMax + 1, 'turns')
      const told = result.messages.filter(({ type }) => type === 'inform_task_result')
      assert.equal(told.length, result.tasks.length)
      for (const { state, results, assignees } of result.tasks) {
        assert.notEqual(state, 'in-progress')
        assert.equal(results.length, assignees.length)
      }
      assert.equal(result.messages.at(-1)?.type, 'conclusion')
    }),
    { numRuns: 40 },
  )
})
