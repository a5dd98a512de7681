/**
 * C15-SCIENCE, sci-agents on planted graphs: whether its path is one and leads over its waypoints, what each role is shown, and that nobody writes into
 * another's aspect. The team is scripted and knows nothing but its prompts; its second scientists try to rewrite all seven aspects, its ontologist
 * forgets a concept and its first scientist an aspect at first. The literature is a folder of real files behind the folder's own search.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { knowledgePath, type KnowledgePath, type Relation } from '../../src/agents/pieces/knowledge-path.ts'
import { ASPECTS } from '../../src/agents/pieces/research-roles.ts'
import { sciAgents, type SciAgented, type SciAgentsInput } from '../../src/agents/sci-agents.ts'
import { openFolderIndex } from '../../src/drivers/folder/folder-index.ts'
import { folderTools } from '../../src/drivers/folder/tools.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { defineProgram, type Json, type Tool } from '../../src/index.ts'
import { boot, type Experiment } from './experiment.ts'
import { keyed, range } from './population.ts'

const aspects = Object.keys(ASPECTS)
const worked = aspects.map((aspect) => `expanded ${aspect}`)
const [CONCEPTS, MORE, ERRS] = [40, 25, 0.2]

/** A tree of concepts with some more relations, in either direction. */
export function plantedGraph(seed: number): Relation[] {
  const relation = (a: number, b: number, i: number): Relation => {
    const [subject = '', object = ''] = (keyed(seed, i, 3) < 0.5 ? [a, b] : [b, a]).map((one) => `concept ${one}`)
    return { subject, relation: `relation ${i}`, object }
  }
  const tree = range(CONCEPTS - 1).map((i) => relation(i + 1, Math.floor(keyed(seed, i, 1) * (i + 1)), i))
  const others = range(MORE).map((i) => {
    const a = Math.floor(keyed(seed, i, 4) * CONCEPTS)
    return relation(a, (a + 1 + Math.floor(keyed(seed, i, 5) * (CONCEPTS - 1))) % CONCEPTS, CONCEPTS + i)
  })
  return [...tree, ...others]
}

/** What is wrong with a path through a graph. */
export function faultOfPath(
  graph: readonly Relation[],
  { concepts, relations, waypoints }: KnowledgePath,
): string | undefined {
  if (relations.length !== concepts.length - 1) return 'a step has no relation'
  const strange = relations.findIndex((one, i) => {
    const ends = [one.subject, one.object].toSorted().join('|')
    return (
      !graph.includes(one) ||
      ends !==
        concepts
          .slice(i, i + 2)
          .toSorted()
          .join('|')
    )
  })
  if (strange >= 0) return `its step ${strange + 1} is no relation of the graph`
  const missing = waypoints.find((one) => !concepts.includes(one))
  return missing === undefined ? undefined : `it does not hold ${missing}`
}

/** Concepts that a path comes through again. */
export function returns({ concepts }: KnowledgePath): number {
  return concepts.length - new Set(concepts).size
}

export interface TeamOptions {
  /** The ontologist forgets a concept, the scientist an aspect, once each. @default false */
  readonly forgets?: boolean
  /** What is searched for, in order; then it has seen enough. @default none */
  readonly queries?: readonly string[]
  /** Who speaks next of those who may, given what was said; null: it is over. @default the first who has not spoken */
  choose?(offered: readonly string[], spoken: ReadonlySet<string>, turn: number): string | null
}

/** A group that writes what its prompts ask for. */
export function scientists({ forgets = false, queries = [], choose }: TeamOptions = {}): (prompt: string) => string {
  let [definitions, drafts, searches, turns] = [0, 0, 0, 0]
  const next = choose ?? ((offered, spoken) => offered.find((one) => !spoken.has(one)) ?? null)
  const says = (prompt: string): Json => {
    if (prompt.includes('You choose who speaks next')) {
      const offered = [...prompt.matchAll(/^- (.+?): /gm)].map(([, name]) => name as string)
      const spoken = new Set([...prompt.matchAll(/^(\S.*):\n/gm)].map(([, name]) => name as string))
      return { next: next(offered, spoken, turns++) }
    }
    if (prompt.includes('You are the planner')) return { steps: ['define', 'draft', 'work out', 'review', 'search'] }
    if (prompt.includes('You are an ontologist')) {
      const [, path = ''] = /# path\n(.+)/.exec(prompt) ?? []
      const concepts = [...new Set(path.split(/ (?:--\[.+?\]-->|<--\[.+?\]--) /))]
      const kept = forgets && definitions++ === 0 ? concepts.slice(1) : concepts
      return { definitions: kept.map((concept) => ({ concept, meaning: `what ${concept} is` })), relations: [] }
    }
    if (prompt.includes('Draft a proposal')) {
      const kept = forgets && drafts++ === 0 ? aspects.slice(1) : aspects
      return Object.fromEntries(kept.map((aspect) => [aspect, `${aspect} as drafted`]))
    }
    const [, aspect] = /The aspect is "(\w+)"/.exec(prompt) ?? []
    if (aspect !== undefined)
      return Object.fromEntries(aspects.map((one) => [one, `${one} by who works out ${aspect}`]))
    if (prompt.includes('Name the one question'))
      return { question: 'Does it hold?', steps: ['model it', 'measure it'] }
    if (prompt.includes('You are a critic'))
      return { summary: 'A proposal.', strengths: ['new'], weaknesses: [], improvements: [] }
    if (prompt.includes('Give words to search')) return { query: queries[searches++] ?? null }
    if (prompt.includes('Rate novelty')) return { novelty: 7, feasibility: 6, why: 'little is like it' }
    throw new Error(`nobody asked: ${prompt.slice(0, 200)}`)
  }
  return (prompt) => JSON.stringify(says(prompt))
}

/** One run: its output, the text of its document, and what was asked. */
export async function researched(
  input: SciAgentsInput,
  says: (prompt: string) => string,
  tools: readonly Tool[] = [],
): Promise<{ output: SciAgented; document: string; prompts: readonly string[] }> {
  const prompts: string[] = []
  const model = scripted((call) => {
    const prompt = promptText(call.prompt)
    prompts.push(prompt)
    return says(prompt)
  })
  const kernel = await boot({ model })
  try {
    const holder = defineProgram(
      'researched',
      async (sys, given: SciAgentsInput) => {
        const output = await sys.wait<SciAgented & Json>(await sys.spawn(sciAgents, given))
        return { output, document: await sys.read(output.file) }
      },
      { tools },
    )
    return { ...(await kernel.spawn(holder, input).result), prompts }
  } finally {
    await kernel.close()
  }
}

const all = ['path', 'definitions', 'proposal', ...worked]
const sight: readonly (readonly [RegExp, readonly string[]])[] = [
  [/You are an ontologist/, ['path']],
  [/Draft a proposal/, ['path', 'definitions']],
  [/The aspect is "/, ['path', 'proposal']],
  [/You are a critic\. Read all/, all],
  [/Name the one question/, [...all, 'review']],
  [/Give words to search|Rate novelty/, ['proposal', 'searches']],
]
const OWN = new Set(['Your last version', 'Why it was sent back'])

/** Prompts of the fixed sequence that show anything but what their stage may see. */
export function unseemly(prompts: readonly string[]): number {
  return prompts.filter((prompt) => {
    const seen = [...prompt.matchAll(/^(?:user: )?# (.+)$/gm)].map(([, name]) => name as string)
    const sees = sight.find(([words]) => words.test(prompt))?.[1]
    return sees === undefined || seen.filter((name) => !OWN.has(name)).join('|') !== sees.join('|')
  }).length
}

/** Aspects of a document that are not what their own scientist made of them. */
export function foreignIn(document: string): string[] {
  return aspects.filter((aspect) => {
    const title = aspect.replaceAll('_', ' ')
    const drafted = document.includes(`### ${title.charAt(0).toUpperCase()}${title.slice(1)}\n\n${aspect} as drafted`)
    const own = document.includes(`## Expanded ${title}\n\n${aspect} by who works out ${aspect}\n`)
    const byOthers = aspects.some(
      (other) => other !== aspect && document.includes(`${aspect} by who works out ${other}\n`),
    )
    return !drafted || !own || byOthers
  })
}

export const ORDER = [
  'definitions',
  'proposal',
  ...worked,
  'review',
  'question for molecular modelling',
  'question for synthetic biology',
]

export const c15Science: Experiment = {
  id: 'C15-SCIENCE',
  what: 'sci-agents on planted graphs of 40 concepts, a scripted group, a real folder as literature',
  bar: 'each step of a path a relation and each waypoint on it; the same seed the same path; seven aspects, each worked out by its own scientist alone; 12 calls in the fixed order, no prompt with a document that its stage may not see; what was forgotten is mended ≥ .95; chats with a chooser that errs in 20 % whole within 50 turns ≥ .95; nothing rated where nothing was found',
  seeds: 40,
  async run(seeds) {
    const root = mkdtempSync(join(tmpdir(), 'polity-science-'))
    mkdirSync(join(root, 'papers'))
    for (const i of range(12))
      writeFileSync(join(root, 'papers', `${i}.txt`), `A study of concept ${i} and how it is made.\n`)
    const index = await openFolderIndex(join(root, 'papers'), { indexPath: join(root, 'index') })
    const tools = folderTools(index) as unknown as Tool[]
    const count = { paths: 0, same: 0, different: 0, again: 0, againPublished: 0 }
    const runs = {
      asked: 0,
      leaks: 0,
      whole: 0,
      foreign: 0,
      mended: 0,
      chats: 0,
      turns: 0,
      rated: 0,
      unrated: 0,
      published: 0,
    }
    try {
      for (const seed of range(seeds)) {
        const graph = plantedGraph(seed)
        const way = (draws: number, asPublished = false): Promise<KnowledgePath> => {
          let n = 0
          return knowledgePath(graph, { asPublished, random: () => keyed(draws, seed, n++) })
        }
        const [path, again, other, published] = [await way(1), await way(1), await way(2), await way(1, true)]
        if (faultOfPath(graph, path) === undefined && faultOfPath(graph, published) === undefined) count.paths++
        if (JSON.stringify(path) === JSON.stringify(again)) count.same++
        if (JSON.stringify(path) !== JSON.stringify(other)) count.different++
        count.again += returns(path)
        count.againPublished += returns(published)

        const fixed = await researched({ graph }, scientists())
        const isOrdered = fixed.output.made.join('|') === ORDER.join('|') && fixed.prompts.length === 12
        const hasAll = Object.keys(fixed.output.proposal ?? {}).join('|') === aspects.join('|')
        if (isOrdered && hasAll && fixed.output.missing.length === 0) runs.whole++
        runs.asked += fixed.prompts.length
        runs.leaks += unseemly(fixed.prompts)
        runs.foreign += foreignIn(fixed.document).length

        const literature = { graph, literature: 'search' }
        const mended = await researched(
          literature,
          scientists({ forgets: true, queries: ['concept 1', 'how it is made'] }),
          tools,
        )
        const { rating, missing } = mended.output
        if (missing.length === 0 && foreignIn(mended.document).length === 0) runs.mended++
        if (rating?.novelty === 7 && rating.searches.length === 2) runs.rated++
        runs.asked += mended.prompts.length
        runs.leaks += unseemly(mended.prompts)
        const queries = ['graphene aerogel lattices of nobody']
        const nothing = await researched(literature, scientists({ queries }), tools)
        if (nothing.output.rating?.novelty === null) runs.unrated++
        const asPublished = await researched({ ...literature, asPublished: true }, scientists({ queries }), tools)
        if (asPublished.output.rating?.novelty === 7) runs.published++

        const chat = await researched(
          { ...literature, mode: 'chat' },
          scientists({
            queries: ['concept 1'],
            choose: (offered, spoken, turn) =>
              keyed(seed, turn, 6) < ERRS
                ? (offered[Math.floor(keyed(seed, turn, 7) * offered.length)] as string)
                : (offered.find((one) => !spoken.has(one)) ?? null),
          }),
          tools,
        )
        if (chat.output.missing.length === 0 && foreignIn(chat.document).length === 0) runs.chats++
        runs.turns += chat.output.made.length
      }
    } finally {
      await index.close()
      rmSync(root, { recursive: true })
    }
    const mean = (sum: number): string => (sum / seeds).toFixed(1)
    return {
      measured: `${count.paths} of ${seeds} paths hold, ${count.same} the same again, ${count.different} another from another seed; a path comes through ${mean(count.again)} concepts again, as published ${mean(count.againPublished)}; ${runs.whole} of ${seeds} whole in 12 calls and in order, ${runs.foreign} foreign aspects of ${7 * seeds}, ${runs.leaks} of ${runs.asked} prompts with another document than theirs; mended ${runs.mended} of ${seeds}; chats whole ${runs.chats} of ${seeds} after ${mean(runs.turns)} turns; rated ${runs.rated}, not where nothing was found ${runs.unrated}, as published rated all the same ${runs.published}`,
      ok:
        count.paths === seeds &&
        count.same === seeds &&
        count.different > seeds / 2 &&
        runs.whole === seeds &&
        runs.foreign === 0 &&
        runs.leaks === 0 &&
        runs.mended >= 0.95 * seeds &&
        runs.chats >= 0.95 * seeds &&
        runs.rated === seeds &&
        runs.unrated === seeds,
    }
  },
}
