/**
 * The programs of planning and search, run by the real kernel: in episodes of real worlds where they act, with a scripted model that
 * says what a model would.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { answering } from '../src/drivers/llm/answering.ts'
import { alphaUmi, callOf, joined, nextOf } from '../src/agents/alpha-umi.ts'
import { aries } from '../src/agents/aries.ts'
import { armap, type Planned } from '../src/agents/armap.ts'
import { actLoop, type Acted } from '../src/agents/pieces/acting.ts'
import { chainAct, nearestName, type ChainActed } from '../src/agents/chain-act.ts'
import { ghost, type Ghosted } from '../src/agents/ghost.ts'
import { goalAct, skillOf } from '../src/agents/goal-act.ts'
import { halo } from '../src/agents/halo.ts'
import { hierarchicalTaskDag } from '../src/agents/hierarchical-task-dag.ts'
import { master } from '../src/agents/master.ts'
import { multiBranch, type Branched } from '../src/agents/multi-branch.ts'
import { goFrom, placeHere, stay } from '../src/agents/places.ts'
import { planGen } from '../src/agents/plan-gen.ts'
import { poAct } from '../src/agents/po-act.ts'
import { refine } from '../src/agents/refine.ts'
import { reflexion, type Reflected } from '../src/agents/reflexion.ts'
import { rememberRoutine, routine } from '../src/agents/routine.ts'
import { markedSteps, needsTool, smart, toolOveruse } from '../src/agents/smart.ts'
import { toolChainStar, type ToolChained } from '../src/agents/tool-chain-star.ts'
import { treeSearch, type Searched } from '../src/agents/tree-search.ts'
import { realClock } from '../src/kernel/clock.ts'
import { boot, defineProgram, defineTool, type Json, type Kernel, type Program, type Tool } from '../src/index.ts'
import { craft } from '../src/environments/craft.ts'
import { spawnEpisode } from '../src/evaluation/episode.ts'
import { proposeTool, valueTool } from '../src/evaluation/value.ts'
import { worldOf } from '../src/evaluation/world.ts'

/** What the model of a test says to a prompt. */
type Says = (prompt: string, n: number) => string | object

let kernel: Kernel
/** The model of all tests; each sets what it says. */
let says: Says = () => ''
let prompts: string[] = []
before(async () => {
  const model = answering((prompt) => says(prompt, prompts.push(prompt)))
  kernel = await boot({ model, clock: realClock({ seed: 1 }) })
})
after(() => kernel.close())

const lookup = defineTool({
  name: 'lookup',
  description: 'Looks a word up.',
  effect: 'read',
  inputSchema: z.object({ word: z.string() }),
  execute: ({ word }) => (word === 'long' ? 'x'.repeat(1_000) : `${word} means ${word.toUpperCase()}`),
})

/** Runs a program with some tools; the model says this. */
async function run<Input, Output>(
  program: Program<Input, Output>,
  input: Input,
  script: Says,
  tools: readonly Tool[] = [lookup as Tool],
) {
  says = script
  prompts = []
  const holder = defineProgram<Json, Json>(
    `${program.name}-test`,
    async (sys, given) => sys.wait<Json>(await sys.spawn(program, given as Input)),
    { tools: [...tools, ...program.tools] },
  )
  return (await kernel.spawn(holder, input as Json).result) as Output
}

const world = worldOf(craft)
const TASK = { params: craft.task(7, 1), seed: 7 }

/** Plays a task of the craft world; what the one player returned, and how well the world says it went. */
async function play<Output>(
  program: Program<never, unknown>,
  input: { readonly [name: string]: Json },
  { script = () => '', task = TASK, tools = [] as readonly Tool[], tellScore = false } = {} as {
    script?: Says
    task?: typeof TASK
    tools?: readonly Tool[]
    tellScore?: boolean
  },
) {
  says = script
  prompts = []
  const run = await spawnEpisode(kernel, world, task, { program, input, search: true, tools, tellScore })
  const { score, players, steps } = await run.result
  const player = players['crafter']
  assert.ok(player !== undefined && 'output' in player, JSON.stringify(player))
  return { score, steps, output: player.output as Output }
}

/** The actions that could be tried in any state of a task. */
const others = (state: Json): { name: string; args: { [name: string]: Json } }[] => {
  const { recipes } = (state as unknown as { state: { task: typeof TASK.params } }).state.task
  const made = new Set(recipes.map(({ item }) => item))
  const things = new Set(recipes.flatMap(({ item, ingredients }) => [item, ...Object.keys(ingredients)]))
  const args = (item: string): { [name: string]: Json } => (made.has(item) ? { item } : { item, count: 3 })
  return [...things].map((item) => ({ name: made.has(item) ? 'craft' : 'get', args: args(item) }))
}
const guided = (blind = 0) => [valueTool(world, { sigma: 0.05 }), proposeTool(world, { others, blind })]

/** What an oracle would do, as a model that reads the prompt: the actions of a task in order, one after another. */
const wayOf = (task = TASK) => {
  const actions: { name: string; args: Json }[] = []
  let state = craft.start(task.params, () => 0)
  while (craft.toAct(state).length > 0) {
    const [action] = craft.oracle(state) as [{ agent: string; name: string; args: Json }]
    actions.push({ name: action.name, args: action.args })
    state = craft.step(state, [action as never], () => 0).state
  }
  return actions
}
/** The number of steps that a history in a prompt has. */
const stepsIn = (prompt: string): number => [...prompt.matchAll(/^Action \d+:/gm)].length

describe('places', () => {
  test('each action is taken once, and a place stays as it is whatever is done from it', async () => {
    const walk = defineProgram('walk', async (sys, { question }: { question: string }) => {
      const start = await placeHere(sys, { question })
      const [get] = wayOf()
      const [one] = await goFrom(sys, start, [get as never], { question })
      const [two, again] = await goFrom(sys, start, [get as never, get as never], { question })
      const back = await stay(sys, start)
      const there = await stay(sys, one!)
      return [
        two?.steps[0]?.told.text === again?.steps[0]?.told.text,
        back.text !== there.text,
        there.text === two?.steps[0]?.told.text,
      ]
    })
    const { output, steps } = await play<boolean[]>(walk as never, {})
    assert.deepEqual(output, [true, true, true])
    assert.equal(steps, 1)
  })

  test('a search outside an environment says what it needs', async () => {
    await assert.rejects(
      run(treeSearch, { question: 'x' }, () => ''),
      /search: true/,
    )
  })
})

describe('programs that search', () => {
  test('tree-search reaches the goal and takes as many steps as values', async () => {
    const { score, output } = await play<Searched>(treeSearch as never, { budget: 12 }, { tools: guided() })
    assert.equal(score, 1)
    assert.ok(output.done && output.valued <= 12 * output.commits)
    assert.ok(output.replayed >= output.valued)
  })

  test('a search that is lived again is the same run, and nothing happens again', async () => {
    says = () => ''
    const players = { program: treeSearch as never, input: { budget: 4, commitsMax: 2 }, search: true, tools: guided() }
    const search = await spawnEpisode(kernel, world, TASK, players)
    const pids: number[] = []
    for await (const event of search.events) if (event.type === 'process-start') pids.push(event.pid)
    // The episode, its player, and for each place a surveyor with its forks.
    assert.ok(pids.length > 10)
    const before = prompts.length
    for (const pid of pids) {
      const report = await kernel.replay(pid)
      assert.equal(report.same, true, `${pid}: ${JSON.stringify(report)}`)
    }
    assert.equal(prompts.length, before)
  })

  test('a search that is out of budget ends with what it has found', async () => {
    const way = wayOf()
    for (const [program, input] of [
      [treeSearch, { budget: 50, value: { by: 'model', samples: 1 }, propose: { by: 'model', samples: 1 } }],
      [armap, { rollouts: 1, horizon: 0, value: { by: 'model', samples: 1 }, propose: { by: 'model', samples: 1 } }],
      [multiBranch, { subtasks: 1, propose: { samples: 1 } }],
      [reflexion, { trials: 2 }],
    ] as const) {
      says = (prompt) => {
        if (prompt.includes('You judge how far')) return { status: 'failure', onTrack: true }
        if (prompt.includes('You judge how')) return { state: 'open' }
        return { action: way[stepsIn(prompt) % way.length] }
      }
      const players = { program: program as never, input: input as never, search: true }
      const run = await spawnEpisode(kernel, world, { params: craft.task(3, 3), seed: 3 }, players, {
        budget: { steps: 5 },
      })
      const { players: ended } = await run.result
      const output = (ended['crafter'] as { output?: { steps: unknown[] } }).output
      assert.ok(output !== undefined && output.steps.length > 0, `${program.name}: ${JSON.stringify(ended)}`)
    }
  })

  test('tree-search asks a model for values and proposals, and counts what it says', async () => {
    const way = wayOf()
    const { score, output } = await play<Searched>(
      treeSearch as never,
      { budget: 6, value: { samples: 2 }, propose: { samples: 3, branching: 2 } },
      {
        script(prompt) {
          const at = stepsIn(prompt)
          if (prompt.includes('You judge how far'))
            return { status: at >= way.length ? 'success' : 'failure', onTrack: true }
          return { action: way[at] ?? { name: 'finish', args: { answer: '' } } }
        },
      },
    )
    assert.equal(score, 1)
    assert.equal(output.value, 1)
    assert.equal(output.steps.length, way.length)
  })

  test('armap reaches the goal by rollouts, and by the best of several tries', async () => {
    for (const method of ['tree', 'best-of'] as const) {
      const { score, output } = await play<Planned>(
        armap as never,
        { method, rollouts: 6, horizon: 4, samples: 6, stepsMax: 8 },
        { tools: guided() },
      )
      assert.equal(score, 1, method)
      assert.ok(output.done && output.tried >= output.steps.length)
    }
  })

  test('tool-chain-star reaches the goal by what is likely, and remembers its plan for the next task', async () => {
    const way = wayOf()
    const script: Says = (prompt, n) => {
      const at = stepsIn(prompt)
      if (prompt.includes('calls that are still needed')) return { calls: way.slice(at).map(({ name }) => name) }
      return { action: n % 3 === 0 ? { name: 'get', args: { item: 'moonlight', count: 1 } } : (way[at] ?? way.at(-1)) }
    }
    const input = { propose: { by: 'model', samples: 3 } } as never
    const first = await play<ToolChained>(toolChainStar as never, input, { script, tellScore: true })
    assert.deepEqual([first.score, first.output.done], [1, true])
    const second = await play<ToolChained>(toolChainStar as never, input, { script, tellScore: true })
    assert.equal(second.score, 1)
    assert.ok(second.output.cost < first.output.cost, 'what worked before costs less')
    assert.ok(second.output.expansions <= first.output.expansions)
  })

  test('multi-branch goes back from what is lost', async () => {
    const { score, output } = await play<Branched>(
      multiBranch as never,
      { subtasks: 1, judge: 'value', lostBelow: 0.5, stepsMax: 60, branching: 4 },
      { tools: guided(), task: { params: craft.task(11, 1), seed: 11 } },
    )
    assert.equal(score, 1)
    assert.ok(output.tried >= output.steps.length)
  })

  test('multi-branch follows a planner and a judge, in order', async () => {
    const way = wayOf()
    const { score, output } = await play<Branched>(
      multiBranch as never,
      { subtasks: 2, branching: 2 },
      {
        script(prompt) {
          if (prompt.includes('Split the task')) return { subtasks: ['gather', 'make'] }
          if (prompt.includes('You judge how')) return { state: stepsIn(prompt) === 1 ? 'done' : 'open' }
          return { action: way[stepsIn(prompt)] ?? way.at(-1) }
        },
      },
    )
    assert.equal(score, 1)
    assert.deepEqual(output.subtasks, ['gather', 'make'])
    assert.ok(
      prompts.some((prompt) => prompt.includes('Now: gather')) &&
        prompts.some((prompt) => prompt.includes('Now: make')),
    )
  })

  test('master in an episode: agents act in forks, and the right end is committed', async () => {
    const way = wayOf()
    const { score } = await play<Json>(
      master as never,
      { expansionsMax: 10, branching: 2 },
      {
        tellScore: true,
        script(prompt) {
          if (prompt.includes('Check the facts')) return { reward: 0.2 + 0.1 * stepsIn(prompt), confidence: 5 }
          const isFirst = prompt.includes('way number 1')
          return { thought: 't', action: isFirst ? way[stepsIn(prompt)] : { name: 'inventory', args: {} } }
        },
      },
    )
    assert.equal(score, 1)
  })

  test('master on a question: a wrong answer is refused by vote, another is found', async () => {
    const found = await run(master, { question: '6 × 7?', expansionsMax: 5 }, (prompt) => {
      if (prompt.includes('Check the facts')) return { reward: prompt.includes('41') ? 0.9 : 0.5, confidence: 5 }
      if (prompt.includes('Judge whether')) return { right: prompt.includes('Answer: 42') }
      return prompt.includes('way number 1') ? { step: '41', answer: '41' } : { step: '42', answer: '42' }
    })
    assert.deepEqual([found.answer, found.accepted, found.evaluations], ['42', true, 2])
  })
})

describe('programs that act', () => {
  test('the loop ends for each of its reasons', async () => {
    const ends = async (decide: Parameters<typeof actLoop>[1], stepsMax = 5) => {
      const program = defineProgram('looping', async (sys) => actLoop(sys, decide, { stepsMax, repeatsMax: 2 }))
      return (await run(program, null, () => '')) as Acted
    }
    const look = (word: string) => ({ action: { name: 'lookup', args: { word } } })
    assert.equal((await ends(async () => ({ answer: 'x' }))).why, 'answer')
    assert.equal((await ends(async () => ({ answer: null }))).why, 'gave up')
    assert.equal((await ends(async () => look('a'))).why, 'repeats')
    assert.equal((await ends(async (steps) => look(`w${steps.length}`))).why, 'steps')
    const wrong = await ends(async (steps) => (steps.length > 0 ? { answer: 'x' } : { action: { name: 'nothing' } }))
    assert.match(wrong.steps[0]?.told.error?.code ?? '', /NO_SUCH_TOOL|DENIED/)
  })

  test('reflexion starts each trial afresh, shows the last three reflections, and stops when it is done', async () => {
    const way = wayOf()
    const { score, output, steps } = await play<Reflected>(
      reflexion as never,
      { trials: 7, stepsMax: way.length },
      {
        tellScore: true,
        script(prompt) {
          if (prompt.includes('Say in a few sentences what went wrong'))
            return `lesson ${[...prompt.matchAll(/Trial \d/g)].length}`
          const lessons = [...prompt.matchAll(/^- lesson/gm)].length
          assert.ok(lessons <= 3)
          const isEnough = prompt.split('- lesson 3').length > 2
          return {
            action: isEnough ? way[stepsIn(prompt)] : { name: 'get', args: { item: `no${stepsIn(prompt)}`, count: 1 } },
          }
        },
      },
    )
    assert.equal(score, 1)
    assert.equal(steps, way.length, 'the world is that of the trial that succeeded')
    assert.deepEqual(
      output.scores.map((one) => one === 1),
      [false, false, false, false, false, true],
    )
    assert.deepEqual(output.reflections, ['lesson 0', 'lesson 1', 'lesson 2', 'lesson 3', 'lesson 3'])
  })

  test('goal-act plans anew before every step and carries out the head of the plan', async () => {
    const way = wayOf()
    const { score, output } = await play<{ plans: string[][]; steps: unknown[] }>(
      goalAct as never,
      {},
      {
        script(prompt) {
          const left = way.slice(stepsIn(prompt))
          if (prompt.includes('plan globally'))
            return { plan: left.map(({ name }) => ({ thought: 't', skill: 'search', action: `do ${name}` })) }
          return { action: left[0] }
        },
      },
    )
    assert.equal(score, 1)
    assert.deepEqual(
      output.plans.map((plan) => plan.length),
      way.map((_, i) => way.length - i),
    )
    assert.equal(skillOf({ skill: 'search', action: 'count the rows' }, true), 'code')
    assert.equal(skillOf({ skill: 'search', action: 'find the row' }, true), 'search')
    assert.equal(skillOf({ skill: 'code', action: 'x' }, false), 'search')
  })

  test('goal-act refuses an action that was taken before, once', async () => {
    const found = await run(goalAct, { question: 'q', stepsMax: 3 }, (prompt) => {
      if (prompt.includes('plan globally'))
        return { plan: [{ skill: stepsIn(prompt) < 2 ? 'search' : 'finish', action: 'look' }] }
      if (prompt.includes('Turn the step'))
        return { action: { name: 'lookup', args: { word: prompt.includes('done before') ? 'b' : 'a' } } }
      return 'B'
    })
    assert.deepEqual(
      found.steps.map(({ action }) => action.args),
      [{ word: 'a' }, { word: 'b' }],
    )
    assert.equal(found.answer, 'B')
  })

  test('po-act shows the nearest tools, and takes back what the reviewer sends back', async () => {
    const way = wayOf()
    const { score, output } = await play<Acted & { policies: string }>(
      poAct as never,
      { actionsShown: 1, stepsMax: 12 },
      {
        script(prompt) {
          if (prompt.includes('Write a short plan')) return '1. make it'
          if (prompt.includes('what the next sub-goal is'))
            return way[stepsIn(prompt)]?.name === 'craft' ? 'Follow the recipe' : 'Take pieces of something'
          if (prompt.includes('run into trouble')) return { verdict: 'back', why: 'errors' }
          if (!prompt.includes('was undone'))
            return { action: { name: 'get', args: { item: `no${stepsIn(prompt)}`, count: 1 } } }
          assert.equal(prompt.includes('- craft:') && prompt.includes('- get:'), false, 'one tool is shown')
          return { action: way[stepsIn(prompt)] }
        },
      },
    )
    assert.equal(score, 1)
    assert.match(output.policies, /^prp(ta)+$/, 'went back once, and planned anew')
    assert.ok(
      output.steps.every(({ told }) => told.error === undefined),
      'what failed was taken back',
    )
  })

  test('alpha-umi goes from planner to caller to summarizer, and calls no tool that there is not', async () => {
    const found = await run(alphaUmi, { question: 'What does polis mean?' }, (prompt) => {
      if (prompt.includes('You write the answer')) return 'POLIS'
      if (prompt.includes('You make one tool call'))
        return stepsIn(prompt) === 0
          ? 'Action: dream\nAction Input: {}'
          : 'Action: lookup\nAction Input: {"word": "polis"}'
      return stepsIn(prompt) < 2 ? 'I look. Next: caller.' : 'It is known. Next: conclusion.'
    })
    assert.equal(found.answer, 'POLIS')
    assert.deepEqual(
      found.steps.map(({ told }) => told.error?.code),
      ['NO_SUCH_TOOL', undefined],
    )
    assert.equal(prompts.length, 2 * 2 + 2)
    assert.equal(nextOf('Next: caller. No. Next: give up.'), 'give up')
    const action = { name: 'a', args: { x: 1 } }
    assert.deepEqual(callOf(joined('why', action)), action)
    assert.equal(callOf('Action: a\nAction Input: {x}'), undefined)
    assert.deepEqual(callOf('Action: a\nAction Input: nothing'), { name: 'a', args: {} })
    // Some worlds have an action of that name.
    const none = { ...lookup, name: 'none' } as unknown as Tool
    const lost = await run(alphaUmi, { question: 'q', stepsMax: 1 }, () => 'no call', [none])
    assert.deepEqual([lost.steps[0]?.action.name, lost.steps[0]?.told.error?.code], ['none', 'NO_SUCH_TOOL'])
  })

  test('smart calls a tool where the model marks one and the gate finds it worth it', async () => {
    const script: Says = (prompt) => {
      if (prompt.includes('How likely'))
        return prompt.includes('"polis"') ? { without: 0.2, with: 0.9 } : { without: 0.9, with: 0.95 }
      if (!prompt.includes('[[Result]]'))
        return '[[Reasoning]] I know that. [[Tool]] {"name": "lookup", "args": {"word": "plain"}}'
      if (!prompt.includes('POLIS')) return '[[Tool]] {"name": "lookup", "args": {"word": "polis"}} [[Answer]] guessed'
      return '[[Answer]] POLIS'
    }
    const found = await run(smart, { question: 'q', gate: { cost: 0.1 } }, script)
    assert.deepEqual([found.answer, found.toolCalls, found.spared], ['POLIS', 1, 1])
    assert.equal((await run(smart, { question: 'q' }, script)).toolCalls, 2)
    assert.deepEqual(
      markedSteps('a [[Code]] b [[Answer]] c').map(({ mark }) => mark),
      ['Tool', 'Answer'],
    )
    assert.equal(needsTool({ with: 0.9, without: 0.7 }, 0.1), true)
    assert.equal(toolOveruse([true, false, false, true]), 0.5)
  })

  test('routine follows its steps, passes variables whole, and takes the branch that the model says', async () => {
    const text = [
      'Step 1 [normal]: look | look the word up | tool: lookup',
      'Step 2 [branch]: long | is it long',
      '- if it is long go to step 3',
      '- else go to step 4',
      'Step 3 [normal]: again | look up what came back | tool: lookup',
      'Step 4 [finish]: end | answer',
    ].join('\n')
    const keeper = defineProgram('keeper', async (sys) => rememberRoutine(sys, 'requests about words', text))
    await run(keeper, null, () => '')
    const found = await run(routine, { question: 'a request about words' }, (prompt) => {
      if (prompt.includes('which branches')) return { way: 1 }
      if (prompt.includes('last step')) return 'It is $VAR_1.'
      assert.ok(!prompt.includes('x'.repeat(400)), 'a long output is not shown')
      return { args: { word: prompt.includes('Step 1 (look)') ? '$VAR_1' : 'long' } }
    })
    assert.deepEqual(found.followed, [1, 2, 3, 4])
    assert.deepEqual(found.steps[1]?.action.args, { word: 'x'.repeat(1_000) })
    assert.equal(found.answer, `It is ${'x'.repeat(1_000)}.`)
    await assert.rejects(
      run(routine, { question: 'q', routine: 'Step 1 [normal]: a | b' }, () => ''),
      /no step that finishes/,
    )
  })

  test('chain-act asks once for every few steps, keeps the order, and tells what failed', async () => {
    const way = wayOf({ params: craft.task(3, 2), seed: 3 })
    const { score, output } = await play<ChainActed>(
      chainAct as never,
      { frames: 3, window: 3 },
      {
        task: { params: craft.task(3, 2), seed: 3 },
        script(prompt) {
          const done =
            [
              ...prompts
                .slice(0, -1)
                .join('')
                .matchAll(/: done$/gm),
            ].length + [...prompt.matchAll(/: done$/gm)].length
          // The first decision has an action that cannot be done, and a name that is only nearly one.
          if (prompts.length === 1) return { situation: 's', actions: [{ name: 'craft', args: { item: 'moonlight' } }] }
          if (prompts.length === 2) assert.match(prompt, /craft .*moonlight.*failed/)
          const next = way.slice(done, done + 3)
          return { situation: 's', actions: next.map((one) => ({ ...one, name: `${one.name}s` })) }
        },
      },
    )
    assert.equal(score, 1)
    assert.equal(output.calls, 1 + Math.ceil(way.length / 3))
    assert.deepEqual(
      output.steps.slice(1).map(({ action }) => action),
      way,
    )
    assert.equal(nearestName('collect wood', ['craft', 'collect', 'wait']), 'collect')
  })

  test('chain-act never waits for a model where doing nothing is an action', async () => {
    const wait = defineTool({
      name: 'wait',
      description: 'Waits.',
      effect: 'read',
      inputSchema: z.object({}),
      execute: () => 'time passes',
    })
    const found = await run(
      chainAct,
      { question: 'q', frames: 5, idle: 'wait', stepsMax: 12 },
      () => ({ situation: 's', actions: [{ name: 'lookup', args: { word: 'a' } }] }),
      [lookup as Tool, wait as Tool],
    )
    assert.equal(found.calls, Math.ceil(12 / 5))
    assert.deepEqual(found.steps.map(({ action }) => action.name).slice(0, 6), [
      'lookup',
      'wait',
      'wait',
      'wait',
      'wait',
      'lookup',
    ])
  })

  test('ghost makes what its tree says without a model, or plans with one, again after a failure', async () => {
    const ruled = await play<Ghosted>(ghost as never, { actions: { gather: 'get', make: 'craft' } })
    assert.deepEqual([ruled.score, prompts.length, ruled.steps], [1, 0, wayOf().length])
    const planned = await play<Ghosted>(
      ghost as never,
      { plansKept: 2 },
      {
        task: { params: craft.task(3, 3), seed: 3 },
        script(prompt) {
          if (prompt.includes('all worked')) return prompt.includes('gather') ? 'how to gather' : 'how to make'
          const [, what, count, item] = /Sub-goal: (gather|make) (?:(\d+) )?(.+?)(?: of .*)?$/m.exec(prompt) ?? []
          if (what === 'make' && !prompt.includes('Last time'))
            return { actions: [{ name: 'craft', args: { item: 'moonlight' } }] }
          return {
            actions: [
              what === 'gather'
                ? { name: 'get', args: { item, count: Number(count) } }
                : { name: 'craft', args: { item } },
            ],
          }
        },
      },
    )
    assert.equal(planned.score, 1)
    assert.ok(planned.output.replans >= 1)
    const shown = prompts.flatMap((prompt) => {
      const [, what] = /Sub-goal: (gather|make)/.exec(prompt) ?? []
      const [, like] = /How it was done before:\nhow to (\w+)/.exec(prompt) ?? []
      return what === undefined || like === undefined ? [] : [[like, what]]
    })
    assert.ok(shown.length > 0, 'a reference plan is shown')
    assert.ok(
      shown.every(([like, what]) => like === what),
      `only that of its kind: ${shown.join('; ')}`,
    )
  })
})

describe('programs that plan', () => {
  test('plan-gen takes what the verifier finds good enough, with its words in view', async () => {
    const found = await run(planGen, { question: 'meet at ten', method: 'mixture' }, (prompt) => {
      if (prompt.includes('List every constraint')) return { constraints: ['at ten'] }
      if (prompt.includes('how suited')) return { 'best-of-n': 1, 'tree-of-thought': 0, rebase: 0 }
      if (prompt.includes('Hold the plan'))
        return { score: prompt.includes('Plan:\nat ten') ? 100 : -50, feedback: 'not at ten' }
      return prompt.includes('What was wrong with it: not at ten') ? 'at ten' : 'at nine'
    })
    assert.deepEqual([found.plan, found.score, found.constraints], ['at ten', 100, ['at ten']])
    assert.ok(found.methods.length <= 5)
  })

  test('plan-gen grows plans step by step', async () => {
    for (const method of ['tree-of-thought', 'rebase'] as const) {
      const found = await run(planGen, { question: 'abc', method, rounds: 1, width: 4 }, (prompt, n) => {
        if (prompt.includes('List every constraint')) return { constraints: [] }
        if (prompt.includes('Hold the plan')) {
          const plan = prompt.split('Plan:\n').at(-1)?.trim() ?? ''
          const right = ['a', 'b', 'c'].findIndex((letter, i) => plan.split('\n')[i] !== letter)
          return { score: right < 0 ? 100 : -100 + 60 * right, feedback: '' }
        }
        const plan = prompt.split('The plan so far:\n').at(-1)?.trim() ?? ''
        const lines = plan === 'nothing' ? 0 : plan.split('\n').length
        return lines >= 3 ? 'END' : n % 2 === 0 ? (['a', 'b', 'c'][lines] as string) : 'z'
      })
      assert.equal(found.plan, 'a\nb\nc', method)
    }
  })

  test('plan-gen gives a plan of nothing the least score, however it was made', async () => {
    for (const method of ['tree-of-thought', 'rebase'] as const) {
      const found = await run(planGen, { question: 'abc', method, rounds: 2, width: 2 }, (prompt) =>
        prompt.includes('List every constraint') ? { constraints: [] } : 'END',
      )
      assert.deepEqual([found.plan, found.score, found.methods], ['', -100, [method, method]])
    }
  })

  test('hierarchical-task-dag splits, runs, splits again what is too large, and plans anew what failed', async () => {
    let refused = 0
    const found = await run(hierarchicalTaskDag, { question: 'both words', stepsMax: 3 }, (prompt) => {
      if (prompt.includes('Some tasks of a plan failed')) return { tasks: [{ id: 'c', goal: 'word c', after: ['a'] }] }
      if (prompt.includes('You plan a task')) {
        if (prompt.includes('too large'))
          return {
            tasks: [
              { id: 'x', goal: 'word x', after: [] },
              { id: 'y', goal: 'word y', after: ['x'] },
            ],
          }
        return {
          tasks: prompt.includes('Task: both')
            ? [
                { id: 'a', goal: 'large a', after: [] },
                { id: 'b', goal: 'word b', after: [] },
              ]
            : [],
        }
      }
      if (prompt.includes('Does the result')) return { ok: !prompt.includes('word b') || ++refused > 1, why: 'wrong' }
      if (prompt.includes('Answer the goal'))
        return [...prompt.matchAll(/\[(\w+)\] (\S+)/g)].map(([, , word]) => word).join('')
      return prompt.includes('large a') && !/Task: word/.test(prompt)
        ? 'SPLIT'
        : (/Task: word (\w)/.exec(prompt)?.[1] ?? '?')
    })
    assert.equal(found.answer, 'xyc')
    assert.deepEqual(
      found.tasks.map(({ path, status }) => `${path} ${status}`),
      ['root done', 'root/a done', 'root/a/x done', 'root/a/y done', 'root/c done'],
    )
  })

  test('aries lets a policy steer: split, solve, join, and refuses what is not legal', async () => {
    const moves = [
      { do: 'decompose', nodes: [0] },
      { do: 'solve', nodes: [1] },
      { do: 'solve', nodes: [2] },
      { do: 'aggregate', nodes: [1, 2] },
    ]
    const sort = (text: string) =>
      (text.match(/\d+/g) ?? [])
        .map(Number)
        .toSorted((a, b) => a - b)
        .join(' ')
    const found = await run(aries, { question: '4 1 3 2', ensemble: 3 }, (prompt) => {
      const thought = [...prompt.matchAll(/^Thought \d+: (.*)$/gm)].map(([, text]) => text).join(' ')
      if (prompt.includes('You steer')) {
        const done = (/Moves so far: (.*)/.exec(prompt)?.[1] ?? '')
          .split(';')
          .filter((one) => !one.includes('none')).length
        // One policy of three always wants what is not legal.
        return prompts.length % 3 === 0 ? { do: 'refine', nodes: [0] } : (moves[done] as object)
      }
      if (prompt.includes('Split the thought')) return { parts: ['4 1', '3 2'] }
      return { content: sort(thought), score: 1 }
    })
    assert.equal(found.answer, '1 2 3 4')
    assert.deepEqual(
      found.moves.map((move) => move.do),
      ['decompose', 'solve', 'solve', 'aggregate'],
    )
    assert.ok(found.refused >= 1)
  })

  test('aries tells who betters a solution of the whole what the problem is', async () => {
    const found = await run(aries, { question: 'Which way?', ensemble: 1 }, (prompt) => {
      if (prompt.includes('You steer')) return { do: prompt.includes('0 [open') ? 'solve' : 'refine', nodes: [0] }
      if (!prompt.includes('Problem: Which way?')) return { content: 'what was asked?', score: 1 }
      return prompt.includes('Thought 0: north') ? { content: 'west', score: 1 } : { content: 'north', score: 0.5 }
    })
    assert.equal(found.answer, 'west')
  })

  test('halo ends by a judge, by equal answers, and by its bounds where the judge never decides', async () => {
    const script =
      (verdict: string): Says =>
      (prompt) => {
        if (prompt.includes('"text"')) return 'no JSON'
        if (prompt.includes('Say the next subtask')) return { subtask: 'add' }
        if (prompt.includes('Invent the roles'))
          return {
            roles: [
              { name: 'adder', prompt: 'You add.' },
              { name: 'checker', prompt: 'You check.' },
            ],
          }
        if (prompt.includes('Say how the subtask')) return { verdict, score: 0.5 }
        return '5'
      }
    const agreed = await run(halo, { question: '2 + 3' }, script('success'))
    assert.deepEqual([agreed.answer, agreed.subtasks.length], ['5', 2])
    const endless = await run(
      halo,
      { question: '2 + 3', attempts: 2, subtasksMax: 1, refine: false },
      script('continue'),
    )
    assert.equal(endless.subtasks[0]?.success, false)
    // Five expansions of two roles, and after each two ways of at most five more.
    assert.ok(endless.spoken <= 5 * (2 + 2 * 5), `${endless.spoken}`)
  })

  test('refine betters a plan until the tool that checks it is content', async () => {
    const check = defineTool({
      name: 'check',
      description: 'Checks a plan.',
      effect: 'read',
      inputSchema: z.object({ plan: z.string() }),
      execute: ({ plan }) => {
        const feedback = ['a', 'b', 'c']
          .filter((letter) => !plan.includes(letter))
          .map((letter) => `${letter} is missing`)
        return { ok: feedback.length === 0, feedback }
      },
    })
    const found = await run(
      refine,
      { question: 'abc', checker: 'check' },
      (prompt) => (/Plan:\n(\w*)/.exec(prompt)?.[1] ?? '') + (/- (\w) is missing/.exec(prompt)?.[1] ?? ''),
      [check as Tool],
    )
    assert.deepEqual([found.plan, found.ok, found.plans], ['abc', true, 4])
  })
})
