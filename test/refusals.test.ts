/**
 * Providers that refuse: what waiting mends is waited for and said, what it does not mend fails at once with the provider's
 * words. Bodies are those that OpenAI, Anthropic and Google send; the errors are made by the AI SDK's own reader of answers.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import type { LanguageModelV4GenerateResult } from '@ai-sdk/provider'
import { boot } from '../src/boot.ts'
import { trace } from '../src/cli/commands/trace.ts'
import { parseCommandLine } from '../src/cli/options.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { CallEnd, Json, Sys } from '../src/kernel/types.ts'
import { readRefusal } from '../src/kernel/rate-limits.ts'
import { parseLaw } from '../src/policy/law.ts'
import { cliContext } from './cli-context.ts'
import { clockAhead } from './clock-ahead.ts'
import type { End } from './world.ts'
import { answer, createWorld, cutStore, endOf, HANGS_MS, rawModel, within } from './world.ts'

const LONG = process.env['POLITY_LONG'] === '1'
const quotaWords = 'You exceeded your current quota, please check your plan and billing details.'
const rateWords = 'Rate limit reached for gpt-5 on requests per min (RPM): Limit 3, Used 3, Requested 1.'

const openai = (type: string, code: string, message: string): Json => ({ error: { message, type, param: null, code } })
const google = (quotaId: string, retryDelay: string): Json => ({
  error: {
    code: 429,
    message: quotaWords,
    status: 'RESOURCE_EXHAUSTED',
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
        violations: [{ quotaMetric: 'generativelanguage.googleapis.com/requests', quotaId, quotaValue: '20' }],
      },
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
    ],
  },
})
const anthropic = (type: string, message: string): Json => ({ type: 'error', error: { type, message } })

const creditWords = 'Your credit balance is too low to access the Anthropic API.'

/** Refusals that no waiting mends: the status, and the body. */
const final: readonly (readonly [status: number, body: Json])[] = [
  [429, openai('insufficient_quota', 'insufficient_quota', quotaWords)],
  [429, openai('invalid_request_error', 'billing_hard_limit_reached', 'Billing hard limit has been reached')],
  [429, openai('insufficient_quota', 'credit_balance_exhausted', 'No credit is left')],
  [429, openai('tokens', 'rate_limit_exceeded', 'Request too large for gpt-5: Limit 30000, Requested 41000.')],
  [429, google('GenerateRequestsPerDayPerProjectPerModel-FreeTier', '36s')],
  [400, anthropic('invalid_request_error', creditWords)],
]

const refusing = (status: number, body: Json, message: string, more: object = {}) => ({
  error: { statusCode: status, message, body: JSON.stringify(body), ...more },
})

const messageIn = (body: Json): string => (body as { error: { message: string } }).error.message

/** One call on these models, in simulated time: how it ended, and how long it took, ms. */
async function oneCall(
  models: { readonly [name: string]: LanguageModel },
  limits: object = {},
): Promise<{ end: End; ms: number; world: ReturnType<typeof createWorld>; pid: number }> {
  const clock = simulatedClock()
  const world = createWorld({ clock, models, limits })
  const startedAt = clock.now()
  const run = world.kernel.spawn(
    async (sys: Sys) => (await sys.generate({ prompt: 'hi', model: Object.keys(models) })).text,
    null,
  )
  const end = await world.settled(endOf(run.result))
  return { end, ms: clock.now() - startedAt, world, pid: run.pid }
}

test('a refusal that no waiting mends fails the call at once, with the words of the provider, and is asked once', async () => {
  for (const [status, body] of final) {
    let asked = 0
    const model = scripted(() => (asked++, refusing(status, body, messageIn(body))))
    const { end, ms, world, pid } = await oneCall({ 'some/model': model })
    assert.deepEqual(end, { code: 'DRIVER_FAILED', message: `some/model: ${messageIn(body)}` })
    assert.equal(asked, 1, messageIn(body))
    assert.ok(ms < 100, `${ms} ms`)
    const found = (await world.kernel.events(pid)).find((event): event is CallEnd => event.type === 'call-end')
    assert.deepEqual(found?.error?.detail, { statusCode: status })
    assert.equal(world.kernel.cores[0]?.open, false, 'an account without credit is no outage')
  }
})

test('a chain goes on to its next core at once, and many calls together are not held up by each other’s refusals', async () => {
  for (const [status, body] of final) {
    const { end, ms } = await oneCall({
      'some/model': scripted(() => refusing(status, body, messageIn(body))),
      'other/model': scripted(() => 'here'),
    })
    assert.deepEqual(end, { value: 'here' })
    assert.ok(ms < 100, `${ms} ms`)
  }
  const [status, body] = final[0] as (typeof final)[number]
  const clock = simulatedClock()
  const world = createWorld({ clock, models: { m: scripted(() => refusing(status, body, quotaWords)) } })
  const startedAt = clock.now()
  const ends = Array.from({ length: 200 }, () =>
    endOf(world.kernel.spawn((sys: Sys) => sys.generate('hi'), null).result),
  )
  for (const end of await world.settled(Promise.all(ends))) assert.ok('code' in end && end.code === 'DRIVER_FAILED')
  assert.ok(clock.now() - startedAt < 100)
  assert.equal(world.kernel.cores[0]?.refused, 200)
})

test('what waiting mends is waited for: a rate, a quota of a minute as long as the body says, and a body that says nothing', async () => {
  for (const [body, more, least] of [
    [openai('requests', 'rate_limit_exceeded', rateWords), { headers: { 'retry-after': '20' } }, 20_000],
    [google('GenerateRequestsPerMinutePerProjectPerModel-FreeTier', '36.5s'), {}, 36_500],
    [google('GenerateRequestsPerMinutePerProjectPerModel-FreeTier', '36s'), { headers: { 'retry-after': '2' } }, 2_000],
    ['no json', {}, 1_000],
    [{ error: { message: 7, code: null, type: [], details: 'insufficient_quota' } }, {}, 1_000],
  ] as const) {
    let asked = 0
    const model = scripted(() => (asked++ === 0 ? refusing(429, body as Json, 'too many', more) : 'at last'))
    const { end, ms } = await oneCall({ m: model })
    assert.deepEqual(end, { value: 'at last' })
    assert.equal(asked, 2)
    assert.ok(ms >= least && ms < least + 1_000, `${ms} ms, not ${least}`)
  }
})

test('a late answer to a try that is over takes nothing from the answer that comes beside it', async () => {
  const answers: ((result: LanguageModelV4GenerateResult) => void)[] = []
  const model = rawModel(() => new Promise((give) => answers.push(give)))
  const world = createWorld({ models: { m: model }, limits: { generateMs: 1_000 } })
  const run = world.kernel.spawn(async (sys: Sys) => (await sys.generate('hi')).text, null)
  const end = endOf(run.result)
  while (answers.length < 2) await new Promise((turn) => setImmediate(turn))
  answers[1]?.(answer('in time'))
  answers[0]?.(answer('late'))
  assert.deepEqual(await world.settled(end), { value: 'in time' })
  assert.equal(answers.length, 2)
})

test('a body that is deep, wide, or throws when it is read says nothing', () => {
  let deep: unknown = 'insufficient_quota'
  for (let i = 0; i < 1_000; i++) deep = { code: deep }
  const wide = { details: Array.from({ length: 100_000 }, () => ({ message: 'x' })), code: 'insufficient_quota' }
  const throwing = Object.defineProperty({}, 'code', { enumerable: true, get: () => assert.fail('read') })
  for (const data of [deep, wide, throwing, { responseBody: '{' }, null])
    assert.equal(readRefusal(Object.assign(new Error('too many'), { data })).isFinal, false)
})

test('a driver that says itself that a refusal is not to be tried again is believed', async () => {
  const { end, ms } = await oneCall({
    m: scripted(() => ({ error: { statusCode: 429, message: 'no more', isRetryable: false } })),
  })
  assert.deepEqual(end, { code: 'DRIVER_FAILED', message: 'm: no more' })
  assert.ok(ms < 100)
})

test('a provider that asks to come again after the call’s last moment is not waited for', async () => {
  const late = (): object => ({
    error: { statusCode: 429, message: 'Resets in 16 days.', headers: { 'retry-after': String(16 * 86_400) } },
  })
  const { end, ms } = await oneCall({ m: scripted(late as never) })
  assert.ok('code' in end && end.code === 'OVERLOADED', JSON.stringify(end))
  assert.match(end.message, /^m says to come again in 1382400 s, .*coreWaitMs.* 3600 s: Resets in 16 days\.$/)
  assert.ok(ms < 100)
  const chained = await oneCall({ m: scripted(late as never), n: scripted(() => 'here') })
  assert.deepEqual(chained.end, { value: 'here' })
  const ever = await oneCall({ m: scripted(() => refusing(429, {}, rateWords)) }, { coreWaitMs: 5_000 })
  assert.deepEqual(ever.end, { code: 'OVERLOADED', message: `m refused the call for 5000 ms: ${rateWords}` })
})

test('time that a person took, or that there was no kernel, is no wait for a core: a refusal after it is waited out', async () => {
  const hour = 3_600_000
  const refusedOnce = (): LanguageModel => scripted([refusing(429, {}, rateWords), 'at last'])
  const law = { rules: [{ id: 'word', effect: 'ask', call: 'generate' }] } as const
  const asks = defineProgram('asks', async (sys) => (await sys.generate('hi')).text)
  // Within one turn of the event loop: simulated time would go on in the next.
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let i = 0; !isSo() && i < 1_000; i++) await new Promise<void>((done) => process.nextTick(done))
    assert.ok(isSo())
  }

  const approved = createWorld({ models: { m: refusedOnce() }, law: parseLaw(law) })
  const run = approved.kernel.spawn(asks, null)
  await until(() => approved.kernel.questions.length > 0)
  approved.clock.jump(2 * hour)
  approved.kernel.answer(approved.kernel.questions[0]?.id as number, 'allow')
  assert.deepEqual(await approved.settled(endOf(run.result)), { value: 'at last' })

  const first = createWorld({ models: { m: scripted([{ hang: true }]) }, programs: [asks] })
  const { pid, result } = first.kernel.spawn(asks, null)
  result.catch(() => {})
  await until(() => first.kernel.cores[0]?.inFlight === 1)
  await first.kernel.close()
  const clock = simulatedClock()
  clock.jump(2 * hour)
  const store = cutStore(first.store.batches, Infinity)
  const second = createWorld({ clock, store, models: { m: refusedOnce() }, programs: [asks] })
  second.kernel.resume(pid)
  assert.deepEqual(await second.settled(endOf(second.kernel.run(pid).result)), { value: 'at last' })
})

test('a core that has only refused for ten seconds says so until it serves, and one that is slow to answer does not', async () => {
  const clock = simulatedClock()
  const startedAt = clock.now()
  const model = scripted(
    () => (clock.now() - startedAt < 30_000 ? refusing(429, {}, rateWords) : { text: 'at last', delayMs: 20_000 }),
    { clock },
  )
  const moment = scripted([refusing(429, {}, rateWords), { text: 'slow', delayMs: 60_000 }], { clock })
  const world = createWorld({ clock, models: { model, moment } })
  const ask = async (name: string): Promise<string> =>
    world.settled(
      world.kernel.spawn(async (sys: Sys) => (await sys.generate({ prompt: 'x', model: name })).text, null).result,
    )
  const seen: Record<string, (number | null)[]> = { model: [], moment: [] }
  const look = (): void => {
    for (const core of world.kernel.cores)
      seen[core.id]?.push(core.refusal === null ? null : core.refusal.since - startedAt)
    assert.ok(world.kernel.cores.every(({ refusal }) => refusal === null || refusal.words === rateWords))
  }
  for (const atMs of [5_000, 15_000, 29_000, 40_000, 55_000]) clock.after(atMs, look)
  assert.deepEqual(await Promise.all([ask('model'), ask('moment')]), ['at last', 'slow'])
  assert.deepEqual(seen, { model: [null, 0, 0, 0, null], moment: [null, null, null, null, null] })
})

// -------------------------------------------------------------------------------------------------- from the command line

let folder = ''
before(() => (folder = mkdtempSync(join(tmpdir(), 'polity-refusals-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

test('trace says that the core refuses which a run or its child waits for; with --follow once, and again when it has served in between', async () => {
  const clock = clockAhead()
  const store = join(folder, 'followed.db')
  let serves = false
  let asked = 0
  const model = scripted(() => {
    asked++
    if (!serves) return refusing(429, {}, rateWords, { headers: { 'retry-after-ms': '100' } })
    serves = false
    return 'at last'
  })
  const asker = defineProgram('asker', async (sys: Sys) => (await sys.generate('hi')).text)
  const parent = defineProgram('parent', async (sys: Sys) => [
    await sys.wait(await sys.spawn(asker, null)),
    await sys.wait(await sys.spawn(asker, null)),
  ])
  const kernel = await boot({ store, clock, models: { 'edge/gpt-5': model } })
  const traced = (
    pid: number,
    ...words: string[]
  ): { said: { readonly err: string }; code: Promise<number>; stop(): void } => {
    const interruption = new AbortController()
    const { context, said } = cliContext({ storePath: store, clock, interrupted: interruption.signal })
    const code = trace.run(context, parseCommandLine(trace, [String(pid), ...words]))
    return { said, code, stop: () => interruption.abort('SIGINT') }
  }
  const refused = /edge\/gpt-5 has refused every call for \d\d s: Rate limit reached for gpt-5/
  try {
    const run = kernel.spawn(parent, null)
    const other = kernel.spawn((sys: Sys) => sys.sleep(60_000), null)
    other.result.catch(() => {})
    await kernel.events(other.pid) // what was written is kept
    const [followed, elsewhere] = [traced(run.pid, '--follow'), traced(other.pid, '--follow')]
    for (const times of [1, 2]) {
      const before = asked
      await until(() => asked > before)
      assert.equal(kernel.cores[0]?.refusal, null, 'a moment is nothing to speak of')
      clock.setAhead(12_000)
      await until(() => followed.said.err.split('\n').length > times)
      assert.match(followed.said.err.split('\n')[times - 1] as string, refused)
      const child = kernel.ps().find((one) => one.parent === run.pid && one.state === 'running')
      for (const pid of [run.pid, child?.pid as number]) {
        const whole = traced(pid)
        assert.equal(await whole.code, 0)
        assert.match(whole.said.err, refused)
        clock.setAhead(1_500) // those that follow look again
      }
      serves = true
      await until(() => !serves)
    }
    assert.deepEqual(await run.result, ['at last', 'at last'])
    assert.equal(await followed.code, 0)
    assert.equal(followed.said.err.match(/^polity: edge\/gpt-5 has refused/gm)?.length, 2, followed.said.err)
    elsewhere.stop()
    assert.equal(await elsewhere.code, 130)
    assert.equal(elsewhere.said.err, '', 'who does not wait for that core is not told of it')
  } finally {
    await kernel.close()
  }
})

async function until(is: () => boolean): Promise<void> {
  const come = async (): Promise<void> => {
    while (!is()) await new Promise((done) => setTimeout(done, 10))
  }
  await within(HANGS_MS, come())
}

/** A provider package as the AI SDK's own are written: its requests and its errors are made by `@ai-sdk/provider-utils`. */
function installProvider(): void {
  const at = join(folder, 'node_modules/@ai-sdk/edge')
  mkdirSync(at, { recursive: true })
  const modules = resolve(import.meta.dirname, '../node_modules')
  const utils = JSON.stringify(join(modules, '@ai-sdk/provider-utils/dist/index.js'))
  const zod = JSON.stringify(join(modules, 'zod/index.js'))
  writeFileSync(
    join(at, 'package.json'),
    '{"name":"@ai-sdk/edge","version":"1.0.0","type":"module","exports":"./index.js"}',
  )
  writeFileSync(
    join(at, 'index.js'),
    `import { createJsonErrorResponseHandler, createJsonResponseHandler, postJsonToApi } from ${utils}
import { z } from ${zod}
const errorSchema = z.object({ error: z.object({ message: z.string(), type: z.string().nullish(), code: z.any() }) })
const doGenerate = async ({ abortSignal }) => {
  const { value } = await postJsonToApi({
    url: process.env.EDGE_URL, body: {}, abortSignal,
    failedResponseHandler: createJsonErrorResponseHandler({ errorSchema, errorToMessage: ({ error }) => error.message }),
    successfulResponseHandler: createJsonResponseHandler(z.object({ text: z.string() })),
  })
  const tokens = { total: 1 }
  return { content: [{ type: 'text', text: value.text }], finishReason: { unified: 'stop', raw: 'stop' },
    usage: { inputTokens: tokens, outputTokens: tokens }, warnings: [] }
}
export const edge = { languageModel: (modelId) =>
  ({ specificationVersion: 'v4', provider: 'edge', modelId, supportedUrls: {}, doGenerate, doStream: doGenerate }) }
`,
  )
  writeFileSync(join(folder, 'gen.ts'), "export default async (sys) => (await sys.generate('hi')).text\n")
}

async function polity(
  edge: string,
  ...words: readonly string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [resolve(import.meta.dirname, '../bin/polity.js'), ...words], {
    cwd: folder,
    env: { ...process.env, EDGE_URL: edge, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)))
  child.stderr.on('data', (chunk: Buffer) => (err += String(chunk)))
  const ended = new Promise<number | null>((done) => child.on('close', done))
  try {
    return { code: await within(HANGS_MS, ended, words.join(' ')), out, err }
  } finally {
    child.kill('SIGKILL')
  }
}

/** A scripted HTTP edge: what it answers, and how often it was asked. */
async function withEdge(
  answer: () => { status: number; body: Json },
  work: (url: string, asked: () => number) => Promise<void>,
): Promise<void> {
  let asked = 0
  const server = createServer((_, response) => {
    asked++
    const { status, body } = answer()
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, () => asked)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('run and ask with an account that has no credit fail at once and say what the provider says', async () => {
  installProvider()
  writeFileSync(join(folder, 'one.txt'), 'The lighthouse keeper was called Ingrid.\n')
  const [status, body] = final[0] as (typeof final)[number]
  await withEdge(
    () => ({ status, body }),
    async (url, asked) => {
      const run = await polity(url, 'run', 'gen.ts', '--model', 'edge/gpt-5', '--store', 'a.db')
      assert.equal(run.code, 1, run.err)
      assert.match(run.err, /process 1 failed: edge\/gpt-5: You exceeded your current quota/)
      assert.equal(asked(), 1)
      const trace = await polity(url, 'trace', '1', '--store', 'a.db')
      assert.match(trace.out, /generate\(.*DRIVER_FAILED: edge\/gpt-5: You exceeded/)
      const ask = await polity(
        url,
        'ask',
        'Who kept the lighthouse?',
        '--in',
        'one.txt',
        '--model',
        'edge/gpt-5',
        '--store',
        'b.db',
      )
      assert.match(`${ask.err}${ask.out}`, /You exceeded your current quota/)
    },
  )
})

test(
  'run, ps, top and trace say which core refuses and in which words, once it has for ten seconds',
  { skip: !LONG && 'twelve seconds of real time: POLITY_LONG=1' },
  async () => {
    installProvider()
    const startedAt = Date.now()
    const store = ['--store', 'c.db']
    await withEdge(
      () =>
        Date.now() - startedAt < 25_000
          ? { status: 429, body: openai('requests', 'rate_limit_exceeded', rateWords) }
          : { status: 200, body: { text: 'at last' } },
      async (url) => {
        const run = polity(url, 'run', 'gen.ts', '--model', 'edge/gpt-5', ...store)
        await new Promise((done) => setTimeout(done, 4_000))
        const following = polity(url, 'trace', '1', '--follow', ...store)
        await new Promise((done) => setTimeout(done, 12_000))
        const said = /edge\/gpt-5 has refused every call for 1\d(?:\.\d)? s: Rate limit reached for gpt-5/
        for (const words of [['ps'], ['top', '--once'], ['trace', '1']]) {
          const { out, err } = await polity(url, ...words, ...store)
          assert.match(`${out}${err}`, said, words.join(' '))
        }
        const { code, out, err } = await run
        assert.deepEqual([code, out], [0, 'at last\n'], err)
        const followed = await following
        assert.equal(followed.code, 0, followed.err)
        for (const text of [err, followed.err]) {
          assert.match(text, /polity: edge\/gpt-5 has refused every call for 1[01](?:\.\d)? s: Rate limit reached/)
          assert.equal(text.match(/has refused every call/g)?.length, 1, 'once')
        }
      },
    )
  },
)
