/**
 * The roles of SciAgents: what each writes, from what and in which form.
 *
 *     const roles = researchRoles(sys, path, { literature: 'search' })
 *     carryOutStages({ path: pathText(path) }, roles.map((role) => ({ ...role, make: role.by([]) })))
 *
 * Temperatures are the release's (.1 for who defines and judges, .2 for who invents), the prompts are ours.
 */
import { z } from 'zod'
import { messageOf } from '../../kernel/errors.ts'
import type { Json, Sys } from '../../kernel/types.ts'
import { promptOf, type Documents, type Fault, type Given } from '../staged.ts'
import { plainName } from './entity-names.ts'
import { askJson } from './json-answer.ts'
import type { KnowledgePath } from './knowledge-path.ts'
import { isOurEnd } from './our-end.ts'
import { spokenBy } from './speaker.ts'

/** The seven aspects of a proposal, with what each says. */
export const ASPECTS = {
  hypothesis: 'the claim that is to be tested: clear, new, feasible',
  outcome: 'what is expected to be found, in numbers',
  mechanisms: 'what happens, on all scales from the molecule up',
  design_principles: 'the principles of the design, each by itself',
  unexpected_properties: 'properties that nobody would expect, with the reason for each',
  comparison: 'how it compares with other materials, technologies or ideas',
  novelty: 'what is new in it over what is known',
} as const

export type Proposal = { readonly [aspect in keyof typeof ASPECTS]: string }

/** What the literature says of a proposal. */
export interface Rating {
  readonly searches: readonly { readonly query: string; readonly results: readonly Json[]; readonly failed?: string }[]
  /** 1 to 10; null where no search brought anything. */
  readonly novelty: number | null
  /** 1 to 10; null where no search brought anything. */
  readonly feasibility: number | null
  readonly why: string
}

/** A stage (staged.ts) that knows who speaks for it. */
export interface Role {
  /** Of its document. */
  readonly name: string
  readonly sees: readonly string[]
  readonly speaker: string
  /** When it is of use. */
  readonly description: string
  /** Its `make`. @param to who is shown what it writes @param turn of a talk */
  by(to: readonly string[], turn?: number): (given: Given) => Promise<Json | undefined>
  check?(document: Json, documents: Documents): Fault | undefined
}

export interface ResearchOptions {
  readonly literature?: string
  readonly studies?: readonly string[]
  readonly asPublished?: boolean
}

/** Searches for one rating, and results of a search; of the release. */
const [SEARCHES_MAX, RESULTS] = [3, 10]

const PLAN = `You are the planner of a group that writes a research proposal from a path through a knowledge graph. Say in which order who does what. Do none of it yourself. Answer with JSON: {"steps": ["…"]}.`
const DEFINE = `You are an ontologist. Define every concept of the path through a knowledge graph, and discuss each of its relations. An arrow shows in which direction a relation holds. Answer with JSON: {"definitions": [{"concept": "as it is written", "meaning": "…"}], "relations": [{"relation": "…", "meaning": "…"}]}.`
const DRAFT = `You are a scientist. Draft a proposal for new research that makes use of every concept of the path through a knowledge graph. Say what can be counted in numbers. Answer with JSON of seven keys:
${JSON.stringify(ASPECTS)}`
const expandText = (aspect: string): string =>
  `You are a second scientist. Judge one aspect of the proposal as a reviewer would, and write it anew and at length: particulars, quantities, reasons step by step, how it could be modelled and measured. The aspect is "${aspect}"; leave the others as they are. Answer with JSON: {"${aspect}": "…"}.`
const REVIEW = `You are a critic. Read all of it; do not rate it. Answer with JSON: {"summary": "a paragraph", "strengths": ["…"], "weaknesses": ["…"], "improvements": ["…"]}.`
const studyText = (study: string): string =>
  `You are a critic. Name the one question of the document that matters most and that ${study} can answer, and the steps of that work. Answer with JSON: {"question": "…", "steps": ["…"]}.`
const SEARCH = `You hold a proposal against the literature. Give words to search for, few and plain, that work on the same would contain; null when you have seen enough. Answer with JSON: {"query": "…" or null}.`
const RATE = `You hold a proposal against the literature that was found. Be strict: what was done before is not new. Rate novelty and feasibility from 1 to 10. Answer with JSON: {"novelty": 1, "feasibility": 1, "why": "…"}.`

/** How the names of documents begin that ask what a study could answer. */
export const STUDY = 'question for '

const text = z.string().min(1)
const planned = z.object({ steps: z.array(text).min(1) })
/** The form of `definitions`. */
export const defined = z.object({
  definitions: z.array(z.object({ concept: z.string(), meaning: text })).min(1),
  relations: z.array(z.object({ relation: z.string(), meaning: text })),
})
const drafted = z.object(Object.fromEntries(Object.keys(ASPECTS).map((aspect) => [aspect, text])))
/** The form of `review`. */
export const reviewed = z.object({
  summary: text,
  strengths: z.array(z.string()),
  weaknesses: z.array(z.string()),
  improvements: z.array(z.string()),
})
/** The form of what a study is asked. */
export const studied = z.object({ question: text, steps: z.array(z.string()).min(1) })
const searched = z.object({ query: z.string().nullable() })
const grade = z.number().int().min(1).max(10)
const rated = z.object({ novelty: grade, feasibility: grade, why: z.string() })

/** All roles, in the order of a fixed sequence behind the planner. The assistant is there where there is a tool to search with. */
export function researchRoles(
  sys: Sys,
  path: KnowledgePath,
  { literature, studies = ['molecular modelling', 'synthetic biology'], asPublished = false }: ResearchOptions = {},
): readonly Role[] {
  const aspects = Object.keys(ASPECTS)
  const worked = aspects.map(expandedName)
  const [careful, inventive] = [0.1, 0.2]
  /** One call in a form, in somebody's name. */
  const asks =
    (instructions: string, shape: z.ZodType, temperature: number, speaker: string): Role['by'] =>
    (to, turn) =>
    async (given) =>
      (await askJson(
        sys,
        {
          instructions,
          prompt: promptOf(given),
          temperature,
          ...spokenBy({ name: speaker, to, ...(turn === undefined ? {} : { turn }) }),
        },
        shape,
      )) as Json | undefined
  const role = (
    [name, speaker, sees]: readonly [string, string, readonly string[]],
    description: string,
    [instructions, shape, temperature]: readonly [string, z.ZodType, number],
  ): Role => ({ name, speaker, sees, description, by: asks(instructions, shape, temperature, speaker) })

  return [
    role(['plan', 'Planner', ['path']], 'says in which order who does what; goes first', [PLAN, planned, 0]),
    {
      ...role(['definitions', 'Ontologist', ['path']], 'defines the concepts and relations of the path', [
        DEFINE,
        defined,
        careful,
      ]),
      check: (document) => undefinedIn(document, path),
    },
    role(['proposal', 'Scientist', ['path', 'definitions']], 'drafts the proposal behind the ontologist', [
      DRAFT,
      drafted,
      inventive,
    ]),
    ...aspects.map((aspect) =>
      role(
        [expandedName(aspect), `Scientist on ${aspect}`, ['path', 'proposal']],
        `works out the aspect "${aspect}" of the proposal`,
        // What it says of other aspects is dropped with its key.
        [expandText(aspect), z.object({ [aspect]: text }), inventive],
      ),
    ),
    role(
      ['review', 'Critic', ['path', 'definitions', 'proposal', ...worked]],
      'reviews the proposal when its seven aspects are worked out',
      [REVIEW, reviewed, careful],
    ),
    ...studies.map((study) =>
      role(
        [studyName(study), `Critic on ${study}`, ['path', 'definitions', 'proposal', ...worked, 'review']],
        `names the question for ${study} behind the review`,
        [studyText(study), studied, careful],
      ),
    ),
    ...(literature === undefined ? [] : [assistant(sys, { asks, literature, asPublished })]),
  ]
}

const expandedName = (aspect: string): string => `expanded ${aspect}`
const studyName = (study: string): string => `${STUDY}${study}`

/** A concept that is not defined. */
function undefinedIn(document: Json, { concepts }: KnowledgePath): Fault | undefined {
  const { definitions } = document as z.infer<typeof defined>
  const there = new Set(definitions.map(({ concept }) => plainName(concept)))
  const missing = [...new Set(concepts)].filter((one) => !there.has(plainName(one)))
  return missing.length === 0 ? undefined : { why: `It does not define ${missing.join(', ')}.` }
}

/** Who searches and rates. */
function assistant(
  sys: Sys,
  {
    asks,
    literature,
    asPublished,
  }: {
    asks: (instructions: string, shape: z.ZodType, temperature: number, speaker: string) => Role['by']
    literature: string
    asPublished: boolean
  },
): Role {
  const speaker = 'Assistant'
  return {
    name: 'literature',
    speaker,
    sees: ['proposal'],
    description: 'searches the literature, and rates novelty and feasibility; once, at the end',
    by: (to, turn) => async (given) => {
      const searches: Rating['searches'][number][] = []
      const shown = (): Given => ({
        ...given,
        documents: { ...given.documents, searches: searches as unknown as Json },
      })
      while (searches.length < SEARCHES_MAX) {
        const said = (await asks(SEARCH, searched, 0, speaker)([], turn)(shown())) as
          | z.infer<typeof searched>
          | undefined
        if (said === undefined || said.query === null) break
        searches.push(await found(sys, literature, said.query))
      }
      if (!asPublished && searches.every(({ results }) => results.length === 0))
        return { searches, novelty: null, feasibility: null, why: NOTHING_FOUND } as unknown as Json
      const said = await asks(RATE, rated, 0, speaker)(to, turn)(shown())
      return said === undefined ? undefined : ({ searches, ...(said as object) } as unknown as Json)
    },
  }
}

const NOTHING_FOUND = 'No search brought anything, and that does not say that it is new.'

/** One search; one that fails has found nothing, and says why. */
async function found(sys: Sys, tool: string, query: string): Promise<Rating['searches'][number]> {
  try {
    const results = await sys.call<Json>(tool, { query, limit: RESULTS })
    return { query, results: Array.isArray(results) ? (results as readonly Json[]) : [results] }
  } catch (error) {
    if (isOurEnd(error)) throw error
    return { query, results: [], failed: messageOf(error) }
  }
}
