/**
 * The memory programs of src/agents on long conversations: how much of the evidence each shows at the same budget of notes,
 * beside what it costs.
 *
 *     node bench/memory-programs.ts                        our own conversations: the held-out stories, one seed
 *     node bench/memory-programs.ts conversations.json     a file in the form of bench/memory-file.ts
 *       --seeds 3 --budget 10,25 --embedder words|none     (embedder words when not given)
 *       --only plain,a-mem                                 some of them
 *
 * No model takes part. Where a program asks one, a script answers: A-MEM's notes are not described and are linked with all
 * the neighbours they are shown, which is the link expansion of the paper without its words; the others are told nothing.
 * So this measures structure alone: what links, layers and graphs add to a search, or take from it.
 *
 * "a-mem, as published" shows k hits, half of the budget, and up to k + 1 linked notes beside them; "plain, as many as
 * published" is a plain search that shows as many notes as that did on the mean.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { aMem } from '../src/agents/a-mem.ts'
import type { LongTermMemory, LongTermMemoryName } from '../src/agents/long-term-memory.ts'
import { longTermMemory, plainMemory } from '../src/agents/long-term-memory.ts'
import { boot, loadEmbedder } from '../src/boot.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import type { Embedder } from '../src/kernel/drivers.ts'
import type { Json } from '../src/kernel/types.ts'
import { makeConversation, readStories } from './conversations.ts'
import { percentile } from './figures.ts'
import type { ReadConversation } from './memory-file.ts'
import { checkConversations, readConversations } from './memory-file.ts'

/** A memory that is filled once, and the ways in which it is asked. */
interface Contestant {
  readonly name: string
  readonly memory: LongTermMemory
  readonly asked: readonly Asked[]
}

interface Asked {
  readonly name: string
  readonly memory: LongTermMemory
  /** Notes that it is asked for, of a budget. */
  readonly limit: (budget: number) => number
}

interface Figures {
  readonly contestant: string
  readonly budget: number
  readonly 'notes shown': string
  readonly recall: string
  readonly MRR: string
  readonly 'add ms': string
  readonly 'recall p50 ms': string
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1' },
    budget: { type: 'string', default: '10,25' },
    embedder: { type: 'string', default: 'words' },
    only: { type: 'string' },
  },
})

const budgets = values.budget.split(',').map(Number)
const links = { keywordQueries: false, space: 'links' }
const same = (budget: number): number => budget
const alone = (name: LongTermMemoryName): Contestant => {
  const memory = longTermMemory(name)
  return { name, memory, asked: [{ name, memory, limit: same }] }
}
/** Notes that A-MEM shows as published, on the mean: k hits, and up to k + 1 linked. */
const shownAsPublished = new Map<number, number>()
const plain = plainMemory()
const all: readonly Contestant[] = [
  {
    name: 'a-mem',
    memory: aMem(links),
    asked: [
      ...[0, 0.1, 0.25, 0.5].map((linkedShare) => ({
        name: `a-mem, ${linkedShare * 100} % linked`,
        memory: aMem({ ...links, linkedShare }),
        limit: same,
      })),
      {
        name: 'a-mem, as published',
        memory: aMem({ ...links, asPublished: { expandsByOneMore: true } }),
        limit: (budget) => Math.floor(budget / 2),
      },
    ],
  },
  {
    name: 'plain',
    memory: plain,
    asked: [
      { name: 'plain', memory: plain, limit: same },
      {
        name: 'plain, as many as published',
        memory: plain,
        limit: (budget) => Math.ceil(shownAsPublished.get(budget) ?? budget),
      },
    ],
  },
  ...(['layered', 'temporal-graph', 'knowledge-graph', 'mem0', 'paging'] as const).map(alone),
]
const contestants = all.filter(({ name }) => values.only === undefined || values.only.split(',').includes(name))

/** Links a note with every neighbour it is shown, and says nothing else. */
const linker = () =>
  scripted(
    ({ prompt }) => {
      const text = promptText(prompt)
      if (!text.includes('Its neighbours')) return text.startsWith('system: Describe') ? EMPTY : '{}'
      const numbers = Array.from(text.slice(text.indexOf('Its neighbours')).matchAll(/^(\d+): /gm), ([, number]) =>
        Number(number),
      )
      return JSON.stringify({
        ...NOTHING,
        should_evolve: true,
        actions: ['strengthen'],
        suggested_connections: numbers,
      })
    },
    { callsKeptMax: 0 },
  )
const EMPTY = JSON.stringify({ keywords: [], context: '', tags: [] })
const NOTHING = { tags_to_update: [], new_context_neighborhood: [], new_tags_neighborhood: [] }

async function conversationsAsked(): Promise<readonly ReadConversation[]> {
  if (positionals[0] !== undefined) return (await readConversations(positionals[0])).conversations
  const stories = readStories(await readFile(join(import.meta.dirname, 'stories', 'held-out.txt'), 'utf8'))
  const made = Array.from({ length: Number(values.seeds) }, (_, seed) => makeConversation(stories, seed + 1))
  return checkConversations(made, 'bench/stories/held-out.txt').conversations
}

interface Result {
  readonly name: string
  readonly budget: number
  readonly ms: number
  /** Notes that came back. */
  readonly shown: number
  /** Of each piece of evidence, its place among them; 0 where it is not. */
  readonly ranks: readonly number[]
}

/** One conversation: how long a turn takes to add, and what each question gives. */
async function measure({ memory, asked }: Contestant, conversation: ReadConversation, embedder: Embedder | undefined) {
  const kernel = await boot({ model: linker(), ...(embedder === undefined ? {} : { embedder }) })
  const run = kernel.spawn(async (sys) => {
    let began = performance.now()
    let notes = 0
    for (const [i, { turns }] of conversation.sessions.entries())
      for (const { id, speaker, text } of turns) {
        const at = conversation.times[i] as number
        await memory.add(sys, { text: `${speaker}: ${text}`, at, session: `s${i}`, source: id })
        notes++
      }
    const addMs = (performance.now() - began) / notes
    // As of the last session, so that what fades with time has faded by then.
    const at = conversation.times.at(-1) as number
    const results: Result[] = []
    for (const { name, memory: variant, limit } of asked)
      for (const budget of budgets)
        for (const { question, evidence } of conversation.questions) {
          began = performance.now()
          const found = await variant.recall(sys, question, { limit: limit(budget), at })
          const ms = performance.now() - began
          const sources = [...new Set(found.map(({ source }) => source))]
          results.push({
            name,
            budget,
            ms,
            shown: found.length,
            ranks: evidence.map((turn) => sources.indexOf(turn) + 1),
          })
        }
    return { addMs, results: results as unknown as Json }
  }, null)
  const { addMs, results } = await run.result
  await kernel.close()
  return { addMs, results: results as unknown as readonly Result[] }
}

async function figuresOf(contestant: Contestant): Promise<Figures[]> {
  const runs: Awaited<ReturnType<typeof measure>>[] = []
  for (const conversation of conversations) runs.push(await measure(contestant, conversation, embedder))
  const addMs = runs.reduce((sum, run) => sum + run.addMs, 0) / runs.length
  return contestant.asked.flatMap(({ name }) =>
    budgets.map((budget) => {
      const results = runs.flatMap((run) => run.results.filter((one) => one.name === name && one.budget === budget))
      const mean = (of: (result: Result) => number): number =>
        results.reduce((sum, one) => sum + of(one), 0) / results.length
      const firstOf = (ranks: readonly number[]): number => Math.min(...ranks.filter((rank) => rank > 0), Infinity)
      const shown = mean((one) => one.shown)
      if (name === 'a-mem, as published') shownAsPublished.set(budget, shown)
      const ms = results.map((one) => one.ms).sort((a, b) => a - b)
      return {
        contestant: name,
        budget,
        'notes shown': shown.toFixed(1),
        recall: mean(({ ranks }) => ranks.filter((rank) => rank > 0).length / ranks.length).toFixed(3),
        MRR: mean(({ ranks }) => 1 / firstOf(ranks)).toFixed(3),
        'add ms': addMs.toFixed(1),
        'recall p50 ms': percentile(ms, 0.5).toFixed(1),
      }
    }),
  )
}

const conversations = await conversationsAsked()
const embedder = values.embedder === 'none' ? undefined : await loadEmbedder(values.embedder)
const turns = conversations.reduce(
  (sum, { sessions }) => sum + sessions.reduce((count, one) => count + one.turns.length, 0),
  0,
)
const questions = conversations.reduce((sum, one) => sum + one.questions.length, 0)
console.log(
  `${conversations.length} conversations, ${turns} turns, ${questions} questions, embedder ${values.embedder}`,
)

const rows: Figures[] = []
for (const contestant of contestants) rows.push(...(await figuresOf(contestant)))
console.table(rows)
