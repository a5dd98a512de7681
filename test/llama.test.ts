/**
 * Local models: the real runtime, on a tiny model with random weights that the test makes. Skipped where the binary of the
 * runtime for this machine is not installed (docs/decisions/0017-binaries-of-one-platform.md).
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test as testHere } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { boot, loadModel } from '../src/boot.ts'
import { modelConformance } from '../src/drivers/llm/conformance.ts'
import type { LlamaModel } from '../src/drivers/llm/llama.ts'
import { llama } from '../src/drivers/llm/llama.ts'
import { findModel } from '../src/drivers/llm/llama/files.ts'
import type { Machine } from '../src/drivers/llm/llama/library.ts'
import { pickToken } from '../src/drivers/llm/llama/sampler.ts'
import { createPool } from '../src/drivers/llm/llama/sequences.ts'
import { defineProgram, defineTool } from '../src/index.ts'
import { randomAt } from '../src/kernel/clock.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { CallUsage } from '../src/kernel/types.ts'
import { z } from 'zod'
import { kernelOn, names, outputTokens, tells } from './llama-killed.ts'
import { contextTokens, goOnFrom, whole } from './llama-turns.ts'
import type { Piece } from './llama-turns.ts'
import { tinyGguf } from './tiny-gguf.ts'
import { within } from './world.ts'

const isLong = process.env['POLITY_LONG'] === '1'
const missing = missingBinary()
/** A test that needs the runtime. */
const test = (title: string, fn: () => unknown): Promise<void> =>
  testHere(title, { skip: missing ?? false }, async () => void (await fn()))
const folder = mkdtempSync(join(tmpdir(), 'polity-llama-test-'))
const stateFolder = join(folder, 'states')
const path = tinyGguf(folder)
// Found by itself once, below; here it is named, since the search takes longer than the tests.
const options = { gpu: false, contextTokens, stateFolder, format: 'chatML' } as const
// No test runs that would miss it.
const model = missing === undefined ? await llama(path, options) : (undefined as unknown as LlamaModel)
after(async () => {
  if (missing === undefined) await model.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Why nothing here can run; undefined where it can. Overridden packages lie there too, with another's name in them. */
function missingBinary(): string | undefined {
  const platform = { darwin: 'mac', win32: 'win' }[process.platform as string] ?? process.platform
  const names = ['', '-metal'].map((suffix) => `@node-llama-cpp/${platform}-${process.arch}${suffix}`)
  const isThere = names.some((name) => {
    const manifest = fileURLToPath(new URL(`../node_modules/${name}/package.json`, import.meta.url))
    return existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name: string }).name === name
  })
  return isThere
    ? undefined
    : `${names[0]} is not installed: package.json leaves out the binaries of other machines than linux-x64; take its line out of "overrides" and install again`
}

const user = (text: string): LanguageModelV4CallOptions['prompt'] => [
  { role: 'user', content: [{ type: 'text', text }] },
]
const search = {
  type: 'function',
  name: 'search',
  description: 'Find pages.',
  inputSchema: {
    type: 'object',
    properties: { query: { type: 'string', maxLength: 8 }, deep: { type: 'boolean' } },
  },
} as const
const stop = { type: 'function', name: 'stop', inputSchema: { type: 'object', properties: {} } } as const

void describe('conformance of a local model', () =>
  modelConformance({
    test: (title, fn) => test(title, fn),
    make: () => limited(model, 12),
    traits: {
      preempt: 'exact',
      concurrent: 4,
      toolCall: () => ({
        model,
        call: { prompt: user('Find it.'), tools: [stop], toolChoice: { type: 'required' }, maxOutputTokens: 120 },
      }),
      failing: () => ({
        model,
        call: { prompt: user('x'.repeat(2 * contextTokens)) },
        statusCode: 400,
        isRetryable: false,
      }),
      slow: () => ({ model, call: { prompt: user('Go on.'), maxOutputTokens: 1_200 } }),
    },
  }))

/** A model whose answers are short, where a call does not say. */
function limited(of: LlamaModel, outputTokens: number): LlamaModel {
  const short = (call: LanguageModelV4CallOptions): LanguageModelV4CallOptions =>
    call.maxOutputTokens === undefined ? { ...call, maxOutputTokens: outputTokens } : call
  return { ...of, doGenerate: (call) => of.doGenerate(short(call)), doStream: (call) => of.doStream(short(call)) }
}

void testHere('the sampler draws what the order of its steps says', () => {
  const scores = [
    [7, 3],
    [2, 2.9],
    [5, 1],
    [1, -4],
  ] as const
  const all = { temperature: 1, topK: 4, topP: 1 }
  assert.equal(pickToken(scores, { ...all, temperature: 0 }, 0.99), 7)
  assert.equal(pickToken(scores, { ...all, topK: 1 }, 0.99), 7)
  assert.equal(pickToken(scores, all, 0.999999), 1)
  assert.equal(pickToken(scores, { ...all, topP: 0.5 }, 0.999999), 2)
  assert.equal(
    pickToken(scores, { ...all, topK: 2 }, 0, (token) => token !== 7),
    2,
  )
  assert.equal(
    pickToken(scores, all, 0.5, () => false),
    undefined,
  )
  const drawn = [0, 0, 0, 0, 0, 0, 0, 0]
  for (let i = 0; i < 5_000; i++) (drawn[pickToken(scores, all, randomAt(1, 1, i)) as number] as number)++
  const sum = scores.reduce((total, [, logit]) => total + Math.exp(logit), 0)
  for (const [token, logit] of scores)
    assert.ok(Math.abs((drawn[token] as number) / 5_000 - Math.exp(logit) / sum) < 0.03, `token ${token}`)
})

void test('an answer keeps to its schema, its grammar, its tools, token by token', async () => {
  const schema = {
    type: 'object' as const,
    properties: {
      name: { type: 'string' as const, maxLength: 6 },
      kind: { enum: ['a', 'bc'] },
      n: { type: 'integer' as const },
    },
  }
  for (let seed = 0; seed < 2; seed++) {
    const call = { prompt: user('Describe.'), seed, maxOutputTokens: 200, temperature: 1.5 }
    const json = await model.doGenerate({ ...call, responseFormat: { type: 'json', schema } })
    const value = JSON.parse(textOf(json)) as { name: string; kind: string; n: number }
    assert.deepEqual(Object.keys(value), ['name', 'kind', 'n'])
    assert.ok(['a', 'bc'].includes(value.kind) && typeof value.n === 'number')
    const grammar = { llama: { grammar: 'root ::= ("yes" | "no") ("!"){1,3}' } }
    assert.match(textOf(await model.doGenerate({ ...call, providerOptions: grammar })), /^(yes|no)!{1,3}$/)
    const forced = await model.doGenerate({
      ...call,
      tools: [stop, search],
      toolChoice: { type: 'tool', toolName: 'search' },
    })
    const [part] = forced.content
    assert.ok(part?.type === 'tool-call' && part.toolName === 'search')
    assert.equal(typeof (JSON.parse(part.input) as { deep: unknown }).deep, 'boolean')
  }
  await assert.rejects(
    async () => model.doGenerate({ prompt: user('?'), providerOptions: { llama: { grammar: 'root ::= (' } } }),
    /not GBNF/,
  )
})

void test('a tool that a temporal law denies in this step cannot be named', async () => {
  const named = defineProgram('named', async (sys, seed: number) => {
    const answer = await sys.generate({
      prompt: 'Go.',
      tools: ['stop', 'search'],
      toolChoice: { type: 'required' },
      seed,
      maxOutputTokens: 200,
    })
    return answer.toolCalls.map((call) => call.name)
  })
  const tools = ['stop', 'search'].map((name) =>
    defineTool({ name, description: name, effect: 'read', inputSchema: z.object({}), execute: () => null }),
  )
  const names = async (law: object | undefined): Promise<Set<string>> => {
    const kernel = await boot({
      models: { local: model },
      tools,
      programs: [named],
      ...(law === undefined ? {} : { law: law as never }),
    })
    const found = await Promise.all(Array.from({ length: 6 }, (_, seed) => kernel.spawn(named, seed).result))
    await kernel.close()
    return new Set(found.flat())
  }
  const allow = { rules: [{ id: 'all', effect: 'allow', tool: '*' }] }
  const both = await names(allow)
  assert.ok(both.has('stop') && both.has('search'), `both are named somewhere: ${[...both].join(', ')}`)
  // stop only after search has been called once.
  const after = await names({ ...allow, temporal: [{ id: 'search-first', formula: 'precedence(search, stop)' }] })
  assert.deepEqual([...after], ['search'])
})

// --------------------------------------------------------------------------------------------- exact interruption

/** Requests of every kind: greedy and sampled, free, by schema, by grammar, by tools. */
function requests(): LanguageModelV4CallOptions[] {
  const made: LanguageModelV4CallOptions[] = []
  for (let i = 0; i < 9; i++) {
    const kind = i % 4
    made.push({
      prompt: user(`Question ${i}: ${'why '.repeat(1 + (i % 5))}?`),
      seed: i,
      temperature: i % 3 === 0 ? 0 : 0.9,
      maxOutputTokens: 10,
      ...(kind === 1
        ? {
            responseFormat: {
              type: 'json',
              schema: { type: 'object', properties: { a: { type: 'string', maxLength: 3 } } },
            },
          }
        : {}),
      ...(kind === 2 ? { providerOptions: { llama: { grammar: 'root ::= [a-z]+ (" " [a-z]+)* "."' } } } : {}),
      ...(i === 3
        ? { tools: [stop], toolChoice: { type: 'required' as const }, maxOutputTokens: 60, prompt: user('Do.') }
        : {}),
    } as LanguageModelV4CallOptions)
  }
  return made
}

void test('an answer that was interrupted anywhere, kept, and taken up in another process is the answer in one, in text and probabilities', async () => {
  const calls = requests()
  // The same file in another context: it knows nothing of what the first one has in its memory.
  const again = await llama(path, options)
  const answers: Piece[] = []
  for (const call of calls) answers.push(await goOnFrom(model, call, undefined))
  assert.ok(answers.every((one) => one.logprobs.length >= 2))
  const schedules = isLong ? 2_000 : 40
  const elsewhereEvery = isLong ? 20 : 10
  const elsewhere: { call: LanguageModelV4CallOptions; state: string; before: Piece[]; expected: Piece }[] = []
  let interruptions = 0
  const one = async (schedule: number): Promise<void> => {
    const which = Math.floor(randomAt(5, schedule, 0) * calls.length)
    const call = calls[which] as LanguageModelV4CallOptions
    const expected = answers[which] as Piece
    const times = 1 + Math.floor(randomAt(5, schedule, 1) * 3)
    const pieces: Piece[] = []
    let state: string | undefined
    for (let i = 0; i <= times; i++) {
      const on = randomAt(5, schedule, 2 * i + 2) < 0.5 ? model : again
      const left = expected.logprobs.length - whole(pieces).logprobs.length
      const tokens = i === times ? Infinity : 1 + Math.floor(randomAt(5, schedule, 2 * i + 3) * left)
      if (i === times && state !== undefined && schedule % elsewhereEvery === 0)
        return void elsewhere.push({ call, state, before: pieces, expected })
      const piece = await goOnFrom(on, call, state, tokens)
      pieces.push(piece)
      state = piece.state
      if (state === undefined) break
      interruptions++
    }
    assert.deepEqual(whole(pieces), expected, `schedule ${schedule}, request ${which}`)
  }
  const queue = Array.from({ length: schedules }, (_, i) => i)
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await one(next)
    }),
  )
  assert.ok(interruptions >= schedules, `${interruptions} interruptions`)
  assert.ok(model.stats().loads + again.stats().loads > schedules / 4, 'states are read back')
  const child = spawnSync(
    process.execPath,
    [fileURLToPath(new URL('./llama-elsewhere.ts', import.meta.url)), path, stateFolder],
    {
      input: JSON.stringify(elsewhere.map(({ call, state }) => ({ call, state }))),
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    },
  )
  assert.equal(child.status, 0, child.stderr)
  const pieces = JSON.parse(child.stdout) as Piece[]
  assert.ok(elsewhere.length > 0)
  for (const [i, { before, expected }] of elsewhere.entries())
    assert.deepEqual(whole([...before, pieces[i] as Piece]), expected, `in another process: ${i}`)
  assert.deepEqual(readdirSync(stateFolder), [], 'states that were used up are gone')
  await again.close()
})

void test('an answer that is interrupted wherever it can be, also while its prompt is read, is the answer in one', async () => {
  const call: LanguageModelV4CallOptions = {
    prompt: user('All that is said here. '.repeat(10)),
    maxOutputTokens: 5,
    seed: 4,
  }
  const other = await llama(path, options)
  const expected = await goOnFrom(model, call, undefined)
  const pieces: Piece[] = []
  do pieces.push(await goOnFrom(pieces.length % 2 === 0 ? other : model, call, pieces.at(-1)?.state, 0))
  while (pieces.at(-1)?.state !== undefined)
  assert.deepEqual(whole(pieces), expected)
  assert.ok(pieces.length >= 5 + 3, `${pieces.length} turns`)
  await other.close()
})

void testHere('a call that is aborted as it gets its sequence does not wait for the prefill of another', async () => {
  const getSequence = () => ({ contextTokens: [], nextTokenIndex: 0 })
  const pool = createPool({ context: { totalSequences: 2, getSequence } } as unknown as Machine)
  const prompt = Array.from({ length: 40 }, (_, i) => i)
  const filling = await pool.take(prompt, undefined)
  const other = await pool.take([100, 101], undefined)
  const stop = new AbortController()
  const taken = pool.take([...prompt, 40], stop.signal)
  pool.giveBack(other)
  stop.abort(new Error('enough'))
  await assert.rejects(within(1_000, taken), /^Error: enough$/)
  assert.equal(pool.busy, 1)
  pool.giveBack(filling)
})

void test('several sequences in one step write what they would write alone', async () => {
  const together = await llama(path, { ...options, batching: 'together' })
  const calls = [0, 1, 2, 3].map((i) => ({ prompt: user(`Say ${i}.`), maxOutputTokens: 8, temperature: 0 }))
  const answers = await Promise.all(calls.map((call) => together.doGenerate(call)))
  for (const [i, call] of calls.entries())
    assert.equal(textOf(answers[i] as never), textOf(await model.doGenerate(call)), `${i}`)
  await together.close()
})

void test('a state that is foreign, changed or gone is refused', async () => {
  const call = requests()[0] as LanguageModelV4CallOptions
  const second = tinyGguf(folder, { seed: 2 })
  const stranger = await llama(second, options)
  const saved = async (): Promise<string> => (await goOnFrom(model, call, undefined, 4)).state as string
  const state = await saved()
  assert.equal(await codeOf(goOnFrom(stranger, call, state)), 'STATE_FOREIGN', 'another model')
  assert.equal(await codeOf(goOnFrom(model, { ...call, seed: 99 }, state)), 'STATE_FOREIGN', 'another request')
  assert.equal(await codeOf(goOnFrom(model, call, '0'.repeat(64))), 'STATE_FOREIGN', 'no such state')
  assert.equal(await codeOf(goOnFrom(model, call, '../../etc/passwd')), 'STATE_FOREIGN', 'no id')
  const fresh = await llama(path, { ...options, sequences: 3 })
  assert.equal(await codeOf(goOnFrom(fresh, call, state)), 'STATE_FOREIGN', 'another context')
  const flip = (file: string): void => {
    const bytes = readFileSync(file)
    bytes[bytes.length - 9] = (bytes[bytes.length - 9] as number) ^ 1
    writeFileSync(file, bytes)
  }
  flip(join(stateFolder, `${state}.json`))
  assert.equal(await codeOf(goOnFrom(model, call, state)), 'STATE_FOREIGN', 'a changed manifest')
  const elsewhere = await llama(path, options)
  const changed = await saved()
  flip(join(stateFolder, `${changed}.bin`))
  assert.equal(await codeOf(goOnFrom(elsewhere, call, changed)), 'STATE_FOREIGN', 'a changed memory')
  await Promise.all([stranger.close(), fresh.close(), elsewhere.close()])
  rmSync(stateFolder, { recursive: true, force: true })
})

async function codeOf(running: Promise<unknown>): Promise<string | undefined> {
  try {
    await running
    return undefined
  } catch (error) {
    if (PolityError.isInstance(error)) return error.code
    throw error
  }
}

void test('a state that is read from its file while others copy a beginning changes no answer', async () => {
  const calls = Array.from({ length: 8 }, (_, i): LanguageModelV4CallOptions => ({
    prompt: user(`${['one river ', 'two houses ', 'a b c d '][i % 3]?.repeat(12 + (i % 3))} ${i} ${'xyz '.repeat(i)}`),
    seed: i,
    maxOutputTokens: 8,
  }))
  const alone = await llama(path, { ...options, sequences: 1 })
  const answers: Piece[] = []
  for (const call of calls) answers.push(await goOnFrom(alone, call, undefined))
  await alone.close()
  // More answers at once than sequences: what was interrupted finds its place taken.
  const shared = await llama(path, { ...options, sequences: 4 })
  const rounds = isLong ? 1_000 : 100
  let next = 0
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      for (let round = next++; round < rounds; round = next++) {
        const which = Math.floor(randomAt(9, round, 0) * calls.length)
        const pieces: Piece[] = []
        let state: string | undefined
        for (let i = 0; i < 3 && (i === 0 || state !== undefined); i++) {
          const tokens = i === 2 ? Infinity : 1 + Math.floor(randomAt(9, round, i + 1) * 3)
          const piece = await goOnFrom(shared, calls[which] as LanguageModelV4CallOptions, state, tokens)
          pieces.push(piece)
          state = piece.state
        }
        assert.deepEqual(whole(pieces), answers[which], `round ${round}, request ${which}`)
      }
    }),
  )
  const { loads, reusedTokens } = shared.stats()
  assert.ok(loads > rounds / 2 && reusedTokens > 10 * rounds, `${loads} loads, ${reusedTokens} tokens reused`)
  await shared.close()
})

void test('agents that take turns on one place of a real model get the answers that they would get alone', async () => {
  const tells = defineProgram('tells', async (sys, prompt: string) => {
    const { text, usage } = await sys.generate({ prompt, maxOutputTokens: 24, seed: 3 })
    return { text, times: usage.preempted?.times ?? 0, bytes: usage.preempted?.stateBytes ?? 0 }
  })
  const run = async (quantumTokens?: number, on = model): Promise<{ text: string; times: number; bytes: number }[]> => {
    const core = { model: on, slots: 1, ...(quantumTokens === undefined ? {} : { quantumTokens }) }
    const kernel = await boot({ models: { m: core }, programs: [tells], discipline: 'round-robin' })
    const found = await Promise.all(['one', 'two', 'three'].map((name) => kernel.spawn(tells, `Tell ${name}.`).result))
    await kernel.close()
    return found
  }
  const alone = await run()
  const before = model.stats().loads
  const turns = await run(7)
  assert.equal(model.stats().loads, before, 'what made room went on in its sequence')
  const narrow = await llama(path, { ...options, sequences: 1 })
  assert.equal(narrow.capabilities.slots, 1)
  const read = await run(7, narrow)
  assert.ok(narrow.stats().loads > 6, `${narrow.stats().loads} states were read from their files`)
  assert.deepEqual(
    read.map(({ text }) => text),
    alone.map(({ text }) => text),
  )
  await narrow.close()
  assert.deepEqual(
    turns.map(({ text }) => text),
    alone.map(({ text }) => text),
  )
  assert.deepEqual(
    turns.map(({ times }) => times),
    [3, 3, 3],
  )
  assert.ok(turns.every(({ bytes }) => bytes > 3 * 24 * 512))
})

void test('kill -9 in the middle of answers: they go on behind the turns that are in the journal, from the states beside the store', async () => {
  const round = async (turns: number): Promise<{ wroteBefore: number; loads: number }> => {
    const store = join(folder, `killed-${turns}.db`)
    const child = spawn(process.execPath, [fileURLToPath(new URL('./llama-killed.ts', import.meta.url)), path, store], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let heard = 0
    child.stdout.on('data', (lines: Buffer) => {
      heard += String(lines).split('\n').length - 1
      if (heard >= turns) child.kill('SIGKILL')
    })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    assert.equal(signal, 'SIGKILL')
    const kept = openSqliteStore(store)
    const pids = [...kept.processes()].map(({ start }) => start.pid)
    const ended = new Set<number>()
    const wrote = new Map<number, number>()
    for (const pid of pids)
      for (const event of kept.events(pid)) {
        if (event.type === 'call-end') ended.add(pid)
        if (event.type === 'call-wait' && event.turn !== undefined)
          wrote.set(pid, (wrote.get(pid) ?? 0) + event.turn.usage.outputTokens)
      }
    kept.close()
    const { kernel, model: again } = await kernelOn(path, store)
    kernel.resume()
    const open = pids.filter((pid) => !ended.has(pid))
    const found = (await Promise.all(pids.map((pid) => kernel.run(pid).result))) as unknown as {
      text: string
      usage: CallUsage
    }[]
    for (const [i, { text }] of found.entries()) assert.equal(text, expected[i]?.text, `${turns} turns: ${names[i]}`)
    const wroteBefore = open.reduce((sum, pid) => sum + (wrote.get(pid) ?? 0), 0)
    const { decodedTokens, loads } = again.stats()
    assert.equal(decodedTokens, open.length * outputTokens - wroteBefore, 'nothing is written twice')
    for (const [i, pid] of pids.entries())
      if (open.includes(pid) && (wrote.get(pid) ?? 0) > 0) {
        const { inputTokens, outputTokens: tokens } = (found[i] as (typeof found)[number]).usage
        assert.deepEqual(
          [inputTokens, tokens],
          [0, outputTokens - (wrote.get(pid) ?? 0)],
          'the prompt is not read again',
        )
      }
    await kernel.close()
    await again.close()
    // A state that was written when the process was killed, and not yet in the journal, is nobody's.
    assert.ok(readdirSync(`${store}-states`).length <= 2, readdirSync(`${store}-states`).join(' '))
    return { wroteBefore, loads }
  }
  const alone = await kernelOn(path, join(folder, 'alone.db'))
  const expected: { text: string }[] = []
  for (const name of names) expected.push((await alone.kernel.spawn(tells, name).result) as { text: string })
  await alone.kernel.close()
  await alone.model.close()
  const rounds: Awaited<ReturnType<typeof round>>[] = []
  for (const turns of isLong ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] : [2, 7]) rounds.push(await round(turns))
  assert.ok(
    rounds.every(({ wroteBefore, loads }) => wroteBefore > 0 && loads > 0),
    JSON.stringify(rounds),
  )
})

// ---------------------------------------------------------------------------------------------------- shared prefixes

void test('agents of one program share the prefill of their common beginning, and a fork shares all that its parent read', async () => {
  const local = await llama(path, { ...options, sequences: 4 })
  const instructions = `You are one of many. ${'Read this with care. '.repeat(12)}`
  const alone = await llama(path, { ...options, sequences: 1 })
  const prompt = (name: string): LanguageModelV4CallOptions => ({
    prompt: [{ role: 'system', content: instructions }, ...user(`You are ${name}.`)],
    maxOutputTokens: 6,
    temperature: 0,
  })
  // Four at once: one reads the instructions, three wait for it and copy.
  const names = ['Ada', 'Bob', 'Cyd', 'Dee']
  const together = await Promise.all(names.map((name) => local.doGenerate(prompt(name))))
  const [first] = together
  const total = first?.usage.inputTokens.total as number
  const cached = together.map((one) => one.usage.inputTokens.cacheRead as number)
  const shared = Math.max(...cached)
  assert.ok(shared > 250, `${shared} of ${total} tokens are shared`)
  assert.equal(cached.filter((tokens) => tokens === shared).length, 3, cached.join(' '))
  const { prefilledTokens, reusedTokens } = local.stats()
  assert.equal(reusedTokens, 3 * shared)
  assert.equal(prefilledTokens, 4 * total - 3 * shared)
  for (const [i, name] of names.entries())
    assert.equal(textOf(together[i] as never), textOf(await alone.doGenerate(prompt(name))), name)

  // A fork: both go on from what the parent had read and written.
  const parent = defineProgram('parent', async (sys) => {
    const { message } = await sys.generate({ prompt: `${instructions} Think.`, maxOutputTokens: 20, seed: 1 })
    const child = await sys.fork()
    const begun = [
      { role: 'user' as const, content: [{ type: 'text' as const, text: `${instructions} Think.` }] },
      message,
    ]
    const next = await sys.generate({
      messages: [
        ...begun,
        { role: 'user', content: [{ type: 'text', text: child === 0 ? 'As a child?' : 'As a parent?' }] },
      ],
      maxOutputTokens: 5,
      seed: 2,
    } as never)
    if (child !== 0) await sys.wait(child)
    return next.usage
  })
  const kernel = await boot({ models: { local }, programs: [parent] })
  const before = local.stats()
  const usage = (await kernel.spawn(parent, null).result) as { inputTokens: number; cachedTokens: number }
  await kernel.close()
  assert.ok(usage.cachedTokens > 0.7 * usage.inputTokens, `${usage.cachedTokens} of ${usage.inputTokens}`)
  // Three prompts, of which one was read whole.
  const read = local.stats().prefilledTokens - before.prefilledTokens
  assert.ok(read < 1.5 * usage.inputTokens, `${read} tokens were read`)
  await Promise.all([local.close(), alone.close()])
})

// -------------------------------------------------------------------------------------------------------- finding one

void test('a model is found by its path or by its name in Ollama’s folder, and what is missing is said', async () => {
  const home = join(folder, 'home')
  const library = join(home, '.ollama/models/manifests/registry.ollama.ai/library/tiny')
  const blobs = join(home, '.ollama/models/blobs')
  mkdirSync(library, { recursive: true })
  mkdirSync(blobs, { recursive: true })
  const digest = `sha256:${'ab'.repeat(32)}`
  writeFileSync(join(blobs, digest.replace(':', '-')), readFileSync(path))
  const layers = [
    { mediaType: 'application/vnd.ollama.image.license', digest: `sha256:${'cd'.repeat(32)}` },
    { mediaType: 'application/vnd.ollama.image.model', digest },
  ]
  writeFileSync(join(library, 'latest'), JSON.stringify({ layers }))
  const env = { HOME: home }
  assert.equal(findModel('tiny', { env }), join(blobs, digest.replace(':', '-')))
  assert.equal(findModel('tiny:latest', { env }), join(blobs, digest.replace(':', '-')))
  assert.equal(findModel(path, { env }), path)
  assert.throws(() => findModel('other', { env }), /NO_SUCH_MODEL|no GGUF file .*other.*it has tiny:latest/)
  assert.throws(() => findModel('a/../../blobs', { env }), /no GGUF file/)
  writeFileSync(join(folder, 'no.gguf'), 'not a model')
  await assert.rejects(llama(join(folder, 'no.gguf'), options), /cannot be opened as a GGUF model/)
  // A head that promises more than the file holds: whoever read it all would not come back.
  const promises = Buffer.concat([Buffer.from('GGUF\x03\0\0\0'), Buffer.alloc(16, 0x7f)])
  writeFileSync(join(folder, 'promises.gguf'), promises)
  await assert.rejects(
    llama(join(folder, 'promises.gguf'), options),
    /its head promises .* more than its 24 bytes hold/,
  )
  await assert.rejects(llama(path, { ...options, contextTokens: 1e6 }), /was trained on 2048/)
  await assert.rejects(llama(path, { ...options, slots: 3, sequences: 2 }), /slots is 3, and there are 2 sequences/)
  const store = join(folder, 'named.db')
  const named = (await loadModel(`llama:${path}`, store)) as LlamaModel
  const { preempt, slots } = named.capabilities
  assert.deepEqual([preempt, slots], ['exact', 4])
  await goOnFrom(named, { prompt: user('Go on.'), maxOutputTokens: 9 }, undefined, 4)
  assert.equal(readdirSync(`${store}-states`).length, 2, 'states lie beside the store')
  await named.close()
})

function textOf({ content }: { readonly content: readonly { type: string; text?: string }[] }): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
