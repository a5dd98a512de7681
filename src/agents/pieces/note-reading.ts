/**
 * What a model says of a note: how it will be found again, how the notes beside it change in its light, and by which words a
 * question would find notes (A-MEM, Xu et al. 2025).
 *
 *     const { keywords, context, tags } = await described(sys, 'Ann bakes bread on Sundays.')
 *     const evolution = await evolved(sys, note, neighbours)      // undefined where nothing changes
 *     const words = await keywordsOf(sys, 'What does Ann like to eat?')
 *
 * An answer that is none says nothing, and what a model says takes no more room than `few` and `clip` give it.
 */
import { z } from 'zod'
import type { Sys } from '../../kernel/types.ts'
import type { JsonQuestion } from './json-answer.ts'
import { askJson } from './json-answer.ts'

const DESCRIBE = `Describe a note so that it will be found again. Answer with JSON:
{"keywords": at least three specific words or names of things from the note, the most telling first, no speaker and no time,
"context": one sentence about its topic, its point and whom it concerns,
"tags": at least three broad categories}`

const EVOLVE = `A note comes into a memory; its nearest neighbours there are numbered. Decide whether the memory evolves. Answer with JSON:
{"should_evolve": true or false,
"actions": one or both of "strengthen" (link the note to neighbours and better its tags) and "update_neighbor" (better the neighbours),
"suggested_connections": numbers of the neighbours to link it to, "tags_to_update": the tags of the new note,
"new_context_neighborhood": one sentence for each neighbour in their order, the old one where it still fits,
"new_tags_neighborhood": a list of tags for each neighbour in their order}`

const KEYWORDS =
  'Name the words by which notes that answer a question would be found. Answer with JSON: {"keywords": […]}'

const texts = z.array(z.string())
const description = z.object({ keywords: texts, context: z.string(), tags: texts })
const evolution = z.object({
  should_evolve: z.boolean(),
  actions: texts,
  suggested_connections: z.array(z.number().int()),
  tags_to_update: texts,
  new_context_neighborhood: texts,
  new_tags_neighborhood: z.array(texts),
})

/** What a note is about. */
export type Description = z.infer<typeof description>
/** How a memory changes with a note, as the model says it; neighbours by their numbers. */
export type Evolution = z.infer<typeof evolution>

/** Which model is asked. @default the kernel's */
type Asked = Pick<JsonQuestion, 'model'>

/** Empty where the model says nothing. */
export async function described(sys: Sys, text: string, asked: Asked = {}): Promise<Description> {
  const said = await askJson(sys, { ...asked, instructions: DESCRIBE, prompt: text }, description)
  const { keywords, context, tags } = said ?? { keywords: [], context: '', tags: [] }
  return { keywords: few(keywords), context: clip(context), tags: few(tags) }
}

/** undefined where there are no neighbours, or the model changes nothing. The first tag of a neighbour is no word of its own. */
export async function evolved(
  sys: Sys,
  { text, context, keywords }: Description & { readonly text: string },
  neighbours: readonly { readonly text: string; readonly context: string; readonly tags: readonly string[] }[],
  asked: Asked = {},
): Promise<Evolution | undefined> {
  if (neighbours.length === 0) return undefined
  const prompt = [`The new note: ${text}\ncontext: ${context}\nkeywords: ${keywords.join(', ')}`, '', 'Its neighbours:']
  for (const [i, one] of neighbours.entries())
    prompt.push(`${i}: ${one.text}\n  context: ${one.context}\n  tags: ${one.tags.slice(1).join(', ')}`)
  const said = await askJson(sys, { ...asked, instructions: EVOLVE, prompt: prompt.join('\n') }, evolution)
  return said?.should_evolve === true ? said : undefined
}

/** None where the model says nothing. */
export async function keywordsOf(sys: Sys, query: string, asked: Asked = {}): Promise<readonly string[]> {
  const said = await askJson(sys, { ...asked, instructions: KEYWORDS, prompt: query }, z.object({ keywords: texts }))
  return said?.keywords ?? []
}

/** As many short texts as a note takes. */
export function few(all: readonly string[]): string[] {
  return all.slice(0, 20).map((text) => text.slice(0, 100))
}

/** As much of a text as a note takes. */
export function clip(text: string): string {
  return text.slice(0, 1_000)
}
