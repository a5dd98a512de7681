/**
 * What a model reads out of a text for a graph of facts: the facts themselves, which new names are old ones, and which new
 * facts meet known ones. Three questions, each asked once for all that it is about (Graphiti, Rasmussen et al. 2025).
 *
 *     const facts = await factsIn(sys, 'Ann: I moved to Oslo.', { at: may })
 *     const names = await sameNames(sys, ['Annie'], known)          // by new name, the known one that it is
 *     const met = await meetings(sys, facts, known)                 // by place, what each repeats and contradicts
 *
 * An answer that is none says nothing: no facts, no names, no meetings.
 */
import { z } from 'zod'
import type { Sys } from '../../kernel/types.ts'
import type { JsonQuestion } from './json-answer.ts'
import { askJson } from './json-answer.ts'

/** A fact as a text says it. Times are ms since 1970. */
export interface ReadFact {
  readonly subject: string
  readonly relation: string
  readonly object: string
  /** The fact as a sentence. */
  readonly text: string
  readonly validFrom: number
  readonly validTo?: number
}

/** Which known facts a new one meets, by their ids. */
export interface Meeting {
  readonly same: string | undefined
  readonly contradicts: readonly string[]
}

/** Which model is asked. @default the kernel's */
type Asked = Pick<JsonQuestion, 'model'>

type Known = readonly { readonly id: string; readonly text: string }[]

const EXTRACT = `Find what a text says: the entities in it, and the facts between two of them. Answer with JSON:
{"entities": ["name", …], "facts": [{"subject": "name", "relation": "two or three words", "object": "name", "fact": "a sentence",
"valid_from": since when it holds as an ISO 8601 time, or null, "valid_to": until when it held, or null}]}
Take names as they stand, pronouns resolved. Times that are relative are relative to the time of the text. Invent nothing.`

const SAME = `Which of the new names is another name of an entity that is known? Answer with JSON, one entry for each new name:
{"same": [{"name": "the new name", "entity": number of the known entity, or null}]}`

const MEET = `New facts meet facts that are known. Answer with JSON, one entry for each new fact:
{"facts": [{"fact": its number, "same_as": number of the known fact that says the same, or null, "contradicts": numbers of the known facts that cannot hold beside it}]}`

const extracted = z.object({
  entities: z.array(z.string()),
  facts: z.array(
    z.object({
      subject: z.string(),
      relation: z.string(),
      object: z.string(),
      fact: z.string(),
      valid_from: z.string().nullish(),
      valid_to: z.string().nullish(),
    }),
  ),
})
const same = z.object({ same: z.array(z.object({ name: z.string(), entity: z.number().int().nullable() })) })
const meeting = z.object({
  facts: z.array(
    z.object({ fact: z.number().int(), same_as: z.number().int().nullish(), contradicts: z.array(z.number().int()) }),
  ),
})

/** The facts of a text that was said at a time, ms since 1970. What names no end or a wrong one still holds. */
export async function factsIn(
  sys: Sys,
  text: string,
  { at, ...asked }: Asked & { readonly at: number },
): Promise<readonly ReadFact[]> {
  const prompt = `Time of the text: ${new Date(at).toISOString()}\n\n${text}`
  const found = await askJson(sys, { ...asked, instructions: EXTRACT, prompt }, extracted)
  return (found?.facts ?? [])
    .filter((one) => [one.subject, one.relation, one.object, one.fact].every((part) => part.trim() !== ''))
    .map(({ fact, valid_from, valid_to, ...triple }) => {
      const validFrom = timeOf(valid_from) ?? at
      const end = timeOf(valid_to)
      return { ...triple, text: fact, validFrom, ...(end === undefined || end <= validFrom ? {} : { validTo: end }) }
    })
}

/** Of the new names that are another name of something known: its id. */
export async function sameNames(
  sys: Sys,
  names: readonly string[],
  known: Known,
  asked: Asked = {},
): Promise<ReadonlyMap<string, string>> {
  const prompt = `Known:\n${listOf(known)}\n\nNew: ${names.map((name) => JSON.stringify(name)).join(', ')}`
  const said = await askJson(sys, { ...asked, instructions: SAME, prompt }, same)
  const found = new Map<string, string>()
  for (const { name, entity } of said?.same ?? []) {
    const id = known[entity ?? -1]?.id
    if (id !== undefined && names.includes(name)) found.set(name, id)
  }
  return found
}

/** By the place of each new fact, the known ones that it meets. */
export async function meetings(
  sys: Sys,
  facts: readonly ReadFact[],
  known: Known,
  asked: Asked = {},
): Promise<ReadonlyMap<number, Meeting>> {
  const prompt = `Known:\n${listOf(known)}\n\nNew:\n${listOf(facts)}`
  const said = await askJson(sys, { ...asked, instructions: MEET, prompt }, meeting)
  return new Map(
    (said?.facts ?? []).map(({ fact, same_as, contradicts }) => [
      fact,
      { same: known[same_as ?? -1]?.id, contradicts: contradicts.flatMap((place) => known[place]?.id ?? []) },
    ]),
  )
}

function listOf(lines: readonly { readonly text: string }[]): string {
  return lines.map(({ text }, i) => `${i}: ${text}`).join('\n')
}

/** A time as a model writes it; one without a zone is UTC, on every machine. */
function timeOf(text: string | null | undefined): number | undefined {
  const given = text?.trim() ?? ''
  const time = Date.parse(/T\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(given) ? `${given}Z` : given)
  return Number.isNaN(time) ? undefined : time
}
