/** The model `offline/reader`, through its public interface: what it calls, what it answers, what it refuses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type {
  JSONValue,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider'
import fc from 'fast-check'
import { calculator } from '../src/drivers/calculator.ts'
import { isRefusal, reader, refusalPrefix } from '../src/drivers/llm/reader.ts'
import { arithmeticIn, subQuestions } from '../src/drivers/llm/reader-question.ts'
import { relatedTo } from '../src/drivers/llm/reader-relations.ts'
import { stem } from '../src/kernel/stem.ts'
import { likeness, nearestTo, vectorOf } from '../src/drivers/llm/reader-vectors.ts'

const model = reader()

const user = (text: string): LanguageModelV4Prompt => [{ role: 'user', content: [{ type: 'text', text }] }]
const textOf = (content: readonly LanguageModelV4Content[]): string =>
  content.map((part) => (part.type === 'text' ? part.text : '')).join('')
const answer = async (prompt: LanguageModelV4Prompt, more: Partial<LanguageModelV4CallOptions> = {}): Promise<string> =>
  textOf((await model.doGenerate({ prompt, ...more })).content)

const searchTool = {
  type: 'function' as const,
  name: 'search',
  description: 'Searches.',
  inputSchema: {
    type: 'object' as const,
    properties: { query: { type: 'string' as const }, limit: { type: 'integer' as const, maximum: 50 } },
    required: ['query'],
  },
}
const readTool = {
  type: 'function' as const,
  name: 'read',
  inputSchema: {
    type: 'object' as const,
    properties: {
      path: { type: 'string' as const },
      from: { type: 'integer' as const },
      to: { type: 'integer' as const },
    },
    required: ['path'],
  },
}
const calculatorTool = {
  type: 'function' as const,
  name: 'calculator',
  inputSchema: {
    type: 'object' as const,
    properties: { expression: { type: 'string' as const } },
    required: ['expression'],
  },
}

/** The prompt after a round: the calls the model made, each answered with the same value. */
function answered(
  prompt: LanguageModelV4Prompt,
  content: readonly LanguageModelV4Content[],
  value: JSONValue,
): LanguageModelV4Prompt {
  const calls = content.filter((part) => part.type === 'tool-call')
  return [
    ...prompt,
    {
      role: 'assistant',
      content: calls.map((call) => ({
        type: 'tool-call',
        toolCallId: call.toolCallId,
        toolName: call.toolName,
        input: JSON.parse(call.input) as unknown,
      })),
    },
    {
      role: 'tool',
      content: calls.map((call) => ({
        type: 'tool-result',
        toolCallId: call.toolCallId,
        toolName: call.toolName,
        output: { type: 'json', value },
      })),
    },
  ]
}

const hits = [
  {
    path: 'docs/kernel.md',
    line: 12,
    endLine: 13,
    heading: 'Kernel > Budgets',
    text: 'Tokens are reserved before the call and settled after it.\nNothing is ever spent twice.',
    score: 9,
  },
  {
    path: 'docs/ship.md',
    line: 3,
    endLine: 3,
    text: 'The captain of the Pequod was Ahab, a man of Nantucket.',
    score: 4,
  },
]

test('it searches with the key terms of the question, then quotes the best sentence with its line', async () => {
  const prompt = user('Please tell me, when are tokens reserved?')
  const first = await model.doGenerate({ prompt, tools: [searchTool] })
  assert.equal(first.finishReason.unified, 'tool-calls')
  const inputs = first.content.flatMap((part) =>
    part.type === 'tool-call' ? [JSON.parse(part.input) as { query: string; limit: number }] : [],
  )
  assert.equal(inputs[0]?.query, 'tokens reserved')
  assert.ok((inputs[0]?.limit ?? 0) <= 50)
  let turn = answered(prompt, first.content, hits)
  for (let round = 0; round < 5; round++) {
    const next = await model.doGenerate({ prompt: turn, tools: [searchTool] })
    if (next.finishReason.unified === 'stop') {
      assert.match(
        textOf(next.content),
        /^Tokens are reserved before the call and settled after it\. \[docs\/kernel\.md:12\]/,
      )
      return
    }
    turn = answered(turn, next.content, hits)
  }
  assert.fail('it never answered')
})

test('rounds are bounded and no call is made twice', async () => {
  let prompt = user('Which flavour of ice cream does the unmentioned walrus of Greenland prefer?')
  const made = new Set<string>()
  const ids = new Set<string>()
  for (let round = 0; ; round++) {
    assert.ok(round <= 3, 'too many rounds')
    const { content, finishReason } = await model.doGenerate({ prompt, tools: [searchTool, readTool] })
    if (finishReason.unified === 'stop') {
      assert.ok(isRefusal(textOf(content)))
      assert.doesNotMatch(textOf(content), /\[[^\]]+:\d+\]/)
      break
    }
    for (const part of content) {
      if (part.type !== 'tool-call') continue
      assert.ok(!made.has(part.toolName + part.input), part.input)
      made.add(part.toolName + part.input)
      assert.ok(!ids.has(part.toolCallId))
      ids.add(part.toolCallId)
    }
    prompt = answered(prompt, content, hits)
  }
})

test('thin evidence is read around with a tool that takes a path', async () => {
  let prompt = user('Who is the captain of the Pequod and its crew?')
  const names = new Set<string>()
  for (let round = 0; round < 4; round++) {
    const { content } = await model.doGenerate({ prompt, tools: [searchTool, readTool] })
    for (const part of content) if (part.type === 'tool-call') names.add(part.toolName)
    if (!content.some((part) => part.type === 'tool-call')) break
    prompt = answered(prompt, content, [hits[1] as JSONValue])
  }
  assert.deepEqual([...names].toSorted(), ['read', 'search'])
})

test('evidence lines in the prompt are quoted without any tool', async () => {
  const text = await answer(
    user(
      'Answer from the evidence.\n\nQuestion: Who was the captain of the Pequod?\n\nEvidence:\n[docs/ship.md:3] The captain of the Pequod was Ahab, a man of Nantucket.\n[docs/sea.md:9] The sea was calm that day.\n',
    ),
  )
  assert.match(text, /^The captain of the Pequod was Ahab, a man of Nantucket\. \[docs\/ship\.md:3\]/)
})

test('text results of any tool count when their lines begin with a source', async () => {
  const prompt = user('Who was the captain of the Pequod?')
  const first = await model.doGenerate({ prompt, tools: [searchTool] })
  const turn = answered(prompt, first.content, null).map((message) =>
    message.role === 'tool'
      ? {
          ...message,
          content: message.content.map((part) =>
            part.type === 'tool-result'
              ? { ...part, output: { type: 'text' as const, value: '[ship.md:7] The captain of the Pequod was Ahab.' } }
              : part,
          ),
        }
      : message,
  ) as LanguageModelV4Prompt
  assert.match(await answer(turn), /\[ship\.md:7\]/)
})

test('an answer is verbatim and its line is right', async () => {
  const word = fc.constantFrom(
    'whale',
    'ship',
    'captain',
    'harpoon',
    'ocean',
    'sailed',
    'the',
    'of',
    'Ahab',
    'in',
    '1851',
  )
  const sentence = fc.array(word, { minLength: 4, maxLength: 12 }).map((words) => `The ${words.join(' ')}.`)
  await fc.assert(
    fc.asyncProperty(fc.array(sentence, { minLength: 1, maxLength: 6 }), async (lines) => {
      const evidence = lines.map((line, index) => `[book.txt:${index + 1}] ${line}`).join('\n')
      for (const quote of (await answer(user(`${evidence}\n\nWhich captain sailed the whale ship?`))).split('\n')) {
        const match = /^(.*) \[book\.txt:(\d+)\]$/.exec(quote)
        if (match) assert.ok((lines[Number(match[2]) - 1] as string).includes(match[1] as string))
        else assert.ok(quote === '' || quote.startsWith(refusalPrefix), quote)
      }
    }),
    { numRuns: 60 },
  )
})

test('older turns do not answer a newer question', async () => {
  const prompt: LanguageModelV4Prompt = [
    ...user('[old.md:1] The captain of the Pequod was Ahab.\nWho was the captain?'),
    { role: 'assistant', content: [{ type: 'text', text: 'Ahab.' }] },
    ...user('Who was the captain of the Pequod?'),
  ]
  assert.ok(isRefusal(await answer(prompt)))
})

test('arithmetic goes through the calculator and the answer states the result', async () => {
  for (const [question, expression, value] of [
    ['What is 12 * (3+4)?', '12 * (3+4)', 84],
    ['How much is 15 % of 240?', '15 % of 240', 36],
    ['what is 7 plus 5 times 2', '7 + 5 * 2', 17],
    ['Calculate 1,000 minus 1', '1,000 - 1', 999],
  ] as const) {
    const prompt = user(question)
    const first = await model.doGenerate({ prompt, tools: [searchTool, calculatorTool] })
    assert.deepEqual(
      first.content.map((part) => (part.type === 'tool-call' ? [part.toolName, JSON.parse(part.input)] : part)),
      [['calculator', { expression }]],
    )
    const output = await calculator().execute({ expression })
    const last = await model.doGenerate({
      prompt: answered(prompt, first.content, output),
      tools: [searchTool, calculatorTool],
    })
    assert.equal(textOf(last.content), `${expression} = ${value}`)
    assert.equal(last.finishReason.unified, 'stop')
  }
  for (const question of [
    'What is a whale?',
    'How much is owed?',
    'Who won in 1812?',
    'What is 1812?',
    'What happened on 3-4 May?',
  ])
    assert.equal(arithmeticIn(question), undefined, question)
})

test('a question is split into its parts, and one question stays one', () => {
  assert.deepEqual(subQuestions('Who was Ahab and where did he sail?'), ['Who was Ahab?', 'Where did Ahab sail?'])
  assert.deepEqual(subQuestions('What is a gam? How long is the line?'), ['What is a gam?', 'How long is the line?'])
  assert.deepEqual(subQuestions('Compare fifo and priority.'), ['What is fifo?', 'What is priority?'])
  for (const one of [
    'What is a gam?',
    'What did Mrs. Hussey say to Mr. Coffin?',
    'Who wrote the laws of war and peace?',
    'Explain budgets',
    'In 1862, what did Lincoln say and propose?',
  ])
    assert.deepEqual(subQuestions(one), [one])
})

const json = async (text: string, schema: Record<string, unknown>): Promise<unknown> =>
  JSON.parse(
    await answer(user(text), { responseFormat: { type: 'json', schema } } as Partial<LanguageModelV4CallOptions>),
  )

test('JSON answers validate against the schema', async () => {
  const plan = {
    type: 'object',
    properties: { questions: { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 5 } },
    required: ['questions'],
    additionalProperties: false,
  }
  assert.deepEqual(await json('Who was Ahab and where did he sail?', plan), {
    questions: ['Who was Ahab?', 'Where did Ahab sail?'],
  })
  assert.deepEqual(await json('What is a gam?', plan), { questions: ['What is a gam?'] })
  const evidence = '[a.md:4] The captain of the Pequod was Ahab.\nWho was the captain of the Pequod?'
  const full = {
    type: 'object',
    properties: {
      answer: { type: 'string', minLength: 1 },
      sources: { type: 'array', items: { type: 'string' } },
      found: { type: 'boolean' },
      verdict: { enum: ['yes', 'no'] },
      confidence: { type: 'number', minimum: 0, maximum: 1 },
      nested: { $ref: '#/$defs/note' },
      either: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
      kind: { const: 'answer' },
    },
    required: ['answer', 'sources', 'found', 'verdict', 'confidence', 'nested', 'kind'],
    $defs: { note: { type: 'object', properties: { text: { type: 'string', maxLength: 5 } }, required: ['text'] } },
  }
  const value = (await json(evidence, full)) as Record<string, unknown>
  assert.match(value['answer'] as string, /Ahab/)
  assert.deepEqual(
    [value['sources'], value['found'], value['verdict'], value['confidence'], value['kind']],
    [['a.md:4'], true, 'yes', 1, 'answer'],
  )
  assert.ok((value['nested'] as { text: string }).text.length <= 5)
  assert.equal(((await json('Who was Napoleon?', full)) as Record<string, unknown>)['verdict'], 'no')
})

test('the stream carries exactly what generate returns, in small deltas', async () => {
  const calls: LanguageModelV4CallOptions[] = [
    {
      prompt: user(
        '[a.md:4] The captain of the Pequod was Ahab 🐳, an old man with a leg of ivory.\nWho was the captain of the Pequod?',
      ),
    },
    { prompt: user('Who was Ahab?'), tools: [searchTool] },
    { prompt: user('Who?') },
  ]
  for (const call of calls) {
    const whole = await model.doGenerate(call)
    const parts: LanguageModelV4StreamPart[] = []
    for await (const part of (await model.doStream(call)).stream) parts.push(part)
    const deltas = parts.flatMap((part) => (part.type === 'text-delta' ? [part.delta] : []))
    assert.equal(deltas.join(''), textOf(whole.content))
    assert.ok(deltas.every((delta) => delta.length <= 26 && delta.isWellFormed()))
    assert.deepEqual(
      parts.filter((part) => part.type === 'tool-call'),
      whole.content.filter((part) => part.type === 'tool-call'),
    )
    assert.equal(parts[0]?.type, 'stream-start')
    assert.deepEqual(parts.at(-1), { type: 'finish', finishReason: whole.finishReason, usage: whole.usage })
  }
})

test('the same call gives the same result', async () => {
  const call = { prompt: user('Who was Ahab and where did he sail?'), tools: [searchTool, readTool] }
  assert.deepEqual(await model.doGenerate(call), await reader().doGenerate(structuredClone(call)))
})

test('an abort ends a call before and during the stream', async () => {
  const prompt = user(
    '[a.md:4] The captain of the Pequod was Ahab, an old man with a leg of ivory.\nWho was the captain of the Pequod?',
  )
  await assert.rejects(
    Promise.resolve(model.doGenerate({ prompt, abortSignal: AbortSignal.abort(new Error('stopped')) })),
    /stopped/,
  )
  const abort = new AbortController()
  const { stream } = await model.doStream({ prompt, abortSignal: abort.signal })
  const seen: string[] = []
  await assert.rejects(async () => {
    for await (const part of stream) {
      seen.push(part.type)
      if (part.type === 'text-delta') abort.abort(new Error('stopped'))
    }
  }, /stopped/)
  assert.ok(!seen.includes('finish'))
})

test('length, stop sequences, tool choice and usage are honoured', async () => {
  const prompt = user(
    '[a.md:4] The captain of the Pequod was Ahab, an old man with a leg of ivory.\nWho was the captain of the Pequod?',
  )
  const short = await model.doGenerate({ prompt, maxOutputTokens: 3 })
  assert.deepEqual(
    [textOf(short.content).length, short.finishReason.unified, short.usage.outputTokens.total],
    [12, 'length', 3],
  )
  assert.equal(await answer(prompt, { stopSequences: [' of '] }), 'The captain')
  assert.equal(
    (await model.doGenerate({ prompt, tools: [searchTool], toolChoice: { type: 'none' } })).finishReason.unified,
    'stop',
  )
  const whole = await model.doGenerate({ prompt })
  assert.equal(whole.usage.outputTokens.total, Math.ceil(textOf(whole.content).length / 4))
  assert.ok((whole.usage.inputTokens.total ?? 0) > 20)
})

test('any text at all gets an answer or a refusal, and strange tool results do no harm', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'grapheme', maxLength: 120, size: 'max' }),
      fc.jsonValue(),
      async (text, value) => {
        const prompt = user(text)
        const first = await model.doGenerate({ prompt, tools: [searchTool, calculatorTool, readTool] })
        assert.ok(first.content.length > 0)
        const last = await model.doGenerate({ prompt: answered(prompt, first.content, value as JSONValue) })
        assert.equal(last.finishReason.unified, 'stop')
      },
    ),
    { numRuns: 150 },
  )
  assert.ok(isRefusal(await answer([])))
  assert.throws(() => reader({ supportMin: 2 }), /supportMin must be from 0 to 1/)
})

test('words relate by meaning: kinds, synonyms and derived words, never to themselves', () => {
  for (const [word, other] of [
    ['officer', 'commodore'],
    ['rejected', 'veto'],
    ['unspent', 'unexpended'],
    ['double', 'increase'],
  ] as const)
    assert.ok((relatedTo(word).get(stem(other)) ?? 0) > 0, `${word} and ${other}`)
  assert.ok((relatedTo('officer').get(stem('lieutenant')) ?? 0) > (relatedTo('officer').get(stem('person')) ?? 0))
  for (const word of ['officer', 'went', 'ships', 'quickly']) {
    assert.equal(relatedTo(word).get(stem(word)), undefined)
    assert.ok([...relatedTo(word).values()].every((likeness) => likeness > 0 && likeness < 1))
  }
  assert.equal(relatedTo('Xyzzyqua').size, 0)
})

test('words are alike by the company they keep, and the nearest come first', () => {
  const alike = (a: string, b: string): number => {
    const [x, y] = [vectorOf(a), vectorOf(b)]
    assert.ok(x !== undefined && y !== undefined, `${a} and ${b} are known`)
    return likeness(x, y)
  }
  for (const [word, near, far] of [
    ['doctor', 'physician', 'whale'],
    ['ship', 'vessel', 'tax'],
    ['buy', 'purchase', 'sing'],
    ['begin', 'commence', 'copper'],
  ] as const)
    assert.ok(alike(word, near) > alike(word, far) + 0.3, `${word} is nearer to ${near} than to ${far}`)
  assert.ok(Math.abs(alike('ship', 'ship') - 1) < 1e-5)
  const nearest = nearestTo('ship')
  assert.equal(nearest[0]?.[0], 'vessel')
  for (const [word, value] of nearest) assert.ok(Math.abs(alike('ship', word) - value) < 1e-4)
  assert.deepEqual(nearestTo('xyzzyqua'), [])
})

test('a very long question is read in less than a second', async () => {
  const evidence = '[docs/ship.md:3] The captain of the Pequod was Ahab, a man of Nantucket.'
  await answer(user(`Who was the captain?\n${evidence}`)) // the tables are read before the clock starts
  const words = Array.from({ length: 14_000 }, (_, index) => `word${index}`).join(' ')
  for (const text of [
    words,
    `${words}?`,
    'x'.repeat(100_000),
    ' \n'.repeat(50_000),
    'Who was it and what did Ahab do to The Whale. '.repeat(2_200),
    'Who was it? '.repeat(9_000),
    `Compare ${'a b '.repeat(25_000)}`,
  ]) {
    const start = process.cpuUsage()
    await model.doGenerate({ prompt: user(text), tools: [searchTool] })
    await model.doGenerate({ prompt: user(`${text}\n${evidence}`) })
    const { user: time, system } = process.cpuUsage(start)
    assert.ok(time + system < 1_000_000, `${text.slice(0, 20)}… took ${(time + system) / 1_000} ms`)
  }
  assert.match(
    await answer(user(`${'Once upon a time. '.repeat(6_000)}\n${evidence}\nWho was the captain?`)),
    /ship\.md:3/,
  )
})
