/**
 * The user's word on a form, as MCP takes it: what the form does not allow never leaves.
 *
 *     const elicit = checkedElicit('files', answer, () => new AjvJsonSchemaValidator())
 *     await elicit({ message, requestedSchema })       // { action: 'cancel' } where the answer does not fit the form
 *
 * Invariants
 *   EL1. What is accepted fits the form's schema, with its defaults filled in. Whatever else the callback returns is told as
 *        `cancel`, by which MCP means a user who made no choice, and the owner of the program is warned: an answer that the
 *        server would refuse fails the call, or the whole task, that asked.
 */
import { fieldOf, messageOf, warn } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import type { Validator } from './json-schema.ts'
import { jsonSchema } from './json-schema.ts'
import type { Elicit } from './options.ts'

type Answer = Awaited<ReturnType<Elicit>>

export function checkedElicit(server: string, elicit: Elicit, createValidator: () => Validator): Elicit {
  return async (request) => {
    const given = (await elicit(request)) as unknown
    const action = fieldOf(given, 'action')
    if (action === 'decline' || action === 'cancel') return { action }
    if (action !== 'accept')
      return leftOut(`its action is ${JSON.stringify(action)}; expected accept, decline or cancel`)
    const filled = withDefaults(request, given as Answer)
    const fault = await misfit(request, filled)
    return fault === undefined ? filled : leftOut(fault)
  }

  function leftOut(fault: string): Answer {
    warn(`an answer to MCP server ${server} is left out, and told as cancel`, fault)
    return { action: 'cancel' }
  }

  /** Why the form does not allow what was accepted; undefined where it does. A request for another page has no form. */
  async function misfit(
    { requestedSchema }: { readonly [key: string]: unknown },
    { content = {} }: Answer,
  ): Promise<string | undefined> {
    if (typeof requestedSchema !== 'object' || requestedSchema === null) return undefined
    const schema = jsonSchema(requestedSchema as { readonly [key: string]: Json }, createValidator)
    const { issues } = await schema['~standard'].validate(content)
    return issues?.map((one) => messageOf(one.message)).join('; ')
  }
}

/** With the defaults of fields that were not filled in (SEP-1034). */
function withDefaults({ requestedSchema }: { readonly [key: string]: unknown }, { action, content }: Answer): Answer {
  const properties = fieldOf(requestedSchema, 'properties')
  if (typeof properties !== 'object' || properties === null)
    return content === undefined ? { action } : { action, content }
  const defaults = Object.entries(properties).flatMap(([name, one]) => {
    const value: unknown = fieldOf(one, 'default')
    return value === undefined ? [] : [[name, value] as const]
  })
  return { action, content: { ...Object.fromEntries(defaults), ...content } as NonNullable<Answer['content']> }
}
