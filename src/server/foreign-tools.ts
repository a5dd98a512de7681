/**
 * What the law has to know of tools that clients execute: a client says their names and schemas, and the owner of the
 * server what calling them means.
 *
 *     const tools = parseForeignTools({ 'send_*': { outbound: true, control: ['to'] }, read_inbox: { labels: ['mail'] } })
 *     foreignToolsOf(tools)('send_mail')            // { outbound: true, control: ['to'] }
 *
 * A name itself goes before patterns; of patterns the first that matches holds. Of others nothing is known, and a rule
 * that looks there meets doubt.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { issuesOf } from '../kernel/input-form.ts'
import type { Tool } from '../kernel/types.ts'
import { glob } from '../policy/glob.ts'

/** What the law has to know of a tool that clients execute. */
export type ForeignTool = Pick<Tool, 'labels' | 'outbound' | 'control'>

/** By the name of the tool, or a pattern in which `*` stands for anything. */
export interface ForeignTools {
  readonly [pattern: string]: ForeignTool
}

const schema = z.record(
  z.string().min(1),
  z.strictObject({
    labels: z.array(z.string().min(1)).optional(),
    outbound: z.boolean().optional(),
    control: z.array(z.string().min(1)).optional(),
  }),
)

/** Throws `CONFIG_INVALID`. */
export function parseForeignTools(given: unknown): ForeignTools {
  const { data, error } = schema.safeParse(given)
  if (data !== undefined) return data as ForeignTools
  throw new PolityError(
    'CONFIG_INVALID',
    `these are no tools of clients: ${issuesOf(error)}; expected such as {"send_*":{"outbound":true,"control":["to"]},"read_inbox":{"labels":["mail"]}}`,
  )
}

/** Looks a tool up by its name. */
export function foreignToolsOf(tools: ForeignTools): (name: string) => ForeignTool | undefined {
  const patterns = Object.entries(tools)
    .filter(([pattern]) => pattern.includes('*'))
    .map(([pattern, tool]) => ({ matches: glob(pattern), tool }))
  return (name) => (Object.hasOwn(tools, name) ? tools[name] : patterns.find(({ matches }) => matches(name))?.tool)
}
