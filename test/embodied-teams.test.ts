/**
 * Teams that act together: worlds as a team sees them, and the joint step in its published settings, by the real kernel in real
 * worlds with a scripted model that reads its prompts. What they reach is measured by `npm run experiments` (C12-TEAMS,
 * C12-PARTNER, C12-KITCHEN).
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { compass, compassMind } from '../src/agents/compass.ts'
import { hierarchicalLanguageAgent } from '../src/agents/hierarchical-language-agent.ts'
import { damcs, readiness } from '../src/agents/damcs.ts'
import { merged, propagated, type Entity, type Known } from '../src/agents/pieces/entity-propagation.ts'
import { central, decentral, hmas1, hmas2 } from '../src/agents/hmas.ts'
import {
  answered,
  demandOf,
  heard,
  inferred,
  noTalk,
  phaseOf,
  RESULTS_MAX,
  type Talk,
} from '../src/agents/pieces/intention.ts'
import { jointProgram, type Jointed, type JointInput } from '../src/agents/joint-step.ts'
import { faultsText, withoutFaulty } from '../src/agents/pieces/joint-plan.ts'
import { knowledgeGraph, type Plan } from '../src/agents/knowledge-graph.ts'
import { mindAgent } from '../src/agents/mind-agent.ts'
import { beliefText, corrected, proAgent } from '../src/agents/pro-agent.ts'
import { boot, defineProgram, type Kernel, type Program } from '../src/index.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import type { Action, Turn } from '../src/environments/environment.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { forage } from '../src/environments/forage.ts'
import { kitchen } from '../src/environments/kitchen.ts'
import { spawnEpisode, type Players } from '../src/evaluation/episode.ts'
import { evaluate } from '../src/evaluation/evaluate.ts'
import { worldTask } from '../src/evaluation/task.ts'
import { TEAM, teamCheck, teamWorld, type TeamView } from '../src/evaluation/team-world.ts'
import { worldOf, type World } from '../src/evaluation/world.ts'
import type { Json } from '../src/kernel/types.ts'
import { worked } from '../bench/experiments/c12-minds.ts'
import { teams } from '../bench/experiments/c12-teams.ts'
import { lineWorld } from '../bench/experiments/line-world.ts'

/** Box 0 belongs from cell 0 to 1, box 1 from cell 2 to 1: one turn, if both are pushed. */
const SHORT = {
  cells: 3,
  boxes: [
    { from: 0, to: 1 },
    { from: 2, to: 1 },
  ],
}
const line = teamWorld(worldOf(lineWorld))
const push = (agent: string, box: number, way: string) => ({ agent, name: 'push', args: { box, way } })
const BOTH = [push('cell 0', 0, 'right'), push('cell 2', 1, 'left')]

let kernel: Kernel
let prompts: string[] = []
let says: (prompt: string, n: number) => unknown = () => ({})
before(async () => {
  const model = scripted((call) => {
    const prompt = promptText(call.prompt)
    prompts.push(prompt)
    return JSON.stringify(says(prompt, prompts.length))
  })
  kernel = await boot({ model })
})
after(() => kernel.close())

interface Game {
  readonly world?: World
  readonly params?: Json
  readonly input?: Partial<JointInput> & { readonly [name: string]: unknown }
  readonly tools?: Players['tools']
}

async function played(
  program: Program<never, Jointed>,
  script: typeof says,
  { world = line, params = SHORT, input = {}, tools = [] }: Game = {},
) {
  says = script
  prompts = []
  const players = { program, input: input as { readonly [name: string]: Json }, tools }
  const {
    score,
    steps,
    players: ended,
  } = await (await spawnEpisode(kernel, world, { params, seed: 1 }, players)).result
  const player = ended[TEAM]
  assert.ok(player !== undefined && 'output' in player, JSON.stringify(player))
  return { score, steps, output: player.output as unknown as Jointed }
}
const speaker = (prompt: string): string => /You are (cell \d)\./.exec(prompt)?.[1] ?? 'planner'

describe('a team’s world', () => {
  test('its oracle is the world’s: all is done, turn by turn, with the same score', async () => {
    for (const rules of [kitchen, forage, lineWorld] as const) {
      const world = worldOf(rules as typeof lineWorld)
      const team = teamWorld(world)
      const task = { params: rules.task(3, 2) as Json, seed: 3 }
      const [own, inner] = [await team.open(), await world.open()]
      let [turn, plain] = [await own.reset(task), await inner.reset(task)]
      while (!turn.done) {
        const [action] = ((await team.oracle?.(await own.state())) ?? []) as readonly [Action]
        plain = await inner.step((await world.oracle?.(await inner.state())) ?? [])
        turn = await own.step([action])
      }
      assert.ok(plain.done)
      assert.equal(await own.score(), 1)
      assert.equal(turn.steps, plain.steps)
      assert.deepEqual(((await own.state()) as { world: Json }).world, await inner.state())
    }
  })

  test('shows each player’s view; who is not of it is played for, seen and never ordered', async () => {
    const stranger = { name: 'left', play: { 'cell 2': () => ({ name: 'push', args: { box: 1, way: 'left' } }) } }
    const world = teamWorld(worldOf(lineWorld), { others: stranger })
    const open = await world.open()
    const first = await open.reset({ params: SHORT, seed: 1 })
    const view = first.views[TEAM]?.data as unknown as TeamView
    assert.deepEqual(first.toAct, [TEAM])
    assert.deepEqual(
      view.players.map(({ name, text }) => [name, text]),
      [['cell 0', 'Here: box 0 to cell 1.']],
    )
    const before = await open.state()
    // The stranger’s box is pushed by the stranger alone; an order to it is refused and says so.
    const turn = await open.step([{ agent: TEAM, name: 'act', args: { actions: [push('cell 2', 1, 'right')] } }])
    assert.match(turn.errors[0]?.message ?? '', /^cell 2: is not of the team/)
    const told = turn.views[TEAM] as { readonly data: unknown }
    assert.deepEqual((told.data as TeamView).last, [push('cell 2', 1, 'left')])
    // Also in another place, what was done last is known.
    const there = await (await world.open()).restore(await open.state())
    assert.deepEqual((there.views[TEAM] as { readonly data: unknown }).data, told.data)
    // A state brought back goes on as the first time.
    const again = await open.restore(before)
    assert.deepEqual(again.views, first.views)
    const other = await open.step([{ agent: TEAM, name: 'act', args: { actions: [push('cell 2', 1, 'right')] } }])
    assert.deepEqual(other, turn)
  })

  const lastOf = ({ views }: Turn) =>
    (views[TEAM] as { readonly data: unknown } as { readonly data: TeamView }).data.last

  test('what the world refused is told as wrong and not as done, also of others and of a second action', async () => {
    const stranger = { name: 'wrong', play: { 'cell 2': () => ({ name: 'push', args: { box: 1, way: 'right' } }) } }
    for (const world of [line, teamWorld(worldOf(lineWorld), { others: stranger })]) {
      const isAlone = world === line
      const open = await world.open()
      await open.reset({ params: SHORT, seed: 1 })
      const refused = [push('cell 0', 0, 'left'), ...(isAlone ? [push('cell 2', 1, 'left')] : [])]
      const turn = await open.step([{ agent: TEAM, name: 'act', args: { actions: refused } }])
      assert.match(turn.errors[0]?.message ?? '', /^cell 0: box 0 cannot be pushed there/)
      assert.deepEqual(lastOf(turn), refused.slice(1))
      // Also where it is looked at again.
      assert.deepEqual((await open.restore(await open.state())).views, turn.views)
      const twice = [push('cell 0', 0, 'right'), push('cell 0', 0, 'left')]
      await open.reset({ params: { cells: 3, boxes: [0, 0, 2].map((from) => ({ from, to: 1 })) }, seed: 1 })
      const second = await open.step([{ agent: TEAM, name: 'act', args: { actions: twice } }])
      assert.deepEqual(lastOf(second), twice.slice(0, 1))
    }
  })

  test('beside other partners it is another world: no evaluation goes on with the trials of another', async () => {
    const beside = (name: string, box: number) => {
      const play = { 'cell 2': () => ({ name: 'push', args: { box, way: 'left' } }) }
      return teamWorld(worldOf(lineWorld), { others: { name, play } })
    }
    const program = jointProgram('half', { draft: 'central' })
    says = (prompt) => ({ plan: prompt.includes('box 0') ? BOTH.slice(0, 1) : [] })
    const run = async (world: World) => {
      const task = { ...worldTask(world, { params: () => SHORT, seeds: 1 }), version: '1' }
      const solver = { name: 'half', program, input: { stepsMax: 3 } }
      const log = await evaluate(kernel, { tasks: [task], solvers: [solver] })
      return [log.id, log.trials[0]?.episode?.steps] as const
    }
    const [able, unable, again] = [
      await run(beside('able', 1)),
      await run(beside('unable', 0)),
      await run(beside('able', 1)),
    ]
    assert.deepEqual([able[1], unable[1]], [1, 3])
    assert.notEqual(able[0], unable[0])
    assert.deepEqual(again, able)
    assert.equal(line.version, worldOf(lineWorld).version)
    assert.throws(() => beside('', 1), { code: 'INVALID_ARGUMENT', message: /have a name/ })
  })

  test('an action that is none is told, and takes the turn', async () => {
    const open = await line.open()
    await open.reset({ params: SHORT, seed: 1 })
    const turn = await open.step([{ agent: TEAM, name: 'act', args: { actions: [{ name: 'push' }] } }])
    assert.equal(turn.errors[0]?.code, 'BAD_ARGUMENTS')
    assert.equal(turn.steps, 1)
    assert.equal(turn.done, false)
  })

  test('what several did wrong comes in one error, a line each', async () => {
    const open = await line.open()
    await open.reset({ params: SHORT, seed: 1 })
    const actions = [push('cell 0', 0, 'left'), push('cell 2', 1, 'right')]
    const { errors } = await open.step([{ agent: TEAM, name: 'act', args: { actions } }])
    assert.equal(errors.length, 1)
    assert.match(errors[0]?.message ?? '', /^cell 0: .*\ncell 2: /)
  })
})

describe('the joint step', () => {
  test('central: one call a turn, with what every player sees', async () => {
    const { score, output } = await played(central, () => ({ plan: BOTH }))
    assert.equal(score, 1)
    assert.equal(prompts.length, 1)
    assert.deepEqual(output.calls, { central: 1, local: 0, retried: 0 })
    assert.match(prompts[0] ?? '', /\[cell 0\]\nHere: box 0 to cell 1\.[\s\S]*\[cell 2\]\nHere: box 1 to cell 1\./)
  })

  test('what cannot be done is written again with the reason, and in the end left out and told', async () => {
    const bad = [
      { agent: 'cell 1', name: 'push', args: { box: 0, way: 'left' } },
      { agent: 'cell 0', name: 'fly' },
      { agent: 'cell 2', name: 'push', args: { box: 1, way: 'up' } },
    ]
    const { score, output } = await played(central, (_, n) => ({ plan: n <= 3 ? bad : BOTH }))
    assert.equal(score, 1)
    assert.equal(prompts.length, 4)
    assert.deepEqual(output.calls, { central: 4, local: 0, retried: 2 })
    assert.match(prompts[1] ?? '', /cell 1: is not to act; to act are cell 0, cell 2/)
    assert.match(prompts[1] ?? '', /cell 0: there is no action "fly"; there are push/)
    assert.match(prompts[1] ?? '', /cell 2: push: /)
    assert.doesNotMatch(prompts[0] ?? '', /cannot be carried out/)
    assert.deepEqual(output.steps[0]?.plan, [])
    assert.match(prompts[3] ?? '', /Turns before:\nnobody acts\nCould not be done: cell 1: is not to act/)
  })

  test('only the faulty part of a plan is left out: who is given two actions does nothing', async () => {
    const plan = [...BOTH, push('cell 0', 0, 'left'), push('cell 9', 0, 'left')]
    const { output, score } = await played(central, () => ({ plan }), { input: { retriesMax: 0, stepsMax: 1 } })
    assert.deepEqual(output.steps[0]?.plan, BOTH.slice(1))
    assert.match(faultsText(output.steps[0]?.failed ?? []), /cell 0: has two actions.*\ncell 9: is not to act/)
    assert.notEqual(score, 1)
  })

  test('the check closes what it opens', async () => {
    let [opened, closed] = [0, 0]
    const counted: World = {
      ...line,
      open: async () => {
        opened++
        const one = await line.open()
        return { ...one, close: () => void closed++ }
      },
    }
    const { output } = await played(central, () => ({ plan: BOTH }), { tools: [teamCheck(counted)] })
    assert.equal(output.done, true)
    assert.ok(opened > 0)
    assert.equal(closed, opened)
  })

  test('with the check of its world nothing is carried out that the world refuses, and no turn is lost', async () => {
    const script = (prompt: string) => ({
      plan: prompt.includes('cannot be carried out') ? BOTH : [push('cell 0', 0, 'left'), push('cell 2', 1, 'left')],
    })
    const blind = await played(central, script, { input: { stepsMax: 2 } })
    assert.match(faultsText(blind.output.steps[0]?.failed ?? []), /box 0 cannot be pushed there from cell 0/)
    const { score, steps, output } = await played(central, script, { tools: [teamCheck(line)] })
    assert.deepEqual([score, steps, output.calls.retried], [1, 1, 1])
    assert.match(prompts[1] ?? '', /cell 0: box 0 cannot be pushed there from cell 0/)
  })

  test('hmas-2: who has an action agrees or objects; the planner revises what is objected to, three rounds at most', async () => {
    let objects = 1
    const script = (prompt: string) => {
      const who = speaker(prompt)
      if (who === 'planner')
        return {
          plan: prompt.includes('What the agents say of it:\ncell 0: I push it right')
            ? BOTH
            : [push('cell 0', 0, 'left')],
        }
      if (who === 'cell 0' && objects-- > 0) return { agree: false, feedback: 'I push it right' }
      return { agree: true }
    }
    const { score, output } = await played(hmas2, script)
    assert.equal(score, 1)
    // A plan, cell 0 alone who has an action, a revision, both.
    assert.deepEqual(prompts.map(speaker), ['planner', 'cell 0', 'planner', 'cell 0', 'cell 2'])
    assert.deepEqual(output.calls, { central: 2, local: 3, retried: 0 })
    objects = 99
    const endless = await played(hmas2, script, { input: { stepsMax: 1 } })
    assert.equal(endless.output.calls.central, 1 + 3)
    assert.equal(endless.score, 1)
  })

  test('decentral: players speak in turn and hear all before them; a plan that is said ends it', async () => {
    const { score, output } = await played(decentral, (prompt, n) => ({
      say: `I am ${speaker(prompt)}.`,
      execute: n === 3 ? BOTH : null,
    }))
    assert.equal(score, 1)
    assert.deepEqual(prompts.map(speaker), ['cell 0', 'cell 2', 'cell 0'])
    assert.match(prompts[0] ?? '', /Said in this turn:\nNobody has spoken yet\./)
    assert.match(prompts[2] ?? '', /Said in this turn:\ncell 0: I am cell 0\.\ncell 2: I am cell 2\.\s*$/)
    assert.deepEqual(output.calls, { central: 0, local: 3, retried: 0 })
  })

  test('decentral: the last of four rounds is asked for the plan; where nobody says one, nobody acts; hmas-1 has its draft', async () => {
    const silent = (prompt: string) => (speaker(prompt) === 'planner' ? { plan: BOTH } : { say: 'hm' })
    const without = await played(decentral, silent, { input: { stepsMax: 1 } })
    assert.equal(prompts.length, 8)
    assert.deepEqual(prompts.filter((prompt) => prompt.includes('Yours is the last word')).length, 1)
    assert.match(prompts[7] ?? '', /Yours is the last word/)
    assert.deepEqual(without.output.steps[0]?.plan, [])
    const withDraft = await played(hmas1, silent, { input: { stepsMax: 1, roundsMax: 1 } })
    assert.equal(withDraft.score, 1)
    assert.match(prompts[1] ?? '', /planner: cell 0: push \{"box":0,"way":"right"\}/)
    assert.deepEqual(withDraft.output.calls, { central: 1, local: 2, retried: 0 })
  })

  test('what each drafted for itself, it has said itself when they speak in turn', async () => {
    const both = jointProgram('both', { draft: 'each', talk: 'turns', roundsMax: 1 })
    const { score, output } = await played(both, (prompt) => {
      const mine = BOTH.find(({ agent }) => agent === speaker(prompt)) as Action
      return prompt.includes('Said in this turn') ? { say: 'go', execute: BOTH } : { action: mine }
    })
    assert.equal(score, 1)
    assert.match(
      prompts.at(-1) ?? '',
      /Said in this turn:\ncell 0: push \{"box":0,"way":"right"\}\ncell 2: push \{"box":1,"way":"left"\}\s*$/,
    )
    assert.deepEqual(
      output.steps[0]?.dialogue?.map(({ by }) => by),
      ['cell 0', 'cell 2', 'cell 0'],
    )
  })

  test('with sees: own everybody is told what of theirs could not be done, to its last line, and what is wrong with the whole plan', async () => {
    const wordy = teamWorld(
      worldOf({
        ...lineWorld,
        step(...given: Parameters<typeof lineWorld.step>) {
          const done = lineWorld.step(...given)
          const errors = (done.errors ?? []).map((one) => ({
            ...one,
            message: `${one.message}\nfor ${one.agent} is there`,
          }))
          return { ...done, errors }
        },
      }),
    )
    const wrong = [push('cell 0', 0, 'left'), push('cell 2', 1, 'right')]
    const own = jointProgram('own', { draft: 'each', sees: 'own' })
    const script = (prompt: string) => ({
      action: (prompt.includes('Turns before') ? BOTH : wrong).find(({ agent }) => agent === speaker(prompt)) as Action,
    })
    await played(own, script, { world: wordy })
    assert.equal(prompts.length, 4)
    for (const prompt of prompts.slice(2)) {
      const [me, other] = speaker(prompt) === 'cell 0' ? ['cell 0', 'cell 2'] : ['cell 2', 'cell 0']
      assert.match(prompt, new RegExp(`Could not be done: ${me}: .* for ${me} is there`))
      assert.doesNotMatch(prompt, new RegExp(other))
    }
    const heard = jointProgram('heard', { draft: 'central', talk: 'feedback', sees: 'own', retriesMax: 0 })
    const silent = (prompt: string) => {
      if (speaker(prompt) !== 'planner') return { agree: true }
      return prompt.includes('Turns before') ? { plan: BOTH } : { none: 1 }
    }
    await played(heard, silent, {})
    const replies = prompts.filter((prompt) => speaker(prompt) !== 'planner')
    assert.equal(replies.length, 2)
    for (const prompt of replies) assert.match(prompt, /Could not be done: no plan was said/)
  })

  test('of a plan that is wrong as a whole nothing is left', () => {
    assert.deepEqual(withoutFaulty(BOTH, [{ message: 'no' }]), [])
    assert.deepEqual(withoutFaulty(BOTH, [{ agent: 'cell 0', message: 'no' }]), BOTH.slice(1))
  })

  test('a faulty plan that a speaker says is said again by the same speaker', async () => {
    const { score, output } = await played(decentral, (_, n) => ({
      say: 'now',
      execute: n === 1 ? [push('cell 7', 0, 'left')] : BOTH,
    }))
    assert.equal(score, 1)
    assert.deepEqual(prompts.map(speaker), ['cell 0', 'cell 0'])
    assert.deepEqual(output.calls, { central: 0, local: 2, retried: 1 })
  })

  test('histories: nothing, what was done, or also what was said', async () => {
    const far = { cells: 4, boxes: [{ from: 0, to: 2 }] }
    const script = (prompt: string) => {
      const at = /Now:\n\[(cell \d)\]\nHere/.exec(prompt)?.[1] as string
      return speaker(prompt) === 'planner' ? { plan: [push(at, 0, 'right')] } : { agree: true }
    }
    const last = async (history: JointInput['history']): Promise<string> => {
      await played(hmas2, script, { params: far, input: { history } as Partial<JointInput> })
      return prompts.findLast((prompt) => speaker(prompt) === 'planner') as string
    }
    assert.doesNotMatch(await last('none'), /Turns before/)
    const done = await last('actions')
    assert.match(done, /Turns before:\ncell 0: push/)
    assert.doesNotMatch(done, /I agree/)
    assert.match(await last('dialogue'), /cell 0: I agree\./)
  })

  test('with sees: own a player is shown nothing of what others see or did', async () => {
    const own = jointProgram('own', { draft: 'each', sees: 'own' })
    const far = {
      cells: 5,
      boxes: [
        { from: 0, to: 1 },
        { from: 4, to: 2 },
      ],
    }
    const script = (prompt: string) => {
      const [, cell, box, to] = /Now:\n\[cell (\d)\]\nHere: box (\d) to cell (\d)/.exec(prompt) ?? []
      return { action: { name: 'push', args: { box: Number(box), way: Number(to) < Number(cell) ? 'left' : 'right' } } }
    }
    const { score, output } = await played(own, script, { params: far })
    assert.equal(score, 1)
    assert.equal(output.calls.local, 3)
    for (const prompt of prompts) {
      const other = speaker(prompt) === 'cell 0' ? /cell 4|box 1/ : /cell 0|box 0/
      assert.doesNotMatch(prompt, other)
    }
  })

  test('the more is checked, the fewer turns; every call is one that the setting takes', async () => {
    const { rows, turns, exact } = await teams(process.env['POLITY_LONG'] === '1' ? 20 : 10, 0.3)
    assert.equal(exact, turns)
    const order = [rows.CMAS, rows.DMAS, rows['HMAS-1'], rows['HMAS-2']].map(({ steps }) => steps)
    assert.deepEqual(
      order,
      order.toSorted((a, b) => b - a),
    )
    assert.equal(new Set(order).size, 4)
  })

  test('settings without a meaning are refused', async () => {
    const broken = jointProgram('broken', { draft: 'none', talk: 'feedback' })
    await assert.rejects(
      played(broken, () => ({})),
      /talks in turns, not/,
    )
    await assert.rejects(
      played(hmas2, () => ({}), { input: { roundsMax: 0 } }),
      /roundsMax is 1 or more, not 0/,
    )
  })
})

describe('mind-agent', () => {
  test('one call a turn; what cannot be done is nothing, and the reason is told in the next', async () => {
    const plans = [
      [push('cell 0', 0, 'left'), push('cell 2', 1, 'left')],
      [{ agent: 'cell 0', name: 'fly' }],
      BOTH.slice(0, 1),
    ]
    const { score, steps, output } = await played(mindAgent, (_, n) => ({ plan: plans[n - 1] }), {
      input: { demonstration: 'Turn 1: all push.' },
    })
    assert.deepEqual([score, steps, prompts.length], [1, 3, 3])
    assert.deepEqual(output.calls, { central: 3, local: 0, retried: 0 })
    assert.match(prompts[0] ?? '', /An example:\nTurn 1: all push\./)
    assert.match(prompts[1] ?? '', /Could not be done: cell 0: box 0 cannot be pushed there/)
    assert.match(prompts[2] ?? '', /Could not be done: cell 0: there is no action "fly"/)
    // The last turn alone.
    assert.doesNotMatch(prompts[2] ?? '', /cannot be pushed/)
  })
})

describe('pro-agent', () => {
  const left = () => ({ name: 'push', args: { box: 2, way: 'left' } })
  const world = teamWorld(worldOf(lineWorld), { others: { name: 'left', play: { 'cell 3': left, 'cell 2': left } } })
  const far = {
    cells: 4,
    boxes: [
      { from: 0, to: 1 },
      { from: 0, to: 1 },
      { from: 3, to: 1 },
    ],
  }
  const script = (prompt: string) => {
    const [, box] = /Now:\n\[cell 0\]\nHere: box (\d)/.exec(prompt) ?? []
    const way = prompt.includes('cannot be carried out') ? 'right' : 'left'
    return { expected: { 'cell 3': 'rest' }, action: { name: 'push', args: { box: Number(box), way } } }
  }

  test('an impossible action is never carried out; what a partner did corrects what was expected of it', async () => {
    const { score, output } = await played(proAgent, script, { world, params: far, tools: [teamCheck(world)] })
    assert.equal(score, 1)
    assert.ok(output.steps.every(({ failed }) => failed === undefined))
    assert.deepEqual([output.steps.length, output.calls.retried], [2, 2])
    const later = prompts.at(-1) ?? ''
    assert.match(later, /Others did:\ncell 3: push/)
    assert.match(later, /cell 3, last 1 turns: push 1\. You last expected rest and it was push\./)
    assert.doesNotMatch(prompts[0] ?? '', /What you know of your partners/)
  })

  test('without correction what was expected is what is remembered', async () => {
    await played(proAgent, script, { world, params: far, tools: [teamCheck(world)], input: { correct: false } })
    assert.match(prompts.at(-1) ?? '', /cell 3, last 1 turns: rest 1\.\n/)
  })

  test('a memory has the last turns of each partner, the commonest first', () => {
    const last = [{ agent: 'a', name: 'cook', args: {} }]
    assert.deepEqual(corrected({ a: 'serve', b: 'cook' }, last), [{ partner: 'a', expected: 'serve', did: 'cook' }])
    const beliefs = ['old', 'cook', 'serve', 'serve'].map((did) => ({ partner: 'a', expected: did, did }))
    assert.match(beliefText(beliefs, 3), /a, last 3 turns: serve 2, cook 1\.$/)
    assert.equal(beliefText([], 3), '')
  })
})

describe('hierarchical-language-agent', () => {
  const understood = inferred(heard(noTalk, 'Two onions please'), 1, 'two onions')
  const look = (talk: Talk, number: number, finished = false, of = 1): Talk =>
    answered(talk, of, number, { demand: `after ${number}`, finished })

  test('what is wanted: the words as they were said, what they mean, what is left of it, nothing', () => {
    assert.deepEqual([phaseOf(noTalk), demandOf(noTalk)], ['quiet', ''])
    assert.equal(demandOf(heard(noTalk, 'Two onions please')), 'Two onions please')
    assert.deepEqual([phaseOf(understood), demandOf(understood)], ['open', 'two onions'])
    assert.equal(demandOf(look(understood, 1)), 'after 1')
    assert.deepEqual([phaseOf(look(understood, 1, true)), demandOf(look(understood, 1, true))], ['quiet', ''])
  })

  test('what is about an older chat, or older than what is known, changes nothing', () => {
    const again = heard(understood, 'No, three')
    assert.deepEqual([phaseOf(again), demandOf(again)], ['inferring', 'No, three'])
    assert.equal(look(again, 1), again)
    assert.equal(inferred(again, 1, 'two onions'), again)
    const three = inferred(again, 2, 'three onions')
    assert.equal(demandOf(three), 'three onions')
    assert.equal(look(three, 9, false, 1), three)
    const newer = look(three, 2, false, 2)
    assert.equal(look(newer, 1, true, 2), newer)
    // Finished is finished: nothing is understood or looked at again.
    const done = look(three, 2, true, 2)
    assert.equal(look(done, 3, false, 2), done)
    assert.equal(inferred(done, 2, 'more'), done)
  })

  test('an intention ends after 15 results', () => {
    let talk = understood
    for (let number = 1; number < RESULTS_MAX; number++) talk = look(talk, number)
    assert.equal(phaseOf(talk), 'open')
    assert.equal(phaseOf(look(talk, RESULTS_MAX)), 'quiet')
    assert.equal(RESULTS_MAX, 15)
  })

  test('the fast mind never waits: it has the words as said until the slow mind has understood them, and nothing when all is done', async () => {
    const { longestMs, wanted, replies, slow } = await worked('fast')
    assert.equal(longestMs, 400)
    assert.deepEqual(wanted.slice(0, 6), ['', 'Two onions please', 'two onions', 'one onion', '', 'Two onions please'])
    assert.ok(replies > 0 && slow > 3)
  })
})

test('hierarchical-language-agent: after a slow thought that was killed, which is told, another comes', async () => {
  const stands = { cells: 3, boxes: [{ from: 0, to: 1 }] }
  let [killed, asked] = [0, 0]
  let team = 0
  const script = (prompt: string) => {
    const slow = kernel.ps().filter(({ program, state }) => program === 'hla/slow-mind' && state === 'running')
    if (prompt.includes('what they want you to do')) {
      if (asked++ > 0) return { intention: 'two onions' }
      for (const { pid } of slow) {
        killed++
        kernel.kill(pid, 'no more of it')
      }
    }
    if (prompt.includes('what of it is still to be done')) return { demand: 'one onion', finished: false }
    if (team === 0) {
      team = kernel.ps().findLast(({ name }) => name === TEAM)?.pid as number
      kernel.send(team, { chat: 'Two onions please' })
    }
    // Refused by the world: it stands where it is.
    return { action: { name: 'push', args: { box: 0, way: 'left' } } }
  }
  await played(hierarchicalLanguageAgent, script, { params: stands, input: { stepsMax: 25 } })
  assert.equal(killed, 1)
  const wanted = prompts.flatMap(
    (prompt) => /Your partner wants: (.*)/.exec(prompt.split('{"action"').at(-1) ?? '')?.[1] ?? [],
  )
  assert.ok(wanted.includes('Two onions please') && wanted.includes('one onion'), wanted.join(', '))
  const told = (await kernel.events(team)).filter((one) => one.type === 'call-start' && one.call === 'send')
  assert.deepEqual(
    told.map((one) => one.type === 'call-start' && one.args).find((args) => JSON.stringify(args).includes('slow')),
    { to: 0, body: { slow: 'killed from outside: no more of it' } },
  )
  // What the world refused was not done.
  assert.ok(prompts.every((prompt) => !/What was done last:\ncell/.test(prompt)))
})

describe('compass', () => {
  const at = (id: string, time: number, x = 0): Entity => ({ id, type: 'food', position: [x, 0], time })

  test('of two reports the newer is kept, whichever comes first', () => {
    const known: Known = new Map([['a', at('a', 2, 7)]])
    assert.equal(merged(known, [at('a', 1, 8)]).get('a')?.position[0], 7)
    assert.equal(merged(known, [at('a', 3, 9)]).get('a')?.position[0], 9)
    assert.equal(known.get('a')?.position[0], 7)
  })

  test('after h rounds everybody knows what is seen within h hops, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 9 }),
        fc.array(fc.tuple(fc.nat(8), fc.nat(8)), { maxLength: 16 }),
        fc.integer({ min: 1, max: 5 }),
        (n, pairs, rounds) => {
          const beside = Array.from({ length: n }, () => new Set<number>())
          for (const [a, b] of pairs)
            if (a !== b && a < n && b < n) {
              beside[a]?.add(b)
              beside[b]?.add(a)
            }
          let known = new Map(
            Array.from({ length: n }, (_, i) => [`p${i}`, new Map([[`e${i}`, at(`e${i}`, 1)]]) as Known]),
          )
          for (let round = 0; round < rounds; round++)
            known = propagated(known, (name) => [...(beside[Number(name.slice(1))] ?? [])].map((i) => `p${i}`))
          for (let i = 0; i < n; i++) {
            let reached = new Set([i])
            for (let hop = 0; hop < rounds; hop++)
              reached = new Set([...reached, ...[...reached].flatMap((j) => [...(beside[j] ?? [])])])
            assert.deepEqual([...(known.get(`p${i}`)?.keys() ?? [])].sort(), [...reached].map((j) => `e${j}`).sort())
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('in a turn everybody tells those in sight, one hop a turn', () => {
    const scene = (turn: number) => ({
      players: ['a', 'b', 'c'].map((name) => ({ name, text: '', data: turn, actions: [] })),
      last: [],
    })
    // a sees b, b sees a and c, c sees b and the food.
    const sees: { readonly [name: string]: readonly string[] } = { a: ['b'], b: ['a', 'c'], c: ['b'] }
    const mind = compassMind({
      entitiesOf: ({ name, data }) => [
        ...(sees[name] ?? []).map((id) => ({ id, type: 'mate', position: [0, 0] })),
        ...(name === 'c' && data === 1 ? [{ id: 'food', type: 'food', position: [3, 4] }] : []),
      ],
    })
    const told: string[] = []
    const shown = async (name: string): Promise<string> => {
      const ask = async (_: string, more: string) => (told.push(more), undefined)
      const player = { name, text: '', data: null, actions: [] }
      const sys = { recall: async () => [] } as never
      await mind.decide(sys, { player, prompt: '', ask } as never)
      return told.at(-1) as string
    }
    return (async () => {
      mind.saw?.(scene(1), 0)
      assert.match(await shown('b'), /food \(food\) at \(3, 4\), now/)
      assert.doesNotMatch(await shown('a'), /food/)
      mind.saw?.(scene(2), 0)
      assert.match(await shown('a'), /food \(food\) at \(3, 4\), 1 turns ago/)
    })()
  })

  /** Boxes of a cell, as the text says them. */
  const program = compass({
    entitiesOf: ({ text }) =>
      [...text.matchAll(/box (\d) to cell (\d)/g)].map(([, box, to]) => ({
        id: `box ${box}`,
        type: 'box',
        position: [Number(to)],
      })),
  })
  const code = (name: string, body: string): string => `// Pushes a box right.\nfunction ${name}(state) { ${body} }`
  const right = `const now = Math.max(...state.entities.map(({ time }) => time))
    const { id } = state.entities.find(({ time }) => time === now)
    return { name: state.actions[0], args: { box: Number(id.slice(4)), way: 'right' } }`
  // A player of this world is whoever stands where a box is: the same one for three turns, so that it looks back.
  const stays = { cells: 4, boxes: [0, 0, 0].map((from) => ({ from, to: 1 })) }
  const skillsShown = (prompt: string): string => /Skills:\n(.*)/.exec(prompt)?.[1] ?? ''
  const acts = (prompt: string): boolean => prompt.includes('Carry out your sub-task by a skill')

  test('a skill that worked and was useful is kept, found and used; players do nothing by one that throws, and it is not kept', async () => {
    const script = (prompt: string, n: number) => {
      if (prompt.includes('Look back on your last skill')) return { useful: true, lesson: 'right is right' }
      if (!acts(prompt)) return { task: 'push the box right' }
      if (skillsShown(prompt) !== 'none yet') return { skill: 'pushRight' }
      return { code: n < 3 ? code('broken', 'throw new Error("no")') : code('pushRight', right) }
    }
    const { score, output } = await played(program, script, { params: stays, tools: codeTools() })
    assert.equal(score, 1)
    const acting = prompts.filter(acts)
    assert.deepEqual(
      output.steps.map(({ plan }) => plan.length),
      [0, 1, 1, 1],
    )
    assert.deepEqual(acting.map(skillsShown), [
      'none yet',
      'none yet',
      '- pushRight(state): Pushes a box right.',
      '- pushRight(state): Pushes a box right.',
    ])
    // Nothing was done in the first turn: there is nothing to look back on in the second.
    assert.equal(prompts.filter((prompt) => prompt.includes('Look back on')).length, 2)
    assert.match(acting.at(-1) ?? '', /Your sub-task: push the box right/)
  })

  test('a skill that was of no use, and one whose action the world refuses, are not kept', async () => {
    const script = (prompt: string) => {
      if (prompt.includes('Look back on your last skill')) return { useful: false }
      if (!acts(prompt)) return { task: 'push the box right' }
      return {
        code: code(
          prompt.includes('cannot be carried out') ? 'second' : 'first',
          prompt.includes('cannot be carried out') ? right : 'return { name: "fly" }',
        ),
      }
    }
    await played(program, script, { params: stays, tools: codeTools(), input: { stepsMax: 3 } })
    assert.ok(prompts.some((prompt) => acts(prompt) && prompt.includes('there is no action "fly"')))
    const kept = (): boolean =>
      prompts.some((prompt) => acts(prompt) && /- (?:first|second|third)\(state\)/.test(prompt))
    assert.equal(kept(), false)
    // Nothing but what cannot be done: nothing was carried out, so there is nothing to look back on and nothing to keep.
    // The one is left out of the plan, the other the world refuses.
    for (const action of ['{ name: "fly" }', '{ name: "push", args: { box: 0, way: "left" } }']) {
      const never = (prompt: string) => {
        if (prompt.includes('Look back on your last skill')) return { useful: true }
        return acts(prompt) ? { code: code('third', `return ${action}`) } : { task: 'push the box right' }
      }
      await played(program, never, { params: stays, tools: codeTools(), input: { stepsMax: 3, retriesMax: 0 } })
      assert.equal(prompts.filter(acts).length, 3)
      assert.equal(kept(), false)
      assert.ok(prompts.every((prompt) => !prompt.includes('Look back on')))
    }
  })
})

describe('damcs', () => {
  // Both stand where they are for two turns.
  const stays = { cells: 3, boxes: [0, 0, 2, 2].map((from) => ({ from, to: 1 })) }
  const script = (prompt: string) => {
    const [, cell, box] = /Now:\n\[cell (\d)\]\nHere: box (\d)/.exec(prompt) ?? []
    const isLater = prompt.includes('Your last step')
    return {
      reflection: isLater ? `it came to cell 1` : '',
      goal: { current: isLater ? 'push the last box' : 'push the first box', status: isLater ? 'done' : 'open' },
      // Cell 0 errs at first, and is asked again in the same turn.
      action: {
        name: 'push',
        args: { box: Number(box), way: cell === '0' && prompt.includes('cannot be carried out') ? 'right' : 'left' },
      },
      message: {
        needs: [],
        request: cell === '0' ? 'leave the box of cell 1 to me' : 'lend me a lantern',
        location: `cell ${cell}`,
      },
    }
  }
  const planOf = (agent: string): Promise<Plan> =>
    kernel.spawn(
      defineProgram(
        `plan/${agent.replace(' ', '-')}`,
        async (sys, _: null) => knowledgeGraph({ space: 'damcs', agent }).plan(sys) as never,
      ),
      null,
    ).result as unknown as Promise<Plan>

  test('what was done is an experience under its goal; others hear what their own goals call for, one turn later', async () => {
    const { score, output } = await played(damcs, script, { params: stays, tools: [teamCheck(line)] })
    assert.equal(score, 1)
    assert.deepEqual(output.calls, { central: 0, local: 6, retried: 2 })
    const later = prompts.filter((prompt) => prompt.includes('Your last step'))
    const of = (name: string): string => later.find((prompt) => speaker(prompt) === name) as string
    assert.match(of('cell 2'), /Your last step: cell 2: push \{"box":2,"way":"left"\}; the team earned 0/)
    // A box concerns who pushes boxes, a lantern does not; where somebody is matters to nobody here.
    assert.match(
      of('cell 2'),
      /The others:\ncell 0 works on: push the first box \(open\); asks: leave the box of cell 1 to me\n/,
    )
    assert.match(of('cell 0'), /The others:\ncell 2 works on: push the first box \(open\)\n/)
    // In the first turn nobody hears anybody, also not who is asked twice.
    const first = prompts.filter((prompt) => /Here: box \d to cell 1, box/.test(prompt.slice(prompt.indexOf('Now:'))))
    assert.equal(first.length, 3)
    for (const prompt of first) assert.doesNotMatch(prompt, /The others:/)
    const { longTerm, goal, experiences } = await planOf('cell 0')
    assert.match(longTerm?.text ?? '', /^Push every box to the cell where it belongs\.$/)
    // The goal was done, so none is open.
    assert.deepEqual([goal, experiences], [undefined, []])
    const notes = kernel.spawn(
      defineProgram(
        'notes',
        async (sys, _: null) => (await sys.recall('first box', { tag: 'damcs:cell 0:goal' })) as never,
      ),
      null,
    )
    const [kept] = (await notes.result) as unknown as { text: string; data: { status: string; count: number } }[]
    assert.deepEqual([kept?.text, kept?.data.status, kept?.data.count], ['push the first box', 'done', 1])
  })

  test('whether a goal can be made: ready, or what is missing', () => {
    const recipes = { 'iron pickaxe': { wood: 1, iron: 2 }, table: { wood: 4 } }
    assert.equal(readiness(recipes, 'make an iron pickaxe', { wood: 1, iron: 2 }), 'iron pickaxe: ready')
    assert.equal(
      readiness(recipes, 'make an Iron Pickaxe and a table', { iron: 1, wood: 5 }),
      'iron pickaxe: missing 1 iron; table: ready',
    )
    assert.equal(readiness(recipes, 'table', {}), 'table: missing 4 wood')
    assert.equal(readiness(recipes, 'find a diamond', {}), 'not known')
  })
})
