/**
 * Tool search: of many tools the few that a sentence asks for.
 *
 *     await indexTools(sys, tools)                                     // once; notes of the principal
 *     const found = await findTools(sys, 'book a table for four', { limit: 10 })
 *     const shown = packTools(found, 2_000)                            // what fits into so many tokens of schemas
 *
 * A tool is remembered as a text: its name in words (`getUserId` is "get user id"), what it does, and the names and descriptions of its
 * parameters, without which a search finds less (`parameters: false`; bench/experiments/t1.ts has both). Ranking is the kernel's `recall`.
 *
 * Invariant
 *   TS1. A tool is one note however often it is indexed; one that is described otherwise takes the place of its note.
 */
import { boundTokens } from '../../kernel/token-bound.ts'
import type { Json, Sys, ToolDescription } from '../../kernel/types.ts'
import { markedNote } from './notes.ts'
import { markOf } from './text-hash.ts'

export interface IndexOptions {
  /** Tag of the notes: an index of its own for each set of tools. @default 'tool' */
  readonly tag?: string
  /** Whether names and descriptions of parameters are searched too. @default true */
  readonly parameters?: boolean
}

/** Remembers the tools that are not remembered yet. */
export async function indexTools(
  sys: Sys,
  tools: readonly ToolDescription[],
  { tag = 'tool', parameters = true }: IndexOptions = {},
): Promise<void> {
  for (const tool of tools) {
    const text = toolText(tool, parameters)
    const mark = markOf(`${tag} ${tool.name}`)
    const known = await markedNote(sys, mark)
    if (known?.text === text) continue
    const id = known === undefined ? {} : { id: known.id }
    await sys.remember({ ...id, text, tags: [tag, mark], data: tool as unknown as Json })
  }
}

/** The tools nearest to a text, the nearest first. */
export async function findTools(
  sys: Sys,
  query: string,
  { limit = 10, tag = 'tool' }: { readonly limit?: number; readonly tag?: string } = {},
): Promise<readonly ToolDescription[]> {
  const notes = await sys.recall(query, { limit, tag })
  return notes.map(({ data }) => data as unknown as ToolDescription)
}

/** Those of the first tools whose schemas fit, tokens; one that does not fit is passed over for a smaller one behind it. */
export function packTools(tools: readonly ToolDescription[], tokensMax: number): readonly ToolDescription[] {
  let left = tokensMax
  return tools.filter((tool) => {
    const tokens = schemaTokens(tool)
    if (tokens > left) return false
    left -= tokens
    return true
  })
}

/** What a tool takes in a prompt, tokens. */
export function schemaTokens(tool: ToolDescription): number {
  return Math.ceil(boundTokens(JSON.stringify(tool)))
}

/** A tool as it is searched. */
export function toolText({ name, description, inputSchema }: ToolDescription, parameters = true): string {
  const named = [wordsOfName(name), description]
  if (!parameters) return named.join('\n')
  const properties = (inputSchema as { readonly properties?: { readonly [name: string]: { description?: unknown } } })
    .properties
  const lines = Object.entries(properties ?? {}).map(([key, schema]) => {
    const said = typeof schema?.description === 'string' ? `: ${schema.description}` : ''
    return `${wordsOfName(key)}${said}`
  })
  return [...named, ...lines].join('\n')
}

/** `getUserIDs_v2` as "get user IDs v2". */
export function wordsOfName(name: string): string {
  return name
    .replaceAll(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1 $2')
    .replaceAll(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}
