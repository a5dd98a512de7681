/**
 * The conformance suite of embedders: what the kernel takes for granted of any `Embedder`, as tests that outsiders run on theirs.
 *
 *     import { test } from 'node:test'
 *     embedderConformance({ test, make: () => myEmbedder(), traits: { slow: () => myStalledEmbedder() } })
 *
 * It uses no test framework: `test(name, fn)` of any will do. What no trait covers is skipped, and the test's name says so.
 *
 * Invariants checked
 *   DE1. As many vectors as texts, in their order, finite, all of one length, in every call.
 *   DE2. A text has the vector that it has alone, whatever stands beside it and is asked for at the same time (`tolerance`).
 *   DE3. No text, no vector; a list longer than a provider takes at once is cut by the embedder.
 *   DE4. The list of texts is not changed.
 *   DE5. A call ends within 100 ms of its abort, whether that comes before or during it.
 *   DE6. What is said in nearly the same words is nearer than what is not (`meaning`).
 *   DE7. Strange texts (long, broken, without letters) get vectors or an Error, and harm no later call.
 */
import assert from 'node:assert/strict'
import { realClock, type Clock } from '../../kernel/clock.ts'
import type { Embedder } from '../../kernel/drivers.ts'

type Make = () => Embedder | Promise<Embedder>

export interface EmbedderTraits {
  /** How far two vectors of one text may differ, as 1 minus their cosine; providers round. @default 0.001 */
  readonly tolerance?: number
  /** Whether it holds texts of like words for near. @default true */
  readonly meaning?: boolean
  /** Texts of the long list. @default 2,500 */
  readonly textsMax?: number
  /** One whose calls take at least a second of real time, or for ever. @default skipped */
  readonly slow?: Make
}

export interface EmbedderConformanceOptions {
  /** A fresh embedder. */
  readonly make: Make
  /** The framework's `test`. */
  readonly test: (name: string, fn: () => Promise<void>) => unknown
  readonly traits?: EmbedderTraits
  /** What limits of time are measured by: real time, whatever clock the embedder has. @default realClock() */
  readonly clock?: Clock
}

/** How soon after an abort a call must have ended, ms. */
const ABORT_MS_MAX = 100

const texts = [
  'The cat sleeps on the sofa in the afternoon.',
  'In the afternoon the cat is sleeping on the sofa.',
  'Interest rates rose by half a point in March.',
  'Ein Schiff fährt nach Norden.',
  '船は北へ向かう。',
]

export function embedderConformance({
  make,
  test,
  traits = {},
  clock = realClock(),
}: EmbedderConformanceOptions): void {
  const { tolerance = 0.001, meaning = true, textsMax = 2_500, slow } = traits
  const embed = async (embedder: Embedder, given: readonly string[]): Promise<readonly (readonly number[])[]> => {
    const vectors = await embedder.embed(given, { signal: new AbortController().signal })
    assert.equal(vectors.length, given.length, 'as many vectors as texts')
    for (const vector of vectors) {
      assert.equal(vector.length, vectors[0]?.length, 'vectors of one length')
      assert.ok(vector.length > 0 && vector.every(Number.isFinite), 'a vector is a list of finite numbers')
    }
    return vectors
  }
  const same = (a: readonly number[] | undefined, b: readonly number[] | undefined, what: string): void =>
    assert.ok(cosine(a, b) >= 1 - tolerance, `${what}: the cosine is ${cosine(a, b)}`)

  test('an embedder has a name, and gives one vector per text, all of one length', async () => {
    const embedder = await make()
    assert.ok(typeof embedder.name === 'string' && embedder.name !== '', 'the name is a text')
    const [first] = await embed(embedder, texts)
    const [again] = await embed(embedder, [texts[4] as string])
    assert.equal(first?.length, again?.length, 'of one length in every call')
  })

  test('a text has the same vector alone, in a list, in another order and beside other calls', async () => {
    const embedder = await make()
    const together = await embed(embedder, texts)
    const turned = await embed(embedder, texts.toReversed())
    const alone = await Promise.all(texts.map((text) => embed(embedder, [text])))
    for (const [i, text] of texts.entries()) {
      same(together[i], alone[i]?.[0], `${text} alone`)
      same(together[i], turned[texts.length - 1 - i], `${text} in another order`)
    }
  })

  test('no text, no vector; and a long list is answered whole, in its order', async () => {
    const embedder = await make()
    assert.deepEqual(await embed(embedder, []), [])
    const many = await embed(
      embedder,
      Array.from({ length: textsMax }, (_, i) => texts[i % texts.length] as string),
    )
    const few = await embed(embedder, texts)
    for (const i of [0, 1, textsMax - 2, textsMax - 1]) same(many[i], few[i % texts.length], `text ${i}`)
  })

  test('the list of texts is not changed', async () => {
    const given = Object.freeze([...texts])
    await embed(await make(), given)
    assert.deepEqual(given, texts)
  })

  test('a call that is aborted before it begins is refused at once', async () => {
    const embedder = await make()
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(within(clock, Promise.resolve(embedder.embed(texts, { signal }))), 'it rejects')
  })

  if (slow === undefined) test('a call ends promptly when it is aborted (skipped: no trait `slow`)', async () => {})
  else
    test('a call ends promptly when it is aborted', async () => {
      const embedder = await slow()
      const controller = new AbortController()
      const running = Promise.resolve(embedder.embed(texts, { signal: controller.signal }))
      const ended = within(clock, running, 2 * ABORT_MS_MAX)
      clock.after(ABORT_MS_MAX, () => controller.abort(new Error('enough')))
      await assert.rejects(ended, (error: Error) => error.message !== LATE)
    })

  if (!meaning) test('texts of like words are near (skipped: no trait `meaning`)', async () => {})
  else
    test('texts of like words are near', async () => {
      const [cat, alsoCat, rates] = await embed(await make(), texts)
      assert.ok(cosine(cat, alsoCat) > cosine(cat, rates), 'two sentences of one cat, against one of money')
    })

  test('strange texts get vectors or an error, and harm no later call', async () => {
    const embedder = await make()
    const before = await embed(embedder, texts)
    for (const strange of ['', ' \n', '🦊🦊', '\ud800', '\u0000', '%$§', 'a'.repeat(100_000), 'word '.repeat(20_000)])
      await embed(embedder, [strange]).catch((error: unknown) => {
        assert.ok(error instanceof Error && !(error instanceof assert.AssertionError), String(error))
      })
    for (const [i, vector] of (await embed(embedder, texts)).entries()) same(vector, before[i], texts[i] as string)
  })
}

const LATE = 'it did not end in time'

/** The promise, or a failure after so many ms. */
function within<T>(clock: Clock, promise: Promise<T>, ms = ABORT_MS_MAX): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const stop = clock.after(ms, () => reject(new Error(LATE)))
  return Promise.race([promise, late]).finally(() => stop.cancel())
}

function cosine(a: readonly number[] = [], b: readonly number[] = []): number {
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0)
  const scale = Math.sqrt(dot(a, a) * dot(b, b))
  return scale === 0 ? 0 : dot(a, b) / scale
}
