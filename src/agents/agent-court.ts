/**
 * AgentCourt (Chen et al. 2024, "AgentCourt: simulating court with adversarial evolvable lawyer agents"): two lawyers argue a case before a judge,
 * and learn from it. A hearing has a fixed order; what a lawyer knows is in three private stores: experience, cases, law.
 *
 *     const found = await wait(spawn(agentCourt, { plaintiff: 'He owes me 10.', defendant: 'I paid.', knowledge }))
 *     // { transcript, judgement, winner: 'plaintiff', knowledge }            give `knowledge` to the next case
 *
 * The clerk opens, both state their side, the judge says what is to be argued, then in each round the plaintiff's lawyer and the defendant's
 * speak in turn, and the judge decides. A turn is a plan (which stores are needed, and what to look for) and a speech with the three nearest
 * entries of each. Afterwards both reflect: an experience, a case, and what law was missing, by the held tool `law_search` where there is one.
 *
 * In the release the same lawyer is always the plaintiff's, so that skill and side cannot be told apart; here `swapped` changes who stands
 * where, and a comparison runs each case both ways.
 *
 * Invariants
 *   CO1. A lawyer's stores are shown to that lawyer alone.
 *   CO2. What goes in as `knowledge` is not changed; what comes out is a copy with what was learned, by lawyer and not by side.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'
import { nearestFirst } from './pieces/nearest.ts'

export interface LawyerStores {
  readonly experience: readonly string[]
  readonly cases: readonly string[]
  readonly law: readonly string[]
}

export type LawyerName = 'first' | 'second'
export type CourtSide = 'plaintiff' | 'defendant'

export interface AgentCourtInput {
  readonly plaintiff: string
  readonly defendant: string
  /** @default nothing */
  readonly knowledge?: { readonly [lawyer in LawyerName]: LawyerStores }
  /** Rounds of argument, 1 to 20. @default 3; the release draws 3 to 5 */
  readonly rounds?: number
  /** Whether the second lawyer stands for the plaintiff. @default false */
  readonly swapped?: boolean
  /** Whether both reflect afterwards. @default true */
  readonly reflect?: boolean
}

export interface Hearing {
  readonly transcript: readonly { readonly by: 'clerk' | 'judge' | CourtSide; readonly text: string }[]
  readonly judgement: string
  readonly winner: CourtSide | 'neither'
  readonly knowledge: { readonly [lawyer in LawyerName]: LawyerStores }
}

const STORES = ['experience', 'cases', 'law'] as const
const NEAREST = 3
const ARTICLES_MAX = 3
const OPENING =
  'The court is in session. Both sides may speak, answer, and bring what they rely on; a law that is relied on is named aloud.'

const PLAN = `You are a lawyer and plan your next speech. Say for each of your stores what to look for in it, or null where it is not needed. Answer with JSON: {"experience": "…" or null, "cases": "…" or null, "law": "…" or null}.`
const SPEAK =
  'You are a lawyer. Speak for your side: answer what was said last, and name the laws that you rely on. Write only the speech.'
const FOCUS = 'You are the judge. Say in a few points what the two sides have to argue about.'
const JUDGE = `You are the judge. Decide by what was said and by nothing else. Answer with JSON: {"winner": "plaintiff", "defendant" or "neither", "judgement": "…"}.`
const REFLECT = `You are a lawyer after the hearing. Write down without names what to do again or otherwise, and what kind of case it was with its points; and what law you missed, or null. Answer with JSON: {"experience": "…", "case": "…", "law": "…" or null}.`

const planned = z.object({
  experience: z.string().nullable(),
  cases: z.string().nullable(),
  law: z.string().nullable(),
})
const judged = z.object({ winner: z.enum(['plaintiff', 'defendant', 'neither']), judgement: z.string() })
const reflected = z.object({ experience: z.string(), case: z.string(), law: z.string().nullable() })
const EMPTY: LawyerStores = { experience: [], cases: [], law: [] }

export const agentCourt = defineProgram('agent-court', async (sys, input: AgentCourtInput): Promise<Hearing> => {
  const { knowledge = { first: EMPTY, second: EMPTY }, rounds = 3, swapped = false, reflect = true } = input
  const lawyerOf = { plaintiff: swapped ? 'second' : 'first', defendant: swapped ? 'first' : 'second' } as const
  const transcript: Hearing['transcript'][number][] = []
  const say = (by: Hearing['transcript'][number]['by'], text: string): void => void transcript.push({ by, text })
  const said = (): string => transcript.map(({ by, text }) => `${by}: ${text}`).join('\n')

  say('clerk', OPENING)
  say('plaintiff', input.plaintiff)
  say('defendant', input.defendant)
  say('judge', (await sys.generate({ instructions: FOCUS, prompt: said() })).text)
  for (let round = 0; round < Math.max(1, Math.min(rounds, ROUNDS_MAX)); round++)
    for (const side of ['plaintiff', 'defendant'] as const)
      say(side, await speech(sys, side, knowledge[lawyerOf[side]], said()))
  const verdict = await askJson(sys, { instructions: JUDGE, prompt: said() }, judged)
  const { winner, judgement } = verdict ?? { winner: 'neither' as const, judgement: 'The court could not decide.' }
  say('judge', judgement)

  const learned = { ...knowledge }
  if (reflect)
    for (const side of ['plaintiff', 'defendant'] as const)
      learned[lawyerOf[side]] = await afterwards(sys, side, knowledge[lawyerOf[side]], said())
  return { transcript, judgement, winner, knowledge: learned }
})

const ROUNDS_MAX = 20

/** A plan, what the stores have for it, and what is said with that in view. */
async function speech(sys: Sys, side: CourtSide, stores: LawyerStores, heard: string): Promise<string> {
  const plan = await askJson(sys, { instructions: PLAN, prompt: `Your side: ${side}\n${heard}` }, planned)
  const found: string[] = []
  for (const store of STORES) {
    const query = plan?.[store]
    if (query == null || stores[store].length === 0) continue
    const [near = []] = await nearestFirst(sys, [query], stores[store])
    found.push(...near.slice(0, NEAREST).map((place) => `- ${store}: ${stores[store][place] as string}`))
  }
  const own = found.length === 0 ? '' : `\nWhat you know:\n${found.join('\n')}`
  return (await sys.generate({ instructions: SPEAK, prompt: `Your side: ${side}${own}\n\nHeard:\n${heard}` })).text
}

/** The stores with what this hearing taught. */
async function afterwards(sys: Sys, side: CourtSide, stores: LawyerStores, heard: string): Promise<LawyerStores> {
  const lesson = await askJson(sys, { instructions: REFLECT, prompt: `Your side: ${side}\n${heard}` }, reflected)
  if (lesson === undefined) return stores
  const canSearch = lesson.law !== null && sys.tools.some(({ name }) => name === 'law_search')
  const articles = canSearch ? await sys.call<Json>('law_search', { query: lesson.law }) : []
  const texts = (Array.isArray(articles) ? articles : [])
    .filter((one) => typeof one === 'string')
    .slice(0, ARTICLES_MAX)
  return {
    experience: [...stores.experience, lesson.experience],
    cases: [...stores.cases, lesson.case],
    law: [...new Set([...stores.law, ...texts])],
  }
}
