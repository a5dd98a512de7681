/**
 * Beyond the window: programs that read more, or write more, than a model takes in one call. The model is scripted, and
 * refuses what does not fit into its window.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import fc from 'fast-check'
import { agentWrite, lengthScore } from '../src/agents/agent-write.ts'
import { extAgents } from '../src/agents/ext-agents.ts'
import { l2mac } from '../src/agents/l2mac.ts'
import { chunksOf, cutTo, tailOf } from '../src/agents/pieces/text-chunks.ts'
import type { ScriptedAnswer } from '../src/drivers/llm/scripted.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { boundTokens } from '../src/kernel/token-bound.ts'
import type { Json, Program, Tool } from '../src/kernel/types.ts'
import { createWorld, tool } from './world.ts'

interface Call {
  readonly system: string
  readonly user: string
  readonly temperature: number | undefined
}

/** A model whose window is enforced: a call that does not fit fails, as a provider fails it. Keeps the largest call. */
function windowed(windowTokens: number, answer: (call: Call, index: number) => string | ScriptedAnswer) {
  const seen = { largest: 0, calls: [] as Call[], tokens: 0 }
  const model = scripted((options: LanguageModelV4CallOptions, index) => {
    const text = promptText(options.prompt)
    const tokens = Math.ceil(boundTokens(text)) + (options.maxOutputTokens ?? 0)
    seen.largest = Math.max(seen.largest, tokens)
    seen.tokens += Math.ceil(text.length / 4)
    if (tokens > windowTokens)
      return { error: { statusCode: 400, message: `${tokens} tokens do not fit into ${windowTokens}` } }
    const system = options.prompt.flatMap((message) => (message.role === 'system' ? [message.content] : [])).join('\n')
    const user = options.prompt
      .flatMap((message) => (message.role === 'user' ? message.content : []))
      .map((part) => (part.type === 'text' ? part.text : ''))
      .join('\n')
    const call = { system, user, temperature: options.temperature }
    seen.calls.push(call)
    return answer(call, index)
  })
  return { model, seen }
}

async function run<Output>(
  program: Program<never, Output>,
  input: unknown,
  { model, tools = [] }: { model: ReturnType<typeof scripted>; tools?: readonly Tool[] },
): Promise<{ output: Output; usage: { inputTokens: number; calls: number }; same: boolean }> {
  const { kernel, settled } = createWorld({ models: { scripted: model }, tools })
  const started = kernel.spawn(program as unknown as Program<Json, Json>, input as Json)
  const output = (await settled(started.result)) as Output
  const { same } = await settled(kernel.replay(started.pid))
  const { usage } = started
  await kernel.close()
  return { output, usage, same }
}

describe('pieces of a text', () => {
  test('joined they are the text, each fits, and none cuts a sign in two', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 400, size: 'max' }),
        fc.integer({ min: 16, max: 60 }),
        (text, tokensMax) => {
          const chunks = chunksOf(text, tokensMax)
          assert.equal(chunks.join(''), text)
          for (const chunk of chunks) {
            assert.ok(boundTokens(chunk) <= tokensMax, `${boundTokens(chunk)} of ${tokensMax}`)
            assert.ok(!/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(chunk) || !isWellFormed(text))
          }
          assert.ok(text.startsWith(cutTo(text, tokensMax)) && text.endsWith(tailOf(text, tokensMax)))
          assert.ok(boundTokens(tailOf(text, tokensMax)) <= tokensMax)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('they end where a sentence does', () => {
    const text = Array.from({ length: 40 }, (_, i) => `The keeper number ${i} lit the lamp at dusk. `).join('')
    for (const chunk of chunksOf(text, 100).slice(0, -1)) assert.match(chunk, /dusk\. $/)
  })
})

const isWellFormed = (text: string): boolean => text.isWellFormed()

// ---------------------------------------------------------------------------------------------------------- ext-agents

/** Reads as a seeker would: what the part says of the question's subject, or of a name that others found. */
function seeking({ user }: Call): string {
  const part = user.slice(user.indexOf('Your part:'))
  const others = user.includes('What others found:') ? user.slice(0, user.indexOf('Your part:')) : ''
  const needle = /The silver key is kept by (\w+)\./.exec(part)?.[0]
  const hop = [...part.matchAll(/(\w+) lives in the town of (\w+)\./g)].find(([, name]) =>
    others.includes(name as string),
  )
  if (hop !== undefined) return JSON.stringify({ relevance: 9, note: hop[0] })
  if (needle !== undefined) return JSON.stringify({ relevance: 10, note: needle })
  return JSON.stringify({ relevance: 0, note: '' })
}

const filler = (lines: number, from = 0): string =>
  Array.from(
    { length: lines },
    (_, i) => `On day ${from + i} the ship made way to the north and nothing else was seen by the watch.\n`,
  ).join('')

describe('ext-agents', () => {
  const asksWho = 'Who keeps the silver key?'

  test('a needle in a text of 100 windows is found, no call is larger than a window, and the tokens are counted', async () => {
    const windowTokens = 1_000
    const half = filler(2_900)
    const text = `${half}The silver key is kept by Marta.\n${half}`
    assert.ok(text.length / 4 > 100 * windowTokens, String(text.length / 4 / windowTokens))
    const { model, seen } = windowed(windowTokens, (call) =>
      call.system.startsWith('You read one part')
        ? seeking(call)
        : (/kept by (\w+)/.exec(call.user)?.[1] ?? 'no answer'),
    )
    const { output, usage, same } = await run(extAgents, { question: asksWho, text, windowTokens }, { model })
    assert.equal(output.answer, 'Marta')
    assert.deepEqual(
      output.notes.map((note) => note.text),
      ['The silver key is kept by Marta.'],
    )
    assert.equal(output.iterations, 1)
    assert.equal(output.calls.reasoner, 1)
    assert.ok(output.calls.seekers > 200)
    assert.ok(seen.largest <= windowTokens, String(seen.largest))
    assert.equal(usage.calls, output.calls.seekers + 1)
    // Every chunk is read once: what was paid is little more than the text.
    assert.ok(
      usage.inputTokens > text.length / 4 && usage.inputTokens < (text.length / 4) * 1.8,
      String(usage.inputTokens),
    )
    assert.ok(same)
  })

  test('two facts in different chunks meet in the second iteration and never in the first', async () => {
    const text = `${filler(60)}Marta lives in the town of Lima.\n${filler(200)}The silver key is kept by Marta.\n${filler(60)}`
    const answer = (call: Call): string =>
      call.system.startsWith('You read one part')
        ? seeking(call)
        : (/town of (\w+)/.exec(call.user)?.[1] ?? 'No answer.')
    const question = 'In which town does the keeper of the silver key live?'
    const once = await run(extAgents, { question, text, windowTokens: 1_000, iterations: 1 }, windowed(1_000, answer))
    assert.equal(once.output.answer, 'No answer.')
    const { model, seen } = windowed(1_000, answer)
    const { output, same } = await run(extAgents, { question, text, windowTokens: 1_000 }, { model })
    assert.equal(output.answer, 'Lima')
    assert.equal(output.iterations, 2)
    assert.deepEqual(
      output.notes.map(({ text: note }) => note),
      ['The silver key is kept by Marta.', 'Marta lives in the town of Lima.'],
    )
    assert.ok(seen.largest <= 1_000)
    assert.ok(same)
  })

  for (const [rank, calls] of [
    [1, 1],
    [2, 2],
    [3, 3],
    [16, 5],
    [100, 8],
  ] as const)
    test(`a note at rank ${rank} costs ${calls} calls of the reasoner`, async () => {
      const text = Array.from({ length: 100 }, (_, i) => `${filler(2, i)}This is place ${i}.\n\n`).join('')
      const { model } = windowed(16_000, ({ system, user }) => {
        if (!system.startsWith('You read one part')) return user.includes('the lamp') ? 'the lamp' : 'no answer'
        const place = Number(/This is place (\d+)\./.exec(user)?.[1])
        return JSON.stringify({
          relevance: 200 - place,
          note: place === rank - 1 ? 'It was the lamp.' : `Nothing at ${place}.`,
        })
      })
      // Chunks of one place each.
      const { output } = await run(
        extAgents,
        { question: 'What was it?', text, windowTokens: 16_000, chunkTokens: 100 },
        { model },
      )
      assert.equal(output.answer, 'the lamp')
      assert.equal(output.calls.seekers, 100)
      assert.equal(output.calls.reasoner, calls)
    })

  test('files are read too; a seeker that fails is named; one that babbles is heard as nothing', async () => {
    const { model } = windowed(2_000, (call, index) => {
      if (!call.system.startsWith('You read one part')) return /kept by (\w+)/.exec(call.user)?.[1] ?? 'no answer'
      if (index === 0) return { error: { statusCode: 400, message: 'refused' } }
      return index === 1 ? 'I read it all!' : seeking(call)
    })
    const reading = defineProgram('reading', async (sys) => {
      await sys.write('logs/1.txt', filler(100))
      await sys.write('logs/2.txt', 'The silver key is kept by Ada.')
      const pid = await sys.spawn(extAgents, {
        question: asksWho,
        files: ['logs/1.txt', 'logs/2.txt'],
        windowTokens: 2_000,
      })
      return sys.wait(pid)
    })
    const { output } = await run(reading as unknown as Program<never, { answer: string; unread: number[] }>, null, {
      model,
    })
    assert.equal(output.answer, 'Ada')
    assert.deepEqual(output.unread, [0])
  })

  test('the last iteration answers, also from nothing; a question larger than its share is refused', async () => {
    const { model } = windowed(1_000, ({ system }) =>
      system.startsWith('You read one part') ? '{"relevance":0,"note":""}' : 'I cannot say.',
    )
    const { output } = await run(
      extAgents,
      { question: asksWho, text: filler(30), windowTokens: 1_000, iterations: 2 },
      { model },
    )
    assert.deepEqual([output.answer, output.iterations, output.calls.reasoner], ['I cannot say.', 2, 1])
    await assert.rejects(
      run(extAgents, { question: filler(20), text: 'x', windowTokens: 1_000 }, { model }),
      /a sixteenth of 1000 tokens/,
    )
  })
})

// --------------------------------------------------------------------------------------------------------- agent-write

const planOf = (count: number, words: number): string =>
  Array.from(
    { length: count },
    (_, i) => `Paragraph ${i + 1} - Main Point: Chapter ${i + 1} of the tale - Word Count: ${words} words`,
  ).join('\n\n')
const paragraphOf = (i: number, words: number): string =>
  Array.from({ length: words }, (_, n) => (n === 0 ? `Opening${i}` : n === words - 1 ? `closing${i}.` : 'word')).join(
    ' ',
  )
const numberOf = ({ user }: Call): number => Number(/Write paragraph (\d+) of/.exec(user)?.[1])

describe('agent-write', () => {
  test('more than 10,000 words, in order, each paragraph with all before it and none behind', async () => {
    const { model, seen } = windowed(200_000, (call) =>
      call.system.startsWith('Break the writing task') ? planOf(24, 450) : paragraphOf(numberOf(call), 450),
    )
    const { output, usage, same } = await run(
      agentWrite,
      { instruction: 'A tale in 10,800 words.', words: 10_800 },
      { model },
    )
    assert.equal(output.words, 10_800)
    assert.equal(output.text.split(/\s+/).length, 10_800)
    assert.deepEqual([output.planned, output.score], [10_800, 100])
    assert.deepEqual(
      [...output.text.matchAll(/Opening(\d+)/g)].map(([, n]) => Number(n)),
      Array.from({ length: 24 }, (_, i) => i + 1),
    )
    assert.equal(usage.calls, 1 + 24)
    for (const [i, call] of seen.calls.slice(1).entries()) {
      assert.equal(numberOf(call), i + 1)
      assert.equal(call.user.match(/closing\d+\./g)?.length ?? 0, i, `prompt ${i + 1}`)
    }
    assert.ok(same)
  })

  test('what a small window cannot hold is left out from the beginning, and said so', async () => {
    const windowTokens = 3_000
    const { model, seen } = windowed(windowTokens, (call) =>
      call.system.startsWith('Break the writing task') ? planOf(20, 200) : paragraphOf(numberOf(call), 200),
    )
    const { output } = await run(agentWrite, { instruction: 'A tale.', windowTokens }, { model })
    assert.equal(output.words, 4_000)
    assert.ok(seen.calls.slice(1).every(({ user }) => boundTokens(user) < windowTokens))
    const last = seen.calls.at(-1)?.user ?? ''
    assert.match(last, /\[the beginning is left out\]/)
    assert.ok(last.includes('closing19.') && !last.includes('Opening1 '))
  })

  test('an empty paragraph is asked for again, a repeated one too; then it is left out and told of', async () => {
    const tries = new Map<number, number>()
    const { model } = windowed(100_000, (call) => {
      if (call.system.startsWith('Break the writing task')) return planOf(4, 200)
      const i = numberOf(call)
      const times = (tries.get(i) ?? 0) + 1
      tries.set(i, times)
      if (i === 2 && times === 1) return '  '
      return i === 3 ? paragraphOf(1, 200) : paragraphOf(i, 200)
    })
    const { output } = await run(agentWrite, { instruction: 'A tale.', words: 1_600 }, { model })
    assert.deepEqual(
      output.paragraphs.map(({ written }) => written),
      [200, 200, 0, 200],
    )
    assert.equal(output.words, 600)
    assert.equal(Math.round(output.score), 17)
    assert.deepEqual([...tries.values()], [1, 2, 2, 1])
  })

  test('a plan of more than 50 lines, or none, is refused', async () => {
    for (const plan of [planOf(51, 200), 'I would rather not.']) {
      const { model, seen } = windowed(100_000, () => plan)
      await assert.rejects(run(agentWrite, { instruction: 'A tale.' }, { model }), /no plan of 1 to 50 paragraphs/)
      assert.equal(seen.calls.length, 2)
    }
  })

  test('the score of a length', () => {
    const scores = [1_000, 2_000, 500, 4_000, 333, 0].map((words) => Number(lengthScore(1_000, words).toFixed(1)))
    assert.deepEqual(scores, [100, 66.7, 50, 0, 0, 0])
  })
})

// --------------------------------------------------------------------------------------------------------------- l2mac

const plannedAs = (...instructions: string[]): string => JSON.stringify({ instructions })
const act = (action: string, more: object = {}): string => JSON.stringify({ action, ...more })
const isPlanning = ({ system }: Call): boolean => system.startsWith('Turn the task')

describe('l2mac', () => {
  test('ten windows of text come to be, complete and in order, and no call is larger than a window', async () => {
    const windowTokens = 2_000
    const chapter = (n: number): string => filler(20, n * 20)
    let written = 0
    const { model, seen } = windowed(windowTokens, (call) => {
      if (isPlanning(call))
        return plannedAs(...Array.from({ length: 10 }, (_, i) => `Write chapters ${i * 4} to ${i * 4 + 3}.`))
      if (call.user.endsWith('what is left.')) return 'Some chapters are written. The rest is left.'
      const first = Number(/Write chapters (\d+)/.exec(call.user)?.[1])
      if (written < first + 4)
        return act('write', { path: `${String(written).padStart(2, '0')}.txt`, text: chapter(written++) })
      return act('done', { text: `Chapters up to ${written - 1} stand.` })
    })
    const { kernel, settled } = createWorld({ models: { scripted: model } })
    const started = kernel.spawn(l2mac, { task: 'Write a log of forty chapters.', windowTokens } as never)
    const output = (await settled(started.result)) as unknown as {
      files: string[]
      finished: boolean
      instructions: { windows: number; steps: number }[]
    }
    const texts = output.files.map((path) => kernel.files(started.pid).read(`l2mac/${path}`).content)
    await kernel.close()
    assert.ok(output.finished)
    assert.equal(texts.join(''), filler(800))
    assert.ok(boundTokens(texts.join('')) > 10 * windowTokens)
    assert.ok(seen.largest <= windowTokens, String(seen.largest))
    assert.ok(output.instructions.every(({ steps }) => steps === 5))
    assert.ok(
      output.instructions.some(({ windows }) => windows > 1),
      'windows were begun anew within an instruction',
    )
  })

  test('an instruction does not end while the check is red, and the report is read next', async () => {
    const checked: Json[] = []
    const runTests = tool('run_tests', (input) => {
      checked.push(input)
      const { files } = input as unknown as { files: { path: string; text: string }[] }
      const ok = files.some(({ path, text }) => path === 'sum.js' && text.includes('a + b'))
      return { ok, report: ok ? '' : 'sum(1, 2) is -1, not 3' }
    })
    const answers = [
      act('write', { path: 'sum.js', text: 'export const sum = (a, b) => a - b' }),
      act('done', { text: 'The sum is written.' }),
      act('view', { path: 'sum.js' }),
      act('view', { path: 'missing.js' }),
      'I think I am finished.',
      act('write', { path: 'sum.js', text: 'export const sum = (a, b) => a + b' }),
      act('done', { text: 'The sum adds.' }),
      act('view', { path: 'sum.js' }),
      act('done', { text: 'All is well.' }),
    ]
    let at = 0
    const { model, seen } = windowed(8_000, (call) =>
      isPlanning(call) ? plannedAs('Write sum.', 'Look at it.') : (answers[at++] as string),
    )
    const { output, same } = await run(
      l2mac,
      { task: 'A sum.', check: 'run_tests', windowTokens: 8_000 },
      { model, tools: [runTests] },
    )
    assert.deepEqual(
      output.instructions.map(({ done, steps }) => [done, steps]),
      [
        [true, 7],
        [true, 2],
      ],
    )
    assert.ok(output.finished && same)
    assert.deepEqual(output.files, ['sum.js'])
    const users = seen.calls.map(({ user }) => user)
    assert.match(users[3] ?? '', /The check fails:\nsum\(1, 2\) is -1, not 3$/)
    assert.match(users[4] ?? '', /a - b$/)
    assert.match(users[5] ?? '', /Error: .*missing\.js/)
    assert.match(users[6] ?? '', /That was no action/)
    // The second instruction begins with the hand-over and the names of the files, and nothing else of the first.
    assert.match(users[8] ?? '', /From before: The sum adds\.[\s\S]*Files: sum\.js/)
    assert.ok(!(users[8] ?? '').includes('a + b'))
    assert.equal(checked.length, 5)
  })

  test('the same answer again and again is asked for at a higher temperature, and ends', async () => {
    const { model, seen } = windowed(8_000, (call) =>
      isPlanning(call) ? plannedAs('Loop.') : act('view', { path: 'x' }),
    )
    const { output } = await run(l2mac, { task: 'Loop.', stepsMax: 6, windowTokens: 8_000 }, { model })
    assert.equal(output.finished, false)
    assert.deepEqual(
      seen.calls.slice(1).map(({ temperature }) => Number((temperature ?? 0).toFixed(1))),
      [0, 0, 0.4, 0.8, 1, 1],
    )
  })

  test('instructions can be added, ten at most', async () => {
    let at = 0
    const { model } = windowed(8_000, (call) => {
      if (isPlanning(call)) return plannedAs('First.')
      at++
      return at <= 12 ? act('instruct', { text: `More ${at}.` }) : act('done', { text: 'ok' })
    })
    const { output } = await run(l2mac, { task: 'Grow.', windowTokens: 8_000 }, { model })
    assert.equal(output.instructions.length, 10)
    assert.ok(output.finished)
  })
})
