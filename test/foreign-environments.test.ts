/** Environments from outside, and ours from outside: over lines, over HTTP, and as in AgentGym. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Turn } from '../src/environments/environment.ts'
import { environmentOf, oracleOf } from '../src/environments/environment.ts'
import { answering } from '../src/environments/wire.ts'
import { worlds } from '../src/environments/worlds.ts'
import { foreignWorld } from '../src/evaluation/foreign.ts'
import type { World } from '../src/evaluation/world.ts'
import { openStage } from '../src/evaluation/world.ts'
import { environmentDoor, EPISODES_MAX } from '../src/server/environments.ts'
import type { Server } from '../src/server/http.ts'
import { startServer } from '../src/server/http.ts'
import type { Json } from '../src/kernel/types.ts'
import { within } from './world.ts'

const node = JSON.stringify(process.execPath)
const polity = `${node} ${JSON.stringify(join(import.meta.dirname, '../bin/polity.js'))}`
let folder = ''
before(() => void (folder = mkdtempSync(join(tmpdir(), 'polity-foreign-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A counter that is to reach a number: an environment in twenty lines, which cannot save its state. */
const counter = `
  let at = 0, goal = 0, steps = 0, drift = Number(process.argv[2] ?? 0)
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
    for (const [params, code, text] of [
      [{ die: true }, 'DRIVER_FAILED', /ended; it said: no such maze/],
      [{ hang: true }, 'DRIVER_TIMEOUT', /no answer to "reset" within 1000 ms/],
      [{ lie: true }, 'DRIVER_INVALID', /toAct/],
      [{ ghost: true }, 'DRIVER_INVALID', /"ghost" is to act and has no view/],
      [{ nan: true }, 'DRIVER_TIMEOUT', /no JSON \(NaN and Infinity are none\): \{"id":/],
      [{ flood: true }, 'DRIVER_INVALID', /longer than 16777216 characters/],
    ] as const) {
      const environment = await world.open()
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
        else if (op === 'score') setTimeout(say, 700, 1)
        else if (op === 'close') process.exit(0)
      })`,
    )
    const dripping = await foreignWorld(
      { command: `${node} ${JSON.stringify(join(folder, 'drip.cjs'))}` },
      { timeoutMs: 400 },
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

describe('a stage', () => {
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
