/**
 * SciAgents: the path through a graph by itself, and the program through the kernel with a scripted group that knows nothing but its prompts. What it
 * reaches on many planted graphs is measured by `npm run experiments` (C15-SCIENCE).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  ORDER,
  faultOfPath,
  foreignIn,
  plantedGraph,
  researched,
  returns,
  scientists,
  unseemly,
} from '../bench/experiments/c15-science.ts'
import { keyed } from '../bench/experiments/population.ts'
import { groupChat } from '../src/agents/pieces/group-chat.ts'
import { knowledgePath, pathText, type Relation } from '../src/agents/pieces/knowledge-path.ts'
import { sciAgents } from '../src/agents/sci-agents.ts'
import { temporalGraph } from '../src/agents/temporal-graph.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { teamOf } from '../src/evaluation/team.ts'
import { boot, defineProgram, simulatedClock, type Json, type Tool } from '../src/index.ts'
import { settled, tool } from './world.ts'

const relation = (subject: string, object: string): Relation => ({ subject, relation: 'leads to', object })
const drawing = (seed: number) => {
  let n = 0
  return (): number => keyed(seed, n++)
}

describe('a path through a graph of concepts', () => {
  test('is one, from where to where it was told, over as many waypoints as there are', async () => {
    const concept = fc.nat(14).map((one) => `c${one}`)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(concept, concept), { minLength: 1, maxLength: 60, size: 'max' }),
        fc.nat(6),
        fc.nat(1_000),
        fc.boolean(),
        async (pairs, waypoints, seed, asPublished) => {
          const graph = pairs.filter(([a, b]) => a !== b).map(([a, b]) => relation(a, b))
          fc.pre(graph.length > 0)
          // Ends that hang together: by a walk from one of them.
          const { subject: from } = graph[seed % graph.length] as Relation
          const part = new Set([from])
          for (const one of part)
            for (const { subject, object } of graph) {
              if (subject === one) part.add(object)
              if (object === one) part.add(subject)
            }
          const to = [...part].filter((one) => one !== from)[seed % (part.size - 1)] as string
          const path = await knowledgePath(graph, { from, to, waypoints, asPublished, random: drawing(seed) })
          assert.equal(faultOfPath(graph, path), undefined)
          assert.deepEqual([path.concepts[0], path.concepts.at(-1)], [from, to])
          assert.equal(new Set(path.waypoints).size, path.waypoints.length)
          assert.ok(path.waypoints.length <= waypoints)
          // Fewer only where no more stand beside the first way: a way through all others leaves none.
          if (path.waypoints.length < waypoints && part.size > path.concepts.length) {
            const again = await knowledgePath(graph, { from, to, waypoints: 0, asPublished, random: drawing(seed) })
            const beside = graph.flatMap(({ subject, object }) =>
              again.concepts.includes(subject) ? [object] : again.concepts.includes(object) ? [subject] : [],
            )
            const free = new Set(beside.filter((one) => !again.concepts.includes(one)))
            assert.equal(path.waypoints.length, free.size)
          }
          assert.deepEqual(
            await knowledgePath(graph, { from, to, waypoints, asPublished, random: drawing(seed) }),
            path,
            'the same draws, the same path',
          )
        },
      ),
    )
  })

  test('without draws and waypoints it is a shortest one, and the text says in which direction each relation holds', async () => {
    const graph = [relation('A', 'b'), relation('c', 'B'), relation('a', 'x'), relation('x', 'y'), relation('y', 'c')]
    const path = await knowledgePath(graph, { from: 'a', to: 'C', waypoints: 0, noise: 0, random: () => 0.5 })
    assert.deepEqual(path.concepts, ['A', 'b', 'c'])
    assert.equal(pathText(path), 'A --[leads to]--> b <--[leads to]-- c')
  })

  test('of ways that are as long a draw takes one, and meaning takes the one that leads to where the end is meant', async () => {
    const graph = ['near', 'far'].flatMap((over) => [relation('a', over), relation(over, 'z')])
    const over = async (distance?: (concept: string) => number): Promise<string[]> => {
      const found = new Set<string>()
      for (let seed = 0; seed < 20; seed++) {
        const options = { from: 'a', to: 'z', waypoints: 0, random: drawing(seed), ...(distance && { distance }) }
        found.add((await knowledgePath(graph, options)).concepts[1] as string)
      }
      return [...found].toSorted()
    }
    assert.deepEqual(await over(), ['far', 'near'])
    assert.deepEqual(await over((concept) => (concept === 'far' ? 1 : 0)), ['near'])
  })

  test('goes round what it has visited where that is hardly longer; the release turns round', async () => {
    // Concepts that are two steps from each other, over any of nine hubs.
    const spokes = Array.from({ length: 6 }, (_, i) => `s${i}`)
    const graph = Array.from({ length: 9 }, (_, hub) => spokes.map((one) => relation(`hub${hub}`, one))).flat()
    let turned = 0
    for (let seed = 0; seed < 20; seed++) {
      const way = (asPublished: boolean) =>
        knowledgePath(graph, { from: 's0', to: 's1', asPublished, random: drawing(seed) })
      const [ours, published] = [await way(false), await way(true)]
      assert.deepEqual([returns(ours), ours.waypoints], [0, published.waypoints])
      turned += returns(published)
    }
    assert.ok(turned >= 20, String(turned))
    // From the end of a spur back over where it came from, or round in so many steps more.
    const spur = [
      relation('a', 'hub'),
      relation('hub', 'z'),
      relation('hub', 'w'),
      ...['1', '2', '3'].map((one, i, all) => relation(i === 0 ? 'w' : (all[i - 1] as string), one)),
      relation('3', 'z'),
    ]
    const lengths: number[] = []
    // The default is 2.
    for (const given of [{ detour: 1 }, {}, { detour: 3 }]) {
      const { concepts } = await knowledgePath(spur, {
        from: 'a',
        to: 'z',
        waypoints: 1,
        noise: 0,
        random: () => 0,
        ...given,
      })
      lengths.push(concepts.length)
    }
    assert.deepEqual(lengths, [5, 7, 7])
  })

  test('what cannot be is refused with what to do instead', async () => {
    const graph = [relation('a', 'b'), relation('c', 'd')]
    const way = (from?: string, to?: string, relations = graph) =>
      knowledgePath(relations, { from, to, random: () => 0 })
    const refused = { code: 'INVALID_ARGUMENT' }
    await assert.rejects(way('a', 'd'), { ...refused, message: /no relations lead from "a" to "d"/ })
    await assert.rejects(way('z'), { ...refused, message: /no concept "z"/ })
    await assert.rejects(way('a', ' A '), { ...refused, message: /begin and end at "a"/ })
    await assert.rejects(way(undefined, undefined, [relation('a', 'a')]), { ...refused, message: /at least one/ })
    // Ends that are drawn hang together: of two parts, in the larger one.
    const larger = [...graph, relation('d', 'e')]
    for (let seed = 0; seed < 10; seed++) {
      const { concepts } = await knowledgePath(larger, { random: drawing(seed) })
      assert.ok(concepts.every((one) => ['c', 'd', 'e'].includes(one)))
    }
  })
})

const graph = plantedGraph(3)
/** A search that finds what was planted. */
const literature = (results: readonly Json[], asked: Json[] = []): Tool =>
  tool('search', (input) => {
    asked.push(input)
    return results
  })

describe('SciAgents, in a fixed sequence', () => {
  test('is twelve calls in order, each shown what its stage may see; the document is a file', async () => {
    const { output, document, prompts } = await researched({ graph }, scientists())
    assert.deepEqual(output.made, ORDER)
    assert.equal(prompts.length, 12)
    assert.equal(unseemly(prompts), 0)
    assert.deepEqual([output.missing, output.rating, output.file], [[], null, 'research.md'])
    assert.equal(Object.keys(output.proposal ?? {}).length, 7)
    const [first, last] = [output.path.concepts[0], output.path.concepts.at(-1)]
    assert.ok(
      document.startsWith(
        `# A research proposal between ${first} and ${last}\n\n## Path\n\n${pathText(output.path)}\n`,
      ),
    )
    assert.doesNotMatch(document, /\n\n\n|## \w+\n\n##? |Weaknesses/, 'nothing stands under no heading')
    for (const concept of output.path.concepts) assert.ok(document.includes(`**${concept}**: what ${concept} is`))
  })

  test('whoever works out one aspect changes no other, whatever it says of them', async () => {
    const { output, document } = await researched({ graph }, scientists())
    assert.deepEqual(foreignIn(document), [])
    assert.equal(output.proposal?.novelty, 'novelty as drafted')
  })

  test('a concept that is not defined, or an aspect that is not drafted, is asked for again, and then is an end that is told', async () => {
    const mended = await researched({ graph }, scientists({ forgets: true }))
    assert.deepEqual(mended.output.made.slice(0, 3), ['definitions', 'definitions', 'proposal'])
    assert.ok(mended.prompts.some((prompt) => prompt.includes('It does not define')))
    assert.deepEqual(mended.output.missing, [])
    const says = scientists()
    const never = await researched({ graph, backsMax: 1 }, (prompt) =>
      prompt.includes('Draft a proposal') ? '{"hypothesis": "alone"}' : says(prompt),
    )
    assert.equal(never.output.failed?.stage, 'proposal')
    assert.deepEqual([never.output.proposal, never.output.missing.length], [null, 11])
    assert.ok(!never.document.includes('## Proposal') && never.document.includes('## Concepts'))
  })

  test('holds it against the literature by the tool, three searches at most; where nothing is found nothing is rated', async () => {
    const asked: Json[] = []
    const queries = ['a', 'b', 'c', 'd']
    const input = { graph, literature: 'search' }
    const { output, document, prompts } = await researched(input, scientists({ queries }), [
      literature([{ title: 'A study' }], asked),
    ])
    assert.deepEqual(
      asked,
      ['a', 'b', 'c'].map((query) => ({ query, limit: 10 })),
    )
    assert.deepEqual([output.rating?.novelty, output.rating?.feasibility, output.made.at(-1)], [7, 6, 'literature'])
    assert.ok(prompts.at(-1)?.includes('A study'))
    assert.ok(document.includes('Novelty 7 of 10, feasibility 6 of 10.'))
    const bare = await researched(input, scientists({ queries }), [literature([])])
    assert.deepEqual([bare.output.rating?.novelty, bare.output.rating?.searches.length], [null, 3])
    assert.ok(bare.document.includes('Not rated.'))
    const published = await researched({ ...input, asPublished: true }, scientists({ queries }), [literature([])])
    assert.equal(published.output.rating?.novelty, 7, 'what nobody found is new, as in the release')
    const broken = await researched(input, scientists({ queries: ['a'] }), [
      tool('search', () => {
        throw new Error('the library is closed')
      }),
    ])
    assert.match(broken.output.rating?.searches[0]?.failed ?? '', /closed/)
    assert.equal(broken.output.rating?.novelty, null)
  })
})

describe('SciAgents, in a chat', () => {
  test('a planner goes first, nobody speaks before there is what it works on, and it is not over before it is whole', async () => {
    const offers: string[][] = []
    const { output, document } = await researched(
      { graph, mode: 'chat' },
      scientists({
        choose(offered, spoken) {
          offers.push([...offered])
          return offers.length === 4 ? null : (offered.findLast((one) => !spoken.has(one)) ?? null)
        },
      }),
    )
    assert.deepEqual(offers[0], ['Planner', 'Ontologist'])
    assert.ok(!offers[0]?.includes('Critic') && offers.at(-1)?.includes('Critic on synthetic biology'))
    assert.deepEqual(output.missing, [])
    assert.deepEqual([...output.made].toSorted(), ['plan', ...ORDER].toSorted())
    assert.equal(offers.length, output.made.length + 1, 'over when whole')
    assert.notDeepEqual(output.made.slice(1), ORDER, 'in an order of its own')
    assert.deepEqual(foreignIn(document), [])
  })

  test('ends after its turns with what is missing, fifty unless told otherwise', async () => {
    const choose = (): string => 'Ontologist'
    const few = await researched({ graph, mode: 'chat', roundsMax: 5 }, scientists({ choose }))
    assert.deepEqual([few.output.made.length, few.output.missing.length], [5, 12])
    const many = await researched({ graph, mode: 'chat' }, scientists({ choose }))
    assert.equal(many.output.made.length, 50)
  })

  test('what does not count is said, and is no document', async () => {
    const says = scientists({ forgets: true })
    const { output, prompts } = await researched({ graph, mode: 'chat' }, says)
    assert.ok(prompts.some((prompt) => /Ontologist:\n\(What was said does not count: It does not define/.test(prompt)))
    assert.equal(output.made.filter((one) => one === 'definitions').length, 2)
    assert.deepEqual(output.missing, [])
  })

  test('a choice that cannot be read falls on the next in the list, and one round is one turn', async () => {
    const said: string[] = []
    const kernel = await boot({
      model: scripted((call) => (promptText(call.prompt).includes('You choose') ? 'Whoever.' : 'x')),
    })
    const chat = defineProgram('chat', async (sys) =>
      groupChat(sys, {
        task: 'Talk.',
        roundsMax: 4,
        members: ['a', 'b', 'c'].map((name) => ({
          name,
          description: name,
          canSpeak: () => name !== 'b' || said.length > 2,
          async speak(before) {
            assert.equal(before.length, said.length)
            said.push(name)
            return name
          },
        })),
      }),
    )
    const { isOver } = (await kernel.spawn(chat, null).result) as { isOver: boolean }
    await kernel.close()
    assert.deepEqual([said, isOver], [['a', 'c', 'a', 'b'], false])
  })
})

describe('SciAgents and the kernel', () => {
  test('draws from the kernel: a seed has one path, another another; a replay is the same', async () => {
    const path = async (seed: number): Promise<string> => {
      const clock = simulatedClock({ seed })
      const kernel = await boot({ clock, model: scripted((call) => scientists()(promptText(call.prompt))) })
      const run = kernel.spawn(sciAgents, { graph })
      const { path } = await settled(clock, run.result)
      assert.ok((await settled(clock, kernel.replay(run.pid))).same)
      await kernel.close()
      return pathText(path)
    }
    assert.equal(await path(1), await path(1))
    assert.notEqual(await path(1), await path(2))
  })

  test('takes the facts of the temporal graph that hold, where no graph is given; a keyword is the concept nearest to it', async () => {
    const kernel = await boot({ embedder: 'hashing', model: scripted((call) => scientists()(promptText(call.prompt))) })
    const facts = temporalGraph()
    const remembering = defineProgram('remembering', async (sys) => {
      const now = sys.now()
      for (const [subject, object] of [
        ['spider silk', 'spinning gland'],
        ['spinning gland', 'lipid membrane'],
        ['lipid membrane', 'collagen'],
      ] as const)
        await facts.addFact(sys, { subject, relation: 'stands beside', object })
      await facts.addFact(sys, {
        subject: 'spider silk',
        relation: 'was',
        object: 'collagen',
        validFrom: now - 2_000,
        validTo: now - 1_000,
      })
      return (await sys.wait(
        await sys.spawn(sciAgents, { from: 'silk of the spider', to: 'Collagen', waypoints: 0, byMeaning: true }),
      )) as Json
    })
    const { path } = (await kernel.spawn(remembering, null).result) as unknown as { path: { concepts: string[] } }
    await kernel.close()
    assert.deepEqual(path.concepts, ['spider silk', 'spinning gland', 'lipid membrane', 'collagen'])
  })

  test('who reads whom can be seen: of a sequence by what each stage sees, of a chat by all', async () => {
    const heard = async (mode: 'fixed' | 'chat') => {
      const says = scientists()
      const kernel = await boot({ model: scripted((call) => says(promptText(call.prompt))) })
      const run = kernel.spawn(sciAgents, { graph, mode })
      await run.result
      const { said, seats } = teamOf(await kernel.events(run.pid))
      await kernel.close()
      const nameOf = (id: string): string => seats.find((seat) => seat.id === id)?.name ?? id
      return new Map(said.map(({ seat, to }) => [nameOf(seat), to.map(nameOf)]))
    }
    const fixed = await heard('fixed')
    const critics = ['Critic', 'Critic on molecular modelling', 'Critic on synthetic biology']
    assert.deepEqual(fixed.get('Ontologist'), ['Scientist', ...critics])
    assert.deepEqual(fixed.get('Scientist on outcome'), critics)
    assert.deepEqual(fixed.get('Critic'), critics.slice(1))
    const chat = await heard('chat')
    assert.equal(chat.get('Ontologist')?.length, 12)
    assert.ok(!chat.get('Ontologist')?.includes('Ontologist'))
  })
})
