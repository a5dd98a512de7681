/**
 * SciAgents (Ghafarollahi and Buehler 2024, "SciAgents: automating scientific discovery through multi-agent intelligent graph reasoning"): a path
 * through a knowledge graph becomes a research proposal that is defined, drafted, worked out, criticised and held against the literature.
 *
 *     spawn(sciAgents, { graph: relations, from: 'silk', to: 'energy-intensive', literature: 'search' })   →   { file, proposal, rating, … }
 *     spawn(sciAgents, { mode: 'chat' })                // over the facts of the process's temporal graph, ends drawn
 *
 * An ontologist defines each concept of the path (knowledge-path.ts) and each relation; a scientist drafts seven aspects; each aspect is worked out by a
 * second scientist, of whose answer nothing but that aspect is kept; a critic reviews all of it and names the question that each kind of
 * study could best answer; an assistant searches the literature with the held tool `literature`, up to three times, and rates novelty and feasibility
 * from 1 to 10. In `fixed` mode they are stages of a pipeline (staged.ts), in that order, each shown what its stage may see; in `chat` mode a planner
 * goes first, all hear all, and a model chooses who speaks (group-chat.ts). Either way the research document is a file of the process.
 *
 * The release rates an idea as new where its searches found nothing. Here nothing is rated then; `asPublished` does, and takes the path as the
 * release does.
 *
 * Invariants
 *   SA1. A document says of a concept, an aspect or a study what its own role said last, and nothing of another.
 *   SA2. `missing` names what nobody wrote; a chat is not over before it is empty, except by `roundsMax`.
 */
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { plainName } from './pieces/entity-names.ts'
import { chatText, groupChat } from './pieces/group-chat.ts'
import { conceptsOf, knowledgePath, pathText, type KnowledgePath, type Relation } from './pieces/knowledge-path.ts'
import { knownRelations } from './pieces/known-relations.ts'
import { inner, nearestFirst, unit } from './pieces/nearest.ts'
import { researchDocument } from './pieces/research-document.ts'
import { researchRoles, type Proposal, type Rating, type Role } from './pieces/research-roles.ts'
import { carryOutStages, textOf, type Documents, type Staged } from './staged.ts'

export interface SciAgentsInput {
  /** @default the facts of the temporal graph in the memory of the process that hold now */
  readonly graph?: readonly Relation[]
  /** Ends of the path, by name; one that the graph does not have is the nearest that it has by the kernel's embedder. @default drawn */
  readonly from?: string
  readonly to?: string
  /** Waypoints of the path. @default 4, of the release */
  readonly waypoints?: number
  /** How much is drawn into the length of an edge. @default 0.2, of the paper, section 4.2 */
  readonly noise?: number
  /** Steps that a leg may be longer to go round what was visited. @default 2, ours */
  readonly detour?: number
  /** Concepts near the end by the kernel's embedder are nearer on the first way too, as the paper has it. @default false, as in the release */
  readonly byMeaning?: boolean
  /** @default 'fixed' */
  readonly mode?: 'fixed' | 'chat'
  /** Turns of a chat. @default 50, of the release */
  readonly roundsMax?: number
  /** Name of a held tool that takes `{ query, limit }` and answers a list, such as `search` of drivers/folder. @default nothing is searched, and nothing rated */
  readonly literature?: string
  /** Kinds of study for which the critic names a question. @default molecular modelling and synthetic biology, of the release */
  readonly studies?: readonly string[]
  /** Path of the research document. @default 'research.md' */
  readonly file?: string
  /** Times that a role is asked again whose document is not of the form, or lacks a concept. @default 2 */
  readonly backsMax?: number
  /** Known defects of the release. @default false */
  readonly asPublished?: boolean
}

export interface SciAgented {
  readonly path: KnowledgePath
  /** Path of the research document. */
  readonly file: string
  /** The seven aspects as they were drafted. */
  readonly proposal: Proposal | null
  /** null where nothing was searched. */
  readonly rating: Rating | null
  /** What was written, in order, each as often. */
  readonly made: readonly string[]
  /** What nobody wrote. */
  readonly missing: readonly string[]
  /** In `fixed` mode the stage that was not passed. */
  readonly failed?: Staged['failed']
}

export const sciAgents = defineProgram('sci-agents', async (sys, input: SciAgentsInput): Promise<SciAgented> => {
  const { mode = 'fixed', file = 'research.md', backsMax = 2, roundsMax = 50 } = input
  const path = await pathOf(sys, input)
  const roles = researchRoles(sys, path, input).filter(({ name }) => mode === 'chat' || name !== 'plan')
  const given = { path: pathText(path) }
  const { documents, made, failed } =
    mode === 'chat'
      ? await chatted(sys, given, roles, roundsMax)
      : await carryOutStages(
          given,
          roles.map((role) => ({ ...role, make: role.by(readersOf(role, roles)) })),
          { backsMax },
        )
  await sys.write(file, researchDocument(path, roles, documents))
  return {
    path,
    file,
    proposal: (documents['proposal'] as unknown as Proposal | undefined) ?? null,
    rating: (documents['literature'] as unknown as Rating | undefined) ?? null,
    made,
    missing: roles.flatMap(({ name }) => (name in documents ? [] : [name])),
    ...(failed === undefined ? {} : { failed }),
  }
})

/** Who is shown what a role writes. */
function readersOf({ name }: Role, roles: readonly Role[]): string[] {
  return roles.flatMap(({ sees, speaker }) => (sees.includes(name) ? [speaker] : []))
}

/** The same roles in a talk that all hear: each may speak as soon as there is what it works on. */
async function chatted(
  sys: Sys,
  given: { readonly path: string },
  roles: readonly Role[],
  roundsMax: number,
): Promise<Pick<Staged, 'documents' | 'made' | 'failed'>> {
  const documents = new Map<string, Documents[string]>(Object.entries(given))
  const made: string[] = []
  const task = `A research proposal from this path through a knowledge graph: ${given.path}`
  await groupChat(sys, {
    task,
    roundsMax,
    isComplete: () => roles.every(({ name }) => documents.has(name)),
    members: roles.map((role) => ({
      name: role.speaker,
      description: role.description,
      canSpeak: () => role.sees.every((one) => documents.has(one)),
      async speak(said, others, turn) {
        const talk = { ...given, 'what was said': chatText(said) }
        const document = await role.by(others, turn)({ documents: talk, why: '' })
        made.push(role.name)
        const all = Object.fromEntries(documents)
        const fault = document === undefined ? { why: 'it is not of the form' } : await role.check?.(document, all)
        if (document === undefined || fault !== undefined) return `(What was said does not count: ${fault?.why})`
        documents.set(role.name, document)
        return textOf(document)
      },
    })),
  })
  return { documents: Object.fromEntries(documents), made }
}

async function pathOf(sys: Sys, input: SciAgentsInput): Promise<KnowledgePath> {
  const graph = input.graph ?? (await knownRelations(sys))
  const concepts = conceptsOf(graph)
  const [from, to] = [await conceptOf(sys, input.from, concepts), await conceptOf(sys, input.to, concepts)]
  return knowledgePath(graph, {
    ...input,
    from,
    to,
    random: () => sys.random(),
    ...(input.byMeaning === true ? { distance: await distancesOf(sys, concepts) } : {}),
  })
}

/** The concept that a keyword means. */
async function conceptOf(
  sys: Sys,
  keyword: string | undefined,
  concepts: readonly string[],
): Promise<string | undefined> {
  if (keyword === undefined || concepts.some((one) => plainName(one) === plainName(keyword))) return keyword
  const [order = []] = await nearestFirst(sys, [keyword], concepts)
  return concepts[order[0] ?? -1] ?? keyword
}

/** How far one concept is from another: the Euclidean distance of their vectors, brought to length 1. */
async function distancesOf(sys: Sys, concepts: readonly string[]): Promise<(one: string, other: string) => number> {
  const vectors = new Map((await sys.embed(concepts)).map((vector, i) => [concepts[i] as string, unit(vector)]))
  const vectorOf = (concept: string): readonly number[] => vectors.get(concept) ?? []
  return (one, other) => Math.sqrt(Math.max(0, 2 - 2 * inner(vectorOf(one), vectorOf(other))))
}
