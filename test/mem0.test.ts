/** Mem0 through the door of the kernel: what each decision of the model does, and what it cannot do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Mem0Options } from '../src/agents/mem0.ts'
import { mem0 } from '../src/agents/mem0.ts'
import { allNotes } from '../src/agents/pieces/notes.ts'
import type { Script } from '../src/drivers/llm/scripted.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import type { Sys } from '../src/kernel/types.ts'
import { inProcess } from './memory-world.ts'
import { createWorld } from './world.ts'

/** Draws from a message the sentences that it is made of. */
const drawn = (text: string): string =>
  JSON.stringify({
    facts: (text.split('The new message:\n')[1] ?? '')
      .trim()
      .split('. ')
      .filter((one) => one !== ''),
  })

/** Extracts sentences, and decides as it is told. */
const deciding =
  (decide: (memories: readonly string[], text: string) => object[]): Script =>
  ({ prompt }) => {
    const text = promptText(prompt)
    if (text.includes('The new message:')) return drawn(text)
    const memories = Array.from(text.matchAll(/^\d+: (.*)$/gm), ([, memory]) => memory as string)
    return JSON.stringify({ memory: decide(memories, text) })
  }

async function memoriesOf(sys: Sys) {
  const found: { id: string; text: string; history: number }[] = []
  for await (const { id, text, data } of allNotes(sys, { tag: 'mem0:memory' }))
    found.push({ id, text, history: (data as { history: unknown[] }).history.length })
  return found.toReversed()
}

const tell = (texts: readonly string[], model: Script, options: Mem0Options = {}) =>
  inProcess(
    async (sys) => {
      const memory = mem0(options)
      const steps: Awaited<ReturnType<typeof memoriesOf>>[] = []
      for (const text of texts) {
        await memory.add(sys, { text, session: 's' })
        steps.push(await memoriesOf(sys))
      }
      return steps
    },
    { model },
  )

test('ADD adds, UPDATE keeps the id, DELETE removes, NONE does nothing', async () => {
  const said: object[][] = [
    [{ event: 'UPDATE', id: 0, text: 'Ann eats fish on Fridays' }],
    [
      { event: 'NONE', id: 0 },
      { event: 'ADD', text: 'Ann sails' },
    ],
    [
      { event: 'DELETE', id: 0 },
      { event: 'ADD', text: 'Ann eats no fish' },
    ],
  ]
  const [one, two, three, four] = await tell(
    ['Ann eats fish', 'Ann eats fish only on Fridays', 'Ann eats fish on Fridays. Ann sails', 'Ann eats no fish'],
    deciding((memories, text) => {
      const next = said.shift() ?? []
      // The one about fish, wherever it stands.
      const fish = memories.findIndex((memory) => memory.includes('fish'))
      assert.doesNotMatch(text, /\bn\d+\b/, 'no id is shown')
      return next.map((each) => ('id' in each ? { ...each, id: fish } : each))
    }),
  )
  assert.deepEqual(
    one?.map(({ text }) => text),
    ['Ann eats fish'],
  )
  assert.deepEqual(two, [{ id: one?.[0]?.id, text: 'Ann eats fish on Fridays', history: 1 }])
  assert.deepEqual(
    three?.map(({ text }) => text),
    ['Ann eats fish on Fridays', 'Ann sails'],
  )
  assert.deepEqual(
    four?.map(({ text }) => text),
    ['Ann sails', 'Ann eats no fish'],
  )
})

test('a number that the model invents names nothing, and a text that is there is not added again', async () => {
  const [, after] = await tell(
    ['Bob rows', 'Bob rows well'],
    deciding(() => [
      { event: 'DELETE', id: 7 },
      { event: 'UPDATE', id: -1, text: 'Bob flies' },
      { event: 'ADD', text: '  bob   ROWS ' },
    ]),
  )
  assert.deepEqual(
    after?.map(({ text }) => text),
    ['Bob rows'],
  )
})

test('what the model cannot decide is added; additive, it is never asked', async () => {
  const nonsense: Script = ({ prompt }) =>
    promptText(prompt).includes('The new message:') ? drawn(promptText(prompt)) : 'hm'
  const [, both] = await tell(['Cem paints', 'Cem paints boats'], nonsense)
  assert.equal(both?.length, 2)
  const asked: string[] = []
  const [, additive] = await tell(
    ['Cem paints', 'Cem paints boats'],
    (call) => {
      asked.push(promptText(call.prompt))
      return drawn(asked.at(-1) as string)
    },
    { additive: true },
  )
  assert.equal(additive?.length, 2)
  assert.equal(asked.length, 2)
  assert.match(asked[1] ?? '', /Messages before:\nCem paints\n/)
})

test('facts that do not touch one another leave the same memories in whatever order they come', async () => {
  const facts = ['Ann bakes', 'Bob rows', 'Cem paints', 'Dee codes']
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(facts, { minLength: 4 }), async (order) => {
      const model = deciding((_, text) =>
        (text.split('New facts:\n')[1] ?? '')
          .split('\n')
          .filter((line) => line.startsWith('- '))
          .map((line) => ({ event: 'ADD', text: line.slice(2) })),
      )
      const steps = await tell(order, model)
      assert.deepEqual(
        steps
          .at(-1)
          ?.map(({ text }) => text)
          .sort(),
        facts,
      )
    }),
    { numRuns: 6 },
  )
})

test('what a source made of a memory goes when the source is revoked', async () => {
  const main = scripted(deciding(() => [{ event: 'UPDATE', id: 0, text: 'The rent goes to account 666' }]))
  const w = createWorld({ models: { main } })
  const run = w.kernel.spawn(async (sys: Sys) => {
    const memory = mem0()
    await memory.add(sys, { text: 'The rent goes to account 12', source: 'user' })
    await memory.add(sys, { text: 'The rent goes to account 666', source: 'evil' })
    const [changed] = await memory.recall(sys, 'Where does the rent go?', { limit: 1 })
    return [changed?.text, changed?.source, changed?.parents.length]
  }, null)
  assert.deepEqual(await w.settled(run.result), ['The rent goes to account 666', 'evil', 2])
  await w.settled(w.kernel.revokeSource('evil'))
  const after = w.kernel.spawn(
    async (sys: Sys) => (await mem0().recall(sys, 'Where does the rent go?')).map(({ text }) => text),
    null,
  )
  assert.deepEqual(await w.settled(after.result), ['The rent goes to account 12'], 'the message, as it came')
  await w.kernel.close()
})
