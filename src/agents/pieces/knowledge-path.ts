/**
 * A way through a graph of concepts that leads over others, drawn at random (SciAgents, Ghafarollahi and Buehler 2024).
 *
 *     const path = await knowledgePath(relations, { from: 'silk', to: 'energy-intensive', random: () => sys.random() })
 *     path.concepts, path.waypoints
 *     pathText(path)                    // silk --[is spun from]--> gland <--[lines]-- membrane …
 *
 * A first way is the shortest by edges whose length is drawn; of the concepts beside it some are drawn as waypoints; the path then leads from its start
 * over them, in the order drawn, to its end, each leg a shortest one. Relations are walked in both directions, and the text says in which. Names are
 * the same but for case and spaces. Ends that are not given are drawn, both from the largest part of the graph that hangs together.
 *
 * The release turns round at its waypoints and comes through the same concept again and again; here a leg goes round what was visited
 * where the way is hardly longer (`detour`), and a waypoint that was come through is not gone to again. `asPublished` takes the shortest legs. Four waypoints and a draw of .2 are the release's; the
 * paper adds to the draw how far the meaning of a concept is from the end (section 4.2), which the release defines and does not use: `distance`.
 *
 * Invariants
 *   KP1. Two concepts that follow each other stand in a relation of the graph; the path begins and ends where it is told to.
 *   KP2. It holds every waypoint. There are as many as were asked for, or all that stand beside the first way.
 */
import { PolityError } from '../../kernel/errors.ts'
import { bestPath } from './best-path.ts'
import { plainName } from './entity-names.ts'
import { sample } from './sample.ts'

/** A fact of a graph: that one concept stands in a relation to another. */
export interface Relation {
  readonly subject: string
  readonly relation: string
  readonly object: string
}

export interface KnowledgePath {
  /** In the order of the way; one that it comes through twice stands there twice. */
  readonly concepts: readonly string[]
  /** Of each concept to the next, as they stand in the graph: the subject may be either of the two. */
  readonly relations: readonly Relation[]
  /** As they were drawn. */
  readonly waypoints: readonly string[]
}

export interface PathOptions {
  /** @default drawn */
  readonly from?: string | undefined
  /** @default drawn */
  readonly to?: string | undefined
  /** @default 4, of the release */
  readonly waypoints?: number
  /** An edge is at most so much longer than 1 on the first way. @default 0.2, of the paper and its release */
  readonly noise?: number
  /** How far a concept is from the end by its meaning: added to the edges that lead to it on the first way. @default 0, as in the release */
  readonly distance?: (concept: string, end: string) => number
  /** Steps that a leg may be longer for each concept that it need not come through again. @default 2 (ours) */
  readonly detour?: number
  /** Shortest legs: no detour, and every waypoint is gone to. @default false */
  readonly asPublished?: boolean
  /** Draws in [0, 1). */
  random(): number
}

/** Throws `INVALID_ARGUMENT` for a graph without two related concepts, and for ends that it does not hold or connect. */
export async function knowledgePath(
  relations: readonly Relation[],
  { from, to, waypoints = 4, noise = 0.2, distance = () => 0, detour = 2, asPublished = false, random }: PathOptions,
): Promise<KnowledgePath> {
  const graph = graphOf(relations)
  const [start, end] = endsOf(graph, from, to, random)
  const name = (key: string): string => graph.names.get(key) as string
  const first = await shortest(graph, start, end, (next) => 1 + noise * random() + distance(name(next), name(end)))
  const beside = first.flatMap((one) => [...neighbours(graph, one).keys()]).filter((one) => !first.includes(one))
  const over = sample([...new Set(beside)], waypoints, random)
  const way = over.length === 0 ? first : await overAll(graph, [start, ...over, end], asPublished ? undefined : detour)
  return {
    concepts: way.map(name),
    relations: way.slice(1).map((one, i) => neighbours(graph, way[i] as string).get(one) as Relation),
    waypoints: over.map(name),
  }
}

/** A path as a model reads it, in one line. */
export function pathText({ concepts, relations }: KnowledgePath): string {
  const steps = relations.map(({ subject, relation }, i) => {
    const isForward = plainName(subject) === plainName(concepts[i] as string)
    return `${isForward ? `--[${relation}]-->` : `<--[${relation}]--`} ${concepts[i + 1]}`
  })
  return [concepts[0], ...steps].join(' ')
}

/** The concepts of some relations, each once, as they are written first. */
export function conceptsOf(relations: readonly Relation[]): string[] {
  return [...graphOf(relations).names.values()]
}

interface Graph {
  /** By plain name, the name as it is written first. */
  readonly names: ReadonlyMap<string, string>
  /** By plain name, those beside it, each with the first relation of the two. */
  readonly edges: ReadonlyMap<string, ReadonlyMap<string, Relation>>
}

function graphOf(relations: readonly Relation[]): Graph {
  const names = new Map<string, string>()
  const edges = new Map<string, Map<string, Relation>>()
  for (const one of relations) {
    const [a, b] = [plainName(one.subject), plainName(one.object)]
    if (a === b) continue
    for (const [here, there, written] of [
      [a, b, one.subject],
      [b, a, one.object],
    ] as const) {
      if (!names.has(here)) names.set(here, written)
      const own = edges.get(here) ?? new Map<string, Relation>()
      if (!own.has(there)) own.set(there, one)
      edges.set(here, own)
    }
  }
  return { names, edges }
}

function neighbours({ edges }: Graph, concept: string): ReadonlyMap<string, Relation> {
  return edges.get(concept) ?? new Map()
}

/** Both ends by their plain names. */
function endsOf(
  graph: Graph,
  from: string | undefined,
  to: string | undefined,
  random: () => number,
): [string, string] {
  if (graph.names.size === 0)
    throw new PolityError('INVALID_ARGUMENT', 'the graph has no relation between two concepts: give it at least one')
  const known = (concept: string): string => {
    if (graph.names.has(plainName(concept))) return plainName(concept)
    throw new PolityError('INVALID_ARGUMENT', `the graph has no concept "${concept}": name one that it has`)
  }
  const given = [from, to].map((one) => (one === undefined ? undefined : known(one)))
  const anchor = given[0] ?? given[1]
  const part = anchor === undefined ? largestPart(graph) : partOf(graph, anchor)
  const draw = (other: string | undefined): string =>
    sample(
      part.filter((one) => one !== other),
      1,
      random,
    )[0] as string
  const start = given[0] ?? draw(given[1])
  const end = given[1] ?? draw(start)
  if (start === end)
    throw new PolityError('INVALID_ARGUMENT', `the path would begin and end at "${from}": name two concepts, or one`)
  if (!part.includes(start) || !part.includes(end))
    throw new PolityError(
      'INVALID_ARGUMENT',
      `no relations lead from "${from}" to "${to}": choose concepts that hang together`,
    )
  return [start, end]
}

/** The concepts that hang together with one, itself first. */
function partOf(graph: Graph, concept: string): string[] {
  const part = new Set([concept])
  for (const one of part) for (const next of neighbours(graph, one).keys()) part.add(next)
  return [...part]
}

function largestPart(graph: Graph): string[] {
  let largest: string[] = []
  const seen = new Set<string>()
  for (const one of graph.names.keys()) {
    if (seen.has(one)) continue
    const part = partOf(graph, one)
    for (const each of part) seen.add(each)
    if (part.length > largest.length) largest = part
  }
  return largest
}

/** A way from the first of some stops to the last over the others, leg by leg. @param detour undefined: shortest legs to each of them */
async function overAll(graph: Graph, stops: readonly string[], detour: number | undefined): Promise<readonly string[]> {
  const [start, end] = [stops[0] as string, stops.at(-1) as string]
  const visited = new Set([start, end])
  // Half a step decides between ways that would be as long.
  const again = detour === undefined ? 1 : 1.5 + detour
  const way = [start]
  for (const stop of stops.slice(1)) {
    if (detour !== undefined && stop !== end && visited.has(stop)) continue
    const leg = await shortest(graph, way.at(-1) as string, stop, (next) => (visited.has(next) ? again : 1))
    for (const one of leg.slice(1)) {
      way.push(one)
      visited.add(one)
    }
  }
  return way
}

/** The concepts of a shortest way, both ends included; there is one. */
async function shortest(
  graph: Graph,
  from: string,
  to: string,
  cost: (next: string) => number,
): Promise<readonly string[]> {
  const gone = new Set<string>()
  const { path } = await bestPath<string>(from, {
    isGoal: ({ state }) => state === to,
    next({ state }) {
      // Whoever is met again was met on a shorter way.
      if (gone.has(state)) return []
      gone.add(state)
      return [...neighbours(graph, state).keys()].flatMap((one) =>
        gone.has(one) ? [] : [{ state: one, cost: cost(one) }],
      )
    },
  })
  return path
}
