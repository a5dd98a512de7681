/**
 * What the programs of planning and search are built from: pure pieces, held against values computed by hand or by another way
 * to compute them. The programs themselves are in planning-programs.test.ts, their measured claims in bench/experiments.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { armsOf, chooseArm, creditArm, worthOfArm } from '../src/agents/pieces/algorithm-choice.ts'
import { bestPath } from '../src/agents/pieces/best-path.ts'
import { createFrontier } from '../src/agents/pieces/frontier.ts'
import { haloBackUp, type Spoken } from '../src/agents/halo.ts'
import {
  bestBlock,
  blocksOf,
  latencyOf,
  makespan,
  makespanBound,
  merged,
  mergeLevels,
  tokensOf,
} from '../src/agents/llm-algorithms.ts'
import { masterTree } from '../src/agents/pieces/master-tree.ts'
import { branchOf, monteCarlo } from '../src/agents/pieces/monte-carlo.ts'
import { commonLength, costSoFar, costToGo, lateness, likeness, nameLikeness } from '../src/agents/pieces/plan-costs.ts'
import { shared } from '../src/agents/plan-gen.ts'
import { counted } from '../src/agents/pieces/proposals.ts'
import { bottleneck, mutualInformation, reasoningCapacity, type Pair } from '../src/agents/reasoning-capacity.ts'
import {
  faultOfRoutine,
  parseRoutine,
  routineText,
  stepAfter,
  type Routine,
} from '../src/agents/pieces/routine-text.ts'
import { backUp, growTree, pathTo, plantTree } from '../src/agents/pieces/reward-tree.ts'
import { actionsOf, gathered, recipeTree, type MakingWay } from '../src/agents/pieces/recipe-tree.ts'
import { carryOutGraph, faultOf } from '../src/agents/pieces/task-graph.ts'
import { applyMove, faultOfMove, solutionOf, startThoughts } from '../src/agents/pieces/thought-graph.ts'
import { armapPuct, armapUct, armapVarPuct, haloUcb, masterUct, ucb1 } from '../src/agents/pieces/upper-confidence.ts'
import { createVariables } from '../src/agents/variables.ts'
import { plurality, tally } from '../src/agents/pieces/vote.ts'

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual}, not ${expected}`)

describe('a frontier', () => {
  test('gives in its order what it was given, and of equal keys the first', () => {
    const keys = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 40, size: 'max' })
    fc.assert(
      fc.property(keys, (list) => {
        const items = list.map((key, place) => ({ key, place }))
        const expected = {
          lowest: items.toSorted((a, b) => a.key - b.key || a.place - b.place),
          highest: items.toSorted((a, b) => b.key - a.key || a.place - b.place),
          first: items,
          last: items.toReversed(),
        }
        for (const order of ['lowest', 'highest', 'first', 'last'] as const) {
          const frontier = createFrontier<(typeof items)[number]>(order)
          for (const item of items) frontier.push(item, item.key)
          assert.deepEqual(
            items.map(() => frontier.pop()),
            expected[order],
          )
          assert.equal(frontier.pop(), undefined)
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('a search tree', () => {
  test('keeps of each node the mean and the best of what came back through it', () => {
    const tree = plantTree('root')
    const left = growTree(tree, tree.root, 'left')
    const below = growTree(tree, left, 'below')
    backUp(tree, below, 1)
    backUp(tree, left, 0.5)
    backUp(tree, below, 0, 0.9)
    assert.deepEqual([below.visits, below.mean, below.best], [2, 0.5, 1])
    assert.deepEqual([left.visits, left.mean, tree.root.best], [3, 0.5, 1])
    assert.deepEqual(
      pathTo(tree, below).map(({ content }) => content),
      ['root', 'left', 'below'],
    )
  })

  test('discounts a reward with every step up', () => {
    const tree = plantTree('root')
    const leaf = growTree(tree, growTree(tree, tree.root, 'a'), 'b')
    backUp(tree, leaf, 1, 0.9)
    near(leaf.mean, 1)
    near(tree.root.mean, 0.81)
  })
})

describe('upper confidence', () => {
  test('is the published arithmetic', () => {
    near(ucb1({ value: 0.6, visits: 3, parentVisits: 10 }), 0.6 + Math.SQRT2 * Math.sqrt(Math.LN10 / 3))
    assert.equal(ucb1({ value: 0, visits: 0, parentVisits: 5 }), Infinity)
    near(armapUct({ value: 0.4, visits: 1, parentVisits: Math.E }), 0.4 + 6.364 / 2)
    near(armapPuct({ value: 0.4, visits: 1, parentVisits: Math.E }, 0.5), 0.4 + 6.364 / 4)
    // 6.364 + ln(101 / 50) = 7.067097…
    near(armapVarPuct({ value: 0, visits: 0, parentVisits: 50 }, 1), (6.364 + Math.log(2.02)) * Math.sqrt(Math.log(50)))
  })

  test('of MASTER explores less where an agent is sure, in both readings', () => {
    const agent = { reward: 0.8, confidence: 0.5, back: 0.2, visits: 4, parentVisits: Math.E }
    near(masterUct(agent, 'blend'), 0.5 * 0.8 + 0.5 * 0.2 + 0.2 * 0.5)
    near(masterUct(agent, 'replace'), 0.2 + 0.2 * 0.5)
    near(masterUct({ ...agent, back: undefined }, 'replace'), 0.8 + 0.1)
    assert.ok(masterUct({ ...agent, confidence: 0.1 }, 'replace') > masterUct(agent, 'replace'))
  })

  test('of HALO divides a mean again only as published', () => {
    const tried = { value: 0.8, visits: 4, parentVisits: Math.E }
    near(haloUcb(tried), 0.8 + 1.4 / 2)
    near(haloUcb(tried, { asPublished: true }), 0.2 + 0.7)
  })

  test('of HALO comes back as in the release, by hand: 1.2 at the child, .725 at the root', () => {
    const grown = () => {
      const spoken = (value: number): Spoken => ({ role: undefined, answer: '', verdict: 'continue', value })
      const tree = plantTree(spoken(0))
      const [first] = [0, 0, 0].map(() => growTree(tree, tree.root, spoken(0.5)))
      return { tree, first: first as NonNullable<typeof first> }
    }
    const published = grown()
    haloBackUp(published.tree, published.first, 0.7, { asPublished: true })
    near(published.first.content.value, 1.2)
    near(published.tree.root.content.value, 0.725)
    const mended = grown()
    haloBackUp(mended.tree, mended.first, 0.7)
    near(mended.first.content.value, 0.6)
    near(mended.tree.root.content.value, 0.35)
  })
})

describe('the choice of an algorithm', () => {
  test('is worth what the formula says', () => {
    const arms = armsOf(['a', 'b'])
    creditArm(arms[0]!, 0.5)
    creditArm(arms[0]!, 1)
    creditArm(arms[1]!, 0.25, { recovered: true })
    const options = { priors: { b: 0.8 }, priorWeight: 2, diversity: 0.3, recovery: 0.1 }
    // Means .75 and .25; three trials; b has count 2.
    near(worthOfArm(arms, arms[1]!, options), 0.25 / 0.75 + Math.sqrt(Math.log(4)) + (2 / 4) * 0.8 + 0.3 / 3 + 0.1)
    // Sums 1.5 and .25, over the count.
    near(worthOfArm(arms, arms[1]!, { asPublished: true }), 0.25 / 1.5 / 2 + Math.sqrt(Math.log(4)))
    assert.equal(chooseArm(armsOf(['x', 'y'])).name, 'x')
  })

  test('shares children of REBASE by reward, all of them', () => {
    assert.deepEqual(shared([0, 0, 0], 10), [4, 3, 3])
    // e^2 / (e^2 + 1) of 10 is 8.8.
    assert.deepEqual(shared([100, 0], 10), [9, 1])
  })
})

describe('plan costs', () => {
  const memory = [
    ['search', 'open', 'read', 'answer'],
    ['search', 'answer'],
  ]

  test('are the arithmetic of ToolChain*', () => {
    assert.equal(commonLength(['search', 'read', 'answer'], memory[0]!), 3)
    near(likeness(['search', 'write'], memory), 1 / 2)
    near(lateness('answer', memory), 1)
    near(lateness('open', memory), 0.5)
    near(lateness('search', memory), (0.25 + 0.5) / 2)
    // First step: common with a plan as a whole, so it costs nothing; the second: g1 = 1/2, g2 = 1/4.
    near(costSoFar(['search', 'write'], [0.5, 0.25], memory), Math.sqrt(0.5) * Math.sqrt(0.75))
    near(costToGo(['open'], memory, 4), Math.sqrt(0.5) * Math.sqrt(0.75))
    assert.equal(costToGo(['answer'], memory, 1), 0)
  })

  test('take an unknown name for the nearest known one, as near as it is', () => {
    near(nameLikeness('open', 'open'), 1)
    // op pe en ; re eo op pe en : three of three and five.
    near(nameLikeness('open', 'reopen'), 6 / 8)
    near(lateness('reopen', memory), 0.75 * 0.5)
    assert.equal(lateness('zzz', memory), 0)
  })

  test('are in 0..1 whatever is remembered', () => {
    const plan = fc.array(fc.constantFrom('a', 'b', 'cd', 'ce'), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(
        plan,
        fc.array(plan, { maxLength: 3 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (path, plans, share) => {
          const shares = path.map(() => share)
          for (const cost of [costSoFar(path, shares, plans) / path.length, costToGo(path, plans, 4)])
            assert.ok(cost >= 0 && cost <= 1, `${cost}`)
        },
      ),
      { numRuns: 50 },
    )
  })
})

test('A* with an honest bound finds what a walk of the whole tree finds', async () => {
  const costs = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 39, maxLength: 39 })
  await fc.assert(
    fc.asyncProperty(costs, async (list) => {
      // Three children a node, three deep, in heap order: the children of i are 3 i + 1 … 3 i + 3.
      const walk = (i: number): number =>
        i >= 13 ? 0 : Math.min(...[1, 2, 3].map((k) => list[3 * i + k - 1]! + walk(3 * i + k)))
      const found = await bestPath(0, {
        next: ({ state }) => [1, 2, 3].map((k) => ({ state: 3 * state + k, cost: list[3 * state + k - 1]! })),
        left: ({ depth }) => 3 - depth,
        isGoal: ({ depth }) => depth === 3,
      })
      assert.equal(found.cost, walk(0))
      assert.equal(found.path.length, 4)
    }),
    { numRuns: 50 },
  )
})

test('Monte Carlo search adds a node a simulation and finds the better arm', async () => {
  const tree = plantTree(branchOf<string, string>('', undefined, 1))
  let went = 0
  await monteCarlo(tree, {
    moves: (state) => (state.length === 3 ? [] : ['a', 'b'].map((move) => ({ move, prior: 0.5 }))),
    go: (from, move) => (went++, from + move),
    evaluate: (state) => [...state].filter((letter) => letter === 'b').length / 3,
    select: (child, parent) => ucb1({ value: child.mean, visits: child.visits, parentVisits: parent.visits }),
    simulations: 60,
  })
  const [a, b] = tree.root.children.map((id) => tree.nodes[id]!)
  assert.ok(b!.visits > a!.visits && b!.mean > a!.mean)
  assert.equal(tree.root.visits, 60)
  assert.ok(went <= 14, 'each of the 14 places was gone to at most once')
})

test('MASTER backs up a wrong answer through its own ancestors, and goes elsewhere', async () => {
  const seen: string[] = []
  const found = await masterTree('', {
    expansionsMax: 10,
    // The left half looks better and always fails; the right answer is to the right.
    expand: async (state) =>
      ['l', 'r'].map((way) => {
        const at = state + way
        return { state: at, isTerminal: at.length === 2, reward: at.startsWith('l') ? 0.8 : 0.6, confidence: 0.5 }
      }),
    evaluate: async (state) => (seen.push(state), state === 'rl'),
  })
  assert.deepEqual(seen, ['ll', 'lr', 'rl'])
  assert.deepEqual([found.state, found.accepted, found.expansions, found.agents], ['rl', true, 3, 5])
})

describe('a task graph', () => {
  test('is refused with what is wrong', () => {
    const task = (id: string, ...after: string[]) => ({ id, goal: id, after })
    assert.equal(faultOf([task('a'), task('b', 'a')], []), undefined)
    assert.match(faultOf([task('a', 'b'), task('b', 'a')], []) ?? '', /a, b wait for each other/)
    assert.match(faultOf([task('a', 'c')], []) ?? '', /waits for "c"/)
    assert.match(faultOf([task('a'), task('a')], []) ?? '', /two tasks/)
    assert.match(faultOf([], []) ?? '', /no task/)
  })

  test('runs side by side what waits for nothing, and plans a failed level anew without touching what is done', async () => {
    const log: string[] = []
    let running = 0
    let widest = 0
    const root = await carryOutGraph<string>('r', {
      plan: async ({ level }) =>
        level > 0
          ? []
          : [
              { id: 'a', goal: 'a', after: [] },
              { id: 'b', goal: 'b', after: [] },
              { id: 'c', goal: 'c', after: ['a', 'b'] },
            ],
      async execute({ id }) {
        widest = Math.max(widest, ++running)
        await Promise.resolve()
        running--
        log.push(id)
        return id === 'b' && log.filter((one) => one === 'b').length === 1 ? { error: 'no' } : { result: id }
      },
      combine: async (_, results) => [...results.values()].join(''),
      replan: async (_, done) => [
        { id: 'b', goal: 'b', after: [] },
        { id: 'd', goal: 'd', after: ['b', ...done.map(({ id }) => id)] },
      ],
    })
    assert.equal(widest, 2)
    assert.deepEqual(log, ['a', 'b', 'b', 'd'])
    assert.deepEqual([root.status, root.result, root.replans], ['done', 'abd', 1])
  })

  test('ends as failed when every new plan fails too', async () => {
    const root = await carryOutGraph<string>('r', {
      plan: async ({ level }) => (level > 0 ? [] : [{ id: 'a', goal: 'a', after: [] }]),
      execute: async () => ({ error: 'never' }),
      combine: async () => '',
      replan: async () => [{ id: 'a', goal: 'a', after: [] }],
    })
    assert.deepEqual([root.status, root.error, root.replans], ['failed', 'a: never', 2])
  })
})

describe('recipe-tree', () => {
  const book: MakingWay[] = [
    {
      item: 'lamp',
      count: 1,
      needs: [
        { item: 'rod', count: 1 },
        { item: 'glass', count: 2 },
      ],
    },
    { item: 'rod', count: 4, needs: [{ item: 'log', count: 2 }] },
    { item: 'glass', count: 1, needs: [{ item: 'sand', count: 1 }] },
    // Costs more, and one that goes in a circle.
    { item: 'glass', count: 1, needs: [{ item: 'gem', count: 9 }] },
    { item: 'log', count: 1, needs: [{ item: 'rod', count: 1 }] },
    { item: 'log', count: 1, needs: [{ item: 'tree', count: 1 }] },
  ]
  const waysOf = (item: string) => book.filter((way) => way.item === item)

  test('take the cheapest way, use what is left over, and do first what is needed first', () => {
    const tree = recipeTree({ item: 'lamp', count: 3 }, waysOf)!
    assert.deepEqual(
      [...gathered(tree)],
      [
        ['tree', 2],
        ['sand', 6],
      ],
    )
    const have = new Map<string, number>()
    const add = (item: string, count: number) => have.set(item, (have.get(item) ?? 0) + count)
    for (const action of actionsOf(tree)) {
      if (action.do === 'gather') add(action.item, action.count)
      else {
        for (const { item, count } of action.way.needs) add(item, -count)
        assert.ok(
          [...have.values()].every((count) => count >= 0),
          `${action.item} was made of what was not there`,
        )
        add(action.item, action.way.count)
      }
    }
    assert.equal(have.get('lamp'), 3)
  })

  test('end where nothing can be made without itself', () => {
    const circle: MakingWay[] = [
      { item: 'a', count: 1, needs: [{ item: 'b', count: 1 }] },
      { item: 'b', count: 1, needs: [{ item: 'a', count: 1 }] },
    ]
    assert.equal(
      recipeTree({ item: 'a', count: 1 }, (item) => circle.filter((way) => way.item === item)),
      undefined,
    )
    const held = recipeTree({ item: 'lamp', count: 1 }, waysOf, new Map([['glass', 2]]))!
    assert.deepEqual([...gathered(held)], [['tree', 2]])
  })
})

describe('a routine', () => {
  const text = [
    'Step 1 [normal]: look | find the person | in: a name | out: a record | tool: find_person',
    'Step 2 [branch]: leave | is there leave left',
    '- if the balance is above 0 go to step 3',
    '- else go to step 4',
    'Step 3 [finish]: granted | say so',
    'Step 4 [finish]: refused | say so',
  ].join('\n')

  test('is the same text after it was read and written', () => {
    const routine = parseRoutine(text)
    assert.equal(routineText(routine), text)
    assert.equal(routine[0]?.tool, 'find_person')
    assert.deepEqual(routine[1]?.ways, [
      { condition: 'the balance is above 0', to: 3 },
      { condition: null, to: 4 },
    ])
  })

  test('leads where an interpreter of its own leads, on drawn routines', () => {
    const drawn = fc.integer({ min: 2, max: 12 }).chain((count) =>
      fc.array(
        fc.record({
          branch: fc.boolean(),
          to: fc.tuple(fc.integer({ min: 1, max: count }), fc.integer({ min: 1, max: count })),
        }),
        {
          minLength: count,
          maxLength: count,
        },
      ),
    )
    fc.assert(
      fc.property(drawn, fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), (steps, choices) => {
        const routine: Routine = steps.map(({ branch, to }, i) => ({
          number: i + 1,
          type: i === steps.length - 1 ? 'finish' : branch ? 'branch' : 'normal',
          name: `n${i}`,
          description: `d${i}`,
          ...(branch && i < steps.length - 1
            ? {
                ways: [
                  { condition: 'c', to: to[0] },
                  { condition: null, to: to[1] },
                ],
              }
            : {}),
        }))
        assert.equal(faultOfRoutine(routine), undefined)
        assert.deepEqual(parseRoutine(routineText(routine)), routine)
        let at: number | undefined = 1
        let step: Routine[number] | undefined = routine[0]
        for (const choice of choices) {
          assert.equal(step?.number, at)
          if (at === undefined) break
          const { branch, to }: (typeof steps)[number] = steps[at - 1]!
          step = stepAfter(routine, step!, choice ? 1 : 0)
          at = at === steps.length ? undefined : branch ? to[choice ? 1 : 0] : at + 1
        }
      }),
      { numRuns: 30 },
    )
  })

  test('is refused with what is wrong', () => {
    assert.throws(() => parseRoutine('Step 1 [normal]: a | b'), /no step that finishes/)
    assert.throws(() => parseRoutine('Step 1 [branch]: a | b\n- if c go to step 9\nStep 2 [finish]: d | e'), /step 9/)
    assert.throws(() => parseRoutine('do this'), /expected "Step n/)
  })
})

test('variables stand for long texts, to the last character', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 0, maxLength: 60, size: 'max' }), { maxLength: 6 }), (texts) => {
      const { keep, fill } = createVariables(10)
      const shown = texts.map(keep)
      const names = shown.map((text) => (/^\$VAR_\d+ \(/.test(text) ? text.slice(0, text.indexOf(' ')) : text))
      for (const [i, text] of texts.entries())
        assert.deepEqual(text.length > 10 ? fill({ deep: names })['deep']?.[i] : shown[i], text)
    }),
    { numRuns: 50 },
  )
  assert.throws(() => createVariables(10).fill('$VAR_1'), /no variable \$VAR_1/)
})

describe('a thought graph', () => {
  test('lets only what makes sense be done, and knows a solution of the whole', () => {
    const graph = startThoughts('sort 4 1 3 2')
    assert.match(faultOfMove(graph, { do: 'refine', nodes: [0] }) ?? '', /not solved/)
    applyMove(graph, { do: 'decompose', nodes: [0] }, [{ content: '4 1' }, { content: '3 2' }])
    assert.match(faultOfMove(graph, { do: 'aggregate', nodes: [1, 2] }) ?? '', /not solved/)
    applyMove(graph, { do: 'solve', nodes: [1] }, [{ content: '1 4', score: 1 }])
    applyMove(graph, { do: 'solve', nodes: [2] }, [{ content: '2 3', score: 0.5 }])
    applyMove(graph, { do: 'refine', nodes: [2] }, [{ content: 'worse', score: 0.2 }])
    assert.equal(graph[2]?.content, '2 3')
    assert.equal(solutionOf(graph), undefined)
    applyMove(graph, { do: 'aggregate', nodes: [1, 2] }, [{ content: '1 2 3 4', score: 1 }])
    assert.match(faultOfMove(graph, { do: 'aggregate', nodes: [1, 3] }) ?? '', /same part/)
    assert.equal(solutionOf(graph)?.content, '1 2 3 4')
    applyMove(graph, { do: 'reduce', nodes: [3] }, [])
    assert.equal(solutionOf(graph), undefined)
    assert.match(faultOfMove(graph, { do: 'solve', nodes: [3] }) ?? '', /gone/)
  })

  test('knows the parts of parts', () => {
    const graph = startThoughts('p')
    applyMove(graph, { do: 'decompose', nodes: [0] }, [{ content: 'a' }, { content: 'b' }])
    applyMove(graph, { do: 'decompose', nodes: [2] }, [{ content: 'c' }, { content: 'd' }])
    for (const id of [1, 3, 4]) applyMove(graph, { do: 'solve', nodes: [id] }, [{ content: 'x' }])
    applyMove(graph, { do: 'aggregate', nodes: [1, 3] }, [{ content: 'y' }])
    assert.equal(solutionOf(graph), undefined)
    applyMove(graph, { do: 'aggregate', nodes: [5, 4] }, [{ content: 'z' }])
    assert.equal(solutionOf(graph)?.content, 'z')
  })
})

test('a vote goes to the most, of equal ones to the first, and weights count', () => {
  assert.equal(plurality(['a', 'b', 'b', 'a', 'c']), 'a')
  assert.equal(plurality(['a', 'b'], { weight: (_, i) => i }), 'b')
  assert.equal(plurality([]), undefined)
  assert.deepEqual(tally([1, 2, 2])[0], { ballot: 2, weight: 2 })
})

test('proposals are counted, whatever the order of their arguments', () => {
  const found = counted([
    { name: 'go', args: { a: 1, b: 2 } },
    { name: 'stay' },
    { name: 'go', args: { b: 2, a: 1 } },
    { name: 'stay', args: {} },
    { name: 'go', args: { a: 1, b: 2 } },
  ])
  assert.deepEqual(
    found.map(({ action, share }) => [action.name, share]),
    [
      ['go', 0.6],
      ['stay', 0.4],
    ],
  )
})

describe('the prediction of an algorithm', () => {
  const split = { size: 2_000, block: 125, systemTokens: 0, itemTokens: 4, answerTokens: 0, prefill: 1, decode: 10 }

  test('counts tokens, calls and rounds', () => {
    assert.deepEqual(blocksOf({ size: 7, block: 3 }), [3, 3, 1])
    assert.equal(tokensOf({ size: 7, block: 3, systemTokens: 10, itemTokens: 2, answerTokens: 5 }), 3 * 15 + 14)
    assert.equal(makespan([3, 3, 2, 2, 2], 2), 7)
    assert.equal(makespanBound([3, 3, 2, 2, 2], 2), 6)
    assert.equal(latencyOf(split, 16), 500)
    assert.equal(bestBlock(split, 16), 125)
    assert.deepEqual([mergeLevels(8, 'hierarchical'), mergeLevels(8, 'incremental')], [3, 7])
  })

  test('of a merge keeps what is sorted sorted', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.array(fc.integer()), (a, b) => {
        const order = (x: number, y: number) => x - y
        assert.deepEqual(merged(a.toSorted(order), b.toSorted(order)), [...a, ...b].toSorted(order))
      }),
      { numRuns: 30 },
    )
  })
})

test('reasoning capacity is mutual information against the best', () => {
  const pairs: Pair[] = [
    ['0', '0'],
    ['0', '0'],
    ['1', '1'],
    ['1', '1'],
  ]
  assert.equal(mutualInformation(pairs), 1)
  const noisy: Pair[] = [
    ['0', '0'],
    ['0', '1'],
    ['1', '0'],
    ['1', '1'],
  ]
  assert.equal(mutualInformation(noisy), 0)
  assert.equal(reasoningCapacity(noisy, pairs), 0)
  assert.equal(reasoningCapacity(pairs, pairs), 1)
  assert.deepEqual(
    bottleneck(noisy, [
      { part: 'a', observed: noisy },
      { part: 'b', observed: pairs },
    ])[0],
    { part: 'b', gain: 1 },
  )
})
