/** Environments from outside, and ours from outside: over lines, over HTTP, and as in AgentGym. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { boot } from '../src/boot.ts'
import { comparisonText, replayedText, resultsText, troubleOf } from '../src/cli/evaluation-text.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import type { Turn } from '../src/environments/environment.ts'
import { environmentOf, oracleOf } from '../src/environments/environment.ts'
import { answering } from '../src/environments/wire.ts'
import { worlds } from '../src/environments/worlds.ts'
import { replayActions } from '../src/evaluation/actions.ts'
import type { Comparison } from '../src/evaluation/compare.ts'
import { compare } from '../src/evaluation/compare.ts'
import type { Told } from '../src/evaluation/episode.ts'
import { spawnEpisode } from '../src/evaluation/episode.ts'
import { evaluate } from '../src/evaluation/evaluate.ts'
import { foreignWorld } from '../src/evaluation/foreign.ts'
import { parseLog } from '../src/evaluation/log.ts'
import { defineScorer, episodeScore, worldTask } from '../src/evaluation/task.ts'
import type { Standing, World } from '../src/evaluation/world.ts'
import { openStage, worldOf } from '../src/evaluation/world.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { environmentDoor, EPISODES_MAX } from '../src/server/environments.ts'
import type { Server } from '../src/server/http.ts'
import { startServer } from '../src/server/http.ts'
import type { Json, Program, Sys } from '../src/kernel/types.ts'
import { tool, within } from './world.ts'

const node = JSON.stringify(process.execPath)
const polity = `${node} ${JSON.stringify(join(import.meta.dirname, '../bin/polity.js'))}`
let folder = ''
before(() => void (folder = mkdtempSync(join(tmpdir(), 'polity-foreign-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A counter that is to reach a number: an environment in twenty lines, which cannot save its state. */
const counter = `
  let at = 0, goal = 0, steps = 0, fragile = false, drift = Number(process.argv[2] ?? 0)
  const turn = (reward = 0, errors = []) => ({ toAct: at === goal ? [] : ['counter'], views: at === goal ? {} : { counter: {
    text: at + ' of ' + goal, actions: [{ name: 'add', description: 'adds', input: { type: 'object', properties: { by: { type: 'integer' } } } }] } },
    reward: { counter: reward }, done: at === goal, errors, steps })
  const does = {
    describe: () => ({ id: 'counter', description: 'reach the number', saves: false }),
    reset: ({ task }) => (at = drift++, steps = 0, goal = 3 + task.seed, turn()),
    step: ({ actions: [{ name, args, agent }] }) => (steps++, name === 'add' ? (at += args.by, turn(args.by)) : turn(0, [{ agent, code: 'UNKNOWN_ACTION', message: 'only add' }])),
    score: () => at === goal ? 1 : 0, metrics: () => ({ at }),
    say: () => 'nothing of the kind', close: () => process.exit(0),
  }
  console.log('a line for people')
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const message = JSON.parse(line)
    if (message.op === 'reset') fragile = message.task.params?.fragile
    if (message.op === 'step' && fragile && at === 2) { console.error('the maze fell in'); process.kill(process.pid, 'SIGKILL') }
    if (message.op === 'step' && message.actions.some(({ args }) => args.by > 90))
      return console.log(JSON.stringify({ id: message.id, error: { code: 'INVALID_ARGUMENT', message: 'that is too much' } }))
    if (message.op === 'reset' && message.task.params?.die) { console.error('no such maze'); process.exit(3) }
    if (message.op === 'reset' && message.task.params?.hang) return
    if (message.op === 'reset' && message.task.params?.ghost) return console.log(JSON.stringify({ id: message.id, ok: { ...turn(), toAct: ['ghost'] } }))
    if (message.op === 'reset' && message.task.params?.nan) return console.log('{"id":' + message.id + ',"ok":NaN}')
    if (message.op === 'reset' && message.task.params?.flood) return setInterval(() => process.stdout.write('y'.repeat(2 ** 20)), 1)
    if (message.op === 'reset' && message.task.params?.lie) return console.log(JSON.stringify({ id: message.id, ok: { toAct: 'me' } }))
    console.log(JSON.stringify({ id: message.id, ok: does[message.op](message) }))
  })`

/** Plays an episode of a foreign form of one of ours beside our own, with the oracle, and compares every turn. */
async function playsAlike(world: World, id: string, seed: number): Promise<void> {
  const rules = worlds.get(id)
  assert(rules)
  const own = environmentOf(rules)
  const oracle = oracleOf(rules)
  const foreign = await world.open()
  const task = { params: rules.task(seed), seed }
  try {
    let turn = own.reset(task)
    assert.deepEqual(await foreign.reset({ params: {}, seed }), turn)
    const states: Json[] = [await foreign.state()]
    const turns: Turn[] = [turn]
    while (!turn.done) {
      const actions = oracle(turn, own.state().state)
      turn = own.step(actions)
      assert.deepEqual(await foreign.step(actions), turn)
      states.push(await foreign.state())
      turns.push(turn)
    }
    assert.equal(await foreign.score(), 1)
    assert.deepEqual(await foreign.metrics(), own.metrics())
    const middle = Math.floor(states.length / 2)
    assert.deepEqual(await foreign.restore(states[middle] as Json), turns[middle])
  } finally {
    await foreign.close?.()
  }
}

describe('ours over lines', () => {
  test('an oracle plays each kind of world to its end, every turn the same, and goes back to the middle', async () => {
    for (const id of ['craft.dag', 'commons']) {
      const world = await foreignWorld({ command: `${polity} environments serve ${id}` })
      assert.equal(world.id, id)
      for (const seed of [3, 4]) await playsAlike(world, id, seed)
    }
  })

  test('whatever a message is, it gets one answer with its id, and what is refused changes nothing', () => {
    for (const [id, rules] of worlds) {
      const answer = answering(rules)
      const fresh = answer({ id: 1, op: 'step', actions: [] })
      assert('error' in fresh && /reset/.test(fresh.error.message), JSON.stringify(fresh))
      answer({ op: 'reset', task: { seed: 5 } })
      const before = answer({ op: 'state' })
      fc.assert(
        fc.property(
          fc.oneof(
            fc.jsonValue(),
            fc.record({
              id: fc.jsonValue(),
              op: fc.constantFrom('step', 'reset', 'restore', 'leap'),
              task: fc.jsonValue(),
            }),
            fc.record({ op: fc.constant('restore'), state: fc.jsonValue() }),
            // Of the form of a message, and of no state or task of this world.
            fc.record({
              op: fc.constant('restore'),
              state: fc.record({ seed: fc.nat(9), steps: fc.nat(9), state: fc.jsonValue() }),
            }),
            fc.record({ op: fc.constant('reset'), task: fc.record({ seed: fc.nat(9), params: fc.jsonValue() }) }),
          ),
          (message) => {
            const said = answer(message)
            const { id: asked } = (message ?? {}) as { id?: unknown }
            assert.deepEqual(said.id, typeof asked === 'string' || typeof asked === 'number' ? asked : null)
            if ('error' in said) assert.deepEqual(answer({ op: 'state' }), before, `${id}: ${JSON.stringify(message)}`)
            else answer({ op: 'restore', state: (before as { ok: Json }).ok })
          },
        ),
        { numRuns: 60 },
      )
    }
  })

  test('a line that is no message is answered too, and the end of stdin is the end', async () => {
    const child = spawn(`${polity} environments serve craft.dag`, { shell: true })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stdin.end('nonsense\n\n{"id":"a","op":"score"}\n')
    const code = await new Promise((resolve) => child.on('close', resolve))
    const answers = said
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: unknown; error: { code: string } })
    assert.deepEqual(
      answers.map(({ id, error }) => [id, error.code]),
      [
        [null, 'INVALID_ARGUMENT'],
        ['a', 'INVALID_ARGUMENT'],
      ],
    )
    assert.equal(code, 0)
  })
})

describe('a foreign one over lines', () => {
  let command = ''
  before(() => {
    writeFileSync(join(folder, 'counter.cjs'), counter)
    command = `${node} ${JSON.stringify(join(folder, 'counter.cjs'))}`
  })
  const add = (by: number) => [{ agent: 'counter', name: 'add', args: { by } }]

  test('is played; without a state of its own it is brought back by its actions', async () => {
    const world = await foreignWorld({ command })
    assert.deepEqual(
      (await world.actions({ params: {}, seed: 1 })).map(({ name }) => name),
      ['add'],
    )
    const one = await world.open()
    const other = await world.open()
    try {
      await one.reset({ params: {}, seed: 2 })
      const wrong = await one.step([{ agent: 'counter', name: 'leap' }])
      assert.deepEqual(
        wrong.errors.map(({ code }) => code),
        ['UNKNOWN_ACTION'],
      )
      const turn = await one.step(add(4))
      const state = await one.state()
      assert.equal((await one.step(add(1))).done, true)
      assert.equal(await one.score(), 1)
      assert.deepEqual(await other.restore(state), turn)
      assert.equal(await other.score(), 0)
    } finally {
      await one.close?.()
      await other.close?.()
    }
  })

  test('what it does wrong is said: another end, a crash, silence, a lie, a command that is none', async () => {
    const drifting = await (await foreignWorld({ command: `${command} 1` })).open()
    await drifting.reset({ params: {}, seed: 9 })
    await assert.rejects(async () => drifting.restore(await drifting.state()), /led elsewhere/)
    await drifting.close?.()
    const world = await foreignWorld({ command }, { timeoutMs: 1_000 })
    // Only who is silent is waited for: on a busy machine the others may take longer than a second.
    const patient = await foreignWorld({ command })
    for (const [params, code, text] of [
      [{ die: true }, 'DRIVER_FAILED', /ended; it said: no such maze/],
      [{ hang: true }, 'DRIVER_TIMEOUT', /no answer to "reset" within 1000 ms/],
      [{ lie: true }, 'DRIVER_INVALID', /toAct/],
      [{ ghost: true }, 'DRIVER_INVALID', /"ghost" is to act and has no view/],
      [{ nan: true }, 'DRIVER_TIMEOUT', /no JSON \(NaN and Infinity are none\): \{"id":/],
      [{ flood: true }, 'DRIVER_INVALID', /longer than 16777216 characters/],
    ] as const) {
      const environment = await (code === 'DRIVER_TIMEOUT' ? world : patient).open()
      await assert.rejects(async () => environment.reset({ params, seed: 0 }), { code, message: text })
      await environment.close?.()
    }
    writeFileSync(
      join(folder, 'drip.cjs'),
      `setInterval(() => console.log('still there'), 50)
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, op } = JSON.parse(line)
        const say = (ok) => console.log(JSON.stringify({ id, ok }))
        if (op === 'describe') say({ id: 'drip' })
        else if (op === 'metrics') say({ here: 1 })
        else if (op === 'score') setTimeout(say, 1600, 1)
        else if (op === 'close') process.exit(0)
      })`,
    )
    const dripping = await foreignWorld(
      { command: `${node} ${JSON.stringify(join(folder, 'drip.cjs'))}` },
      { timeoutMs: 1_000 },
    )
    const drip = await dripping.open()
    await assert.rejects(
      async () => drip.reset({ params: {}, seed: 0 }),
      { code: 'DRIVER_TIMEOUT' },
      'whatever else it prints',
    )
    await assert.rejects(async () => drip.score(), { code: 'DRIVER_TIMEOUT' })
    assert.deepEqual(await drip.metrics(), { here: 1 }, 'what comes late is nobody else’s answer')
    await drip.close?.()
    await assert.rejects(foreignWorld({ command: 'no-such-program-here' }), {
      code: 'DRIVER_FAILED',
      message: /not found/,
    })
    await assert.rejects(foreignWorld({ url: 'http://127.0.0.1:1/environments/x' }), { code: 'DRIVER_UNAVAILABLE' })
  })
})

describe('an environment that dies in an episode', () => {
  /** Adds ones until it is over; says what it was told then. */
  const adder = defineProgram('adder', async (sys: Sys, { before = 0 }: { readonly before?: number }) => {
    for (let steps = 0; ; steps++) {
      if (steps === before && sys.tools.some(({ name }) => name === 'unplug')) await sys.call('unplug', null)
      const { done, error } = await sys.call<Told>('add', { by: 1 })
      if (done) return error?.message ?? 'reached'
      if (steps > 20) return 'never'
    }
  })
  const add = { name: 'add', description: 'adds', input: { type: 'object' } }
  /** It gives up before it acts: nothing can be wrong. */
  const lazy = defineProgram('lazy', async () => 'no')
  const solvers = [adder, lazy].map((program) => ({ name: program.name, program: program as Program<never, unknown> }))

  test('its process is killed: null in the episode, the log, the table and the comparison, with what it said last', async () => {
    writeFileSync(join(folder, 'counter.cjs'), counter)
    // It says of itself who acts and how: no process is started to find that out.
    const foreign = await foreignWorld({ command: `${node} ${JSON.stringify(join(folder, 'counter.cjs'))}` })
    const world: World = { ...foreign, agents: () => ['counter'], actions: () => [{ ...add, effect: 'write' }] }
    const task = worldTask(world, {
      seeds: 3,
      params: (seed) => (seed === 2 ? { fragile: true } : {}),
      scorers: [episodeScore(), defineScorer('any', () => ({ value: 1 }))],
    })
    const kernel = await boot({ model: scripted([]) })
    try {
      const run = await spawnEpisode(kernel, world, { params: { fragile: true }, seed: 2 }, { program: adder })
      const { score, failure, done, steps, players } = await run.result
      assert.deepEqual([score, failure?.code, done, steps], [null, 'DRIVER_FAILED', false, 2])
      assert.match(failure?.message ?? '', /ended; it said: the maze fell in/)
      assert.deepEqual(players, { counter: { output: failure?.message ?? '' } }, 'the player is told, and stops')

      // One environment is used for all: what dies in one try is not in the next.
      const log = parseLog(JSON.stringify(await evaluate(kernel, { tasks: [task], solvers, concurrency: 1 })))
      const tries = log.trials.filter(({ solver }) => solver === 'adder')
      assert.deepEqual(
        tries.map(({ scores, error }) => [scores['episode']?.value, scores['any']?.value, error?.code]),
        [
          [1, 1, undefined],
          [null, null, 'DRIVER_FAILED'],
          [1, 1, undefined],
        ],
      )
      assert.match(tries[1]?.scores['episode']?.explanation ?? '', /^the environment failed: .*the maze fell in/)
      const result = log.results.find(({ solver, scorer }) => solver === 'adder' && scorer === 'episode')
      assert.deepEqual([result?.mean, result?.samples, result?.unscored], [1, 3, 1])
      assert.match(resultsText(log, 200), /adder +episode +1\.000 .* 2\/3 /)
      assert.match(troubleOf(log).join('\n'), /1 of 3 tries of adder .* ended with DRIVER_FAILED: .*fell in/)
      const [row] = compare(log, log, { first: 'lazy', second: 'adder' })
      assert.deepEqual([row?.n, row?.unpaired, row?.mean], [2, 1, 1])
      assert.match(comparisonText([row as Comparison], 200), /episode: 1 of 3 samples left out, not scored for both/)
      // What ended is not played again: the same evaluation says the same.
      assert.deepEqual((await evaluate(kernel, { tasks: [task], solvers, concurrency: 1 })).trials, log.trials)
    } finally {
      await kernel.close()
    }
  })

  test('its server is gone, before it begins or in the middle', async () => {
    for (const before of [0, 2]) {
      const caller = { principal: 'local', scopes: new Set(['runs'] as const), key: null }
      const server = await startServer({ doors: [environmentDoor(worlds)], authenticate: () => caller, port: 0 })
      const unplug = tool('unplug', async () => (await server.close(), null))
      const world = await foreignWorld({ url: `${server.url}/environments/commons` })
      const fisher = defineProgram('fisher', async (sys: Sys) => {
        for (let month = 0; ; month++) {
          if (month === before) await sys.call('unplug', null)
          const { done, error, text } = await sys.call<Told>('harvest', { amount: 1 })
          if (done) return error?.code ?? text
        }
      })
      const kernel = await boot({ model: scripted([]) })
      const task = { params: {}, seed: 1 }
      const run = await spawnEpisode(kernel, world, task, { program: fisher, tools: [unplug] })
      const { score, failure, steps, players } = await run.result.finally(() => kernel.close())
      assert.deepEqual([score, failure?.code, steps > 0], [null, 'DRIVER_UNAVAILABLE', before > 0])
      assert.ok(Object.keys(players).length > 1)
      for (const player of Object.values(players)) assert.deepEqual(player, { output: 'DRIVER_UNAVAILABLE' })
    }
  })

  test('it never begins: nobody plays, and the score is null', async () => {
    const world = await foreignWorld({ command: `${node} ${JSON.stringify(join(folder, 'counter.cjs'))}` })
    const known: World = { ...world, agents: () => ['counter'], actions: () => [{ ...add, effect: 'write' }] }
    const kernel = await boot({ model: scripted([]) })
    const run = await spawnEpisode(kernel, known, { params: { die: true }, seed: 2 }, { program: adder })
    const { score, failure, players } = await run.result.finally(() => kernel.close())
    assert.deepEqual([score, failure?.code, players], [null, 'DRIVER_FAILED', {}])
    assert.match(failure?.message ?? '', /no such maze/)
  })

  test('in a fork that nobody goes on from, the try is not scored either: the search was led by it', async () => {
    const world = await foreignWorld({ command: `${node} ${JSON.stringify(join(folder, 'counter.cjs'))}` })
    const known: World = { ...world, agents: () => ['counter'], actions: () => [{ ...add, effect: 'write' }] }
    const looker = defineProgram('looker', async (sys: Sys) => {
      const pid = await sys.fork()
      if (pid === 0) {
        for (let i = 0; i < 2; i++) await sys.call('add', { by: 1 })
        return (await sys.call<Told>('add', { by: 1 })).error?.code ?? 'alive'
      }
      const seen = await sys.wait<string>(pid)
      return [seen, (await sys.call<Told>('add', { by: 4 })).done]
    })
    const task = worldTask(known, { seeds: 2, params: (seed) => (seed === 1 ? { fragile: true } : {}) })
    const solver = { name: 'looker', program: looker as unknown as Program<never, unknown>, search: true }
    const kernel = await boot({ model: scripted([]) })
    const log = await evaluate(kernel, { tasks: [task], solvers: [solver] }).finally(() => kernel.close())
    assert.deepEqual(
      log.trials.map(({ output, scores, error }) => [output, scores['episode']?.value, error?.code]),
      [
        [['DRIVER_FAILED', true], null, 'DRIVER_FAILED'],
        [['alive', false], 0, undefined],
      ],
    )
  })

  test('before it says what can be done, its try is not scored, the others are, and the same command tries it again', async () => {
    const world = await foreignWorld({ command: `${node} ${JSON.stringify(join(folder, 'counter.cjs'))}` })
    let isMended = false
    const known: World = {
      ...world,
      actions: ({ seed }) => world.actions({ seed, params: seed === 1 && !isMended ? { die: true } : {} }),
    }
    const kernel = await boot({ model: scripted([]) })
    try {
      const run = await spawnEpisode(
        kernel,
        known,
        { params: {}, seed: 1 },
        { program: adder },
        { once: { key: 'one', digest: 'same' } },
      )
      const { score, failure, players } = await run.result
      assert.deepEqual([score, failure?.code, players], [null, 'DRIVER_FAILED', {}])
      const options = { tasks: [worldTask(known, { seeds: 2, params: () => ({}) })], solvers: solvers.slice(0, 1) }
      const valuesOf = async (): Promise<unknown[]> =>
        (await evaluate(kernel, options)).trials.map(({ scores }) => scores['episode']?.value)
      assert.deepEqual(await valuesOf(), [null, 1])
      isMended = true
      assert.deepEqual(await valuesOf(), [1, 1])
      const again = await spawnEpisode(
        kernel,
        known,
        { params: {}, seed: 1 },
        { program: adder },
        { once: { key: 'one', digest: 'same' } },
      )
      assert.equal((await again.result).score, 1)
    } finally {
      await kernel.close()
    }
  })

  test('under recorded actions, its episode is not scored, and the others are', async () => {
    const world = await foreignWorld({ command: `${node} ${JSON.stringify(join(folder, 'counter.cjs'))}` })
    const lines = [{ fragile: true }, {}, { die: true }].map((params) =>
      JSON.stringify({
        seed: 1,
        params,
        actions: [2, 1, 1].map((by) => ({ agent: 'counter', name: 'add', args: { by } })),
      }),
    )
    const rows = await replayActions(world, lines.join('\n'), 'played.jsonl', () => ({}))
    assert.deepEqual(
      rows.map(({ score, steps, done, failure }) => [score, steps, done, failure?.code]),
      [
        [null, 1, false, 'DRIVER_FAILED'],
        [1, 3, true, undefined],
        [null, 0, false, 'DRIVER_FAILED'],
      ],
    )
    assert.match(replayedText(rows, 200), /^line 1 +– +1 +failed/m)
  })

  test('what it refuses is an error of the turn, nobody’s death, and costs nothing', async () => {
    const world = await foreignWorld({ command: `${node} ${JSON.stringify(join(folder, 'counter.cjs'))}` })
    const greedy = defineProgram('greedy', async (sys: Sys) => {
      const told = await sys.call<Told>('add', { by: 99 })
      assert.deepEqual([told.done, told.error], [false, { code: 'NOT_POSSIBLE', message: 'that is too much' }])
      return (await sys.call<Told>('add', { by: 4 })).done
    })
    const kernel = await boot({ model: scripted([]) })
    const run = await spawnEpisode(kernel, world, { params: {}, seed: 1 }, { program: greedy })
    const { score, players } = await run.result.finally(() => kernel.close())
    assert.deepEqual([score, players], [1, { counter: { output: true } }])
  })
})

describe('a stage', () => {
  test('begins and goes on in a new environment where the one at hand died while nobody used it', async () => {
    const rules = worlds.get('craft.dag')
    assert(rules)
    const kills: (() => void)[] = []
    const world: World = {
      ...worldOf(rules),
      async open() {
        const own = environmentOf(rules)
        let isDead = false
        kills.push(() => (isDead = true))
        const alive = async () => {
          if (isDead) throw new Error('it is gone')
        }
        return {
          reset: async ({ seed }) => (await alive(), own.reset({ params: rules.task(seed), seed })),
          step: async (actions) => (await alive(), own.step(actions)),
          state: async () => (await alive(), own.state() as unknown as Json),
          restore: async (state) => (await alive(), own.restore(state as never)),
          score: async () => (await alive(), own.score()),
          metrics: async () => (await alive(), own.metrics()),
        }
      },
    }
    const stage = openStage(world, 2)
    const kill = () => kills.splice(0).forEach((one) => one())
    const first = await stage.begin({ params: {}, seed: 1 })
    const second = await stage.begin({ params: {}, seed: 2 })
    kill()
    // Both seats are dead; at most two are open at any time, and nobody waits for one of the dead.
    const [third, fourth] = await within(
      5_000,
      Promise.all([3, 4].map((seed) => Promise.resolve(stage.begin({ params: {}, seed })))),
    )
    assert.equal((await stage.look(first.state)).steps, 0, 'it stands nowhere any more, and is brought back')
    kill()
    assert.equal((await stage.step(second.state, [])).turn.steps, 1)
    assert.equal((await stage.step((third as Standing).state, [])).turn.steps, 1)
    const stood = await stage.step((fourth as Standing).state, [])
    kill()
    await assert.rejects(async () => stage.step(stood.state, []), /it is gone/, 'it died where the episode stood')
    await stage.close()
  })

  /** Of which the first environments cannot be opened, and each dies at its second step. */
  function faulty(refusals: number, life: number): World {
    const rules = worlds.get('craft.dag')
    assert(rules)
    let opened = 0
    return {
      id: 'faulty',
      version: '1',
      description: '',
      actions: () => [],
      async open() {
        if (opened++ < refusals) throw new Error('no more memory')
        const own = environmentOf(rules)
        let steps = 0
        let isClosed = false
        const alive = () => {
          if (isClosed) throw new Error('it is closed')
        }
        return {
          reset: async ({ seed }) => (alive(), own.reset({ params: rules.task(seed), seed })),
          async step(actions) {
            alive()
            if (++steps > life) isClosed = true
            alive()
            return own.step(actions)
          },
          state: async () => own.state() as unknown as Json,
          restore: async (state) => own.restore(state as never),
          score: async () => own.score(),
          metrics: async () => own.metrics(),
          async close() {
            isClosed = true
          },
        }
      },
    }
  }

  test('goes on with others where some could not be opened or died, however many; closed, it begins nothing', async () => {
    const stage = openStage(faulty(20, 1), 2)
    for (let i = 0; i < 20; i++)
      await assert.rejects(
        async () => within(1_000, Promise.resolve(stage.begin({ params: {}, seed: i }))),
        /no more memory/,
      )
    for (let seed = 0; seed < 12; seed++) {
      const { state } = await within(1_000, Promise.resolve(stage.begin({ params: {}, seed })))
      const one = await stage.step(state, [])
      await assert.rejects(async () => stage.step(one.state, []), /it is closed/)
      assert.equal((await stage.look(one.state)).steps, 1, 'another goes on from where it died')
    }
    await stage.close()
    assert.throws(() => stage.begin({ params: {}, seed: 1 }), { code: 'KERNEL_CLOSED' })
  })
})

describe('over HTTP', () => {
  let server: Server
  before(async () => {
    const caller = { principal: 'local', scopes: new Set(['runs'] as const), key: null }
    server = await startServer({ doors: [environmentDoor(worlds)], authenticate: () => caller, port: 0 })
  })
  after(() => server.close())
  const post = async (path: string, body: unknown = {}): Promise<{ status: number; body: Record<string, Json> }> => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: response.status, body: (await response.json()) as Record<string, Json> }
  }

  test('an oracle plays by address as it does here', async () => {
    const world = await foreignWorld({ url: `${server.url}/environments/craft.dag` })
    await playsAlike(world, 'craft.dag', 11)
  })

  test('AgentGym’s routes: create, step as a model writes it, observe, reset, close', async () => {
    const at = '/environments/craft.dag/agentgym'
    const { body: created } = await post(`${at}/create`, { id: 7 })
    const id = created['id'] as string
    const rules = worlds.get('craft.dag')
    assert(rules)
    const own = environmentOf(rules)
    const oracle = oracleOf(rules)
    let turn = own.reset({ params: rules.task(7), seed: 7 })
    assert.match(created['observation'] as string, /Actions:\n- /)
    const unknown = await post(`${at}/step`, { id, action: 'Thought: hm.\nAction: dance {}' })
    turn = own.step([{ agent: turn.toAct[0] as string, name: 'dance', args: {} }])
    assert.match(unknown.body['observation'] as string, /there is no action "dance"/)
    let told: Record<string, Json> = {}
    while (!turn.done) {
      const [action] = oracle(turn, own.state().state)
      assert(action)
      turn = own.step([action])
      const written = `Action: ${action.name} ${JSON.stringify(action.args ?? {})}`
      told = (await post(`${at}/step`, { id, action: written })).body
      const reward = Object.values(turn.reward).reduce((sum, one) => sum + one, 0)
      assert.deepEqual([told['reward'], told['done']], [reward, turn.done])
    }
    assert.deepEqual([told['score'], told['observation']], [1, 'It is over.'])
    assert.equal((await post(`${at}/step`, { id, action: 'get {}' })).status, 400)
    const again = await post(`${at}/reset`, { id, data_idx: 8 })
    const seen = await (await fetch(`${server.url}${at}/observation?id=${id}`)).json()
    assert.equal(seen, again.body['observation'])
    assert.deepEqual((await post(`${at}/close`, { id })).body, { closed: true })
    assert.equal((await post(`${at}/close`, { id })).status, 400)
  })

  test('nonsense is refused by name, another world’s episode is not found, and only so many stay open', async () => {
    assert.match(JSON.stringify((await post('/environments/nowhere')).body), /there is no environment \\"nowhere\\"/)
    const { body } = await post('/environments/craft.dag')
    const name = body['episode'] as string
    assert.equal((await post(`/environments/commons/${name}`, { op: 'state' })).status, 400)
    assert.equal((await post(`/environments/craft.dag/${name}`, { op: 'reset' })).status, 200)
    const gym = await post('/environments/craft.dag/agentgym/create')
    const bad = await post('/environments/craft.dag/agentgym/step', { id: gym.body['id'], action: 'get oak, please' })
    assert.match(JSON.stringify(bad.body), /an action is its name and its arguments as JSON/)
    const many = await post('/environments/commons/agentgym/create')
    const several = await post('/environments/commons/agentgym/step', { id: many.body['id'], action: 'catch {}' })
    assert.match(JSON.stringify(several.body), /several act at once/)
    const door = environmentDoor(worlds)
    const open = door.routes.find(({ method, path }) => method === 'POST' && path === '/environments/:id')
    const names: string[] = []
    for (let i = 0; i <= EPISODES_MAX; i++)
      await open?.handle({
        params: { id: 'craft.dag' },
        reply: (_: number, { episode }: { episode: string }) => names.push(episode),
      } as never)
    const take = door.routes.find(({ method, path }) => method === 'POST' && path.endsWith(':episode'))
    const ask = async (episode: string) =>
      take?.handle({
        params: { id: 'craft.dag', episode },
        json: async () => ({ op: 'reset' }),
        reply: () => {},
      } as never)
    await assert.rejects(async () => ask(names[0] as string), /was not used for long/)
    await ask(names[1] as string)
  })
})
