/**
 * What the schemas of the native API are made of. The schemas check requests, are the OpenAPI document (openapi.ts), and give
 * the client its types (src/client.ts), which imports the types only; each family of routes has its own file of them
 * (process-schemas.ts, trace-schemas.ts, …).
 *
 *     Process.parse(await response.json())
 *     const process: Process = …
 *
 * Invariants
 *   AS1. Times are ms since 1970, durations ms, money US dollars.
 *   AS2. What is absent in an answer is null, or left out where the schema says `optional`; nothing is undefined.
 */
import { z } from 'zod'
import { errorTable } from '../../kernel/errors.ts'
import type { ErrorCode } from '../../kernel/errors.ts'
import { PRINCIPAL_NAME, PRINCIPAL_TAKES } from '../../kernel/principal.ts'
import type { Json } from '../../kernel/types.ts'

/** The schemas that the document names, by id. */
export const components = z.registry<{ readonly id: string; readonly description: string }>()

export function named<Schema extends z.ZodType>(id: string, description: string, schema: Schema): Schema {
  components.add(schema, { id, description })
  return schema
}

/** Any JSON. What came over the wire is some; what is answered was checked by the kernel. */
export const json = z.unknown() as unknown as z.ZodType<Json>
/** A JSON object whose keys are not ours to say. */
export const object = z.record(z.string(), json)
export const whole = z.int().min(0)
export const pid = z.int().min(1).describe('A process by the place of its start in the journal')
/** The name of a principal that a request says. */
export const principalName = z.string().regex(PRINCIPAL_NAME, `takes ${PRINCIPAL_TAKES}`)
export const time = z.number().describe('ms since 1970')

export const Failure = named(
  'Failure',
  'An error of the table (docs/errors.md), as plain data',
  z.object({
    code: z.enum(Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    detail: json.optional().describe('Facts for programs, such as the rule that denied'),
  }),
)
export type Failure = z.infer<typeof Failure>

/** A page of something; `next` is the cursor of the page after it, null where there is none. */
export function pageOf<Item extends z.ZodType>(id: string, what: string, item: Item) {
  return named(
    id,
    `A page of ${what}. Pass next as cursor to go on; null: this is the last page`,
    z.object({ items: z.array(item), next: z.string().nullable() }),
  )
}

/** All of something, in one answer. */
export function listOf<Item extends z.ZodType>(id: string, description: string, item: Item) {
  return named(id, description, z.object({ items: z.array(item) }))
}
