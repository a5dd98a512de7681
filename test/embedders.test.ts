/** The embedders: ours by hashing, those of others through the AI SDK, and the conformance suite that they pass. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { APICallError, type EmbeddingModelV4 } from '@ai-sdk/provider'
import { MockEmbeddingModelV3, MockEmbeddingModelV4 } from 'ai/test'
import fc from 'fast-check'
import { boot } from '../src/boot.ts'
import { aiSdkEmbedder } from '../src/drivers/embedder/ai-sdk.ts'
import { embedderConformance } from '../src/drivers/embedder/conformance.ts'
import { hashingEmbedder } from '../src/drivers/embedder/hashing.ts'
import { wordsEmbedder } from '../src/drivers/embedder/words.ts'
import type { Embedder } from '../src/kernel/drivers.ts'
import { defineProgram } from '../src/kernel/program.ts'

const open = { signal: new AbortController().signal }
const dot = (a: readonly number[] = [], b: readonly number[] = []): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0)
const embedOne = async (embedder: Embedder, text: string): Promise<readonly number[]> =>
  (await embedder.embed([text], open))[0] as readonly number[]

/** A foreign model: the AI SDK's own test model over a vector of letters. */
const letters = (text: string): number[] => {
  const vector = Array.from({ length: 27 }, () => 0.01)
  for (const letter of text.toLowerCase()) {
    const place = letter.charCodeAt(0) - 96
    vector[place > 0 && place < 27 ? place : 0]! += 1
  }
  return vector
}
const foreign = (more: ConstructorParameters<typeof MockEmbeddingModelV4>[0] = {}): MockEmbeddingModelV4 =>
  new MockEmbeddingModelV4({
    provider: 'foreign',
    modelId: 'letters',
    maxEmbeddingsPerCall: 100,
    supportsParallelCalls: true,
    doEmbed: async ({ values }) => ({ embeddings: values.map(letters), warnings: [] }),
    ...more,
  })
/** Never answers, and does not look at the signal. */
const deaf = foreign({ doEmbed: () => new Promise(() => {}) })

describe('conformance of the hashing embedder', () => {
  embedderConformance({ make: () => hashingEmbedder(), test: (name, fn) => test(name, fn) })
})

describe('conformance of the words embedder', () => {
  embedderConformance({ make: () => wordsEmbedder(), test: (name, fn) => test(name, fn) })
})

describe('conformance of a model of the AI SDK', () => {
  embedderConformance({
    make: () => aiSdkEmbedder(foreign()),
    test: (name, fn) => test(name, fn),
    traits: { slow: () => aiSdkEmbedder(deaf) },
  })
})

describe('hashing', () => {
  test('a vector has length 1, or is all zeros where there is nothing to read', async () => {
    const embedder = hashingEmbedder()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (text) => {
        const vector = await embedOne(embedder, text)
        const squares = dot(vector, vector)
        assert.ok(
          Math.abs(squares - (/[\p{L}\p{M}\p{N}]/u.test(text.normalize('NFKC')) ? 1 : 0)) < 1e-9,
          String(squares),
        )
      }),
    )
  })

  test('what was embedded before changes nothing', async () => {
    const used = hashingEmbedder()
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string({ unit: 'grapheme' }), async (before, text) => {
        await used.embed([before], open)
        assert.deepEqual(await embedOne(used, text), await embedOne(hashingEmbedder(), text))
      }),
    )
  })

  test('case, width and punctuation change nothing; forms and typing errors little; other words all', async () => {
    const embedder = hashingEmbedder()
    const near = async (a: string, b: string): Promise<number> =>
      dot(await embedOne(embedder, a), await embedOne(embedder, b))
    assert.ok((await near('The dentist, Friday!', 'ＴＨＥ dentist friday')) > 0.999)
    assert.ok((await near('the ships sailed', 'a ship sails')) > 0.6)
    assert.ok((await near('an appointment with the dentist', 'my apointment, dentist')) > 0.5)
    assert.ok((await near('appointment with the dentist', 'sailing in the summer')) < 0.2)
    assert.ok((await near('日本語の文章', '日本の文')) > 0.3)
  })

  test('the same numbers on every machine', async () => {
    const vector = await embedOne(hashingEmbedder({ dimensions: 32 }), 'When does the ship sail? 船')
    assert.deepEqual(
      vector.slice(0, 4).map((value) => value.toFixed(6)),
      GOLDEN,
    )
  })

  test('dimensions are a power of two', async () => {
    assert.equal((await embedOne(hashingEmbedder({ dimensions: 1_024 }), 'a ship')).length, 1_024)
    for (const dimensions of [0, 100, 16, 131_072, Number.NaN])
      assert.throws(() => hashingEmbedder({ dimensions }), /a power of two from 32 to 65,536, not/)
  })
})
const GOLDEN = ['0.312388', '-0.313618', '-0.079019', '0.156809']

describe('a model of the AI SDK', () => {
  test('a list is cut to what the model takes in one call, and comes back in its order', async () => {
    const model = foreign({ maxEmbeddingsPerCall: 3 })
    const texts = Array.from({ length: 8 }, (_, i) => 'a'.repeat(i + 1))
    const vectors = await (await aiSdkEmbedder(model)).embed(texts, open)
    assert.deepEqual(
      model.doEmbedCalls.map(({ values }) => values.length),
      [3, 3, 2],
    )
    assert.deepEqual(vectors, texts.map(letters))
  })

  test('a model that takes one call at a time gets one at a time, another at most four', async () => {
    for (const [supportsParallelCalls, expected] of [
      [false, 1],
      [true, 4],
    ] as const) {
      let running = 0
      let most = 0
      const model = foreign({
        supportsParallelCalls,
        maxEmbeddingsPerCall: Promise.resolve(1),
        doEmbed: async ({ values }) => {
          most = Math.max(most, ++running)
          await new Promise((resolve) => void setImmediate(resolve))
          running--
          return { embeddings: values.map(letters), warnings: [] }
        },
      })
      await (
        await aiSdkEmbedder(model)
      ).embed(
        Array.from({ length: 9 }, () => 'text'),
        open,
      )
      assert.equal(most, expected)
    }
  })

  test('dimensions, options of the provider and the signal reach the model', async () => {
    const model = foreign()
    const signal = new AbortController().signal
    const embedder = await aiSdkEmbedder(model, { dimensions: 64, providerOptions: { foreign: { kind: 'query' } } })
    await embedder.embed(['text'], { signal })
    const [call] = model.doEmbedCalls
    assert.equal(call?.dimensions, 64)
    assert.deepEqual(call?.providerOptions, { foreign: { kind: 'query' } })
    assert.equal(call?.abortSignal, signal)
  })

  test('no call is made after an abort', async () => {
    const controller = new AbortController()
    const model = foreign({
      maxEmbeddingsPerCall: 1,
      supportsParallelCalls: false,
      doEmbed: async ({ values }) => {
        controller.abort(new Error('enough'))
        return { embeddings: values.map(letters), warnings: [] }
      },
    })
    const embedder = await aiSdkEmbedder(model)
    await assert.rejects(Promise.resolve(embedder.embed(['a', 'b', 'c'], controller)), /enough/)
    assert.equal(model.doEmbedCalls.length, 1)
  })

  test('too few vectors, and vectors of different lengths, are the fault of the model', async () => {
    const few = await aiSdkEmbedder(foreign({ doEmbed: async () => ({ embeddings: [[1]], warnings: [] }) }))
    await assert.rejects(Promise.resolve(few.embed(['a', 'b'], open)), /foreign\/letters gave 1 vectors for 2 texts/)
    const odd = await aiSdkEmbedder(foreign({ doEmbed: async () => ({ embeddings: [[1], [1, 2]], warnings: [] }) }))
    await assert.rejects(Promise.resolve(odd.embed(['a', 'b'], open)), /vectors of 1 and of 2 numbers/)
  })

  test('what is no such model is refused in words', async () => {
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [new MockEmbeddingModelV3({ modelId: 'older' }), /speaks version "v3" .* and Polity 'v4' only/],
      [{ specificationVersion: 'v4', doGenerate() {} }, /is not an AI SDK embedding model: it has no doEmbed/],
      ['text-embedding-3-small', /does not name a model; expected 'provider\/model'/],
      ['nobody/text', /needs the package @ai-sdk\/nobody, which is not installed; run: npm install/],
      [17, /is a number; expected 'provider\/model' or an AI SDK embedding model/],
    ]
    for (const [given, message] of cases)
      await assert.rejects(aiSdkEmbedder(given as EmbeddingModelV4), (error: Error) => message.test(error.message))
  })
})

describe('by name, from an installed provider, over the wire', () => {
  test('a list of a program goes to the server and comes back as vectors', async () => {
    const bodies: { input: string[]; model: string }[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => (body += chunk))
      request.on('end', () => {
        const given = JSON.parse(body) as { input: string[]; model: string }
        bodies.push(given)
        if (given.input.includes('refuse')) return void response.writeHead(429, { 'retry-after': '1' }).end('{}')
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ data: given.input.map((text) => ({ embedding: letters(text) })) }))
      })
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const cwd = mkdtempSync(join(tmpdir(), 'polity-embedders-'))
    try {
      const folder = join(cwd, 'node_modules/@ai-sdk/wired')
      mkdirSync(folder, { recursive: true })
      writeFileSync(
        join(folder, 'package.json'),
        JSON.stringify({ name: '@ai-sdk/wired', type: 'module', exports: './index.js' }),
      )
      writeFileSync(join(folder, 'index.js'), wiredSource(port))
      const embedder = await aiSdkEmbedder('wired/letters-1', { cwd })
      assert.equal(embedder.name, 'wired/letters-1')
      const kernel = await boot({ embedder })
      const program = defineProgram('embed', async (sys, texts: string[]) => sys.embed(texts))
      assert.deepEqual(
        await kernel.spawn(program, ['one', 'two', 'three']).result,
        ['one', 'two', 'three'].map(letters),
      )
      assert.deepEqual(
        bodies.map(({ input }) => input.length),
        [2, 1],
      )
      assert.equal(bodies[0]?.model, 'letters-1')
      await assert.rejects(kernel.spawn(program, ['refuse']).result, (error: { code?: string; message: string }) => {
        assert.equal(error.code, 'DRIVER_FAILED')
        assert.match(error.message, /refused with 429/)
        return true
      })
      await kernel.close()
    } finally {
      server.close()
      rmSync(cwd, { recursive: true, force: true })
    }
  })
})

/** A provider package as one would install it. */
function wiredSource(port: number): string {
  return `export const wired = Object.assign(() => { throw new Error('no language models') }, {
  embeddingModel: (modelId) => ({
    specificationVersion: 'v4', provider: 'wired', modelId, maxEmbeddingsPerCall: 2, supportsParallelCalls: false,
    async doEmbed({ values, abortSignal }) {
      const response = await fetch('http://127.0.0.1:${port}/v1/embeddings', { method: 'POST', signal: abortSignal, body: JSON.stringify({ input: values, model: modelId }) })
      if (!response.ok) throw Object.assign(new Error('refused with ' + response.status), { statusCode: response.status, isRetryable: true })
      return { embeddings: (await response.json()).data.map(({ embedding }) => embedding), warnings: [] }
    },
  }),
})`
}

describe('boot', () => {
  test('takes a name, a model object or an embedder', async () => {
    for (const [embedder, name] of [
      ['hashing', 'hashing'],
      [foreign(), 'foreign/letters'],
      [hashingEmbedder({ dimensions: 64 }), 'hashing-64'],
    ] as const) {
      const kernel = await boot({ embedder })
      assert.equal(kernel.embedder, name)
      await kernel.close()
    }
    const plain = await boot()
    assert.equal(plain.embedder, null)
    await plain.close()
  })

  test('an error of the provider fails the call of the program with its message', async () => {
    const failing = foreign({
      doEmbed: () =>
        Promise.reject(
          new APICallError({ message: 'slow down', url: 'http://x', requestBodyValues: {}, statusCode: 429 }),
        ),
    })
    const kernel = await boot({ embedder: failing })
    const program = defineProgram('embed', async (sys) => sys.embed(['a']))
    await assert.rejects(kernel.spawn(program, undefined).result, /slow down/)
    await kernel.close()
  })
})
