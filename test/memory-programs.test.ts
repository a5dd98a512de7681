/** The memory programs by name: each keeps what it is given and finds it again, whatever its model says. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import type { LongTermMemory, LongTermMemoryName } from '../src/agents/long-term-memory.ts'
import { askJson } from '../src/agents/pieces/json-answer.ts'
import { longTermMemories, longTermMemory, rememberingAgent } from '../src/agents/long-term-memory.ts'
import { allNotes, readNotes } from '../src/agents/pieces/notes.ts'
import { likeness } from '../src/agents/pieces/topics.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Sys } from '../src/kernel/types.ts'
import { DAY, inProcess } from './memory-world.ts'
import { createWorld } from './world.ts'

describe('a memory by its name', () => {
  const facts = ['Ann keeps bees on the roof.', 'Bob repairs old clocks.', 'Cem grows saffron near the harbour.']

  for (const name of Object.keys(longTermMemories) as LongTermMemoryName[]) {
    test(`${name} keeps what was added and finds it, also with a model that answers nonsense`, async () => {
      const found = await inProcess(async (sys) => {
        const memory = longTermMemory(name)
        assert.equal(memory.name, name)
        for (const [i, text] of facts.entries())
          await memory.add(sys, { text, at: sys.now() - i * DAY, session: 's', source: `turn ${i}` })
        await memory.upkeep?.(sys)
        return (await memory.recall(sys, 'who grows saffron?', { limit: 2 })).map(({ text, source }) => [text, source])
      })
      assert.deepEqual(found[0]?.[1], 'turn 2')
      assert.match(found[0]?.[0] ?? '', /saffron/)
      assert.ok(found.length <= 2)
    })
  }

  const refused: readonly (readonly [string, (memory: LongTermMemory, sys: Sys) => Promise<unknown>, RegExp])[] = [
    ['a time there is not', (memory, sys) => memory.add(sys, { text: 'x', at: 1e20 }), /add: at takes a time in ms/],
    ['no time', (memory, sys) => memory.add(sys, { text: 'x', at: NaN }), /add: at takes a time in ms/],
    ['a text for an item', (memory, sys) => memory.add(sys, 'hello' as never), /add takes an item \{ text/],
    ['an empty text', (memory, sys) => memory.add(sys, { text: ' ' }), /add: text takes a text that is not empty/],
    ['an empty source', (memory, sys) => memory.add(sys, { text: 'x', source: '' }), /add: source takes a text/],
    ['no query', (memory, sys) => memory.recall(sys, 5 as never), /recall: query takes a text/],
    ['a limit of -1', (memory, sys) => memory.recall(sys, 'x', { limit: -1 }), /recall: limit takes 1 to 100/],
    ['a limit of 1.5', (memory, sys) => memory.recall(sys, 'x', { limit: 1.5 }), /recall: limit takes 1 to 100/],
    ['a limit of 101', (memory, sys) => memory.recall(sys, 'x', { limit: 101 }), /recall: limit takes 1 to 100/],
    ['a late recall', (memory, sys) => memory.recall(sys, 'x', { at: 1e20 }), /recall: at takes a time in ms/],
    ['an unknown option', (memory, sys) => memory.recall(sys, 'x', { top: 3 } as never), /takes limit and at, not top/],
    [
      'a late upkeep',
      async (memory, sys) => (memory.upkeep ?? bad)(sys, { at: 1e20 }),
      /upkeep: at takes a time in ms/,
    ],
  ]
  const bad = () => Promise.reject(new PolityError('INVALID_ARGUMENT', 'upkeep: at takes a time in ms'))

  for (const name of Object.keys(longTermMemories) as LongTermMemoryName[]) {
    test(`${name} refuses what it cannot mean, before it does anything`, async () => {
      await inProcess(async (sys) => {
        const memory = longTermMemory(name)
        for (const [what, call, message] of refused)
          await assert.rejects(() => call(memory, sys), { code: 'INVALID_ARGUMENT', message }, what)
        assert.deepEqual(await sys.recall(''), [])
      })
      // Else two memories would be one.
      assert.throws(() => longTermMemory(name, { spaec: 'home' } as never), {
        code: 'INVALID_ARGUMENT',
        message: /there is no option "spaec"/,
      })
    })
  }

  test('two spaces of one principal do not see each other', async () => {
    const seen = await inProcess(async (sys) => {
      const [home, work] = [longTermMemory('plain', { space: 'home' }), longTermMemory('plain', { space: 'work' })]
      await home.add(sys, { text: 'the key is under the mat' })
      await work.add(sys, { text: 'the key is with the porter' })
      return (await work.recall(sys, 'where is the key?')).map(({ text }) => text)
    })
    assert.deepEqual(seen, ['the key is with the porter'])
  })

  test('a name that there is not says which there are', () => {
    assert.throws(() => longTermMemory('photographic' as LongTermMemoryName), {
      code: 'INVALID_ARGUMENT',
      message: /a-mem/,
    })
  })

  test('an agent answers from any of them, and remembers what it was told', async () => {
    for (const memory of ['plain', 'layered', 'knowledge-graph', 'paging'] as const) {
      const agent = rememberingAgent({ memory, name: `with-${memory}` })
      const model = scripted(({ prompt }) =>
        promptText(prompt).includes('bees') ? 'You keep bees.' : 'I do not know.',
      )
      const w = createWorld({ models: { main: model } })
      const ask = (message: string) => w.settled(w.kernel.spawn(agent, message).result)
      assert.equal(await ask('What do I keep on the roof?'), 'I do not know.')
      await ask('I keep bees on the roof.')
      assert.equal(await ask('What do I keep on the roof?'), 'You keep bees.', memory)
      await w.kernel.close()
    }
  })
})

describe('what the programs share', () => {
  test('a model that answers out of shape is asked once more, with what was wrong; then it has said nothing', async () => {
    const prompts: string[] = []
    const ask = (answers: readonly string[]) =>
      inProcess(
        async (sys) =>
          (await askJson(sys, { prompt: 'Which words?' }, z.object({ words: z.array(z.string()) })))?.words ?? null,
        {
          model: ({ prompt }, index) => {
            prompts.push(promptText(prompt))
            return answers[index]
          },
        },
      )
    assert.deepEqual(await ask(['Sure: {"words": "all"}', 'Sorry! {"words": ["all"]} There.']), ['all'])
    assert.match(prompts[1] ?? '', /not of the shape asked for: .*expected array/s)
    assert.equal(await ask(['{', 'no']), null)
  })

  test('many notes are read whole, in the order of their ids, also where one answer cannot hold them', async () => {
    await inProcess(
      async (sys) => {
        const ids: string[] = []
        for (let i = 0; i < 230; i++)
          ids.push(await sys.remember({ text: `${i} ${'long '.repeat(2_000)}`, tags: ['t'] }))
        await sys.forget(ids[7] as string)
        const wanted = [...ids.toReversed(), ids[3] as string]
        const expected = ids.toReversed().filter((id) => id !== ids[7])
        assert.deepEqual(
          (await readNotes(sys, wanted)).map(({ id }) => id),
          expected,
        )
        const all: string[] = []
        for await (const { id } of allNotes(sys, { tag: 't' })) all.push(id)
        assert.deepEqual(all, expected)
      },
      { replays: false },
    )
  })

  test('what a short text is about', () => {
    assert.equal(likeness('collect wood', 'collect some wood'), 1)
    assert.equal(likeness('collect wood', 'dig for iron'), 0)
  })
})
