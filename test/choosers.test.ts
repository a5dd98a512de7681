/**
 * Choosers, and teams that write and run code: their pure pieces, and the programs in the real kernel with a scripted model. Code runs in the
 * real sandbox.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { agentCoder } from '../src/agents/agent-coder.ts'
import { agentCourt } from '../src/agents/agent-court.ts'
import { agentStore } from '../src/agents/agent-store.ts'
import { enroll, tokensFor, tokensOf } from '../src/agents/pieces/agent-tokens.ts'
import { agentless, selectPatch } from '../src/agents/agentless.ts'
import { bandit, type BanditStep } from '../src/agents/bandit.ts'
import { codeCor } from '../src/agents/code-cor.ts'
import { selectCandidate } from '../src/agents/pieces/code-trials.ts'
import { composer } from '../src/agents/composer.ts'
import { iAgents, type PersonProgram } from '../src/agents/i-agents.ts'
import { assignmentsOf, bestAssignment, trainAssignment } from '../src/agents/pieces/joint-assignment.ts'
import { chanceOf, fitLogistic } from '../src/agents/pieces/logistic.ts'
import { m3, graphOf, type AssignedTask } from '../src/agents/m3.ts'
import { askedDensity, competitiveShare, openKnapsack } from '../src/agents/pieces/online-knapsack.ts'
import { applied, blocksIn, normalised } from '../src/agents/pieces/patch-text.ts'
import { byNeighbours, byRegression, chooseRoute } from '../src/agents/pieces/route-estimates.ts'
import { routing, type RoutingInput } from '../src/agents/routing.ts'
import { answering, type Says } from '../src/drivers/llm/answering.ts'
import { regrets } from '../bench/experiments/c8-choosers.ts'
import { planted } from '../bench/experiments/c10.ts'
import { c11 } from '../bench/experiments/c11.ts'
import { c12 } from '../bench/experiments/c12.ts'
import { boot, defineProgram, type Json, type Kernel, type Tool } from '../src/index.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { defineTool } from '../src/kernel/tools.ts'
import { z } from 'zod'

let kernel: Kernel
let says: Says = () => ''
let prompts: string[] = []
const judge = defineTool({
  name: 'backtest',
  description: 'Measures a candidate.',
  effect: 'read',
  inputSchema: z.object({ candidate: z.number() }),
  execute: ({ candidate }) => ({ metrics: [candidate] }),
}) as Tool
before(async () => {
  const model = answering((prompt) => (prompts.push(prompt), says(prompt)))
  kernel = await boot({ model, embedder: 'hashing' })
})
after(() => kernel.close())

/** Runs what needs tools, in a process that holds them. */
function holding<Input, Output>(program: { name: string; tools: readonly Tool[] }, tools: readonly Tool[]) {
  return async (input: Input): Promise<Output> => {
    const holder = defineProgram<Json, Json>(
      `${program.name}-test`,
      async (sys, given) => sys.wait<Json>(await sys.spawn(program as never, given as never)),
      { tools: [...tools, ...program.tools] },
    )
    return (await kernel.spawn(holder, input as Json).result) as Output
  }
}
const script = (next: Says): void => {
  says = next
  prompts = []
}
const saying = (name: string, said: Json = name) => ({
  name,
  description: `Knows ${name}.`,
  program: defineProgram<Json, Json>(`says-${name}`, async () => said),
})

describe('the online knapsack', () => {
  test('never spends above the budget, and keeps the share of the best that theory promises for small things', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 20, noNaN: true }), { minLength: 1, maxLength: 300, size: 'max' }),
        (densities) => {
          const bounds = { lower: 1, upper: 20 }
          const sack = openKnapsack({ budget: 1_000, ...bounds })
          let value = 0
          for (const density of densities) for (let i = 0; i < 20; i++) if (sack.offer(density, 1)) value += density
          const best = densities
            .flatMap((density) => Array.from({ length: 20 }, () => density))
            .toSorted((a, b) => b - a)
            .slice(0, 1_000)
            .reduce((sum, density) => sum + density, 0)
          assert.ok(sack.spent <= 1_000)
          assert.ok(value >= best * competitiveShare(bounds) * 0.99, `${value} of ${best}`)
        },
      ),
      { numRuns: 30 },
    )
    assert.equal(askedDensity(1, { lower: 1, upper: 20 }), 20)
    assert.throws(() => openKnapsack({ budget: 0, lower: 1, upper: 2 }), { code: 'INVALID_ARGUMENT' })
  })

  test('composer buys what was tried and helps, once, and never what broke', async () => {
    const broken = defineProgram<Json, Json>('broken', async () => {
      throw new Error('no')
    })
    const program = composer({
      inventory: [
        {
          name: 'liar',
          description: 'maps maps maps',
          cost: 1,
          program: defineProgram<Json, Json>('liar', async () => 'who knows'),
        },
        { name: 'broken', description: 'maps', cost: 1, program: broken },
        { ...saying('atlas', 'solved'), description: 'maps and rivers', cost: 2 },
      ],
    })
    script((prompt) =>
      prompt.includes('Judge')
        ? { helpful: prompt.includes('solved') }
        : {
            skills: [
              { name: 'maps', weight: 2, queries: ['Where?'] },
              { name: 'rivers', weight: 1, queries: ['Which?'] },
            ],
          },
    )
    const found = await kernel.spawn(program, { task: 'Go.', budget: 8 }).result
    assert.deepEqual(found.chosen, ['atlas'])
    assert.deepEqual([found.spent, found.covered, found.missing], [2, ['maps'], ['rivers']])
  })
})

describe('the bandit of R&D-Agent(Q)', () => {
  test('its posterior is the ridge regression; the released update is not', () => {
    assert.ok(regrets(1, [200], 'posterior').off < 1e-12)
    assert.ok(regrets(1, [200], 'as published').off > 0.01)
  })

  test('keeps a candidate only when it is better, and goes on after a failure', async () => {
    const given: BanditStep[] = []
    const better = defineProgram<BanditStep, Json>('better', async (_, step) => {
      given.push(step)
      if (given.length === 2) throw new Error('does not compile')
      return given.length === 3 ? 1 : given.length
    })
    const lab = bandit({ arms: [{ name: 'factor', program: better }], judge: 'backtest', weights: [1] })
    const found = await holding<object, { best: number; value: number; pulls: string[] }>(lab, [judge])({
      task: 't',
      steps: 4,
    })
    assert.deepEqual([found.best, found.value, found.pulls.length], [4, 4, 4])
    assert.match(given[2]?.feedback.join() ?? '', /failed: .*does not compile/)
    assert.match(given[3]?.feedback.join() ?? '', /no better, dropped/)
  })

  test('a step whose arguments are refused is a failed step; a judge that is not there, or measures wrongly, is an error', async () => {
    const strange = defineProgram<BanditStep, Json>('strange', async (_, { feedback }) =>
      feedback.length === 0 ? 'no number' : 7,
    )
    const arms = [{ name: 'factor', program: strange }]
    const lab = bandit({ arms, judge: 'backtest', weights: [1] })
    const found = await holding<object, { best: number; pulls: string[] }>(lab, [judge])({ task: 't', steps: 2 })
    assert.deepEqual([found.best, found.pulls.length], [7, 2])
    await assert.rejects(holding(lab, [])({ task: 't', steps: 2 }), {
      code: 'INVALID_ARGUMENT',
      message: /no tool "backtest"/,
    })
    const two = bandit({ arms, judge: 'backtest', weights: [1, 1] })
    await assert.rejects(holding(two, [judge])({ task: 't', steps: 2 }), {
      code: 'TOOL_INVALID',
      message: /with 2 numbers/,
    })
  })
})

describe('agent tokens', () => {
  test('who joins changes no row of others', () => {
    const tokens = tokensOf({ a: [[1, 0, 0]], b: [[0, 1, 0]] })
    const rows = structuredClone(tokens.rows)
    enroll(tokens, 'c', [[0, 0, 1]])
    assert.deepEqual({ a: tokens.rows['a'], b: tokens.rows['b'] }, rows)
    assert.deepEqual(tokensFor(tokens, [0, 0.1, 1], 2), ['c', 'b'])
    const { first, five, kept } = planted(1, 1)
    assert.ok(first > 0.15 && five > first && kept, JSON.stringify({ first, five }))
  })

  test('the manager reads k documents, plans, and each step is told of those before; a plan with a stranger falls back', async () => {
    const heard: Json[] = []
    const echo = (name: string) =>
      defineProgram<Json, Json>(`store/${name}`, async (sys, task) => {
        heard.push(task)
        await sys.generate({ prompt: 'Do it.' })
        return `${name} done`
      })
    const store = agentStore({
      agents: [
        {
          name: 'mail',
          description: 'Reads and writes letters.',
          demos: ['Write a letter to Ann.', 'Read my letters.'],
          program: echo('mail'),
        },
        {
          name: 'music',
          description: 'Plays songs.',
          demos: ['Play a song.', 'Play the piano.'],
          program: echo('music'),
        },
        {
          name: 'tax',
          description: 'Reckons taxes.',
          demos: ['Reckon my tax.', 'How much tax is due?'],
          program: echo('tax'),
        },
      ],
    })
    script((prompt) =>
      prompt.includes('several agents')
        ? { several: true }
        : {
            plan: [
              { agent: 'mail', task: 'read' },
              { agent: 'music', task: 'play' },
            ],
          },
    )
    const both = await kernel.spawn(store, { task: 'Read my letters and play a song.', k: 2 }).result
    assert.deepEqual([both.mode, both.answer, both.why], ['manager', 'music done', 'done'])
    // Beside demos and task as vectors, and the plan. Where the budget holds the first agent only, its answer is not taken for that of all.
    const input = { task: 'Read my letters and play a song.', mode: 'manager', k: 2 } as const
    const ends: Json[] = []
    for (const steps of [2, 3, 4]) {
      const { why, answer } = await kernel.spawn(store, input, { budget: { steps } }).result
      ends.push([why, answer])
    }
    assert.deepEqual(ends, [
      ['budget', null],
      ['budget', 'mail done'],
      ['done', 'music done'],
    ])
    assert.match(String(heard[1]), /mail did "read": "mail done"/)
    assert.ok(!prompts.join().includes('Reckons taxes'))
    says = () => ({ plan: [{ agent: 'nobody', task: 'x' }] })
    const alone = await kernel.spawn(store, { task: 'How much tax do I owe?', mode: 'manager' }).result
    assert.deepEqual([alone.mode, alone.answer], ['router', 'tax done'])
  })
})

describe('M3', () => {
  test('learns the joint choice; without the edges it loses what lies in them', () => {
    const graph = {
      candidates: [
        ['a', 'b'],
        ['a', 'b'],
      ],
      edges: [[0, 1]] as const,
    }
    // Only equal ones get on: nothing can be said of a task alone.
    const samples = Array.from({ length: 20 }, (_, i) => ({
      query: [i % 2],
      worked: assignmentsOf(graph).map(([x, y]) => x === y),
    }))
    const chosen = bestAssignment(trainAssignment(graph, samples), graph, [1])
    assert.equal(chosen[0], chosen[1])
    const blind = trainAssignment(graph, samples, { withEdges: false })
    assert.ok(Object.keys(blind.pairs).length === 0)
  })

  test('carries the tasks out by the graph, with what came before', async () => {
    const sum = defineProgram<Json, Json>('m3/sum', async (_, task) =>
      (task as { inputs: number[] }).inputs.reduce((a, b) => a + b, 0),
    )
    const tasks: AssignedTask[] = [
      { goal: 'one', after: [], candidates: [saying('two', 2), saying('three', 3)] },
      { goal: 'other', after: [], candidates: [saying('four', 4)] },
      { goal: 'sum', after: [0, 1], candidates: [{ name: 'sum', program: sum }] },
    ]
    assert.deepEqual(graphOf(tasks).edges, [
      [0, 2],
      [1, 2],
    ])
    const found = await kernel.spawn(m3({ tasks, scorer: { rows: {}, pairs: { '0:three>2:sum': 1 } } }), {
      question: 'How many?',
    }).result
    assert.deepEqual([found.chosen, found.answer], [['three', 'four', 'sum'], 7])
  })
})

describe('routing', () => {
  const candidates = [
    { name: 'large', cost: 29, instructions: 'LARGE', description: 'knows much' },
    { name: 'small', cost: 1, instructions: 'SMALL', description: 'is quick' },
  ]
  const route = (input: Partial<RoutingInput>) =>
    kernel.spawn(routing, { question: 'What is the tax?', candidates, ...input }).result

  test('with perfect estimates the best route, with equal ones the cheapest, within the budget always', () => {
    const of = (quality: number[], rules = {}) =>
      chooseRoute(
        candidates.map((one, i) => ({ ...one, quality: quality[i] as number, uncertainty: 0 })),
        rules,
      )?.name
    assert.equal(of([0.9, 0.5]), 'large')
    assert.equal(of([0.5, 0.5]), 'small')
    assert.equal(of([0.9, 0.5], { budget: 10 }), 'small')
    assert.equal(of([0.9, 0.5], { costWeight: 0.1 }), 'small')
    const history = [1, 2, 3].flatMap((n) => [
      { query: [1, n / 100], route: 'small', quality: 0 },
      { query: [n / 100, 1], route: 'small', quality: 1 },
    ])
    for (const estimate of [
      byNeighbours(history, [1, 0], candidates, { k: 3 }),
      byRegression(history, [1, 0], candidates),
    ]) {
      const small = estimate.find(({ name }) => name === 'small')
      assert.ok((small?.quality ?? 1) < 0.5)
    }
  })

  test('each way routes: by past questions, by a model, by a cascade', async () => {
    const past = ['What is the tax of May?', 'What is the tax on beer?'].flatMap((question) => [
      { question, route: 'small', quality: 0 },
      { question, route: 'large', quality: 1 },
    ])
    script((prompt) => (prompt.includes('SMALL') ? 'small says' : 'large says'))
    for (const how of ['similarity', 'supervised'] as const)
      assert.equal((await route({ how, history: past })).by, 'large', how)
    const many = Array.from({ length: 10 }, () => past).flat()
    assert.equal(
      (await route({ how: 'reinforcement', history: many, question: 'What is the tax of May?' })).by,
      'large',
    )
    script((prompt) => (prompt.includes('how likely') ? { small: 0.9, large: 0.3 } : 'answer'))
    assert.equal((await route({ how: 'generative' })).by, 'small')
    script((prompt) =>
      prompt.includes('Check the answer') ? { right: prompt.includes('42') } : prompt.includes('LARGE') ? '42' : '41',
    )
    assert.deepEqual(await route({}), {
      answer: '42',
      by: 'large',
      spent: 30,
      tried: ['small', 'large'],
      accepted: true,
    })
    assert.deepEqual(await route({ budget: 5 }), {
      answer: '41',
      by: 'small',
      spent: 1,
      tried: ['small'],
      accepted: false,
    })
    script(() => '41')
    assert.equal((await route({ accept: 'agreement' })).spent, 3)
    await assert.rejects(route({ budget: 0.5 }), { code: 'INVALID_ARGUMENT' })
  })

  test('a regression tells by the sign of what it saw', () => {
    const row = fitLogistic([
      { x: [1, 2], y: 1 },
      { x: [1, -2], y: 0 },
    ])
    assert.ok(chanceOf(row, [1, 1]) > 0.6 && chanceOf(row, [1, -1]) < 0.4)
  })
})

describe('code that is run', () => {
  test('agent-coder takes what passes most, and gives the faults back', async () => {
    let wrong = true
    script((prompt) => {
      if (prompt.includes('Write tests')) return { tests: ['add(1, 2) === 3', 'add(0, 0) === 0'] }
      if (prompt.includes('What was wrong')) wrong = false
      return wrong ? '```js\nconst add = (a, b) => a * b\n```' : '```js\nconst add = (a, b) => a + b\n```'
    })
    const found = await holding<object, { code: string; accepted: boolean; epochs: number }>(agentCoder, [
      ...codeTools(),
    ] as Tool[])({ task: 'add', candidates: 2, testSets: 1 })
    assert.deepEqual([found.accepted, found.epochs], [true, 2])
    assert.match(found.code, /a \+ b/)
    assert.ok(prompts.some((prompt) => prompt.includes('add(1, 2) === 3 is not true')))
    assert.equal(
      selectCandidate([
        [true, false, false],
        [true, true, false],
      ]),
      1,
    )
    assert.equal(
      selectCandidate(
        [
          // Three of five are enough.
          [true, true, true, false, false],
          [true, true, true, true, true],
        ],
        { rule: 'gate' },
      ),
      0,
    )
    const nobodyPasses = [
      [false, false, false],
      [false, false, true],
    ]
    assert.equal(selectCandidate(nobodyPasses, { rule: 'gate' }), 1)
  })

  test('code-cor prunes its pools, repairs what fails, and drops what does not get better', async () => {
    let drawn = 0
    script((prompt) => {
      if (prompt.includes('Judge the text'))
        return { clear: true, relevant: !prompt.includes('way 2'), concise: true, context: true }
      if (prompt.includes('leads a programmer')) return `way ${drawn++}`
      if (prompt.includes('Write tests')) return { tests: ['add(1, 2) === 3', 'add(0, 0) === 0', '', 'two\nlines'] }
      if (prompt.includes('Say in a few words')) return 'use plus'
      const code = prompt.includes('Advice: use plus') ? 'a + b' : prompt.includes('way 0') ? 'a *' : 'a * b'
      return `\`\`\`js\nconst add = (a, b) => ${code}\n\`\`\``
    })
    const found = await holding<object, { pools: object; passed: number; rounds: number; code: string }>(codeCor, [
      ...codeTools(),
    ] as Tool[])({ task: 'add' })
    assert.deepEqual([found.pools, found.passed, found.rounds], [{ prompts: 2, tests: 2, codes: 1 }, 2, 1])
    assert.match(found.code, /a \+ b/)
  })

  test('agentless mends a planted bug of a repository, by tests and by vote', async () => {
    const patch = (to: string) =>
      `### repo/src/add.js\n<<<<<<< SEARCH\nexports.add = (a, b) => a - b\n=======\n${to}\n>>>>>>> REPLACE`
    let drawn = 0
    script((prompt) => {
      if (prompt.includes('have to be changed')) return { files: ['repo/src/add.js'] }
      if (prompt.includes('Write one test file'))
        return "```js\nconst { add } = require('./src/add')\nconsole.log(add(1, 1) === 2 ? 'Issue resolved' : 'Issue reproduced')\n```"
      if (prompt.includes('Name the tests')) return { tests: [] }
      // Most patches break a regression test or mend nothing; one does not apply.
      return [
        patch('exports.add = () => 2'),
        patch('exports.add = (a, b) => a * b'),
        patch('exports.add = (a, b) => a + b // sum'),
        '### repo/src/none.js\nnothing',
      ][drawn++ % 4] as string
    })
    const program = defineProgram<Json, Json>(
      'agentless-test',
      async (sys) => {
        await sys.write('repo/src/add.js', 'exports.add = (a, b) => a - b\n')
        await sys.write('repo/src/name.js', "exports.name = 'sums'\n")
        await sys.write('repo/test/zero.js', "if (require('../src/add').add(0, 0) !== 0) throw new Error('zero')\n")
        const found = await sys.wait<Json>(
          await sys.spawn(agentless, { issue: 'add(1, 1) is 0', folder: 'repo/', patches: 4, reproductions: 1 }),
        )
        return { found, text: await sys.read('repo/src/add.js') }
      },
      { tools: [...codeTools()] as Tool[] },
    )
    const { found, text } = (await kernel.spawn(program, null).result) as unknown as {
      found: { [key: string]: unknown }
      text: string
    }
    assert.equal(text, 'exports.add = (a, b) => a + b // sum\n')
    assert.deepEqual(
      [found['candidates'], found['reproduced'], found['resolved'], found['regression']],
      [3, true, true, ['repo/test/zero.js']],
    )
  })

  test('patches: found once, equal without comments and spaces, chosen in the order of the rules', () => {
    const files = { 'a.js': 'x\nx\ny // "no"\n' }
    assert.equal(applied(files, [{ path: 'a.js', search: 'x\n', replace: 'z\n' }]), undefined)
    assert.deepEqual(applied(files, blocksIn('### a.js\n<<<<<<< SEARCH\ny // "no"\n=======\nz\n>>>>>>> REPLACE')), {
      'a.js': 'x\nx\nz\n',
    })
    assert.equal(normalised({ a: 'f( 1 ) // one' }), normalised({ a: 'f(1) /* one */' }))
    assert.notEqual(normalised({ a: '"// 1"' }), normalised({ a: '"// 2"' }))
    const trials = [
      { patch: 'a', broken: 1, isResolved: true },
      { patch: 'b', broken: 0, isResolved: false },
      { patch: 'c', broken: 0, isResolved: true },
      { patch: 'b', broken: 0, isResolved: false },
    ]
    assert.equal(selectPatch(trials), 2)
    assert.equal(selectPatch(trials, { reproduction: false }), 1)
  })
})

test('i-agents: what one side says alone may stand, what both say otherwise may not, and nothing unasked crosses', async () => {
  const of = (name: string, facts: { [fact: string]: string }): PersonProgram =>
    defineProgram(`people/${name}`, async () => facts)
  const team = iAgents({
    people: {
      ann: of('ann', { when: 'May', diary: 'secret' }),
      bob: of('bob', { when: 'June', where: 'Rome', diary: 'secret' }),
    },
  })
  script((prompt) => (prompt.includes('List the facts') ? { facts: ['when', 'where', 'why'] } : 'done'))
  const found = await kernel.spawn(team, {
    question: 'When, where, why?',
    instructor: 'ann',
    assistant: 'bob',
    turnsMax: 3,
  }).result
  assert.deepEqual(found.facts, [
    { name: 'when', value: 'June', isAgreed: false },
    { name: 'where', value: 'Rome', isAgreed: true },
    { name: 'why', isAgreed: false },
  ])
  assert.deepEqual(found.asked, [['when', 'where'], ['why'], ['why']])
  assert.ok(!prompts.join().includes('secret') && !prompts.join().includes('June'))
})

describe('agent-court', () => {
  const none = { experience: [], cases: [], law: [] }
  // The judge finds for who names the planted law; both sides would where they know it.
  const court: Says = (prompt) => {
    if (prompt.includes('plan your next speech')) return { experience: null, cases: null, law: 'debt' }
    if (prompt.includes('Write only the speech'))
      return prompt.includes('law: article 7') ? 'By article 7.' : 'I object.'
    if (prompt.includes('Decide by')) {
      const of = (side: string) => new RegExp(`^${side}: By article 7`, 'm').test(prompt)
      const [plaintiff, defendant] = [of('plaintiff'), of('defendant')]
      return {
        winner: plaintiff === defendant ? 'neither' : plaintiff ? 'plaintiff' : 'defendant',
        judgement: 'So be it.',
      }
    }
    if (prompt.includes('after the hearing')) return { experience: 'name the law', case: 'a debt', law: 'debts' }
    return 'the debt'
  }
  const hear = (input: object) =>
    kernel.spawn(agentCourt, { plaintiff: 'He owes me.', defendant: 'I paid.', rounds: 2, ...input }).result

  test('keeps the order, calls what the plans ask for, and learns by lawyer', async () => {
    script(court)
    const { transcript, knowledge, winner } = await hear({})
    assert.deepEqual(
      transcript.map(({ by }) => by),
      ['clerk', 'plaintiff', 'defendant', 'judge', 'plaintiff', 'defendant', 'plaintiff', 'defendant', 'judge'],
    )
    // The focus, two calls a turn, the judgement, two reflections.
    assert.deepEqual([prompts.length, winner], [1 + 2 * 4 + 1 + 2, 'neither'])
    assert.deepEqual(knowledge.first, { experience: ['name the law'], cases: ['a debt'], law: [] })
  })

  test('who knows wins from either side, and stores are private', async () => {
    script(court)
    const knowledge = { first: none, second: { ...none, law: ['article 7'] } }
    const winners = [
      (await hear({ knowledge, reflect: false })).winner,
      (await hear({ knowledge, reflect: false, swapped: true })).winner,
    ]
    assert.deepEqual(winners, ['defendant', 'plaintiff'])
    assert.ok(prompts.filter((prompt) => prompt.includes('law: article 7')).length === 4)
  })
})

test('experiments C11 and C12 with a few seeds', async () => {
  assert.match((await c11.run(1)).measured, /^rising 0\.25027/)
  assert.match((await c12.run(10)).measured, /; 0 rows that were not asked for/)
})
