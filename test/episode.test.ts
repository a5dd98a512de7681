/**
 * Episodes: programs act in worlds by tools; forks, restores, crashes and several players, with real worlds and scripted or
 * no models.
 */
// oxlint-disable unicorn/consistent-function-scoping -- a test reads best with its parts beside it
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { commons } from '../src/environments/commons.ts'
import { craft, type CraftTask } from '../src/environments/craft.ts'
import { division } from '../src/environments/division.ts'
import type { Action, Rules } from '../src/environments/environment.ts'
import { play, oracleOf } from '../src/environments/environment.ts'
import type { EpisodeResult, Seen, Told } from '../src/evaluation/episode.ts'
import { ADOPT, VIEW, episodeOf, spawnEpisode, worldState } from '../src/evaluation/episode.ts'
import { PROPOSE, VALUE, proposeTool, valueTool } from '../src/evaluation/value.ts'
import type { EpisodeTask, World } from '../src/evaluation/world.ts'
import { openStage, worldOf } from '../src/evaluation/world.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Pid, Program, Sys, Tool } from '../src/kernel/types.ts'
import { createWorld, cutStore, tool } from './world.ts'

const taskOf = (seed: number, level = 2): EpisodeTask => ({ params: craft.task(seed, level) as Json, seed })

/** What the oracle of a world would do for the caller: an honest program has no such tool. */
function oracleTool(world: World, agent?: string): Tool {
  return {
    ...tool('oracle', async (_, context) => {
      const actions = (await world.oracle?.(worldState(context))) ?? []
      const mine = agent === undefined ? actions[0] : actions.find((one) => one.agent === (context.names[1] ?? agent))
      return mine === undefined ? null : { name: mine.name, args: mine.args ?? {} }
    }),
    state: 'episode',
  } as Tool
}

type Next = Pick<Action, 'name' | 'args'> | null

/** Does what the oracle says until it is over. */
const obedient = defineProgram('obedient', async (sys: Sys, _: Json) => {
  for (let steps = 0; ; steps++) {
    const { done, actions } = await sys.call<Seen>(VIEW, {})
    if (done) return steps
    // The oracle has nothing to say.
    const next = (await sys.call<Next>('oracle', null)) ?? { name: actions[0]?.name ?? '', args: { text: '' } }
    const told = await sys.call<Told>(next.name, next.args ?? {})
    if (told.done) return steps + 1
  }
})

async function played(
  rules: Rules<never, never>,
  task: EpisodeTask,
  program: Program<never, unknown> | { readonly [agent: string]: Program<never, unknown> },
  more: { readonly tools?: readonly Tool[]; readonly search?: boolean; readonly tellScore?: boolean } = {},
): Promise<EpisodeResult> {
  const world = createWorld()
  const run = await spawnEpisode(world.kernel, worldOf(rules), task, { program, ...more })
  return world.settled(run.result)
}

describe('an episode', () => {
  test('is played by tools, one for each action, and scored', async () => {
    const world = worldOf(craft)
    const task = taskOf(3)
    const result = await played(craft as never, task, obedient, { tools: [oracleTool(world)] })
    const known = play(craft as unknown as Rules<Json, Json>, task, oracleOf(craft as unknown as Rules<Json, Json>))
    assert.equal(result.score, 1)
    assert.equal(result.done, true)
    assert.equal(result.steps, known.steps)
    assert.deepEqual(result.players, { crafter: { output: known.steps } })
  })

  test('tells why an action cannot be done, and says so when it is over', async () => {
    const looking = defineProgram('looking', async (sys: Sys, { question }: { question: string }) => {
      assert.match(question, /^Make the goal.*\n\nGoal: /s)
      assert.deepEqual(
        sys.tools.map((one) => one.name),
        ['get', 'craft', VIEW, 'oracle'],
      )
      const wrong = await sys.call<Told>('craft', { item: 'moonlight' })
      assert.equal(wrong.error?.code, 'NOT_POSSIBLE')
      assert.match(wrong.text, /^no recipe makes "moonlight"\nGoal/)
      const text = await sys.call<Told>('get', 'nonsense')
      assert.ok(text.error !== undefined)
      const seen = await sys.call<Seen>(VIEW, {})
      assert.equal(seen.steps, 2)
      assert.ok((seen.data as { goal: Json }).goal)
      assert.deepEqual(
        seen.actions.map(({ name }) => name),
        ['get', 'craft'],
      )
      for (let next; (next = await sys.call<Next>('oracle', null)) !== null;) await sys.call(next.name, next.args ?? {})
      const late = await sys.call<Told>('get', { item: 'x' })
      assert.deepEqual([late.done, late.error?.code, late.score], [true, 'OVER', 1])
      return null
    })
    const result = await played(craft as never, taskOf(4), looking as Program<never, unknown>, {
      tools: [oracleTool(worldOf(craft))],
      tellScore: true,
    })
    assert.deepEqual(result.players, { crafter: { output: null } })
    assert.equal(result.score, 1)
  })

  test('a player that fails leaves the world as it is, and it is scored', async () => {
    const failing = defineProgram('failing', async () => {
      throw new Error('no idea')
    })
    const result = await played(craft as never, taskOf(4), failing)
    assert.deepEqual([result.score, result.done, result.steps], [0, false, 0])
    assert.ok('error' in (result.players['crafter'] as object))
  })

  test('a search tries each proposal in a fork, and goes on from the best: no step is taken twice', async () => {
    let stepped = 0
    const inner = worldOf(craft)
    const counted: World = {
      ...inner,
      open: () => {
        const environment = inner.open() as ReturnType<typeof inner.open> & { step(actions: readonly Action[]): never }
        return { ...environment, step: (actions) => (stepped++, environment.step(actions)) }
      },
    }
    const others = (state: Json) =>
      (state as { state: { task: { recipes: readonly { item: string }[] } } }).state.task.recipes.map(({ item }) => ({
        name: 'craft',
        args: { item },
      }))
    let acted = 0
    const search = defineProgram('search', async (sys: Sys, _: Json) => {
      for (;;) {
        const { actions } = await sys.call<{ actions: Next[] }>(PROPOSE, { n: 3 })
        const children: Pid[] = []
        for (const action of actions) {
          const pid = await sys.fork()
          if (pid === 0) {
            acted++
            const told = await sys.call<Told>(action?.name ?? '', action?.args ?? {})
            return { done: told.done, ...(await sys.call<{ value: number }>(VALUE, {})) }
          }
          children.push(pid)
        }
        const ends = await Promise.all(children.map((pid) => sys.wait<{ value: number; done: boolean }>(pid)))
        const best = ends.reduce((a, end, i) => (end.value > (ends[a]?.value ?? 0) ? i : a), 0)
        const seen = await sys.call<Seen>(ADOPT, { pid: children[best] as number })
        if (seen.done) return seen.steps
      }
    })
    const world = createWorld()
    const task = taskOf(5)
    const run = await spawnEpisode(world.kernel, counted, task, {
      program: search,
      search: true,
      tools: [valueTool(inner, { horizon: 40 }), proposeTool(inner, { others })],
    })
    const { score, steps, players } = await world.settled(run.result)
    assert.deepEqual([score, players['crafter']], [1, { output: steps }])
    assert.equal(stepped, acted)
    assert.ok(acted > steps)
  })
})

test('what an episode and its tools open is closed, also where it cannot begin', async () => {
  let [opened, closed] = [0, 0]
  const inner = worldOf(craft)
  const counted: World = {
    ...inner,
    open: async () => {
      opened++
      return { ...(await inner.open()), close: () => void closed++ }
    },
  }
  const begun = ({ program, of = counted }: { program: object; of?: World }) =>
    spawnEpisode(createWorld().kernel, of, taskOf(3), { program: program as Program<never, unknown> })
  await assert.rejects(
    begun({ program: { nobody: obedient } }),
    /has a player "crafter", and there is no program for it/,
  )
  assert.deepEqual([opened, closed], [1, 1])
  const actions = () => [{ name: 'not a name', description: '', input: {}, effect: 'write' as const }]
  await assert.rejects(begun({ program: obedient, of: { ...counted, actions } }), { code: 'CONFIG_INVALID' })
  assert.equal(opened, closed)
  // The world of the tool alone is counted.
  ;[opened, closed] = [0, 0]
  const asked = defineProgram(
    'asked',
    async (sys: Sys, _: Json) => (await sys.call<{ value: number }>(VALUE, {})).value,
  )
  const { players } = await played(craft as never, taskOf(3), asked, { tools: [valueTool(counted)] })
  assert.ok('output' in (players['crafter'] as object))
  assert.ok(opened > 0)
  assert.equal(closed, opened)
})

test('a state is worth nothing where the oracle knows no way on, and all where it is over', async () => {
  const world = worldOf(craft)
  const lost: World = { ...world, oracle: () => [] }
  const asked = defineProgram(
    'asked',
    async (sys: Sys, _: Json) => (await sys.call<{ value: number }>(VALUE, {})).value,
  )
  const first = await (async () => {
    const { kernel, settled } = createWorld()
    const players = { program: asked, tools: [valueTool(lost)] }
    return settled((await spawnEpisode(kernel, world, taskOf(3), players)).result)
  })()
  assert.deepEqual(first.players, { crafter: { output: 0 } })
  const both = defineProgram('both', async (sys: Sys, _: Json) => {
    for (let next; (next = await sys.call<Next>('oracle', null)) !== null;) await sys.call(next.name, next.args ?? {})
    return (await sys.call<{ value: number }>(VALUE, {})).value
  })
  const over = await played(craft as never, taskOf(3), both, { tools: [oracleTool(world), valueTool(lost)] })
  assert.deepEqual(over.players, { crafter: { output: 1 } })
  // Nor where it is cut off before the oracle is there.
  const short = { ...craft, stepsMax: 2 } as never
  const cut = await played(short, taskOf(3), asked, { tools: [valueTool(worldOf(short))] })
  assert.deepEqual(cut.players, { crafter: { output: 0 } })
})

describe('several players', () => {
  test('act together, each seeing only what came of a turn after all have acted', async () => {
    const task = { params: commons.task(1, 1) as Json, seed: 1 }
    const result = await played(commons as never, task, obedient, { tools: [oracleTool(worldOf(commons), 'Ada')] })
    assert.equal(result.score, 1, JSON.stringify(result))
    assert.equal(
      Object.keys(result.players).length,
      (commons.task(1, 1) as { people: readonly string[] }).people.length,
    )
  })

  test('come to the same whoever is heard first', async () => {
    const task = taskOf(3, 5)
    const { recipes } = task.params as unknown as CraftTask
    const item = recipes
      .flatMap(({ ingredients }) => Object.keys(ingredients))
      .find((one) => recipes.every((recipe) => recipe.item !== one))
    /** Gets one piece and hands over so many: the second can only once it has been given one. */
    const giver = (name: string, to: string, count: number, late: string) =>
      defineProgram(name.replace(' ', '-'), async (sys: Sys, _: Json) => {
        await sys.call('get', { item, count: 1 })
        if (name === late) await sys.sleep(1_000)
        return (await sys.call<Told>('give', { to, item, count })).error?.code ?? 'given'
      })
    const [one, other] = ['crafter', 'crafter 2']
    const ends = []
    for (const late of [one, other]) {
      const program = { [one]: giver(one, other, 1, late), [other]: giver(other, one, 2, late) }
      ends.push(await played(craft as never, task, program))
    }
    assert.deepEqual(ends[0], ends[1])
    assert.deepEqual(ends[0]?.players, { [one]: { output: 'given' }, [other]: { output: 'given' } })
  })

  test('that cannot begin, as another has used up what all may spend, have failed: the episode is scored', async () => {
    const { kernel, settled } = createWorld()
    const child = defineProgram('child', async () => null)
    const first = defineProgram('first', async (sys: Sys, _: Json) => {
      for (let children = 0; ; children++)
        try {
          await sys.spawn(child, null)
        } catch {
          await sys.call('offer', { keep: 1 })
          return children
        }
    })
    const run = await spawnEpisode(
      kernel,
      worldOf(division),
      { params: division.task(2) as Json, seed: 2 },
      { program: { Alice: first, Bob: obedient } },
      { budget: { children: 3 } },
    )
    const { score, players } = await settled(run.result)
    assert.deepEqual([score, players['Alice']], [0, { output: 2 }])
    assert.equal((players['Bob'] as { error: { code: string } }).error.code, 'BUDGET_EXCEEDED')
  })

  test('take turns, and are told what the other did when it is theirs', async () => {
    const task = { params: division.task(2) as Json, seed: 2 }
    const result = await played(division as never, task, obedient, { tools: [oracleTool(worldOf(division), 'Alice')] })
    assert.equal(result.score, 1, JSON.stringify(result))
  })

  test('of a fork of the episode play together as they did, wherever it is cut before they begin', async () => {
    const task = { params: commons.task(1, 1) as Json, seed: 1 }
    const { people } = commons.task(1, 1) as { people: readonly string[] }
    const game = worldOf(commons)
    const program = await episodeOf(
      game,
      task,
      { program: obedient, tools: [oracleTool(game, 'Ada')] },
      openStage(game),
    )
    const { kernel, settled } = createWorld({ programs: [program as Program, obedient as Program] })
    const run = kernel.spawn(program, task)
    const expected = await settled(run.result)
    assert.equal(expected.score, 1)
    // One call begins the episode, one for each player looks where it stands, and the next starts the first of them.
    for (const at of [1, 1 + people.length]) {
      const fork = await settled(kernel.fork(run.pid, { at }))
      assert.deepEqual(await settled(fork.result), expected, `forked at ${at}`)
    }
    // A player that is forked from outside plays on alone.
    const player = kernel.ps().find(({ name }) => name === people[0])
    const alone = await settled(kernel.fork(player?.pid as Pid, { at: 2 }))
    assert.equal(typeof (await settled(alone.result)), 'number')
  })

  test('have learned what those had that they acted with', async () => {
    const task = { params: commons.task(1, 1) as Json, seed: 1 }
    const { people } = commons.task(1, 1) as { people: readonly string[] }
    const spy = defineProgram('spy', async (sys: Sys, _: Json) => {
      await sys.call('secret', null)
      return (await sys.call<Told>('harvest', { amount: 1 })).text
    })
    const other = defineProgram(
      'other',
      async (sys: Sys, _: Json) => (await sys.call<Told>('harvest', { amount: 1 })).text,
    )
    const secret = { ...tool('secret', () => 's'), labels: ['secret'] }
    for (const last of [0, people.length - 1]) {
      const { kernel, settled, store } = createWorld()
      const program = Object.fromEntries(people.map((who, i) => [who, i === last ? spy : other]))
      const run = await spawnEpisode(kernel, worldOf(commons), task, { program, tools: [secret] })
      await settled(run.result)
      for (const { pid, parent } of kernel.ps()) {
        const end = store.events(pid).findLast((one) => one.type === 'call-end')
        if (parent !== null) assert.deepEqual(end?.type === 'call-end' && end.labels, ['secret'], `process ${pid}`)
      }
    }
  })

  test('go on without those that have ended', async () => {
    const task = { params: commons.task(1, 1) as Json, seed: 1 }
    const { people } = commons.task(1, 1) as { people: readonly string[] }
    const quitter = defineProgram('quitter', async () => 'bye')
    const programs = Object.fromEntries(people.map((who, i) => [who, i === 0 ? quitter : obedient]))
    const result = await played(commons as never, task, programs, { tools: [oracleTool(worldOf(commons), 'Ada')] })
    assert.equal(result.done, true)
    assert.deepEqual(result.players[people[0] as string], { output: 'bye' })
  })
})

test('a world that takes its time is played the same, also when somebody leaves in the middle of a turn', async () => {
  const inner = worldOf(commons)
  const later = async <T>(value: T | Promise<T>): Promise<T> => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
    return value
  }
  const slow: World = {
    ...inner,
    open: async () => {
      const one = await inner.open()
      return {
        ...one,
        reset: (begin) => later(one.reset(begin)),
        step: (actions) => later(one.step(actions)),
        restore: (state) => later(one.restore(state)),
        state: () => later(one.state()),
      }
    },
  }
  const task = { params: commons.task(1, 1) as Json, seed: 1 }
  const { people } = commons.task(1, 1) as { people: readonly string[] }
  const quitter = defineProgram('quitter', async (sys: Sys, _: Json) => {
    // Its action is under way when it ends.
    void sys.call('harvest', { amount: 1 })
    return 'bye'
  })
  const results: EpisodeResult[] = []
  for (const world of [inner, slow]) {
    const program = Object.fromEntries(people.map((who, i) => [who, i === 0 ? quitter : obedient]))
    const { kernel, settled } = createWorld()
    const run = await spawnEpisode(kernel, world, task, { program, tools: [oracleTool(inner, 'Ada')] })
    results.push(await settled(run.result))
  }
  assert.equal(results[0]?.done, true)
  assert.equal(results[1]?.done, true)
  const all = await (async () => {
    const { kernel, settled } = createWorld()
    const run = await spawnEpisode(kernel, slow, task, { program: obedient, tools: [oracleTool(inner, 'Ada')] })
    return settled(run.result)
  })()
  assert.equal(all.score, 1)
})

test('wherever a crash comes, the episode that is resumed is the one that would have been', async () => {
  const world = worldOf(commons)
  const task = { params: commons.task(1, 1) as Json, seed: 1 }
  const program = () =>
    episodeOf(world, task, { program: obedient, tools: [oracleTool(world, 'Ada')] }, openStage(world))
  const first = createWorld()
  const run = first.kernel.spawn(await program(), task)
  const expected = await first.settled(run.result)
  assert.equal((await first.settled(first.kernel.replay(run.pid))).same, true)
  await fc.assert(
    fc.asyncProperty(fc.nat(1_000), async (permille) => {
      const store = cutStore(first.store.batches, Math.round((permille / 1_000) * first.store.batches.length))
      if (store.lastSeq() < 0) return
      const programs = [(await program()) as Program, obedient as Program]
      const again = createWorld({ store, programs, clock: first.clock })
      again.kernel.resume()
      assert.deepEqual(await again.settled(again.kernel.run(run.pid).result), expected)
    }),
    { numRuns: process.env['POLITY_LONG'] === '1' ? 40 : 8 },
  )
})
