/**
 * Layered nets and votes: the programs by the real kernel with a scripted model that reads its prompts, and the pieces that they
 * are made of. What they reach on planted populations is measured by `npm run experiments` (C1 to C14).
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { agentImportance, edgeWeights } from '../src/agents/pieces/agent-importance.ts'
import { heardBy, turnOf } from '../src/agents/pieces/channel-visibility.ts'
import { agp } from '../src/agents/agp.ts'
import { annForward } from '../src/agents/ann-forward.ts'
import type { Aggregation } from '../src/agents/pieces/aggregations.ts'
import { debate } from '../src/agents/debate.ts'
import { consensus, shareNeeded, votedFor, type Stance } from '../src/agents/pieces/decisions.ts'
import { dylan } from '../src/agents/dylan.ts'
import { trainPruner, worthOf } from '../src/agents/pieces/graph-pruning.ts'
import { layeredNet } from '../src/agents/layered-net.ts'
import { lvAgent } from '../src/agents/lv-agent.ts'
import { mallm } from '../src/agents/mallm.ts'
import { mixtureOfAgents } from '../src/agents/mixture-of-agents.ts'
import type { Member } from '../src/agents/pieces/team.ts'
import { profilesOf, recruited, recruitingWeights, withoutRare } from '../src/agents/pieces/skill-recruiting.ts'
import { symbolicMoe } from '../src/agents/symbolic-moe.ts'
import { drawnPlurality, plurality } from '../src/agents/pieces/vote.ts'
import { PolityError, boot, type Kernel, type Program } from '../src/index.ts'
import { hashingEmbedder } from '../src/drivers/embedder/hashing.ts'
import { answering } from '../src/drivers/llm/answering.ts'
import { callError } from '../src/drivers/llm/scripted.ts'
import { teamOf as spoken } from '../src/evaluation/team.ts'
import { revised, swayed } from '../bench/experiments/c2.ts'
import { teamOf } from '../bench/experiments/c3.ts'
import { circles } from '../bench/experiments/c5.ts'
import { keyed } from '../bench/experiments/population.ts'

type Says = (prompt: string, n: number) => string | object

let kernel: Kernel
let says: Says = () => ''
let prompts: string[] = []
before(async () => {
  const model = answering((prompt) => {
    const said = says(prompt, prompts.push(prompt))
    if (said === 'fails') throw callError({ message: 'broken', statusCode: 400 })
    return said
  })
  kernel = await boot({ model })
})
after(() => kernel.close())

function run<Input, Output>(program: Program<Input, Output>, input: Input, script: Says): Promise<Output> {
  says = script
  prompts = []
  return kernel.spawn(program, input).result as Promise<Output>
}

/** Members that a script knows by a mark in their prompts. */
const marked = (count: number): Member[] =>
  Array.from({ length: count }, (_, i) => ({ name: `M${i}`, instructions: `You are <${i}>.` }))
const speakerOf = (prompt: string): number => Number(/You are <(\d+)>/.exec(prompt)?.[1] ?? -1)

describe('layered net', () => {
  test('a reply sees the layer before and nothing of its own; a quorum ends early; one that fails is missing', async () => {
    const seen: string[] = []
    const layers = await layeredNet<string>({
      agents: 4,
      layers: 3,
      quorum: () => 2,
      stop: (layer) => layer.length >= 3,
      async reply(agent, layer, last) {
        seen.push(`${layer}.${agent} sees ${last.map((one) => one.reply).join(' ')}`)
        if (agent === 0) throw new PolityError('DRIVER_FAILED', 'broken')
        return `r${agent}`
      },
    })
    assert.deepEqual(
      layers.map((layer) => layer.map(({ agent }) => agent)),
      [[1, 2, 3]],
    )
    assert.deepEqual(seen, ['0.0 sees ', '0.1 sees ', '0.2 sees ', '0.3 sees '])
  })

  test('where all fail the error is thrown, and a used-up budget at once', async () => {
    const failing = (code: 'DRIVER_FAILED' | 'BUDGET_EXCEEDED') =>
      layeredNet({
        agents: 2,
        layers: 2,
        reply: async (agent) => {
          if (agent === 1 || code === 'DRIVER_FAILED') throw new PolityError(code, code)
          return 1
        },
      })
    await assert.rejects(failing('DRIVER_FAILED'), { code: 'DRIVER_FAILED' })
    await assert.rejects(failing('BUDGET_EXCEEDED'), { code: 'BUDGET_EXCEEDED' })
    await assert.rejects(layeredNet({ agents: 0, layers: 1, reply: async () => 1 }), { code: 'INVALID_ARGUMENT' })
  })
})

describe('votes', () => {
  test('a drawn tie is one of those that lead, and needs no draw where one leads alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (ballots, u) => {
          const won = drawnPlurality(ballots, () => u) as number
          const count = (one: number): number => ballots.filter((ballot) => ballot === one).length
          assert.equal(count(won), count(plurality(ballots) as number))
        },
      ),
    )
    assert.equal(
      drawnPlurality(['a', 'a', 'b'], () => assert.fail('drawn')),
      'a',
    )
  })

  test('four rules, by hand', () => {
    assert.deepEqual(votedFor([[0], [1], [1]], 3, 'plurality'), [1])
    assert.deepEqual(votedFor([[2, 0], [0], [0, 1]], 3, 'approval'), [0])
    assert.deepEqual(
      votedFor(
        [
          [10, 0],
          [0, 30],
          [4, 6],
        ],
        2,
        'cumulative',
      ),
      [1],
      'more than ten points are scaled',
    )
    assert.deepEqual(
      votedFor(
        [
          [0, 1, 2],
          [2, 1, 0],
        ],
        3,
        'ranked',
      ),
      [0, 1, 2],
      '8 points each',
    )
    assert.deepEqual(
      votedFor(
        [
          [7, -1],
          [0, 0],
        ],
        2,
        'approval',
      ),
      [0],
      'unknown and repeated ones count for nothing',
    )
    assert.deepEqual(votedFor([[]], 2, 'plurality'), [])
  })

  test('agreement is counted since the newest solution, and hybrid is strict at first', () => {
    const said = (...stances: readonly (string | boolean)[]): Stance[] =>
      stances.map((one) => (typeof one === 'string' ? { agrees: false, solution: one } : { agrees: one }))
    assert.equal(consensus(said('x', true), 3, 'majority', 1), 'x')
    assert.equal(consensus(said('x', true), 3, 'super-majority', 1), 'x')
    assert.equal(consensus(said('x', true), 3, 'unanimity', 1), undefined)
    assert.equal(consensus(said('x', true, 'y'), 3, 'majority', 1), undefined, 'a new solution begins anew')
    assert.equal(
      consensus(said('x', false, true, true), 3, 'unanimity', 1),
      undefined,
      'only the last three messages count',
    )
    assert.equal(consensus(said(true, true), 2, 'majority', 1), undefined, 'nothing to agree with')
    assert.deepEqual(
      [shareNeeded('hybrid', 4, 4), shareNeeded('hybrid', 4, 5), shareNeeded('hybrid', 3, 9)],
      [1, 0.75, 1],
    )
  })
})

describe('who hears whom', () => {
  test('messages that reach others in a turn: 6, 3, 4, 8 among three, 20, 5, 8, 16 among five', () => {
    const delivered = (agents: number) =>
      (['memory', 'relay', 'report', 'debate'] as const).map((paradigm) =>
        turnOf(paradigm, agents).reduce((sum, { to }) => sum + to.length, 0),
      )
    assert.deepEqual(delivered(3), [6, 3, 4, 8])
    assert.deepEqual(delivered(5), [20, 5, 8, 16])
  })

  test('a report is heard by the first alone, and of a debate it hears the last round', () => {
    assert.deepEqual(
      heardBy(2, turnOf('report', 4)).map(({ speaker }) => speaker),
      [0, 2],
    )
    assert.deepEqual(
      heardBy(0, turnOf('debate', 3)).map(({ speaker }) => speaker),
      [0, 1, 2],
    )
    assert.equal(turnOf('debate', 3).length, 5)
  })
})

describe('mixture of agents', () => {
  test('13 calls, and each later one has the answers of the layer before in their order', async () => {
    const { answer, calls, proposals } = await run(mixtureOfAgents, { question: 'Q?' }, (_, n) => `said ${n}.`)
    assert.deepEqual([calls, answer, prompts.length], [13, 'said 13.', 13])
    for (const prompt of prompts.slice(6, 12))
      assert.deepEqual(
        [...prompt.matchAll(/\d\. (said \d+\.)/g)].map(([, one]) => one),
        proposals[0],
      )
    assert.deepEqual(
      [...(prompts[12] as string).matchAll(/\d\. (said \d+\.)/g)].map(([, one]) => one),
      proposals[1],
    )
  })

  test('a proposer that fails is missing from the list and nothing else changes; votes need no aggregator', async () => {
    const input = { question: 'Q?', proposers: marked(3), layers: 2 }
    const failing = await run(mixtureOfAgents, input, (prompt) =>
      speakerOf(prompt) === 1 ? 'fails' : `by ${speakerOf(prompt)}`,
    )
    assert.deepEqual(failing.proposals, [['by 0', 'by 2']])
    assert.equal(failing.answer, 'by -1')
    const voted = await run(
      mixtureOfAgents,
      { ...input, aggregate: 'vote' as const },
      (prompt) => ['Yes', 'no', ' yes.'][speakerOf(prompt)] as string,
    )
    assert.deepEqual([voted.answer, voted.calls], ['Yes', 3])
  })
})

describe('debate', () => {
  test('question by question it is the net of the experiment, with workers that only know their prompts', async () => {
    const regime = swayed(0.4, 0.2)
    for (let question = 0; question < 12; question++) {
      const u = (agent: number, layer: number): number => keyed(5, question, agent, layer)
      const { said } = await run(
        debate,
        { question: `Q${question}`, members: marked(5), rounds: 3, untilAgreed: false },
        (prompt) => {
          const agent = speakerOf(prompt)
          const own = /Your last answer: (\d) Answer: (\w+)/.exec(prompt)
          if (own === null) return { reasoning: '0', answer: u(agent, 0) < 0.6 ? 'right' : 'wrong' }
          const others = [...prompt.matchAll(/^\d\. \d Answer: (\w+)/gm)].map(([, one]) => one === 'right')
          const share = [own[2] === 'right', ...others].filter(Boolean).length / 5
          const layer = Number(own[1]) + 1
          const isRight =
            own[2] === 'right'
              ? u(agent, layer) >= regime.turnsWrong(share)
              : u(agent, layer) < regime.turnsRight(share)
          return { reasoning: String(layer), answer: isRight ? 'right' : 'wrong' }
        },
      )
      const planned = await layeredNet<boolean>({
        agents: 5,
        layers: 3,
        reply: async (agent, layer, seen) =>
          layer === 0 ? u(agent, 0) < 0.6 : revised(agent, seen, 5, regime, u(agent, layer)),
      })
      const heard = said.map((layer) => layer.map(({ reply }) => reply.answer === 'right'))
      assert.deepEqual(
        heard,
        planned.map((layer) => layer.map(({ reply }) => reply)),
      )
    }
  })

  test('it ends where all agree; an answer that keeps to no form is asked for again, then missing', async () => {
    const agreed = await run(debate, { question: 'Q?', members: 3, rounds: 4 }, () => ({ answer: 'Paris.' }))
    assert.deepEqual([agreed.answer, agreed.calls, agreed.byRound.length], ['Paris.', 3, 1])
    const odd = await run(debate, { question: 'Q?', members: marked(3), rounds: 2 }, (prompt) => {
      const agent = speakerOf(prompt)
      return agent === 0 ? 'no JSON' : { answer: `a${agent}` }
    })
    assert.deepEqual(
      odd.said.map((layer) => layer.map(({ agent }) => agent)),
      [
        [1, 2],
        [1, 2],
      ],
    )
    assert.equal(prompts.length, 8)
  })
})

describe('DyLAN', () => {
  test('every layer of importances sums to 1, whatever the ratings are', () => {
    const rating = fc.oneof(fc.integer({ min: -3, max: 9 }), fc.constant(Number.NaN))
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.array(rating, { maxLength: 4 }), { minLength: 3, maxLength: 3 }), {
          minLength: 1,
          maxLength: 4,
        }),
        (given) => {
          const layers = given.map((layer) =>
            layer.map((ratings, agent) => ({ agent, weights: edgeWeights(ratings, 3) })),
          )
          for (const layer of agentImportance(layers, ({ agent }) => agent !== 1))
            assert.ok(Math.abs(layer.reduce((sum, one) => sum + one, 0) - 1) < 1e-9)
        },
      ),
    )
    assert.deepEqual(edgeWeights([5, 0, 10], 3), [0.5, 0, 0.5])
  })

  test('five that agree end it; else the ranker’s two go on, by who they are and not where they stand', async () => {
    const one = await run(dylan, { question: 'Q?' }, () => ({ answer: 'A', ratings: [] }))
    assert.deepEqual([one.answer, one.calls, prompts.length], ['A', 5, 5])
    assert.ok(Math.abs(one.importance.reduce((sum, each) => sum + each, 0) - 1) < 1e-9)

    const split: Says = (prompt) => {
      const best = [...prompt.matchAll(/^(\d)\. (.*) Answer: a[36]$/gm)].map(([, place]) => Number(place))
      if (prompt.includes('"best"')) return { best }
      const others = [...prompt.matchAll(/^\d\. .* Answer: a(\d)$/gm)].map(([, agent]) => Number(agent))
      const agent = speakerOf(prompt)
      return { reasoning: 'x', answer: `a${agent}`, ratings: others.map((other) => (other === 3 ? 5 : 0)) }
    }
    const found = await run(dylan, { question: 'Q?', members: marked(7) }, split)
    assert.deepEqual(
      found.layers.map(({ length }) => length),
      [7, 7, 2],
    )
    assert.deepEqual(found.layers[2]?.map(({ agent }) => agent).toSorted(), [3, 6])
    assert.equal(found.calls, 17)
    // In the first two layers all weight is on agent 3; in the last the first of the two gave the answer.
    assert.ok((found.importance[3] as number) >= 2 - 1e-9)
  })

  test('the release keeps two others, and is worse for it', async () => {
    const [ours, published] = [await teamOf({}, 400), await teamOf({ asPublished: true }, 400)]
    assert.ok(ours.accuracy > published.accuracy + 0.05, `${ours.accuracy} ${published.accuracy}`)
    assert.deepEqual([ours.least, ours.most], [5, 17])
  })
})

describe('LVAgent', () => {
  test('three calls where two agree; else the lowest sum leaves, until one is left', async () => {
    const input = { question: 'Q?', members: marked(3) }
    const agreed = await run(lvAgent, input, (prompt) => ({ answer: speakerOf(prompt) === 2 ? 'B' : 'A' }))
    assert.deepEqual([agreed.answer, agreed.calls, agreed.left], ['a', 3, []])
    const split = await run(lvAgent, input, (prompt) => {
      const agent = speakerOf(prompt)
      if (!prompt.includes('"scores"')) return { answer: `x${agent}` }
      // All like M1 best and M0 least.
      return { scores: [...prompt.matchAll(/^\d\. M(\d):/gm)].map(([, other]) => [2, 9, 5][Number(other)]) }
    })
    assert.deepEqual([split.answer, split.left], ['x1', [0, 2]])
    assert.equal(split.calls, 3 + 3 + 2 + 2 + 1)
  })

  test('who never gives scores, or whose model fails, is not counted; the others decide who leaves', async () => {
    const found = await run(lvAgent, { question: 'Q?', members: marked(3) }, (prompt) => {
      const agent = speakerOf(prompt)
      if (!prompt.includes('"scores"')) return { answer: `x${agent}` }
      if (agent === 0) return prompt.includes('M2:') ? 'All of them are fine.' : 'fails'
      return { scores: [...prompt.matchAll(/^\d\. M(\d):/gm)].map(([, other]) => [2, 9, 5][Number(other)]) }
    })
    assert.deepEqual([found.answer, found.left], ['x1', [0, 2]])
    const silent = await run(lvAgent, { question: 'Q?', members: marked(3) }, (prompt) =>
      prompt.includes('"scores"') ? 'fails' : { answer: `x${speakerOf(prompt)}` },
    )
    assert.deepEqual([silent.answer, silent.left], ['x0', [2, 1]])
  })
})

describe('MALLM', () => {
  const members = marked(3)

  test('a decision is tried after every message: two of three end it in the first turn', async () => {
    const found = await run(mallm, { question: 'Q?', members, decision: 'majority' as const }, (prompt) =>
      speakerOf(prompt) === 0 ? { agree: false, solution: 'S', text: 'I think S' } : { agree: true, text: 'yes' },
    )
    assert.deepEqual([found.answer, found.decidedIn, found.messages.length], ['S', 1, 2])
  })

  test('a speaker sees what its paradigm lets it hear, two turns back', async () => {
    const talk: Says = (prompt) => ({
      agree: false,
      solution: `s${speakerOf(prompt)}`,
      text: `by ${speakerOf(prompt)}`,
    })
    await run(mallm, { question: 'Q?', members, paradigm: 'report' as const, turnsMax: 3 }, talk)
    assert.equal(prompts.length, 9)
    for (const prompt of prompts.filter((one) => speakerOf(one) === 1)) assert.ok(!prompt.includes('by 2'))
    const last = prompts.findLast((one) => speakerOf(one) === 0) as string
    assert.equal([...last.matchAll(/by 2/g)].length, 1, 'the first turn is out of sight')
  })

  test('a tie takes one more turn; a drift is held again', async () => {
    const ballots = [[1], [2], [3], [2], [2], [3]]
    let cast = 0
    const tied = await run(mallm, { question: 'Q?', members, decision: 'plurality' as const }, (prompt) =>
      prompt.includes('"ballot"')
        ? { ballot: ballots[cast++] }
        : { agree: false, solution: `s${speakerOf(prompt)}`, text: '' },
    )
    assert.deepEqual([tied.answer, tied.decidedIn, tied.votes], ['s1', 4, [['s0', 's1', 's2'], ['s1']]])
    let asked = 0
    const drifted = await run(mallm, { question: 'Q?', members, turnsMax: 2, judge: true }, (prompt, n) =>
      prompt.includes('"worse"') ? { worse: ++asked === 1 } : { agree: false, solution: `s${n}`, text: '' },
    )
    assert.deepEqual([drifted.drifts, drifted.decidedIn, drifted.messages.length], [1, null, 6])
    assert.equal(drifted.answer, 's10', 'three, three that drifted, a judge between, three again')
  })
})

describe('AGP', () => {
  test('drawn graphs have no circle', () => assert.equal(circles(300), 0))

  test('what an agent is worth is read from teams of others too', () => {
    const teams = Array.from({ length: 40 }, (_, i) => {
      const members = [0, 1, 2].map((agent) => keyed(3, i, agent) < 0.5)
      return { members, utility: (members[0] ? 0.6 : 0) - (members[2] ? 0.2 : 0) }
    })
    const [one, two, three] = worthOf(teams) as [number, number, number]
    assert.ok(
      Math.abs(one - 0.6) < 0.1 && Math.abs(two) < 0.05 && Math.abs(three + 0.2) < 0.05,
      `${one} ${two} ${three}`,
    )
  })

  test('who changes nothing does not seem needed by chance', () => {
    let [needed, idle, idleAsEstimated] = [0, 0, 0]
    for (let task = 0; task < 200; task++) {
      const teams = Array.from({ length: 24 }, (_, i) => {
        const members = [0, 1, 2].map((agent) => keyed(5, task, i, agent) < 0.5)
        return { members, utility: (members[0] ? 0.3 : 0) + 0.2 * (keyed(5, task, i, 3) - 0.5) }
      })
      const [first, second] = worthOf(teams) as [number, number, number]
      if (first > 0) needed++
      if (second > 0) idle++
      if ((worthOf(teams, { errors: 0 })[1] as number) > 0) idleAsEstimated++
    }
    // One in six is above a standard error, one in two above none.
    assert.equal(needed, 200)
    assert.ok(idle < 50 && idleAsEstimated > 75, `${idle}, ${idleAsEstimated} as estimated`)
    assert.throws(() => worthOf([], { errors: -1 }), { code: 'INVALID_ARGUMENT' })
  })

  test('who is pruned makes no call; who is kept hears those before it', async () => {
    const embedder = hashingEmbedder()
    const own = await boot({
      embedder,
      model: answering((prompt) => {
        prompts.push(prompt)
        return { reasoning: 'r', answer: `by ${speakerOf(prompt)}` }
      }),
    })
    const texts = [
      'add the numbers in the column',
      'sum all numbers of the table',
      'translate the poem into French',
      'translate this song into German',
    ]
    const vectors = await embedder.embed(texts, { signal: new AbortController().signal })
    const pruner = trainPruner(
      vectors.map((query, i) => ({ query: [...query], worth: i < 2 ? [1, 1, -1] : [-1, 1, 1] })),
      { epochs: 100 },
    )
    prompts = []
    const sums = await own.spawn(agp, { question: 'add all numbers of the table', members: marked(3), pruner }).result
    assert.deepEqual(sums.kept, ['M0', 'M1'])
    assert.equal(prompts.length, 3)
    assert.equal(sums.edges.length, 1)
    const [from, to] = sums.edges[0] as readonly [string, string]
    const heard = prompts.find((prompt) => prompt.includes(`You are <${to.slice(1)}>`)) as string
    assert.match(heard, new RegExp(`${from}: r Answer: by ${from.slice(1)}`))
    const everybody = await own.spawn(agp, { question: 'Q?', members: marked(3) }).result
    assert.deepEqual([everybody.kept.length, everybody.edges.length, everybody.answer], [3, 3, 'by -1'])
    const wrong = own.spawn(agp, { question: 'Q?', members: marked(2), pruner })
    await assert.rejects(wrong.result, { code: 'INVALID_ARGUMENT' })
    await own.close()
  })
})

describe('Symbolic-MoE', () => {
  test('draws follow the profiles; who is rare gives way', () => {
    const profiles = profilesOf([
      { skills: ['sums'], right: [true, false, false] },
      { skills: ['sums', 'verse'], right: [true, true, false] },
      { skills: ['verse'], right: [false, true, false] },
    ])
    assert.deepEqual(profiles[0], { sums: 2, verse: 0 })
    assert.deepEqual(recruitingWeights(profiles, ['sums']), [1, 0, 0])
    assert.deepEqual(recruitingWeights(profiles, ['cooking']), [1 / 3, 1 / 3, 1 / 3])
    assert.deepEqual(
      recruited([0, 1, 0], 3, () => 0.999),
      [1, 1, 1],
    )
    const draws = Array.from({ length: 30 }, (_, i) => (i === 0 ? [0, 2] : [0, 1]))
    const weights = draws.map(() => [0.5, 0.3, 0.2])
    assert.deepEqual(withoutRare(draws, weights)[0], [0, 0], 'one of thirty is less than 5 %')
    assert.deepEqual(withoutRare(draws, weights)[1], [0, 1])
  })

  test('questions are asked expert by expert, and unknown skills are the nearest known one', async () => {
    const own = await boot({
      embedder: hashingEmbedder(),
      model: answering((prompt) => {
        prompts.push(prompt)
        return prompt.includes('"skills"')
          ? { skills: [prompt.includes('poem') ? 'verses' : 'sums', `once ${prompts.length}`] }
          : { reasoning: 'r', answer: `by ${speakerOf(prompt)}` }
      }),
    })
    prompts = []
    const questions = ['2 + 2?', 'a poem?', '3 + 3?']
    const found = await own.spawn(symbolicMoe, {
      questions,
      experts: marked(2),
      aggregator: { name: 'Aggregator' },
      profiles: [{ sums: 3 }, { verse: 3 }],
    }).result
    assert.deepEqual(
      found.map(({ skills }) => skills),
      [['sums'], ['verse'], ['sums']],
    )
    assert.deepEqual(
      found.map(({ experts }) => experts),
      [['M0'], ['M1'], ['M0']],
    )
    const asked = prompts.map(speakerOf).filter((expert) => expert >= 0)
    assert.deepEqual(asked, [0, 0, 0, 0, 0, 0, 1, 1, 1])
    assert.equal(prompts.length, 15 + 9 + 3)
    await own.close()
  })
})

describe('ANN, the forward pass', () => {
  const layer = (subtask: string, aggregation?: Aggregation) => ({
    subtask,
    team: marked(3),
    ...(aggregation === undefined ? {} : { aggregation }),
  })
  /** Says who it is and how many answers it read; the writer of a mixture is nobody. */
  const members: Says = (prompt) => {
    const read = [...prompt.matchAll(/^\d\. /gm)].length
    const [, subtask = ''] = /Sub-task: (\w+)/.exec(prompt) ?? []
    return { reasoning: `${subtask} after ${read}.`, answer: `by ${speakerOf(prompt)}` }
  }

  test('each aggregation asks for what it says, and gives what it says', async () => {
    const found = async (aggregation: Aggregation, script: Says = members) => {
      const { answer, log, calls } = await run(
        annForward,
        { question: 'Q?', layers: [layer('one', aggregation)] },
        script,
      )
      assert.equal(calls, log.length)
      return [answer, log.map(({ agent, output }) => `${agent} ${output.reasoning}`).join(' ')]
    }
    const alone = 'M0 one after 0. M1 one after 0. M2 one after 0.'
    assert.deepEqual(await found('vote'), ['by 0', alone])
    const two: Says = (prompt) => ({ answer: speakerOf(prompt) === 0 ? 'x' : 'y' })
    assert.equal((await found('vote', two))[0], 'y', 'the plurality')
    assert.deepEqual(await found('debate'), ['by 0', `${alone} M0 one after 3. M1 one after 3. M2 one after 3.`])
    assert.deepEqual((await found('debate', () => ({ answer: 'same' })))[1], 'M0  M1  M2 ', 'it ends where all agree')
    const withoutOne: Says = (prompt) => (speakerOf(prompt) === 1 ? 'fails' : { answer: 'same' })
    for (const [size, script, rounds] of [
      [3, withoutOne, ['M0', 'M2', 'M0', 'M2']],
      [1, members, ['M0', 'M0']],
    ] as const) {
      const layers = [{ ...layer('one', 'debate'), team: marked(size) }]
      const { log } = await run(annForward, { question: 'Q?', layers }, script)
      assert.deepEqual(
        log.map(({ agent }) => agent),
        rounds,
        'who is missing or alone has not agreed',
      )
    }
    assert.deepEqual(await found('self-refine'), ['by 0', 'M0 one after 0. M0 one after 1.'])
    assert.match(prompts.at(-1) as string, /Find what is wrong with it, and better it/)
    assert.deepEqual(await found('chain'), ['by 2', 'M0 one after 0. M1 one after 1. M2 one after 1.'])
    assert.deepEqual(await found('mixture'), ['by -1', `${alone} Aggregator one after 3.`])
  })

  test('a layer has the task, its sub-task and what the one before came to; the last one answers', async () => {
    const layers = [layer('first', 'vote'), layer('second', 'chain'), layer('third', 'mixture')]
    const pass = await run(annForward, { question: 'Q?', layers }, members)
    assert.equal(pass.answer, 'by -1')
    assert.deepEqual(
      pass.log.map(({ layer: at, aggregation }) => `${at} ${aggregation}`),
      [...marked(3).map(() => '0 vote'), ...marked(3).map(() => '1 chain'), ...['', '', '', ''].map(() => '2 mixture')],
    )
    const given = [
      '',
      'From the layer before: first after 0. Answer: by 0',
      'From the layer before: second after 1. Answer: by 2',
    ]
    for (const { layer: at, input } of pass.log) {
      const [head, ...read] = input.split('\n\nAnswers:\n')
      assert.equal(head, ['Task: Q?', `Sub-task: ${layers[at]?.subtask}`, given[at]].filter(Boolean).join('\n\n'))
      assert.ok(read.every((text) => text.includes(`${layers[at]?.subtask} after`)))
    }
    assert.deepEqual(JSON.parse(JSON.stringify(pass)), pass, 'plain data, for who goes back over it')
  })

  test('an aggregation is chosen when its turn comes, by what earlier passes came to; one that is named is not asked for', async () => {
    const past = [
      { subtask: 'first', aggregation: 'vote', score: 0 },
      { subtask: 'first', aggregation: 'vote', score: 0.5 },
      { subtask: 'second', aggregation: 'chain', score: 1 },
    ] as const
    const chosen = ['chain', 'nonsense', 'nonsense']
    const asked: string[] = []
    const script: Says = (prompt, n) => {
      if (!prompt.includes('Choose how a team')) return members(prompt, n)
      asked.push(prompt)
      return { aggregation: chosen.shift() }
    }
    const layers = [layer('first'), layer('second', 'self-refine'), layer('third')]
    const pass = await run(annForward, { question: 'Q?', layers, past, aggregations: ['debate', 'chain'] }, script)
    assert.deepEqual(
      pass.layers.map(({ aggregation }) => aggregation),
      ['chain', 'self-refine', 'debate'],
    )
    assert.equal(asked.length, 3, 'what cannot be read is asked again once, then it is the first')
    const [first = '', third = ''] = asked
    assert.ok(first.includes('- vote on "first": 0.25 in 2 passes\n- chain on "second": 1.00 in 1 passes'))
    assert.deepEqual(
      [...first.matchAll(/^- ([\w-]+): /gm)].map(([, name]) => name),
      ['debate', 'chain'],
    )
    assert.ok(!first.includes('From the layer before') && third.includes('From the layer before: second after 1.'))
    assert.equal(pass.calls, 2 + 3 + 2 + 6)
  })

  test('a question is split into layers of small teams; where it cannot be, it is one; what is no network is refused', async () => {
    const team = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ name: `E${i}`, role: `You are <${i}>.` }))
    const script =
      (layers: unknown): Says =>
      (prompt, n) =>
        prompt.includes('Split the task')
          ? { layers }
          : prompt.includes('Choose how')
            ? { aggregation: 'vote' }
            : members(prompt, n)
    const many = Array.from({ length: 6 }, (_, i) => ({ subtask: `part${i}`, team: team(5) }))
    const pass = await run(annForward, { question: 'Q?' }, script(many))
    assert.deepEqual([pass.layers.length, pass.layers[0]?.team.length, pass.calls], [4, 3, 1 + 4 + 12])
    assert.equal(speakerOf(prompts[2] as string), 0, 'with its role')
    const whole = await run(annForward, { question: 'Q?', teamMax: 2 }, script('none'))
    assert.deepEqual(
      whole.layers.map(({ subtask, team: own }) => [subtask, own.length]),
      [['Q?', 2]],
    )
    const refused = { code: 'INVALID_ARGUMENT' }
    await assert.rejects(run(annForward, { question: 'Q?', layers: [] }, members), refused)
    await assert.rejects(run(annForward, { question: 'Q?', aggregations: [] }, members), refused)
    const strange = { question: 'Q?', aggregations: ['poll' as Aggregation] }
    await assert.rejects(run(annForward, strange, members), { ...refused, message: /not "poll"/ })
  })

  test('a member that fails is missing; who reads whom can be seen, also across layers', async () => {
    const layers = [layer('first', 'vote'), layer('second', 'debate')]
    says = (prompt, n) => (speakerOf(prompt) === 1 && prompt.includes('Sub-task: first') ? 'fails' : members(prompt, n))
    const started = kernel.spawn(annForward, { question: 'Q?', layers })
    const { log } = await started.result
    assert.deepEqual(
      log.map(({ agent }) => agent),
      ['M0', 'M2', 'M0', 'M1', 'M2', 'M0', 'M1', 'M2'],
    )
    const { said } = spoken(await kernel.events(started.pid))
    const heard = said.map(({ seat, turn, to }) =>
      [seat, turn, ...to].map((one) => String(one).split(' ').at(-1)).join(' '),
    )
    assert.deepEqual(heard, ['M0 1 M1 M2', 'M2 1', 'M0 2 M1 M2', 'M1 2 M0 M2', 'M2 2 M0 M1', 'M0 3', 'M1 3', 'M2 3'])
    assert.ok((await kernel.replay(started.pid)).same)
  })
})
