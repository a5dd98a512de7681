/** Paging: a window that holds whatever comes in, and a memory in which everything is found that left it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { pagingAgent } from '../src/agents/paging.ts'
import { clipTokens, textTokens, tokensOf } from '../src/agents/pieces/paging-queue.ts'
import { pagingStorage } from '../src/agents/pieces/paging-storage.ts'
import type { Script } from '../src/drivers/llm/scripted.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { LONG, runProgram } from './memory-world.ts'
import { createWorld } from './world.ts'

/** Signs that take one to four bytes, join others or are escaped: all that cutting and counting can go wrong on. */
const sign = fc.constantFrom(...'aZ \n\t7-{"\\éß漢字ความ', '\u{1f642}', '\u200d', '\u0301', '\u0000')

describe('paging', () => {
  /** A chain of keys: each value is the next key, `depth` times; among many others that lead nowhere. */
  function nestedKeys(depth: number, seed: number, count = 140) {
    const key = (i: number): string =>
      [8, 4, 4, 4, 12]
        .map((length, part) =>
          ((Math.imul(i + 1, 0x9e3779b1 + part) ^ (seed * 0x85ebca6b)) >>> 0)
            .toString(16)
            .padStart(length, '7')
            .slice(-length),
        )
        .join('-')
    const keys = Array.from({ length: 2 * count }, (_, i) => key(i))
    const chain = keys.slice(0, depth + 1)
    const pairs = chain.slice(0, -1).map((one, i) => [one, chain[i + 1] as string] as const)
    for (let i = depth + 1; pairs.length < count; i += 2) pairs.push([keys[i] as string, keys[i + 1] as string])
    return {
      pairs: pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)),
      first: chain[0] as string,
      last: chain.at(-1) as string,
    }
  }

  /** Where a chain was followed to: the key that is looked for, and the page of the search for it. */
  interface Followed {
    readonly at: string
    readonly page: number
    readonly isEnd: boolean
  }

  /** A model that follows a chain, page by page, until a page has the key on the left; its summaries say where it is. */
  function follower(search: 'archival_memory_search' | 'conversation_search', first: string): Script {
    const read = (from: Followed, said: string): Followed => {
      if (!/^Page|^result: Page|Nothing was found/.test(said)) return from
      const value = new RegExp(`key ${from.at} has the value ([0-9a-f-]+)`).exec(said)?.[1]
      if (value !== undefined) return { at: value, page: 1, isEnd: false }
      const pages = Number(/Page \d+ of (\d+)/.exec(said)?.[1] ?? 0)
      return from.page < pages ? { ...from, page: from.page + 1 } : { ...from, isEnd: true }
    }
    return ({ prompt }) => {
      const text = promptText(prompt)
      const [, at = first, page = '1'] = /Follow it: at key ([0-9a-f-]+), page (\d+)/.exec(text) ?? []
      let now: Followed = { at, page: Number(page), isEnd: false }
      if (text.startsWith('system: Summarise')) {
        for (const said of text.split(/(?=^result: )/m).slice(1)) now = read(now, said)
        return text.includes('Follow') ? `Follow it: at key ${now.at}, page ${now.page}` : 'Pairs of keys and values.'
      }
      if (!text.includes('Follow')) return 'noted'
      for (const message of prompt)
        if (message.role === 'tool') now = read(now, promptText([message]).replace(/^tool: /, ''))
      if (now.isEnd) return `The end is ${now.at}.`
      return { toolCalls: [{ name: search, input: { query: now.at, page: now.page } }] }
    }
  }

  test('nested keys, four deep, in a window of 2,000 tokens: always solved from the archive, and the window holds', async () => {
    for (let seed = 1; seed <= (LONG ? 30 : 3); seed++) {
      const { pairs, first, last } = nestedKeys(4, seed)
      const pager = pagingAgent({ windowTokens: 2_000, core: {}, stepsMax: 60 })
      const output = await runProgram(
        defineProgram(
          'filled',
          async (sys) => {
            for (const [key, value] of pairs)
              await pagingStorage('paging').archive(sys, `The key ${key} has the value ${value}.`)
            return sys.wait<{ answers: string[]; tokensMax: number }>(
              await sys.spawn(pager, { messages: [`Follow the key ${first}.`] }),
            )
          },
          { tools: pager.tools },
        ),
        undefined,
        { model: follower('archival_memory_search', first), contextTokens: 2_000, replays: seed === 1 },
      )
      assert.equal(output.answers[0], `The end is ${last}.`, `seed ${seed}`)
      assert.ok(output.tokensMax <= 1_750, String(output.tokensMax))
      assert.ok(JSON.stringify(pairs).length / 3 > 3_000, 'what is searched is larger than the window')
    }
  })

  test('the same where the pairs were told in a conversation that has long left the window', async () => {
    const { pairs, first, last } = nestedKeys(4, 9, 60)
    const output = await runProgram(
      pagingAgent({ windowTokens: 2_000, core: {}, stepsMax: 60 }),
      {
        messages: [
          ...pairs.map(([key, value]) => `The key ${key} has the value ${value}.`),
          `Follow the key ${first}.`,
        ],
      },
      { model: follower('conversation_search', first), contextTokens: 2_000 },
    )
    assert.equal(output.answers.at(-1), `The end is ${last}.`)
    assert.ok(output.evictions > 3, String(output.evictions))
    assert.ok(output.tokensMax <= 1_750)
  })

  test('whatever comes in, a request fits the window, and every message is found by any piece of it', async () => {
    const text = fc.oneof(
      fc.string({ maxLength: 300, size: 'max', unit: sign }),
      fc
        .string({ minLength: 1, maxLength: 20, unit: sign })
        .chain((unit) => fc.integer({ min: 1, max: 400 }).map((times) => unit.repeat(times))),
      fc.constantFrom(
        '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'.repeat(300),
        'x'.repeat(9_000),
        ' \n\t '.repeat(200),
        '漢字'.repeat(800),
      ),
    )
    const eviction = fc.constantFrom(
      { kind: 'share' } as const,
      { kind: 'share', at: 0.9, leave: 0.3 } as const,
      { kind: 'count' } as const,
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 8 }),
        fc.array(text, { minLength: 1, maxLength: 3 }),
        eviction,
        fc.nat(),
        async (messages, says, eviction, from) => {
          let turn = 0
          const model: Script = ({ prompt }) => {
            const text = says[turn++ % says.length] as string
            if (promptText(prompt).startsWith('system: Summarise')) return text
            if (turn % 3 !== 0) return text
            return {
              text,
              toolCalls: [
                {
                  name: turn % 2 === 0 ? 'core_memory_append' : 'conversation_search',
                  input: turn % 2 === 0 ? { label: 'human', content: text } : { query: text },
                },
              ],
            }
          }
          const pager = pagingAgent({ windowTokens: 2_000, core: { human: '' }, eviction, stepsMax: 3 })
          await runProgram(
            defineProgram(
              'watched',
              async (sys) => {
                const output = await sys.wait<{ tokensMax: number }>(await sys.spawn(pager, { messages }))
                assert.ok(output.tokensMax <= 1_750, String(output.tokensMax))
                for (const message of messages.filter((one) => one.trim() !== '')) {
                  const start = from % message.length
                  const piece = message.slice(start, start + 200)
                  if (piece.trim() === '' || /^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/.test(piece)) continue
                  const found = await pagingStorage('paging').searchMessages(sys, piece)
                  assert.ok(found[0]?.includes(piece), JSON.stringify(piece))
                }
              },
              { tools: pager.tools },
            ),
            undefined,
            { model, contextTokens: 2_000, replays: false },
          )
        },
      ),
      { numRuns: LONG ? 200 : 8, endOnFailure: true },
    )
  })

  test('at 70 percent the model is warned, once; at 100 half of the queue leaves with a summary of all that left', async () => {
    const prompts: string[] = []
    const summaries: string[] = []
    const model: Script = ({ prompt }) => {
      const text = promptText(prompt)
      if (!text.startsWith('system: Summarise')) {
        prompts.push(text)
        return 'noted'
      }
      summaries.push(text)
      return `summary ${summaries.length}`
    }
    const messages = Array.from(
      { length: 40 },
      (_, i) => `Message ${i} says that the lantern on pier ${i} is lit at dusk.`,
    )
    const output = await runProgram(pagingAgent({ windowTokens: 2_000, core: {} }), { messages }, { model })
    assert.equal(output.evictions, summaries.length)
    assert.ok(summaries.length >= 2)
    assert.match(summaries[1] ?? '', /The summary so far: summary 1/)
    assert.match(prompts.at(-1) ?? '', new RegExp(`\\[summary of what left the window\\] summary ${summaries.length}`))
    const warnings = prompts.filter((text) => text.trimEnd().endsWith('archival_memory_insert.')).length
    assert.ok(warnings === output.evictions || warnings === output.evictions + 1, `${warnings} of ${output.evictions}`)
    // Each message is in the window or in what was summarised, in order.
    const gone = summaries.join('\n')
    for (const [i, message] of messages.entries())
      assert.ok(gone.includes(message) || prompts.at(-1)?.includes(message), `message ${i}`)
  })

  test('core memory is edited by the model, stays in sight, has a limit, and is there in the next run', async () => {
    const call = (name: string, input: object) => ({ toolCalls: [{ name, input }] })
    const main = scripted([
      call('core_memory_append', { label: 'human', content: 'called Ann' }),
      call('core_memory_replace', { label: 'human', old: 'Ann', new: 'Anna' }),
      call('core_memory_replace', { label: 'human', old: 'Bob', new: '' }),
      call('core_memory_append', { label: 'human', content: 'far too long '.repeat(100) }),
      call('core_memory_append', { label: 'shoe', content: '38' }),
      call('core_memory_append', { label: 'human' }),
      'done',
      'You are Anna.',
    ])
    const w = createWorld({ models: { main } })
    const pager = pagingAgent({ instructions: 'Be kind.' })
    const tell = (message: string) => w.settled(w.kernel.spawn(pager, { messages: [message] }).result)
    await tell('I am Ann. No, Anna.')
    const results = promptText(main.calls[6]?.prompt ?? [])
    for (const said of [
      'done',
      'The block has no "Bob"',
      'it takes 400',
      'There is no block "shoe"; there are persona, human',
      'INVALID_ARGUMENT',
    ])
      assert.ok(results.includes(said), said)
    assert.deepEqual((await tell('Who am I?')).answers, ['You are Anna.'])
    assert.match(promptText(main.calls[7]?.prompt ?? []), /<human>\ncalled Anna\n<\/human>/)
    await w.kernel.close()
  })

  test('a function without a heartbeat ends the turn where heartbeats are asked for', async () => {
    const call = (heartbeat?: boolean) => ({
      text: 'kept it',
      toolCalls: [
        {
          name: 'archival_memory_insert',
          input: { content: 'a fact', ...(heartbeat === undefined ? {} : { request_heartbeat: heartbeat }) },
        },
      ],
    })
    const run = (model: Script) =>
      runProgram(pagingAgent({ heartbeat: 'asked' }), { messages: ['Keep this.'] }, { model })
    assert.deepEqual((await run([call()])).answers, ['kept it'])
    assert.deepEqual((await run([call(true), 'all done'])).answers, ['all done'])
    await assert.rejects(
      async () =>
        runProgram(pagingAgent({ windowTokens: 2_000, instructions: 'long '.repeat(2_000) }), { messages: [] }),
      /take a larger window/,
    )
  })

  test('a plain text is one message, and what is none is refused', async () => {
    assert.deepEqual((await runProgram(pagingAgent(), 'Who am I?', { model: ['Ann.'] })).answers, ['Ann.'])
    const w = createWorld()
    for (const input of [null, 5, {}, { messages: 'hello' }, { messages: [5] }])
      await assert.rejects(w.settled(w.kernel.spawn(pagingAgent(), input as never).result), {
        code: 'INVALID_ARGUMENT',
        message: /paging: input takes a text, or \{ messages \}/,
      })
    await w.kernel.close()
  })

  test('a text is cut to tokens, never within a sign', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: sign, maxLength: 200, size: 'max' }),
        fc.integer({ min: 0, max: 60 }),
        (text, tokens) => {
          const cut = clipTokens(text, tokens)
          assert.ok(textTokens(cut) <= tokens)
          assert.ok(cut.isWellFormed())
          if (textTokens(text) <= tokens) assert.equal(cut, text)
        },
      ),
    )
    assert.ok(tokensOf([{ role: 'user', content: 'hello' }]) > 4)
  })
})
