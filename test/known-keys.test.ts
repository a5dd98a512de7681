/** A misspelt option is refused at every door that people write options at: Node checks no types, and a law under `laws` is none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { createPolity } from '../src/ai.ts'
import { createClient } from '../src/client.ts'
import { findAgents, remoteAgent } from '../src/drivers/a2a.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { openMcp } from '../src/drivers/mcp.ts'
import { mediaTools } from '../src/drivers/media.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { tableTools } from '../src/drivers/tables.ts'
import { emulate } from '../src/emulation/emulate.ts'
import { runCase, runEmulation } from '../src/emulation/emulation.ts'
import { modelEmulator } from '../src/emulation/model-emulator.ts'
import { seededEmulator } from '../src/emulation/seeded.ts'
import { defineWorld } from '../src/environments/define.ts'
import { evaluate } from '../src/evaluation/evaluate.ts'
import { defineScorer } from '../src/evaluation/task.ts'
import type { Kernel } from '../src/index.ts'
import { boot, createKernel, defineAgent, defineProgram, defineTool, openContext } from '../src/index.ts'
import type { ErrorCode } from '../src/kernel/errors.ts'
import { checkKeys, nearest } from '../src/kernel/known-keys.ts'
import { serveAcp } from '../src/server/acp.ts'
import { startServer } from '../src/server/http.ts'
import { doorsOf, serve } from '../src/server/serve.ts'
import { startTelemetry } from '../src/server/telemetry.ts'
import { endOf } from './world.ts'

const deny = { rules: [{ id: 'none', effect: 'deny' as const, tool: '*' }] }
const paying = { name: 'pay', description: 'Pays.', inputSchema: z.object({}), execute: () => 'paid' }
const pay = defineTool(paying)
const run = async () => null
const mcp = { command: 'true' }

/** What each door says of a key that is nearly one of its own. */
const doors: readonly (readonly [door: string, misspelt: string, meant: string, open: () => unknown])[] = [
  ['boot', 'laws', 'law', () => boot({ tools: [pay], laws: deny } as never)],
  ['boot', 'modl', 'model', () => boot({ modl: 'offline/reader' } as never)],
  ['boot', 'recallguard', 'recallGuard', () => boot({ recallguard: false } as never)],
  ['boot', 'laws', 'law', () => boot({ laws: undefined } as never)],
  ['createKernel', 'laws', 'law', () => createKernel({ store: memoryStore(), laws: deny } as never)],
  ['limits', 'toolMS', 'toolMs', () => boot({ limits: { toolMS: 1 } } as never)],
  ['model "m"', 'slot', 'slots', () => boot({ models: { m: { model: scripted([]), slot: 1 } } } as never)],
  ['price of "m"', 'inptu', 'input', () => boot({ prices: { m: { inptu: 1, output: 2 } } } as never)],
  ['disciplineOptions', 'weight', 'weights', () => boot({ disciplineOptions: { weight: {} } } as never)],
  ['recallGuard', 'trustedfirst', 'trustedFirst', () => boot({ recallGuard: { trustedfirst: true } } as never)],
  ['tool "pay"', 'efect', 'effect', () => defineTool({ ...paying, efect: 'read' } as never)],
  ['tool "pay"', 'lables', 'labels', () => boot({ tools: [{ ...paying, lables: ['private'] }] } as never)],
  ['program p', 'tool', 'tools', () => defineProgram('p', run, { tool: [] } as never)],
  ['tool "pay"', 'efect', 'effect', () => defineProgram('p', run, { tools: [{ ...paying, efect: 'read' }] } as never)],
  ['defineAgent', 'instruction', 'instructions', () => defineAgent({ name: 'a', instruction: 'Pay.' } as never)],
  ['defineAgent', 'stepMax', 'stepsMax', () => defineAgent({ name: 'a', instructions: '', stepMax: 3 } as never)],
  ['openContext', 'tokenMax', 'tokensMax', () => openContext({ tokenMax: 1_000 } as never)],
  ['createPolity', 'budgets', 'budget', () => withKernel((kernel) => createPolity({ kernel, budgets: {} } as never))],
  ['openSqliteStore', 'durabilty', 'durability', () => openSqliteStore('none.db', { durabilty: 'strict' } as never)],
  ['openMcp', 'pin', 'pins', () => openMcp({ servers: {}, pin: {} } as never)],
  [
    'server s',
    'trustAnnotation',
    'trustAnnotations',
    () => openMcp({ servers: { s: { ...mcp, trustAnnotation: true } } } as never),
  ],
  [
    'server s: defaults',
    'label',
    'labels',
    () => openMcp({ servers: { s: { ...mcp, defaults: { label: [] } } } } as never),
  ],
  [
    'openMcp: tools["s/t"]',
    'hiden',
    'hidden',
    () => openMcp({ servers: {}, tools: { 's/t': { hiden: true } } } as never),
  ],
  ['remoteAgent', 'label', 'labels', () => remoteAgent({ card: 'http://127.0.0.1:1', label: ['private'] } as never)],
  ['findAgents', 'efect', 'effect', () => findAgents({ server: 'http://127.0.0.1:1', efect: 'once' } as never)],
  ['codeTools', 'limit', 'limits', () => codeTools({ limit: { cpuMs: 1 } } as never)],
  ['codeTools: limits', 'cpuMS', 'cpuMs', () => codeTools({ limits: { cpuMS: 1 } } as never)],
  ['mediaTools', 'timeoutMS', 'timeoutMs', () => mediaTools({ timeoutMS: 1 } as never)],
  ['tableTools', 'rowMax', 'rowsMax', () => tableTools({ path: 'none.db', datasets: [], rowMax: 1 } as never)],
  ['scorer s', 'budgt', 'budget', () => defineScorer('s', () => ({ value: 1 }) as never, { budgt: {} } as never)],
  [
    'evaluate',
    'budgets',
    'budget',
    () => withKernel((kernel) => evaluate(kernel, { tasks: [], solvers: [], budgets: {} } as never)),
  ],
  ['defineWorld', 'stepMax', 'stepsMax', () => defineWorld({ id: 'w', stepMax: 9 } as never)],
  [
    'runEmulation',
    'isPersonCarless',
    'isPersonCareless',
    () => runEmulation({ toolkits: [], cases: [] }, { isPersonCarless: true } as never),
  ],
  [
    'runCase',
    'isUnderlaw',
    'isUnderLaw',
    () => runCase(null as never, null as never, null as never, { isUnderlaw: true } as never),
  ],
  ['emulate', 'emulater', 'emulator', () => emulate({ tools: [] } as never, { emulater: null } as never)],
  [
    'seededEmulator',
    'exceptionrate',
    'exceptionRate',
    () => seededEmulator({ seed: 1, state: {}, exceptionrate: 1 } as never),
  ],
  ['modelEmulator', 'adversery', 'adversary', () => modelEmulator({ model: scripted([]), adversery: null } as never)],
  ['spawn: options', 'budgt', 'budget', () => withKernel((kernel) => kernel.spawn(run, null, { budgt: {} } as never))],
  [
    'spawn: budget',
    'token',
    'tokens',
    () => withKernel((kernel) => kernel.spawn(run, null, { budget: { token: 1 } } as never)),
  ],
  [
    'generate',
    'temprature',
    'temperature',
    () =>
      withKernel(
        (kernel) => kernel.spawn(async (sys) => sys.generate({ prompt: '', temprature: 1 } as never), null).result,
      ),
  ],
  [
    'serve',
    'alowHosts',
    'allowHosts',
    () => withKernel((kernel) => serve({ kernel, store: 'none.db', doors: [], alowHosts: [] } as never)),
  ],
  ['createClient', 'keys', 'key', () => createClient({ url: 'http://127.0.0.1:1', keys: 'polity_…' } as never)],
  ['serveAcp', 'budgets', 'budget', () => serveAcp({ budgets: {} } as never, AbortSignal.abort())],
  ['startServer', 'alowOrigins', 'allowOrigins', () => startServer({ doors: [], alowOrigins: [] } as never)],
  ['server limits', 'bodyBytes', 'bodyBytesMax', () => startServer({ doors: [], limits: { bodyBytes: 1 } } as never)],
  ['doorsOf', 'laws', 'law', () => withKernel((kernel) => doorsOf({ kernel, programs: [], laws: {} } as never))],
  [
    'startTelemetry',
    'contents',
    'content',
    () => withKernel((kernel) => startTelemetry({ kernel, contents: true } as never)),
  ],
]

async function withKernel(use: (kernel: Kernel) => unknown): Promise<void> {
  const kernel = await boot()
  try {
    await use(kernel)
  } finally {
    await kernel.close()
  }
}

/** How a door refuses. */
async function refusalOf(open: () => unknown): Promise<{ readonly code: ErrorCode; readonly message: string }> {
  const end = await endOf(Promise.resolve().then(open))
  assert.ok('code' in end, 'it was taken')
  return end
}

test('a misspelt key is refused at every door, with its name, what there is, and what was meant', async (t) => {
  for (const [door, misspelt, meant, open] of doors)
    await t.test(`${door}: ${misspelt}`, async () => {
      const { code, message } = await refusalOf(open)
      assert.match(code, /^(CONFIG_INVALID|INVALID_ARGUMENT)$/)
      const [head = '', ...tail] = message.split('; ')
      assert.ok(head.startsWith(`${door} takes the keys `), message)
      assert.ok(head.endsWith(`, not ${misspelt}`), message)
      assert.match(head, new RegExp(`[ ,]${meant}[, ]`))
      assert.deepEqual(tail, [`did you mean ${meant}?`])
    })
})

test('a known key may be undefined', async () => {
  const kernel = await boot({ law: undefined, model: undefined, tools: undefined, limits: undefined } as never)
  await kernel.close()
  const tool = defineTool({ ...paying, effect: undefined, labels: undefined } as never)
  defineProgram('p', run, { version: undefined, tools: undefined, model: undefined } as never)
  defineAgent({ name: 'a', instructions: '', model: undefined, tools: [tool], compaction: undefined } as never)
})

test('what is no option, no tool and no model is said to be none', async () => {
  for (const [open, says] of [
    [() => boot(null as never), /^boot takes an object with keys of store, .*, not null$/],
    [() => boot('store.db' as never), /^boot takes an object .*, not store\.db$/],
    [() => boot({ model: 5 } as never), /^boot: model takes "provider\/model", .*, not 5$/],
    [() => boot({ model: null } as never), /^boot: model takes .*, not null$/],
    [() => boot({ models: 'offline/reader' } as never), /^boot: models takes .*, not offline\/reader$/],
    [() => boot({ models: [5] } as never), /^boot: models takes .*, not 5$/],
    [() => boot({ store: 5 } as never), /^boot: store takes .*, not 5$/],
    [() => boot({ tools: pay } as never), /^tools takes a list of tools, not /],
    [() => boot({ tools: [{}] } as never), /^tool null: name must be /],
    [() => boot({ tools: [5] } as never), /^tool null: expected an object /],
    [() => boot({ tools: [null] } as never), /^tool null: expected an object /],
    [() => defineProgram('p', run, { tools: [5] } as never), /^tool null: expected an object /],
    [() => defineProgram('p', run, null as never), /^program p takes an object .*, not null$/],
    [() => defineAgent(null as never), /^defineAgent takes an object .*, not null$/],
    [() => openContext(5 as never), /^openContext takes an object .*, not 5$/],
  ] as const) {
    const { code, message } = await refusalOf(open)
    assert.match(code, /^(CONFIG_INVALID|INVALID_ARGUMENT)$/)
    assert.match(message, says)
  }
})

test('a value that would fail only in a run, or open a law, is refused where it is written', async () => {
  const mail = { ...paying, inputSchema: z.object({ to: z.string() }) }
  const open = { ...paying, inputSchema: z.looseObject({ to: z.string() }) }
  const named = (answer: string) => defineProgram('twice', async () => answer)
  for (const [wrong, says] of [
    [
      () => defineTool({ ...mail, control: ['recipient'] }),
      /^tool "pay": control names "recipient", and its arguments are to$/,
    ],
    [() => defineTool({ ...mail, control: ['to', 'to.address'] }), /control names "to.address"/],
    [() => defineTool({ ...paying, control: ['to'] }), /control names "to", and its arguments are none$/],
    [() => defineTool({ ...mail, control: 'to' } as never), /^tool "pay": control must be a list of texts$/],
    [() => defineTool({ ...mail, locks: 'ledger' } as never), /locks must be a list of texts$/],
    [() => defineTool({ ...mail, trusted: 'no' } as never), /trusted must be true or false$/],
    [() => defineTool({ ...mail, outbound: 1 } as never), /outbound must be true or false$/],
    [() => defineAgent({ name: 'a', instructions: 5 } as never), /^agent "a": instructions takes a text, not 5$/],
    [
      () => defineAgent({ name: 'a', instructions: '', stepsMax: 0 }),
      /stepsMax takes a whole number of at least 1, not 0$/,
    ],
    [() => defineAgent({ name: 'a', instructions: '', stepsMax: 1.5 }), /stepsMax takes .*, not 1\.5$/],
    [
      () => defineAgent({ name: 'a', instructions: '', contextTokens: '200' } as never),
      /contextTokens takes .*, not "200"$/,
    ],
    [
      () => defineAgent({ name: 'a', instructions: '', temperature: 'hot' } as never),
      /temperature takes a number, not hot$/,
    ],
    [
      () => defineAgent({ name: 'a', instructions: '', compaction: 'zip' } as never),
      /compaction takes a function, or one of recent, .*, not zip$/,
    ],
    [() => boot({ programs: [named('one'), named('two')] }), /^two different programs are twice@1, /],
    [() => boot({ programs: [() => Promise.resolve(1)] as never }), /^programs takes programs with a name/],
  ] as const) {
    const { code, message } = await refusalOf(wrong)
    assert.equal(code, 'CONFIG_INVALID')
    assert.match(message, says)
  }
  // Arguments that a schema leaves open are not known, nor those that it cannot say.
  defineTool({ ...open, control: ['recipient'] })
  defineTool({ ...paying, inputSchema: z.object({ at: z.date() }), control: ['when'] })
  // One program, twice in a list, is one.
  const same = named('one')
  const kernel = await boot({ programs: [same, same, run as never, run as never] })
  await kernel.close()
})

test('a schema that no model can be shown is told with the name of its tool, and a text as one', async () => {
  const dated = defineTool({ ...paying, name: 'dated', inputSchema: z.object({ at: z.date() }) })
  const kernel = await boot({ model: scripted(['hello']), tools: [dated] })
  const { code, message } = await refusalOf(
    () => kernel.spawn((sys) => sys.generate({ prompt: 'hi', tools: ['dated'] }), null).result,
  )
  assert.equal(code, 'CONFIG_INVALID')
  assert.match(message, /^tool "dated": no model can be shown its inputSchema: Date .*; take types that JSON has/)
  const slept = await refusalOf(() => kernel.spawn((sys) => sys.sleep('5' as never), null).result)
  assert.match(slept.message, /^sleep takes 0 to \d+ ms, not "5"$/)
  const waited = await refusalOf(() => kernel.spawn((sys) => sys.wait(sys.pid), null).result)
  assert.match(waited.message, /^process \d+ cannot wait for its own end$/)
  const unknown = await refusalOf(() => kernel.spawn('nobody', null).result)
  assert.match(unknown.message, /^no program "nobody" is registered; there are none$/)
  await kernel.close()
})

test('names of an object’s own machinery are keys like others, and a key that resembles none is told without a guess', async () => {
  for (const key of ['toString', 'constructor', '__proto__', 'frobnicate']) {
    const given = JSON.parse(`{ ${JSON.stringify(key)}: 1 }`) as object
    const { message } = await refusalOf(() => checkKeys('lamp', given, { watt: true }))
    assert.equal(message, `lamp takes the keys watt, not ${key}`)
  }
  checkKeys('lamp', Object.create(null), { watt: true })
  assert.equal(nearest('x'.repeat(100_000), ['x'.repeat(200)]), undefined)
})
