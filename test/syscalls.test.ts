/**
 * Every system call, asked for everything it should not be asked: nonsense arguments, other people's things, the dead, the
 * broke, and drivers and tools that throw, hang, lie or babble.
 *
 * Of each we ask the same: the documented error, promptly; nothing that was acknowledged lost; a journal of plain data; and
 * a kernel that serves the next process.
 */
// oxlint-disable unicorn/consistent-function-scoping, unicorn/no-thenable, no-control-regex, no-unmodified-loop-condition -- a test reads best with its parts beside it; broken things are the point
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { types } from 'node:util'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { realClock, simulatedClock } from '../src/kernel/clock.ts'
import type { Embedder, LanguageModel } from '../src/kernel/drivers.ts'
import type { ErrorCode } from '../src/kernel/errors.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Kernel, KernelOptions, ModelOptions } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import type { Limits } from '../src/kernel/limits.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Budget, CallName, Json, Pid, Program, Sys, Tool } from '../src/kernel/types.ts'
import { hostile, isPlain } from './hostile.ts'
import type { End, RecordingStore, World } from './world.ts'
import {
  answer,
  codeOf,
  createWorld,
  endOf,
  noUsage,
  rawModel,
  recordingStore,
  streamOf,
  tool,
  within,
} from './world.ts'

// -------------------------------------------------------------------------------------------------------------- ground

/** What a process of these tests stands on: one of everything that a call may name. */
interface Ground {
  readonly sys: Sys
  readonly ended: Pid
  readonly sleeper: Pid
  readonly note: string
  readonly snapshot: string
}

const worker = defineProgram('worker', (_sys, input: Json) => Promise.resolve(input))
const sleeper = defineProgram('sleeper', async (sys) => {
  await sys.sleep(1e9)
  return null
})

const embedder: Embedder = {
  name: 'embedder',
  embed: (texts) => Promise.resolve(texts.map((text) => [text.length, 1])),
}
const echo = tool('echo', (input) => input)

type Options = Omit<Partial<KernelOptions>, 'clock' | 'store'>

function options(more: Options = {}): Options {
  return { models: { echo: scripted(() => 'hello') }, embedder, tools: [echo], programs: [worker, sleeper], ...more }
}

async function prepare(sys: Sys): Promise<Ground> {
  const ended = await sys.spawn(worker, 'done')
  await sys.wait(ended)
  await sys.write('kept.txt', 'kept')
  const note = await sys.remember({ text: 'the kept note', tags: ['kept'], source: 'test' })
  const { id } = await sys.snapshot()
  return { sys, ended, sleeper: await sys.spawn(sleeper, null), note, snapshot: id }
}

/** Runs `body` as a program on prepared ground. */
function onGround(
  world: World,
  body: (ground: Ground) => Promise<Json>,
  spawn: { budget?: Budget; principal?: string } = {},
): Promise<Json> {
  let first = true
  return world.settled(
    world.kernel.spawn(
      async (sys: Sys) => {
        const ground = await prepare(sys)
        if (!first) return 'restored'
        first = false
        return body(ground)
      },
      null,
      spawn,
    ).result,
  )
}

/** The kernel goes on as if nothing had been: a process does a little of everything. */
async function assertServes(world: Pick<World, 'kernel' | 'settled'>): Promise<void> {
  const { result } = world.kernel.spawn(async (sys: Sys) => {
    await sys.write('next.txt', 'next')
    const child = await sys.spawn(worker, 'child')
    return [await sys.read('next.txt'), await sys.wait(child), await sys.call('echo', 1)]
  }, null)
  assert.deepEqual(await world.settled(result), ['next', 'child', 1])
}

/** All that was journaled is plain data: written down and read again, it is the same. */
function assertPlainJournal(store: RecordingStore): void {
  for (const { events } of store.batches) {
    for (const event of events)
      assert.deepEqual(JSON.parse(JSON.stringify(event)), event, `event ${event.seq} is not plain data`)
  }
}

// --------------------------------------------------------------------------------------------------------------- table

/** One argument, or a field of one: what may stand there. Everything else must be refused as INVALID_ARGUMENT or TOO_LARGE. */
interface Place {
  readonly at: string
  readonly given: (ground: Ground, value: unknown) => readonly unknown[]
  readonly takes: (value: unknown) => boolean
  /** How a call may end with what it takes. @default ok */
  readonly codes?: readonly (ErrorCode | 'ok')[] | ((value: unknown) => readonly (ErrorCode | 'ok')[])
}

interface Line {
  readonly happy: (ground: Ground) => Promise<void>
  readonly places: readonly Place[]
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
const isMs = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 365 * 24 * 3_600_000
const isNothing = (value: unknown): boolean => value === undefined
const isRecord = (value: unknown): boolean =>
  value === undefined ||
  (isPlain(value) && value !== null && typeof value === 'object' && !Array.isArray(value) && !('toJSON' in value))
/** Of the nonsense, what can be a moment before now. */
const hasCome = (value: unknown): boolean => isTime(value) && Number(value) <= 2 ** 32
const isTime = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value < Infinity
const isEmptyObject = (value: unknown): boolean => isRecord(value) && Object.keys(value ?? {}).length === 0
const isPath = (value: unknown): boolean =>
  isText(value) && value !== '' && value.length < 1_024 && value.isWellFormed() && !/[\u0000-\u001f]/.test(value)
const isNumber = (value: unknown): boolean =>
  value === undefined || (typeof value === 'number' && Number.isFinite(value))
const isMegabyte = (value: unknown): boolean => !isText(value) || value.length < 1_000_000
const no = (): boolean => false

const generateField = (field: string, takes: (value: unknown) => boolean, codes?: Place['codes']): Place => ({
  at: `generate.${field}`,
  given: (_ground, value) => [{ prompt: 'hi', [field]: value }],
  takes,
  codes,
})

const lines: { readonly [name in CallName]: Line } = {
  spawn: {
    async happy({ sys }) {
      assert.deepEqual(
        await sys.wait(
          await sys.spawn(worker, { a: [1] }, { name: 'w', priority: 2, tools: [], budget: { steps: 1 } }),
        ),
        { a: [1] },
      )
      assert.equal(await sys.wait(await sys.spawn('worker', 'by name')), 'by name')
    },
    places: [
      {
        at: 'program',
        given: (_, value) => [value, null],
        takes: (value) => typeof value === 'function' || isText(value),
        codes: ['ok', 'NO_SUCH_PROGRAM'],
      },
      {
        at: 'program.run',
        given: (_, value) => [{ ...worker, run: value }, null],
        takes: (value) => typeof value === 'function',
      },
      { at: 'program.tools', given: (_, value) => [{ ...worker, name: 'odd', tools: value }, null], takes: no },
      {
        at: 'program.version',
        given: (_, value) => [{ ...worker, name: 'odd', version: value }, null],
        takes: (value) => isText(value) && value.length < 1_000,
      },
      { at: 'input', given: (_, value) => [worker, value], takes: (value) => value === undefined || isPlain(value) },
      { at: 'options', given: (_, value) => [worker, null, value], takes: isEmptyObject },
      { at: 'options.budget', given: (_, value) => [worker, null, { budget: value }], takes: isEmptyObject },
      {
        at: 'options.budget.tokens',
        given: (_, value) => [worker, null, { budget: { tokens: value } }],
        takes: (value) => value === undefined || (typeof value === 'number' && value >= 0 && value !== Infinity),
      },
      { at: 'options.priority', given: (_, value) => [worker, null, { priority: value }], takes: isNumber },
      { at: 'options.tools', given: (_, value) => [worker, null, { tools: value }], takes: isNothing },
      {
        at: 'options.name',
        given: (_, value) => [worker, null, { name: value }],
        takes: (value) => value === undefined || (isText(value) && value !== ''),
      },
    ],
  },
  fork: {
    async happy({ sys }) {
      const parent = sys.pid
      const pid = await sys.fork()
      if (pid === 0) assert.notEqual(sys.pid, parent)
      else assert.equal(typeof (await sys.wait(pid)), 'string')
    },
    places: [],
  },
  wait: {
    async happy({ sys, ended }) {
      assert.equal(await sys.wait(ended), 'done')
      assert.equal(await sys.wait(await sys.spawn(worker, 'later'), { timeoutMs: 5 }), 'later')
    },
    places: [
      { at: 'pid', given: (_, value) => [value, { timeoutMs: 1 }], takes: isWhole, codes: ['NO_SUCH_PROCESS'] },
      { at: 'options', given: ({ ended }, value) => [ended, value], takes: isEmptyObject },
      {
        at: 'options.timeoutMs',
        given: ({ ended }, value) => [ended, { timeoutMs: value }],
        takes: (value) => value === undefined || isMs(value),
      },
    ],
  },
  kill: {
    async happy({ sys }) {
      const child = await sys.spawn(sleeper, null)
      await sys.kill(child, 'enough')
      assert.deepEqual(await endOf(sys.wait(child)), {
        code: 'KILLED',
        message: `killed by process ${sys.pid}: enough`,
      })
    },
    places: [
      { at: 'pid', given: (_, value) => [value], takes: isWhole, codes: ['NO_SUCH_PROCESS'] },
      {
        at: 'reason',
        given: ({ ended }, value) => [ended, value],
        takes: (value) => value === undefined || isText(value),
      },
    ],
  },
  sleep: {
    async happy({ sys }) {
      const before = sys.now()
      await sys.sleep(1_500)
      assert.equal(sys.now() - before, 1_500)
    },
    places: [{ at: 'ms', given: (_, value) => [value], takes: isMs }],
  },
  send: {
    async happy({ sys }) {
      assert.equal(await sys.send(sys.pid, { hi: 1 }), 1)
      const mail = await sys.receive()
      assert.deepEqual([mail.from, mail.body], [sys.pid, { hi: 1 }])
    },
    places: [
      {
        at: 'to',
        given: (_, value) => [value, 'hi'],
        takes: (value) => isWhole(value) || isText(value),
        // 0 is the outside.
        codes: (value) => [value === 0 ? 'ok' : 'NO_SUCH_PROCESS'],
      },
      {
        at: 'body',
        given: ({ sleeper }, value) => [sleeper, value],
        takes: (value) => value === undefined || isPlain(value),
      },
      { at: 'options', given: ({ sleeper }, value) => [sleeper, 'hi', value], takes: isEmptyObject },
      {
        at: 'options.share.path',
        given: ({ sleeper }, value) => [sleeper, 'hi', { share: { path: value } }],
        takes: isPath,
      },
      {
        at: 'options.share.write',
        given: ({ sleeper }, value) => [sleeper, 'hi', { share: { path: 'kept.txt', write: value } }],
        takes: (value) => value === undefined || typeof value === 'boolean',
      },
    ],
  },
  receive: {
    async happy({ sys, sleeper }) {
      await sys.send(sys.pid, 1)
      assert.equal((await sys.receive({ from: sys.pid })).body, 1)
      assert.equal(codeOf(await endOf(sys.receive({ from: sleeper, timeoutMs: 10 }))), 'TIMEOUT')
    },
    places: [
      // Without a limit it would wait a year, as it should.
      {
        at: 'options.timeoutMs',
        given: (_, value) => [{ from: 1, timeoutMs: value ?? 'a year' }],
        takes: isMs,
        codes: ['TIMEOUT'],
      },
      {
        at: 'options.from',
        given: (_, value) => [{ from: value, timeoutMs: 1 }],
        takes: (value) => value === undefined || isWhole(value),
        codes: ['TIMEOUT'],
      },
      {
        at: 'options, unknown',
        given: (_, value) => [{ timeoutMs: 1, nonsense: value }],
        takes: isNothing,
        codes: ['TIMEOUT'],
      },
    ],
  },
  generate: {
    async happy({ sys }) {
      const { text, toolCalls, finishReason, usage, model } = await sys.generate('hi')
      assert.deepEqual([text, toolCalls, finishReason, model], ['hello', [], 'stop', 'echo'])
      assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0)
    },
    places: [
      { at: 'request', given: (_, value) => [value], takes: (value) => isText(value) && isMegabyte(value) },
      generateField('model', (value) => value === undefined || isText(value), ['ok', 'NO_SUCH_MODEL']),
      {
        at: 'model in a chain',
        given: (_, value) => [{ prompt: 'hi', model: [value] }],
        takes: isText,
        codes: ['NO_SUCH_MODEL'],
      },
      generateField('instructions', (value) => value === undefined || isText(value)),
      { at: 'prompt', given: (_, value) => [{ prompt: value }], takes: isText },
      generateField('messages', isNothing),
      { at: 'messages', given: (_, value) => [{ messages: value }], takes: no },
      { at: 'messages[0]', given: (_, value) => [{ messages: [value] }], takes: no },
      { at: 'messages[0].role', given: (_, value) => [{ messages: [{ role: value, content: 'x' }] }], takes: no },
      {
        at: 'messages[0].content',
        given: (_, value) => [{ messages: [{ role: 'user', content: value }] }],
        takes: isText,
      },
      {
        at: 'messages[0].content[0]',
        given: (_, value) => [{ messages: [{ role: 'user', content: [value] }] }],
        takes: no,
      },
      {
        at: 'messages[0].content[0].text',
        given: (_, value) => [{ messages: [{ role: 'user', content: [{ type: 'text', text: value }] }] }],
        takes: isText,
      },
      generateField('tools', isNothing),
      {
        at: 'tools[0]',
        given: (_, value) => [{ prompt: 'hi', tools: [value] }],
        takes: isText,
        codes: ['NO_SUCH_TOOL'],
      },
      generateField('toolChoice', isNothing),
      generateField(
        'maxOutputTokens',
        (value) => value === undefined || (Number.isSafeInteger(value) && (value as number) >= 1),
      ),
      generateField('temperature', isNumber),
      generateField('topP', isNumber),
      generateField('topK', isNumber),
      generateField('seed', isNumber),
      generateField('stopSequences', isNothing),
      generateField('schema', isRecord),
      generateField('providerOptions', isRecord),
      generateField('deadlineMs', (value) => value === undefined || (isNumber(value) && (value as number) >= 0)),
      generateField('nonsense', no),
    ],
  },
  embed: {
    async happy({ sys }) {
      assert.deepEqual(await sys.embed(['a', 'bcd']), [
        [1, 1],
        [3, 1],
      ])
    },
    places: [
      { at: 'texts', given: (_, value) => [value], takes: no },
      { at: 'texts[0]', given: (_, value) => [[value]], takes: isText },
      { at: 'options', given: (_, value) => [['a'], value], takes: isEmptyObject },
      {
        at: 'options.model',
        given: (_, value) => [['a'], { model: value }],
        takes: (value) => value === undefined || isText(value),
        codes: ['ok', 'NO_SUCH_MODEL'],
      },
    ],
  },
  call: {
    async happy({ sys }) {
      assert.deepEqual(await sys.call('echo', { a: 1 }), { a: 1 })
    },
    places: [
      { at: 'tool', given: (_, value) => [value, 1], takes: isText, codes: ['NO_SUCH_TOOL'] },
      { at: 'input', given: (_, value) => ['echo', value], takes: (value) => value === undefined || isPlain(value) },
    ],
  },
  ask: {
    async happy({ sys }) {
      assert.equal(await sys.ask('well?', { timeoutMs: 10, default: 'silence' }), 'silence')
      assert.equal(codeOf(await endOf(sys.ask('well?', { timeoutMs: 10 }))), 'NO_ANSWER')
    },
    places: [
      { at: 'text', given: (_, value) => [value, { timeoutMs: 1, default: 'd' }], takes: isText },
      {
        at: 'options, unknown',
        given: (_, value) => ['?', { timeoutMs: 1, default: 'd', nonsense: value }],
        takes: isNothing,
      },
      {
        at: 'options.choices',
        given: (_, value) => ['?', { timeoutMs: 1, default: 'd', choices: value }],
        takes: isNothing,
      },
      {
        at: 'options.timeoutMs',
        given: (_, value) => ['?', { timeoutMs: value, default: 'd' }],
        takes: (value) => value === undefined || isMs(value),
      },
      {
        at: 'options.default',
        given: (_, value) => ['?', { timeoutMs: 1, default: value }],
        takes: (value) => value === undefined || isText(value),
        codes: ['ok', 'NO_ANSWER'],
      },
    ],
  },
  remember: {
    async happy({ sys }) {
      const id = await sys.remember({ text: 'zebra crossing', tags: ['road'], source: 'street' })
      const [note] = await sys.recall('zebra')
      assert.deepEqual(
        [note?.id, note?.text, note?.tags, note?.source, note?.pid],
        [id, 'zebra crossing', ['road'], 'street', sys.pid],
      )
    },
    places: [
      {
        at: 'note',
        given: (_, value) => [value],
        takes: (value) => isText(value) && value.trim() !== '' && isMegabyte(value),
      },
      {
        at: 'note.text',
        given: (_, value) => [{ text: value }],
        takes: (value) => isText(value) && value.trim() !== '',
      },
      { at: 'note.tags', given: (_, value) => [{ text: 't', tags: value }], takes: isNothing },
      { at: 'note.tags[0]', given: (_, value) => [{ text: 't', tags: [value] }], takes: isText },
      {
        at: 'note.source',
        given: (_, value) => [{ text: 't', source: value }],
        takes: (value) =>
          value === undefined ||
          value === null ||
          types.isDate(value) ||
          (isText(value) && value.isWellFormed() && /^\P{Cc}+$/u.test(value)),
      },
      { at: 'note, unknown', given: (_, value) => [{ text: 't', nonsense: value }], takes: isNothing },
    ],
  },
  recall: {
    async happy({ sys, note }) {
      assert.deepEqual(
        (await sys.recall('kept note', { limit: 1, tag: 'kept' })).map(({ id }) => id),
        [note],
      )
      assert.deepEqual(await sys.recall('kept note', { tag: 'other' }), [])
      // Some meaning is near to any other; its words are not there.
      const reasons = (await sys.recall('absent')).flatMap(({ why }) => why)
      assert.ok(reasons.every(({ by }) => by !== 'lexical'))
    },
    places: [
      { at: 'query', given: (_, value) => [value], takes: isText },
      { at: 'options', given: (_, value) => ['kept', value], takes: isEmptyObject },
      { at: 'options.limit', given: (_, value) => ['kept', { limit: value }], takes: isNothing },
      {
        at: 'options.tag',
        given: (_, value) => ['kept', { tag: value }],
        takes: (value) => value === undefined || isText(value),
      },
    ],
  },
  forget: {
    async happy({ sys }) {
      const id = await sys.remember('a fleeting thought')
      await sys.forget(id)
      assert.ok((await sys.recall('fleeting')).every((note) => note.id !== id))
      assert.equal(codeOf(await endOf(sys.forget(id))), 'NO_SUCH_NOTE')
    },
    places: [{ at: 'id', given: (_, value) => [value], takes: isText, codes: ['NO_SUCH_NOTE'] }],
  },
  read: {
    async happy({ sys }) {
      const { version } = await sys.write('kept.txt', 'newer')
      assert.equal(await sys.read('kept.txt'), 'newer')
      assert.equal(await sys.read('kept.txt', { version }), 'newer')
      assert.equal(codeOf(await endOf(sys.read('absent.txt'))), 'NO_SUCH_FILE')
    },
    places: [
      { at: 'path', given: (_, value) => [value], takes: isPath, codes: ['NO_SUCH_FILE'] },
      { at: 'options', given: (_, value) => ['kept.txt', value], takes: isEmptyObject },
      {
        at: 'options.version',
        given: (_, value) => ['kept.txt', { version: value }],
        takes: (value) => value === undefined || isWhole(value),
        codes: ['ok', 'NO_SUCH_FILE'],
      },
      ...['at', 'diff'].map((key) => ({
        at: `options.${key}`,
        given: (_: unknown, value: unknown) => ['kept.txt', { [key]: value }],
        takes: (value: unknown) => value === undefined || (key === 'at' ? isTime(value) : isWhole(value)),
        codes: ['ok', 'NO_SUCH_FILE'] as const,
      })),
      {
        at: 'options.range',
        given: (_, value) => ['kept.txt', { range: value }],
        takes: (value) => value === undefined,
      },
      {
        at: 'options.encoding',
        given: (_, value) => ['kept.txt', { encoding: value }],
        takes: (value) => value === undefined,
      },
    ],
  },
  write: {
    async happy({ sys }) {
      const entry = await sys.write('dir/ü.txt', 'größer')
      assert.deepEqual([entry.path, entry.bytes, await sys.read('dir/ü.txt')], ['dir/ü.txt', 8, 'größer'])
    },
    places: [
      { at: 'path', given: (_, value) => [value, 'x'], takes: isPath },
      {
        at: 'content',
        given: (_, value) => ['odd.txt', value],
        takes: (value) => (isText(value) && value.isWellFormed()) || ArrayBuffer.isView(value),
      },
      {
        at: 'content.from',
        given: (_, value) => ['odd.txt', { from: value }],
        takes: isPath,
        codes: ['NO_SUCH_FILE'],
      },
      {
        at: 'content.version',
        given: (_, value) => ['odd.txt', { from: 'kept.txt', version: value }],
        takes: (value) => value === undefined || isWhole(value),
        codes: ['ok', 'NO_SUCH_FILE'],
      },
      {
        at: 'content.move',
        given: (_, value) => ['odd.txt', { from: 'absent.txt', move: value }],
        takes: (value) => value === undefined || typeof value === 'boolean',
        codes: ['NO_SUCH_FILE'],
      },
    ],
  },
  list: {
    async happy({ sys }) {
      await sys.write('b/1', '')
      await sys.write('a/2', '')
      assert.deepEqual(
        (await sys.list()).map(({ path }) => path),
        ['a/2', 'b/1', 'kept.txt'],
      )
      assert.deepEqual(
        (await sys.list('b/')).map(({ path }) => path),
        ['b/1'],
      )
    },
    places: [
      { at: 'prefix', given: (_, value) => [value], takes: (value) => value === undefined || isText(value) },
      { at: 'options', given: (_, value) => ['', value], takes: isEmptyObject },
      ...['glob', 'grep', 'search', 'after'].map((key) => ({
        at: `options.${key}`,
        given: (_: unknown, value: unknown) => ['', { [key]: value }],
        takes: (value: unknown) => value === undefined || isText(value),
        codes: (value: unknown) => (isText(value) ? (['ok', 'INVALID_ARGUMENT'] as const) : (['ok'] as const)),
      })),
      ...['regex', 'ignoreCase', 'removed', 'versions'].map((key) => ({
        at: `options.${key}`,
        given: (_: unknown, value: unknown) => ['kept.txt', { grep: 'x', [key]: value }],
        takes: (value: unknown) => value === undefined || typeof value === 'boolean',
        codes: ['ok', 'INVALID_ARGUMENT'] as const,
      })),
      {
        at: 'options.limit',
        given: (_, value) => ['', { limit: value }],
        takes: (value) => value === undefined || (isWhole(value) && (value as number) > 0),
        codes: ['ok', 'INVALID_ARGUMENT'],
      },
    ],
  },
  remove: {
    async happy({ sys }) {
      await sys.write('gone.txt', 'x')
      await sys.remove('gone.txt')
      assert.equal(codeOf(await endOf(sys.read('gone.txt'))), 'NO_SUCH_FILE')
      assert.equal(codeOf(await endOf(sys.remove('gone.txt'))), 'NO_SUCH_FILE')
    },
    places: [{ at: 'path', given: (_, value) => [value], takes: isPath, codes: ['NO_SUCH_FILE'] }],
  },
  snapshot: {
    async happy({ sys }) {
      const { id, restored } = await sys.snapshot()
      assert.deepEqual([typeof id, restored], ['string', 0])
    },
    places: [],
  },
  restore: {
    async happy({ sys }) {
      const { id, restored } = await sys.snapshot()
      if (restored === 0) {
        await sys.write('after.txt', 'x')
        await sys.restore(id)
      }
      assert.equal(codeOf(await endOf(sys.read('after.txt'))), 'NO_SUCH_FILE')
    },
    places: [
      { at: 'id', given: (_, value) => [value], takes: isText, codes: ['NO_SUCH_SNAPSHOT'] },
      {
        at: 'files.path',
        given: (_, value) => [{ path: value, version: 0 }],
        takes: (value) => value === undefined || isPath(value),
        codes: ['ok', 'NO_SUCH_FILE'],
      },
      ...['version', 'at', 'snapshot'].map((key) => ({
        at: `files.${key}`,
        given: (_: unknown, value: unknown) => [{ path: 'absent/', [key]: value }],
        takes: { version: isWhole, at: hasCome, snapshot: isText }[key] as (value: unknown) => boolean,
        codes: ['ok', 'NO_SUCH_SNAPSHOT'] as const,
      })),
    ],
  },
  now: {
    async happy({ sys }) {
      const before = sys.now()
      await sys.sleep(7)
      assert.equal(sys.now(), before + 7)
    },
    places: [],
  },
  random: {
    happy({ sys }) {
      const drawn = Array.from({ length: 100 }, () => sys.random())
      assert.ok(drawn.every((one) => one >= 0 && one < 1))
      assert.equal(new Set(drawn).size, 100)
      return Promise.resolve()
    },
    places: [],
  },
}

const names = Object.keys(lines) as CallName[]
const calls = names.filter((name) => name !== 'now' && name !== 'random')

/** Any call with any arguments, as a caller without types would make it. */
function invoke(sys: Sys, name: CallName, given: readonly unknown[]): Promise<unknown> {
  return (sys[name] as (...given: readonly unknown[]) => Promise<unknown>)(...given)
}

// --------------------------------------------------------------------------------------------------------------- tests

test('the table of these tests is the table of the kernel', async () => {
  const world = createWorld(options())
  const offered = await world.settled(
    world.kernel.spawn((sys: Sys) => Promise.resolve(Object.getOwnPropertyNames(Object.getPrototypeOf(sys))), null)
      .result as unknown as Promise<string[]>,
  )
  const facts = new Set(['constructor', 'pid', 'principal', 'tools'])
  assert.deepEqual(offered.filter((name) => !facts.has(name)).toSorted(), names.toSorted())
})

describe('what each call is for', () => {
  for (const name of names) {
    test(name, async () => {
      const world = createWorld(options())
      const { result, pid } = world.kernel.spawn(async (sys: Sys) => {
        await lines[name].happy(await prepare(sys))
        return 'fine'
      }, null)
      assert.equal(await world.settled(result), 'fine')
      const report = await world.settled(world.kernel.replay(pid))
      assert.equal(report.same, true, report.difference)
      assertPlainJournal(world.store)
    })
  }
})

describe('nonsense arguments are refused as such, at once, and leave nothing behind', () => {
  for (const name of calls) {
    for (const { at, given, takes, codes = ['ok'] } of lines[name].places) {
      test(`${name}: ${at}`, async () => {
        const world = createWorld(options())
        const wrong = await onGround(world, async (ground) => {
          const found: string[] = []
          for (const [what, make] of hostile) {
            const value = make()
            const legal = takes(value)
            const before = ground.sys.now()
            const { value: _, ...end } = {
              value: null,
              ...(await endOf(invoke(ground.sys, name, given(ground, value)))),
            }
            const code = 'code' in end ? end.code : 'ok'
            const isFine =
              code === 'TOO_LARGE' ||
              (legal
                ? (typeof codes === 'function' ? codes(value) : codes).includes(code)
                : code === 'INVALID_ARGUMENT')
            if (!isFine) found.push(`${what}: ${code}${'message' in end ? ` (${end.message.slice(0, 200)})` : ''}`)
            if (!legal && ground.sys.now() - before > 1)
              found.push(`${what}: refused only after ${ground.sys.now() - before} ms`)
            if ('message' in end && end.message.length > 10_000)
              found.push(`${what}: a message of ${end.message.length} characters`)
          }
          if ((await ground.sys.recall('kept note', { tag: 'kept' })).length !== 1) found.push('the kept note is lost')
          return found
        })
        assert.deepEqual(wrong, [])
        assert.equal(({} as { polluted?: unknown }).polluted, undefined, 'Object.prototype was polluted')
        assertPlainJournal(world.store)
        await assertServes(world)
      })
    }
  }
})

describe('what belongs to another principal looks exactly like what is not there', () => {
  const nobody: Pid = 123_456

  test('pids, notes, files, mailboxes, groups and snapshots', async () => {
    const world = createWorld(options())
    const { kernel } = world
    const alice = kernel.spawn(
      async (sys: Sys) => {
        const ground = await prepare(sys)
        await sys.spawn(sleeper, null, { name: 'post office' })
        await sys.send(sys.pid, [sys.pid, ground.note, ground.snapshot])
        await sys.sleep(1e6)
        return (await sys.recall('kept')).length
      },
      null,
      { principal: 'alice', name: 'alice' },
    )
    const ready = kernel.spawn(async (sys: Sys) => sys.sleep(10), null)
    await world.settled(ready.result)
    const events = await kernel.events(alice.pid)
    const mail = events.find((event) => event.type === 'mail-sent')
    const [pid, note, snapshot] = (mail?.type === 'mail-sent' ? mail.mail.body : []) as [Pid, string, string]

    const mallory = kernel.spawn(
      async (sys: Sys) => {
        const seen: Json[] = []
        for (const [name, theirs, absent] of [
          ['wait', [pid], [nobody]],
          ['kill', [pid], [nobody]],
          ['send', [pid, 'hi'], [nobody, 'hi']],
          ['send', ['alice', 'hi'], ['nobody', 'hi']],
          ['send', ['post office', 'hi'], ['nobody', 'hi']],
          ['forget', [note], ['n123456']],
          ['restore', [snapshot], [`${nobody}.0`]],
          ['read', ['kept.txt'], ['absent.txt']],
          ['read', [`../${pid}/kept.txt`], [`../${nobody}/kept.txt`]],
        ] as const) {
          const a = await endOf(invoke(sys, name, theirs))
          const b = await endOf(invoke(sys, name, absent))
          const words = [...new Set([...theirs, ...absent].map(String))].filter((word) => word !== 'hi')
          const blank = (end: typeof a): string =>
            words
              .toSorted((one, other) => other.length - one.length)
              .reduce((text, word) => text.replaceAll(word, 'X'), JSON.stringify(end))
          seen.push([name, codeOf(a), blank(a) === blank(b)])
        }
        seen.push((await sys.recall('kept')).length, (await sys.list()).length)
        seen.push(codeOf(await endOf(sys.receive({ from: pid, timeoutMs: 5 }))))
        return seen
      },
      null,
      { principal: 'mallory' },
    )
    assert.deepEqual(await world.settled(mallory.result), [
      ['wait', 'NO_SUCH_PROCESS', true],
      ['kill', 'NO_SUCH_PROCESS', true],
      ['send', 'NO_SUCH_PROCESS', true],
      ['send', 'NO_SUCH_PROCESS', true],
      ['send', 'NO_SUCH_PROCESS', true],
      ['forget', 'NO_SUCH_NOTE', true],
      ['restore', 'NO_SUCH_SNAPSHOT', true],
      ['read', 'NO_SUCH_FILE', true],
      ['read', 'INVALID_ARGUMENT', true],
      0,
      0,
      'TIMEOUT',
    ])
    assert.equal(await world.settled(alice.result), 1, 'alice still has what is hers')
  })

  test('a child has its parent’s principal, and is refused one of its own', async () => {
    const world = createWorld(options())
    const who = defineProgram('who', (sys) => Promise.resolve(sys.principal))
    const { result } = world.kernel.spawn(
      async (sys: Sys): Promise<Json> =>
        [
          await endOf(sys.spawn(who, null, { principal: 'root' } as object)),
          await sys.wait<string>(await sys.spawn(who, null)),
        ] as Json,
      null,
      { principal: 'guest' },
    )
    const [refused, child] = (await world.settled(result)) as [End, string]
    assert.equal(codeOf(refused), 'INVALID_ARGUMENT')
    assert.match('message' in refused ? refused.message : '', /a child has its parent’s principal/)
    assert.equal(child, 'guest')
  })
})

describe('the dead', () => {
  test('can be waited for, and neither written to nor killed again', async () => {
    const world = createWorld(options())
    const seen = await onGround(world, async ({ sys, ended }): Promise<Json> => [
      await sys.wait<Json>(ended),
      codeOf(await endOf(sys.send(ended, 'hi'))),
      codeOf(await endOf(sys.kill(ended))),
      codeOf(await endOf(sys.wait(987_654))),
      codeOf(await endOf(sys.send(987_654, 1))),
      codeOf(await endOf(sys.kill(987_654))),
      codeOf(await endOf(sys.wait(sys.pid))),
    ])
    assert.deepEqual(seen, [
      'done',
      'NO_SUCH_PROCESS',
      'ok',
      'NO_SUCH_PROCESS',
      'NO_SUCH_PROCESS',
      'NO_SUCH_PROCESS',
      'INVALID_ARGUMENT',
    ])
  })

  test('make no calls: a killed program that goes on computing is not heard', async () => {
    const world = createWorld(options())
    let leaked: Sys | undefined
    const victim = world.kernel.spawn(async (sys: Sys) => {
      leaked = sys
      await sys.sleep(1e6)
    }, null)
    await world.settled(world.kernel.spawn(async (sys: Sys) => sys.sleep(1), null).result)
    victim.kill('enough')
    assert.equal(codeOf(await world.settled(endOf(victim.result))), 'KILLED')
    const { length } = await world.kernel.events(victim.pid)
    let heard = false
    for (const name of calls) void invoke(leaked as Sys, name, ['kept.txt', 'x']).finally(() => (heard = true))
    await assertServes(world)
    assert.equal(heard, false)
    assert.equal((await world.kernel.events(victim.pid)).length, length)
  })
})

// ------------------------------------------------------------------------------------------------------------- budgets

describe('an exhausted budget refuses the next call: own, parent’s and grandparent’s', () => {
  const priced: ModelOptions = {
    model: scripted(() => ({ text: 'x', usage: { inputTokens: 100, outputTokens: 100 } })),
    price: { input: 1e4, output: 1e4 },
  }
  const spend = (sys: Sys): Promise<unknown> => sys.generate({ prompt: 'spend '.repeat(50), maxOutputTokens: 100 })

  /** Runs `body` at the bottom of a tree of `depth` generations whose oldest has the budget. */
  async function below(
    depth: number,
    budget: Budget,
    body: (sys: Sys) => Promise<Json>,
  ): Promise<{ end: Json; usage: Json; world: World }> {
    const world = createWorld(options({ models: { priced } }))
    const generations: Program[] = []
    for (let i = 0; i <= depth; i++) {
      const inner = generations[i - 1]
      generations.push(
        defineProgram(`generation-${i}`, async (sys) => {
          if (inner === undefined) return body(sys)
          const end = await endOf(sys.wait(await sys.spawn(inner, null)))
          return 'code' in end ? end.code : end.value
        }) as Program,
      )
    }
    const run = world.kernel.spawn(generations[depth] as Program, null, { budget })
    const end = await world.settled(endOf(run.result))
    return { end: ('code' in end ? end.code : end.value) as Json, usage: { ...run.usage }, world }
  }

  for (const [depth, whose] of ['own', 'parent’s', 'grandparent’s'].entries()) {
    const twice = async (sys: Sys, call: (sys: Sys) => Promise<unknown>): Promise<Json> => {
      const ends: Json[] = []
      for (let i = 0; i < 4; i++) ends.push(codeOf(await endOf(call(sys))))
      return ends
    }
    test(`tokens, ${whose}`, async () => {
      const { end, usage, world } = await below(depth, { tokens: 650 }, (sys) => twice(sys, spend))
      const { inputTokens, outputTokens } = usage as { inputTokens: number; outputTokens: number }
      assert.ok(inputTokens + outputTokens <= 650, `${inputTokens} + ${outputTokens} tokens used of 650`)
      assert.deepEqual(end, ['ok', 'ok', 'ok', 'BUDGET_EXCEEDED'])
      await assertServes(world)
    })
    test(`usd, ${whose}`, async () => {
      const { end, usage, world } = await below(depth, { usd: 6.5 }, (sys) => twice(sys, spend))
      assert.ok((usage as { usd: number }).usd <= 6.5)
      assert.deepEqual(end, ['ok', 'ok', 'ok', 'BUDGET_EXCEEDED'])
      await assertServes(world)
    })
    test(`steps, ${whose}`, async () => {
      const { end, usage } = await below(depth, { steps: 2 }, (sys) => twice(sys, spend))
      assert.deepEqual(end, ['ok', 'ok', 'BUDGET_EXCEEDED', 'BUDGET_EXCEEDED'])
      assert.equal((usage as { steps: number }).steps >= 2, true)
    })
    test(`children, ${whose}`, async () => {
      const { end } = await below(depth, { children: depth + 2 }, (sys) => twice(sys, (sys) => sys.spawn(worker, null)))
      assert.deepEqual(end, ['ok', 'ok', 'BUDGET_EXCEEDED', 'BUDGET_EXCEEDED'])
    })
    test(`wallMs, ${whose}`, async () => {
      const { end, world } = await below(depth, { wallMs: 50 }, async (sys) => {
        await sys.sleep(1e6)
        return 'slept'
      })
      assert.equal(end, 'BUDGET_EXCEEDED')
      assert.ok(world.kernel.ps().every((info) => info.endedAt !== null && info.endedAt - info.startedAt <= 50))
      await assertServes(world)
    })
  }

  test('calls side by side cannot share the same money', async () => {
    const { end, usage } = await below(1, { tokens: 650 }, async (sys) =>
      (await Promise.all(Array.from({ length: 50 }, () => endOf(spend(sys))))).map(codeOf),
    )
    assert.equal(
      (end as string[]).filter((code) => code === 'BUDGET_EXCEEDED').length +
        (end as string[]).filter((code) => code === 'ok').length,
      50,
    )
    const { inputTokens, outputTokens } = usage as { inputTokens: number; outputTokens: number }
    assert.ok(inputTokens + outputTokens <= 650)
  })

  test('a step that never reached a model is refused before it is counted', async () => {
    const { end, usage } = await below(0, { steps: 0 }, async (sys) => codeOf(await endOf(spend(sys))))
    assert.equal(end, 'BUDGET_EXCEEDED')
    assert.equal((usage as { inputTokens: number }).inputTokens, 0)
  })
})

// ------------------------------------------------------------------------------------------------------------- drivers

const throwing = (): never => {
  throw new Error('this trap throws')
}
const evilError = (): unknown =>
  new Proxy(new Error('x'), {
    get: throwing,
    has: throwing,
    getPrototypeOf: throwing,
    ownKeys: throwing,
    getOwnPropertyDescriptor: throwing,
  })
const oddUsage = (input: unknown, output: unknown) => ({
  inputTokens: { total: input },
  outputTokens: { total: output },
})
const contentOf = (...content: unknown[]) => ({ ...answer(''), content }) as unknown as ReturnType<typeof answer>

type Doing = () => unknown

/** What a broken model does when it is asked for a whole answer, and the errors that may follow. */
const brokenModels: readonly (readonly [what: string, doing: Doing, codes: readonly (ErrorCode | 'ok')[]])[] = [
  [
    'throws',
    () => {
      throw new Error('no')
    },
    ['DRIVER_FAILED'],
  ],
  [
    'throws a text',
    () => {
      throw 'no'
    },
    ['DRIVER_FAILED'],
  ],
  ['rejects with undefined', () => Promise.reject(undefined), ['DRIVER_FAILED']],
  ['rejects with a symbol', () => Promise.reject(Symbol('no')), ['DRIVER_FAILED']],
  ['rejects with a proxy that throws', () => Promise.reject(evilError()), ['DRIVER_FAILED']],
  [
    'rejects with an error whose fields throw',
    () =>
      Promise.reject(
        Object.defineProperties(new Error('x'), {
          message: { get: throwing },
          statusCode: { get: throwing },
          isRetryable: { get: throwing },
        }),
      ),
    ['DRIVER_FAILED'],
  ],
  [
    'rejects with a message that is no text',
    () => Promise.reject(Object.assign(new Error('x'), { message: { deep: [] } })),
    ['DRIVER_FAILED'],
  ],
  ['rejects with a message of 10 MB', () => Promise.reject(new Error('x'.repeat(10_000_000))), ['DRIVER_FAILED']],
  [
    'rejects with a forged error of ours',
    () =>
      Promise.reject(
        Object.assign(new Error('x'), { [Symbol.for('polity.error')]: true, code: 'NO_SUCH_CODE', detail: () => 1 }),
      ),
    ['DRIVER_FAILED'],
  ],
  [
    'rejects with 429 and headers that throw',
    () =>
      Promise.reject(
        Object.assign(new Error('x'), {
          statusCode: 400,
          responseHeaders: new Proxy({}, { get: throwing, ownKeys: throwing }),
        }),
      ),
    ['DRIVER_FAILED'],
  ],
  ['returns nothing', () => undefined, ['DRIVER_INVALID']],
  ['returns a number', () => 5, ['DRIVER_INVALID']],
  ['resolves to null', () => Promise.resolve(null), ['DRIVER_INVALID']],
  ['resolves to {}', () => Promise.resolve({}), ['DRIVER_INVALID']],
  [
    'resolves to a proxy that throws',
    () =>
      Promise.resolve({
        then: undefined,
        get content() {
          return throwing()
        },
      }),
    ['DRIVER_FAILED', 'DRIVER_INVALID'],
  ],
  ['is a thenable that throws', () => ({ then: throwing }), ['DRIVER_FAILED']],
  ['content null', () => Promise.resolve({ ...answer(''), content: null }), ['DRIVER_INVALID']],
  ['content of an unknown type', () => Promise.resolve(contentOf({ type: 'hologram' })), ['DRIVER_INVALID']],
  ['content [null]', () => Promise.resolve(contentOf(null)), ['DRIVER_INVALID']],
  ['text that is no text', () => Promise.resolve(contentOf({ type: 'text', text: 5 })), ['DRIVER_INVALID']],
  ['text of 20 MB', () => Promise.resolve(answer('x'.repeat(20_000_000))), ['TOO_LARGE', 'DRIVER_INVALID']],
  [
    'a function in the content',
    () => Promise.resolve(contentOf({ type: 'tool-call', toolName: 'echo', toolCallId: '1', input: { run: () => 1 } })),
    ['DRIVER_INVALID'],
  ],
  [
    'a cycle in the content',
    () => {
      const input: Record<string, unknown> = {}
      input['input'] = input
      return Promise.resolve(contentOf({ type: 'tool-call', toolName: 'echo', toolCallId: '1', input }))
    },
    ['DRIVER_INVALID'],
  ],
  [
    'a tool call without a name',
    () => Promise.resolve(contentOf({ type: 'tool-call', toolCallId: '1', input: '{}' })),
    ['DRIVER_INVALID'],
  ],
  [
    'a tool call whose input is no JSON',
    () => Promise.resolve(contentOf({ type: 'tool-call', toolName: 'echo', toolCallId: '1', input: '{"a": ' })),
    ['ok'],
  ],
  [
    'a tool call with a poisonous input',
    () =>
      Promise.resolve(
        contentOf({ type: 'tool-call', toolName: 'echo', toolCallId: '1', input: '{"__proto__": {"polluted": 1}}' }),
      ),
    ['ok'],
  ],
  [
    'a tool call of 10,000 levels',
    () =>
      Promise.resolve(
        contentOf({
          type: 'tool-call',
          toolName: 'echo',
          toolCallId: '1',
          input: '['.repeat(10_000) + ']'.repeat(10_000),
        }),
      ),
    ['DRIVER_INVALID'],
  ],
  ['no finish reason', () => Promise.resolve({ ...answer('x'), finishReason: undefined }), ['ok']],
  [
    'a finish reason nobody knows',
    () => Promise.resolve({ ...answer('x'), finishReason: { unified: 'bored' } }),
    ['ok'],
  ],
  ['no usage', () => Promise.resolve({ ...answer('x'), usage: undefined }), ['ok']],
  ['negative usage', () => Promise.resolve({ ...answer('x'), usage: oddUsage(-5, -1) }), ['ok']],
  ['NaN usage', () => Promise.resolve({ ...answer('x'), usage: oddUsage(Number.NaN, Number.NaN) }), ['ok']],
  ['infinite usage', () => Promise.resolve({ ...answer('x'), usage: oddUsage(Infinity, Infinity) }), ['ok']],
  ['usage of 1e308', () => Promise.resolve({ ...answer('x'), usage: oddUsage(1e308, 1e308) }), ['ok']],
  ['usage of a billion', () => Promise.resolve({ ...answer('x'), usage: oddUsage(1e9, 1) }), ['ok']],
  ['usage in words', () => Promise.resolve({ ...answer('x'), usage: oddUsage('many', []) }), ['ok']],
  [
    'headers that throw',
    () =>
      Promise.resolve({ ...answer('x'), response: { headers: new Proxy({}, { get: throwing, ownKeys: throwing }) } }),
    ['ok'],
  ],
  [
    'headers of symbols',
    () =>
      Promise.resolve({
        ...answer('x'),
        response: { headers: { 'x-ratelimit-limit-requests': Symbol('x'), 'retry-after': {} } },
      }),
    ['ok'],
  ],
]

describe('a broken model', () => {
  for (const [what, doing, codes] of brokenModels) {
    test(what, async () => {
      let isBroken = true
      const model = rawModel((() =>
        isBroken ? doing() : Promise.resolve(answer('well'))) as unknown as LanguageModel['doGenerate'])
      const world = createWorld(options({ models: { core: { model, slots: 1, price: { input: 1, output: 1 } } } }))
      const seen = (await onGround(world, async ({ sys }) => {
        const before = sys.now()
        // Two calls on one slot: a lease that is not given back would leave the second for ever in the queue.
        const ends = await Promise.all([endOf(sys.generate('one')), endOf(sys.generate('two'))])
        return [
          ends.map(codeOf),
          sys.now() - before,
          ends.map((end) => ('message' in end ? end.message.length : 0)),
        ] as unknown as Json
      })) as unknown as [string[], number, number[]]
      const [ends, ms, lengths] = seen
      for (const code of ends)
        assert.ok((codes as readonly string[]).includes(code), `${code}, expected ${codes.join(' or ')}`)
      assert.ok(ms < 5_000, `it took ${ms} ms of simulated time`)
      assert.ok(lengths.every((length) => length < 10_000))
      const [core] = world.kernel.cores
      assert.deepEqual([core?.inFlight, core?.waiting], [0, 0], 'the core is free again')
      assertPlainJournal(world.store)
      for (const info of world.kernel.ps()) {
        for (const [key, value] of Object.entries(info.usage))
          assert.ok(
            Number.isSafeInteger(value) || (key === 'usd' && Number.isFinite(value) && value >= 0),
            `usage.${key} is ${value}`,
          )
      }
      isBroken = false
      // Once it is well it serves, also a prompt of a few thousand words.
      const next = world.kernel.spawn(
        async (sys: Sys) => (await sys.generate({ prompt: 'word '.repeat(3_000), maxOutputTokens: 50 })).text,
        null,
      )
      assert.equal(await world.settled(next.result), 'well')
      await assertServes(world)
    })
  }
})

const start = { type: 'text-start', id: '1' }
const delta = (text: unknown): object => ({ type: 'text-delta', id: '1', delta: text })
const finish = { type: 'finish', finishReason: { unified: 'stop', raw: undefined }, usage: noUsage }
function* endless(part: unknown): Generator<unknown> {
  yield start
  for (;;) yield part
}

const brokenStreams: readonly (readonly [what: string, doing: Doing, codes: readonly (ErrorCode | 'ok')[]])[] = [
  ['gives no stream', () => Promise.resolve({}), ['DRIVER_INVALID']],
  ['gives nothing', () => undefined, ['DRIVER_INVALID']],
  [
    'gives a reader that is none',
    () => Promise.resolve({ stream: { getReader: () => ({}) } }),
    ['DRIVER_FAILED', 'DRIVER_INVALID'],
  ],
  [
    'throws in its stream',
    () => Promise.resolve({ stream: new ReadableStream({ pull: throwing }) }),
    ['DRIVER_FAILED'],
  ],
  [
    'sends an error part',
    () => Promise.resolve(streamOf([start, delta('x'), { type: 'error', error: 'no' }])),
    ['DRIVER_FAILED'],
  ],
  ['ends without a finish', () => Promise.resolve(streamOf([start, delta('x')])), ['DRIVER_INVALID']],
  ['sends null', () => Promise.resolve(streamOf([null])), ['DRIVER_INVALID']],
  ['sends numbers', () => Promise.resolve(streamOf([1, 2, 3])), ['DRIVER_INVALID']],
  ['sends a delta without its start', () => Promise.resolve(streamOf([delta('x'), finish])), ['DRIVER_INVALID']],
  ['sends a delta that is no text', () => Promise.resolve(streamOf([start, delta({}), finish])), ['DRIVER_INVALID']],
  [
    'sends parts nobody knows',
    () => Promise.resolve(streamOf([{ type: 'hologram' }, start, delta('x'), finish])),
    ['ok'],
  ],
  ['sends a finish without anything', () => Promise.resolve(streamOf([start, delta('x'), { type: 'finish' }])), ['ok']],
  [
    'babbles for ever',
    () => Promise.resolve(streamOf(endless(delta('babble '.repeat(1_000))))),
    ['TOO_LARGE', 'DRIVER_INVALID'],
  ],
  [
    'sends raw parts for ever',
    () => Promise.resolve(streamOf(endless({ type: 'raw', rawValue: 1 }))),
    ['DRIVER_INVALID'],
  ],
]

describe('a broken stream', () => {
  for (const [what, doing, codes] of brokenStreams) {
    test(what, async () => {
      const model = rawModel(() => Promise.resolve(answer('whole')), doing as unknown as LanguageModel['doStream'])
      const world = createWorld(options({ models: { core: { model, slots: 1 } }, limits: { streamPartsMax: 20_000 } }))
      // Somebody watches, so the kernel streams.
      const stop = world.kernel.watch(() => {})
      const ends = await onGround(world, async ({ sys }) =>
        (await Promise.all([endOf(sys.generate('one')), endOf(sys.generate('two'))])).map(codeOf),
      )
      for (const code of ends as string[])
        assert.ok((codes as readonly string[]).includes(code), `${code}, expected ${codes.join(' or ')}`)
      assert.deepEqual([world.kernel.cores[0]?.inFlight, world.kernel.cores[0]?.waiting], [0, 0])
      assertPlainJournal(world.store)
      stop()
      await assertServes(world)
    })
  }
})

describe('a model that hangs', () => {
  const never = new Promise<never>(() => {})
  const hanging = (): LanguageModel =>
    rawModel(
      () => never,
      () => never,
    )
  const stuckStream = (): LanguageModel =>
    rawModel(
      () => never,
      () =>
        Promise.resolve({ stream: new ReadableStream({ start: (controller) => controller.enqueue(start as never) }) }),
    )

  for (const [what, make, watched] of [
    ['in a whole answer', hanging, false],
    ['before its stream', hanging, true],
    ['in its stream', stuckStream, true],
  ] as const) {
    test(`${what} is given up after its time, and told to stop`, async () => {
      const signals: (AbortSignal | undefined)[] = []
      const inner = make()
      const model: LanguageModel = {
        ...inner,
        doGenerate: (call) => (signals.push(call.abortSignal), inner.doGenerate(call)),
        doStream: (call) => (signals.push(call.abortSignal), inner.doStream(call)),
      }
      const world = createWorld(
        options({ models: { core: { model, slots: 1 } }, limits: { generateMs: 1_000, generateTriesMax: 2 } }),
      )
      if (watched) world.kernel.watch(() => {})
      const [code, ms] = (await onGround(world, async ({ sys }) => {
        const before = sys.now()
        return [codeOf(await endOf(sys.generate('hi'))), sys.now() - before]
      })) as [string, number]
      assert.equal(code, 'DRIVER_TIMEOUT')
      assert.ok(ms >= 2_000 && ms < 4_000, `given up after ${ms} ms`)
      assert.equal(signals.length, 2, 'it is tried twice')
      assert.ok(
        signals.every((signal) => signal?.aborted === true),
        'each try is told to stop',
      )
      assert.deepEqual([world.kernel.cores[0]?.inFlight, world.kernel.cores[0]?.waiting], [0, 0])
      await assertServes(world)
    })
  }
})

test('a stream that comes after its call was given up is left', async () => {
  const { promise: late, resolve } = Promise.withResolvers<{ stream: ReadableStream }>()
  const { promise: left, resolve: leave } = Promise.withResolvers<string>()
  const model = rawModel(
    () => new Promise<never>(() => {}),
    () => late as never,
  )
  const world = createWorld(
    options({ models: { core: { model, slots: 1 } }, limits: { generateMs: 1_000, generateTriesMax: 1 } }),
  )
  world.kernel.watch(() => {})
  assert.equal(await onGround(world, async ({ sys }) => codeOf(await endOf(sys.generate('hi')))), 'DRIVER_TIMEOUT')
  resolve({ stream: new ReadableStream({ cancel: () => leave('left') }) })
  const outcome = await Promise.race([left, new Promise<string>((give) => void setTimeout(give, 500, 'still read'))])
  assert.equal(outcome, 'left')
})

describe('a broken embedder', () => {
  const cases: readonly (readonly [string, Doing, ErrorCode])[] = [
    [
      'throws',
      () => {
        throw new Error('no')
      },
      'DRIVER_FAILED',
    ],
    ['rejects with a proxy that throws', () => Promise.reject(evilError()), 'DRIVER_FAILED'],
    ['returns nothing', () => undefined, 'DRIVER_INVALID'],
    ['resolves to too few', () => Promise.resolve([[1]]), 'DRIVER_INVALID'],
    ['resolves to texts', () => Promise.resolve(['abc', 'def']), 'DRIVER_INVALID'],
    ['resolves to null vectors', () => Promise.resolve([null, null]), 'DRIVER_INVALID'],
    ['resolves to NaN', () => Promise.resolve([[Number.NaN], [1]]), 'DRIVER_INVALID'],
    ['resolves to vectors of two lengths', () => Promise.resolve([[1], [1, 2]]), 'DRIVER_INVALID'],
    ['resolves to vectors with holes', () => Promise.resolve([Array(3), Array(3)]), 'DRIVER_INVALID'],
    ['hangs', () => new Promise(() => {}), 'DRIVER_TIMEOUT'],
  ]
  for (const [what, doing, code] of cases) {
    test(what, async () => {
      const world = createWorld(
        options({
          embedder: { name: 'odd', embed: doing as unknown as Embedder['embed'] },
          limits: { generateMs: 1_000 },
        }),
      )
      assert.equal(await onGround(world, async ({ sys }) => codeOf(await endOf(sys.embed(['a', 'b'])))), code)
      // Who says that it failed has sold nothing; who was late, or said nonsense, may have.
      const alone = world.kernel.spawn(async (sys: Sys) => codeOf(await endOf(sys.embed(['a'.repeat(300)]))), null)
      assert.equal(await world.settled(alone.result), what === 'resolves to too few' ? 'ok' : code)
      assert.equal(alone.usage.inputTokens, code === 'DRIVER_FAILED' ? 0 : 100)
      assertPlainJournal(world.store)
      await assertServes(world)
    })
  }
})

// --------------------------------------------------------------------------------------------------------------- tools

const later = (ms: number, world: () => World): Promise<void> =>
  new Promise((resolve) => void world().clock.after(ms, resolve))

describe('a broken tool', () => {
  let world: World
  const here = (): World => world
  const cases: readonly (readonly [string, Tool, readonly (ErrorCode | 'ok')[]])[] = [
    ['throws', tool('t', throwing), ['TOOL_FAILED']],
    ['rejects', tool('t', () => Promise.reject(new Error('no'))), ['TOOL_FAILED']],
    ['rejects with undefined', tool('t', () => Promise.reject(undefined)), ['TOOL_FAILED']],
    ['rejects with a text', tool('t', () => Promise.reject('no')), ['TOOL_FAILED']],
    ['rejects with a proxy that throws', tool('t', () => Promise.reject(evilError())), ['TOOL_FAILED']],
    [
      'rejects with a cycle',
      tool('t', () => {
        const error: Record<string, unknown> = {}
        error['self'] = error
        return Promise.reject(error)
      }),
      ['TOOL_FAILED'],
    ],
    [
      'rejects with 4 billion holes',
      tool('t', () => {
        const list: unknown[] = []
        list.length = 2 ** 32 - 1
        return Promise.reject(list)
      }),
      ['TOOL_FAILED'],
    ],
    [
      'rejects with a forged code',
      tool('t', () =>
        Promise.reject(
          Object.assign(new Error('x'), { [Symbol.for('polity.error')]: true, code: 'FORGED', detail: new Map() }),
        ),
      ),
      ['TOOL_FAILED'],
    ],
    [
      'rejects with a live detail',
      tool('t', () => Promise.reject(new PolityError('TOOL_FAILED', 'x', { detail: (() => 1) as unknown as Json }))),
      ['TOOL_FAILED'],
    ],
    ['is a thenable that throws', tool('t', () => ({ then: throwing })), ['TOOL_FAILED']],
    ['returns nothing', tool('t', () => undefined), ['ok']],
    ['returns a function', tool('t', () => throwing), ['TOOL_INVALID']],
    [
      'returns a cycle',
      tool('t', () => {
        const value: Record<string, unknown> = {}
        value['self'] = value
        return value
      }),
      ['TOOL_INVALID'],
    ],
    ['returns a proxy that throws', tool('t', () => [new Proxy({}, { ownKeys: throwing })]), ['TOOL_INVALID']],
    ['returns 20 MB', tool('t', () => 'x'.repeat(20_000_000)), ['TOO_LARGE']],
    ['returns 20 MB of numbers', tool('t', () => Array.from({ length: 2_500_000 }, () => 1)), ['TOO_LARGE']],
    [
      'returns 4 billion holes',
      tool('t', () => {
        const list: unknown[] = []
        list.length = 2 ** 32 - 1
        return list
      }),
      ['TOOL_INVALID', 'TOO_LARGE'],
    ],
    ['hangs', tool('t', () => new Promise(() => {}), { timeoutMs: 500 }), ['TOOL_TIMEOUT']],
    [
      'resolves after its deadline',
      tool('t', () => later(700, here).then(() => 'late'), { timeoutMs: 500 }),
      ['TOOL_TIMEOUT'],
    ],
    [
      'rejects after its deadline',
      tool('t', () => later(700, here).then(throwing), { timeoutMs: 500 }),
      ['TOOL_TIMEOUT'],
    ],
    [
      'hangs with a lock',
      tool('t', () => new Promise(() => {}), { timeoutMs: 500, locks: ['one'] }),
      ['TOOL_TIMEOUT', 'TIMEOUT'],
    ],
    [
      'returns what looks like a promise and throws when it is asked, with a lock',
      tool('t', () => ({ then: throwing }), { timeoutMs: 500, locks: ['one'] }),
      ['TOOL_FAILED'],
    ],
    [
      'mutates its input',
      tool('t', (input) => {
        ;(input as { list: Json[] }).list.push('more')
        return null
      }),
      ['TOOL_FAILED'],
    ],
    ['has a schema that throws', tool('t', () => 1, { validate: throwing }), ['INVALID_ARGUMENT']],
    [
      'has a schema that answers nothing',
      tool('t', () => 1, { validate: (() => undefined) as never }),
      ['INVALID_ARGUMENT'],
    ],
    [
      'has a schema that lets functions through',
      tool('t', () => 1, { validate: () => ({ value: throwing as unknown as Json }) }),
      ['INVALID_ARGUMENT'],
    ],
    [
      'has a schema with a million issues',
      tool('t', () => 1, { validate: () => ({ issues: Array.from({ length: 1e6 }, () => ({ message: 'wrong' })) }) }),
      ['INVALID_ARGUMENT'],
    ],
  ]
  for (const [what, broken, codes] of cases) {
    test(what, async () => {
      world = createWorld(options({ tools: [echo, broken] }))
      const [ends, input] = (await onGround(world, async ({ sys }) => {
        const given = { list: ['as given'] }
        const ends = await Promise.all([endOf(sys.call('t', given)), endOf(sys.call('t', given))])
        return [ends.map((end) => [codeOf(end), 'message' in end ? end.message.length : 0]), given] as unknown as Json
      })) as unknown as [[string, number][], Json]
      for (const [code, length] of ends) {
        assert.ok((codes as readonly string[]).includes(code), `${code}, expected ${codes.join(' or ')}`)
        assert.ok(length < 10_000)
      }
      assert.deepEqual(input, { list: ['as given'] })
      assertPlainJournal(world.store)
      await assertServes(world)
    })
  }

  test('gets its arguments frozen, as they were checked', async () => {
    const seen: unknown[] = []
    const given = { list: [1] }
    world = createWorld(
      options({
        tools: [
          tool('keep', (input) => (seen.push(input), null), {
            validate: (value) => ({ value: { ...(value as object), added: true } as unknown as Json }),
          }),
        ],
      }),
    )
    await onGround(world, async ({ sys }) => {
      const call = sys.call('keep', given)
      given.list.push(2)
      return call
    })
    assert.deepEqual(seen, [{ list: [1], added: true }])
    assert.ok(Object.isFrozen(seen[0]) && Object.isFrozen((seen[0] as { list: unknown }).list))
  })

  test('has the same idempotency key for one call and another for the next', async () => {
    const keys: string[] = []
    world = createWorld(
      options({ tools: [tool('key', (_input, { idempotencyKey }) => (keys.push(idempotencyKey), null))] }),
    )
    await onGround(world, async ({ sys }) => {
      await Promise.all([sys.call('key', 1), sys.call('key', 1)])
      return sys.call('key', 1)
    })
    assert.equal(new Set(keys).size, 3)
  })

  test('of the calls that share a lock one runs at a time, also after one that failed or was killed', async () => {
    let inside = 0
    let most = 0
    const locked = tool(
      'locked',
      async (input) => {
        most = Math.max(most, ++inside)
        await later(10, here)
        inside--
        if (input === 'fail') throw new Error('no')
        return null
      },
      { locks: ['door'] },
    )
    const caller = defineProgram('caller', async (sys) => sys.call('locked', 'killed'))
    world = createWorld(options({ tools: [locked] }))
    const ends = await onGround(world, async ({ sys }) => {
      const victim = await sys.spawn(caller, null)
      const all = Promise.all(['a', 'fail', 'b'].map((input) => endOf(sys.call('locked', input))))
      await sys.kill(victim)
      return (await all).map(codeOf)
    })
    assert.deepEqual(ends, ['ok', 'TOOL_FAILED', 'ok'])
    // The killed call's tool does not listen to its signal, so it may still be inside when the next one enters.
    assert.ok(most <= 2)
  })
})

// ----------------------------------------------------------------------------------------------------------- real time

describe('in real time', () => {
  interface Real {
    readonly kernel: Kernel
    readonly store: RecordingStore
  }
  function real(more: Options): Real {
    const store = recordingStore()
    return { store, kernel: createKernel({ ...options(more), store, clock: realClock({ seed: 1 }) }) }
  }
  const never = new Promise<never>(() => {})

  test('a killed process ends, and its driver is aborted, within 100 ms; the driver’s late answer is not heard', async () => {
    for (const [name, given] of [
      ['generate', ['hi']],
      ['call', ['hang', 1]],
      ['embed', [['a']]],
    ] as const) {
      let signal: AbortSignal | undefined
      const kept: ((value: unknown) => void)[] = []
      const hang = (given: AbortSignal | undefined): Promise<never> => {
        signal = given
        return new Promise((resolve) => kept.push(resolve as (value: unknown) => void))
      }
      const { kernel } = real({
        models: { core: rawModel((call) => hang(call.abortSignal)) },
        embedder: { name: 'e', embed: (_texts, { signal }) => hang(signal) },
        tools: [tool('hang', (_input, context) => hang(context.signal)), echo],
      })
      const run = kernel.spawn(async (sys: Sys) => (await invoke(sys, name, given)) as Json, null)
      await within(
        1_000,
        (async () => {
          while (signal === undefined) await new Promise((resolve) => setTimeout(resolve, 1))
        })(),
        `${name} to reach its driver`,
      )
      const before = performance.now()
      run.kill()
      assert.equal(codeOf(await within(100, endOf(run.result), `the killed ${name}`)), 'KILLED')
      assert.ok(signal?.aborted, `${name} aborts its driver`)
      assert.ok(performance.now() - before < 100)
      const { length } = await kernel.events(run.pid)
      for (const resolve of kept) resolve(answer('late'))
      await new Promise((resolve) => setTimeout(resolve, 5))
      assert.equal((await kernel.events(run.pid)).length, length)
      await within(1_000, assertServes({ kernel, settled: (promise) => promise }), 'the next process')
      await within(100, kernel.close(), 'close')
    }
  })

  test('a process that always has something to learn leaves turns to the event loop', async () => {
    const { kernel } = real({ limits: { callsPerProcessMax: 100_000 } })
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const run = kernel.spawn(async (sys: Sys) => {
      while (turns < 3) await sys.list('')
      return 'heard'
    }, null)
    assert.deepEqual(await endOf(run.result), { value: 'heard' })
    clearInterval(timer)
    await kernel.close()
  })

  test('closing ends within 100 ms whatever hangs, and says so to whoever waits', async () => {
    const { kernel } = real({ models: { core: rawModel(() => never) }, tools: [tool('hang', () => never)] })
    const runs = (['generate', 'call', 'sleep', 'receive', 'ask'] as const).map((name) =>
      kernel.spawn(
        async (sys: Sys) =>
          (await invoke(
            sys,
            name,
            { generate: ['hi'], call: ['hang', 1], sleep: [1e6], receive: [], ask: ['?'] }[name],
          )) as Json,
        null,
      ),
    )
    const ends = Promise.all(runs.map((run) => endOf(run.result)))
    await new Promise((resolve) => setTimeout(resolve, 5))
    await within(100, kernel.close(), 'close')
    assert.deepEqual(
      (await within(100, ends, 'the results')).map(codeOf),
      runs.map(() => 'KERNEL_CLOSED'),
    )
    assert.throws(() => kernel.spawn(worker, null), { code: 'KERNEL_CLOSED' })
  })

  test('a driver that babbles without a pause does not keep the kernel from killing it', async () => {
    const { kernel } = real({
      models: {
        core: rawModel(
          () => never,
          () => Promise.resolve(streamOf(endless({ type: 'raw' }))),
        ),
      },
    })
    kernel.watch(() => {})
    const run = kernel.spawn(async (sys: Sys) => (await sys.generate('hi')).text, null)
    const ended = endOf(run.result)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const before = performance.now()
    run.kill()
    await within(1_000, ended)
    assert.ok(performance.now() - before < 100)
    await kernel.close()
  })
})

// ---------------------------------------------------------------------------------------------------------- bad limits

test('an argument more than a call takes is refused with what it takes, and never passed over', async () => {
  const world = createWorld()
  const takes = {
    spawn: 'program, input, options and no more',
    fork: 'nothing',
    wait: 'pid, options and no more',
    kill: 'pid, reason and no more',
    sleep: 'ms and no more',
    send: 'to, body, options and no more',
    receive: 'options and no more',
    generate: 'request and no more',
    embed: 'texts, options and no more',
    call: 'tool, input and no more',
    ask: 'text, options and no more',
    remember: 'note and no more',
    recall: 'query, options and no more',
    forget: 'id and no more',
    read: 'path, options and no more',
    write: 'path, content and no more',
    list: 'prefix, options and no more',
    remove: 'path and no more',
    snapshot: 'nothing',
    restore: 'to and no more',
  }
  const told = await world.settled(
    world.kernel.spawn(async (sys: Sys) => {
      const calls = sys as unknown as { readonly [name: string]: (...given: unknown[]) => Promise<unknown> }
      const messages: { [name: string]: string } = {}
      for (const [name, said] of Object.entries(takes)) {
        const count = said === 'nothing' ? 0 : said.split(', ').length
        const given = [...Array.from({ length: count }, () => undefined), 'junk']
        await calls[name]?.(...given).catch((error: unknown) => (messages[name] = (error as Error).message))
      }
      await sys.remember('paid ann', ...([{ tags: ['pay'] }] as unknown as [])).catch(() => {})
      return [messages, await sys.recall('')]
    }, null).result,
  )
  const messages = Object.fromEntries(
    Object.entries(takes).map(([name, said]) => [name, `${name} takes ${said}, not junk`]),
  )
  assert.deepEqual(told, [messages, []])
})

test('a value that is too large names the limit; a program’s output is told from its path', async () => {
  const world = createWorld({ limits: { valueBytesMax: 1_000 } })
  const messageOf = async (program: (sys: Sys) => Promise<unknown>): Promise<string> => {
    const end = await world.settled(endOf(world.kernel.spawn(defineProgram('odd', program as never), null).result))
    return 'message' in end ? end.message : 'no error'
  }
  assert.equal(
    await messageOf(async () => 'x'.repeat(2_000)),
    'the output of "odd" is larger than valueBytesMax, 1000 bytes',
  )
  const self: { a?: unknown } = {}
  self.a = self
  assert.match(
    await messageOf(async () => self),
    /^the output of "odd"\.a is a cycle: it leads back to the whole; expected/,
  )
})

test('what a tool returns and is no plain data is said once, with the name of the tool', async () => {
  const cycle: { a?: unknown } = {}
  cycle.a = cycle
  const cyc = tool('cyc', () => cycle)
  const world = createWorld()
  const end = await world.settled(
    endOf(
      world.kernel.spawn(
        defineProgram('caller', (sys) => sys.call('cyc', null), { tools: [cyc] }),
        null,
      ).result,
    ),
  )
  assert.deepEqual(end, {
    code: 'TOOL_INVALID',
    message:
      'tool cyc: output.a is a cycle: it leads back to the whole; expected plain JSON data (pass binary data as a base64 string, dates as text)',
  })
})

test('a cycle is named by the first path that leads back, and what is nested too deep by its beginning', async () => {
  const world = createWorld()
  const messageOf = async (input: unknown): Promise<string> => {
    const end = await world.settled(
      endOf(world.kernel.spawn(async (sys: Sys) => sys.send(0, input as Json).then(() => null), null).result),
    )
    return 'message' in end ? end.message : 'no error'
  }
  const self: Record<string, unknown> = {}
  self['a'] = self
  assert.match(await messageOf(self), /^send: body\.a is a cycle: it leads back to the whole; expected plain JSON/)
  const inner: Record<string, unknown> = { ok: 1 }
  inner['list'] = [0, { back: inner }]
  assert.match(
    await messageOf({ x: [inner] }),
    /^send: body\.x\[0\]\.list\[1\]\.back is a cycle: it leads back to \.x\[0\]; expected/,
  )
  let deep: unknown = 1
  for (let i = 0; i < 200; i++) deep = { d: deep }
  assert.match(await messageOf(deep), /^send: body(?:\.d){16}… is nested deeper than 128; expected plain JSON/)
  // The same thing twice is no cycle.
  const twice = { y: [1] }
  assert.equal(await messageOf([twice, { twice }]), 'no error')
})

test('a program that never stops calling is stopped by the limit of its calls', async () => {
  const limits: Partial<Limits> = { callsPerProcessMax: 50 }
  const world = createWorld(options({ limits }))
  const run = world.kernel.spawn(async (sys: Sys) => {
    for (;;) await sys.sleep(0).catch(() => {})
  }, null)
  assert.equal(codeOf(await world.settled(endOf(run.result))), 'LIMIT_EXCEEDED')
  assert.equal((await world.kernel.events(run.pid)).filter((event) => event.type === 'call-start').length, 50)
  assert.equal((await world.settled(world.kernel.replay(run.pid))).same, true)
  await assertServes(world)
})

test('a program that opens too many calls is refused the rest and keeps the others', async () => {
  const world = createWorld(options({ limits: { callsOpenMax: 10 } }))
  const ends = await world.settled(
    world.kernel.spawn(
      async (sys: Sys) => (await Promise.all(Array.from({ length: 15 }, () => endOf(sys.sleep(5))))).map(codeOf),
      null,
    ).result,
  )
  assert.equal((ends as string[]).filter((code) => code === 'ok').length, 10)
  assert.equal((ends as string[]).filter((code) => code === 'LIMIT_EXCEEDED').length, 5)
})

test('a kernel refuses options that are none, and says which', () => {
  const store = recordingStore()
  const clock = simulatedClock()
  for (const [given, message] of [
    [{ limits: { nonsense: 1 } }, /nonsense/],
    [{ limits: { toolMs: Number.NaN } }, /toolMs/],
    [{ limits: { toolMs: -1 } }, /toolMs/],
    [{ discipline: 'chaos' }, /chaos/],
    [{ models: { m: {} } }, /"m"/],
    [{ models: { m: null } }, /"m"/],
  ] as const) {
    assert.throws(
      () => createKernel({ store, clock, ...(given as unknown as Partial<KernelOptions>) }),
      (error: unknown) =>
        PolityError.isInstance(error) && error.code === 'CONFIG_INVALID' && message.test(error.message),
    )
  }
})

test('the kernel’s own doors refuse nonsense with an error of the table, and go on', async () => {
  const world = createWorld(options())
  const { kernel } = world
  type Door = (...given: readonly unknown[]) => unknown
  const doors: readonly (readonly [name: keyof Kernel, given: (value: unknown) => readonly unknown[]])[] = [
    ['run', (value) => [value]],
    ['resume', (value) => [value]],
    ['fork', (value) => [value]],
    ['fork', (value) => [1, { at: value }]],
    ['replay', (value) => [value]],
    ['kill', (value) => [value]],
    ['send', (value) => [value, 1]],
    ['info', (value) => [value]],
    ['answer', (value) => [value, 'x']],
    ['collect', (value) => [value]],
    ['watch', (value) => [typeof value === 'function' ? () => {} : value]],
  ]
  for (const [what, make] of hostile) {
    for (const [name, given] of doors) {
      try {
        await world.settled(Promise.resolve((kernel[name] as Door)(...given(make()))))
      } catch (error) {
        assert.ok(PolityError.isInstance(error), `${name} of ${what} throws ${String((error as Error).message)}`)
      }
    }
  }
  await assertServes(world)
})
